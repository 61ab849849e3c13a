//! The log: sealed files that calls append to, and a ring for when the disk does not take it.
//!
//! Appending is one write into the page cache on the caller's own thread. There are a few files at a time, so that threads do not
//! wait for one another. When a write fails or takes too long, frames wait in a ring of bounded bytes and the log's thread
//! writes them; what does not fit is counted as lost. The same thread syncs the files once a second. Reads nothing back: see
//! [`segment::Reader`].

pub(crate) mod aside;
pub(crate) mod bases;
pub(crate) mod content;
pub(crate) mod folder;
mod news;
mod orphans;
mod recent;
pub(crate) mod segment;

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::key::Key;
use bases::{Base, Bases, Place, Reference};
use content::Content;
use folder::{files_in, generation_of, name_of, part_of};
use news::News;
use recent::Recent;
use segment::{FILES, Writer};

/// How often files are synced, and a disk that failed is tried again.
const SYNC: Duration = Duration::from_secs(1);

/// A file that nothing was written to for so many syncs is done with.
const IDLE: u32 = 10;

/// Calls whose end was lost that are remembered until the reader asks for them.
const TORN: usize = 100_000;

/// Bounds of the log.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of all files together.
    pub files: u64,
    /// How many files are written at the same time.
    pub lanes: usize,
    /// Bytes that wait in memory while the disk does not take them.
    pub ring: usize,
    /// After so many bytes another file is begun.
    pub segment: u64,
    /// A write that takes longer sends the next ones to the ring.
    pub slow: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            files: 1 << 30,
            lanes: std::thread::available_parallelism().map_or(1, usize::from).min(8),
            ring: 64 << 20,
            // Small, so that what is stored is soon deleted: its pages are written again instead of new ones, and never get to the disk.
            segment: 4 << 20,
            slow: Duration::from_millis(50),
        }
    }
}

/// How the log is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Bytes in files.
    pub files: u64,
    /// Frames that were lost since the start: neither disk nor ring took them.
    pub lost: u64,
    /// Why frames do not go straight to disk; `None` when they do.
    pub trouble: Option<String>,
    /// Bytes that wait in memory.
    pub waiting: usize,
}

/// The log. Cheap to clone; the last clone closes it.
#[derive(Clone)]
pub struct Log(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    /// Bodies that others may refer to.
    bases: Mutex<Bases>,
    born: Instant,
    bounds: Bounds,
    /// Whether frames go to the ring.
    detour: AtomicBool,
    files: AtomicU64,
    folder: PathBuf,
    /// First part of each file's name: files of an earlier process sort before.
    generation: u64,
    key: Key,
    lanes: Vec<Lane>,
    /// Held for as long as the process lives, so that no other takes the same folder.
    _lock: File,
    lost: AtomicU64,
    /// Calls that were noted to their end.
    ended: AtomicU64,
    news: News,
    next: AtomicU64,
    recent: Mutex<Recent>,
    ring: Mutex<Ring>,
    /// Calls whose end was lost, with its number in the call.
    torn: Mutex<Vec<(Uuid, u32)>>,
    wake: Condvar,
}

/// A file that one thread at a time writes to.
#[derive(Default)]
struct Lane {
    /// When the write that is going on began, in microseconds of the log's life; 0 = none.
    began: AtomicU64,
    file: Mutex<Option<Segment>>,
}

struct Segment {
    dirty: bool,
    /// How often it was found as it had been synced before.
    idle: u32,
    number: u64,
    writer: Writer,
}

#[derive(Default)]
struct Ring {
    bytes: usize,
    frames: VecDeque<Frame>,
    stop: bool,
    trouble: Option<String>,
    /// Files that are done with and were not synced yet.
    unsynced: Vec<(PathBuf, File)>,
}

