//! Texts that come in pieces over several events or lines of JSON: put together, searched, and masked where they came from.
//!
//! A piece belongs to the text that has the same path and the same index numbers in the events before it. Knows no format
//! by name: the members that carry pieces have a handful of names in all of them.

use std::ops::Range;

use crate::bytes::Edit;
use crate::json;
use crate::scan::Scanner;

/// Members that carry a piece of a longer text.
const PIECES: [&str; 12] = [
    "arguments",
    "content",
    "delta",
    "input",
    "output",
    "partial_json",
    "reasoning",
    "reasoning_content",
    "refusal",
    "response",
    "text",
    "thinking",
];

/// True if a member of this name carries pieces.
pub(crate) fn is_piece(key: &[u8]) -> bool {
    PIECES.iter().any(|piece| piece.as_bytes() == key)
}

/// The texts of one answer.
#[derive(Default)]
pub(crate) struct Lanes(Vec<Lane>);

struct Lane {
    id: u64,
    text: Vec<u8>,
    /// Where each piece begins in `text`, and where it is in the bytes.
    pieces: Vec<(usize, Range<usize>)>,
}

impl Lanes {
    /// Adds a piece to its text.
    pub(crate) fn push(&mut self, id: u64, decoded: &[u8], raw: Range<usize>) {
        let known = self.0.iter().rposition(|lane| lane.id == id);
        let at = known.unwrap_or_else(|| {
            self.0.push(Lane { id, text: Vec::new(), pieces: Vec::new() });
            self.0.len() - 1
        });
        let lane = &mut self.0[at];
        lane.pieces.push((lane.text.len(), raw));
        lane.text.extend_from_slice(decoded);
    }

    /// Masks secrets that lie in more than one piece: the mask goes where they begin, the rest goes away.
    pub(crate) fn edits(&self, scanner: &Scanner, bytes: &[u8], edits: &mut Vec<Edit>) {
        for lane in self.0.iter().filter(|lane| lane.pieces.len() > 1) {
            for span in scanner.spans(&lane.text, true) {
                let Some(mask) = span.mask else { continue };
                let first = lane.pieces.partition_point(|(start, _)| *start <= span.range.start) - 1;
                let mut mask = Some(mask);
                for (index, (start, raw)) in lane.pieces.iter().enumerate().skip(first) {
                    if *start >= span.range.end {
                        break;
                    }
                    let end = lane.pieces.get(index + 1).map_or(lane.text.len(), |(next, _)| *next);
                    let within = span.range.start.max(*start) - start..span.range.end.min(end) - start;
                    if within.is_empty() {
                        continue;
                    }
                    let places = json::places(&bytes[raw.clone()], &[within.start, within.end]);
                    let range = raw.start + places[0]..raw.start + places[1];
                    edits.push(Edit { range, text: mask.take().unwrap_or_default(), joined: true });
                }
            }
        }
    }
}
