//! Telemetry as the engine, a scraper, a collector and receivers of webhooks meet it: over real HTTP on loopback.

mod hooks;
mod live;
mod pushes;
mod receiver;
mod services;
mod traces;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use lockgate_core::{Dialect, ErrorKind, Failure, StopReason, Usage};
use lockgate_engine::{
    CallReport, CallStart, Caller, Destination, Follower, Grant, Observer as _, Operation, Outcome,
};
use uuid::Uuid;

use crate::Telemetry;

/// Telemetry that knows the prices of the catalogue, and nothing to do yet.
fn telemetry() -> Telemetry {
    let telemetry = Telemetry::new(lockgate_ledger::Prices::default());
    telemetry.start();
    telemetry
}

fn caller(key: Option<&str>) -> Caller {
    let grant = key.map(|name| Arc::new(Grant { name: name.to_owned(), ..Grant::default() }));
    Caller { grant, keyless: key.is_none(), own: None, own_anthropic: None }
}

/// A call as the engine tells of it.
struct Told {
    follower: Option<Arc<dyn Follower>>,
    report: CallReport,
}

/// Begins a call of `alice` to a model of Anthropic's.
fn begin(telemetry: &Telemetry, model: &str, headers: &HeaderMap) -> Told {
    let id = Uuid::now_v7();
    let to = Destination { kind: "anthropic", model, provider: "anthropic" };
    let follower = telemetry.started(&CallStart {
        came: std::time::Instant::now(),
        caller: &caller(Some("alice")),
        dialect: Dialect::Anthropic,
        headers,
        id,
        operation: Operation::Generate,
        stream: true,
        to: Some(to),
    });
    let report = CallReport {
        caller: Some("alice".to_owned()),
        decisions: Vec::new(),
        dialect: Dialect::Anthropic,
        duration: Duration::from_millis(1500),
        grant: None,
        id: id.to_string(),
        kind: None,
        model: Some(model.to_owned()),
        operation: Operation::Generate,
        outcome: Outcome::Complete,
        provider: Some("anthropic".to_owned()),
        request_id: Some("req_1".to_owned()),
        requested: Some(model.to_owned()),
        status: 200,
        stop: Some(StopReason::EndTurn),
        stream: true,
        terms: lockgate_ledger::Terms::default(),
        ttft: Some(Duration::from_millis(300)),
        usage: Some(Usage {
            input_uncached: Some(1000),
            cache_read: Some(500),
            output: Some(100),
            ..Usage::default()
        }),
        worked: Vec::new(),
    };
    Told { follower, report }
}

impl Told {
    /// An attempt, that fails.
    fn fails(&self, number: u32) {
        if let Some(follower) = &self.follower {
            follower.trying(number);
            let failure = Failure { status: Some(529), ..Failure::new(ErrorKind::Overloaded, "later") };
            follower.failed(&failure, Some(Duration::ZERO));
        }
    }

    /// The attempt that answers, and the end.
    fn answers(self) {
        if let Some(follower) = &self.follower {
            follower.trying(2);
            follower.first_byte();
            follower.finished(&self.report);
        }
    }

    /// The end, as a failure that no attempt is there for.
    fn refused(mut self, kind: ErrorKind) {
        self.report = CallReport {
            model: None,
            outcome: Outcome::Failed(Failure::new(kind, "no")),
            status: kind.status(),
            ttft: None,
            usage: None,
            ..self.report
        };
        if let Some(follower) = &self.follower {
            follower.finished(&self.report);
        }
    }
}

/// Waits until something holds; what it is waited for is somebody else's task.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "never: {what}");
}

/// What is scraped, in the older format: the value of each sample by its name and labels.
fn scraped(telemetry: &Telemetry) -> HashMap<String, String> {
    let told = telemetry.exposition(None).unwrap();
    assert_eq!(told.content_type, "text/plain; version=0.0.4; charset=utf-8");
    let lines = told.text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

/// I9: nobody listens, so nothing is made.
#[tokio::test]
async fn without_anything_to_tell_no_call_is_followed() {
    let telemetry = telemetry();
    assert!(begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new()).follower.is_none());
    assert!(telemetry.exposition(None).is_none());
    telemetry.count(true);
    assert!(begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new()).follower.is_some());
    telemetry.count(false);
    assert!(begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new()).follower.is_none());
}

