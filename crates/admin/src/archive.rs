//! Writes calls into a file before they are deleted, and reads such files again: exports of one session behind the other, compressed. Entries
//! of the audit are written likewise, and are not read again.
//!
//! A file has its name only once it is whole and on the disk. Histories that are sent again are far apart in an export; a long window finds
//! them, so that an archive is about as large as the database was.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use lockgate_history::{Bodies, Exporter};
use lockgate_store::{Feedback, Session, StoredCall};
use zstd::Encoder;

use crate::problem::Problem;
use crate::reading::beside;

/// How far back repetitions are found: 128 MB, as much as every reader allows.
const WINDOW_LOG: u32 = 27;

/// An archive that is being written.
pub(crate) struct Archive {
    encoder: Encoder<'static, File>,
    exporter: Option<Exporter>,
    partial: PathBuf,
    path: PathBuf,
}

impl Archive {
    /// Begins a file in a folder; makes the folder.
    pub(crate) fn begin(folder: &Path, name: &str) -> Result<Self, Problem> {
        let path = folder.join(format!("{name}.jsonl.zst"));
        let partial = folder.join(format!("{name}.partial"));
        let open = || -> io::Result<Encoder<'static, File>> {
            use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let file = File::options().write(true).create_new(true).mode(0o600).open(&partial)?;
            let mut encoder = Encoder::new(file, 3)?;
            encoder.long_distance_matching(true)?;
            encoder.window_log(WINDOW_LOG)?;
            Ok(encoder)
        };
        let encoder = open().map_err(|error| unwritable(folder, &error))?;
        Ok(Self { encoder, exporter: None, partial, path })
    }

    /// The calls that follow belong to this session, or to none.
    pub(crate) async fn session(
        mut self,
        session: Option<Session>,
        feedback: Vec<Feedback>,
    ) -> Result<Self, Problem> {
        beside(move || {
            let exporter = Exporter::lines(session.as_ref(), feedback)
                .map_err(|error| Problem::internal(error.to_string()))?;
            self.write(&exporter.start())?;
            self.exporter = Some(exporter);
            Ok(self)
        })
        .await?
    }

    /// Adds a call.
    pub(crate) async fn call(mut self, stored: StoredCall, bodies: Bodies) -> Result<Self, Problem> {
        beside(move || {
            let exporter = self
                .exporter
                .as_mut()
                .ok_or_else(|| Problem::internal("an archive begins with a session"))?;
            let line =
                exporter.call(&stored, &bodies).map_err(|error| Problem::internal(error.to_string()))?;
            self.write(&line)?;
            Ok(self)
        })
        .await?
    }

    /// Adds lines that belong to no session.
    pub(crate) async fn lines(mut self, lines: Vec<u8>) -> Result<Self, Problem> {
        beside(move || self.write(&lines).map(|()| self)).await?
    }

    /// Puts the file on the disk under its name.
    pub(crate) async fn end(self) -> Result<PathBuf, Problem> {
        beside(move || {
            let close = || -> io::Result<()> {
                self.encoder.finish()?.sync_all()?;
                fs::rename(&self.partial, &self.path)?;
                // The name too is to survive a loss of power.
                self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
            };
            close().map_err(|error| unwritable(&self.path, &error))?;
            Ok(self.path)
        })
        .await?
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Problem> {
        self.encoder.write_all(bytes).map_err(|error| unwritable(&self.path, &error))
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem::unavailable(format!(
        "the archive {} cannot be written, so nothing is deleted: {error}",
        path.display()
    ))
}

/// The bytes of an export, compressed or not; at most `limit`.
pub(crate) fn plain(bytes: &[u8], limit: usize) -> Result<std::borrow::Cow<'_, [u8]>, Problem> {
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    if !bytes.starts_with(&MAGIC) {
        return Ok(bytes.into());
    }
    let damaged = |error: io::Error| Problem::invalid(format!("the compressed file is damaged: {error}"));
    let mut read = Vec::new();
    let decoder = zstd::Decoder::new(bytes).map_err(damaged)?;
    decoder.take(limit as u64 + 1).read_to_end(&mut read).map_err(damaged)?;
    if read.len() > limit {
        return Err(Problem::invalid(format!("the file holds more than {limit} bytes")));
    }
    Ok(read.into())
}
