//! What was changed: when, by whom, from where. Rows are added, never changed, and deleted by age only; none holds a
//! secret.

use serde_json::Value;
use uuid::Uuid;

/// Who changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    /// Somebody with the files of the gateway, by the command line. The name of the system's account, where it is known.
    Cli(Option<String>),
    /// Whoever holds a key, by its name.
    Key(String),
    /// Nobody yet: a login that failed, by the name that was tried.
    Nobody(String),
    /// The gateway itself.
    System,
    /// A user, by name.
    User(String),
}

impl Actor {
    /// What kind of actor it is.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Cli(_) => "cli",
            Self::Key(_) => "key",
            Self::Nobody(_) => "nobody",
            Self::System => "system",
            Self::User(_) => "user",
        }
    }

    /// Its name.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Cli(name) => name.as_deref(),
            Self::Key(name) | Self::Nobody(name) | Self::User(name) => Some(name),
            Self::System => None,
        }
    }

    /// The actor of a stored kind and name.
    pub fn of(kind: &str, name: Option<String>) -> Option<Self> {
        Some(match (kind, name) {
            ("cli", name) => Self::Cli(name),
            ("key", Some(name)) => Self::Key(name),
            ("nobody", Some(name)) => Self::Nobody(name),
            ("system", None) => Self::System,
            ("user", Some(name)) => Self::User(name),
            _ => return None,
        })
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditEntry {
    /// Who.
    pub actor: Actor,
    /// The address that it came from.
    pub address: Option<String>,
    /// When, µs since 1970.
    pub at_us: i64,
    /// What it was, without secrets.
    pub detail: Value,
    /// Its id (UUIDv7).
    pub id: Uuid,
    /// What was changed: `key`, `user`, `session` … and a name.
    pub object: String,
    /// What was done: `create`, `change`, `revoke` …
    pub verb: String,
}

/// Which changes are listed; all conditions hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// By whom: the name.
    pub actor: Option<String>,
    /// Not before, µs since 1970.
    pub from_us: Option<i64>,
    /// Of what.
    pub object: Option<String>,
    /// Before, µs since 1970.
    pub to_us: Option<i64>,
    /// What was done.
    pub verb: Option<String>,
}
