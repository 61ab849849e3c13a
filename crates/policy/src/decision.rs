//! What is recorded of each verdict: who said what of which thing, why, and what came of it.
//!
//! Written into the record of the call as JSON (`kind: policy`, [`VERSION`]). A verdict that changes nothing and says nothing is not
//! recorded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::Mode;
use crate::spent::Spent;
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

/// What was said: the words of records, of statistics and of fixtures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Nothing, or only notes. Never recorded.
    #[default]
    Allow,
    /// Something to note.
    Annotate,
    /// The gateway answers.
    Answer,
    /// Words behind the last ones.
    Append,
    /// Somebody was asked.
    Ask,
    /// The policy failed: panicked, or took too long, or had no answer, or could not read what it judges.
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

impl Said {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Annotate => "annotate",
            Self::Answer => "answer",
            Self::Append => "append",
            Self::Ask => "ask",
            Self::Failed => "failed",
            Self::KeepLocal => "keep_local",
            Self::Refuse => "refuse",
            Self::Remove => "remove",
            Self::Replace => "replace",
            Self::Resample => "resample",
            Self::Rewrite => "rewrite",
            Self::Stop => "stop",
            Self::Warn => "warn",
        }
    }
}

/// What somebody who decides may say: a rule, or a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It passes, and no further rule is asked.
    Allow,
    /// It is noted, and further rules are asked.
    Annotate,
    /// The gateway answers (on `call` only).
    Answer,
    /// A person decides; it is refused if they decline.
    Ask,
    /// The request may go to a local model only (on `call` only).
    KeepLocal,
    /// It is refused, with the reason.
    Refuse,
    /// The client does not get it.
    Remove,
    /// Words take its place.
    Replace,
    /// The model is asked again and told the reason; refused, if that has been done often enough.
    Resample,
    /// A tool call gets other arguments, a request other instructions, parameters or tools.
    Rewrite,
    /// The answer ends here.
    Stop,
    /// It passes with a warning, and further rules are asked.
    Warn,
}

/// One verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it was done; `false` = it would have been, in another mode.
    pub applied: bool,
    /// What it asked models for it, and what that took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Spent>,
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
