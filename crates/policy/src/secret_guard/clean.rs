//! Texts that were looked through before and held nothing: a conversation brings the same ones in each turn.
//!
//! Knows them by a hash that nobody can make two texts for, and never more than a bounded number. What it says is what looking again would
//! say: a guard is made anew when its options or the known secrets change.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lockgate_core::Origin;
use lru::LruCache;

/// So many texts are known: some megabytes.
const KNOWN: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();

/// Texts that are shorter are looked through as quickly as they are hashed.
const SHORT: usize = 512;

/// A text's name here.
type Key = [u8; 32];

/// The texts that held nothing.
pub(super) struct Clean(Mutex<LruCache<Key, ()>>);

impl Default for Clean {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KNOWN)))
    }
}

impl Clean {
    /// What `look` makes of a text; where it made nothing of it before, it is not asked.
    pub(super) fn or(
        &self,
        origin: Origin,
        text: &str,
        look: impl FnOnce() -> Option<String>,
    ) -> Option<String> {
        if text.len() < SHORT {
            return look();
        }
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = key(origin, text);
        if known().get(&key).is_some() {
            return None;
        }
        let made = look();
        if made.is_none() {
            known().put(key, ());
        }
        made
    }
}

fn key(origin: Origin, text: &str) -> Key {
    // What is looked for in the arguments of a tool call is not what is looked for elsewhere.
    let kind: &[u8] = if origin == Origin::ToolCall { b"call" } else { b"text" };
    let mut hasher = blake3::Hasher::new();
    hasher.update(kind).update(text.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_without_a_find_is_looked_through_once_and_one_with_a_find_each_time() {
        let clean = Clean::default();
        let long = "a".repeat(SHORT);
        let mut looks = 0;
        let mut look = |origin, text: &str, makes: Option<&str>| {
            let before = looks;
            let made = clean.or(origin, text, || {
                looks += 1;
                makes.map(str::to_owned)
            });
            (made, looks - before)
        };
        assert_eq!(look(Origin::User, &long, None), (None, 1));
        assert_eq!(look(Origin::ToolResult, &long, None), (None, 0));
        assert_eq!(look(Origin::ToolCall, &long, None), (None, 1), "other things are looked for there");
        assert_eq!(look(Origin::User, &format!("{long}b"), Some("x")), (Some("x".into()), 1));
        assert_eq!(look(Origin::User, &format!("{long}b"), Some("x")), (Some("x".into()), 1));
        assert_eq!((look(Origin::User, "short", None).1, look(Origin::User, "short", None).1), (1, 1));
    }
}
