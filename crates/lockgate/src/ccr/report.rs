//! What became of each setting of a foreign file.
//!
//! An entry explains its path and everything below it that has no entry of its own.

use serde_json::{Value, json};

use super::document::Place;

/// One setting and what became of it.
#[derive(Debug)]
pub struct Entry {
    /// Where it is, as `Providers[0].api_key`.
    pub path: String,
    /// The line it starts on.
    pub line: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a setting.
#[derive(Debug)]
pub enum Outcome {
    /// It is in Lockgate's configuration, or Lockgate does it anyway; the text says where or how.
    Mapped(String),
    /// It is not; the text says why.
    NotMapped(String),
}

impl Entry {
    pub(super) fn mapped(path: impl Into<String>, place: Place, to: impl Into<String>) -> Self {
        Self { path: path.into(), line: place.line, outcome: Outcome::Mapped(to.into()) }
    }

    pub(super) fn not_mapped(path: impl Into<String>, place: Place, why: impl Into<String>) -> Self {
        Self { path: path.into(), line: place.line, outcome: Outcome::NotMapped(why.into()) }
    }

    /// The entry for programs.
    pub fn json(&self) -> Value {
        let (status, key, text) = match &self.outcome {
            Outcome::Mapped(to) => ("mapped", "to", to),
            Outcome::NotMapped(why) => ("not_mapped", "reason", why),
        };
        json!({"path": self.path, "line": self.line, "status": status, key: text})
    }

    /// Whether this entry explains the setting at `path`.
    pub fn explains(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}
