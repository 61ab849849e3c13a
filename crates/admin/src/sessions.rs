//! `/api/sessions`: lists, one session, its title. What it is when it is read: `reading`.

mod reading;

use axum::Json;
use axum::extract::{Path, State};
use lockgate_store::{self as store, SessionOrder};
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Origin;
use crate::feedback;
use crate::filter::FilterQuery;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::{Asked, Sent};
use crate::problem::Problem;
use crate::view::{Listed, Session, SessionDetails};

/// The longest title that can be given, in characters.
const TITLE_CHARS: usize = 200;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(list)))
        .merge(guarded(Guard::From(Role::Own), routes!(show)))
        .merge(guarded(Guard::From(Role::Operator), routes!(change)))
        .merge(reading::routes())
}

/// Sessions, the latest active first.
#[utoipa::path(get, path = "/api/sessions", tag = "history", params(FilterQuery),
    responses((status = 200, body = Listed<Session>)))]
async fn list(
    State(app): State<App>,
    who: Principal,
    Asked(query): Asked<FilterQuery>,
) -> Result<Json<Listed<Session>>, Problem> {
    let (mut filter, page) = query.read()?;
    who.restrict(&mut filter);
    Ok(Json(Listed::of(app.store()?.sessions(&filter, SessionOrder::Activity, &page).await?)))
}

/// One session.
#[utoipa::path(get, path = "/api/sessions/{id}", tag = "history",
    params(("id" = String, Path, description = "The session's id.")),
    responses((status = 200, body = SessionDetails), (status = 404, description = "No such session.")))]
async fn show(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<SessionDetails>, Problem> {
    let session = find(&app, &who, &id).await?;
    let said = feedback::of_session(app.store()?, &who, &id).await?;
    Ok(Json(SessionDetails { session: session.into(), feedback: said.into_iter().map(Into::into).collect() }))
}

/// What can be changed of a session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SessionChange {
    /// The new title, 1 to 200 characters. It is never replaced by a generated one.
    title: String,
}

/// Gives a session a title.
#[utoipa::path(patch, path = "/api/sessions/{id}", tag = "history",
    params(("id" = String, Path, description = "The session's id.")),
    request_body = SessionChange,
    responses((status = 200, body = Session), (status = 404, description = "No such session.")))]
async fn change(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(id): Path<String>,
    Sent(change): Sent<SessionChange>,
) -> Result<Json<Session>, Problem> {
    let title = change.title.trim();
    if title.is_empty() || title.chars().count() > TITLE_CHARS || title.contains(char::is_control) {
        return Err(Problem::invalid(format!("`title`: 1 to {TITLE_CHARS} characters, in one line")));
    }
    let before = find(&app, &who, &id).await?;
    app.store()?.rename(&id, title).await?;
    let after = find(&app, &who, &id).await?;
    // Titles are contents: the audit, which outlives them, tells only that there is another.
    let detail = json!({"title_source": before.title.map(|title| title.source.as_str())});
    app.store()?.note(&from.entry("rename", format!("session:{id}"), detail)).await?;
    Ok(Json(after.into()))
}

/// The session, for somebody who may see it: of one that others use too, what their own calls make of it.
pub(crate) async fn find(app: &App, who: &Principal, id: &str) -> Result<store::Session, Problem> {
    let missing = || Problem::not_found(format!("there is no session `{id}`"));
    let found = match (who.role, &who.user) {
        (Role::Own, None) => None,
        (Role::Own, Some(user)) => app.store()?.session_of(id, user).await?,
        (Role::Viewer | Role::Operator | Role::Admin, _) => app.store()?.session(id).await?,
    };
    found.ok_or_else(missing)
}
