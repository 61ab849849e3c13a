//! Answers: decoded, decoded at envelope depth, written again, cut, damaged.

use insta::assert_snapshot;
use lockgate_core::content::ToolKind;
use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Failure, Started, Stop, StopReason, Usage};

use super::fixture;
use crate::ollama::{FORMAT, GENERATE, remote_host};
use crate::{AnswerContext, Depth, Mode, check};

/// Fixture → events → the dialect's own encoder.
fn golden(name: &str) -> String {
    let bytes = fixture(name);
    let mode = if name.contains("whole") { Mode::Whole } else { Mode::Stream };
    let format = if name.contains("generate") { &GENERATE } else { &FORMAT };
    let events = check::events(format, mode, &bytes);
    format!("{}\n----\n{}", check::shown(&events), check::encode(format, mode, &events))
}

/// Clients show tokens per second by them.
#[test]
fn durations_are_those_of_the_call_where_somebody_has_a_clock() {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    let last = |mode: Mode, steps: u64| {
        let looks = AtomicU64::new(0);
        let clock = move || Duration::from_secs(looks.fetch_add(1, Ordering::Relaxed) * steps + 2);
        let context = AnswerContext { elapsed: crate::Elapsed::new(clock), ..check::context() };
        let mut encoder = FORMAT.messages.encoder(mode, context);
        let mut out = Vec::new();
        for event in check::events(&FORMAT, Mode::Stream, &fixture("recorded-chat-stream.ndjson")) {
            encoder.encode(&event, &mut out);
        }
        encoder.finish(&mut out);
        let text = String::from_utf8(out).unwrap();
        let line: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        ["total_duration", "prompt_eval_duration", "eval_duration"].map(|name| line[name].as_u64())
    };
    let seconds = |number: u64| Some(number * 1_000_000_000);
    assert_eq!(last(Mode::Stream, 3), [seconds(5), seconds(2), seconds(3)]);
    // In one piece: how much of it was the prompt is not known.
    assert_eq!(last(Mode::Stream, 0), [seconds(2), None, seconds(2)]);
    assert_eq!(last(Mode::Whole, 0), [seconds(2), None, seconds(2)]);
}

#[test]
fn answers_keep_their_meaning() {
    for name in [
        "cloud.ndjson",
        "empty.ndjson",
        "error-midway.ndjson",
        "generate-thinking.ndjson",
        "length.ndjson",
        "load.ndjson",
        "quirks.ndjson",
        "recorded-chat-stream.ndjson",
        "recorded-chat-whole.json",
        "recorded-generate-stream.ndjson",
        "thinking.ndjson",
        "thinking-tools-whole.json",
        "tools-parallel.ndjson",
    ] {
        assert_snapshot!(name.replace('.', "_"), golden(name));
    }
}

/// Requirement 004-7.
#[test]
fn any_cut_of_an_answer_gives_the_same_events() {
    for name in ["quirks.ndjson", "thinking.ndjson", "tools-parallel.ndjson", "error-midway.ndjson"] {
        check::holds_at_any_cut(&FORMAT, Mode::Stream, &fixture(name));
    }
    check::holds_at_any_cut(&FORMAT, Mode::Whole, &fixture("thinking-tools-whole.json"));
    check::holds_at_any_cut(&GENERATE, Mode::Stream, &fixture("generate-thinking.ndjson"));
}

#[test]
fn an_answer_that_breaks_off_is_never_taken_for_complete() {
    for name in ["thinking.ndjson", "tools-parallel.ndjson"] {
        let bytes = fixture(name);
        check::reports_a_cut_tail(&FORMAT, Mode::Stream, &bytes, bytes.len() - 1);
    }
    let bytes = fixture("thinking-tools-whole.json");
    check::reports_a_cut_tail(&FORMAT, Mode::Whole, &bytes, bytes.len() - 1);
}

#[test]
fn nothing_that_arrives_makes_the_codec_panic() {
    let samples = [
        fixture("quirks.ndjson"),
        fixture("thinking-tools-whole.json"),
        br#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":{}}}]},{"role":"tool","content":"x"}],"options":{"seed":1.0,"stop":["a"]},"think":"low","format":{}}"#.to_vec(),
    ];
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    check::never_panics(&FORMAT, &samples);
    check::never_panics(&GENERATE, &samples);
}

