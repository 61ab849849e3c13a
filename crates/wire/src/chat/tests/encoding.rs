//! Writing answers: every fixture read and written again, and what clients count on.

use std::fmt::Write as _;

use lockgate_core::content::{Citation, Opaque, ToolKind};
use lockgate_core::{
    BlockStart, Delta, Dialect, ErrorKind, Event, Failure, Started, Stop, StopReason, Usage,
};
use serde_json::Value;

use super::{FORMAT, events, fixture, fixtures};
use crate::json::raw;
use crate::{AnswerContext, Mode, check};

#[test]
fn every_answer_is_written_as_openai_would() {
    let mut all = String::new();
    for name in fixtures() {
        // The long recordings say nothing here that the short ones do not.
        if fixture(&name).len() > 3000 {
            continue;
        }
        let events = events(&name);
        let stream = check::encode(&FORMAT, Mode::Stream, &events);
        let whole = check::encode(&FORMAT, Mode::Whole, &events);
        write!(all, "== {name}\n{stream}-- whole\n{whole}\n\n").unwrap();
    }
    insta::assert_snapshot!("encoded", all);
}

/// What is read again from what was written is what was meant.
#[test]
fn a_written_answer_reads_back_as_the_same_events() {
    let meaning = |events: &[Event]| {
        let kept = events.iter().filter(|event| {
            !matches!(
                event,
                Event::Opaque
                    | Event::Ping
                    | Event::Started(_)
                    | Event::BlockDelta { delta: Delta::Seal(_), .. }
            )
        });
        // `shown` joins pieces of text, so the pieces of a refusal are shown as such.
        let joined = kept.cloned().map(|event| match event {
            Event::BlockDelta { index, delta: Delta::Refusal(words) } => {
                Event::BlockDelta { index, delta: Delta::Text(words) }
            }
            event => event,
        });
        check::shown(&joined.collect::<Vec<_>>())
    };
    for name in [
        "deepseek-reasoning.sse",
        "openai-custom-tool.sse",
        "openai-empty.sse",
        "openai-max-tokens.sse",
        "openai-parallel-tools.sse",
        "openai-refusal.sse",
        "openai-usage-extra-chunk.sse",
        "tools-arguments-object.sse",
        "vllm-tool.sse",
    ] {
        let first = events(name);
        for mode in [Mode::Stream, Mode::Whole] {
            let written = check::encode(&FORMAT, mode, &first);
            let again = check::events(&FORMAT, mode, written.as_bytes());
            assert_eq!(meaning(&again), meaning(&first), "{name} {mode:?}");
        }
    }
}

fn encode(mode: Mode, context: AnswerContext, events: &[Event]) -> (String, Vec<String>) {
    let mut encoder = FORMAT.messages.encoder(mode, context);
    let mut out = Vec::new();
    for event in events {
        encoder.encode(event, &mut out);
    }
    encoder.finish(&mut out);
    (String::from_utf8(out).unwrap(), encoder.loss().names().to_vec())
}

fn chunks(stream: &str) -> Vec<Value> {
    let data = stream.split("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

fn text(words: &str) -> Vec<Event> {
    vec![
        Event::Started(Started { created: Some(7), id: Some("msg_1".into()), model: Some("m".into()) }),
        Event::BlockStarted { index: 0, block: BlockStart::Text },
        Event::BlockDelta { index: 0, delta: Delta::Text(words.into()) },
        Event::BlockEnded { index: 0 },
        Event::Usage(Usage { input_uncached: Some(3), output: Some(2), ..Usage::default() }),
        Event::Ended(Stop::because(StopReason::EndTurn)),
    ]
}

/// Behaviour 16: clients merge chunks by id.
#[test]
fn all_chunks_have_one_id_one_time_and_one_model() {
    let (stream, _) = encode(Mode::Stream, check::context(), &text("hi"));
    for chunk in chunks(&stream) {
        assert_eq!(chunk["id"], "chatcmpl-testid");
        assert_eq!(chunk["created"], 7);
        assert_eq!(chunk["model"], "m");
        assert_eq!(chunk["object"], "chat.completion.chunk");
    }
    assert!(stream.ends_with("data: [DONE]\n\n"));
    assert_eq!(stream.matches("[DONE]").count(), 1);
}

#[test]
fn usage_comes_only_to_those_who_asked_and_in_a_chunk_of_its_own() {
    let (stream, _) = encode(Mode::Stream, check::context(), &text("hi"));
    let all = chunks(&stream);
    let (last, before) = all.split_last().unwrap();
    assert_eq!(last["choices"], Value::Array(Vec::new()));
    assert_eq!(last["usage"]["total_tokens"], 5);
    assert!(before.iter().all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some()));

    let context = AnswerContext { include_usage: false, ..check::context() };
    let (stream, _) = encode(Mode::Stream, context, &text("hi"));
    assert!(chunks(&stream).iter().all(|chunk| chunk.get("usage").is_none()));
}

/// Requirement 004-43.
#[test]
fn buckets_become_openais_sums_again() {
    let usage = Usage {
        input_uncached: Some(30),
        cache_read: Some(60),
        cache_write_5m: Some(4),
        cache_write_1h: Some(6),
        output: Some(40),
        output_reasoning: Some(25),
        service_tier: Some("standard".into()),
        ..Usage::default()
    };
    let mut events = text("hi");
    events.insert(4, Event::Usage(usage));
    events.remove(5);
    let (body, _) = encode(Mode::Whole, check::context(), &events);
    let body: Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 25},
    });
    assert_eq!(body["usage"], expected);
    assert_eq!(body["service_tier"], "default");
}

