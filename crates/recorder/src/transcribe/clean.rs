//! Masks secrets in bodies, and remembers which parts have none, so that what is sent again is not looked through again.
//!
//! A part is a message or a large member of a request. Only its hash is kept, and only of parts in which nothing was found.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use lockgate_redact::Redactor;
use lockgate_store::rope::Span;
use lru::LruCache;

/// Parts that are remembered: some megabytes.
const PARTS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

/// Masks secrets.
pub(super) struct Cleaner {
    /// Parts without a secret.
    clean: LruCache<[u8; 16], ()>,
    redactor: Redactor,
}

impl Cleaner {
    pub(super) fn new(redactor: Redactor) -> Self {
        // Grows as it is used.
        let mut clean = LruCache::unbounded();
        clean.resize(PARTS);
        Self { clean, redactor }
    }

    /// Masks a text in its place.
    pub(super) fn text(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.redactor.redact(text) {
            *text = masked;
        }
    }

    /// A body with its secrets masked. JSON stays JSON.
    pub(super) fn whole<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        self.redactor.redact_bytes(body)
    }

    /// Whether there is a secret in a body around its parts, or in it where it has none.
    pub(super) fn is_secret_around(&self, body: &[u8], parts: &[Span]) -> bool {
        if parts.is_empty() {
            return matches!(self.redactor.redact_bytes(body), Cow::Owned(_));
        }
        // With something harmless in their place.
        let mut around = Vec::with_capacity(1024);
        let mut at = 0;
        for part in parts {
            around.extend_from_slice(&body[at..part.start]);
            around.extend_from_slice(b"null");
            at = part.end;
        }
        around.extend_from_slice(&body[at..]);
        matches!(self.redactor.redact_bytes(&around), Cow::Owned(_))
    }

    /// A part with its secrets masked; `None` if it has none.
    pub(super) fn part(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        let hash = blake3::hash(part);
        let short: [u8; 16] = std::array::from_fn(|at| hash.as_bytes()[at]);
        if self.clean.get(&short).is_some() {
            return None;
        }
        match self.redactor.redact_bytes(part) {
            Cow::Borrowed(_) => {
                self.clean.put(short, ());
                None
            }
            Cow::Owned(masked) => Some(masked),
        }
    }
}
