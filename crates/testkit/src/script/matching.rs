//! Which requests a rule is for.
//!
//! Reads the body only when a condition needs it, so that bench scripts with path conditions cost nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::dialect::{Dialect, Route};
use crate::seen::Seen;

/// Conditions; all that are given must hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// The dialect asked in.
    pub dialect: Option<DialectName>,
    /// Glob over the model's name (`*` any run, `?` one character).
    pub model: Option<String>,
    /// Glob over the path, query excluded.
    pub path: Option<String>,
    /// Whether a stream is asked for.
    pub stream: Option<bool>,
    /// The nth call (from 1) that the other conditions fit.
    pub nth: Option<u64>,
    /// Headers that must have exactly these values.
    pub header: BTreeMap<String, String>,
    /// The last human text contains this.
    pub last_user_contains: Option<String>,
    /// Whether tool results follow the last human turn.
    pub has_tool_result: Option<bool>,
    /// Whether the request offers this tool.
    pub offers_tool: Option<String>,
    /// JSON pointers into the body that must equal these values (`null` also fits what is absent).
    pub body: BTreeMap<String, Value>,
}

/// Dialects as scripts name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DialectName {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions.
    Chat,
    /// Gemini, either URL form.
    Gemini,
    /// Ollama's own API.
    Ollama,
    /// Either OpenAI dialect.
    Openai,
    /// OpenAI Responses.
    Responses,
    /// Gemini by Vertex URLs.
    Vertex,
}

impl DialectName {
    fn fits(self, route: &Route) -> bool {
        match self {
            Self::Anthropic => route.dialect == Dialect::Anthropic,
            Self::Chat => route.dialect == Dialect::Chat,
            Self::Gemini => route.dialect == Dialect::Gemini,
            Self::Ollama => route.dialect == Dialect::Ollama,
            Self::Openai => matches!(route.dialect, Dialect::Chat | Dialect::Responses),
            Self::Responses => route.dialect == Dialect::Responses,
            Self::Vertex => route.dialect == Dialect::Gemini && route.vertex,
        }
    }
}

impl When {
    /// Whether everything but `nth` and the rule's `times` holds.
    pub(crate) fn fits(&self, route: &Route, path: &str, seen: &Seen) -> bool {
        self.dialect.is_none_or(|d| d.fits(route))
            && self.path.as_deref().is_none_or(|p| glob(p, path))
            && self.header.iter().all(|(k, v)| seen.header(k) == Some(v.as_str()))
            && self.model.as_deref().is_none_or(|m| glob(m, seen.model()))
            && self.stream.is_none_or(|s| s == seen.stream())
            && self.last_user_contains.as_deref().is_none_or(|t| seen.talk().last_user.contains(t))
            && self.has_tool_result.is_none_or(|h| h == (seen.talk().rounds > 0))
            && self.offers_tool.as_deref().is_none_or(|t| seen.talk().offers(t).is_some())
            && self.body.iter().all(|(at, want)| seen.body().pointer(at).unwrap_or(&Value::Null) == want)
    }
}

/// Whether `text` fits a pattern of `*` and `?`.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || (pattern[p] == text[t] && pattern[p] != '*')) {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, taken)) = star {
            p = at + 1;
            t = taken + 1;
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn model_patterns_match_runs_and_single_characters() {
        assert!(glob("claude-*", "claude-opus-4-8"));
        assert!(glob("*:generateContent", "/v1beta/models/g:generateContent"));
        assert!(glob("gpt-?", "gpt-5"));
        assert!(!glob("gpt-?", "gpt-55"));
        assert!(!glob("claude", "claude-x"));
    }
}
