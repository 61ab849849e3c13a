//! What a frame holds: parts one behind the other, so that a large body need not be copied to the notes around it.
//!
//! Where a part ends says nothing to whoever reads the file; the notes are the same. What some notes say as JSON is kept beside them, so
//! that who takes the frame over in this process need not read it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::entry::Entry;

/// The content of a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    length: usize,
    parts: Vec<Bytes>,
    /// The entries that are JSON, in their order; or none of them, where they were read from a file.
    said: VecDeque<Entry>,
}

impl Content {
    /// Adds a part.
    pub(crate) fn push(&mut self, part: Bytes) {
        if !part.is_empty() {
            self.length += part.len();
            self.parts.push(part);
        }
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// An entry whose JSON is among what is pushed next.
    pub(crate) fn say(&mut self, entry: Entry) {
        self.said.push_back(entry);
    }

    /// The next of these entries.
    pub(crate) fn said(&mut self) -> Option<Entry> {
        self.said.pop_front()
    }

    /// Its parts.
    pub(crate) fn parts(&self) -> &[Bytes] {
        &self.parts
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        let mut content = Self::default();
        content.push(bytes.into());
        content
    }
}
