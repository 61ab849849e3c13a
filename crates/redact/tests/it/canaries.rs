//! Secrets planted in every place where they can be: none may come out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockgate_redact::{Level, Redactor};
use serde_json::json;

use crate::{at, hex, random, redactor};

/// The kinds of secrets that are planted: made here, so that no file holds one.
fn secrets() -> Vec<String> {
    let body = |seed| format!("{}\n{}\n{}", random(seed, 64), random(seed + 1, 64), random(seed + 2, 40));
    vec![
        format!("sk-ant-api03-{}", random(1, 93)),
        format!("sk-proj-{}", random(2, 120)),
        format!("sk-{}", random(3, 48)),
        format!("AIza{}", random(4, 35)),
        format!("gsk_{}", random(5, 52)),
        format!("github_pat_{}_{}", random(6, 22), random(60, 59)),
        format!("glpat-{}", random(7, 20)),
        format!("xoxb-{}-{}", 293_847_561_029_u64, random(8, 24)),
        format!("AKIA{}", random(9, 16).to_uppercase()),
        format!("sk_live_{}", random(10, 24)),
        format!("eyJhbGciOiJIUzI1NiJ9.eyJ{}.{}", random(11, 40), random(12, 43)),
        format!("-----BEGIN {0}PRIVATE KEY-----\n{1}\n-----END {0}PRIVATE KEY-----", "RSA ", body(13)),
        // Known to the configuration; nothing in its shape says what it is.
        "correct horse/battery+staple".to_owned(),
    ]
}

fn known(level: Level) -> Redactor {
    at(level, &[("upstream", "correct horse/battery+staple")])
}

/// No eight characters in a row of the secret's middle are left.
fn gone(text: &str, secret: &str, place: &str) {
    let flat: Vec<char> = secret.chars().filter(|character| !character.is_whitespace()).collect();
    let text: String = text.chars().filter(|character| !character.is_whitespace()).collect();
    for window in flat[flat.len() / 2..].windows(12) {
        let part: String = window.iter().collect();
        assert!(!text.contains(&part), "{place}: {part} of {secret:?} is left in {text}");
    }
}

/// 003-5: value-based detection in every place where text comes from.
#[test]
fn no_planted_secret_comes_out_of_any_place() {
    for level in [Level::Record, Level::Prompt] {
        let redactor = known(level);
        for secret in &secrets() {
            let quoted = serde_json::to_string(secret).unwrap();
            let twice =
                serde_json::to_string(&json!({"content": json!({"key": secret}).to_string()})).unwrap();
            let url: String =
                percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).collect();
            let texts = [
                ("environment", format!("export UPSTREAM_API_KEY={secret}\nPATH=/usr/bin\n")),
                (
                    "header text",
                    format!("POST /v1 HTTP/1.1\r\nAuthorization: Bearer {secret}\r\nhost: x\r\n\r\n"),
                ),
                (
                    "error text",
                    format!(
                        "401 Incorrect API key provided: {secret}. You can find your key at https://x.y."
                    ),
                ),
                (
                    "panic",
                    format!(
                        "thread 'main' panicked at src/a.rs:1:1:\ncalled `unwrap()` on `Err({secret:?})`\n"
                    ),
                ),
                ("log line", format!("2026-01-01T00:00:00Z WARN upstream: refused key={quoted} status=401")),
            ];
            for (place, text) in &texts {
                gone(&redactor.redact(text), secret, place);
                gone(&String::from_utf8_lossy(&redactor.redact_bytes(text.as_bytes())), secret, place);
            }
            let bodies = [
                ("JSON string", format!("{{\"model\":\"m\",\"max_tokens\":1024,\"content\":{quoted}}}")),
                ("JSON in JSON", twice),
                ("tool result", json!({"content": [{"type": "tool_result", "tool_use_id": "toolu_01", "content": format!("$ cat .env\nKEY={secret}\n")}]}).to_string()),
                ("array of names and values", json!([["x-api-key", secret], ["accept", "*/*"]]).to_string()),
            ];
            for (place, body) in &bodies {
                let masked = redactor.redact_bytes(body.as_bytes());
                let value: serde_json::Value = serde_json::from_slice(&masked).unwrap();
                gone(&value.to_string(), secret, place);
            }
            for name in [
                "authorization",
                "X-Api-Key",
                "api-key",
                "x-goog-api-key",
                "Cookie",
                "set-cookie",
                "Proxy-Authorization",
            ] {
                gone(&redactor.headers(name, secret), secret, name);
            }
            if !secret.contains('\n') {
                gone(&redactor.redact(&format!("GET https://h/v1?key={secret}&alt=sse")), secret, "query");
                gone(
                    &redactor.redact(&format!("GET https://h/v1?a=b&key={url}&alt=sse")),
                    secret,
                    "encoded query",
                );
            }
        }
    }
}

