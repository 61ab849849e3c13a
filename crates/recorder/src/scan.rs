//! Reads the log behind the calls: finds which calls are complete, hands out what was noted of them, deletes files that are done with.
//!
//! Keeps places only, no content, so a call costs a few bytes until it is taken. What an earlier process left is found again by
//! reading its files from the start; a call of it without an end was interrupted. Stores nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use crate::entry::{self, Entry};
use crate::log::Log;
use crate::log::bases::Place;
use crate::log::content::Content;
use crate::log::folder::beside;
use crate::log::segment::{Head, Reader, Step};

/// How long frames are waited for that should be there, since the last one of their call is.
const STRAGGLERS: Duration = Duration::from_secs(10);

/// Between two looks for files of processes that are gone.
const ORPHANS: Duration = Duration::from_secs(30);

/// What was noted of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawCall {
    /// Whether its end was noted. If not, the process ended within it.
    pub ended: bool,
    /// Its steps in order, each with microseconds since it came in.
    pub entries: Vec<(u64, Entry)>,
    /// The call.
    pub id: Uuid,
    /// Frames that are missing or damaged.
    pub missing: u32,
}

impl RawCall {
    /// About how many bytes were noted.
    pub fn size(&self) -> usize {
        self.entries.iter().map(|(_, entry)| entry.size()).sum()
    }
}

/// Reads the log.
pub struct Scanner {
    /// When files of processes that are gone were looked for.
    adopted: Option<Instant>,
    /// Files that were put into quarantine and not asked about yet.
    aside: u64,
    /// The body that was fetched last because others refer to it.
    base: Option<(Place, Bytes)>,
    calls: HashMap<Uuid, Places>,
    damaged: u64,
    /// Ends of calls of this process that were seen.
    ended: u64,
    files: BTreeMap<Arc<Path>, File>,
    log: Log,
    /// Calls whose end was lost, with its number and when that was learnt.
    torn: HashMap<Uuid, (u32, Instant)>,
}

#[derive(Default)]
struct File {
    /// Calls with frames in it, or that refer to it, that are not done with.
    calls: HashSet<Uuid>,
    /// Whether everything in it was seen and nothing will follow.
    finished: bool,
    reader: Option<Reader>,
    /// Whether nothing can come to refer to it any more that has not been seen. What is finished and was not offered to be referred to when the
    /// log was looked at again stays so.
    settled: bool,
    /// Whether the system does not let it be read just now.
    unreadable: bool,
}

#[derive(Default)]
struct Places {
    /// How many frames it has, once the last was seen, and when that was.
    ended: Option<(u32, Instant)>,
    frames: Vec<(Arc<Path>, Head, u64)>,
    /// Whether its damaged frames were counted.
    counted: bool,
    /// Whether any of it is of this process, so that more may come.
    ours: bool,
    /// Handed out and not done with.
    taken: bool,
}

impl File {
    /// It cannot be read for now. Others can.
    fn cannot(&mut self, path: &Path, error: &io::Error) {
        if !self.unreadable {
            tracing::warn!(path = %path.display(), %error, "a file of the record cannot be read; it is tried again");
        }
        self.unreadable = true;
    }
}

impl Scanner {
    /// Reads a log from its oldest file.
    pub fn new(log: Log) -> Self {
        Self {
            adopted: None,
            aside: 0,
            base: None,
            calls: HashMap::new(),
            damaged: 0,
            ended: 0,
            files: BTreeMap::new(),
            log,
            torn: HashMap::new(),
        }
    }

    /// Bytes that could not be read, so far.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Files that were put into quarantine since this was asked the last time.
    pub(crate) fn aside(&mut self) -> u64 {
        std::mem::take(&mut self.aside)
    }

    /// Files that the system does not let be read; they are tried again with each look.
    pub(crate) fn unreadable(&self) -> u64 {
        self.files.values().filter(|file| file.unreadable).count() as u64
    }

    /// Calls of this process whose end it has seen.
    pub(crate) fn ended(&self) -> u64 {
        self.ended
    }

