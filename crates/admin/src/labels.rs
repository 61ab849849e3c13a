//! What people say of a policy's verdict: right or wrong. Whoever sees the call may say so, but for viewers, who change nothing.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use jiff::Timestamp;
use lockgate_redact::{Level, Options, Redactor};
use lockgate_store::verdicts::{self as store, Opinion, rows};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::LazyLock;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Origin;
use crate::calls::find;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::Sent;
use crate::problem::Problem;
use crate::view::time;

/// The longest note, in characters.
const NOTE_CHARS: usize = 500;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(label)))
        .merge(guarded(Guard::From(Role::Own), routes!(unlabel)))
}

/// What a person says of a verdict.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct LabelView {
    /// `right` or `wrong`.
    verdict: &'static str,
    /// Why, secrets masked.
    note: Option<String>,
    /// Who says so.
    by: String,
    /// When (RFC 3339).
    at: String,
}

impl From<store::Label> for LabelView {
    fn from(label: store::Label) -> Self {
        let store::Label { at_us, by, note, opinion } = label;
        Self { verdict: opinion.as_str(), note, by, at: time(at_us) }
    }
}

/// What a person wants to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LabelWish {
    /// `right`: what the policy says is true; `wrong`: it should not have said it.
    verdict: String,
    /// Why: up to 500 characters.
    #[serde(default)]
    note: Option<String>,
}

/// Says whether a policy was right, in place of what was said before. Not for viewers.
#[utoipa::path(put, path = "/api/calls/{id}/decisions/{number}/label", tag = "policies", request_body = LabelWish,
    params(("id" = Uuid, Path, description = "The call's id."),
           ("number" = u32, Path, description = "The decision's `number`.")),
    responses((status = 200, body = LabelView), (status = 400, description = "Neither right nor wrong."),
        (status = 404, description = "No such call, or no verdict of a policy there.")))]
async fn label(
    State(app): State<App>,
    who: Principal,
    origin: Origin,
    Path((id, number)): Path<(String, String)>,
    Sent(wish): Sent<LabelWish>,
) -> Result<Json<LabelView>, Problem> {
    let (stored, number) = verdict(&app, &who, &id, &number).await?;
    let opinion = Opinion::of(&wish.verdict)
        .ok_or_else(|| Problem::invalid(format!("`verdict`: `right` or `wrong`, not `{}`", wish.verdict)))?;
    let note = wish.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
    if note.is_some_and(|note| note.chars().count() > NOTE_CHARS) {
        return Err(Problem::invalid(format!("`note`: up to {NOTE_CHARS} characters")));
    }
    let note = note.map(|note| MASKS.redact(note).into_owned());
    let label =
        store::Label { at_us: Timestamp::now().as_microsecond(), by: who.name.clone(), note, opinion };
    let detail = json!({"decision": number, "verdict": opinion.as_str()});
    let entry = origin.entry("label", format!("call:{stored}"), detail);
    if !app.store()?.label(stored, number, Some(&label), &entry).await? {
        return Err(missing(&id, number));
    }
    Ok(Json(label.into()))
}

/// Takes back what was said of a verdict. Not for viewers.
#[utoipa::path(delete, path = "/api/calls/{id}/decisions/{number}/label", tag = "policies",
    params(("id" = Uuid, Path, description = "The call's id."),
           ("number" = u32, Path, description = "The decision's `number`.")),
    responses((status = 204, description = "Nothing is said of it now."),
        (status = 404, description = "No such call, or no verdict of a policy there.")))]
async fn unlabel(
    State(app): State<App>,
    who: Principal,
    origin: Origin,
    Path((id, number)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (stored, number) = verdict(&app, &who, &id, &number).await?;
    let entry = origin.entry("unlabel", format!("call:{stored}"), json!({"decision": number}));
    if !app.store()?.label(stored, number, None, &entry).await? {
        return Err(missing(&id, number));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The call and the number of a verdict of it, for somebody who may speak of it.
async fn verdict(app: &App, who: &Principal, id: &str, number: &str) -> Result<(uuid::Uuid, u32), Problem> {
    let found = find(app, who, id).await?;
    if who.role == Role::Viewer {
        let words = format!("{} has `viewer`, which changes nothing", who.name);
        return Err(Problem::forbidden(words));
    }
    let number = number
        .parse::<u32>()
        .map_err(|_| Problem::invalid(format!("`{number}` is no number of a decision (from 1)")))?;
    if !rows(&found.details.decisions).any(|row| row.number == number) {
        return Err(missing(id, number));
    }
    Ok((found.call.id, number))
}

fn missing(id: &str, number: u32) -> Problem {
    Problem::not_found(format!("decision {number} of the call `{id}` is no verdict of a policy"))
}

/// What masks secrets in notes. The key is of this process: notes are not compared with each other.
pub(crate) static MASKS: LazyLock<Redactor> = LazyLock::new(|| {
    let mut key = [0; 32];
    let _ = getrandom::fill(&mut key);
    Redactor::new(Options { known: Vec::new(), key, level: Level::Record })
});
