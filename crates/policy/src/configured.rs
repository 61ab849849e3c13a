//! The section `policies` of the configuration: which policies there are, in order, and how far each may go.
//!
//! Reads options and makes policies of them; what cannot work is said before any call meets it. Opens no file.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::approval::Approvals;
use crate::chain::{Entry, Mode, OnFailure, OnRefusal, Scope};
use crate::group::{Group, Vote, Voting};
use crate::policy::{Policy, TextNeed};
use crate::quality::{
    Quality, commit_pattern, duplicate_import, placeholder_text, pr_scope, pre_pr_lint, readme_completeness,
    review_prediction,
};
use crate::resample::Resample;
use crate::trust::Bounds;
use crate::{
    debug, exfiltration, injection, judge, limits, message, model_allow, notice, replace, rules,
    secret_guard, shell_guard, text_style, tool_judge, webhook,
};

/// What may happen: policies on requests, answers and tool calls.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// How people are asked, where a policy says that a person is to decide.
    pub approvals: Approvals,
    /// How long one look of one policy at one thing may take, in milliseconds. What it asks others does not count. A policy that takes
    /// longer is cut off for the rest of the call, and `on_failure` says what that means.
    #[schemars(range(min = 1, max = 60_000))]
    pub budget_ms: u64,
    /// What a client is told in place of what was refused, with `{what}` (the call of a tool, a part of the answer, the request), `{tool}`, `{policy}`,
    /// `{reason}`, `{arguments}` and `{link}`. One with `{tool}` and without `{what}` is for tool calls alone: other things are told of in the words that
    /// stand here by default.
    pub message: String,
    /// Where a person finds the record of a call, with `{id}` for its id, such as `https://gate.example.org/calls/{id}`. It ends the messages of
    /// what was refused.
    pub link: Option<String>,
    /// The model for requests that a policy keeps local (`keep_local`) and that were meant for a model elsewhere, such as `ollama:qwen3`. Without it they
    /// are refused.
    pub local_model: Option<String>,
    /// What a policy has to show before it can be set to refuse (mode `block`) while gateways run. Without this section nothing is asked
    /// for. Policies of the file are not bound by it.
    pub promotion: Option<Bounds>,
    /// How models are asked again, where a policy says so.
    pub resample: Resample,
    /// Policies that judge tool calls and texts together, by name; each of their entries in `chain` names its group.
    pub groups: BTreeMap<String, Group>,
    /// The policies, in order.
    pub chain: Vec<Configured>,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            approvals: Approvals::default(),
            budget_ms: 100,
            message: message::DEFAULT.to_owned(),
            link: None,
            local_model: None,
            promotion: None,
            resample: Resample::default(),
            groups: BTreeMap::new(),
            chain: Vec::new(),
        }
    }
}

