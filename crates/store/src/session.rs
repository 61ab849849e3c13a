//! A session as a list shows it: what its calls said of it, and their sums.
//!
//! The sums are made when they are read, from the calls: nothing is counted twice and no row is fought over.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use crate::call::{Client, Principal, SessionRef};
use crate::record::{Record, Title, TitleSource};

/// A session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The branch that it worked on last.
    pub branch: Option<String>,
    /// The program of its latest call.
    pub client: Client,
    /// The folder that it worked in.
    pub cwd: Option<String>,
    /// When its first call began, µs since 1970.
    pub first_us: i64,
    /// When its latest call began, µs since 1970.
    pub last_us: i64,
    /// Who pays, by its latest call.
    pub principal: Principal,
    /// Its id and what said so.
    pub reference: SessionRef,
    /// The repository.
    pub repo: Option<String>,
    /// The title.
    pub title: Option<Title>,
    /// Sums over its calls.
    pub totals: Totals,
}

/// Sums over calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Prompt tokens read from a cache.
    pub cache_read: u64,
    /// Prompt tokens written to a cache.
    pub cache_write: u64,
    /// Calls.
    pub calls: u64,
    /// The known costs, nano-USD.
    pub cost_nano: i64,
    /// Calls that failed.
    pub failed: u64,
    /// Prompt tokens neither read from nor written to a cache.
    pub input_uncached: u64,
    /// Calls that a policy intervened in.
    pub intervened: u64,
    /// Output tokens.
    pub output: u64,
    /// Calls whose cost is not known.
    pub unpriced: u64,
}

/// The order of sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionOrder {
    /// By their latest call. A session that becomes active while somebody pages is at the head of the next listing.
    #[default]
    Activity,
    /// By their first call.
    Start,
}

/// What calls say of their session, as it is collected before and while it is stored. Joining is the same in any order and however often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDraft {
    /// The branch.
    pub branch: Option<Said<String>>,
    /// The folder.
    pub cwd: Option<Said<String>>,
    /// When the first call began.
    pub first_us: i64,
    /// When the latest call began.
    pub last_us: i64,
    /// The id and, by the latest call, what said so.
    pub reference: SessionRef,
    /// The repository.
    pub repo: Option<Said<String>>,
    /// The title.
    pub title: Option<Said<Title>>,
}

/// A fact, and when the call began that said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    /// µs since 1970.
    pub at_us: i64,
    /// The fact.
    pub value: T,
}

impl SessionDraft {
    /// What one call says. `None` = it has no session.
    pub fn of(record: &Record) -> Option<Self> {
        let facts = &record.session;
        let at_us = record.call.timing.started_us;
        let said = |fact: &Option<String>| fact.clone().map(|value| Said { at_us, value });
        Some(Self {
            branch: said(&facts.branch),
            cwd: said(&facts.cwd),
            first_us: at_us,
            last_us: at_us,
            reference: record.call.lineage.session.clone()?,
            repo: said(&facts.repo),
            title: facts.title.clone().map(|value| Said { at_us, value }),
        })
    }

    /// Takes over what other calls say: of each fact the latest word holds, of titles the one that counts more, of first texts the
    /// first.
    pub fn absorb(&mut self, other: Self) {
        let take = |mine: &mut Option<Said<String>>, theirs: Option<Said<String>>| {
            if theirs
                .as_ref()
                .is_some_and(|theirs| mine.as_ref().is_none_or(|mine| theirs.at_us >= mine.at_us))
            {
                *mine = theirs;
            }
        };
        take(&mut self.branch, other.branch);
        take(&mut self.cwd, other.cwd);
        take(&mut self.repo, other.repo);
        if other
            .title
            .as_ref()
            .is_some_and(|theirs| self.title.as_ref().is_none_or(|mine| theirs.beats(mine)))
        {
            self.title = other.title;
        }
        if other.last_us >= self.last_us {
            self.reference = other.reference;
        }
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
    }
}

impl Said<Title> {
    /// Whether this title takes the place of another.
    fn beats(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.value.source, other.value.source);
        match mine.rank().cmp(&theirs.rank()) {
            Ordering::Equal if mine == TitleSource::First => self.at_us < other.at_us,
            Ordering::Equal => self.at_us > other.at_us,
            Ordering::Greater => true,
            Ordering::Less => false,
        }
    }
}
