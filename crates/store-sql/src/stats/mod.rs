//! Statistics: what was counted beforehand, and the calls themselves where that is not up to date.
//!
//! **What is counted.** For each hour one row of bytes ([`pack`]): what its calls add up to by quarter of an hour, session and everything that calls are told
//! apart by. Any question reads the packs of its range through and adds up what it wants ([`gather`]): its time depends on the number of calls, hardly on
//! what is asked. Lists look into the packs too, for the hours and sessions that can have what they want ([`lead`]).
//!
//! **Who writes what.** Who stores or deletes calls adds a mark (`stat_marks`) for each slot of theirs, in the same transaction; marks are only
//! ever added, so writers never wait for each other. A round of counting (`roll`) deletes the marks of some slots, *then* counts the
//! calls of these slots anew, in one transaction; a lock keeps a second round away.
//!
//! **Why nothing gets lost.** On PostgreSQL each statement of the round sees what was committed before it began. A mark that the round deletes was
//! committed before that statement, so its calls were, and the later statement counts them. Calls that are committed between the two may be
//! counted already, but their mark stays, and the slot is counted again. That would not hold if a writer left out a mark because there is one: the
//! round may be deleting just that one. SQLite has one writer at a time.
//!
//! **Why nothing counts twice.** A reader sees one moment (a snapshot): a slot with a mark is read from the calls, any other from what was counted.
//! So a reader is always exact, and rounds only make it quick.

mod calls;
mod fact;
mod gather;
mod lead;
mod opinions;
mod pack;
mod packs;
mod roll;
mod wanted;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use lockgate_store::stats::zone::{Axis, SLOT_US, slot_of};
use lockgate_store::stats::{Clock, Dimension, Figure, Measure, Query, Rolled, Slice, Stats, Table};
use lockgate_store::{Call, Error, Page, PageRequest, Record};

use crate::Database;
use crate::columns::{call_of, select_calls};
use crate::driver::{Flavour, Sql, Tx};
use crate::fault::Fault;
use crate::walk::{Lead, Walk};
use calls::Ask;
use gather::{Bytes, Gathered};
use pack::NoPack;
use packs::{HOUR, Packs};

pub(crate) use lead::{Spans, sessions_with};
pub(crate) use opinions::opinions_about;
pub(crate) use wanted::Wanted;

/// Parts of a range that are read from the calls, at most.
const PARTS: usize = 8;

/// Packs that are read through before others have their turn.
const TURN: usize = 16;

/// Sessions that one statement asks for.
const SESSIONS: usize = 1_000;

impl From<NoPack> for Fault {
    fn from(error: NoPack) -> Self {
        Self::damaged(error.to_string())
    }
}

/// From where a part of a range is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// Calls that began in a range, µs since 1970.
    Calls(Range<i64>),
    /// Packs, of these slots.
    Packs(Range<i64>),
}

#[async_trait]
impl Stats for Database {
    async fn query(&self, query: &Query) -> Result<Table, Error> {
        self.table(query).await.map_err(Fault::plain)
    }

    async fn calls_of(&self, slice: &Slice, page: &PageRequest) -> Result<Page<Call>, Error> {
        self.calls_of_slice(slice, page).await.map_err(Fault::plain)
    }

    async fn roll(&self, until_us: i64, budget: Duration) -> Result<Rolled, Error> {
        self.roll_slots(until_us, budget).await.map_err(Fault::plain)
    }
}

impl Database {
    async fn table(&self, query: &Query) -> Result<Table, Fault> {
        let Some(about) = query.about() else { return Ok(Table::of(query, BTreeMap::new())) };
        let mut tx = self.readers.read(self.statement_timeout).await?;
        one_moment(&mut tx).await?;
        let Some(range) = range(&mut tx, about.from_us, about.to_us).await? else {
            return Ok(Table::of(query, BTreeMap::new()));
        };
        // An index leads to the calls of a session.
        let of_session = matches!(about.values.get(&Dimension::Session), Some(Some(_)));
        let sources = if of_session {
            vec![Source::Calls(range.clone())]
        } else {
            sources(&mut tx, range.clone()).await?
        };
        let axis = query
            .bucket
            .map(|bucket| Axis::new(&query.zone, bucket, slot_of(range.start)..slot_of(range.end - 1) + 1));
        let (measures, clocks, sessions) = needs(&query.metric.figures());
        let ask = Ask {
            axis: axis.as_ref(),
            by: &query.by,
            clocks: &clocks,
            measures: &measures,
            sessions,
            slice: &about,
        };
        let mut gathered = Gathered::new(ask);
        for source in sources {
            match source {
                Source::Calls(range) => {
                    for row in tx.rows(calls::statement(tx.flavour(), &range, &ask)).await? {
                        gathered.take_calls(&calls::found(&row, &ask)?);
                    }
                }
                Source::Packs(slots) => take_packs(&mut tx, &slots, &mut gathered, clocks.is_empty()).await?,
            }
        }
        let sessions = ids_of_sessions(&mut tx, &gathered.sessions()).await?;
        tx.commit().await?;
        Ok(Table::of(query, gathered.into_places(&sessions)))
    }

