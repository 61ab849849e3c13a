//! What Anthropic's clients get to read, whichever provider answered.

use lockgate_core::content::{Citation, Opaque, ToolKind};
use lockgate_core::{
    BlockStart, Delta, Dialect, ErrorKind, Event, Failure, Seal, Started, Stop, StopReason, Usage,
};

use super::super::FORMAT;
use crate::check::{context, encode};
use crate::{Loss, Mode};

fn started() -> Event {
    Event::Started(Started { created: None, id: Some("chatcmpl-1".into()), model: Some("gpt-5".into()) })
}

fn block(index: u32, block: BlockStart, deltas: Vec<Delta>) -> Vec<Event> {
    let mut events = vec![Event::BlockStarted { index, block }];
    events.extend(deltas.into_iter().map(|delta| Event::BlockDelta { index, delta }));
    events.push(Event::BlockEnded { index });
    events
}

fn call(name: &str) -> BlockStart {
    BlockStart::ToolCall { id: "call_1".into(), kind: ToolKind::Function, name: name.into(), namespace: None }
}

fn thoughts() -> BlockStart {
    BlockStart::Reasoning { id: None, summary: false }
}

fn ended(reason: StopReason) -> Event {
    Event::Ended(Stop::because(reason))
}

fn both(name: &str, events: &[Event]) {
    insta::assert_snapshot!(format!("encoded_{name}"), encode(&FORMAT, Mode::Stream, events));
    let whole: serde_json::Value = serde_json::from_str(&encode(&FORMAT, Mode::Whole, events)).unwrap();
    insta::assert_snapshot!(format!("encoded_{name}_whole"), serde_json::to_string_pretty(&whole).unwrap());
}

fn loss(events: &[Event]) -> Loss {
    let mut encoder = FORMAT.messages.encoder(Mode::Stream, context());
    let mut out = Vec::new();
    for event in events {
        encoder.encode(event, &mut out);
    }
    encoder.finish(&mut out);
    encoder.loss().clone()
}

/// Requirements 004-42, B2, behaviour 17: an answer of another provider, with everything it may hold.
#[test]
fn an_answer_of_another_provider_reads_as_if_claude_had_given_it() {
    let citation = Citation {
        raw: Some((Dialect::Chat, crate::json::raw("{}").unwrap())),
        quote: None,
        span: Some((0, 2)),
        title: Some("Title".into()),
        url: Some("https://example.com".into()),
    };
    let usage = Usage {
        cache_read: Some(10),
        input_uncached: Some(3),
        output: Some(20),
        output_reasoning: Some(5),
        server_tools: [("web_search".to_owned(), 1)].into(),
        ..Usage::default()
    };
    let events = [
        vec![started()],
        block(0, thoughts(), vec![Delta::Reasoning("Hm".into()), Delta::Reasoning(", so.".into())]),
        block(
            1,
            thoughts(),
            vec![Delta::Reasoning("Sealed".into()), Delta::Seal(Seal::Signature("S=".into()))],
        ),
        block(2, thoughts(), vec![Delta::Seal(Seal::Encrypted("E=".into()))]),
        block(3, BlockStart::Text, vec![Delta::Text("So\u{2028}".into()), Delta::Citation(citation)]),
        block(4, call("Read"), vec![Delta::Arguments("{\"a\":".into()), Delta::Arguments("1}".into())]),
        block(5, call("List"), vec![]),
        vec![Event::Usage(usage), ended(StopReason::EndTurn)],
    ]
    .concat();
    both("foreign", &events);
    assert_eq!(loss(&events).names(), ["citations"]);
}

#[test]
fn an_empty_answer_is_a_legal_message_without_content() {
    both("empty", &[started(), ended(StopReason::EndTurn)]);
}

