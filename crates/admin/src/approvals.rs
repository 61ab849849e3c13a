//! `/api/approvals`: calls that wait for a person, and what was decided. Whoever sees a call sees what is asked about it; operators
//! decide.
//!
//! An answer lands in the database, where the gateway that holds the call finds it; so any gateway, and the command line, can give it.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use lockgate_store::{Answer, Approval, ApprovalFilter, Cursor, Holds, PageRequest, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Origin, now_us};
use crate::filter::limit;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::{Asked, Sent};
use crate::problem::Problem;
use crate::view::{Listed, time};

/// The longest reason for an answer, in bytes.
const WORDS: usize = 1_000;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(list)))
        .merge(guarded(Guard::From(Role::Own), routes!(show)))
        .merge(guarded(Guard::From(Role::Operator), routes!(answer)))
        .merge(guarded(Guard::From(Role::Operator), routes!(revoke)))
}

/// Conditions on questions; all must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ApprovalQuery {
    /// Where the page before ended: its `next`.
    cursor: Option<String>,
    /// How many a page has: 1 to 500 (more is taken as 500), 50 if not given.
    limit: Option<u16>,
    /// The policy that asks.
    policy: Option<String>,
    /// The session.
    session: Option<String>,
    /// `pending`, `answered`, or `standing`: approved for later calls too, and not taken back.
    state: Option<String>,
}

/// A question to a person about a held call.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApprovalView {
    /// Its id.
    id: String,
    /// `pending`, `approved`, `denied`, `expired`, `withdrawn` (the client went away).
    state: String,
    /// The id of the call.
    call: Uuid,
    /// The policy that asks.
    policy: String,
    /// The rule inside the policy.
    rule: Option<String>,
    /// Why, secrets masked.
    reason: String,
    /// The tool that the model wants to call; `null` = it is about the request.
    tool: Option<String>,
    /// The arguments of the tool call, secrets masked.
    arguments: Option<String>,
    /// The model as it was asked for.
    model: String,
    /// The session.
    session: Option<String>,
    /// The program that calls.
    client: Option<String>,
    /// The name of the key.
    key: Option<String>,
    /// The user.
    user: Option<String>,
    /// When it was asked (RFC 3339).
    asked: String,
    /// Until when an answer is waited for.
    until: String,
    /// When it was answered.
    answered: Option<String>,
    /// By whom.
    by: Option<String>,
    /// `once`, `session` or `always`: for which calls an approval holds.
    holds: Option<String>,
    /// Why it was answered so.
    words: Option<String>,
    /// When a standing approval was taken back.
    revoked: Option<String>,
}

impl From<Approval> for ApprovalView {
    fn from(it: Approval) -> Self {
        let answer = it.answer.as_ref();
        let state = match answer {
            // A gateway that has ended cannot say that time is over.
            None if it.until_us < now_us() => Verdict::Expired.as_str(),
            None => "pending",
            Some(answer) => answer.verdict.as_str(),
        };
        Self {
            state: state.to_owned(),
            answered: answer.map(|answer| time(answer.at_us)),
            by: answer.and_then(|answer| answer.by.clone()),
            holds: answer.map(|answer| answer.holds.as_str().to_owned()),
            words: answer.and_then(|answer| answer.words.clone()),
            revoked: it.revoked_us.map(time),
            id: it.id,
            call: it.call,
            policy: it.policy,
            rule: it.rule,
            reason: it.reason,
            tool: it.tool,
            arguments: it.arguments,
            model: it.model,
            session: it.session,
            client: it.client,
            key: it.key,
            user: it.user,
            asked: time(it.asked_us),
            until: time(it.until_us),
        }
    }
}

/// Questions, the latest first.
#[utoipa::path(get, path = "/api/approvals", tag = "policies", params(ApprovalQuery),
    responses((status = 200, body = Listed<ApprovalView>)))]
async fn list(
    State(app): State<App>,
    who: Principal,
    Asked(query): Asked<ApprovalQuery>,
) -> Result<Json<Listed<ApprovalView>>, Problem> {
    let (pending, standing) = match query.state.as_deref() {
        None => (None, false),
        Some("answered") => (Some(false), false),
        Some("pending") => (Some(true), false),
        Some("standing") => (None, true),
        Some(other) => {
            let words = format!("`state={other}`: it is pending, answered or standing");
            return Err(Problem::invalid(words));
        }
    };
    let cursor = query.cursor.map(|text| text.parse::<Cursor>());
    let after = cursor.transpose().map_err(|error| Problem::invalid(format!("`cursor` is {error}")))?;
    let page = PageRequest { after, limit: limit(query.limit)? };
    let user = (who.role == Role::Own).then(|| who.user.unwrap_or_default());
    let filter = ApprovalFilter {
        before_us: None,
        pending,
        policy: query.policy,
        session: query.session,
        standing,
        user,
    };
    let mut found = app.store()?.approvals(&filter, &page).await?;
    if pending == Some(true) {
        found.items.retain(|it| it.until_us >= now_us());
    }
    Ok(Json(Listed::of(found)))
}

