//! The histograms that OpenTelemetry's conventions for generative AI ask for, with their bounds; told by OTLP only.
//!
//! `client` is about an exchange with a provider, so that each attempt counts; `server` is what a client of the gateway sees of a call, attempts
//! and waits included. Attributes are the bounded labels of the other metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::{Begun, Ended, Outcome};
use crate::proto::{self, CUMULATIVE, Data, HistogramPoint, attribute};
use crate::span;

const SECONDS: &[f64] =
    &[0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const FIRST: &[f64] =
    &[0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
const EACH: &[f64] = &[0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5];
const TOKENS: &[f64] = &[
    1.0,
    4.0,
    16.0,
    64.0,
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
];

/// Name, unit, bounds and words of each.
pub(super) const INSTRUMENTS: [(&str, &str, &[f64], &str); 6] = [
    (
        "gen_ai.client.operation.duration",
        "s",
        SECONDS,
        "Time from sending a request to a provider to the last byte of its answer",
    ),
    (
        "gen_ai.client.operation.time_to_first_chunk",
        "s",
        SECONDS,
        "Time from sending a request to a provider to the first of its streamed answer",
    ),
    (
        "gen_ai.client.token.usage",
        "{token}",
        TOKENS,
        "Tokens of a call as the provider told; input includes what was read from its cache",
    ),
    ("gen_ai.server.request.duration", "s", SECONDS, "Time of a call as its client sees it"),
    (
        "gen_ai.server.time_per_output_token",
        "s",
        EACH,
        "Time per output token after the first bytes of a streamed answer that was complete",
    ),
    (
        "gen_ai.server.time_to_first_token",
        "s",
        FIRST,
        "Time to the first bytes of a streamed answer that was complete, as its client sees it",
    ),
];

type Attributes = Vec<(&'static str, String)>;

/// What was observed.
#[derive(Debug, Default)]
pub(super) struct Conventions {
    series: BTreeMap<(usize, Attributes), Distribution>,
}

#[derive(Debug)]
struct Distribution {
    counts: Vec<u64>,
    sum: f64,
}

impl Conventions {
    /// Takes in a call that is over; `provider` and `model` are labels.
    pub(super) fn count(&mut self, begun: &Begun, ended: &Ended, (provider, model): (&str, &str)) {
        let mut place = vec![("gen_ai.operation.name", span::operation(begun.operation).to_owned())];
        if ended.provider.is_some() {
            let vendor = if provider == "other" { provider } else { span::vendor(begun.kind, provider) };
            place.push(("gen_ai.provider.name", vendor.to_owned()));
            place.push(("lockgate.provider", provider.to_owned()));
        }
        if ended.model.is_some() {
            place.push(("gen_ai.request.model", model.to_owned()));
        }
        self.attempts(&place, begun, ended);
        self.observe(3, with_error(&place, ended.error), ended.duration.as_secs_f64());
        if let Some(usage) = &ended.usage {
            for (kind, tokens) in [("input", usage.prompt()), ("output", usage.output)] {
                if let Some(tokens) = tokens {
                    let mut labels = place.clone();
                    labels.push(("gen_ai.token.type", kind.to_owned()));
                    self.observe(2, labels, tokens as f64);
                }
            }
        }
        if let Some(ttft) = ended.ttft.filter(|_| begun.stream && ended.outcome == Outcome::Complete) {
            self.observe(5, place.clone(), ttft.as_secs_f64());
            let more =
                ended.usage.as_ref().and_then(|usage| usage.output).unwrap_or_default().saturating_sub(1);
            if more > 0 {
                let rest = ended.duration.saturating_sub(ttft).as_secs_f64();
                self.observe(4, place, rest / more as f64);
            }
        }
    }

    fn attempts(&mut self, place: &Attributes, begun: &Begun, ended: &Ended) {
        let last = ended.attempts.len();
        for (number, attempt) in (1..).zip(&ended.attempts) {
            let (end, error) = match attempt.failed {
                Some((at, error, _)) => (at, Some(error)),
                None => (ended.duration, ended.error),
            };
            let time = |to: Duration| to.saturating_sub(attempt.after).as_secs_f64();
            self.observe(0, with_error(place, error), time(end));
            if let Some(ttft) =
                ended.ttft.filter(|_| begun.stream && number == last && attempt.failed.is_none())
            {
                self.observe(1, place.clone(), time(ttft));
            }
        }
    }

    fn observe(&mut self, instrument: usize, attributes: Attributes, value: f64) {
        let bounds = INSTRUMENTS[instrument].2;
        let of_none = || Distribution { counts: vec![0; bounds.len() + 1], sum: 0.0 };
        let distribution = self.series.entry((instrument, attributes)).or_insert_with(of_none);
        distribution.counts[bounds.partition_point(|bound| *bound < value)] += 1;
        distribution.sum += value;
    }

    /// All of it, from `start` to `now` in nanoseconds since 1970.
    pub(super) fn export(&self, start: u64, now: u64) -> Vec<proto::Metric> {
        let mut metrics: Vec<proto::Metric> = Vec::new();
        for (at, (name, unit, bounds, words)) in INSTRUMENTS.into_iter().enumerate() {
            let series = self.series.range((at, Vec::new())..(at + 1, Vec::new()));
            let point = |((_, attributes), told): (&(usize, Attributes), &Distribution)| HistogramPoint {
                attributes: attributes.iter().map(|(key, value)| attribute(key, value.as_str())).collect(),
                bucket_counts: told.counts.clone(),
                count: told.counts.iter().sum(),
                explicit_bounds: bounds.to_vec(),
                start_time_unix_nano: start,
                sum: Some(told.sum),
                time_unix_nano: now,
            };
            let data_points: Vec<_> = series.map(point).collect();
            if !data_points.is_empty() {
                let histogram = proto::Histogram { aggregation_temporality: CUMULATIVE, data_points };
                metrics.push(proto::Metric {
                    data: Some(Data::Histogram(histogram)),
                    description: words.to_owned(),
                    name: name.to_owned(),
                    unit: unit.to_owned(),
                });
            }
        }
        metrics
    }
}

fn with_error(place: &Attributes, error: Option<&'static str>) -> Attributes {
    let mut labels = place.clone();
    labels.extend(error.map(|error| ("error.type", error.to_owned())));
    labels
}
