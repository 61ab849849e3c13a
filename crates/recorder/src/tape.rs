//! Takes down one call: notes its steps in a buffer and appends that to the log, at the latest before the client gets its last byte.
//!
//! On the call's way: a note is a copy of bytes, an append is one sealed write. A tape that is dropped without its end notes
//! that the client went away. A blank tape notes nothing and costs nothing.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes};
use lockgate_core::varint;
use serde::Serialize;
use uuid::Uuid;

use crate::entry::{self, Closed, Entry, Head, Mode, Opened, Sent, kind};
use crate::log::Log;
use crate::log::bases::LEAST;
use crate::log::content::Content;

/// Notes of so many bytes are appended.
const FULL: usize = 8 * 1024;

/// Bytes from this length on are not copied to the notes, but lie beside them until both are appended; only then is it looked whether they are much like others. What is shorter may be a small
/// part of a large buffer that would not be freed meanwhile.
const LARGE: usize = 4 * 1024;

/// Notes are appended when the last time is so long ago.
const OLD: Duration = Duration::from_millis(500);

/// Notes of one call. Clones note on the same tape.
#[derive(Clone, Default)]
pub struct Tape(Option<Arc<Mutex<Running>>>);

struct Running {
    /// What the provider sent and the client did not get yet; `None` once the client got something else.
    ahead: Option<VecDeque<Bytes>>,
    appended: Instant,
    /// Notes behind the last of `large`.
    buffer: Vec<u8>,
    call: Uuid,
    closed: bool,
    content: Content,
    /// Whether bytes are noted, or only what happened.
    contents: bool,
    /// Large bytes, with the notes before each.
    large: Vec<Large>,
    log: Log,
    /// Bytes of all notes that wait.
    noted: usize,
    /// When it was over and what was known of it then, if it is.
    over: Option<(u64, Closed)>,
    sequence: u32,
    started: Instant,
    /// What this call's bodies are likely to share with those of calls that say the same here.
    whose: u64,
}

/// Bytes that are not copied, and the notes before them.
struct Large {
    at: u64,
    before: Vec<u8>,
    bytes: Bytes,
    kind: u8,
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
            buffer: Vec::with_capacity(1024 + if body.len() < LARGE { body.len() } else { 0 }),
            call,
            closed: false,
            content: Content::default(),
            contents: opened.mode != Mode::Metadata,
            large: Vec::new(),
            log: log.clone(),
            noted: 0,
            over: None,
            sequence: 0,
            started: now,
            whose: hash_of((&opened.key, &opened.path)),
        };
        running.json(kind::OPENED, opened, Entry::Opened);
        running.bytes(kind::REQUEST, body);
        Self(Some(Arc::new(Mutex::new(running))))
    }

    /// A try went out, with another body than the client's if there is one.
    pub fn sent(&self, sent: &Sent, body: Option<&Bytes>) {
        let Some(mut running) = self.running() else { return };
        // What an earlier try brought is not passed on any more.
        running.ahead = Some(VecDeque::new());
        running.json(kind::SENT, sent, Entry::Sent);
        if let Some(body) = body {
            running.bytes(kind::SENT_BODY, body);
        }
    }

    /// The provider's answer begins.
    pub fn head(&self, head: &Head) {
        if let Some(mut running) = self.running() {
            running.json(kind::HEAD, head, Entry::Head);
        }
    }

    /// The provider sent these bytes.
    pub fn received(&self, bytes: &Bytes) {
        let Some(mut running) = self.running() else { return };
        running.bytes(kind::RECEIVED, bytes);
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
            varint::put(&mut length, bytes.len() as u64);
            running.note(kind::PASSED, &length);
        } else {
            running.ahead = None;
            running.contents(kind::DELIVERED, bytes);
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
            let at = running.at();
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
            let at = self.over.as_ref().map_or_else(|| self.at(), |(at, _)| *at);
            self.ended(at, closed);
            self.append(true);
            self.closed = true;
        }
    }

    /// The call is over, at this time.
    fn ended(&mut self, at: u64, closed: &Closed) {
        self.json_at(at, kind::CLOSED, closed, |closed| Entry::Closed(Box::new(closed)));
    }

    fn note(&mut self, kind: u8, bytes: &[u8]) {
        if !self.closed {
            let at = self.at();
            entry::write(kind, at, bytes, &mut self.buffer);
        }
    }

    /// Notes bytes that came or went, if they are to be kept.
    fn contents(&mut self, kind: u8, bytes: &[u8]) {
        let bytes = if self.contents { bytes } else { &[] };
        self.note(kind, bytes);
    }

    /// The same for bytes that can be shared.
    fn bytes(&mut self, kind: u8, bytes: &Bytes) {
        if bytes.len() < LARGE || !self.contents || self.closed {
            return self.contents(kind, bytes);
        }
        let (at, before) = (self.at(), std::mem::take(&mut self.buffer));
        self.noted += before.len() + bytes.len();
        self.large.push(Large { at, before, bytes: bytes.clone(), kind });
    }

    fn at(&self) -> u64 {
        self.started.elapsed().as_micros() as u64
    }

    fn json<T: Clone + Serialize>(&mut self, kind: u8, value: &T, entry: impl FnOnce(T) -> Entry) {
        self.json_at(self.at(), kind, value, entry);
    }

    fn json_at<T: Clone + Serialize>(
        &mut self,
        at: u64,
        kind: u8,
        value: &T,
        entry: impl FnOnce(T) -> Entry,
    ) {
        if self.closed {
            return;
        }
        // None of these types can fail to be written.
        let text = serde_json::to_vec(value).unwrap_or_default();
        entry::write(kind, at, &text, &mut self.buffer);
        self.content.say(entry(value.clone()));
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
        if self.noted + self.buffer.len() >= FULL || self.appended.elapsed() >= OLD {
            self.append(false);
        }
    }

    fn append(&mut self, last: bool) {
        let mut content = std::mem::take(&mut self.content);
        let mut notes = Vec::new();
        for large in std::mem::take(&mut self.large) {
            self.put(large, &mut notes, &mut content);
        }
        if notes.is_empty() {
            notes = std::mem::take(&mut self.buffer);
        } else {
            notes.append(&mut self.buffer);
        }
        content.push(notes.into());
        if content.len() == 0 {
            return;
        }
        self.noted = 0;
        self.log.append(self.call, self.sequence, last, content);
        self.sequence += 1;
        self.appended = Instant::now();
    }

    /// Puts large bytes and the notes before them to `notes`, or to `content` behind these.
    fn put(&self, large: Large, notes: &mut Vec<u8>, content: &mut Content) {
        let Large { at, before, bytes, kind } = large;
        if notes.is_empty() {
            *notes = before;
        } else {
            notes.extend_from_slice(&before);
        }
        let again = entry::again(kind).filter(|_| bytes.len() >= LEAST);
        let whose = again.map(|kind| (kind, hash_of((self.whose, kind, &bytes[..BEGIN]))));
        if let Some((again, whose)) = whose
            && let Some((reference, base)) = self.log.again(whose, &bytes, content.refers_to())
        {
            let mut told = Vec::with_capacity(bytes.len() - reference.front - reference.back + 64);
            reference.write(&bytes, &mut told);
            entry::write(again, at, &told, notes);
            content.refer(base);
            return;
        }
        entry::begin(kind, at, bytes.len(), notes);
        content.push(std::mem::take(notes).into());
        match whose {
            Some((_, whose)) => content.offer(whose, bytes),
            None => content.push(bytes),
        }
    }
}

/// What bodies begin with that are likely to be much the same.
const BEGIN: usize = 256;

fn hash_of(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
