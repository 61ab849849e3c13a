//! `/api/login`, `/api/logout`, `/api/me`: sessions of people, their passwords, where they are logged in.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use lockgate_store::access::{Actor, Login, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{COOKIE, Origin, cookie, now_us, origin, password, token};
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::Sent;
use crate::page;
use crate::problem::Problem;
use crate::view::{Listed, time};

/// The user that the first start makes.
pub const FIRST_USER: &str = "admin";

/// The file in the folder of the record that the first password is written to.
pub const SECRET_FILE: &str = "admin-secret";

/// The longest name that is tried.
const NAME_BYTES: usize = 100;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::Anyone, routes!(log_in)))
        .merge(guarded(Guard::From(Role::Own), routes!(log_out)))
        .merge(guarded(Guard::From(Role::Own), routes!(me)))
        .merge(guarded(Guard::From(Role::Own), routes!(change_password)))
        .merge(guarded(Guard::From(Role::Own), routes!(list, end_all)))
        .merge(guarded(Guard::From(Role::Own), routes!(end_one)))
}

/// Who logs in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// The user's name.
    name: String,
    /// The password.
    password: String,
    /// True gives a token to send as `Authorization: Bearer`, and no cookie.
    #[serde(default)]
    token: bool,
}

/// A login that was opened.
#[derive(Serialize, ToSchema)]
struct LoggedIn {
    /// When it ends (RFC 3339), however busy it is.
    ends: String,
    /// What the user may do.
    role: Role,
    /// The token, where one was asked for. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The user's name.
    user: String,
}

/// Logs in: sets a cookie, or gives a token. The form of the page at `/login` may be sent as well.
#[utoipa::path(post, path = "/api/login", tag = "access", request_body = Credentials,
    responses((status = 200, body = LoggedIn), (status = 401, description = "Wrong name or password."),
              (status = 429, description = "Too many wrong passwords; wait.")))]
async fn log_in(State(app): State<App>, from: Origin, headers: HeaderMap, body: Bytes) -> Response {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let form = kind.starts_with("application/x-www-form-urlencoded");
    let opened = match credentials(form, &body) {
        Ok(credentials) => enter(&app, &from, &headers, credentials).await,
        Err(problem) => Err(problem),
    };
    match opened {
        Ok(opened) if form => (opened.cookie(&headers), Redirect::to("/login")).into_response(),
        Ok(opened) if opened.wants_token => Json(opened.view()).into_response(),
        Ok(opened) => (opened.cookie(&headers), Json(opened.view())).into_response(),
        Err(problem) if form => page::refused(&app, &problem),
        Err(problem) => problem.into_response(),
    }
}

fn credentials(form: bool, body: &[u8]) -> Result<Credentials, Problem> {
    if !form {
        let read = serde_json::from_slice(body);
        return read.map_err(|_| Problem::invalid("send {\"name\": …, \"password\": …} as JSON"));
    }
    let mut credentials = Credentials { name: String::new(), password: String::new(), token: false };
    for (name, value) in form_urlencoded::parse(body) {
        match &*name {
            "name" => credentials.name = value.into_owned(),
            "password" => credentials.password = value.into_owned(),
            _ => {}
        }
    }
    Ok(credentials)
}

async fn enter(app: &App, from: &Origin, headers: &HeaderMap, sent: Credentials) -> Result<Opened, Problem> {
    let store = app.store()?;
    let name = sent.name.trim();
    if name.is_empty() || name.len() > NAME_BYTES || sent.password.len() > password::LONGEST {
        return Err(wrong());
    }
    let user = store.user(name).await?;
    let stored = user.as_ref().map(|user| user.password.clone());
    let fits = app.door().fits(name, from, stored, sent.password).await?;
    let Some(user) = user.filter(|user| fits && !user.disabled) else {
        let tried = Origin { actor: Actor::Nobody(name.to_owned()), ..from.clone() };
        store.note(&tried.entry("login_failed", format!("user:{name}"), json!(null))).await?;
        return Err(wrong());
    };
    if let Some(old) = cookie(headers)
        && let Some((login, owner)) = store.login(&token::hash(old)).await?
    {
        // A cookie that was set before somebody logged in is worth nothing afterwards.
        let entry = from.entry("logout", format!("user:{}", owner.name), json!({"login": login.id}));
        store.end_logins(&owner.name, Some(login.id), &entry).await?;
    }
    open(app, from, &user, sent.token).await
}

