//! Names that say they hold a secret: `DB_PASSWORD`, `clientSecret`, `x-api-key`; not `bypass`, `max_tokens`, `password_file`.
//!
//! Knows nothing of values.

use std::ops::Range;

/// No name is longer.
pub(crate) const NAME_MAX: usize = 64;

/// What the name promises, which decides how much the value must look like a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Names that end in `key` alone: only values that a generator made.
    Key,
    /// A person chose it: any word may be one.
    Password,
    /// A machine made it.
    Token,
}

/// The identifier around `word`.
pub(crate) fn name(text: &[u8], word: &Range<usize>) -> Range<usize> {
    let part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let mut start = word.start;
    while start > 0 && word.start - start < NAME_MAX && part(text[start - 1]) {
        start -= 1;
    }
    // The letter of an escape such as \n is not part of the name.
    if start > 0 && text[start - 1] == b'\\' && start < word.start {
        start += 1;
    }
    let mut end = word.end;
    while end < text.len() && end - word.end < 24 && part(text[end]) && text[end] != b'.' {
        end += 1;
    }
    while end > word.end && text[end - 1] == b'-' {
        end -= 1;
    }
    start..end
}

/// True if the secret word ends the name, or what follows only says which one or how it is written.
pub(crate) fn names_secret(name: &[u8], word: Range<usize>, kind: Kind) -> bool {
    let plain = |bytes: &[u8]| -> Vec<u8> {
        bytes.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase).collect()
    };
    let tail = plain(&name[word.end..]);
    let tail = &tail[..tail.len() - tail.iter().rev().take_while(|byte| byte.is_ascii_digit()).count()];
    if !tail.is_empty() && TAILS.binary_search_by(|known| known.as_bytes().cmp(tail)).is_err() {
        return false;
    }
    let head = &name[..word.start];
    let plain_head = plain(head);
    let among = |heads: &[&str]| heads.iter().any(|known| plain_head.ends_with(known.as_bytes()));
    match kind {
        Kind::Password if word.len() <= 4 => word_begins(name, word.start) || among(&PASS_HEADS),
        Kind::Password => true,
        Kind::Token if word.len() == 4 => plain_head.is_empty() && tail.is_empty(),
        Kind::Token => !among(&NOT_TOKENS),
        Kind::Key => (word_begins(name, word.start) || among(&KEY_HEADS)) && !among(&NOT_KEYS),
    }
}

/// True if a word of the name begins here: `DB_PASS`, `dbPass`, but not `bypass`.
fn word_begins(name: &[u8], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| name[before]) else { return true };
    !before.is_ascii_alphabetic() || (before.is_ascii_lowercase() && name[at].is_ascii_uppercase())
}

/// What may follow the secret word in a name, in order, without separators and digits.
const TAILS: [&str; 34] = [
    "access",
    "accesskey",
    "b",
    "base",
    "bytes",
    "default",
    "dev",
    "enc",
    "hash",
    "hex",
    "key",
    "keybase",
    "live",
    "local",
    "main",
    "new",
    "old",
    "phrase",
    "plain",
    "prod",
    "production",
    "root",
    "salt",
    "secret",
    "stage",
    "staging",
    "str",
    "string",
    "test",
    "text",
    "token",
    "v",
    "val",
    "value",
];

const PASS_HEADS: [&str; 16] = [
    "db", "database", "mail", "smtp", "redis", "mysql", "postgres", "pg", "ftp", "ssh", "admin", "root",
    "user", "login", "account", "auth",
];

const NOT_TOKENS: [&str; 15] = [
    "next",
    "page",
    "continuation",
    "cursor",
    "max",
    "eos",
    "bos",
    "pad",
    "unk",
    "stop",
    "sync",
    "mask",
    "sep",
    "special",
    "resume",
];

const KEY_HEADS: [&str; 8] = ["api", "auth", "app", "account", "access", "license", "master", "stream"];

const NOT_KEYS: [&str; 18] = [
    "public",
    "pub",
    "primary",
    "foreign",
    "cache",
    "sort",
    "partition",
    "idempotency",
    "row",
    "object",
    "s3",
    "group",
    "host",
    "index",
    "dedupe",
    "prompt",
    "storage",
    "tmp",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_in_order() {
        let mut sorted = TAILS;
        sorted.sort_unstable();
        assert_eq!(sorted, TAILS);
    }
}
