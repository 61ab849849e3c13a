//! `/api/users`: who can log in, and what they may do. For admins.

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use lockgate_store::access::{self, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Origin, now_us, password, token};
use crate::guard::{Guard, Role, guarded};
use crate::input::Sent;
use crate::login::{self, Ended};
use crate::problem::Problem;
use crate::view::{Listed, time};

pub(crate) fn routes() -> OpenApiRouter<App> {
    let admin = Guard::From(Role::Admin);
    OpenApiRouter::new()
        .merge(guarded(admin, routes!(list, create)))
        .merge(guarded(admin, routes!(show, change, remove)))
        .merge(guarded(admin, routes!(log_out)))
}

/// Somebody who can log in.
#[derive(Serialize, ToSchema)]
struct UserView {
    /// The name, under which calls are recorded.
    name: String,
    /// What the user may do.
    role: Role,
    /// Whether the account is closed: no login, and the user's keys are refused.
    disabled: bool,
    /// When the account was made (RFC 3339).
    created: String,
    /// A password that was generated. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

impl UserView {
    fn of(user: User, password: Option<String>) -> Self {
        let created = time(user.created_us);
        Self { name: user.name, role: user.role.into(), disabled: user.disabled, created, password }
    }
}

/// Users, by name.
#[utoipa::path(get, path = "/api/users", tag = "access", responses((status = 200, body = Listed<UserView>)))]
async fn list(State(app): State<App>) -> Result<Json<Listed<UserView>>, Problem> {
    let users = app.store()?.users().await?;
    Ok(Json(Listed::whole(users.into_iter().map(|user| UserView::of(user, None)).collect())))
}

/// One user.
#[utoipa::path(get, path = "/api/users/{name}", tag = "access",
    params(("name" = String, Path, description = "The user's name.")),
    responses((status = 200, body = UserView), (status = 404, description = "No such user.")))]
async fn show(State(app): State<App>, Path(name): Path<String>) -> Result<Json<UserView>, Problem> {
    Ok(Json(UserView::of(find(&app, &name).await?, None)))
}

/// A new user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    /// The name: letters, digits and `._@+-`, at most 64. Never changed.
    name: String,
    /// What the user may do; `self` if not given.
    #[serde(default = "own")]
    role: Role,
    /// The password, at least 12 characters; one is generated if not given.
    password: Option<String>,
}

fn own() -> Role {
    Role::Own
}

/// Whether somebody can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let fits = |sign: char| sign.is_ascii_alphanumeric() || "._@+-".contains(sign);
    !name.is_empty() && name.len() <= 64 && name.chars().all(fits)
}

/// Makes a user.
#[utoipa::path(post, path = "/api/users", tag = "access", request_body = NewUser,
    responses((status = 201, body = UserView), (status = 409, description = "The name is taken.")))]
async fn create(
    State(app): State<App>,
    from: Origin,
    Sent(new): Sent<NewUser>,
) -> Result<(StatusCode, Json<UserView>), Problem> {
    if !is_name(&new.name) {
        return Err(Problem::invalid("`name`: letters, digits and `._@+-`, at most 64"));
    }
    let (chosen, generated) = chosen(new.password)?;
    let user = User {
        created_us: now_us(),
        disabled: false,
        id: Uuid::now_v7(),
        name: new.name,
        password: login::hashed(&app, chosen).await?,
        role: new.role.into(),
    };
    let entry = from.entry("create", format!("user:{}", user.name), json!({"role": user.role.as_str()}));
    app.store()?.create_user(&user, &entry).await?;
    Ok((StatusCode::CREATED, Json(UserView::of(user, generated))))
}

/// What can be changed of a user. What is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    /// What the user may do.
    role: Option<Role>,
    /// Whether the account is closed.
    disabled: Option<bool>,
    /// A new password; an empty one means one that is generated.
    password: Option<String>,
}

