//! `/api/config`: the configuration in force with where each value comes from, and settings that are made while gateways run, in versions.
//!
//! What is set lies over the configuration file and below variables and flags; it is checked as a file is before it is taken, and every gateway on
//! the database takes it over within a second. What a setting means is not known here. Secrets are never shown.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use lockgate_store::Enacted;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Origin;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::{Asked, Sent};
use crate::problem::Problem;
use crate::versions::{self, DiffQuery, DiffView, VersionView, Writing, quicker};
use crate::view::Listed;

/// What this API does not know of the configuration.
pub trait ConfigBook: Send + Sync {
    /// What is in force, with a document of settings where nothing is running that has taken it over; or why that cannot be used.
    fn in_force(&self, document: Option<&str>) -> Result<Vec<SettingView>, String>;

    /// What would be in force with a document, or what is wrong with it, and where.
    fn check(&self, document: &str) -> Result<Vec<SettingView>, String>;
}

/// A value of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SettingView {
    /// Where in the configuration, with dots.
    pub path: String,
    /// The same, step by step.
    #[serde(skip)]
    pub steps: Vec<String>,
    /// The value; `«set»` for a secret.
    #[schema(value_type = Value)]
    pub value: Value,
    /// Where it comes from: `default`, `file F:line:column`, `set …` (here), `env NAME`, `flag`.
    pub source: String,
    /// Whether a variable or a flag says it, which nothing that is set here can change.
    #[serde(skip)]
    pub fixed: bool,
}

/// The most steps of a path.
const STEPS: usize = 16;

/// How deep what is set may be nested, in all.
const DEPTH: usize = 32;

pub(crate) fn routes() -> OpenApiRouter<App> {
    let (viewer, admin) = (Guard::From(Role::Viewer), Guard::From(Role::Admin));
    OpenApiRouter::new()
        .merge(guarded(viewer, routes!(show)))
        .merge(guarded(admin, routes!(change)))
        .merge(guarded(admin, routes!(put)))
        .merge(guarded(admin, routes!(remove)))
        .merge(guarded(viewer, routes!(list)))
        .merge(guarded(viewer, routes!(version)))
        .merge(guarded(viewer, routes!(diff)))
        .merge(guarded(admin, routes!(roll_back)))
}

/// Which values.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ShowQuery {
    /// Only this value and those below it: `models.aliases`.
    path: Option<String>,
}

/// The configuration in force.
#[derive(Serialize, ToSchema)]
struct InForce {
    /// The latest version of what was set here; 0 = nothing was.
    version: i64,
    /// Every value.
    settings: Vec<SettingView>,
}

/// The configuration in force: every value with where it comes from. Secrets are shown as set, never as they are.
#[utoipa::path(get, path = "/api/config", tag = "configuration", params(ShowQuery),
    responses((status = 200, body = InForce)))]
async fn show(State(app): State<App>, Asked(query): Asked<ShowQuery>) -> Result<Json<InForce>, Problem> {
    let (version, document) = latest(&app).await?;
    let mut settings = book(&app)?.in_force(Some(&document)).map_err(Problem::conflict)?;
    if let Some(wanted) = &query.path {
        let below = |path: &str| {
            path.strip_prefix(wanted.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        settings.retain(|setting| below(&setting.path));
        if settings.is_empty() {
            return Err(Problem::not_found(format!("nothing is set at `{wanted}`")));
        }
    }
    Ok(Json(InForce { version, settings }))
}

fn book(app: &App) -> Result<&dyn ConfigBook, Problem> {
    app.config.as_deref().ok_or_else(|| Problem::unavailable("the configuration is not known here"))
}

/// The latest version and its document.
async fn latest(app: &App) -> Result<(i64, String), Problem> {
    let version = app.store()?.latest_version(Enacted::Settings).await?;
    let document = match version {
        0 => String::new(),
        version => versions::find(app, Enacted::Settings, version).await?.document,
    };
    Ok((version, document))
}

/// The same as an object; nothing where nothing is set.
fn object(document: &str) -> Result<Value, Problem> {
    if document.trim().is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_str(document)
        .map_err(|_| Problem::internal("the settings that were made here cannot be read"))
}

/// Several settings at once.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    /// In the form of the configuration file: what is there is set, `null` takes back what was set here.
    #[schema(value_type = Object)]
    changes: Map<String, Value>,
    /// Only say what would be in force.
    #[serde(default)]
    dry_run: bool,
    /// The version that was looked at before. Another one in force is a conflict, and nothing is changed.
    #[serde(default)]
    follows: Option<i64>,
    /// Why, for whoever reads the versions.
    reason: String,
}

/// What was set.
#[derive(Serialize, ToSchema)]
struct Set {
    /// The new version; `null` where nothing was to be changed (`dry_run`).
    version: Option<VersionView>,
    /// The values that are set here from now on, as they are in force.
    settings: Vec<SettingView>,
}

/// Changes several settings at once.
#[utoipa::path(patch, path = "/api/config", tag = "configuration", request_body = Change,
    responses((status = 200, body = Set), (status = 409, description = "Somebody else was quicker, or a variable or flag says otherwise."),
              (status = 422, description = "It cannot be used; the message says what is wrong, and where.")))]
