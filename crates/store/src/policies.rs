//! The policies that are set while gateways run, in versions: each with who wrote it and why. The latest is in force.
//!
//! A version is never changed; going back makes a new one. What a document means is not known here.

use async_trait::async_trait;

use crate::access::AuditEntry;
use crate::error::Error;

/// A version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// When it was written, µs since 1970.
    pub at_us: i64,
    /// Who wrote it.
    pub author: String,
    /// The policies, as YAML.
    pub document: String,
    /// Why.
    pub reason: String,
    /// From 1.
    pub version: i64,
}

/// Keeps versions of policies.
#[async_trait]
pub trait PolicyVersions: Send + Sync {
    /// The number of the latest version; 0 = there is none. One cheap query.
    async fn policy_version(&self) -> Result<i64, Error>;

    /// One version.
    async fn policies(&self, version: i64) -> Result<Option<PolicyVersion>, Error>;

    /// Versions without their documents, the latest first.
    async fn policy_versions(&self, limit: usize) -> Result<Vec<PolicyVersion>, Error>;

    /// Takes a version that follows the latest one. False = another one was quicker.
    async fn add_policies(&self, new: &PolicyVersion, entry: &AuditEntry) -> Result<bool, Error>;
}
