//! Pages of a list that may have to look far: the past is searched part by part, until the page is full, the past is at its end, or the
//! time is used up. Then the page says where to go on.
//!
//! Parts are the hours in which something can be found, or the sessions that can be it, as far as packs tell ([`Spans`], [`Having`]), or else
//! windows that grow as long as they are quick.

use std::collections::HashSet;
use std::ops::Range;
use std::time::{Duration, Instant};

use lockgate_store::{Cursor, Page, PageRequest};

use crate::driver::{Row, Sql, Tx};
use crate::fault::Fault;
use crate::stats::{Spans, Wanted};

/// The first window: a day, in µs.
const WINDOW_US: i64 = 86_400_000_000;

/// Each window is so many times as long as the one before, at most.
const GROWTH: f64 = 8.0;

/// A window is at least as long as this, in µs, so that every look gets on.
const LEAST_US: i64 = 60_000_000;

/// Sessions whose times are read at once.
const SESSIONS: usize = 4_000;

/// Sessions that are looked at at once.
const LOOK: usize = 200;

/// What leads to the entries of a list.
#[derive(Debug)]
pub(crate) enum Lead<'a> {
    /// An index: one look is quick enough.
    Index,
    /// Packs, for what is wanted, within a range of time.
    Packs(Wanted<'a>, Range<i64>),
    /// Sessions, some of which can have what is wanted.
    Sessions(Having),
    /// Nothing.
    Windows,
}

/// The sessions that can be found, by `seq`. None of them ended before `from_us` or began at `to_us` or later.
#[derive(Debug)]
pub(crate) struct Having {
    pub(crate) from_us: Option<i64>,
    pub(crate) sessions: HashSet<i64>,
    pub(crate) to_us: Option<i64>,
}

/// What one list is.
pub(crate) struct Walk<'a> {
    pub(crate) budget: Duration,
    pub(crate) lead: Lead<'a>,
    /// Where the past begins: a query for one time.
    pub(crate) oldest: &'a str,
    /// Adds the conditions; the statement ends in `WHERE …` after it.
    pub(crate) query: &'a (dyn Fn() -> Sql + Sync),
    /// The columns of the time and the number that order the list.
    pub(crate) order: (&'a str, &'a str),
}

/// What a row is in the order of the list.
pub(crate) trait Placed {
    /// Its time and number.
    fn place(&self) -> (i64, i64);
}

/// A page that is being filled.
struct Filling<T> {
    begun: Instant,
    items: Vec<T>,
    limit: usize,
}

impl<T: Placed> Filling<T> {
    /// The page, if it is full.
    fn full(&mut self) -> Option<Page<T>> {
        if self.items.len() <= self.limit {
            return None;
        }
        self.items.truncate(self.limit);
        let next = self.items.last().map(|last| cursor(last.place()));
        Some(self.page(next))
    }

    fn page(&mut self, next: Option<Cursor>) -> Page<T> {
        Page { items: std::mem::take(&mut self.items), next }
    }
}

