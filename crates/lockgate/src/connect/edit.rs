//! Changes to a settings file as values, and how they are applied to its text.
//!
//! What is not named in the change stays as it was: comments, order, indentation, line ends, a byte order mark, a missing
//! last newline. Pure: text in, text out.

mod continue_yaml;
mod dotenv;
mod json;
mod toml;

use serde_json::Value;

pub use continue_yaml::ModelEntry;

/// A change to one file, in the file's own format.
#[derive(Debug, Clone)]
pub enum Edit {
    /// One entry of the `models` list of Continue's YAML.
    ContinueModel(ModelEntry),
    /// Lines `NAME=value`.
    DotEnv(Vec<(&'static str, Option<String>)>),
    /// JSON, with or without comments.
    Json(Vec<Change>),
    /// TOML.
    Toml(Vec<Change>),
}

/// One setting: where it is, and its value or `None` if it must go.
#[derive(Debug, Clone)]
pub struct Change {
    /// The keys on the way to it.
    pub path: Vec<String>,
    /// The value.
    pub value: Option<Value>,
}

impl Change {
    /// Sets a value.
    pub fn set(path: &[&str], value: impl Into<Value>) -> Self {
        Self { path: path.iter().map(|&key| key.to_owned()).collect(), value: Some(value.into()) }
    }

    /// Removes a value if it is there.
    pub fn remove(path: &[&str]) -> Self {
        Self { path: path.iter().map(|&key| key.to_owned()).collect(), value: None }
    }
}

impl Edit {
    /// The file's new content; `None` means that there is no file yet. Errors are sentences about the content.
    pub fn apply(&self, original: Option<&[u8]>) -> Result<Vec<u8>, String> {
        let text = std::str::from_utf8(original.unwrap_or_default())
            .map_err(|error| format!("it is not UTF-8 (byte {})", error.valid_up_to()))?;
        let (mark, body) = match text.strip_prefix('\u{feff}') {
            Some(body) => ("\u{feff}", body),
            None => ("", text),
        };
        let edited = match self {
            Self::ContinueModel(entry) => continue_yaml::apply(entry, body)?,
            Self::DotEnv(variables) => dotenv::apply(variables, body),
            Self::Json(changes) => json::apply(changes, body)?,
            Self::Toml(changes) => toml::apply(changes, body)?,
        };
        Ok(format!("{mark}{edited}").into_bytes())
    }

    /// The names of the settings that this sets, for people.
    pub fn settings(&self) -> Vec<String> {
        match self {
            Self::ContinueModel(entry) => vec![format!("models[{}]", entry.name)],
            Self::DotEnv(variables) => variables
                .iter()
                .filter(|(_, value)| value.is_some())
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            Self::Json(changes) | Self::Toml(changes) => changes
                .iter()
                .filter(|change| change.value.is_some())
                .map(|change| change.path.join("."))
                .collect(),
        }
    }
}

/// The line end that a text uses.
fn newline_of(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        Some(_) | None => "\n",
    }
}