async fn change(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Sent(wanted): Sent<Change>,
) -> Result<Json<Set>, Problem> {
    let (latest, document) = latest(&app).await?;
    follows(wanted.follows, latest)?;
    let mut object = object(&document)?;
    let changes = Value::Object(wanted.changes);
    bounded(&changes)?;
    merge(&mut object, &changes);
    let touched = Touched::by(&changes, Vec::new());
    let edit = Edit { dry_run: wanted.dry_run, latest, object, reason: wanted.reason, touched };
    edit.write(&app, &who, &from, "set").await
}

/// One setting.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewValue {
    /// The version that was looked at before. Another one in force is a conflict, and nothing is changed.
    #[serde(default)]
    follows: Option<i64>,
    /// Why, for whoever reads the versions.
    reason: String,
    /// What it is from now on.
    #[schema(value_type = Value)]
    value: Value,
}

/// Sets one value, or a section with all that is below it. The path has a segment for each step: `/api/config/values/models/aliases/fast`.
#[utoipa::path(put, path = "/api/config/values/{*path}", tag = "configuration", request_body = NewValue,
    params(("path" = String, Path, description = "Where in the configuration, with `/` between.")),
    responses((status = 200, body = Set), (status = 409, description = "Somebody else was quicker, or a variable or flag says otherwise."),
              (status = 422, description = "It cannot be used; the message says what is wrong, and where.")))]
async fn put(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(path): Path<String>,
    Sent(wanted): Sent<NewValue>,
) -> Result<Json<Set>, Problem> {
    let (latest, document) = latest(&app).await?;
    follows(wanted.follows, latest)?;
    let steps = steps(&path)?;
    bounded(&wanted.value)?;
    let mut touched = Touched::by(&wanted.value, steps.clone());
    if wanted.value.is_object() {
        // What was set below and is not any more is gone.
        touched.unset.push(steps.clone());
    }
    let mut object = object(&document)?;
    let mut place = &mut object;
    for step in &steps {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step.as_str()];
    }
    *place = wanted.value;
    let edit = Edit { dry_run: false, latest, object, reason: wanted.reason, touched };
    edit.write(&app, &who, &from, "set").await
}

/// Why, and behind which version.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RemoveQuery {
    /// The version that was looked at before. Another one in force is a conflict, and nothing is changed.
    follows: Option<i64>,
    /// Why, for whoever reads the versions.
    reason: String,
}

/// Takes back what was set here at a path and below it: the configuration file, or the default, says it again.
#[utoipa::path(delete, path = "/api/config/values/{*path}", tag = "configuration",
    params(RemoveQuery, ("path" = String, Path, description = "Where in the configuration, with `/` between.")),
    responses((status = 200, body = Set), (status = 404, description = "Nothing was set there."),
              (status = 409, description = "Somebody else was quicker."),
              (status = 422, description = "What is left cannot be used; the message says what is wrong, and where.")))]
