//! Answers as clients of this dialect get them.

use std::collections::BTreeMap;

use lockgate_core::content::{Citation, ToolKind};
use lockgate_core::{
    BlockStart, Delta, ErrorKind, Event, Failure, Raw, Seal, Started, Stop, StopReason, Usage,
};
use serde_json::Value;

use crate::{AnswerContext, Mode, StreamEncoder, check};

use super::super::FORMAT;
use super::{data, fixture};

fn text(index: u32, text: &str) -> [Event; 3] {
    [
        Event::BlockStarted { index, block: BlockStart::Text },
        Event::BlockDelta { index, delta: Delta::Text(text.into()) },
        Event::BlockEnded { index },
    ]
}

fn call(index: u32, kind: ToolKind, name: &str, namespace: Option<&str>, arguments: &[&str]) -> Vec<Event> {
    let (id, name) = (format!("call_{index}"), name.to_owned());
    let block = BlockStart::ToolCall { id, kind, name, namespace: namespace.map(Into::into) };
    let mut events = vec![Event::BlockStarted { index, block }];
    for piece in arguments {
        events.push(Event::BlockDelta { index, delta: Delta::Arguments((*piece).to_owned()) });
    }
    events.push(Event::BlockEnded { index });
    events
}

fn thoughts(index: u32, words: &[&str], seal: Option<Seal>) -> Vec<Event> {
    let mut events =
        vec![Event::BlockStarted { index, block: BlockStart::Reasoning { id: None, summary: false } }];
    for piece in words {
        events.push(Event::BlockDelta { index, delta: Delta::Reasoning((*piece).to_owned()) });
    }
    events.extend(seal.map(|seal| Event::BlockDelta { index, delta: Delta::Seal(seal) }));
    events.push(Event::BlockEnded { index });
    events
}

fn started() -> Event {
    let model = Some("claude-sonnet-5".into());
    Event::Started(Started { created: None, id: Some("msg_upstream".into()), model })
}

fn ended(reason: StopReason) -> Event {
    Event::Ended(Stop::because(reason))
}

/// Thoughts, words, parallel calls of all kinds: what an agent gets from another provider.
fn agent_answer() -> Vec<Event> {
    let mut events = vec![started()];
    events.extend(thoughts(0, &["Let me ", "look."], Some(Seal::Encrypted("sealed".into()))));
    events.extend(text(1, "I read "));
    events.extend(text(2, "both\u{2028}files."));
    events.extend(call(3, ToolKind::Function, "read", None, &["{\"path\":", "\"a\"}"]));
    events.extend(call(4, ToolKind::Function, "open", Some("browser"), &[]));
    events.extend(call(5, ToolKind::Custom, "apply_patch", None, &["*** Begin"]));
    let (input_uncached, cache_read, output, output_reasoning) = (Some(10), Some(90), Some(40), Some(15));
    let usage = Usage { input_uncached, cache_read, output, output_reasoning, ..Usage::default() };
    events.extend([Event::Usage(usage), ended(StopReason::ToolUse)]);
    events
}

/// What a stream says, checked against the rules that clients rely on: numbers without gaps, items and parts that
/// begin, grow and end, deltas that add up to the whole, the same items in the last event.
fn checked(stream: &str) -> Vec<Value> {
    let events = data(stream);
    let mut open: BTreeMap<u64, Value> = BTreeMap::new();
    let mut grown: BTreeMap<(String, u64), String> = BTreeMap::new();
    let mut done: Vec<Value> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event["sequence_number"], at, "{event}");
        let kind = event["type"].as_str().unwrap();
        let place = event["content_index"].as_u64().or(event["summary_index"].as_u64()).unwrap_or(0);
        if let Some(index) = event["output_index"].as_u64() {
            assert_eq!(index as usize, done.len(), "one item after the other: {event}");
            if kind == "response.output_item.added" {
                assert!(open.insert(index, event["item"].clone()).is_none(), "begun twice: {event}");
            }
            let item = open.get(&index).unwrap_or_else(|| panic!("not begun: {event}"));
            let id = event["item_id"].as_str().or(event["item"]["id"].as_str()).unwrap();
            assert_eq!(item["id"], id, "{event}");
            if let Some(delta) = event["delta"].as_str() {
                assert!(!delta.is_empty(), "{event}");
                grown.entry((id.to_owned(), place)).or_default().push_str(delta);
            }
            for whole in ["text", "refusal", "arguments", "input"] {
                if let Some(whole) = event[whole].as_str() {
                    assert_eq!(grown[&(id.to_owned(), place)], whole, "{event}");
                }
            }
            if kind == "response.output_item.done" {
                done.push(event["item"].clone());
            }
        }
    }
    let last = events.last().unwrap();
    assert_eq!(last["response"]["output"], Value::from(done), "the last event holds every item");
    assert_eq!(open.len(), last["response"]["output"].as_array().unwrap().len(), "every item ended");
    events
}

