//! Opens the record: the log at once, the database behind the first calls, and closes both at the end.
//!
//! Whatever goes wrong here costs the record and never a call: it is said once, and the gateway goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use lockgate_admin::{RetentionPolicy, Shelf, Ward};
use lockgate_config::{Environment, RecordMode, Snapshot};
use lockgate_ledger::{Prices, PricesError};
use lockgate_recorder::{Bounds, Key, Log, Progress, Scribe, Transcriber};
use lockgate_server::{Part, Vitals};
use lockgate_store_sql::{Database, Options, Place};
use tokio::task::JoinHandle;

use super::mask::Masks;
use super::settings::UNKNOWN;
use super::titles::Titles;
use super::upkeep;
use super::ward::ward;

/// How long a database that cannot be opened is left alone.
const AGAIN: Duration = Duration::from_secs(5);

/// How long the database is left to itself after the start.
const BEHIND: Duration = Duration::from_millis(100);

/// How long the end waits for a database that is just being opened.
const OPENING: Duration = Duration::from_secs(2);

/// What is kept of calls.
pub(crate) struct Recording {
    opening: Mutex<Option<JoinHandle<()>>>,
    parts: Arc<Parts>,
}

struct Parts {
    folder: PathBuf,
    /// Whether the database could not be opened yet.
    held: AtomicBool,
    log: Log,
    masks: Masks,
    prices: Prices,
    retention: Arc<ArcSwap<RetentionPolicy>>,
    /// There once the database is open.
    scribe: OnceLock<Scribe>,
    shelf: Shelf,
    titles: Titles,
}

impl Recording {
    /// Opens the log, and the database behind it; `None` if nothing can be recorded.
    pub(crate) fn open(
        snapshot: &Snapshot,
        environment: &Environment,
        masks: &Masks,
        prices: Prices,
    ) -> Option<Self> {
        let settings = &snapshot.config().record;
        if !is_wanted(snapshot) {
            return None;
        }
        let Some(folder) = settings.folder(environment) else {
            tracing::warn!("calls are not recorded: there is no HOME; name a folder as `record.directory`");
            return None;
        };
        let bounds = Bounds { files: settings.log_bytes, ring: settings.ring_bytes, ..Bounds::default() };
        let (key, log) = match open(&folder, bounds) {
            Ok(opened) => opened,
            Err(error) => {
                let folder = folder.display();
                tracing::error!(%folder, %error, "calls are not recorded: the folder cannot be used");
                return None;
            }
        };
        let options = options(settings, &folder);
        masks.rekey(key.derive("lockgate 2026 masks of secrets"));
        let shelf = Shelf::default();
        let policy = upkeep::policy(settings, Some(folder.as_path()));
        // Until the database was asked what was set.
        let withheld = Some(UNKNOWN.to_owned());
        let retention = Arc::new(ArcSwap::from_pointee(RetentionPolicy { withheld, ..policy }));
        let held = AtomicBool::new(false);
        let parts = Arc::new(Parts {
            folder: folder.clone(),
            held,
            log,
            masks: masks.clone(),
            prices,
            retention,
            scribe: OnceLock::new(),
            shelf,
            titles: Titles::new(snapshot),
        });
        let opening = tokio::spawn(begin(options, parts.clone()));
        Some(Self { opening: Mutex::new(Some(opening)), parts })
    }

    /// Where calls are noted.
    pub(crate) fn log(&self) -> Log {
        self.parts.log.clone()
    }

    /// What is deleted by age.
    pub(crate) fn retention(&self) -> Arc<ArcSwap<RetentionPolicy>> {
        self.parts.retention.clone()
    }

    /// What could not be stored.
    pub(super) fn ward(&self) -> Arc<dyn Ward> {
        ward(&self.parts.folder)
    }

    /// Where the database is once it is open.
    pub(crate) fn shelf(&self) -> Shelf {
        self.parts.shelf.clone()
    }

    /// Who makes titles of sessions.
    pub(super) fn titles(&self) -> Titles {
        self.parts.titles.clone()
    }

    /// Takes over what a new configuration says of retention and titles.
    pub(crate) fn reload(&self, snapshot: &Snapshot) {
        self.parts.titles.reload(snapshot);
        let folder = self.parts.folder.as_path();
        let policy = upkeep::policy(&snapshot.config().record, Some(folder));
        self.parts.retention.rcu(|old| RetentionPolicy { withheld: old.withheld.clone(), ..policy.clone() });
    }

    /// Stores what can be stored, and closes.
    pub(crate) async fn finish(self: Arc<Self>) {
        let opening = self.opening.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut opening) = opening {
            // A gateway that ends as soon as it has begun still has a database to open; one without a database has not.
            if tokio::time::timeout(OPENING, &mut opening).await.is_err() {
                opening.abort();
            }
        }
        let closing = tokio::task::spawn_blocking(move || {
            if let Some(scribe) = self.parts.scribe.get() {
                scribe.finish(&self.parts.log);
            }
            self.parts.log.close();
        });
        let _ = closing.await;
    }
}

