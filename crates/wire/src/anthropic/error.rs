//! Errors, in both directions.
//!
//! A provider's own word for an error is kept when it is one of Anthropic's. Bodies that are no JSON (a proxy's HTML,
//! nothing at all) become a message that says so.

use lockgate_core::{ErrorKind, Failure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::frames::Word;
use crate::json::{excerpt, to_client};

/// The types of errors that Anthropic's clients know, with the kind each speaks of.
const TYPES: [(&str, ErrorKind); 11] = [
    ("api_error", ErrorKind::UpstreamUnavailable),
    ("authentication_error", ErrorKind::UpstreamAuth),
    ("billing_error", ErrorKind::UpstreamRejected),
    ("conflict_error", ErrorKind::UpstreamRejected),
    ("invalid_request_error", ErrorKind::UpstreamRejected),
    ("not_found_error", ErrorKind::NotFound),
    ("overloaded_error", ErrorKind::Overloaded),
    ("permission_error", ErrorKind::Forbidden),
    ("rate_limit_error", ErrorKind::RateLimited),
    ("request_too_large", ErrorKind::TooLarge),
    ("timeout_error", ErrorKind::Timeout),
];

/// How much of a provider's message goes on.
const MESSAGE_ROOM: usize = 2000;

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
}

/// The body of an error for a client.
pub(super) fn body(failure: &Failure) -> Vec<u8> {
    let mut out = Vec::new();
    let error = Inner { kind: type_of(failure), message: &failure.message };
    to_client(&Body { kind: "error", error }, &mut out);
    out
}

/// The type that a client gets to see.
fn type_of(failure: &Failure) -> &str {
    let own = failure.code.as_deref().filter(|code| kind_of(code).is_some());
    own.unwrap_or(match failure.status() {
        402 => "billing_error",
        529 => "overloaded_error",
        _ => match failure.kind {
            ErrorKind::Forbidden | ErrorKind::PolicyRefused => "permission_error",
            ErrorKind::Internal | ErrorKind::UpstreamUnavailable => "api_error",
            ErrorKind::InvalidRequest | ErrorKind::UpstreamRejected => "invalid_request_error",
            ErrorKind::NotFound => "not_found_error",
            ErrorKind::Overloaded => "overloaded_error",
            ErrorKind::RateLimited => "rate_limit_error",
            ErrorKind::Timeout => "timeout_error",
            ErrorKind::TooLarge => "request_too_large",
            ErrorKind::Unauthenticated | ErrorKind::UpstreamAuth => "authentication_error",
        },
    })
}

fn kind_of(code: &str) -> Option<ErrorKind> {
    TYPES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorIn<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Word<'a>,
    #[serde(borrow, rename = "type")]
    kind: Word<'a>,
}

/// Reads a provider's error body.
pub(super) fn fault(status: u16, body: &[u8]) -> Failure {
    let outer: ErrorIn<'_> = serde_json::from_slice(body).unwrap_or_default();
    let mut failure = match outer.error {
        Some(error) => inside(error),
        None if !outer.message.0.is_empty() => told(&outer),
        None => {
            let shown = excerpt(body.trim_ascii(), 300);
            let end = if shown.is_empty() { String::new() } else { format!(": {shown}") };
            let message = format!("the provider answered {status} without a readable error{end}");
            Failure::new(ErrorKind::UpstreamUnavailable, message)
        }
    };
    if status >= 400 {
        failure.kind = ErrorKind::of_upstream_status(status);
        failure.status = Some(status);
    }
    failure
}

/// Reads an error inside an answer: an object, or (Ollama) a mere string.
pub(super) fn inside(error: &RawValue) -> Failure {
    if let Ok(words) = serde_json::from_str::<String>(error.get()) {
        return Failure::new(ErrorKind::UpstreamUnavailable, bounded(&words));
    }
    told(&serde_json::from_str(error.get()).unwrap_or_default())
}

fn told(error: &ErrorIn<'_>) -> Failure {
    let kind = kind_of(&error.kind.0).unwrap_or(ErrorKind::UpstreamUnavailable);
    let message = if error.message.0.is_empty() {
        "the provider gave up without saying why".to_owned()
    } else {
        bounded(&error.message.0)
    };
    Failure { code: error.kind.some(), ..Failure::new(kind, message) }
}

fn bounded(message: &str) -> String {
    excerpt(message.as_bytes(), MESSAGE_ROOM)
}
