//! Pages of a list that may have to look far: the past is searched in windows that grow, until the page is full, the past is
//! at its end, or the time is used up. Then the page says where to go on.

use std::time::{Duration, Instant};

use lockgate_store::{Cursor, Page, PageRequest};

use crate::driver::{Sql, Tx};
use crate::fault::Fault;

/// The first window: a day, in µs.
const WINDOW_US: i64 = 86_400_000_000;

/// Each window is so many times as long as the one before.
const GROWTH: i64 = 8;

/// What one list is.
pub(crate) struct Walk<'a> {
    pub(crate) budget: Duration,
    /// Whether one look without windows is quick enough.
    pub(crate) led: bool,
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

impl Walk<'_> {
    /// Searches a page. `read` makes an entry of a row.
    pub(crate) async fn page<T: Placed>(
        &self,
        tx: &mut Tx,
        page: &PageRequest,
        read: impl Fn(&crate::driver::Row) -> Result<T, Fault>,
    ) -> Result<Page<T>, Fault> {
        let limit = page.limit.number();
        let begun = Instant::now();
        let mut after = page.after.as_ref().map(place_of);
        let oldest = tx.row(Sql::new(self.oldest)).await?;
        let Some(oldest) = oldest.map_or(Ok(None), |row| row.reader().int_or_none())? else {
            return Ok(Page { items: Vec::new(), next: None });
        };
        let mut items: Vec<T> = Vec::new();
        let mut window = WINDOW_US;
        loop {
            let newest = match after {
                Some((at_us, _)) => at_us,
                None => self.newest(tx).await?.unwrap_or(oldest),
            };
            let from = if self.led { i64::MIN } else { newest.saturating_sub(window) };
            let rows = tx.rows(self.statement(after, from, limit + 1 - items.len())).await?;
            for row in &rows {
                items.push(read(row)?);
            }
            if items.len() > limit {
                items.truncate(limit);
                let next = items.last().map(|last| cursor(last.place()));
                return Ok(Page { items, next });
            }
            if from <= oldest {
                return Ok(Page { items, next: None });
            }
            // Everything from `from` on was looked at.
            after = Some((from, i64::MIN));
            window = window.saturating_mul(GROWTH);
            if begun.elapsed() >= self.budget {
                return Ok(Page { items, next: after.map(cursor) });
            }
        }
    }

    /// The newest entry at all, from which the first window is measured.
    async fn newest(&self, tx: &mut Tx) -> Result<Option<i64>, Fault> {
        let row = tx.row(Sql::new(&self.oldest.replace("min(", "max("))).await?;
        row.map_or(Ok(None), |row| row.reader().int_or_none())
    }

    fn statement(&self, after: Option<(i64, i64)>, from: i64, limit: usize) -> Sql {
        let (time, number) = self.order;
        let mut sql = (self.query)();
        if let Some((at_us, seq)) = after {
            sql.add(" AND (").add(time).add(", ").add(number).add(") < (");
            sql.arg(at_us).add(", ").arg(seq).add(")");
        }
        if from > i64::MIN {
            sql.add(" AND ").add(time).add(" >= ").arg(from);
        }
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