impl Vitals for Recording {
    fn parts(&self) -> Vec<Part> {
        let (log, progress) = (self.parts.log.state(), self.parts.scribe.get().map(Scribe::progress));
        let mut troubles = Vec::new();
        if log.trouble.is_some() {
            troubles.push("the disk does not take the record; it waits in memory");
        }
        if log.lost > 0 {
            troubles.push("parts of the record are lost");
        }
        let progress = match progress {
            Some(progress) => {
                if progress.trouble.is_some() {
                    troubles.push("the database does not take calls; the log keeps them");
                }
                if progress.quarantined > 0 {
                    troubles.push("calls are in quarantine");
                }
                if progress.unreadable > 0 {
                    troubles.push("a file of the log cannot be read; it is tried again");
                }
                if progress.damaged > 0 {
                    troubles.push("a part of the log is damaged");
                }
                progress
            }
            None => {
                if self.parts.held.load(Ordering::Relaxed) {
                    troubles.push("the database cannot be opened; the log keeps the calls");
                }
                Progress { waiting: self.parts.log.ended() as usize, ..Progress::default() }
            }
        };
        let mut numbers = vec![
            ("stored", progress.stored),
            ("waiting", progress.waiting as u64),
            ("quarantined", progress.quarantined),
            ("damaged", progress.damaged),
            ("lost", log.lost),
            ("log_bytes", log.files),
            ("ring_bytes", log.waiting as u64),
        ];
        numbers.extend(self.parts.titles.numbers());
        vec![Part { name: "record", numbers, troubles }]
    }
}

/// In place of a record that could not be opened: says so.
pub(crate) struct Unrecorded;

impl Vitals for Unrecorded {
    fn parts(&self) -> Vec<Part> {
        let troubles = vec!["calls are not recorded: the folder of the record cannot be used"];
        vec![Part { name: "record", numbers: Vec::new(), troubles }]
    }
}

/// Whether any call is to be recorded.
pub(crate) fn is_wanted(snapshot: &Snapshot) -> bool {
    let config = snapshot.config();
    config.record.mode != RecordMode::Off || config.keys.iter().any(|key| key.record.is_some())
}

/// Where the database is that belongs to a folder.
pub(crate) fn place(settings: &lockgate_config::Record, folder: &Path) -> Place {
    match &settings.database {
        Some(named) => Place::of(named.expose()),
        None => Place::File(folder.join("lockgate.db")),
    }
}

/// How the database is opened that belongs to a folder.
pub(crate) fn options(settings: &lockgate_config::Record, folder: &Path) -> Options {
    let pool = settings.pool;
    let wait = Duration::from_millis(pool.wait_ms);
    Options {
        acquire_timeout: wait,
        busy_timeout: wait,
        readers: pool.readers,
        statement_timeout: Duration::from_millis(pool.statement_ms),
        writers: pool.writers,
        ..Options::at(place(settings, folder))
    }
}

/// Whether there may be something in the database already: a file that is not there has nothing in it.
pub(crate) fn may_exist(settings: &lockgate_config::Record, folder: &Path) -> bool {
    match place(settings, folder) {
        // Also where it cannot be looked at.
        Place::File(file) => !matches!(file.try_exists(), Ok(false)),
        Place::Server(_) => true,
    }
}

fn open(folder: &Path, bounds: Bounds) -> io::Result<(Key, Log)> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let key = Key::open(&folder.join("key"))?;
    let log = Log::open(&folder.join("log"), key.clone(), bounds)?;
    Ok((key, log))
}

/// Opens the database and begins to store. The log keeps what waits for it.
async fn begin(options: Options, parts: Arc<Parts>) {
    // The first answers go before: whoever waits for them has just started the gateway.
    tokio::time::sleep(BEHIND).await;
    // Reading the price list takes the time of a hundred calls.
    let own = parts.clone();
    let read = move || {
        own.prices.current()?;
        Ok::<_, PricesError>(Transcriber::new(own.masks.redactor(), own.prices.clone()))
    };
    let transcriber = match tokio::task::spawn_blocking(read).await {
        Ok(Ok(transcriber)) => Box::new(transcriber),
        Ok(Err(error)) => {
            return tracing::error!(%error, "the price list cannot be read; calls are not stored");
        }
        Err(_) => return,
    };
    let mut said = false;
    let database = loop {
        match Database::open(&options).await {
            Ok(database) => break database,
            Err(error) if !said => {
                said = true;
                parts.held.store(true, Ordering::Relaxed);
                tracing::warn!(%error, "the database cannot be opened; the log keeps the calls meanwhile");
            }
            Err(_) => {}
        }
        tokio::time::sleep(AGAIN).await;
    };
    if said {
        tracing::info!("the database is open");
    }
    let runtime = tokio::runtime::Handle::current();
    let database = Arc::new(database);
    let _ = parts.shelf.set(database.clone());
    tokio::spawn(upkeep::keep(database.clone(), parts.retention.clone()));
    let store = parts.titles.hearing(database);
    match Scribe::start(parts.log.clone(), store, transcriber, runtime) {
        Ok(started) => {
            let _ = parts.scribe.set(started);
        }
        Err(error) => tracing::error!(%error, "calls are not stored: no thread can be started"),
    }
}

#[cfg(test)]
mod tests {
    use lockgate_config::{Pool, Record};

    use super::*;

    #[test]
    fn the_database_is_opened_as_the_configuration_says() {
        let pool = Pool { readers: 9, statement_ms: 1_500, wait_ms: 700, writers: 3 };
        let settings = Record { pool, ..Record::default() };
        let made = options(&settings, Path::new("/records"));
        assert_eq!(made.place, Place::File("/records/lockgate.db".into()));
        assert_eq!((made.readers, made.writers), (9, 3));
        let wait = Duration::from_millis(700);
        assert_eq!((made.acquire_timeout, made.busy_timeout), (wait, wait));
        assert_eq!(made.statement_timeout, Duration::from_millis(1_500));
        // What nobody says is what the library does by itself.
        let plain = options(&Record::default(), Path::new("/records"));
        assert_eq!(plain, Options::at(plain.place.clone()));
    }
}
