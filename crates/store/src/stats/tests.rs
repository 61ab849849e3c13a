//! Sketches against exact percentiles, time zones against a clock, tables against RFC 4180.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::zone::{Axis, SLOT_US, slot_of};
use super::*;

fn exact(values: &mut [u64], permille: usize) -> u64 {
    values.sort_unstable();
    values[(values.len() * permille).div_ceil(1_000).max(1) - 1]
}

fn of(values: &[u64]) -> Sketch {
    let mut sketch = Sketch::default();
    for value in values {
        sketch.add(*value);
    }
    sketch
}

/// Values of all magnitudes, as durations are.
fn values() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec((0_u32..50, any::<u64>()).prop_map(|(bits, number)| number >> (14 + bits)), 1..300)
}

proptest! {
    /// 004-20: a percentile is at most 1 % off.
    #[test]
    fn a_percentile_is_within_one_percent_of_the_exact_one(mut values in values()) {
        let sketch = of(&values);
        for permille in [1, 100, 500, 900, 950, 990, 1_000] {
            let exact = exact(&mut values, permille);
            let told = sketch.permille(permille as u64).unwrap();
            prop_assert!(told.abs_diff(exact) as f64 <= exact as f64 * 0.01, "{told} for {exact}");
        }
        prop_assert_eq!(sketch.count(), values.len() as u64);
        prop_assert_eq!(sketch.sum(), values.iter().sum::<u64>());
        prop_assert_eq!(sketch.least(), values.first().copied());
        prop_assert_eq!(sketch.greatest(), values.last().copied());
    }

    /// 004-20: however calls are divided, their sketches together are the sketch of all.
    #[test]
    fn sketches_of_parts_join_to_the_sketch_of_all(values in values(), cut in any::<prop::sample::Index>()) {
        let (first, second) = values.split_at(cut.index(values.len()));
        let (all, first, second) = (of(&values), of(first), of(second));
        let mut merged = second.clone();
        merged.merge(&first);
        prop_assert_eq!(merged.permille(500), all.permille(500));
        prop_assert_eq!((merged.count(), merged.sum(), merged.least()), (all.count(), all.sum(), all.least()));
        let mut stored = Sketch::default();
        let mut bytes = Vec::new();
        first.write(&mut bytes);
        second.write(&mut bytes);
        let mut rest = bytes.as_slice();
        Sketch::take(&mut rest, Some(&mut stored)).unwrap();
        Sketch::take(&mut rest, Some(&mut stored)).unwrap();
        prop_assert!(rest.is_empty());
        for permille in [1, 500, 990, 1_000] {
            prop_assert_eq!(stored.permille(permille), all.permille(permille));
        }
        prop_assert_eq!((stored.count(), stored.sum(), stored.least()), (all.count(), all.sum(), all.least()));
        let mut rest = bytes.as_slice();
        Sketch::take(&mut rest, None).unwrap();
        let mut behind = Sketch::default();
        Sketch::take(&mut rest, Some(&mut behind)).unwrap();
        prop_assert_eq!(behind.count(), second.count(), "what is passed over is as long as what is read");
    }

    #[test]
    fn any_bytes_are_a_sketch_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let _ = Sketch::take(&mut bytes.as_slice(), Some(&mut Sketch::default()));
    }
}

#[test]
fn a_sketch_takes_any_number_and_is_small() {
    let sketch = of(&[0, 1, 127, 128, u64::MAX, u64::MAX - 1]);
    assert_eq!(sketch.permille(1), Some(0));
    assert!(sketch.permille(1_000).unwrap() >= u64::MAX / 100 * 99);
    assert_eq!(Sketch::default().permille(500), None);
    let written = |sketch: &Sketch| {
        let mut bytes = Vec::new();
        sketch.write(&mut bytes);
        bytes
    };
    assert_eq!(written(&of(&vec![90_000; 1_000])).len(), 2 + 3 + 1 + 4 + 3);
    assert_eq!(written(&of(&[90_000])).len(), 4);
    assert_eq!(written(&Sketch::default()).len(), 1);
    let whole = written(&of(&[1, 90_000, 90_000, 5_000_000]));
    for cut in 0..whole.len() {
        assert_eq!(Sketch::take(&mut &whole[..cut], None), Err(NoSketch), "{cut}");
    }
    // A bucket that no value has, and more values in a bucket than there are in all.
    for bytes in [&[2, 1, 0, 1, 0xff, 0x7f, 2][..], &[2, 1, 0, 1, 0, 3]] {
        assert_eq!(Sketch::take(&mut &bytes[..], Some(&mut Sketch::default())), Err(NoSketch));
    }
}

const HOUR: i64 = 4;

