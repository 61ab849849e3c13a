//! What the calls of an hour add up to, as bytes: one row of `stat_packs`.
//!
//! Three parts, of which a reader takes what it needs. **Heads**: the texts that occur, and column by column the groups, which are the different
//! sets of [`Fact`]s, with their number of calls without a session, of calls, of calls that a policy intervened in, and the range of their
//! costs. **Sums**: a row for each quarter of an hour, session and group that has calls, column by column. **Times**: a sketch for each of these
//! rows and clocks. All numbers are varints (`lockgate_core::varint`). So a million calls are some ten MB, and are read through in a blink whatever is asked.
//!
//! Knows no database and no question.

use std::collections::HashMap;

use lockgate_core::varint::{put, put_signed, take, take_signed};
use lockgate_store::stats::{Clock, Measure, NoSketch, Sketch, Sums};

use super::fact::Fact;

/// How many facts a group has.
pub(super) const FACTS: usize = Fact::ALL.len();

/// What is added up for each row, in the order of the columns. Everything else follows from the facts of its group.
pub(super) const SUMS: [Measure; 10] = [
    Measure::CacheRead,
    Measure::CacheWrite,
    Measure::Calls,
    Measure::Cost,
    Measure::Estimated,
    Measure::InputUncached,
    Measure::Intervened,
    Measure::Output,
    Measure::Reasoning,
    Measure::Unmetered,
];

/// Bytes are none of a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what was counted beforehand cannot be read")]
pub(super) struct NoPack;

impl From<NoSketch> for NoPack {
    fn from(_: NoSketch) -> Self {
        Self
    }
}

/// Calls of one group and one session in one quarter of an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// The least and the greatest known cost.
    pub(super) costs: Option<(i64, i64)>,
    /// In the order of [`Fact::ALL`].
    pub(super) facts: Vec<Option<String>>,
    /// The `seq` of the session; 0 = none.
    pub(super) session: i64,
    /// The quarter of the hour, from 0.
    pub(super) slot: u64,
    /// Everything in [`SUMS`], and every clock.
    pub(super) sums: Sums,
}

/// The parts of a pack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pack {
    /// How many calls it counts.
    pub(super) calls: i64,
    pub(super) heads: Vec<u8>,
    pub(super) sums: Vec<u8>,
    pub(super) times: Vec<u8>,
}

impl Pack {
    /// Writes the rows of an hour.
    pub(super) fn of(mut rows: Vec<Row>) -> Self {
        rows.sort_by(|one, other| {
            (one.slot, one.session, &one.facts).cmp(&(other.slot, other.session, &other.facts))
        });
        let mut heads = HeadsDraft::default();
        let mut sums = vec![Vec::new(); 3 + SUMS.len()];
        let mut times = vec![Vec::new(); Clock::ALL.len()];
        let mut last = 0;
        for row in &rows {
            put(&mut sums[0], row.slot);
            put_signed(&mut sums[1], row.session - last);
            last = row.session;
            put(&mut sums[2], heads.group(row) as u64);
            for (column, measure) in sums[3..].iter_mut().zip(SUMS) {
                put_signed(column, row.sums.of(measure));
            }
            for (column, clock) in times.iter_mut().zip(Clock::ALL) {
                row.sums.clock(*clock).write(column);
            }
        }
        let calls = heads.groups.iter().map(|group| group.calls).sum();
        Self {
            calls,
            heads: heads.bytes(),
            sums: columns(rows.len(), &sums),
            times: columns(rows.len(), &times),
        }
    }
}

/// Columns, each behind its length, behind the number of rows.
fn columns(rows: usize, columns: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, rows as u64);
    for column in columns {
        put(&mut bytes, column.len() as u64);
        bytes.extend_from_slice(column);
    }
    bytes
}

/// Heads that are being written.
#[derive(Default)]
struct HeadsDraft<'a> {
    groups: Vec<Group>,
    known: HashMap<&'a [Option<String>], usize>,
    places: HashMap<&'a str, u64>,
    texts: Vec<&'a str>,
}

