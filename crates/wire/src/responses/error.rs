//! Errors of this dialect: HTTP bodies, the error of a failed response, and what a provider's error means.
//!
//! In a stream a failure is one `response.failed` event that also carries `error` beside `response` (see
//! [`super::encode`]): Codex reads only `response.failed` and ignores `error` events, the OpenAI SDKs raise only
//! when an event has a top-level `error`. This one event is an error to both.

use lockgate_core::{ErrorKind, Failure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;

use super::answer::{number, text};

/// A provider's message is cut here.
const MAX_MESSAGE: usize = 2000;

/// Codes that OpenAI gives a failed response, or that Codex knows; they pass as they are.
const KNOWN_CODES: [&str; 12] = [
    "bio_policy",
    "context_length_exceeded",
    "cyber_policy",
    "data_residency_mismatch",
    "insufficient_quota",
    "invalid_prompt",
    "misalignment_policy_violation",
    "rate_limit_exceeded",
    "server_error",
    "server_is_overloaded",
    "slow_down",
    "usage_not_included",
];

/// The `error` member of a body or an event.
#[derive(Serialize)]
pub(super) struct ErrorOut<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

/// The `error` member of a failed response.
#[derive(Serialize)]
pub(super) struct ResponseErrorOut {
    code: String,
    message: String,
}

#[derive(Serialize)]
struct BodyOut<'a> {
    error: ErrorOut<'a>,
}

/// The body of an error before the first byte.
pub(super) fn body(failure: &Failure) -> Vec<u8> {
    let mut out = Vec::new();
    json::to_client(&BodyOut { error: member(failure) }, &mut out);
    out
}

/// The `error` member of a body or an event.
pub(super) fn member(failure: &Failure) -> ErrorOut<'_> {
    let own = failure.code.as_deref().filter(|code| !crate::chat::is_type(code));
    let limited = failure.kind == ErrorKind::RateLimited;
    let code = own.or(Some(if limited { "rate_limit_exceeded" } else { failure.kind.as_str() }));
    ErrorOut {
        message: &failure.message,
        r#type: type_of(failure.kind),
        param: failure.param.as_deref(),
        code,
    }
}

/// The `error` member of a failed response. Its code tells Codex whether to try again; the time to wait stands in
/// the message, which is where Codex looks for it.
pub(super) fn of_response(failure: &Failure) -> ResponseErrorOut {
    let known = failure.code.as_deref().filter(|code| KNOWN_CODES.contains(code) || code.contains("image"));
    let code = known.unwrap_or(match failure.kind {
        ErrorKind::RateLimited => "rate_limit_exceeded",
        ErrorKind::Internal | ErrorKind::Overloaded | ErrorKind::Timeout | ErrorKind::UpstreamUnavailable => {
            "server_error"
        }
        ErrorKind::Forbidden
        | ErrorKind::InvalidRequest
        | ErrorKind::NotFound
        | ErrorKind::PolicyRefused
        | ErrorKind::TooLarge
        | ErrorKind::Unauthenticated
        | ErrorKind::UpstreamAuth
        | ErrorKind::UpstreamRejected => "invalid_prompt",
    });
    let mut message = failure.message.clone();
    if let Some(wait) = failure.retry_after.filter(|_| !message.contains("try again in")) {
        message = format!("{message} Please try again in {}s.", wait.as_secs_f64());
    }
    ResponseErrorOut { code: code.to_owned(), message }
}

fn type_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Forbidden | ErrorKind::PolicyRefused => "permission_error",
        ErrorKind::Internal | ErrorKind::Overloaded | ErrorKind::Timeout | ErrorKind::UpstreamUnavailable => {
            "server_error"
        }
        ErrorKind::InvalidRequest
        | ErrorKind::NotFound
        | ErrorKind::TooLarge
        | ErrorKind::UpstreamRejected => "invalid_request_error",
        ErrorKind::RateLimited => "rate_limit_error",
        ErrorKind::Unauthenticated | ErrorKind::UpstreamAuth => "authentication_error",
    }
}

/// An error as providers write it, read without demands on its shape.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorIn<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    param: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
}

/// What an `error` member (an object or just words) means.
pub(super) fn failure(raw: &RawValue) -> Failure {
    let error: ErrorIn<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    if let Some(inner) = error.error {
        return failure(inner);
    }
    let code = text(error.code);
    let kind = text(error.kind).unwrap_or_default();
    let message = text(error.message).or_else(|| text(Some(raw))).unwrap_or_else(|| match raw.get() {
        "null" => "the provider gave up and did not say why".to_owned(),
        json => json.to_owned(),
    });
    Failure {
        kind: kind_of(code.as_deref().unwrap_or_default(), &kind, number(error.code)),
        param: text(error.param),
        code,
        ..Failure::new(ErrorKind::Internal, json::excerpt(message.as_bytes(), MAX_MESSAGE))
    }
}

fn kind_of(code: &str, kind: &str, status: Option<u64>) -> ErrorKind {
    match code {
        "insufficient_quota" | "rate_limit_exceeded" | "slow_down" | "usage_not_included" => {
            return ErrorKind::RateLimited;
        }
        "server_error" => return ErrorKind::UpstreamUnavailable,
        "server_is_overloaded" => return ErrorKind::Overloaded,
        "invalid_api_key" => return ErrorKind::UpstreamAuth,
        _ if KNOWN_CODES.contains(&code) || code.contains("image") || code.starts_with("invalid_") => {
            return ErrorKind::UpstreamRejected;
        }
        _ => {}
    }
    match kind {
        "authentication_error" => ErrorKind::UpstreamAuth,
        "exceed_context_size_error" | "invalid_request_error" | "BadRequestError" => {
            ErrorKind::UpstreamRejected
        }
        "not_found_error" | "NotFoundError" => ErrorKind::NotFound,
        "overloaded_error" | "unavailable_error" => ErrorKind::Overloaded,
        "permission_error" => ErrorKind::Forbidden,
        "rate_limit_error" | "requests" | "tokens" => ErrorKind::RateLimited,
        _ => match status.and_then(|status| u16::try_from(status).ok()) {
            Some(status @ 400..=599) => ErrorKind::of_upstream_status(status),
            _ => ErrorKind::UpstreamUnavailable,
        },
    }
}

/// Reads a provider's error body: its own shape, the `detail` of Python frameworks, or whatever a proxy in between has put there.
pub(super) fn fault(status: u16, body: &[u8]) -> Failure {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct BodyIn<'a> {
        #[serde(borrow)]
        detail: Option<&'a RawValue>,
        #[serde(borrow)]
        error: Option<&'a RawValue>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    let read: BodyIn<'_> = serde_json::from_slice(body).unwrap_or_default();
    let mut fault = if let Some(raw) = read.error.or(read.detail).or(read.message) {
        failure(raw)
    } else {
        let text = json::excerpt(body, MAX_MESSAGE);
        let words = text.trim();
        let none = format!("the provider answered with status {status} and no message");
        Failure::new(ErrorKind::Internal, if words.is_empty() { &none } else { words })
    };
    fault.kind = ErrorKind::of_upstream_status(status);
    fault.status = Some(status);
    fault
}
