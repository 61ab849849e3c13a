//! `/api/quarantine`: calls of this gateway that could not be stored: what they are, why, another try, or away for good.
//!
//! They lie in files beside the log of the record, so each gateway tells of its own machine. What the files hold is not known here.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::Origin;
use crate::guard::{Guard, Role, guarded};
use crate::problem::Problem;
use crate::view::{Listed, time};

/// The quarantine, as this API deals with it. Its methods look at files, and may block.
pub trait Ward: Send + Sync {
    /// What lies there, the latest first.
    fn list(&self) -> std::io::Result<Vec<Inmate>>;

    /// Puts a call back to be stored; false if it is not there.
    fn release(&self, call: Uuid) -> std::io::Result<bool>;

    /// Deletes a file; false if it is not there.
    fn discard(&self, name: &str) -> std::io::Result<bool>;
}

/// A file in quarantine.
#[derive(Debug, Clone)]
pub struct Inmate {
    /// Since when.
    pub at: SystemTime,
    /// How large it is.
    pub bytes: u64,
    /// The call in it, if it can be read.
    pub call: Option<Uuid>,
    /// Its name.
    pub name: String,
    /// Why it is there.
    pub reason: Option<String>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Viewer), routes!(list)))
        .merge(guarded(Guard::From(Role::Operator), routes!(release)))
        .merge(guarded(Guard::From(Role::Admin), routes!(discard)))
}

/// A file in quarantine.
#[derive(Serialize, ToSchema)]
struct InmateView {
    /// Its name: the id of the call, or that of a file which could not be read.
    id: String,
    /// Since when it is there (RFC 3339).
    at: String,
    /// How large it is.
    bytes: u64,
    /// Whether it is a call, which can be put back. Else a file that could not be read even in its beginning.
    call: bool,
    /// Why it is there.
    reason: Option<String>,
}

/// What lies in quarantine, the latest first: calls that the database or Lockgate itself refused.
#[utoipa::path(get, path = "/api/quarantine", tag = "operations", responses((status = 200, body = Listed<InmateView>)))]
async fn list(State(app): State<App>) -> Result<Json<Listed<InmateView>>, Problem> {
    let found = on_files(&app, |ward| ward.list()).await?;
    let view = |inmate: Inmate| InmateView {
        at: inmate.at.duration_since(SystemTime::UNIX_EPOCH).map_or_else(
            |_| String::new(),
            |since| time(i64::try_from(since.as_micros()).unwrap_or(i64::MAX)),
        ),
        bytes: inmate.bytes,
        call: inmate.call.is_some(),
        id: inmate.name,
        reason: inmate.reason,
    };
    Ok(Json(Listed::whole(found.into_iter().map(view).collect())))
}

/// Puts a call back, to be stored anew within seconds. What is refused again comes back to the quarantine.
#[utoipa::path(post, path = "/api/quarantine/{id}/release", tag = "operations",
    params(("id" = Uuid, Path, description = "The call's id.")),
    responses((status = 202, description = "It is tried again."), (status = 404, description = "Not in quarantine.")))]
async fn release(
    State(app): State<App>,
    from: Origin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let call: Uuid = id.parse().map_err(|_| missing(&id))?;
    noted(&app, &from, "release", &id).await?;
    if !on_files(&app, move |ward| ward.release(call)).await? {
        return Err(missing(&id));
    }
    Ok(StatusCode::ACCEPTED)
}

/// Deletes what lies in quarantine under this name, for good.
#[utoipa::path(delete, path = "/api/quarantine/{id}", tag = "operations",
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 204, description = "Deleted."), (status = 404, description = "Not in quarantine.")))]
async fn discard(
    State(app): State<App>,
    from: Origin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    noted(&app, &from, "discard", &id).await?;
    let name = id.clone();
    if !on_files(&app, move |ward| ward.discard(&name)).await? {
        return Err(missing(&id));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Notes in the audit what is about to be done: it is never done unnoted.
async fn noted(app: &App, from: &Origin, verb: &str, id: &str) -> Result<(), Problem> {
    let name = id.to_owned();
    if !on_files(app, move |ward| Ok(ward.list()?.iter().any(|inmate| inmate.name == name))).await? {
        return Err(missing(id));
    }
    Ok(app.store()?.note(&from.entry(verb, format!("quarantine:{id}"), json!(null))).await?)
}

fn missing(id: &str) -> Problem {
    Problem::not_found(format!(
        "no call `{id}` is in quarantine here; `lockgate quarantine list` says which are"
    ))
}

/// Looks at files, beside the threads that answer.
async fn on_files<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&dyn Ward) -> std::io::Result<T> + Send + 'static,
) -> Result<T, Problem> {
    let ward: Arc<dyn Ward> = app
        .ward
        .clone()
        .ok_or_else(|| Problem::unavailable("this gateway records nothing, so it has no quarantine"))?;
    let done = tokio::task::spawn_blocking(move || work(ward.as_ref())).await;
    done.map_err(|_| Problem::internal("the quarantine cannot be looked at"))?.map_err(|error| {
        tracing::error!(%error, "the quarantine cannot be used");
        Problem::unavailable("the files of the quarantine cannot be used; the reason is in the gateway's log")
    })
}
