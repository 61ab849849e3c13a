//! Takes a body apart into pieces, so that a body that repeats most of an earlier one adds only what is new in it.
//!
//! A list of messages becomes a tree that grows like a number in base [`FAN`]: every full group of units is a piece that never
//! changes again, and the body itself refers to one group per digit. A turn so adds its own messages, a fraction of a group each, and a
//! head of some hundred bytes; and it is read back in a few rounds, however long the session.

use std::collections::HashSet;

use super::scan::{Shape, Span, spans};
use super::{LITERAL, MARK, Piece, PieceHash};

/// Units in a group.
const FAN: usize = 4;

/// What is shorter stays where it is: a reference and the row of a piece would be longer.
const PIECE_BYTES: usize = 80;

/// Takes bodies apart.
pub struct Weaver<'a> {
    body: &'a [u8],
    fresh: Vec<Piece>,
    known: &'a mut dyn FnMut(&PieceHash) -> bool,
    /// What stands for each element and large member, in their order.
    parts: Vec<Vec<u8>>,
    seen: HashSet<PieceHash>,
    told: &'a dyn Fn(usize) -> Option<&'a [u8]>,
}

/// A body in pieces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Woven {
    /// The first piece.
    pub head: PieceHash,
    /// The pieces that were not known, each once.
    pub new_pieces: Vec<Piece>,
    /// What stands in the pieces for each element and large member ([`Span::is_part`]), in their order.
    pub parts: Vec<Vec<u8>>,
}

impl Weaver<'_> {
    /// Takes a body apart, whatever it is. `known` says whether the scope has a piece already; it may be asked twice.
    pub fn weave(body: &[u8], known: &mut dyn FnMut(&PieceHash) -> bool) -> Woven {
        Self::weave_again(body, &spans(body), &|_| None, known)
    }

    /// The same of a body with these spans. `told` is what stood for an element or large member when it was taken apart before, in the
    /// same scope; by their number.
    pub fn weave_again<'a>(
        body: &'a [u8],
        spans: &[Span],
        told: &'a dyn Fn(usize) -> Option<&'a [u8]>,
        known: &'a mut dyn FnMut(&PieceHash) -> bool,
    ) -> Woven {
        let mut weaver =
            Weaver { body, fresh: Vec::new(), known, parts: Vec::new(), seen: HashSet::new(), told };
        let mut bytes = Vec::with_capacity(1024);
        weaver.range(0, body.len(), spans, &mut bytes);
        let head = weaver.piece(bytes);
        Woven { head, new_pieces: weaver.fresh, parts: weaver.parts }
    }

    /// A body as one piece: for what is short and will not be repeated.
    pub fn whole(body: &[u8]) -> Woven {
        let mut bytes = Vec::with_capacity(body.len());
        plain(body, &mut bytes);
        let piece = Piece::new(bytes);
        Woven { head: piece.hash, new_pieces: vec![piece], parts: Vec::new() }
    }

    /// Writes a range, the spans in it as references.
    fn range(&mut self, start: usize, end: usize, mut spans: &[Span], out: &mut Vec<u8>) {
        let mut at = start;
        while let Some((span, rest)) = spans.split_first() {
            let (inner, after) = rest.split_at(rest.partition_point(|other| other.start < span.end));
            plain(&self.body[at..span.start], out);
            match span.shape {
                Shape::Chain => self.chain(span, inner, out),
                Shape::Element | Shape::Member | Shape::Text => self.span(span, inner, out),
            }
            at = span.end;
            spans = after;
        }
        plain(&self.body[at..end], out);
    }

    /// Writes a span: a reference, or as it is where that is shorter.
    fn span(&mut self, span: &Span, inner: &[Span], out: &mut Vec<u8>) {
        if !span.is_part() {
            return self.made(span, inner, out);
        }
        let mut part = Vec::new();
        match (self.told)(self.parts.len()) {
            Some(told) => part.extend_from_slice(told),
            None => self.made(span, inner, &mut part),
        }
        out.extend_from_slice(&part);
        self.parts.push(part);
    }

    fn made(&mut self, span: &Span, inner: &[Span], out: &mut Vec<u8>) {
        let mut bytes = Vec::with_capacity(span.end - span.start);
        self.range(span.start, span.end, inner, &mut bytes);
        self.group(bytes, out);
    }

    fn chain(&mut self, chain: &Span, mut spans: &[Span], out: &mut Vec<u8>) {
        let mut digits: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut at = chain.start;
        while let Some((element, rest)) = spans.split_first() {
            let (inner, after) = rest.split_at(rest.partition_point(|other| other.start < element.end));
            let mut unit = Vec::new();
            plain(&self.body[at..element.start], &mut unit);
            self.span(element, inner, &mut unit);
            self.count(&mut digits, unit);
            at = element.end;
            spans = after;
        }
        for (_, bytes) in digits.iter().rev() {
            out.extend_from_slice(bytes);
        }
        plain(&self.body[at..chain.end], out);
    }

    /// Adds a unit: a full digit becomes a unit of the next.
    fn count(&mut self, digits: &mut Vec<(usize, Vec<u8>)>, mut unit: Vec<u8>) {
        for level in 0.. {
            if level == digits.len() {
                digits.push((0, Vec::new()));
            }
            let (units, bytes) = &mut digits[level];
            bytes.append(&mut unit);
            *units += 1;
            if *units < FAN {
                return;
            }
            *units = 0;
            let full = std::mem::take(bytes);
            self.group(full, &mut unit);
        }
    }

    /// Writes bytes that are a rope already: a reference to them, or themselves where that is shorter.
    fn group(&mut self, bytes: Vec<u8>, out: &mut Vec<u8>) {
        if bytes.len() < PIECE_BYTES {
            out.extend_from_slice(&bytes);
            return;
        }
        let hash = self.piece(bytes);
        out.push(MARK);
        out.extend_from_slice(hash.as_bytes());
    }

    fn piece(&mut self, bytes: Vec<u8>) -> PieceHash {
        let piece = Piece::new(bytes);
        let hash = piece.hash;
        if self.seen.insert(hash) && !(self.known)(&hash) {
            self.fresh.push(piece);
        }
        hash
    }
}

/// Writes bytes as they are.
fn plain(bytes: &[u8], out: &mut Vec<u8>) {
    let Some(zero) = memchr::memchr(MARK, bytes) else {
        out.extend_from_slice(bytes);
        return;
    };
    out.extend_from_slice(&bytes[..zero]);
    out.push(MARK);
    out.extend_from_slice(&LITERAL);
    out.extend_from_slice(&((bytes.len() - zero) as u64).to_le_bytes());
    out.extend_from_slice(&bytes[zero..]);
}
