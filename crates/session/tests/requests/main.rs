//! What is read from requests: of real clients, and of whoever sends anything at all.
#![cfg(test)]

mod clients;
mod fixture;
mod properties;
