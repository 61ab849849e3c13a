//! Which file is the configuration.

use std::path::{Path, PathBuf};

use crate::Environment;

/// The name that is looked for.
pub const FILE_NAME: &str = "lockgate.yaml";

/// The file that `--config` or `LOCKGATE_CONFIG` names, whether it exists or not; else the first that exists of
/// `./lockgate.yaml`, `$XDG_CONFIG_HOME/lockgate/lockgate.yaml` and `~/.config/lockgate/lockgate.yaml`.
pub fn locate(flag: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    let named = flag.map(Path::to_owned).or_else(|| environment.filled("LOCKGATE_CONFIG").map(PathBuf::from));
    named.or_else(|| candidates(environment).into_iter().find(|path| path.is_file()))
}

/// Where a file is looked for when none is named.
pub fn candidates(environment: &Environment) -> Vec<PathBuf> {
    let xdg = environment.filled("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = environment.filled("HOME").map(|home| Path::new(home).join(".config"));
    let folders = xdg.into_iter().chain(home).map(|folder| folder.join("lockgate").join(FILE_NAME));
    let mut all: Vec<PathBuf> = std::iter::once(PathBuf::from(FILE_NAME)).chain(folders).collect();
    all.dedup();
    all
}
