//! Errors: as clients get them, and as servers of all kinds send them.

use std::fmt::Write as _;

use lockgate_core::{ErrorKind, Failure};

use super::FORMAT;

/// Requirement I3, behaviour 7: the shape of OpenAI's errors, for every kind.
#[test]
fn every_kind_of_failure_has_openais_shape() {
    let mut all = String::new();
    for kind in ErrorKind::ALL {
        let failure =
            Failure { param: Some("messages[0].role".into()), ..Failure::new(kind, "what is wrong") };
        let body = String::from_utf8(FORMAT.messages.error(&failure)).unwrap();
        writeln!(all, "{kind}: {body}").unwrap();
    }
    insta::assert_snapshot!("errors", all);
}

#[test]
fn a_providers_own_code_is_kept() {
    for (code, kind) in [
        ("context_length_exceeded", "\"type\":\"invalid_request_error\""),
        ("insufficient_quota", "\"type\":\"insufficient_quota\""),
    ] {
        let failure = Failure {
            code: Some(code.into()),
            ..Failure::new(
                if code == "insufficient_quota" { ErrorKind::RateLimited } else { ErrorKind::InvalidRequest },
                "m",
            )
        };
        let body = String::from_utf8(FORMAT.messages.error(&failure)).unwrap();
        assert!(body.contains(&format!("\"code\":\"{code}\"")) && body.contains(kind), "{body}");
    }
}

/// Status, body, and what is read of them: kind, message, code, param.
type Case = (u16, &'static str, ErrorKind, &'static str, Option<&'static str>, Option<&'static str>);

/// Each as the server really sends it.
const CASES: &[Case] = &[
    (
        401,
        r#"{"error":{"message":"Incorrect API key provided: sk-x.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
        ErrorKind::UpstreamAuth,
        "Incorrect API key provided: sk-x.",
        Some("invalid_api_key"),
        None,
    ),
    (
        400,
        r#"{"error":{"message":"This model's maximum context length is 128000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        ErrorKind::UpstreamRejected,
        "This model's maximum context length is 128000 tokens.",
        Some("context_length_exceeded"),
        Some("messages"),
    ),
    // vLLM
    (
        404,
        r#"{"error":{"message":"The model `nope` does not exist.","type":"NotFoundError","param":"model","code":404}}"#,
        ErrorKind::NotFound,
        "The model `nope` does not exist.",
        Some("NotFoundError"),
        Some("model"),
    ),
    (
        400,
        r#"{"error":{"message":"1 validation error","type":"Bad Request","param":"body.messages","code":400}}"#,
        ErrorKind::UpstreamRejected,
        "1 validation error",
        Some("Bad Request"),
        Some("messages"),
    ),
    (
        400,
        r#"{"object":"error","message":"old form","type":"BadRequestError","param":null,"code":400}"#,
        ErrorKind::UpstreamRejected,
        "old form",
        Some("BadRequestError"),
        None,
    ),
    // llama.cpp
    (
        503,
        r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
        ErrorKind::Overloaded,
        "Loading model",
        Some("unavailable_error"),
        None,
    ),
    // OpenRouter
    (
        429,
        r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"too fast","provider_name":"X"}},"user_id":"u"}"#,
        ErrorKind::RateLimited,
        "Provider returned error: too fast",
        None,
        None,
    ),
    // FastAPI, and Mistral's form of it
    (422, r#"{"detail":"Not here"}"#, ErrorKind::UpstreamRejected, "Not here", None, None),
    (
        422,
        r#"{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required"}]}"#,
        ErrorKind::UpstreamRejected,
        "messages.0.role: Field required",
        None,
        Some("messages.0.role"),
    ),
    (
        422,
        r#"{"object":"error","message":{"detail":[{"loc":["body","n"],"msg":"Extra inputs are not permitted"}]},"type":"invalid_request_error","code":null}"#,
        ErrorKind::UpstreamRejected,
        "n: Extra inputs are not permitted",
        None,
        Some("n"),
    ),
    // xAI, Ollama, Gemini's compatible endpoint
    (
        400,
        r#"{"code":"Client specified an invalid argument","error":"Incorrect API key"}"#,
        ErrorKind::UpstreamRejected,
        "Incorrect API key",
        Some("Client specified an invalid argument"),
        None,
    ),
    (404, r#"{"error":"model not found"}"#, ErrorKind::NotFound, "model not found", None, None),
    (
        400,
        r#"[{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT"}}]"#,
        ErrorKind::UpstreamRejected,
        "API key not valid.",
        None,
        None,
    ),
    // No JSON at all
    (502, "upstream connect error", ErrorKind::UpstreamUnavailable, "upstream connect error", None, None),
    (
        502,
        "<html>\n<head><title>502 Bad Gateway</title></head><body>secret</body></html>",
        ErrorKind::UpstreamUnavailable,
        "the provider answered with a web page: 502 Bad Gateway",
        None,
        None,
    ),
    (504, "", ErrorKind::Timeout, "the provider answered with status 504 and nothing more", None, None),
];

#[test]
fn errors_of_every_server_are_read() {
    for (status, body, kind, message, code, param) in CASES {
        let found = FORMAT.messages.fault(*status, body.as_bytes());
        let expected = Failure {
            code: code.map(Into::into),
            param: param.map(Into::into),
            status: Some(*status),
            ..Failure::new(*kind, *message)
        };
        assert_eq!(found, expected, "{body}");
    }
}

#[test]
fn a_foreign_message_is_bounded() {
    let page = format!("{{\"error\":{{\"message\":\"{}\"}}}}", "x".repeat(100_000));
    assert!(FORMAT.messages.fault(500, page.as_bytes()).message.len() < 5000);
    assert!(FORMAT.messages.fault(500, "y".repeat(100_000).as_bytes()).message.len() < 5000);
}
