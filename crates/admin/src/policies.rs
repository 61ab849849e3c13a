//! `/api/policies`: the policies in force, and those that are set while gateways run, in versions with author and reason.
//!
//! Policies of the configuration file come first and cannot be changed here. A version is checked before it is taken and never changed
//! afterwards; every gateway on the database takes the latest one over within a second. What a document means is not known here.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use lockgate_policy::trust::Bounds;
use lockgate_store::{Enacted, Version};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Origin;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::{Asked, Sent};
use crate::problem::Problem;
use crate::spans;
use crate::trust;
use crate::versions::{self, DiffQuery, DiffView, VersionView, Writing, quicker};
use crate::view::Listed;

/// What this API does not know of policies.
pub trait PolicyBook: Send + Sync {
    /// The policies of the configuration file.
    fn of_file(&self) -> Vec<PolicyView>;

    /// What a policy has to show before it may be set to refuse; `None` = nothing.
    fn bounds(&self) -> Option<Bounds>;

    /// Whether a document may be set: it can work, and can be meant so. Else what is wrong, and where.
    fn check(&self, document: &str) -> Result<(), String>;

    /// The policies of a document, as they would stand behind those of the file; or why it cannot work.
    fn of_document(&self, document: &str) -> Result<Vec<PolicyView>, String>;
}

/// The book of an API that has none: no policies, and none can be set.
pub(crate) struct NoBook;

impl PolicyBook for NoBook {
    fn bounds(&self) -> Option<Bounds> {
        None
    }

    fn of_file(&self) -> Vec<PolicyView> {
        Vec::new()
    }

    fn check(&self, _: &str) -> Result<(), String> {
        Err("policies cannot be set here".into())
    }

    fn of_document(&self, _: &str) -> Result<Vec<PolicyView>, String> {
        Err("policies cannot be set here".into())
    }
}

/// A policy.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// How far it may go: `off`, `observe`, `warn`, `rewrite`, `block`.
    pub mode: String,
    /// What becomes of what it could not judge: `ask`, `block` or `pass`.
    pub on_failure: String,
    /// How many rules it has, where it has rules.
    pub rules: usize,
    /// A hash of all that is said of it but its mode.
    pub definition: String,
    /// Where it stands: in the configuration `file`, or `applied` while gateways run.
    pub from: &'static str,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    let (viewer, admin) = (Guard::From(Role::Viewer), Guard::From(Role::Admin));
    OpenApiRouter::new()
        .merge(guarded(viewer, routes!(show)))
        .merge(guarded(admin, routes!(set)))
        .merge(guarded(viewer, routes!(list)))
        .merge(guarded(viewer, routes!(version)))
        .merge(guarded(viewer, routes!(diff)))
        .merge(guarded(admin, routes!(roll_back)))
}

/// The policies in force.
#[derive(Serialize, ToSchema)]
struct InForce {
    /// The version of those that were set here; 0 = none were.
    version: i64,
    /// All policies, in order.
    policies: Vec<PolicyView>,
}

/// The policies in force, in order: those of the configuration file, then those that were set here.
#[utoipa::path(get, path = "/api/policies", tag = "policies", responses((status = 200, body = InForce)))]
async fn show(State(app): State<App>) -> Result<Json<InForce>, Problem> {
    let mut policies = app.book.of_file();
    let version = app.store()?.latest_version(Enacted::Policies).await?;
    if version > 0 {
        let stored = find(&app, version).await?;
        let more = app.book.of_document(&stored.document);
        policies.extend(
            more.map_err(|why| Problem::conflict(format!("version {version} is not in force: {why}")))?,
        );
    }
    Ok(Json(InForce { version, policies }))
}

/// New policies.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPolicies {
    /// The policies in the form of the configuration file: `policies: {chain: […]}`. They stand behind those of the file.
    document: String,
    /// Why, for whoever reads the versions.
    reason: String,
    /// The version that was looked at before. Another one in force is a conflict, and nothing is changed.
    follows: Option<i64>,
    /// Whether policies may refuse (mode `block`) also without the evidence that `policies.promotion` asks for. The audit says so.
    #[serde(default)]
    force: bool,
}

/// Sets policies: they take the place of those that were set here before.
#[utoipa::path(post, path = "/api/policies", tag = "policies", request_body = NewPolicies,
    responses((status = 201, body = VersionView), (status = 400, description = "They cannot work; the message says where."),
              (status = 409, description = "Somebody else was quicker, or a policy may not refuse yet.")))]
async fn set(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Sent(new): Sent<NewPolicies>,
) -> Result<(StatusCode, Json<VersionView>), Problem> {
    let latest = app.store()?.latest_version(Enacted::Policies).await?;
    if new.follows.is_some_and(|follows| follows != latest) {
        return Err(quicker(latest));
    }
    app.book.check(&new.document).map_err(Problem::invalid)?;
    let forced = gate(&app, latest, &new.document, new.force).await?;
    let verb = if forced { "enact_unproven" } else { "enact" };
    write(&app, &who, &from, latest, (verb, new.document, new.reason)).await
}

