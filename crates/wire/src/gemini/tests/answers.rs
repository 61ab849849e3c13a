//! Answers: recorded and written ones become events and answers again.

use std::path::PathBuf;

use lockgate_core::content::ToolKind;
use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Failure, Seal, Started, Stop, StopReason, Usage};
use serde_json::Value;

use super::super::FORMAT;
use crate::check::{
    context, decode, encode, events, holds_at_any_cut, never_panics, reports_a_cut_tail, shown,
};
use crate::{DecodeError, Depth, Mode, StreamEncoder};

/// The fixtures of this dialect: name, layout, bytes.
fn fixtures() -> Vec<(String, Mode, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/streams/gemini");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap().to_owned();
            let mode = match file.rsplit('.').collect::<Vec<_>>()[..] {
                ["json", "array", ..] => Mode::Array,
                ["json", ..] => Mode::Whole,
                _ => Mode::Stream,
            };
            (file, mode, std::fs::read(path).unwrap())
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(all.len() >= 21);
    all
}

fn fixture(name: &str) -> Vec<u8> {
    fixtures().into_iter().find(|(file, _, _)| file == name).unwrap().2
}

fn encoder(mode: Mode) -> Box<dyn StreamEncoder> {
    FORMAT.messages.encoder(mode, context())
}

/// What is written for events; an answer that failed is ended with its failure, as the engine does it.
fn written(mode: Mode, events: &[Event]) -> String {
    let failed = events.iter().find_map(|event| match event {
        Event::Failed(failure) => Some(failure),
        _ => None,
    });
    let Some(failure) = failed else { return encode(&FORMAT, mode, events) };
    let mut encoder = encoder(mode);
    let mut out = Vec::new();
    for event in events.iter().filter(|event| !matches!(event, Event::Failed(_))) {
        encoder.encode(event, &mut out);
    }
    encoder.fail(failure, &mut out);
    String::from_utf8(out).unwrap()
}

/// Requirements 004-3, B2; behaviours 15, 16, 17, 19.
#[test]
fn every_recorded_answer_becomes_the_same_events_and_a_legal_answer_again() {
    for (file, mode, bytes) in fixtures() {
        let read = events(&FORMAT, mode, &bytes);
        let stream = written(Mode::Stream, &read);
        let whole = written(Mode::Whole, &read);
        let name = file.replace('.', "_");
        insta::assert_snapshot!(format!("gemini_{name}"), format!("{}\n\n{stream}\n{whole}", shown(&read)));
    }
}

/// What Gemini wrote and what we write of it mean the same: read again it gives the same events.
#[test]
fn an_answer_written_again_means_the_same() {
    for (file, mode, bytes) in fixtures() {
        if matches!(file.as_str(), "picture.json" | "prompt-blocked.sse" | "quirks.sse" | "error-bare.sse") {
            // A second kind of end, or frames that no event speaks of; their snapshots show them.
            continue;
        }
        let first = events(&FORMAT, mode, &bytes);
        for again in [Mode::Stream, Mode::Array, Mode::Whole] {
            if again == Mode::Whole && first.iter().any(|event| matches!(event, Event::Failed(_))) {
                continue;
            }
            let second = events(&FORMAT, again, written(again, &first).as_bytes());
            assert_eq!(meaning(&second), meaning(&first), "{file} {again:?}");
        }
    }
}

/// Events without what may differ between two tellings of one answer: how often usage was told, made ids, and what
/// only the first provider's frames had.
fn meaning(events: &[Event]) -> String {
    let mut usage = Usage::default();
    let mut kept = Vec::new();
    for event in events {
        match event {
            Event::Opaque | Event::Ping | Event::Started(_) => {}
            Event::Usage(told) => usage.merge(told),
            Event::BlockStarted { index, block: BlockStart::ToolCall { name, .. } } => {
                let block = BlockStart::ToolCall {
                    id: String::new(),
                    kind: ToolKind::Function,
                    name: name.clone(),
                    namespace: None,
                };
                kept.push(Event::BlockStarted { index: *index, block });
            }
            Event::BlockDelta { index, delta: Delta::Arguments(json) } => {
                let json = serde_json::from_str::<Value>(json).unwrap().to_string();
                kept.push(Event::BlockDelta { index: *index, delta: Delta::Arguments(json) });
            }
            other => kept.push(other.clone()),
        }
    }
    // Tool prompts become part of the prompt; queries are not told again.
    usage.server_tools.clear();
    format!("{}\n{usage:?}", shown(&kept))
}

