//! Puts a call's notes in order: what was asked, each try, what came, what the client got, how it ended.
//!
//! Understands no dialect and changes no byte. Notes that are missing leave gaps, never an error.

use std::ops::Range;

use bytes::Bytes;

use crate::entry::{Closed, Entry, Head, Opened, Sent};
use crate::scan::RawCall;

/// Bytes with the times at which they came: pairs of an end (bytes from the beginning) and microseconds since the call came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Track {
    pub(crate) bytes: Bytes,
    pub(crate) times: Vec<(u64, u64)>,
}

impl Track {
    /// Pieces one behind the other. One alone is not copied.
    fn of(pieces: &[(Bytes, u64)]) -> Self {
        let mut end = 0;
        let times = pieces.iter().map(|(bytes, at)| {
            end += bytes.len() as u64;
            (end, *at)
        });
        let times = times.collect();
        let bytes = match pieces {
            [(alone, _)] => alone.clone(),
            _ => {
                let mut bytes = Vec::with_capacity(end as usize);
                for (piece, _) in pieces {
                    bytes.extend_from_slice(piece);
                }
                bytes.into()
            }
        };
        Self { bytes, times }
    }
}

/// What the client got at once.
enum Got {
    /// The gateway's own words.
    Own(Bytes),
    /// This range of what came in this try.
    Passed(usize, Range<usize>),
}

/// A try at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) answer: Track,
    pub(crate) head: Option<Head>,
    pub(crate) sent: Sent,
    pub(crate) sent_at_us: u64,
}

/// A call's notes in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Reel {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) closed: Option<(u64, Closed)>,
    /// What the client got where it is not what came; `None` = the same.
    pub(crate) delivered: Option<Track>,
    pub(crate) opened: Option<Opened>,
    pub(crate) request: Bytes,
    /// The body that went upstream last, where it is not the client's.
    pub(crate) sent_body: Option<Bytes>,
    /// When the client got its first byte that is no keep-alive.
    pub(crate) first_us: Option<u64>,
}

impl Reel {
    pub(crate) fn of(raw: &RawCall) -> Self {
        let mut reel = Self::default();
        // The pieces that came in each try.
        let mut came: Vec<Vec<(Bytes, u64)>> = Vec::new();
        let mut length = 0;
        let mut got: Vec<(Got, u64)> = Vec::new();
        // How much of the last answer the client got as it came.
        let mut passed = 0;
        let mut differs = false;
        for (at, entry) in &raw.entries {
            match entry {
                Entry::Closed(closed) => reel.closed = Some((*at, (**closed).clone())),
                Entry::Delivered(bytes) => {
                    differs = true;
                    reel.first_us.get_or_insert(*at);
                    got.push((Got::Own(bytes.clone()), *at));
                }
                Entry::Head(head) => {
                    if let Some(attempt) = reel.attempts.last_mut() {
                        attempt.head = Some(head.clone());
                    }
                }
                Entry::KeptAlive => differs = true,
                Entry::Opened(opened) => reel.opened = Some(opened.clone()),
                Entry::Passed(bytes) => {
                    reel.first_us.get_or_insert(*at);
                    let end = passed + *bytes as usize;
                    // What passed may have come in earlier tries than the last; only the last one's is passed on.
                    let range = passed.min(length)..end.min(length);
                    got.push((Got::Passed(came.len().saturating_sub(1), range), *at));
                    passed = end;
                }
                Entry::Received(bytes) => {
                    if let Some(came) = came.last_mut() {
                        length += bytes.len();
                        came.push((bytes.clone(), *at));
                    }
                }
                Entry::Request(bytes) => reel.request.clone_from(bytes),
                Entry::Sent(sent) => {
                    (passed, length) = (0, 0);
                    reel.sent_body = None;
                    came.push(Vec::new());
                    reel.attempts.push(Attempt {
                        answer: Track::default(),
                        head: None,
                        sent: sent.clone(),
                        sent_at_us: *at,
                    });
                }
                Entry::SentBody(bytes) => reel.sent_body = Some(bytes.clone()),
            }
        }
        for (attempt, pieces) in reel.attempts.iter_mut().zip(&came) {
            attempt.answer = Track::of(pieces);
        }
        // Each piece begins where the one before ended, so their lengths say whether it was all.
        let last = came.len().saturating_sub(1);
        let of_last = |got: &Got| {
            if let Got::Passed(attempt, range) = got { (*attempt == last).then(|| range.len()) } else { None }
        };
        let as_it_came = got.iter().map(|(got, _)| of_last(got)).sum::<Option<usize>>() == Some(length);
        if differs || !as_it_came {
            let piece = |got: Got| match got {
                Got::Own(bytes) => bytes,
                Got::Passed(attempt, range) => reel
                    .attempts
                    .get(attempt)
                    .map_or_else(Bytes::new, |attempt| attempt.answer.bytes.slice(range)),
            };
            let pieces: Vec<_> = got.into_iter().map(|(got, at)| (piece(got), at)).collect();
            reel.delivered = Some(Track::of(&pieces));
        }
        reel
    }

    /// What the client got.
    pub(crate) fn client_answer(&self) -> &Track {
        static NOTHING: Track = Track { bytes: Bytes::new(), times: Vec::new() };
        self.delivered
            .as_ref()
            .or_else(|| self.attempts.last().map(|attempt| &attempt.answer))
            .unwrap_or(&NOTHING)
    }
}
