//! Reads the log behind the calls: finds which calls are complete, hands out what was noted of them, deletes files that are done with.
//!
//! Keeps places only, no content, so a call costs a few bytes until it is taken. What an earlier process left is found again by
//! reading its files from the start; a call of it without an end was interrupted. Stores nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::entry::{self, Entry};
use crate::log::Log;
use crate::log::content::Content;
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
    calls: HashMap<Uuid, Places>,
    damaged: u64,
    /// Ends of calls of this process that were seen.
    ended: u64,
    files: BTreeMap<Arc<Path>, File>,
    log: Log,
    /// Calls whose end was lost, with its number and when that was learnt.
    torn: HashMap<Uuid, (u32, Instant)>,
}

struct File {
    /// Calls with frames in it that were not taken.
    calls: HashSet<Uuid>,
    /// Whether everything in it was seen and nothing will follow.
    finished: bool,
    reader: Option<Reader>,
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
        for path in self.log.files()? {
            if !self.files.contains_key(&*path) {
                let file = File { calls: HashSet::new(), finished: false, reader: None, unreadable: false };
                self.files.insert(path.into(), file);
            }
        }
        let paths: Vec<Arc<Path>> = self.files.keys().cloned().collect();
        for path in paths {
            self.read(&path)?;
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
                    }
                }
            }
        }
        file.unreadable = false;
        file.finished = finished;
        if finished && file.reader.is_none() {
            // Its process was killed before it wrote anything.
            self.files.remove(path);
            return self.log.remove(path);
        }
        self.sweep(path)
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
        let mut entries = Vec::new();
        let (mut read, mut damaged) = (0, 0);
        for (path, head, at) in &places.frames {
            let content = match self.log.recent(call, head.sequence) {
                Some(content) => Some(content),
                None => {
                    let reader = self.files.get(path).and_then(|file| file.reader.as_ref());
                    let read = reader.map(|reader| reader.read(head, *at)).transpose();
                    // What the disk does not give back is as good as damaged: other calls do not wait for it.
                    let failed = |error| tracing::warn!(%call, %error, "a part of the record cannot be read");
                    read.map_err(failed).ok().flatten().flatten().map(Content::from)
                }
            };
            let whole = content.map(|content| entry::read(content, &mut entries));
            match whole {
                Some(Ok(())) => read += 1,
                Some(Err(error)) => tracing::warn!(%call, %error, "a part of the record cannot be read"),
                None if places.counted => {}
                None => {
                    damaged += head.span();
                    let (path, bytes) = (path.display(), head.span());
                    tracing::warn!(%call, %path, bytes, "a part of the record is damaged");
                }
            }
        }
        places.counted = true;
        self.damaged += damaged;
        let frames = places.ended.map_or(places.frames.len() as u32, |(frames, _)| frames);
        let missing = frames.saturating_sub(read);
        Ok(Some(RawCall { ended: places.ended.is_some(), entries, id: call, missing }))
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
        let paths: HashSet<Arc<Path>> = places.frames.into_iter().map(|(path, _, _)| path).collect();
        for path in paths {
            if let Some(file) = self.files.get_mut(&path) {
                file.calls.remove(&call);
            }
            self.sweep(&path)?;
        }
        Ok(())
    }

    fn sweep(&mut self, path: &Arc<Path>) -> io::Result<()> {
        let done = |file: &File| file.finished && file.calls.is_empty() && file.reader.is_some();
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

    /// What is left of a call's frames, each with its number in the call.
    pub(crate) fn frames(&self, call: Uuid) -> Vec<(u32, Vec<u8>)> {
        let mut frames = Vec::new();
        for (path, head, at) in self.calls.get(&call).map_or(&[][..], |places| &places.frames) {
            if let Some(reader) = self.files.get(path).and_then(|file| file.reader.as_ref())
                && let Ok(Some(content)) = reader.read(head, *at)
            {
                frames.push((head.sequence, content));
            }
        }
        frames
    }
}
