//! Bodies stored so that what is sent again costs nothing: pieces, references to pieces, and how they are put together again.
//!
//! A *piece* is bytes under their own hash. In a piece, the byte 0 begins a reference: 16 bytes of the hash of the
//! piece whose contents stand there. JSON has no byte 0; where other data has one, 16 zero bytes and a length say that what
//! follows is meant as it is. Knows no database: whoever reads a rope brings a way to fetch pieces.

mod join;
mod scan;
mod weave;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use join::{Bounds, RopeError, join, references};
pub use scan::{Again, Overlap, Shape, Span, alike, spans, spans_again};
pub use weave::{Weaver, Woven};

use crate::encoded;

/// The name of a piece: the first 16 bytes of the BLAKE3 hash of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PieceHash([u8; Self::LEN]);

impl PieceHash {
    /// How many bytes it has.
    pub const LEN: usize = 16;

    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut short = [0; Self::LEN];
        short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..Self::LEN]);
        Self(short)
    }

    /// A hash that was stored.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// Reads 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * Self::LEN || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for PieceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for PieceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PieceHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PieceHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not the hash of a piece"))
    }
}

/// Bytes under their hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The bytes, references included.
    #[serde(with = "encoded")]
    pub bytes: Vec<u8>,
    /// Their hash.
    pub hash: PieceHash,
}

impl Piece {
    /// These bytes as a piece.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { hash: PieceHash::of(&bytes), bytes }
    }
}

/// What begins a reference.
const MARK: u8 = 0;

/// In the place of a hash: what follows is 8 bytes of a length (little endian) and so many bytes as they are.
const LITERAL: [u8; PieceHash::LEN] = [0; PieceHash::LEN];