/// Codex counts on every one of these events and on their numbers. Requirement 004-42.
#[test]
fn an_answer_of_another_provider_is_a_whole_stream_of_this_dialect() {
    let stream = check::encode(&FORMAT, Mode::Stream, &agent_answer());
    checked(&stream);
    insta::assert_snapshot!("responses_stream_agent", stream);
    assert!(!stream.contains('\u{2028}'));
}

#[test]
fn a_whole_answer_is_the_object_that_the_stream_ends_with() {
    let stream = data(&check::encode(&FORMAT, Mode::Stream, &agent_answer()));
    let whole = check::encode(&FORMAT, Mode::Whole, &agent_answer());
    let whole: Value = serde_json::from_str(&whole).unwrap();
    assert_eq!(stream.last().unwrap()["response"], whole);
    let usage = &whole["usage"];
    assert_eq!((&usage["input_tokens"], &usage["total_tokens"]), (&Value::from(100), &Value::from(140)));
    assert_eq!(usage["input_tokens_details"]["cached_tokens"], 90);
    assert_eq!(usage["output_tokens_details"]["reasoning_tokens"], 15);
}

/// Requirements 004-3 and 004-7: reading what was written gives the same answer.
#[test]
fn every_recorded_stream_survives_being_read_and_written() {
    for name in [
        "arguments-at-end",
        "completed-only",
        "custom-tool",
        "empty",
        "max-tokens",
        "openai-function",
        "openai-text",
        "reasoning-parallel",
        "refusal",
        "web-search",
    ] {
        let events = check::events(&FORMAT, Mode::Stream, &fixture(&format!("{name}.sse")));
        let written = check::encode(&FORMAT, Mode::Stream, &events);
        checked(&written);
        insta::assert_snapshot!(format!("responses_rewritten_{name}"), written);
        let again = check::events(&FORMAT, Mode::Stream, written.as_bytes());
        let twice = check::encode(&FORMAT, Mode::Stream, &again);
        assert_eq!(written, twice, "{name}");
    }
}

fn failure(kind: ErrorKind) -> Failure {
    Failure::new(kind, "the upstream is gone")
}

fn encoder(sequence: u64) -> Box<dyn StreamEncoder> {
    FORMAT.messages.encoder(Mode::Stream, AnswerContext { sequence, ..check::context() })
}

/// Requirement I4. Codex reads `response.failed`, the SDKs raise on a top-level `error`.
#[test]
fn a_failure_is_one_event_that_codex_and_the_sdks_both_take_as_an_error() {
    let mut out = Vec::new();
    let mut encoder = encoder(0);
    encoder.encode(&started(), &mut out);
    for event in &text(0, "Half a sen")[..2] {
        encoder.encode(event, &mut out);
    }
    encoder.fail(&failure(ErrorKind::UpstreamUnavailable), &mut out);
    encoder.fail(&failure(ErrorKind::Internal), &mut out);
    encoder.encode(&text(1, "more")[0], &mut out);
    encoder.finish(&mut out);
    encoder.ping(&mut out);
    let stream = String::from_utf8(out).unwrap();
    insta::assert_snapshot!("responses_stream_failed", stream);
    let events = data(&stream);
    let failed: Vec<_> = events.iter().filter(|event| event["type"] == "response.failed").collect();
    assert_eq!((failed.len(), events.last()), (1, failed.first().copied()));
    assert_eq!(failed[0]["response"]["status"], "failed");
    assert_eq!(failed[0]["response"]["error"]["code"], "server_error");
    assert_eq!(failed[0]["error"]["message"], "the upstream is gone");
    let partial = &failed[0]["response"]["output"][0];
    assert_eq!(
        (&partial["status"], &partial["content"][0]["text"]),
        (&"incomplete".into(), &"Half a sen".into())
    );
}

