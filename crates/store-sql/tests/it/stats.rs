//! Statistics: what databases answer is what comes out when every call is looked at, whatever was counted beforehand, late, or deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lockgate_store::stats::zone::{Axis, slot_of};
use lockgate_store::stats::{
    Bucket, Cell, Clock, Dimension, Measure, Metric, Place, Query, Slice, Stats, Sums, Table, Zone,
};
use lockgate_store::{
    Call, CallError, Calls, Extent, Filter, Limit, Outcome, Page, PageRequest, Purge, Record, Records,
    Selection,
};
use lockgate_store_sql::Database;

use crate::agreement::Numbers;
use crate::sample::{DAY, SECOND, of, plain};

/// Far enough for every round of counting.
pub(crate) const LONG: Duration = Duration::from_mins(1);

const PEOPLE: [&str; 3] = ["ann", "ben", "cat"];
const MODELS: [&str; 3] = ["haiku", "opus", "sonnet"];
const ZONES: [&str; 4] = ["America/New_York", "Asia/Kathmandu", "Asia/Kolkata", "UTC"];

/// The nth call: somewhere in three weeks, over the change of clocks in New York.
pub(crate) fn record(numbers: &mut Numbers, nth: u64) -> Record {
    let session = numbers.below(12);
    let mut record = if session < 3 { plain(nth) } else { of(&format!("s{session}"), nth) };
    let call = &mut record.call;
    call.timing.started_us =
        DAY + 36 * 86_400 * SECOND + numbers.int(21 * 86_400) * SECOND + numbers.int(SECOND as u64);
    call.timing.queue_us = (numbers.below(4) != 0).then(|| numbers.int(900));
    call.timing.ttft_us = (numbers.below(4) != 0).then(|| numbers.int(3_000_000));
    call.timing.total_us = (numbers.below(8) != 0).then(|| 1_000 + numbers.int(90_000_000));
    call.principal.user = numbers.maybe(&PEOPLE);
    call.principal.key = numbers.maybe(&PEOPLE);
    call.principal.project = numbers.maybe(&PEOPLE);
    call.client.name = numbers.maybe(&["claude-code", "codex"]);
    call.route.resolved_model = numbers.maybe(&MODELS);
    call.route.provider = numbers.maybe(&["anthropic", "openai"]);
    call.cost_nano = (numbers.below(3) != 0).then(|| numbers.int(5_000_000));
    call.intervened = numbers.below(5) == 0;
    call.outcome = Outcome::ALL[numbers.below(4) as usize];
    call.status = (numbers.below(6) != 0).then(|| 200 + numbers.below(4) as u16 * 101);
    call.stop_reason = numbers.maybe(&["end_turn", "tool_use"]);
    if call.outcome == Outcome::Failed {
        let kind = numbers.pick(&["overloaded", "timeout"]).to_owned();
        call.error = Some(CallError { kind, message: String::new() });
    }
    for tokens in [
        &mut call.usage.input_uncached,
        &mut call.usage.cache_read,
        &mut call.usage.cache_write_5m,
        &mut call.usage.cache_write_1h,
        &mut call.usage.output,
        &mut call.usage.output_reasoning,
    ] {
        *tokens = (numbers.below(2) == 0).then(|| numbers.below(10_000));
    }
    call.usage.estimated = numbers.below(7) == 0;
    record
}

fn value(call: &Call, dimension: Dimension) -> Option<String> {
    match dimension {
        Dimension::Client => call.client.name.clone(),
        Dimension::DataClass => call.principal.data_class.map(|class| class.as_str().to_owned()),
        Dimension::Error => call.error.as_ref().map(|error| error.kind.clone()),
        Dimension::Key => call.principal.key.clone(),
        Dimension::Model => call.route.resolved_model.clone(),
        Dimension::Outcome => Some(call.outcome.as_str().to_owned()),
        Dimension::Priced => Some(if call.cost_nano.is_some() { "yes" } else { "no" }.to_owned()),
        Dimension::Project => call.principal.project.clone(),
        Dimension::Provider => call.route.provider.clone(),
        Dimension::Session => call.lineage.session.as_ref().map(|session| session.id.clone()),
        Dimension::Status => call.status.map(|status| format!("{}xx", status / 100)),
        Dimension::Stop => call.stop_reason.clone(),
        Dimension::User => call.principal.user.clone(),
    }
}

