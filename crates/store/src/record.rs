//! A call as it is handed over for storage: its row, its details, and what is new in it.
//!
//! Everything in here is redacted already. A record can be written twice; the second time changes nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::Body;
use crate::call::{Call, words};
use crate::rope::{self, Piece, PieceHash, RopeError};

/// One call with all that is kept of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What was sent and received. A part that is absent is the same as its counterpart (`body::Part`).
    pub bodies: Vec<Body>,
    /// The row.
    pub call: Call,
    /// What only the view of one call shows.
    pub details: Details,
    /// The pieces of the bodies that their scope does not have yet. A piece that it has may be here too.
    pub pieces: Vec<Piece>,
    /// What the call says of its session; ignored where the call has none.
    pub session: SessionFacts,
    /// The texts that are new in this call, for search.
    pub texts: Vec<Text>,
}

impl Record {
    /// The pieces that the record refers to and does not bring along: its scope must have them.
    pub fn needs(&self) -> Result<BTreeSet<PieceHash>, RopeError> {
        let mut needed: BTreeSet<_> = self.bodies.iter().map(|body| body.head).collect();
        for piece in &self.pieces {
            needed.extend(rope::references(&piece.hash, &piece.bytes)?);
        }
        for piece in &self.pieces {
            needed.remove(&piece.hash);
        }
        Ok(needed)
    }
}

/// What only the view of one call shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Details {
    /// Each try at a provider, in order.
    pub attempts: Vec<Attempt>,
    /// The parts of the cost, as the ledger names them.
    pub cost_parts: Option<Value>,
    /// What was decided and why.
    pub decisions: Vec<Decision>,
    /// The fields that a conversion between dialects lost (`x-lockgate-lossy`).
    pub losses: Vec<String>,
    /// Tool calls of the provider's answer that a client runs.
    #[serde(default, skip_serializing_if = "is_none")]
    pub tool_calls: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_none(number: &u32) -> bool {
    *number == 0
}

/// One try at a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// What went wrong.
    pub error: Option<String>,
    /// The model that was asked for.
    pub model: String,
    /// From 1.
    pub number: u32,
    /// The provider.
    pub provider: String,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// When it began, µs after the beginning of the call.
    pub started_us: i64,
    /// The status that came back.
    pub status: Option<u16>,
    /// From its beginning to its end, µs.
    pub total_us: Option<i64>,
    /// From its beginning to the first byte of its answer, µs.
    pub ttft_us: Option<i64>,
}

/// A decision with what led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The record of it, in the form that `kind` and `version` define.
    pub json: Value,
    /// Who decided (`policy`, `routing` …).
    pub kind: String,
    /// The version of the form.
    pub version: u32,
}

/// A text that can be searched for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Whose it is.
    pub side: Side,
    /// The text.
    pub text: String,
}

words! {
    /// Whose text it is.
    Side {
        /// The model's.
        Assistant = "assistant",
        /// Instructions of the program.
        System = "system",
        /// The model's thoughts.
        Thinking = "thinking",
        /// What a tool was called with.
        ToolInput = "tool_input",
        /// What a tool returned.
        ToolResult = "tool_result",
        /// The user's.
        User = "user",
    }
}

/// What one call says of its session. `None` leaves what is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// The branch of the repository.
    pub branch: Option<String>,
    /// The folder that the client works in.
    pub cwd: Option<String>,
    /// The repository.
    pub repo: Option<String>,
    /// A title.
    pub title: Option<Title>,
}

/// A title of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Title {
    /// Where it comes from.
    pub source: TitleSource,
    /// The title.
    pub text: String,
}

words! {
    /// Where a title comes from. An edited one is never replaced, a generated one only by a later generated one, the first
    /// text by those and by an earlier text.
    TitleSource {
        /// Somebody wrote it.
        Edited = "edited",
        /// The first text of the user.
        First = "first",
        /// A model made it.
        Generated = "generated",
    }
}

impl TitleSource {
    /// What counts more is higher.
    pub const fn rank(self) -> u8 {
        match self {
            Self::First => 1,
            Self::Generated => 2,
            Self::Edited => 3,
        }
    }
}