/// The first policy that a document lets refuse without the evidence that is asked for, and what is missing. One that refuses already, as it is
/// defined in the document, needs none.
async fn unproven(app: &App, latest: i64, document: &str) -> Result<Option<String>, Problem> {
    let Some(bounds) = app.book.bounds() else { return Ok(None) };
    let before = match latest {
        0 => Vec::new(),
        // What this gateway cannot read any more refuses nothing.
        latest => app.book.of_document(&find(app, latest).await?.document).unwrap_or_default(),
    };
    for policy in app.book.of_document(document).map_err(Problem::invalid)? {
        let refuses = |other: &PolicyView| other.mode == "block" && other.is_same(&policy);
        if policy.mode != "block" || before.iter().any(refuses) {
            continue;
        }
        let spans = spans::of(app, &policy).await?;
        if let Some(why) = trust::unproven(app, &policy.name, &spans, &bounds).await? {
            return Ok(Some(format!(
                "`{}` may not refuse yet: {why} (verdicts count that it gave as it is defined now, in whatever mode)",
                policy.name
            )));
        }
    }
    Ok(None)
}

impl PolicyView {
    /// Whether it is the same policy, in whatever mode.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.name == other.name && self.definition == other.definition
    }
}

/// Refuses a document that lets policies refuse without evidence, unless that is forced; whether it was.
async fn gate(app: &App, latest: i64, document: &str, force: bool) -> Result<bool, Problem> {
    let unproven = unproven(app, latest, document).await?;
    match unproven {
        Some(why) if !force => Err(Problem::conflict(format!(
            "{why}; label more of what it says, or set it with `force`, which the audit tells"
        ))),
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

/// Versions, the latest first.
#[utoipa::path(get, path = "/api/policies/versions", tag = "policies",
    responses((status = 200, body = Listed<VersionView>)))]
async fn list(State(app): State<App>) -> Result<Json<Listed<VersionView>>, Problem> {
    Ok(Json(versions::list(&app, Enacted::Policies).await?))
}

/// One version with its document.
#[utoipa::path(get, path = "/api/policies/versions/{version}", tag = "policies",
    params(("version" = i64, Path, description = "The number.")),
    responses((status = 200, body = VersionView), (status = 404, description = "No such version.")))]
async fn version(State(app): State<App>, Path(version): Path<i64>) -> Result<Json<VersionView>, Problem> {
    Ok(Json(find(&app, version).await?.into()))
}

/// How a version differs from another one.
#[utoipa::path(get, path = "/api/policies/versions/{version}/diff", tag = "policies",
    params(("version" = i64, Path, description = "The number."), DiffQuery),
    responses((status = 200, body = DiffView), (status = 404, description = "No such version.")))]
async fn diff(
    State(app): State<App>,
    Path(to): Path<i64>,
    Asked(query): Asked<DiffQuery>,
) -> Result<Json<DiffView>, Problem> {
    Ok(Json(versions::diff(&app, Enacted::Policies, to, &query).await?))
}

/// Back to a version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RollBack {
    /// The version to go back to; 0 = no policies were set.
    version: i64,
    /// Why.
    reason: String,
    /// Whether policies may refuse also without the evidence that `policies.promotion` asks for. The audit says so.
    #[serde(default)]
    force: bool,
}

/// Makes a new version of an earlier one, which is checked again.
#[utoipa::path(post, path = "/api/policies/rollback", tag = "policies", request_body = RollBack,
    responses((status = 201, body = VersionView), (status = 404, description = "No such version."),
              (status = 409, description = "Somebody else was quicker, or a policy may not refuse yet.")))]
async fn roll_back(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Sent(back): Sent<RollBack>,
) -> Result<(StatusCode, Json<VersionView>), Problem> {
    let document = match back.version {
        0 => "policies: {chain: []}\n".to_owned(),
        version => find(&app, version).await?.document,
    };
    let latest = app.store()?.latest_version(Enacted::Policies).await?;
    let reason = format!("back to version {}: {}", back.version, back.reason.trim());
    let forced = gate(&app, latest, &document, back.force).await?;
    let verb = if forced { "roll_back_unproven" } else { "roll_back" };
    write(&app, &who, &from, latest, (verb, document, reason)).await
}

/// Checks a document and writes it behind the latest version.
async fn write(
    app: &App,
    who: &Principal,
    from: &Origin,
    latest: i64,
    (verb, document, reason): (&'static str, String, String),
) -> Result<(StatusCode, Json<VersionView>), Problem> {
    let policies = app.book.of_document(&document).map_err(Problem::invalid)?;
    let named: Vec<_> = policies.iter().map(|one| format!("{} ({})", one.name, one.mode)).collect();
    let detail = json!({"reason": reason.trim(), "policies": named});
    let writing = Writing { detail, document, from, object: "policies", reason: &reason, verb, who };
    Ok((StatusCode::CREATED, Json(writing.write(app, Enacted::Policies, latest).await?)))
}

pub(crate) async fn find(app: &App, version: i64) -> Result<Version, Problem> {
    versions::find(app, Enacted::Policies, version).await
}

/// The book that an API has until it is given one.
pub(crate) fn no_book() -> Arc<dyn PolicyBook> {
    Arc::new(NoBook)
}