impl Walk<'_> {
    /// Searches a page. `read` makes an entry of a row.
    pub(crate) async fn page<T: Placed>(
        &self,
        tx: &mut Tx,
        page: &PageRequest,
        read: impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Page<T>, Fault> {
        let begun = Instant::now();
        let mut filling = Filling { begun, items: Vec::new(), limit: page.limit.number() };
        let after = page.after.as_ref().map(place_of);
        let oldest = tx.row(Sql::new(self.oldest)).await?;
        let Some(oldest) = oldest.map_or(Ok(None), |row| row.reader().int_or_none())? else {
            return Ok(filling.page(None));
        };
        let newest = match after {
            Some((at_us, _)) => at_us,
            None => self.newest(tx).await?.unwrap_or(oldest),
        };
        match &self.lead {
            Lead::Index => {
                self.look(tx, &mut filling, (after, i64::MIN), &read).await?;
                Ok(filling.full().unwrap_or_else(|| filling.page(None)))
            }
            Lead::Packs(wanted, range) => {
                let range = range.start.max(oldest)..range.end.min(newest);
                let spans = Spans::of(tx, range, wanted).await?;
                self.by_packs(tx, filling, (after, spans), &read).await
            }
            Lead::Sessions(having) => self.by_sessions(tx, filling, (after, having), &read).await,
            Lead::Windows => self.by_windows(tx, filling, (after, oldest..newest), &read).await,
        }
    }

    async fn by_packs<T: Placed>(
        &self,
        tx: &mut Tx,
        mut filling: Filling<T>,
        (mut after, mut spans): (Option<(i64, i64)>, Spans<'_>),
        read: &impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Page<T>, Fault> {
        while let Some(span) = spans.next(tx).await? {
            if !span.is_empty() {
                let end = (span.end, i64::MIN);
                let before = Some(after.map_or(end, |after| after.min(end)));
                self.look(tx, &mut filling, (before, span.start), read).await?;
                if let Some(page) = filling.full() {
                    return Ok(page);
                }
            }
            // Everything from there on was looked at.
            after = Some((span.start, i64::MIN));
            if filling.begun.elapsed() >= self.budget && !spans.is_over() {
                return Ok(filling.page(after.map(cursor)));
            }
        }
        Ok(filling.page(None))
    }

    async fn by_sessions<T: Placed>(
        &self,
        tx: &mut Tx,
        mut filling: Filling<T>,
        (mut after, having): (Option<(i64, i64)>, &Having),
        read: &impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Page<T>, Fault> {
        if having.sessions.is_empty() {
            return Ok(filling.page(None));
        }
        loop {
            let places = self.places(tx, after, having).await?;
            let all = places.len() < SESSIONS;
            let last = places.last().copied();
            let wanted: Vec<_> =
                places.into_iter().filter(|(_, seq)| having.sessions.contains(seq)).collect();
            for some in wanted.chunks(LOOK) {
                let left = filling.limit + 1 - filling.items.len();
                let mut sql = (self.query)();
                sql.add(" AND ")
                    .add(self.order.1)
                    .add(" IN (")
                    .args(some.iter().map(|(_, seq)| *seq))
                    .add(")");
                for row in tx.rows(self.ordered(sql, left)).await? {
                    filling.items.push(read(&row)?);
                }
                if let Some(page) = filling.full() {
                    return Ok(page);
                }
                after = some.last().copied();
                if filling.begun.elapsed() >= self.budget {
                    return Ok(filling.page(after.map(cursor)));
                }
            }
            if all {
                return Ok(filling.page(None));
            }
            after = last;
            if filling.begun.elapsed() >= self.budget {
                return Ok(filling.page(after.map(cursor)));
            }
        }
    }

    /// The times and numbers of some sessions, in their order. Where few can be found only theirs.
    async fn places(
        &self,
        tx: &mut Tx,
        after: Option<(i64, i64)>,
        having: &Having,
    ) -> Result<Vec<(i64, i64)>, Fault> {
        let (time, number) = self.order;
        let mut sql = Sql::new("SELECT ");
        sql.add(time).add(", ").add(number).add(" FROM sessions s WHERE 1 = 1");
        if let Some(from) = having.from_us {
            sql.add(" AND s.last_us >= ").arg(from);
        }
        if let Some(to) = having.to_us {
            sql.add(" AND s.first_us < ").arg(to);
        }
        if having.sessions.len() <= LOOK {
            sql.add(" AND ").add(number).add(" IN (").args(having.sessions.iter().copied()).add(")");
        }
        if let Some(after) = after {
            self.before(&mut sql, after);
        }
        let rows = tx.rows(self.ordered(sql, SESSIONS)).await?;
        let place = |row: &Row| {
            let mut from = row.reader();
            Ok((from.int()?, from.int()?))
        };
        rows.iter().map(place).collect()
    }

    async fn by_windows<T: Placed>(
        &self,
        tx: &mut Tx,
        mut filling: Filling<T>,
        (mut after, range): (Option<(i64, i64)>, Range<i64>),
        read: &impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<Page<T>, Fault> {
        let mut window = WINDOW_US;
        let mut newest = range.end;
        loop {
            let from = newest.saturating_sub(window);
            let looked = Instant::now();
            self.look(tx, &mut filling, (after, from), read).await?;
            if let Some(page) = filling.full() {
                return Ok(page);
            }
            if from <= range.start {
                return Ok(filling.page(None));
            }
            // Everything from there on was looked at.
            after = Some((from, i64::MIN));
            newest = from;
            let Some(left) = self.budget.checked_sub(filling.begun.elapsed()).filter(|left| !left.is_zero())
            else {
                return Ok(filling.page(after.map(cursor)));
            };
            // The next window shall not take more than half of the time that is left.
            let growth = left.as_secs_f64() / 2.0 / looked.elapsed().as_secs_f64().max(1e-6);
            window = (window as f64 * growth.min(GROWTH)) as i64;
            window = window.max(LEAST_US);
        }
    }

    /// Reads what comes before a place, from a time on.
    async fn look<T: Placed>(
        &self,
        tx: &mut Tx,
        filling: &mut Filling<T>,
        (before, from): (Option<(i64, i64)>, i64),
        read: &impl Fn(&Row) -> Result<T, Fault>,
    ) -> Result<(), Fault> {
        for row in tx.rows(self.statement(before, from, filling.limit + 1 - filling.items.len())).await? {
            filling.items.push(read(&row)?);
        }
        Ok(())
    }

    /// The newest entry at all, from which the search begins.
    async fn newest(&self, tx: &mut Tx) -> Result<Option<i64>, Fault> {
        let row = tx.row(Sql::new(&self.oldest.replace("min(", "max("))).await?;
        row.map_or(Ok(None), |row| row.reader().int_or_none())
    }

    fn statement(&self, after: Option<(i64, i64)>, from: i64, limit: usize) -> Sql {
        let mut sql = (self.query)();
        if let Some(after) = after {
            self.before(&mut sql, after);
        }
        if from > i64::MIN {
            sql.add(" AND ").add(self.order.0).add(" >= ").arg(from);
        }
        self.ordered(sql, limit)
    }

    /// Adds that an entry comes after a place in the order of the list.
    fn before(&self, sql: &mut Sql, (at_us, seq): (i64, i64)) {
        sql.add(" AND (").add(self.order.0).add(", ").add(self.order.1).add(") < (");
        sql.arg(at_us).add(", ").arg(seq).add(")");
    }

    fn ordered(&self, mut sql: Sql, limit: usize) -> Sql {
        let (time, number) = self.order;
        sql.add(" ORDER BY ").add(time).add(" DESC, ").add(number).add(" DESC LIMIT ").arg(limit);
        sql
    }
}

fn cursor((at_us, seq): (i64, i64)) -> Cursor {
    Cursor { at_us, id: seq.to_string() }
}

/// What was not made here goes on before everything of that time.
fn place_of(cursor: &Cursor) -> (i64, i64) {
    (cursor.at_us, cursor.id.parse().unwrap_or(i64::MIN))
}
