//! Masks secrets in bodies, and remembers which parts have none, so that what is sent again is not looked through again.
//!
//! A part is a message or a large member of a request. Only its hash is kept, and only of parts in which nothing was found.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use lockgate_redact::Redactor;
use lockgate_store::rope::{Shape, Span, spans};
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
        Self { clean: LruCache::new(PARTS), redactor }
    }

    /// Masks a text in its place.
    pub(super) fn text(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.redactor.redact(text) {
            *text = masked;
        }
    }

    /// A body with its secrets masked. JSON stays JSON.
    pub(super) fn body<'b>(&mut self, body: &'b [u8]) -> Cow<'b, [u8]> {
        let parts: Vec<Span> = spans(body)
            .into_iter()
            .filter(|span| matches!(span.shape, Shape::Element | Shape::Member))
            .collect();
        if parts.is_empty() {
            return self.redactor.redact_bytes(body);
        }
        // What is around the parts, with something harmless in their place.
        let mut around = Vec::with_capacity(1024);
        let mut masked: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut at = 0;
        for (place, part) in parts.iter().enumerate() {
            around.extend_from_slice(&body[at..part.start]);
            around.extend_from_slice(b"null");
            at = part.end;
            if let Some(bytes) = self.part(&body[part.start..part.end]) {
                masked.push((place, bytes));
            }
        }
        around.extend_from_slice(&body[at..]);
        if matches!(self.redactor.redact_bytes(&around), Cow::Owned(_)) {
            // Rare: a secret in the small members of a request.
            return self.redactor.redact_bytes(body);
        }
        if masked.is_empty() {
            return Cow::Borrowed(body);
        }
        let mut whole = Vec::with_capacity(body.len());
        let mut at = 0;
        for (place, bytes) in masked {
            whole.extend_from_slice(&body[at..parts[place].start]);
            whole.extend_from_slice(&bytes);
            at = parts[place].end;
        }
        whole.extend_from_slice(&body[at..]);
        Cow::Owned(whole)
    }

    /// A part with its secrets masked; `None` if it has none.
    fn part(&mut self, part: &[u8]) -> Option<Vec<u8>> {
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
