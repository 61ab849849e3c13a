//! Opens the record: the log at once, the database behind the first calls, and closes both at the end.
//!
//! Whatever goes wrong here costs the record and never a call: it is said once, and the gateway goes on.

use std::path::Path;

use lockgate_config::{Environment, Snapshot};
use lockgate_recorder::{Bounds, Key, Log};

/// What is kept of calls.
pub(crate) struct Recording {
    log: Log,
}

impl Recording {
    /// Opens the log; `None` if nothing shall be or can be recorded.
    pub(crate) fn open(snapshot: &Snapshot, environment: &Environment) -> Option<Self> {
        let settings = &snapshot.config().record;
        let Some(folder) = settings.folder(environment) else {
            tracing::warn!("calls are not recorded: there is no HOME; name a folder as `record.directory`");
            return None;
        };
        let bounds = Bounds { files: settings.log_bytes, ring: settings.ring_bytes, ..Bounds::default() };
        match open(&folder, bounds) {
            Ok(log) => Some(Self { log }),
            Err(error) => {
                tracing::error!(folder = %folder.display(), %error, "calls are not recorded: the folder cannot be used");
                None
            }
        }
    }

    /// Where calls are noted.
    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }

    /// Stores what can be stored, and closes.
    pub(crate) fn finish(&self) {
        self.log.close();
    }
}

fn open(folder: &Path, bounds: Bounds) -> std::io::Result<Log> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let key = Key::open(&folder.join("key"))?;
    Log::open(&folder.join("log"), key, bounds)
}
