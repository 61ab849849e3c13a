//! What lies in quarantine, as people deal with it: what it is, why it is there, back into the log, or away for good.
//!
//! Works on files alone, so also while no gateway runs. Whoever holds the part of the log that a file goes back to finds it with its next look,
//! or at its next start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use super::folder::name_of;

/// The folder within a part of the log.
pub(crate) const FOLDER: &str = "quarantine";

/// The quarantine of a log, with that of every process that wrote to it.
#[derive(Debug, Clone)]
pub struct Quarantine {
    root: PathBuf,
}

/// A file in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Since when it is there.
    pub at: SystemTime,
    /// How large it is.
    pub bytes: u64,
    /// The call in it. `None`: it could not be read as a file of the log.
    pub call: Option<Uuid>,
    /// Its name without the ending.
    pub name: String,
    /// Why it is there, if that was noted.
    pub reason: Option<String>,
}

impl Quarantine {
    /// That of the log in this folder (`log` in the folder of the record).
    pub const fn of(root: PathBuf) -> Self {
        Self { root }
    }

    /// What lies there, the latest first.
    pub fn list(&self) -> io::Result<Vec<Kept>> {
        let mut kept = Vec::new();
        for path in self.paths()? {
            let Some(name) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
            let file = fs::metadata(&path)?;
            let reason = fs::read_to_string(path.with_extension("txt")).ok();
            kept.push(Kept {
                at: file.modified()?,
                bytes: file.len(),
                call: name.parse().ok(),
                name: name.to_owned(),
                reason: reason.map(|text| text.trim().to_owned()),
            });
        }
        kept.sort_by(|one, other| (other.at, &other.name).cmp(&(one.at, &one.name)));
        Ok(kept)
    }

    /// Puts a call back into the log, to be stored anew. False if there is none of that name.
    pub fn release(&self, call: Uuid) -> io::Result<bool> {
        let Some(path) = self.path(&call.to_string())? else { return Ok(false) };
        let Some(part) = path.parent().and_then(Path::parent) else { return Ok(false) };
        // As of a process that is gone: nothing more is written to it, and it is read whole.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        let first = u64::try_from(since).unwrap_or(u64::MAX);
        let free = (first..=u64::MAX).map(|number| part.join(name_of(0, number))).find(|path| !path.exists());
        fs::rename(&path, free.ok_or(io::ErrorKind::AlreadyExists)?)?;
        forget(&path.with_extension("txt"))?;
        Ok(true)
    }

    /// Deletes a file for good. False if there is none of that name.
    pub fn drop(&self, name: &str) -> io::Result<bool> {
        let Some(path) = self.path(name)? else { return Ok(false) };
        fs::remove_file(&path)?;
        forget(&path.with_extension("txt"))?;
        Ok(true)
    }

    fn path(&self, name: &str) -> io::Result<Option<PathBuf>> {
        Ok(self.paths()?.into_iter().find(|path| path.file_stem().is_some_and(|stem| stem == name)))
    }

    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for part in entries(&self.root)? {
            let kept = entries(&part.join(FOLDER))?;
            paths.extend(
                kept.into_iter().filter(|path| path.extension().is_some_and(|ending| ending == "log")),
            );
        }
        Ok(paths)
    }
}

/// What is in a folder; nothing if it is none.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn forget(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