/// 003-5: a known secret is found in the base64 of a longer text, and correlates with itself.
#[test]
fn a_known_secret_is_found_in_every_form_and_shows_as_the_same_secret() {
    let secret = "correct horse/battery+staple";
    let redactor = known(Level::Record);
    let mask = redactor.redact(secret).into_owned();
    assert!(mask.starts_with("«redacted:upstream:") && !mask.contains("horse"));
    for text in [
        format!("x {secret} y"),
        format!("Proxy: {}", STANDARD.encode(format!("user:{secret}"))),
        format!("b64 {} y", STANDARD.encode(format!("ab{secret}cd"))),
        format!("{} y", STANDARD.encode(secret)),
        "GET /?k=correct%20horse%2Fbattery%2Bstaple".to_owned(),
        "GET /?k=correct+horse%2fbattery%2bstaple".to_owned(),
        r#"{"a":"correct horse\/battery+staple"}"#.to_owned(),
        r#"{"a":"correct horse\u002fbattery+staple"}"#.to_owned(),
        r#"log: "correct horse\/battery+staple""#.to_owned(),
    ] {
        let masked = redactor.redact_bytes(text.as_bytes());
        let masked = String::from_utf8_lossy(&masked);
        assert!(masked.contains(&mask) && !masked.contains("battery"), "{text} became {masked}");
    }
}

/// 003-5: a secret over two and more events is masked in the first of them, and the events stay events.
#[test]
fn a_secret_that_events_bring_in_pieces_does_not_come_out() {
    let redactor = known(Level::Record);
    for secret in &secrets() {
        for cut in [1, 3, 5, 9] {
            let pieces: Vec<String> =
                secret.chars().collect::<Vec<_>>().chunks(cut).map(|part| part.iter().collect()).collect();
            let message = |piece: &String| {
                let delta = json!({"type": "text_delta", "text": piece});
                let event = json!({"type": "content_block_delta", "index": 0, "delta": delta});
                format!("event: content_block_delta\ndata: {event}\n\n")
            };
            let chunk = |piece: &String| {
                let choice = json!({"index": 0, "delta": {"content": piece}});
                format!("data: {}\n\n", json!({"id": "chatcmpl-1", "choices": [choice]}))
            };
            let line = |piece: &String| {
                let message = json!({"role": "assistant", "content": piece});
                format!("{}\n", json!({"model": "m", "message": message, "done": false}))
            };
            let before = "the key is ".to_owned();
            let messages = pieces.iter().map(message).collect::<Vec<_>>().concat();
            let chat = std::iter::once(&before).chain(&pieces).map(chunk).collect::<Vec<_>>().concat();
            let lines = pieces.iter().map(line).collect::<Vec<_>>().concat();
            for (stream, path) in
                [(messages, "/delta/text"), (chat, "/choices/0/delta/content"), (lines, "/message/content")]
            {
                let masked =
                    String::from_utf8(redactor.redact_bytes(stream.as_bytes()).into_owned()).unwrap();
                assert_eq!(masked.lines().count(), stream.lines().count());
                let whole: String = masked
                    .lines()
                    .filter_map(|line| {
                        serde_json::from_str::<serde_json::Value>(line.trim_start_matches("data: ")).ok()
                    })
                    .map(|event| event.pointer(path).unwrap().as_str().unwrap().to_owned())
                    .collect();
                gone(&whole, secret, path);
                assert!(whole.contains("«redacted:"), "{whole}");
            }
        }
    }
}

/// 003-5: also the same secrets in a stream of text, cut anywhere.
#[test]
fn a_secret_in_two_pieces_of_a_stream_does_not_come_out() {
    let redactor = known(Level::Record);
    for secret in &secrets() {
        let text = format!("here it is: {secret}, use it\n");
        let whole = redactor.redact(&text).into_owned();
        gone(&whole, secret, "whole");
        for cut in 0..text.len() {
            let mut stream = redactor.stream();
            let out = stream.feed(&text[..cut]) + &stream.feed(&text[cut..]) + &stream.finish();
            assert_eq!(out, whole, "cut at {cut}");
        }
    }
}

#[test]
fn known_secrets_are_replaced_for_all_clones_while_they_run() {
    let redactor = redactor(&[("old", "the-old-secret-value")]);
    let clone = redactor.clone();
    redactor.replace_known(&[lockgate_redact::Known {
        name: "NEW_KEY".to_owned(),
        secret: lockgate_core::Secret::new("another secret value"),
    }]);
    let masked = clone.redact("the-old-secret-value and another secret value").into_owned();
    assert!(masked.starts_with("the-old-secret-value and «redacted:new-key:"), "{masked}");
}

#[test]
fn short_known_values_do_not_hide_everyday_words() {
    let redactor = redactor(&[("local", "ollama")]);
    assert_eq!(redactor.redact("ollama serves ollama"), "ollama serves ollama");
}

#[test]
fn the_scheme_of_a_credential_and_other_headers_stay_readable() {
    let redactor = redactor(&[]);
    let key = format!("sk-ant-api03-{}", random(1, 93));
    let bearer = redactor.headers("Authorization", &format!("Bearer {key}")).into_owned();
    let alone = redactor.headers("x-api-key", &key).into_owned();
    assert_eq!(bearer, format!("Bearer {alone}"));
    assert!(alone.starts_with("«redacted:anthropic-key:"));
    assert_eq!(redactor.headers("authorization", &bearer), bearer);
    assert!(redactor.headers("Cookie", "a=b").starts_with("«redacted:cookie:"));
    assert!(redactor.headers("x-session-token", &hex(4, 32)).starts_with("«redacted:token:"));
    for (name, value) in [
        ("content-type", "application/json; charset=utf-8"),
        ("request-id", "req_011CSHoEeqs5C35K2UUqR7Fy"),
        ("anthropic-ratelimit-tokens-remaining", "12345"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("user-agent", "claude-cli/2.1.0 (external, cli)"),
    ] {
        assert_eq!(redactor.headers(name, value), value);
    }
}
