//! What is stored of calls.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use lockgate_core::{Dialect, ErrorKind, StopReason, Usage};
use lockgate_ledger::Prices;
use lockgate_redact::{Level, Options, Redactor};
use lockgate_store::rope::{Bounds, join};
use lockgate_store::{BodyKind, Outcome, Part, PieceHash, Record, Side};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Transcriber;
use crate::entry::{Closed, Entry, Head, Mode, Opened, Operation, Sent};
use crate::scan::RawCall;
use crate::scribe::Transcribe as _;

/// A transcriber and every piece that it has made.
struct Desk {
    pieces: HashMap<PieceHash, Vec<u8>>,
    transcriber: Transcriber,
}

impl Desk {
    fn new() -> Self {
        let redactor = Redactor::new(Options { known: Vec::new(), key: [3; 32], level: Level::Record });
        let transcriber = Transcriber::new(redactor, Prices::default());
        Self { pieces: HashMap::new(), transcriber }
    }

    fn record(&mut self, raw: &RawCall) -> Record {
        let record = self.transcriber.transcribe(raw, &mut |_| Ok(HashSet::new())).unwrap();
        for piece in &record.pieces {
            self.pieces.insert(piece.hash, piece.bytes.clone());
        }
        record
    }

    fn body(&self, record: &Record, part: Part) -> Option<String> {
        let body = record.bodies.iter().find(|body| body.part == part)?;
        let fetch = |hash: &PieceHash| self.pieces.get(hash).map(Vec::as_slice);
        Some(String::from_utf8(join(&body.head, fetch, Bounds::default()).unwrap()).unwrap())
    }
}

fn opened(headers: &[(&str, &str)]) -> Entry {
    Entry::Opened(Opened {
        at_us: 1_795_000_000_000_000,
        data_class: None,
        dialect: Dialect::Anthropic,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        key: Some("alice".into()),
        mode: Mode::Redacted,
        operation: Operation::Generate,
        parent: None,
        path: "/v1/messages".into(),
        project: Some("gate".to_owned()),
        user: Some("ann".to_owned()),
    })
}

fn sent() -> Entry {
    Entry::Sent(Sent {
        attempt: 1,
        dialect: Dialect::Anthropic,
        kind: "anthropic".into(),
        model: "claude-sonnet-4-5".into(),
        provider: "my-claude".into(),
    })
}

fn call(entries: Vec<(u64, Entry)>) -> RawCall {
    let ended = entries.iter().any(|(_, entry)| matches!(entry, Entry::Closed(_)));
    RawCall { ended, entries, id: Uuid::now_v7(), missing: 0 }
}

const ANSWER: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":"Of course."},{"type":"tool_use","id":"toolu_1","name":"Bash","input":{"command":"ls -la"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":1000,"output_tokens":100}}"#;

fn whole(request: &Value) -> RawCall {
    call(vec![
        (0, opened(&[("user-agent", "curl/8.5.0"), ("x-session-id", "s-1")])),
        (1, Entry::Request(request.to_string().into())),
        (40, sent()),
        (900, Entry::Head(Head { request_id: Some("req_1".into()), status: 200 })),
        (950, Entry::Received(ANSWER.into())),
        (960, Entry::Passed(ANSWER.len() as u64)),
        (
            970,
            Entry::Closed(Box::new(Closed {
                model: Some("claude-sonnet-4-5-20250929".into()),
                provider: Some("anthropic".into()),
                requested: Some("claude-sonnet-4-5".into()),
                status: Some(200),
                stop: Some(StopReason::ToolUse),
                usage: Some(Usage { input_uncached: Some(1000), output: Some(100), ..Usage::default() }),
                ..Closed::default()
            })),
        ),
    ])
}

fn turn(messages: &[Value]) -> Value {
    json!({
        "model": "sonnet", "max_tokens": 100, "messages": messages,
        "tools": [{"name": "Bash", "description": "Runs a command. ".repeat(30), "input_schema": {"type": "object"}}],
    })
}

