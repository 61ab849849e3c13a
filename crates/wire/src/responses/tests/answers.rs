//! Answers of real servers, read into events.

use lockgate_core::{Event, StopReason};

use crate::{DecodeError, Depth, Mode, check};

use super::super::FORMAT;
use super::fixture;

const STREAMS: [&str; 14] = [
    "arguments-at-end",
    "completed-only",
    "custom-tool",
    "empty",
    "error",
    "error-flat",
    "failed",
    "llamacpp-function",
    "max-tokens",
    "openai-function",
    "openai-text",
    "quirks",
    "refusal",
    "web-search",
];

fn stream(name: &str) -> Vec<Event> {
    check::events(&FORMAT, Mode::Stream, &fixture(&format!("{name}.sse")))
}

/// Behaviours 13 and 15 to 19, requirement B2.
#[test]
fn every_recorded_stream_reads_as_it_was_meant() {
    for name in STREAMS.into_iter().chain(["reasoning-parallel"]) {
        insta::assert_snapshot!(format!("responses_events_{name}"), check::shown(&stream(name)));
    }
}

#[test]
fn every_recorded_body_reads_as_it_was_meant() {
    for name in ["error", "llamacpp-function", "vllm-incomplete", "whole"] {
        let events = check::events(&FORMAT, Mode::Whole, &fixture(&format!("{name}.json")));
        insta::assert_snapshot!(format!("responses_whole_{name}"), check::shown(&events));
    }
}

/// Requirement 004-7.
#[test]
fn the_cut_of_the_bytes_changes_nothing() {
    for name in ["completed-only", "error", "llamacpp-function", "quirks"] {
        check::holds_at_any_cut(&FORMAT, Mode::Stream, &fixture(&format!("{name}.sse")));
    }
    check::holds_at_any_cut(&FORMAT, Mode::Whole, &fixture("whole.json"));
}

/// Requirement 004-7.
#[test]
fn an_answer_that_was_cut_is_never_taken_for_a_whole_one() {
    for name in ["custom-tool", "llamacpp-function", "refusal"] {
        let bytes = fixture(&format!("{name}.sse"));
        let end = bytes.trim_ascii_end().len();
        check::reports_a_cut_tail(&FORMAT, Mode::Stream, &bytes, end);
    }
    let bytes = fixture("llamacpp-function.json");
    check::reports_a_cut_tail(&FORMAT, Mode::Whole, &bytes, bytes.trim_ascii_end().len());
}

#[test]
fn damaged_and_random_bytes_never_panic() {
    let samples: Vec<Vec<u8>> =
        ["quirks.sse", "completed-only.sse", "reasoning-parallel.sse", "whole.json"].map(fixture).into();
    check::never_panics(&FORMAT, &samples.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

/// Requirement 004-43: the same usage and end, however deep the answer is read.
#[test]
fn a_passing_answer_tells_the_same_start_usage_and_end_as_one_that_is_taken_apart() {
    let outside = |events: Vec<Event>| -> String {
        let kept = events.into_iter().filter(|event| {
            matches!(event, Event::Ended(_) | Event::Failed(_) | Event::Started(_) | Event::Usage(_))
        });
        check::shown(&kept.collect::<Vec<_>>())
    };
    for name in STREAMS.into_iter().chain(["reasoning-parallel"]) {
        let bytes = fixture(&format!("{name}.sse"));
        let (_, full, _) = check::decode(&FORMAT, Mode::Stream, Depth::Full, &[&bytes]);
        let (_, envelope, _) = check::decode(&FORMAT, Mode::Stream, Depth::Envelope, &[&bytes]);
        assert_eq!(outside(envelope), outside(full), "{name}");
    }
}

/// Requirement 004-43: cached and written tokens are part of `input_tokens` and are counted once.
#[test]
fn usage_goes_into_buckets_that_do_not_overlap() {
    let used = |name: &str, mode| {
        let events = check::events(&FORMAT, mode, &fixture(name));
        let found = events.into_iter().find_map(|event| match event {
            Event::Usage(usage) => Some(usage),
            _ => None,
        });
        found.unwrap()
    };
    let usage = used("reasoning-parallel.sse", Mode::Stream);
    assert_eq!(
        (usage.input_uncached, usage.cache_read, usage.cache_write_5m),
        (Some(76), Some(1024), Some(100))
    );
    assert_eq!((usage.output, usage.output_reasoning, usage.prompt()), (Some(340), Some(256), Some(1200)));
    let usage = used("whole.json", Mode::Whole);
    assert_eq!(usage.input_uncached, Some(60));
    assert_eq!((usage.cache_write_5m, usage.cache_write_1h), (Some(10), Some(20)));
    let usage = used("llamacpp-function.json", Mode::Whole);
    assert_eq!((usage.input_uncached, usage.cache_read, usage.output_reasoning), (Some(1), Some(299), None));
    let usage = used("web-search.sse", Mode::Stream);
    assert_eq!(usage.server_tools.get("web_search"), Some(&2));
}

/// An answer whose calls have neither id nor name until their end still has each of them once.
#[test]
fn calls_without_ids_get_ids_that_differ() {
    let body = br#"{"id":"resp_x","status":"completed","output":[
        {"type":"function_call","name":"f","arguments":"{}"},{"type":"function_call","name":"g","arguments":"{}"}]}"#;
    let events = check::events(&FORMAT, Mode::Whole, body);
    let shown = check::shown(&events);
    assert!(shown.contains("\"call_resp_x_0\"") && shown.contains("\"call_resp_x_1\""), "{shown}");
    assert!(matches!(events.last(), Some(Event::Ended(stop)) if stop.reason == StopReason::ToolUse));
}

#[test]
fn a_body_that_is_no_response_is_malformed_and_not_an_empty_answer() {
    let (_, _, verdict) = check::decode(&FORMAT, Mode::Whole, Depth::Full, &[b"{\"object\":\"list\"}"]);
    assert!(matches!(verdict, Err(DecodeError::Malformed { .. })));
    let (_, _, verdict) = check::decode(&FORMAT, Mode::Whole, Depth::Full, &[b"<html>busy</html>"]);
    assert!(matches!(verdict, Err(DecodeError::Malformed { .. })));
    let (_, _, verdict) = check::decode(&FORMAT, Mode::Whole, Depth::Full, &[b""]);
    assert_eq!(verdict, Err(DecodeError::Cut));
}
