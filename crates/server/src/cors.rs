//! What browsers ask before they let a page of another origin call, and what they must read in the answer.
//!
//! For origins that the configuration lists, and no others. Lets nobody in: a page needs a key like everybody else, and
//! browsers send no cookie or login of their own here.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use lockgate_engine::AnswerBody;

use crate::service::plain;

/// The answer to a preflight. Whatever the page wants to send may be sent: clients of each dialect have headers of their
/// own.
pub(crate) fn preflight(headers: &HeaderMap) -> Response<AnswerBody> {
    let mut response = plain(StatusCode::NO_CONTENT, "text/plain; charset=utf-8", "");
    let out = response.headers_mut();
    out.remove(header::CONTENT_TYPE);
    out.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"),
    );
    if let Some(wanted) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        out.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    out.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets a page of this origin read the answer with its headers.
pub(crate) fn allow(out: &mut HeaderMap, origin: HeaderValue) {
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    out.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    out.append(header::VARY, HeaderValue::from_static("origin"));
}
