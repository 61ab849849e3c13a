//! Text in pieces: gives the same as the whole text, whatever the cuts, and holds back little.
//!
//! Kept is what may still turn out to belong to a secret: a hundred-odd bytes as a rule, a line or two after a word such as
//! `password`, and at most [`HELD_MAX`] inside a block of a private key. Knows text alone, no JSON and no events.

use crate::finders::BLOCK_MAX;
use crate::rule::LOOK_BEHIND;
use crate::scan::{Candidate, Covered, Hit, Shared};

/// No stream holds back more bytes than this, known secrets longer than it aside.
pub const HELD_MAX: usize = BLOCK_MAX + 512;

/// Masks a text that comes in pieces. Made by [`crate::Redactor::stream`].
pub struct Stream {
    scanner: Shared,
    /// What is held, after some text that is out and stays for context.
    text: Vec<u8>,
    /// Everything before is out.
    done: usize,
    /// Words whose windows are not complete.
    open: Vec<Hit>,
    /// Secrets found, not out yet.
    found: Vec<Candidate>,
    covered: Covered,
}

impl Stream {
    pub(crate) fn new(scanner: Shared) -> Self {
        Self {
            scanner,
            text: Vec::new(),
            done: 0,
            open: Vec::new(),
            found: Vec::new(),
            covered: Covered::default(),
        }
    }

    /// Takes a piece and gives what is certain by now.
    pub fn feed(&mut self, piece: &str) -> String {
        let from = self.text.len();
        self.text.extend_from_slice(piece.as_bytes());
        self.scanner.hits(&self.text, from, true, &mut self.open);
        self.release(false)
    }

    /// Gives the rest.
    pub fn finish(mut self) -> String {
        self.release(true)
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.text.len() - self.done
    }

    fn release(&mut self, end: bool) -> String {
        let length = self.text.len();
        let mut limit = if end { length } else { length.saturating_sub(self.scanner.unseen()) };
        let Self { scanner, text, open, found, covered, .. } = self;
        open.retain_mut(|hit| {
            let (start, complete) = scanner.reach(text, *hit);
            if complete || end {
                found.extend(scanner.candidate(text, *hit, covered));
            } else {
                limit = limit.min(start);
                hit.saw(length);
            }
            !(complete || end)
        });
        while !text.is_empty() && limit < length && limit > 0 && text[limit] & 0xC0 == 0x80 {
            limit -= 1;
        }
        let mut out = Vec::new();
        for span in scanner.select(text, found.clone(), self.done) {
            if span.range.start >= limit {
                break;
            }
            out.extend_from_slice(&text[self.done..span.range.start]);
            match span.mask {
                Some(mask) => out.extend_from_slice(mask.as_bytes()),
                None => out.extend_from_slice(&text[span.range.clone()]),
            }
            self.done = span.range.end;
        }
        if limit > self.done {
            out.extend_from_slice(&text[self.done..limit]);
            self.done = limit;
        }
        self.forget();
        String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Drops what no rule can look back at.
    fn forget(&mut self) {
        let done = self.done;
        self.found.retain(|found| found.range.end > done);
        let first = self.open.iter().map(|hit| hit.at()).min().unwrap_or(done);
        let newest = self.text.len().saturating_sub(self.scanner.unseen());
        let drop = done.min(first).min(newest).saturating_sub(LOOK_BEHIND);
        if drop < 1024 {
            return;
        }
        self.text.drain(..drop);
        self.covered.back(drop);
        self.done -= drop;
        for hit in &mut self.open {
            *hit = hit.back(drop);
        }
        for found in &mut self.found {
            found.back(drop);
        }
    }
}
