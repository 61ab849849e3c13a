//! Stores what the log holds, behind the calls: a thread that reads, makes records and writes them in batches.
//!
//! A database that does not answer holds it up and nothing else; the log keeps what waits. A call that cannot be made into a
//! record, or whose record the database refuses, goes into quarantine: a sealed file of its own, so that it holds up no other.
//! Counts what it does for health pages. Knows no call's content.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lockgate_store::{Error, PieceHash, Record, Records, Scope};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::log::Log;
use crate::log::content::Content;
use crate::log::segment::Writer;
use crate::scan::{RawCall, Scanner};

/// Calls in one batch.
const BATCH: usize = 256;

/// Bytes of calls in one batch.
const BATCH_BYTES: usize = 16 << 20;

/// How long the first call of a batch waits for others, unless there are many.
const GATHER: Duration = Duration::from_millis(100);

/// The longest time between two tries at a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says which pieces a scope has; asks the store.
pub type Known<'a> = dyn FnMut(&Scope) -> Result<HashSet<PieceHash>, Error> + 'a;

/// Makes records of calls.
pub trait Transcribe: Send {
    /// What of a call is stored.
    fn transcribe(&mut self, call: &RawCall, known: &mut Known<'_>) -> Result<Record, Error>;

    /// What it made was not stored: it must not count on it.
    fn forget(&mut self);
}

/// How storing goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the log that could not be read since the start.
    pub damaged: u64,
    /// Files in quarantine.
    pub quarantined: u64,
    /// Calls that were stored since the start.
    pub stored: u64,
    /// Why nothing is stored just now; `None` when it is.
    pub trouble: Option<String>,
    /// Files of the log that the system does not let be read.
    pub unreadable: u64,
    /// Calls that are in the log and not stored, those included that still run.
    pub waiting: usize,
}

/// The thread that stores calls.
pub struct Scribe {
    log: Log,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    damaged: AtomicU64,
    quarantined: AtomicU64,
    /// Ends of calls that were seen in the log.
    seen: AtomicU64,
    stop: AtomicBool,
    stored: AtomicU64,
    trouble: Mutex<Option<String>>,
    unreadable: AtomicU64,
    waiting: AtomicUsize,
}

