//! What goes wrong, as the API says it: a status, a code for programs, words for people.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri, header};
use lockgate_store::Error;
use serde_json::json;

/// An error of the API: `{"error": {"code", "message"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// For programs.
    pub code: &'static str,
    /// What, where, what to do.
    pub message: String,
    /// Seconds after which it may be tried again.
    pub retry_after: Option<u64>,
    /// The status.
    pub status: StatusCode,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None, status }
    }

    /// 409: what is there already stands against it.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 403: known, and not allowed to.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 500: our own fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// 400: the request makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    /// 404. Also for what exists and belongs to somebody else.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 429: again in so many seconds.
    pub fn too_many(message: impl Into<String>, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message) }
    }

    /// 401: nobody we know.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", message)
    }

    /// 422: understood, and cannot be used.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unprocessable", message)
    }

    /// 503: something is away that is needed for this.
    pub fn unavailable(message: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        Self { retry_after: Some(5), ..problem }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if error.passes() {
            tracing::warn!(%error, "the admin API has no database");
            return Self::unavailable(match error {
                Error::Slow(_) => "the database took too long; ask for less (a shorter time, fewer entries)",
                Error::Damaged(_)
                | Error::Full(_)
                | Error::Locked(_)
                | Error::Refused { .. }
                | Error::Rope(_)
                | Error::Schema { .. }
                | Error::Taken { .. }
                | Error::Unavailable(_)
                | Error::Unwoven { .. } => "the database does not answer; `/health` says what is wrong",
            });
        }
        if let Error::Taken { .. } = error {
            return Self::conflict(error.to_string());
        }
        tracing::error!(%error, "the admin API cannot read the database");
        Self::internal("what is stored cannot be read; the reason is in the gateway's log")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What the API says of a path that it does not have.
pub(crate) async fn no_such_path(uri: Uri) -> Problem {
    Problem::not_found(format!(
        "there is nothing at `{}`; the API is described at /api/openapi.json",
        uri.path()
    ))
}

/// What the API says of a method that a path does not take.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("`{}` does not take {method}; see /api/openapi.json", uri.path()),
    )
}
