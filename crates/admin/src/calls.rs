//! `/api/calls`: lists, one call, its bodies.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use lockgate_history::{Exchange, MediaBytes, Spot};
use lockgate_store::{BodyKind, Part, StoredCall};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::feedback;
use crate::filter::FilterQuery;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::Asked;
use crate::problem::Problem;
use crate::reading::{self, beside};
use crate::view::{Call, CallDetails, Listed};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(list)))
        .merge(guarded(Guard::From(Role::Own), routes!(show)))
        .merge(guarded(Guard::From(Role::Own), routes!(body)))
        .merge(guarded(Guard::From(Role::Own), routes!(medium)))
        .merge(guarded(Guard::From(Role::Own), routes!(exchange)))
}

/// Calls, the latest first.
#[utoipa::path(get, path = "/api/calls", tag = "history", params(FilterQuery),
    responses((status = 200, body = Listed<Call>)))]
async fn list(
    State(app): State<App>,
    who: Principal,
    Asked(query): Asked<FilterQuery>,
) -> Result<Json<Listed<Call>>, Problem> {
    let (mut filter, page) = query.read()?;
    who.restrict(&mut filter);
    Ok(Json(Listed::of(app.store()?.list(&filter, &page).await?)))
}

/// One call with its attempts, decisions, and what bodies it has.
#[utoipa::path(get, path = "/api/calls/{id}", tag = "history",
    params(("id" = Uuid, Path, description = "The call's id (`x-task-id`).")),
    responses((status = 200, body = CallDetails), (status = 404, description = "No such call.")))]
async fn show(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<CallDetails>, Problem> {
    let stored = find(&app, &who, &id).await?;
    let decided = stored.details.decisions.iter().any(|decision| decision.kind == "policy");
    let labels = if decided { app.store()?.labels(stored.call.id).await? } else { BTreeMap::new() };
    let said = feedback::of_call(app.store()?, stored.call.id).await?;
    Ok(Json(CallDetails::from(stored).labelled(labels).heard(said)))
}

/// One body of a call, as it was sent (secrets masked).
#[utoipa::path(get, path = "/api/calls/{id}/bodies/{part}", tag = "history",
    params(("id" = Uuid, Path, description = "The call's id."),
           ("part" = String, Path, description = "`client_request`, `upstream_request`, `upstream_answer`, `client_answer`, `client_headers` or `earlier_answers`.")),
    responses((status = 200, description = "The bytes."), (status = 404, description = "No such call or body.")))]
async fn body(
    State(app): State<App>,
    who: Principal,
    Path((id, part)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let stored = find(&app, &who, &id).await?;
    let part = part_of(&part)?;
    let missing = || Problem::not_found(format!("nothing is kept of the call's `{}`", part.as_str()));
    let shown = shown(&stored, part).ok_or_else(missing)?;
    let kind = stored.bodies.iter().find(|body| body.part == shown).map_or(BodyKind::Other, |body| body.kind);
    let bytes = app.store()?.body(stored.call.id, shown).await?.ok_or_else(missing)?;
    // Never a page: what a model wrote must not run in the browser of somebody who looks at it.
    let kind = match kind {
        BodyKind::Json => "application/json",
        BodyKind::Other => "application/octet-stream",
        BodyKind::Sse => "text/plain; charset=utf-8",
    };
    Ok(([(header::CONTENT_TYPE, kind), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")], bytes).into_response())
}

/// Which medium of a call.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MediumQuery {
    /// The body: `client_request`, if not given.
    part: Option<String>,
    /// The message in it, from 0: its place in `request.messages` of an exchange, `at` of an entry of a conversation; 0 for an answer.
    message: usize,
    /// The piece of the message, from 0.
    piece: usize,
    /// The piece in the result of a tool, from 0.
    inner: Option<usize>,
}

/// A picture, sound or document that somebody sent in a call, as bytes.
#[utoipa::path(get, path = "/api/calls/{id}/media", tag = "history", params(MediumQuery,
        ("id" = Uuid, Path, description = "The call's id.")),
    responses((status = 200, description = "The bytes."),
        (status = 404, description = "No such call, or nothing there whose bytes are kept.")))]