#[test]
fn usage_that_nobody_told_is_left_out() {
    let mut events = text("hi");
    events.remove(4);
    let (body, _) = encode(Mode::Whole, check::context(), &events);
    assert!(!body.contains("usage"));
    let (stream, _) = encode(Mode::Stream, check::context(), &events);
    assert!(!stream.contains("total_tokens"));
}

/// Behaviour 19: exactly one error, and the stream is over.
#[test]
fn a_failure_ends_a_stream_with_one_error_and_the_mark_of_the_end() {
    let failure = Failure::new(ErrorKind::UpstreamUnavailable, "gone");
    for started in [false, true] {
        let mut encoder = FORMAT.messages.encoder(Mode::Stream, check::context());
        let mut out = Vec::new();
        if started {
            for event in text("hi").iter().take(3) {
                encoder.encode(event, &mut out);
            }
        }
        let from = out.len();
        encoder.fail(&failure, &mut out);
        let written = String::from_utf8(out[from..].to_vec()).unwrap();
        assert_eq!(
            written,
            "data: {\"error\":{\"message\":\"gone\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_unavailable\"}}\n\ndata: [DONE]\n\n"
        );
        let end = out.len();
        encoder.fail(&failure, &mut out);
        encoder.finish(&mut out);
        encoder.ping(&mut out);
        encoder.encode(&Event::Started(Started::default()), &mut out);
        assert_eq!(out.len(), end, "nothing follows");
    }
    let mut encoder = FORMAT.messages.encoder(Mode::Whole, check::context());
    let mut out = Vec::new();
    for event in text("hi") {
        encoder.encode(&event, &mut out);
    }
    encoder.ping(&mut out);
    assert!(out.is_empty(), "a whole answer is written at its end");
    encoder.fail(&failure, &mut out);
    encoder.finish(&mut out);
    let body: Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(body["error"]["message"], "gone");
}

#[test]
fn a_failure_among_the_events_becomes_the_error() {
    let mut events = text("hi");
    events.truncate(3);
    events.push(Event::Failed(Failure::new(ErrorKind::Overloaded, "busy")));
    let (stream, _) = encode(Mode::Stream, check::context(), &events);
    assert_eq!(stream.matches("\"error\"").count(), 1);
    assert!(stream.ends_with("data: [DONE]\n\n"));
    assert!(!stream.contains("finish_reason\":\"stop"));
    let (body, _) = encode(Mode::Whole, check::context(), &events);
    assert!(body.starts_with("{\"error\""));
}

#[test]
fn a_sign_of_life_is_a_comment() {
    let mut out = Vec::new();
    FORMAT.messages.encoder(Mode::Stream, check::context()).ping(&mut out);
    assert_eq!(out, b": ping\n\n");
}

#[test]
fn an_answer_without_anything_is_still_legal() {
    let (stream, _) = encode(Mode::Stream, check::context(), &[]);
    let all = chunks(&stream);
    assert_eq!(all[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(all[1]["choices"][0]["finish_reason"], "stop");
    let (body, _) = encode(Mode::Whole, check::context(), &[]);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["choices"][0]["message"]["content"], "");
}

fn call(index: u32, id: &str, kind: ToolKind) -> Event {
    let block = BlockStart::ToolCall { id: id.into(), kind, name: "f".into(), namespace: None };
    Event::BlockStarted { index, block }
}

#[test]
fn tool_calls_are_numbered_among_themselves_and_none_is_without_arguments() {
    let mut events = text("hi");
    events.truncate(4);
    events.extend([
        call(1, "a", ToolKind::Function),
        Event::BlockEnded { index: 1 },
        call(2, "b", ToolKind::Custom),
        Event::BlockDelta { index: 2, delta: Delta::Arguments("free".into()) },
        Event::BlockEnded { index: 2 },
        Event::Ended(Stop::because(StopReason::EndTurn)),
    ]);
    let (stream, _) = encode(Mode::Stream, check::context(), &events);
    let deltas: Vec<_> =
        chunks(&stream).iter().map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].to_string()).collect();
    assert_eq!(
        deltas.into_iter().filter(|delta| delta != "null").collect::<Vec<_>>(),
        [
            r#"[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]"#,
            r#"[{"index":0,"function":{"arguments":"{}"}}]"#,
            r#"[{"index":1,"id":"b","type":"custom","custom":{"name":"f","input":""}}]"#,
            r#"[{"index":1,"custom":{"input":"free"}}]"#,
        ]
    );
    assert!(stream.contains("\"finish_reason\":\"tool_calls\""));
    let (body, _) = encode(Mode::Whole, check::context(), &events);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], "{}");
    assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
}

