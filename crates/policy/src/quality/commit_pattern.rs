//! Branches whose commits are of one kind.
//!
//! # What it does
//!
//! Looks at the prefixes of the commits that the session makes on a branch (`feat:`, `fix(auth):`, `refactor:`). Where they are of
//! `prefixes` kinds or more, the branch mixes things. It says so in the answer after git has confirmed the commit that made it so, once,
//! and again only if a further kind comes. Tests and docs that go with a change of code do not count.
//!
//! `team: pragmatic` says it; `strict` refuses the commit before it is made, unless a person says `override commit_pattern` in their last
//! message; `off` says nothing. `repos` has teams for some repositories.
//!
//! # Why
//!
//! A branch is easiest to take apart when its second purpose begins, not when the pull request is opened.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - commit_pattern: {prefixes: 3}
//! ```
//!
//! # Limits
//!
//! Commits without a prefix of the convention (`kind(scope): subject`) do not count, nor do those that were made outside of the session. A
//! strict team is asked about commits whose message is in the command.

use std::collections::BTreeSet;

use lockgate_core::{Block, Conversation, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::concern::Concerns;
use super::kind::Prefix;
use super::{Check, Found, Repo, Sight, Team, listed};
use crate::verdict::Finding;
use crate::work::{Act, Commit, Deed, Work};

/// How many kinds of commits a branch may have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How strictly it is taken.
    pub team: Team,
    /// How strictly it is taken in some repositories, by the name of their directory; the first that fits counts.
    pub repos: Vec<Repo>,
    /// So many kinds are too many.
    #[schemars(range(min = 2, max = 20))]
    pub prefixes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { team: Team::default(), repos: Vec::new(), prefixes: 3 }
    }
}

impl Check for Options {
    const KIND: &'static str = "commit_pattern";
    const AT_END: bool = true;

    fn preference(&self) -> (Team, &[Repo]) {
        (self.team, &self.repos)
    }

    fn wants(&self, act: &Act) -> bool {
        act.deeds.iter().any(|deed| matches!(deed, Deed::Commit(_)))
    }

    fn look(&self, sight: &Sight<'_>) -> Found {
        if sight.team != Team::Strict {
            return Found::Nothing;
        }
        let after = sight.work.after(sight.act);
        match self.grown(&kinds(&sight.work.of_branch()), &kinds(&after.of_branch())) {
            Some(finding) => Found::Object(finding),
            None => Found::Nothing,
        }
    }

    fn wants_end(&self, conversation: &Conversation) -> bool {
        // Only what git confirmed since the model last spoke.
        let newest = conversation.turns.iter().rev().take_while(|turn| turn.role != Role::Assistant);
        newest.flat_map(|turn| &turn.parts).any(|part| match &part.block {
            Block::ToolResult(result) => result
                .content
                .iter()
                .any(|part| matches!(&part.block, Block::Text(text) if text.text.contains(" changed"))),
            _ => false,
        })
    }

    fn at_end(&self, work: &Work, team: Team) -> Option<Finding> {
        let all = work.of_branch();
        if team == Team::Strict || !all.iter().any(|commit| commit.newest) {
            return None;
        }
        let before: Vec<&Commit> = all.iter().filter(|commit| !commit.newest).copied().collect();
        self.grown(&kinds(&before), &kinds(&all))
    }
}

impl Options {
    fn grown(&self, before: &BTreeSet<String>, after: &BTreeSet<String>) -> Option<Finding> {
        if after.len() < self.prefixes || after.len() <= before.len() {
            return None;
        }
        let names: Vec<String> = after.iter().cloned().collect();
        let reason = format!(
            "this branch has commits of {} kinds: {}. What is not about its purpose belongs on another branch",
            names.len(),
            listed(&names, 8)
        );
        Some(Finding { evidence: Some(names.join(", ")), reason, rule: None })
    }
}

/// The kinds of commits, without the tests and docs that accompany others.
fn kinds(commits: &[&Commit]) -> BTreeSet<String> {
    let auxiliary = Concerns::of(commits).auxiliary;
    let counted = commits.iter().enumerate().filter(|(at, _)| !auxiliary.contains(at));
    counted.filter_map(|(_, commit)| Some(Prefix::of(&commit.subject)?.kind)).collect()
}