/// What lies in the history is known from the turn before: whether it holds a secret, and how it is stored.
#[test]
fn a_history_that_is_sent_again_is_stored_as_if_each_turn_were_the_first_that_is_seen() {
    let token = format!("ghp_{}", "A1b2C3d4E5f6".repeat(3));
    let said = |text: &str| json!({"role": "user", "content": text.repeat(20)});
    let mut messages = vec![said("The first of many words. "), said(&format!("Use {token} for it. "))];
    let (mut desk, mut forgetful) = (Desk::new(), Desk::new());
    for nth in 0..12 {
        messages.push(said(&format!(
            "Message {nth}, which says {} more. ",
            if nth == 5 { &token } else { "nothing" }
        )));
        // Now and then something in the middle changes, or is gone.
        if nth == 7 {
            messages[3] = said("The client cleared what was here. ");
        }
        if nth == 9 {
            messages.remove(4);
        }
        let request = turn(&messages);
        let raw = whole(&request);
        let record = desk.record(&raw);
        forgetful.transcriber.forget();
        let alone = forgetful.record(&raw);
        assert_eq!(record.bodies, alone.bodies, "turn {nth}");
        let body = desk.body(&record, Part::ClientRequest).unwrap();
        assert!(!body.contains(&token), "turn {nth}");
        assert_eq!(
            serde_json::from_str::<Value>(&body).unwrap()["messages"].as_array().unwrap().len(),
            messages.len()
        );
        assert!(record.texts.iter().all(|text| !text.text.contains(&token)));
        let new: usize = record.pieces.iter().map(|piece| piece.bytes.len()).sum();
        assert!(nth == 0 || new < 4_000, "turn {nth} stored {new} bytes");
    }
}

