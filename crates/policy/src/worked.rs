//! How long a policy was at work on a call: from its first look to its last, and how much of that it took itself.

use std::time::{Duration, Instant};

use crate::run::Run;

/// A policy at work on one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worked {
    /// What its looks took together; what it asked others is not in it.
    pub busy: Duration,
    /// When its first look began.
    pub first: Instant,
    /// What it is.
    pub kind: &'static str,
    /// When its last look ended.
    pub last: Instant,
    /// How often it looked.
    pub looks: u32,
    /// In which mode.
    pub mode: &'static str,
    /// Its name.
    pub policy: String,
}

/// The looks of a policy so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Looks {
    busy: Duration,
    count: u32,
    span: Option<(Instant, Instant)>,
}

impl Looks {
    /// A look that began then and took so long.
    pub(crate) fn add(&mut self, began: Instant, took: Duration) {
        let ended = began + took;
        self.busy += took;
        self.count += 1;
        self.span = Some((self.span.map_or(began, |(first, _)| first), ended));
    }
}

impl Run {
    /// The policies that have looked at anything.
    pub fn worked(&self) -> Vec<Worked> {
        let of = |member: &crate::run::Member| {
            let (first, last) = member.looks.span?;
            let (busy, looks) = (member.looks.busy, member.looks.count);
            let (kind, mode, policy) =
                (member.entry.kind, member.entry.mode.as_str(), member.entry.name.clone());
            Some(Worked { busy, first, kind, last, looks, mode, policy })
        };
        self.members.iter().filter_map(of).collect()
    }
}
