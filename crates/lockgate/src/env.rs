//! The environment a command runs in, as a value: variables, and the folders that follow from them.
//!
//! Tests build one from pairs. It never looks at the disk. Empty variables count as unset, and relative XDG
//! folders are ignored, as the XDG specification demands.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::exit::Failure;

/// Environment variables and what follows from them.
#[derive(Debug, Clone, Default)]
pub struct Env {
    vars: BTreeMap<String, String>,
}

impl Env {
    /// The environment of this process. Variables that are not UTF-8 are left out.
    pub fn process() -> Self {
        std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The user's home folder.
    pub fn home(&self) -> Result<PathBuf, Failure> {
        let home = self.var("HOME").or_else(|| self.var("USERPROFILE"));
        home.map(PathBuf::from).ok_or_else(|| {
            Failure::unavailable("HOME is not set, so no settings can be found")
                .hint("set HOME and try again")
        })
    }

    /// The folder a client's own variable names, or `default` below the home folder.
    pub fn folder(&self, variable: &str, default: &str) -> Result<PathBuf, Failure> {
        match self.var(variable) {
            Some(folder) => std::path::absolute(folder)
                .map_err(|e| Failure::usage(format!("{variable} names no usable folder: {e}"))),
            None => Ok(self.home()?.join(default)),
        }
    }

    /// `$XDG_CONFIG_HOME`, usually `~/.config`.
    pub fn config_home(&self) -> Result<PathBuf, Failure> {
        self.xdg("XDG_CONFIG_HOME", ".config")
    }

    /// Where Lockgate keeps what it must remember between commands: `$XDG_STATE_HOME/lockgate`.
    pub fn state(&self) -> Result<PathBuf, Failure> {
        Ok(self.xdg("XDG_STATE_HOME", ".local/state")?.join("lockgate"))
    }

    fn xdg(&self, variable: &str, default: &str) -> Result<PathBuf, Failure> {
        match self.var(variable).map(PathBuf::from).filter(|folder| folder.is_absolute()) {
            Some(folder) => Ok(folder),
            None => Ok(self.home()?.join(default)),
        }
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Env {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> Self {
        Self { vars: pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect() }
    }
}
