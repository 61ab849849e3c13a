//! Calls to write: one with everything, and short ones of which a test says what it needs.

use lockgate_core::{DataClass, Dialect, Usage};
use lockgate_store::{
    Attempt, Body, BodyKind, Call, CallError, Client, Decision, Details, Lineage, Offsets, Outcome, Part,
    PieceHash, Principal, Record, Recording, Route, SessionFacts, SessionRef, Side, Text, Timing, Weaver,
};
use serde_json::json;
use uuid::Uuid;

/// The id of the nth call.
pub(crate) fn id(nth: u64) -> Uuid {
    Uuid::from_u64_pair(0x0190_0000_0000_7000 + nth, 0x8000_0000_0000_0000 + nth)
}

/// A second, in µs.
pub(crate) const SECOND: i64 = 1_000_000;

/// Some day of 2026, µs since 1970.
pub(crate) const DAY: i64 = 1_790_000_000 * SECOND;

/// The nth call: a second after the one before it, without a session, contents or texts.
pub(crate) fn plain(nth: u64) -> Record {
    let timing = Timing { started_us: DAY + i64::try_from(nth).unwrap() * SECOND, ..Timing::default() };
    Record {
        bodies: Vec::new(),
        call: Call {
            usage: Usage::default(),
            client: Client::default(),
            cost_nano: None,
            error: None,
            id: id(nth),
            intervened: false,
            lineage: Lineage::default(),
            outcome: Outcome::Complete,
            price_version: None,
            principal: Principal::default(),
            recording: Recording::Redacted,
            route: Route { operation: "chat".to_owned(), ..Route::default() },
            status: Some(200),
            stop_reason: None,
            timing,
        },
        details: Details::default(),
        pieces: Vec::new(),
        session: SessionFacts::default(),
        texts: Vec::new(),
    }
}

/// The nth call, in a session.
pub(crate) fn of(session: &str, nth: u64) -> Record {
    let mut record = plain(nth);
    record.call.lineage.session = Some(SessionRef { id: session.to_owned(), source: "header".to_owned() });
    record
}

/// The record with a text.
pub(crate) fn saying(mut record: Record, side: Side, text: &str) -> Record {
    record.texts.push(Text { side, text: text.to_owned() });
    record
}

/// The record with a body.
pub(crate) fn with_body(record: Record, part: Part, body: &[u8]) -> Record {
    with_woven(record, part, body, &mut |_| false)
}

/// The record with a body of which some pieces are known.
pub(crate) fn with_woven(
    mut record: Record,
    part: Part,
    body: &[u8],
    known: &mut dyn FnMut(&PieceHash) -> bool,
) -> Record {
    let woven = Weaver::weave(body, known);
    record.pieces.extend(woven.new_pieces);
    record.bodies.push(Body {
        head: woven.head,
        kind: if body.starts_with(b"{") { BodyKind::Json } else { BodyKind::Sse },
        offsets: Offsets::of([(body.len() as u64 / 2, 1_500), (body.len() as u64, 90_000)]),
        part,
        size: body.len() as u64,
    });
    record
}

/// A call of which every field says something.
pub(crate) fn full() -> Record {
    let text = |text: &str| Some(text.to_owned());
    let mut record = of("session-1", 7);
    let call = &mut record.call;
    call.usage = Usage {
        cache_read: Some(11_000),
        cache_write_1h: Some(3),
        cache_write_5m: Some(250),
        estimated: true,
        input_uncached: Some(0),
        output: Some(u64::from(u32::MAX) + 5),
        output_reasoning: Some(40),
        server_tools: [("web_search".to_owned(), 2)].into(),
        service_tier: text("priority"),
    };
    call.client =
        Client { name: text("claude-code"), user_agent: text("claude-cli/2.1"), version: text("2.1") };
    call.cost_nano = Some(-5);
    call.error = Some(CallError { kind: "timeout".to_owned(), message: "waited\u{0}too long ü".to_owned() });
    call.intervened = true;
    call.lineage.agent = text("agent-1");
    call.lineage.parent_agent = text("agent-0");
    call.lineage.parent_call = Some(id(3));
    call.lineage.turn = Some(4);
    call.lineage.turn_kind = text("tool_loop");
    call.outcome = Outcome::Failed;
    call.price_version = text("2026-11");
    call.principal = Principal {
        data_class: Some(DataClass::Confidential),
        key: text("laptop"),
        project: text("gateway"),
        user: text("ann@example.org"),
    };
    call.recording = Recording::Full;
    call.route = Route {
        answering_model: text("sonnet-5-20260901"),
        front: Some(Dialect::Anthropic),
        operation: "chat".to_owned(),
        provider: text("claude"),
        provider_request_id: text("req_1"),
        requested_model: text("auto"),
        resolved_model: text("sonnet-5"),
        streamed: true,
        upstream: Some(Dialect::ClaudeCli),
    };
    call.status = Some(504);
    call.stop_reason = text("tool_use");
    call.timing =
        Timing { queue_us: Some(12), started_us: DAY, total_us: Some(90_000_000), ttft_us: Some(1_500) };
    record.details = Details {
        attempts: vec![
            Attempt { number: 1, provider: "claude".to_owned(), status: Some(529), ..Attempt::default() },
            Attempt {
                error: text("cut"),
                model: "sonnet-5".to_owned(),
                number: 2,
                provider: "claude".to_owned(),
                request_id: text("req_1"),
                started_us: 400,
                status: None,
                total_us: Some(5),
                ttft_us: Some(4),
            },
        ],
        cost_parts: Some(json!({"input": 12, "tiers": [1, 2.5]})),
        decisions: vec![
            Decision { json: json!({"rule": "a", "why": null}), kind: "routing".to_owned(), version: 3 },
            Decision {
                json: json!({
                    "policy": "git", "rule": "no-force", "said": "refuse", "applied": true, "hook": "tool_call", "mode": "block",
                    "reason": "history is shared", "tool": {"id": "call_1", "name": "Bash"},
                }),
                kind: "policy".to_owned(),
                version: 1,
            },
        ],
        losses: vec!["messages.cache_control".to_owned()],
        tool_calls: 2,
    };
    record
}
