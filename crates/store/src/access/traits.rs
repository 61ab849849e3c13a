//! The seams of who may do what, one small trait each. Whoever changes something says so: each change takes the entry of the
//! audit that is written in the same transaction.
//!
//! A name that is taken is `Error::Taken`; what is not there is `false` or `None`. No implementation has a clock.

use async_trait::async_trait;
use uuid::Uuid;

use crate::access::{AuditEntry, AuditFilter, Login, User, VirtualKey};
use crate::error::Error;
use crate::filter::{Page, PageRequest};

/// What a gateway reads to know its keys.
#[async_trait]
pub trait Ring: Send + Sync {
    /// A number that grows with every change of keys and users. One cheap query, made twice a second by each gateway.
    async fn version(&self) -> Result<i64, Error>;

    /// Every key, revoked and expired ones too, with whether its owner's account is disabled, and the version that they are of.
    async fn ring(&self) -> Result<(i64, Vec<(VirtualKey, bool)>), Error>;

    /// Notes when keys were used (µs since 1970). Changes no version.
    async fn used(&self, keys: &[(Uuid, i64)]) -> Result<(), Error>;
}

/// Makes and changes keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// Takes a new key.
    async fn create_key(&self, key: &VirtualKey, entry: &AuditEntry) -> Result<(), Error>;

    /// One key.
    async fn key(&self, id: Uuid) -> Result<Option<VirtualKey>, Error>;

    /// Changes what a key may do and what it is called. Its hash, origin and times other than the expiry stay.
    async fn change_key(&self, key: &VirtualKey, entry: &AuditEntry) -> Result<bool, Error>;

    /// Revokes a key for good. False = it is not there, or is revoked already.
    async fn revoke_key(&self, id: Uuid, entry: &AuditEntry) -> Result<bool, Error>;

    /// Puts a new key in the place of `new.rotated_from`, which ceases at `retires_us`. False = that one is not there, is revoked, or has
    /// been replaced already.
    async fn rotate_key(&self, new: &VirtualKey, retires_us: i64, entry: &AuditEntry) -> Result<bool, Error>;
}

/// Makes and changes users.
#[async_trait]
pub trait Users: Send + Sync {
    /// Takes a new user.
    async fn create_user(&self, user: &User, entry: &AuditEntry) -> Result<(), Error>;

    /// One user, by name.
    async fn user(&self, name: &str) -> Result<Option<User>, Error>;

    /// All users, by name.
    async fn users(&self) -> Result<Vec<User>, Error>;

    /// Changes role, password and whether the account is disabled, by name. Ends every login of the user but the one that is kept.
    async fn change_user(&self, user: &User, keep: Option<Uuid>, entry: &AuditEntry) -> Result<bool, Error>;

    /// Removes a user with every login, and revokes the keys that belong to the name. What was recorded under it stays.
    async fn remove_user(&self, name: &str, entry: &AuditEntry) -> Result<bool, Error>;
}

/// Where users are logged in.
#[async_trait]
pub trait Logins: Send + Sync {
    /// Takes a new login; those that are over are forgotten.
    async fn open_login(&self, login: &Login, entry: &AuditEntry) -> Result<(), Error>;

    /// The login of a token and its user, whatever has become of both.
    async fn login(&self, hash: &[u8; 32]) -> Result<Option<(Login, User)>, Error>;

    /// Notes that it was heard of, and until when it may be silent now.
    async fn heard(&self, id: Uuid, used_us: i64, idle_us: i64) -> Result<(), Error>;

    /// Every login of a user, the latest first.
    async fn logins(&self, user: &str) -> Result<Vec<Login>, Error>;

    /// Ends one login of a user, or every one; how many.
    async fn end_logins(&self, user: &str, id: Option<Uuid>, entry: &AuditEntry) -> Result<u64, Error>;
}

/// What was changed.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Adds an entry about something that is not changed by these traits.
    async fn note(&self, entry: &AuditEntry) -> Result<(), Error>;

    /// Entries, the latest first.
    async fn audit(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEntry>, Error>;

    /// Deletes entries; how many were there.
    async fn forget(&self, entries: &[Uuid]) -> Result<u64, Error>;
}
