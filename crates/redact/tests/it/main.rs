//! What people get from the redactor, through its public face alone.
#![cfg(test)]

mod canaries;
mod json;
mod properties;

use lockgate_core::Secret;
use lockgate_redact::{Known, Level, Options, Redactor};

const KEY: [u8; 32] = *b"a key that only this test needs!";

/// A redactor that knows some secrets.
fn redactor(known: &[(&str, &str)]) -> Redactor {
    at(Level::Record, known)
}

fn at(level: Level, known: &[(&str, &str)]) -> Redactor {
    let known = known
        .iter()
        .map(|(name, secret)| Known { name: (*name).to_owned(), secret: Secret::new(*secret) })
        .collect();
    Redactor::new(Options { known, key: KEY, level })
}

/// Letters and digits that look like a key; another `seed`, another text.
fn random(seed: u64, length: usize) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(LETTERS[(state >> 20) as usize % LETTERS.len()])
        })
        .collect()
}

/// A random number written with the digits of hex.
fn hex(seed: u64, length: usize) -> String {
    random(seed, length).bytes().map(|byte| char::from(b"0123456789abcdef"[usize::from(byte) % 16])).collect()
}
