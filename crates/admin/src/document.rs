//! The routes put together, and what describes them: the `OpenAPI` document and the page that shows it.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::header;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, serve};

use crate::app::App;
use crate::guard::{Guard, guarded};
use crate::problem::Problem;
use crate::{
    approvals, audit, calls, config, feedback, import, keys, labels, live, log, login, oidc, page, policies,
    purge, quarantine, sessions, stats, trust, users,
};

/// Every route with its guard and description.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(frame())
        .merge(guarded(Guard::Anyone, routes!(document)))
        .merge(guarded(Guard::Anyone, routes!(front)))
        .merge(guarded(Guard::Anyone, routes!(page)))
        .merge(approvals::routes())
        .merge(calls::routes())
        .merge(config::routes())
        .merge(feedback::routes())
        .merge(import::routes())
        .merge(live::routes())
        .merge(log::routes())
        .merge(policies::routes())
        .merge(purge::routes())
        .merge(quarantine::routes())
        .merge(sessions::routes())
        .merge(login::routes())
        .merge(oidc::routes())
        .merge(page::routes())
        .merge(keys::routes())
        .merge(users::routes())
        .merge(audit::routes())
        .merge(stats::routes())
        .merge(labels::routes())
        .merge(trust::routes())
}

fn frame() -> OpenApi {
    let mut frame = OpenApi::default();
    "Lockgate".clone_into(&mut frame.info.title);
    env!("CARGO_PKG_VERSION").clone_into(&mut frame.info.version);
    frame.info.description = Some(
        "What a gateway recorded, and who may do what. Each operation says by `x-lockgate-guard` which role it takes. Lists come in \
         pages: pass `next` of a page as `cursor`. Errors are `{\"error\": {\"code\", \"message\"}}`."
            .to_owned(),
    );
    let components = frame.components.get_or_insert_default();
    components.add_security_scheme(
        "session",
        SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::new("lockgate_session"))),
    );
    components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    frame
}

/// This description.
#[utoipa::path(get, path = "/api/openapi.json", tag = "description",
    responses((status = 200, description = "The API, in OpenAPI 3.1.")))]
async fn document() -> Json<&'static OpenApi> {
    static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| routes().into_openapi());
    Json(&DOCUMENT)
}

/// The description as a page (Swagger UI).
#[utoipa::path(get, path = "/api/docs", tag = "description", responses((status = 200, description = "A page.")))]
async fn front() -> Response {
    // The page's links are relative to a folder.
    axum::response::Redirect::permanent("/api/docs/index.html").into_response()
}

/// The files of that page.
#[utoipa::path(get, path = "/api/docs/{*file}", tag = "description",
    params(("file" = String, Path, description = "A file of the page.")),
    responses((status = 200, description = "A file."), (status = 404, description = "No such file.")))]
async fn page(Path(name): Path<String>) -> Result<Response, Problem> {
    static CONFIG: LazyLock<Arc<Config<'static>>> =
        LazyLock::new(|| Arc::new(Config::new(["/api/openapi.json"])));
    let missing = || Problem::not_found(format!("the page has no file `{name}`"));
    let found = serve(&name, CONFIG.clone()).map_err(|_| missing())?.ok_or_else(missing)?;
    let kind = [
        (header::CONTENT_TYPE, found.content_type.clone()),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'".to_owned(),
        ),
    ];
    Ok((kind, found.bytes.into_owned()).into_response())
}