impl<'a> HeadsDraft<'a> {
    /// Counts a row to its group; the number of the group.
    fn group(&mut self, row: &'a Row) -> usize {
        let at = match self.known.get(row.facts.as_slice()) {
            Some(at) => *at,
            None => {
                let mut facts = [0; FACTS];
                for (place, text) in facts.iter_mut().zip(&row.facts) {
                    *place = text.as_deref().map_or(0, |text| self.text(text));
                }
                self.known.insert(&row.facts, self.groups.len());
                self.groups.push(Group { alone: 0, calls: 0, costs: None, facts, intervened: 0 });
                self.groups.len() - 1
            }
        };
        let group = &mut self.groups[at];
        let calls = row.sums.of(Measure::Calls);
        group.calls += calls;
        group.intervened += row.sums.of(Measure::Intervened);
        if row.session == 0 {
            group.alone += calls;
        }
        group.costs = match (group.costs, row.costs) {
            (Some(mine), Some(theirs)) => Some((mine.0.min(theirs.0), mine.1.max(theirs.1))),
            (mine, theirs) => mine.or(theirs),
        };
        at
    }

    /// The place of a text, from 1.
    fn text(&mut self, text: &'a str) -> u64 {
        let next = self.texts.len() as u64 + 1;
        let place = *self.places.entry(text).or_insert(next);
        if place == next {
            self.texts.push(text);
        }
        place
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put(&mut bytes, self.texts.len() as u64);
        for text in &self.texts {
            put(&mut bytes, text.len() as u64);
            bytes.extend_from_slice(text.as_bytes());
        }
        let mut parts = vec![Vec::new(); HEADS];
        for group in &self.groups {
            for (column, place) in parts.iter_mut().zip(group.facts) {
                put(column, place);
            }
            for (column, count) in parts[FACTS..].iter_mut().zip([group.alone, group.calls, group.intervened])
            {
                put_signed(column, count);
            }
            let costs = &mut parts[COSTS];
            put(costs, u64::from(group.costs.is_some()));
            if let Some((least, greatest)) = group.costs {
                put_signed(costs, least);
                put_signed(costs, greatest);
            }
        }
        bytes.extend(columns(self.groups.len(), &parts));
        bytes
    }
}

/// A group that is being written.
struct Group {
    alone: i64,
    calls: i64,
    costs: Option<(i64, i64)>,
    /// The places of the facts' texts, from 1; 0 = the calls say nothing of it.
    facts: [u64; FACTS],
    intervened: i64,
}

/// What is counted of each group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// Calls without a session.
    Alone,
    /// Calls.
    Calls,
    /// Calls that a policy intervened in.
    Intervened,
}

/// The column of the range of costs: behind those of the facts and of [`Count`].
const COSTS: usize = FACTS + 3;

/// Columns of groups.
const HEADS: usize = COSTS + 1;

/// The heads of a pack. Of the groups, only the columns that are asked for are read.
#[derive(Debug)]
pub(super) struct Heads<'a> {
    columns: [&'a [u8]; HEADS],
    groups: usize,
    texts: Vec<&'a str>,
}

impl<'a> Heads<'a> {
    pub(super) fn read(mut bytes: &'a [u8]) -> Result<Self, NoPack> {
        let bytes = &mut bytes;
        let mut texts = Vec::new();
        for _ in 0..take(bytes).ok_or(NoPack)? {
            texts.push(std::str::from_utf8(part(bytes)?).map_err(|_| NoPack)?);
        }
        let groups = take(bytes).and_then(|groups| usize::try_from(groups).ok()).ok_or(NoPack)?;
        let mut columns = [[].as_slice(); HEADS];
        for column in &mut columns {
            *column = part(bytes)?;
        }
        // Each group has a byte in each column at least.
        if columns.iter().any(|column| column.len() < groups) {
            return Err(NoPack);
        }
        Ok(Self { columns, groups, texts })
    }

    /// How many groups there are.
    pub(super) const fn groups(&self) -> usize {
        self.groups
    }

    /// How many texts there are; their places are from 1 to it.
    pub(super) const fn texts(&self) -> usize {
        self.texts.len()
    }

