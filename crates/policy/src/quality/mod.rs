//! What the policies about the quality of commits and pull requests have in common: how strictly a team takes them, how a person overrides
//! one, and the one way from what a check finds to a verdict.
//!
//! A check is given the session's work ([`crate::work`]) and a tool call, and says what it finds. It does not decide what becomes of the
//! call: the team's preference does, and the mode of the policy bounds that as ever. Where the session shows too little, nothing is found.

pub mod commit_pattern;
mod concern;
pub mod duplicate_import;
mod import;
mod import_js;
mod kind;
mod markdown;
pub mod placeholder_text;
pub mod pr_scope;
pub mod pre_pr_lint;
pub mod readme_completeness;
pub mod review_prediction;

use std::borrow::Cow;
use std::sync::Arc;

use lockgate_core::Conversation;
use lockgate_core::content::ToolCall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::Pattern;
use crate::common::Common;
use crate::policy::{CallFacts, Needs, Piece, Policy, PolicyRun, View};
use crate::verdict::{BlockVerdict, EndVerdict, Finding};
use crate::work::{Act, Shared, Work};

/// How strictly a team takes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Team {
    /// Nobody is told anything.
    Off,
    /// It passes with a warning.
    #[default]
    Pragmatic,
    /// It is refused, unless the person overrides that.
    Strict,
}

impl Team {
    /// The one that a word stands for.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "pragmatic" => Some(Self::Pragmatic),
            "strict" => Some(Self::Strict),
            _ => None,
        }
    }
}

/// How strictly it is taken in some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repo {
    /// The name of the repository's directory.
    pub name: Pattern,
    /// How strictly it is taken there.
    pub team: Team,
}

/// What a check finds about a tool call.
pub(crate) enum Found {
    Nothing,
    /// The team's preference says what that means.
    Object(Finding),
    /// Other arguments mend it.
    Rewrite {
        finding: Finding,
        value: String,
    },
    /// It passes in any case, with a warning.
    Warn(Finding),
}

/// What a check looks at.
pub(crate) struct Sight<'a> {
    pub(crate) act: &'a Act,
    pub(crate) call: &'a ToolCall,
    pub(crate) team: Team,
    /// What the session has worked on, the earlier calls of this answer included.
    pub(crate) work: &'a Work,
}

/// A check of quality.
pub(crate) trait Check: Send + Sync + 'static {
    /// What the configuration calls it.
    const KIND: &'static str;
    /// Whether it has something to say at the end of an answer.
    const AT_END: bool = false;

    /// How strictly it is taken, and where otherwise.
    fn preference(&self) -> (Team, &[Repo]);

    /// Whether it looks at such a call at all; the session's work is read only then.
    fn wants(&self, act: &Act) -> bool;

    /// What it finds.
    fn look(&self, sight: &Sight<'_>) -> Found;

    /// Whether it may have something to say at the end of the answer to this.
    fn wants_end(&self, _conversation: &Conversation) -> bool {
        Self::AT_END
    }

    /// What it finds when nothing more is asked for.
    fn at_end(&self, _work: &Work, _team: Team) -> Option<Finding> {
        None
    }
}

/// A check as a policy.
pub(crate) struct Quality<C>(pub(crate) Arc<C>);

impl<C: Check> Quality<C> {
    pub(crate) fn boxed(check: C) -> Box<dyn Policy> {
        Box::new(Self(Arc::new(check)))
    }
}

impl<C: Check> Policy for Quality<C> {
    fn needs(&self) -> Needs {
        Needs { conversation: true, end: C::AT_END, ..Needs::TOOLS }
    }

    fn open(&self, facts: &CallFacts) -> Box<dyn PolicyRun> {
        self.open_with(facts, &Common::default())
    }

    fn open_with(&self, _: &CallFacts, common: &Common) -> Box<dyn PolicyRun> {
        let shared = common.session().clone();
        Box::new(Judging { check: self.0.clone(), earlier: Vec::new(), shared })
    }
}

struct Judging<C> {
    check: Arc<C>,
    /// What the earlier calls of this answer would do.
    earlier: Vec<Arc<Act>>,
    shared: Shared,
}

/// So many calls of one answer are remembered.
const EARLIER: usize = 32;

