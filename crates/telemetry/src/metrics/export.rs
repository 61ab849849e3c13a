//! Metrics as the messages of OTLP: what `/metrics` tells, read back from its text, so that neither can tell what the other does not.

use std::collections::BTreeMap;

use super::{Described, METRICS};
use crate::proto::{
    CUMULATIVE, Data, Gauge, Histogram, HistogramPoint, KeyValue, Metric, Number, Point, Sum, attribute,
};

type Labels = Vec<(String, String)>;

/// A line of the text.
struct Sample<'a> {
    labels: Labels,
    name: &'a str,
    value: &'a str,
}

/// Everything in a text of `OpenMetrics`, from `start` to `now` in nanoseconds since 1970. Names stay as they are.
pub(super) fn read(text: &str, start: u64, now: u64) -> Vec<Metric> {
    let mut by_name: BTreeMap<&str, Vec<Sample<'_>>> = BTreeMap::new();
    for sample in text.lines().filter_map(sample) {
        by_name.entry(sample.name).or_default().push(sample);
    }
    let mut metrics = Vec::with_capacity(METRICS.len());
    for Described { help, kind, name, .. } in METRICS {
        let data = if kind == "histogram" {
            let data_points = histograms(&by_name, name, start, now);
            let some = !data_points.is_empty();
            some.then_some(Data::Histogram(Histogram { aggregation_temporality: CUMULATIVE, data_points }))
        } else {
            by_name.remove(name).map(|samples| {
                let counter = kind == "counter";
                let data_points =
                    samples.into_iter().map(|sample| point(sample, counter, start, now)).collect();
                if counter {
                    let aggregation_temporality = CUMULATIVE;
                    Data::Sum(Sum { aggregation_temporality, data_points, is_monotonic: true })
                } else {
                    Data::Gauge(Gauge { data_points })
                }
            })
        };
        if data.is_some() {
            let (name, description) = (name.to_owned(), help.to_owned());
            metrics.push(Metric { data, description, unit: unit(&name).to_owned(), name });
        }
    }
    metrics
}

fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_seconds") {
        "s"
    } else if name.ends_with("_bytes") {
        "By"
    } else {
        ""
    }
}

fn point(sample: Sample<'_>, counter: bool, start: u64, now: u64) -> Point {
    let whole = sample.value.parse().map(Number::Whole);
    Point {
        attributes: attributes(sample.labels),
        start_time_unix_nano: if counter { start } else { 0 },
        time_unix_nano: now,
        value: Some(whole.unwrap_or_else(|_| Number::Float(sample.value.parse().unwrap_or_default()))),
    }
}

/// The points of one histogram; the buckets of the text hold those below them as well.
fn histograms(
    by_name: &BTreeMap<&str, Vec<Sample<'_>>>,
    name: &str,
    start: u64,
    now: u64,
) -> Vec<HistogramPoint> {
    let of = |suffix: &str| by_name.get(format!("{name}{suffix}").as_str()).into_iter().flatten();
    let sums: BTreeMap<&Labels, f64> =
        of("_sum").map(|sample| (&sample.labels, sample.value.parse().unwrap_or_default())).collect();
    let mut buckets: BTreeMap<Labels, Vec<(f64, u64)>> = BTreeMap::new();
    for sample in of("_bucket") {
        let (bound, labels): (Vec<_>, Vec<_>) =
            sample.labels.iter().cloned().partition(|(name, _)| name == "le");
        let bound = bound.first().and_then(|(_, le)| le.parse().ok()).unwrap_or(f64::INFINITY);
        buckets.entry(labels).or_default().push((bound, sample.value.parse().unwrap_or_default()));
    }
    let points = buckets.into_iter().map(|(labels, mut below)| {
        below.sort_by(|one, other| one.0.total_cmp(&other.0));
        let before = std::iter::once(0).chain(below.iter().map(|(_, count)| *count));
        HistogramPoint {
            bucket_counts: below.iter().zip(before).map(|((_, to), from)| to.saturating_sub(from)).collect(),
            count: below.last().map_or(0, |(_, count)| *count),
            explicit_bounds: below
                .iter()
                .map(|(bound, _)| *bound)
                .filter(|bound| bound.is_finite())
                .collect(),
            start_time_unix_nano: start,
            sum: sums.get(&labels).copied(),
            time_unix_nano: now,
            attributes: attributes(labels),
        }
    });
    points.collect()
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    labels.into_iter().map(|(name, value)| attribute(&name, value.as_str())).collect()
}

/// `name{label="value",…} number`; `None` for everything else.
fn sample(line: &str) -> Option<Sample<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, behind) = rest.split_once("=\"")?;
            let (value, behind) = unquoted(behind)?;
            labels.push((label.trim_start_matches(',').to_owned(), value));
            rest = behind;
        }
        rest = &rest[1..];
    }
    Some(Sample { labels, name, value: rest.trim() })
}

/// The text up to the quote, with what is escaped in it, and what is behind the quote.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        match sign {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match signs.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}
