//! Adds up what packs and calls say, for each place of an answer. Knows no database: rows and bytes come in, sums go out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use lockgate_store::stats::{Measure, Place, Span, Sums};

use super::calls::{Ask, Found};
use super::fact::Fact;
use super::pack::{Heads, NoPack, Rows};
use super::packs::HOUR;
use super::wanted::Wanted;

/// What a call counts as by its outcome.
const OUTCOMES: [(&str, Measure); 4] = [
    ("aborted", Measure::Aborted),
    ("complete", Measure::Complete),
    ("failed", Measure::Failed),
    ("interrupted", Measure::Interrupted),
];

/// What a call counts as whose cost is not known.
const UNPRICED: [(&str, Measure); 1] = [("no", Measure::Unpriced)];

/// What is known so far.
pub(super) struct Gathered<'a> {
    ask: Ask<'a>,
    facts: Vec<Option<Fact>>,
    keys: HashMap<Vec<i64>, usize>,
    names: Names,
    places: HashMap<(i64, usize), usize>,
    sums: Vec<Sums>,
    wanted: Wanted<'a>,
}

/// The parts of a pack that were read.
pub(super) struct Bytes<'a> {
    pub(super) heads: &'a [u8],
    pub(super) hour: i64,
    pub(super) sums: &'a [u8],
    /// Empty where no clock is asked for.
    pub(super) times: &'a [u8],
}

impl<'a> Gathered<'a> {
    pub(super) fn new(ask: Ask<'a>) -> Self {
        Self {
            ask,
            facts: ask.by.iter().map(|dimension| Fact::of(*dimension)).collect(),
            keys: HashMap::new(),
            names: Names::default(),
            places: HashMap::new(),
            sums: Vec::new(),
            wanted: Wanted::of_slice(ask.slice),
        }
    }

    /// Takes a row of calls.
    pub(super) fn take_calls(&mut self, found: &Found) {
        // Without groups there is a row even of nothing.
        if found.sums.of(Measure::Calls) == 0 {
            return;
        }
        let mut ids = Vec::with_capacity(found.group.len());
        for (fact, text) in self.facts.iter().zip(&found.group) {
            ids.push(match (fact, text) {
                (_, None) => 0,
                (Some(_), Some(text)) => self.names.id(text),
                (None, Some(session)) => session.parse().unwrap_or(0),
            });
        }
        let at = self.place(found.number, &ids);
        let sums = &mut self.sums[at];
        if found.session > 0 {
            *sums.sessions.entry(found.session).or_default() += found.sums.of(Measure::Cost);
        }
        sums.merge(&found.sums);
    }

    /// Takes what a pack says of some slots.
    pub(super) fn take_pack(&mut self, bytes: &Bytes<'_>, slots: &Range<i64>) -> Result<(), NoPack> {
        let heads = Heads::read(bytes.heads)?;
        let first = bytes.hour * HOUR;
        let numbers: Vec<_> =
            (first..first + HOUR).map(|slot| self.ask.axis.map_or(0, |axis| axis.number(slot))).collect();
        let groups = self.groups(&heads)?;
        let alone = self.wanted.is_sessionless();
        let by_session = self.facts.contains(&None);
        // Where the rows of a quarter and a group go, once it is known.
        let mut known: Vec<Option<usize>> = vec![None; groups.len() * numbers.len()];
        let mut rows = Rows::read(bytes.sums, bytes.times, self.ask.measures, self.ask.clocks)?;
        while let Some(key) = rows.next()? {
            let (group, number) = groups.get(key.group).zip(numbers.get(key.slot as usize)).ok_or(NoPack)?;
            let wanted = slots.contains(&(first + key.slot)) && !(alone && key.session > 0);
            let Some(group) = group.as_ref().filter(|_| wanted) else {
                rows.count(None)?;
                continue;
            };
            let at = key.slot as usize * groups.len() + key.group;
            let place = match known[at] {
                Some(place) if !by_session => place,
                _ => {
                    let place = self.place_of(*number, group, key.session);
                    known[at] = Some(place);
                    place
                }
            };
            let sums = &mut self.sums[place];
            let before = (sums.of(Measure::Calls), sums.of(Measure::Cost));
            rows.count(Some(sums))?;
            let calls = sums.of(Measure::Calls) - before.0;
            for measure in group.derived.iter().flatten() {
                sums.add(*measure, calls);
            }
            if self.ask.sessions && key.session > 0 {
                *sums.sessions.entry(key.session).or_default() += sums.of(Measure::Cost) - before.1;
            }
        }
        Ok(())
    }

