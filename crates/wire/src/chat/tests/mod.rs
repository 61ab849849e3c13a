//! What the Chat dialect promises, by area. Fixtures are in `fixtures/streams/chat`: recordings of real servers
//! (named by their server) and streams in the forms that providers document.

mod answers;
mod catalogue;
mod encoding;
mod errors;
mod requests;
mod writing;

use std::path::PathBuf;

use lockgate_core::Event;

use super::FORMAT;
use crate::{Mode, check};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/chat")
}

fn fixture(name: &str) -> Vec<u8> {
    let path = folder().join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn mode_of(name: &str) -> Mode {
    match PathBuf::from(name).extension().and_then(|end| end.to_str()) {
        Some("json") => Mode::Whole,
        _ => Mode::Stream,
    }
}

fn events(name: &str) -> Vec<Event> {
    check::events(&FORMAT, mode_of(name), &fixture(name))
}

/// The events that mean something, a line each.
fn told(name: &str) -> String {
    let events: Vec<_> =
        events(name).into_iter().filter(|event| !matches!(event, Event::Opaque | Event::Ping)).collect();
    check::shown(&events)
}

/// The names of all fixtures, in order.
fn fixtures() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
