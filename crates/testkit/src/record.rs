//! What came in and when: every request, raw, with the times that tests ask about.
//!
//! Bounded: the oldest entries go when there are more than 10,000 or their bodies pass 256 MiB.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::clock;
use crate::turn::Usage;

const MOST_ENTRIES: usize = 10_000;
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// One request as it came over the wire.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// Counts up from 1 over the upstream's life.
    pub id: u64,
    /// The connection it came on, counted from 1.
    pub connection: u64,
    /// The method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Headers in order and in the sender's own case.
    pub headers: Vec<(String, String)>,
    /// The body, transfer coding undone.
    pub body: Bytes,
    /// Milliseconds since 1970 when its first byte came.
    pub started_unix_ms: u64,
    /// When its first byte came.
    pub started: Instant,
    /// When the body was complete.
    pub received: Instant,
    /// When the first byte of the answer was written.
    pub first_byte: Option<Instant>,
    /// When the answer was written whole.
    pub finished: Option<Instant>,
    /// When the client was seen to leave before that.
    pub disconnected: Option<Instant>,
    /// The status answered.
    pub status: Option<u16>,
    /// The dialect, where the path is known.
    pub dialect: Option<&'static str>,
    /// The rule that answered: its name or position.
    pub rule: Option<String>,
    /// Body bytes written.
    pub sent_bytes: u64,
    /// What a real provider never should have seen, and why it was refused.
    pub violations: Vec<String>,
    /// Tokens of the answer.
    pub usage: Option<Usage>,
    /// What it cost, where the script has a price.
    pub cost_nano_usd: Option<u64>,
    /// The id of the answer, without its prefix.
    pub answer_id: Option<String>,
}

impl Recorded {
    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query, without the question mark.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, q)| q)
    }

    /// The first value of a header, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The entry as the control API shows it; times in milliseconds after `started_unix_ms`.
    pub fn to_json(&self) -> Value {
        let ms = |at: Option<Instant>| {
            at.map(|at| at.saturating_duration_since(self.started).as_secs_f64() * 1000.0)
        };
        let utf8 = std::str::from_utf8(&self.body).ok();
        json!({
            "id": self.id, "connection": self.connection, "method": self.method, "target": self.target,
            "path": self.path(), "query": self.query(), "headers": self.headers,
            "body": utf8, "body_base64": utf8.is_none().then(|| STANDARD.encode(&self.body)),
            "json": self.json(), "started_unix_ms": self.started_unix_ms,
            "received_ms": ms(Some(self.received)), "first_byte_ms": ms(self.first_byte),
            "finished_ms": ms(self.finished), "disconnected_ms": ms(self.disconnected),
            "status": self.status, "dialect": self.dialect, "rule": self.rule,
            "sent_bytes": self.sent_bytes, "violations": self.violations,
            "usage": self.usage.as_ref().map(|u| json!({
                "input": u.input, "cached": u.cached, "cache_write_5m": u.cache_write_5m,
                "cache_write_1h": u.cache_write_1h, "output": u.output, "reasoning": u.reasoning,
            })),
            "cost_nano_usd": self.cost_nano_usd, "answer_id": self.answer_id,
        })
    }
}

/// Nothing of what was waited for came.
#[derive(Debug, thiserror::Error)]
#[error("after {waited:?} there are {seen} requests and the condition does not hold")]
pub struct WaitError {
    /// How long.
    pub waited: Duration,
    /// Requests by then.
    pub seen: usize,
}

/// All entries.
#[derive(Debug)]
pub(crate) struct Records {
    entries: Mutex<Entries>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    kept: VecDeque<Recorded>,
    bytes: usize,
    next: u64,
}

impl Default for Records {
    fn default() -> Self {
        Self { entries: Mutex::default(), changed: watch::Sender::new(0) }
    }
}

impl Records {
    /// Keeps an entry and gives its id.
    pub(crate) fn add(&self, mut entry: Recorded) -> u64 {
        let mut all = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        all.next += 1;
        let id = all.next;
        entry.id = id;
        all.bytes += entry.body.len();
        all.kept.push_back(entry);
        while all.kept.len() > MOST_ENTRIES || (all.bytes > MOST_BYTES && all.kept.len() > 1) {
            let gone = all.kept.pop_front().map_or(0, |e| e.body.len());
            all.bytes -= gone;
        }
        drop(all);
        self.changed.send_modify(|n| *n += 1);
        id
    }

    /// Changes an entry, if it is still there.
    pub(crate) fn update(&self, id: u64, change: impl FnOnce(&mut Recorded)) {
        let mut all = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let first = all.kept.front().map_or(u64::MAX, |e| e.id);
        let at = id.checked_sub(first).and_then(|n| usize::try_from(n).ok());
        if let Some(entry) = at.and_then(|at| all.kept.get_mut(at)) {
            change(entry);
        }
        drop(all);
        self.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn all(&self) -> Vec<Recorded> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).kept.iter().cloned().collect()
    }

    pub(crate) fn clear(&self) {
        let mut all = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        all.kept.clear();
        all.bytes = 0;
    }

    /// Waits until the entries fulfil a condition.
    pub(crate) async fn wait(
        self: &Arc<Self>,
        at_most: Duration,
        fulfilled: impl Fn(&[Recorded]) -> bool,
    ) -> Result<Vec<Recorded>, WaitError> {
        let mut changes = self.changed.subscribe();
        let waiting = async {
            loop {
                changes.borrow_and_update();
                let now = self.all();
                if fulfilled(&now) || changes.changed().await.is_err() {
                    return now;
                }
            }
        };
        let found = tokio::time::timeout(at_most, waiting).await;
        found.map_err(|_| WaitError { waited: at_most, seen: self.all().len() })
    }
}

/// An entry before anything is known about its answer.
pub(crate) fn arrived(
    request: (&str, &str),
    headers: Vec<(String, String)>,
    body: Bytes,
    started: Instant,
    connection: u64,
) -> Recorded {
    let received = Instant::now();
    let took = received.saturating_duration_since(started).as_millis() as u64;
    Recorded {
        id: 0,
        connection,
        method: request.0.into(),
        target: request.1.into(),
        headers,
        body,
        started_unix_ms: clock::unix_ms().saturating_sub(took),
        started,
        received,
        first_byte: None,
        finished: None,
        disconnected: None,
        status: None,
        dialect: None,
        rule: None,
        sent_bytes: 0,
        violations: Vec::new(),
        usage: None,
        cost_nano_usd: None,
        answer_id: None,
    }
}
