//! Reading answers: every fixture as events, and each quirk of compatible servers by name.

use std::fmt::Write as _;

use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Failure, StopReason, Usage};

use super::{FORMAT, events, fixture, fixtures, mode_of, told};
use crate::{DecodeError, Depth, Mode, check};

/// Requirement 004-7, behaviours 13 and 15 to 19: what each server sends, as the events that every dialect shares.
#[test]
fn every_fixture_becomes_the_events_it_means() {
    let mut all = String::new();
    for name in fixtures() {
        write!(all, "== {name}\n{}\n\n", told(&name)).unwrap();
    }
    insta::assert_snapshot!("events", all);
}

/// Sound is told to other dialects by what was said in it, and that it was sound is declared.
#[test]
fn what_is_said_in_sound_arrives_as_words_and_the_sound_is_declared() {
    let whole = r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"id":"a1","data":"AAAA","expires_at":9,"transcript":"Ciao a tutti."}},"finish_reason":"stop"}]}"#;
    let stream = [
        r#"{"role":"assistant","content":null,"audio":{"id":"a1","transcript":"Ciao "}}"#,
        r#"{"audio":{"data":"AAAA"}}"#,
        r#"{"audio":{"transcript":"a tutti."}}"#,
        r#"{"audio":{"expires_at":9}}"#,
    ]
    .map(|delta| format!("data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n"))
    .concat();
    let end =
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let stream = format!("{stream}{end}");
    check::holds_at_any_cut(&FORMAT, Mode::Stream, stream.as_bytes());
    for (mode, bytes) in [(Mode::Whole, whole.as_bytes()), (Mode::Stream, stream.as_bytes())] {
        let events = check::events(&FORMAT, mode, bytes);
        let mut words = String::new();
        let mut sounds = 0;
        for event in &events {
            match event {
                Event::BlockDelta { delta: Delta::Text(text), .. } => words.push_str(text),
                Event::BlockStarted { block: BlockStart::Opaque(opaque), .. } if opaque.kind == "audio" => {
                    sounds += 1;
                }
                _ => {}
            }
        }
        assert_eq!((words.as_str(), sounds), ("Ciao a tutti.", 1), "{mode:?}");
        let mut encoder = crate::anthropic::FORMAT.messages.encoder(mode, check::context());
        let mut out = Vec::new();
        let mut sequencer = crate::Sequencer::default();
        for event in events {
            sequencer.push(event, &mut |event| encoder.encode(&event, &mut out));
        }
        sequencer.finish(&mut |event| encoder.encode(&event, &mut out));
        encoder.finish(&mut out);
        assert_eq!(encoder.loss().names(), ["audio"], "{mode:?} {}", String::from_utf8_lossy(&out));
    }
}

/// Requirement 004-7.
#[test]
fn any_cut_of_the_bytes_gives_the_same_events() {
    for name in fixtures() {
        let bytes = fixture(&name);
        if bytes.len() < 3000 {
            check::holds_at_any_cut(&FORMAT, mode_of(&name), &bytes);
        }
    }
}

#[test]
fn a_cut_answer_is_never_taken_for_a_whole_one() {
    for name in ["openai-usage-extra-chunk.sse", "openai-parallel-tools.sse", "deepseek-reasoning.sse"] {
        let bytes = fixture(name);
        let text = String::from_utf8(bytes.clone()).unwrap();
        // Complete once the frame that says why it ended is there, its empty line or not.
        let last = text.find("\"finish_reason\":\"").unwrap();
        let end = last + text[last..].find("\n\n").unwrap();
        check::reports_a_cut_tail(&FORMAT, Mode::Stream, &bytes, end);
        // A frame that is cut behind the end is noticed as well.
        let (_, _, verdict) = check::decode(&FORMAT, Mode::Stream, Depth::Full, &[&bytes[..bytes.len() - 5]]);
        assert_eq!(verdict, Err(DecodeError::Cut), "{name}");
    }
    let whole = fixture("openai-whole.json");
    check::reports_a_cut_tail(&FORMAT, Mode::Whole, &whole, whole.len() - 2);
}

