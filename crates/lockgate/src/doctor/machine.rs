//! What the machine gives: root certificates, file descriptors, room and permission on disk, the time. Changes nothing.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

use super::finding::{Area, Check, Level};
use crate::env::Env;
use crate::screen::count;

/// Fewer descriptors are soon used up: a stream takes two.
const FEW_DESCRIPTORS: u64 = 4096;
/// Less room on disk is soon used up.
const LITTLE_ROOM: u64 = 100 * 1024 * 1024;
/// 2026-01-01, before this program was made: an earlier time is wrong.
const EARLIEST: Duration = Duration::from_hours(490_896);

fn of(name: &str, level: Level, words: impl Into<String>) -> Check {
    Check::new(Area::Machine, name, level, words)
}

/// `record`: the folder of the record, if anything is recorded.
pub(super) fn check(env: &Env, record: Option<&Path>) -> Vec<Check> {
    let mut checks = vec![certificates(), descriptors()];
    let folders = [("state", env.state()), ("settings", env.config_home().map(|home| home.join("lockgate")))];
    for (name, folder) in folders {
        checks.push(match folder {
            Ok(folder) => disk(name, &folder),
            Err(failure) => of(name, Level::Warning, failure.message)
                .advice(failure.hint.unwrap_or_else(|| "set HOME".to_owned())),
        });
    }
    checks.extend(record.map(|folder| disk("record", folder)));
    checks.push(time(SystemTime::now()));
    checks
}

fn certificates() -> Check {
    let found = rustls_native_certs::load_native_certs();
    match found.certs.len() {
        0 => of("root certificates", Level::Error, "none found: no provider can be reached over https")
            .advice("install the package ca-certificates, or set SSL_CERT_FILE to a bundle"),
        number => of("root certificates", Level::Good, number.to_string()),
    }
}

fn descriptors() -> Check {
    // Serving raises the soft limit to the hard one.
    match getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < FEW_DESCRIPTORS => {
            let words =
                format!("{limit} file descriptors: about {} streams at once", limit.saturating_sub(32) / 2);
            of("open files", Level::Warning, words)
                .advice("raise the hard limit (`ulimit -Hn`, LimitNOFILE= of the service)")
        }
        Some(limit) => of("open files", Level::Good, format!("{limit} at once")),
        None => of("open files", Level::Good, "without limit"),
    }
}

/// The folder itself, or the nearest above it that is there: where it would be made.
fn existing(folder: &Path) -> PathBuf {
    folder.ancestors().find(|path| path.exists()).unwrap_or(folder).to_owned()
}

fn disk(name: &str, folder: &Path) -> Check {
    let there = existing(folder);
    let shown = folder.display();
    if !there.is_dir() {
        return of(name, Level::Error, format!("{} is no folder, so {shown} cannot be one", there.display()))
            .advice("move that file away");
    }
    if let Err(error) = access(&there, Access::WRITE_OK | Access::EXEC_OK) {
        return of(name, Level::Error, format!("{shown} cannot be written: {error}"))
            .advice(format!("give this user the right to write in {}", there.display()));
    }
    match statvfs(&there).map(|room| room.f_bavail.saturating_mul(room.f_frsize)) {
        Ok(free) if free < LITTLE_ROOM => {
            of(name, Level::Warning, format!("{shown}: {} free", megabytes(free)))
                .advice("make room on that disk")
        }
        Ok(free) => of(name, Level::Good, format!("{shown}, {} free", megabytes(free))),
        Err(error) => of(name, Level::Note, format!("{shown}: free space is not known ({error})")),
    }
}

fn megabytes(bytes: u64) -> String {
    match bytes / (1024 * 1024) {
        mib @ 0..10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib / 1024),
    }
}

fn time(now: SystemTime) -> Check {
    match now.duration_since(UNIX_EPOCH) {
        Ok(since) if since >= EARLIEST => of("time", Level::Good, "plausible"),
        Ok(since) => {
            let days = EARLIEST.saturating_sub(since).as_secs() / 86_400 + 1;
            of("time", Level::Error, format!("the clock is at least {} behind", count(days as usize, "day")))
                .advice("set the clock (`timedatectl set-ntp true`): certificates seem not yet valid")
        }
        Err(_) => of("time", Level::Error, "the clock is before 1970").advice("set the clock"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_from_before_the_program_was_made_is_a_finding() {
        assert_eq!(time(UNIX_EPOCH).level, Level::Error);
        assert_eq!(time(UNIX_EPOCH + EARLIEST).level, Level::Good);
    }

    #[test]
    fn a_file_where_a_folder_must_be_is_a_finding_and_a_missing_folder_is_none() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert_eq!(disk("state", &folder.path().join("file/lockgate")).level, Level::Error);
        assert_ne!(disk("state", &folder.path().join("not/yet/there")).level, Level::Error);
        assert!(!folder.path().join("not").exists(), "looking changes nothing");
    }
}
