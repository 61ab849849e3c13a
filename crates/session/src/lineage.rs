//! How a request follows from the one before it in the same session: goes on, is the same again, begins anew from somewhere.
//!
//! The caller keeps one [`Lineage`] for each agent of a session and shows it the messages of each call that is no
//! housekeeping. It holds hashes only, of the last [`Lineage::KEPT`] messages; of those before it knows one hash over all.

use serde::{Deserialize, Serialize};

use crate::messages::{Messages, short};

/// The messages of a session's last request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// How many messages are only known by `digest`.
    dropped: usize,
    /// Over those messages.
    digest: u64,
    /// The messages behind them.
    hashes: Vec<u64>,
}

/// How a request follows from the one before it. Places are turns of the new request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A summary has taken the place of what was said before.
    Compacted,
    /// What was said before, and more.
    Continues {
        /// The first turn that is new: the model's answer, as the client has kept it, and what came behind it.
        new_from: usize,
    },
    /// Goes another way from a turn on: the user went back, or asked again in other words.
    Forked {
        /// The first turn that is different; 0 where that is too long ago to know.
        at: usize,
    },
    /// Nothing was said before, or nothing of it is left.
    New,
    /// The same conversation, but turns in its middle were changed, such as by clearing old results of tools.
    Rewritten {
        /// The first turn that was changed.
        at: usize,
        /// The first turn that is new.
        new_from: usize,
    },
    /// The same again: a retry.
    Same,
}

impl Lineage {
    /// Messages whose hashes are kept.
    pub const KEPT: usize = 1024;

    /// How many messages the last request had.
    pub fn len(&self) -> usize {
        self.dropped + self.hashes.len()
    }

    /// Whether there was no request yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How these messages follow from those of the last request.
    pub fn compare(&self, new: &Messages) -> Step {
        if self.is_empty() {
            return Step::New;
        }
        let (had, have) = (self.len(), new.len());
        let common = self.common(new);
        if common == Some(had) {
            return if have == had { Step::Same } else { Step::Continues { new_from: new.turn(had) } };
        }
        let first = common.unwrap_or(0);
        if new.condensed.is_some_and(|condensed| condensed >= first) {
            return Step::Compacted;
        }
        let last = self.hashes.last();
        if have >= had && new.hashes.get(had - 1) == last {
            return Step::Rewritten { at: new.turn(first), new_from: new.turn(had) };
        }
        match common {
            // A client may condense without saying so; then some of the last messages are still there.
            Some(0) if self.hashes.iter().rev().take(8).any(|kept| new.hashes.contains(kept)) => {
                Step::Compacted
            }
            Some(0) => Step::New,
            Some(common) => Step::Forked { at: new.turn(common) },
            None => Step::Forked { at: 0 },
        }
    }

    /// The same, and remembers the new messages in place of the last ones.
    pub fn observe(&mut self, new: &Messages) -> Step {
        let step = self.compare(new);
        let dropped = new.len().saturating_sub(Self::KEPT);
        self.digest = digest(&new.hashes[..dropped]);
        self.dropped = dropped;
        self.hashes.clear();
        self.hashes.extend_from_slice(&new.hashes[dropped..]);
        step
    }

    /// How many messages at the start are the same; `None` where they differ in, or end among, those dropped.
    fn common(&self, new: &Messages) -> Option<usize> {
        let before = new.hashes.get(..self.dropped)?;
        if self.dropped > 0 && digest(before) != self.digest {
            return None;
        }
        let behind = &new.hashes[self.dropped..];
        let same = self.hashes.iter().zip(behind).take_while(|(old, new)| old == new).count();
        Some(self.dropped + same)
    }
}

fn digest(hashes: &[u64]) -> u64 {
    let mut hash = blake3::Hasher::new();
    for one in hashes {
        hash.update(&one.to_le_bytes());
    }
    short(&hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(hashes: &[u64]) -> Messages {
        // Instructions stand between messages, so places are not numbers of messages.
        Messages {
            condensed: None,
            hashes: hashes.to_vec(),
            turns: (0..hashes.len()).map(|at| at * 2).collect(),
        }
    }

    fn lineage(hashes: &[u64]) -> Lineage {
        let mut lineage = Lineage::default();
        lineage.observe(&messages(hashes));
        lineage
    }

    #[test]
    fn a_request_goes_on_from_the_last_one_or_repeats_it() {
        let mut lineage = Lineage::default();
        assert_eq!(lineage.observe(&messages(&[1])), Step::New);
        assert_eq!(lineage.observe(&messages(&[1])), Step::Same);
        assert_eq!(lineage.observe(&messages(&[1, 2, 3])), Step::Continues { new_from: 2 });
        assert_eq!(lineage.observe(&messages(&[1, 2, 3, 4])), Step::Continues { new_from: 6 });
        assert_eq!(lineage.len(), 4);
    }

    #[test]
    fn a_request_that_goes_another_way_forks_where_it_differs() {
        let lineage = lineage(&[1, 2, 3, 4, 5]);
        assert_eq!(lineage.compare(&messages(&[1, 2, 9])), Step::Forked { at: 4 });
        assert_eq!(lineage.compare(&messages(&[1, 2, 9, 10, 11, 12])), Step::Forked { at: 4 });
        assert_eq!(lineage.compare(&messages(&[1, 2, 3])), Step::Forked { at: 5 }, "asks again");
        assert_eq!(lineage.compare(&messages(&[7, 8])), Step::New);
        assert_eq!(lineage.compare(&messages(&[])), Step::New);
    }

    #[test]
    fn a_summary_in_place_of_what_was_said_is_compaction_once() {
        let mut lineage = lineage(&[1, 2, 3, 4, 5]);
        let mut condensed = messages(&[70, 5, 6]);
        assert_eq!(lineage.compare(&condensed), Step::Compacted, "the last messages are still there");
        condensed.condensed = Some(0);
        assert_eq!(lineage.observe(&condensed), Step::Compacted);
        let mut more = messages(&[70, 5, 6, 7]);
        more.condensed = Some(0);
        assert_eq!(lineage.observe(&more), Step::Continues { new_from: 6 });
    }

    #[test]
    fn results_that_were_cleared_in_the_middle_are_no_fork() {
        let lineage = lineage(&[1, 2, 3, 4, 5]);
        let cleared = messages(&[1, 2, 99, 4, 5, 6]);
        assert_eq!(lineage.compare(&cleared), Step::Rewritten { at: 4, new_from: 10 });
    }

    #[test]
    fn a_long_session_is_followed_with_bounded_memory() {
        let all: Vec<u64> = (1..5000).collect();
        let mut lineage = lineage(&all[..4000]);
        assert_eq!(lineage.hashes.len(), Lineage::KEPT);
        assert_eq!(lineage.compare(&messages(&all[..4000])), Step::Same);
        assert_eq!(lineage.compare(&messages(&all[..10])), Step::Forked { at: 0 });
        let mut other = all.clone();
        other[3] = 0;
        assert_eq!(lineage.compare(&messages(&other)), Step::Rewritten { at: 0, new_from: 8000 });
        assert_eq!(lineage.observe(&messages(&all)), Step::Continues { new_from: 8000 });
        let kept: Lineage = serde_json::from_str(&serde_json::to_string(&lineage).unwrap()).unwrap();
        assert_eq!(kept, lineage);
    }
}
