//! What a call pays for being told of: from its start to its end, as the engine tells of it; and what the worker pays for it.

use std::time::Duration;

use divan::{Bencher, black_box};
use http::{HeaderMap, HeaderValue};
use lockgate_core::{Dialect, Usage};
use lockgate_engine::{
    CallReport, CallStart, Caller, Courier, Destination, Observer as _, Operation, Outcome,
};
use lockgate_ledger::Prices;
use lockgate_telemetry::{Filter, Otlp, Propagation, Telemetry, Traces};
use uuid::Uuid;

fn main() {
    divan::main();
}

fn report() -> CallReport {
    CallReport {
        caller: None,
        decisions: Vec::new(),
        dialect: Dialect::Anthropic,
        duration: Duration::from_millis(1500),
        grant: None,
        id: Uuid::now_v7().to_string(),
        kind: None,
        model: Some("claude-sonnet-4-6".to_owned()),
        operation: Operation::Generate,
        outcome: Outcome::Complete,
        provider: Some("anthropic".to_owned()),
        request_id: Some("req_1".to_owned()),
        requested: Some("claude-sonnet-4-6".to_owned()),
        status: 200,
        stop: None,
        stream: true,
        terms: lockgate_ledger::Terms::default(),
        ttft: Some(Duration::from_millis(300)),
        usage: Some(Usage { input_uncached: Some(1000), output: Some(100), ..Usage::default() }),
        worked: Vec::new(),
    }
}

fn one(telemetry: &Telemetry, headers: &HeaderMap, report: &CallReport) {
    let caller = Caller { grant: None, keyless: true, own: None, own_anthropic: None };
    let to = Destination { kind: "anthropic", model: "claude-sonnet-4-6", provider: "anthropic" };
    let follower = telemetry.started(&CallStart {
        came: std::time::Instant::now(),
        caller: &caller,
        dialect: Dialect::Anthropic,
        headers,
        id: Uuid::nil(),
        operation: Operation::Generate,
        stream: true,
        to: Some(to),
    });
    if let Some(follower) = black_box(follower) {
        follower.trying(1);
        black_box(follower.trace_context());
        follower.first_byte();
        follower.finished(report);
    }
}

fn run(bencher: Bencher<'_, '_>, telemetry: &Telemetry) {
    let mut headers = HeaderMap::new();
    for number in 0..20 {
        let name: http::HeaderName = format!("x-header-{number}").parse().unwrap_or(http::header::ACCEPT);
        headers.insert(name, HeaderValue::from_static("something"));
    }
    let report = report();
    let mut calls = 0_u32;
    bencher
        .with_inputs(|| {
            // What waits is worked off outside the measure, as the worker does it outside the call.
            calls += 1;
            if calls.is_multiple_of(1000) {
                telemetry.work();
            }
        })
        .bench_local_refs(|()| one(telemetry, &headers, &report));
}

#[divan::bench]
fn nobody_listens(bencher: Bencher<'_, '_>) {
    run(bencher, &Telemetry::new(Prices::default()));
}

#[divan::bench]
fn metrics(bencher: Bencher<'_, '_>) {
    let telemetry = Telemetry::new(Prices::default());
    telemetry.count(true);
    run(bencher, &telemetry);
}

#[divan::bench]
fn metrics_traces_and_live_activity(bencher: Bencher<'_, '_>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().build() else { return };
    let _inside = runtime.enter();
    let telemetry = Telemetry::new(Prices::default());
    telemetry.count(true);
    let to = Otlp { endpoint: "http://127.0.0.1:9".to_owned(), headers: Vec::new() };
    telemetry.trace(Traces::start(&to, Courier::default()).ok(), 1.0, Propagation::Own);
    let _subscription = telemetry.feed().subscribe(Filter::default(), None);
    run(bencher, &telemetry);
}

/// The worker's part, for a thousand calls.
#[divan::bench]
fn worker_for_1000_calls(bencher: Bencher<'_, '_>) {
    let telemetry = Telemetry::new(Prices::default());
    telemetry.count(true);
    let (headers, report) = (HeaderMap::new(), report());
    bencher
        .with_inputs(|| (0..1000).for_each(|_| one(&telemetry, &headers, &report)))
        .bench_local_refs(|()| telemetry.work());
}