    /// Looks at what is new, and says which calls can be taken.
    pub fn look(&mut self) -> io::Result<Vec<Uuid>> {
        self.adopt();
        let offered = self.log.offered();
        for (path, file) in self.files.iter_mut().filter(|(_, file)| file.finished) {
            file.settled |= !offered.contains(&**path);
        }
        for path in self.log.files()? {
            if !self.files.contains_key(&*path) {
                self.files.insert(path.into(), File::default());
            }
        }
        let paths: Vec<Arc<Path>> = self.files.keys().cloned().collect();
        for path in &paths {
            self.read(path)?;
        }
        for path in &paths {
            self.sweep(path)?;
        }
        self.tear();
        let now = Instant::now();
        let ready = |places: &Places| match places.ended {
            _ if places.taken => false,
            Some((frames, since)) => {
                places.frames.len() >= frames as usize || !places.ours || now - since > STRAGGLERS
            }
            None => !places.ours,
        };
        let mut ready: Vec<Uuid> =
            self.calls.iter().filter(|(_, places)| ready(places)).map(|(call, _)| *call).collect();
        // Ids begin with their time, so calls are stored in the order in which they came.
        ready.sort();
        Ok(ready)
    }

    /// Takes over what processes that are gone have left, now and then.
    fn adopt(&mut self) {
        if self.adopted.is_some_and(|at| at.elapsed() < ORPHANS) {
            return;
        }
        self.adopted = Some(Instant::now());
        match self.log.adopt() {
            Ok(0) => {}
            Ok(files) => tracing::info!(files, "the record of a gateway that is gone is taken over"),
            Err(error) => tracing::warn!(%error, "the record of gateways that are gone cannot be looked for"),
        }
    }

    /// Ends calls whose end was lost.
    fn tear(&mut self) {
        let now = Instant::now();
        self.torn.extend(self.log.torn().into_iter().map(|(call, end)| (call, (end, now))));
        let calls = &mut self.calls;
        self.torn.retain(|call, (end, since)| match calls.get_mut(call) {
            Some(places) => {
                places.ended.get_or_insert((*end + 1, now));
                false
            }
            // Its beginning may still wait in memory; or all of it is lost.
            None => now - *since < STRAGGLERS,
        });
    }