fn add(sums: &mut Sums, call: &Call) {
    let tokens = |number: Option<u64>| i64::try_from(number.unwrap_or(0)).unwrap();
    let usage = &call.usage;
    let outcome = match call.outcome {
        Outcome::Aborted => Measure::Aborted,
        Outcome::Complete => Measure::Complete,
        Outcome::Failed => Measure::Failed,
        Outcome::Interrupted => Measure::Interrupted,
    };
    for (measure, number) in [
        (outcome, 1),
        (Measure::Calls, 1),
        (Measure::CacheRead, tokens(usage.cache_read)),
        (Measure::CacheWrite, tokens(usage.cache_write_5m) + tokens(usage.cache_write_1h)),
        (Measure::Cost, call.cost_nano.unwrap_or(0)),
        (Measure::Estimated, i64::from(usage.estimated)),
        (Measure::InputUncached, tokens(usage.input_uncached)),
        (Measure::Intervened, i64::from(call.intervened)),
        (Measure::Output, tokens(usage.output)),
        (Measure::Reasoning, tokens(usage.output_reasoning)),
        (Measure::Unmetered, i64::from(usage.input_uncached.is_none() && usage.output.is_none())),
        (Measure::Unpriced, i64::from(call.cost_nano.is_none())),
    ] {
        sums.add(measure, number);
    }
    let timing = &call.timing;
    for (clock, time) in
        [(Clock::Queue, timing.queue_us), (Clock::Total, timing.total_us), (Clock::Ttft, timing.ttft_us)]
    {
        if let Some(time) = time {
            sums.clock_mut(clock).add(time as u64);
        }
    }
    if let Some(session) = &call.lineage.session {
        let number = session.id[1..].parse().unwrap();
        *sums.sessions.entry(number).or_default() += call.cost_nano.unwrap_or(0);
    }
}

/// The answer, by looking at every call.
pub(crate) fn expected(calls: &[Call], query: &Query) -> Table {
    let mut sums: BTreeMap<Place, Sums> = BTreeMap::new();
    let slice = query.about();
    let holds = |call: &&Call| {
        let at_us = call.timing.started_us;
        slice.as_ref().is_some_and(|slice| {
            slice.from_us.is_none_or(|from| at_us >= from)
                && slice.to_us.is_none_or(|to| at_us < to)
                && slice.values.iter().all(|(dimension, wanted)| value(call, *dimension) == *wanted)
        })
    };
    for call in calls.iter().filter(holds) {
        let slot = slot_of(call.timing.started_us);
        let span = query.bucket.map(|bucket| {
            let axis = Axis::new(&query.zone, bucket, slot - 200..slot + 200);
            axis.bucket(axis.number(slot))
        });
        let group = query.by.iter().map(|dimension| value(call, *dimension)).collect();
        add(sums.entry((span, group)).or_default(), call);
    }
    Table::of(query, sums)
}

/// Some question.
fn question(numbers: &mut Numbers) -> Query {
    let mut query = Query::of(Metric::ALL[numbers.below(Metric::ALL.len() as u64) as usize]);
    let dimension =
        |numbers: &mut Numbers| Dimension::ALL[numbers.below(Dimension::ALL.len() as u64) as usize];
    if numbers.below(2) == 0 {
        query.by =
            (0..numbers.below(3)).map(|_| dimension(numbers)).collect::<BTreeSet<_>>().into_iter().collect();
    }
    if numbers.below(2) == 0 {
        query.bucket = Some(Bucket::ALL[numbers.below(4) as usize]);
    }
    query.zone = Zone::of(numbers.pick(&ZONES)).unwrap();
    let mut slice = Slice::default();
    for _ in 0..numbers.below(3) {
        let at = |numbers: &mut Numbers| {
            DAY + (34 + numbers.int(24)) * 86_400 * SECOND + numbers.int(80_000) * SECOND
        };
        let maybe = |numbers: &mut Numbers, values: &[&str]| {
            (numbers.below(4) != 0).then(|| numbers.pick(values).to_owned())
        };
        let (dimension, values): (_, &[&str]) = match numbers.below(10) {
            0 => {
                slice.from_us = Some(at(numbers));
                continue;
            }
            1 => {
                slice.to_us = Some(at(numbers));
                continue;
            }
            2 => (Dimension::User, &PEOPLE),
            3 => (Dimension::Key, &PEOPLE),
            4 => (Dimension::Model, &MODELS),
            5 => (Dimension::Provider, &["anthropic", "openai", "none such"]),
            6 => (Dimension::Outcome, &["failed", "complete"]),
            7 => (Dimension::Session, &["s4", "s5", "none such"]),
            8 => (Dimension::Status, &["2xx", "5xx"]),
            _ => (Dimension::Error, &["timeout"]),
        };
        slice.values.insert(dimension, maybe(numbers, values));
    }
    query.slice = slice;
    query
}

