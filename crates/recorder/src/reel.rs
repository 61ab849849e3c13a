//! Puts a call's notes in order: what was asked, each try, what came, what the client got, how it ended.
//!
//! Understands no dialect and changes no byte. Notes that are missing leave gaps, never an error.

use crate::entry::{Closed, Entry, Head, Opened, Sent};
use crate::scan::RawCall;

/// Bytes with the times at which they came: pairs of an end (bytes from the beginning) and microseconds since the call came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Track {
    pub(crate) bytes: Vec<u8>,
    pub(crate) times: Vec<(u64, u64)>,
}

impl Track {
    fn push(&mut self, bytes: &[u8], at_us: u64) {
        self.bytes.extend_from_slice(bytes);
        self.times.push((self.bytes.len() as u64, at_us));
    }
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
    pub(crate) request: Vec<u8>,
    /// The body that went upstream last, where it is not the client's.
    pub(crate) sent_body: Option<Vec<u8>>,
    /// When the client got its first byte that is no keep-alive.
    pub(crate) first_us: Option<u64>,
}

impl Reel {
    pub(crate) fn of(raw: &RawCall) -> Self {
        let mut reel = Self::default();
        let mut delivered = Track::default();
        // How much of the last answer the client got as it came.
        let mut passed = 0;
        let mut differs = false;
        for (at, entry) in &raw.entries {
            match entry {
                Entry::Closed(closed) => reel.closed = Some((*at, (**closed).clone())),
                Entry::Delivered(bytes) => {
                    differs = true;
                    reel.first_us.get_or_insert(*at);
                    delivered.push(bytes, *at);
                }
                Entry::Head(head) => {
                    if let Some(attempt) = reel.attempts.last_mut() {
                        attempt.head = Some(head.clone());
                    }
                }
                Entry::KeptAlive => differs = true,
                Entry::Opened(opened) => reel.opened = Some(opened.clone()),
                Entry::Passed(length) => {
                    reel.first_us.get_or_insert(*at);
                    let end = passed + *length as usize;
                    // What passed may have come in earlier tries than the last; only the last one's is passed on.
                    let came = reel.attempts.last().map_or(&[][..], |attempt| &attempt.answer.bytes);
                    delivered.push(came.get(passed..end.min(came.len())).unwrap_or_default(), *at);
                    passed = end;
                }
                Entry::Received(bytes) => {
                    if let Some(attempt) = reel.attempts.last_mut() {
                        attempt.answer.push(bytes, *at);
                    }
                }
                Entry::Request(bytes) => reel.request.clone_from(bytes),
                Entry::Sent(sent) => {
                    passed = 0;
                    reel.sent_body = None;
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
        let came = reel.attempts.last().map_or(&[][..], |attempt| &attempt.answer.bytes);
        if differs || delivered.bytes != came {
            reel.delivered = Some(delivered);
        }
        reel
    }

    /// What the client got.
    pub(crate) fn client_answer(&self) -> &Track {
        static NOTHING: Track = Track { bytes: Vec::new(), times: Vec::new() };
        self.delivered
            .as_ref()
            .or_else(|| self.attempts.last().map(|attempt| &attempt.answer))
            .unwrap_or(&NOTHING)
    }
}
