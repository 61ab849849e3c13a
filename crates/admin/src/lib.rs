//! The admin API: what people and programs ask of a gateway apart from calls to models, and what they may change.
//!
//! An axum router under `/api`, described by OpenAPI. Every operation declares who may ask ([`Guard`]). The command line calls the
//! same router in its own process. Knows no database (it is handed a `store::Store`) and performs no call to a provider.

mod app;
mod calls;
mod document;
mod filter;
mod guard;
mod input;
mod problem;
mod sessions;
mod stats;
mod view;

pub use app::{App, Shelf};
pub use guard::{Guard, Principal, Role};
pub use problem::Problem;

/// First segments of paths under `/api` that belong to this router. Others are Ollama's.
const OWNED: [&str; 16] = [
    "audit",
    "calls",
    "docs",
    "import",
    "keys",
    "live",
    "log",
    "login",
    "logout",
    "me",
    "openapi.json",
    "purge",
    "retention",
    "sessions",
    "stats",
    "users",
];

/// Whether a path is answered here.
pub fn owns(path: &str) -> bool {
    let rest = path.strip_prefix("/api/").unwrap_or_default();
    let first = rest.split('/').next().unwrap_or_default();
    OWNED.contains(&first)
}

/// Answers what [`owns`] says.
pub fn router(app: App) -> axum::Router {
    let (router, _) = document::routes().split_for_parts();
    router.fallback(problem::no_such_path).method_not_allowed_fallback(problem::wrong_method).with_state(app)
}

/// The description of the API (OpenAPI 3.1).
pub fn openapi() -> utoipa::openapi::OpenApi {
    document::routes().into_openapi()
}
