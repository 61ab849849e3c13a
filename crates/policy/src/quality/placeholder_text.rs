//! Text that was meant to be filled in.
//!
//! # What it does
//!
//! Finds placeholders in what is added to docs (`*.md`, `*.rst`, `docs/`), in messages of commits, and in titles and texts of pull requests:
//! `!!!`, TODO, FIXME, WIP, TBD, XXX, "lorem ipsum", "[insert …]", "we need to update this", and your own (`also`). It warns when they are
//! written, and when a pull request is opened it names those that are still there. Code in backticks and fences, headings that are a list
//! of things to do, files named TODO, and text that goes away are left alone.
//!
//! What is still there when a pull request is opened is refused where `team` is `strict`, unless a person says `override placeholder_text`
//! in their last message; `pragmatic` warns; `off` says nothing. `repos` has teams for some repositories.
//!
//! # Why
//!
//! `!!!` in a README is found by the first user, not by the third reviewer.
//!
//! # Example
//!
//! ```yaml
//! policies:
//!   chain:
//!     - placeholder_text: {also: ["coming soon"], except: ["docs/drafts/**"]}
//! ```
//!
//! # Limits
//!
//! It looks at files for people, not at comments in code. A placeholder that stood there before the session is nobody's concern here. Text
//! that a command writes into a file is not seen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::kind::is_docs;
use super::markdown;
use super::{Check, Found, Repo, Sight, Team};
use crate::chain::Pattern;
use crate::verdict::Finding;
use crate::work::{Act, Change, Deed, Delta, How, Work};

/// What counts as a placeholder, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// How strictly it is taken when a pull request is opened.
    pub team: Team,
    /// How strictly it is taken in some repositories, by the name of their directory; the first that fits counts.
    pub repos: Vec<Repo>,
    /// Further words that are placeholders, without regard to case.
    pub also: Vec<String>,
    /// Files that are not looked at, such as `docs/drafts/**`.
    pub except: Vec<Pattern>,
}

impl Check for Options {
    const KIND: &'static str = "placeholder_text";

    fn preference(&self) -> (Team, &[Repo]) {
        (self.team, &self.repos)
    }

    fn wants(&self, act: &Act) -> bool {
        let says = |deed: &Deed| matches!(deed, Deed::Commit(_) | Deed::PullRequest(_));
        act.changes.iter().any(|change| is_docs(&change.path)) || act.deeds.iter().any(says)
    }

    fn look(&self, sight: &Sight<'_>) -> Found {
        let mut found = Vec::new();
        for deed in &sight.act.deeds {
            match deed {
                Deed::Commit(commit) => {
                    self.text("the message of the commit", commit.message.as_deref(), &mut found);
                }
                Deed::PullRequest(request) => {
                    self.text("the title", request.title.as_deref(), &mut found);
                    self.text("the text of the pull request", request.body.as_deref(), &mut found);
                }
                _ => {}
            }
        }
        if sight.act.pull_request().is_some() {
            let files = sight.work.files.iter().filter(|(path, _)| sight.work.lies_within(path));
            for (path, file) in files {
                if let Some(text) =
                    file.text.as_deref().filter(|_| file.changed.is_some() && self.is_looked_at(path))
                {
                    let is_new = |line: &str| file.fresh.contains(line.trim());
                    self.lines(path, text, is_new, &mut found);
                }
            }
            return said(&found, "is still there").map_or(Found::Nothing, Found::Object);
        }
        for change in &sight.act.changes {
            self.change(change, sight, &mut found);
        }
        said(&found, "is to be filled in").map_or(Found::Nothing, Found::Warn)
    }
}

/// A placeholder and where it stands.
struct Placeholder {
    place: String,
    words: String,
}

/// So many are named.
const NAMED: usize = 6;

fn said(found: &[Placeholder], what: &str) -> Option<Finding> {
    let first = found.first()?;
    let one = |found: &Placeholder| format!("`{}` in {}", found.words, found.place);
    let shown: Vec<String> = found.iter().take(NAMED).map(one).collect();
    let more = found.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let reason = format!("a placeholder {what}: {}{rest}", shown.join(", "));
    Some(Finding { evidence: Some(first.words.clone()), reason, rule: None })
}

