//! What a call costs to take apart and to store in SQLite: CPU time of the process per call, in batches of 100.
//!
//! `cargo bench -p lockgate-store-sql`. Calls are those of a coding session: a request of some 150 KB that repeats the one before, two new
//! messages, an answer as a stream, texts for search.

use std::time::{Duration, Instant};

use lockgate_core::Usage;
use lockgate_store::{
    Body, BodyKind, Call, Client, Details, Lineage, Offsets, Outcome, Part, PieceHash, Principal, Record,
    Recording, Records, Route, Scope, SessionFacts, SessionRef, Side, Text, Timing, Weaver,
};
use lockgate_store_sql::{Database, Options, Place};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

const BATCH: usize = 100;
const BATCHES: usize = 20;

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn words(seed: usize, length: usize) -> String {
    let mut state = (seed as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = ["the ", "lock ", "fn write", "error ", "return ", "let mut ", "test ", "self."]
            [(state >> 40) as usize % 8];
        text.push_str(word);
        text.push_str(&((state >> 50) % 1_000).to_string());
        text.push(' ');
    }
    text
}

fn message(nth: usize) -> String {
    format!(r#"{{"role":"user","content":[{{"type":"text","text":"{}"}}]}}"#, words(nth, 700))
}

fn record(
    nth: usize,
    session: &str,
    body: &[u8],
    known: &mut std::collections::HashSet<PieceHash>,
) -> Record {
    let mut record = empty(nth, session);
    let deltas: Vec<_> = (0..30).map(|delta| delta_event(&words(nth * 31 + delta, 25))).collect();
    let answer = deltas.concat();
    for (part, kind, bytes) in [
        (Part::ClientRequest, BodyKind::Json, body),
        (Part::UpstreamAnswer, BodyKind::Sse, answer.as_bytes()),
    ] {
        let woven = Weaver::weave(bytes, &mut |hash| known.contains(hash));
        known.extend(woven.new_pieces.iter().map(|piece| piece.hash));
        record.pieces.extend(woven.new_pieces);
        let offsets = Offsets::of((0..30).map(|nth| (nth * 200, nth * 30_000)));
        record.bodies.push(Body { head: woven.head, kind, offsets, part, size: bytes.len() as u64 });
    }
    for (side, seed) in
        [(Side::User, nth * 3), (Side::Assistant, nth * 3 + 1), (Side::ToolResult, nth * 3 + 2)]
    {
        record.texts.push(Text { side, text: words(seed, 500) });
    }
    record
}

fn delta_event(text: &str) -> String {
    let delta = format!(r#"{{"type":"text_delta","text":"{text}"}}"#);
    format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{delta}}}\n\n"
    )
}

fn empty(nth: usize, session: &str) -> Record {
    let text = |text: &str| Some(text.to_owned());
    let session = SessionRef { id: session.to_owned(), source: "header".to_owned() };
    let usage =
        Usage { cache_read: Some(40_000), input_uncached: Some(12), output: Some(300), ..Usage::default() };
    let route = Route {
        answering_model: text("sonnet-5"),
        operation: "chat".to_owned(),
        provider: text("claude"),
        provider_request_id: text("req_0123456789"),
        requested_model: text("sonnet-5"),
        resolved_model: text("sonnet-5"),
        streamed: true,
        ..Route::default()
    };
    let call = Call {
        usage,
        client: Client {
            name: text("claude-code"),
            user_agent: text("claude-cli/2.1 (external)"),
            version: text("2.1"),
        },
        cost_nano: Some(1_000_000),
        error: None,
        id: Uuid::now_v7(),
        intervened: false,
        lineage: Lineage { session: Some(session), ..Lineage::default() },
        outcome: Outcome::Complete,
        price_version: text("2026-11"),
        principal: Principal {
            key: text("laptop"),
            project: text("gate"),
            user: text("ann"),
            ..Principal::default()
        },
        recording: Recording::Redacted,
        route,
        status: Some(200),
        stop_reason: text("end_turn"),
        timing: Timing {
            queue_us: Some(50),
            started_us: 1_790_000_000_000_000 + i64::try_from(nth).unwrap_or(0),
            total_us: Some(9_000_000),
            ttft_us: Some(700_000),
        },
    };
    Record {
        bodies: Vec::new(),
        call,
        details: Details::default(),
        pieces: Vec::new(),
        session: SessionFacts::default(),
        texts: Vec::new(),
    }
}

fn shown(what: &str, cpu: Duration, wall: Duration, calls: usize) {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / calls as f64;
    #[expect(clippy::print_stdout, reason = "the result of the bench")]
    {
        println!("{what}: {:.0} µs CPU, {:.0} µs elapsed per call ({calls} calls)", each(cpu), each(wall));
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let database = Database::open(&Options::at(Place::File(folder.path().join("bench.db")))).await?;
    let rows: Vec<_> = (0..BATCH * BATCHES).map(|nth| empty(nth, &format!("rows-{}", nth / 40))).collect();
    let (begun, clock) = (cpu(), Instant::now());
    for batch in rows.chunks(BATCH) {
        database.write(batch).await?;
    }
    shown("rows alone", cpu().saturating_sub(begun), clock.elapsed(), rows.len());

    let messages: Vec<_> = (0..200).map(message).collect();
    let rest = format!(r#""system":"{}","tools":["{}"]"#, words(1_000_000, 10_000), words(1_000_001, 40_000));
    let mut records = Vec::new();
    let mut woven = (Duration::ZERO, Duration::ZERO, 0);
    for session in 0..BATCH * BATCHES / 50 {
        let id = format!("session-{session}");
        let mut known = database.known(&Scope::Session(id.clone())).await?;
        for turn in 0..50 {
            let body = format!(r#"{{{rest},"messages":[{}]}}"#, messages[..100 + turn * 2].join(","));
            let (begun, clock) = (cpu(), Instant::now());
            records.push(record(records.len(), &id, body.as_bytes(), &mut known));
            woven =
                (woven.0 + (cpu().saturating_sub(begun)), woven.1 + clock.elapsed(), woven.2 + body.len());
        }
    }
    shown("taken apart", woven.0, woven.1, records.len());
    let rate = woven.2 as f64 / 1e6 / woven.0.as_secs_f64();
    #[expect(clippy::print_stdout, reason = "the result of the bench")]
    {
        println!("  {} KB a request on average, {rate:.0} MB/s", woven.2 / records.len() / 1_000);
    }
    // The same calls in three databases: with their contents alone, with their texts alone, with both.
    let with = |bodies: bool, texts: bool| -> Vec<Record> {
        let part = |record: &Record| Record {
            bodies: if bodies { record.bodies.clone() } else { Vec::new() },
            pieces: if bodies { record.pieces.clone() } else { Vec::new() },
            texts: if texts { record.texts.clone() } else { Vec::new() },
            ..record.clone()
        };
        records.iter().map(part).collect()
    };
    for (what, bodies, texts) in
        [("with contents", true, false), ("with texts", false, true), ("with both", true, true)]
    {
        let database =
            Database::open(&Options::at(Place::File(folder.path().join(format!("{what}.db"))))).await?;
        let records = with(bodies, texts);
        let (begun, clock) = (cpu(), Instant::now());
        for batch in records.chunks(BATCH) {
            database.write(batch).await?;
        }
        shown(what, cpu().saturating_sub(begun), clock.elapsed(), records.len());
    }
    Ok(())
}
