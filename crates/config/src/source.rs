//! Which layer a value came from, exactly enough to find it: file, line and column, the variable, the flag.

use std::{fmt, sync::Arc};

use serde::Serialize;

/// The origin of a value.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Source {
    /// Built in.
    Default,
    /// Found in the environment by a well-known name, or assumed because it costs nothing.
    Detected {
        /// The variable that gave it away; none for what is always there.
        #[serde(skip_serializing_if = "Option::is_none")]
        variable: Option<String>,
    },
    /// Set while gateways run.
    Enacted {
        /// Line of the document, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// An environment variable that was meant for us.
    Environment {
        /// Its name; inside a structured variable also the place, such as `CUSTOM_PROVIDERS[1].baseUrl`.
        variable: String,
    },
    /// The configuration file.
    File {
        /// Its path as given.
        #[serde(serialize_with = "as_text")]
        file: Arc<str>,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// A command line flag.
    Flag {
        /// The flag, or the configuration path it sets.
        flag: String,
    },
}

impl Source {
    /// The place as compilers print it, for the start of a message.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Default => "default".into(),
            Self::Detected { variable: Some(variable) } | Self::Environment { variable } => variable.clone(),
            Self::Detected { variable: None } => "detected".into(),
            Self::Enacted { line, column } => format!("settings:{line}:{column}"),
            Self::File { file, line, column } => format!("{file}:{line}:{column}"),
            Self::Flag { flag } => flag.clone(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Detected { variable: Some(variable) } => write!(f, "detected {variable}"),
            Self::Detected { variable: None } => f.write_str("detected"),
            Self::Enacted { line, column } => write!(f, "set settings:{line}:{column}"),
            Self::Environment { variable } => write!(f, "env {variable}"),
            Self::File { file, line, column } => write!(f, "file {file}:{line}:{column}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}

fn as_text<S: serde::Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}