/// The same numbers of the same calls; rows with as many calls may stand in either order.
fn assert_same(found: &Table, expected: &Table, what: &str) {
    let sorted = |table: &Table| {
        let mut rows: Vec<_> = table.rows.iter().map(|row| format!("{row:?}")).collect();
        rows.sort();
        rows
    };
    assert_eq!(sorted(found), sorted(expected), "{what}");
    assert_eq!(found.total, expected.total, "{what}");
}

async fn agrees(store: &Database, calls: &[Call], numbers: &mut Numbers, state: &str) {
    for metric in Metric::ALL {
        let query = Query::of(*metric);
        assert_same(
            &store.query(&query).await.unwrap(),
            &expected(calls, &query),
            &format!("{state}: {query:?}"),
        );
    }
    for _ in 0..60 {
        let query = question(numbers);
        assert_same(
            &store.query(&query).await.unwrap(),
            &expected(calls, &query),
            &format!("{state}: {query:?}"),
        );
    }
}

/// Every call that is stored.
pub(crate) async fn every_call(store: &Database) -> Vec<Call> {
    let mut page = PageRequest { after: None, limit: Limit::of(500) };
    let mut all = Vec::new();
    loop {
        let Page { items, next } = store.list(&Filter::default(), &page).await.unwrap();
        all.extend(items);
        match next {
            None => return all,
            next => page.after = next,
        }
    }
}

/// 004-20: in every state of counting, whatever is asked: the numbers are those of the calls.
pub(crate) async fn answers_are_those_of_the_calls_whatever_was_counted_beforehand(store: &Database) {
    let mut numbers = Numbers(11);
    let empty = store.query(&Query::of(Metric::Summary)).await.unwrap();
    assert!(empty.rows.is_empty() && empty.total.cells[0] == Cell::Whole(0));
    let records: Vec<_> = (0..500).map(|nth| record(&mut numbers, nth)).collect();
    store.write(&records[..400]).await.unwrap();
    agrees(store, &every_call(store).await, &mut numbers, "nothing is counted").await;
    let half = DAY + 46 * 86_400 * SECOND;
    let rolled = store.roll(half, LONG).await.unwrap();
    assert!(rolled.slots > 50 && !rolled.more, "{rolled:?}");
    agrees(store, &every_call(store).await, &mut numbers, "half is counted").await;
    assert!(store.roll(i64::MAX, Duration::ZERO).await.unwrap().more, "no time for all");
    while store.roll(i64::MAX, Duration::ZERO).await.unwrap().more {}
    agrees(store, &every_call(store).await, &mut numbers, "all is counted").await;
    assert_eq!(store.roll(i64::MAX, LONG).await.unwrap().slots, 0);
    // Calls that were kept back while the database was away.
    store.write(&records[380..]).await.unwrap();
    agrees(store, &every_call(store).await, &mut numbers, "some came late").await;
    store.roll(i64::MAX, LONG).await.unwrap();
    agrees(store, &every_call(store).await, &mut numbers, "and were counted").await;
    let ann = Selection::User("ann".to_owned());
    assert!(store.purge(&ann, Extent::Everything, false).await.unwrap().calls > 20);
    agrees(store, &every_call(store).await, &mut numbers, "some are deleted").await;
    store.roll(i64::MAX, LONG).await.unwrap();
    agrees(store, &every_call(store).await, &mut numbers, "and no longer counted").await;
}