impl Options {
    fn is_looked_at(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path).to_ascii_uppercase();
        is_docs(path) && !name.starts_with("TODO") && !self.except.iter().any(|pattern| pattern.matches(path))
    }

    fn text(&self, place: &str, text: Option<&str>, found: &mut Vec<Placeholder>) {
        if let Some(text) = text {
            self.lines(place, text, |_| true, found);
        }
    }

    /// The placeholders that a change adds.
    fn change(&self, change: &Change, sight: &Sight<'_>, found: &mut Vec<Placeholder>) {
        let path = sight.work.path(&change.path, sight.act.cwd.as_deref());
        if !self.is_looked_at(&path) {
            return;
        }
        let (before, after) = texts(sight.work, &path, &change.how);
        if after.is_empty() {
            return;
        }
        let mut added = Delta::of(&before, &after).added;
        self.lines(
            &path,
            &after,
            |line| match added.iter().position(|one| one == line) {
                Some(at) => {
                    added.swap_remove(at);
                    true
                }
                None => false,
            },
            found,
        );
    }

    /// The placeholders in lines of a text that are asked for.
    fn lines(
        &self,
        place: &str,
        text: &str,
        mut wanted: impl FnMut(&str) -> bool,
        found: &mut Vec<Placeholder>,
    ) {
        let mut todo: Option<usize> = None;
        for line in markdown::lines(text) {
            if line.heading > 0 {
                // What stands below a heading of things to do is meant so.
                if todo.is_some_and(|depth| line.heading <= depth) {
                    todo = None;
                }
                let title = line.title().to_ascii_lowercase();
                let is_list = ["todo", "to do", "to-do"].iter().any(|name| title.starts_with(name));
                todo = todo.or(is_list.then_some(line.heading));
            }
            let is_asked = wanted(line.text);
            if !is_asked || line.code || todo.is_some() {
                continue;
            }
            if let Some(words) = placeholder(&line.prose(), &self.also) {
                found.push(Placeholder { place: place.to_owned(), words });
            }
        }
    }
}

/// The text of a file before and after a change, as far as both are known; else the pieces that the change names.
pub(super) fn texts(work: &Work, path: &str, how: &How) -> (String, String) {
    let known = work.files.get(path).and_then(|file| file.complete());
    match how {
        How::Delete | How::Move(_) | How::Touch => (String::new(), String::new()),
        How::Edit(edits) => {
            let after = known.and_then(|text| {
                edits.iter().try_fold(text.to_owned(), |text, edit| crate::work::replaced(&text, edit))
            });
            match (known, after) {
                (Some(before), Some(after)) => (before.to_owned(), after),
                (_, None) | (None, _) => {
                    let join = |pieces: Vec<&str>| pieces.join("\n");
                    let old = join(edits.iter().map(|edit| edit.old.as_str()).collect());
                    (old, join(edits.iter().map(|edit| edit.new.as_str()).collect()))
                }
            }
        }
        How::Write(text) => (known.unwrap_or_default().to_owned(), text.clone()),
    }
}

/// Words that stand for a text to come, as they are written.
const MARKS: [&str; 5] = ["TODO", "FIXME", "WIP", "TBD", "XXX"];

/// Phrases that stand for a text to come, in any case.
const PHRASES: [&str; 6] =
    ["lorem ipsum", "[insert ", "<insert ", "[your ", "we need to update this", "fill this in"];

/// The first placeholder in a line of prose.
pub(super) fn placeholder(line: &str, also: &[String]) -> Option<String> {
    if line.contains("!!!") && !is_box(line) {
        return Some("!!!".to_owned());
    }
    let lower = line.to_ascii_lowercase();
    let phrase = PHRASES.iter().copied().chain(also.iter().map(String::as_str));
    let found =
        phrase.into_iter().find(|phrase| !phrase.is_empty() && lower.contains(&phrase.to_lowercase()));
    if let Some(phrase) = found {
        return Some(phrase.trim().to_owned());
    }
    if lower.starts_with("wip:") || lower == "wip" || lower.starts_with("wip ") {
        return Some("WIP".to_owned());
    }
    MARKS.iter().find(|mark| is_mark(line, mark)).map(|mark| (*mark).to_owned())
}

/// Whether a line begins a box, as `!!! note "Title"` does in some dialects of Markdown.
fn is_box(line: &str) -> bool {
    let Some(rest) = line.trim_start().strip_prefix("!!! ") else { return false };
    let kinds = rest.split('"').next().unwrap_or_default().trim();
    let is_kind = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    !kinds.is_empty() && kinds.split(' ').count() <= 2 && kinds.split(' ').all(is_kind)
}

/// Whether a mark stands in a line as a word of its own, and not as the name of something.
fn is_mark(line: &str, mark: &str) -> bool {
    line.match_indices(mark).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let behind = &line[at + mark.len()..];
        let next = behind.chars().next();
        let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '`' | '"' | '\'');
        let named = behind
            .strip_prefix('.')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric()))
            || [" list", " item", " app", " comment", " marker"].iter().any(|noun| behind.starts_with(noun));
        !before.is_some_and(joins) && !next.is_some_and(joins) && !named
    })
}
