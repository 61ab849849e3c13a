//! The traits over a map in memory, for tests of what stands on them. Answers as a database would; keeps nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use uuid::Uuid;

use crate::body::Part;
use crate::call::{Call, Outcome, Scope};
use crate::error::Error;
use crate::filter::{Cursor, Filter, Membership, Page, PageRequest};
use crate::record::{Record, Side, Title, TitleSource};
use crate::rope::{self, Bounds, PieceHash};
use crate::session::{Said, Session, SessionDraft, SessionOrder, Totals};
use crate::traits::{Calls, Extent, Purge, Purged, Records, Selection, Sessions, StoredCall, Written};
use crate::verdicts;
use crate::words::{Query, Words};

/// A store in memory.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<Uuid, Kept>,
    failing: Option<fn() -> Error>,
    pieces: HashMap<Scope, HashMap<PieceHash, Vec<u8>>>,
    sessions: BTreeMap<String, SessionDraft>,
}

#[derive(Debug)]
struct Kept {
    record: Record,
    words: HashMap<Side, Words>,
}

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every write fails so; `None` = writes succeed again.
    pub fn fail_writes(&self, with: Option<fn() -> Error>) {
        self.state().failing = with;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Records for Memory {
    async fn write(&self, batch: &[Record]) -> Result<Written, Error> {
        let mut state = self.state();
        if let Some(error) = state.failing {
            return Err(error());
        }
        // What earlier records of the batch bring along is there for later ones.
        let mut brought = HashSet::new();
        for record in batch.iter().filter(|record| !state.calls.contains_key(&record.call.id)) {
            let scope = record.call.scope();
            brought.extend(record.pieces.iter().map(|piece| (scope.clone(), piece.hash)));
            state.check(record, &brought)?;
        }
        let mut written = Written::default();
        for record in batch {
            if state.calls.contains_key(&record.call.id) {
                written.repeated += 1;
            } else {
                state.keep(record);
                written.calls += 1;
            }
        }
        Ok(written)
    }

    async fn known(&self, scope: &Scope) -> Result<HashSet<PieceHash>, Error> {
        let state = self.state();
        Ok(state.pieces.get(scope).map(|pieces| pieces.keys().copied().collect()).unwrap_or_default())
    }
}

#[async_trait]
impl Calls for Memory {
    async fn get(&self, id: Uuid) -> Result<Option<StoredCall>, Error> {
        let stored = |kept: &Kept| StoredCall {
            bodies: kept.record.bodies.clone(),
            call: kept.record.call.clone(),
            details: kept.record.details.clone(),
        };
        Ok(self.state().calls.get(&id).map(stored))
    }

    async fn list(&self, filter: &Filter, page: &PageRequest) -> Result<Page<Call>, Error> {
        let state = self.state();
        let found = state.calls.values().filter(|kept| state.matches(kept, filter));
        Ok(cut(found.map(|kept| (place(&kept.record.call), kept.record.call.clone())).collect(), page))
    }

    async fn body(&self, id: Uuid, part: Part) -> Result<Option<Vec<u8>>, Error> {
        let state = self.state();
        let Some(kept) = state.calls.get(&id) else { return Ok(None) };
        let Some(body) = kept.record.bodies.iter().find(|body| body.part == part) else { return Ok(None) };
        let pieces = state.pieces.get(&kept.record.call.scope());
        let fetch = |hash: &PieceHash| pieces?.get(hash).map(Vec::as_slice);
        Ok(Some(rope::join(&body.head, fetch, Bounds::default())?))
    }
}

#[async_trait]
impl Sessions for Memory {
    async fn session(&self, id: &str) -> Result<Option<Session>, Error> {
        let state = self.state();
        Ok(state.sessions.get(id).map(|session| state.shown(session, None)))
    }

    async fn session_of(&self, id: &str, user: &str) -> Result<Option<Session>, Error> {
        let state = self.state();
        let shown = state.sessions.get(id).map(|session| state.shown(session, Some(user)));
        Ok(shown.filter(|session| session.totals.calls > 0))
    }

    async fn sessions(
        &self,
        filter: &Filter,
        order: SessionOrder,
        page: &PageRequest,
    ) -> Result<Page<Session>, Error> {
        let state = self.state();
        let found = state.sessions.values().filter(|session| state.session_matches(session, filter));
        let placed = |session: &SessionDraft| {
            let at_us = match order {
                SessionOrder::Activity => session.last_us,
                SessionOrder::Start => session.first_us,
            };
            let whose = filter.user.as_deref().filter(|_| filter.alone);
            (Cursor { at_us, id: session.reference.id.clone() }, state.shown(session, whose))
        };
        Ok(cut(found.map(placed).collect(), page))
    }

    async fn calls(&self, id: &str, limit: usize) -> Result<Vec<Call>, Error> {
        let state = self.state();
        let mut calls: Vec<_> = state.calls_of(id).map(|kept| kept.record.call.clone()).collect();
        calls.sort_by_key(|call| (call.timing.started_us, call.id));
        calls.truncate(limit);
        Ok(calls)
    }

    async fn entitle(&self, id: &str, title: &str, at_us: i64) -> Result<bool, Error> {
        let mut state = self.state();
        let Some(session) = state.sessions.get_mut(id) else { return Ok(false) };
        if session.title.as_ref().is_some_and(|title| title.value.source == TitleSource::Edited) {
            return Ok(false);
        }
        let value = Title { source: TitleSource::Generated, text: title.to_owned() };
        session.title = Some(Said { at_us, value });
        Ok(true)
    }

    async fn rename(&self, id: &str, title: &str) -> Result<bool, Error> {
        let mut state = self.state();
        let Some(session) = state.sessions.get_mut(id) else { return Ok(false) };
        let value = Title { source: TitleSource::Edited, text: title.to_owned() };
        session.title = Some(Said { at_us: i64::MAX, value });
        Ok(true)
    }
}

#[async_trait]
impl Purge for Memory {
    async fn purge(&self, what: &Selection, extent: Extent, dry_run: bool) -> Result<Purged, Error> {
        let mut state = self.state();
        let selected: Vec<_> = state
            .calls
            .values()
            .filter(|kept| is_selected(kept, what, extent))
            .map(|kept| kept.record.call.clone())
            .collect();
        let gone: BTreeSet<_> = selected.iter().map(|call| call.id).collect();
        let sessions: BTreeSet<_> =
            selected.iter().filter_map(|call| Some(call.lineage.session.as_ref()?.id.clone())).collect();
        let emptied: Vec<_> = sessions
            .iter()
            .filter(|id| state.calls_of(id).all(|kept| gone.contains(&kept.record.call.id)))
            .filter(|_| extent == Extent::Everything)
            .cloned()
            .collect();
        let purged = Purged { calls: gone.len() as u64, sessions: emptied.len() as u64 };
        if dry_run {
            return Ok(purged);
        }
        for id in &gone {
            match extent {
                Extent::Contents => {
                    if let Some(kept) = state.calls.get_mut(id) {
                        kept.record.bodies.clear();
                        kept.words.clear();
                    }
                }
                Extent::Everything => drop(state.calls.remove(id)),
            }
            state.pieces.remove(&Scope::Call(*id));
        }
        for id in emptied {
            state.sessions.remove(&id);
        }
        for id in sessions {
            state.sweep(&id);
        }
        Ok(purged)
    }

    async fn scrub(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn forget_comments(&self, _: &Selection) -> Result<(), Error> {
        // Nothing is said of calls here.
        Ok(())
    }

    async fn forget_approvals(&self, _: &[String]) -> Result<u64, Error> {
        // Nobody is asked anything here.
        Ok(0)
    }

    async fn forget_verdicts(&self, calls: &[Uuid]) -> Result<u64, Error> {
        let mut state = self.state();
        let mut gone = 0;
        for id in calls {
            if let Some(kept) = state.calls.get_mut(id) {
                let decisions = &mut kept.record.details.decisions;
                gone += verdicts::rows(decisions).count() as u64;
                decisions.retain(|decision| decision.kind != "policy");
            }
        }
        Ok(gone)
    }
}

impl State {
    /// What databases refuse: times below zero, and references to pieces that are neither there nor brought along.
    fn check(&self, record: &Record, brought: &HashSet<(Scope, PieceHash)>) -> Result<(), Error> {
        let timing = &record.call.timing;
        let times = [Some(timing.started_us), timing.queue_us, timing.ttft_us, timing.total_us];
        if times.into_iter().flatten().any(|time| time < 0) {
            return Err(Error::Refused { call: record.call.id, reason: "a time is below zero".to_owned() });
        }
        let scope = record.call.scope();
        let there = self.pieces.get(&scope);
        for needed in record.needs()? {
            let is_there = there.is_some_and(|pieces| pieces.contains_key(&needed));
            if !is_there && !brought.contains(&(scope.clone(), needed)) {
                return Err(Error::Unwoven { call: record.call.id, missing: needed });
            }
        }
        Ok(())
    }

    fn keep(&mut self, record: &Record) {
        let pieces = self.pieces.entry(record.call.scope()).or_default();
        for piece in &record.pieces {
            pieces.entry(piece.hash).or_insert_with(|| piece.bytes.clone());
        }
        if let Some(session) = SessionDraft::of(record) {
            match self.sessions.get_mut(&session.reference.id) {
                Some(known) => known.absorb(session),
                None => drop(self.sessions.insert(session.reference.id.clone(), session)),
            }
        }
        let mut words: HashMap<Side, Words> = HashMap::new();
        for text in &record.texts {
            words.entry(text.side).or_default().add(&text.text);
        }
        let record = Record { pieces: Vec::new(), texts: Vec::new(), ..record.clone() };
        self.calls.insert(record.call.id, Kept { record, words });
    }

    fn calls_of(&self, session: &str) -> impl Iterator<Item = &Kept> {
        self.calls.values().filter(move |kept| {
            kept.record.call.lineage.session.as_ref().is_some_and(|its| its.id == session)
        })
    }

    fn matches(&self, kept: &Kept, filter: &Filter) -> bool {
        let call = &kept.record.call;
        let session = call.lineage.session.as_ref().and_then(|session| self.sessions.get(&session.id));
        let membership = match &filter.session {
            None => true,
            Some(Membership::Of(id)) => {
                call.lineage.session.as_ref().is_some_and(|session| session.id == *id)
            }
            Some(Membership::Sessionless) => call.lineage.session.is_none(),
        };
        let query = filter.text.as_deref().map(Query::of);
        membership
            && row_matches(call, filter)
            && filter.contents.is_none_or(|any| any != kept.record.bodies.is_empty())
            && is(filter.branch.as_ref(), session.and_then(|session| Some(&session.branch.as_ref()?.value)))
            && is(filter.repo.as_ref(), session.and_then(|session| Some(&session.repo.as_ref()?.value)))
            && (filter.branch.is_none() && filter.repo.is_none()
                || session.is_none_or(|session| self.speaks(&session.reference.id, filter)))
            && query.is_none_or(|query| {
                query.is_some_and(|query| kept.words.values().any(|words| query.matches(words)))
            })
    }

    fn session_matches(&self, session: &SessionDraft, filter: &Filter) -> bool {
        let of_call = Filter { session: None, ..filter.clone() };
        let rest = Filter { text: None, ..of_call.clone() };
        let id = &session.reference.id;
        let title = session.title.as_ref().map_or(Words::default(), |title| Words::of(&title.value.text));
        let named = filter.text.as_deref().and_then(Query::of).is_some_and(|query| query.matches(&title))
            && self.speaks(id, filter);
        self.calls_of(id).any(|kept| self.matches(kept, &of_call) || (named && self.matches(kept, &rest)))
    }

    /// Whether what a session says of itself is for whoever asks.
    fn speaks(&self, session: &str, filter: &Filter) -> bool {
        !filter.alone || self.calls_of(session).all(|kept| kept.record.call.principal.user == filter.user)
    }

    /// A session, or what one user's calls make of it.
    fn shown(&self, draft: &SessionDraft, whose: Option<&str>) -> Session {
        let mut totals = Totals::default();
        let is_theirs =
            |kept: &&Kept| whose.is_none_or(|user| kept.record.call.principal.user.as_deref() == Some(user));
        let shared = self.calls_of(&draft.reference.id).any(|kept| !is_theirs(&kept));
        for kept in self.calls_of(&draft.reference.id).filter(is_theirs) {
            let call = &kept.record.call;
            let usage = &call.usage;
            totals.cache_read += usage.cache_read.unwrap_or(0);
            totals.cache_write += usage.cache_write_5m.unwrap_or(0) + usage.cache_write_1h.unwrap_or(0);
            totals.calls += 1;
            totals.cost_nano += call.cost_nano.unwrap_or(0);
            totals.failed += u64::from(call.outcome == Outcome::Failed);
            totals.input_uncached += usage.input_uncached.unwrap_or(0);
            totals.intervened += u64::from(call.intervened);
            totals.output += usage.output.unwrap_or(0);
            totals.unpriced += u64::from(call.cost_nano.is_none());
        }
        let latest = self
            .calls_of(&draft.reference.id)
            .filter(is_theirs)
            .map(|kept| &kept.record.call)
            .max_by_key(|call| (call.timing.started_us, call.id));
        let value = |said: &Option<Said<String>>| said.as_ref().map(|said| said.value.clone());
        let theirs = self.calls_of(&draft.reference.id).filter(is_theirs);
        let times: Vec<_> = theirs.map(|kept| kept.record.call.timing.started_us).collect();
        if shared {
            return Session {
                branch: None,
                client: latest.map(|call| call.client.clone()).unwrap_or_default(),
                cwd: None,
                first_us: times.iter().copied().min().unwrap_or(draft.first_us),
                last_us: times.iter().copied().max().unwrap_or(draft.last_us),
                principal: latest.map(|call| call.principal.clone()).unwrap_or_default(),
                reference: draft.reference.clone(),
                repo: None,
                title: None,
                totals,
            };
        }
        Session {
            branch: value(&draft.branch),
            client: latest.map(|call| call.client.clone()).unwrap_or_default(),
            cwd: value(&draft.cwd),
            first_us: draft.first_us,
            last_us: draft.last_us,
            principal: latest.map(|call| call.principal.clone()).unwrap_or_default(),
            reference: draft.reference.clone(),
            repo: value(&draft.repo),
            title: draft.title.as_ref().map(|said| said.value.clone()),
            totals,
        }
    }

    /// Forgets the pieces that no body of the session needs.
    fn sweep(&mut self, session: &str) {
        let scope = Scope::Session(session.to_owned());
        let mut open: Vec<_> =
            self.calls_of(session).flat_map(|kept| kept.record.bodies.iter().map(|body| body.head)).collect();
        let Some(mut pieces) = self.pieces.remove(&scope) else { return };
        let mut needed = HashMap::new();
        while let Some(hash) = open.pop() {
            if let Some(bytes) = pieces.remove(&hash) {
                open.extend(rope::references(&hash, &bytes).unwrap_or_default());
                needed.insert(hash, bytes);
            }
        }
        self.pieces.insert(scope, needed);
    }
}

fn is_selected(kept: &Kept, what: &Selection, extent: Extent) -> bool {
    let call = &kept.record.call;
    let selected = match what {
        Selection::Calls(ids) => ids.contains(&call.id),
        Selection::Key(key) => call.principal.key.as_ref() == Some(key),
        Selection::OlderOf(at_us, class) => {
            call.timing.started_us < *at_us && call.principal.data_class == class.class()
        }
        Selection::OlderThan(at_us) => call.timing.started_us < *at_us,
        Selection::Session(id) => call.lineage.session.as_ref().is_some_and(|session| session.id == *id),
        Selection::User(user) => call.principal.user.as_ref() == Some(user),
    };
    selected && (extent == Extent::Everything || !kept.record.bodies.is_empty())
}

fn row_matches(call: &Call, filter: &Filter) -> bool {
    let route = &call.route;
    let models = [&route.requested_model, &route.resolved_model, &route.answering_model];
    filter.from_us.is_none_or(|from| call.timing.started_us >= from)
        && filter.to_us.is_none_or(|to| call.timing.started_us < to)
        && filter.outcome.is_none_or(|outcome| call.outcome == outcome)
        && filter.intervened.is_none_or(|intervened| call.intervened == intervened)
        && filter.cost_from.is_none_or(|least| call.cost_nano.is_some_and(|cost| cost >= least))
        && filter.cost_to.is_none_or(|most| call.cost_nano.is_some_and(|cost| cost <= most))
        && filter.status_from.is_none_or(|least| call.status.is_some_and(|status| status >= least))
        && filter.status_to.is_none_or(|most| call.status.is_some_and(|status| status <= most))
        && filter.model.as_ref().is_none_or(|model| models.iter().any(|one| one.as_ref() == Some(model)))
        && filter.class.is_none_or(|class| call.principal.data_class == class.class())
        && is(filter.key.as_ref(), call.principal.key.as_ref())
        && is(filter.project.as_ref(), call.principal.project.as_ref())
        && is(filter.provider.as_ref(), route.provider.as_ref())
        && is(filter.user.as_ref(), call.principal.user.as_ref())
}

fn is(wanted: Option<&String>, found: Option<&String>) -> bool {
    wanted.is_none() || wanted == found
}

fn place(call: &Call) -> Cursor {
    Cursor { at_us: call.timing.started_us, id: call.id.to_string() }
}

/// The page of what was found.
fn cut<T>(mut found: Vec<(Cursor, T)>, page: &PageRequest) -> Page<T> {
    found.sort_by(|a, b| b.0.cmp(&a.0));
    if let Some(after) = &page.after {
        found.retain(|(place, _)| place < after);
    }
    let limit = page.limit.number();
    let next = (found.len() > limit).then(|| found[limit - 1].0.clone());
    found.truncate(limit);
    Page { items: found.into_iter().map(|(_, item)| item).collect(), next }
}
