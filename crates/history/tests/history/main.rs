//! The record as it is read: fixtures and made-up sessions through the whole crate.
#![cfg(test)]

mod cost;
mod export;
mod import;
mod intervention;
mod reading;
mod session;
mod support;
mod transcript;
