//! What was sent and received, by reference: each body is a rope (`rope`) and the times at which its bytes came.
//!
//! Holds no contents.

use lockgate_core::varint::{put, take};
use serde::{Deserialize, Serialize};

use crate::call::words;
use crate::encoded;
use crate::rope::PieceHash;

/// One body of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// The first piece of its rope.
    pub head: PieceHash,
    /// What it is.
    pub kind: BodyKind,
    /// When its bytes came.
    pub offsets: Offsets,
    /// Which of the call's bodies it is.
    pub part: Part,
    /// How many bytes it has.
    pub size: u64,
}

words! {
    /// Which body of a call. An `UpstreamRequest` that is absent is the `ClientRequest`; a `ClientAnswer` that is
    /// absent is the `UpstreamAnswer`.
    Part {
        /// What the client got.
        ClientAnswer = "client_answer",
        /// The headers of the client's request, as a JSON list of pairs: without credentials, and without those that say nothing
        /// beyond the row and the connection.
        ClientHeaders = "client_headers",
        /// What the client sent.
        ClientRequest = "client_request",
        /// What providers answered to tries before the last, as a JSON list of `{attempt, status, body}`.
        EarlierAnswers = "earlier_answers",
        /// What the provider sent.
        UpstreamAnswer = "upstream_answer",
        /// What the provider got.
        UpstreamRequest = "upstream_request",
    }
}

words! {
    /// What a body is.
    BodyKind {
        /// One JSON value.
        Json = "json",
        /// Anything else.
        Other = "other",
        /// Server-sent events.
        Sse = "sse",
    }
}

/// When the bytes of a body came: pairs of an end (bytes from its beginning) and a time (µs after the call began), both
/// growing. Compact: two variable-length differences per pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offsets(#[serde(with = "encoded")] Vec<u8>);

impl Offsets {
    /// From pairs of an end and a time. What does not grow is stored as the value before it.
    pub fn of(pairs: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut bytes = Vec::new();
        let mut last = (0, 0);
        for (end, at_us) in pairs {
            let next = (end.max(last.0), at_us.max(last.1));
            put(&mut bytes, next.0 - last.0);
            put(&mut bytes, next.1 - last.1);
            last = next;
        }
        Self(bytes)
    }

    /// As they were stored.
    pub const fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// As they are stored.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The pairs: the end of a portion and its time. Ends at what cannot be read.
    pub fn pairs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let mut rest = self.0.as_slice();
        let mut last = (0_u64, 0_u64);
        std::iter::from_fn(move || {
            last.0 = last.0.checked_add(take(&mut rest)?)?;
            last.1 = last.1.checked_add(take(&mut rest)?)?;
            Some(last)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_portions_come_back_as_they_were_noted() {
        let pairs = [(10, 0), (10, 5), (300, 1_000_000), (u64::MAX, u64::MAX)];
        assert_eq!(Offsets::of(pairs).pairs().collect::<Vec<_>>(), pairs);
        assert!(Offsets::of([(100, 50); 3]).as_bytes().len() <= 6);
    }

    #[test]
    fn times_that_are_cut_or_absurd_end_instead_of_failing() {
        let whole = Offsets::of([(5, 7), (300, 900)]);
        for cut in 0..whole.as_bytes().len() {
            let read = Offsets::from_bytes(whole.as_bytes()[..cut].to_vec()).pairs().count();
            assert!(read <= 1);
        }
        assert_eq!(Offsets::from_bytes(vec![0xff; 40]).pairs().count(), 0);
    }
}
