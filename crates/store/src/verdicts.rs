//! Verdicts of policies as rows that can be counted, and what people say of them: right or wrong.
//!
//! A verdict is a decision of kind `policy` of a call; its number is its place among the call's decisions, from 1. Its reason and evidence
//! stay with the call. Who asks what for is not known here.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::access::AuditEntry;
use crate::call::words;
use crate::error::Error;
use crate::filter::{Page, PageRequest};
use crate::record::{Decision, Details};

words! {
    /// What a person says of a verdict.
    Opinion {
        /// What it says is true.
        Right = "right",
        /// It should not have been given.
        Wrong = "wrong",
    }
}

/// What a person has said of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// When, µs since 1970.
    pub at_us: i64,
    /// Who, by name.
    pub by: String,
    /// Why, in the person's words, secrets masked.
    pub note: Option<String>,
    /// What.
    pub opinion: Opinion,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it was done.
    pub applied: bool,
    /// The call.
    pub call: Uuid,
    /// Where in the call.
    pub hook: String,
    /// What a person has said of it.
    pub label: Option<Label>,
    /// In which mode the policy was.
    pub mode: String,
    /// Its place among the decisions of the call, from 1.
    pub number: u32,
    /// The policy.
    pub policy: String,
    /// The rule of the policy.
    pub rule: Option<String>,
    /// What was said.
    pub said: String,
    /// The session of the call.
    pub session: Option<String>,
    /// When the call began, µs since 1970.
    pub started_us: i64,
    /// The tool that it is about.
    pub tool: Option<String>,
}

/// What a policy says in passing: it asks nothing of anybody and is not counted as a verdict.
pub const NOTES: [&str; 2] = ["annotate", "append"];

/// What keeps a tool call from the client for good.
const KEPT: [&str; 5] = ["failed", "refuse", "remove", "replace", "stop"];

/// The columns of a verdict that its record has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row<'d> {
    /// Whether it was done.
    pub applied: bool,
    /// Where in the call.
    pub hook: &'d str,
    /// In which mode the policy was.
    pub mode: &'d str,
    /// Its place among the decisions of the call, from 1.
    pub number: u32,
    /// The policy.
    pub policy: &'d str,
    /// The rule of the policy.
    pub rule: Option<&'d str>,
    /// What was said.
    pub said: &'d str,
    /// The tool that it is about.
    pub tool: Option<&'d str>,
    /// The id of the tool call that it is about.
    pub tool_id: Option<&'d str>,
}

/// The verdicts among the decisions of a call.
pub fn rows(decisions: &[Decision]) -> impl Iterator<Item = Row<'_>> {
    let numbered = (1..).zip(decisions).filter(|(_, decision)| decision.kind == "policy");
    numbered.filter_map(|(number, Decision { json, .. })| {
        let text = |key: &str| json.get(key).and_then(Value::as_str);
        let tool = |key: &str| json.get("tool")?.get(key)?.as_str();
        Some(Row {
            applied: json.get("applied").and_then(Value::as_bool).unwrap_or(false),
            hook: text("hook").unwrap_or_default(),
            mode: text("mode").unwrap_or_default(),
            number,
            policy: text("policy")?,
            rule: text("rule"),
            said: text("said").unwrap_or_default(),
            tool: tool("name"),
            tool_id: tool("id"),
        })
    })
}

impl Details {
    /// Tool calls that policies kept from the client.
    pub fn kept_tool_calls(&self) -> u32 {
        let kept = rows(&self.decisions).filter(|row| row.applied && KEPT.contains(&row.said));
        let mut ids: Vec<&str> = kept.filter_map(|row| row.tool_id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() as u32
    }
}

/// Which verdicts; all conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerdictFilter {
    /// Whether they were done.
    pub applied: Option<bool>,
    /// The beginning of the range of time, µs since 1970, included.
    pub from_us: Option<i64>,
    /// Whether people have spoken of them.
    pub labelled: Option<bool>,
    /// Whether notes are listed too.
    pub notes: bool,
    /// The policy.
    pub policy: Option<String>,
    /// The rule.
    pub rule: Option<String>,
    /// The end of the range of time, µs since 1970, not included.
    pub to_us: Option<i64>,
}

