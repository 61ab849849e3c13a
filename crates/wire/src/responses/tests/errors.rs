//! Errors before the first byte, in both directions, and counts of tokens.

use lockgate_core::{ErrorKind, Failure};
use serde_json::{Value, json};

use crate::{Loss, Quirks, Target};

use super::super::FORMAT;
use super::{fixture, parse};

/// Requirement I3.
#[test]
fn every_kind_of_failure_has_a_body_in_this_dialect() {
    let mut all = String::new();
    for kind in ErrorKind::ALL {
        let failure = Failure { param: Some("input[0].role".into()), ..Failure::new(kind, "what is wrong") };
        all.push_str(&String::from_utf8(FORMAT.messages.error(&failure)).unwrap());
        all.push('\n');
    }
    insta::assert_snapshot!("responses_error_bodies", all);
}

#[test]
fn a_providers_error_is_read_in_any_shape() {
    for (status, body, kind, message) in [
        (
            429,
            r#"{"error":{"message":"slow","type":"requests","code":"rate_limit_exceeded"}}"#,
            ErrorKind::RateLimited,
            "slow",
        ),
        (
            400,
            r#"{"error":{"message":"bad","type":"invalid_request_error","param":"input","code":null}}"#,
            ErrorKind::UpstreamRejected,
            "bad",
        ),
        (
            503,
            r#"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#,
            ErrorKind::Overloaded,
            "Loading model",
        ),
        (404, r#"{"error":"model \"x\" not found"}"#, ErrorKind::NotFound, "model \"x\" not found"),
        (
            422,
            r#"{"detail":[{"loc":["body"],"msg":"no"}]}"#,
            ErrorKind::UpstreamRejected,
            r#"[{"loc":["body"],"msg":"no"}]"#,
        ),
        (502, "<html>Bad Gateway</html>", ErrorKind::UpstreamUnavailable, "a web page: Bad Gateway"),
        (500, "", ErrorKind::UpstreamUnavailable, "the provider answered with status 500 and no message"),
    ] {
        let failure = FORMAT.messages.fault(status, body.as_bytes());
        assert_eq!((failure.kind, failure.message.as_str()), (kind, message), "{body}");
        assert_eq!(failure.status, Some(status));
    }
    let failure = FORMAT.messages.fault(503, &fixture("error.json"));
    assert_eq!(failure.code.as_deref(), Some("server_is_overloaded"));
    assert!(FORMAT.messages.fault(500, &vec![b'x'; 100_000]).message.len() < 3000);
}

#[test]
fn the_tokens_of_a_request_can_be_counted() {
    let tokens = FORMAT.tokens.unwrap();
    let body = json!({"model": "m", "input": "hi", "instructions": "Be brief.", "temperature": 0.5, "truncation": "auto",
        "max_output_tokens": 100, "reasoning": {"effort": "low"}, "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": true}]});
    let conversation = tokens.parse(body.to_string().as_bytes()).unwrap();
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 1, model: "gpt-x", quirks: &quirks, stream: false };
    let mut loss = Loss::default();
    let written: Value =
        serde_json::from_slice(&tokens.write(&conversation, &target, &mut loss).unwrap()).unwrap();
    assert_eq!(
        written,
        json!({"model": "gpt-x", "instructions": "Be brief.", "truncation": "auto",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
            "reasoning": {"effort": "low"}, "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": true}]})
    );
    assert!(loss.is_empty(), "{loss:?}");
    assert_eq!(tokens.parse_answer(br#"{"object":"response.input_tokens","input_tokens":42}"#), Ok(42));
    assert_eq!(tokens.write_answer(42), br#"{"object":"response.input_tokens","input_tokens":42}"#);
    assert!(tokens.parse_answer(b"{}").is_err());
    assert_eq!(parse(&body).turns.len(), 1);
}
