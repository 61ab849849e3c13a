//! Statistics: what was counted beforehand, and the calls themselves where that is not up to date.
//!
//! **Who writes what.** Who stores or deletes calls adds a mark (`stat_marks`) for each slot of theirs, in the same transaction; marks are only
//! ever added, so writers never wait for each other. A round of counting (`roll`) deletes the marks of some slots, *then* counts the
//! calls of these slots anew, in one transaction; a lock keeps a second round away.
//!
//! Numbers that do not tell people apart are kept once more for each hour (`stat_hours`): a fraction of the rows. An hour is written whenever one of its
//! slots is, from all calls of the hour, and read only where none of its slots has a mark.
//!
//! **Why nothing gets lost.** On PostgreSQL each statement of the round sees what was committed before it began. A mark that the round deletes was
//! committed before that statement, so its calls were, and the later statement counts them. Calls that are committed between the two may be
//! counted already, but their mark stays, and the slot is counted again. That would not hold if a writer left out a mark because there is one: the
//! round may be deleting just that one. SQLite has one writer at a time.
//!
//! **Why nothing counts twice.** A reader sees one moment (a snapshot): a slot with a mark is read from the calls, any other from what was counted.
//! So a reader is always exact, and rounds only make it quick.

mod roll;
mod source;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use lockgate_store::stats::zone::{Axis, SLOT_US, slot_of};
use lockgate_store::stats::{
    Clock, Dimension, Figure, Measure, Place, Query, Rolled, Slice, Span, Stats, Sums, Table,
};
use lockgate_store::{Call, Error, Page, PageRequest, Record};

use crate::Database;
use crate::columns::{call_of, select_calls};
use crate::driver::{Flavour, Sql, Tx};
use crate::fault::Fault;
use crate::stats::source::{Ask, Cut, Source, coarse, conditions, found, is_coarse, statement, whole_slots};
use crate::walk::Walk;

/// Parts of a range that are read from the calls, at most.
const PARTS: usize = 8;

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
        let Some(range) = range(&mut tx, &about).await? else {
            return Ok(Table::of(query, BTreeMap::new()));
        };
        let sources = sources(&mut tx, &about, range.clone()).await?;
        let axis = query
            .bucket
            .map(|bucket| Axis::new(&query.zone, bucket, slot_of(range.start)..slot_of(range.end - 1) + 1));
        let (measures, clocks, sessions) = needs(&query.metric.figures());
        let ask = Ask {
            by: &query.by,
            clocks: &clocks,
            cut: axis.as_ref().map_or(Cut::Whole, Cut::Axis),
            measures: &measures,
            sessions,
            slice: &about,
        };
        let sources: Vec<_> =
            if is_coarse(&ask) { sources.into_iter().flat_map(coarse).collect() } else { sources };
        let mut gathered = Gathered::new(axis.as_ref());
        for source in &sources {
            for row in tx.rows(statement(tx.flavour(), source, &ask)).await? {
                gathered.take(found(&row, source, &ask)?);
            }
        }
        tx.commit().await?;
        Ok(Table::of(query, gathered.sums))
    }

    async fn calls_of_slice(&self, slice: &Slice, page: &PageRequest) -> Result<Page<Call>, Fault> {
        let range = slice.from_us.unwrap_or(0)..slice.to_us.unwrap_or(i64::MAX);
        let source = Source::Calls(range);
        let query = || {
            let mut sql = Sql::new(&select_calls());
            source.within(&mut sql);
            conditions(&mut sql, &source, slice);
            sql
        };
        let by_index = [Dimension::Key, Dimension::Session, Dimension::User];
        let walk = Walk {
            budget: self.page_budget,
            led: slice.values.len() < 2
                && slice
                    .values
                    .iter()
                    .all(|(dimension, value)| value.is_some() && by_index.contains(dimension)),
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

/// What the rows of all sources say of each place.
struct Gathered<'a> {
    axis: Option<&'a Axis>,
    spans: HashMap<i64, Span>,
    sums: BTreeMap<Place, Sums>,
}

impl<'a> Gathered<'a> {
    fn new(axis: Option<&'a Axis>) -> Self {
        Self { axis, spans: HashMap::new(), sums: BTreeMap::new() }
    }

    fn take(&mut self, found: source::Found) {
        // Without groups there is a row even of nothing.
        if found.sums.of(Measure::Calls) == 0 {
            return;
        }
        let span = self
            .axis
            .map(|axis| *self.spans.entry(found.number).or_insert_with(|| axis.bucket(found.number)));
        let sums = self.sums.entry((span, found.group)).or_default();
        if found.session > 0 {
            *sums.sessions.entry(found.session).or_default() += found.sums.of(Measure::Cost);
        }
        sums.merge(&found.sums);
    }
}

/// Makes a transaction see one moment, whatever is written meanwhile. On SQLite every one does.
async fn one_moment(tx: &mut Tx) -> Result<(), Fault> {
    match tx.flavour() {
        Flavour::Postgres => tx.script("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await,
        Flavour::Sqlite => Ok(()),
    }
}

/// The range of time in which there are calls of the slice, if any. Marked or counted or not: calls are where they began.
async fn range(tx: &mut Tx, slice: &Slice) -> Result<Option<Range<i64>>, Fault> {
    let row =
        tx.row(Sql::new("SELECT (SELECT min(started_us) FROM calls), (SELECT max(started_us) FROM calls)"));
    let Some(row) = row.await? else { return Ok(None) };
    let mut from = row.reader();
    let (Some(first), Some(last)) = (from.int_or_none()?, from.int_or_none()?) else { return Ok(None) };
    let from_us = slice.from_us.map_or(first, |from| from.max(first));
    let to_us = slice.to_us.map_or(last + 1, |to| to.min(last + 1));
    Ok((from_us < to_us).then_some(from_us..to_us))
}

/// From where each part of a range is read. Together they are the range, and no two overlap.
async fn sources(tx: &mut Tx, slice: &Slice, range: Range<i64>) -> Result<Vec<Source>, Fault> {
    let slots = whole_slots(range.start, range.end);
    // An index leads to the calls of a session.
    if slots.is_empty() || matches!(slice.values.get(&Dimension::Session), Some(Some(_))) {
        return Ok(vec![Source::Calls(range)]);
    }
    let mut sql = Sql::new("SELECT DISTINCT slot FROM stat_marks WHERE slot >= ");
    sql.arg(slots.start).add(" AND slot < ").arg(slots.end).add(" ORDER BY slot");
    let marked = tx.rows(sql).await?;
    let marked = marked.iter().map(|row| row.reader().int()).collect::<Result<Vec<_>, _>>()?;
    Ok(divided(range, slots, &marked))
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
            sources.push(Source::Slots(slots_from..part.start));
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