    /// The text at a place. `None` at 0: the calls say nothing.
    pub(super) fn text(&self, place: usize) -> Option<&'a str> {
        self.texts.get(place.checked_sub(1)?).copied()
    }

    /// The place of a text. `None` = no call says it.
    pub(super) fn find(&self, text: &str) -> Option<usize> {
        self.texts.iter().position(|known| *known == text).map(|at| at + 1)
    }

    /// Where the texts of a fact are, of each group.
    pub(super) fn places(&self, fact: Fact) -> Result<Vec<usize>, NoPack> {
        let known = |place: u64| usize::try_from(place).ok().filter(|place| *place <= self.texts.len());
        self.column(fact as usize, |column| take(column).and_then(known))
    }

    /// How many calls there are of each group.
    pub(super) fn counts(&self, count: Count) -> Result<Vec<i64>, NoPack> {
        self.column(FACTS + count as usize, take_signed)
    }

    /// The least and the greatest known cost of each group.
    pub(super) fn costs(&self) -> Result<Vec<Option<(i64, i64)>>, NoPack> {
        self.column(COSTS, |column| match take(column)? {
            0 => Some(None),
            _ => Some(Some((take_signed(column)?, take_signed(column)?))),
        })
    }

    fn column<T>(&self, at: usize, next: impl Fn(&mut &[u8]) -> Option<T>) -> Result<Vec<T>, NoPack> {
        let mut column = self.columns[at];
        (0..self.groups).map(|_| next(&mut column).ok_or(NoPack)).collect()
    }
}

/// Where a row belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) group: usize,
    pub(super) session: i64,
    /// The quarter of the hour, from 0.
    pub(super) slot: i64,
}

/// Reads the rows of a pack one after the other, of each only the columns that are wanted.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    clocks: Vec<(Clock, &'a [u8])>,
    groups: &'a [u8],
    left: u64,
    measures: Vec<(Measure, &'a [u8])>,
    session: i64,
    sessions: &'a [u8],
    slots: &'a [u8],
}

impl<'a> Rows<'a> {
    /// `times` may be empty where no clock is wanted.
    pub(super) fn read(
        mut sums: &'a [u8],
        mut times: &'a [u8],
        measures: &[Measure],
        clocks: &[Clock],
    ) -> Result<Self, NoPack> {
        let left = take(&mut sums).ok_or(NoPack)?;
        let (slots, sessions, groups) = (part(&mut sums)?, part(&mut sums)?, part(&mut sums)?);
        let mut columns = Vec::with_capacity(measures.len());
        for measure in SUMS {
            let column = part(&mut sums)?;
            columns.extend(measures.contains(&measure).then_some((measure, column)));
        }
        let mut sketches = Vec::with_capacity(clocks.len());
        if !clocks.is_empty() {
            take(&mut times).filter(|rows| *rows == left).ok_or(NoPack)?;
            for clock in Clock::ALL {
                let column = part(&mut times)?;
                sketches.extend(clocks.contains(clock).then_some((*clock, column)));
            }
        }
        Ok(Self { clocks: sketches, groups, left, measures: columns, session: 0, sessions, slots })
    }

    /// The next row. After it, its numbers have to be taken by [`Rows::count`].
    pub(super) fn next(&mut self) -> Result<Option<Key>, NoPack> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let slot = take(&mut self.slots).and_then(|slot| i64::try_from(slot).ok()).ok_or(NoPack)?;
        let step = take_signed(&mut self.sessions).ok_or(NoPack)?;
        self.session = self.session.checked_add(step).ok_or(NoPack)?;
        let group = take(&mut self.groups).ok_or(NoPack)?;
        Ok(Some(Key { group: group as usize, session: self.session, slot }))
    }

    /// Adds the numbers of the row to sums, or to nothing.
    pub(super) fn count(&mut self, mut into: Option<&mut Sums>) -> Result<(), NoPack> {
        for (measure, column) in &mut self.measures {
            let number = take_signed(column).ok_or(NoPack)?;
            if let Some(sums) = &mut into {
                sums.add(*measure, number);
            }
        }
        for (clock, column) in &mut self.clocks {
            Sketch::take(column, into.as_deref_mut().map(|sums| sums.clock_mut(*clock)))?;
        }
        Ok(())
    }
}

