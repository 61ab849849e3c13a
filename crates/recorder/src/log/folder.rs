//! The log's folder: which part of it is this process's, and what its files are called.
//!
//! Reads and writes no file of the log.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The first numbered part of a folder that no other process holds, and the lock that holds it.
pub(super) fn part_of(folder: &Path) -> io::Result<(PathBuf, File)> {
    for number in 0..64 {
        let part = folder.join(number.to_string());
        fs::create_dir_all(&part)?;
        let lock = File::options().create(true).append(true).open(part.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => return Ok((part, lock)),
            Err(fs::TryLockError::WouldBlock) => {}
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("64 processes write to {} already", folder.display()),
    ))
}

pub(super) fn files_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if generation_of(&path).is_some() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Which process began a file.
pub(super) fn generation_of(path: &Path) -> Option<u64> {
    let (generation, _) = path.file_name()?.to_str()?.strip_suffix(".log")?.split_once('-')?;
    u64::from_str_radix(generation, 16).ok()
}

/// What a file is called.
pub(super) fn name_of(generation: u64, number: u64) -> String {
    format!("{generation:016x}-{number:08}.log")
}

/// The file of this number of the process that wrote `path`.
pub(crate) fn beside(path: &Path, number: u32) -> PathBuf {
    path.with_file_name(name_of(generation_of(path).unwrap_or_default(), u64::from(number)))
}
