//! Counts calls beforehand: for each marked slot, what its calls add up to, by everything that calls are told apart by.
//!
//! An hour is always counted anew, slot by slot, from its calls; what it was counted as before goes. A transaction for each hour, so that nobody waits
//! long for the writer of SQLite.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::{Duration, Instant};

use lockgate_store::stats::zone::{SLOT_US, slot_of};
use lockgate_store::stats::{Clock, Dimension, Measure, Rolled, Slice, Sums};

use super::source::{Ask, Cut, Found, HOUR, Source, found, is_personal, statement};
use crate::Database;
use crate::columns::json;
use crate::driver::{Flavour, Sql, Tx, Value};
use crate::fault::Fault;
use crate::insert::{Into, insert};

/// Groups that one statement asks for.
const GROUPS: usize = 400;

/// The number under which PostgreSQL keeps a second round away ("locstats" in ASCII).
const LOCK: i64 = 0x6c6f_6373_7461_7473;

/// The dimensions of a group, and their columns in `stat_groups`.
const GROUP: [(Dimension, &str); 11] = [
    (Dimension::Client, "client"),
    (Dimension::Error, "error"),
    (Dimension::Key, "key_name"),
    (Dimension::Model, "model"),
    (Dimension::Outcome, "outcome"),
    (Dimension::Priced, "priced"),
    (Dimension::Project, "project"),
    (Dimension::Provider, "provider"),
    (Dimension::Status, "status"),
    (Dimension::Stop, "stop"),
    (Dimension::User, "user_name"),
];

/// What is added up in `stat_slots`, and where.
const SUMS: [(Measure, &str); 10] = [
    (Measure::CacheRead, "cache_read"),
    (Measure::CacheWrite, "cache_write"),
    (Measure::Calls, "calls"),
    (Measure::Cost, "cost_nano"),
    (Measure::Estimated, "estimated"),
    (Measure::InputUncached, "input_uncached"),
    (Measure::Intervened, "intervened"),
    (Measure::Output, "output"),
    (Measure::Reasoning, "reasoning"),
    (Measure::Unmetered, "unmetered"),
];

impl Database {
    pub(super) async fn roll_slots(&self, until_us: i64, budget: Duration) -> Result<Rolled, Fault> {
        let begun = Instant::now();
        let mut rolled = Rolled::default();
        loop {
            let mut tx = self.writers.write().await?;
            if !alone(&mut tx).await? {
                return Ok(rolled);
            }
            let until = slot_of(until_us);
            let Some(hour) = marked(&mut tx, until).await? else {
                return Ok(Rolled { more: false, ..rolled });
            };
            rolled.slots += count(&mut tx, hour, until).await?;
            tx.commit().await?;
            rolled.more = true;
            if begun.elapsed() >= budget {
                return Ok(rolled);
            }
        }
    }
}

/// Whether no other process is counting. On SQLite there is one writer.
async fn alone(tx: &mut Tx) -> Result<bool, Fault> {
    if tx.flavour() == Flavour::Sqlite {
        return Ok(true);
    }
    let mut sql = Sql::new("SELECT CASE WHEN pg_try_advisory_xact_lock(");
    sql.arg(LOCK).add(") THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END");
    tx.row(sql).await?.map_or(Ok(false), |row| row.reader().is())
}

/// The latest hour that has a marked slot before `until`.
async fn marked(tx: &mut Tx, until: i64) -> Result<Option<i64>, Fault> {
    let mut sql = Sql::new("SELECT max(slot) FROM stat_marks WHERE slot < ");
    let row = tx.row(sql.arg(until).take()).await?;
    let last = row.map_or(Ok(None), |row| row.reader().int_or_none())?;
    Ok(last.map(|slot| slot.div_euclid(HOUR)))
}

/// Counts an hour; how many of its slots were marked. A slot from `until` on keeps its mark.
async fn count(tx: &mut Tx, hour: i64, until: i64) -> Result<u64, Fault> {
    let slots = hour * HOUR..(hour + 1) * HOUR;
    // First the marks, then the calls: see the head of `stats`.
    let mut sql = Sql::new("DELETE FROM stat_marks WHERE slot >= ");
    sql.arg(slots.start).add(" AND slot < ").arg(slots.end.min(until)).add(" RETURNING slot");
    let marks = tx.rows(sql).await?;
    let marks = marks.iter().map(|row| row.reader().int()).collect::<Result<BTreeSet<_>, _>>()?;
    let rows = calls_of(tx, slots.clone()).await?;
    let coarse = without_people(&rows, hour);
    let groups = groups(tx, rows.iter().chain(&coarse)).await?;
    let mut before = clear(tx, "stat_slots", "slot", slots).await?;
    before.extend(clear(tx, "stat_hours", "hour", hour..hour + 1).await?);
    for (table, key, rows) in [
        ("stat_slots", &["slot", "stat_group", "session"][..], &rows),
        ("stat_hours", &["hour", "stat_group"], &coarse),
    ] {
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            let keys = [row.number, groups[&name(row)?], row.session];
            values.push(values_of(&keys[..key.len()], &row.sums)?);
        }
        let columns = columns(key);
        let columns: Vec<_> = columns.iter().map(String::as_str).collect();
        insert(tx, &Into { columns: &columns, shapes: &[], table, then: "" }, values).await?;
    }
    let now: BTreeSet<_> = groups.into_values().collect();
    sweep(tx, &before.difference(&now).copied().collect::<Vec<_>>()).await?;
    Ok(marks.len() as u64)
}