/// The table of stop reasons (C11).
#[test]
fn ends_are_told_in_openais_words() {
    for (reason, word, lost) in [
        (StopReason::ContentFilter, "content_filter", None),
        (StopReason::ContextWindow, "length", None),
        (StopReason::EndTurn, "stop", None),
        (StopReason::MaxTokens, "length", None),
        (StopReason::Other("SPII".into()), "stop", Some("stop_reason.SPII")),
        (StopReason::Pause, "stop", Some("stop_reason.pause_turn")),
        (StopReason::Refusal, "content_filter", None),
        (StopReason::StopSequence, "stop", None),
        // No call was written, so none can be waited for.
        (StopReason::ToolUse, "stop", None),
    ] {
        let mut events = text("hi");
        events.pop();
        events.push(Event::Ended(Stop::because(reason.clone())));
        let (stream, loss) = encode(Mode::Stream, check::context(), &events);
        assert!(stream.contains(&format!("\"finish_reason\":\"{word}\"")), "{reason:?}: {stream}");
        assert_eq!(loss.first().map(String::as_str), lost, "{reason:?}");
    }
}

/// Requirement I4: what cannot be said is named.
#[test]
fn what_the_dialect_cannot_say_is_declared() {
    let citation = |url: Option<&str>| Citation {
        raw: None,
        quote: Some("q".into()),
        span: None,
        title: Some("T".into()),
        url: url.map(Into::into),
    };
    let opaque =
        Opaque { dialect: Dialect::Anthropic, kind: "server_tool_use".into(), raw: raw("{}").unwrap() };
    let delta = |delta| Event::BlockDelta { index: 1, delta };
    let mut events = vec![
        Event::BlockStarted { index: 0, block: BlockStart::Opaque(opaque) },
        Event::BlockEnded { index: 0 },
        Event::BlockStarted { index: 1, block: BlockStart::Text },
        delta(Delta::Text("Größe".into())),
        delta(Delta::Citation(citation(Some("https://e.org")))),
        delta(Delta::Citation(citation(None))),
        delta(Delta::Logprobs(raw(r#"{"chosenCandidates":[]}"#).unwrap())),
        delta(Delta::Seal(lockgate_core::Seal::Signature("s".into()))),
    ];
    events.push(Event::BlockEnded { index: 1 });
    for mode in [Mode::Stream, Mode::Whole] {
        let (written, loss) = encode(mode, check::context(), &events);
        // The signature is not lost: the gateway keeps it for the next turn.
        assert_eq!(loss, ["server_tool_use", "logprobs", "citations"], "{mode:?}");
        let annotation = r#"{"type":"url_citation","url_citation":{"start_index":0,"end_index":5,"title":"T","url":"https://e.org"}}"#;
        assert!(written.contains(annotation), "{written}");
    }
}

/// Claude tells its sources before the words that they stand for.
#[test]
fn a_source_told_before_its_words_stands_for_them() {
    let citation = Citation {
        raw: None,
        quote: None,
        span: None,
        title: Some("T".into()),
        url: Some("https://e.org".into()),
    };
    let delta = |index, delta| Event::BlockDelta { index, delta };
    let events = [
        Event::BlockStarted { index: 0, block: BlockStart::Text },
        delta(0, Delta::Text("Before ".into())),
        Event::BlockEnded { index: 0 },
        Event::BlockStarted { index: 1, block: BlockStart::Text },
        delta(1, Delta::Citation(citation)),
        delta(1, Delta::Text("Größe".into())),
        Event::BlockEnded { index: 1 },
    ];
    for mode in [Mode::Stream, Mode::Whole] {
        let (written, loss) = encode(mode, check::context(), &events);
        assert!(written.contains(r#""start_index":7,"end_index":12"#), "{written}");
        assert!(loss.is_empty(), "{loss:?}");
    }
}

#[test]
fn probabilities_of_all_deltas_are_gathered() {
    let (body, _) = encode(Mode::Whole, check::context(), &events("openai-logprobs.sse"));
    let body: Value = serde_json::from_str(&body).unwrap();
    let tokens = body["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(tokens.iter().map(|token| token["token"].as_str().unwrap()).collect::<Vec<_>>(), ["A", "B"]);
}

#[test]
fn line_separators_never_stand_bare_in_a_stream() {
    for mode in [Mode::Stream, Mode::Whole] {
        let (written, _) = encode(mode, check::context(), &text("a\u{2028}b\u{85}"));
        assert!(written.contains("a\\u2028b\\u0085"), "{written}");
    }
}