#[test]
fn a_failure_before_anything_else_is_a_legal_stream() {
    let mut out = Vec::new();
    encoder(0).fail(&failure(ErrorKind::Timeout), &mut out);
    let kinds: Vec<_> =
        data(&String::from_utf8(out).unwrap()).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["response.created", "response.in_progress", "response.failed"]);
}

#[test]
fn an_encoder_that_takes_over_goes_on_counting_and_does_not_begin_again() {
    let mut out = Vec::new();
    encoder(7).fail(&failure(ErrorKind::Timeout), &mut out);
    let events = data(&String::from_utf8(out).unwrap());
    assert_eq!((events.len(), &events[0]["sequence_number"]), (1, &Value::from(7)));
}

/// Codex looks for the time to wait in the message.
#[test]
fn codex_is_told_whether_and_when_to_try_again() {
    let failed = |failure: &Failure| {
        let mut out = Vec::new();
        encoder(1).fail(failure, &mut out);
        data(&String::from_utf8(out).unwrap())[0]["response"]["error"].clone()
    };
    let retry_after = Some(std::time::Duration::from_secs(7));
    let limited = failed(&Failure { retry_after, ..failure(ErrorKind::RateLimited) });
    assert_eq!(limited["code"], "rate_limit_exceeded");
    assert!(limited["message"].as_str().unwrap().ends_with("try again in 7s."));
    assert_eq!(failed(&failure(ErrorKind::PolicyRefused))["code"], "invalid_prompt");
    let code = Some("context_length_exceeded".into());
    let too_long = failed(&Failure { code, ..failure(ErrorKind::UpstreamRejected) });
    assert_eq!(too_long["code"], "context_length_exceeded");
}

#[test]
fn a_failed_whole_answer_is_the_error_body() {
    let mut encoder = FORMAT.messages.encoder(Mode::Whole, check::context());
    let mut out = Vec::new();
    encoder.encode(&started(), &mut out);
    encoder.fail(&failure(ErrorKind::Overloaded), &mut out);
    encoder.finish(&mut out);
    assert_eq!(out, FORMAT.messages.error(&failure(ErrorKind::Overloaded)));
}

/// Requirement 004-42: the table of stop reasons.
#[test]
fn each_end_has_its_status() {
    let status = |reason: Option<StopReason>| {
        let events: Vec<_> = [started()].into_iter().chain(text(0, "x")).chain(reason.map(ended)).collect();
        let events = data(&check::encode(&FORMAT, Mode::Stream, &events));
        let last = events.last().unwrap().clone();
        let reason = last["response"]["incomplete_details"]["reason"].as_str().map(ToOwned::to_owned);
        (last["type"].as_str().unwrap().replace("response.", ""), reason.unwrap_or_default())
    };
    for (reason, expected, detail) in [
        (Some(StopReason::EndTurn), "completed", ""),
        (Some(StopReason::ToolUse), "completed", ""),
        (Some(StopReason::StopSequence), "completed", ""),
        (Some(StopReason::MaxTokens), "incomplete", "max_output_tokens"),
        (Some(StopReason::ContextWindow), "incomplete", "max_output_tokens"),
        (Some(StopReason::ContentFilter), "incomplete", "content_filter"),
        (Some(StopReason::Refusal), "incomplete", "content_filter"),
        (None, "incomplete", ""),
    ] {
        assert_eq!(status(reason.clone()), (expected.to_owned(), detail.to_owned()), "{reason:?}");
    }
}

#[test]
fn nothing_empty_is_announced_and_an_empty_answer_is_complete() {
    let mut events = vec![started()];
    events.extend(text(0, ""));
    events.extend(thoughts(1, &[""], None));
    events.push(ended(StopReason::EndTurn));
    let events = checked(&check::encode(&FORMAT, Mode::Stream, &events));
    assert_eq!(events.len(), 3);
    assert_eq!(events[2]["type"], "response.completed");
}

