//! Questions to people: what a policy asked about a held call, and what came of it. Kept so that any gateway, and whoever opens the
//! database, can answer; an answer may stand for later calls.
//!
//! Texts are masked before they come here. Who may answer is not known here, nor what an answer means.

use async_trait::async_trait;
use uuid::Uuid;

use crate::access::AuditEntry;
use crate::error::Error;
use crate::filter::{Page, PageRequest};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// What came of it; `None` = it waits.
    pub answer: Option<Answer>,
    /// The arguments of the held tool call.
    pub arguments: Option<String>,
    /// When it was asked, µs since 1970.
    pub asked_us: i64,
    /// The id of the call.
    pub call: Uuid,
    /// The program that calls.
    pub client: Option<String>,
    /// Its id: that of the call, a dot, and which of the call's questions it is.
    pub id: String,
    /// The name of the key.
    pub key: Option<String>,
    /// The model as it was asked for.
    pub model: String,
    /// The policy that asks.
    pub policy: String,
    /// Why.
    pub reason: String,
    /// When a standing answer was taken back, µs since 1970.
    pub revoked_us: Option<i64>,
    /// The rule inside the policy.
    pub rule: Option<String>,
    /// The session.
    pub session: Option<String>,
    /// The tool; `None` = it is about the request.
    pub tool: Option<String>,
    /// Until when an answer is waited for, µs since 1970.
    pub until_us: i64,
    /// The user.
    pub user: Option<String>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// When, µs since 1970.
    pub at_us: i64,
    /// Who said so.
    pub by: Option<String>,
    /// For which calls it holds.
    pub holds: Holds,
    /// What was said.
    pub verdict: Verdict,
    /// Why.
    pub words: Option<String>,
}

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It may happen.
    Approved,
    /// It may not.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// The client went away.
    Withdrawn,
}

impl Verdict {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What a word means.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Approved, Self::Denied, Self::Expired, Self::Withdrawn]
            .into_iter()
            .find(|it| it.as_str() == word)
    }
}

/// For which calls an answer holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Holds {
    /// Every later one like it, of the same key.
    Always,
    /// This one.
    #[default]
    Once,
    /// Those like it in the same session.
    Session,
}

impl Holds {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Once => "once",
            Self::Session => "session",
        }
    }

    /// What a word means.
    pub fn of(word: &str) -> Option<Self> {
        [Self::Always, Self::Once, Self::Session].into_iter().find(|it| it.as_str() == word)
    }
}

/// Which questions are listed; all conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalFilter {
    /// Those that were asked before, µs since 1970.
    pub before_us: Option<i64>,
    /// Those that wait (`Some(true)`) or do not.
    pub pending: Option<bool>,
    /// Those of a policy.
    pub policy: Option<String>,
    /// Those of a session.
    pub session: Option<String>,
    /// Those whose answer holds for later calls and has not been taken back.
    pub standing: bool,
    /// Those of a user.
    pub user: Option<String>,
}

/// Keeps questions to people.
#[async_trait]
pub trait Approvals: Send + Sync {
    /// Takes a question.
    async fn ask(&self, question: &Approval) -> Result<(), Error>;

    /// One question.
    async fn approval(&self, id: &str) -> Result<Option<Approval>, Error>;

    /// Questions, the latest first.
    async fn approvals(&self, filter: &ApprovalFilter, page: &PageRequest) -> Result<Page<Approval>, Error>;

    /// Questions of this policy and key whose answer stands, always or for this session, the latest first; 1,000 at most.
    async fn standing(
        &self,
        policy: &str,
        key: Option<&str>,
        session: Option<&str>,
    ) -> Result<Vec<Approval>, Error>;

    /// Answers a question, with the entry of the audit where a person does. False = it is not there, or is answered.
    async fn answer(&self, id: &str, answer: &Answer, entry: Option<&AuditEntry>) -> Result<bool, Error>;

    /// Takes a standing answer back. False = there is none.
    async fn revoke_approval(&self, id: &str, entry: &AuditEntry) -> Result<bool, Error>;
}
