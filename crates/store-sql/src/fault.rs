//! What went wrong with a database, in the words of `store::Error`. The only file that knows the codes of both.
//!
//! Texts of errors are the database's own; they name tables and columns, and quote no values of ours.

use lockgate_store::Error;
use sqlx::error::DatabaseError;
use uuid::Uuid;

/// What went wrong, before it is known with which record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The database does not take the data.
    #[error("{0}")]
    Content(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Error),
}

impl Fault {
    /// Outside of writing there is no record to name.
    pub(crate) fn plain(self) -> Error {
        match self {
            Self::Content(reason) => Error::Damaged(reason),
            Self::Other(error) => error,
        }
    }

    pub(crate) fn of_call(self, call: Uuid) -> Error {
        match self {
            Self::Content(reason) => Error::Refused { call, reason },
            Self::Other(error) => error,
        }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Other(Error::Damaged(what.into()))
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        match &error {
            sqlx::Error::Database(inner) => database(inner.as_ref()),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_)
            | sqlx::Error::TypeNotFound { .. } => Self::damaged(text),
            sqlx::Error::Encode(_) | sqlx::Error::InvalidArgument(_) => Self::Content(text),
            sqlx::Error::PoolTimedOut => Self::Other(Error::Locked("every connection is in use".to_owned())),
            _ => Self::Other(Error::Unavailable(text)),
        }
    }
}

fn database(error: &dyn DatabaseError) -> Fault {
    let text = error.message().to_owned();
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
        sqlite(code.parse().unwrap_or(0), text)
    } else {
        postgres(&code, text)
    }
}

/// The lower byte of SQLite's code is its class.
fn sqlite(code: i32, text: String) -> Fault {
    match code & 0xff {
        5 | 6 => Error::Locked(text).into(),
        9 => Error::Slow(text).into(),
        11 | 26 => Error::Damaged(text).into(),
        13 => Error::Full(text).into(),
        18..=20 => Fault::Content(text),
        _ => Error::Unavailable(text).into(),
    }
}

/// PostgreSQL's code is five signs, the first two its class.
fn postgres(code: &str, text: String) -> Fault {
    match code {
        "40001" | "40P01" | "55P03" => Error::Locked(text).into(),
        "53100" => Error::Full(text).into(),
        "57014" => Error::Slow(text).into(),
        "XX001" | "XX002" => Error::Damaged(text).into(),
        _ if code.starts_with("22") || code.starts_with("23") || code.starts_with("54") => {
            Fault::Content(text)
        }
        _ => Error::Unavailable(text).into(),
    }
}
