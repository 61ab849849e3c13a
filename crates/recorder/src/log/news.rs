//! How the reader learns that calls have ended, and how many wait for it.
//!
//! On the calls' way it is a look at a flag: the reader is woken only where it sleeps. Knows nothing of what there is to read.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::locked;

/// Tells the reader that calls have ended, without a system call for each while it is awake.
#[derive(Default)]
pub(super) struct News {
    asleep: AtomicBool,
    ended: Mutex<bool>,
    /// Who waits for more calls than one.
    gathering: Mutex<Option<std::thread::Thread>>,
    /// Whether there are many.
    many: AtomicBool,
    wake: Condvar,
}

impl News {
    /// A call has ended.
    pub(super) fn tell(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            *locked(&self.ended) = true;
            self.wake.notify_one();
        }
    }

    /// Many calls have ended: who gathers should not wait for more.
    pub(super) fn hurry(&self) {
        if !self.many.swap(true, Ordering::SeqCst)
            && let Some(thread) = &*locked(&self.gathering)
        {
            thread.unpark();
        }
    }

    /// Waits for more calls: for so long, or until there are many.
    pub(super) fn gather(&self, longest: Duration) {
        locked(&self.gathering).get_or_insert_with(std::thread::current);
        if !self.many.load(Ordering::SeqCst) {
            std::thread::park_timeout(longest);
        }
        self.many.store(false, Ordering::SeqCst);
    }

    /// Waits for a call to end, or for so long.
    pub(super) fn wait(&self, longest: Duration) {
        let mut ended = locked(&self.ended);
        self.asleep.store(true, Ordering::SeqCst);
        if !*ended {
            ended = self.wake.wait_timeout(ended, longest).unwrap_or_else(PoisonError::into_inner).0;
        }
        *ended = false;
        self.asleep.store(false, Ordering::SeqCst);
    }
}
