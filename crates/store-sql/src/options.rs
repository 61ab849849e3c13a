//! Where the database is and how much of it may be used at once.

use std::path::PathBuf;
use std::time::Duration;

/// How a database is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// How long a connection is waited for, to a server or from a pool.
    pub acquire_timeout: Duration,
    /// How long a lock that somebody else holds is waited for.
    pub busy_timeout: Duration,
    /// How long one page of a list may search before it is handed out as it is.
    pub page_budget: Duration,
    /// Where the database is.
    pub place: Place,
    /// Connections that read.
    pub readers: u32,
    /// How many bytes of what bodies are made of stay in memory after they were read, for who reads one call of a session after the other;
    /// 0 = none.
    pub recent: usize,
    /// How long one statement that reads may take.
    pub statement_timeout: Duration,
    /// Connections that write. SQLite has one, whatever this says.
    pub writers: u32,
}

impl Options {
    /// The defaults for a place.
    pub fn at(place: Place) -> Self {
        Self {
            acquire_timeout: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(5),
            page_budget: Duration::from_millis(150),
            place,
            readers: 4,
            recent: 0,
            statement_timeout: Duration::from_secs(10),
            writers: 2,
        }
    }
}

/// Where a database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of SQLite. It and its folder are made where they are missing, readable by their owner alone.
    File(PathBuf),
    /// A PostgreSQL server, as a URL with everything that is needed to log in.
    Server(String),
}

impl Place {
    /// `postgres://…` and `postgresql://…` are servers; `sqlite:…` and everything else is a path.
    pub fn of(text: &str) -> Self {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Self::Server(text.to_owned());
        }
        let path = text.strip_prefix("sqlite://").or_else(|| text.strip_prefix("sqlite:")).unwrap_or(text);
        Self::File(PathBuf::from(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_of_postgresql_is_a_server_and_anything_else_a_file() {
        assert_eq!(Place::of("postgres://u@h/d"), Place::Server("postgres://u@h/d".to_owned()));
        for (text, path) in
            [("sqlite:///a b/l.db", "/a b/l.db"), ("sqlite:l.db", "l.db"), ("x/l.db", "x/l.db")]
        {
            assert_eq!(Place::of(text), Place::File(PathBuf::from(path)));
        }
    }
}
