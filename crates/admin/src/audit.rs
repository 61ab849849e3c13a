//! `/api/audit`: who changed what. For viewers; nothing here can be changed.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use lockgate_store::access::{AuditEntry, AuditFilter};
use lockgate_store::{Cursor, PageRequest};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::filter::{limit, moment};
use crate::guard::{Guard, Role, guarded};
use crate::input::Asked;
use crate::problem::Problem;
use crate::view::{Listed, time};

pub(crate) fn routes() -> OpenApiRouter<App> {
    guarded(Guard::From(Role::Viewer), routes!(list))
}

/// Conditions on entries; all must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// By whom: a user's or key's name.
    actor: Option<String>,
    /// Where the page before ended: its `next`.
    cursor: Option<String>,
    /// From when, included: a time, a day, or how long ago (`24h`, `7d`).
    from: Option<String>,
    /// How many entries a page has: 1 to 500 (more is taken as 500), 50 if not given.
    limit: Option<u16>,
    /// Of what, such as `key:laptop` or `user:ann`.
    object: Option<String>,
    /// Until when, not included; like `from`.
    to: Option<String>,
    /// What was done, such as `create`, `revoke`, `login_failed`.
    verb: Option<String>,
}

/// A change.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryView {
    /// Its id.
    id: Uuid,
    /// When (RFC 3339).
    at: String,
    /// The same, µs since 1970.
    at_us: i64,
    /// `cli`, `key`, `nobody` (a login that failed), `system` or `user`.
    actor_kind: String,
    /// The actor's name.
    actor: Option<String>,
    /// The address that it came from.
    address: Option<String>,
    /// What was done.
    verb: String,
    /// Of what.
    object: String,
    /// What it was, without secrets.
    detail: Value,
}

impl From<AuditEntry> for EntryView {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            at: time(entry.at_us),
            at_us: entry.at_us,
            actor_kind: entry.actor.kind().to_owned(),
            actor: entry.actor.name().map(ToOwned::to_owned),
            address: entry.address,
            verb: entry.verb,
            object: entry.object,
            detail: entry.detail,
        }
    }
}

/// What was changed, the latest first.
#[utoipa::path(get, path = "/api/audit", tag = "access", params(AuditQuery),
    responses((status = 200, body = Listed<EntryView>)))]
async fn list(
    State(app): State<App>,
    Asked(query): Asked<AuditQuery>,
) -> Result<Json<Listed<EntryView>>, Problem> {
    let now = Timestamp::now();
    let time = |name: &str, text: Option<String>| text.map(|text| moment(name, &text, now)).transpose();
    let after = query
        .cursor
        .map(|text| text.parse::<Cursor>().map_err(|error| Problem::invalid(format!("`cursor` is {error}"))));
    let filter = AuditFilter {
        actor: query.actor,
        from_us: time("from", query.from)?,
        object: query.object,
        to_us: time("to", query.to)?,
        verb: query.verb,
    };
    let page = PageRequest { after: after.transpose()?, limit: limit(query.limit)? };
    Ok(Json(Listed::of(app.store()?.audit(&filter, &page).await?)))
}
