//! People, what they may do, and where they are logged in.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::words;

words! {
    /// What somebody may do beside calling models, the least first.
    Role {
        /// See what belongs to oneself.
        Own = "self",
        /// See everything.
        Viewer = "viewer",
        /// Change keys and titles.
        Operator = "operator",
        /// Everything.
        Admin = "admin",
    }
}

/// Somebody who can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// When the account was made, µs since 1970.
    pub created_us: i64,
    /// Whether the account is closed for now: no login, and the user's keys are refused.
    pub disabled: bool,
    /// The id (UUIDv7).
    pub id: Uuid,
    /// The name. Unique, and never changed: calls are recorded under it.
    pub name: String,
    /// The password's argon2id hash, in the form that names its parameters and salt.
    pub password: String,
    /// What the user may do.
    pub role: Role,
}

/// A place where somebody is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The address it came from.
    pub address: Option<String>,
    /// When it began, µs since 1970.
    pub created_us: i64,
    /// When it ends, however busy it is, µs since 1970.
    pub ends_us: i64,
    /// The BLAKE3 hash of the token.
    pub hash: [u8; 32],
    /// Its id (UUIDv7), by which it is listed and ended.
    pub id: Uuid,
    /// When it ends if nothing is heard of it, µs since 1970.
    pub idle_us: i64,
    /// When it was heard of last, µs since 1970.
    pub used_us: i64,
    /// The user's name.
    pub user: String,
}

impl Login {
    /// Whether it is good at a time (µs since 1970).
    pub const fn is_open(&self, now_us: i64) -> bool {
        now_us < self.ends_us && now_us < self.idle_us
    }
}
