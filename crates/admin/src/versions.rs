//! Versions of what is set while gateways run, as the API shows them: policies and settings alike.

use lockgate_store::{Enacted, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::auth::{Origin, now_us};
use crate::guard::Principal;
use crate::problem::Problem;
use crate::view::{Listed, time};

/// The largest document, in bytes.
const DOCUMENT: usize = 256 * 1024;

/// The longest reason, in bytes.
const REASON: usize = 1_000;

/// Versions that are listed.
pub(crate) const LISTED: usize = 500;

/// A version of what was set.
#[derive(Serialize, ToSchema)]
pub(crate) struct VersionView {
    /// Its number, from 1.
    version: i64,
    /// When it was written (RFC 3339).
    at: String,
    /// Who wrote it.
    author: String,
    /// Why.
    reason: String,
    /// What is set, as YAML; not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
}

impl From<Version> for VersionView {
    fn from(version: Version) -> Self {
        let document = (!version.document.is_empty()).then_some(version.document);
        Self {
            version: version.version,
            at: time(version.at_us),
            author: version.author,
            reason: version.reason,
            document,
        }
    }
}

/// With what a version is compared.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DiffQuery {
    /// The older version; the one before if not given.
    against: Option<i64>,
}

/// How two versions differ.
#[derive(Serialize, ToSchema)]
pub(crate) struct DiffView {
    /// The older version; 0 = nothing.
    from: i64,
    /// The newer version.
    to: i64,
    /// A unified diff of the documents; empty if they are the same.
    diff: String,
}

/// Versions, the latest first.
pub(crate) async fn list(app: &App, of: Enacted) -> Result<Listed<VersionView>, Problem> {
    let found = app.store()?.versions(of, LISTED).await?;
    Ok(Listed::whole(found.into_iter().map(Into::into).collect()))
}

/// One version.
pub(crate) async fn find(app: &App, of: Enacted, version: i64) -> Result<Version, Problem> {
    let found = app.store()?.enacted(of, version).await?;
    found.ok_or_else(|| Problem::not_found(format!("there is no version {version}")))
}

/// How a version differs from another one.
pub(crate) async fn diff(app: &App, of: Enacted, to: i64, query: &DiffQuery) -> Result<DiffView, Problem> {
    let from = query.against.unwrap_or(to - 1);
    let newer = find(app, of, to).await?.document;
    let older = if from == 0 { String::new() } else { find(app, of, from).await?.document };
    let text = similar::TextDiff::from_lines(older.as_str(), newer.as_str());
    let (before, after) = (format!("version {from}"), format!("version {to}"));
    let diff = text.unified_diff().header(&before, &after).to_string();
    Ok(DiffView { from, to, diff })
}

/// Who writes a version, why, and what the audit is told.
pub(crate) struct Writing<'a> {
    pub(crate) detail: Value,
    pub(crate) document: String,
    pub(crate) from: &'a Origin,
    pub(crate) object: &'static str,
    pub(crate) reason: &'a str,
    pub(crate) verb: &'static str,
    pub(crate) who: &'a Principal,
}

impl Writing<'_> {
    /// Whether it may be written: not too large, and with a reason.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.reason.trim().is_empty() || self.reason.len() > REASON {
            return Err(Problem::invalid(format!("`reason`: say why, in {REASON} bytes at most")));
        }
        if self.document.len() > DOCUMENT {
            return Err(Problem::invalid(format!("`document`: larger than {DOCUMENT} bytes")));
        }
        Ok(())
    }

    /// Writes it behind the latest version, unless somebody else was quicker.
    pub(crate) async fn write(self, app: &App, of: Enacted, latest: i64) -> Result<VersionView, Problem> {
        self.check()?;
        let version = latest + 1;
        let new = Version {
            at_us: now_us(),
            author: self.who.name.clone(),
            document: self.document,
            reason: self.reason.trim().to_owned(),
            version,
        };
        let entry = self.from.entry(self.verb, format!("{}:{version}", self.object), self.detail);
        if !app.store()?.add_version(of, &new, &entry).await? {
            return Err(quicker(app.store()?.latest_version(of).await?));
        }
        Ok(new.into())
    }
}

/// Somebody else has written a version meanwhile.
pub(crate) fn quicker(latest: i64) -> Problem {
    Problem::conflict(format!("version {latest} is in force; look at it and try again"))
}
