//! What is counted for Prometheus, under which names and labels.
//!
//! Every metric is in [`METRICS`], from which it is registered and `docs/metrics.md` is made. The number of series is bounded: a
//! model is a label of its own once it has answered, and as long as there is room ([`Known`]); what a client made up never is.

mod conventions;
mod export;
mod expose;
mod known;

#[cfg(test)]
mod tests;

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use lockgate_core::Usage;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::call::{Begun, Ended, Outcome, operation};
use crate::process::Process;
use crate::proto;
use crate::time::now_us;
use conventions::Conventions;
pub use expose::Exposition;
use known::Known;

/// A metric as the documentation shows it.
#[derive(Clone, Copy, Debug)]
pub struct Described {
    /// What it says.
    pub help: &'static str,
    /// Its labels.
    pub labels: &'static str,
    /// Its name, as it is scraped.
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: &'static str,
}

const fn metric(
    name: &'static str,
    kind: &'static str,
    labels: &'static str,
    help: &'static str,
) -> Described {
    Described { help, labels, name, kind }
}

/// Every metric, in the order of their names.
pub const METRICS: [Described; 28] = [
    metric("lockgate_build_info", "info", "version", "Version of the gateway"),
    metric(
        "lockgate_call_duration_seconds",
        "histogram",
        "provider, model, stream",
        "Time from a request's last byte to the answer's, of answered calls",
    ),
    metric("lockgate_calls_in_flight", "gauge", "", "Calls that are under way"),
    metric(
        "lockgate_calls_total",
        "counter",
        "dialect, operation, provider, model, outcome",
        "Calls that are over; outcome is complete, aborted (the client went away) or the kind of error",
    ),
    metric(
        "lockgate_calls_without_cost_total",
        "counter",
        "provider, model",
        "Calls that used tokens and whose price is not known",
    ),
    metric(
        "lockgate_cost_nanousd_total",
        "counter",
        "provider, model",
        "Cost of calls by the price list, in billionths of a US dollar",
    ),
    metric(
        "lockgate_key_calls_total",
        "counter",
        "key, outcome",
        "Calls that are over by the key that made them; outcome is complete, aborted or failed",
    ),
    metric(
        "lockgate_key_cost_nanousd_total",
        "counter",
        "key",
        "Cost of calls by the key that made them, in billionths of a US dollar",
    ),
    metric("lockgate_live_subscribers", "gauge", "", "Subscribers of live activity"),
    metric(
        "lockgate_metric_pushes_total",
        "counter",
        "result",
        "Messages with metrics for the OTLP collector; result is sent or failed (the collector did not take it)",
    ),
    metric("lockgate_open_streams", "gauge", "", "Streamed answers that are under way"),
    metric(
        "lockgate_record_log_bytes",
        "gauge",
        "",
        "Bytes of the log that calls are written to before the database",
    ),
    metric("lockgate_record_lost_total", "counter", "", "Parts of the record that are lost"),
    metric("lockgate_record_quarantined", "gauge", "", "Calls that could not be stored and are kept aside"),
    metric("lockgate_record_ring_bytes", "gauge", "", "Bytes of the record that wait in memory for the disk"),
    metric("lockgate_record_stored_total", "counter", "", "Calls stored in the database since the start"),
    metric("lockgate_record_waiting", "gauge", "", "Calls in the log that are not stored yet"),
    metric("lockgate_retries_total", "counter", "provider", "Attempts that followed a failed one"),
    metric(
        "lockgate_spans_total",
        "counter",
        "result",
        "Spans for the OTLP collector; result is sent, dropped (no room) or failed (the collector did not take them)",
    ),
    metric(
        "lockgate_telemetry_dropped_total",
        "counter",
        "",
        "Notes on calls that telemetry had no room for, so that other numbers lack them",
    ),
    metric(
        "lockgate_time_to_first_byte_seconds",
        "histogram",
        "provider, model",
        "Time from a request's last byte to the first of the streamed answer",
    ),
    metric(
        "lockgate_tokens_total",
        "counter",
        "provider, model, bucket",
        "Tokens as providers told; bucket is input, cache_read, cache_write_5m, cache_write_1h or output; they do not overlap",
    ),
    metric(
        "lockgate_upstream_errors_total",
        "counter",
        "provider, error",
        "Attempts that failed, by kind of error",
    ),
    metric(
        "lockgate_webhooks_total",
        "counter",
        "result",
        "Webhooks; result is delivered, given_up (after the last try) or dropped (no room)",
    ),
    metric("process_cpu_seconds_total", "counter", "", "Processor time of the gateway"),
    metric("process_open_fds", "gauge", "", "Open file descriptors of the gateway"),
    metric("process_resident_memory_bytes", "gauge", "", "Memory of the gateway that is in RAM"),
    metric("process_start_time_seconds", "gauge", "", "When the gateway was started, in seconds since 1970"),
];

