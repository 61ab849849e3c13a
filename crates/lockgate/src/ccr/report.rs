//! What became of each setting of a foreign file.
//!
//! An entry explains its path and everything below it that has no entry of its own.

use serde_json::{Value, json};

use super::document::Place;
use super::draft::Draft;
use crate::exit::Failure;
use crate::screen::{ATTENTION, BAD, GOOD, Screen, count, styled};

/// One setting and what became of it.
#[derive(Debug)]
pub struct Entry {
    /// Where it is, as `Providers[0].api_key`.
    pub path: String,
    /// The line it starts on.
    pub line: usize,
    /// The column there.
    pub column: usize,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a setting.
#[derive(Debug)]
pub enum Outcome {
    /// It is not, because it makes no sense; the text says what is wrong and what to do.
    LeftOut(String),
    /// It is in Lockgate's configuration, or Lockgate does it anyway; the text says where or how.
    Mapped(String),
    /// It is not; the text says why.
    NotMapped(String),
}

impl Entry {
    pub(super) fn new(path: impl Into<String>, place: Place, outcome: Outcome) -> Self {
        Self { path: path.into(), line: place.line, column: place.column, outcome }
    }

    pub(super) fn mapped(path: impl Into<String>, place: Place, to: impl Into<String>) -> Self {
        Self::new(path, place, Outcome::Mapped(to.into()))
    }

    pub(super) fn not_mapped(path: impl Into<String>, place: Place, why: impl Into<String>) -> Self {
        Self::new(path, place, Outcome::NotMapped(why.into()))
    }

    /// Whether it is a mistake that somebody should look at.
    pub fn is_left_out(&self) -> bool {
        matches!(self.outcome, Outcome::LeftOut(_))
    }

    /// The entry for programs.
    pub fn json(&self) -> Value {
        let (status, key, text) = match &self.outcome {
            Outcome::LeftOut(why) => ("left_out", "reason", why),
            Outcome::Mapped(to) => ("mapped", "to", to),
            Outcome::NotMapped(why) => ("not_mapped", "reason", why),
        };
        json!({"path": self.path, "line": self.line, "column": self.column, "status": status, key: text})
    }

    /// Whether this entry explains the setting at `path`.
    pub fn explains(&self, path: &str) -> bool {
        path.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

/// A finished import.
#[derive(Debug)]
pub struct Imported {
    /// What became of each setting, in the file's order.
    pub entries: Vec<Entry>,
    /// Variables to set, and the path of the setting that has the value.
    pub variables: Vec<Variable>,
    pub(super) draft: Draft,
}

/// A variable that must be set before Lockgate starts.
#[derive(Debug, serde::Serialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Where in the foreign file its value is.
    pub from: String,
    /// The line there.
    pub line: usize,
}

impl Imported {
    /// How many settings were left out because they make no sense.
    pub fn left_out(&self) -> usize {
        self.entries.iter().filter(|entry| entry.is_left_out()).count()
    }

    /// The configuration file.
    pub fn yaml(&self, origin: &str) -> String {
        self.draft.yaml(origin)
    }

    /// Shows what became of every setting, and which variables to set.
    pub fn show(&self, screen: &mut Screen) -> Result<(), Failure> {
        let mut mapped = 0;
        for entry in &self.entries {
            let (label, style, text) = match &entry.outcome {
                Outcome::LeftOut(why) => ("left out  ", BAD, why),
                Outcome::Mapped(to) => {
                    mapped += 1;
                    ("mapped    ", GOOD, to)
                }
                Outcome::NotMapped(why) => ("not mapped", ATTENTION, why),
            };
            // A mistake is looked for where it is; what is right needs no column.
            let place = match &entry.outcome {
                Outcome::LeftOut(_) => format!("{}:{}", entry.line, entry.column),
                Outcome::Mapped(_) | Outcome::NotMapped(_) => entry.line.to_string(),
            };
            screen.paragraph(
                &format!("{} {place:>5}  ", styled(style, label)),
                &format!("{} → {text}", entry.path),
            )?;
        }
        screen.line(&format!(
            "{}: {mapped} mapped, {} not",
            count(self.entries.len(), "setting"),
            self.entries.len() - mapped
        ))?;
        if self.left_out() > 0 {
            let words = format!(
                "{} left out: correct what is marked so and import again (--force replaces the file), or set it in the new file",
                count(self.left_out(), "setting")
            );
            screen.paragraph(&format!("{} ", styled(BAD, "→")), &words)?;
        }
        if !self.variables.is_empty() {
            screen.line("\nKeys stay out of the file. Set before starting Lockgate:")?;
        }
        for variable in &self.variables {
            screen.line(&format!(
                "  export {}=…   # the value of {} (line {})",
                variable.name, variable.from, variable.line
            ))?;
        }
        Ok(())
    }
}
