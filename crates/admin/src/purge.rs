//! `/api/purge` and `/api/retention`: deletes what somebody names, or what is too old.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use lockgate_store::{Extent, Selection};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Origin;
use crate::filter::moment;
use crate::guard::{Guard, Role, guarded};
use crate::input::Sent;
use crate::problem::Problem;
use crate::retention::{Deleted, Deletion, Retained, Times, class_word, scrub, word};

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Admin), routes!(purge)))
        .merge(guarded(Guard::From(Role::Viewer), routes!(policy)))
        .merge(guarded(Guard::From(Role::Admin), routes!(apply)))
}

/// What is deleted: exactly one of `session`, `key`, `user`, `older_than`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct PurgeWish {
    /// The session with this id.
    session: Option<String>,
    /// The calls of the key with this name.
    key: Option<String>,
    /// The calls of this user.
    user: Option<String>,
    /// Calls that began before: a time, a day, or how long ago (`90d`).
    older_than: Option<String>,
    /// Only bodies and searchable words; who, which model, when and how much stay.
    contents_only: bool,
    /// Only count.
    dry_run: bool,
    /// Whether it is written to the archive before. Default: if `record.retention.archive` names a folder.
    archive: Option<bool>,
}

/// Deletes calls for good, and notes it in the audit. With `dry_run` only counts.
#[utoipa::path(post, path = "/api/purge", tag = "retention", request_body = PurgeWish,
    responses((status = 200, body = Deleted), (status = 400, description = "Not exactly one thing to delete."),
        (status = 503, description = "The archive cannot be written, or there is no database; nothing was deleted.")))]
async fn purge(
    State(app): State<App>,
    origin: Origin,
    Sent(wish): Sent<PurgeWish>,
) -> Result<Json<Deleted>, Problem> {
    let (what, object) = selection(&wish)?;
    let policy = app.retention();
    let folder = policy.archive.as_deref();
    let archive = match (wish.archive, folder) {
        (Some(true), None) => {
            return Err(Problem::invalid("`archive`: no folder is named as `record.retention.archive`"));
        }
        (Some(false), _) => None,
        (Some(true) | None, folder) => folder,
    };
    let extent = if wish.contents_only { Extent::Contents } else { Extent::Everything };
    let store = app.store()?;
    let deleted = Deletion { archive, dry_run: wish.dry_run, extent }.run(store, &what).await?;
    if !wish.dry_run {
        scrub(store).await;
        let detail = json!({"extent": word(extent), "deleted": &deleted});
        store.note(&origin.entry("purge", object, detail)).await?;
    }
    Ok(Json(deleted))
}

fn selection(wish: &PurgeWish) -> Result<(Selection, String), Problem> {
    let older = wish.older_than.as_ref().map(|text| moment("older_than", text, Timestamp::now()));
    let all = [
        wish.session.as_ref().map(|id| (Selection::Session(id.clone()), format!("session:{id}"))),
        wish.key.as_ref().map(|name| (Selection::Key(name.clone()), format!("key:{name}"))),
        wish.user.as_ref().map(|name| (Selection::User(name.clone()), format!("user:{name}"))),
        older.transpose()?.map(|before| (Selection::OlderThan(before), "calls".to_owned())),
    ];
    let mut named = all.into_iter().flatten();
    match (named.next(), named.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(Problem::invalid("name exactly one of `session`, `key`, `user`, `older_than`")),
    }
}

/// What is deleted by age.
#[derive(Serialize, ToSchema)]
struct PolicyView {
    /// Days after which questions to people are deleted; `null` = never.
    approvals_days: Option<u32>,
    /// The folder that it is written to before.
    archive: Option<String>,
    /// Days after which entries of the audit are deleted; `null` = never.
    audit_days: Option<u32>,
    /// Days after which calls are deleted; `null` = never.
    calls_days: Option<u32>,
    /// Other days for calls of a class of data; `none` = calls without one. `null` = as of all.
    classes: BTreeMap<&'static str, TimesView>,
    /// Days after which the contents of calls are deleted; `null` = never.
    contents_days: Option<u32>,
    /// Days after which what policies said is deleted; `null` = never.
    verdicts_days: Option<u32>,
    /// Why nothing is deleted by age for now; `null` = it is.
    withheld: Option<String>,
}

/// How long calls of a class are kept.
#[derive(Serialize, ToSchema)]
struct TimesView {
    /// Days after which they are deleted.
    calls_days: Option<u32>,
    /// Days after which their contents are deleted.
    contents_days: Option<u32>,
}

impl From<Times> for TimesView {
    fn from(Times { calls_days, contents_days }: Times) -> Self {
        Self { calls_days, contents_days }
    }
}

/// What the configuration says of retention.
#[utoipa::path(get, path = "/api/retention", tag = "retention", responses((status = 200, body = PolicyView)))]
async fn policy(State(app): State<App>) -> Json<PolicyView> {
    let policy = app.retention();
    let classes = policy.classes.iter();
    Json(PolicyView {
        approvals_days: policy.approvals_days,
        archive: policy.archive.as_ref().map(|folder| folder.display().to_string()),
        audit_days: policy.audit_days,
        calls_days: policy.calls.calls_days,
        classes: classes.map(|(class, times)| (class_word(*class), (*times).into())).collect(),
        contents_days: policy.calls.contents_days,
        verdicts_days: policy.verdicts_days,
        withheld: policy.withheld.clone(),
    })
}

/// How a round of retention is made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct RetentionWish {
    /// Only count.
    dry_run: bool,
}

/// Deletes what is too old now, instead of within the hour. With `dry_run` only counts.
#[utoipa::path(post, path = "/api/retention", tag = "retention", request_body = RetentionWish,
    responses((status = 200, body = Retained),
        (status = 409, description = "Settings that were made while gateways run cannot be used here: the days may be others.")))]
async fn apply(State(app): State<App>, Sent(wish): Sent<RetentionWish>) -> Result<Json<Retained>, Problem> {
    app.retention().apply(app.store()?, wish.dry_run).await.map(Json)
}