async fn remove(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(path): Path<String>,
    Asked(query): Asked<RemoveQuery>,
) -> Result<Json<Set>, Problem> {
    let (latest, document) = latest(&app).await?;
    follows(query.follows, latest)?;
    let steps = steps(&path)?;
    let mut object = object(&document)?;
    if !take_out(&mut object, &steps) {
        return Err(Problem::not_found(format!("nothing was set here at `{}`", steps.join("."))));
    }
    let touched = Touched { set: Vec::new(), unset: vec![steps] };
    let edit = Edit { dry_run: false, latest, object, reason: query.reason, touched };
    edit.write(&app, &who, &from, "unset").await
}

/// A document that is to be in force.
struct Edit {
    dry_run: bool,
    latest: i64,
    object: Value,
    reason: String,
    touched: Touched,
}

/// The paths of what a change speaks of.
#[derive(Default)]
struct Touched {
    /// What it sets.
    set: Vec<Vec<String>>,
    /// What it takes back.
    unset: Vec<Vec<String>>,
}

impl Touched {
    /// What a value sets and takes back at a path.
    fn by(value: &Value, mut path: Vec<String>) -> Self {
        let mut touched = Self::default();
        touched.leaves(value, &mut path);
        touched
    }

    fn leaves(&mut self, value: &Value, path: &mut Vec<String>) {
        match value {
            Value::Null => self.unset.push(path.clone()),
            Value::Object(object) => {
                for (key, below) in object {
                    path.push(key.clone());
                    self.leaves(below, path);
                    path.pop();
                }
            }
            Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.set.push(path.clone());
            }
        }
    }
}

impl Edit {
    async fn write(
        self,
        app: &App,
        who: &Principal,
        from: &Origin,
        verb: &'static str,
    ) -> Result<Json<Set>, Problem> {
        let document = format!("{:#}\n", self.object);
        let settings = book(app)?.check(&document).map_err(Problem::unprocessable)?;
        let within = |setting: &SettingView, steps: &Vec<String>| setting.steps.starts_with(steps);
        let fixed =
            settings.iter().find(|one| one.fixed && self.touched.set.iter().any(|steps| within(one, steps)));
        if let Some(fixed) = fixed {
            return Err(Problem::conflict(format!(
                "`{}` comes from {}, which nothing that is set here can change",
                fixed.path, fixed.source
            )));
        }
        let set = settings.into_iter().filter(|setting| setting.source.starts_with("set "));
        let settings = set.collect();
        let Touched { set: sets, unset } = &self.touched;
        let touched: Vec<_> = sets.iter().chain(unset).map(|steps| steps.join(".")).collect();
        let detail = json!({"reason": self.reason.trim(), "paths": touched});
        let reason = &self.reason;
        let writing = Writing { detail, document, from, object: "settings", reason, verb, who };
        writing.check()?;
        let version =
            if self.dry_run { None } else { Some(writing.write(app, Enacted::Settings, self.latest).await?) };
        Ok(Json(Set { version, settings }))
    }
}

fn follows(wanted: Option<i64>, latest: i64) -> Result<(), Problem> {
    if wanted.is_some_and(|follows| follows != latest) { Err(quicker(latest)) } else { Ok(()) }
}

/// The steps of a path.
fn steps(path: &str) -> Result<Vec<String>, Problem> {
    let steps: Vec<String> = path.split('/').map(str::to_owned).collect();
    if steps.iter().any(String::is_empty) {
        return Err(Problem::invalid(
            "the path has an empty step; write `/api/config/values/models/aliases/fast`",
        ));
    }
    if steps.len() > STEPS {
        return Err(Problem::invalid(format!(
            "the path has {} steps, and no setting more than {STEPS}",
            steps.len()
        )));
    }
    Ok(steps)
}

/// Refuses what is nested deeper than any setting.
fn bounded(value: &Value) -> Result<(), Problem> {
    if is_flat(value, DEPTH) {
        return Ok(());
    }
    Err(Problem::invalid(format!("what is set is nested deeper than {DEPTH} levels")))
}

