//! One file of the log: frames one behind the other, each sealed by itself.
//!
//! A frame's head is readable without the key and covered by its seal: whose call it belongs to, its number in the call, whether
//! it is the last. A file that ends within a frame is read up to there; damage in the middle costs the frames it hit, since the
//! next head is found again by its mark and check. Knows nothing of what frames hold.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ring::aead::{Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce};
use uuid::Uuid;

use super::bases::Place;
use super::content::Content;
use crate::key::Key;

/// What a file begins with; the salt of its key follows.
const MAGIC: [u8; 8] = *b"LGATELG1";

/// Bytes before the first frame.
const PREAMBLE: u64 = 24;

/// What a frame begins with.
const MARK: [u8; 4] = *b"\xf5LGF";

/// Bytes of a frame before its content.
pub(crate) const HEAD: usize = 40;

/// Files from this number on cannot be referred to.
pub(crate) const FILES: u64 = 1 << 30;

/// The largest content of a frame. What is larger is damage, or the caller's fault.
pub(crate) const MAX_CONTENT: usize = 256 * 1024 * 1024;

/// Whose a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The file, of the same process, in which a body lies that it refers to.
    pub(crate) base: Option<u32>,
    /// The call.
    pub(crate) call: Uuid,
    /// Whether nothing of this call follows.
    pub(crate) last: bool,
    /// Its number among the frames of this call.
    pub(crate) sequence: u32,
    /// Bytes of its content with the seal.
    len: u32,
    /// Its number in the file, which makes its nonce.
    number: u32,
}

impl Head {
    /// Bytes of the whole frame.
    pub(crate) fn span(&self) -> u64 {
        HEAD as u64 + u64::from(self.len)
    }

    fn write(&self, into: &mut [u8]) {
        into[0..4].copy_from_slice(&MARK);
        into[4..8].copy_from_slice(&self.len.to_le_bytes());
        into[8..12].copy_from_slice(&self.number.to_le_bytes());
        into[12..16].copy_from_slice(&self.sequence.to_le_bytes());
        into[16..32].copy_from_slice(self.call.as_bytes());
        let base = self.base.map_or(0, |file| (file + 1) << 1);
        into[32..36].copy_from_slice(&(base | u32::from(self.last)).to_le_bytes());
        let check = check(&into[..36]);
        into[36..40].copy_from_slice(&check);
    }

    fn read(from: &[u8; HEAD]) -> Option<Self> {
        let word = |at: usize| u32::from_le_bytes([from[at], from[at + 1], from[at + 2], from[at + 3]]);
        let call = Uuid::from_bytes(std::array::from_fn(|at| from[16 + at]));
        let whole = from[..4] == MARK && from[36..] == check(&from[..36]) && word(4) as usize <= MAX_CONTENT;
        let (base, last) = ((word(32) >> 1).checked_sub(1), word(32) & 1 == 1);
        whole.then(|| Self { base, call, last, sequence: word(12), len: word(4), number: word(8) })
    }
}

fn check(bytes: &[u8]) -> [u8; 4] {
    let hash = blake3::hash(bytes);
    std::array::from_fn(|at| hash.as_bytes()[at])
}

fn nonce(number: u32) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[..4].copy_from_slice(&number.to_le_bytes());
    Nonce::assume_unique_for_key(bytes)
}

/// Memory for a frame that is kept for the next one.
const KEPT: usize = 1 << 20;

/// A file that is being written.
pub(crate) struct Writer {
    /// Where frames are put together and sealed.
    buffer: Vec<u8>,
    file: File,
    key: LessSafeKey,
    number: u32,
    path: PathBuf,
    written: u64,
}

