//! The facts of one call that fit a row: who, what, where, when, how much. Lists and searches show these and nothing else.
//!
//! Words that other crates define (sources of sessions, kinds of turns, stop reasons) are text here, so that a new one
//! needs no change of what is stored. Contents are elsewhere (`body`, `rope`).

use std::fmt;

use lockgate_core::{DataClass, Dialect, Usage};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What was used, in buckets that do not overlap.
    pub usage: Usage,
    /// The client program.
    pub client: Client,
    /// What it cost in nano-USD. `None` = the price is not known, which is not 0.
    pub cost_nano: Option<i64>,
    /// Why it failed, if it did.
    pub error: Option<CallError>,
    /// The call's id (UUIDv7). Writing the same id again changes nothing.
    pub id: Uuid,
    /// Whether a policy changed, refused or answered something: what the client got differs from what came.
    pub intervened: bool,
    /// The session it belongs to. `None` = the call stands alone.
    pub lineage: Lineage,
    /// What became of it.
    pub outcome: Outcome,
    /// The version of the price table that `cost_nano` was computed with.
    pub price_version: Option<String>,
    /// Who pays.
    pub principal: Principal,
    /// How much of it was kept.
    pub recording: Recording,
    /// The way it took.
    pub route: Route,
    /// The status that the client got. `None` = it was gone before.
    pub status: Option<u16>,
    /// Why the model stopped, in our words (`end_turn`, `tool_use` …).
    pub stop_reason: Option<String>,
    /// When.
    pub timing: Timing,
}

impl Call {
    /// Where this call's pieces are shared: in its session, or with nobody.
    pub fn scope(&self) -> Scope {
        match &self.lineage.session {
            Some(session) => Scope::Session(session.id.clone()),
            None => Scope::Call(self.id),
        }
    }
}

/// Where equal pieces are stored once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// A call without a session.
    Call(Uuid),
    /// A session, by its id.
    Session(String),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(id) => write!(f, "call:{id}"),
            Self::Session(id) => write!(f, "session:{id}"),
        }
    }
}

/// What the call is part of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The agent in the session that made the call. `None` = the main one.
    pub agent: Option<String>,
    /// The agent that started this agent.
    pub parent_agent: Option<String>,
    /// The call that this one continues or was made for.
    pub parent_call: Option<Uuid>,
    /// The session.
    pub session: Option<SessionRef>,
    /// The number of the turn in the session, from 1. Housekeeping has none.
    pub turn: Option<u32>,
    /// What kind of turn it is (human, tool loop, housekeeping …).
    pub turn_kind: Option<String>,
}

/// A session, and how it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRef {
    /// Its id.
    pub id: String,
    /// What said so: a header, a field, or what was derived from the call.
    pub source: String,
}

/// Who pays for the call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// How confidential the data may be that the key is used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_class: Option<DataClass>,
    /// The name of the key (never the key).
    pub key: Option<String>,
    /// The project that the key belongs to.
    pub project: Option<String>,
    /// The user.
    pub user: Option<String>,
}

/// The program that called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its name, as we know it.
    pub name: Option<String>,
    /// What it says of itself.
    pub user_agent: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// The way of the call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The model that the answer names.
    pub answering_model: Option<String>,
    /// The dialect of the client. `None` = the path belongs to none.
    pub front: Option<Dialect>,
    /// What was asked for (`chat`, `embeddings`, `count_tokens`, or the path of what we do not model).
    pub operation: String,
    /// The provider that answered, or was tried last.
    pub provider: Option<String>,
    /// The provider's own id of the request.
    pub provider_request_id: Option<String>,
    /// The model that the client named.
    pub requested_model: Option<String>,
    /// The model that the name stands for.
    pub resolved_model: Option<String>,
    /// Whether the client asked for a stream.
    pub streamed: bool,
    /// The dialect of the provider.
    pub upstream: Option<Dialect>,
}

/// Times of the call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// How long it waited here before it went upstream, µs.
    pub queue_us: Option<i64>,
    /// When the call began, µs since 1970 (UTC).
    pub started_us: i64,
    /// From the beginning to the last byte, µs.
    pub total_us: Option<i64>,
    /// From the beginning to the first byte of the answer, µs.
    pub ttft_us: Option<i64>,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError {
    /// The kind, in the words of `core::ErrorKind`.
    pub kind: String,
    /// What the client was told, redacted.
    pub message: String,
}

/// Declares an enum that is stored as a word.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[doc = $text:literal])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[doc = $text])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every one.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word that is stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// What it means: the sentences that stand beside it in the code.
            pub fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($text),*).trim_start()),+ }
            }

            /// The one that a stored word stands for.
            pub fn of(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.as_str() == word)
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What became of a call.
    Outcome {
        /// The client went away.
        Aborted = "aborted",
        /// The client got all of it.
        Complete = "complete",
        /// The client got an error.
        Failed = "failed",
        /// The gateway's process ended first.
        Interrupted = "interrupted",
    }
}

words! {
    /// How much of a call is kept.
    Recording {
        /// Everything as it was.
        Full = "full",
        /// No contents.
        Metadata = "metadata",
        /// Everything but secrets.
        Redacted = "redacted",
    }
}
