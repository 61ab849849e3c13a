//! Where to look for entries of a list: the hours, and the sessions, that can have a call with what is wanted. What is found there is still
//! held against every condition by the database; this only keeps it from looking where nothing can be.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::ops::Range;

use lockgate_store::Filter;
use lockgate_store::stats::zone::{SLOT_US, slot_of};

use super::pack::{Heads, NoPack, Rows};
use super::packs::{HOUR, Packs};
use super::wanted::Wanted;
use super::{Source, calls, hours_of, marked, range, sources};
use crate::conditions;
use crate::driver::{Sql, Tx};
use crate::fault::Fault;

/// The length of an hour, µs.
const HOUR_US: i64 = HOUR * SLOT_US;

/// Calls that one look passes at most, if an hour does not have more: some milliseconds.
const LOOK: i64 = 4_000;

/// Calls that an hour is taken to have, of which packs know nothing yet.
const UNKNOWN: i64 = 250;

/// Packs that are read through before others have their turn.
const TURN: usize = 16;

/// Spans of time to look at, the latest first.
pub(crate) struct Spans<'a> {
    done: bool,
    hours: Range<i64>,
    /// Hours of which packs do not know everything.
    marked: BTreeSet<i64>,
    packs: Packs,
    ready: VecDeque<Range<i64>>,
    wanted: &'a Wanted<'a>,
}

impl<'a> Spans<'a> {
    /// For calls that began in a range, µs since 1970, its end included.
    pub(crate) async fn of(tx: &mut Tx, range: Range<i64>, wanted: &'a Wanted<'a>) -> Result<Self, Fault> {
        let slots = slot_of(range.start)..slot_of(range.end) + 1;
        let hours = hours_of(&slots);
        let marked = marked(tx, hours.start * HOUR..hours.end * HOUR).await?;
        Ok(Self {
            done: false,
            hours: hours.clone(),
            marked: marked.into_iter().map(|slot| slot.div_euclid(HOUR)).collect(),
            packs: Packs::latest_first(hours, "calls, heads"),
            ready: VecDeque::new(),
            wanted,
        })
    }

    /// Whether there is no span any more.
    pub(crate) fn is_over(&self) -> bool {
        self.done && self.ready.is_empty()
    }

    /// The next span. An empty one says that there is nothing from there on.
    pub(crate) async fn next(&mut self, tx: &mut Tx) -> Result<Option<Range<i64>>, Fault> {
        if self.ready.is_empty() && !self.done {
            self.find(tx).await?;
        }
        Ok(self.ready.pop_front())
    }

    /// Reads some packs.
    async fn find(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let rows = self.packs.next(tx).await?;
        let mut hours = BTreeMap::new();
        for (hour, row) in &rows {
            let mut from = row.reader();
            from.int()?;
            let calls = from.int()?;
            let heads = Heads::read(from.blob()?)?;
            hours.insert(*hour, (calls, self.wanted.groups(&heads)?.contains(&true)));
        }
        self.done = self.packs.is_done();
        let low = if self.done {
            self.hours.start
        } else {
            rows.last().map_or(self.hours.start, |(hour, _)| *hour)
        };
        for hour in self.marked.split_off(&low) {
            hours.entry(hour).or_insert((UNKNOWN, true)).1 = true;
        }
        let mut open: Option<(Range<i64>, i64)> = None;
        for (hour, (calls, is)) in hours.into_iter().rev() {
            open = match open.take() {
                Some((span, before)) if is && before + calls <= LOOK => {
                    Some((hour..span.end, before + calls))
                }
                other => {
                    self.ready.extend(other.map(|(span, _)| in_us(&span)));
                    is.then_some((hour..hour + 1, calls))
                }
            };
        }
        self.ready.extend(open.map(|(span, _)| in_us(&span)));
        if !self.done {
            self.ready.push_back(in_us(&(low..low)));
        }
        Ok(())
    }
}

const fn in_us(hours: &Range<i64>) -> Range<i64> {
    hours.start * HOUR_US..hours.end * HOUR_US
}

/// The sessions that can have a call for which a filter holds; `None` where packs do not know.
pub(crate) async fn sessions_with(tx: &mut Tx, filter: &Filter) -> Result<Option<HashSet<i64>>, Fault> {
    // What is asked of the session itself, the list asks.
    let filter = &Filter { branch: None, repo: None, session: None, ..filter.clone() };
    let wanted = Wanted::of_filter(filter);
    if wanted.is_empty() && filter.from_us.is_none() && filter.to_us.is_none() {
        return Ok(None);
    }
    let mut sessions = HashSet::new();
    let Some(range) = range(tx, filter.from_us, filter.to_us).await? else { return Ok(Some(sessions)) };
    for source in sources(tx, range).await? {
        match source {
            Source::Calls(range) => {
                let mut sql = Sql::new("SELECT DISTINCT c.session FROM calls c");
                calls::within(&mut sql, &range);
                sql.add(" AND c.session IS NOT NULL");
                conditions::add(&mut sql, tx.flavour(), filter);
                for row in tx.rows(sql).await? {
                    sessions.insert(row.reader().int()?);
                }
            }
            Source::Packs(slots) => in_packs(tx, &slots, &wanted, &mut sessions).await?,
        }
    }
    Ok(Some(sessions))
}

async fn in_packs(
    tx: &mut Tx,
    slots: &Range<i64>,
    wanted: &Wanted<'_>,
    sessions: &mut HashSet<i64>,
) -> Result<(), Fault> {
    let mut packs = Packs::of(hours_of(slots), "heads, sums");
    while !packs.is_done() {
        for (nth, (hour, row)) in packs.next(tx).await?.iter().enumerate() {
            let mut from = row.reader();
            from.int()?;
            in_pack(*hour, (from.blob()?, from.blob()?), slots, (wanted, sessions))?;
            if nth % TURN == 0 {
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}

fn in_pack(
    hour: i64,
    (heads, sums): (&[u8], &[u8]),
    slots: &Range<i64>,
    (wanted, sessions): (&Wanted<'_>, &mut HashSet<i64>),
) -> Result<(), NoPack> {
    let groups = wanted.groups(&Heads::read(heads)?)?;
    if !groups.contains(&true) {
        return Ok(());
    }
    let mut rows = Rows::read(sums, &[], &[], &[])?;
    while let Some(key) = rows.next()? {
        let is = *groups.get(key.group).ok_or(NoPack)?;
        if is && key.session > 0 && slots.contains(&(hour * HOUR + key.slot)) {
            sessions.insert(key.session);
        }
    }
    Ok(())
}