#[tokio::test]
async fn a_call_is_counted_with_its_tokens_cost_attempts_and_key() {
    let telemetry = telemetry();
    telemetry.count(true);
    let told = begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new());
    let under_way = scraped(&telemetry);
    assert_eq!((&*under_way["lockgate_calls_in_flight"], &*under_way["lockgate_open_streams"]), ("1", "1"));
    told.fails(1);
    told.answers();
    let after = scraped(&telemetry);
    let place = r#"provider="anthropic",model="claude-sonnet-4-6""#;
    for (name, value) in [
        ("lockgate_calls_in_flight".to_owned(), "0"),
        ("lockgate_open_streams".to_owned(), "0"),
        (
            format!(
                r#"lockgate_calls_total{{dialect="anthropic",operation="generate",{place},outcome="complete"}}"#
            ),
            "1",
        ),
        (format!(r#"lockgate_tokens_total{{{place},bucket="input"}}"#), "1000"),
        (format!(r#"lockgate_tokens_total{{{place},bucket="cache_read"}}"#), "500"),
        (format!(r#"lockgate_tokens_total{{{place},bucket="output"}}"#), "100"),
        // 1000 at 3 USD, 500 at 0.30, 100 at 15 for a million.
        (format!("lockgate_cost_nanousd_total{{{place}}}"), "4650000"),
        (r#"lockgate_key_cost_nanousd_total{key="alice"}"#.to_owned(), "4650000"),
        (r#"lockgate_key_calls_total{key="alice",outcome="complete"}"#.to_owned(), "1"),
        (r#"lockgate_upstream_errors_total{provider="anthropic",error="overloaded"}"#.to_owned(), "1"),
        (r#"lockgate_retries_total{provider="anthropic"}"#.to_owned(), "1"),
        (format!(r#"lockgate_call_duration_seconds_bucket{{le="1.0",{place},stream="true"}}"#), "0"),
        (format!(r#"lockgate_call_duration_seconds_bucket{{le="2.0",{place},stream="true"}}"#), "1"),
        (format!("lockgate_time_to_first_byte_seconds_sum{{{place}}}"), "0.3"),
    ] {
        assert_eq!(after.get(&name).map(String::as_str), Some(value), "{name} in {after:#?}");
    }
}

/// I2: however it ends.
#[tokio::test]
async fn a_client_that_leaves_before_the_answer_is_counted_and_nothing_stays_in_flight() {
    let telemetry = telemetry();
    telemetry.count(true);
    drop(begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new()));
    let after = scraped(&telemetry);
    assert_eq!(after["lockgate_calls_in_flight"], "0");
    let aborted =
        after.iter().find(|(name, _)| name.contains(r#"outcome="aborted""#) && name.contains("calls_total"));
    assert_eq!(aborted.map(|(_, value)| value.as_str()), Some("1"), "{after:#?}");
}

#[tokio::test]
async fn names_that_clients_make_up_never_become_labels_and_the_number_of_models_is_bounded() {
    let telemetry = telemetry();
    telemetry.count(true);
    for number in 0..300 {
        begin(&telemetry, &format!("made-up-{number}"), &HeaderMap::new()).refused(ErrorKind::NotFound);
    }
    for number in 0..300 {
        begin(&telemetry, &format!("real-{number}"), &HeaderMap::new()).answers();
    }
    let told = telemetry.exposition(None).unwrap().text;
    assert!(!told.contains("made-up"), "{told}");
    let calls: Vec<_> = told.lines().filter(|line| line.starts_with("lockgate_calls_total")).collect();
    assert_eq!(calls.len(), 102, "100 models, the other ones that answered, and those that did not");
    let others = calls.iter().find(|line| line.contains(r#"model="other",outcome="complete""#)).unwrap();
    assert!(others.ends_with(" 200"), "{others}");
}

#[tokio::test]
async fn what_a_full_queue_drops_is_counted() {
    let telemetry = telemetry();
    telemetry.count(true);
    for _ in 0..crate::queue::BOUND + 10 {
        begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new()).answers();
    }
    assert_eq!(scraped(&telemetry)["lockgate_telemetry_dropped_total"], "10");
}