/// A policy: how it is used, and exactly one kind with its options.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Configured {
    /// Its name in messages and records; the kind's, if left out.
    pub name: Option<String>,
    /// How far it may go.
    pub mode: Mode,
    /// What becomes of a thing that it could not judge, because it failed or because nobody answered what it asked.
    pub on_failure: OnFailure,
    /// What becomes of a tool call or a text that it refuses.
    pub on_refusal: OnRefusal,
    /// The group of `policies.groups` that it votes in. The members of a group stand one behind the other.
    pub group: Option<String>,
    /// Which calls it meets. All, by default.
    pub when: Scope,
    /// Branches whose commits are of one kind.
    pub commit_pattern: Option<commit_pattern::Options>,
    /// Notes what policies get to see.
    pub debug: Option<debug::Options>,
    /// Names that are imported twice.
    pub duplicate_import: Option<duplicate_import::Options>,
    /// Secrets and other contents that leave by a tool.
    pub exfiltration: Option<exfiltration::Options>,
    /// Instructions inside what tools gave back.
    pub injection: Option<injection::Options>,
    /// A model judges by rules in plain words.
    pub judge: Option<judge::Options>,
    /// How much: repeated calls, turns, size.
    pub limits: Option<limits::Options>,
    /// Only these models.
    pub model_allow: Option<model_allow::Options>,
    /// A line for whoever reads the answer.
    pub notice: Option<notice::Options>,
    /// Text that was meant to be filled in.
    pub placeholder_text: Option<placeholder_text::Options>,
    /// Pull requests that are about one thing.
    pub pr_scope: Option<pr_scope::Options>,
    /// No push and no pull request before the linter was content.
    pub pre_pr_lint: Option<pre_pr_lint::Options>,
    /// READMEs without holes.
    pub readme_completeness: Option<readme_completeness::Options>,
    /// Other words in place of some.
    pub replace: Option<replace::Options>,
    /// Pull requests that can be reviewed at a sitting.
    pub review_prediction: Option<review_prediction::Options>,
    /// Rules on requests, answers and tool calls.
    pub rules: Option<Vec<rules::Rule>>,
    /// Secret files and secret values.
    pub secret_guard: Option<secret_guard::Options>,
    /// Shell commands judged by what they would do.
    pub shell_guard: Option<shell_guard::Options>,
    /// The looks of an answer's words.
    pub text_style: Option<text_style::Options>,
    /// A model judges tool calls.
    pub tool_judge: Option<tool_judge::Options>,
    /// A service of yours decides.
    pub webhook: Option<webhook::Options>,
}

/// A field of the section that cannot work: the steps to it, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unworkable {
    /// Names, and indices as numbers, from `policies` on.
    pub path: Vec<String>,
    /// Why.
    pub words: String,
}

impl Policies {
    /// The policies, ready for calls. What cannot work is told all at once.
    pub fn entries(&self) -> Result<Vec<Entry>, Vec<Unworkable>> {
        let mut entries = Vec::new();
        let mut wrong = Vec::new();
        if let Some(name) = message::unknown_name(&self.message) {
            let words = format!("`{{{name}}}` means nothing here; known: {}", message::NAMES.join(", "));
            wrong.push(Unworkable { path: vec!["message".into()], words });
        }
        let mut names: Vec<String> = Vec::new();
        for (at, configured) in self.chain.iter().enumerate() {
            let within = |mut path: Vec<String>, words: String| {
                path.splice(0..0, ["chain".to_owned(), at.to_string()]);
                Unworkable { path, words }
            };
            match configured.entry() {
                Ok(entry) if names.contains(&entry.name) => {
                    let words = format!("there is another policy `{}`: give this one a `name`", entry.name);
                    wrong.push(within(Vec::new(), words));
                }
                Ok(entry) => {
                    names.push(entry.name.clone());
                    entries.push(entry);
                }
                Err((path, words)) => wrong.push(within(path, words)),
            }
        }
        if wrong.is_empty() {
            self.gather(&mut entries, &mut wrong);
        }
        if wrong.is_empty() { Ok(entries) } else { Err(wrong) }
    }
}