async fn medium(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
    Asked(query): Asked<MediumQuery>,
) -> Result<Response, Problem> {
    let stored = find(&app, &who, &id).await?;
    let part = query.part.as_deref().map_or(Ok(Part::ClientRequest), part_of)?;
    let missing = || Problem::not_found("there is no medium there whose bytes are kept");
    let shown = shown(&stored, part).ok_or_else(missing)?;
    let bytes = app.store()?.body(stored.call.id, shown).await?.ok_or_else(missing)?;
    let spot = Spot { message: query.message, piece: query.piece, inner: query.inner };
    let found = beside(move || lockgate_history::media(&stored.call, shown, &bytes, spot)).await?;
    let MediaBytes { bytes, media_type } = found.ok_or_else(missing)?;
    // Types that no browser runs anything in are shown where they are, everything else is a download.
    let harmless = media_type.filter(|kind| SHOWN.contains(&kind.as_str()));
    let place = if harmless.is_some() { "inline" } else { "attachment" };
    let kind = harmless.unwrap_or_else(|| "application/octet-stream".to_owned());
    let headers = [
        (header::CACHE_CONTROL, "private, max-age=86400, immutable".to_owned()),
        (header::CONTENT_DISPOSITION, place.to_owned()),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'".to_owned()),
        (header::CONTENT_TYPE, kind),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, bytes).into_response())
}

/// Media that are shown as what they say they are.
const SHOWN: [&str; 8] = [
    "audio/mpeg",
    "audio/wav",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
    "video/mp4",
];

fn part_of(word: &str) -> Result<Part, Problem> {
    let known = || Part::ALL.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(", ");
    Part::of(word).ok_or_else(|| Problem::not_found(format!("there is no part `{word}`, but {}", known())))
}

/// One call, read: `request` and `answer` as messages, and what policies changed between the two sides (`interventions`).
#[utoipa::path(get, path = "/api/calls/{id}/exchange", tag = "history",
    params(("id" = Uuid, Path, description = "The call's id.")),
    responses((status = 200, body = Value), (status = 404, description = "No such call.")))]
async fn exchange(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let found = find(&app, &who, &id).await?.call.id;
    let missing = || Problem::not_found(format!("there is no call `{id}`"));
    let (stored, bodies) = reading::whole(app.store()?, found).await?.ok_or_else(missing)?;
    let read = beside(move || serde_json::to_value(Exchange::read(&stored.call, &stored.details, &bodies)));
    read.await?.map(Json).map_err(|error| Problem::internal(error.to_string()))
}

/// The part that holds the bytes of another: what was passed on as it came is stored once.
fn shown(stored: &StoredCall, part: Part) -> Option<Part> {
    let has = |part: Part| stored.bodies.iter().any(|body| body.part == part).then_some(part);
    match part {
        Part::ClientAnswer => has(part).or_else(|| has(Part::UpstreamAnswer)),
        Part::UpstreamRequest => has(part).or_else(|| has(Part::ClientRequest)),
        Part::ClientHeaders | Part::ClientRequest | Part::EarlierAnswers | Part::UpstreamAnswer => has(part),
    }
}

/// The call, for somebody who may see it.
pub(crate) async fn find(app: &App, who: &Principal, id: &str) -> Result<StoredCall, Problem> {
    let missing = || Problem::not_found(format!("there is no call `{id}`"));
    let uuid =
        id.parse::<Uuid>().map_err(|_| Problem::invalid(format!("`{id}` is no id of a call (a UUID)")))?;
    app.store()?.get(uuid).await?.filter(|stored| who.sees(&stored.call)).ok_or_else(missing)
}
