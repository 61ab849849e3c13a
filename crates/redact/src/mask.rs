//! What stands in place of a secret: `«redacted:type:hash8»`.
//!
//! The hash is keyed, so equal secrets show as equal and nobody without the key can try guesses. It is over the secret
//! alone, not over its type: a key in a header and the same key in a URL correlate.

use std::fmt::Write as _;
use std::ops::Range;

/// Before the type.
pub(crate) const OPEN: &[u8] = "«redacted:".as_bytes();
/// After the hash.
const CLOSE: &[u8] = "»".as_bytes();
/// A type is cut to this length.
const KIND_MAX: usize = 40;
/// No mask is longer.
pub(crate) const MAX: usize = OPEN.len() + KIND_MAX + 1 + 8 + CLOSE.len();

/// Writes masks with one key.
#[derive(Clone)]
pub(crate) struct Masker {
    key: [u8; 32],
}

impl Masker {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The mask of one secret.
    pub(crate) fn mask(&self, kind: &str, secret: &[u8]) -> String {
        let hash = blake3::keyed_hash(&self.key, secret);
        let mut mask = String::with_capacity(MAX);
        mask.push_str("«redacted:");
        mask.push_str(kind);
        mask.push(':');
        for byte in &hash.as_bytes()[..4] {
            let _ = write!(mask, "{byte:02x}");
        }
        mask.push('»');
        mask
    }
}

/// A name as a type: lower case letters, digits and dashes.
pub(crate) fn kind(name: &str) -> String {
    let mut kind = String::new();
    for byte in name.bytes().take(KIND_MAX) {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' => kind.push(byte as char),
            b'A'..=b'Z' => kind.push(byte.to_ascii_lowercase() as char),
            _ if kind.is_empty() || kind.ends_with('-') => {}
            _ => kind.push('-'),
        }
    }
    kind.truncate(kind.trim_end_matches('-').len());
    if kind.is_empty() { "secret".to_owned() } else { kind }
}

/// The mask that begins at `start`, where [`OPEN`] stands.
pub(crate) fn at(text: &[u8], start: usize) -> Option<Range<usize>> {
    let rest = text.get(start..)?.strip_prefix(OPEN)?;
    let kind = rest
        .iter()
        .take(KIND_MAX + 1)
        .take_while(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        .count();
    let hash = rest.get(kind..)?.strip_prefix(b":")?;
    let digits = hash.get(..8)?;
    let whole = (1..=KIND_MAX).contains(&kind)
        && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && hash[8..].starts_with(CLOSE);
    whole.then(|| start..start + OPEN.len() + kind + 1 + 8 + CLOSE.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_secrets_have_equal_hashes_whatever_their_type_and_another_key_another() {
        let one = Masker::new([1; 32]);
        let (a, b) = (one.mask("jwt", b"secret"), one.mask("bearer", b"secret"));
        assert_eq!(a.len(), "«redacted:jwt:12345678»".len());
        assert_eq!(a[a.len() - 10..], b[b.len() - 10..]);
        assert_ne!(a, one.mask("jwt", b"secreT"));
        assert_ne!(a, Masker::new([2; 32]).mask("jwt", b"secret"));
    }

    #[test]
    fn a_mask_is_recognised_and_nothing_that_only_looks_like_one() {
        let mask = Masker::new([0; 32]).mask("a-1", b"x");
        let text = format!("ab{mask}cd");
        assert_eq!(at(text.as_bytes(), 2), Some(2..2 + mask.len()));
        for no in
            ["«redacted:A:00000000»", "«redacted:a:0000000»", "«redacted:a:00000000", "«redacted::00000000»"]
        {
            assert_eq!(at(no.as_bytes(), 0), None, "{no}");
        }
    }

    #[test]
    fn the_name_of_a_known_secret_becomes_a_type() {
        assert_eq!(kind("ANTHROPIC_API_KEY"), "anthropic-api-key");
        assert_eq!(kind("providers.my key/"), "providers-my-key");
        assert_eq!(kind("__"), "secret");
        assert!(at(Masker::new([0; 32]).mask(&kind(&"x".repeat(90)), b"x").as_bytes(), 0).is_some());
    }
}
