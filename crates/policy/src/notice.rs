//! A line for whoever reads the answer.
//!
//! # What it does
//!
//! Adds words behind the answer: in the first turn of a conversation, or in every turn. Never to calls that a client makes for
//! its own sake (probes, titles, counts), never to answers in a form that words would break (JSON), and before tool calls, where there
//! are any.
//!
//! # Why
//!
//! People have to be told that their conversations are recorded and checked, and where to look at the record.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - name: recorded
//!       notice: {text: "This conversation is logged and monitored.", on: first_turn}
//! ```
//!
//! # Limits
//!
//! Clients send answers back as part of the conversation, so the model reads the words in later turns. Which turn it is, is told by
//! the conversation that the client sends; a conversation that the provider keeps counts as one turn each time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{CallFacts, Needs, Policy, PolicyRun, View};
use crate::verdict::{EndVerdict, Finding};

/// Which words, and when.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The words. `{id}` is the call's id, `{session}` the session's.
    #[schemars(length(min = 1))]
    pub text: String,
    /// When they are added.
    #[serde(default)]
    pub on: When,
}

/// When words are added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// To the answer that ends a turn: one without tool calls.
    EachAnswer,
    /// To the first answer of a conversation.
    #[default]
    FirstTurn,
}

/// The policy.
pub struct Notice(pub Options);

impl Policy for Notice {
    fn needs(&self) -> Needs {
        Needs { conversation: true, end: true, ..Needs::default() }
    }

    fn open(&self, facts: &CallFacts) -> Box<dyn PolicyRun> {
        let text = self.0.text.replace("{id}", &facts.id);
        let text = text.replace("{session}", facts.session.as_deref().unwrap_or_default());
        Box::new(Noting { on: self.0.on, text })
    }
}

struct Noting {
    on: When,
    text: String,
}

/// Whether nobody has answered yet.
fn is_first(view: &View<'_>) -> bool {
    view.conversation.is_none_or(|conversation| {
        conversation.turns.iter().all(|turn| turn.role != lockgate_core::Role::Assistant)
    })
}

impl PolicyRun for Noting {
    fn on_end(&mut self, tools: bool, view: &View<'_>) -> EndVerdict {
        let now = match self.on {
            When::EachAnswer => !tools,
            When::FirstTurn => is_first(view),
        };
        if !now {
            return EndVerdict::Allow;
        }
        EndVerdict::Append { finding: Finding::because("people are told"), text: self.text.clone() }
    }
}
