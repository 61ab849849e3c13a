//! The admin API: what people and programs ask of a gateway apart from calls to models, and what they may change.
//!
//! An axum router under `/api`, described by `OpenAPI`. Every operation declares who may ask ([`Guard`]). The command line calls the
//! same router in its own process. Knows no database (it is handed a `store::Store`) and performs no call to a provider.

mod app;
mod approvals;
mod archive;
mod audit;
mod auth;
mod calls;
mod config;
mod document;
mod feedback;
mod filter;
mod first;
mod guard;
mod import;
mod input;
mod keys;
mod labels;
mod live;
mod log;
mod login;
mod oidc;
mod page;
mod policies;
mod problem;
mod purge;
mod quarantine;
mod reading;
mod retention;
mod sessions;
mod spans;
mod stats;
mod trust;
mod users;
mod versions;
mod view;

pub use app::{App, Shelf};
pub use auth::key::{from_seed, hash, is_mistyped};
pub use auth::token::{NoRandom, secret, seed};
pub use auth::{DoorOptions, Holder, Holders};
pub use config::{ConfigBook, SettingView};
pub use first::{NoFirstUser, first_start, write_secret};
pub use guard::{Guard, Principal, Role};
pub use login::{FIRST_USER, SECRET_FILE};
pub use oidc::{Fetch, Fetching, Oidc, OidcOptions, RoleRule};
pub use policies::{PolicyBook, PolicyView};
pub use problem::Problem;
pub use quarantine::{Inmate, Ward};
pub use retention::{Deleted, Forgotten, OfClass, Retained, RetentionPolicy, Times};
pub use spans::FILED;

/// First segments of paths under `/api` that belong to this router. Others are Ollama's.
const OWNED: [&str; 21] = [
    "approvals",
    "audit",
    "calls",
    "config",
    "docs",
    "feedback",
    "import",
    "keys",
    "live",
    "log",
    "login",
    "logout",
    "me",
    "openapi.json",
    "policies",
    "purge",
    "quarantine",
    "retention",
    "sessions",
    "stats",
    "users",
];

/// Whether a path is answered here.
pub fn owns(path: &str) -> bool {
    if path == "/login" {
        return true;
    }
    let rest = path.strip_prefix("/api/").unwrap_or_default();
    let first = rest.split('/').next().unwrap_or_default();
    OWNED.contains(&first)
}

/// Answers what [`owns`] says.
pub fn router(app: App) -> axum::Router {
    let (router, _) = document::routes().split_for_parts();
    router
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::wrong_method)
        .layer(axum::middleware::from_fn_with_state(app.clone(), auth::identify))
        .with_state(app)
}

/// The description of the API (`OpenAPI` 3.1).
pub fn openapi() -> utoipa::openapi::OpenApi {
    document::routes().into_openapi()
}