impl<C: Check> Judging<C> {
    fn judge(&self, call: &ToolCall, act: &Act, view: &View<'_>) -> BlockVerdict {
        if !self.check.wants(act) {
            return BlockVerdict::Allow;
        }
        let Some(work) = self.shared.work(view.conversation) else { return BlockVerdict::Allow };
        let team = team(self.check.preference(), work, view.facts);
        if team == Team::Off {
            return BlockVerdict::Allow;
        }
        let work = self.earlier.iter().fold(Cow::Borrowed(work), |work, act| Cow::Owned(work.after(act)));
        match self.check.look(&Sight { act, call, team, work: &work }) {
            Found::Nothing => BlockVerdict::Allow,
            Found::Object(mut finding) => {
                if is_overridden(&work.said, C::KIND) {
                    finding.reason.push_str("; the person overrides that");
                    return BlockVerdict::Annotate(finding);
                }
                if team == Team::Strict {
                    let words = format!(". To go on all the same, a person says `override {}`", C::KIND);
                    finding.reason.push_str(&words);
                    return BlockVerdict::Refuse(finding);
                }
                BlockVerdict::Warn(finding)
            }
            Found::Rewrite { finding, value } => BlockVerdict::Rewrite { finding, value },
            Found::Warn(finding) => BlockVerdict::Warn(finding),
        }
    }
}

impl<C: Check> PolicyRun for Judging<C> {
    fn on_block(&mut self, piece: Piece<'_>, view: &View<'_>) -> BlockVerdict {
        let Piece::ToolCall(call) = piece else { return BlockVerdict::Allow };
        let act = self.shared.act(call);
        let verdict = self.judge(call, &act, view);
        let passes = !matches!(verdict, BlockVerdict::Refuse(_));
        if passes && act.leaves_traces() && self.earlier.len() < EARLIER {
            self.earlier.push(act);
        }
        verdict
    }

    fn on_end(&mut self, _tools: bool, view: &View<'_>) -> EndVerdict {
        let asked = view.conversation.filter(|conversation| self.check.wants_end(conversation));
        let Some(work) = asked.and_then(|_| self.shared.work(view.conversation)) else {
            return EndVerdict::Allow;
        };
        let team = team(self.check.preference(), work, view.facts);
        match self.check.at_end(work, team).filter(|_| team != Team::Off) {
            None => EndVerdict::Allow,
            Some(finding) => {
                let text = format!("[Lockgate] The policy `{}` warns: {}.", C::KIND, finding.reason);
                EndVerdict::Append { finding, text }
            }
        }
    }
}

/// How strictly it is taken where the session works, unless the caller says otherwise.
fn team((team, repos): (Team, &[Repo]), work: &Work, facts: &CallFacts) -> Team {
    if let Some(team) = facts.team {
        return team;
    }
    let Some(name) = work.repo() else { return team };
    repos.iter().find(|repo| repo.name.matches(name)).map_or(team, |repo| repo.team)
}

/// Whether the person said `override KIND`, and not that it shall not be.
fn is_overridden(said: &str, kind: &str) -> bool {
    let plain: String = said
        .chars()
        .map(|c| if matches!(c, '_' | '-' | '`') { ' ' } else { c.to_ascii_lowercase() })
        .collect();
    let words: Vec<&str> =
        plain.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty()).collect();
    let wanted: Vec<&str> = std::iter::once("override").chain(kind.split('_')).collect();
    words.windows(wanted.len()).enumerate().any(|(at, window)| {
        let before = at.checked_sub(1).map(|at| words[at]);
        window == wanted
            && !before.is_some_and(|word| matches!(word, "not" | "never") || word.ends_with("n't"))
    })
}

/// So many of something.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// Some names for a sentence: `a`, `b` and 3 more.
fn listed(names: &[String], most: usize) -> String {
    let shown: Vec<String> = names.iter().take(most).map(|name| format!("`{name}`")).collect();
    match (shown.split_last(), names.len().saturating_sub(most)) {
        (None, _) => String::new(),
        (Some((last, [])), 0) => last.clone(),
        (Some((last, rest)), 0) => format!("{} and {last}", rest.join(", ")),
        (Some(_), more) => format!("{} and {more} more", shown.join(", ")),
    }
}
