//! What is set while gateways run, in versions: each with who wrote it and why. The latest is in force.
//!
//! A version is never changed; going back makes a new one. What a document means is not known here.

use async_trait::async_trait;

use crate::access::AuditEntry;
use crate::error::Error;

/// What is set while gateways run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enacted {
    /// Policies.
    Policies,
    /// Settings of the configuration.
    Settings,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// When it was written, µs since 1970.
    pub at_us: i64,
    /// Who wrote it.
    pub author: String,
    /// What is set, as YAML.
    pub document: String,
    /// Why.
    pub reason: String,
    /// From 1.
    pub version: i64,
}

/// Keeps versions.
#[async_trait]
pub trait Versions: Send + Sync {
    /// The number of the latest version; 0 = there is none. One cheap query.
    async fn latest_version(&self, of: Enacted) -> Result<i64, Error>;

    /// One version.
    async fn enacted(&self, of: Enacted, version: i64) -> Result<Option<Version>, Error>;

    /// Versions without their documents, the latest first.
    async fn versions(&self, of: Enacted, limit: usize) -> Result<Vec<Version>, Error>;

    /// Takes a version that follows the latest one. False = another one was quicker.
    async fn add_version(&self, of: Enacted, new: &Version, entry: &AuditEntry) -> Result<bool, Error>;
}
