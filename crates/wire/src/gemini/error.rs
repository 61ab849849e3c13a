//! Errors in Google's form: `{"error":{code,message,status,details}}`, alone, in an array, or inside a stream.
//!
//! Names the status by Google's words. Reads the delay of `RetryInfo`, the field of `BadRequest` and the reason of
//! `ErrorInfo`; anything that is not of this form (HTML, nothing) is told in a bounded excerpt.

use std::time::Duration;

use lockgate_core::{ErrorKind, Failure};
use serde_json::{Value, json};

use crate::json::{excerpt, to_client, wire_object};

wire_object! {
    /// An error as Google writes it.
    pub(super) struct ErrorObject {
        "code" => code: Value,
        "details" => details: Value,
        "message" => message: Value,
        "status" => status: Value,
    }
}

wire_object! {
    struct Body { "error" => error: ErrorObject }
}

const NAMES: [&str; 12] = [
    "ABORTED",
    "ALREADY_EXISTS",
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "FAILED_PRECONDITION",
    "INTERNAL",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "OUT_OF_RANGE",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "UNAUTHENTICATED",
];

/// Google's word for an HTTP status.
fn name_of(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        502 | 503 | 529 => "UNAVAILABLE",
        400..=499 => "INVALID_ARGUMENT",
        _ => "INTERNAL",
    }
}

/// The HTTP status that Google's word stands for.
fn status_of(name: &str) -> Option<u16> {
    Some(match name {
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "CANCELLED" => 499,
        "DEADLINE_EXCEEDED" => 504,
        "FAILED_PRECONDITION" | "INVALID_ARGUMENT" | "OUT_OF_RANGE" => 400,
        "INTERNAL" => 500,
        "NOT_FOUND" => 404,
        "PERMISSION_DENIED" => 403,
        "RESOURCE_EXHAUSTED" => 429,
        "UNAUTHENTICATED" => 401,
        "UNAVAILABLE" => 503,
        "UNIMPLEMENTED" => 501,
        _ => return None,
    })
}

/// Writes an error. `error` is the first member and `code` an HTTP error status: by these two Google's SDKs know an
/// error inside a stream.
pub(super) fn write(failure: &Failure, out: &mut Vec<u8>) {
    let status = Some(failure.status()).filter(|status| (400..600).contains(status));
    let status = status.unwrap_or_else(|| failure.kind.status());
    let code = failure.code.as_deref().filter(|code| NAMES.contains(code) || *code == "UNAVAILABLE");
    let mut error = json!({
        "code": status,
        "message": failure.message,
        "status": code.unwrap_or_else(|| name_of(status)),
    });
    let mut details = Vec::new();
    if let Some(delay) = failure.retry_after {
        // Whole seconds as Google writes them; a part of a second is a second, so that nobody comes too early.
        let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{seconds}s"),
        }));
    }
    if let Some(param) = &failure.param {
        details.push(json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": param, "description": failure.message}],
        }));
    }
    if !details.is_empty() {
        error["details"] = details.into();
    }
    to_client(&json!({ "error": error }), out);
}

/// Reads an error body.
pub(super) fn fault(status: u16, body: &[u8]) -> Failure {
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let error = match start {
        Some(b'[') => serde_json::from_slice::<Vec<Body>>(body)
            .ok()
            .and_then(|bodies| bodies.into_iter().find_map(|body| body.error)),
        _ => serde_json::from_slice::<Body>(body).ok().and_then(|body| body.error),
    };
    let mut failure = match error {
        Some(error) => failure_of(&error),
        None => Failure::new(ErrorKind::of_upstream_status(status), unreadable(status, body)),
    };
    failure.status = Some(status);
    if failure.kind != ErrorKind::UpstreamAuth {
        failure.kind = ErrorKind::of_upstream_status(status);
    }
    failure
}

