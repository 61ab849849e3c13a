//! Counts calls beforehand: for each hour with a mark, what its calls add up to, as one pack.
//!
//! An hour is always counted anew, slot by slot, from its calls; what it was counted as before goes. A transaction for each hour, so that nobody waits
//! long for the writer of SQLite.

use std::ops::Range;
use std::time::{Duration, Instant};

use lockgate_store::stats::zone::{SLOT_US, slot_of};
use lockgate_store::stats::{Clock, Rolled, Sums};

use super::calls::{SESSION, SLOT, grouped, read_times, times, total, within};
use super::fact::Fact;
use super::pack::{self, Pack, SUMS};
use super::packs::HOUR;
use crate::Database;
use crate::driver::{Flavour, Row, Sql, Tx, Value};
use crate::fault::Fault;
use crate::insert::{Into, insert};

/// The number under which PostgreSQL keeps a second round away ("locstats" in ASCII).
const LOCK: i64 = 0x6c6f_6373_7461_7473;

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
    let marks =
        marks.iter().map(|row| row.reader().int()).collect::<Result<std::collections::BTreeSet<_>, _>>()?;
    let rows = calls_of(tx, slots).await?;
    tx.run(Sql::new("DELETE FROM stat_packs WHERE hour = ").arg(hour).take()).await?;
    if !rows.is_empty() {
        let Pack { calls, heads, sums, times } = Pack::of(rows);
        let columns = &["hour", "calls", "heads", "sums", "times"];
        let values: Vec<Value> = vec![hour.into(), calls.into(), heads.into(), sums.into(), times.into()];
        insert(tx, &Into { columns, shapes: &[], table: "stat_packs", then: "" }, vec![values]).await?;
    }
    Ok(marks.len() as u64)
}

/// What the calls of some slots add up to, by everything that they are told apart by.
async fn calls_of(tx: &mut Tx, slots: Range<i64>) -> Result<Vec<pack::Row>, Fault> {
    let groups = [SLOT, SESSION].into_iter().chain(Fact::ALL.map(Fact::sql)).map(str::to_owned);
    let costs = ["min(c.cost_nano)", "max(c.cost_nano)"].map(str::to_owned);
    let clocks = Clock::ALL.iter().map(|clock| times(*clock, tx.flavour()));
    let columns: Vec<_> = groups.chain(costs).chain(SUMS.map(total)).chain(clocks).collect();
    let mut sql = Sql::new("SELECT ");
    sql.add(&columns.join(", ")).add(" FROM calls c");
    within(&mut sql, &(slots.start * SLOT_US..slots.end * SLOT_US));
    grouped(&mut sql, 2 + Fact::ALL.len());
    tx.rows(sql).await?.iter().map(|row| row_of(row, slots.start)).collect()
}

fn row_of(row: &Row, first: i64) -> Result<pack::Row, Fault> {
    let mut from = row.reader();
    let (slot, session) = ((from.int()? - first) as u64, from.int()?);
    let facts = Fact::ALL.iter().map(|_| from.text_or_none()).collect::<Result<_, _>>()?;
    let (least, greatest) = (from.int_or_none()?, from.int_or_none()?);
    let mut sums = Sums::default();
    for measure in SUMS {
        sums.add(measure, from.int()?);
    }
    for clock in Clock::ALL {
        read_times(&mut from, *clock, &mut sums)?;
    }
    Ok(pack::Row { costs: least.zip(greatest), facts, session, slot, sums })
}
