//! The life of a program: waits for its end, or brings it about, and leaves nothing behind.
//!
//! The whole process group is killed when the program ends, when its time is over and when nobody wants its answer any
//! longer; then its directory is removed. A process that makes a group of its own escapes.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// How long a program that has answered may take to end by itself.
const GRACE: Duration = Duration::from_secs(3);

/// How a program is ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    /// It has answered: it may end by itself first.
    Gently,
    /// At once.
    Now,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself, with this code; a signal counts as 128 and its number.
    Exited(u16),
    /// It cannot be known.
    Lost(io::Error),
    /// Its time was over.
    Overdue,
    /// Nobody wanted it any longer.
    Stopped,
}

/// A process group and its directory; dropping it kills the one and removes the other.
pub(super) struct Group {
    directory: PathBuf,
    id: Option<Pid>,
}

impl Group {
    /// No group yet, in a new empty directory that no other user can enter.
    pub(super) fn in_new_directory() -> io::Result<Self> {
        let directory = std::env::temp_dir().join(format!("lockgate-{}", uuid::Uuid::new_v4()));
        fs::DirBuilder::new().mode(0o700).create(&directory)?;
        Ok(Self { directory, id: None })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The group that this child leads.
    pub(super) fn lead_by(&mut self, child: &Child) {
        self.id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    }

    fn kill(&mut self) {
        if let Some(id) = self.id.take() {
            // It may have ended already.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            tracing::debug!(%error, "the directory of a program is left behind");
        }
    }
}

/// Waits for a program's end.
pub(super) async fn watch(
    mut child: Child,
    mut group: Group,
    limit: Duration,
    stopped: oneshot::Receiver<Stop>,
) -> End {
    let end = tokio::select! {
        status = child.wait() => status.map_or_else(End::Lost, |status| End::Exited(code(status))),
        () = sleep(limit) => End::Overdue,
        how = stopped => {
            if let Ok(Stop::Gently) = how {
                // Either it ends by itself, or it is ended below.
                let _ = timeout(GRACE, child.wait()).await;
            }
            End::Stopped
        }
    };
    group.kill();
    // Killed or ended: this only takes its status, so that nothing of it is left.
    let _ = child.wait().await;
    end
}

fn code(status: ExitStatus) -> u16 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u16::try_from(code).ok()).unwrap_or(1)
}
