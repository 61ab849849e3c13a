//! The wire formats that calls and answers are written in.
//!
//! A dialect is a format, not a provider: many providers speak [`Dialect::Chat`]. What a dialect looks like is
//! the business of the `wire` crate; here is only its name.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A wire format, in front (a client speaks it) or behind (a provider speaks it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI Chat Completions.
    Chat,
    /// The `claude` command's stream-json. Behind only.
    ClaudeCli,
    /// Gemini generateContent (AI Studio and Vertex).
    Gemini,
    /// Ollama's native `/api/chat` and `/api/generate`.
    Ollama,
    /// OpenAI Responses.
    Responses,
}

impl Dialect {
    /// The name used in headers, records and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat => "chat",
            Self::ClaudeCli => "claude-cli",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Responses => "responses",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