fn wrong() -> Problem {
    Problem::unauthenticated(format!(
        "wrong name or password. The first password of `{FIRST_USER}` is in the file `{SECRET_FILE}` in the folder of the record \
         (`lockgate config show` names it as record.directory); `lockgate admin reset-secret` makes a new one"
    ))
}

/// A login that was opened, with its token.
pub(crate) struct Opened {
    login: Login,
    role: Role,
    token: String,
    wants_token: bool,
}

impl Opened {
    fn view(self) -> LoggedIn {
        LoggedIn {
            ends: time(self.login.ends_us),
            role: self.role,
            token: self.wants_token.then_some(self.token),
            user: self.login.user,
        }
    }

    pub(crate) fn cookie(&self, headers: &HeaderMap) -> [(header::HeaderName, HeaderValue); 1] {
        let age = (self.login.ends_us - self.login.created_us) / 1_000_000;
        set_cookie(&self.token, age, headers)
    }
}

fn set_cookie(token: &str, age: i64, headers: &HeaderMap) -> [(header::HeaderName, HeaderValue); 1] {
    let secure = if origin::is_encrypted(headers) { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    [(header::SET_COOKIE, HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("")))]
}

/// A login of a user who has shown who that is.
pub(crate) async fn open(
    app: &App,
    from: &Origin,
    user: &User,
    wants_token: bool,
) -> Result<Opened, Problem> {
    let token = token::login().map_err(|error| Problem::internal(error.to_string()))?;
    let (now, options) = (now_us(), &app.door().options);
    let login = Login {
        address: from.address(),
        created_us: now,
        ends_us: now.saturating_add(options.lifetime.as_micros() as i64),
        hash: token::hash(&token),
        id: Uuid::now_v7(),
        idle_us: now.saturating_add(options.idle.as_micros() as i64),
        used_us: now,
        user: user.name.clone(),
    };
    let from = Origin { actor: Actor::User(user.name.clone()), ..from.clone() };
    let entry = from.entry("login", format!("user:{}", user.name), json!({"login": login.id}));
    app.store()?.open_login(&login, &entry).await?;
    Ok(Opened { login, role: user.role.into(), token, wants_token })
}

/// Logs out: the token or cookie is worth nothing afterwards.
#[utoipa::path(post, path = "/api/logout", tag = "access", responses((status = 204, description = "Logged out.")))]
async fn log_out(State(app): State<App>, from: Origin, headers: HeaderMap) -> Result<Response, Problem> {
    if let Some((login, _)) = &from.login {
        let entry = from.entry("logout", format!("user:{}", login.user), json!({"login": login.id}));
        app.store()?.end_logins(&login.user, Some(login.id), &entry).await?;
    }
    Ok((StatusCode::NO_CONTENT, set_cookie("", 0, &headers)).into_response())
}

/// Who asks.
#[derive(Serialize, ToSchema)]
struct Me {
    /// The name in the audit.
    name: String,
    /// What that one may do.
    role: Role,
    /// The user whose calls are one's own.
    user: Option<String>,
    /// When the login ends (RFC 3339).
    ends: Option<String>,
}

/// Who asks, and what that one may do.
#[utoipa::path(get, path = "/api/me", tag = "access", responses((status = 200, body = Me)))]
async fn me(who: Principal, from: Origin) -> Json<Me> {
    let ends = from.login.as_ref().map(|(login, _)| time(login.ends_us));
    Json(Me { name: who.name, role: who.role, user: who.user, ends })
}

/// A change of one's own password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// The one so far.
    current: String,
    /// The new one, at least 12 characters.
    new: String,
}

/// Changes one's own password. Ends every login; the answer opens a new one.
#[utoipa::path(post, path = "/api/me/password", tag = "access", request_body = NewPassword,
    responses((status = 200, body = LoggedIn), (status = 403, description = "The current password is wrong.")))]
