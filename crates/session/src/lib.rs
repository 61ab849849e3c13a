//! Who is calling: client, session, turn, agent, and what a coding client says of its work.
//!
//! Pure: sees one request, keeps nothing, knows no clock and no store. What must outlive a call ([`Lineage`], [`Work`]) is a
//! value that the caller keeps and passes in. Reads what clients say of themselves and believes it: nothing here is a
//! proof of who somebody is, so ids are only unique within one caller's key. Never panics on what a client sends, and
//! whatever it returns is bounded.

mod agent;
mod bound;
mod client;
mod compaction;
mod derive;
mod facts;
mod git;
mod history;
mod housekeeping;
mod identity;
mod ids;
mod lineage;
mod messages;
mod title;
mod work;
mod wrappers;

pub use agent::Agent;
pub use client::{Client, ClientKind};
pub use compaction::{Compaction, Condensed};
pub use facts::{Facts, HeaderLookup, Members};
pub use history::TurnKind;
pub use housekeeping::Housekeeping;
pub use identity::{Identity, identify};
pub use ids::{SessionId, SessionSource, named};
pub use lineage::{Lineage, Step};
pub use messages::Messages;
pub use title::title;
pub use work::Work;
