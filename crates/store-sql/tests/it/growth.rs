//! What a long session costs: its new messages, not their sum over all turns.

use lockgate_store::{Calls, Part, Records, Scope};
use lockgate_store_sql::{Database, Options, Place};
use sqlx::{Connection, PgConnection, Row, SqliteConnection};

use crate::postgres::Server;
use crate::sample::{id, of, with_woven};

/// Turns of the session.
const TURNS: u64 = 200;

/// Words that do not compress to nothing: a fixed sequence of pseudo-random letters, different for each seed.
fn words(seed: u64, length: usize) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = String::with_capacity(length);
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let letter = (state >> 33) as u8;
        text.push(if letter.is_multiple_of(6) { ' ' } else { char::from(b'a' + letter % 26) });
    }
    text
}

/// A message as a coding agent sends it; the mark of the cache moves with the last one.
fn message(nth: u64, last: bool) -> String {
    let mark = if last { r#","cache_control":{"type":"ephemeral"}"# } else { "" };
    let length = [40, 900, 120, 4_000, 60, 2_200][nth as usize % 6];
    let text = words(nth + 1, length);
    match nth % 4 {
        0 => format!(r#"{{"role":"user","content":[{{"type":"text","text":"{text}"{mark}}}]}}"#),
        1 => format!(
            r#"{{"role":"assistant","content":[{{"type":"text","text":"{text}"}},{{"type":"tool_use","id":"toolu_{nth:020}","name":"Bash","input":{{"command":"cargo test -p x{nth}","description":"runs the tests"}}}}]}}"#
        ),
        2 => format!(
            r#"{{"role":"user","content":[{{"tool_use_id":"toolu_{nth:020}","type":"tool_result","content":"{text}"{mark}}}]}}"#
        ),
        _ => format!(r#"{{"role":"assistant","content":[{{"type":"text","text":"{text}"}}]}}"#),
    }
}

fn tools() -> String {
    let tool = |nth: u64| {
        format!(
            r#"{{"name":"tool_{nth}","description":"{}","input_schema":{{"type":"object","properties":{{"path":{{"type":"string","description":"{}"}}}}}}}}"#,
            words(nth + 7_000, 1_500),
            words(nth + 9_000, 90)
        )
    };
    (0..20).map(tool).collect::<Vec<_>>().join(",")
}

fn request(turn: u64) -> String {
    let count = 2 * turn + 1;
    let messages: Vec<_> = (0..count).map(|nth| message(nth, nth + 1 == count)).collect();
    format!(
        r#"{{"model":"sonnet-5","max_tokens":32000,"system":[{{"type":"text","text":"x-version: {turn}"}},{{"type":"text","text":"{}","cache_control":{{"type":"ephemeral"}}}}],"tools":[{}],"metadata":{{"user_id":"user_abc_session_5"}},"messages":[{}],"stream":true}}"#,
        words(5_000, 12_000),
        tools(),
        messages.join(",")
    )
}

fn answer(turn: u64) -> String {
    let deltas: Vec<_> = (0..20)
        .map(|nth| {
            let text = words(turn * 100 + nth + 50_000, 40);
            format!("event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\n\n")
        })
        .collect();
    format!("event: message_start\ndata: {{\"type\":\"message_start\"}}\n\n{}", deltas.concat())
}

/// What a session of so many turns sends that is new: everything once.
fn new_bytes(turns: u64) -> usize {
    let first = request(0).len();
    let messages: usize = (1..2 * turns - 1).map(|nth| message(nth, true).len() + 1).sum();
    let answers: usize = (0..turns).map(|turn| answer(turn).len()).sum();
    first + messages + answers
}

async fn write_session(database: &Database) {
    let scope = Scope::Session("s".to_owned());
    let mut known = database.known(&scope).await.unwrap();
    for turn in 0..TURNS {
        let mut record = of("s", turn);
        for (part, body) in [(Part::ClientRequest, request(turn)), (Part::UpstreamAnswer, answer(turn))] {
            record = with_woven(record, part, body.as_bytes(), &mut |hash| known.contains(hash));
        }
        known.extend(record.pieces.iter().map(|piece| piece.hash));
        database.write(&[record]).await.unwrap();
    }
    for turn in [0, 1, 63, 64, 150, TURNS - 1] {
        let body = database.body(id(turn), Part::ClientRequest).await.unwrap().unwrap();
        assert_eq!(body, request(turn).as_bytes());
        let body = database.body(id(turn), Part::UpstreamAnswer).await.unwrap().unwrap();
        assert_eq!(body, answer(turn).as_bytes());
    }
}

/// Every byte of every column of pieces and bodies: as sent (`size`), and as stored.
const SUMS: &str = "SELECT CAST((SELECT sum(size + 16 + 8 + 8) FROM pieces) + (SELECT sum(length(part) + length(kind) + length(head) + 8 + 8 + length(offsets)) FROM bodies) AS BIGINT), \
    CAST((SELECT sum(length(bytes) + 16 + 8 + 8) FROM pieces) + (SELECT sum(length(part) + length(kind) + length(head) + 8 + 8 + length(offsets)) FROM bodies) AS BIGINT)";

fn check(database: &str, plain: i64, stored: i64) {
    let new = new_bytes(TURNS) as f64;
    let sent: usize = (0..TURNS).map(|turn| request(turn).len() + answer(turn).len()).sum();
    let (plain, stored) = (plain as f64 / new, stored as f64 / new);
    println!(
        "{database}: {plain:.3} times the new bytes before compression, {stored:.3} after; sent were {:.1} times",
        sent as f64 / new
    );
    assert!(plain <= 1.3, "{plain} times what was new, before compression");
    assert!(stored <= plain);
    assert!(sent as f64 / new > 30.0, "the session repeats itself enough to prove something");
}

/// C1, and the bound of the record: 200 turns of a coding agent cost at most 1.3 times the sum of their new messages.
#[tokio::test]
async fn a_session_of_200_turns_costs_what_is_new_in_it() {
    let (database, folder) = crate::sqlite().await;
    write_session(&database).await;
    let path = folder.path().join("lockgate.db");
    let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
    let row = sqlx::query(SUMS).fetch_one(&mut connection).await.unwrap();
    check("SQLite", row.get(0), row.get(1));

    let server = Server::start();
    let database = Database::open(&Options::at(Place::of(&server.url()))).await.unwrap();
    write_session(&database).await;
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    let row = sqlx::query(SUMS).fetch_one(&mut connection).await.unwrap();
    check("PostgreSQL", row.get(0), row.get(1));
}
