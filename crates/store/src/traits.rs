//! The seams of storage, one small trait each: writing calls, reading calls, reading sessions, deleting.
//!
//! To add a database: implement the four traits, and run `store-sql`'s tests against it. Every method is one transaction, or as
//! many as it says; none retries. Times and ids come from the caller: no implementation has a clock.

use std::collections::HashSet;

use async_trait::async_trait;
use uuid::Uuid;

use crate::access::{Audit, Keys, Logins, Ring, Users};
use crate::approval::Approvals;
use crate::body::Body;
use crate::call::{Call, Scope};
use crate::enacted::Versions;
use crate::error::Error;
use crate::feedback::Feedbacks;
use crate::filter::{Classified, Filter, Page, PageRequest};
use crate::record::{Details, Record};
use crate::rope::PieceHash;
use crate::session::{Session, SessionOrder};
use crate::stats::Stats;
use crate::verdicts::Verdicts;

/// All of it at once, for those who look at and change what is stored.
pub trait Store:
    Approvals
    + Calls
    + Feedbacks
    + Purge
    + Records
    + Sessions
    + Stats
    + Audit
    + Keys
    + Logins
    + Ring
    + Users
    + Verdicts
    + Versions
{
}

impl<T> Store for T where
    T: Approvals
        + Calls
        + Feedbacks
        + Purge
        + Records
        + Sessions
        + Stats
        + Audit
        + Keys
        + Logins
        + Ring
        + Users
        + Verdicts
        + Versions
{
}

/// Writes calls.
#[async_trait]
pub trait Records: Send + Sync {
    /// Stores the batch in one transaction: all of it or, on an error, nothing. A call that is stored already is left as it is, also when
    /// it comes twice in the batch. [`Error::Refused`] names the first record that the database will never take: put it aside and write the
    /// others again. [`Error::Unwoven`] names a record whose bodies have to be taken apart again.
    async fn write(&self, batch: &[Record]) -> Result<Written, Error>;

    /// The pieces that a scope has, to weave against after a restart.
    async fn known(&self, scope: &Scope) -> Result<HashSet<PieceHash>, Error>;
}

/// What a batch did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Calls that were new.
    pub calls: usize,
    /// Calls that were stored already.
    pub repeated: usize,
}

/// Reads calls.
#[async_trait]
pub trait Calls: Send + Sync {
    /// One call with its details, without contents.
    async fn get(&self, id: Uuid) -> Result<Option<StoredCall>, Error>;

    /// Calls, the latest first.
    async fn list(&self, filter: &Filter, page: &PageRequest) -> Result<Page<Call>, Error>;

    /// One body of a call, put together. `None` = there is no such call or it has no such body.
    async fn body(&self, id: Uuid, part: crate::body::Part) -> Result<Option<Vec<u8>>, Error>;
}

/// One call as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredCall {
    /// Its bodies, without contents.
    pub bodies: Vec<Body>,
    /// The row.
    pub call: Call,
    /// The details.
    pub details: Details,
}

/// Reads sessions, and names them.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// One session.
    async fn session(&self, id: &str) -> Result<Option<Session>, Error>;

    /// One session as the calls of a user make it; where others have calls in it too, without what it says of itself (title, branch, folder,
    /// repository), which may be of them. `None` = no call of it is theirs.
    async fn session_of(&self, id: &str, user: &str) -> Result<Option<Session>, Error>;

    /// Sessions, the latest first. `filter.session` is not used.
    async fn sessions(
        &self,
        filter: &Filter,
        order: SessionOrder,
        page: &PageRequest,
    ) -> Result<Page<Session>, Error>;

    /// Every call of a session in the order in which they began, up to `limit`.
    async fn calls(&self, id: &str, limit: usize) -> Result<Vec<Call>, Error>;

    /// Gives the session a title that a model has made (µs since 1970), unless it has one by hand. False = it has, or there is no such session.
    async fn entitle(&self, id: &str, title: &str, at_us: i64) -> Result<bool, Error>;

    /// Gives the session a title by hand; it stays. False = there is no such session.
    async fn rename(&self, id: &str, title: &str) -> Result<bool, Error>;
}

/// Deletes.
#[async_trait]
pub trait Purge: Send + Sync {
    /// Deletes what is selected, in several transactions; a repetition goes on where one was cut off. With `dry_run` only counts.
    async fn purge(&self, what: &Selection, extent: Extent, dry_run: bool) -> Result<Purged, Error>;

    /// Behind deletions: sees to it that nothing of what was deleted is left in the files of the database, as far as that can be done while
    /// it is used. May take some seconds.
    async fn scrub(&self) -> Result<(), Error>;

    /// Forgets what was said in words of what is selected, also of calls without contents: their comments, and those of sessions of which no
    /// contents are left. A purge of contents does so itself.
    async fn forget_comments(&self, what: &Selection) -> Result<(), Error>;

    /// Deletes what people were asked, by id; how many questions were there.
    async fn forget_approvals(&self, ids: &[String]) -> Result<u64, Error>;

    /// Deletes what policies said of these calls: the verdicts, their labels, and the reasons among the calls' decisions; how many verdicts
    /// were there. The calls stay.
    async fn forget_verdicts(&self, calls: &[Uuid]) -> Result<u64, Error>;
}

/// What is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// These calls.
    Calls(Vec<Uuid>),
    /// The calls of a key.
    Key(String),
    /// Those that began before, µs since 1970, and have this class of data, or none.
    OlderOf(i64, Classified),
    /// Calls that began before, µs since 1970.
    OlderThan(i64),
    /// A session.
    Session(String),
    /// The calls of a user.
    User(String),
}

/// How much of it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Bodies, pieces and searchable texts; the rows stay.
    Contents,
    /// All of it, with sessions that have no call left.
    Everything,
}

/// What was deleted, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Purged {
    /// Calls that lost their contents or all.
    pub calls: u64,
    /// Sessions that are gone.
    pub sessions: u64,
}
