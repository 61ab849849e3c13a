//! Names that are imported twice.
//!
//! # What it does
//!
//! Looks at files of Python, JavaScript, TypeScript, Rust and Go as they will be after an edit, and warns where the edit makes the same name
//! imported twice, or one module imported by several statements that could be one (`joins`). Imports in functions, in branches such as `if
//! TYPE_CHECKING:` and in `try` are left alone. Where the session has not shown all of a file, it looks at the lines of the edit alone.
//!
//! `team: strict` refuses the edit, unless a person says `override duplicate_import` in their last message; `off` says nothing. `repos` has
//! teams for some repositories.
//!
//! # Why
//!
//! An agent that adds what it needs does not look whether it is there.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - duplicate_import: {joins: true, except: ["**/__init__.py"]}
//! ```
//!
//! # Limits
//!
//! It reads lines, not programs: imports that are made by macros, or by several statements on one line in other languages than Python, are
//! not found. A duplicate that was there before the edit is left alone.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::import::{Import, Language};
use super::placeholder_text::texts;
use super::{Check, Found, Repo, Sight, Team};
use crate::chain::Pattern;
use crate::verdict::Finding;
use crate::work::Act;

/// What counts as twice, and where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How strictly it is taken.
    pub team: Team,
    /// How strictly it is taken in some repositories, by the name of their directory; the first that fits counts.
    pub repos: Vec<Repo>,
    /// Whether one module in several statements counts, too.
    pub joins: bool,
    /// Files that are not looked at, such as `**/__init__.py`.
    pub except: Vec<Pattern>,
}

impl Default for Options {
    fn default() -> Self {
        Self { team: Team::default(), repos: Vec::new(), joins: true, except: Vec::new() }
    }
}

impl Check for Options {
    const KIND: &'static str = "duplicate_import";

    fn preference(&self) -> (Team, &[Repo]) {
        (self.team, &self.repos)
    }

    fn wants(&self, act: &Act) -> bool {
        act.changes.iter().any(|change| Language::of(&change.path).is_some())
    }

    fn look(&self, sight: &Sight<'_>) -> Found {
        let mut wrong = Vec::new();
        for change in &sight.act.changes {
            let path = sight.work.path(&change.path, sight.act.cwd.as_deref());
            let Some(language) = Language::of(&path) else { continue };
            if self.except.iter().any(|pattern| pattern.matches(&path)) {
                continue;
            }
            let (before, after) = texts(sight.work, &path, &change.how);
            if !after.contains("import") && !after.contains("use ") {
                continue;
            }
            let known: BTreeSet<String> =
                self.twice(&language.imports(&before)).into_iter().map(|twice| twice.what).collect();
            let new = self
                .twice(&language.imports(&after))
                .into_iter()
                .filter(|twice| !known.contains(&twice.what));
            wrong.extend(new.take(4).map(|twice| {
                let lines: Vec<String> = twice.lines.iter().map(usize::to_string).collect();
                format!("{} in `{path}` (lines {})", twice.what, lines.join(" and "))
            }));
        }
        if wrong.is_empty() {
            return Found::Nothing;
        }
        let evidence = wrong.first().cloned();
        Found::Object(Finding { evidence, reason: wrong.join("; "), rule: None })
    }
}

struct Twice {
    lines: Vec<usize>,
    what: String,
}

impl Options {
    /// What is imported more than once.
    fn twice(&self, imports: &[Import]) -> Vec<Twice> {
        let mut names: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut modules: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for import in imports {
            for name in &import.names {
                names.entry(name).or_default().push(import.line);
            }
            if let Some(module) = &import.joins {
                modules.entry(module).or_default().push(import.line);
            }
        }
        names.retain(|_, lines| lines.len() > 1);
        modules.retain(|_, lines| lines.len() > 1);
        let mut all: Vec<Twice> = names
            .into_iter()
            .map(|(name, lines)| Twice { lines, what: format!("`{name}` is imported twice") })
            .collect();
        if self.joins {
            let joined = modules.into_iter().map(|(module, lines)| {
                let what = format!("`{module}` is imported by several statements that could be one");
                Twice { lines, what }
            });
            // The same lines are told of once.
            let told: BTreeSet<Vec<usize>> = all.iter().map(|twice| twice.lines.clone()).collect();
            all.extend(joined.filter(|twice| !told.contains(&twice.lines)));
        }
        all
    }
}
