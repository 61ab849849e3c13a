//! Who asks: a page by its cookie, a program by a login's token or a key, the command line by being in this process.
//!
//! Runs in front of every operation and puts a `Principal` and an [`Origin`] into the request; what that one may do is `guard`'s. A
//! credential that is wrong is refused at once; trouble with the database is 503 and never 401.

pub(crate) mod key;
pub(crate) mod origin;
pub(crate) mod password;
pub(crate) mod throttle;
pub(crate) mod token;

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, header};
use lockgate_store::access::{Actor, AuditEntry, Login};
use serde_json::Value;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::app::App;
use crate::guard::{Principal, Role};
use crate::problem::Problem;
use throttle::Throttle;

/// The cookie of a page.
pub(crate) const COOKIE: &str = "lockgate_session";

/// Hashes of passwords that are made at the same time: each takes 19 MiB and a core.
const HASHES: usize = 2;

/// A login is noted as heard of this often, µs.
const HEARD_US: i64 = 60_000_000;

/// Somebody who holds a key of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The key's name.
    pub key: String,
    /// What the key may do.
    pub role: Role,
    /// Who it belongs to.
    pub user: Option<String>,
}

/// Knows keys of the gateway.
pub trait Holders: Send + Sync {
    /// Who holds this key; `None` = nobody that is known.
    fn holder(&self, key: &str) -> Option<Result<Holder, String>>;
}

/// How the door is kept.
#[derive(Clone)]
pub struct DoorOptions {
    /// Whoever holds a key may ask with it.
    pub holders: Option<Arc<dyn Holders>>,
    /// Names of hosts that this gateway is reached by, beside this machine's.
    pub hosts: Vec<String>,
    /// How long a login lives that nothing is heard of.
    pub idle: Duration,
    /// How long a login lives.
    pub lifetime: Duration,
    /// Which proxies are believed whose requests they pass on.
    pub trusted: Arc<dyn Fn(IpAddr) -> bool + Send + Sync>,
}

impl Default for DoorOptions {
    fn default() -> Self {
        let (idle, lifetime) = (Duration::from_hours(12), Duration::from_hours(7 * 24));
        Self { holders: None, hosts: Vec::new(), idle, lifetime, trusted: Arc::new(|_| false) }
    }
}

/// Finds out who asks.
pub(crate) struct Door {
    hashing: Semaphore,
    pub(crate) options: DoorOptions,
    throttle: Mutex<Throttle>,
}

impl Door {
    /// A door that is kept so.
    pub(crate) fn new(options: DoorOptions) -> Self {
        Self { hashing: Semaphore::new(HASHES), options, throttle: Mutex::default() }
    }

    /// Whether this is the password of a user; somebody who guesses has to wait.
    pub(crate) async fn fits(
        &self,
        name: &str,
        from: &Origin,
        stored: Option<String>,
        password: String,
    ) -> Result<bool, Problem> {
        let ip = from.ip;
        let wait = self.throttle().begin(name, ip, Instant::now());
        if !wait.is_zero() {
            return Err(Problem::too_many(
                "too many wrong passwords; wait before the next try",
                wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
            ));
        }
        let fits = self.hashed(move || password::fits(stored.as_deref(), &password)).await?;
        if fits {
            self.throttle().right(name, ip);
        }
        Ok(fits)
    }

    /// Does something that takes a core for a while.
    pub(crate) async fn hashed<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let broken = || Problem::internal("the password cannot be worked on");
        let _turn = self.hashing.acquire().await.map_err(|_| broken())?;
        tokio::task::spawn_blocking(work).await.map_err(|_| broken())
    }

    fn throttle(&self) -> std::sync::MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a request comes from, for the audit.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) actor: Actor,
    pub(crate) ip: Option<IpAddr>,
    /// The login that it came with, and whether by cookie.
    pub(crate) login: Option<(Login, bool)>,
}

impl Origin {
    const fn of(actor: Actor, ip: Option<IpAddr>) -> Self {
        Self { actor, ip, login: None }
    }

    pub(crate) fn address(&self) -> Option<String> {
        self.ip.map(|ip| ip.to_string())
    }

