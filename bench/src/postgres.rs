//! A PostgreSQL server for one run: its own folder, its own socket, gone afterwards.
//!
//! It refuses to run as root; then it runs as the user `postgres`, which Debian's package makes. With its own defaults, but for the flush at the end
//! of each transaction.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The port names the socket; nothing listens on it.
const PORT: &str = "5432";

/// A server that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> io::Result<Self> {
        let folder = TempDir::with_prefix("lockgate-bench-")?;
        if let Some((user, group)) = owner()? {
            chown(folder.path(), Some(user), Some(group))?;
        }
        let data = folder.path().join("data");
        let made = command("initdb")?
            .args([
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C",
                "--username=lockgate",
                "--auth=trust",
                "--pgdata",
            ])
            .arg(&data)
            .current_dir(folder.path())
            .output()?;
        if !made.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&made.stderr).into_owned()));
        }
        let child = command("postgres")?
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-p", PORT, "-c", "listen_addresses=", "-c", "fsync=off"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { child, folder };
        let end = Instant::now() + Duration::from_mins(1);
        while !command("pg_isready")?
            .args(["-q", "-t", "5", "-p", PORT, "-h"])
            .arg(server.folder.path())
            .status()?
            .success()
        {
            if Instant::now() > end {
                return Err(io::Error::other("PostgreSQL did not start"));
            }
        }
        Ok(server)
    }

    /// The processor time of its processes so far, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> f64 {
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let spent = |pid: &str| -> Option<f64> {
            // Nanoseconds on a core, nanoseconds of waiting for one, turns.
            let line = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
            line.split_whitespace().next()?.parse().ok()
        };
        children.split_whitespace().filter_map(spent).sum::<f64>() / 1e6
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://lockgate@localhost:{PORT}/postgres?host={}", self.folder.path().display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: its children end too, nothing is tidied up.
        let _ended = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _status = self.child.wait();
    }
}

/// A program of PostgreSQL, as somebody who may run it: the newest one of Debian's places, or the one on PATH.
fn command(name: &str) -> io::Result<Command> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions
        .map(|entry| entry.path())
        .filter(|path| path.join("bin").join(name).exists())
        .max_by_key(|path| number(path));
    let program = newest.map_or_else(|| PathBuf::from(name), |path| path.join("bin").join(name));
    let mut command = Command::new(program);
    if let Some((user, group)) = owner()? {
        command.uid(user).gid(group);
    }
    Ok(command)
}

/// The user that the server runs as, where we are root.
fn owner() -> io::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let fields: Vec<_> =
        users.lines().find(|line| line.starts_with("postgres:")).unwrap_or_default().split(':').collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok());
    match (number(2), number(3)) {
        (Some(user), Some(group)) => Ok(Some((user, group))),
        _ => Err(io::Error::other("PostgreSQL does not run as root, and there is no user `postgres`")),
    }
}