    fn read(&mut self, path: &Arc<Path>) -> io::Result<()> {
        let Some(file) = self.files.get_mut(path).filter(|file| !file.finished) else { return Ok(()) };
        let ours = self.log.is_ours(path);
        // Asked before reading: what is written in between is read the next time.
        let finished = !ours || !self.log.is_open(path);
        if file.reader.is_none() {
            file.reader = match Reader::open(path, self.log.key()) {
                Ok(reader) => reader,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.put_aside(path);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.files.remove(path);
                    return Ok(());
                }
                Err(error) => {
                    file.cannot(path, &error);
                    return Ok(());
                }
            };
        }
        let mut bases = Vec::new();
        if let Some(reader) = &mut file.reader {
            loop {
                let step = match reader.step(finished) {
                    Ok(step) => step,
                    Err(error) => {
                        file.cannot(path, &error);
                        return Ok(());
                    }
                };
                match step {
                    Step::Damage(bytes) => {
                        self.damaged += bytes;
                        tracing::warn!(path = %path.display(), bytes, "a part of the record is damaged");
                    }
                    Step::End => break,
                    Step::Frame(head, at) => {
                        let places = self.calls.entry(head.call).or_default();
                        places.ours |= ours;
                        if head.last {
                            self.ended += u64::from(ours);
                            places.ended = Some((head.sequence + 1, Instant::now()));
                        }
                        places.frames.push((path.clone(), head, at));
                        file.calls.insert(head.call);
                        bases.extend(head.base.map(|base| (base, head.call)));
                    }
                }
            }
        }
        file.unreadable = false;
        file.finished = finished;
        // Nothing more is written of what its process wrote.
        file.settled |= !ours;
        if finished && file.reader.is_none() {
            // Its process was killed before it wrote anything.
            self.files.remove(path);
            return self.log.remove(path);
        }
        for (base, call) in bases {
            self.files.entry(beside(path, base).into()).or_default().calls.insert(call);
        }
        Ok(())
    }

    /// A file that does not begin as one: it is kept, and what is in it counts as damaged.
    fn put_aside(&mut self, path: &Arc<Path>) {
        match self.log.put_aside(path) {
            Ok(size) => {
                tracing::warn!(path = %path.display(), bytes = size, "a file of the record is none, and is put into quarantine");
                self.damaged += size;
                self.aside += 1;
                self.files.remove(path);
            }
            Err(error) => {
                if let Some(file) = self.files.get_mut(path) {
                    file.cannot(path, &error);
                }
            }
        }
    }

    /// Hands out a call. It stays in the log until it is done with.
    pub fn take(&mut self, call: Uuid) -> io::Result<Option<RawCall>> {
        let Some(places) = self.calls.get_mut(&call) else { return Ok(None) };
        places.taken = true;
        places.frames.sort_by_key(|(_, head, _)| head.sequence);
        let (frames, counted) = (places.frames.clone(), std::mem::replace(&mut places.counted, true));
        let ended = places.ended.map(|(frames, _)| frames);
        let mut entries = Vec::new();
        let (mut read, mut damaged) = (0, 0);
        for (path, head, at) in &frames {
            let content = match self.log.recent(call, head.sequence) {
                Some(content) => Some(content),
                None => {
                    // What the disk does not give back is as good as damaged: other calls do not wait for it.
                    let failed = |error| tracing::warn!(%call, %error, "a part of the record cannot be read");
                    self.content(path, head, *at).map_err(failed).ok().flatten().map(Content::from)
                }
            };
            let whole = content
                .map(|content| entry::read(content, &mut |place| self.fetch(path, place), &mut entries));
            match whole {
                Some(Ok(true)) => read += 1,
                Some(Ok(false)) => tracing::warn!(%call, "a body of the record is lost with another one"),
                Some(Err(error)) => tracing::warn!(%call, %error, "a part of the record cannot be read"),
                None if counted => {}
                None => {
                    damaged += head.span();
                    let (path, bytes) = (path.display(), head.span());
                    tracing::warn!(%call, %path, bytes, "a part of the record is damaged");
                }
            }
        }
        self.damaged += damaged;
        let missing = ended.unwrap_or(frames.len() as u32).saturating_sub(read);
        Ok(Some(RawCall { ended: ended.is_some(), entries, id: call, missing }))
    }

    /// What is in a frame; `None` if it is damaged.
    fn content(&self, path: &Path, head: &Head, at: u64) -> io::Result<Option<Vec<u8>>> {
        let reader = self.files.get(path).and_then(|file| file.reader.as_ref());
        Ok(reader.map(|reader| reader.read(head, at)).transpose()?.flatten())
    }

    /// A body that a frame in this file refers to.
    fn fetch(&mut self, path: &Path, place: &Place) -> Option<Bytes> {
        if let Some((_, bytes)) = self.base.as_ref().filter(|(known, _)| known == place) {
            return Some(bytes.clone());
        }
        let reader = self.files.get(&*beside(path, place.file))?.reader.as_ref()?;
        let bytes = reader.body(place).ok()??;
        self.base = Some((*place, bytes.clone()));
        Some(bytes)
    }

    /// A call that was handed out is to be handed out again.
    pub fn put_back(&mut self, call: Uuid) {
        if let Some(places) = self.calls.get_mut(&call) {
            places.taken = false;
        }
    }

    /// A call is stored: files that hold nothing else are deleted.
    pub fn done(&mut self, call: Uuid) -> io::Result<()> {
        let Some(places) = self.calls.remove(&call) else { return Ok(()) };
        let of_frame = |(path, head, _): (Arc<Path>, Head, u64)| {
            let base = head.base.map(|base| beside(&path, base).into());
            std::iter::once(path).chain(base)
        };
        let paths: HashSet<Arc<Path>> = places.frames.into_iter().flat_map(of_frame).collect();
        for path in paths {
            if let Some(file) = self.files.get_mut(&path) {
                file.calls.remove(&call);
            }
            self.sweep(&path)?;
        }
        Ok(())
    }

    fn sweep(&mut self, path: &Arc<Path>) -> io::Result<()> {
        let done =
            |file: &File| file.finished && file.settled && file.calls.is_empty() && file.reader.is_some();
        if self.files.get(path).is_some_and(done) {
            self.files.remove(path);
            self.log.remove(path)?;
        }
        Ok(())
    }

    /// Calls that are in the log and not stored.
    pub fn waiting(&self) -> usize {
        self.calls.len()
    }

    /// What is left of a call's frames, each with its number in the call. They refer to nothing else.
    pub(crate) fn frames(&mut self, call: Uuid) -> Vec<(u32, Vec<u8>)> {
        let mut frames = Vec::new();
        for (path, head, at) in self.calls.get(&call).map_or_else(Vec::new, |places| places.frames.clone()) {
            let Ok(Some(content)) = self.content(&path, &head, at) else { continue };
            let content = if head.base.is_some() {
                let alone = entry::alone(&content.into(), &mut |place| self.fetch(&path, place));
                let Ok(alone) = alone else { continue };
                alone
            } else {
                content
            };
            frames.push((head.sequence, content));
        }
        frames
    }
}
