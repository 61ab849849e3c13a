//! An answer as it arrives: a sequence of content blocks between a start and an end.
//!
//! Every decoder makes these, every encoder takes them. A whole (not streamed) answer is the same sequence, made in
//! one go. Frames that a dialect has and this does not are [`Event::Opaque`]: they pass where the dialect stays the
//! same, and are declared where it changes.

use crate::content::{Citation, Opaque, Raw, Seal, ToolKind};
use crate::{Failure, Usage};
use serde::{Deserialize, Serialize};

/// One step of an answer.
///
/// Order: `Started`, then blocks, `Usage` anywhere (each one replaces what it knows better), then `Ended` or
/// `Failed`. Block indices start at 0 and grow by one with each `BlockStarted`; a block's deltas come between its
/// start and its end.
#[derive(Debug, Clone)]
pub enum Event {
    /// More of a block.
    BlockDelta {
        /// Which block.
        index: u32,
        /// What came.
        delta: Delta,
    },
    /// A block is complete.
    BlockEnded {
        /// Which block.
        index: u32,
    },
    /// A block begins.
    BlockStarted {
        /// Which block.
        index: u32,
        /// What it will be.
        block: BlockStart,
    },
    /// The answer is complete.
    Ended(Stop),
    /// The provider gave up in the middle.
    Failed(Failure),
    /// A frame that only its own dialect knows.
    Opaque,
    /// A sign of life.
    Ping,
    /// The answer begins.
    Started(Started),
    /// What was used so far; cumulative.
    Usage(Usage),
}

/// The head of an answer.
#[derive(Debug, Clone, Default)]
pub struct Started {
    /// Seconds since 1970, where told.
    pub created: Option<u64>,
    /// The provider's id of the answer.
    pub id: Option<String>,
    /// The model that answers.
    pub model: Option<String>,
}

/// What a block will be.
#[derive(Debug, Clone)]
pub enum BlockStart {
    /// A block only its own dialect knows, whole or opened.
    Opaque(Opaque),
    /// A picture, whole.
    Image(crate::content::Image),
    /// Thoughts.
    Reasoning {
        /// The dialect's id of the item, where it has one.
        id: Option<String>,
        /// A summary in place of the thoughts.
        summary: bool,
    },
    /// A refusal in words.
    Refusal,
    /// Words.
    Text,
    /// A tool call; its arguments follow as deltas.
    ToolCall {
        /// The id its result answers to. Never empty.
        id: String,
        /// Function or custom.
        kind: ToolKind,
        /// The tool.
        name: String,
        /// The group it belongs to.
        namespace: Option<String>,
    },
}

/// More of a block.
#[derive(Debug, Clone)]
pub enum Delta {
    /// More of a tool call's arguments: a piece of JSON text (function) or of free text (custom).
    Arguments(String),
    /// A source for the text so far.
    Citation(Citation),
    /// Probabilities of the text so far, as the dialect wrote them.
    Logprobs(Raw),
    /// A delta that only its own dialect knows.
    Opaque(Raw),
    /// More thoughts.
    Reasoning(String),
    /// More of a refusal.
    Refusal(String),
    /// The seal on the thoughts or on the tool call; comes whole.
    Seal(Seal),
    /// More words.
    Text(String),
}

/// How an answer ended.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Words or data about the reason, where the dialect has them.
    pub detail: Option<String>,
    /// Why.
    pub reason: StopReason,
    /// The stop sequence that was met.
    pub sequence: Option<String>,
}

impl Stop {
    /// An end with nothing more to say.
    pub fn because(reason: StopReason) -> Self {
        Self { detail: None, reason, sequence: None }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The provider's filter cut it.
    ContentFilter,
    /// The context window is full.
    ContextWindow,
    /// The model had said all.
    EndTurn,
    /// The bound on output was met.
    MaxTokens,
    /// A reason this list does not have, in the dialect's word.
    Other(String),
    /// A long turn was paused; the client resends to go on (Anthropic `pause_turn`).
    Pause,
    /// The model refused.
    Refusal,
    /// A stop sequence was met.
    StopSequence,
    /// The model waits for tool results.
    ToolUse,
}
