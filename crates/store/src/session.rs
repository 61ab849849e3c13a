//! A session as a list shows it: what its calls said of it, and their sums.
//!
//! The sums are made when they are read, from the calls: nothing is counted twice and no row is fought over.

use serde::{Deserialize, Serialize};

use crate::call::{Client, Principal, SessionRef};
use crate::record::{Record, Title};

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

impl Session {
    /// What one call says of its session, without sums.
    pub fn of(record: &Record) -> Option<Self> {
        let call = &record.call;
        let facts = &record.session;
        Some(Self {
            branch: facts.branch.clone(),
            client: call.client.clone(),
            cwd: facts.cwd.clone(),
            first_us: call.timing.started_us,
            last_us: call.timing.started_us,
            principal: call.principal.clone(),
            reference: call.lineage.session.clone()?,
            repo: facts.repo.clone(),
            title: facts.title.clone(),
            totals: Totals::default(),
        })
    }

    /// Takes over what another call of the same session says: the latest word on each fact holds.
    pub fn absorb(&mut self, other: Self) {
        let later = other.last_us >= self.last_us;
        if other.title.as_ref().is_some_and(|title| {
            self.title.as_ref().is_none_or(|mine| {
                title.source.rank() > mine.source.rank() || (later && title.source.replaces(mine.source))
            })
        }) {
            self.title = other.title;
        }
        let take = |mine: &mut Option<String>, theirs: Option<String>| {
            if theirs.is_some() && (later || mine.is_none()) {
                *mine = theirs;
            }
        };
        take(&mut self.branch, other.branch);
        take(&mut self.cwd, other.cwd);
        take(&mut self.repo, other.repo);
        take(&mut self.client.name, other.client.name);
        take(&mut self.client.user_agent, other.client.user_agent);
        take(&mut self.client.version, other.client.version);
        take(&mut self.principal.key, other.principal.key);
        take(&mut self.principal.project, other.principal.project);
        take(&mut self.principal.user, other.principal.user);
        if later {
            self.reference = other.reference;
        }
        self.first_us = self.first_us.min(other.first_us);
        self.last_us = self.last_us.max(other.last_us);
    }
}
