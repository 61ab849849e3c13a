//! Finds secrets in text and masks them, by their value and shape. Pure: reads and writes nothing.
//!
//! The way: known secrets of the configuration first (exact, and in the forms they take in JSON, URLs and base64), then the
//! rules of `rules`: one automaton finds words, and only around a word its rule looks closer. Bytes that are JSON or events
//! are read as such ([`Redactor::redact_bytes`]), so that numbers, ids and what only a provider can read stay as they are.
//! Every secret becomes `«redacted:type:hash8»`; see `docs/redaction.md`.

mod assign;
mod bytes;
mod checksum;
mod events;
mod finders;
mod json;
mod known;
mod mask;
mod name;
mod rule;
mod rules;
mod scan;
mod stream;
mod value;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use arc_swap::ArcSwap;

pub use known::{KNOWN_MIN, Known};
pub use stream::{HELD_MAX, Stream};

use mask::Masker;
use scan::Scanner;

/// What to mask and how.
pub struct Options {
    /// Secrets of the configuration; those shorter than [`KNOWN_MIN`] are left out.
    pub known: Vec<Known>,
    /// The key of the hashes in masks: secret, and the same for as long as equal secrets shall look equal.
    pub key: [u8; 32],
    /// How much is a secret.
    pub level: Level,
}

/// How much is a secret.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    /// For prompts: shapes that hardly anything else has. A false hit changes what a model reads.
    Prompt,
    /// For logs and records: weak passwords behind telling names too. A false hit costs a word of a log.
    Record,
}

/// A secret in a text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Found {
    /// What stands in its place once it is masked.
    pub mask: Box<str>,
    /// Where it stands, on char boundaries.
    pub range: Range<usize>,
}

impl Found {
    /// What it is, such as `github-token`.
    pub fn kind(&self) -> &str {
        let inside = self.mask.strip_prefix("«redacted:").unwrap_or(&self.mask);
        inside.split(':').next().unwrap_or(inside)
    }
}

/// Masks secrets. Clones share everything; [`Redactor::replace_known`] reaches all of them.
#[derive(Clone)]
pub struct Redactor {
    scanner: Arc<ArcSwap<Scanner>>,
    masker: Masker,
    level: Level,
}

impl Redactor {
    /// Opens a redactor. The first one of a level in a process also builds the automaton of its words.
    pub fn new(options: Options) -> Self {
        let Options { known, key, level } = options;
        let masker = Masker::new(key);
        let scanner = Scanner::new(&known, masker.clone(), level);
        Self { scanner: Arc::new(ArcSwap::from_pointee(scanner)), masker, level }
    }

    /// From now on these are the known secrets. Streams that are open keep those they began with.
    pub fn replace_known(&self, known: &[Known]) {
        self.scanner.store(Arc::new(Scanner::new(known, self.masker.clone(), self.level)));
    }

    /// The text with every secret in it masked. What is masked already stays.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        match self.redact_plain(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(bytes) => Cow::Owned(bytes::into_string(bytes)),
        }
    }

    /// Every secret in a text, in order, none overlapping. What is masked already is none.
    pub fn find(&self, text: &str) -> Vec<Found> {
        let spans = self.scanner.load().spans(text.as_bytes(), true);
        spans.into_iter().filter_map(|span| Some(Found { mask: span.mask?, range: span.range })).collect()
    }

    /// The same as [`Self::redact`] for bytes that may be JSON, lines of JSON, server-sent events, header text, or no UTF-8 at all.
    ///
    /// JSON stays JSON: only the insides of strings change. Numbers, ids, signatures, encrypted content and the data of images
    /// and documents stay as they are; a secret that events bring in pieces is masked in the event with its first piece.
    pub fn redact_bytes<'t>(&self, bytes: &'t [u8]) -> Cow<'t, [u8]> {
        bytes::redact(&self.scanner.load(), bytes)
    }

    /// The value of a header with its secret masked: all of it if the header holds nothing but credentials, without the scheme.
    pub fn headers<'t>(&self, name: &str, value: &'t str) -> Cow<'t, str> {
        match bytes::header(&self.scanner.load(), name.as_bytes(), value.as_bytes()) {
            Some(masked) => Cow::Owned(bytes::into_string(masked)),
            None => Cow::Borrowed(value),
        }
    }

    /// Whether a header of this name is likely to hold a credential, so that it is better not kept at all.
    pub fn is_credential(name: &str) -> bool {
        bytes::is_credential_name(name)
    }

    /// A text that comes in pieces.
    pub fn stream(&self) -> Stream {
        Stream::new(self.scanner.load_full())
    }

    fn redact_plain<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        bytes::plain(&self.scanner.load(), text)
    }
}
