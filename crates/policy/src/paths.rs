//! Paths where secrets lie: `.env` files, keys, cloud credentials, password stores, browsers' profiles. A path is brought to one form
//! first (`~`, `.` and `..`, `//`, `\`, case, composed letters), so that no spelling slips through; a rule holds at any depth and from
//! the root alike. Looks at the name only: knows no file system, follows no links, and says nothing of what a file contains.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use unicode_normalization::{UnicodeNormalization, is_nfc_quick};

use crate::shell::glob;

mod rules;
#[cfg(test)]
mod tests;

/// How bad it is that the file is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tier {
    /// The file holds what opens something: a key, a password, a token.
    Secret,
    /// The file is about security (`auth/`, `infra/`); it opens nothing by itself.
    Sensitive,
}

/// The name of a rule, as it stands in decisions and reports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RuleId {
    name: Cow<'static, str>,
    tier: Tier,
}

impl RuleId {
    /// Such as `ssh` or `dotenv`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How bad it is that such a file is seen.
    pub fn tier(&self) -> Tier {
        self.tier
    }
}

/// A pattern that cannot be a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// Nothing is left of it once `.`, `/` and `**` are gone.
    #[error("the pattern names no file")]
    Empty,
}

#[derive(Debug)]
struct Rule {
    id: RuleId,
    /// The components of a path, each with `*` and `?`.
    parts: Vec<Cow<'static, str>>,
    /// Everything below the last component, too.
    below: bool,
    /// From the root only.
    rooted: bool,
}

/// No system opens a longer path.
const LONGEST: usize = 4096;

/// A list of rules, ready to be asked.
#[derive(Debug)]
pub struct SecretPaths {
    rules: Vec<Rule>,
    allowed: Vec<Rule>,
    /// Rules by the first component, where it has no wildcard.
    by_first: HashMap<Cow<'static, str>, Vec<usize>>,
    /// Rules whose first component has a wildcard.
    wild: Vec<usize>,
    fold_case: bool,
}

impl Default for SecretPaths {
    fn default() -> Self {
        let rules = rules::SECRET.iter().map(|&(name, pattern)| (name, pattern, Tier::Secret));
        let sensitive = rules::SENSITIVE.iter().map(|&(name, pattern)| (name, pattern, Tier::Sensitive));
        let mut all = Self::empty(true);
        for (name, pattern, tier) in rules.chain(sensitive) {
            if let Some(rule) = rule(Cow::Borrowed(name), pattern, tier) {
                all.push(rule);
            }
        }
        let allowed =
            rules::NEVER.iter().filter_map(|pattern| rule(Cow::Borrowed("never"), pattern, Tier::Secret));
        all.allowed = allowed.collect();
        all
    }
}

impl SecretPaths {
    /// No rules. With `fold_case`, `.ENV` is `.env`, as it is on the disks of macOS and Windows.
    pub fn empty(fold_case: bool) -> Self {
        Self { rules: Vec::new(), allowed: Vec::new(), by_first: HashMap::new(), wild: Vec::new(), fold_case }
    }

    /// Adds a rule: components with `*` and `?`; `/**` at the end takes in all below; a leading `/` holds it to the root.
    pub fn add(&mut self, name: &str, pattern: &str, tier: Tier) -> Result<(), BadPattern> {
        let pattern = canonical(pattern, self.fold_case);
        let rule = rule(Cow::Owned(name.to_owned()), &pattern, tier).ok_or(BadPattern::Empty)?;
        self.push(rule);
        Ok(())
    }

    /// Takes paths out again: whatever this pattern matches is no secret, whichever rule says so.
    pub fn allow(&mut self, pattern: &str) -> Result<(), BadPattern> {
        let pattern = canonical(pattern, self.fold_case);
        let rule = rule(Cow::Borrowed("allowed"), &pattern, Tier::Secret);
        self.allowed.push(rule.ok_or(BadPattern::Empty)?);
        Ok(())
    }

    /// The rule that this path falls under: of several, a secret before a sensitive one. The path may hold wildcards of the shell; it
    /// is found if it could name such a file. What is longer than a path can be falls under none.
    pub fn find(&self, path: &str) -> Option<&RuleId> {
        let path = canonical(path, self.fold_case);
        if path.len() > LONGEST {
            return None;
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let rooted = path.starts_with('/');
        let mut best: Option<usize> = None;
        for start in 0..parts.len() {
            let first = parts[start];
            if glob::is_pattern(first) {
                (0..self.rules.len()).for_each(|at| self.better(at, &parts, start, rooted, &mut best));
                continue;
            }
            let exact = self.by_first.get(first).map_or(&[][..], Vec::as_slice);
            for &at in exact.iter().chain(&self.wild) {
                self.better(at, &parts, start, rooted, &mut best);
            }
        }
        let found = best?;
        let free = |start| self.allowed.iter().any(|rule| rule.covers(&parts, start, rooted));
        if (0..parts.len()).any(free) {
            return None;
        }
        Some(&self.rules[found].id)
    }

    fn better(&self, at: usize, parts: &[&str], start: usize, rooted: bool, best: &mut Option<usize>) {
        let rule = &self.rules[at];
        let improves = best.is_none_or(|known| (rule.id.tier, at) < (self.rules[known].id.tier, known));
        if improves && rule.holds(parts, start, rooted) {
            *best = Some(at);
        }
    }

    fn push(&mut self, rule: Rule) {
        let at = self.rules.len();
        match rule.parts.first() {
            Some(first) if !glob::is_pattern(first) => {
                self.by_first.entry(first.clone()).or_default().push(at);
            }
            Some(_) | None => self.wild.push(at),
        }
        self.rules.push(rule);
    }
}

impl Rule {
    fn holds(&self, parts: &[&str], start: usize, rooted: bool) -> bool {
        self.fits(parts, start, rooted, glob::meet)
    }