    async fn calls_of_slice(&self, slice: &Slice, page: &PageRequest) -> Result<Page<Call>, Fault> {
        let range = slice.from_us.unwrap_or(0)..slice.to_us.unwrap_or(i64::MAX);
        let query = || {
            let mut sql = Sql::new(&select_calls());
            calls::within(&mut sql, &range);
            calls::conditions(&mut sql, slice);
            sql
        };
        let by_index = [Dimension::Key, Dimension::User];
        let led = matches!(slice.values.get(&Dimension::Session), Some(Some(_)))
            || slice.values.is_empty()
            || slice.values.len() == 1
                && slice
                    .values
                    .iter()
                    .all(|(dimension, value)| value.is_some() && by_index.contains(dimension));
        let walk = Walk {
            budget: self.page_budget,
            lead: if led { Lead::Index } else { Lead::Packs(Wanted::of_slice(slice), range.clone()) },
            oldest: "SELECT min(started_us) FROM calls",
            query: &query,
            order: ("c.started_us", "c.seq"),
        };
        let mut tx = self.readers.read(self.statement_timeout).await?;
        let page = walk.page(&mut tx, page, call_of).await?;
        tx.commit().await?;
        Ok(Page { items: page.items.into_iter().map(|(_, call)| call).collect(), next: page.next })
    }
}

