//! What is recorded, and the traits by which it is written and read. Knows no database.
//!
//! A call becomes a [`Record`]: its row ([`Call`]), details, bodies as ropes over shared pieces ([`rope`]), texts for
//! search ([`words`]). [`Records`] takes it; [`Calls`] and [`Sessions`] give it back; [`Purge`] deletes; [`stats`] counts. `store-sql` implements
//! them for databases, [`memory`] for tests. Who may do what is in [`access`]; questions to people
//! are [`Approvals`], policies and settings that are made at run time [`Versions`], what is thought of calls [`Feedbacks`].

pub mod access;
mod approval;
pub mod body;
mod call;
mod enacted;
mod encoded;
mod error;
mod feedback;
mod filter;
pub mod memory;
mod record;
pub mod rope;
mod session;
pub mod stats;
mod traits;
pub mod verdicts;
pub mod words;

pub use approval::{Answer, Approval, ApprovalFilter, Approvals, Holds, Verdict};
pub use body::{Body, BodyKind, Offsets, Part};
pub use call::{
    Call, CallError, Client, Lineage, Outcome, Principal, Recording, Route, Scope, SessionRef, Timing,
};
pub use enacted::{Enacted, Version, Versions};
pub use error::Error;
pub use feedback::{Feedback, FeedbackFilter, FeedbackSource, Feedbacks, Opinions};
pub use filter::{Classified, Cursor, Filter, Limit, Membership, NoCursor, Page, PageRequest};
pub use record::{Attempt, Decision, Details, Record, SessionFacts, Side, Text, Title, TitleSource};
pub use rope::{Piece, PieceHash, Weaver, Woven};
pub use session::{Said, Session, SessionDraft, SessionOrder, Totals};
pub use traits::{Calls, Extent, Purge, Purged, Records, Selection, Sessions, Store, StoredCall, Written};