async fn calls_of(tx: &mut Tx, slots: Range<i64>) -> Result<Vec<Found>, Fault> {
    let source = Source::Calls(slots.start * SLOT_US..slots.end * SLOT_US);
    let measures: Vec<_> = SUMS.iter().map(|(measure, _)| *measure).collect();
    let slice = Slice::default();
    let ask = Ask {
        by: &GROUP.map(|(dimension, _)| dimension),
        clocks: Clock::ALL,
        cut: Cut::Slot,
        measures: &measures,
        sessions: true,
        slice: &slice,
    };
    let rows = tx.rows(statement(tx.flavour(), &source, &ask)).await?;
    rows.iter().map(|row| found(row, &source, &ask)).collect()
}

/// The rows of an hour, with nothing said of people.
fn without_people(rows: &[Found], hour: i64) -> Vec<Found> {
    let mut coarse: BTreeMap<Vec<Option<String>>, Sums> = BTreeMap::new();
    for row in rows {
        let known =
            |(value, (dimension, _)): (&Option<String>, _)| value.clone().filter(|_| !is_personal(dimension));
        coarse.entry(row.group.iter().zip(GROUP).map(known).collect()).or_default().merge(&row.sums);
    }
    coarse.into_iter().map(|(group, sums)| Found { group, number: hour, session: 0, sums }).collect()
}

/// Deletes what was counted; the groups that it was counted in.
async fn clear(tx: &mut Tx, table: &str, column: &str, range: Range<i64>) -> Result<BTreeSet<i64>, Fault> {
    let mut sql = Sql::new("DELETE FROM ");
    sql.add(table).add(" WHERE ").add(column).add(" >= ").arg(range.start);
    sql.add(" AND ").add(column).add(" < ").arg(range.end).add(" RETURNING stat_group");
    tx.rows(sql).await?.iter().map(|row| row.reader().int()).collect()
}

/// A group as text: the values in the order of [`GROUP`].
fn name(row: &Found) -> Result<String, Fault> {
    json(&row.group)
}

/// The numbers of groups, by their text. New ones are made.
async fn groups(tx: &mut Tx, rows: impl Iterator<Item = &Found>) -> Result<BTreeMap<String, i64>, Fault> {
    let mut wanted = BTreeMap::new();
    for row in rows {
        wanted.insert(name(row)?, &row.group);
    }
    let names: Vec<_> = wanted.keys().cloned().collect();
    let mut known = BTreeMap::new();
    for some in names.chunks(GROUPS) {
        let mut sql = Sql::new("SELECT seq, name FROM stat_groups WHERE name IN (");
        for row in tx.rows(sql.args(some.iter().map(String::as_str)).add(")").take()).await? {
            let mut from = row.reader();
            let seq = from.int()?;
            known.insert(from.text()?, seq);
        }
    }
    wanted.retain(|name, _| !known.contains_key(name));
    let values = wanted.into_iter().map(|(name, group)| {
        std::iter::once(Value::from(name.as_str())).chain(group.iter().map(Value::from)).collect()
    });
    let columns: Vec<_> = std::iter::once("name").chain(GROUP.map(|(_, column)| column)).collect();
    let into = Into { columns: &columns, shapes: &[], table: "stat_groups", then: "RETURNING seq, name" };
    for row in insert(tx, &into, values.collect()).await? {
        let mut from = row.reader();
        let seq = from.int()?;
        known.insert(from.text()?, seq);
    }
    Ok(known)
}

/// The columns, in the order of [`values_of`].
fn columns(key: &[&str]) -> Vec<String> {
    let mut columns: Vec<String> = key.iter().map(|column| (*column).to_owned()).collect();
    columns.extend(SUMS.iter().map(|(_, column)| (*column).to_owned()));
    for clock in Clock::ALL {
        columns
            .extend(["sum", "least", "greatest", "sketch"].map(|part| format!("{}_{part}", clock.as_str())));
    }
    columns
}

fn values_of(key: &[i64], sums: &Sums) -> Result<Vec<Value>, Fault> {
    let number = |number: u64| {
        i64::try_from(number).map_err(|_| Fault::damaged("a time is larger than can be stored"))
    };
    let mut values: Vec<Value> = key.iter().map(|number| Value::from(*number)).collect();
    values.extend(SUMS.iter().map(|(measure, _)| Value::from(sums.of(*measure))));
    for clock in Clock::ALL {
        let sketch = sums.clock(*clock);
        let text = (sketch.count() > 0).then(|| sketch.text());
        values.push(number(sketch.sum())?.into());
        values.push(sketch.least().map(number).transpose()?.into());
        values.push(sketch.greatest().map(number).transpose()?.into());
        values.push(text.as_deref().into());
    }
    Ok(values)
}

/// Groups that nothing is counted in any more: a user that was deleted leaves no name behind.
async fn sweep(tx: &mut Tx, groups: &[i64]) -> Result<(), Fault> {
    for some in groups.chunks(GROUPS) {
        let mut sql = Sql::new("DELETE FROM stat_groups WHERE seq IN (");
        sql.args(some.iter().copied());
        sql.add(") AND NOT EXISTS (SELECT 1 FROM stat_slots h WHERE h.stat_group = stat_groups.seq)");
        sql.add(" AND NOT EXISTS (SELECT 1 FROM stat_hours h WHERE h.stat_group = stat_groups.seq)");
        tx.run(sql).await?;
    }
    Ok(())
}
