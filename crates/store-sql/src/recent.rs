//! Pieces that were read a moment ago: who reads a session call by call finds most of a body in the one before.
//!
//! Bounded in bytes, in two generations: when the young one is full it becomes the old one, and what was old and not asked for is forgotten. A piece
//! is what its hash says for as long as it is there, and whether it may still be read is asked of the database, which knows the bodies.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use lockgate_store::PieceHash;

/// A piece of a session.
type Key = (i64, PieceHash);

/// Some pieces.
#[derive(Default)]
struct Generations {
    old: HashMap<Key, Arc<[u8]>>,
    young: HashMap<Key, Arc<[u8]>>,
    /// Bytes of the young ones.
    size: usize,
}

/// Pieces that were read a moment ago.
pub(crate) struct Recent {
    bound: usize,
    kept: Mutex<Generations>,
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("bound", &self.bound).finish_non_exhaustive()
    }
}

impl Recent {
    /// Keeps no more than so many bytes; 0 = nothing.
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound, kept: Mutex::default() }
    }

    /// Takes those of these pieces that are known out of the list, and hands them out.
    pub(crate) fn take(
        &self,
        scope: i64,
        hashes: &mut Vec<PieceHash>,
        mut known: impl FnMut(PieceHash, Arc<[u8]>),
    ) {
        if self.bound == 0 {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.retain(|hash| {
            let key = (scope, *hash);
            let found = match kept.young.get(&key) {
                Some(bytes) => Some(bytes.clone()),
                None => kept.old.remove(&key).inspect(|bytes| kept.put(self.bound, key, bytes.clone())),
            };
            let is_new = found.is_none();
            if let Some(bytes) = found {
                known(*hash, bytes);
            }
            is_new
        });
    }

    /// Keeps a piece that was read.
    pub(crate) fn keep(&self, scope: i64, hash: PieceHash, bytes: &Arc<[u8]>) {
        if self.bound > 0 {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.put(self.bound, (scope, hash), bytes.clone());
        }
    }
}

impl Generations {
    fn put(&mut self, bound: usize, key: Key, bytes: Arc<[u8]>) {
        if self.size + bytes.len() > bound / 2 {
            self.old = std::mem::take(&mut self.young);
            self.size = 0;
        }
        if bytes.len() <= bound / 2 {
            self.size += bytes.len();
            self.young.insert(key, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_lately_is_known_and_no_more_than_the_bound_is_kept() {
        let recent = Recent::new(1_000);
        let hash = |number: u32| PieceHash::of(&number.to_le_bytes());
        let known = |scope: i64, number: u32| {
            let (mut asked, mut found) = (vec![hash(number)], 0);
            recent.take(scope, &mut asked, |_, bytes| found = bytes.len());
            (found, asked.len())
        };
        for number in 0..100 {
            recent.keep(1, hash(number), &Arc::from(vec![0; 100]));
            assert_eq!(known(1, 0), (100, 0), "what is asked for again and again stays");
        }
        assert_eq!((known(1, 99), known(1, 50), known(2, 99)), ((100, 0), (0, 1), (0, 1)));
        let left = (0..100).filter(|number| known(1, *number).0 > 0).count();
        assert!((5..=10).contains(&left), "{left}");
        recent.keep(1, hash(7), &Arc::from(vec![0; 900]));
        assert_eq!(known(1, 7), (0, 1), "what is larger than a generation is not kept");
    }
}
