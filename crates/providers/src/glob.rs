//! Patterns over model names: `*` for any text, `?` for one character, everything else itself, case ignored.
//!
//! Not a regular expression and not a path glob: `/` and `:` are ordinary characters, and no pattern can be slow (the
//! match is linear in the name for each `*`, without recursion).

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pattern over model names.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[schemars(extend("format" = "model-pattern"))]
pub struct ModelGlob(String);

impl ModelGlob {
    /// Takes any text as a pattern.
    pub fn new(pattern: impl Into<String>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        let pattern: Vec<char> = self.0.chars().map(|c| c.to_ascii_lowercase()).collect();
        let name: Vec<char> = name.chars().map(|c| c.to_ascii_lowercase()).collect();
        let (mut p, mut n) = (0, 0);
        // Where to resume when the text after the last `*` turns out not to fit.
        let mut star: Option<(usize, usize)> = None;
        while n < name.len() {
            match pattern.get(p) {
                Some('*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == name[n] => {
                    p += 1;
                    n += 1;
                }
                Some(_) | None => {
                    let Some((at, from)) = star else { return false };
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
            }
        }
        pattern[p..].iter().all(|c| *c == '*')
    }

    /// Whether every name that `other` matches is matched here too, as far as the patterns show it: true only when it is
    /// certain.
    pub fn covers(&self, other: &Self) -> bool {
        // A `*` in `other` is text like any other to the matcher, and only a `*` here takes it; `?` likewise.
        self == other || (!self.0.contains('?') && self.matches(&other.0))
    }
}

impl fmt::Display for ModelGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_their_readers_expect() {
        let cases = [
            ("*", "anything", true),
            ("claude-*", "claude-opus-4", true),
            ("claude-*", "my-claude-x", false),
            ("*mini", "gpt-4o-mini", true),
            ("*mini", "gpt-4o-minis", false),
            ("a*b*c", "a--b--b--c", true),
            ("a*b*c", "a--c--b", false),
            ("o?", "o3", true),
            ("o?", "o", false),
            ("meta/*:free", "meta/llama:free", true),
            ("GPT-*", "gpt-5", true),
            ("", "", true),
            ("", "x", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(ModelGlob::new(pattern).matches(name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn a_wider_pattern_covers_a_narrower_one() {
        let covers = |a: &str, b: &str| ModelGlob::new(a).covers(&ModelGlob::new(b));
        assert!(covers("*", "o3*") && covers("o*", "o3-*") && covers("o3", "o3"));
        assert!(!covers("o3*", "o*") && !covers("o3", "o3*") && !covers("o?", "o*"));
    }
}
