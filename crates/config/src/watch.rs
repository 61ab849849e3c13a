//! Notices that the configuration file has changed, however it was written: in place, by an editor that renames a new file
//! over the old, by a symlink that is switched (as Kubernetes does with a `ConfigMap`).
//!
//! Watches the folder rather than the file, waits until the writing has settled, and compares the content, so that touching
//! a neighbour or saving the same text reports nothing. Runs on a thread of its own and knows no runtime.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

/// Watches as long as it lives.
#[derive(Debug)]
pub struct Watcher {
    // Dropping it closes the channel, and the thread ends.
    _events: RecommendedWatcher,
}

/// What became of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It has another content than the one reported last.
    Content,
    /// It is not there any more; the last good configuration stays.
    Gone,
}

/// Why a file cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The operating system refuses.
    #[error("cannot watch {folder}")]
    Notify {
        /// The folder that holds the file.
        folder: PathBuf,
        /// What it said.
        source: notify::Error,
    },
    /// No thread could be started.
    #[error("cannot start the watching thread")]
    Thread(#[source] std::io::Error),
}

impl Watcher {
    /// Calls `on_change` on a thread of its own each time the content of `file` is another than before, or the file is
    /// gone, and `settle` has passed without further writing.
    pub fn start(
        file: &Path,
        settle: Duration,
        on_change: impl FnMut(Change) + Send + 'static,
    ) -> Result<Self, WatchError> {
        let (sender, events) = mpsc::channel();
        let folder = parent(file);
        let fail = |folder: &Path| {
            let folder = folder.to_owned();
            move |source| WatchError::Notify { folder, source }
        };
        // What happened does not matter, only that something did; reading, which we do ourselves, is nothing.
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                let _ = sender.send(());
            }
        })
        .map_err(fail(&folder))?;
        watcher.watch(&folder, RecursiveMode::NonRecursive).map_err(fail(&folder))?;
        // A symlink's target may be written in its own folder.
        if let Ok(target) = file.canonicalize() {
            let target = parent(&target);
            if target != folder && folder.canonicalize().is_ok_and(|folder| folder != target) {
                watcher.watch(&target, RecursiveMode::NonRecursive).map_err(fail(&target))?;
            }
        }
        let file = file.to_owned();
        let seen = Seen::new(fingerprint(&file));
        thread::Builder::new()
            .name("config-watch".into())
            .spawn(move || run(&file, settle, seen, &events, on_change))
            .map_err(WatchError::Thread)?;
        Ok(Self { _events: watcher })
    }
}

fn run(
    file: &Path,
    settle: Duration,
    mut seen: Seen,
    events: &Receiver<()>,
    mut on_change: impl FnMut(Change),
) {
    while events.recv().is_ok() {
        // It has settled when the content stays the same; a neighbour that is written all the time, such as a log,
        // delays nothing.
        let mut content = fingerprint(file);
        loop {
            if !pause(settle, events) {
                return;
            }
            let now = fingerprint(file);
            if now == content {
                break;
            }
            content = now;
        }
        if let Some(change) = seen.note(content) {
            on_change(change);
        }
    }
}

/// Lets time pass and events go by; false if nobody watches any more.
fn pause(length: Duration, events: &Receiver<()>) -> bool {
    let end = Instant::now() + length;
    loop {
        match events.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(()) if Instant::now() < end => {}
            Ok(()) | Err(RecvTimeoutError::Timeout) => return true,
            Err(RecvTimeoutError::Disconnected) => return false,
        }
    }
}

/// The content last reported, or found at the start, and whether the file is there.
struct Seen {
    content: Option<blake3::Hash>,
    there: bool,
}

impl Seen {
    fn new(content: Option<blake3::Hash>) -> Self {
        Self { content, there: content.is_some() }
    }

    /// What in `now` is worth a report.
    fn note(&mut self, now: Option<blake3::Hash>) -> Option<Change> {
        let was_there = std::mem::replace(&mut self.there, now.is_some());
        if now.is_none() {
            return was_there.then_some(Change::Gone);
        }
        (std::mem::replace(&mut self.content, now) != now).then_some(Change::Content)
    }
}

fn parent(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn fingerprint(file: &Path) -> Option<blake3::Hash> {
    std::fs::read(file).ok().map(|bytes| blake3::hash(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_content_and_a_loss_are_changes() {
        let hash = |text: &str| Some(blake3::hash(text.as_bytes()));
        let mut seen = Seen::new(hash("a"));
        assert_eq!(seen.note(hash("a")), None, "saved without a change");
        assert_eq!(seen.note(None), Some(Change::Gone));
        assert_eq!(seen.note(None), None, "said once");
        assert_eq!(seen.note(hash("a")), None, "and back");
        assert_eq!(seen.note(hash("b")), Some(Change::Content));
        assert_eq!(seen.note(hash("b")), None);
        assert_eq!(Seen::new(None).note(hash("b")), Some(Change::Content), "there for the first time");
    }
}
