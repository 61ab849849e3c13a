//! A session as a list shows it: what its calls said of it, and their sums.
//!
//! The sums are made when they are read, from the calls: nothing is counted twice and no row is fought over.

use serde::{Deserialize, Serialize};

use crate::call::{Client, Principal, SessionRef};
use crate::record::Title;

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
