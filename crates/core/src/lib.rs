//! The vocabulary that every other crate shares.

mod secret;

pub use secret::Secret;
