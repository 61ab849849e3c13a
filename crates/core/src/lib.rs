//! The vocabulary that every other crate shares.
