//! The section `record`: what is kept of calls, and where.

use std::path::{Path, PathBuf};

use lockgate_core::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Environment;

/// What is recorded of calls, and where.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// How much of each call is kept. A key may say something else for its own calls.
    pub mode: RecordMode,
    /// Folder for everything that is kept: the database, the log that calls are written to first, and the key that this
    /// log is sealed with. Default: `$XDG_DATA_HOME/lockgate`, or `~/.local/share/lockgate`
    /// (`~/Library/Application Support/lockgate` on macOS). Changing it needs a restart.
    pub directory: Option<PathBuf>,
    /// Where calls are stored: `postgres://user:password@host/database`, or the path of an SQLite file. Default: `lockgate.db`
    /// in the folder. Changing it needs a restart.
    #[schemars(with = "Option<String>", extend("format" = "database"))]
    pub database: Option<Secret>,
    /// Bytes that the log may hold while the database does not take them. Beyond this calls go on, and what is lost of
    /// their record is counted. 1 GiB by default.
    #[schemars(range(min = 1_048_576))]
    pub log_bytes: u64,
    /// Bytes that wait in memory while the disk does not take them. 64 MiB by default.
    #[schemars(range(min = 65_536))]
    pub ring_bytes: usize,
    /// How much of the database is used at once, and how long it is waited for.
    pub pool: Pool,
    /// What is deleted by age. By default nothing is.
    pub retention: Retention,
    /// Whether a model makes titles of sessions. By default none does: a session is called by its first words.
    pub titles: Titles,
}

/// How much of the database is used at once, and how long it is waited for. Changing it needs a restart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Pool {
    /// Connections that read. 4 by default.
    #[schemars(range(min = 1, max = 1000))]
    pub readers: u32,
    /// Connections that write. An SQLite file has one, whatever this says. 2 by default.
    #[schemars(range(min = 1, max = 1000))]
    pub writers: u32,
    /// Milliseconds that a connection is waited for, or a lock that somebody else holds. 5,000 by default.
    #[schemars(range(min = 1, max = 600_000))]
    pub wait_ms: u64,
    /// Milliseconds that one statement that reads may take. 10,000 by default.
    #[schemars(range(min = 1, max = 600_000))]
    pub statement_ms: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self { readers: 4, writers: 2, wait_ms: 5_000, statement_ms: 10_000 }
    }
}

/// What is deleted by age, once an hour.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// After so many days the contents of a call (bodies, searchable words) are deleted; its row stays: who, which model, when, how much.
    #[schemars(range(min = 1))]
    pub contents_days: Option<u32>,
    /// After so many days all of a call is deleted, with sessions that have no call left.
    #[schemars(range(min = 1))]
    pub calls_days: Option<u32>,
    /// After so many days entries of the audit (who changed what) are deleted.
    #[schemars(range(min = 1))]
    pub audit_days: Option<u32>,
    /// After so many days what policies said of calls is deleted (verdicts, their reasons and labels); the calls stay.
    #[schemars(range(min = 1))]
    pub verdicts_days: Option<u32>,
    /// After so many days what people were asked about calls is deleted, with their answers; approvals that stand for good stay.
    #[schemars(range(min = 1))]
    pub approvals_days: Option<u32>,
    /// Other times for the calls of keys with a `data_class`; `none` is for the calls of all other keys. What is left out here is as above.
    pub classes: Classes,
    /// Folder that what is to be deleted is written to first, as a compressed export that `lockgate session import` takes back, the audit
    /// as a compressed file of its own with an entry a line. If it cannot be written, nothing is deleted. Default: nothing is archived.
    pub archive: Option<PathBuf>,
}

/// Times for calls by the `data_class` of their key.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Classes {
    /// Calls of keys for data that is for everybody.
    pub public: ClassTimes,
    /// Calls of keys for data of the organisation.
    pub internal: ClassTimes,
    /// Calls of keys for data that is for few.
    pub confidential: ClassTimes,
    /// Calls of keys for data that is for those who are named.
    pub secret: ClassTimes,
    /// Calls of keys without a class, and of nobody's.
    pub none: ClassTimes,
}

/// How long calls of a class are kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ClassTimes {
    /// After so many days their contents are deleted.
    #[schemars(range(min = 1))]
    pub contents_days: Option<u32>,
    /// After so many days all of them is deleted.
    #[schemars(range(min = 1))]
    pub calls_days: Option<u32>,
}

/// Whether a model makes titles of sessions.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Titles {
    /// The model that is asked, once for each session behind its first turn: a name to call, such as `background` or `ollama:qwen3:4b`;
    /// best a small or local one. It is shown how the session began, with secrets masked, and only if the session's key may call its provider;
    /// the question counts against no limit of the key. Nothing is asked for sessions of which contents are not recorded.
    pub model: Option<String>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            mode: RecordMode::default(),
            directory: None,
            database: None,
            log_bytes: 1 << 30,
            ring_bytes: 64 << 20,
            pool: Pool::default(),
            retention: Retention::default(),
            titles: Titles::default(),
        }
    }
}

impl Record {
    /// The folder for everything that is kept; `None` if none is named and the environment has no home.
    pub fn folder(&self, environment: &Environment) -> Option<PathBuf> {
        let xdg = || environment.filled("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || {
            let below =
                if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
            environment.filled("HOME").map(|home| Path::new(home).join(below))
        };
        self.directory.clone().or_else(|| xdg().or_else(home).map(|folder| folder.join("lockgate")))
    }
}

/// How much of a call is kept.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordMode {
    /// All of it, as it was: also the secrets that people and programs paste into their prompts.
    Full,
    /// Who called which model when, what it used and how it ended; no contents.
    Metadata,
    /// Nothing. Where no key says otherwise, no file is touched, and recording begins with a restart.
    Off,
    /// All of it, with secrets masked.
    #[default]
    Redacted,
}