impl Policies {
    /// Puts policies into the groups that they name.
    fn gather(&self, entries: &mut [Entry], wrong: &mut Vec<Unworkable>) {
        let of_chain = |at: usize| self.chain.get(at).and_then(|configured| configured.group.as_deref());
        for at in 0..self.chain.len() {
            let mut say = |words: String| {
                wrong.push(Unworkable { path: steps(["chain", &at.to_string(), "group"]), words });
            };
            let Some(name) = of_chain(at) else { continue };
            let needs = entries[at].policy.needs();
            if !self.groups.contains_key(name) {
                say(format!("there is no group `{name}`: say under `policies.groups` how it votes"));
            } else if !needs.tools && needs.text != TextNeed::Whole {
                say(format!(
                    "`{}` judges neither tool calls nor whole texts: it has no vote",
                    entries[at].name
                ));
            } else if (0..at).any(|other| of_chain(other) == Some(name)) && of_chain(at - 1) != Some(name) {
                say(format!("the members of `{name}` have to stand one behind the other"));
            } else if at > 0 && of_chain(at - 1) == Some(name) && entries[at - 1].mode != entries[at].mode {
                say(format!("all members of `{name}` have to be in the same `mode`"));
            }
        }
        for (name, group) in &self.groups {
            let members: Vec<usize> =
                (0..self.chain.len()).filter(|at| of_chain(*at) == Some(name)).collect();
            let designated = group.designated.as_deref();
            let is_member = |one: &str| members.iter().any(|at| entries[*at].name == one);
            let words = match (group.vote, designated) {
                _ if members.len() < 2 => "fewer than two policies name it as their `group`".to_owned(),
                (Vote::Designated, None) => "say whose word counts: `designated: NAME`".to_owned(),
                (Vote::Designated, Some(one)) if !is_member(one) => {
                    format!("`{one}` is none of its members")
                }
                (Vote::FirstRefusal | Vote::Majority | Vote::Unanimous, Some(_)) => {
                    "`designated` is for `vote: designated` only".to_owned()
                }
                (Vote::Designated | Vote::FirstRefusal | Vote::Majority | Vote::Unanimous, _) => {
                    let voting = Arc::new(Voting { group: group.clone(), name: name.clone() });
                    for at in members {
                        entries[at].group = Some(voting.clone());
                    }
                    continue;
                }
            };
            wrong.push(Unworkable { path: steps(["groups", name]), words });
        }
    }
}

impl Policies {
    /// What could be in force, and cannot have been meant so: for whoever writes policies.
    pub fn slips(&self) -> Vec<Unworkable> {
        let mut found = Vec::new();
        for (at, configured) in self.chain.iter().enumerate() {
            let rules = configured.rules.as_deref().unwrap_or_default();
            for (rule, field, words) in rules::slips::slips(rules) {
                let path = steps(["chain", &at.to_string(), "rules", &rule.to_string(), field]);
                found.push(Unworkable { path, words });
            }
        }
        found
    }
}

/// The steps to a field, and why it cannot work.
type Wrong = (Vec<String>, String);

