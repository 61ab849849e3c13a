//! What a frame holds: parts one behind the other, so that a large body need not be copied to the notes around it.
//!
//! Where a part ends says nothing to whoever reads the file; the notes are the same. What some notes say as JSON is kept beside them, and the
//! bodies that others refer to, so that who takes the frame over in this process need not read them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::bases::{Base, Place};
use crate::entry::Entry;

/// The content of a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// The bodies that some of its entries refer to, all in one file; none of them, where it was read from a file.
    bases: Vec<Arc<Base>>,
    length: usize,
    /// Parts that are a body which others may refer to: which, and whose it is.
    offered: Vec<(usize, u64)>,
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

    /// Adds a body that others may refer to.
    pub(crate) fn offer(&mut self, whose: u64, body: Bytes) {
        self.offered.push((self.parts.len(), whose));
        self.push(body);
    }

    /// Bodies that others may refer to: whose each is, where it begins, its bytes.
    pub(crate) fn offered(&self) -> impl Iterator<Item = (u64, usize, &Bytes)> {
        self.offered.iter().filter_map(|(nth, whose)| {
            let start = self.parts[..*nth].iter().map(Bytes::len).sum();
            Some((*whose, start, self.parts.get(*nth)?))
        })
    }

    /// An entry that is pushed next refers to this body.
    pub(crate) fn refer(&mut self, base: Arc<Base>) {
        self.bases.push(base);
    }

    /// The file that entries of it refer to.
    pub(crate) fn refers_to(&self) -> Option<u32> {
        self.bases.first().map(|base| base.place.file)
    }

    /// The body that lies there, if it is at hand.
    pub(crate) fn base(&self, place: &Place) -> Option<Bytes> {
        self.bases.iter().find(|base| base.place == *place).map(|base| base.bytes.clone())
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