#[test]
fn empty_blocks_never_reach_the_client() {
    let events = [
        vec![started()],
        block(0, BlockStart::Text, vec![Delta::Text(String::new())]),
        block(1, thoughts(), vec![]),
        block(2, BlockStart::Text, vec![Delta::Text("x".into())]),
        vec![ended(StopReason::EndTurn)],
    ]
    .concat();
    let stream = encode(&FORMAT, Mode::Stream, &events);
    assert_eq!(stream.matches("event: content_block_start").count(), 1, "{stream}");
    assert!(stream.contains(r#""index":0,"content_block":{"type":"text","text":""}"#), "{stream}");
}

#[test]
fn a_refusal_is_text_and_says_so_at_the_end() {
    let events = [
        vec![started()],
        block(0, BlockStart::Refusal, vec![Delta::Refusal("I cannot.".into())]),
        vec![ended(StopReason::EndTurn)],
    ]
    .concat();
    both("refusal", &events);
}

#[test]
fn the_stop_reason_is_tool_use_exactly_when_there_is_a_call_to_run() {
    for (reason, with_call, without) in [
        (StopReason::ToolUse, "tool_use", "end_turn"),
        (StopReason::EndTurn, "tool_use", "end_turn"),
        (StopReason::MaxTokens, "max_tokens", "max_tokens"),
        (StopReason::ContentFilter, "refusal", "refusal"),
        (StopReason::ContextWindow, "model_context_window_exceeded", "model_context_window_exceeded"),
        (StopReason::Pause, "pause_turn", "pause_turn"),
        (StopReason::StopSequence, "stop_sequence", "stop_sequence"),
        (StopReason::Other("RECITATION".into()), "end_turn", "end_turn"),
        (StopReason::Other("new_reason".into()), "new_reason", "new_reason"),
    ] {
        let tool = [block(0, call("f"), vec![]), vec![ended(reason.clone())]].concat();
        for (events, expected) in [(tool, with_call), (vec![ended(reason.clone())], without)] {
            for mode in [Mode::Stream, Mode::Whole] {
                let body = encode(&FORMAT, mode, &events);
                assert!(body.contains(&format!("\"stop_reason\":\"{expected}\"")), "{reason:?}: {body}");
            }
        }
    }
}

/// Clients take two answers with one id for one answer.
#[test]
fn a_foreign_id_gives_way_to_a_unique_one() {
    let id = |id: &str| {
        let started = Event::Started(Started { id: Some(id.into()), ..Started::default() });
        encode(&FORMAT, Mode::Stream, &[started, ended(StopReason::EndTurn)])
    };
    assert!(id("chatcmpl-1").contains(r#""id":"msg_testid""#));
    assert!(id("msg_01X").contains(r#""id":"msg_01X""#));
    assert!(encode(&FORMAT, Mode::Stream, &[]).contains(r#""id":"msg_testid""#));
}

#[test]
fn the_start_tells_the_prompts_tokens_or_our_estimate() {
    let estimated = encode(&FORMAT, Mode::Stream, &[started(), ended(StopReason::EndTurn)]);
    assert!(estimated.contains(r#""usage":{"input_tokens":11,"output_tokens":0}"#), "{estimated}");
    let usage = Event::Usage(Usage { input_uncached: Some(3), output: Some(1), ..Usage::default() });
    let told = encode(&FORMAT, Mode::Stream, &[started(), usage, ended(StopReason::EndTurn)]);
    assert!(told.contains(r#""usage":{"input_tokens":3,"output_tokens":1}"#), "{told}");
}

/// Requirement 004-7: exactly one error event, whenever it comes.
#[test]
fn a_failure_is_one_error_event_and_nothing_after() {
    let failure = Failure::new(ErrorKind::RateLimited, "slow down");
    for mode in [Mode::Stream, Mode::Whole] {
        for before in [vec![], vec![started()], block(0, BlockStart::Text, vec![Delta::Text("x".into())])] {
            let mut encoder = FORMAT.messages.encoder(mode, context());
            let mut out = Vec::new();
            for event in &before {
                encoder.encode(event, &mut out);
            }
            encoder.fail(&failure, &mut out);
            let length = out.len();
            encoder.fail(&failure, &mut out);
            encoder.encode(&ended(StopReason::EndTurn), &mut out);
            encoder.ping(&mut out);
            encoder.finish(&mut out);
            assert_eq!(out.len(), length, "nothing may follow");
            let text = String::from_utf8(out).unwrap();
            let error = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}"#;
            match mode {
                Mode::Whole => assert_eq!(text, error),
                _ => assert!(text.ends_with(&format!("event: error\ndata: {error}\n\n")), "{text}"),
            }
        }
    }
}

#[test]
fn a_ping_is_one_that_every_sdk_skips() {
    let mut out = Vec::new();
    FORMAT.messages.encoder(Mode::Stream, context()).ping(&mut out);
    assert_eq!(out, b"event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

/// Requirement I4: text that is no JSON is not turned into `{}`.
#[test]
fn broken_arguments_stay_what_the_model_wrote() {
    let events = [
        block(0, call("f"), vec![Delta::Arguments("{\"a\": tru".into())]),
        vec![ended(StopReason::MaxTokens)],
    ]
    .concat();
    assert!(encode(&FORMAT, Mode::Stream, &events).contains(r#""partial_json":"{\"a\": tru""#));
    assert!(encode(&FORMAT, Mode::Whole, &events).contains(r#""input":"{\"a\": tru""#));
}

#[test]
fn what_a_client_of_anthropic_cannot_be_told_is_declared() {
    let foreign = Opaque {
        dialect: Dialect::Responses,
        kind: "image_generation_call".into(),
        raw: crate::json::raw("{}").unwrap(),
    };
    let nowhere = Citation { raw: None, quote: None, span: None, title: None, url: None };
    let events = [
        block(0, BlockStart::Opaque(foreign), vec![]),
        block(1, BlockStart::Text, vec![Delta::Text("x".into()), Delta::Citation(nowhere)]),
        block(2, BlockStart::Text, vec![Delta::Opaque(crate::json::raw(r#"{"type":"x.delta"}"#).unwrap())]),
        vec![ended(StopReason::Other("RECITATION".into()))],
    ]
    .concat();
    assert_eq!(loss(&events).names(), ["image_generation_call", "citations", "delta", "stop_reason"]);
    let stream = encode(&FORMAT, Mode::Stream, &events);
    assert_eq!(stream.matches("event: content_block_start").count(), 1, "{stream}");
}
