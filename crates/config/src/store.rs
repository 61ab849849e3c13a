//! The configuration in force, swapped as a whole. Readers take a snapshot and keep it as long as they like; a reload that
//! fails changes nothing.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::{Code, Inputs, Path, Problem, Problems, Setting, Snapshot, Source};

/// Holds the last good snapshot.
#[derive(Debug)]
pub struct Store {
    inputs: Inputs,
    current: ArcSwap<Snapshot>,
    /// Two reloads at once must not swap in the wrong order. The settings that were made while gateways run.
    settings: Mutex<Option<Arc<str>>>,
}

/// What a reload changed.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// Values that are new, gone or different; secrets by their path like the rest.
    pub paths: Vec<Path>,
}

impl Changed {
    /// Whether anything did.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// The changed values that take effect only after a restart.
    pub fn needs_restart(&self) -> impl Iterator<Item = &Path> {
        let fixed = [
            Path::of(["admin", "hosts"]),
            Path::of(["admin", "idle_minutes"]),
            Path::of(["admin", "login_hours"]),
            Path::of(["admin", "oidc"]),
            Path::of(["server", "listen"]),
            Path::of(["server", "trusted_proxies"]),
            Path::of(["record", "database"]),
            Path::of(["record", "directory"]),
            Path::of(["record", "log_bytes"]),
            Path::of(["record", "ring_bytes"]),
            Path::of(["record", "pool", "readers"]),
            Path::of(["record", "pool", "statement_ms"]),
            Path::of(["record", "pool", "wait_ms"]),
            Path::of(["record", "pool", "writers"]),
        ];
        self.paths.iter().filter(move |path| fixed.contains(path))
    }
}

impl Store {
    /// Loads the first snapshot.
    pub fn open(inputs: Inputs) -> Result<Self, Problems> {
        let current = ArcSwap::from_pointee(inputs.load()?);
        Ok(Self { inputs, current, settings: Mutex::default() })
    }

    /// The snapshot in force. Cheap; call it once per request and keep the result for its length.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Where the configuration comes from.
    pub fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    /// Takes settings that were made while gateways run, if they can be used with everything else; with the next reload they are in force. Else
    /// those of before stay.
    pub fn enact(&self, document: Option<Arc<str>>) -> Result<(), Problems> {
        let mut settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        self.inputs.load_with(document.as_deref())?;
        *settings = document;
        Ok(())
    }

    /// Reads everything again and swaps it in if it is without errors; else the last good snapshot stays. A file that said something and is empty now
    /// is one that somebody is writing, or has lost.
    pub fn reload(&self) -> Result<Changed, Problems> {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.inputs.load_with(settings.as_deref())?;
        if next.is_blank() && !self.current.load().is_blank() {
            return Err(Problems(vec![self.emptied()]));
        }
        let changed = Changed { paths: difference(self.current.load().settings(), next.settings()) };
        self.current.store(Arc::new(next));
        Ok(changed)
    }
}

impl Store {
    fn emptied(&self) -> Problem {
        let file = self.inputs.file.as_ref().map_or_else(String::new, |file| file.display().to_string());
        let source = Source::File { file: file.into(), line: 1, column: 1 };
        let words = "the file is empty, and was not before; write `{}` if it is to say nothing";
        Problem::new(Code::Unreadable, &source, &Path::default(), words)
    }
}

fn difference(before: &[Setting], after: &[Setting]) -> Vec<Path> {
    let lacks = |list: &[Setting], setting: &Setting| !list.iter().any(|other| other.equals(setting));
    let gone = before.iter().filter(|setting| lacks(after, setting));
    let new = after.iter().filter(|setting| lacks(before, setting));
    let mut paths: Vec<Path> = gone.chain(new).map(|setting| setting.path.clone()).collect();
    paths.sort();
    paths.dedup();
    paths
}