impl Writer {
    /// Begins a file. Fails if there is one.
    pub(crate) fn create(path: &Path, key: &Key) -> io::Result<Self> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(io::Error::other)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let mut preamble = Vec::with_capacity(PREAMBLE as usize);
        preamble.extend_from_slice(&MAGIC);
        preamble.extend_from_slice(&salt);
        file.write_all(&preamble)?;
        Ok(Self {
            buffer: Vec::new(),
            file,
            key: key.sealing(salt),
            number: 0,
            path: path.to_owned(),
            written: PREAMBLE,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// The file, for whoever syncs it.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Seals and writes a frame in one go. When this fails, what got in is taken out again.
    pub(crate) fn append(
        &mut self,
        call: Uuid,
        sequence: u32,
        last: bool,
        content: &Content,
    ) -> io::Result<()> {
        let number = self.number;
        self.number += 1;
        if content.len() > MAX_CONTENT - MAX_TAG_LEN {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let base = content.refers_to();
        let head = Head { base, call, last, sequence, len: (content.len() + MAX_TAG_LEN) as u32, number };
        let mut front = [0; HEAD];
        head.write(&mut front);
        self.buffer.clear();
        self.buffer.reserve(HEAD + content.len() + MAX_TAG_LEN);
        self.buffer.extend_from_slice(&front);
        for part in content.parts() {
            self.buffer.extend_from_slice(part);
        }
        let sealed =
            self.key.seal_in_place_separate_tag(nonce(number), Aad::from(&front), &mut self.buffer[HEAD..]);
        let tag = sealed.map_err(|_| io::Error::other("a frame could not be sealed"))?;
        self.buffer.extend_from_slice(tag.as_ref());
        let written = self.file.write_all(&self.buffer);
        match written {
            Ok(()) => self.written += self.buffer.len() as u64,
            // What is left of it would be taken for damage, no more.
            Err(_) => drop(self.file.set_len(self.written)),
        }
        self.buffer.clear();
        self.buffer.shrink_to(KEPT);
        written
    }
}

/// What comes next in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Bytes that are no frame were skipped.
    Damage(u64),
    /// So far there is no more.
    End,
    /// A frame, and where it begins.
    Frame(Head, u64),
}

/// A file that is being read, also while it is being written.
pub(crate) struct Reader {
    file: File,
    key: LessSafeKey,
    offset: u64,
    /// How long the file was when that was asked the last time.
    size: u64,
}

impl Reader {
    /// Opens a file. `None` if it has not even its preamble, as a process that was killed at its first write leaves it.
    pub(crate) fn open(path: &Path, key: &Key) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let mut preamble = [0; PREAMBLE as usize];
        match file.read_exact_at(&mut preamble, 0) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        if preamble[..8] != MAGIC {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a file of the log"));
        }
        let key = key.sealing(std::array::from_fn(|at| preamble[8 + at]));
        Ok(Some(Self { file, key, offset: PREAMBLE, size: PREAMBLE }))
    }

    /// The next frame. At the end of a file that is still written, asking again later goes on; `finished` says that it is
    /// not, so that a torn end is damage.
    pub(crate) fn step(&mut self, finished: bool) -> io::Result<Step> {
        let mut bytes = [0; HEAD];
        if self.size.saturating_sub(self.offset) >= HEAD as u64 {
            self.file.read_exact_at(&mut bytes, self.offset)?;
            if let Some(head) = Head::read(&bytes).filter(|head| self.offset + head.span() <= self.size) {
                let at = self.offset;
                self.offset += head.span();
                return Ok(Step::Frame(head, at));
            }
        }
        // Nothing more that is whole, as far as is known.
        self.size = self.file.metadata()?.len();
        let size = self.size;
        let left = size.saturating_sub(self.offset);
        if left == 0 {
            return Ok(Step::End);
        }
        let head = if left >= HEAD as u64 {
            self.file.read_exact_at(&mut bytes, self.offset)?;
            Head::read(&bytes)
        } else if finished {
            None
        } else {
            return Ok(Step::End);
        };
        match head {
            Some(head) if head.span() <= left => {
                let at = self.offset;
                self.offset += head.span();
                Ok(Step::Frame(head, at))
            }
            Some(_) if !finished => Ok(Step::End),
            Some(_) | None => {
                let next = self.next_head(self.offset + 1, size)?;
                let skipped = next - self.offset;
                self.offset = next;
                Ok(Step::Damage(skipped))
            }
        }
    }

    /// A body that lies in a frame of this call which begins there; `None` if it is damaged.
    pub(crate) fn body(&self, place: &Place) -> io::Result<Option<Bytes>> {
        let mut bytes = [0; HEAD];
        if place.frame + HEAD as u64 > self.file.metadata()?.len() {
            return Ok(None);
        }
        self.file.read_exact_at(&mut bytes, place.frame)?;
        let Some(head) = Head::read(&bytes).filter(|head| head.call == place.call) else { return Ok(None) };
        let Some(content) = self.read(&head, place.frame)? else { return Ok(None) };
        let end = place.start.checked_add(place.length).filter(|end| *end <= content.len());
        Ok(end.map(|end| Bytes::from(content).slice(place.start..end)))
    }

    /// Where the next frame after a damage begins, or the file's end.
    fn next_head(&self, mut from: u64, size: u64) -> io::Result<u64> {
        let mut window = vec![0; 64 * 1024];
        let mut bytes = [0; HEAD];
        while from < size {
            let length = window.len().min((size - from) as usize);
            let part = &mut window[..length];
            self.file.read_exact_at(part, from)?;
            for at in memchr::memmem::find_iter(part, &MARK) {
                let at = from + at as u64;
                if at + HEAD as u64 <= size {
                    self.file.read_exact_at(&mut bytes, at)?;
                    if Head::read(&bytes).is_some_and(|head| at + head.span() <= size) {
                        return Ok(at);
                    }
                }
            }
            // A mark may lie over the border of two windows.
            from += (length.max(MARK.len()) - (MARK.len() - 1)) as u64;
        }
        Ok(size)
    }

    /// Opens the seal of a frame. `None` if it is damaged.
    pub(crate) fn read(&self, head: &Head, at: u64) -> io::Result<Option<Vec<u8>>> {
        let mut content = vec![0; head.len as usize];
        self.file.read_exact_at(&mut content, at + HEAD as u64)?;
        // The head that was read is the head that was written, or its check would not hold.
        let mut front = [0; HEAD];
        head.write(&mut front);
        let opened = self.key.open_in_place(nonce(head.number), Aad::from(&front), &mut content);
        let length = opened.map(|plain| plain.len()).ok();
        Ok(length.map(|length| {
            content.truncate(length);
            content
        }))
    }
}
