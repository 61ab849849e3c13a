//! `/api/sessions`: lists, one session, its calls, its title.

use axum::Json;
use axum::extract::{Path, State};
use lockgate_store::{self as store, Filter, Limit, Membership, PageRequest, SessionOrder};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::filter::FilterQuery;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::{Asked, Sent};
use crate::problem::Problem;
use crate::view::{Listed, Session};

/// The longest title that can be given, in characters.
const TITLE_CHARS: usize = 200;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(list)))
        .merge(guarded(Guard::From(Role::Own), routes!(show)))
        .merge(guarded(Guard::From(Role::Operator), routes!(change)))
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
    responses((status = 200, body = Session), (status = 404, description = "No such session.")))]
async fn show(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<Session>, Problem> {
    Ok(Json(find(&app, &who, &id).await?.into()))
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
    Path(id): Path<String>,
    Sent(change): Sent<SessionChange>,
) -> Result<Json<Session>, Problem> {
    let title = change.title.trim();
    if title.is_empty() || title.chars().count() > TITLE_CHARS || title.contains(char::is_control) {
        return Err(Problem::invalid(format!("`title`: 1 to {TITLE_CHARS} characters, in one line")));
    }
    find(&app, &who, &id).await?;
    app.store()?.rename(&id, title).await?;
    Ok(Json(find(&app, &who, &id).await?.into()))
}

/// The session, for somebody who may see it: one call of it is theirs.
pub(crate) async fn find(app: &App, who: &Principal, id: &str) -> Result<store::Session, Problem> {
    let missing = || Problem::not_found(format!("there is no session `{id}`"));
    if who.role == Role::Own {
        let mut filter = Filter { session: Some(Membership::Of(id.to_owned())), ..Filter::default() };
        who.restrict(&mut filter);
        let page = PageRequest { after: None, limit: Limit::of(1) };
        let own = app.store()?.list(&filter, &page).await?;
        if own.items.is_empty() {
            return Err(missing());
        }
    }
    app.store()?.session(id).await?.ok_or_else(missing)
}