/// Adds up what packs say of some slots. Others have their turn in between: a long range is some ten milliseconds of work.
async fn take_packs(
    tx: &mut Tx,
    slots: &Range<i64>,
    gathered: &mut Gathered<'_>,
    without_times: bool,
) -> Result<(), Fault> {
    let columns = if without_times { "heads, sums" } else { "heads, sums, times" };
    let mut packs = Packs::of(hours_of(slots), columns);
    while !packs.is_done() {
        for (nth, (hour, row)) in packs.next(tx).await?.iter().enumerate() {
            let mut from = row.reader();
            from.int()?;
            let (heads, sums) = (from.blob()?, from.blob()?);
            let times = if without_times { &[] } else { from.blob()? };
            gathered.take_pack(&Bytes { heads, hour: *hour, sums, times }, slots)?;
            if nth % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}

/// The hours that slots lie in.
const fn hours_of(slots: &Range<i64>) -> Range<i64> {
    slots.start.div_euclid(HOUR)..(slots.end + HOUR - 1).div_euclid(HOUR)
}

async fn ids_of_sessions(tx: &mut Tx, sessions: &BTreeSet<i64>) -> Result<HashMap<i64, String>, Fault> {
    let mut ids = HashMap::with_capacity(sessions.len());
    let sessions: Vec<_> = sessions.iter().copied().collect();
    for some in sessions.chunks(SESSIONS) {
        let mut sql = Sql::new("SELECT seq, id FROM sessions WHERE seq IN (");
        for row in tx.rows(sql.args(some.iter().copied()).add(")").take()).await? {
            let mut from = row.reader();
            ids.insert(from.int()?, from.text()?);
        }
    }
    Ok(ids)
}

/// Makes a transaction see one moment, whatever is written meanwhile. On SQLite every one does.
pub(crate) async fn one_moment(tx: &mut Tx) -> Result<(), Fault> {
    match tx.flavour() {
        Flavour::Postgres => tx.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await,
        Flavour::Sqlite => Ok(()),
    }
}

/// The range of time in which there are calls, within these bounds, if any. Marked or counted or not: calls are where they began.
async fn range(tx: &mut Tx, from_us: Option<i64>, to_us: Option<i64>) -> Result<Option<Range<i64>>, Fault> {
    let row =
        tx.row(Sql::new("SELECT (SELECT min(started_us) FROM calls), (SELECT max(started_us) FROM calls)"));
    let Some(row) = row.await? else { return Ok(None) };
    let mut from = row.reader();
    let (Some(first), Some(last)) = (from.int_or_none()?, from.int_or_none()?) else { return Ok(None) };
    // Where nothing bounds it, the range has whole slots: what is counted is enough then.
    let (first, end) = (slot_of(first) * SLOT_US, (slot_of(last) + 1) * SLOT_US);
    let from_us = from_us.map_or(first, |from| from.max(first));
    let to_us = to_us.map_or(end, |to| to.min(end));
    Ok((from_us < to_us).then_some(from_us..to_us))
}

/// From where each part of a range is read. Together they are the range, and no two overlap.
async fn sources(tx: &mut Tx, range: Range<i64>) -> Result<Vec<Source>, Fault> {
    let slots = whole_slots(range.start, range.end);
    if slots.is_empty() {
        return Ok(vec![Source::Calls(range)]);
    }
    let marked = marked(tx, slots.clone()).await?;
    Ok(divided(range, slots, &marked))
}

/// The slots of a range that have a mark, in their order.
async fn marked(tx: &mut Tx, slots: Range<i64>) -> Result<Vec<i64>, Fault> {
    let mut sql = Sql::new("SELECT DISTINCT slot FROM stat_marks WHERE slot >= ");
    sql.arg(slots.start).add(" AND slot < ").arg(slots.end).add(" ORDER BY slot");
    tx.rows(sql).await?.iter().map(|row| row.reader().int()).collect()
}

/// The slots of a range of time that lie in it whole.
const fn whole_slots(from_us: i64, to_us: i64) -> Range<i64> {
    let (first, end) = ((from_us + SLOT_US - 1).div_euclid(SLOT_US), to_us.div_euclid(SLOT_US));
    first..if end < first { first } else { end }
}

/// Divides a range at marked slots. Few parts: what lies between marks that are near each other is read from the calls as well.
fn divided(range: Range<i64>, slots: Range<i64>, marked: &[i64]) -> Vec<Source> {
    let mut stale: Vec<Range<i64>> = Vec::new();
    for slot in marked {
        match stale.last_mut() {
            Some(last) if last.end == *slot => last.end = slot + 1,
            _ => stale.push(*slot..slot + 1),
        }
    }
    let mut gaps: Vec<_> = stale.windows(2).map(|pair| pair[1].start - pair[0].end).collect();
    gaps.sort_unstable();
    if let Some(small) = gaps.len().checked_sub(PARTS).and_then(|at| gaps.get(at)) {
        let small = *small;
        stale = stale.into_iter().fold(Vec::new(), |mut joined: Vec<Range<i64>>, next| {
            match joined.last_mut() {
                Some(last) if next.start - last.end <= small => last.end = next.end,
                _ => joined.push(next),
            }
            joined
        });
    }
    let mut sources = Vec::new();
    let (mut calls_from, mut slots_from) = (range.start, slots.start);
    for part in stale.iter().chain([&(slots.end..slots.end)]) {
        if slots_from < part.start {
            if calls_from < slots_from * SLOT_US {
                sources.push(Source::Calls(calls_from..slots_from * SLOT_US));
            }
            sources.push(Source::Packs(slots_from..part.start));
            calls_from = part.start * SLOT_US;
        }
        slots_from = part.end;
    }
    if calls_from < range.end {
        sources.push(Source::Calls(calls_from..range.end));
    }
    sources
}

/// What has to be read for figures: sums, times, and whether each session for itself.
fn needs(figures: &[Figure]) -> (Vec<Measure>, Vec<Clock>, bool) {
    let mut measures = BTreeSet::from([Measure::Calls]);
    let mut clocks = BTreeSet::new();
    let mut sessions = false;
    for figure in figures {
        measures.extend(figure.measures());
        sessions |= figure.is_of_sessions();
        if let Figure::Time(clock, _) = figure {
            clocks.insert(*clock);
        }
    }
    if sessions {
        measures.insert(Measure::Cost);
    }
    (measures.into_iter().collect(), clocks.into_iter().collect(), sessions)
}

/// Marks the slots of calls that were written or deleted: they have to be counted again.
pub(crate) async fn mark(tx: &mut Tx, slots: &BTreeSet<i64>) -> Result<(), Fault> {
    if slots.is_empty() {
        return Ok(());
    }
    let mut sql = Sql::new("INSERT INTO stat_marks (slot) VALUES ");
    for (nth, slot) in slots.iter().enumerate() {
        sql.add(if nth == 0 { "(" } else { ", (" }).arg(*slot).add(")");
    }
    tx.run(sql).await.map(|_| ())
}

/// The slot in which a record's call began.
pub(crate) const fn slot_of_record(record: &Record) -> i64 {
    slot_of(record.call.timing.started_us)
}