#[test]
fn no_bytes_make_the_codec_panic() {
    let samples: Vec<Vec<u8>> = [
        "tools-all-index-0.sse",
        "openrouter-reasoning-details.sse",
        "error-first-frame.sse",
        "tolerant-types.sse",
        "openai-whole.json",
    ]
    .into_iter()
    .map(fixture)
    .chain([super::requests::RICH.as_bytes().to_vec()])
    .collect();
    let samples: Vec<&[u8]> = samples.iter().map(Vec::as_slice).collect();
    check::never_panics(&FORMAT, &samples);
}

/// An answer that passes as it is must be read for its start, usage and end only: both depths agree on these.
#[test]
fn the_outside_of_an_answer_is_the_same_at_both_depths() {
    let outside = |events: Vec<Event>| -> Vec<Event> {
        let kept = |event: &Event| {
            matches!(event, Event::Started(_) | Event::Usage(_) | Event::Ended(_) | Event::Failed(_))
        };
        events.into_iter().filter(kept).collect()
    };
    for name in fixtures() {
        let bytes = fixture(&name);
        let read = |depth| check::decode(&FORMAT, mode_of(&name), depth, &[&bytes]);
        let (_, full, _) = read(Depth::Full);
        let (raw, envelope, verdict) = read(Depth::Envelope);
        assert_eq!(verdict, Ok(()), "{name}");
        assert!(raw == bytes, "{name}: frames are the bytes");
        let blocks = envelope.iter().filter(|event| matches!(event, Event::BlockDelta { .. })).count();
        assert_eq!(blocks, 0, "{name}");
        // What a refusal was is content, so the outside only knows that it ended.
        let full = check::shown(&outside(full)).replace("reason: Refusal", "reason: EndTurn");
        assert_eq!(check::shown(&outside(envelope)), full, "{name}");
    }
}

#[test]
fn a_frame_that_is_no_json_is_an_error_at_both_depths() {
    for depth in [Depth::Full, Depth::Envelope] {
        let start =
            "data: {\"id\":\"a\",\"choices\":[]}\n\ndata: {\"id\":\"a\",\"choices\":[{\"delta\":{}}]}\n\n";
        let bytes = format!("{start}data: {{\"choices\":[}}\n\n");
        let (_, _, verdict) = check::decode(&FORMAT, Mode::Stream, depth, &[bytes.as_bytes()]);
        assert!(matches!(verdict, Err(DecodeError::Malformed { .. })), "{depth:?}: {verdict:?}");
    }
}

/// Tool calls as `name(arguments)#id`, and why the answer ended.
fn calls(name: &str) -> (Vec<String>, StopReason) {
    calls_in(&events(name))
}

fn calls_in(events: &[Event]) -> (Vec<String>, StopReason) {
    let mut calls: Vec<(u32, String, String, String)> = Vec::new();
    let mut reason = None;
    for event in events {
        match event {
            Event::BlockStarted { index, block: BlockStart::ToolCall { id, name, .. } } => {
                calls.push((*index, name.clone(), String::new(), id.clone()));
            }
            Event::BlockDelta { index, delta: Delta::Arguments(piece) } => {
                calls.iter_mut().find(|call| call.0 == *index).unwrap().2.push_str(piece);
            }
            Event::Ended(stop) => reason = Some(stop.reason.clone()),
            _ => {}
        }
    }
    let calls = calls.into_iter().map(|(_, name, arguments, id)| format!("{name}({arguments})#{id}"));
    (calls.collect(), reason.unwrap())
}

