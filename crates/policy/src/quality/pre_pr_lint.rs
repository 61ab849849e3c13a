//! No push and no pull request before the linter was content.
//!
//! # What it does
//!
//! Looks at `git push` and at pull requests that are opened. For each language of which the session changed files, a linter must have
//! succeeded after the last of these changes: `ruff`, `flake8` or `pylint` for Python, `eslint`, `biome` or `oxlint` for JavaScript and
//! TypeScript, `cargo clippy` for Rust, `golangci-lint`, `staticcheck` or `go vet` for Go; `make lint`, `pre-commit run` and hooks of git
//! that passed count for all. One that runs before the push in the same command (`ruff check . && git push`) counts, too.
//!
//! `team: pragmatic` warns; `strict` refuses and says what to run, unless a person says `override pre_pr_lint` in their last message; `off`
//! says nothing. `repos` has teams for some repositories. With `rewrite: true` the linter is put before the command instead
//! (`ruff check src/app.py && git push`), where the command is a text of its own. `languages` replaces the ones that ship.
//!
//! # Why
//!
//! A build that fails on a comma costs a reviewer's morning.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - pre_pr_lint:
//!         team: strict
//!         languages:
//!           python: {files: [".py"], linters: ["ruff check", "make check"], run: "ruff check {files}"}
//! ```
//!
//! # Limits
//!
//! Changes are those that the session shows; a file that a program wrote unseen is not known. A linter whose end is not told (in a pipe, in
//! a chain of commands of which another failed) is neither content nor not, and nothing is said.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Check, Found, Repo, Sight, Team};
use crate::target::quoted;
use crate::verdict::Finding;
use crate::work::{Act, Deed, Outcome, Ran, State, Work};

/// Which linters must have been content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How strictly it is taken.
    pub team: Team,
    /// How strictly it is taken in some repositories, by the name of their directory; the first that fits counts.
    pub repos: Vec<Repo>,
    /// Commands that check every language.
    pub all: Vec<String>,
    /// The languages, by name.
    pub languages: BTreeMap<String, Language>,
    /// Whether the linter is put before the command that lacks it.
    pub rewrite: bool,
}

/// A language and its linters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Language {
    /// How the names of its files end.
    pub files: Vec<String>,
    /// Commands that check it, by their first words.
    pub linters: Vec<String>,
    /// What is to be run; `{files}` stands for the files that changed.
    pub run: String,
}