fn unreadable(status: u16, body: &[u8]) -> String {
    let text = excerpt(body, 300);
    match text.trim() {
        "" => format!("the provider answered with status {status} and an empty body"),
        text => format!("the provider answered with status {status}: {text}"),
    }
}

/// An error object as a failure.
pub(super) fn failure_of(error: &ErrorObject) -> Failure {
    let name = error.status.as_ref().and_then(Value::as_str);
    let code = error.code.as_ref().and_then(|code| {
        code.as_u64().or_else(|| code.as_str()?.parse().ok()).and_then(|code| u16::try_from(code).ok())
    });
    let status = code.filter(|code| (400..600).contains(code)).or_else(|| status_of(name?));
    let message = error.message.as_ref().and_then(Value::as_str).filter(|message| !message.is_empty());
    let message = message.map_or_else(
        || format!("the provider gave up: {}", name.unwrap_or("it did not say why")),
        |message| excerpt(message.as_bytes(), 4000),
    );
    let kind = ErrorKind::of_upstream_status(status.unwrap_or(500));
    let mut failure = Failure { code: name.map(Into::into), status, ..Failure::new(kind, message) };
    for detail in error.details.as_ref().and_then(Value::as_array).into_iter().flatten() {
        if let Some(delay) = detail["retryDelay"].as_str().and_then(seconds) {
            failure.retry_after = Some(delay);
        }
        if let Some(field) = detail["fieldViolations"][0]["field"].as_str().filter(|field| !field.is_empty())
        {
            failure.param = Some(field.into());
        }
        if detail["reason"].as_str().is_some_and(|reason| reason.starts_with("API_KEY_")) {
            // A wrong key comes as 400 INVALID_ARGUMENT, a blocked one as 403.
            failure.kind = ErrorKind::UpstreamAuth;
        }
    }
    failure
}

/// A duration in protobuf's JSON form: `34.07s`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_errors_keep_their_words_and_the_time_to_wait() {
        let body = br#"[{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.Help","links":[]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}]"#;
        let failure = fault(429, body);
        assert_eq!(failure.kind, ErrorKind::RateLimited);
        assert_eq!(failure.message, "Quota exceeded.");
        assert_eq!(failure.code.as_deref(), Some("RESOURCE_EXHAUSTED"));
        assert_eq!(failure.retry_after, Some(Duration::from_millis(34_500)));
        let mut out = Vec::new();
        write(&failure, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("{\"error\":{\"code\":429,"), "{text}");
        assert!(text.contains("\"retryDelay\":\"35s\""), "{text}");
    }

    #[test]
    fn a_wrong_key_is_told_from_a_wrong_request() {
        let key = br#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
        assert_eq!((fault(400, key).kind, fault(400, key).status()), (ErrorKind::UpstreamAuth, 400));
        let field = br#"{"error":{"code":400,"message":"Bad.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents","description":"empty"}]}]}}"#;
        let failure = fault(400, field);
        assert_eq!((failure.kind, failure.param.as_deref()), (ErrorKind::UpstreamRejected, Some("contents")));
    }

    #[test]
    fn html_and_nothing_are_told_in_words() {
        let failure = fault(502, b"<!DOCTYPE html><title>Error 502</title>");
        assert_eq!(failure.kind, ErrorKind::UpstreamUnavailable);
        assert!(failure.message.contains("Error 502"));
        assert!(fault(503, b"").message.contains("empty body"));
        assert!(fault(500, &[b'x'; 9000]).message.len() < 500);
    }

    #[test]
    fn every_kind_has_googles_word() {
        for kind in ErrorKind::ALL {
            let mut out = Vec::new();
            write(&Failure::new(kind, "m"), &mut out);
            let body: Value = serde_json::from_slice(&out).unwrap();
            assert_eq!(body["error"]["code"], kind.status());
            let name = body["error"]["status"].as_str().unwrap();
            assert!(status_of(name).is_some_and(|status| status / 100 == kind.status() / 100), "{name}");
        }
    }
}
