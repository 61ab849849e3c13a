//! Text on its way out: a conversation's own, in the JSON form that it came in, or one that a writer made.

use std::borrow::Cow;
use std::ops::Deref;

use lockgate_core::Words;
use serde::{Serialize, Serializer};

/// A text to be written. Reads as `str`, which takes the escapes out of a kept one.
#[derive(Debug, Clone)]
pub(crate) enum Said<'a> {
    /// As it stands in the conversation.
    Kept(&'a Words),
    /// Put together.
    Made(Cow<'a, str>),
}

impl Said<'_> {
    /// Whether there is none; does not look inside.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Kept(words) => words.is_empty(),
            Self::Made(text) => text.is_empty(),
        }
    }

    /// As a JSON string, with its quotes.
    pub(crate) fn to_json(&self) -> Cow<'_, str> {
        match self {
            Self::Kept(words) => words.to_json(),
            Self::Made(text) => Cow::Owned(serde_json::Value::from(&**text).to_string()),
        }
    }

    /// More of it.
    pub(crate) fn push_str(&mut self, more: &str) {
        if let Self::Kept(words) = self {
            *self = words.as_str().into();
        }
        if let Self::Made(text) = self {
            text.to_mut().push_str(more);
        }
    }
}

impl Default for Said<'_> {
    fn default() -> Self {
        "".into()
    }
}

impl Deref for Said<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Kept(words) => words.as_str(),
            Self::Made(text) => text,
        }
    }
}

impl Serialize for Said<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Kept(words) => words.serialize(serializer),
            Self::Made(text) => serializer.serialize_str(text),
        }
    }
}

impl<'a> From<&'a Words> for Said<'a> {
    fn from(words: &'a Words) -> Self {
        Self::Kept(words)
    }
}

impl<'a> From<&'a str> for Said<'a> {
    fn from(text: &'a str) -> Self {
        Self::Made(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Said<'a> {
    fn from(text: &'a String) -> Self {
        Self::Made(Cow::Borrowed(text))
    }
}

impl From<String> for Said<'_> {
    fn from(text: String) -> Self {
        Self::Made(Cow::Owned(text))
    }
}