/// Behaviour 17: two calls are two calls, however a server numbers them.
#[test]
fn tool_calls_are_told_apart_however_a_server_numbers_them() {
    for (name, expected) in [
        ("openai-custom-tool.sse", vec!["patch(*** Begin Patch)#call_c"]),
        ("function-call-legacy.sse", vec![r#"get({"a":1})#call_chatcmpl-A1_0"#]),
        ("function-call-whole.json", vec!["get({})#call_chatcmpl-W1_0"]),
        ("gemini-thought-signature.sse", vec![r#"get({"a":1})#function-call-1"#]),
        ("tools-all-index-0.sse", vec![r#"get({"a":1})#call_1"#, r#"get({"a":2})#call_2"#]),
        ("tools-arguments-object.sse", vec![r#"get({"city":"Köln","n":1.0})#call_1"#]),
        ("tools-finish-stop.sse", vec!["get({})#call_1"]),
        ("tools-id-and-name-repeated.sse", vec![r#"get({"a":1})#call_1"#, "put({})#call_2"]),
        ("tools-interleaved.sse", vec![r#"get({"a":1})#call_1"#, r#"put({"b":2})#call_2"#]),
        ("tools-missing-index.sse", vec![r#"get({"a":1})#call_1"#, r#"put({"b":2})#call_2"#]),
        ("tools-new-id-in-each-delta.sse", vec![r#"get({"a":1})#tool-a"#]),
        (
            "tools-no-ids-all-index-0.sse",
            vec![r#"get({"a":1})#call_chatcmpl-A1_0"#, r#"get({"a":2})#call_chatcmpl-A1_1"#],
        ),
        ("tools-whole-in-one-chunk.sse", vec![r#"get({"a":1})#call_1"#, r#"put({"b":2})#call_2"#]),
        (
            "tools-whole-without-ids.json",
            vec![r#"get({"a":1})#call_chatcmpl-W1_0"#, r#"get({"a":1})#call_chatcmpl-W1_1"#],
        ),
    ] {
        let (found, reason) = calls(name);
        assert_eq!(found, expected, "{name}");
        assert_eq!(reason, StopReason::ToolUse, "{name}");
    }
}

/// So that a client gets the first call while the second is still being written.
#[test]
fn a_complete_call_ends_when_the_next_begins_and_an_incomplete_one_goes_on() {
    let order = |name: &str| -> Vec<String> {
        events(name)
            .iter()
            .filter_map(|event| match event {
                Event::BlockStarted { index, .. } => Some(format!("+{index}")),
                Event::BlockEnded { index } => Some(format!("-{index}")),
                _ => None,
            })
            .collect()
    };
    assert_eq!(order("tools-all-index-0.sse"), ["+0", "-0", "+1", "-1"]);
    assert_eq!(order("tools-interleaved.sse"), ["+0", "+1", "-0", "-1"]);
}

#[test]
fn two_calls_with_one_id_get_two_ids() {
    let call =
        |index| format!(r#"{{"index":{index},"id":"same","function":{{"name":"f","arguments":"{{}}"}}}}"#);
    let body = format!(
        "data: {{\"id\":\"a b\",\"choices\":[{{\"index\":0,\"delta\":{{\"tool_calls\":[{},{}]}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n",
        call(0),
        call(1)
    );
    let (found, _) = calls_in(&check::events(&FORMAT, Mode::Stream, body.as_bytes()));
    assert_eq!(found, ["f({})#same", "f({})#call_a_b_1"]);
}

#[test]
fn a_call_that_never_gets_a_name_is_a_failure_and_not_a_guess() {
    let body = b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let events = check::events(&FORMAT, Mode::Stream, body);
    let Some(Event::Failed(failure)) = events.last() else { panic!("{events:?}") };
    assert!(failure.message.contains("without a name"));
}

fn texts(name: &str) -> (String, String, String) {
    let (mut text, mut reasoning, mut refusal) = (String::new(), String::new(), String::new());
    for event in events(name) {
        match event {
            Event::BlockDelta { delta: Delta::Text(piece), .. } => text.push_str(&piece),
            Event::BlockDelta { delta: Delta::Reasoning(piece), .. } => reasoning.push_str(&piece),
            Event::BlockDelta { delta: Delta::Refusal(piece), .. } => refusal.push_str(&piece),
            _ => {}
        }
    }
    (text, reasoning, refusal)
}

#[test]
fn thoughts_come_once_in_whichever_field_a_server_tells_them() {
    for (name, text, reasoning) in [
        ("deepseek-reasoning.sse", "42", "Let me think."),
        ("deepseek-whole.json", "42", "Think."),
        ("mistral-content-parts.sse", "See this.", "Hmm."),
        ("openrouter-reasoning-details.sse", "Done", "Think hard"),
        ("openrouter-reasoning-encrypted.sse", "ok", "**Plan**"),
    ] {
        assert_eq!(texts(name), (text.into(), reasoning.into(), String::new()), "{name}");
    }
}

#[test]
fn think_tags_in_text_stay_text() {
    let body = br#"{"choices":[{"message":{"content":"<think>a</think>b"},"finish_reason":"stop"}]}"#;
    let shown = check::shown(&check::events(&FORMAT, Mode::Whole, body));
    assert!(shown.contains(r#"0 text "<think>a</think>b""#), "{shown}");
}

#[test]
fn only_the_first_of_several_answers_becomes_events() {
    assert_eq!(texts("openai-two-choices.sse").0, "ab");
    assert_eq!(texts("openai-whole.json").0, "Look");
}

fn reason(name: &str) -> StopReason {
    calls(name).1
}

/// The table of stop reasons (C11); behaviour 18.
#[test]
fn ends_are_told_by_what_happened_and_not_by_a_wrong_word() {
    for (name, expected) in [
        ("end-without-done.sse", StopReason::EndTurn),
        ("end-without-finish-reason.sse", StopReason::EndTurn),
        ("openai-content-filter.sse", StopReason::ContentFilter),
        ("openai-empty.sse", StopReason::EndTurn),
        ("openai-max-tokens.sse", StopReason::MaxTokens),
        ("openai-refusal.sse", StopReason::Refusal),
        ("tools-empty-list-beside-text.sse", StopReason::EndTurn),
        ("tools-finish-stop.sse", StopReason::ToolUse),
        ("tools-finish-tool-calls-without-any.sse", StopReason::EndTurn),
        ("vllm-stop-sequence.sse", StopReason::StopSequence),
        ("whole-body-instead-of-stream.sse", StopReason::EndTurn),
    ] {
        assert_eq!(reason(name), expected, "{name}");
    }
}

fn used(name: &str) -> Usage {
    let mut all = Usage::default();
    for event in events(name) {
        if let Event::Usage(usage) = event {
            all.merge(&usage);
        }
    }
    all
}

/// Requirement 004-43: cached tokens are counted once, wherever a server tells them; unknown is not zero.
#[test]
fn usage_is_read_into_buckets_that_do_not_overlap() {
    let usage = |uncached, read, written, output, reasoning| Usage {
        input_uncached: Some(uncached),
        cache_read: read,
        cache_write_5m: written,
        output: Some(output),
        output_reasoning: reasoning,
        ..Usage::default()
    };
    for (name, expected) in [
        (
            "openai-usage-extra-chunk.sse",
            Usage { service_tier: Some("default".into()), ..usage(30, Some(60), Some(10), 40, Some(25)) },
        ),
        (
            "openai-whole.json",
            Usage { service_tier: Some("priority".into()), ..usage(30, Some(60), Some(10), 40, Some(25)) },
        ),
        ("deepseek-reasoning.sse", usage(18, Some(32), None, 30, Some(20))),
        ("deepseek-usage-last-chunk.sse", usage(12, Some(0), None, 89, None)),
        ("groq-usage-beside.sse", usage(18, None, None, 73, None)),
        ("llamacpp-timings.sse", usage(1, Some(39), None, 2, None)),
        ("tolerant-types.sse", usage(3, None, None, 2, None)),
        ("vllm-tool.sse", usage(727, None, None, 66, None)),
        ("xai-reasoning-beside-completion.sse", usage(12, Some(8), None, 305, Some(300))),
    ] {
        assert_eq!(used(name), expected, "{name}");
    }
    let searched = used("openrouter-reasoning-details.sse");
    assert_eq!(searched.server_tools.get("web_search_requests"), Some(&1));
    assert_eq!(used("openai-max-tokens.sse"), Usage::default());
}

fn failure(name: &str) -> Failure {
    let events = events(name);
    let failures: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Failed(failure) => Some(failure.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(failures.len(), 1, "{name}: exactly one");
    assert!(!events.iter().any(|event| matches!(event, Event::Ended(_))), "{name}: a failure is no end");
    failures[0].clone()
}

/// Behaviour 19: an error under status 200 is an error.
#[test]
fn an_error_inside_an_answer_is_a_failure_in_every_form() {
    for (name, kind, status, message) in [
        ("error-body-instead-of-stream.sse", ErrorKind::Overloaded, Some(503), "model is overloaded"),
        (
            "error-first-frame.sse",
            ErrorKind::RateLimited,
            Some(429),
            r#"Provider returned error: {"detail":"slow down"}"#,
        ),
        ("error-llamacpp-line.sse", ErrorKind::UpstreamUnavailable, Some(500), "context shift failed"),
        (
            "error-openrouter-mid-stream.sse",
            ErrorKind::UpstreamUnavailable,
            Some(502),
            "Provider disconnected unexpectedly",
        ),
        (
            "error-vllm-mid-stream.sse",
            ErrorKind::UpstreamUnavailable,
            Some(500),
            "EngineCore encountered an issue.",
        ),
        ("error-vllm-old-form.sse", ErrorKind::UpstreamUnavailable, None, "out of blocks"),
        ("error-named-event.sse", ErrorKind::UpstreamUnavailable, Some(502), "upstream is gone"),
        ("error-whole.json", ErrorKind::RateLimited, Some(429), "Provider returned error: slow down"),
    ] {
        let found = failure(name);
        assert_eq!((found.kind, found.status, found.message.as_str()), (kind, status, message), "{name}");
    }
}

#[test]
fn comments_are_signs_of_life() {
    let pings = |name| events(name).iter().filter(|event| matches!(event, Event::Ping)).count();
    assert_eq!(pings("openrouter-reasoning-details.sse"), 2);
}

#[test]
fn a_seal_that_a_provider_gave_is_read() {
    let seals = |name: &str| -> Vec<String> {
        events(name)
            .iter()
            .filter_map(|event| match event {
                Event::BlockDelta { delta: Delta::Seal(seal), .. } => Some(format!("{seal:?}")),
                _ => None,
            })
            .collect()
    };
    assert_eq!(seals("gemini-thought-signature.sse"), [r#"Signature("c2lnbmVk")"#]);
    assert_eq!(seals("openrouter-reasoning-details.sse"), [r#"Signature("sig==")"#]);
    assert_eq!(seals("openrouter-reasoning-encrypted.sse"), [r#"Encrypted("gAAA")"#]);
}

#[test]
fn a_body_larger_than_the_bound_is_refused() {
    let mut decoder = FORMAT.messages.decoder(Mode::Whole, Depth::Full);
    let mut out = crate::Decoded::default();
    let piece = bytes::Bytes::from(vec![b' '; crate::MAX_FRAME]);
    assert_eq!(decoder.feed(piece, &mut out), Ok(()));
    let verdict = decoder.feed(bytes::Bytes::from_static(b"{"), &mut out);
    assert_eq!(verdict, Err(DecodeError::FrameTooLarge { limit: crate::MAX_FRAME }));
}