impl Scribe {
    /// Begins to store what `log` holds. `runtime` drives the store's connections.
    pub fn start(
        log: Log,
        store: Arc<dyn Records>,
        transcriber: Box<dyn Transcribe>,
        runtime: Handle,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared { quarantined: log.quarantined().into(), ..Shared::default() });
        let mut work = Work {
            log: log.clone(),
            runtime,
            scanner: Scanner::new(log.clone()),
            shared: shared.clone(),
            store,
            transcriber,
            unwoven: HashSet::new(),
        };
        let thread = std::thread::Builder::new().name("lockgate-scribe".into()).spawn(move || work.run())?;
        Ok(Self { log, shared, thread: Mutex::new(Some(thread)) })
    }

    /// How it goes.
    pub fn progress(&self) -> Progress {
        Progress {
            damaged: self.shared.damaged.load(Ordering::Relaxed),
            quarantined: self.shared.quarantined.load(Ordering::Relaxed),
            stored: self.shared.stored.load(Ordering::Relaxed),
            trouble: self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            unreadable: self.shared.unreadable.load(Ordering::Relaxed),
            waiting: self.shared.waiting.load(Ordering::Relaxed) + self.unseen(),
        }
    }

    /// Calls that have ended since the log was looked at.
    fn unseen(&self) -> usize {
        self.log.ended().saturating_sub(self.shared.seen.load(Ordering::Relaxed)) as usize
    }

    /// Stores what is complete, with one more try if the database does not answer, and ends. Blocks.
    pub fn finish(&self, log: &Log) {
        self.shared.stop.store(true, Ordering::SeqCst);
        log.nudge();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

struct Work {
    log: Log,
    runtime: Handle,
    scanner: Scanner,
    shared: Arc<Shared>,
    store: Arc<dyn Records>,
    transcriber: Box<dyn Transcribe>,
    /// Calls that were taken apart again because of pieces that the store did not have.
    unwoven: HashSet<Uuid>,
}

/// What became of a batch.
enum Fate {
    /// To be made and written again at once.
    Again,
    /// To be tried again later.
    Held(String),
    /// Stored or in quarantine.
    Settled,
}

impl Work {
    fn run(&mut self) {
        let mut pause = Duration::from_millis(200);
        loop {
            let stopping = self.shared.stop.load(Ordering::SeqCst);
            let held = self.round().err();
            self.note(held.clone());
            match held {
                None | Some(_) if stopping => return,
                None => {
                    pause = Duration::from_millis(200);
                    self.log.wait(Duration::from_secs(1));
                    self.gather();
                }
                Some(_) => {
                    self.rest(pause);
                    pause = (pause * 2).min(PATIENCE);
                }
            }
        }
    }

    /// Lets a batch fill, unless the end is near.
    fn gather(&self) {
        if !self.shared.stop.load(Ordering::SeqCst) {
            self.log.gather(GATHER);
        }
    }

    /// Waits for so long, or until told to stop.
    fn rest(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.shared.stop.load(Ordering::SeqCst) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.log.wait(left);
        }
    }

    /// Stores all that is complete by now. The error says why that did not go on.
    fn round(&mut self) -> Result<(), String> {
        while self.batches()? {}
        Ok(())
    }

    /// True if something is to be written again.
    fn batches(&mut self) -> Result<bool, String> {
        let unreadable = |error: io::Error| format!("the log cannot be read: {error}");
        let mut ready = self.scanner.look().map_err(unreadable)?.into_iter().peekable();
        while ready.peek().is_some() {
            let mut batch = Vec::new();
            let mut bytes = 0;
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let Some(id) = ready.next() else { break };
                let Some(raw) = self.scanner.take(id).map_err(unreadable)? else { continue };
                bytes += raw.size();
                match self.record(&raw) {
                    Ok(record) => batch.push(record),
                    Err(error) if error.passes() => {
                        self.scanner.put_back(id);
                        self.held(&batch);
                        return Err(error.to_string());
                    }
                    Err(error) => self.quarantine(id, &error.to_string())?,
                }
            }
            match self.write(&batch) {
                Fate::Again => return Ok(true),
                Fate::Held(reason) => return Err(reason),
                Fate::Settled => {}
            }
        }
        Ok(false)
    }

    fn record(&mut self, raw: &RawCall) -> Result<Record, Error> {
        let (transcriber, runtime, store) = (&mut self.transcriber, &self.runtime, &self.store);
        let mut known = |scope: &Scope| runtime.block_on(store.known(scope));
        // One call that trips over a fault of ours must not end the record of all others.
        catch_unwind(AssertUnwindSafe(|| transcriber.transcribe(raw, &mut known))).unwrap_or_else(|_| {
            let reason = "a fault of Lockgate: making its record panicked".to_owned();
            Err(Error::Refused { call: raw.id, reason })
        })
    }

    /// Writes a batch; what the database refuses is put aside.
    fn write(&mut self, batch: &[Record]) -> Fate {
        if batch.is_empty() {
            return Fate::Settled;
        }
        let Err(error) = self.runtime.block_on(self.store.write(batch)) else {
            for record in batch {
                self.settle(record.call.id);
            }
            self.shared.stored.fetch_add(batch.len() as u64, Ordering::Relaxed);
            return Fate::Settled;
        };
        // Nothing of the batch is stored. Records may count on what is in those before them, so all are made again.
        self.held(batch);
        let refused = match error {
            // Pieces that it counts on were deleted.
            Error::Unwoven { call, .. } if self.unwoven.insert(call) => return Fate::Again,
            Error::Refused { call, .. } | Error::Unwoven { call, .. } => call,
            Error::Damaged(_)
            | Error::Full(_)
            | Error::Locked(_)
            | Error::Rope(_)
            | Error::Schema { .. }
            | Error::Slow(_)
            | Error::Taken { .. }
            | Error::Unavailable(_) => return Fate::Held(error.to_string()),
        };
        match self.quarantine(refused, &error.to_string()) {
            Ok(()) => Fate::Again,
            Err(error) => Fate::Held(error),
        }
    }

    /// A batch is to be made and written again.
    fn held(&mut self, batch: &[Record]) {
        self.transcriber.forget();
        for record in batch {
            self.scanner.put_back(record.call.id);
        }
    }

    /// Puts a call aside in a sealed file of its own.
    fn quarantine(&mut self, call: Uuid, reason: &str) -> Result<(), String> {
        tracing::error!(%call, reason, "a call cannot be stored and is put into quarantine");
        let folder = self.log.quarantine();
        let path = folder.join(format!("{call}.log"));
        let kept = put_aside(&folder, &path, &self.scanner.frames(call), &self.log);
        kept.map_err(|error| format!("the quarantine cannot be written: {error}"))?;
        let _ = fs::write(path.with_extension("txt"), format!("{reason}\n"));
        self.shared.quarantined.fetch_add(1, Ordering::Relaxed);
        self.settle(call);
        // What came behind it may count on what was in it.
        self.transcriber.forget();
        Ok(())
    }

    fn settle(&mut self, call: Uuid) {
        self.unwoven.remove(&call);
        if let Err(error) = self.scanner.done(call) {
            tracing::warn!(%error, "a file of the record cannot be deleted");
        }
    }

    fn note(&mut self, held: Option<String>) {
        // What lies there may be put back or deleted at any time; what is not there costs no look.
        if self.scanner.aside() + self.shared.quarantined.load(Ordering::Relaxed) > 0 {
            self.shared.quarantined.store(self.log.quarantined(), Ordering::Relaxed);
        }
        self.shared.unreadable.store(self.scanner.unreadable(), Ordering::Relaxed);
        self.shared.waiting.store(self.scanner.waiting(), Ordering::Relaxed);
        self.shared.seen.store(self.scanner.ended(), Ordering::Relaxed);
        self.shared.damaged.store(self.scanner.damaged(), Ordering::Relaxed);
        let mut trouble = self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match (&*trouble, &held) {
            (None, Some(reason)) => {
                tracing::warn!(reason, "calls are not stored for now; the log keeps them");
            }
            (Some(_), None) => tracing::info!("calls are stored again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        *trouble = held;
    }
}

/// A call as its frames were: its number in the call and what was in it.
type Frames = Vec<(u32, Vec<u8>)>;

fn put_aside(folder: &Path, path: &Path, frames: &Frames, log: &Log) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    // What a try before this one left is not whole.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let call = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .and_then(|stem| stem.parse().ok())
        .unwrap_or_default();
    let mut writer = Writer::create(path, log.key())?;
    for (place, (sequence, content)) in frames.iter().enumerate() {
        let content = Content::from(content.clone());
        writer.append(call, *sequence, place + 1 == frames.len(), &content)?;
    }
    writer.handle()?.sync_all()
}
