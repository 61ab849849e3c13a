//! The metrics, read by somebody else's parser; the table, and the page that is made of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use lockgate_core::Usage;
use lockgate_engine::Operation;

use super::*;
use crate::call::Attempt;

/// Every family has a value.
fn filled() -> Metrics {
    let mut metrics = Metrics::new();
    let begun = Begun {
        at_us: 0,
        dialect: "chat",
        id: "id".to_owned(),
        key: Some("a \"key\"\nwith\\all".to_owned()),
        kind: None,
        model: Some("m".to_owned()),
        operation: Operation::Generate,
        project: None,
        provider: Some("p".to_owned()),
        session: None,
        stream: true,
        user: None,
    };
    let attempt = |failed| Attempt { after: Duration::ZERO, failed, span: [0; 8] };
    let ended = Ended {
        answered_by: None,
        attempts: vec![attempt(Some((Duration::ZERO, "timeout", None))), attempt(None)],
        duration: Duration::from_secs(3),
        error: None,
        model: Some("m".to_owned()),
        outcome: Outcome::Complete,
        policies: Vec::new(),
        provider: Some("p".to_owned()),
        request_id: None,
        status: Some(200),
        stop: None,
        terms: lockgate_ledger::Terms::default(),
        ttft: Some(Duration::from_millis(70)),
        usage: Some(Usage { output: Some(7), ..Usage::default() }),
    };
    metrics.count(&begun, &ended, Some(12));
    metrics.count(&begun, &ended, None);
    metrics
}

fn outside() -> Outside {
    let record =
        RecordNumbers { log_bytes: 1, lost: 2, quarantined: 3, ring_bytes: 4, stored: 5, waiting: 6 };
    Outside {
        record,
        pushes: [("sent", 1), ("failed", 0)],
        spans: [("sent", 1), ("dropped", 0), ("failed", 0)],
        webhooks: [("delivered", 1), ("given_up", 0), ("dropped", 0)],
        ..Outside::default()
    }
}

#[test]
fn openmetrics_and_the_older_format_are_read_by_other_programs() {
    let metrics = filled();
    let openmetrics = metrics.expose(&outside(), true);
    assert_eq!(openmetrics.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let read = openmetrics_parser::openmetrics::parse_openmetrics(&openmetrics.text);
    let families = read.unwrap_or_else(|error| panic!("{error}\n{}", openmetrics.text)).families;
    let older = metrics.expose(&outside(), false);
    let read = openmetrics_parser::prometheus::parse_prometheus(&older.text);
    let of_old = read.unwrap_or_else(|error| panic!("{error}\n{}", older.text)).families;
    assert_eq!((families.len(), of_old.len()), (METRICS.len(), METRICS.len()));
}

/// What is documented is what is told, no more and no less, and named as Prometheus asks.
#[test]
fn every_metric_is_in_the_table_with_its_type_and_words() {
    let text = filled().expose(&outside(), false).text;
    let told: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let table: BTreeSet<_> = METRICS
        .iter()
        .map(|known| {
            (known.name.to_owned(), if known.kind == "info" { "gauge" } else { known.kind }.to_owned())
        })
        .collect();
    assert_eq!(told, table);
    assert!(METRICS.is_sorted_by_key(|known| known.name));
    for Described { help, labels, name, kind } in METRICS {
        assert!(text.contains(&format!("# HELP {name} {help}")), "{name}");
        assert!(name.starts_with("lockgate_") || name.starts_with("process_"), "{name}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
        for label in labels.split(", ").filter(|label| !label.is_empty()) {
            let sample = |line: &&str| line.starts_with(name) && line.contains(&format!("{label}=\""));
            assert!(text.lines().any(|line| sample(&line)), "{name} has no label {label}\n{text}");
        }
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_files_and_time_of_this_process_are_told() {
    let process = Process::read();
    assert!(process.memory > 1_000_000 && process.fds > 2 && process.cpu_seconds >= 0.0, "{process:?}");
    let now = crate::time::now_us() as f64 / 1e6;
    assert!(process.started > now - 100_000.0 && process.started <= now + 2.0, "{process:?}");
}

#[test]
fn the_page_about_metrics_is_current() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&file, page()).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(found, page(), "run `UPDATE_GENERATED=1 cargo nextest run -p lockgate-telemetry`");
}
