//! Where calls leave their notes: a bounded queue between their path and the worker.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::call::{Ended, Shared};
use crate::trace::Context;

/// What a call leaves behind.
pub(crate) enum Note {
    /// It is over.
    Ended(Shared, Box<Ended>, Option<Context>),
    /// Its client got the first bytes.
    FirstByte(Shared, Duration),
    /// It began.
    Started(Shared),
}

/// The queue.
#[derive(Default)]
pub(crate) struct Queue {
    awake: Notify,
    dropped: AtomicU64,
    notes: Mutex<VecDeque<Note>>,
}

/// Notes that wait at most: some seconds of more calls than one machine takes.
pub(crate) const BOUND: usize = 65_536;

impl Queue {
    fn notes(&self) -> MutexGuard<'_, VecDeque<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a note; wakes the worker if it has nothing to do.
    pub(crate) fn push(&self, note: Note) {
        let mut notes = self.notes();
        if notes.len() >= BOUND {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        notes.push_back(note);
        if notes.len() == 1 {
            drop(notes);
            self.awake.notify_one();
        }
    }

    /// All that wait.
    pub(crate) fn take(&self) -> VecDeque<Note> {
        std::mem::take(&mut *self.notes())
    }

    /// How many had no room.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits for the first note since the queue was empty.
    pub(crate) async fn filled(&self) {
        self.awake.notified().await;
    }
}