struct Frame {
    call: Uuid,
    content: Content,
    last: bool,
    sequence: u32,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Opens the log in a folder, in the first of its numbered parts that no other process holds.
    pub fn open(folder: &Path, key: Key, bounds: Bounds) -> io::Result<Self> {
        let (folder, lock) = part_of(folder)?;
        let files = files_in(&folder)?;
        let size = files.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len()).sum();
        let generation = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_micros() as u64);
        // A clock that was set back must not make new files look old.
        let newest = files.last().and_then(|path| generation_of(path)).map_or(0, |last| last + 1);
        let shared = Arc::new(Shared {
            bases: Mutex::default(),
            born: Instant::now(),
            bounds,
            detour: AtomicBool::new(false),
            files: AtomicU64::new(size),
            folder,
            generation: generation.max(newest),
            key,
            lanes: (0..bounds.lanes.max(1)).map(|_| Lane::default()).collect(),
            _lock: lock,
            lost: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            news: News::default(),
            next: AtomicU64::new(0),
            recent: Mutex::default(),
            ring: Mutex::default(),
            torn: Mutex::default(),
            wake: Condvar::new(),
        });
        let keeper = shared.clone();
        let thread = std::thread::Builder::new().name("lockgate-log".into()).spawn(move || keeper.keep())?;
        Ok(Self(Arc::new(Handle { shared, thread: Mutex::new(Some(thread)) })))
    }

    /// Appends a frame of a call. Never fails: what becomes of it otherwise is in [`State`].
    pub(crate) fn append(&self, call: Uuid, sequence: u32, last: bool, content: Content) {
        let shared = &self.0.shared;
        shared.ended.fetch_add(u64::from(last), Ordering::Relaxed);
        shared.append(Frame { call, content, last, sequence });
        if last {
            shared.news.tell();
        }
    }

    /// Calls that were noted to their end since the start.
    pub fn ended(&self) -> u64 {
        self.0.shared.ended.load(Ordering::Relaxed)
    }

    /// Calls whose end was lost since this was asked the last time. What is left of them would wait for it for ever.
    pub(crate) fn torn(&self) -> Vec<(Uuid, u32)> {
        std::mem::take(&mut *locked(&self.0.shared.torn))
    }

    /// A frame that was just written, once. What is not here any more is in its file.
    pub(crate) fn recent(&self, call: Uuid, sequence: u32) -> Option<Content> {
        locked(&self.0.shared.recent).take(&(call, sequence))
    }

    /// What of a body another one has that was just written; of one in this file, if it says one.
    pub(crate) fn again(&self, whose: u64, body: &[u8], file: Option<u32>) -> Option<(Reference, Arc<Base>)> {
        let bases = &self.0.shared.bases;
        let alike = locked(bases).alike(whose, file);
        let found = Bases::compare(&alike, body)?;
        locked(bases).touch(&found.1);
        Some(found)
    }

    /// Files that something may still come to refer to.
    pub(crate) fn offered(&self) -> HashSet<PathBuf> {
        let files = locked(&self.0.shared.bases).files();
        files.into_iter().map(|file| self.0.shared.path(u64::from(file))).collect()
    }

    /// How it is doing.
    pub fn state(&self) -> State {
        let ring = locked(&self.0.shared.ring);
        State {
            files: self.0.shared.files.load(Ordering::Relaxed),
            lost: self.0.shared.lost.load(Ordering::Relaxed),
            trouble: ring.trouble.clone(),
            waiting: ring.bytes,
        }
    }

    /// Writes what waits and syncs. Blocks; for the end of the process.
    pub fn close(&self) {
        self.0.close();
    }

    /// Where calls are put that cannot be stored.
    pub fn quarantine(&self) -> PathBuf {
        self.0.shared.folder.join(aside::FOLDER)
    }

    /// The key that its files are sealed with.
    pub(crate) fn key(&self) -> &Key {
        &self.0.shared.key
    }

    /// Whether a file is of this process, so that it may still grow.
    pub(crate) fn is_ours(&self, path: &Path) -> bool {
        generation_of(path) == Some(self.0.shared.generation)
    }

    /// Files in the order they were begun.
    pub(crate) fn files(&self) -> io::Result<Vec<PathBuf>> {
        files_in(&self.0.shared.folder)
    }

    /// Whether a file is being written.
    pub(crate) fn is_open(&self, path: &Path) -> bool {
        self.0
            .shared
            .lanes
            .iter()
            .any(|lane| locked(&lane.file).as_ref().is_some_and(|segment| segment.writer.path() == path))
    }

    /// A file is not needed any more.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let size = fs::metadata(path)?.len();
        fs::remove_file(path)?;
        // Open, it would keep its pages until it is synced.
        locked(&self.0.shared.ring).unsynced.retain(|(unsynced, _)| unsynced != path);
        self.0
            .shared
            .files
            .fetch_sub(size.min(self.0.shared.files.load(Ordering::Relaxed)), Ordering::Relaxed);
        Ok(())
    }

    /// Waits until a call has ended, or for so long. Blocks.
    pub fn wait(&self, longest: Duration) {
        self.0.shared.news.wait(longest);
    }

    /// Waits for more calls to end: for so long, or until many have. Blocks.
    pub(crate) fn gather(&self, longest: Duration) {
        self.0.shared.news.gather(longest);
    }

    /// Wakes whoever waits for calls to end.
    pub fn nudge(&self) {
        self.0.shared.news.tell();
    }
}

