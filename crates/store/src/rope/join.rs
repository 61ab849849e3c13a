//! Puts a body together again from its pieces.
//!
//! Iterative and bounded: a rope that somebody damaged ends in an error, never in a full stack or a full memory.

use super::{LITERAL, MARK, PieceHash};

/// What a rope may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Pieces within pieces.
    pub depth: usize,
    /// Bytes of the body.
    pub size: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { depth: 1_000, size: 256 << 20 }
    }
}

/// Why a body cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RopeError {
    /// A piece ends inside a reference.
    #[error("piece {0} is cut")]
    Cut(PieceHash),
    /// Pieces are nested deeper than allowed, or in a circle.
    #[error("the body is nested deeper than {0} pieces")]
    Deep(usize),
    /// The body is longer than allowed.
    #[error("the body is longer than {0} bytes")]
    Large(usize),
    /// A piece is not there.
    #[error("piece {0} is missing")]
    Missing(PieceHash),
}

/// The body that begins at `head`. `fetch` gives the bytes of a piece.
pub fn join<'a>(
    head: &PieceHash,
    fetch: impl Fn(&PieceHash) -> Option<&'a [u8]>,
    bounds: Bounds,
) -> Result<Vec<u8>, RopeError> {
    let piece = |hash: &PieceHash| fetch(hash).ok_or(RopeError::Missing(*hash));
    let mut body = Vec::new();
    let mut open = vec![(*head, piece(head)?)];
    while let Some((hash, rest)) = open.last_mut() {
        let hash = *hash;
        let Some(part) = next(rest, &hash)? else {
            open.pop();
            continue;
        };
        match part {
            Part::Bytes(bytes) => {
                if body.len() + bytes.len() > bounds.size {
                    return Err(RopeError::Large(bounds.size));
                }
                body.extend_from_slice(bytes);
            }
            Part::Reference(inner) => {
                if open.len() >= bounds.depth {
                    return Err(RopeError::Deep(bounds.depth));
                }
                open.push((inner, piece(&inner)?));
            }
        }
    }
    Ok(body)
}

/// The pieces that a piece refers to, in order.
pub fn references(hash: &PieceHash, bytes: &[u8]) -> Result<Vec<PieceHash>, RopeError> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while let Some(part) = next(&mut rest, hash)? {
        if let Part::Reference(inner) = part {
            found.push(inner);
        }
    }
    Ok(found)
}

enum Part<'a> {
    Bytes(&'a [u8]),
    Reference(PieceHash),
}

/// Takes the next part of a piece.
fn next<'a>(rest: &mut &'a [u8], hash: &PieceHash) -> Result<Option<Part<'a>>, RopeError> {
    let cut = || RopeError::Cut(*hash);
    if rest.is_empty() {
        return Ok(None);
    }
    if rest[0] != MARK {
        let end = memchr::memchr(MARK, rest).unwrap_or(rest.len());
        let (bytes, after) = rest.split_at(end);
        *rest = after;
        return Ok(Some(Part::Bytes(bytes)));
    }
    let (name, after) = rest[1..].split_first_chunk::<{ PieceHash::LEN }>().ok_or_else(cut)?;
    if *name != LITERAL {
        *rest = after;
        return Ok(Some(Part::Reference(PieceHash::from_bytes(*name))));
    }
    let (length, after) = after.split_first_chunk::<8>().ok_or_else(cut)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| cut())?;
    let (bytes, after) = after.split_at_checked(length).ok_or_else(cut)?;
    *rest = after;
    Ok(Some(Part::Bytes(bytes)))
}
