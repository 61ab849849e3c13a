//! Where the text of a tool call came from, as rules ask for it: a kind of tool, or a tool by its name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::Pattern;
use crate::provenance::{Class, Source};

/// Tools that text came from.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "source"))]
pub struct From {
    text: String,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Class(Class),
    Tool(Pattern),
}

impl TryFrom<String> for From {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let what = match text.strip_prefix("tool:") {
            Some(name) => What::Tool(Pattern::new(name).map_err(|error| error.to_string())?),
            None => {
                What::Class(Class::ALL.into_iter().find(|class| class.as_str() == text).ok_or_else(|| {
                    let known: Vec<&str> = Class::ALL.iter().map(|class| class.as_str()).collect();
                    format!("not a source of text; known: {}, tool:NAME", known.join(", "))
                })?)
            }
        };
        Ok(Self { text, what })
    }
}

impl Serialize for From {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Whether one of these tools is meant.
pub(crate) fn any(from: &[From], sources: &[Source]) -> bool {
    sources.iter().any(|source| {
        from.iter().any(|one| match &one.what {
            What::Class(class) => source.classes.contains(class),
            What::Tool(pattern) => pattern.matches(&source.tool),
        })
    })
}
