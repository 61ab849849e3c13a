//! Pull requests that can be reviewed at a sitting.
//!
//! # What it does
//!
//! Estimates how long a review will take when a pull request is opened, and at the first push of a branch: some minutes to begin with, some
//! for each file, some for each changed line by the kind of the file, and some for each concern beyond the first
//! ([`pr_scope`](pr_scope.md) says what a concern is). Above `limit` it suggests a split, and names the files that cost most.
//!
//! `team: pragmatic` warns; `strict` refuses, unless a person says `override review_prediction` in their last message; `off` says nothing.
//! `repos` has teams for some repositories.
//!
//! # Why
//!
//! A reviewer who is given more than half an hour's reading skims it.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - name: review-time
//!       mode: observe
//!       review_prediction: {limit: 30, minutes: {code: 0.1, risky: 0.3}}
//! ```
//!
//! # Limits
//!
//! The minutes are guesses until you set your own: begin with `mode: observe`, and compare the evidence in the record with the time your
//! reviews take. Counted are lines that the session shows; a change that was made elsewhere costs nothing here. So it finds less than there
//! is, never more.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::concern::{self, Concerns};
use super::kind::{Kind, is_risky};
use super::{Check, Found, Repo, Sight, Team, counted, listed};
use crate::verdict::Finding;
use crate::work::{Act, Commit};

/// How long a review may take.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How strictly it is taken.
    pub team: Team,
    /// How strictly it is taken in some repositories, by the name of their directory; the first that fits counts.
    pub repos: Vec<Repo>,
    /// So many minutes are fine.
    #[schemars(range(min = 1.0))]
    pub limit: f64,
    /// What costs how many minutes.
    pub minutes: Minutes,
}

impl Default for Options {
    fn default() -> Self {
        Self { team: Team::default(), repos: Vec::new(), limit: 30.0, minutes: Minutes::default() }
    }
}

/// What costs how many minutes.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Minutes {
    /// To begin with.
    #[schemars(range(min = 0.0))]
    pub base: f64,
    /// For each changed line of code, and of what builds and deploys it.
    #[schemars(range(min = 0.0))]
    pub code: f64,
    /// For each concern beyond the first.
    #[schemars(range(min = 0.0))]
    pub concern: f64,
    /// For each changed line of docs.
    #[schemars(range(min = 0.0))]
    pub docs: f64,
    /// For each file that no program wrote.
    #[schemars(range(min = 0.0))]
    pub file: f64,
    /// For each changed line about security, payments, permissions or migrations.
    #[schemars(range(min = 0.0))]
    pub risky: f64,
    /// For each changed line of tests.
    #[schemars(range(min = 0.0))]
    pub test: f64,
}

impl Default for Minutes {
    fn default() -> Self {
        Self { base: 3.0, code: 0.12, concern: 5.0, docs: 0.02, file: 0.5, risky: 0.25, test: 0.05 }
    }
}

impl Check for Options {
    const KIND: &'static str = "review_prediction";

    fn preference(&self) -> (Team, &[Repo]) {
        (self.team, &self.repos)
    }

    fn wants(&self, act: &Act) -> bool {
        act.publishes()
    }

    fn look(&self, sight: &Sight<'_>) -> Found {
        let Some(work) = concern::published(sight) else { return Found::Nothing };
        let commits = work.of_branch();
        let files = files(&commits);
        if files.is_empty() {
            return Found::Nothing;
        }
        let concerns = Concerns::of(&commits).all.len();
        let mut costs: Vec<(f64, &str, f64)> =
            files.iter().map(|(path, lines)| (self.minutes.of(path, *lines), *path, *lines)).collect();
        let read: f64 = costs.iter().map(|(minutes, _, _)| minutes).sum();
        let total = self.minutes.base + read + self.minutes.concern * concerns.saturating_sub(1) as f64;
        if total <= self.limit {
            return Found::Nothing;
        }
        costs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let most: Vec<String> = costs.iter().take(3).map(|(_, path, _)| (*path).to_owned()).collect();
        let lines: f64 = costs.iter().map(|(_, _, lines)| lines).sum();
        let size =
            [counted(lines as usize, "line"), counted(files.len(), "file"), counted(concerns, "concern")];
        let reason = format!(
            "a review would take about {total:.0} minutes, {:.0} are fine: {} in {}, {}. Most of it is {}; a split would help",
            self.limit,
            size[0],
            size[1],
            size[2],
            listed(&most, 3)
        );
        Found::Object(Finding { evidence: Some(format!("{total:.1} minutes")), reason, rule: None })
    }
}

impl Minutes {
    fn of(&self, path: &str, lines: f64) -> f64 {
        let each = match Kind::of(path) {
            Kind::Generated => return 0.0,
            Kind::Test => self.test,
            Kind::Docs => self.docs,
            Kind::Code | Kind::Infra if is_risky(path) => self.risky,
            Kind::Code | Kind::Infra => self.code,
        };
        self.file + each * lines
    }
}

/// The changed lines of each file. What git counts in a commit beyond them is shared among its files of which no line is known.
fn files<'a>(commits: &[&'a Commit]) -> BTreeMap<&'a str, f64> {
    let mut files: BTreeMap<&str, f64> = BTreeMap::new();
    for commit in commits {
        let known: u32 = commit.files.iter().map(|file| file.added + file.removed).sum();
        let silent = commit.files.iter().filter(|file| file.added + file.removed == 0).count();
        let each = match silent {
            _ if !commit.complete => 0.0,
            0 => 0.0,
            silent => f64::from(commit.lines.saturating_sub(known)) / silent as f64,
        };
        for file in &commit.files {
            let lines = file.added + file.removed;
            *files.entry(&file.path).or_default() += if lines == 0 { each } else { f64::from(lines) };
        }
    }
    files
}