/// Requirement B2: thoughts without a seal of this dialect are shown, and a signature is declared as lost.
#[test]
fn thoughts_of_other_providers_are_shown_as_a_summary() {
    let mut encoder = encoder(0);
    let mut out = Vec::new();
    for event in thoughts(0, &["Hm."], Some(Seal::Signature("sig".into()))) {
        encoder.encode(&event, &mut out);
    }
    encoder.encode(&ended(StopReason::EndTurn), &mut out);
    encoder.finish(&mut out);
    let events = checked(&String::from_utf8(out).unwrap());
    let item = &events.last().unwrap()["response"]["output"][0];
    assert_eq!(item["summary"][0]["text"], "Hm.");
    assert!(item.get("encrypted_content").is_none());
    // The signature waits in the gateway.
    assert!(encoder.loss().is_empty());
}

#[test]
fn a_source_becomes_an_annotation_over_the_text_so_far() {
    let source = |url: Option<&str>| Citation {
        raw: None,
        quote: Some("q".into()),
        span: None,
        title: Some("T".into()),
        url: url.map(Into::into),
    };
    let [begin, words, end] = text(0, "Größe");
    let cite = |url| Event::BlockDelta { index: 0, delta: Delta::Citation(source(url)) };
    let logprobs: Raw = serde_json::from_str(r#"[{"token":"G","logprob":-1}]"#).unwrap();
    let probable = Event::BlockDelta { index: 0, delta: Delta::Logprobs(logprobs) };
    let mut encoder = encoder(0);
    let mut out = Vec::new();
    for event in
        [begin, words, cite(Some("https://a")), cite(None), probable, end, ended(StopReason::EndTurn)]
    {
        encoder.encode(&event, &mut out);
    }
    encoder.finish(&mut out);
    let events = checked(&String::from_utf8(out).unwrap());
    let part = &events.last().unwrap()["response"]["output"][0]["content"][0];
    assert_eq!(part["annotations"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&part["annotations"][0]["url"], &part["annotations"][0]["end_index"]),
        (&"https://a".into(), &5.into())
    );
    assert_eq!(part["logprobs"][0]["token"], "G");
    assert_eq!(encoder.loss().names(), ["citations"]);
}

#[test]
fn a_raw_item_with_line_breaks_does_not_break_the_stream() {
    let body = b"{\"status\":\"completed\",\"output\":[{\"type\":\"hologram\",\n \"id\":\"h\",\r\n \"text\":\"a\\nb\"}]}";
    let events = check::events(&FORMAT, Mode::Whole, body);
    let events = checked(&check::encode(&FORMAT, Mode::Stream, &events));
    assert_eq!(events.last().unwrap()["response"]["output"][0]["text"], "a\nb");
}

#[test]
fn a_ping_is_a_comment_and_a_whole_answer_has_none() {
    let mut out = Vec::new();
    encoder(0).ping(&mut out);
    assert_eq!(out, b": ping\n\n");
    out.clear();
    FORMAT.messages.encoder(Mode::Whole, check::context()).ping(&mut out);
    assert!(out.is_empty());
}

/// SDKs read what they asked for from the answer; an answer of another provider repeats it as it was said.
#[test]
fn an_answer_repeats_what_the_request_said() {
    let request =
        br#"{"model":"m","input":"x","instructions":"Be brief.","max_output_tokens":99,"metadata":{"a":"b"},
        "parallel_tool_calls":false,"temperature":0.25,"tool_choice":"required","reasoning":{"effort":"low"},
        "tools":[{"type":"function","name":"f","parameters":{"type":"object"}}],"text":{"verbosity":"low"}}"#;
    let asked: serde_json::Value = serde_json::from_slice(request).unwrap();
    let context = AnswerContext { request: Some(request.to_vec().into()), ..check::context() };
    let mut encoder = FORMAT.messages.encoder(Mode::Whole, context);
    let mut out = Vec::new();
    encoder.encode(&ended(StopReason::EndTurn), &mut out);
    encoder.finish(&mut out);
    let answer: serde_json::Value = serde_json::from_slice(&out).unwrap();
    for field in [
        "instructions",
        "max_output_tokens",
        "metadata",
        "parallel_tool_calls",
        "reasoning",
        "temperature",
        "text",
        "tool_choice",
        "tools",
    ] {
        assert_eq!(answer[field], asked[field], "{field}");
    }
    assert_eq!(answer["top_p"], serde_json::Value::Null);
}
