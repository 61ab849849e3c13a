//! What people and programs say of calls and sessions: good or bad, why, in their words. One opinion of each author about each call or
//! session; a new one takes the place of the old.
//!
//! It goes with its call or session. Routing will learn from it; what it makes of it is not known here.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::access::AuditEntry;
use crate::call::words;
use crate::error::Error;
use crate::filter::{Page, PageRequest};
use crate::stats::{Dimension, Slice};

words! {
    /// Who says it.
    FeedbackSource {
        /// Somebody who logged in, or sits at the command line.
        Person = "person",
        /// A program with a key.
        Program = "program",
    }
}

/// An opinion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// When, µs since 1970.
    pub at_us: i64,
    /// Who says it, by name.
    pub author: String,
    /// The call; `None` = the session as a whole.
    pub call: Option<Uuid>,
    /// In the author's words, secrets masked.
    pub comment: Option<String>,
    /// Its id.
    pub id: Uuid,
    /// Short words for what was good or bad, in order.
    pub labels: Vec<String>,
    /// From -1000, bad, to 1000, good.
    pub score_milli: i64,
    /// The session: of the call, if it has one.
    pub session: Option<String>,
    /// Who says it.
    pub source: FeedbackSource,
}

/// Conditions on opinions; all of them hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FeedbackFilter {
    /// By this author.
    pub author: Option<String>,
    /// About this call.
    pub call: Option<Uuid>,
    /// From when, included, µs since 1970.
    pub from_us: Option<i64>,
    /// The lowest score.
    pub score_from: Option<i64>,
    /// The highest score.
    pub score_to: Option<i64>,
    /// About this session or a call of it.
    pub session: Option<String>,
    /// Of this source.
    pub source: Option<FeedbackSource>,
    /// Until when, not included, µs since 1970.
    pub to_us: Option<i64>,
    /// About calls of this user, or said by this author.
    pub user: Option<String>,
}

/// What is said of calls that have something in common.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opinions {
    /// Opinions below zero.
    pub bad: u64,
    /// Calls that somebody spoke of.
    pub calls: u64,
    /// Opinions above zero.
    pub good: u64,
    /// What the calls have in common, in the order of what was asked for; `None` = they say nothing of it.
    pub group: Vec<Option<String>>,
    /// Opinions.
    pub opinions: u64,
    /// The sum of the scores, thousandths.
    pub score_milli: i64,
}

/// Keeps opinions.
#[async_trait]
pub trait Feedbacks: Send + Sync {
    /// Takes an opinion, in place of what the same author said of the same call or session before: then under the id of before, which is given back.
    /// `None`: there is no such call or session.
    async fn say(&self, said: &Feedback, entry: &AuditEntry) -> Result<Option<Uuid>, Error>;

    /// One opinion.
    async fn feedback(&self, id: Uuid) -> Result<Option<Feedback>, Error>;

    /// Opinions, the latest first.
    async fn feedbacks(&self, filter: &FeedbackFilter, page: &PageRequest) -> Result<Page<Feedback>, Error>;

    /// Takes one back; false if it is not there.
    async fn unsay(&self, id: Uuid, entry: &AuditEntry) -> Result<bool, Error>;

    /// What is said of the calls of a slice, by what they have in common: the most opinions first.
    async fn opinions(&self, slice: &Slice, by: &[Dimension]) -> Result<Vec<Opinions>, Error>;
}
