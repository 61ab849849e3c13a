//! Tests of this dialect: answers read over fixtures ([`answers`]), what clients get ([`written`]), requests taken
//! apart ([`requests`]) and written for other dialects' clients ([`conversations`]), errors and counts ([`errors`]).

mod answers;
mod conversations;
mod errors;
mod requests;
mod written;

use std::path::PathBuf;

use lockgate_core::Conversation;
use serde_json::Value;

use crate::{Loss, Quirks, check};

use super::FORMAT;

/// The bytes of a fixture.
fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/responses").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A request taken apart that must be readable.
fn parse(body: &Value) -> Conversation {
    FORMAT.messages.parse(body.to_string().as_bytes()).unwrap()
}

/// A request as it is written for a provider, and what was lost.
fn write(conversation: &Conversation) -> (Value, Loss) {
    let (body, loss) = check::write(&FORMAT, conversation, &Quirks::default());
    (serde_json::from_str(&body).unwrap(), loss)
}

/// The data of each event of a stream, with its name checked.
fn data(stream: &str) -> Vec<Value> {
    stream
        .split("\n\n")
        .filter(|frame| !frame.is_empty())
        .map(|frame| {
            let (name, data) = frame.split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str(), "{frame}");
            data
        })
        .collect()
}
