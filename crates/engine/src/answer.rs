//! Turns what an attempt came to into the client's response: status, headers, body.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use lockgate_core::{Dialect, Failure};
use lockgate_wire::{Format, Loss, Mode};

use crate::attempt::Refused;
use crate::headers;
use crate::relay::AnswerBody;

/// Facts that every answer of a call carries in its headers.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    /// The client's dialect.
    pub(crate) dialect: Dialect,
    /// What the conversion of the request lost.
    pub(crate) loss: Loss,
    /// The model's id at the provider.
    pub(crate) model: String,
    /// The provider's id.
    pub(crate) provider: String,
    /// Whether the provider speaks the client's dialect.
    pub(crate) same: bool,
    /// The call's id.
    pub(crate) task: String,
}

/// An answer in the client's dialect.
pub(crate) fn answered(
    facts: &Facts,
    status: u16,
    upstream: &HeaderMap,
    mode: Mode,
    body: AnswerBody,
) -> Response<AnswerBody> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let out = response.headers_mut();
    if facts.same {
        headers::for_client(upstream, out);
    } else {
        headers::for_foreign_client(upstream, out);
    }
    set_content_type(out, facts.dialect, mode);
    mark(out, facts);
    response
}

/// An error in the client's dialect: the provider's own body where it can pass.
pub(crate) fn refused(facts: &Facts, format: &Format, refused: Refused) -> Response<AnswerBody> {
    let Refused { body, failure, headers: upstream } = refused;
    let mut response = match body {
        Some(bytes) => {
            let mut response = Response::new(AnswerBody::full(bytes));
            headers::for_client(&upstream, response.headers_mut());
            *response.status_mut() = status_of(&failure);
            response
        }
        None => {
            let mut response = error(format, &failure);
            headers::for_foreign_client(&upstream, response.headers_mut());
            response
        }
    };
    mark(response.headers_mut(), facts);
    response
}

/// An error of ours, before any provider was asked.
pub(crate) fn error(format: &Format, failure: &Failure) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::full(format.messages.error(failure)));
    *response.status_mut() = status_of(failure);
    let out = response.headers_mut();
    set_content_type(out, format.dialect, Mode::Whole);
    if let Some(wait) = failure.retry_after {
        headers::set(out, "retry-after", &wait.as_secs().max(1).to_string());
    }
    headers::set(out, "x-lockgate-error", failure.kind.as_str());
    response
}

/// A whole body of ours.
pub(crate) fn json(facts: &Facts, body: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::full(body));
    set_content_type(response.headers_mut(), facts.dialect, Mode::Whole);
    mark(response.headers_mut(), facts);
    response
}

fn status_of(failure: &Failure) -> StatusCode {
    // A provider's redirect or success status is no status for an error.
    StatusCode::from_u16(failure.status())
        .ok()
        .filter(|status| status.as_u16() >= 400)
        .unwrap_or(StatusCode::BAD_GATEWAY)
}

fn mark(out: &mut HeaderMap, facts: &Facts) {
    headers::set(out, "x-task-id", &facts.task);
    headers::set(out, "x-provider", &facts.provider);
    headers::set(out, "x-model", &facts.model);
    headers::set(out, "x-cache-hit", "false");
    headers::set(out, "x-tokens-saved", "0");
    if !facts.loss.is_empty() {
        headers::set(out, "x-lockgate-lossy", &facts.loss.header());
    }
    let id = ["request-id", "x-request-id"].into_iter().find_map(|name| out.get(name).cloned());
    let (own, other) = match facts.dialect {
        Dialect::Anthropic => ("request-id", "x-request-id"),
        Dialect::Chat | Dialect::ClaudeCli | Dialect::Gemini | Dialect::Ollama | Dialect::Responses => {
            ("x-request-id", "request-id")
        }
    };
    // Clients show and report the id under their vendor's name; the provider's own id stays what it is.
    match id {
        Some(id) if !out.contains_key(own) => {
            out.insert(own, id);
        }
        Some(_) => {}
        None => headers::set(out, own, &facts.task),
    }
    if !facts.same {
        out.remove(other);
    }
}

fn set_content_type(out: &mut HeaderMap, dialect: Dialect, mode: Mode) {
    let kind = match (mode, dialect) {
        (Mode::Stream, Dialect::Ollama) => "application/x-ndjson",
        (Mode::Stream, _) => "text/event-stream; charset=utf-8",
        (Mode::Array | Mode::Whole, _) => "application/json",
    };
    if mode == Mode::Stream {
        out.entry(header::CACHE_CONTROL).or_insert(header::HeaderValue::from_static("no-cache"));
        // Proxies between us and the client must not gather what we send piece by piece.
        out.entry("x-accel-buffering").or_insert(header::HeaderValue::from_static("no"));
    }
    out.entry(header::CONTENT_TYPE).or_insert(header::HeaderValue::from_static(kind));
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
