//! A request as it was last sent in a session, so that of the next one only what is new is looked through and taken apart.
//!
//! A client sends its whole history with each turn: two requests in a row are the same at their beginnings, and often at their ends. What
//! lies in there (messages, tools) is known already: whether it holds a secret, and by which pieces it is stored. The comparison
//! is of bytes, so nothing is believed. Bounded by bytes; what is forgotten is gone through again, as a first request is.

use std::borrow::Cow;

use bytes::Bytes;
use lockgate_store::rope::{Again, Overlap, Span, spans, spans_again};
use lockgate_store::{Part, PieceHash, Scope, Weaver, Woven};
use lru::LruCache;

use super::clean::Cleaner;
use crate::entry::Mode;

/// Bytes of requests that are remembered.
const BYTES: usize = 16 << 20;

/// A larger request is not remembered.
const LARGEST: usize = 4 << 20;

/// A shorter one is gone through as quickly.
const SHORTEST: usize = 2 << 10;

/// Whose request it is: the session, the agent, and which of the call's requests.
pub(super) type Teller = (Scope, Option<String>, Part);

/// The last requests.
pub(super) struct Memory {
    bytes: usize,
    last: LruCache<Teller, Told>,
}

/// A request, and what became of it.
struct Told {
    mode: Mode,
    parts: Vec<Known>,
    raw: Bytes,
    spans: Vec<Span>,
}

/// A message or a large member.
struct Known {
    /// Its bytes with secrets masked; `None` where it has none.
    masked: Option<Vec<u8>>,
    /// What stands for it in the pieces.
    unit: Vec<u8>,
}

/// A body that was looked through and taken apart.
pub(super) struct Made {
    /// Whether a secret was found.
    pub(super) masked: bool,
    /// How long it is, masked.
    pub(super) size: usize,
    pub(super) woven: Woven,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self { bytes: 0, last: LruCache::unbounded() }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.bytes = 0;
        self.last.clear();
    }

    /// Masks a request and takes it apart, and remembers it.
    pub(super) fn request(
        &mut self,
        teller: Teller,
        raw: &Bytes,
        (cleaner, mode): (&mut Cleaner, Mode),
        known: &mut dyn FnMut(&PieceHash) -> bool,
    ) -> Made {
        let before = self.last.pop(&teller);
        self.bytes -= before.as_ref().map_or(0, |told| told.raw.len());
        let (made, told) = make(raw, before.filter(|told| told.mode == mode), (cleaner, mode), known);
        if let Some(told) = told.filter(|told| (SHORTEST..=LARGEST).contains(&told.raw.len())) {
            self.bytes += told.raw.len();
            self.last.put(teller, told);
            while self.bytes > BYTES {
                let Some((_, oldest)) = self.last.pop_lru() else { break };
                self.bytes -= oldest.raw.len();
            }
        }
        made
    }
}

/// Masks a body and leaves it in one piece.
pub(super) fn whole(raw: &[u8], (cleaner, mode): (&Cleaner, Mode)) -> Made {
    let bytes = if mode == Mode::Full { Cow::Borrowed(raw) } else { cleaner.whole(raw) };
    Made { masked: matches!(bytes, Cow::Owned(_)), size: bytes.len(), woven: Weaver::whole(&bytes) }
}

/// Masks a body and takes it apart.
pub(super) fn once(
    raw: &Bytes,
    cleaner: (&mut Cleaner, Mode),
    known: &mut dyn FnMut(&PieceHash) -> bool,
) -> Made {
    make(raw, None, cleaner, known).0
}

fn make(
    raw: &Bytes,
    before: Option<Told>,
    (cleaner, mode): (&mut Cleaner, Mode),
    known: &mut dyn FnMut(&PieceHash) -> bool,
) -> (Made, Option<Told>) {
    let again = match &before {
        Some(told) => spans_again(raw, &Overlap::of(raw, &told.raw, &told.spans)),
        None => Again { back: 0, front: 0, spans: spans(raw) },
    };
    let parts: Vec<Span> = again.spans.iter().copied().filter(Span::is_part).collect();
    let mut old = before.map_or_else(Vec::new, |told| told.parts);
    // Which part of the request before it is.
    let (count, had) = (parts.len(), old.len());
    let same = |nth: usize| {
        if nth < again.front { Some(nth) } else { (nth + again.back >= count).then(|| had + nth - count) }
    };
    let mut masks = Vec::with_capacity(count);
    if mode != Mode::Full {
        if cleaner.is_secret_around(raw, &parts) {
            // Rare: a secret in the small members of a request.
            let whole = cleaner.whole(raw);
            return (Made { masked: true, size: whole.len(), woven: Weaver::weave(&whole, known) }, None);
        }
        for (nth, part) in parts.iter().enumerate() {
            masks.push(match same(nth).and_then(|nth| old.get_mut(nth)) {
                Some(known) => known.masked.take(),
                None => cleaner.part(&raw[part.start..part.end]),
            });
        }
    }
    let masked = masks.iter().any(Option::is_some);
    let whole = if masked { Cow::Owned(assembled(raw, &parts, &masks)) } else { Cow::Borrowed(&raw[..]) };
    let found = if masked { Cow::Owned(spans(&whole)) } else { Cow::Borrowed(&again.spans[..]) };
    let told = |nth: usize| same(nth).and_then(|nth| old.get(nth)).map(|known| known.unit.as_slice());
    let mut woven = Weaver::weave_again(&whole, &found, &told, known);
    let units = std::mem::take(&mut woven.parts);
    let made = Made { masked, size: whole.len(), woven };
    // Masks leave JSON as it is, so there are as many parts.
    let told = (units.len() == count).then(|| {
        let masks = masks.into_iter().chain(std::iter::repeat(None));
        let parts = masks.zip(units).map(|(masked, unit)| Known { masked, unit }).collect();
        Told { mode, parts, raw: raw.clone(), spans: again.spans }
    });
    (made, told)
}

/// A body with the masked form of its parts.
fn assembled(raw: &[u8], parts: &[Span], masks: &[Option<Vec<u8>>]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(raw.len());
    let mut at = 0;
    for (part, masked) in parts.iter().zip(masks) {
        if let Some(masked) = masked {
            whole.extend_from_slice(&raw[at..part.start]);
            whole.extend_from_slice(masked);
            at = part.end;
        }
    }
    whole.extend_from_slice(&raw[at..]);
    whole
}
