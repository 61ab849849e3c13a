//! Text of a conversation, kept as the JSON string it arrived in for as long as nobody looks inside.
//!
//! Most of a coding agent's request is text that goes on to the next provider unread. Taking its escapes out and putting
//! them in again is most of what a translation costs, so both wait until they are needed. Equal to a `String` in all that
//! matters; knows nothing of where a text stands.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde::de::{Deserialize, Deserializer, Error as _, Unexpected, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::Raw;

/// A text. Reads as `str`; cheap to make from JSON and cheap to write as JSON.
#[derive(Clone, Default)]
pub struct Words {
    /// The JSON string with its quotes; `None` where the text was made here.
    json: Option<Raw>,
    text: OnceLock<Box<str>>,
}

impl Words {
    /// The name under which a reader is asked for text: one that can hands a string over as a raw value (`visit_newtype_struct`
    /// with a deserializer of one), anything else as it is.
    pub const TOKEN: &str = "$lockgate::Words";

    /// A text from its JSON form; gives the value back if it is no string.
    pub fn from_json(json: Raw) -> Result<Self, Raw> {
        if json.get().starts_with('"') {
            Ok(Self { json: Some(json), text: OnceLock::new() })
        } else {
            Err(json)
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.text.get_or_init(|| self.json.as_deref().map(decoded).unwrap_or_default())
    }

    /// Whether there is none. Does not look inside.
    pub fn is_empty(&self) -> bool {
        match &self.json {
            Some(json) => json.get().len() == 2,
            None => self.as_str().is_empty(),
        }
    }

    /// About how many bytes it takes as a JSON string. Does not look inside.
    pub fn size(&self) -> usize {
        match &self.json {
            Some(json) => json.get().len(),
            None => self.as_str().len() + 2,
        }
    }

    /// The text as a JSON string, with its quotes.
    pub fn to_json(&self) -> Cow<'_, str> {
        match &self.json {
            Some(json) => Cow::Borrowed(json.get()),
            None => Cow::Owned(serde_json::Value::from(self.as_str()).to_string()),
        }
    }

    /// Whether the text begins so. Does not look further.
    pub fn starts_with(&self, prefix: &str) -> bool {
        let Some(json) = &self.json else { return self.as_str().starts_with(prefix) };
        let text = &json.get()[1..json.get().len() - 1];
        match text.get(..prefix.len()) {
            Some(begins) if !begins.contains('\\') => begins == prefix,
            Some(_) | None => self.as_str().starts_with(prefix),
        }
    }
}

/// A JSON string without its escapes. Halves of characters, which JSON can write and text cannot, become U+FFFD.
fn decoded(json: &RawValue) -> Box<str> {
    match serde_json::from_str::<String>(json.get()) {
        Ok(text) => text.into(),
        Err(_) => serde_json::from_str::<String>(&without_halves(json.get())).unwrap_or_default().into(),
    }
}

fn without_halves(json: &str) -> String {
    let unit = |text: &str| u32::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (first, second) = (unit(rest), rest.get(6..).and_then(unit));
        let (kept, length) = match (first, second) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (&rest[..12], 12),
            (Some(0xd800..=0xdfff), _) => ("\\ufffd", 6),
            (Some(_), _) => (&rest[..6], 6),
            (None, _) => (&rest[..2], 2),
        };
        out.push_str(kept);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

impl Deref for Words {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Words {}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self { json: None, text: OnceLock::from(text.into_boxed_str()) }
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<Words> for String {
    fn from(words: Words) -> Self {
        match words.json {
            Some(json) => decoded(&json).into(),
            None => words.text.into_inner().unwrap_or_default().into(),
        }
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.json {
            Some(json) => json.serialize(serializer),
            None => serializer.serialize_str(self.as_str()),
        }
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordsVisitor;
        impl<'de> Visitor<'de> for WordsVisitor {
            type Value = Words;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Words, D::Error> {
                let not_text = |_| D::Error::invalid_type(Unexpected::Other("that"), &"a string");
                Words::from_json(Raw::deserialize(inner)?).map_err(not_text)
            }

            fn visit_str<E>(self, text: &str) -> Result<Words, E> {
                Ok(text.into())
            }

            fn visit_string<E>(self, text: String) -> Result<Words, E> {
                Ok(text.into())
            }
        }
        deserializer.deserialize_newtype_struct(Self::TOKEN, WordsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(json: &str) -> Words {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_text_keeps_its_json_form_and_reads_as_text() {
        for (json, text) in [
            (r#""a\u00e9\n\"\/\ud83d\ude00""#, "aé\n\"/😀"),
            (r#""half \ud83d, \ude00 and \\ud83d""#, "half \u{fffd}, \u{fffd} and \\ud83d"),
            (r#""""#, ""),
        ] {
            let words = words(json);
            assert_eq!(words.is_empty(), text.is_empty());
            for prefix in ["", "a", "aé\n\"", "half ", "half x", "\"", "\\", &format!("{text}x")] {
                assert_eq!(words.starts_with(prefix), text.starts_with(prefix), "{json} {prefix}");
            }
            assert_eq!((&*serde_json::to_string(&words).unwrap(), &*words.to_json()), (json, json));
            assert_eq!((words.as_str(), String::from(words.clone()).as_str()), (text, text));
            assert_eq!(words, Words::from(text));
        }
        let made = Words::from("a\n");
        assert_eq!((&*serde_json::to_string(&made).unwrap(), &*made.to_json()), (r#""a\n""#, r#""a\n""#));
        assert!(Words::default().is_empty() && Words::from("").is_empty());
    }

    #[test]
    fn what_is_no_string_is_no_text() {
        assert!(serde_json::from_str::<Words>("7").is_err());
        assert!(serde_json::from_str::<Words>("[]").is_err());
    }
}
