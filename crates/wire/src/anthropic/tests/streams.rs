//! Answers of Anthropic and of servers that speak its dialect, as events. Recordings are in `fixtures/streams`.

use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Seal, StopReason, Usage};

use super::super::FORMAT;
use crate::check::{decode, encode, events, holds_at_any_cut, never_panics, reports_a_cut_tail, shown};
use crate::{DecodeError, Depth, Mode};

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../../../../fixtures/streams/anthropic/", $name)).as_slice()
    };
}

const RECORDED: [(&str, &[u8]); 10] = [
    ("compaction", fixture!("compaction.sse")),
    ("fallback_block", fixture!("fallback_block.sse")),
    ("llamacpp_tool", fixture!("llamacpp_tool.sse")),
    ("max_tokens_in_tool", fixture!("max_tokens_in_tool.sse")),
    ("refusal", fixture!("refusal.sse")),
    ("refusal_after_tool", fixture!("refusal_after_tool.sse")),
    ("text", fixture!("text.sse")),
    ("thinking", fixture!("thinking.sse")),
    ("thinking_tool", fixture!("thinking_tool.sse")),
    ("web_search", fixture!("web_search.sse")),
];

/// An answer with two tools at once and everything that usage may hold; lines end as some proxies write them.
pub(super) const PARALLEL: &str = concat!(
    "event: message_start\r\n",
    r#"data: {"type":"message_start","message":{"id":"msg_01P","type":"message","role":"assistant","model":"claude-opus-4-8","content":[],"usage":{"input_tokens":7,"cache_creation_input_tokens":300,"cache_read_input_tokens":2000,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":1,"service_tier":"priority"}}}"#,
    "\r\n\r\n: a comment\r\n\r\n",
    r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"EvA="}}"#,
    "\r\n\r\n",
    r#"data: {"type":"content_block_stop","index":0}"#,
    "\r\n\r\n",
    r#"data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"Read","input":{}}}"#,
    "\r\n\r\n",
    r#"data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"path\":"}}"#,
    "\r\n\r\n",
    r#"data: {"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"ä.txt\"}"}}"#,
    "\r\n\r\n",
    r#"data: {"type":"content_block_stop","index":1}"#,
    "\r\n\r\n",
    r#"data: {"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_2","name":"List","input":{}}}"#,
    "\r\n\r\n",
    r#"data: {"type":"content_block_stop","index":2}"#,
    "\r\n\r\n",
    r#"data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"cache_creation_input_tokens":300,"cache_read_input_tokens":2000,"input_tokens":7,"output_tokens":90,"output_tokens_details":{"thinking_tokens":40},"server_tool_use":{"web_search_requests":2,"web_fetch_requests":0}}}"#,
    "\r\n\r\n",
    r#"data: {"type":"message_stop"}"#,
    "\r\n\r\n",
);

/// Frames, blocks and deltas that no version of Anthropic has yet.
const FUTURE: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_f\",\"model\":\"claude-9\",\"content\":[]}}\n\n",
    "event: weather\ndata: {\"type\":\"weather\",\"index\":\"north\"}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"hologram\",\"text\":{\"not\":\"text\"}}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"hologram_delta\",\"text\":[1]}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"tone_delta\",\"tone\":\"warm\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":9,\"delta\":{\"type\":\"text_delta\",\"text\":\"lost\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"bored\"},\"usage\":{\"output_tokens\":3}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

const FAILED: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_e\",\"model\":\"claude-opus-4-8\",\"content\":[]}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"},\"request_id\":\"req_1\"}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);

/// What Ollama's facade sends: thoughts without a signature, a whole input at the start of the call, no `event:` lines
/// on some frames, `[DONE]` at the end, and `end_turn` although a tool is called.
const FACADE: &str = concat!(
    "data: {\"type\": \"message_start\", \"message\": {\"id\": 17, \"model\": \"qwen3:8b\", \"content\": null, \"usage\": {\"input_tokens\": -1, \"output_tokens\": 0.0}}}\n\n",
    "data: {\"type\": \"content_block_start\", \"content_block\": {\"type\": \"thinking\", \"thinking\": \"\"}}\n\n",
    "data: {\"type\": \"content_block_delta\", \"delta\": {\"type\": \"thinking_delta\", \"thinking\": \"Hm.\"}}\n\n",
    "data: {\"type\": \"content_block_stop\"}\n\n",
    "data: {\"type\": \"content_block_start\", \"content_block\": {\"type\": \"tool_use\", \"id\": null, \"name\": \"f\", \"input\": {\"a\": 1}}}\n\n",
    "data: {\"type\": \"message_delta\", \"delta\": {\"stop_reason\": \"end_turn\"}, \"usage\": null}\n\n",
    "data: {\"type\": \"message_stop\"}\n\n",
    "data: [DONE]\n\n",
);

