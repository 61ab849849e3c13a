//! What was looked at before: a conversation brings the same texts and tool calls in each turn.
//!
//! [`Clean`] knows texts that held nothing, [`Files`] the secret files that tool calls name. Both know them by a hash that nobody can make two texts
//! for, and never more than a bounded number. What they say is what looking again would say: they belong to one policy as it is configured, which is
//! made anew when its options or the known secrets change.

use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lockgate_core::Origin;
use lockgate_core::content::ToolCall;
use lru::LruCache;

use crate::paths::RuleId;

/// So many are known: some megabytes.
const KNOWN: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();

/// Texts that are shorter are looked through as quickly as they are hashed.
const SHORT: usize = 512;

/// A call with more secret files is not kept.
const FILES: usize = 8;

/// A thing's name here.
type Key = [u8; 32];

/// The texts that held nothing.
pub(crate) struct Clean(Mutex<LruCache<Key, ()>>);

impl Default for Clean {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KNOWN)))
    }
}

impl Clean {
    /// What `look` makes of a text; where it made nothing of it before, it is not asked.
    pub(crate) fn or<T>(&self, origin: Origin, text: &str, look: impl FnOnce() -> Option<T>) -> Option<T> {
        if text.len() < SHORT {
            return look();
        }
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is looked for in the arguments of a tool call is not what is looked for elsewhere.
        let kind = if origin == Origin::ToolCall { "call" } else { "text" };
        let key = key([kind, text]);
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

/// The secret files that a tool call names, with the rules they fall under.
pub(crate) type Named = Vec<(String, RuleId)>;

/// The secret files that tool calls name.
pub(crate) struct Files(Mutex<LruCache<Key, Named>>);

impl Default for Files {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KNOWN)))
    }
}

impl Files {
    /// What `read` finds in a call; where it is known, it is not asked. A call that cannot be read names none, as far as is known.
    pub(crate) fn or(&self, call: &ToolCall, read: impl FnOnce() -> Result<Named, String>) -> Named {
        let key = key([&format!("{:?}", call.kind), &call.name, &call.arguments]);
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = known().get(&key) {
            return files.clone();
        }
        let files = read().unwrap_or_default();
        if files.len() <= FILES {
            known().put(key, files.clone());
        }
        files
    }
}

fn key<const N: usize>(parts: [&str; N]) -> Key {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&part.len().to_le_bytes()).update(part.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use lockgate_core::content::ToolKind;

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
    #[test]
    fn a_tool_call_is_read_once_and_another_is_another() {
        let files = Files::default();
        let call = |name: &str, arguments: &str| ToolCall {
            arguments: arguments.to_owned(),
            id: "1".to_owned(),
            kind: ToolKind::Function,
            name: name.to_owned(),
            namespace: None,
            seal: None,
        };
        let mut reads = 0;
        let mut read = |call: &ToolCall| {
            let before = reads;
            let found = files.or(call, || {
                reads += 1;
                Err(String::new())
            });
            (found.len(), reads - before)
        };
        assert_eq!((read(&call("a", "bc")), read(&call("a", "bc"))), ((0, 1), (0, 0)));
        assert_eq!((read(&call("ab", "c")), read(&call("a", "b"))), ((0, 1), (0, 1)));
    }
}
