//! What a decoder has read: frames as they came, each with the events it means.
//!
//! The raw bytes stay beside the events so that an untouched frame leaves byte for byte. The buffers are reused
//! from chunk to chunk.

use std::ops::Range;

use bytes::Bytes;
use lockgate_core::Event;

/// Frames and events of the bytes fed so far; empty it with [`Decoded::clear`] between feeds.
#[derive(Debug, Default)]
pub struct Decoded {
    events: Vec<Event>,
    frames: Vec<Frame>,
}

/// One frame on the wire, its delimiter included.
#[derive(Debug, Clone)]
pub struct Frame {
    events: Range<usize>,
    /// The bytes as they came. Empty for events that follow from the end of the bytes and from no frame.
    pub raw: Bytes,
}

impl Decoded {
    /// Begins a frame; the events pushed after belong to it.
    pub fn begin(&mut self, raw: Bytes) {
        let at = self.events.len();
        self.frames.push(Frame { events: at..at, raw });
    }

    /// Adds an event to the frame that was begun last (to an empty one if there is none).
    pub fn push(&mut self, event: Event) {
        if self.frames.is_empty() {
            self.begin(Bytes::new());
        }
        self.events.push(event);
        if let Some(frame) = self.frames.last_mut() {
            frame.events.end = self.events.len();
        }
    }

    /// Takes the frame that could not be read back out, with whatever it had said so far: a client could not read it
    /// either. To be called when a decoder has failed; a frame too large was never begun.
    pub fn drop_broken(&mut self, error: &DecodeError) {
        match error {
            DecodeError::Cut | DecodeError::Malformed { .. } => {
                if let Some(frame) = self.frames.pop() {
                    self.events.truncate(frame.events.start);
                }
            }
            DecodeError::FrameTooLarge { .. } => {}
        }
    }

    /// All events, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// All frames, in order.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The events of one frame.
    pub fn events_of(&self, frame: &Frame) -> &[Event] {
        &self.events[frame.events.clone()]
    }

    /// Takes the events out, in order; the frames go.
    pub fn drain(&mut self) -> impl Iterator<Item = Event> + '_ {
        self.frames.clear();
        self.events.drain(..)
    }

    /// Empties the buffers and keeps their room.
    pub fn clear(&mut self) {
        self.events.clear();
        self.frames.clear();
    }
}

/// Why the bytes of an answer could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes ended before the answer did.
    #[error("the answer was cut off before its end")]
    Cut,
    /// A frame (or a whole answer) is larger than allowed.
    #[error("a frame of the answer is larger than {limit} bytes")]
    FrameTooLarge {
        /// The bound, in bytes.
        limit: usize,
    },
    /// A frame is not what the dialect says it is.
    #[error("the answer is malformed: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
}

impl DecodeError {
    /// A frame that is not what the dialect says.
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::Malformed { detail: detail.into() }
    }
}
