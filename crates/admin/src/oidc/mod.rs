//! Logging in with an account elsewhere: OpenID Connect, authorization code with PKCE. The way of a login: `/api/login/oidc` → provider →
//! `/api/login/oidc/callback` → a login as the one with a password makes it.
//!
//! A login that begins is remembered in this process for ten minutes, for the browser that began it, once. Accounts that are made here belong to
//! one account of one provider, and no account with a password is ever taken over. Sends nothing itself ([`Fetch`]).

mod jwt;
mod person;
mod provider;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use lockgate_core::Secret;
use lockgate_store::access::{Actor, User};
use lru::LruCache;
use ring::digest;
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::app::App;
use crate::auth::{Origin, now_us, token};
use crate::guard::{Guard, guarded};
use crate::problem::Problem;
use crate::{login, page};
use jwt::Expected;
use person::Person;
use provider::{Provider, encoded};

pub use person::RoleRule;
pub use provider::{Fetch, Fetching};

/// Logins that have begun and not ended, at most; the oldest is forgotten.
const PENDING: NonZeroUsize = NonZeroUsize::MIN.saturating_add(999);

/// How long somebody has for a login.
const PATIENCE: Duration = Duration::from_mins(10);

/// The cookie of the browser that began a login.
const COOKIE: &str = "lockgate_oidc";

/// How people log in with an account elsewhere.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// Only people with an address in one of these domains, if there are any.
    pub allowed_domains: Vec<String>,
    /// Only people in one of these groups, if there are any.
    pub allowed_groups: Vec<String>,
    /// The name of this gateway at the provider.
    pub client_id: String,
    /// Its secret; `None` = it has none.
    pub client_secret: Option<Secret>,
    /// The claim with somebody's groups.
    pub groups_claim: String,
    /// The provider.
    pub issuer: String,
    /// The claim that is somebody's name here.
    pub name_claim: String,
    /// Where the provider sends people back to: this gateway's `/api/login/oidc/callback`.
    pub redirect_url: String,
    /// Who has which role; the highest holds.
    pub roles: Vec<RoleRule>,
    /// What is asked for, `openid` included.
    pub scopes: Vec<String>,
    /// The provider's name on the page.
    pub title: String,
}

impl Default for OidcOptions {
    fn default() -> Self {
        Self {
            allowed_domains: Vec::new(),
            allowed_groups: Vec::new(),
            client_id: String::new(),
            client_secret: None,
            groups_claim: "groups".to_owned(),
            issuer: String::new(),
            name_claim: "email".to_owned(),
            redirect_url: String::new(),
            roles: Vec::new(),
            scopes: ["openid", "email", "profile"].map(str::to_owned).into(),
            title: String::new(),
        }
    }
}

/// Logs people in by their account elsewhere.
pub struct Oidc {
    options: OidcOptions,
    pending: Mutex<LruCache<String, Pending>>,
    provider: Provider,
}

/// A login that has begun.
struct Pending {
    /// The hash of the cookie of the browser.
    browser: [u8; 32],
    nonce: String,
    until: Instant,
    /// What the code is worth nothing without.
    verifier: String,
}

impl Oidc {
    /// Asks the provider by `fetch`.
    pub fn new(options: OidcOptions, fetch: Arc<dyn Fetch>) -> Self {
        Self { options, pending: Mutex::new(LruCache::new(PENDING)), provider: Provider::new(fetch) }
    }

    /// The provider's name on the page.
    pub(crate) fn title(&self) -> &str {
        &self.options.title
    }

