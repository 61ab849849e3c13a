//! Takes down one call: notes its steps in a buffer and appends that to the log, at the latest before the client gets its last byte.
//!
//! On the call's way: a note is a copy of bytes, an append is one sealed write. A tape that is dropped without its end notes
//! that the client went away. A blank tape notes nothing and costs nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use serde::Serialize;
use uuid::Uuid;

use crate::entry::{self, Closed, Head, Mode, Opened, Sent, kind};
use crate::log::Log;
use crate::log::segment::HEAD;

/// Notes of so many bytes are appended.
const FULL: usize = 8 * 1024;

/// Notes are appended when the last time is so long ago.
const OLD: Duration = Duration::from_millis(500);

/// Notes of one call. Clones note on the same tape.
#[derive(Clone, Default)]
pub struct Tape(Option<Arc<Mutex<Running>>>);

struct Running {
    /// What the provider sent and the client did not get yet; `None` once the client got something else.
    ahead: Option<VecDeque<Bytes>>,
    appended: Instant,
    buffer: Vec<u8>,
    call: Uuid,
    closed: bool,
    /// Whether bytes are noted, or only what happened.
    contents: bool,
    log: Log,
    /// When it was over and what was known of it then, if it is.
    over: Option<(u64, Closed)>,
    sequence: u32,
    started: Instant,
}

impl Tape {
    /// Notes nothing.
    pub const fn blank() -> Self {
        Self(None)
    }

    /// A call came in with this body.
    pub fn open(log: &Log, call: Uuid, opened: &Opened, body: &Bytes) -> Self {
        if opened.mode == Mode::Off {
            return Self::blank();
        }
        let now = Instant::now();
        let mut running = Running {
            ahead: Some(VecDeque::new()),
            appended: now,
            buffer: Vec::with_capacity(HEAD + body.len() + 1024),
            call,
            closed: false,
            contents: opened.mode != Mode::Metadata,
            log: log.clone(),
            over: None,
            sequence: 0,
            started: now,
        };
        running.buffer.resize(HEAD, 0);
        running.json(kind::OPENED, opened);
        running.note(kind::REQUEST, &[body]);
        Self(Some(Arc::new(Mutex::new(running))))
    }

    /// A try went out, with another body than the client's if there is one.
    pub fn sent(&self, sent: &Sent, body: Option<&Bytes>) {
        let Some(mut running) = self.running() else { return };
        // What an earlier try brought is not passed on any more.
        running.ahead = Some(VecDeque::new());
        running.json(kind::SENT, sent);
        if let Some(body) = body {
            running.note(kind::SENT_BODY, &[body]);
        }
    }

    /// The provider's answer begins.
    pub fn head(&self, head: &Head) {
        if let Some(mut running) = self.running() {
            running.json(kind::HEAD, head);
        }
    }

    /// The provider sent these bytes.
    pub fn received(&self, bytes: &Bytes) {
        let Some(mut running) = self.running() else { return };
        running.note(kind::RECEIVED, &[bytes]);
        if let Some(ahead) = &mut running.ahead {
            ahead.push_back(bytes.clone());
        }
        running.append_if_due();
    }

    /// The client gets these bytes.
    pub fn delivered(&self, bytes: &[u8]) {
        let Some(mut running) = self.running() else { return };
        if bytes.is_empty() {
            return;
        }
        if running.passes(bytes) {
            let mut length = Vec::with_capacity(10);
            entry::varint(bytes.len() as u64, &mut length);
            running.note(kind::PASSED, &[&length]);
        } else {
            running.ahead = None;
            running.note(kind::DELIVERED, &[bytes]);
        }
        running.append_if_due();
    }

    /// The client gets a keep-alive.
    pub fn kept_alive(&self) {
        if let Some(mut running) = self.running() {
            running.note(kind::KEPT_ALIVE, &[]);
        }
    }

    /// Appends what has been noted so far. For a moment in which the call waits anyway.
    pub fn append(&self) {
        if let Some(mut running) = self.running() {
            running.append(false);
        }
    }

    /// The call is over, and this is known of it; [`Tape::close`] says what else there was to it. Until then it counts as it is noted here,
    /// and it keeps this time.
    pub fn over(&self, closed: &Closed) {
        if let Some(mut running) = self.running() {
            let at = running.now();
            running.over = Some((at, closed.clone()));
            running.ended(at, closed);
            running.append(false);
        }
    }

    /// The call is over. After this the client may get its last byte.
    pub fn close(&self, closed: &Closed) {
        if let Some(mut running) = self.running() {
            running.close(closed);
        }
    }

    /// Whether it notes nothing.
    pub const fn is_blank(&self) -> bool {
        self.0.is_none()
    }

    fn running(&self) -> Option<MutexGuard<'_, Running>> {
        self.0.as_ref().map(|running| running.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let known = self.over.as_ref().map(|(_, closed)| closed.clone());
        self.close(&known.unwrap_or_else(|| Closed { aborted: true, ..Closed::default() }));
    }
}

impl Running {
    fn close(&mut self, closed: &Closed) {
        if !self.closed {
            let at = self.over.as_ref().map_or_else(|| self.now(), |(at, _)| *at);
            self.ended(at, closed);
            self.append(true);
            self.closed = true;
        }
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    /// The call is over, at this time.
    fn ended(&mut self, at: u64, closed: &Closed) {
        // It cannot fail to be written.
        let text = serde_json::to_vec(closed).unwrap_or_default();
        self.note_at(at, kind::CLOSED, &[&text]);
    }

    fn note(&mut self, kind: u8, parts: &[&[u8]]) {
        self.note_at(self.now(), kind, parts);
    }

    fn note_at(&mut self, at: u64, kind: u8, parts: &[&[u8]]) {
        if self.closed {
            return;
        }
        let bytes = matches!(kind, kind::DELIVERED | kind::RECEIVED | kind::REQUEST | kind::SENT_BODY);
        let parts = if bytes && !self.contents { &[] } else { parts };
        if self.buffer.is_empty() {
            self.buffer.resize(HEAD, 0);
        }
        entry::write(kind, at, parts, &mut self.buffer);
    }

    fn json(&mut self, kind: u8, value: &impl Serialize) {
        // None of these types can fail to be written.
        let text = serde_json::to_vec(value).unwrap_or_default();
        self.note(kind, &[&text]);
    }

    /// Whether these bytes are the next of what the provider sent; they are not ahead any more then.
    fn passes(&mut self, mut bytes: &[u8]) -> bool {
        let Some(ahead) = &mut self.ahead else { return false };
        while let Some(next) = ahead.front_mut() {
            let length = next.len().min(bytes.len());
            if next[..length] != bytes[..length] {
                return false;
            }
            bytes = &bytes[length..];
            if length == next.len() {
                ahead.pop_front();
            } else {
                next.advance(length);
            }
            if bytes.is_empty() {
                return true;
            }
        }
        false
    }

    fn append_if_due(&mut self) {
        if self.buffer.len() >= FULL || self.appended.elapsed() >= OLD {
            self.append(false);
        }
    }

    fn append(&mut self, last: bool) {
        if self.buffer.len() <= HEAD {
            return;
        }
        let frame = std::mem::take(&mut self.buffer);
        self.log.append(self.call, self.sequence, last, frame);
        self.sequence += 1;
        self.appended = Instant::now();
    }
}