pub(super) const WHOLE: &str = r#"{"id":"msg_w","type":"message","role":"assistant","model":"claude-opus-4-8","content":[
    {"type":"thinking","thinking":"Let me see.","signature":"Sig=="},
    {"type":"redacted_thinking","data":"Enc=="},
    {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}},
    {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","title":"T","url":"https://example.com","encrypted_content":"E"}]},
    {"type":"text","text":"Found.","citations":[{"type":"web_search_result_location","cited_text":"found","url":"https://example.com","title":"T","encrypted_index":"I"}]},
    {"type":"tool_use","id":"toolu_9","name":"Write","input":{"path":"a","lines":[1,2.50]},"caller":{"type":"direct"}}],
    "stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":5,"cache_read_input_tokens":6,"cache_creation_input_tokens":7,"output_tokens":8,"service_tier":"standard"}}"#;

/// Behaviours 15 to 17 and 19, requirement B2: nothing of a recorded answer is missing among the events, and what the
/// own encoder makes of them means the same.
#[test]
fn recorded_answers_become_events_and_the_same_answer_again() {
    for (name, bytes) in RECORDED {
        let read = events(&FORMAT, Mode::Stream, bytes);
        insta::assert_snapshot!(format!("events_{name}"), shown(&read));
        let stream = encode(&FORMAT, Mode::Stream, &read);
        insta::assert_snapshot!(format!("stream_{name}"), stream);
        let whole = encode(&FORMAT, Mode::Whole, &read);
        let pretty: serde_json::Value = serde_json::from_str(&whole).unwrap();
        insta::assert_snapshot!(format!("whole_{name}"), serde_json::to_string_pretty(&pretty).unwrap());
        // Read again, the answer says the same, word for word.
        assert_eq!(said(&events(&FORMAT, Mode::Stream, stream.as_bytes())), said(&read), "{name}");
    }
}

#[test]
fn written_answers_become_events() {
    for (name, bytes) in [("facade", FACADE), ("failed", FAILED), ("future", FUTURE), ("parallel", PARALLEL)]
    {
        insta::assert_snapshot!(
            format!("events_{name}"),
            shown(&events(&FORMAT, Mode::Stream, bytes.as_bytes()))
        );
    }
    insta::assert_snapshot!("events_whole", shown(&events(&FORMAT, Mode::Whole, WHOLE.as_bytes())));
    let llama = fixture!("llamacpp_tool.json");
    insta::assert_snapshot!("events_llamacpp_whole", shown(&events(&FORMAT, Mode::Whole, llama)));
}

/// Requirement 004-7.
#[test]
fn any_cut_of_the_bytes_gives_the_same_events() {
    for bytes in [PARALLEL, FUTURE, FAILED, FACADE] {
        holds_at_any_cut(&FORMAT, Mode::Stream, bytes.as_bytes());
    }
    for bytes in [fixture!("text.sse"), fixture!("refusal.sse"), fixture!("max_tokens_in_tool.sse")] {
        holds_at_any_cut(&FORMAT, Mode::Stream, bytes);
    }
    holds_at_any_cut(&FORMAT, Mode::Whole, WHOLE.as_bytes());
}

/// Requirement 004-7.
#[test]
fn an_answer_that_was_cut_is_never_taken_for_complete() {
    for bytes in [PARALLEL.as_bytes(), fixture!("text.sse"), fixture!("max_tokens_in_tool.sse")] {
        let text = std::str::from_utf8(bytes).unwrap();
        let end = text.rfind('}').unwrap();
        reports_a_cut_tail(&FORMAT, Mode::Stream, bytes, end + 1);
    }
    reports_a_cut_tail(&FORMAT, Mode::Whole, WHOLE.as_bytes(), WHOLE.len());
    for nothing in ["", "event: ping\ndata: {\"type\":\"ping\"}\n\n", ": a comment\n\n"] {
        let (_, _, verdict) = decode(&FORMAT, Mode::Stream, Depth::Full, &[nothing.as_bytes()]);
        assert_eq!(verdict, Err(DecodeError::Cut), "{nothing}");
    }
}

/// Requirement 004-7, 004-3.
#[test]
fn no_bytes_make_the_dialect_panic() {
    let request = super::parsed::RICH;
    let samples = [PARALLEL, FUTURE, FAILED, FACADE, WHOLE, request].map(str::as_bytes);
    never_panics(&FORMAT, &samples);
}

/// Requirement 004-43.
#[test]
fn every_bucket_of_usage_is_told_once() {
    let usage = last_usage(&events(&FORMAT, Mode::Stream, PARALLEL.as_bytes()));
    let expected = Usage {
        cache_read: Some(2000),
        cache_write_1h: Some(200),
        cache_write_5m: Some(100),
        estimated: false,
        input_uncached: Some(7),
        output: Some(90),
        output_reasoning: Some(40),
        server_tools: [("web_search".to_owned(), 2)].into(),
        service_tier: Some("priority".into()),
    };
    assert_eq!(usage, expected);
    assert_eq!(usage.prompt(), Some(2307));
    // The envelope tells the same.
    let (_, outline, verdict) = decode(&FORMAT, Mode::Stream, Depth::Envelope, &[PARALLEL.as_bytes()]);
    assert_eq!((last_usage(&outline), verdict), (expected, Ok(())));
    // Without a split by lifetime, all writes count as short; nonsense counts as not told.
    let whole = last_usage(&events(&FORMAT, Mode::Whole, WHOLE.as_bytes()));
    assert_eq!((whole.cache_write_5m, whole.cache_write_1h, whole.prompt()), (Some(7), None, Some(18)));
    let facade = last_usage(&events(&FORMAT, Mode::Stream, FACADE.as_bytes()));
    assert_eq!((facade.input_uncached, facade.output), (None, Some(0)));
}

