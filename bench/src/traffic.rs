//! `traffic`: a record with calls of a coding agent, bodies and all, for `lockgate policy backtest` to be timed on.
//!
//! Made up by a fixed sequence: sessions of forty calls whose history grows with every tool result, and answers, streamed, with three tool calls each. A
//! configuration that names the record is written beside it.

use std::collections::HashSet;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use lockgate_core::{Dialect, Usage};
use lockgate_store::{
    Attempt, Body, BodyKind, Call, Client, Details, Lineage, Offsets, Outcome, Part, PieceHash, Principal,
    Record, Recording, Records, Route, SessionFacts, SessionRef, Timing, Weaver,
};
use lockgate_store_sql::{Database, Options, Place};
use serde_json::{Value, json};
use uuid::Uuid;

/// What the record shall be.
#[derive(Debug, Args)]
pub(crate) struct TrafficArgs {
    /// How many calls.
    #[arg(long, default_value_t = 4_000)]
    calls: u64,
    /// The folder of the record; it is made.
    #[arg(long)]
    folder: PathBuf,
}

/// Calls of a session.
const SESSION: u64 = 40;

/// The first call's time, µs since 1970.
const BEGIN_US: i64 = 1_795_000_000_000_000;

/// What the model wants run.
const COMMANDS: [&str; 8] = [
    "cargo test -p lockgate-policy --lib",
    "git status --short && git diff --stat",
    "rg -n 'fn main' crates | head -20",
    "git push --force origin main",
    "rm -rf target/debug/incremental",
    "curl -s https://example.org/api | jq .",
    "sed -n 1,120p src/lib.rs",
    "python3 -c 'print(1)'",
];

pub(crate) async fn main(args: TrafficArgs) -> io::Result<ExitCode> {
    std::fs::create_dir_all(&args.folder)?;
    let file = args.folder.join("lockgate.db");
    let database = Database::open(&Options::at(Place::File(file))).await.map_err(io::Error::other)?;
    let mut made = 0;
    while made < args.calls {
        let calls = SESSION.min(args.calls - made);
        database.write(&session(made, calls)).await.map_err(io::Error::other)?;
        made += calls;
    }
    database.close().await;
    let config = args.folder.join("lockgate.yaml");
    std::fs::write(&config, format!("record: {{directory: {}}}\n", args.folder.display()))?;
    writeln!(io::stdout(), "{made} calls; --config {}", config.display())?;
    Ok(ExitCode::SUCCESS)
}

/// The calls of a session, the first of which has this number.
fn session(first: u64, calls: u64) -> Vec<Record> {
    let mut known: HashSet<PieceHash> = HashSet::new();
    let mut messages =
        vec![json!({"role": "user", "content": "Find out why the build is slow, and mend it."})];
    let system = "You are a careful engineer. ".repeat(300);
    let mut records = Vec::new();
    for number in first..first + calls {
        let request = json!({
            "model": "claude-sonnet-5", "max_tokens": 8_000, "stream": true, "system": system, "messages": messages,
            "tools": [{"name": "Bash", "description": "Runs a command.", "input_schema": {"type": "object"}}],
        });
        let inputs: Vec<Value> = (0..3)
            .map(|nth| json!({"command": COMMANDS[((number * 3 + nth) % 8) as usize], "description": "the next step"}))
            .collect();
        let mut record = call(number, first);
        for (part, kind, body) in [
            (Part::ClientRequest, BodyKind::Json, request.to_string()),
            (Part::UpstreamAnswer, BodyKind::Sse, answer(number, &inputs)),
        ] {
            let woven = Weaver::weave(body.as_bytes(), &mut |hash| known.contains(hash));
            known.extend(woven.new_pieces.iter().map(|piece| piece.hash));
            record.pieces.extend(woven.new_pieces);
            let (size, offsets) = (body.len() as u64, Offsets::default());
            record.bodies.push(Body { head: woven.head, kind, offsets, part, size });
        }
        records.push(record);
        let used = inputs.iter().enumerate().map(|(nth, input)| {
            json!({"type": "tool_use", "id": format!("toolu_{number}_{nth}"), "name": "Bash", "input": input})
        });
        let results = (0..3).map(|nth| {
            let said = format!("line {number} of what the command says, which is long enough to be real\n")
                .repeat(15);
            json!({"type": "tool_result", "tool_use_id": format!("toolu_{number}_{nth}"), "content": said})
        });
        messages.push(json!({"role": "assistant", "content": used.collect::<Vec<_>>()}));
        messages.push(json!({"role": "user", "content": results.collect::<Vec<_>>()}));
    }
    records
}

/// A streamed answer with some words and a tool call for each input.
fn answer(number: u64, inputs: &[Value]) -> String {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": "claude-sonnet-5", "content": [], "stop_reason": null, "usage": {"input_tokens": 10, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    ];
    events.extend("I look at the next part of the build now.".split_inclusive(' ').map(
        |word| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}),
    ));
    events.push(json!({"type": "content_block_stop", "index": 0}));
    for (nth, input) in (1..).zip(inputs) {
        let block = json!({"type": "tool_use", "id": format!("toolu_{number}_{}", nth - 1), "name": "Bash", "input": {}});
        events.push(json!({"type": "content_block_start", "index": nth, "content_block": block}));
        for piece in input.to_string().as_bytes().chunks(12) {
            let delta = json!({"type": "input_json_delta", "partial_json": String::from_utf8_lossy(piece)});
            events.push(json!({"type": "content_block_delta", "index": nth, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": nth}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"output_tokens": 90}}));
    events.push(json!({"type": "message_stop"}));
    let told =
        |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default());
    events.iter().map(told).collect()
}

/// The row of a call.
fn call(number: u64, session: u64) -> Record {
    let text = |text: &str| Some(text.to_owned());
    let started_us = BEGIN_US + number.cast_signed() * 1_000_000;
    let reference = SessionRef { id: format!("session-{session}"), source: "header".to_owned() };
    let call = Call {
        usage: Usage::default(),
        client: Client {
            name: text("claude-code"),
            user_agent: text("claude-cli/2.1.5"),
            version: text("2.1.5"),
        },
        cost_nano: None,
        error: None,
        id: Uuid::from_u64_pair(0x019f_0000_0000_7000 + number, 0x8000_0000_0000_0000 + number),
        intervened: false,
        lineage: Lineage {
            session: Some(reference),
            turn: Some(1),
            turn_kind: text("tool_loop"),
            ..Lineage::default()
        },
        outcome: Outcome::Complete,
        price_version: None,
        principal: Principal { key: text("laptop"), ..Principal::default() },
        recording: Recording::Redacted,
        route: Route {
            front: Some(Dialect::Anthropic),
            operation: "chat".to_owned(),
            provider: text("anthropic"),
            requested_model: text("claude-sonnet-5"),
            resolved_model: text("claude-sonnet-5"),
            streamed: true,
            upstream: Some(Dialect::Anthropic),
            ..Route::default()
        },
        status: Some(200),
        stop_reason: text("tool_use"),
        timing: Timing { started_us, total_us: Some(2_000_000), ..Timing::default() },
    };
    let attempt =
        Attempt { number: 1, provider: "anthropic".to_owned(), status: Some(200), ..Attempt::default() };
    let details = Details { attempts: vec![attempt], tool_calls: 3, ..Details::default() };
    Record {
        bodies: Vec::new(),
        call,
        details,
        pieces: Vec::new(),
        session: SessionFacts::default(),
        texts: Vec::new(),
    }
}