/// 004-20, 004-37: whatever calls are split by, the rows add up to the total, and every number leads to its calls.
pub(crate) async fn rows_add_up_and_lead_to_their_calls(store: &Database) {
    let mut numbers = Numbers(5);
    let records: Vec<_> = (0..300).map(|nth| record(&mut numbers, nth)).collect();
    store.write(&records).await.unwrap();
    store.roll(DAY + 48 * 86_400 * SECOND, LONG).await.unwrap();
    let whole = store.query(&Query { by: Vec::new(), ..Query::of(Metric::Summary) }).await.unwrap();
    for dimension in Dimension::ALL {
        for bucket in [None, Some(Bucket::Day)] {
            let zone = Zone::of("America/New_York").unwrap();
            let query = Query { bucket, by: vec![*dimension], zone, ..Query::of(Metric::Summary) };
            let table = store.query(&query).await.unwrap();
            assert_eq!(table.total.cells, whole.total.cells, "{dimension:?}");
            for (nth, column) in table.columns.iter().enumerate().filter(|(_, column)| column.additive) {
                let number = |cell: &Cell| match cell {
                    Cell::Whole(number) => *number,
                    // Of none of the row's calls is it known.
                    Cell::Nothing if column.name == "cost_nano" => 0,
                    Cell::Nothing | Cell::Ratio(_) => panic!("{} is no sum", column.name),
                };
                let sum: i64 = table.rows.iter().map(|row| number(&row.cells[nth])).sum();
                assert_eq!(sum, number(&whole.total.cells[nth]), "{} by {dimension:?}", column.name);
            }
        }
    }
    for metric in Metric::ALL {
        let table = store.query(&Query { bucket: Some(Bucket::Week), ..Query::of(*metric) }).await.unwrap();
        for row in table.rows.iter().chain([&table.total]) {
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                let mut slice = row.slice.clone();
                match column.narrows {
                    Some((dimension, value)) => slice = slice.with(dimension, Some(value)),
                    None if column.name != "calls" => continue,
                    None => {}
                }
                let page = PageRequest { after: None, limit: Limit::of(500) };
                let calls = store.calls_of(&slice, &page).await.unwrap();
                let found = i64::try_from(calls.items.len()).unwrap();
                if column.unit == "calls" {
                    assert_eq!(*cell, Cell::Whole(found), "{metric:?} {} of {:?}", column.name, row.slice);
                } else {
                    let cost: i64 = calls.items.iter().filter_map(|call| call.cost_nano).sum();
                    let mean = if found == 0 { Cell::Nothing } else { Cell::Whole(cost / found) };
                    let expected = if column.additive && found > 0 { Cell::Whole(cost) } else { mean };
                    assert_eq!(*cell, expected, "{metric:?} {}", column.name);
                }
            }
        }
    }
}

/// 004-20: percentiles are within 1 % of the exact ones, also where they come from many quarters of an hour.
pub(crate) async fn percentiles_are_within_one_percent(store: &Database) {
    let mut numbers = Numbers(3);
    let records: Vec<_> = (0..400).map(|nth| record(&mut numbers, nth)).collect();
    store.write(&records).await.unwrap();
    store.roll(DAY + 50 * 86_400 * SECOND, LONG).await.unwrap();
    let mut times: Vec<_> = records.iter().filter_map(|record| record.call.timing.total_us).collect();
    times.sort_unstable();
    let table = store.query(&Query::of(Metric::Latency)).await.unwrap();
    for (name, permille) in [("p50", 500), ("p90", 900), ("p95", 950), ("p99", 990)] {
        let at = table.columns.iter().position(|column| column.name == format!("total_{name}_us")).unwrap();
        let Cell::Whole(told) = table.total.cells[at] else { panic!("{name} is not known") };
        let exact = times[(times.len() * permille).div_ceil(1_000) - 1];
        assert!((told - exact).abs() * 100 <= exact, "{name}: {told} for {exact}");
    }
    let at = table.columns.iter().position(|column| column.name == "total_max_us").unwrap();
    assert_eq!(table.total.cells[at], Cell::Whole(times[times.len() - 1]));
}
