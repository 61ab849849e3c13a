//! A block of an answer that is judged: what it is, how far its judging has come, and what is to become of it.

use lockgate_core::content::{ToolCall, ToolKind};

use crate::decision::{Hook, Tool};
use crate::group::Ballot;
use crate::policy::Piece;
use crate::verdict::BlockVerdict;

/// What is to become of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The model is asked again. Without an answer the client gets these words in its place.
    Again {
        /// What the model is told.
        feedback: String,
        /// Whose wish it is.
        member: usize,
        /// What the client is told.
        refusal: String,
    },
    /// The client does not get it.
    Gone,
    /// It goes to the client.
    Pass,
    /// The client gets these words in its place.
    Say(String),
    /// The client gets these words, and nothing more.
    Stop(String),
}

/// A block that is judged.
pub(crate) struct Trial {
    /// The next policy to be asked.
    pub(crate) at: usize,
    /// What a group says of it, until that is decided.
    pub(crate) ballot: Option<Ballot<BlockVerdict>>,
    /// Whether a policy changed it.
    pub(crate) changed: bool,
    pub(crate) number: u32,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) thing: Thing,
    /// What the client is told beside it.
    pub(crate) warnings: Vec<String>,
}

impl Trial {
    /// Whether it is known what the client gets.
    pub(crate) fn is_decided(&self) -> bool {
        match &self.outcome {
            Some(Outcome::Gone | Outcome::Pass | Outcome::Say(_) | Outcome::Stop(_)) => true,
            Some(Outcome::Again { .. }) | None => false,
        }
    }

    /// Whether it is words that are judged.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.thing, Thing::Text(_))
    }
}

/// What is judged.
pub(crate) enum Thing {
    Call(ToolCall),
    Text(String),
}

impl Thing {
    pub(crate) fn piece(&self) -> Piece<'_> {
        match self {
            Self::Call(call) => Piece::ToolCall(call),
            Self::Text(text) => Piece::Text(text),
        }
    }

    pub(crate) fn hook(&self) -> Hook {
        match self {
            Self::Call(_) => Hook::ToolCall,
            Self::Text(_) => Hook::Text,
        }
    }

    pub(crate) fn call(&self) -> Option<&ToolCall> {
        match self {
            Self::Call(call) => Some(call),
            Self::Text(_) => None,
        }
    }

    /// Whether it can be given another value: arguments that are a JSON object stay one.
    pub(crate) fn takes(&self, value: &str) -> bool {
        let is_object =
            |text: &str| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok();
        match self {
            Self::Call(ToolCall { arguments, kind, .. }) => {
                let free = *kind == ToolKind::Custom && !is_object(arguments);
                free || is_object(value)
            }
            Self::Text(_) => true,
        }
    }

    pub(crate) fn tool(&self) -> Option<Tool> {
        self.call().map(|call| Tool { id: call.id.clone(), name: call.name.clone() })
    }
}