impl Handle {
    fn close(&self) {
        locked(&self.shared.ring).stop = true;
        self.shared.wake.notify_all();
        let thread = locked(&self.thread).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn append(&self, frame: Frame) {
        if self.detour.load(Ordering::Relaxed) {
            return self.queue(frame);
        }
        for lane in &self.lanes {
            match lane.file.try_lock() {
                Ok(file) => return self.write_through(lane, file, frame),
                Err(TryLockError::Poisoned(poisoned)) => {
                    return self.write_through(lane, poisoned.into_inner(), frame);
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        // All files are being written to. One that stands still is not waited for.
        let lane = &self.lanes[usize::from(frame.call.as_bytes()[15]) % self.lanes.len()];
        let began = lane.began.load(Ordering::Relaxed);
        let stuck = self.now().saturating_sub(began);
        if began != 0 && u128::from(stuck) > self.bounds.slow.as_micros() {
            self.take_detour(format!("a write has been going on for {} ms", stuck / 1000));
            return self.queue(frame);
        }
        self.write_through(lane, locked(&lane.file), frame);
    }

    /// Writes a frame; what the disk does not take goes to the ring.
    fn write_through(&self, lane: &Lane, mut file: MutexGuard<'_, Option<Segment>>, frame: Frame) {
        let began = self.now();
        lane.began.store(began, Ordering::Relaxed);
        let written = self.write(&mut file, &frame);
        lane.began.store(0, Ordering::Relaxed);
        drop(file);
        let took = Duration::from_micros(self.now().saturating_sub(began));
        match written {
            Err(error) => {
                self.take_detour(error.to_string());
                self.queue(frame);
            }
            Ok(()) => {
                if took > self.bounds.slow {
                    self.take_detour(format!("a write took {} ms", took.as_millis()));
                }
                let Frame { call, content, sequence, .. } = frame;
                if locked(&self.recent).put((call, sequence), content) {
                    self.news.hurry();
                }
            }
        }
    }

    fn write(&self, file: &mut Option<Segment>, frame: &Frame) -> io::Result<()> {
        let size = frame.content.len() as u64;
        if self.files.load(Ordering::Relaxed) + size > self.bounds.files {
            locked(&self.bases).drop_of(None);
            let words = format!("the log holds {} bytes, which is its bound", self.bounds.files);
            return Err(io::Error::new(io::ErrorKind::StorageFull, words));
        }
        if file.as_ref().is_some_and(|segment| segment.writer.written() + size > self.bounds.segment) {
            self.finish(file);
        }
        let segment = match file {
            Some(segment) => segment,
            None => {
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                let writer = Writer::create(&self.path(number), &self.key)?;
                file.insert(Segment { dirty: false, idle: 0, number, writer })
            }
        };
        let before = segment.writer.written();
        let written = segment.writer.append(frame.call, frame.sequence, frame.last, &frame.content);
        segment.dirty = true;
        self.files.fetch_add(segment.writer.written() - before, Ordering::Relaxed);
        match &written {
            Ok(()) if segment.number < FILES => self.offer(segment.number as u32, before, frame),
            Ok(()) => {}
            // Whatever is left in this file, the next frame begins another.
            Err(_) => *file = None,
        }
        written
    }

    /// Others may refer to what was just written. Comes while nobody can end the file: who looks afterwards whether it can go sees this.
    fn offer(&self, file: u32, at: u64, frame: &Frame) {
        for (whose, start, bytes) in frame.content.offered() {
            let place = Place { call: frame.call, file, frame: at, length: bytes.len(), start };
            locked(&self.bases).put(whose, Base { bytes: bytes.clone(), place });
        }
    }

    /// Ends a file: another is begun with the next frame.
    fn finish(&self, file: &mut Option<Segment>) {
        if let Some(segment) = file.take()
            && segment.dirty
            && let Ok(handle) = segment.writer.handle()
        {
            locked(&self.ring).unsynced.push((segment.writer.path().to_owned(), handle));
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(name_of(self.generation, number))
    }

    fn now(&self) -> u64 {
        // 0 is no time.
        self.born.elapsed().as_micros() as u64 + 1
    }

    fn take_detour(&self, why: String) {
        let mut ring = locked(&self.ring);
        if ring.trouble.is_none() {
            tracing::warn!(reason = why, "the record waits in memory: the disk does not take it");
        }
        ring.trouble = Some(why);
        self.detour.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    fn queue(&self, frame: Frame) {
        let mut ring = locked(&self.ring);
        if ring.bytes + frame.content.len() > self.bounds.ring {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.ended.fetch_sub(u64::from(frame.last), Ordering::Relaxed);
            let mut torn = locked(&self.torn);
            if frame.last && frame.sequence > 0 && torn.len() < TORN {
                torn.push((frame.call, frame.sequence));
            }
            return;
        }
        ring.bytes += frame.content.len();
        ring.frames.push_back(frame);
        // A disk in trouble is tried again once a second, not with each call.
        if ring.trouble.is_none() {
            self.wake.notify_one();
        }
    }

    /// The log's own thread: empties the ring, syncs.
    fn keep(&self) {
        let mut ring = locked(&self.ring);
        loop {
            let idle = ring.frames.is_empty() || ring.trouble.is_some();
            if idle && !ring.stop {
                ring = self.wake.wait_timeout(ring, SYNC).unwrap_or_else(PoisonError::into_inner).0;
            }
            let stop = ring.stop;
            drop(ring);
            self.sync();
            let emptied = self.empty();
            ring = locked(&self.ring);
            if emptied && ring.frames.is_empty() && ring.trouble.take().is_some() {
                tracing::info!("the record goes to disk again");
                self.detour.store(false, Ordering::Relaxed);
            }
            if stop {
                return;
            }
        }
    }

    /// Writes what waits. False if the disk still does not take it.
    fn empty(&self) -> bool {
        loop {
            let frame = {
                let mut ring = locked(&self.ring);
                let Some(frame) = ring.frames.pop_front() else { return true };
                ring.bytes -= frame.content.len();
                frame
            };
            let lane = &self.lanes[0];
            let mut file = locked(&lane.file);
            let began = Instant::now();
            let written = self.write(&mut file, &frame);
            drop(file);
            if let Err(error) = written {
                let mut ring = locked(&self.ring);
                ring.bytes += frame.content.len();
                ring.frames.push_front(frame);
                ring.trouble = Some(error.to_string());
                return false;
            }
            if began.elapsed() > self.bounds.slow {
                return false;
            }
        }
    }

    fn sync(&self) {
        locked(&self.bases).expire();
        let mut handles = std::mem::take(&mut locked(&self.ring).unsynced);
        for lane in &self.lanes {
            let mut file = locked(&lane.file);
            let Some(segment) = file.as_mut() else { continue };
            if segment.dirty {
                segment.dirty = false;
                segment.idle = 0;
                handles
                    .extend(segment.writer.handle().map(|handle| (segment.writer.path().to_owned(), handle)));
            } else {
                segment.idle += 1;
                // What is stored can be deleted only when nothing more is written behind it.
                if segment.idle >= IDLE {
                    locked(&self.bases).drop_of(u32::try_from(segment.number).ok());
                    *file = None;
                }
            }
        }
        for (_, handle) in handles {
            if let Err(error) = handle.sync_data() {
                tracing::warn!(%error, "the record could not be synced");
            }
        }
    }
}