    /// As `holds`, but wildcards of the path must be within the rule's: `id_*` is not only public halves.
    fn covers(&self, parts: &[&str], start: usize, rooted: bool) -> bool {
        self.fits(parts, start, rooted, glob::matches)
    }

    fn fits(&self, parts: &[&str], start: usize, rooted: bool, same: fn(&str, &str) -> bool) -> bool {
        if self.rooted && (start != 0 || !rooted) {
            return false;
        }
        let rest = &parts[start..];
        if rest.len() < self.parts.len() || (!self.below && rest.len() != self.parts.len()) {
            return false;
        }
        self.parts.iter().zip(rest).all(|(pattern, part)| same(pattern, part))
    }
}

fn rule(name: Cow<'static, str>, pattern: &str, tier: Tier) -> Option<Rule> {
    let rooted = pattern.starts_with('/');
    let split = |text: &str| {
        let parts = text.split('/').filter(|part| !part.is_empty() && *part != "**" && *part != "~");
        parts.map(|part| Cow::Owned(part.to_owned())).collect::<Vec<_>>()
    };
    let below = pattern.ends_with("/**");
    let parts = split(pattern);
    (!parts.is_empty()).then_some(Rule { id: RuleId { name, tier }, parts, below, rooted })
}

/// One form for all spellings of a path: `/` between parts, no `.`, no `..` that can be taken away, no doubled `/`, no scheme and no
/// drive, composed letters, and small ones when case is folded. Home stays `~`.
pub fn canonical(path: &str, fold_case: bool) -> String {
    let trimmed = path.trim();
    let trimmed = trimmed.strip_prefix("file://").unwrap_or(trimmed);
    let composed: Cow<'_, str> =
        if trimmed.is_ascii() || is_nfc_quick(trimmed.chars()) == unicode_normalization::IsNormalized::Yes {
            Cow::Borrowed(trimmed)
        } else {
            Cow::Owned(trimmed.nfc().collect())
        };
    let mut text = String::with_capacity(composed.len());
    for c in composed.chars() {
        match c {
            '\\' => text.push('/'),
            _ if fold_case && c.is_ascii() => text.push(c.to_ascii_lowercase()),
            _ if fold_case => text.extend(c.to_lowercase()),
            _ => text.push(c),
        }
    }
    plain(without_drive(&text))
}

fn without_drive(text: &str) -> &str {
    let bytes = text.as_bytes();
    if bytes.len() > 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':' && bytes[2] == b'/' {
        return &text[2..];
    }
    text
}

/// As `lexical`; and what was taken away may leave a blank or a drive at an end, which goes too, and so on inwards.
fn plain(path: &str) -> String {
    let (mut rooted, parts) = parts_of(path);
    let mut parts = VecDeque::from(parts);
    // Whether what is left may still be shorter in front.
    while !rooted && let Some(first) = parts.front().copied() {
        let trimmed = first.trim_start();
        parts[0] = trimmed;
        match (trimmed, parts.len()) {
            ("" | ".", 1) => parts.clear(),
            ("", _) => {
                parts.pop_front();
                rooted = true;
            }
            (".", _) => {
                parts.pop_front();
            }
            (drive, 2..) if is_drive(drive) => {
                parts.pop_front();
                rooted = true;
            }
            _ => break,
        }
    }
    while let Some(last) = parts.pop_back() {
        let trimmed = last.trim_end();
        match (trimmed, parts.back()) {
            ("" | ".", _) => {}
            ("..", Some(before)) if *before != ".." && *before != "~" => {
                parts.pop_back();
            }
            _ => {
                parts.push_back(trimmed);
                break;
            }
        }
    }
    while rooted && parts.front() == Some(&"..") {
        parts.pop_front();
    }
    joined(rooted, parts.make_contiguous())
}

fn is_drive(part: &str) -> bool {
    matches!(part.as_bytes(), [letter, b':'] if letter.is_ascii_alphabetic())
}

/// Takes `.`, `//` and `x/..` out of a path, by its letters alone.
pub fn lexical(path: &str) -> String {
    let (rooted, parts) = parts_of(path);
    joined(rooted, &parts)
}

/// Whether a path begins at the root, and what it goes through.
fn parts_of(path: &str) -> (bool, Vec<&str>) {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::with_capacity(8);
    for part in path.split('/') {
        match (part, parts.last()) {
            ("" | ".", _) => {}
            ("..", Some(last)) if *last != ".." && *last != "~" => {
                parts.pop();
            }
            ("..", None) if rooted => {}
            (other, _) => parts.push(other),
        }
    }
    (rooted, parts)
}

fn joined(rooted: bool, parts: &[&str]) -> String {
    match (rooted, parts.join("/")) {
        (true, path) => format!("/{path}"),
        (false, path) if path.is_empty() => ".".to_owned(),
        (false, path) => path,
    }
}