/// The page about metrics, as Markdown.
pub fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n<!-- Generated from `crates/telemetry/src/metrics.rs`; change the table there. -->\n\n\
         `GET /metrics` on the gateway's port answers in the text format of Prometheus 0.0.4, or in OpenMetrics 1.0 to whoever asks for it. \
         [operations.md](operations.md#metrics) says who may ask and what bounds the number of series.\n\n\
         | name | type | labels | meaning |\n|---|---|---|---|\n",
    );
    for Described { help, labels, name, kind } in METRICS {
        let _ = writeln!(page, "| `{name}` | {kind} | {labels} | {help} |");
    }
    page.push_str(
        "\n## By OTLP only\n\n[Where metrics are sent to a collector](operations.md#metrics-by-otlp), these histograms of OpenTelemetry's conventions \
         for generative AI come with them. `client` is about an attempt at a provider, `server` about a call as its client sees it.\n\n\
         | name | unit | meaning |\n|---|---|---|\n",
    );
    for (name, unit, _, words) in conventions::INSTRUMENTS {
        let _ = writeln!(page, "| `{name}` | {unit} | {words} |");
    }
    page
}

/// The record's numbers at a moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RecordNumbers {
    /// Bytes of the log's files.
    pub log_bytes: u64,
    /// Parts that are lost.
    pub lost: u64,
    /// Calls that could not be stored.
    pub quarantined: u64,
    /// Bytes that wait in memory.
    pub ring_bytes: u64,
    /// Calls that are stored.
    pub stored: u64,
    /// Calls that wait.
    pub waiting: u64,
}

