//! READMEs without holes.
//!
//! # What it does
//!
//! Looks at a README as it will be after an edit, and warns of what the edit brings: headings without text or with nothing but a placeholder,
//! links to files that the session knows not to be there, and `sections` that are missing. When a pull request is opened it looks at the
//! READMEs that the session changed once more, and for variables of the environment that added code reads (`os.getenv("X")`,
//! `process.env.X`, `env::var("X")`) and that neither the README nor an example file (`.env.example`) names.
//!
//! What is found when a pull request is opened is refused where `team` is `strict`, unless a person says `override readme_completeness` in
//! their last message; `pragmatic` warns; `off` says nothing. `repos` has teams for some repositories.
//!
//! # Why
//!
//! Whoever meets the code next reads the README first, and believes it to be complete.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - readme_completeness: {sections: [Install, Configuration], variables: true}
//! ```
//!
//! # Limits
//!
//! It knows the files that the session has read or written. A README of which only a part was read is not judged, and variables are looked
//! for only where all of the README is known. Whether a text is right it cannot say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::markdown::{self, Line};
use super::placeholder_text::{placeholder, texts};
use super::{Check, Found, Repo, Sight, Team, listed};
use crate::verdict::Finding;
use crate::work::{Act, How, State, Work};

/// What a README must have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How strictly it is taken when a pull request is opened.
    pub team: Team,
    /// How strictly it is taken in some repositories, by the name of their directory; the first that fits counts.
    pub repos: Vec<Repo>,
    /// Headings that the README of the repository must have, without regard to case.
    pub sections: Vec<String>,
    /// Whether variables that added code reads must be named.
    pub variables: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { team: Team::default(), repos: Vec::new(), sections: Vec::new(), variables: true }
    }
}

impl Check for Options {
    const KIND: &'static str = "readme_completeness";

    fn preference(&self) -> (Team, &[Repo]) {
        (self.team, &self.repos)
    }

    fn wants(&self, act: &Act) -> bool {
        act.pull_request().is_some() || act.changes.iter().any(|change| is_readme(&change.path))
    }

    fn look(&self, sight: &Sight<'_>) -> Found {
        let work = sight.work;
        let mut holes = Vec::new();
        if sight.act.pull_request().is_some() {
            let changed = work
                .files
                .iter()
                .filter(|(path, file)| is_readme(path) && file.changed.is_some() && work.lies_within(path));
            for (path, file) in changed {
                if let Some(text) = file.complete() {
                    holes.extend(self.holes(path, text, work));
                }
            }
            if self.variables {
                holes.extend(variables(work));
            }
            return found(&holes).map_or(Found::Nothing, Found::Object);
        }
        for change in sight.act.changes.iter().filter(|change| is_readme(&change.path)) {
            let path = work.path(&change.path, sight.act.cwd.as_deref());
            let is_known = work.files.get(&path).is_some_and(|file| file.complete().is_some());
            if !is_known && !matches!(change.how, How::Write(_)) {
                continue;
            }
            let (before, after) = texts(work, &path, &change.how);
            let known = if is_known { self.holes(&path, &before, work) } else { Vec::new() };
            holes.extend(self.holes(&path, &after, work).into_iter().filter(|hole| !known.contains(hole)));
        }
        found(&holes).map_or(Found::Nothing, Found::Warn)
    }
}

/// So many holes are told.
const TOLD: usize = 6;

fn found(holes: &[String]) -> Option<Finding> {
    let first = holes.first()?.clone();
    let more = holes.len().saturating_sub(TOLD);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    let reason = holes.iter().take(TOLD).cloned().collect::<Vec<_>>().join("; ") + &rest;
    Some(Finding { evidence: Some(first), reason, rule: None })
}

fn is_readme(path: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path).to_ascii_lowercase();
    matches!(name.as_str(), "readme" | "readme.md" | "readme.mdx" | "readme.markdown")
}

impl Options {
    /// What is missing in a README.
    fn holes(&self, path: &str, text: &str, work: &Work) -> Vec<String> {
        if text.trim().is_empty() {
            return Vec::new();
        }
        let lines = markdown::lines(text);
        let mut holes = Vec::new();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.heading > 0) {
            match body(&lines[at + 1..], line.heading) {
                Body::Empty => holes.push(format!("the section \"{}\" of `{path}` is empty", line.title())),
                Body::Placeholder => {
                    holes.push(format!(
                        "the section \"{}\" of `{path}` has nothing but a placeholder",
                        line.title()
                    ));
                }
                Body::Text => {}
            }
        }
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in markdown::links(text) {
            let target = work.path(&link, Some(folder).filter(|folder| !folder.is_empty()));
            if work.files.get(&target).is_some_and(|file| file.state == State::Absent) {
                holes.push(format!("`{path}` links to `{link}`, which is not there"));
            }
        }
        if !path.contains('/') {
            let has = |section: &&String| {
                let section = section.to_lowercase();
                lines.iter().any(|line| line.heading > 0 && line.title().to_lowercase().contains(&section))
            };
            let missing = self.sections.iter().filter(|section| !has(section));
            holes.extend(missing.map(|section| format!("`{path}` has no section \"{section}\"")));
        }
        holes.dedup();
        holes
    }
}

enum Body {
    Empty,
    Placeholder,
    Text,
}

/// What stands below a heading, up to the next one.
fn body(lines: &[Line<'_>], heading: usize) -> Body {
    let mut placeholders = false;
    for line in lines {
        if line.heading > 0 {
            // A section may consist of those below it.
            let deeper = line.heading > heading;
            return if deeper {
                Body::Text
            } else if placeholders {
                Body::Placeholder
            } else {
                Body::Empty
            };
        }
        let prose = line.text.trim();
        if prose.is_empty() {
            continue;
        }
        if line.code || placeholder(&line.prose(), &[]).is_none() && prose != "..." && prose != "…" {
            return Body::Text;
        }
        placeholders = true;
    }
    if placeholders { Body::Placeholder } else { Body::Empty }
}

/// Variables that added code reads, and that nothing names which tells users of them.
fn variables(work: &Work) -> Option<String> {
    let is_example = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or(path);
        name.starts_with(".env")
            && ["example", "sample", "template", "dist"].iter().any(|word| name.contains(word))
    };
    let tells = |path: &str| is_readme(path) || is_example(path) || super::kind::is_docs(path);
    let readme = work
        .files
        .iter()
        .any(|(path, file)| is_readme(path) && !path.contains('/') && file.complete().is_some());
    // An example that was not read may name them.
    let unread = work
        .files
        .iter()
        .any(|(path, file)| is_example(path) && !matches!(file.state, State::Absent | State::Complete));
    if !readme || unread {
        return None;
    }
    let texts: Vec<&str> = work
        .files
        .iter()
        .filter(|(path, _)| tells(path))
        .filter_map(|(_, file)| file.text.as_deref())
        .collect();
    let missing: Vec<String> = work
        .env
        .keys()
        .filter(|name| !texts.iter().any(|text| text.contains(name.as_str())))
        .cloned()
        .collect();
    if missing.is_empty() {
        return None;
    }
    let many = if missing.len() > 1 { "s" } else { "" };
    Some(format!("the code reads the variable{many} {}, which the README does not name", listed(&missing, 8)))
}
