//! Reads packs some at a time, so that neither a great database nor a slow reader holds much memory.

use std::ops::Range;

use crate::driver::{Row, Sql, Tx};
use crate::fault::Fault;

/// Slots of an hour.
pub(crate) const HOUR: i64 = 4;

/// Packs that the first statement reads where what is looked for may be near.
const FEW: usize = 64;

/// Packs that one statement reads, at most.
const MOST: usize = 256;

/// Packs of a range of hours, in their order or the latest first.
#[derive(Debug)]
pub(crate) struct Packs {
    /// The columns behind the hour.
    columns: &'static str,
    done: bool,
    hours: Range<i64>,
    latest_first: bool,
    /// How many the next statement reads.
    portion: usize,
}

impl Packs {
    pub(crate) const fn of(hours: Range<i64>, columns: &'static str) -> Self {
        Self { columns, done: hours.start >= hours.end, hours, latest_first: false, portion: MOST }
    }

    /// The latest first, and few at first: what is looked for may be near.
    pub(crate) const fn latest_first(hours: Range<i64>, columns: &'static str) -> Self {
        Self { columns, done: hours.start >= hours.end, hours, latest_first: true, portion: FEW }
    }

    /// Whether there are no more.
    pub(crate) const fn is_done(&self) -> bool {
        self.done
    }

    /// The next ones, each with its hour before the columns.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Vec<(i64, Row)>, Fault> {
        if self.done {
            return Ok(Vec::new());
        }
        let mut sql = Sql::new("SELECT hour, ");
        sql.add(self.columns).add(" FROM stat_packs WHERE hour >= ").arg(self.hours.start);
        sql.add(" AND hour < ").arg(self.hours.end).add(" ORDER BY hour");
        sql.add(if self.latest_first { " DESC LIMIT " } else { " LIMIT " }).arg(self.portion);
        let rows = tx.rows(sql).await?;
        self.done = rows.len() < self.portion;
        self.portion = (self.portion * 4).min(MOST);
        let rows = rows.into_iter().map(|row| Ok((row.reader().int()?, row)));
        let rows = rows.collect::<Result<Vec<_>, Fault>>()?;
        if let Some((hour, _)) = rows.last() {
            if self.latest_first {
                self.hours.end = *hour;
            } else {
                self.hours.start = hour + 1;
            }
        }
        Ok(rows)
    }
}
