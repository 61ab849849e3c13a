//! Where a text came from, as rules ask for it: a kind of tool, a tool by its name, or of a request's texts who speaks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::Pattern;
use crate::provenance::{Class, Source};

use super::texts::Whose;

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
    Speaker(Speaker),
    Tool(Pattern),
}

/// Whose texts of a request are, beside what tools gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Assistant,
    LastUser,
    System,
    User,
}

impl Speaker {
    const ALL: [(&str, Self); 4] = [
        ("assistant", Self::Assistant),
        ("last_user", Self::LastUser),
        ("system", Self::System),
        ("user", Self::User),
    ];
}

impl From {
    /// Whether it is no tool.
    pub(super) fn speaks(&self) -> bool {
        matches!(self.what, What::Speaker(_))
    }

    /// Whether a text of a request is from there.
    pub(super) fn fits(&self, whose: &Whose) -> bool {
        match (&self.what, whose) {
            (What::Class(class), Whose::Tool { classes, .. }) => classes.contains(class),
            (What::Tool(pattern), Whose::Tool { name, .. }) => pattern.matches(name),
            (What::Speaker(Speaker::Assistant), Whose::Assistant)
            | (What::Speaker(Speaker::System), Whose::System)
            | (What::Speaker(Speaker::User), Whose::User { .. })
            | (What::Speaker(Speaker::LastUser), Whose::User { last: true }) => true,
            (What::Class(_) | What::Speaker(_) | What::Tool(_), _) => false,
        }
    }
}

impl TryFrom<String> for From {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let what = match text.strip_prefix("tool:") {
            Some(name) => What::Tool(Pattern::new(name).map_err(|error| error.to_string())?),
            None => {
                let class = Class::ALL.into_iter().find(|class| class.as_str() == text).map(What::Class);
                let speaker = Speaker::ALL.into_iter().find(|(name, _)| *name == text);
                class.or(speaker.map(|(_, speaker)| What::Speaker(speaker))).ok_or_else(|| {
                    let classes = Class::ALL.iter().map(|class| class.as_str());
                    let known: Vec<&str> = classes.chain(Speaker::ALL.map(|(name, _)| name)).collect();
                    format!("not a source of text; known: {}, tool:NAME", known.join(", "))
                })?
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
            What::Speaker(_) => false,
            What::Tool(pattern) => pattern.matches(&source.tool),
        })
    })
}