impl Default for Options {
    fn default() -> Self {
        let language = |files: &[&str], linters: &[&str], run: &str| Language {
            files: owned(files),
            linters: owned(linters),
            run: run.to_owned(),
        };
        let languages = [
            ("go", language(&[".go"], &["golangci-lint run", "go vet", "staticcheck"], "go vet ./...")),
            (
                "javascript",
                language(
                    &[".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".vue", ".svelte"],
                    &[
                        "eslint",
                        "biome check",
                        "biome lint",
                        "biome ci",
                        "oxlint",
                        "next lint",
                        "npm run lint",
                        "pnpm lint",
                        "yarn lint",
                        "bun lint",
                    ],
                    "npx eslint {files}",
                ),
            ),
            (
                "python",
                language(
                    &[".py", ".pyi"],
                    &["ruff check", "flake8", "pylint", "ruff ."],
                    "ruff check {files}",
                ),
            ),
            ("rust", language(&[".rs"], &["cargo clippy"], "cargo clippy --all-targets")),
        ];
        Self {
            team: Team::default(),
            repos: Vec::new(),
            all: owned(&[
                "make lint",
                "make check",
                "just lint",
                "just check",
                "task lint",
                "pre-commit run",
                "tox -e lint",
                "nox -s lint",
                "trunk check",
            ]),
            languages: languages.into_iter().map(|(name, language)| (name.to_owned(), language)).collect(),
            rewrite: false,
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Check for Options {
    const KIND: &'static str = "pre_pr_lint";

    fn preference(&self) -> (Team, &[Repo]) {
        (self.team, &self.repos)
    }

    fn wants(&self, act: &Act) -> bool {
        act.publishes()
    }

    fn look(&self, sight: &Sight<'_>) -> Found {
        let mut wrong = Vec::new();
        let mut runs = Vec::new();
        for (name, language) in &self.languages {
            let changed = Changed::of(sight.work, language);
            let Some(last) = changed.last else { continue };
            if self.runs_first(language, sight.act) {
                continue;
            }
            let lints = sight.work.ran.iter().filter(|ran| self.checks(language, &ran.words));
            let words = match lints.filter(|ran| ran.at >= last).map(|ran| (ran.outcome, ran)).next_back() {
                Some((Outcome::Passed | Outcome::Unknown, _)) => continue,
                Some((Outcome::Failed, Ran { words, .. })) => {
                    format!("{name}: the last run of `{}` found something", first_words(words))
                }
                None => format!("{name}: no linter has run since the last change of {}", changed.named()),
            };
            let run = language.run.replace("{files}", &changed.paths());
            wrong.push(format!("{words}, run `{run}` first"));
            runs.push(run);
        }
        if wrong.is_empty() {
            return Found::Nothing;
        }
        let finding = Finding { evidence: Some(runs.join("; ")), reason: wrong.join("; "), rule: None };
        match self.rewrite.then(|| rewritten(sight, &runs)).flatten() {
            Some(value) => Found::Rewrite { finding, value },
            None => Found::Object(finding),
        }
    }
}

/// The files of a language that a session changed.
struct Changed<'a> {
    last: Option<u32>,
    paths: Vec<&'a str>,
}

/// So many files are named in a command.
const NAMED: usize = 40;

impl<'a> Changed<'a> {
    fn of(work: &'a Work, language: &Language) -> Self {
        let mut changed = Self { last: None, paths: Vec::new() };
        for (path, file) in work.files.iter().filter(|(path, _)| work.lies_within(path)) {
            let at =
                file.changed.filter(|_| language.files.iter().any(|ending| path.ends_with(ending.as_str())));
            if at.is_some() {
                changed.last = changed.last.max(at);
                if file.state != State::Absent {
                    changed.paths.push(path);
                }
            }
        }
        changed
    }

    fn named(&self) -> String {
        match self.paths.as_slice() {
            [] => "a file that is gone".to_owned(),
            [one] => format!("`{one}`"),
            [first, rest @ ..] => format!("`{first}` and {} more", rest.len()),
        }
    }

    /// The paths as words of a command; all of the directory where they are many.
    fn paths(&self) -> String {
        if self.paths.is_empty() || self.paths.len() > NAMED {
            return ".".to_owned();
        }
        self.paths.iter().map(|path| quoted(path)).collect::<Vec<_>>().join(" ")
    }
}

fn first_words(words: &str) -> String {
    words.split(' ').take(4).collect::<Vec<_>>().join(" ")
}

/// Programs that run the one behind them.
const RUNNERS: [&str; 22] = [
    "bun run",
    "bun x",
    "bunx",
    "hatch run",
    "mise exec --",
    "npm exec",
    "npm exec --",
    "npm x",
    "npx",
    "npx --yes",
    "pdm run",
    "pipenv run",
    "pnpm",
    "pnpm dlx",
    "pnpm exec",
    "poetry run",
    "python -m",
    "python3 -m",
    "rye run",
    "uv run",
    "uvx",
    "yarn",
];

impl Options {
    /// Whether a program that ran is a linter of a language.
    fn checks(&self, language: &Language, words: &str) -> bool {
        let linters = || language.linters.iter().chain(&self.all);
        if let Some(hook) = words.strip_prefix("hook ") {
            let hook = hook.to_ascii_lowercase();
            let tells =
                |word: &&str| !["run", "check", "go", "cargo", "npm", "make", "just", "lint"].contains(word);
            return language
                .linters
                .iter()
                .any(|linter| linter.split(' ').find(tells).is_some_and(|name| hook.contains(name)));
        }
        let words = words.strip_suffix(" .").unwrap_or(words);
        let begins = |words: &str| {
            let (program, rest) = words.split_once(' ').unwrap_or((words, ""));
            let plain = format!("{} {rest}", program.rsplit('/').next().unwrap_or(program));
            linters().any(|linter| {
                plain
                    .trim_end()
                    .strip_prefix(linter.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
            })
        };
        begins(words)
            || RUNNERS.iter().any(|runner| {
                words.strip_prefix(runner).and_then(|rest| rest.strip_prefix(' ')).is_some_and(begins)
            })
    }

    /// Whether a command runs a linter, and goes on to publish only if that was content.
    fn runs_first(&self, language: &Language, act: &Act) -> bool {
        let before =
            act.deeds.iter().take_while(|deed| !matches!(deed, Deed::Push(_) | Deed::PullRequest(_)));
        let lint = before.filter_map(|deed| match deed {
            Deed::Ran(words) if self.checks(language, words) => words.split(' ').next(),
            _ => None,
        });
        let (Some(lint), Some(command)) = (lint.last(), &act.command) else { return false };
        let publishes = ["git push", "gh pr", "glab mr"].iter().filter_map(|words| command.find(words)).min();
        let between = command.find(lint).zip(publishes).and_then(|(from, to)| command.get(from..to));
        between.is_some_and(|between| {
            between.contains("&&") && !between.replace("&&", "").contains(['|', ';', '\n', '&'])
        })
    }
}

/// The arguments of a call with linters put before its command.
fn rewritten(sight: &Sight<'_>, runs: &[String]) -> Option<String> {
    let mut arguments: Map<String, Value> = sight.call.object()?;
    let field =
        ["command", "cmd"].into_iter().find(|field| arguments.get(*field).is_some_and(Value::is_string))?;
    let command = arguments.get(field)?.as_str()?;
    // Only where the command is a chain that ends when a part of it fails.
    if command.replace("&&", "").contains(['\n', ';', '|', '&']) {
        return None;
    }
    let command = format!("{} && {command}", runs.join(" && "));
    arguments.insert(field.to_owned(), Value::from(command));
    serde_json::to_string(&arguments).ok()
}
