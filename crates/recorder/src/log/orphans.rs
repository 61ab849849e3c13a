//! Files of the log that change their place: those of a process that is gone are taken over by one that lives, and those that are none
//! are put aside. Reads no frame.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::{Log, files_in, locked};

impl Log {
    /// Takes over the files of parts of the log that no process holds; how many. What their processes noted is stored by this one then.
    pub(crate) fn adopt(&self) -> io::Result<usize> {
        let shared = &self.0.shared;
        let Some(root) = shared.folder.parent() else { return Ok(0) };
        let mut taken = 0;
        for entry in fs::read_dir(root)? {
            let part = entry?.path();
            let number = part.file_name().and_then(|name| name.to_str()).map(str::parse::<u8>);
            if part == shared.folder || !matches!(number, Some(Ok(_))) || files_in(&part)?.is_empty() {
                continue;
            }
            let lock = File::options().create(true).append(true).open(part.join("lock"))?;
            // Whoever lives holds it. It is held until the files are here, so that two do not take the same.
            if lock.try_lock().is_err() {
                continue;
            }
            for path in files_in(&part)? {
                let Some(target) = path.file_name().map(|name| shared.folder.join(name)) else { continue };
                if target.exists() {
                    continue;
                }
                let size = fs::metadata(&path)?.len();
                fs::rename(&path, target)?;
                shared.files.fetch_add(size, Ordering::Relaxed);
                taken += 1;
            }
        }
        Ok(taken)
    }

    /// Moves a file that cannot be one of the log to the quarantine; its size.
    pub(crate) fn put_aside(&self, path: &Path) -> io::Result<u64> {
        let folder = self.quarantine();
        fs::create_dir_all(&folder)?;
        let size = fs::metadata(path)?.len();
        fs::rename(path, folder.join(path.file_name().unwrap_or_default()))?;
        let shared = &self.0.shared;
        locked(&shared.ring).unsynced.retain(|(unsynced, _)| unsynced != path);
        shared.files.fetch_sub(size.min(shared.files.load(Ordering::Relaxed)), Ordering::Relaxed);
        Ok(size)
    }

    /// How many files are in the quarantine.
    pub(crate) fn quarantined(&self) -> u64 {
        let Ok(entries) = fs::read_dir(self.quarantine()) else { return 0 };
        let names = entries.filter_map(|entry| Some(entry.ok()?.path()));
        names.filter(|path| path.extension().is_some_and(|ending| ending == "log")).count() as u64
    }
}