/// Requirement 004-7.
#[test]
fn any_cut_of_the_bytes_gives_the_same_frames_and_events() {
    for (file, mode, bytes) in fixtures() {
        if bytes.len() < 2500 {
            println!("{file}");
            holds_at_any_cut(&FORMAT, mode, &bytes);
        }
    }
}

/// Requirement 004-7.
#[test]
fn a_cut_answer_is_never_taken_for_a_whole_one() {
    for (file, mode, bytes) in fixtures() {
        if file.starts_with("error") || file.starts_with("prompt") || bytes.len() > 2500 {
            continue;
        }
        let text = String::from_utf8_lossy(&bytes);
        let reason = text.rfind("finishReason").unwrap();
        let complete = match mode {
            Mode::Array => text.rfind(']').unwrap() + 1,
            Mode::Stream => {
                reason + text[reason..].find("\r\n\r\n").or_else(|| text[reason..].find("\n\n")).unwrap()
            }
            Mode::Whole => text.trim_end().len(),
        };
        reports_a_cut_tail(&FORMAT, mode, &bytes, complete);
    }
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let samples: Vec<_> = fixtures().into_iter().map(|(_, _, bytes)| bytes).collect();
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    never_panics(&FORMAT, &samples);
    for sample in samples {
        for at in 0..sample.len().min(600) {
            let mut damaged = sample.to_vec();
            damaged[at] = b'"';
            let _ = decode(&FORMAT, Mode::Array, Depth::Full, &[&damaged]);
        }
    }
}

/// Usage, end and failure are the same whether or not the words are read. Requirement 004-43.
#[test]
fn the_outline_of_an_answer_tells_what_the_whole_tells() {
    for (file, mode, bytes) in fixtures() {
        let facts = |depth| {
            let (_, events, verdict) = decode(&FORMAT, mode, depth, &[&bytes]);
            let facts: Vec<_> = events
                .iter()
                .filter(|event| {
                    matches!(event, Event::Ended(_) | Event::Failed(_) | Event::Started(_) | Event::Usage(_))
                })
                .map(|event| format!("{event:?}"))
                .collect();
            (facts, verdict)
        };
        assert_eq!(facts(Depth::Envelope), facts(Depth::Full), "{file}");
    }
}

/// Requirement 004-43: cached tokens are subtracted once, thoughts counted once, tool prompts are prompt.
#[test]
fn usage_comes_in_buckets_that_do_not_overlap_and_goes_out_as_googles_sums() {
    let read = events(&FORMAT, Mode::Stream, &fixture("cached.sse"));
    let mut usage = Usage::default();
    for event in &read {
        if let Event::Usage(told) = event {
            usage.merge(told);
        }
    }
    assert_eq!((usage.input_uncached, usage.cache_read), (Some(105), Some(900)));
    assert_eq!((usage.output, usage.output_reasoning), (Some(42), Some(40)));
    assert_eq!(usage.service_tier.as_deref(), Some("flex"));
    let whole: Value = serde_json::from_str(&encode(&FORMAT, Mode::Whole, &read)).unwrap();
    let told = &whole["usageMetadata"];
    assert_eq!(told["promptTokenCount"], 1005);
    assert_eq!(told["cachedContentTokenCount"], 900);
    assert_eq!(
        (told["candidatesTokenCount"].as_u64(), told["thoughtsTokenCount"].as_u64()),
        (Some(2), Some(40))
    );
    assert_eq!(told["totalTokenCount"], 1047);
}

fn call(arguments: &str) -> Vec<Event> {
    let block = BlockStart::ToolCall {
        id: "toolu_1".into(),
        kind: ToolKind::Function,
        name: "run".into(),
        namespace: None,
    };
    vec![
        Event::Started(Started::default()),
        Event::BlockStarted { index: 0, block },
        Event::BlockDelta { index: 0, delta: Delta::Arguments(arguments.into()) },
        Event::BlockEnded { index: 0 },
        Event::Ended(Stop::because(StopReason::ToolUse)),
    ]
}