    /// An entry of the audit about what is done now.
    pub(crate) fn entry(&self, verb: &str, object: impl Into<String>, detail: Value) -> AuditEntry {
        AuditEntry {
            actor: self.actor.clone(),
            address: self.address(),
            at_us: now_us(),
            detail,
            id: Uuid::now_v7(),
            object: object.into(),
            verb: verb.to_owned(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let found = parts.extensions.get::<Self>().cloned();
        Ok(found.unwrap_or_else(|| Self::of(Actor::System, None)))
    }
}

pub(crate) fn now_us() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// Puts who asks into the request.
pub(crate) async fn identify(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if request.extensions().get::<Principal>().is_some() {
        // Only this process can have put it there.
        let account = std::env::var("USER").ok().filter(|name| !name.is_empty());
        request.extensions_mut().insert(Origin::of(Actor::Cli(account), None));
        return next.run(request).await;
    }
    let trusted = app.door().options.trusted.clone();
    let peer = request.extensions().get::<SocketAddr>();
    let peer = peer.map(|peer| origin::client(peer.ip(), request.headers(), trusted.as_ref()));
    let authority = request.uri().authority().map(ToString::to_string);
    match known(&app, peer, request.method(), request.uri().path(), request.headers(), authority.as_deref())
        .await
    {
        Ok(found) => {
            let (principal, origin) = match found {
                Some((principal, origin)) => (Some(principal), origin),
                None => (None, Origin::of(Actor::System, peer)),
            };
            request.extensions_mut().insert(origin);
            if let Some(principal) = principal {
                request.extensions_mut().insert(principal);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// What somebody is known by.
type Known = (Principal, Origin);

async fn known(
    app: &App,
    peer: Option<IpAddr>,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    authority: Option<&str>,
) -> Result<Option<Known>, Problem> {
    if !origin::is_our_host(headers, authority, &app.door().options.hosts) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "foreign_host",
            "this gateway is not known by that host name; if it is yours, add it to `admin.hosts` in lockgate.yaml",
        ));
    }
    if let Some(token) = bearer(headers) {
        return by_token(app, peer, token).await.map(Some);
    }
    if path == "/api/login" && *method == Method::POST {
        // Whoever logs in is not asked who they were.
        return if origin::is_same_origin(headers, authority) { Ok(None) } else { Err(foreign_page()) };
    }
    let Some(token) = cookie(headers) else { return Ok(None) };
    let Some(found) = by_login(app, peer, token, true).await? else { return Ok(None) };
    if !origin::may_change(method, headers, authority) {
        return Err(foreign_page());
    }
    Ok(Some(found))
}

fn foreign_page() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "csrf",
        format!(
            "with a cookie only the gateway's own pages may change something: they send `{}: 1`",
            origin::MARK
        ),
    )
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The token in the cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

async fn by_token(app: &App, peer: Option<IpAddr>, token: &str) -> Result<Known, Problem> {
    if token.starts_with("lgs-") {
        let over = || Problem::unauthenticated("this login is over: log in again (POST /api/login)");
        return by_login(app, peer, token, false).await?.ok_or_else(over);
    }
    let unknown = || Problem::unauthenticated("this is neither a login's token nor a key of this gateway");
    let holders = app.door().options.holders.as_ref();
    let holder = holders.and_then(|holders| holders.holder(token)).ok_or_else(unknown)?;
    let holder = holder.map_err(Problem::unauthenticated)?;
    let principal = Principal { name: format!("key {}", holder.key), role: holder.role, user: holder.user };
    Ok((principal, Origin::of(Actor::Key(holder.key), peer)))
}

async fn by_login(
    app: &App,
    peer: Option<IpAddr>,
    token: &str,
    by_cookie: bool,
) -> Result<Option<Known>, Problem> {
    let store = app.store()?;
    let Some((login, user)) = store.login(&token::hash(token)).await? else { return Ok(None) };
    let now = now_us();
    if !login.is_open(now) || user.disabled {
        return Ok(None);
    }
    if now - login.used_us > HEARD_US {
        let idle = now.saturating_add(app.door().options.idle.as_micros() as i64);
        store.heard(login.id, now, idle).await?;
    }
    let principal =
        Principal { name: user.name.clone(), role: user.role.into(), user: Some(user.name.clone()) };
    let origin = Origin { login: Some((login, by_cookie)), ..Origin::of(Actor::User(user.name), peer) };
    Ok(Some((principal, origin)))
}
