//! `/login`: a page with a form and nothing else, for as long as there is no dashboard. No script, no file from anywhere.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::auth::Origin;
use crate::guard::{Guard, guarded};
use crate::login::{FIRST_USER, SECRET_FILE};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<App> {
    guarded(Guard::Anyone, routes!(login))
}

/// A page to log in with.
#[utoipa::path(get, path = "/login", tag = "access", responses((status = 200, description = "A page.")))]
async fn login(State(app): State<App>, from: Origin) -> Response {
    match &from.login {
        Some((login, _)) => {
            let name = escaped(&login.user);
            let body = format!(
                "<p>You are logged in as <b>{name}</b>.</p><p><a href=\"/api/docs/index.html\">The API of this gateway</a></p>"
            );
            shown(StatusCode::OK, &body)
        }
        None => shown(StatusCode::OK, &form(&app, "")),
    }
}

/// The page for somebody whose login failed.
pub(crate) fn refused(app: &App, problem: &Problem) -> Response {
    let words = format!("<p class=\"bad\" role=\"alert\">{}</p>", escaped(&problem.message));
    let mut response = shown(problem.status, &form(app, &words));
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The page behind a login elsewhere. The browser goes on from here by itself: what follows a page of ours gets our cookie, what follows a
/// foreign one does not.
pub(crate) fn entered() -> Response {
    let go_on = "<meta http-equiv=\"refresh\" content=\"0; url=/login\"><p>You are logged in. <a href=\"/login\">Go on</a></p>";
    shown(StatusCode::OK, go_on)
}

fn form(app: &App, above: &str) -> String {
    let elsewhere = app.oidc.as_ref().map(|oidc| {
        format!(
            "<p><a class=\"button\" href=\"/api/login/oidc\">Log in with {}</a></p>",
            escaped(oidc.title())
        )
    });
    let elsewhere = elsewhere.unwrap_or_default();
    format!(
        "{above}{elsewhere}<form method=\"post\" action=\"/api/login\">\
         <label>Name<input name=\"name\" autocomplete=\"username\" value=\"{FIRST_USER}\" required></label>\
         <label>Password<input name=\"password\" type=\"password\" autocomplete=\"current-password\" required autofocus></label>\
         <button>Log in</button></form>\
         <p>The first password of <b>{FIRST_USER}</b> is in the file <code>{SECRET_FILE}</code> in the folder of the record, on the machine \
         that the gateway runs on. <code>lockgate admin reset-secret</code> makes a new one.</p>"
    )
}

fn shown(status: StatusCode, body: &str) -> Response {
    let page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Lockgate: log in</title><style>{STYLE}</style></head><body><main><h1>Lockgate</h1>{body}</main></body></html>"
    );
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    (status, headers, page).into_response()
}

const STYLE: &str = ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;margin:0;display:grid;min-height:100vh;place-items:center}\
    main{width:min(22rem,90vw)}label{display:block;margin:.75rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}\
    button,.button{font:inherit;padding:.4rem 1rem}.button{display:inline-block;border:1px solid;border-radius:4px;text-decoration:none}.bad{border-left:4px solid #c00;padding-left:.75rem}";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_typed_is_text_on_the_page() {
        assert_eq!(escaped("<b a='\"&"), "&lt;b a=&#39;&quot;&amp;");
    }
}