/// Requirement I4: arguments that are no object are never turned into `{}`.
#[test]
fn arguments_that_are_no_object_end_as_a_malformed_call() {
    for bad in ["{\"a\":", "[1]", "\"x\"", "null"] {
        let whole: Value = serde_json::from_str(&encode(&FORMAT, Mode::Whole, &call(bad))).unwrap();
        let candidate = &whole["candidates"][0];
        assert_eq!(candidate["finishReason"], "MALFORMED_FUNCTION_CALL", "{bad}");
        assert!(candidate["finishMessage"].as_str().unwrap().contains(bad));
        assert_eq!(candidate["content"].get("parts"), None);
    }
    let whole: Value = serde_json::from_str(&encode(&FORMAT, Mode::Whole, &call(""))).unwrap();
    assert_eq!(whole["candidates"][0]["content"]["parts"][0]["functionCall"]["args"], serde_json::json!({}));
}

#[test]
fn arguments_keep_every_digit() {
    let arguments = r#"{"id":123456789012345678901234567890,"x":1.10}"#;
    assert!(encode(&FORMAT, Mode::Stream, &call(arguments)).contains(arguments));
}

/// google-genai keeps a chat's history only if no piece comes without parts; a call must not be followed by a piece
/// of its own, or the history has words between a call and its result.
#[test]
fn every_piece_of_a_stream_has_a_part_and_the_last_one_carries_the_call() {
    for (file, mode, bytes) in fixtures() {
        let text = written(Mode::Stream, &events(&FORMAT, mode, &bytes));
        for piece in text.split("\r\n\r\n").filter(|piece| !piece.is_empty() && !piece.contains("{\"error\""))
        {
            let piece: Value = serde_json::from_str(piece.strip_prefix("data: ").unwrap()).unwrap();
            let parts = piece["candidates"][0]["content"]["parts"].as_array().unwrap();
            assert!(!parts.is_empty(), "{file}");
        }
    }
    let text = encode(&FORMAT, Mode::Stream, &call("{}"));
    assert_eq!(text.matches("data: ").count(), 1);
    assert!(text.contains("functionCall") && text.contains("\"finishReason\":\"STOP\""));
}

/// The line separators that Google's own client trips over never reach it raw.
#[test]
fn line_separators_inside_words_are_escaped() {
    let text = written(Mode::Stream, &events(&FORMAT, Mode::Stream, &fixture("quirks.sse")));
    assert!(text.contains("\\u2028") && !text.contains('\u{2028}'));
}

/// Google's clients end a stream at an SSE comment, and forget a chat at a piece without parts: an empty line does
/// neither (tried with google-genai 1.20 and 3.4 for Python, @google/genai 1.30 and 2.32).
#[test]
fn a_sign_of_life_is_an_empty_line_that_changes_nothing() {
    for mode in [Mode::Stream, Mode::Array] {
        let mut encoder = encoder(mode);
        let mut out = Vec::new();
        encoder.ping(&mut out);
        for event in call("{}") {
            encoder.encode(&event, &mut out);
            encoder.ping(&mut out);
        }
        encoder.finish(&mut out);
        assert!(String::from_utf8_lossy(&out).lines().all(|line| !line.starts_with(':')));
        let read = events(&FORMAT, mode, &out);
        assert!(matches!(read.last(), Some(Event::Ended(stop)) if stop.reason == StopReason::ToolUse));
    }
    let mut out = Vec::new();
    encoder(Mode::Whole).ping(&mut out);
    assert_eq!(out, b"");
}

/// Behaviour: exactly one well-formed error, before or after the first byte, in every layout.
#[test]
fn a_failure_is_told_once_and_in_googles_form() {
    let failure = Failure { retry_after: None, ..Failure::new(ErrorKind::Overloaded, "no room") };
    for mode in [Mode::Stream, Mode::Array, Mode::Whole] {
        for begun in [false, true] {
            let mut encoder = encoder(mode);
            let mut out = Vec::new();
            if begun {
                encoder.encode(&Event::BlockStarted { index: 0, block: BlockStart::Text }, &mut out);
                encoder.encode(&Event::BlockDelta { index: 0, delta: Delta::Text("x".into()) }, &mut out);
            }
            encoder.fail(&failure, &mut out);
            encoder.fail(&failure, &mut out);
            encoder.finish(&mut out);
            let (_, read, verdict) = decode(&FORMAT, mode, Depth::Full, &[&out]);
            assert_eq!(verdict, Ok(()), "{}", String::from_utf8_lossy(&out));
            let failures: Vec<_> = read
                .iter()
                .filter_map(|event| match event {
                    Event::Failed(failure) => Some(failure),
                    _ => None,
                })
                .collect();
            assert_eq!(failures.len(), 1);
            assert_eq!((failures[0].status(), failures[0].message.as_str()), (503, "no room"));
            assert_eq!(failures[0].code.as_deref(), Some("UNAVAILABLE"));
        }
    }
}