/// Answers that pass as they are still give start, usage and the right end.
#[test]
fn the_envelope_of_an_answer_tells_model_usage_and_end() {
    let (raw, events, verdict) =
        check::decode(&FORMAT, Mode::Stream, Depth::Envelope, &[&fixture("tools-parallel.ndjson")]);
    assert_eq!((verdict, raw), (Ok(()), fixture("tools-parallel.ndjson")));
    assert_snapshot!(check::shown(&events), @r#"
    Started(Started { created: Some(1772442960), id: None, model: Some("llama3.1:8b") })
    Opaque
    Opaque
    Opaque
    Usage(Usage { cache_read: None, cache_write_1h: None, cache_write_5m: None, estimated: false, input_uncached: None, output: Some(30), output_reasoning: None, server_tools: {}, service_tier: None })
    Ended(Stop { detail: None, reason: ToolUse, sequence: None })
    "#);
}

#[test]
fn words_that_mention_tool_calls_do_not_count_as_one() {
    let line = br#"{"model":"m","message":{"role":"assistant","content":"say \"tool_calls\": [1]"},"done":true,"done_reason":"stop"}"#;
    for depth in [Depth::Envelope, Depth::Full] {
        let (_, events, _) = check::decode(&FORMAT, Mode::Stream, depth, &[line]);
        let ended = matches!(events.last(), Some(Event::Ended(stop)) if stop.reason == StopReason::EndTurn);
        assert!(ended, "{events:?}");
    }
}

#[test]
fn a_broken_line_is_malformed_at_both_depths() {
    for depth in [Depth::Envelope, Depth::Full] {
        for line in ["{\"message\":{\"content\":\"a}}\n", "<html>\n", "[]\n"] {
            let (_, _, verdict) = check::decode(&FORMAT, Mode::Stream, depth, &[line.as_bytes()]);
            assert!(verdict.is_err(), "{line}");
        }
    }
}

/// A model behind a local server is told apart from one that the server only passes on.
#[test]
fn a_line_tells_where_the_model_really_ran() {
    let host = |name: &str| remote_host(fixture(name).split(|byte| *byte == b'\n').next().unwrap());
    assert_eq!(host("cloud.ndjson").as_deref(), Some("https://ollama.com:443"));
    assert_eq!(host("thinking.ndjson"), None);
    let quoted = br#"{"message":{"content":"\"remote_host\":\"x\"","o":{"remote_host":"y"}},"done":false}"#;
    assert_eq!(remote_host(quoted), None);
    assert_eq!(remote_host(br#"{"remote_model":"x","done":false}"#).as_deref(), Some("x"));
}

fn text(text: &str) -> Event {
    Event::BlockDelta { index: 0, delta: Delta::Text(text.into()) }
}

fn call(arguments: &str) -> Vec<Event> {
    let block = BlockStart::ToolCall {
        id: "toolu_1".into(),
        kind: ToolKind::Function,
        name: "get_weather".into(),
        namespace: None,
    };
    let piece = |text: &str| Event::BlockDelta { index: 0, delta: Delta::Arguments(text.into()) };
    let (head, tail) = arguments.split_at(arguments.len() / 2);
    vec![
        Event::BlockStarted { index: 0, block },
        piece(head),
        piece(tail),
        Event::BlockEnded { index: 0 },
        Event::Ended(Stop::because(StopReason::ToolUse)),
    ]
}

/// The official Python client splits lines at U+2028 and U+0085; `<`, `>`, `&` as the server itself writes them.
#[test]
fn words_are_escaped_as_the_server_does() {
    let events = [
        Event::BlockStarted { index: 0, block: BlockStart::Text },
        text("<b>&\u{2028}\u{2029}\u{85}é"),
        Event::BlockEnded { index: 0 },
    ];
    let out = check::encode(&FORMAT, Mode::Stream, &events);
    assert!(out.contains(r#""content":"\u003cb\u003e\u0026\u2028\u2029\u0085é""#), "{out}");
    assert_eq!(out.lines().count(), 2);
}

#[test]
fn a_tool_call_arrives_whole_in_one_line() {
    let out = check::encode(&FORMAT, Mode::Stream, &call(r#"{"city": "Rome"}"#));
    assert_snapshot!(out, @r#"
    {"model":"upstream-model","created_at":"2023-11-14T22:13:20Z","message":{"role":"assistant","content":"","tool_calls":[{"id":"toolu_1","function":{"index":0,"name":"get_weather","arguments":{"city": "Rome"}}}]},"done":false}
    {"model":"upstream-model","created_at":"2023-11-14T22:13:20Z","message":{"role":"assistant","content":""},"done_reason":"stop","done":true}
    "#);
    let out = check::encode(&FORMAT, Mode::Stream, &call(""));
    assert!(out.contains(r#""arguments":{}"#), "{out}");
}

/// Requirement I4: arguments that are no object are never turned into `{}`.
#[test]
fn broken_tool_arguments_end_the_answer_with_an_error() {
    for broken in [r#"{"city": "Ro"#, "[1]", "Rome"] {
        for mode in [Mode::Stream, Mode::Whole] {
            let out = check::encode(&FORMAT, mode, &call(broken));
            assert!(out.starts_with(r#"{"error":"the model called the tool `get_weather`"#), "{out}");
            assert_eq!(out.lines().count(), 1, "{out}");
        }
    }
}

#[test]
fn an_error_is_one_line_even_before_anything_was_said() {
    for (mode, end) in [(Mode::Stream, "\n"), (Mode::Whole, "")] {
        let mut encoder = FORMAT.messages.encoder(mode, check::context());
        let mut out = Vec::new();
        let failure = Failure::new(ErrorKind::Overloaded, "busy <now>");
        encoder.fail(&failure, &mut out);
        encoder.fail(&failure, &mut out);
        encoder.encode(&text("late"), &mut out);
        encoder.ping(&mut out);
        encoder.finish(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{{\"error\":\"busy \\u003cnow\\u003e\"}}{end}"));
    }
}

#[test]
fn a_sign_of_life_adds_nothing_to_the_answer() {
    for (format, said) in
        [(&FORMAT, r#""message":{"role":"assistant","content":""}"#), (&GENERATE, r#""response":"""#)]
    {
        let mut encoder = format.messages.encoder(Mode::Stream, check::context());
        let mut out = Vec::new();
        encoder.ping(&mut out);
        let line = String::from_utf8(out).unwrap();
        assert!(line.contains(said) && line.ends_with("\"done\":false}\n"), "{line}");
        let (_, events, _) = check::decode(format, Mode::Stream, Depth::Full, &[line.as_bytes()]);
        assert!(matches!(&*events, [Event::Started(_)]), "{events:?}");
    }
}

/// Requirement 004-43 (usage): the sum of all prompt tokens, thoughts inside the output, unknown left out.
#[test]
fn usage_of_other_dialects_becomes_ollamas_sums() {
    let usage = Usage {
        cache_read: Some(2000),
        cache_write_5m: Some(100),
        input_uncached: Some(12),
        output: Some(50),
        output_reasoning: Some(30),
        ..Usage::default()
    };
    let started = Started { created: Some(1), id: Some("msg_1".into()), model: Some("claude".into()) };
    let end = Event::Ended(Stop::because(StopReason::Refusal));
    let events = [Event::Started(started), Event::Usage(usage), end];
    let mut encoder = FORMAT.messages.encoder(Mode::Whole, AnswerContext::default());
    let mut out = Vec::new();
    for event in &events {
        encoder.encode(event, &mut out);
    }
    assert!(out.is_empty());
    encoder.finish(&mut out);
    assert_snapshot!(String::from_utf8(out).unwrap(), @r#"{"model":"claude","created_at":"1970-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"prompt_eval_count":2112,"eval_count":50}"#);
    assert_eq!(encoder.loss().names(), ["stop_reason"]);
}

/// Behaviour 10: a provider's error keeps its status; the kind comes from it or from the server's own words.
#[test]
fn a_servers_errors_are_understood() {
    let kind = |status, body: &str| {
        let failure = FORMAT.messages.fault(status, body.as_bytes());
        assert_eq!(failure.status(), status);
        (failure.kind, failure.message)
    };
    let busy = r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#;
    assert_eq!(kind(503, busy).0, ErrorKind::Overloaded);
    assert_eq!(
        kind(404, r#"{"error":"model \"x\" not found, try pulling it first"}"#),
        (ErrorKind::NotFound, "model \"x\" not found, try pulling it first".into())
    );
    let tools = r#"{"error":"registry.ollama.ai/library/gemma:2b does not support tools"}"#;
    assert_eq!(kind(400, tools).0, ErrorKind::UpstreamRejected);
    assert_eq!(kind(502, "<html>bad gateway</html>").1, "a web page: bad gateway");
    assert_eq!(kind(500, "").1, "Ollama answered with status 500");
    assert_eq!(kind(401, r#"{"error":"unauthorized","signin_url":"https://x"}"#).0, ErrorKind::UpstreamAuth);
}
