//! Notes what policies get to see, and changes nothing.
//!
//! # What it does
//!
//! Writes into the record of each call that it meets which facts policies are given (client, key, session, turn, form of the answer), how large the
//! conversation is, and each text and tool call of the answer with its size. No contents.
//!
//! # Why
//!
//! A rule that never fires is easier to mend when one sees what it is held against.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - debug: {}
//!       when: {keys: [laptop]}
//! ```
//!
//! # Limits
//!
//! Each call is read and each tool call held for a moment: for looking, not for every day.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, TextNeed, View};
use crate::verdict::{BlockVerdict, CallVerdict, Finding};

/// Nothing to set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Options {}

/// The policy.
pub struct Debug;

impl Policy for Debug {
    fn judges_requests(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        Needs { conversation: true, text: TextNeed::Whole, ..Needs::TOOLS }
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(Looking)
    }
}

struct Looking;

fn noted(rule: &str, reason: String) -> Finding {
    Finding { evidence: None, reason, rule: Some(rule.to_owned()) }
}

impl PolicyRun for Looking {
    fn on_call(&mut self, view: &View<'_>) -> CallVerdict {
        let facts = view.facts;
        let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".into());
        let read = match view.conversation {
            Some(conversation) => {
                let parts: usize = conversation.turns.iter().map(|turn| turn.parts.len()).sum();
                format!(
                    "{} turns with {parts} parts, {} tools",
                    conversation.turns.len(),
                    conversation.tools.len()
                )
            }
            None => "it cannot be read".to_owned(),
        };
        let reason = format!(
            "{} asks for {} in the dialect {}: key {}, user {}, project {}, session {}, human turn {}, housekeeping {}, structured {}; {read}",
            or(&facts.client),
            facts.model,
            facts.dialect.as_str(),
            or(&facts.key),
            or(&facts.user),
            or(&facts.project),
            or(&facts.session),
            facts.human_turn,
            facts.housekeeping,
            facts.structured,
        );
        CallVerdict::Annotate(noted("call", reason))
    }

    fn on_block(&mut self, piece: Piece<'_>, _: &View<'_>) -> BlockVerdict {
        BlockVerdict::Annotate(match piece {
            Piece::Text(text) => noted("text", format!("a text of {} bytes", text.len())),
            Piece::ToolCall(call) => {
                let form = if call.object().is_some() { "a JSON object" } else { "no JSON object" };
                noted(
                    "tool_call",
                    format!(
                        "a call of {} with {} bytes of arguments, {form}",
                        call.name,
                        call.arguments.len()
                    ),
                )
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_policies_see_is_noted_without_contents() {
        let facts = CallFacts { key: Some("laptop".into()), model: "m".into(), ..CallFacts::unknown("1") };
        let view = View { conversation: None, facts: &facts };
        let CallVerdict::Annotate(finding) = Looking.on_call(&view) else { panic!("a note") };
        assert!(
            finding.reason.contains("key laptop") && finding.reason.contains("it cannot be read"),
            "{finding:?}"
        );
        let BlockVerdict::Annotate(finding) = Looking.on_block(Piece::Text("secret words"), &view) else {
            panic!("a note")
        };
        assert_eq!(finding.reason, "a text of 12 bytes");
    }
}
