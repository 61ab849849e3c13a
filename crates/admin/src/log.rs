//! `/api/log`: how much the gateway writes into its log, for now or for a while.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use lockgate_telemetry::{Level, Levels, Standing};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Origin;
use crate::guard::{Guard, Role, guarded};
use crate::input::Sent;
use crate::problem::Problem;

#[cfg(test)]
mod tests;

/// The longest time that a level can be asked for, in minutes: a week.
const LONGEST: u64 = 7 * 24 * 60;

pub(crate) fn routes() -> OpenApiRouter<App> {
    guarded(Guard::From(Role::Operator), routes!(show, change))
}

/// Which level is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct LogLevel {
    /// What the configuration says.
    configured: &'static str,
    /// What is written: `error`, `warn`, `info`, `debug` or `trace`.
    level: &'static str,
    /// When the configured level is back.
    until: Option<String>,
}

impl From<Standing> for LogLevel {
    fn from(standing: Standing) -> Self {
        let until = standing.until.and_then(|time| Timestamp::try_from(time).ok());
        Self {
            configured: standing.configured.as_str(),
            level: standing.level.as_str(),
            until: until.map(|time| time.to_string()),
        }
    }
}

/// Which level somebody wants.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogChange {
    /// `error`, `warn`, `info`, `debug` or `trace`; without it the configured level is back.
    #[schema(value_type = Option<String>)]
    level: Option<Level>,
    /// For how many minutes; without it until it is changed again or the gateway is started again.
    minutes: Option<u64>,
}

/// How much is written into the log.
#[utoipa::path(get, path = "/api/log", tag = "operations", responses((status = 200, body = LogLevel)))]
async fn show(State(app): State<App>) -> Result<Json<LogLevel>, Problem> {
    Ok(Json(levels(&app)?.standing().into()))
}

/// Changes how much is written into the log.
#[utoipa::path(put, path = "/api/log", tag = "operations", request_body = LogChange,
    responses((status = 200, body = LogLevel)))]
async fn change(
    State(app): State<App>,
    from: Origin,
    Sent(wanted): Sent<LogChange>,
) -> Result<Json<LogLevel>, Problem> {
    if wanted.minutes.is_some_and(|minutes| !(1..=LONGEST).contains(&minutes)) {
        return Err(Problem::invalid(format!("`minutes` is 1 to {LONGEST}")));
    }
    if wanted.level.is_none() && wanted.minutes.is_some() {
        return Err(Problem::invalid("`minutes` needs a `level`; without both the configured level is back"));
    }
    let time = wanted.minutes.map(Duration::from_mins);
    let standing = levels(&app)?.set(wanted.level, time);
    tracing::info!(
        level = standing.level.as_str(),
        minutes = wanted.minutes,
        "the level of the log is changed"
    );
    let told = LogLevel::from(standing);
    // The log is wanted most where the database is in trouble: then the change stands in the log alone.
    let detail = json!({"level": told.level, "minutes": wanted.minutes});
    match app.store() {
        Ok(store) => {
            if let Err(error) = store.note(&from.entry("change", "log", detail)).await {
                tracing::warn!(%error, "the audit does not have the change of the log's level");
            }
        }
        Err(_) => {
            tracing::warn!("the audit does not have the change of the log's level: there is no database");
        }
    }
    Ok(Json(told))
}

fn levels(app: &App) -> Result<&Levels, Problem> {
    app.levels
        .as_ref()
        .ok_or_else(|| Problem::unavailable("only a running gateway has a log; see `--gateway`"))
}
