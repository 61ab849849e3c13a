//! Why something could not be stored or read. Says whether it pays to try again; quotes no contents.

use uuid::Uuid;

use crate::rope::{PieceHash, RopeError};

/// Why something could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is stored cannot be read.
    #[error("what is stored cannot be read: {0}")]
    Damaged(String),
    /// No space is left.
    #[error("the database has no space left: {0}")]
    Full(String),
    /// Somebody else holds the database for too long.
    #[error("the database is locked: {0}")]
    Locked(String),
    /// The database does not take this record, now or later.
    #[error("the record of call {call} is refused: {reason}")]
    Refused {
        /// The call of the record.
        call: Uuid,
        /// Why.
        reason: String,
    },
    /// A body cannot be put together.
    #[error(transparent)]
    Rope(#[from] RopeError),
    /// The database was made by a newer version.
    #[error(
        "the database has schema {found}, this version knows schemas up to {known}: start the newer version, or restore a backup"
    )]
    Schema {
        /// What it has.
        found: i64,
        /// What this version knows.
        known: i64,
    },
    /// It took too long.
    #[error("the database took too long: {0}")]
    Slow(String),
    /// Something of this name is there already.
    #[error("there is another {what} `{name}` already")]
    Taken {
        /// The name.
        name: String,
        /// What has it.
        what: &'static str,
    },
    /// The database cannot be reached or failed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A record refers to a piece that its scope does not have (any more): something was deleted meanwhile. Take the call's bodies apart
    /// again as if no piece were known, and write it again.
    #[error("the record of call {call} refers to piece {missing}, which is not stored")]
    Unwoven {
        /// The call of the record.
        call: Uuid,
        /// The piece.
        missing: PieceHash,
    },
}

impl Error {
    /// Whether the same may succeed later.
    pub const fn passes(&self) -> bool {
        match self {
            Self::Full(_) | Self::Locked(_) | Self::Slow(_) | Self::Unavailable(_) => true,
            Self::Damaged(_)
            | Self::Refused { .. }
            | Self::Rope(_)
            | Self::Schema { .. }
            | Self::Taken { .. }
            | Self::Unwoven { .. } => false,
        }
    }

    /// One word for health pages and metrics.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Damaged(_) | Self::Rope(_) => "damaged",
            Self::Full(_) => "full",
            Self::Locked(_) => "locked",
            Self::Refused { .. } => "refused",
            Self::Schema { .. } => "schema",
            Self::Slow(_) => "slow",
            Self::Taken { .. } => "taken",
            Self::Unavailable(_) => "unavailable",
            Self::Unwoven { .. } => "unwoven",
        }
    }
}
