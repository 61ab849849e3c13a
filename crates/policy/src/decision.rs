//! What is recorded of each verdict: who said what of which thing, why, and what came of it.
//!
//! Written into the record of the call as JSON (`kind: policy`, [`VERSION`]). A verdict that changes nothing and says nothing is not
//! recorded.

use serde::{Deserialize, Serialize};

use crate::chain::Mode;
use crate::verdict::Finding;

/// The version of the form.
pub const VERSION: u32 = 1;

/// Where in a call a verdict was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// On the request.
    Call,
    /// At the end of the answer.
    End,
    /// On a text of the request.
    RequestText,
    /// On text of the answer.
    Text,
    /// On a tool call.
    ToolCall,
}

/// What was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Something to note.
    Annotate,
    /// The gateway answers.
    Answer,
    /// Words behind the last ones.
    Append,
    /// Somebody was asked.
    Ask,
    /// The policy failed: panicked, or took too long, or had no answer.
    Failed,
    /// It may go to a local model only.
    KeepLocal,
    /// It may not happen.
    Refuse,
    /// The client does not get it.
    Remove,
    /// Words in its place.
    Replace,
    /// The model is asked again.
    Resample,
    /// It was changed.
    Rewrite,
    /// The answer ends here.
    Stop,
    /// The client is warned.
    Warn,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it was done; `false` = it would have been, in another mode.
    pub applied: bool,
    /// Why.
    #[serde(flatten)]
    pub finding: Finding,
    /// Where in the call.
    pub hook: Hook,
    /// In which mode.
    pub mode: Mode,
    /// The policy's name.
    pub policy: String,
    /// What was said.
    pub said: Said,
    /// The tool and the id of the call that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
}

/// A tool call that a decision is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// The id of the call.
    pub id: String,
    /// The tool's name.
    pub name: String,
}
