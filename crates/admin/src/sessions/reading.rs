//! What a session is when it is read: the conversation, what made it expensive, why caches missed, and what it is taken along as.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use lockgate_history::{
    Conversation, Exporter, TranscriptOptions, by_catalogue, cache_misses, context_cost, markdown, transcript,
};
use lockgate_ledger::Catalogue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::find;
use crate::app::App;
use crate::feedback;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::Asked;
use crate::problem::Problem;
use crate::reading::{self, beside};
use crate::view::Session;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(conversation)))
        .merge(guarded(Guard::From(Role::Own), routes!(cost)))
        .merge(guarded(Guard::From(Role::Own), routes!(cache)))
        .merge(guarded(Guard::From(Role::Own), routes!(export)))
        .merge(guarded(Guard::From(Role::Own), routes!(resumable)))
}

/// A session as a conversation.
#[derive(Serialize, ToSchema)]
struct SessionView {
    /// The session.
    session: Session,
    /// `threads` of the agents, `entries` (every message once, with the call that brought or produced it), `tools` (calls paired with their
    /// results), `turns`, `calls` with their interventions, `preambles` (instructions and tools, each set once).
    #[schema(value_type = Object)]
    conversation: Value,
    /// Whether the session has more calls than are read (5,000); the first ones are here.
    truncated: bool,
}

/// A session as a conversation: every message once, tool calls with their results, what policies changed.
#[utoipa::path(get, path = "/api/sessions/{id}/conversation", tag = "history",
    params(("id" = String, Path, description = "The session's id.")),
    responses((status = 200, body = SessionView), (status = 404, description = "No such session.")))]
async fn conversation(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Problem> {
    let session = find(&app, &who, &id).await?.into();
    let read = reading::session(app.store()?, &who, &id).await?;
    let truncated = read.truncated;
    let conversation = beside(move || serde_json::to_value(&read.conversation)).await?;
    let conversation = conversation.map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Json(SessionView { session, conversation, truncated }))
}

/// What made a session expensive: its known cost by message, tool, file, agent and turn. Each list adds up to the total.
#[utoipa::path(get, path = "/api/sessions/{id}/cost", tag = "history",
    params(("id" = String, Path, description = "The session's id.")),
    responses((status = 200, body = Value), (status = 404, description = "No such session.")))]
async fn cost(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    priced(&app, &who, &id, |conversation, prices| {
        serde_json::to_value(context_cost(conversation, &by_catalogue(prices)))
    })
    .await
}

/// Where the provider's prompt cache was lost: what changed, and what it cost.
#[utoipa::path(get, path = "/api/sessions/{id}/cache", tag = "history",
    params(("id" = String, Path, description = "The session's id.")),
    responses((status = 200, body = Vec<Value>), (status = 404, description = "No such session.")))]
async fn cache(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    priced(&app, &who, &id, |conversation, prices| {
        serde_json::to_value(cache_misses(conversation, &by_catalogue(prices)))
    })
    .await
}

/// What is told of a session by the prices in force.
async fn priced(
    app: &App,
    who: &Principal,
    id: &str,
    tell: impl FnOnce(&Conversation, &Catalogue) -> serde_json::Result<Value> + Send + 'static,
) -> Result<Json<Value>, Problem> {
    find(app, who, id).await?;
    let read = reading::session(app.store()?, who, id).await?;
    let prices = app.prices.clone();
    let told = beside(move || match prices.current() {
        Ok(prices) => tell(&read.conversation, &prices).map_err(|error| error.to_string()),
        Err(error) => Err(format!("the price list cannot be read: {error}")),
    });
    told.await?.map(Json).map_err(Problem::internal)
}

/// As what a session is exported.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Form {
    /// One document that can be imported again.
    Json,
    /// The same, a call on each line.
    Jsonl,
    /// For people.
    Markdown,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// `markdown`, `json` or `jsonl`.
    format: Form,
}

/// A session as a file. JSON and JSONL hold all that is recorded of it and can be imported again.
#[utoipa::path(get, path = "/api/sessions/{id}/export", tag = "history", params(ExportQuery,
        ("id" = String, Path, description = "The session's id.")),
    responses((status = 200, description = "The file."), (status = 404, description = "No such session.")))]
async fn export(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
    Asked(query): Asked<ExportQuery>,
) -> Result<Response, Problem> {
    let session = find(&app, &who, &id).await?;
    let store = app.store()?;
    let unwritable = |error: lockgate_history::ExportError| Problem::internal(error.to_string());
    let lines = match query.format {
        Form::Markdown => {
            let read = reading::session(store, &who, &id).await?;
            let text = beside(move || markdown(&read.conversation, Some(&session))).await?;
            return Ok(file(&id, "md", "text/markdown; charset=utf-8", text.into_bytes()));
        }
        Form::Json => false,
        Form::Jsonl => true,
    };
    let said = feedback::whole(store, &who, Some(&id), &[]).await?;
    let exporter =
        if lines { Exporter::lines(Some(&session), said) } else { Exporter::json(Some(&session), said) };
    let mut exporter = exporter.map_err(unwritable)?;
    let mut out = exporter.start();
    for call in reading::seen(store, &who, &id).await? {
        if let Some((stored, bodies)) = reading::whole(store, call.id).await? {
            out.extend(exporter.call(&stored, &bodies).map_err(unwritable)?);
        }
    }
    out.extend(exporter.end());
    let (ending, kind) = if lines { ("jsonl", "application/x-ndjson") } else { ("json", "application/json") };
    Ok(file(&id, ending, kind, out))
}

fn file(id: &str, ending: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    let name: String = id.chars().take(80).map(plain).collect();
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"session-{name}.{ending}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, bytes).into_response()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ResumeQuery {
    /// The folder in which the session goes on; the one it worked in, if not given.
    cwd: Option<String>,
}

/// A transcript that Claude Code can go on from.
#[derive(Serialize, ToSchema)]
struct Resumable {
    /// The folder in which `claude --resume` is to be called.
    cwd: String,
    /// Where the file belongs, below `~/.claude` or `CLAUDE_CONFIG_DIR`.
    path: String,
    /// What `--resume` is given.
    session: uuid::Uuid,
    /// The file.
    text: String,
}

/// A session as a transcript that `claude --resume` goes on from, on any machine.
#[utoipa::path(get, path = "/api/sessions/{id}/transcript", tag = "history", params(ResumeQuery,
        ("id" = String, Path, description = "The session's id.")),
    responses((status = 200, body = Resumable),
        (status = 404, description = "No such session, or none of its contents was kept.")))]
async fn resumable(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
    Asked(query): Asked<ResumeQuery>,
) -> Result<Json<Resumable>, Problem> {
    let session = find(&app, &who, &id).await?;
    let cwd = query.cwd.or(session.cwd).ok_or_else(|| {
        Problem::invalid("the session does not say in which folder it worked; name one as `cwd`")
    })?;
    if !cwd.starts_with('/') && !cwd.contains(":\\") {
        return Err(Problem::invalid(format!("`cwd`: `{cwd}` is no absolute path")));
    }
    let read = reading::session(app.store()?, &who, &id).await?;
    let version = session.client.version.filter(|_| session.client.name.as_deref() == Some("claude-code"));
    let options = TranscriptOptions { branch: session.branch, cwd: cwd.clone(), session: id, version };
    let made = beside(move || transcript(&read.conversation, &options)).await?;
    let made = made.map_err(|error| Problem::not_found(error.to_string()))?;
    let text = String::from_utf8(made.bytes).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(Json(Resumable { cwd, path: made.path, session: made.session, text }))
}