/// What was made faster costs more: the bill has to know, and a client reads it as Claude says it.
#[test]
fn an_answer_of_the_fast_mode_says_so_in_its_usage() {
    let fast = WHOLE.replacen("\"usage\":{", "\"usage\":{\"speed\":\"fast\",", 1);
    let usage = last_usage(&events(&FORMAT, Mode::Whole, fast.as_bytes()));
    assert_eq!(usage.service_tier.as_deref(), Some("fast"), "{fast}");
    let told = serde_json::to_value(super::super::usage::UsageOut::of(&usage)).unwrap();
    assert_eq!((&told["speed"], told.get("service_tier")), (&"fast".into(), None));
    let plain = fast.replace("\"speed\":\"fast\"", "\"speed\":\"standard\"");
    let usage = last_usage(&events(&FORMAT, Mode::Whole, plain.as_bytes()));
    assert_eq!(usage.service_tier.as_deref(), Some("standard"));
}

/// Behaviour 19, requirement B2.
#[test]
fn seals_on_thoughts_come_through_letter_by_letter() {
    let seals: Vec<_> = events(&FORMAT, Mode::Whole, WHOLE.as_bytes())
        .into_iter()
        .filter_map(|event| match event {
            Event::BlockDelta { delta: Delta::Seal(seal), .. } => Some(seal),
            _ => None,
        })
        .collect();
    assert_eq!(seals, [Seal::Signature("Sig==".into()), Seal::Encrypted("Enc==".into())]);
}

#[test]
fn a_servers_quirks_do_not_change_what_is_said() {
    let read = events(&FORMAT, Mode::Stream, FACADE.as_bytes());
    assert!(read.iter().any(|event| matches!(event,
        Event::BlockStarted { block: BlockStart::ToolCall { id, .. }, .. } if id == "17_call_1")));
    assert!(read.iter().any(|event| matches!(event,
        Event::BlockDelta { delta: Delta::Arguments(text), .. } if text == "{\"a\": 1}")));
    assert!(matches!(read.last(), Some(Event::Ended(stop)) if stop.reason == StopReason::ToolUse));
}

#[test]
fn an_error_inside_an_answer_is_the_last_thing_it_says() {
    for (mode, bytes) in [
        (Mode::Stream, FAILED),
        (
            Mode::Stream,
            "event: error\ndata: {\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
        ),
        (Mode::Whole, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
    ] {
        let read = events(&FORMAT, mode, bytes.as_bytes());
        let Some(Event::Failed(failure)) = read.last() else { panic!("{read:?}") };
        assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Overloaded, "Overloaded"));
    }
    // Ollama says it in one word.
    let read = events(&FORMAT, Mode::Stream, b"data: {\"error\":\"model stopped\"}\n\n");
    assert!(matches!(&read[..], [Event::Failed(failure)] if failure.message == "model stopped"));
}

#[test]
fn a_frame_that_is_no_json_is_reported_at_every_depth() {
    for depth in [Depth::Envelope, Depth::Full] {
        let bytes = b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",}\n\n";
        let (_, _, verdict) = decode(&FORMAT, Mode::Stream, depth, &[bytes]);
        assert!(matches!(verdict, Err(DecodeError::Malformed { .. })), "{verdict:?}");
    }
    let (_, _, verdict) = decode(&FORMAT, Mode::Whole, Depth::Full, &[b"{\"ok\":true}"]);
    assert!(matches!(verdict, Err(DecodeError::Malformed { .. })), "{verdict:?}");
}

fn last_usage(events: &[Event]) -> Usage {
    let usage = events.iter().rev().find_map(|event| match event {
        Event::Usage(usage) => Some(usage.clone()),
        _ => None,
    });
    usage.unwrap()
}

/// What an answer says: its blocks and its end. Usage and signs of life are told elsewhere; blocks that hold nothing
/// are not written again.
fn said(events: &[Event]) -> String {
    let mut out = Vec::new();
    for event in events {
        match event {
            Event::BlockStarted { block: BlockStart::Text | BlockStart::Reasoning { .. }, .. } => {}
            Event::BlockStarted { block, .. } => out.push(format!("{block:?}")),
            Event::BlockDelta { delta, .. } => out.push(format!("{delta:?}")),
            Event::Ended(stop) => out.push(format!("{stop:?}")),
            _ => {}
        }
    }
    out.join("\n")
}