#[test]
fn ids_that_gemini_did_not_give_are_made_of_the_answers_and_stay_here() {
    let read = events(&FORMAT, Mode::Array, &fixture("recorded-signed-call.array.json"));
    let id = read.iter().find_map(|event| match event {
        Event::BlockStarted { block: BlockStart::ToolCall { id, .. }, .. } => Some(id.as_str()),
        _ => None,
    });
    assert_eq!(id, Some("gcall_6XJFadi3PJOx-sAPgJ3S6Qs_0"));
    assert!(!encode(&FORMAT, Mode::Stream, &read).contains("gcall_"));
    assert!(encode(&FORMAT, Mode::Stream, &call("{}")).contains("\"id\":\"toolu_1\""));
}

/// A seal of another maker that Google's clients could not even read is declared, not sent.
#[test]
fn a_seal_that_is_no_base64_is_declared_as_lost() {
    let mut encoder = encoder(Mode::Stream);
    let mut out = Vec::new();
    let block = BlockStart::Reasoning { id: None, summary: false };
    encoder.encode(&Event::BlockStarted { index: 0, block }, &mut out);
    for seal in [Seal::Signature("not base64!".into()), Seal::Encrypted("AAAA".into())] {
        encoder.encode(&Event::BlockDelta { index: 0, delta: Delta::Seal(seal) }, &mut out);
    }
    assert_eq!(encoder.loss().names(), ["reasoning"]);
    assert_eq!(out, b"");
}

/// Each way an answer can end has Google's word.
#[test]
fn every_end_has_googles_word() {
    for (reason, expected) in [
        (StopReason::ContentFilter, "SAFETY"),
        (StopReason::ContextWindow, "MAX_TOKENS"),
        (StopReason::EndTurn, "STOP"),
        (StopReason::MaxTokens, "MAX_TOKENS"),
        (StopReason::Other("LANGUAGE".into()), "LANGUAGE"),
        (StopReason::Other("network".into()), "OTHER"),
        (StopReason::Pause, "OTHER"),
        (StopReason::Refusal, "SAFETY"),
        (StopReason::StopSequence, "STOP"),
        (StopReason::ToolUse, "STOP"),
    ] {
        let text = encode(&FORMAT, Mode::Whole, &[Event::Ended(Stop::because(reason.clone()))]);
        let whole: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(whole["candidates"][0]["finishReason"], expected, "{reason:?}");
    }
}

#[test]
fn an_answer_that_is_no_answer_is_malformed_or_cut() {
    for (mode, bytes, expected) in [
        (Mode::Whole, &b""[..], DecodeError::Cut),
        (Mode::Whole, b"{\"candidates\":[{\"fin", DecodeError::Cut),
        (Mode::Whole, b"{}", DecodeError::Cut),
        (Mode::Stream, b"", DecodeError::Cut),
        (Mode::Stream, b"data: {\"candidates\"", DecodeError::Cut),
        (Mode::Array, b"[]", DecodeError::Cut),
        (Mode::Array, b"[{\"candidates\":[{\"finishReason\":\"STOP\"}]}", DecodeError::Cut),
    ] {
        let (_, _, verdict) = decode(&FORMAT, mode, Depth::Full, &[bytes]);
        assert_eq!(verdict, Err(expected), "{}", String::from_utf8_lossy(bytes));
    }
    for (mode, bytes) in
        [(Mode::Stream, &b"data: {oops}\n\n"[..]), (Mode::Array, b"<html>"), (Mode::Whole, b"<html>")]
    {
        let (_, _, verdict) = decode(&FORMAT, mode, Depth::Envelope, &[bytes]);
        assert!(matches!(verdict, Err(DecodeError::Malformed { .. })), "{verdict:?}");
    }
}
