//! The policies about the quality of commits and pull requests, on sessions as clients send them.
#![cfg(test)]

mod clients;
mod random;
mod replay;
mod session;
mod tables;
mod texts;