/// The name of a kind, and the policy of it.
type Kind = (&'static str, Result<Box<dyn Policy>, Wrong>);

impl Configured {
    /// The kinds that look at the quality of commits and pull requests.
    fn quality(&self, kinds: &mut Vec<Kind>) {
        if let Some(options) = &self.commit_pattern {
            kinds.push(("commit_pattern", Ok(Quality::boxed(options.clone()))));
        }
        if let Some(options) = &self.duplicate_import {
            kinds.push(("duplicate_import", Ok(Quality::boxed(options.clone()))));
        }
        if let Some(options) = &self.placeholder_text {
            kinds.push(("placeholder_text", Ok(Quality::boxed(options.clone()))));
        }
        if let Some(options) = &self.pr_scope {
            kinds.push(("pr_scope", Ok(Quality::boxed(options.clone()))));
        }
        if let Some(options) = &self.pre_pr_lint {
            kinds.push(("pre_pr_lint", Ok(Quality::boxed(options.clone()))));
        }
        if let Some(options) = &self.readme_completeness {
            kinds.push(("readme_completeness", Ok(Quality::boxed(options.clone()))));
        }
        if let Some(options) = &self.review_prediction {
            kinds.push(("review_prediction", Ok(Quality::boxed(options.clone()))));
        }
    }

    /// The policy, ready for calls.
    pub(crate) fn entry(&self) -> Result<Entry, Wrong> {
        let mut kinds: Vec<Kind> = Vec::new();
        self.quality(&mut kinds);
        if self.debug.is_some() {
            kinds.push(("debug", Ok(Box::new(debug::Debug))));
        }
        if let Some(options) = &self.exfiltration {
            let made = exfiltration::Exfiltration::new(options.clone());
            let made = made.map(|policy| Box::new(policy) as Box<dyn Policy>);
            let place = |field: &str, at: usize| steps(["exfiltration", field, &at.to_string()]);
            kinds.push(("exfiltration", made.map_err(|(field, at, words)| (place(field, at), words))));
        }
        if let Some(options) = &self.injection {
            let made = injection::Injection::new(options.clone());
            let made = made.map(|policy| Box::new(policy) as Box<dyn Policy>);
            kinds.push(("injection", made.map_err(|(field, words)| (steps(["injection", field]), words))));
        }
        if let Some(options) = &self.judge {
            kinds.push(("judge", Ok(Box::new(judge::Judge(options.clone())))));
        }
        if let Some(options) = &self.limits {
            kinds.push(("limits", Ok(Box::new(limits::Limits(options.clone())))));
        }
        if let Some(options) = &self.model_allow {
            kinds.push(("model_allow", Ok(Box::new(model_allow::ModelAllow(options.clone())))));
        }
        if let Some(options) = &self.notice {
            kinds.push(("notice", Ok(Box::new(notice::Notice(options.clone())))));
        }
        if let Some(options) = &self.replace {
            let made = replace::Replace::new(options.clone());
            let made = made.map(|policy| Box::new(policy) as Box<dyn Policy>);
            kinds.push(("replace", made.map_err(|(field, words)| (steps(["replace", field]), words))));
        }
        if let Some(options) = &self.rules {
            let made = rules::Rules::new(options.clone()).map(|policy| Box::new(policy) as Box<dyn Policy>);
            let place = |at: usize, field: &str| steps(["rules", &at.to_string(), field]);
            kinds.push(("rules", made.map_err(|(at, field, words)| (place(at, field), words))));
        }
        if let Some(options) = &self.secret_guard {
            let made = secret_guard::SecretGuard::new(options.clone());
            let made = made.map(|policy| Box::new(policy) as Box<dyn Policy>);
            let place = |field: &str, at: usize| steps(["secret_guard", field, &at.to_string()]);
            kinds.push(("secret_guard", made.map_err(|(field, at, words)| (place(field, at), words))));
        }
        if let Some(options) = &self.shell_guard {
            let made = shell_guard::ShellGuard::new(options.clone());
            let made = made.map(|policy| Box::new(policy) as Box<dyn Policy>);
            kinds.push(("shell_guard", made.map_err(|words| (steps(["shell_guard", "guard"]), words))));
        }
        if let Some(options) = &self.text_style {
            kinds.push(("text_style", Ok(Box::new(text_style::TextStyle(options.clone())))));
        }
        if let Some(options) = &self.tool_judge {
            kinds.push(("tool_judge", Ok(Box::new(tool_judge::ToolJudge(options.clone())))));
        }
        if let Some(options) = &self.webhook {
            kinds.push(("webhook", Ok(Box::new(webhook::Webhook(options.clone())))));
        }
        let mut kinds = kinds.into_iter();
        let (kind, policy) = match (kinds.next(), kinds.next()) {
            (Some(one), None) => one,
            (None, _) => {
                let words = format!("say which policy it is: one of {}", KINDS.join(", "));
                return Err((Vec::new(), words));
            }
            (Some((one, _)), Some((other, _))) => {
                let words = format!("`{one}` and `{other}` are two policies: give each an entry of its own");
                return Err((steps([other]), words));
            }
        };
        Ok(Entry {
            group: None,
            kind,
            mode: self.mode,
            name: self.name.clone().unwrap_or_else(|| kind.to_owned()),
            on_failure: self.on_failure,
            on_refusal: self.on_refusal,
            policy: policy?,
            when: self.when.clone(),
        })
    }
}

/// Every kind of policy.
pub const KINDS: [&str; 21] = [
    "commit_pattern",
    "debug",
    "duplicate_import",
    "exfiltration",
    "injection",
    "judge",
    "limits",
    "model_allow",
    "notice",
    "placeholder_text",
    "pr_scope",
    "pre_pr_lint",
    "readme_completeness",
    "replace",
    "review_prediction",
    "rules",
    "secret_guard",
    "shell_guard",
    "text_style",
    "tool_judge",
    "webhook",
];

fn steps<const N: usize>(steps: [&str; N]) -> Vec<String> {
    steps.map(str::to_owned).to_vec()
}
