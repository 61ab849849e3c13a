//! What the Ollama codec holds to: recorded and composed answers, rich requests, and the pitfalls by name.

mod models;
mod requests;
mod streams;

use std::fs;
use std::path::Path;

/// A fixture's bytes.
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/ollama");
    fs::read(folder.join(name)).unwrap()
}
