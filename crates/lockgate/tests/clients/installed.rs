//! Where the pinned clients are, and their environment.
//!
//! Installs nothing; a missing client fails the test that needs it.

use std::path::{Path, PathBuf};

use tokio::process::Command;

/// The repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository is there")
}

/// The folder that `tests/clients/setup.sh` filled.
pub(crate) fn clients() -> PathBuf {
    let named = std::env::var_os("LOCKGATE_CLIENTS").map(PathBuf::from);
    let dir = named.unwrap_or_else(|| repository().join("target/clients"));
    for stamp in ["python.stamp", "node.stamp"] {
        assert!(
            dir.join(stamp).is_file(),
            "the pinned clients are not installed in {}: run `make test` (or `make clients` and set LOCKGATE_CLIENTS)",
            dir.display()
        );
    }
    dir
}

/// A command that is ended after so many seconds and sees nothing of this process's environment: no keys, no proxies, and
/// a home of its own.
pub(crate) fn bounded(seconds: u32, home: &Path, program: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.arg("--kill-after=2").arg(seconds.to_string()).arg(program);
    command.env_clear().env("HOME", home).env("LANG", "C.UTF-8").env("LOCKGATE_CLIENTS", clients());
    for kept in ["PATH", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.stdin(std::process::Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it; on the status that `timeout` gives to what it had to end, says so.
pub(crate) async fn output(mut command: Command, what: &str) -> std::process::Output {
    let output = command.output().await.expect("the command starts");
    let hung = matches!(output.status.code(), Some(124 | 137));
    assert!(!hung, "{what} hangs; it had printed: {}", String::from_utf8_lossy(&output.stdout));
    output
}
