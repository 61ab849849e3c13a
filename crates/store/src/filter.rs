//! What a list shows: conditions, bounds of pages, and the mark from which the next page goes on.
//!
//! All conditions hold together. A text is words, never a query language.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lockgate_core::DataClass;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::call::Outcome;

/// Conditions on calls. The default is every call. On sessions: those with a call for which all of them hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Whether `user` is who asks: what a session says of itself (title, branch, repository) counts only where all its calls are theirs, and
    /// sessions are shown as these calls alone make them.
    pub alone: bool,
    /// The branch that the session worked on.
    pub branch: Option<String>,
    /// The class of data of the key.
    pub class: Option<Classified>,
    /// Whether anything of its contents is kept.
    pub contents: Option<bool>,
    /// The least cost in nano-USD. Unknown costs are left out.
    pub cost_from: Option<i64>,
    /// The highest cost in nano-USD. Unknown costs are left out.
    pub cost_to: Option<i64>,
    /// The beginning of the range of time, µs since 1970, included.
    pub from_us: Option<i64>,
    /// Whether a policy intervened.
    pub intervened: Option<bool>,
    /// The name of the key.
    pub key: Option<String>,
    /// The model: requested, resolved or answering.
    pub model: Option<String>,
    /// What became of the call.
    pub outcome: Option<Outcome>,
    /// The project of the key.
    pub project: Option<String>,
    /// The provider.
    pub provider: Option<String>,
    /// The repository that the session worked in.
    pub repo: Option<String>,
    /// The session, or none.
    pub session: Option<Membership>,
    /// The lowest status, included.
    pub status_from: Option<u16>,
    /// The highest status, included.
    pub status_to: Option<u16>,
    /// Words that one text of the call has (`words`). On sessions the title is searched too.
    pub text: Option<String>,
    /// The end of the range of time, µs since 1970, not included.
    pub to_us: Option<i64>,
    /// The user.
    pub user: Option<String>,
}

/// Whether a call has a class of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Classified {
    /// This one.
    Of(DataClass),
    /// None.
    Unclassified,
}

impl Classified {
    /// The class, if it is one.
    pub const fn class(self) -> Option<DataClass> {
        match self {
            Self::Of(class) => Some(class),
            Self::Unclassified => None,
        }
    }
}

/// Whether a call belongs to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Membership {
    /// To this one.
    Of(String),
    /// To none.
    Sessionless,
}

/// How many entries a page has: 1 to 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(u16);

impl Limit {
    /// The most that a page has.
    pub const MAX: u16 = 500;

    /// So many, or the nearest that is allowed.
    pub const fn of(entries: u16) -> Self {
        Self(if entries == 0 {
            1
        } else if entries > Self::MAX {
            Self::MAX
        } else {
            entries
        })
    }

    /// The number.
    pub const fn number(self) -> usize {
        self.0 as usize
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(50)
    }
}

/// Which page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Where the page before ended. `None` = the first page.
    pub after: Option<Cursor>,
    /// How many entries.
    pub limit: Limit,
}

/// A page, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries. May be fewer than asked for, even none, with `next` set: the search used up its time and goes on there.
    pub items: Vec<T>,
    /// Where the next page goes on. `None` = that was all.
    pub next: Option<Cursor>,
}

/// The mark at which a page ended: a time and the id of what has it. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The time, µs since 1970.
    pub at_us: i64,
    /// The entry that the page ended with: entries with this time and an id from here on were shown.
    pub id: String,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{}.{}", self.at_us, self.id)))
    }
}

/// What was given is no cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor: pass `next` of the page before, unchanged")]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoCursor)?;
        let text = String::from_utf8(bytes).map_err(|_| NoCursor)?;
        let (at_us, id) = text.split_once('.').ok_or(NoCursor)?;
        Ok(Self { at_us: at_us.parse().map_err(|_| NoCursor)?, id: id.to_owned() })
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_and_anything_else_is_refused() {
        let cursor = Cursor { at_us: -5, id: "a.b/ü".to_owned() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "x", "!!", "MTIz", "YS5i"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor));
        }
    }
}