async fn change_password(
    State(app): State<App>,
    from: Origin,
    headers: HeaderMap,
    Sent(sent): Sent<NewPassword>,
) -> Result<Response, Problem> {
    let Some((login, by_cookie)) = from.login.clone() else {
        return Err(Problem::invalid("a key has no password: log in as the user, or let an admin set it"));
    };
    let store = app.store()?;
    let missing = || Problem::unauthenticated("this user is gone");
    let user = store.user(&login.user).await?.ok_or_else(missing)?;
    if sent.current.len() > password::LONGEST
        || !app.door().fits(&user.name, &from, Some(user.password.clone()), sent.current).await?
    {
        return Err(Problem::forbidden("the current password is wrong"));
    }
    if let Some(flaw) = password::flaw(&sent.new) {
        return Err(Problem::invalid(format!("`new`: {flaw}")));
    }
    let user = User { password: hashed(&app, sent.new).await?, ..user };
    let entry = from.entry("change", format!("user:{}", user.name), json!({"changed": ["password"]}));
    store.change_user(&user, None, &entry).await?;
    let opened = open(&app, &from, &user, !by_cookie).await?;
    if by_cookie {
        return Ok((opened.cookie(&headers), Json(opened.view())).into_response());
    }
    Ok(Json(opened.view()).into_response())
}

/// The hash of a password.
pub(crate) async fn hashed(app: &App, password: String) -> Result<String, Problem> {
    let hash = app.door().hashed(move || password::hash(&password)).await?;
    hash.map_err(|error| Problem::internal(format!("the password cannot be hashed: {error}")))
}

/// A place where a user is logged in.
#[derive(Serialize, ToSchema)]
struct LoginView {
    /// The id, by which it is ended.
    id: Uuid,
    /// The address that it came from.
    address: Option<String>,
    /// When it began (RFC 3339).
    created: String,
    /// When it ends.
    ends: String,
    /// When it was heard of last, to the minute.
    used: String,
    /// Whether it is the one that asks.
    current: bool,
}

/// Where one is logged in, the latest first.
#[utoipa::path(get, path = "/api/me/logins", tag = "access", responses((status = 200, body = Listed<LoginView>)))]
async fn list(
    State(app): State<App>,
    who: Principal,
    from: Origin,
) -> Result<Json<Listed<LoginView>>, Problem> {
    let current = from.login.as_ref().map(|(login, _)| login.id);
    let now = now_us();
    let view = |login: Login| LoginView {
        current: current == Some(login.id),
        id: login.id,
        address: login.address,
        created: time(login.created_us),
        ends: time(login.ends_us.min(login.idle_us)),
        used: time(login.used_us),
    };
    let all = app.store()?.logins(&user_of(&who)?).await?;
    Ok(Json(Listed::whole(all.into_iter().filter(|login| login.is_open(now)).map(view).collect())))
}

/// How many logins were ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ended {
    /// Logins.
    pub(crate) ended: u64,
}

/// Ends every login of one's own, this one too.
#[utoipa::path(delete, path = "/api/me/logins", tag = "access", responses((status = 200, body = Ended)))]
async fn end_all(State(app): State<App>, who: Principal, from: Origin) -> Result<Json<Ended>, Problem> {
    end(&app, &from, &user_of(&who)?, None).await
}

/// Ends one login of one's own.
#[utoipa::path(delete, path = "/api/me/logins/{id}", tag = "access",
    params(("id" = Uuid, Path, description = "The login's id.")),
    responses((status = 200, body = Ended), (status = 404, description = "No such login.")))]
async fn end_one(
    State(app): State<App>,
    who: Principal,
    from: Origin,
    Path(id): Path<String>,
) -> Result<Json<Ended>, Problem> {
    let missing = || Problem::not_found(format!("there is no login `{id}`"));
    let uuid = id.parse().map_err(|_| missing())?;
    let ended = end(&app, &from, &user_of(&who)?, Some(uuid)).await?;
    if ended.0.ended == 0 { Err(missing()) } else { Ok(ended) }
}

/// Ends logins of a user.
pub(crate) async fn end(
    app: &App,
    from: &Origin,
    user: &str,
    id: Option<Uuid>,
) -> Result<Json<Ended>, Problem> {
    let entry = from.entry("logout", format!("user:{user}"), json!({"login": id}));
    Ok(Json(Ended { ended: app.store()?.end_logins(user, id, &entry).await? }))
}

fn user_of(who: &Principal) -> Result<String, Problem> {
    who.user.clone().ok_or_else(|| Problem::invalid("whoever asks is no user"))
}
