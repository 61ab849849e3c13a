//! The way of an answer that nobody changes: its complete frames, as they came.
//!
//! Knows nothing of what they say but whether they tell usage that the client did not ask for.

use bytes::{Bytes, BytesMut};
use lockgate_core::Event;
use lockgate_wire::Decoded;

/// Bytes of an incomplete frame that wait for the rest.
#[derive(Default)]
pub(crate) struct Pass {
    /// How many have come.
    pub(crate) frames: u64,
    /// Frames that the client did not ask for and does not get, among those that tell usage.
    hidden: Option<fn(&[u8]) -> bool>,
    waiting: usize,
}

impl Pass {
    /// `hidden`: frames that the client did not ask for.
    pub(crate) fn new(hidden: Option<fn(&[u8]) -> bool>) -> Self {
        Self { hidden, ..Self::default() }
    }

    /// Hands on the complete frames: the bytes that came, where they hold nothing else.
    pub(crate) fn forward(&mut self, decoded: &Decoded, fed: Option<&Bytes>, out: &mut Out) {
        let frames = decoded.frames();
        self.frames += frames.len() as u64;
        let complete: usize = frames.iter().map(|frame| frame.raw.len()).sum();
        match fed {
            Some(bytes) if self.waiting == 0 && self.hidden.is_none() => {
                out.push(bytes.slice(..complete.min(bytes.len())));
                self.waiting = bytes.len().saturating_sub(complete);
            }
            Some(bytes) => {
                self.each(decoded, out);
                self.waiting = (self.waiting + bytes.len()).saturating_sub(complete);
            }
            None => self.each(decoded, out),
        }
    }

    fn each(&self, decoded: &Decoded, out: &mut Out) {
        let tells = |event: &Event| matches!(event, Event::Usage(_));
        for frame in decoded.frames() {
            let hidden = self
                .hidden
                .is_some_and(|hidden| decoded.events_of(frame).iter().any(tells) && hidden(&frame.raw));
            if !hidden {
                out.push(frame.raw.clone());
            }
        }
    }
}

/// Bytes for the client: one piece without a copy, several joined.
#[derive(Default)]
pub(crate) struct Out {
    first: Bytes,
    joined: BytesMut,
}

impl Out {
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.joined.len()
    }

    pub(crate) fn push(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        if self.first.is_empty() && self.joined.is_empty() {
            self.first = bytes;
        } else {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&std::mem::take(&mut self.first));
            }
            self.joined.extend_from_slice(&bytes);
        }
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}
