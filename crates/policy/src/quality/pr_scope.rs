//! Pull requests that are about one thing.
//!
//! # What it does
//!
//! Looks at a pull request when it is opened (`gh pr create`, `glab mr create`, a tool such as `create_pull_request`) and at the first push
//! of a branch. It puts the commits that the session made on the branch together by what they are about: by the component that they touch,
//! else by their prefix (`docs:`, `chore:`) or the kind of their files. Tests and docs that go with a change of code are no concern of their
//! own. Where there are more than `concerns`, it says so, and how to split them: which commits go on which branch.
//!
//! `team: pragmatic` warns, and lets small changes of little risk be; `strict` refuses; `off` says nothing. `repos` has teams for some
//! repositories, by the name of their directory; `when` bounds it by key and project. A person overrides a refusal by saying `override
//! pr_scope` in their last message.
//!
//! # Why
//!
//! A pull request with four concerns is read four times as long, and is sent back for any of them.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - pr_scope: {concerns: 3, team: strict, repos: [{name: "sandbox-*", team: "off"}]}
//! ```
//!
//! # Limits
//!
//! It sees what the session shows: commits that were made elsewhere are not counted, so a branch may have more concerns than it says, never
//! fewer. A commit counts once git has said that it was made, or if the same command makes it. Components are the top folders of the code. The
//! person's words are taken from the conversation, so they bind an agent, not an attacker.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::concern::{self, Concern, Concerns};
use super::{Check, Found, Repo, Sight, Team, listed};
use crate::verdict::Finding;
use crate::work::{Act, Commit};

/// How many concerns a pull request may have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How strictly it is taken.
    pub team: Team,
    /// How strictly it is taken in some repositories, by the name of their directory; the first that fits counts.
    pub repos: Vec<Repo>,
    /// So many concerns are fine.
    #[schemars(range(min = 1, max = 100))]
    pub concerns: usize,
    /// So many changed lines are let be by a pragmatic team, if none of them is about security, payments or migrations.
    pub small_lines: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { team: Team::default(), repos: Vec::new(), concerns: 3, small_lines: 40 }
    }
}

impl Check for Options {
    const KIND: &'static str = "pr_scope";

    fn preference(&self) -> (Team, &[Repo]) {
        (self.team, &self.repos)
    }

    fn wants(&self, act: &Act) -> bool {
        act.publishes()
    }

    fn look(&self, sight: &Sight<'_>) -> Found {
        let Some(work) = concern::published(sight) else { return Found::Nothing };
        let commits = work.of_branch();
        let concerns = Concerns::of(&commits);
        if concerns.all.len() <= self.concerns {
            return Found::Nothing;
        }
        if sight.team == Team::Pragmatic && concern::is_small(&commits, self.small_lines) {
            return Found::Nothing;
        }
        let request = sight.act.pull_request();
        let base = concern::base(&work, request.and_then(|request| request.base.as_deref()));
        let names: Vec<String> = concerns.all.iter().map(|concern| concern.name.clone()).collect();
        let mut reason = format!(
            "this pull request has {} concerns, {} are fine: {}. It could be split: ",
            names.len(),
            self.concerns,
            listed(&names, 8)
        );
        let splits: Vec<String> =
            concerns.all.iter().take(8).map(|concern| split(concern, &commits, &base)).collect();
        reason.push_str(&splits.join("; "));
        Found::Object(Finding { evidence: Some(names.join(", ")), reason, rule: None })
    }
}

/// The commands that put a concern on a branch of its own.
fn split(concern: &Concern, commits: &[&Commit], base: &str) -> String {
    let mut words = format!("`git switch -c {} {base}", concern.name);
    let ids: Vec<&str> = concern.commits.iter().filter_map(|at| commits[*at].sha.as_deref()).collect();
    if ids.is_empty() {
        words.push('`');
    } else {
        let _ = write!(words, " && git cherry-pick {}`", ids.join(" "));
    }
    words
}
