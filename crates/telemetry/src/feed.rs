//! Live activity: what calls do, told to whoever subscribes, as it happens.
//!
//! Entries have ids that grow, also over a restart, and the last ones are kept, so that a subscriber who comes back says which it had
//! last and misses nothing. A subscriber that does not keep up is let go of with a notice; nobody waits for it. Until somebody
//! subscribes for the first time nothing is made and nothing kept.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use tokio::sync::Notify;

use crate::approval::Approval;
use crate::call::Call;
use crate::filter::Filter;
use crate::time::now_us;

/// Entries that are kept for those who come back.
const KEPT: usize = 2_000;

/// Entries that wait for one subscriber at most; somebody who comes back may get all that are kept at once.
const WAITING: usize = KEPT + 1_000;

/// What happened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A call waits for a person no longer.
    ApprovalAnswered,
    /// A call waits for a person.
    ApprovalRequested,
    /// The subscriber did not get everything; see [`Entry::missed`].
    Dropped,
    /// A call is over.
    Finished,
    /// A call's client got the first bytes.
    FirstByte,
    /// A call began.
    Started,
}

impl What {
    /// The name of the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ApprovalAnswered => "approval-answered",
            Self::ApprovalRequested => "approval-requested",
            Self::Dropped => "dropped",
            Self::Finished => "finished",
            Self::FirstByte => "first-byte",
            Self::Started => "started",
        }
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// What a person is asked about the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// The call, as far as it had come; `None` for a notice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
    /// Its id; a subscriber that has it last goes on behind it.
    pub id: u64,
    /// For a notice: how many entries the subscriber did not get, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missed: Option<u64>,
    /// What happened.
    pub what: What,
}

/// Tells subscribers of calls.
#[derive(Clone, Debug, Default)]
pub struct Feed(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    subscribers: AtomicUsize,
    /// Whether anybody has ever subscribed.
    wanted: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    kept: VecDeque<Arc<Entry>>,
    last: u64,
    lines: Vec<Arc<Line>>,
}

/// What waits for one subscriber.
#[derive(Debug)]
struct Line {
    awake: Notify,
    filter: Filter,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Arc<Entry>>,
    /// Whether the gateway ends: there is nothing behind what waits.
    ended: bool,
    /// Whether the subscriber is let go of, as it did not keep up.
    over: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Feed {
    /// Whether entries are wanted.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.wanted.load(Ordering::Relaxed)
    }

    /// How many subscribe.
    pub fn subscribers(&self) -> usize {
        self.0.subscribers.load(Ordering::Relaxed)
    }

    /// Tells everybody whom it concerns, if anybody ever wanted to know.
    pub fn tell(&self, what: What, call: Call) {
        self.tell_of(what, call, None);
    }

    /// The same with what a person is asked.
    pub(crate) fn tell_of(&self, what: What, call: Call, approval: Option<Approval>) {
        if !self.is_wanted() {
            return;
        }
        let mut state = lock(&self.0.state);
        state.last += 1;
        let entry = Arc::new(Entry { approval, call: Some(call), id: state.last, missed: None, what });
        if state.kept.len() >= KEPT {
            state.kept.pop_front();
        }
        state.kept.push_back(entry.clone());
        state.lines.retain(|line| line.take(&entry));
    }

    /// Ends every subscription behind what waits for it, now and from now on: nobody who only listens holds up the end of the gateway.
    pub fn end(&self) {
        let mut state = lock(&self.0.state);
        state.ended = true;
        for line in std::mem::take(&mut state.lines) {
            lock(&line.waiting).ended = true;
            line.awake.notify_one();
        }
    }

    /// Subscribes. `last`: the id of the last entry that the subscriber had; without it, it gets what happens from now on.
    pub fn subscribe(&self, filter: Filter, last: Option<u64>) -> Subscription {
        let mut state = lock(&self.0.state);
        if !self.0.wanted.swap(true, Ordering::Relaxed) {
            // Ids of a gateway that was started later are larger.
            state.last = u64::try_from(now_us()).unwrap_or_default();
        }
        let mut waiting = Waiting { ended: state.ended, ..Waiting::default() };
        if let Some(last) = last {
            let first = state.kept.front().map_or(state.last + 1, |entry| entry.id);
            if last + 1 < first {
                waiting.entries.push_back(Arc::new(notice(last, None)));
            }
            let later = state.kept.iter().filter(|entry| entry.id > last && entry.is_for(&filter));
            waiting.entries.extend(later.cloned());
        }
        let line = Arc::new(Line { awake: Notify::new(), filter, waiting: Mutex::new(waiting) });
        state.lines.push(line.clone());
        self.0.subscribers.fetch_add(1, Ordering::Relaxed);
        Subscription { feed: self.clone(), last: last.unwrap_or(state.last), line, told: false }
    }
}

/// Says that entries behind one are missing.
fn notice(id: u64, missed: Option<u64>) -> Entry {
    Entry { approval: None, call: None, id, missed, what: What::Dropped }
}

impl Entry {
    fn is_for(&self, filter: &Filter) -> bool {
        self.call.as_ref().is_none_or(|call| filter.admits(call))
    }
}

impl Line {
    /// Takes an entry if it is wanted; false if the subscriber does not keep up.
    fn take(&self, entry: &Arc<Entry>) -> bool {
        if !entry.is_for(&self.filter) {
            return true;
        }
        let mut waiting = lock(&self.waiting);
        if waiting.entries.len() < WAITING {
            waiting.entries.push_back(entry.clone());
        } else {
            waiting.over = true;
        }
        let stays = !waiting.over;
        drop(waiting);
        self.awake.notify_one();
        stays
    }
}

/// What one subscriber gets.
#[derive(Debug)]
pub struct Subscription {
    feed: Feed,
    /// The id of the last entry that was handed out.
    last: u64,
    line: Arc<Line>,
    /// Whether the last notice was handed out.
    told: bool,
}

impl Subscription {
    /// The next entry. `None` when the gateway ends, and behind a `Dropped` notice: the subscriber did not keep up, and may come back
    /// with the id of the notice.
    pub async fn next(&mut self) -> Option<Arc<Entry>> {
        loop {
            let over = {
                let mut waiting = lock(&self.line.waiting);
                if let Some(entry) = waiting.entries.pop_front() {
                    self.last = entry.id;
                    return Some(entry);
                }
                if waiting.ended && !waiting.over {
                    return None;
                }
                waiting.over
            };
            if !over {
                self.line.awake.notified().await;
            } else if self.told {
                return None;
            } else {
                self.told = true;
                let missed = lock(&self.feed.0.state).last.checked_sub(self.last);
                return Some(Arc::new(notice(self.last, missed)));
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.feed.0.state).lines.retain(|line| !Arc::ptr_eq(line, &self.line));
        self.feed.0.subscribers.fetch_sub(1, Ordering::Relaxed);
    }
}