/// 004-19, 004-43: who, what, when, how much, and what it cost.
#[test]
fn a_call_is_stored_with_who_what_when_and_how_much() {
    let mut desk = Desk::new();
    let raw = whole(&turn(&[json!({"role": "user", "content": "List the files, please."})]));
    let record = desk.record(&raw);
    let row = &record.call;
    assert_eq!(row.id, raw.id);
    assert_eq!(row.principal.key.as_deref(), Some("alice"));
    assert_eq!(
        (row.principal.project.as_deref(), row.principal.user.as_deref()),
        (Some("gate"), Some("ann"))
    );
    assert_eq!(row.client.name.as_deref(), Some("curl"));
    assert_eq!(row.lineage.session.as_ref().map(|session| session.id.as_str()), Some("s-1"));
    assert_eq!((row.lineage.turn, row.lineage.turn_kind.as_deref()), (Some(1), Some("human")));
    assert_eq!(row.route.requested_model.as_deref(), Some("sonnet"));
    assert_eq!(row.route.resolved_model.as_deref(), Some("claude-sonnet-4-5"));
    assert_eq!(row.route.answering_model.as_deref(), Some("claude-sonnet-4-5-20250929"));
    assert_eq!(row.route.provider_request_id.as_deref(), Some("req_1"));
    assert_eq!(
        (row.outcome, row.status, row.stop_reason.as_deref()),
        (Outcome::Complete, Some(200), Some("tool_use"))
    );
    assert_eq!(
        (row.timing.queue_us, row.timing.ttft_us, row.timing.total_us),
        (Some(40), Some(960), Some(970))
    );
    // 1,000 tokens at 3 dollars and 100 at 15 dollars a million.
    assert_eq!(row.cost_nano, Some(4_500_000));
    assert!(row.price_version.is_some());
    let parts =
        json!({"basis": "table", "estimated": false, "parts": {"input": 3_000_000, "output": 1_500_000}});
    assert_eq!(record.details.cost_parts, Some(parts));
    assert_eq!(
        record.session.title.as_ref().map(|title| title.text.as_str()),
        Some("List the files, please.")
    );
    let found: Vec<(Side, &str)> = record.texts.iter().map(|text| (text.side, text.text.as_str())).collect();
    assert_eq!(
        found,
        [
            (Side::User, "List the files, please."),
            (Side::Assistant, "Of course."),
            (Side::ToolInput, r#"Bash {"command":"ls -la"}"#),
        ]
    );
}

#[test]
fn a_history_that_is_sent_again_adds_only_what_is_new() {
    let mut desk = Desk::new();
    let mut messages = vec![json!({"role": "user", "content": "Begin. ".repeat(200)})];
    let mut new = 0;
    let mut stored = 0;
    for number in 0..50 {
        let request = turn(&messages);
        let record = desk.record(&whole(&request));
        assert_eq!(desk.body(&record, Part::ClientRequest), Some(request.to_string()));
        stored += record.pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>();
        assert_eq!(
            record.texts.iter().filter(|text| text.side == Side::User).count(),
            usize::from(number == 0)
        );
        let answer = json!({"role": "assistant", "content": [{"type": "tool_use", "id": format!("t{number}"), "name": "Bash", "input": {"command": format!("cat {number}")}}]});
        let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": format!("t{number}"), "content": format!("line {number} ").repeat(150)}]});
        new += answer.to_string().len() + result.to_string().len() + ANSWER.len();
        messages.extend([answer, result]);
    }
    assert!(stored * 10 < new * 13 + 40_000, "{stored} bytes are stored for {new} bytes of new messages");
}

/// 003-5: what a client pastes and what a tool prints is stored without its secrets.
#[test]
fn secrets_are_masked_wherever_they_stand_in_a_call() {
    let token = format!("ghp_{}", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z0A");
    let aws = format!("AKIA{}", "Z7Q4XK2MN5PLRT3W");
    let mut desk = Desk::new();
    let mut raw = whole(&turn(&[
        json!({"role": "user", "content": format!("My password={token} is new; AWS has {aws}.")}),
    ]));
    raw.entries.insert(3, (50, Entry::SentBody(format!("{{\"prompt\":\"{token}\"}}").into())));
    if let Some((_, Entry::Closed(closed))) = raw.entries.last_mut() {
        closed.error = Some(ErrorKind::UpstreamRejected);
        closed.message = Some(format!("the key {token} is not valid"));
    }
    let record = desk.record(&raw);
    let everything = format!(
        "{record:?}{:?}",
        desk.pieces.values().map(|bytes| String::from_utf8_lossy(bytes)).collect::<Vec<_>>()
    );
    assert!(!everything.contains(&token) && !everything.contains(&aws), "{everything}");
    assert!(everything.contains("«redacted:"), "{everything}");
}

#[test]
fn what_a_client_got_is_stored_where_it_is_not_what_came() {
    let mut desk = Desk::new();
    let mut raw = whole(&turn(&[json!({"role": "user", "content": "Hi"})]));
    raw.entries[5] = (960, Entry::Delivered(Bytes::from_static(b"{\"type\":\"error\"}")));
    let record = desk.record(&raw);
    assert_eq!(desk.body(&record, Part::UpstreamAnswer).as_deref(), Some(ANSWER));
    assert_eq!(desk.body(&record, Part::ClientAnswer).as_deref(), Some("{\"type\":\"error\"}"));
    let same = desk.record(&whole(&turn(&[json!({"role": "user", "content": "Hi"})])));
    assert_eq!(desk.body(&same, Part::ClientAnswer), None);
}

#[test]
fn a_call_without_an_end_was_interrupted_and_what_is_there_is_kept() {
    let mut desk = Desk::new();
    let mut raw = whole(&turn(&[json!({"role": "user", "content": "Hi"})]));
    raw.entries.truncate(3);
    raw.ended = false;
    let record = desk.record(&raw);
    assert_eq!(record.call.outcome, Outcome::Interrupted);
    assert_eq!(record.call.route.provider.as_deref(), Some("my-claude"));
    assert!(desk.body(&record, Part::ClientRequest).is_some());
    // Not even its first notes are left.
    let record = desk.record(&RawCall { ended: true, entries: Vec::new(), id: Uuid::now_v7(), missing: 1 });
    assert_eq!(record.call.outcome, Outcome::Interrupted);
    assert!(record.call.timing.started_us > 1_700_000_000_000_000, "the id tells the time");
}

#[test]
fn what_a_client_asks_for_itself_is_not_found_as_words_of_the_session() {
    let mut desk = Desk::new();
    let messages = [json!({"role": "user", "content": "Find me once."})];
    desk.record(&whole(&turn(&messages)));
    let mut count = whole(&turn(&messages));
    let (_, Entry::Opened(opened)) = &mut count.entries[0] else { panic!("no beginning") };
    opened.operation = Operation::CountTokens;
    opened.path = "/v1/messages/count_tokens".into();
    let record = desk.record(&count);
    assert_eq!(record.call.lineage.turn_kind.as_deref(), Some("housekeeping:count-tokens"));
    assert!(record.texts.iter().all(|text| text.side != Side::User), "{:?}", record.texts);
}

#[test]
fn with_metadata_only_nothing_of_the_contents_is_stored() {
    let mut desk = Desk::new();
    let mut raw = whole(&turn(&[json!({"role": "user", "content": "A private matter."})]));
    let (_, Entry::Opened(opened)) = &mut raw.entries[0] else { panic!("no beginning") };
    opened.mode = Mode::Metadata;
    let record = desk.record(&raw);
    assert_eq!((record.bodies.len(), record.pieces.len(), record.texts.len()), (0, 0, 0));
    assert!(!format!("{record:?}").contains("private"));
    assert_eq!(record.call.usage.output, Some(100));
}

/// Trust in policies is reckoned for a hundred tool calls: those that they kept from the client count too.
#[test]
fn tool_calls_are_counted_whatever_is_kept_and_whatever_policies_did() {
    let mut desk = Desk::new();
    let mut counted = |mode: Mode, delivered: &str, policies: Vec<Value>| {
        let mut raw = whole(&turn(&[json!({"role": "user", "content": "Hi"})]));
        let (_, Entry::Opened(opened)) = &mut raw.entries[0] else { panic!("no beginning") };
        opened.mode = mode;
        raw.entries[5] = (960, Entry::Delivered(delivered.to_owned().into()));
        let (_, Entry::Closed(closed)) = &mut raw.entries[6] else { panic!("no end") };
        closed.policies = policies;
        desk.record(&raw).details.tool_calls
    };
    let refused = ANSWER.replace(
        r#"{"type":"tool_use","id":"toolu_1","name":"Bash","input":{"command":"ls -la"}}"#,
        r#"{"type":"text","text":"no"}"#,
    );
    let said = |said: &str| json!({"policy": "git", "said": said, "applied": true, "tool": {"id": "toolu_1", "name": "Bash"}});
    assert_eq!(counted(Mode::Redacted, ANSWER, Vec::new()), 1);
    assert_eq!(counted(Mode::Metadata, ANSWER, Vec::new()), 1, "a number is no contents");
    assert_eq!(counted(Mode::Redacted, &refused, Vec::new()), 0);
    assert_eq!(counted(Mode::Redacted, &refused, vec![said("refuse"), said("refuse")]), 1);
    assert_eq!(counted(Mode::Redacted, ANSWER, vec![said("rewrite")]), 1, "it went out, changed");
}

#[test]
fn what_a_provider_says_of_its_cost_goes_before_the_price_list() {
    let mut desk = Desk::new();
    let mut raw = whole(&turn(&[json!({"role": "user", "content": "Hi"})]));
    let answer = ANSWER.replace(r#""output_tokens":100"#, r#""output_tokens":100,"cost":0.0123"#);
    raw.entries[4] = (950, Entry::Received(answer.into()));
    let record = desk.record(&raw);
    assert_eq!(record.call.cost_nano, Some(12_300_000));
    let detail = record.details.cost_parts.unwrap();
    assert_eq!((&detail["basis"], &detail["table"]), (&json!("provider"), &json!(4_500_000)));
}

/// What was told before the end is not what was used.
#[test]
fn the_cost_of_an_answer_that_was_left_is_an_estimate() {
    let mut desk = Desk::new();
    let request = turn(&[json!({"role": "user", "content": "Hi"})]);
    let ended = |stop: Option<StopReason>, aborted: bool| {
        let mut raw = whole(&request);
        let Some((_, Entry::Closed(closed))) = raw.entries.last_mut() else { panic!() };
        (closed.stop, closed.aborted) = (stop, aborted);
        raw
    };
    for (stop, aborted, estimated) in [
        (Some(StopReason::EndTurn), false, false),
        (Some(StopReason::EndTurn), true, false),
        (None, false, false),
        (None, true, true),
    ] {
        let record = desk.record(&ended(stop.clone(), aborted));
        let told = &record.details.cost_parts.unwrap()["estimated"];
        assert_eq!((told, record.call.usage.estimated), (&json!(estimated), estimated), "{stop:?} {aborted}");
    }
}

/// 000 C1: what came back from tries that were given up can be read afterwards.
#[test]
fn answers_of_tries_that_were_given_up_are_kept_without_their_secrets() {
    let token = format!("ghp_{}", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z0A");
    let mut desk = Desk::new();
    let mut raw = whole(&turn(&[json!({"role": "user", "content": "Hi"})]));
    let overloaded = format!(r#"{{"error":{{"message":"overloaded, {token}"}}}}"#);
    let mut first = vec![
        (41, sent()),
        (50, Entry::Head(Head { request_id: None, status: 529 })),
        (60, Entry::Received(overloaded.into())),
        (70, sent()),
        (80, Entry::Head(Head { request_id: None, status: 502 })),
        (90, Entry::Received(Bytes::from("<html>".repeat(20_000)))),
    ];
    for (nth, (_, entry)) in first.iter_mut().chain(&mut raw.entries).enumerate() {
        if let Entry::Sent(sent) = entry {
            sent.attempt = [1, 2, 3][nth / 3];
        }
    }
    raw.entries.splice(2..2, first);
    let record = desk.record(&raw);
    let told: Value = serde_json::from_str(&desk.body(&record, Part::EarlierAnswers).unwrap()).unwrap();
    let of = |nth: usize| {
        (told[nth]["attempt"].as_u64(), told[nth]["status"].as_u64(), told[nth]["cut"].as_bool())
    };
    assert_eq!((of(0), of(1)), ((Some(1), Some(529), None), (Some(2), Some(502), Some(true))));
    let body: Value = serde_json::from_str(told[0]["body"].as_str().unwrap()).unwrap();
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("overloaded, «redacted:") && !message.contains(&token), "{message}");
    assert_eq!(told[1]["body"].as_str().unwrap().len(), 64 << 10);
    assert_eq!(desk.body(&record, Part::UpstreamAnswer).as_deref(), Some(ANSWER));
    let once = desk.record(&whole(&turn(&[json!({"role": "user", "content": "Hi"})])));
    assert_eq!(desk.body(&once, Part::EarlierAnswers), None);
}

#[test]
fn headers_that_say_something_are_kept_without_their_secrets_and_once_in_a_session() {
    let token = format!("ghp_{}", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z0A");
    let mut desk = Desk::new();
    let mut with = |headers: &[(&str, &str)], mode: Mode| {
        let mut raw = whole(&turn(&[json!({"role": "user", "content": "Hi"})]));
        raw.entries[0] = (0, opened(headers));
        let (_, Entry::Opened(opened)) = &mut raw.entries[0] else { panic!("no beginning") };
        opened.mode = mode;
        let record = desk.record(&raw);
        (desk.body(&record, Part::ClientHeaders), record.pieces.len())
    };
    let beta = ("anthropic-beta", "context-1m-2025-08-07");
    let headers = [
        ("host", "localhost"),
        ("content-length", "12"),
        ("content-type", "application/json"),
        beta,
        ("x-session-id", "s-2"),
        ("x-debug", token.as_str()),
    ];
    let (told, new) = with(&headers, Mode::Redacted);
    let told: Vec<(String, String)> = serde_json::from_str(&told.unwrap()).unwrap();
    assert_eq!(told[0], (beta.0.to_owned(), beta.1.to_owned()));
    assert_eq!(told[1], ("x-session-id".to_owned(), "s-2".to_owned()));
    assert!(told[2].1.starts_with("«redacted:") && told.len() == 3, "{told:?}");
    let (_, again) = with(&headers, Mode::Redacted);
    assert!(again < new && again == 0, "{again} of {new}");
    assert_eq!(with(&headers, Mode::Metadata).0, None);
    let held =
        [beta, ("x-vault-token", "s.plain"), ("cf-access-client-secret", "words"), ("x-auth-token", "1")];
    let (told, _) = with(&held, Mode::Full);
    assert_eq!(told.as_deref(), Some(r#"[["anthropic-beta","context-1m-2025-08-07"]]"#), "in no mode");
    assert_eq!(with(&[("host", "localhost"), ("accept", "*/*")], Mode::Redacted).0, None);
}

#[test]
fn a_call_names_the_one_that_it_goes_on_from() {
    let mut desk = Desk::new();
    let said = |text: &str| json!({"role": "user", "content": text});
    let answered = |text: &str| json!({"role": "assistant", "content": text});
    let mut asked = |agent: &[(&str, &str)], messages: &[Value], parent: Option<Uuid>| {
        let mut raw = whole(&turn(messages));
        let mut headers = vec![("x-claude-code-session-id", "s-9")];
        headers.extend(agent);
        raw.entries[0] = (0, opened(&headers));
        let (_, Entry::Opened(opened)) = &mut raw.entries[0] else { panic!("no beginning") };
        opened.parent = parent;
        (raw.id, desk.record(&raw).call.lineage.parent_call)
    };
    let (first, before) = asked(&[], &[said("Begin")], None);
    assert_eq!(before, None);
    let (second, before) = asked(&[], &[said("Begin"), answered("Yes"), said("On")], None);
    assert_eq!(before, Some(first));
    // What the gateway asks in between is about a call, and nobody goes on from it.
    let (_, about) = asked(
        &[],
        &[said("Begin"), answered("Yes"), said("On"), answered("No"), said("Really?")],
        Some(second),
    );
    assert_eq!(about, Some(second));
    let agent = [("x-claude-code-agent-id", "a-1")];
    let (task, starter) = asked(&agent, &[said("Look for it")], None);
    assert_eq!(starter, Some(second), "who gave the task");
    assert_eq!(asked(&agent, &[said("Look for it"), answered("Where?"), said("Here")], None).1, Some(task));
    let of_agent = [("x-claude-code-agent-id", "a-2"), ("x-claude-code-parent-agent-id", "a-1")];
    assert!(asked(&of_agent, &[said("Help")], None).1.is_some_and(|id| id != second && id != task));
    assert_eq!(
        asked(&[], &[said("Begin"), answered("Yes"), said("Back")], None).1,
        Some(second),
        "a fork too"
    );
}

#[test]
fn a_body_is_called_what_it_is() {
    let found = |bytes: &[u8], stream| super::kind_of(bytes, stream);
    assert_eq!(found(b"{\"a\":1}", false), BodyKind::Json);
    assert_eq!(found(b" [{}]", true), BodyKind::Json);
    assert_eq!(found(b"data: {}\n\n", true), BodyKind::Sse);
    assert_eq!(found(b"event: ping\n\n", true), BodyKind::Sse);
    assert_eq!(found(b"{}\n{}\n", true), BodyKind::Other);
    assert_eq!(found(b"--boundary\r\n", false), BodyKind::Other);
}