fn spans(zone: &str, bucket: Bucket, from: &str, to: &str) -> Vec<i64> {
    let slot = |text: &str| slot_of(text.parse::<jiff::Timestamp>().unwrap().as_microsecond());
    let (from, to) = (slot(from), slot(to));
    let axis = Axis::new(&Zone::of(zone).unwrap(), bucket, from..to);
    let mut spans: Vec<Span> = Vec::new();
    for slot in from..to {
        let span = axis.bucket(axis.number(slot));
        assert!(
            (span.from_us..span.to_us).contains(&(slot * SLOT_US)),
            "{zone} {bucket:?}: {slot} in {span:?}"
        );
        if spans.last() != Some(&span) {
            assert!(spans.last().is_none_or(|last| last.to_us <= span.from_us), "{zone}: {spans:?} {span:?}");
            spans.push(span);
        }
    }
    spans.iter().map(|span| (span.to_us - span.from_us) / SLOT_US).collect()
}

/// 004-20: days are those of the zone, 23 and 25 hours long when clocks change.
#[test]
fn days_and_hours_are_those_of_the_zone() {
    let days = |zone, from, to| spans(zone, Bucket::Day, from, to);
    let day = 24 * HOUR;
    assert_eq!(days("Europe/Berlin", "2026-03-27T23:00Z", "2026-03-30T22:00Z"), [day, 23 * HOUR, day]);
    assert_eq!(days("Europe/Berlin", "2026-10-23T22:00Z", "2026-10-26T23:00Z"), [day, 25 * HOUR, day]);
    assert_eq!(days("America/New_York", "2026-11-01T04:00Z", "2026-11-02T05:00Z"), [25 * HOUR]);
    assert_eq!(days("Asia/Kathmandu", "2026-05-01T18:15Z", "2026-05-03T18:15Z"), [day, day]);
    assert_eq!(days("Australia/Lord_Howe", "2026-04-04T13:00Z", "2026-04-05T13:30Z"), [day + 2]);
    // The clock goes from 24:00 to 01:00: the day begins an hour late.
    assert_eq!(days("Africa/Cairo", "2026-04-22T22:00Z", "2026-04-24T21:00Z"), [day, 23 * HOUR]);
    let hours = |zone, from, to| spans(zone, Bucket::Hour, from, to);
    assert_eq!(hours("Europe/Berlin", "2026-10-24T22:00Z", "2026-10-25T23:00Z"), [HOUR; 25]);
    assert_eq!(hours("Asia/Kolkata", "2026-05-01T18:30Z", "2026-05-01T21:30Z"), [HOUR; 3]);
    assert_eq!(hours("Australia/Lord_Howe", "2026-04-04T14:00Z", "2026-04-04T16:30Z"), [HOUR, 2, HOUR]);
    let months = spans("Europe/Berlin", Bucket::Month, "2026-02-28T23:00Z", "2026-04-30T22:00Z");
    assert_eq!(months, [31 * day - HOUR, 30 * day]);
    let weeks = spans("UTC", Bucket::Week, "2026-11-16T00:00Z", "2026-11-30T00:00Z");
    assert_eq!(weeks, [7 * day; 2]);
}

#[test]
fn a_zone_has_a_name_of_the_database_and_is_there_without_the_system() {
    assert_eq!(Zone::of("Europe/Berlin").unwrap().name(), "Europe/Berlin");
    assert_eq!(Zone::default(), Zone::of("UTC").unwrap());
    for name in ["", "Mars/Olympus", "../etc/passwd", "+02:00"] {
        assert!(Zone::of(name).unwrap_err().to_string().contains("IANA"), "{name}");
    }
}

/// 004-21: who asks for an unknown metric is told which there are.
#[test]
fn an_unknown_metric_is_refused_with_the_list() {
    let text = "costs".parse::<Metric>().unwrap_err().to_string();
    for metric in Metric::ALL {
        assert!(text.contains(metric.as_str()) && metric.as_str().parse() == Ok(*metric));
        assert!(metric.figures().contains(&Figure::Calls), "the order of rows needs it");
    }
}

#[test]
fn names_in_csv_are_fields_and_never_formulas() {
    let mut query = Query::of(Metric::Cost);
    query.by = vec![Dimension::User, Dimension::Key];
    let sums = |calls: i64, cost: i64| {
        let mut sums = Sums::default();
        sums.add(Measure::Calls, calls);
        sums.add(Measure::Cost, cost);
        sums
    };
    let text = |text: &str| Some(text.to_owned());
    let rows = BTreeMap::from([
        ((None, vec![text("a \"b\", c"), None]), sums(1, 5)),
        ((None, vec![text("=SUM(A1)"), text("k")]), sums(3, 9)),
    ]);
    let table = Table::of(&query, rows);
    let expected = "user,key,calls,cost_nano,cost_per_call_nano,unpriced\r\n'=SUM(A1),k,3,9,3,0\r\n\"a \"\"b\"\", c\",,1,5,5,0\r\n";
    assert_eq!(table.csv(), expected);
    assert_eq!(table.total.cells[..2], [Cell::Whole(4), Cell::Whole(14)]);
    let slice = Slice::default().with(Dimension::Key, None).with(Dimension::User, Some("a \"b\", c"));
    assert_eq!(table.rows[1].slice, slice);
}