/// Takes bytes that stand behind their length.
fn part<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], NoPack> {
    let length = take(bytes).and_then(|length| usize::try_from(length).ok()).ok_or(NoPack)?;
    let (part, rest) = bytes.split_at_checked(length).ok_or(NoPack)?;
    *bytes = rest;
    Ok(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(slot: u64, session: i64, words: [Option<&str>; 3], calls: i64) -> Row {
        let mut facts = vec![None; FACTS];
        for (fact, word) in [Fact::Model, Fact::Outcome, Fact::User].into_iter().zip(words) {
            facts[fact as usize] = word.map(str::to_owned);
        }
        let mut sums = Sums::default();
        sums.add(Measure::Calls, calls);
        sums.add(Measure::Cost, -5 * calls);
        sums.add(Measure::Output, 1 << 40);
        for nth in 0..calls {
            sums.clock_mut(Clock::Total).add(1_000 * nth as u64);
        }
        sums.clock_mut(Clock::Ttft).add(u64::MAX);
        Row { costs: (session > 0).then_some((-5, session)), facts, session, slot, sums }
    }

    fn rows() -> Vec<Row> {
        vec![
            row(3, 70, [Some("opus"), Some("failed"), None], 2),
            row(0, 70, [Some("opus"), Some("failed"), None], 300),
            row(0, 7, [Some("opus"), Some("complete"), Some("ann")], 1),
            row(1, 0, [None, Some("failed"), Some("failed")], 9),
        ]
    }

    #[test]
    fn rows_come_back_with_what_their_groups_say() {
        let pack = Pack::of(rows());
        assert_eq!(pack.calls, 312);
        let heads = Heads::read(&pack.heads).unwrap();
        assert_eq!(heads.groups(), 3);
        let places: Vec<_> = Fact::ALL.iter().map(|fact| heads.places(*fact).unwrap()).collect();
        let mut found = Vec::new();
        let mut read = Rows::read(&pack.sums, &pack.times, &SUMS, Clock::ALL).unwrap();
        while let Some(key) = read.next().unwrap() {
            let mut sums = Sums::default();
            read.count(Some(&mut sums)).unwrap();
            let facts = places.iter().map(|fact| heads.text(fact[key.group]).map(str::to_owned)).collect();
            let costs = (key.session > 0).then_some((-5, key.session));
            found.push(Row { costs, facts, session: key.session, slot: key.slot as u64, sums });
        }
        let mut expected = rows();
        expected.sort_by_key(|row| (row.slot, row.session));
        assert_eq!(found, expected);
        assert_eq!(heads.counts(Count::Calls).unwrap(), [1, 302, 9]);
        assert_eq!(heads.counts(Count::Alone).unwrap(), [0, 0, 9]);
        assert_eq!(heads.counts(Count::Intervened).unwrap(), [0; 3]);
        assert_eq!(heads.costs().unwrap(), [Some((-5, 7)), Some((-5, 70)), None]);
        assert_eq!(heads.find("ann").and_then(|place| heads.text(place)), Some("ann"));
    }

    #[test]
    fn columns_that_nobody_wants_are_left_out() {
        let pack = Pack::of(rows());
        let mut read = Rows::read(&pack.sums, &[], &[Measure::Calls], &[]).unwrap();
        let mut sums = Sums::default();
        while let Some(key) = read.next().unwrap() {
            read.count((key.slot == 0).then_some(&mut sums)).unwrap();
        }
        assert_eq!((sums.of(Measure::Calls), sums.of(Measure::Output)), (301, 0));
    }

    #[test]
    fn bytes_that_are_cut_are_no_pack() {
        let pack = Pack::of(rows());
        for cut in 0..pack.heads.len() {
            assert!(Heads::read(&pack.heads[..cut]).is_err());
        }
        for cut in 0..pack.sums.len() {
            assert!(Rows::read(&pack.sums[..cut], &pack.times, &SUMS, Clock::ALL).is_err());
        }
        for cut in 0..pack.times.len() {
            assert!(Rows::read(&pack.sums, &pack.times[..cut], &SUMS, Clock::ALL).is_err());
        }
    }
}
