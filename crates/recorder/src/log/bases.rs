//! Large bodies that were just written to the log, so that one that is much the same is written as what differs.
//!
//! A client sends its whole history with each turn; to seal and write all of it again would be most of what a call's own thread does for its
//! record. A reference says to the byte where the other body lies in the log, and the file there stays until nothing refers to it any more
//! (see `scan`). That body is whole: no reference leads to another. Bounded by bytes and by time; what is not found here is written whole.

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use lockgate_core::varint;
use lockgate_store::rope::alike;
use uuid::Uuid;

/// Shorter bodies are written as quickly.
pub(crate) const LEAST: usize = 16 << 10;

/// Bytes of bodies that are kept.
const BYTES: usize = 8 << 20;

/// Bodies that begin alike and are compared with.
const ALIKE: usize = 4;

/// How long one is kept that nothing refers to: its file stays for so long.
const IDLE: Duration = Duration::from_secs(30);

/// One in a file that so many others were begun after is let go.
const OLD: u32 = 16;

/// Where a body lies in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Whose frame it is in.
    pub(crate) call: Uuid,
    /// The number of the file, of the process that also wrote the reference.
    pub(crate) file: u32,
    /// Where the frame begins in the file.
    pub(crate) frame: u64,
    /// Bytes of the body.
    pub(crate) length: usize,
    /// Where it begins in the frame's content.
    pub(crate) start: usize,
}

/// A body that others may refer to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) bytes: Bytes,
    pub(crate) place: Place,
}

/// A body as what it has of another: so many bytes of its beginning and of its end, and others between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) back: usize,
    pub(crate) front: usize,
    pub(crate) place: Place,
}

impl Reference {
    /// Compares a body with another; `None` if too little of it is the same.
    fn of(body: &[u8], base: &Base) -> Option<Self> {
        let (front, back) = alike(body, &base.bytes);
        ((front + back) / 3 >= body.len() / 4).then_some(Self { back, front, place: base.place })
    }

    /// Writes it, with the bytes of `body` that the other has not.
    pub(crate) fn write(&self, body: &[u8], into: &mut Vec<u8>) {
        let Place { call, file, frame, length, start } = self.place;
        into.extend_from_slice(call.as_bytes());
        for number in [u64::from(file), frame, length as u64, start as u64] {
            varint::put(into, number);
        }
        varint::put(into, self.front as u64);
        varint::put(into, self.back as u64);
        into.extend_from_slice(&body[self.front..body.len() - self.back]);
    }

    /// Reads one, and where the bytes behind it begin.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let call = Uuid::from_slice(bytes.get(..16)?).ok()?;
        let mut rest = &bytes[16..];
        let mut next = || varint::take(&mut rest);
        let (file, frame) = (u32::try_from(next()?).ok()?, next()?);
        let mut size = || next().and_then(|number| usize::try_from(number).ok());
        let (length, start, front, back) = (size()?, size()?, size()?, size()?);
        let fits = front.checked_add(back).is_some_and(|same| same <= length);
        let place = Place { call, file, frame, length, start };
        fits.then_some((Self { back, front, place }, bytes.len() - rest.len()))
    }

    /// The body, from the other one and the bytes between.
    pub(crate) fn join(&self, base: &[u8], between: &[u8]) -> Bytes {
        let mut body = Vec::with_capacity(self.front + between.len() + self.back);
        body.extend_from_slice(&base[..self.front]);
        body.extend_from_slice(between);
        body.extend_from_slice(&base[base.len() - self.back..]);
        body.into()
    }
}

/// The bodies that are kept.
#[derive(Default)]
pub(crate) struct Bases {
    bytes: usize,
    /// The one that was used last is the last.
    kept: Vec<Kept>,
    /// Those that are let go, while something that is on its way to the log refers to them.
    let_go: Vec<Weak<Base>>,
}

struct Kept {
    base: Arc<Base>,
    used: Instant,
    whose: u64,
}

impl Bases {
    /// Bodies that begin alike, of this file if it says one; the latest first.
    pub(crate) fn alike(&self, whose: u64, file: Option<u32>) -> Vec<Arc<Base>> {
        let fits = |kept: &&Kept| kept.whose == whose && file.is_none_or(|file| file == kept.base.place.file);
        self.kept.iter().rev().filter(fits).map(|kept| kept.base.clone()).collect()
    }

    /// What of a body one of these has, and which; it counts as used.
    pub(crate) fn compare(alike: &[Arc<Base>], body: &[u8]) -> Option<(Reference, Arc<Base>)> {
        alike.iter().find_map(|base| Some((Reference::of(body, base)?, base.clone())))
    }

    /// It was used just now.
    pub(crate) fn touch(&mut self, base: &Arc<Base>) {
        if let Some(at) = self.kept.iter().position(|kept| Arc::ptr_eq(&kept.base, base)) {
            self.kept[at].used = Instant::now();
            self.kept[at..].rotate_left(1);
        }
    }

    /// Keeps a body that was just written.
    pub(crate) fn put(&mut self, whose: u64, base: Base) {
        let newest = base.place.file;
        self.bytes += base.bytes.len();
        self.kept.push(Kept { base: Arc::new(base), used: Instant::now(), whose });
        let alike = self.kept.iter().filter(|kept| kept.whose == whose).count();
        if alike > ALIKE
            && let Some(at) = self.kept.iter().position(|kept| kept.whose == whose)
        {
            self.let_go(at);
        }
        while self.bytes > BYTES && !self.kept.is_empty() {
            self.let_go(0);
        }
        self.drop_where(|kept| kept.base.place.file.saturating_add(OLD) < newest);
    }

    /// Lets go what was not used for a while.
    pub(crate) fn expire(&mut self) {
        self.drop_where(|kept| kept.used.elapsed() > IDLE);
    }

    /// Lets go what is in a file, or everything.
    pub(crate) fn drop_of(&mut self, file: Option<u32>) {
        self.drop_where(|kept| file.is_none_or(|file| kept.base.place.file == file));
    }

    /// Files that something may still come to refer to.
    pub(crate) fn files(&mut self) -> HashSet<u32> {
        self.let_go.retain(|base| base.strong_count() > 0);
        let let_go = self.let_go.iter().filter_map(Weak::upgrade);
        self.kept.iter().map(|kept| kept.base.clone()).chain(let_go).map(|base| base.place.file).collect()
    }

    fn drop_where(&mut self, goes: impl Fn(&Kept) -> bool) {
        while let Some(at) = self.kept.iter().position(&goes) {
            self.let_go(at);
        }
    }

    fn let_go(&mut self, at: usize) {
        let Kept { base, .. } = self.kept.remove(at);
        self.bytes -= base.bytes.len();
        self.let_go.push(Arc::downgrade(&base));
    }
}

#[cfg(test)]
mod tests;
