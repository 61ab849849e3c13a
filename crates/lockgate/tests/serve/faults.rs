//! The record under faults, with real processes: calls go on, what is wrong is said, and afterwards every call is stored once.
//!
//! Each test has clients that go on calling through the fault. What a client saw whole is what must be in the database.

mod canary;
mod clock;
mod crowd;
mod damage;
mod database;
mod disk;
mod kill;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use lockgate_store::{Calls as _, Outcome, Part};
use lockgate_store_sql::Place;
use serde_json::{Value, json};

use crate::http;
use crate::record::{all, reading_at};
use crate::support::{Gateway, Home, Scripted};

/// An upstream that says what it is told, in pieces.
const ECHO: &str = "rules: [{answer: {blocks: [{text: 'I heard: ${last_user}'}], chunk: 10, delay_ms: 2}}]";

fn home(upstream: &Scripted, more: &str) -> Home {
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}{more}", upstream.entry("up", "")));
    home
}

/// A call whose last byte its client saw.
#[derive(Debug, Clone)]
struct Made {
    id: String,
    /// What it asked, which nobody else did.
    words: String,
}

/// Clients that call, half of them whole and half as streams, each in a session of its own.
struct Load {
    clients: Vec<JoinHandle<()>>,
    failures: Arc<Mutex<Vec<String>>>,
    made: Arc<Mutex<Vec<Made>>>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// `name` tells its words from those of other loads.
    fn start(gateway: &Gateway, name: &str, clients: usize) -> Self {
        Self::with(gateway, name, clients, "")
    }

    /// The same with instructions in front of each conversation. Long ones are sent again and again, as agents do.
    fn with(gateway: &Gateway, name: &str, clients: usize, instructions: &'static str) -> Self {
        let (made, failures) = (Arc::<Mutex<Vec<Made>>>::default(), Arc::<Mutex<Vec<String>>>::default());
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number: usize| {
            let (address, who) = (gateway.address, format!("{name}-{number}"));
            let (made, failures, stop) = (Arc::clone(&made), Arc::clone(&failures), stop.clone());
            std::thread::spawn(move || {
                let mut begin = Vec::new();
                if !instructions.is_empty() {
                    begin.push(json!({"role": "system", "content": instructions}));
                }
                let mut history = begin.clone();
                for count in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    if history.len() > 12 {
                        history.clone_from(&begin);
                    }
                    match talk(address, &who, count, &mut history) {
                        Ok(call) => locked(&made).push(call),
                        Err(failure) => {
                            locked(&failures).push(failure);
                            return;
                        }
                    }
                }
            })
        };
        let clients = (0..clients).map(client).collect();
        Self { clients, failures, made, stop }
    }

    /// Calls that were answered so far.
    fn count(&self) -> usize {
        locked(&self.made).len()
    }

    /// Ends it; the answered calls, and what failed. A client ends with its first failure.
    fn end(self) -> (Vec<Made>, Vec<String>) {
        self.stop.store(true, Ordering::SeqCst);
        for client in self.clients {
            client.join().unwrap();
        }
        (locked(&self.made).clone(), locked(&self.failures).clone())
    }

    /// Ends it where nothing may have failed.
    #[track_caller]
    fn end_well(self) -> Vec<Made> {
        let (made, failures) = self.end();
        assert_eq!(failures, Vec::<String>::new(), "no call fails");
        made
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One turn of a client's session, with what was said before.
fn talk(address: SocketAddr, who: &str, count: usize, history: &mut Vec<Value>) -> Result<Made, String> {
    let words = format!("call {count} of client {who}");
    history.push(json!({"role": "user", "content": words}));
    let body = json!({"model": "up:m", "stream": count % 2 == 1, "messages": history});
    let session = format!("x-session-id: session of {who}\r\n");
    let answer = http::Stream::post_with(address, "/v1/chat/completions", &body, &session)
        .and_then(http::Stream::end)
        .map_err(|error| format!("{words}: {error}"))?;
    let said = answer.body().map(|body| said(&body));
    let heard = format!("I heard: {words}");
    if answer.status != 200 || said.as_deref() != Some(&heard) {
        return Err(format!("{words}: {said:?} in {answer:?}"));
    }
    history.push(json!({"role": "assistant", "content": heard}));
    Ok(Made { id: answer.header("x-task-id").unwrap(), words })
}

/// The text of an answer in the Chat dialect, whole or as a stream; what is no end is no answer.
fn said(body: &str) -> String {
    let text = |value: &Value, at: &str| value.pointer(at).and_then(Value::as_str).map(str::to_owned);
    if let Ok(whole) = serde_json::from_str::<Value>(body) {
        return text(&whole, "/choices/0/message/content").unwrap_or_default();
    }
    if !body.contains("data: [DONE]") {
        return format!("no end: {body}");
    }
    let events =
        body.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    events.filter_map(|event| text(&event, "/choices/0/delta/content")).collect()
}

/// That these calls are in the database, each once, complete, with its own words on both sides. Others may be there too;
/// how many there are is handed back.
#[track_caller]
fn assert_kept(place: &Place, made: &[Made]) -> usize {
    let stored = all(place);
    let mut times: BTreeMap<String, (usize, Outcome)> = BTreeMap::new();
    for call in &stored {
        times.entry(call.id.to_string()).or_insert((0, call.outcome)).0 += 1;
    }
    for call in made {
        assert_eq!(times.get(&call.id), Some(&(1, Outcome::Complete)), "{call:?} of {}", stored.len());
    }
    reading_at(place, async |database| {
        for call in made {
            let body = async |part: Part| {
                let bytes = database.body(call.id.parse().unwrap(), part).await.unwrap();
                String::from_utf8(bytes.unwrap_or_default()).unwrap()
            };
            let (asked, came) = (body(Part::ClientRequest).await, said(&body(Part::UpstreamAnswer).await));
            assert!(asked.contains(&format!("\"{}\"", call.words)), "{call:?}: {asked}");
            assert_eq!(came, format!("I heard: {}", call.words));
        }
    });
    stored.len()
}

/// What `/health` says of the record.
fn record_of(gateway: &Gateway) -> Value {
    gateway.health()["record"].clone()
}

/// Whether the record is in trouble and says so with these words.
fn says(gateway: &Gateway, words: &str) -> bool {
    let health = gateway.health();
    let troubles = health["record"]["troubles"].as_array().cloned().unwrap_or_default();
    health["status"] == "degraded" && troubles.iter().any(|trouble| trouble == words)
}

/// Whether all is well and nothing waits.
fn is_well(gateway: &Gateway) -> bool {
    let health = gateway.health();
    health["status"] == "ok" && health["record"]["waiting"] == 0 && health["record"]["ring_bytes"] == 0
}