/// How often a rule of a policy, or a policy without rules, said something, and what people said of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Verdicts that were done.
    pub applied: u64,
    /// Verdicts that say that the policy could not judge.
    pub failed: u64,
    /// Verdicts.
    pub fired: u64,
    /// Those that people called right.
    pub right: u64,
    /// Those that people called wrong.
    pub wrong: u64,
}

impl Tally {
    /// Takes in another.
    pub fn add(&mut self, other: &Self) {
        self.applied += other.applied;
        self.failed += other.failed;
        self.fired += other.fired;
        self.right += other.right;
        self.wrong += other.wrong;
    }
}

/// What the verdicts of a time add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tallies {
    /// What each policy asked models, by the agent that its questions are recorded under.
    pub asked: BTreeMap<String, Questions>,
    /// Calls of that time.
    pub calls: u64,
    /// What policies asked models, all together.
    pub questions: Questions,
    /// By policy and rule.
    pub rules: BTreeMap<(String, Option<String>), Tally>,
    /// Tool calls of that time.
    pub tool_calls: u64,
}

/// Questions of policies to models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Questions {
    /// How many.
    pub calls: u64,
    /// The known costs, nano-USD.
    pub cost_nano: i64,
    /// How long all of them took, µs.
    pub total_us: i64,
    /// Those whose cost is not known.
    pub unpriced: u64,
}

impl Questions {
    /// Takes in others.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.cost_nano += other.cost_nano;
        self.total_us += other.total_us;
        self.unpriced += other.unpriced;
    }
}

/// Counts verdicts, and keeps what people say of them.
#[async_trait]
pub trait Verdicts: Send + Sync {
    /// Keeps what somebody says of a verdict, in place of what was said before; `None` takes it back. False = there is no such verdict.
    async fn label(
        &self,
        call: Uuid,
        number: u32,
        label: Option<&Label>,
        entry: &AuditEntry,
    ) -> Result<bool, Error>;

    /// What people have said of the verdicts of a call, by number.
    async fn labels(&self, call: Uuid) -> Result<BTreeMap<u32, Label>, Error>;

    /// Counts. `judges` is the session that questions to models are recorded in; its calls are not counted among the others.
    async fn tallies(&self, filter: &VerdictFilter, judges: &str) -> Result<Tallies, Error>;

    /// Verdicts, the latest first.
    async fn verdicts(&self, filter: &VerdictFilter, page: &PageRequest) -> Result<Page<Verdict>, Error>;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decision(kind: &str, json: Value) -> Decision {
        Decision { json, kind: kind.to_owned(), version: 1 }
    }

    #[test]
    fn verdicts_are_numbered_as_the_decisions_of_the_call_are() {
        let tool = json!({"id": "t1", "name": "Bash"});
        let said = |said: &str, applied: bool| json!({"policy": "git", "said": said, "applied": applied, "hook": "tool_call", "mode": "block", "tool": tool});
        let details = Details {
            decisions: vec![
                decision("record", json!({"missing_parts": 2})),
                decision("policy", said("refuse", true)),
                decision("policy", said("replace", true)),
                decision("policy", json!({"said": "refuse"})),
                decision("policy", said("ask", true)),
            ],
            ..Details::default()
        };
        let found: Vec<_> = rows(&details.decisions).map(|row| (row.number, row.said)).collect();
        assert_eq!(found, [(2, "refuse"), (3, "replace"), (5, "ask")], "what names no policy is none");
        assert_eq!(details.kept_tool_calls(), 1, "one tool call, of which two policies say the same");
    }
}