/// One question.
#[utoipa::path(get, path = "/api/approvals/{id}", tag = "policies",
    params(("id" = String, Path, description = "The question's id.")),
    responses((status = 200, body = ApprovalView), (status = 404, description = "No such question.")))]
async fn show(
    State(app): State<App>,
    who: Principal,
    Path(id): Path<String>,
) -> Result<Json<ApprovalView>, Problem> {
    let found = find(&app, &id).await?;
    if who.role == Role::Own && (who.user.is_none() || who.user != found.user) {
        return Err(missing(&id));
    }
    Ok(Json(found.into()))
}

/// An answer.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewAnswer {
    /// `approved` or `denied`.
    verdict: String,
    /// For which calls an approval holds: `once` (this one, the default), `session` (those with the same arguments in its session), or
    /// `always` (those with the same arguments of the same key).
    holds: Option<String>,
    /// Why, for whoever reads the answer or the record.
    words: Option<String>,
}

/// Answers a question.
#[utoipa::path(post, path = "/api/approvals/{id}", tag = "policies",
    params(("id" = String, Path, description = "The question's id.")), request_body = NewAnswer,
    responses((status = 200, body = ApprovalView), (status = 404, description = "No such question."),
              (status = 409, description = "It is not open any more.")))]
async fn answer(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(id): Path<String>,
    Sent(new): Sent<NewAnswer>,
) -> Result<Json<ApprovalView>, Problem> {
    let verdict = match new.verdict.as_str() {
        "approved" => Verdict::Approved,
        "denied" => Verdict::Denied,
        other => return Err(Problem::invalid(format!("`verdict`: `approved` or `denied`, not `{other}`"))),
    };
    let holds = new.holds.as_deref().map_or(Some(Holds::Once), Holds::of);
    let holds = holds.ok_or_else(|| Problem::invalid("`holds`: `once`, `session` or `always`"))?;
    if verdict == Verdict::Denied && holds != Holds::Once {
        return Err(Problem::invalid(
            "`holds`: only an approval holds for later calls; write a rule that refuses them",
        ));
    }
    if new.words.as_ref().is_some_and(|words| words.len() > WORDS) {
        return Err(Problem::invalid(format!("`words`: at most {WORDS} bytes")));
    }
    let found = find(&app, &id).await?;
    if holds == Holds::Session && found.session.is_none() {
        return Err(Problem::conflict("the call names no session; `once` and `always` are possible"));
    }
    let open = found.answer.is_none() && found.until_us >= now_us();
    let detail = json!({
        "call": found.call, "policy": found.policy, "rule": found.rule, "tool": found.tool,
        "verdict": verdict.as_str(), "holds": holds.as_str(),
    });
    let entry = from.entry(verb(verdict), format!("approval:{id}"), detail);
    let answer = Answer { at_us: now_us(), by: Some(who.name), holds, verdict, words: new.words };
    if !open || !app.store()?.answer(&id, &answer, Some(&entry)).await? {
        let state = ApprovalView::from(find(&app, &id).await?).state;
        return Err(Problem::conflict(format!("the question is not open any more: it is {state}")));
    }
    Ok(Json(find(&app, &id).await?.into()))
}

fn verb(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approved => "approve",
        Verdict::Denied => "deny",
        Verdict::Expired | Verdict::Withdrawn => "close",
    }
}

/// Takes back an approval that holds for later calls.
#[utoipa::path(delete, path = "/api/approvals/{id}", tag = "policies",
    params(("id" = String, Path, description = "The question's id.")),
    responses((status = 204, description = "It holds no more."), (status = 404, description = "No such approval.")))]
async fn revoke(State(app): State<App>, from: Origin, Path(id): Path<String>) -> Result<StatusCode, Problem> {
    let found = find(&app, &id).await?;
    let detail = json!({"policy": found.policy, "rule": found.rule, "tool": found.tool, "key": found.key});
    let entry = from.entry("revoke", format!("approval:{id}"), detail);
    if !app.store()?.revoke_approval(&id, &entry).await? {
        return Err(Problem::not_found(format!("`{id}` is no approval that holds for later calls")));
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn find(app: &App, id: &str) -> Result<Approval, Problem> {
    app.store()?.approval(id).await?.ok_or_else(|| missing(id))
}

fn missing(id: &str) -> Problem {
    Problem::not_found(format!("there is no question `{id}`"))
}