    /// The groups of a pack; `None` = not wanted.
    fn groups(&mut self, heads: &Heads<'_>) -> Result<Vec<Option<Known>>, NoPack> {
        let wanted = self.wanted.groups(heads)?;
        let derived = self.derived(heads)?;
        let mut known = Vec::with_capacity(wanted.len());
        for (wanted, derived) in wanted.into_iter().zip(derived) {
            known.push(wanted.then(|| Known { derived, key: Vec::with_capacity(self.facts.len()) }));
        }
        let mut ids = vec![None; heads.texts() + 1];
        ids[0] = Some(0);
        for fact in &self.facts {
            let places = fact.map_or_else(|| Ok(vec![0; known.len()]), |fact| heads.places(fact))?;
            for (group, place) in known.iter_mut().zip(places) {
                let Some(group) = group else { continue };
                let id =
                    ids[place].unwrap_or_else(|| heads.text(place).map_or(0, |text| self.names.id(text)));
                ids[place] = Some(id);
                group.key.push(id);
            }
        }
        Ok(known)
    }

    /// What each call of each group counts as.
    fn derived(&self, heads: &Heads<'_>) -> Result<Vec<[Option<Measure>; 2]>, NoPack> {
        let mut derived = vec![[None; 2]; heads.groups()];
        for (at, fact, words) in [(0, Fact::Outcome, &OUTCOMES[..]), (1, Fact::Priced, &UNPRICED)] {
            let wanted = words.iter().filter(|(_, measure)| self.ask.measures.contains(measure));
            let wanted: Vec<_> =
                wanted.filter_map(|(word, measure)| Some((heads.find(word)?, *measure))).collect();
            if wanted.is_empty() {
                continue;
            }
            for (derived, place) in derived.iter_mut().zip(heads.places(fact)?) {
                derived[at] = wanted.iter().find(|(word, _)| *word == place).map(|(_, measure)| *measure);
            }
        }
        Ok(derived)
    }

    fn place_of(&mut self, number: i64, group: &Known, session: i64) -> usize {
        let mut key = group.key.clone();
        for (id, fact) in key.iter_mut().zip(&self.facts) {
            if fact.is_none() {
                *id = session;
            }
        }
        self.place(number, &key)
    }

    fn place(&mut self, number: i64, ids: &[i64]) -> usize {
        let key = match self.keys.get(ids) {
            Some(key) => *key,
            None => {
                self.keys.insert(ids.to_vec(), self.keys.len());
                self.keys.len() - 1
            }
        };
        *self.places.entry((number, key)).or_insert_with(|| {
            self.sums.push(Sums::default());
            self.sums.len() - 1
        })
    }

    /// The sessions that rows are split by.
    pub(super) fn sessions(&self) -> BTreeSet<i64> {
        let at = self.facts.iter().position(Option::is_none);
        at.map_or_else(BTreeSet::new, |at| {
            self.keys.keys().map(|key| key[at]).filter(|seq| *seq > 0).collect()
        })
    }

    /// Everything, by its place. `sessions` has the ids of sessions.
    pub(super) fn into_places(self, sessions: &HashMap<i64, String>) -> BTreeMap<Place, Sums> {
        let Self { ask, facts, keys, names, places, mut sums, .. } = self;
        let mut groups: Vec<Vec<Option<String>>> = vec![Vec::new(); keys.len()];
        for (ids, key) in keys {
            let texts = ids.iter().zip(&facts).map(|(id, fact)| match fact {
                Some(_) => names.text(*id).map(str::to_owned),
                None => sessions.get(id).cloned(),
            });
            groups[key] = texts.collect();
        }
        let mut spans: HashMap<i64, Span> = HashMap::new();
        let mut found: BTreeMap<Place, Sums> = BTreeMap::new();
        for ((number, key), at) in places {
            let span = ask.axis.map(|axis| *spans.entry(number).or_insert_with(|| axis.bucket(number)));
            let sums = std::mem::take(&mut sums[at]);
            match found.entry((span, groups[key].clone())) {
                std::collections::btree_map::Entry::Occupied(mut there) => there.get_mut().merge(&sums),
                std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(sums)),
            }
        }
        found
    }
}

/// A group of a pack, in numbers that all packs share.
struct Known {
    derived: [Option<Measure>; 2],
    /// In the order of the split; a session is filled in for each row.
    key: Vec<i64>,
}

/// Texts, numbered from 1.
#[derive(Default)]
struct Names {
    ids: HashMap<String, i64>,
    last: i64,
    texts: Vec<String>,
}

impl Names {
    fn id(&mut self, text: &str) -> i64 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        self.last += 1;
        self.texts.push(text.to_owned());
        self.ids.insert(text.to_owned(), self.last);
        self.last
    }

    fn text(&self, id: i64) -> Option<&str> {
        let at = usize::try_from(id).ok()?.checked_sub(1)?;
        self.texts.get(at).map(String::as_str)
    }
}
