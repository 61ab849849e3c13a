//! The list of a provider as it was told the last time, in a file of the record's folder. What cannot be read is not there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A list that was told.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Kept {
    /// The provider's answer.
    pub(super) answer: String,
    /// By what the provider knows whether it has changed.
    pub(super) etag: Option<String>,
    /// When it was known to be right, in seconds since 1970.
    pub(super) fetched: u64,
    /// The address that told it.
    pub(super) from: String,
}

/// Where a provider's list is kept; nowhere without a folder.
pub(super) struct Cache(Option<PathBuf>);

impl Cache {
    /// The place for a provider.
    pub(super) fn of(folder: Option<&Path>, provider: &str) -> Self {
        // An id may hold what a file's name may not.
        let name: String =
            provider.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '-' }).collect();
        Self(folder.map(|folder| folder.join("catalog").join(format!("{name}.json"))))
    }

    pub(super) fn read(&self) -> Option<Kept> {
        serde_json::from_slice(&fs::read(self.0.as_ref()?).ok()?).ok()
    }

    /// Puts it in the place of the one before.
    pub(super) fn write(&self, kept: &Kept) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        let Some(file) = &self.0 else { return Ok(()) };
        if let Some(folder) = file.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let next = file.with_extension(format!("{}.next", std::process::id()));
        fs::write(&next, serde_json::to_vec(kept)?)?;
        fs::rename(&next, file)
    }
}
