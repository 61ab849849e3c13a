//! Reading and replacing settings files: whole or not at all, through symbolic links, with the permissions they had.
//!
//! A new file can hold a key, so only its owner may read it. Knows nothing about what is in the files.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::env::Env;
use crate::exit::Failure;

/// The content, or `None` where there is no file.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::file("read", path, &error)),
    }
}

/// Replaces the content in one step; creates missing folders.
pub fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    replace(&target, content).map_err(|error| Failure::file("write", path, &error))
}

fn replace(target: &Path, content: &[u8]) -> io::Result<()> {
    let folder = target.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    fs::create_dir_all(folder)?;
    let name = target.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let draft = folder.join(format!(".{name}.lockgate-{}", std::process::id()));
    let result = fill(&draft, content, target).and_then(|()| fs::rename(&draft, target));
    if result.is_err() {
        let _ = fs::remove_file(&draft);
    }
    result
}

fn fill(draft: &Path, content: &[u8], target: &Path) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(draft)?;
    file.write_all(content)?;
    if let Ok(metadata) = fs::metadata(target) {
        file.set_permissions(metadata.permissions())?;
    }
    file.sync_all()
}

/// The folders above `path` that do not exist yet, deepest first.
pub fn missing_folders(path: &Path) -> Vec<PathBuf> {
    path.ancestors().skip(1).take_while(|folder| !folder.exists()).map(Path::to_owned).collect()
}

/// Removes the file, then the folders as far as they are empty.
pub fn remove(path: &Path, folders: &[PathBuf]) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::file("remove", path, &error)),
    }
    for folder in folders {
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// Creates a folder that only its owner may enter.
pub fn private_folder(folder: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| Failure::file("create", folder, &error))
}

/// The path with `~` for the home folder, for people.
pub fn short(path: &Path, env: &Env) -> String {
    match env.home().ok().and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