/// Numbers that others keep, told when somebody asks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outside {
    pub(crate) dropped: u64,
    pub(crate) in_flight: u64,
    pub(crate) live: u64,
    pub(crate) pushes: [(&'static str, u64); 2],
    pub(crate) record: RecordNumbers,
    pub(crate) spans: [(&'static str, u64); 3],
    pub(crate) streams: u64,
    pub(crate) webhooks: [(&'static str, u64); 3],
}

type Labels = Vec<(&'static str, String)>;
type Counters = Family<Labels, Counter>;
type Number = Gauge<u64, AtomicU64>;
type Histograms = Family<Labels, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds: calls of models take from milliseconds (a cache, a fake) to many minutes.
const SECONDS: [f64; 14] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];

fn histogram() -> Histogram {
    Histogram::new(SECONDS)
}

/// Names that are a label of their own at most.
const PROVIDERS: usize = 32;
const MODELS: usize = 100;
const KEYS: usize = 100;

/// The counters.
#[derive(Debug)]
pub struct Metrics {
    conventions: Conventions,
    registry: Registry,
    /// In nanoseconds since 1970.
    since: u64,
    calls: Counters,
    costless: Counters,
    costs: Counters,
    cpu: Counter<f64, AtomicU64>,
    dropped: Counter,
    durations: Histograms,
    errors: Counters,
    fds: Number,
    first_bytes: Histograms,
    in_flight: Number,
    key_calls: Counters,
    key_costs: Counters,
    keys: Known,
    live: Number,
    memory: Number,
    models: Known,
    providers: Known,
    pushes: Counters,
    record: [Number; 4],
    record_lost: Counter,
    record_stored: Counter,
    retries: Counters,
    spans: Counters,
    started: Gauge<f64, AtomicU64>,
    streams: Number,
    tokens: Counters,
    webhooks: Counters,
}

/// Registers a metric under its name and words in the table.
fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, metric: M) -> M {
    let help = METRICS.iter().find(|known| known.name == name).map_or("", |known| known.help);
    // The library adds these itself.
    let short = name.strip_suffix("_total").or_else(|| name.strip_suffix("_info")).unwrap_or(name);
    registry.register(short, help, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let own = &mut registry;
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        let help = METRICS[0].help;
        own.register("lockgate_build", help, Info::new(version));
        let histograms = || Histograms::new_with_constructor(histogram as fn() -> Histogram);
        Self {
            durations: register(own, "lockgate_call_duration_seconds", histograms()),
            in_flight: register(own, "lockgate_calls_in_flight", Number::default()),
            calls: register(own, "lockgate_calls_total", Counters::default()),
            costless: register(own, "lockgate_calls_without_cost_total", Counters::default()),
            costs: register(own, "lockgate_cost_nanousd_total", Counters::default()),
            key_calls: register(own, "lockgate_key_calls_total", Counters::default()),
            key_costs: register(own, "lockgate_key_cost_nanousd_total", Counters::default()),
            live: register(own, "lockgate_live_subscribers", Number::default()),
            pushes: register(own, "lockgate_metric_pushes_total", Counters::default()),
            streams: register(own, "lockgate_open_streams", Number::default()),
            record: ["log_bytes", "quarantined", "ring_bytes", "waiting"]
                .map(|name| register(own, &format!("lockgate_record_{name}"), Number::default())),
            record_lost: register(own, "lockgate_record_lost_total", Counter::default()),
            record_stored: register(own, "lockgate_record_stored_total", Counter::default()),
            retries: register(own, "lockgate_retries_total", Counters::default()),
            spans: register(own, "lockgate_spans_total", Counters::default()),
            dropped: register(own, "lockgate_telemetry_dropped_total", Counter::default()),
            first_bytes: register(own, "lockgate_time_to_first_byte_seconds", histograms()),
            tokens: register(own, "lockgate_tokens_total", Counters::default()),
            errors: register(own, "lockgate_upstream_errors_total", Counters::default()),
            webhooks: register(own, "lockgate_webhooks_total", Counters::default()),
            cpu: register(own, "process_cpu_seconds_total", Counter::default()),
            fds: register(own, "process_open_fds", Number::default()),
            memory: register(own, "process_resident_memory_bytes", Number::default()),
            started: register(own, "process_start_time_seconds", Gauge::default()),
            keys: Known::new(KEYS),
            models: Known::new(MODELS),
            providers: Known::new(PROVIDERS),
            conventions: Conventions::default(),
            since: now_ns(),
            registry,
        }
    }

    /// Counts a call that is over.
    pub(crate) fn count(&mut self, begun: &Begun, ended: &Ended, cost_nano: Option<i64>) {
        let answered = ended.outcome != Outcome::Failed && ended.ttft.is_some()
            || ended.outcome == Outcome::Complete && ended.provider.is_some();
        let provider = self.providers.name(ended.provider.as_deref(), true);
        let model = self.models.name(ended.model.as_deref(), answered);
        self.conventions.count(begun, ended, (&provider, &model));
        let outcome = ended.error.unwrap_or(ended.outcome.as_str()).to_owned();
        let place = vec![("provider", provider.clone()), ("model", model.clone())];
        let labels = vec![
            ("dialect", begun.dialect.to_owned()),
            ("operation", operation(begun.operation).to_owned()),
            ("provider", provider.clone()),
            ("model", model),
            ("outcome", outcome),
        ];
        self.calls.get_or_create(&labels).inc();
        if answered {
            let labels = with(&place, "stream", begun.stream.to_string());
            self.durations.get_or_create(&labels).observe(ended.duration.as_secs_f64());
            if let Some(ttft) = ended.ttft.filter(|_| begun.stream) {
                self.first_bytes.get_or_create(&place).observe(ttft.as_secs_f64());
            }
        }
        if let Some(usage) = &ended.usage {
            for (bucket, tokens) in buckets(usage) {
                self.tokens.get_or_create(&with(&place, "bucket", bucket.to_owned())).inc_by(tokens);
            }
        }
        self.attempts(&provider, ended);
        self.money(&place, ended, cost_nano);
        self.key(begun, ended, cost_nano);
    }

    fn attempts(&self, provider: &str, ended: &Ended) {
        let label = ("provider", provider.to_owned());
        for (_, error, _) in ended.attempts.iter().filter_map(|attempt| attempt.failed) {
            self.errors.get_or_create(&vec![label.clone(), ("error", error.to_owned())]).inc();
        }
        let retries = ended.attempts.len().saturating_sub(1) as u64;
        if retries > 0 {
            self.retries.get_or_create(&vec![label]).inc_by(retries);
        }
    }

    fn money(&self, place: &Labels, ended: &Ended, cost_nano: Option<i64>) {
        match cost_nano {
            Some(cost) => {
                self.costs.get_or_create(place).inc_by(cost.unsigned_abs());
            }
            None if ended.usage.is_some() => {
                self.costless.get_or_create(place).inc();
            }
            None => {}
        }
    }

    fn key(&mut self, begun: &Begun, ended: &Ended, cost_nano: Option<i64>) {
        let Some(key) = &begun.key else { return };
        let label = ("key", self.keys.name(Some(key), true));
        self.key_calls
            .get_or_create(&vec![label.clone(), ("outcome", ended.outcome.as_str().to_owned())])
            .inc();
        if let Some(cost) = cost_nano {
            self.key_costs.get_or_create(&vec![label]).inc_by(cost.unsigned_abs());
        }
    }

    /// Everything, in the format that is asked for.
    pub(crate) fn expose(&self, outside: &Outside, openmetrics: bool) -> Exposition {
        let RecordNumbers { log_bytes, lost, quarantined, ring_bytes, stored, waiting } = outside.record;
        for (gauge, number) in self.record.iter().zip([log_bytes, quarantined, ring_bytes, waiting]) {
            gauge.set(number);
        }
        self.record_lost.inner().store(lost, Ordering::Relaxed);
        self.record_stored.inner().store(stored, Ordering::Relaxed);
        self.dropped.inner().store(outside.dropped, Ordering::Relaxed);
        self.in_flight.set(outside.in_flight);
        self.live.set(outside.live);
        self.streams.set(outside.streams);
        let told: [(_, &[(&str, u64)]); 3] = [
            (&self.pushes, &outside.pushes),
            (&self.spans, &outside.spans),
            (&self.webhooks, &outside.webhooks),
        ];
        for (family, results) in told {
            for &(result, number) in results.iter().filter(|(result, _)| !result.is_empty()) {
                let labels = vec![("result", result.to_owned())];
                family.get_or_create(&labels).inner().store(number, Ordering::Relaxed);
            }
        }
        let process = Process::read();
        self.cpu.inner().store(process.cpu_seconds.to_bits(), Ordering::Relaxed);
        self.fds.set(process.fds);
        self.memory.set(process.memory);
        self.started.set(process.started);
        expose::text(&self.registry, openmetrics)
    }

    /// Everything, and the histograms of the conventions for generative AI, as OTLP has it.
    pub(crate) fn export(&self, outside: &Outside) -> Vec<proto::Metric> {
        let now = now_ns();
        let mut metrics = export::read(&self.expose(outside, true).text, self.since, now);
        metrics.extend(self.conventions.export(self.since, now));
        metrics
    }
}

fn now_ns() -> u64 {
    u64::try_from(now_us()).unwrap_or_default().saturating_mul(1000)
}

fn with(labels: &Labels, name: &'static str, value: String) -> Labels {
    let mut labels = labels.clone();
    labels.push((name, value));
    labels
}

/// What was told, bucket by bucket.
fn buckets(usage: &Usage) -> impl Iterator<Item = (&'static str, u64)> {
    [
        ("input", usage.input_uncached),
        ("cache_read", usage.cache_read),
        ("cache_write_5m", usage.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h),
        ("output", usage.output),
    ]
    .into_iter()
    .filter_map(|(bucket, tokens)| Some((bucket, tokens.filter(|tokens| *tokens > 0)?)))
}
