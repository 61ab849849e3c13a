//! What must come of each scenario, whatever the client and whatever stands between it and the upstream.
//!
//! The answers are those of `tests/clients/upstream.yaml`.

use crate::sdk::{Saw, Sdk};

/// What the upstream says to `text`.
const HELLO: &str = "Hello from the upstream, in several words so that there is something to stream.";
const UNICODE: &str = "Zürich – 日本語 – 👩‍👩‍👧 – \"quoted\" \\ back\tslash </script> & <b> – é – end";
const SIX: [&str; 7] = [
    "get_weather(Paris)",
    "get_weather(Rome)",
    "get_time(Rome)",
    "get_time(Oslo)",
    "get_weather(Oslo)",
    "get_time(Bern)",
    "get_weather(Bern)",
];

/// Checks what a client saw. `thinking`: whether the thinking must be there.
pub(crate) fn check(sdk: Sdk, saw: &Saw, thinking: bool) {
    let scenario = saw.scenario();
    let stream = scenario.ends_with("-stream") || scenario == "stream";
    let bare = scenario.strip_suffix("-stream").unwrap_or(scenario);
    if let Some(status) = bare.strip_prefix("error-").and_then(|s| s.parse::<u16>().ok()) {
        return refused(sdk, saw, status);
    }
    match bare {
        "crowd" => return crowd(saw),
        "embed" => return embedded(saw),
        "models" | "count" => return,
        "cut" | "error-inside" | "reset" => return broken(saw),
        _ => assert!(saw.error().is_none(), "{scenario} failed: {}", saw.0),
    }
    let (text, calls): (&str, &[&str]) = match bare {
        "image" => ("A red dot.", &[]),
        "nextline" => ("one\u{85}two", &[]),
        "parallel" => ("Sunny, and noon.", &["get_weather(Paris)", "get_time(Paris)"]),
        "pause" => ("Sorry, I was thinking in the middle of it.", &[]),
        "separators" => ("one\u{2028}two\u{2029}three", &[]),
        "silence" => ("Sorry, I was thinking.", &[]),
        "six" => ("All six steps are done.", &SIX),
        "stream" | "text" => (HELLO, &[]),
        "structured" => ("{\"name\": \"Ada\", \"age\": 36}", &[]),
        "think" => ("Greetings.", &[]),
        "think-tools" => (
            "Sunny at noon.",
            &["get_weather(Paris)", "get_time(Paris)", "get_weather(Paris)", "get_time(Paris)"],
        ),
        "tools" => ("It is sunny in Zürich.", &["get_weather(Zürich)"]),
        "unicode" => (UNICODE, &[]),
        other => panic!("no expectation for {other}"),
    };
    assert_eq!(saw.text(), text, "{scenario}: {}", saw.0);
    assert_eq!(saw.calls(), calls, "{scenario}: {}", saw.0);
    if stream && ["text", "stream", "unicode", "tools"].contains(&bare) {
        assert!(saw.deltas() >= 3, "{scenario} did not come piece by piece: {}", saw.0);
    }
    if thinking && sdk.shows_thinking && (bare.starts_with("think") || bare == "six") {
        let (thought, times) = match bare {
            "six" => ("Step by step.", 7),
            "think" => ("Somebody greets me. I greet back.", 2),
            _ => ("The weather is asked for. I call the tool.", 6),
        };
        assert_eq!(saw.thinking(), thought.repeat(times), "{scenario}: {}", saw.0);
        assert_eq!(saw.requests(), times as u64, "{scenario}: {}", saw.0);
    }
    if ["text", "stream"].contains(&bare) {
        let usage = &saw.0["usage"][0];
        assert_eq!(
            (usage["input"].as_u64(), usage["output"].as_u64()),
            (Some(21), Some(17)),
            "{scenario}: {}",
            saw.0
        );
    }
}

/// A status error: the client reads status, message and, where its dialect has them, request id and retry-after.
fn refused(sdk: Sdk, saw: &Saw, status: u16) {
    let error = saw.error().unwrap_or_else(|| panic!("no error: {}", saw.0));
    assert_eq!(error["status"], status, "{}", saw.0);
    let said = match status {
        400 => "that cannot be",
        401 => "who are you",
        429 => "slow down",
        500 => "something broke",
        _ => "too many guests",
    };
    assert!(error["message"].as_str().unwrap_or_default().contains(said), "{}", saw.0);
    assert_eq!(saw.text(), "", "{}", saw.0);
    if status == 429 && sdk.shows_headers {
        assert_eq!(error["retry_after"], "7", "{}", saw.0);
    }
}

/// An answer that breaks off: an error after the text that had come, never a text that looks whole.
fn broken(saw: &Saw) {
    assert!(saw.error().is_some(), "a broken answer looks like a whole one: {}", saw.0);
    assert!(saw.text().starts_with("This "), "the text before the break is lost: {}", saw.0);
}

fn crowd(saw: &Saw) {
    let texts: Vec<_> = saw.0["texts"].as_array().into_iter().flatten().filter_map(|t| t.as_str()).collect();
    let expected: Vec<_> = (0..20).map(|n| format!("You said: [echo-{n}] Please answer.")).collect();
    assert_eq!(texts, expected, "{}", saw.0);
}

/// Equal texts have equal vectors.
fn embedded(saw: &Saw) {
    let vectors = saw.0["embed"].as_array().unwrap_or_else(|| panic!("no vectors: {}", saw.0));
    assert_eq!(vectors.len(), 3);
    assert_eq!(vectors[0], vectors[2]);
    assert_ne!(vectors[0], vectors[1]);
    assert_eq!(vectors[0].as_array().map(Vec::len), Some(8));
}
