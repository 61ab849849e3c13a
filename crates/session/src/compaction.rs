//! Whether a client has put a summary in place of what was said before.

use lockgate_core::{Conversation, Part, Role};
use serde::{Deserialize, Serialize};

use crate::wrappers::text_of;
use lockgate_core::Block;

/// A summary that stands for what was said before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compaction {
    /// In which form.
    pub form: Condensed,
    /// The turn it stands in; the last, if there are several.
    pub turn: usize,
}

/// The form of what stands for an earlier conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condensed {
    /// In a form that only the provider can read.
    Sealed,
    /// In words.
    Words,
}

/// How the messages begin that hold a summary.
const BEGINNINGS: [&str; 6] = [
    "This session is being continued from a previous conversation",
    "Another language model started to solve this problem and produced a summary",
    "The conversation history before this point was compacted into the following summary",
    "What did we do so far?",
    "<state_snapshot>",
    "<conversation_summary>",
];

/// Items and blocks that hold one.
const SEALED: [&str; 3] = ["compaction", "compaction_summary", "context_compaction"];

pub(crate) fn compaction(conversation: &Conversation) -> Option<Compaction> {
    let turns = conversation.turns.iter().enumerate().rev();
    turns.filter(|(_, turn)| turn.role != Role::System).find_map(|(at, turn)| {
        let user = turn.role == Role::User;
        turn.parts.iter().find_map(|part| form(part, user)).map(|form| Compaction { form, turn: at })
    })
}

fn form(part: &Part, user: bool) -> Option<Condensed> {
    if let Block::Opaque(opaque) = &part.block {
        return SEALED.contains(&opaque.kind.as_str()).then_some(Condensed::Sealed);
    }
    let text = text_of(part).filter(|_| user)?;
    BEGINNINGS.iter().any(|begins| text.starts_with(begins)).then_some(Condensed::Words)
}