    /// Where the browser goes, and its cookie.
    async fn begin(&self) -> Result<(String, String), Problem> {
        let metadata = self.provider.metadata(&self.options).await.map_err(|words| self.away(&words))?;
        let (state, nonce, verifier, browser) = (random()?, random()?, random()?, random()?);
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref());
        let address = &metadata.authorization_endpoint;
        let mut to = format!("{address}{}response_type=code", if address.contains('?') { '&' } else { '?' });
        for (name, value) in [
            ("client_id", self.options.client_id.as_str()),
            ("redirect_uri", &self.options.redirect_url),
            ("scope", &self.options.scopes.join(" ")),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ] {
            to = format!("{to}&{name}={}", encoded(value));
        }
        let until = Instant::now() + PATIENCE;
        let pending = Pending { browser: token::hash(&browser), nonce, until, verifier };
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).put(state, pending);
        Ok((to, browser))
    }

    /// A login that this browser began, once.
    fn take(&self, state: &str, browser: Option<&str>) -> Result<Pending, Problem> {
        let taken = self.pending.lock().unwrap_or_else(PoisonError::into_inner).pop(state);
        let ours = |pending: &Pending| {
            pending.until > Instant::now()
                && browser.is_some_and(|browser| token::hash(browser) == pending.browser)
        };
        taken.filter(ours).ok_or_else(|| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                "no_such_login",
                "this login was not begun in this browser, took too long, or was used before: begin again",
            )
        })
    }

    /// Who came back, from what the provider put into the address.
    async fn finish(&self, query: &str, browser: Option<&str>) -> Result<Person, Problem> {
        let mut given = Returned::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "code" => given.code = Some(value.into_owned()),
                "error" => given.error = Some(value.into_owned()),
                "iss" => given.issuer = Some(value.into_owned()),
                "state" => given.state = value.into_owned(),
                _ => {}
            }
        }
        let pending = self.take(&given.state, browser)?;
        if let Some(error) = given.error {
            // A word of the standard, or whatever somebody wrote into the address.
            let word: String =
                error.chars().filter(|sign| sign.is_ascii_alphanumeric() || *sign == '_').take(60).collect();
            return Err(refused(format!("{} let nobody in: {word}", self.options.title)));
        }
        if given.issuer.is_some_and(|issuer| issuer != self.options.issuer) {
            return Err(refused("the answer is of another provider (iss)".to_owned()));
        }
        let code = given.code.ok_or_else(|| Problem::invalid("the provider sent no code"))?;
        let token = self.provider.redeem(&self.options, &code, &pending.verifier).await;
        let token = token.map_err(|words| self.away(&words))?;
        let expected = Expected {
            client: &self.options.client_id,
            issuer: &self.options.issuer,
            nonce: &pending.nonce,
            now: now_us().div_euclid(1_000_000),
        };
        let claims = self.provider.claims(&self.options, &token, expected).await;
        let claims = claims.map_err(|words| self.away(&words))?;
        Person::of(&claims, &self.options).map_err(refused)
    }

    /// Something that the provider does wrong or not at all. What it is, is for the log.
    fn away(&self, words: &str) -> Problem {
        tracing::warn!(issuer = self.options.issuer, "a login with OpenID Connect failed: {words}");
        let words = format!("{} cannot log anybody in now: {words}", self.options.title);
        Problem::new(StatusCode::BAD_GATEWAY, "provider", words)
    }

    /// What stands in place of the password of an account that belongs to somebody at the provider.
    fn mark(&self, person: &Person) -> String {
        format!("oidc:{} {}", self.options.issuer, person.subject)
    }
}

/// What the provider puts into the address.
#[derive(Default)]
struct Returned {
    code: Option<String>,
    error: Option<String>,
    issuer: Option<String>,
    state: String,
}

fn refused(words: String) -> Problem {
    Problem::forbidden(words)
}

/// 256 random bits.
fn random() -> Result<String, Problem> {
    let seed = token::seed().map_err(|error| Problem::internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(seed))
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::Anyone, routes!(begin)))
        .merge(guarded(Guard::Anyone, routes!(come_back)))
}

fn configured(app: &App) -> Result<&Arc<Oidc>, Problem> {
    app.oidc
        .as_ref()
        .ok_or_else(|| Problem::not_found("nobody logs in here with an account elsewhere (admin.oidc)"))
}

/// Begins a login with OpenID Connect: sends the browser to the provider.
#[utoipa::path(get, path = "/api/login/oidc", tag = "access",
    responses((status = 303, description = "To the provider."), (status = 404, description = "Not configured."),
              (status = 502, description = "The provider does not answer as it should.")))]
