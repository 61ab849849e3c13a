//! Counts calls beforehand: for each marked slot, what its calls add up to, by everything that calls are told apart by.
//!
//! A slot is always counted anew, from its calls; what it was counted as before goes. Short transactions, so that nobody waits long for the
//! writer of SQLite.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use lockgate_store::stats::zone::{SLOT_US, slot_of};
use lockgate_store::stats::{Clock, Dimension, Measure, Rolled, Slice, Sums};

use super::source::{Ask, Cut, Found, Source, found, statement};
use crate::Database;
use crate::columns::json;
use crate::driver::{Flavour, Sql, Tx, Value};
use crate::fault::Fault;
use crate::insert::{Into, insert};

/// Slots that one transaction counts: neighbours, so that one range of calls is read.
const SLOTS: i64 = 4;

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
            let slots = marked(&mut tx, slot_of(until_us)).await?;
            if slots.is_empty() {
                return Ok(Rolled { more: false, ..rolled });
            }
            count(&mut tx, &slots).await?;
            tx.commit().await?;
            rolled.slots += slots.len() as u64;
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

/// The latest marked slots before one, at most [`SLOTS`] apart.
async fn marked(tx: &mut Tx, until: i64) -> Result<BTreeSet<i64>, Fault> {
    let mut sql = Sql::new("SELECT max(slot) FROM stat_marks WHERE slot < ");
    let row = tx.row(sql.arg(until).take()).await?;
    let Some(last) = row.map_or(Ok(None), |row| row.reader().int_or_none())? else {
        return Ok(BTreeSet::new());
    };
    let mut sql = Sql::new("SELECT DISTINCT slot FROM stat_marks WHERE slot > ");
    sql.arg(last - SLOTS).add(" AND slot <= ").arg(last);
    tx.rows(sql).await?.iter().map(|row| row.reader().int()).collect()
}

async fn count(tx: &mut Tx, slots: &BTreeSet<i64>) -> Result<(), Fault> {
    // First the marks, then the calls: see the head of `stats`.
    let mut sql = Sql::new("DELETE FROM stat_marks WHERE slot IN (");
    tx.run(sql.args(slots.iter().copied()).add(")").take()).await?;
    let mut rows = Vec::new();
    for slot in slots {
        rows.extend(calls_of_slot(tx, *slot).await?);
    }
    let groups = groups(tx, &rows).await?;
    let before = clear(tx, slots).await?;
    let mut values = Vec::with_capacity(rows.len());
    for row in &rows {
        values.push(slot_row(row, groups[&name(row)?])?);
    }
    let columns = columns();
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    insert(tx, &Into { columns: &columns, shapes: &[], table: "stat_slots", then: "" }, values).await?;
    let now: BTreeSet<_> = groups.into_values().collect();
    sweep(tx, &before.difference(&now).copied().collect::<Vec<_>>()).await
}

async fn calls_of_slot(tx: &mut Tx, slot: i64) -> Result<Vec<Found>, Fault> {
    let source = Source::Calls(slot * SLOT_US..(slot + 1) * SLOT_US);
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

/// Deletes what slots were counted as; the groups that they were counted in.
async fn clear(tx: &mut Tx, slots: &BTreeSet<i64>) -> Result<BTreeSet<i64>, Fault> {
    let mut sql = Sql::new("DELETE FROM stat_slots WHERE slot IN (");
    let rows = tx.rows(sql.args(slots.iter().copied()).add(") RETURNING stat_group").take()).await?;
    rows.iter().map(|row| row.reader().int()).collect()
}

/// A group as text: the values in the order of [`GROUP`].
fn name(row: &Found) -> Result<String, Fault> {
    json(&row.group)
}

/// The numbers of groups, by their text. New ones are made.
async fn groups(tx: &mut Tx, rows: &[Found]) -> Result<BTreeMap<String, i64>, Fault> {
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

/// The columns of `stat_slots`, in the order of [`slot_row`].
fn columns() -> Vec<String> {
    let mut columns: Vec<String> = ["slot", "stat_group", "session"].map(str::to_owned).to_vec();
    columns.extend(SUMS.iter().map(|(_, column)| (*column).to_owned()));
    for clock in Clock::ALL {
        columns
            .extend(["sum", "least", "greatest", "sketch"].map(|part| format!("{}_{part}", clock.as_str())));
    }
    columns
}

fn slot_row(row: &Found, group: i64) -> Result<Vec<Value>, Fault> {
    let number = |number: u64| {
        i64::try_from(number).map_err(|_| Fault::damaged("a time is larger than can be stored"))
    };
    let sums: &Sums = &row.sums;
    let mut values: Vec<Value> = vec![row.number.into(), group.into(), row.session.into()];
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
        tx.run(sql).await?;
    }
    Ok(())
}
