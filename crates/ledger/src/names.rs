//! Which model a name means: paths before it, snapshots after it, patterns.
//!
//! Knows no model. A name that fits nothing fits nothing; there is no nearest guess here.

use std::cmp::Reverse;
use std::collections::HashMap;

/// Names and patterns, each with what it stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    exact: HashMap<String, usize>,
    /// Those with most text of their own first.
    patterns: Vec<(String, usize)>,
}

impl Names {
    /// Adds a name or a pattern; false if it is there already.
    pub(crate) fn insert(&mut self, name: &str, target: usize) -> bool {
        let name = name.to_ascii_lowercase();
        if !name.contains('*') {
            return self.exact.insert(name, target).is_none();
        }
        if self.patterns.iter().any(|(pattern, _)| *pattern == name) {
            return false;
        }
        self.patterns.push((name, target));
        self.patterns
            .sort_by_key(|(pattern, _)| Reverse(pattern.bytes().filter(|byte| *byte != b'*').count()));
        true
    }

    /// What exactly this name or pattern stands for.
    pub(crate) fn entry(&self, name: &str) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        let pattern =
            || self.patterns.iter().find(|(pattern, _)| *pattern == name).map(|(_, target)| *target);
        self.exact.get(&name).copied().or_else(pattern)
    }

    /// What the model that `provider` calls so stands for: as it is, without what stands before it, as a snapshot of
    /// an undated name, by the most specific pattern.
    pub(crate) fn find(&self, provider: &str, model: &str) -> Option<usize> {
        let model = model.trim().to_ascii_lowercase();
        let bare = bare(provider, &model);
        let names = [Some(model.as_str()), Some(bare), undated(bare)];
        if let Some(target) = names.iter().flatten().find_map(|name| self.exact.get(*name)) {
            return Some(*target);
        }
        let pattern =
            self.patterns.iter().find(|(pattern, _)| matches(pattern, bare) || matches(pattern, &model));
        pattern.map(|(_, target)| *target)
    }
}

/// Without the paths that providers and clients put before a name: `models/…`, `publishers/google/models/…`, and the
/// provider's own name.
fn bare<'a>(provider: &str, model: &'a str) -> &'a str {
    let name = match model.rsplit_once("/models/") {
        Some((path, name)) if path.split('/').any(|part| part == "publishers") => name,
        Some(_) | None => model.strip_prefix("models/").unwrap_or(model),
    };
    let own = name.split_once('/').filter(|(first, _)| *first == provider.to_ascii_lowercase());
    own.map_or(name, |(_, rest)| rest)
}

/// The name that a dated or floating one is a snapshot of: `…@20250929`, `…@default`, `…-20250929`, `…-2025-09-29`,
/// `…-latest`.
fn undated(name: &str) -> Option<&str> {
    if let Some((base, _)) = name.rsplit_once('@') {
        return Some(undated(base).unwrap_or(base));
    }
    if let Some(base) = name.strip_suffix("-latest") {
        return Some(base);
    }
    let digits =
        |text: &str, width: usize| text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, last) = name.rsplit_once('-')?;
    if digits(last, 8) && last.starts_with("20") {
        return Some(rest);
    }
    let (rest, month) = rest.rsplit_once('-')?;
    let (rest, year) = rest.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4) && year.starts_with("20")).then_some(rest)
}

/// Whether a name fits a pattern with `*` for any text. Linear in the name for each `*`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names::default();
        let all = [
            "claude-opus-5",
            "claude-haiku-4-5@20251001",
            "openai/gpt-oss-20b",
            "qwen*",
            "qwen3*-vl",
            "gpt-4o",
        ];
        for (at, name) in all.into_iter().enumerate() {
            assert!(names.insert(name, at));
        }
        names
    }

    #[test]
    fn dated_and_prefixed_names_mean_the_same_model() {
        let found = |provider: &str, model: &str| names().find(provider, model);
        for name in [
            "claude-opus-5",
            "anthropic/claude-opus-5",
            "claude-opus-5-20260401",
            "Claude-Opus-5",
            "claude-opus-5-2026-04-01",
            "claude-opus-5-latest",
            "claude-opus-5@default",
            "claude-opus-5@20260401",
            "projects/p/locations/l/publishers/anthropic/models/claude-opus-5",
            "models/claude-opus-5",
        ] {
            assert_eq!(found("anthropic", name), Some(0), "{name}");
        }
        assert_eq!(found("vertex", "claude-haiku-4-5@20251001"), Some(1));
        assert_eq!(found("groq", "openai/gpt-oss-20b"), Some(2));
    }

    #[test]
    fn a_name_that_only_looks_similar_is_another_model() {
        for name in [
            "claude-opus-5-5",
            "claude-opus-5-mini",
            "claude-opus",
            "claude-opus-5-1234",
            "gpt-oss-20b",
            "claude-haiku-4-5@20991001",
            "other/claude-opus-5",
            "gpt-4o-1106",
            "gpt-4o-mini",
            "",
        ] {
            assert_eq!(names().find("anthropic", name), None, "{name}");
        }
    }

    #[test]
    fn the_most_specific_pattern_holds() {
        assert_eq!(names().find("x", "qwen3-30b"), Some(3));
        assert_eq!(names().find("x", "qwen3-30b-vl"), Some(4));
        assert!(!names().insert("QWEN*", 9), "the same pattern twice");
    }

    #[test]
    fn patterns_match_any_text_at_their_stars() {
        for (pattern, name) in
            [("*", ""), ("a*", "a"), ("*-cloud", "glm-cloud"), ("a*b*c", "axxbyyc"), ("a*a", "aa")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("a*a", "a"), ("a", "ab"), ("a*b*c", "acb"), ("*-cloud", "cloud")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