/// Changes a user, and ends the user's logins.
#[utoipa::path(patch, path = "/api/users/{name}", tag = "access",
    params(("name" = String, Path, description = "The user's name.")), request_body = UserChange,
    responses((status = 200, body = UserView), (status = 404, description = "No such user."),
              (status = 409, description = "Nobody would be admin any more.")))]
async fn change(
    State(app): State<App>,
    from: Origin,
    Path(name): Path<String>,
    Sent(change): Sent<UserChange>,
) -> Result<Json<UserView>, Problem> {
    let mut user = find(&app, &name).await?;
    let mut changed = Vec::new();
    if let Some(role) = change.role {
        user.role = role.into();
        changed.push("role");
    }
    if let Some(disabled) = change.disabled {
        user.disabled = disabled;
        changed.push("disabled");
    }
    let mut generated = None;
    if let Some(wanted) = change.password {
        let (password, made) = chosen(Some(wanted).filter(|wanted| !wanted.is_empty()))?;
        user.password = login::hashed(&app, password).await?;
        generated = made;
        changed.push("password");
    }
    if user.disabled || user.role != access::Role::Admin {
        somebody_else_is_admin(&app, &name).await?;
    }
    let detail = json!({"changed": changed, "disabled": user.disabled, "role": user.role.as_str()});
    let keep = from
        .login
        .as_ref()
        .filter(|(login, _)| login.user == name && changed == ["disabled"])
        .map(|(login, _)| login.id);
    let entry = from.entry("change", format!("user:{name}"), detail);
    if !app.store()?.change_user(&user, keep, &entry).await? {
        return Err(missing(&name));
    }
    Ok(Json(UserView::of(user, generated)))
}

/// Removes a user: ends the logins and revokes the keys that belong to the name. What was recorded stays.
#[utoipa::path(delete, path = "/api/users/{name}", tag = "access",
    params(("name" = String, Path, description = "The user's name.")),
    responses((status = 204, description = "Removed."), (status = 404, description = "No such user."),
              (status = 409, description = "Nobody would be admin any more.")))]
async fn remove(
    State(app): State<App>,
    from: Origin,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    find(&app, &name).await?;
    somebody_else_is_admin(&app, &name).await?;
    let entry = from.entry("remove", format!("user:{name}"), json!(null));
    if app.store()?.remove_user(&name, &entry).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing(&name))
    }
}

/// Ends every login of a user.
#[utoipa::path(delete, path = "/api/users/{name}/logins", tag = "access",
    params(("name" = String, Path, description = "The user's name.")),
    responses((status = 200, body = Ended), (status = 404, description = "No such user.")))]
async fn log_out(
    State(app): State<App>,
    from: Origin,
    Path(name): Path<String>,
) -> Result<Json<Ended>, Problem> {
    find(&app, &name).await?;
    login::end(&app, &from, &name, None).await
}

/// The password, and again if it was generated.
fn chosen(wanted: Option<String>) -> Result<(String, Option<String>), Problem> {
    if let Some(wanted) = wanted {
        return match password::flaw(&wanted) {
            Some(flaw) => Err(Problem::invalid(format!("`password`: {flaw}"))),
            None => Ok((wanted, None)),
        };
    }
    let made = token::secret().map_err(|error| Problem::internal(error.to_string()))?;
    Ok((made.clone(), Some(made)))
}

async fn find(app: &App, name: &str) -> Result<User, Problem> {
    app.store()?.user(name).await?.ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Problem {
    Problem::not_found(format!("there is no user `{name}`"))
}

async fn somebody_else_is_admin(app: &App, name: &str) -> Result<(), Problem> {
    let users = app.store()?.users().await?;
    let is_admin = |user: &&User| user.role == access::Role::Admin && !user.disabled;
    let mut admins = users.iter().filter(is_admin);
    let (any, another) =
        (users.iter().filter(is_admin).any(|user| user.name == name), admins.any(|user| user.name != name));
    if any && !another {
        return Err(Problem::conflict(format!("`{name}` is the only admin: make another one first")));
    }
    Ok(())
}