async fn begin(State(app): State<App>) -> Response {
    let begun = match configured(&app) {
        Ok(oidc) => oidc.begin().await.map(|begun| (oidc, begun)),
        Err(problem) => return problem.into_response(),
    };
    match begun {
        Ok((oidc, (to, browser))) => {
            (oidc.cookie(&browser, PATIENCE.as_secs()), Redirect::to(&to)).into_response()
        }
        Err(problem) => page::refused(&app, &problem),
    }
}

/// Ends a login with OpenID Connect: where the provider sends the browser back to. Answers with a page.
#[utoipa::path(get, path = "/api/login/oidc/callback", tag = "access",
    params(("code" = Option<String>, Query, description = "What an ID token is got for."),
           ("state" = Option<String>, Query, description = "Which login it is."),
           ("error" = Option<String>, Query, description = "Why there is no code.")),
    responses((status = 200, description = "A page; the cookie of a login is set."),
              (status = 400, description = "No such login was begun in this browser."),
              (status = 403, description = "Nobody who may log in here."), (status = 404, description = "Not configured."),
              (status = 502, description = "The provider does not answer as it should.")))]
async fn come_back(State(app): State<App>, from: Origin, headers: HeaderMap, uri: Uri) -> Response {
    let oidc = match configured(&app) {
        Ok(oidc) => oidc.clone(),
        Err(problem) => return problem.into_response(),
    };
    let browser = cookie(&headers);
    let entered = match oidc.finish(uri.query().unwrap_or_default(), browser).await {
        Ok(person) => enter(&app, &oidc, &from, &person).await,
        Err(problem) => Err(problem),
    };
    let gone = oidc.cookie("", 0);
    match entered {
        Ok(opened) => {
            let mut response = page::entered();
            let all = response.headers_mut();
            for (name, value) in opened.cookie(&headers).into_iter().chain(gone) {
                all.append(name, value);
            }
            response
        }
        Err(problem) => {
            if problem.status == StatusCode::FORBIDDEN {
                let tried = Origin { actor: Actor::System, ..from };
                let entry = tried.entry("login_failed", "user:(oidc)", json!({"reason": problem.message}));
                if let Ok(store) = app.store()
                    && let Err(error) = store.note(&entry).await
                {
                    tracing::warn!(%error, "a failed login is not in the audit");
                }
            }
            (gone, page::refused(&app, &problem)).into_response()
        }
    }
}

/// The account of somebody, made or brought up to date, and a login for it.
async fn enter(app: &App, oidc: &Oidc, from: &Origin, person: &Person) -> Result<login::Opened, Problem> {
    let store = app.store()?;
    let mark = oidc.mark(person);
    let from = Origin { actor: Actor::User(person.name.clone()), ..from.clone() };
    let object = format!("user:{}", person.name);
    let user = match store.user(&person.name).await? {
        None => {
            let user = User {
                created_us: now_us(),
                disabled: false,
                id: Uuid::now_v7(),
                name: person.name.clone(),
                password: mark,
                role: person.role.into(),
            };
            let detail = json!({"oidc": oidc.options.issuer, "role": user.role.as_str()});
            store.create_user(&user, &from.entry("create", object, detail)).await?;
            user
        }
        Some(user) if user.password != mark => {
            return Err(refused(format!(
                "the account `{}` of this gateway belongs to somebody else; an admin can remove it",
                person.name
            )));
        }
        Some(user) if user.disabled => {
            return Err(refused(format!("the account `{}` is closed", person.name)));
        }
        Some(user) if user.role != person.role.into() => {
            let user = User { role: person.role.into(), ..user };
            let detail =
                json!({"changed": ["role"], "oidc": oidc.options.issuer, "role": user.role.as_str()});
            store.change_user(&user, None, &from.entry("change", object, detail)).await?;
            user
        }
        Some(user) => user,
    };
    login::open(app, &from, &user, false).await
}

impl Oidc {
    /// The cookie comes back from the provider's page, so it is not a strict one; only these routes get it.
    fn cookie(&self, value: &str, age: u64) -> [(header::HeaderName, HeaderValue); 1] {
        let secure = if self.options.redirect_url.starts_with("https:") { "; Secure" } else { "" };
        let text =
            format!("{COOKIE}={value}; Path=/api/login/oidc; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
        [(header::SET_COOKIE, HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("")))]
    }
}

/// What the browser shows of the login that it began.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}