/// Whether a value has at most so many levels.
fn is_flat(value: &Value, levels: usize) -> bool {
    let below = |value: &Value| levels > 0 && is_flat(value, levels - 1);
    match value {
        Value::Array(items) => items.iter().all(below),
        Value::Object(object) => object.values().all(below),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => true,
    }
}

/// Lays changes over what is set; `null` takes out.
fn merge(lower: &mut Value, upper: &Value) {
    let Value::Object(changes) = upper else {
        *lower = upper.clone();
        return;
    };
    if !lower.is_object() {
        *lower = json!({});
    }
    let Value::Object(object) = lower else { return };
    for (key, value) in changes {
        if value.is_null() {
            object.remove(key);
        } else {
            merge(object.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Takes out what is at a path, and sections that are left empty; whether there was anything.
fn take_out(value: &mut Value, steps: &[String]) -> bool {
    let (Some((first, rest)), Value::Object(object)) = (steps.split_first(), value) else { return false };
    if rest.is_empty() {
        return object.remove(first).is_some();
    }
    let Some(below) = object.get_mut(first) else { return false };
    let taken = take_out(below, rest);
    if taken && below.as_object().is_some_and(Map::is_empty) {
        object.remove(first);
    }
    taken
}

/// Versions, the latest first.
#[utoipa::path(get, path = "/api/config/versions", tag = "configuration",
    responses((status = 200, body = Listed<VersionView>)))]
async fn list(State(app): State<App>) -> Result<Json<Listed<VersionView>>, Problem> {
    Ok(Json(versions::list(&app, Enacted::Settings).await?))
}

/// One version with its document.
#[utoipa::path(get, path = "/api/config/versions/{version}", tag = "configuration",
    params(("version" = i64, Path, description = "The number.")),
    responses((status = 200, body = VersionView), (status = 404, description = "No such version.")))]
async fn version(State(app): State<App>, Path(version): Path<i64>) -> Result<Json<VersionView>, Problem> {
    Ok(Json(versions::find(&app, Enacted::Settings, version).await?.into()))
}

/// How a version differs from another one.
#[utoipa::path(get, path = "/api/config/versions/{version}/diff", tag = "configuration",
    params(("version" = i64, Path, description = "The number."), DiffQuery),
    responses((status = 200, body = DiffView), (status = 404, description = "No such version.")))]
async fn diff(
    State(app): State<App>,
    Path(to): Path<i64>,
    Asked(query): Asked<DiffQuery>,
) -> Result<Json<DiffView>, Problem> {
    Ok(Json(versions::diff(&app, Enacted::Settings, to, &query).await?))
}

/// Back to a version.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettingsRollBack {
    /// The version to go back to; 0 = nothing was set.
    version: i64,
    /// Why.
    reason: String,
}

/// Makes a new version of an earlier one, which is checked again.
#[utoipa::path(post, path = "/api/config/rollback", tag = "configuration", request_body = SettingsRollBack,
    responses((status = 201, body = VersionView), (status = 404, description = "No such version."),
              (status = 409, description = "Somebody else was quicker."),
              (status = 422, description = "It cannot be used any more; the message says why.")))]
async fn roll_back(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Sent(back): Sent<SettingsRollBack>,
) -> Result<(StatusCode, Json<VersionView>), Problem> {
    let document = match back.version {
        0 => "{}\n".to_owned(),
        version => versions::find(&app, Enacted::Settings, version).await?.document,
    };
    book(&app)?.check(&document).map_err(Problem::unprocessable)?;
    let latest = app.store()?.latest_version(Enacted::Settings).await?;
    if back.reason.trim().is_empty() {
        return Err(Problem::invalid("`reason`: say why"));
    }
    let reason = format!("back to version {}: {}", back.version, back.reason.trim());
    let detail = json!({"reason": reason});
    let writing = Writing {
        detail,
        document,
        from: &from,
        object: "settings",
        reason: &reason,
        verb: "roll_back",
        who: &who,
    };
    Ok((StatusCode::CREATED, Json(writing.write(&app, Enacted::Settings, latest).await?)))
}
