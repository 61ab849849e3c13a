//! Errors as Ollama says them: `{"error": "words"}`, the same before and inside a stream.
//!
//! The words are all there is, so the kind is read from the status and, where there is none, from the server's own
//! sentences.

use lockgate_core::{ErrorKind, Failure};
use serde::Serialize;

use super::encode::go_json;
use crate::json::excerpt;

/// Longest message taken from a provider, in bytes.
const LONGEST: usize = 2000;

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
}

/// The body of an error.
pub(super) fn body(failure: &Failure) -> Vec<u8> {
    let mut out = Vec::new();
    go_json(&Body { error: &failure.message }, &mut out);
    out
}

/// A provider's error body.
pub(super) fn fault(status: u16, body: &[u8]) -> Failure {
    let message = serde_json::from_slice::<serde_json::Value>(body)
        .ok()
        .and_then(|value| value.get("error").and_then(words))
        .unwrap_or_else(|| excerpt(body, LONGEST).trim().to_owned());
    let kind = match ErrorKind::of_upstream_status(status) {
        ErrorKind::UpstreamUnavailable | ErrorKind::UpstreamRejected => {
            said(&message).unwrap_or(ErrorKind::of_upstream_status(status))
        }
        kind => kind,
    };
    let message = if message.is_empty() { format!("Ollama answered with status {status}") } else { message };
    Failure { status: Some(status), ..Failure::new(kind, message) }
}

/// An error line inside an answer.
pub(super) fn line(error: &serde_json::value::RawValue) -> Failure {
    let value: Option<serde_json::Value> = serde_json::from_str(error.get()).ok();
    let message = value.as_ref().and_then(words).unwrap_or_else(|| excerpt(error.get().as_bytes(), LONGEST));
    Failure::new(said(&message).unwrap_or(ErrorKind::UpstreamUnavailable), message)
}

/// The words of an `error`: a text, or (some servers in between) an object with a message.
fn words(error: &serde_json::Value) -> Option<String> {
    let text = error.as_str().or_else(|| error.get("message").and_then(serde_json::Value::as_str))?;
    Some(excerpt(text.as_bytes(), LONGEST))
}

/// The kind that the server's own sentences speak of.
fn said(message: &str) -> Option<ErrorKind> {
    const SENTENCES: [(&str, ErrorKind); 7] = [
        ("server busy", ErrorKind::Overloaded),
        ("try pulling it first", ErrorKind::NotFound),
        ("does not support", ErrorKind::UpstreamRejected),
        ("is not supported for this model", ErrorKind::UpstreamRejected),
        ("exceeds the context length", ErrorKind::UpstreamRejected),
        ("usage limit", ErrorKind::RateLimited),
        ("unauthorized", ErrorKind::UpstreamAuth),
    ];
    SENTENCES.iter().find(|(sentence, _)| message.contains(sentence)).map(|(_, kind)| *kind)
}
