//! What the files looked like before the first connect, kept so that a revert is exact to the byte.
//!
//! `$XDG_STATE_HOME/lockgate/connect/<client>/<home>/`: `manifest.json` plus one file per original. `<home>` is a hash of the
//! settings' path, so that two homes of one client do not mix. Originals may hold secrets: only the owner can read the folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::disk;
use crate::client::{Client, FileEdit};
use crate::env::Env;
use crate::exit::Failure;

/// The memory of one connected client.
#[derive(Debug)]
pub struct Backup {
    folder: PathBuf,
    manifest: Manifest,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    url: String,
    files: Vec<Entry>,
}

/// What is known about one file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The settings file.
    pub path: PathBuf,
    /// Hash of the original; absent when there was no file.
    pub original: Option<String>,
    /// Hash of what connect wrote.
    pub written: String,
    /// Folders that connect had to create, deepest first.
    pub created_folders: Vec<PathBuf>,
    /// A version edited by the user between two connects, kept aside.
    pub edited: Option<PathBuf>,
}

/// How a file's present content relates to what is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Somebody changed it after connect wrote it.
    Edited,
    /// Nothing is remembered about it.
    New,
    /// It is as it was before connect.
    Original,
    /// It is as connect wrote it.
    Written,
}

impl Backup {
    /// Loads what is remembered about the client in this home.
    pub fn open(env: &Env, client: Client, files: &[FileEdit]) -> Result<Self, Failure> {
        let home =
            files.first().map(|file| hash(file.path.as_os_str().as_encoded_bytes())).unwrap_or_default();
        let folder = env.state()?.join("connect").join(client.slug()).join(&home[..12.min(home.len())]);
        let path = folder.join("manifest.json");
        let manifest = match disk::read(&path)? {
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Failure::unavailable(format!("{} is damaged: {error}", path.display()))
                    .hint("the original files lie beside it; put them back by hand, then remove the folder")
            })?,
            None => Manifest { version: 1, ..Manifest::default() },
        };
        Ok(Self { folder, manifest })
    }

    /// Whether a connect is remembered.
    pub fn exists(&self) -> bool {
        !self.manifest.files.is_empty()
    }

    /// The files that were changed.
    pub fn entries(&self) -> &[Entry] {
        &self.manifest.files
    }

    /// How the file stands.
    pub fn standing(&self, path: &Path, current: Option<&[u8]>) -> Standing {
        match self.entry(path) {
            None => Standing::New,
            Some(entry) if current.map(hash).as_ref() == Some(&entry.written) => Standing::Written,
            Some(entry) if current.map(hash) == entry.original => Standing::Original,
            Some(_) => Standing::Edited,
        }
    }

    /// The content to start from: the original while nobody else has edited the file since.
    pub fn base(
        &self,
        path: &Path,
        standing: Standing,
        current: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, Failure> {
        match standing {
            Standing::Written => self.original(path),
            Standing::Edited | Standing::New | Standing::Original => Ok(current.map(<[u8]>::to_owned)),
        }
    }

    /// The file's content before the first connect.
    pub fn original(&self, path: &Path) -> Result<Option<Vec<u8>>, Failure> {
        let Some(expected) = self.entry(path).and_then(|entry| entry.original.as_ref()) else {
            return Ok(None);
        };
        let copy = self.copy_of(path);
        match disk::read(&copy)? {
            Some(bytes) if hash(&bytes) == *expected => Ok(Some(bytes)),
            Some(_) | None => Err(Failure::unavailable(format!(
                "the copy of the original, {}, is missing or damaged",
                copy.display()
            ))),
        }
    }

    /// Where the original lies.
    pub fn copy_of(&self, path: &Path) -> PathBuf {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.folder.join(format!("{name}.original"))
    }

    /// Remembers a file before it is changed. The first original is never replaced.
    pub fn keep(
        &mut self,
        path: &Path,
        standing: Standing,
        current: Option<&[u8]>,
        new: &[u8],
    ) -> Result<(), Failure> {
        disk::private_folder(&self.folder)?;
        match standing {
            Standing::New => {
                if let Some(bytes) = current {
                    disk::write(&self.copy_of(path), bytes)?;
                }
                self.manifest.files.push(Entry {
                    path: path.to_owned(),
                    original: current.map(hash),
                    written: hash(new),
                    created_folders: disk::missing_folders(path),
                    edited: None,
                });
            }
            Standing::Edited => {
                let aside = self.set_aside(path, current)?;
                self.change(path, |entry| {
                    entry.written = hash(new);
                    entry.edited = aside;
                });
            }
            Standing::Original | Standing::Written => self.change(path, |entry| entry.written = hash(new)),
        }
        Ok(())
    }

    /// Keeps a copy of a version that is about to be replaced.
    pub fn set_aside(&self, path: &Path, current: Option<&[u8]>) -> Result<Option<PathBuf>, Failure> {
        let Some(bytes) = current else { return Ok(None) };
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let copy = self.folder.with_extension("edited").join(format!("{name}.{}", &hash(bytes)[..8]));
        disk::private_folder(copy.parent().unwrap_or(&self.folder))?;
        disk::write(&copy, bytes)?;
        Ok(Some(copy))
    }

    /// Writes the manifest.
    pub fn save(&mut self, url: &str) -> Result<(), Failure> {
        url.clone_into(&mut self.manifest.url);
        let text = serde_json::to_vec_pretty(&self.manifest)
            .map_err(|error| Failure::unavailable(format!("cannot write the manifest: {error}")))?;
        disk::write(&self.folder.join("manifest.json"), &text)
    }

    /// Forgets everything but versions set aside.
    pub fn forget(self) -> Result<(), Failure> {
        fs::remove_dir_all(&self.folder).map_err(|error| Failure::file("remove", &self.folder, &error))
    }

    fn entry(&self, path: &Path) -> Option<&Entry> {
        self.manifest.files.iter().find(|entry| entry.path == path)
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.manifest.files.iter_mut().find(|entry| entry.path == path) {
            change(entry);
        }
    }
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
