//! Many streams at once: each client and each record gets its own words, and memory does not grow with every round.
#![cfg(target_os = "linux")]

use std::fs;
use std::sync::Barrier;

use lockgate_store_sql::Place;
use serde_json::json;

use super::{Made, assert_kept, home, is_well, said};
use crate::http;
use crate::record::database;
use crate::support::{Gateway, Scripted, until};

const STREAMS: usize = 200;

/// What memory may grow by from the second round to the third, of some tens of megabytes.
const MARGIN_KB: u64 = 6 * 1024;

/// Resident memory.
fn resident_kb(gateway: &Gateway) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn round(gateway: &Gateway, round: usize) -> Vec<Made> {
    let together = Barrier::new(STREAMS);
    let client = |number: usize| {
        let words =
            format!("round {round} stream {number} {}", format!("word{number} ").repeat(20).trim_end());
        let body = json!({"model": "up:m", "stream": true, "messages": [{"role": "user", "content": words}]});
        let address = gateway.address;
        together.wait();
        let answer = http::Stream::post(address, "/v1/chat/completions", &body).unwrap().end().unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(said(&answer.body().unwrap()), format!("I heard: {words}"));
        Made { id: answer.header("x-task-id").unwrap(), words }
    };
    std::thread::scope(|scope| {
        let client = &client;
        let clients: Vec<_> = (0..STREAMS).map(|number| scope.spawn(move || client(number))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    })
}

/// 200 parallel streams, three times: no word of another, and a plateau of memory with recording on.
#[test]
fn two_hundred_streams_at_once_keep_their_words_to_themselves() {
    let upstream = Scripted::start(
        "rules: [{answer: {blocks: [{text: 'I heard: ${last_user}'}], chunk: 8, delay_ms: 40}}]",
    );
    let home = home(&upstream, "");
    let mut gateway = Gateway::start(&home);
    let (mut made, mut sizes) = (Vec::new(), Vec::new());
    for number in 0..3 {
        made.extend(round(&gateway, number));
        until("all is stored", || is_well(&gateway));
        sizes.push(resident_kb(&gateway));
    }
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    assert_eq!(assert_kept(&Place::File(database(&home)), &made), 3 * STREAMS);
    assert!(sizes[2] <= sizes[1] + MARGIN_KB, "memory in KB after each round: {sizes:?}");
}
