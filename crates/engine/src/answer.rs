//! Turns what an attempt came to into the client's response: status, headers, body.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use lockgate_core::{Dialect, Failure};
use lockgate_wire::{Format, Loss, Mode};
use uuid::Uuid;

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
    /// The name that the client called, where it means another one at the provider.
    pub(crate) requested: Option<String>,
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
    let Some(bytes) = body else {
        let mut known = HeaderMap::new();
        headers::for_foreign_client(&upstream, &mut known);
        mark(&mut known, facts);
        return told(format, &failure, known);
    };
    let mut response = Response::new(AnswerBody::full(bytes));
    headers::for_client(&upstream, response.headers_mut());
    *response.status_mut() = status_of(&failure);
    mark(response.headers_mut(), facts);
    response
}

/// An error of ours, before any provider was asked.
pub(crate) fn error(format: &Format, failure: &Failure, id: Uuid) -> Response<AnswerBody> {
    let mut known = HeaderMap::new();
    identify(&mut known, format.dialect, &id.to_string());
    told(format, failure, known)
}

/// An error that the server found before there was a call.
pub fn refusal(format: &Format, failure: &Failure) -> Response<AnswerBody> {
    error(format, failure, Uuid::now_v7())
}

/// The error with the headers that are known of it.
fn told(format: &Format, failure: &Failure, known: HeaderMap) -> Response<AnswerBody> {
    let mut body = format.messages.error(failure);
    if format.dialect == Dialect::Anthropic
        && let Some(id) = known.get("request-id").and_then(|value| value.to_str().ok())
    {
        // Anthropic's errors repeat it, and its clients show that one.
        body = lockgate_wire::with_member(&body, "request_id", id);
    }
    let mut response = Response::new(AnswerBody::full(body));
    *response.status_mut() = status_of(failure);
    let out = response.headers_mut();
    *out = known;
    set_content_type(out, format.dialect, Mode::Whole);
    if let Some(wait) = failure.retry_after
        && !out.contains_key("retry-after")
    {
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
    for (name, value) in [("x-provider", &facts.provider), ("x-model", &facts.model)] {
        if !value.is_empty() {
            headers::set(out, name, value);
        }
    }
    if let Some(name) = &facts.requested {
        headers::set_name(out, "x-lockgate-requested-model", name);
    }
    headers::set(out, "x-cache-hit", "false");
    headers::set(out, "x-tokens-saved", "0");
    if !facts.loss.is_empty() {
        headers::set(out, "x-lockgate-lossy", &facts.loss.header());
    }
    let other = identify(out, facts.dialect, &facts.task);
    if !facts.same {
        out.remove(other);
    }
}

/// Sets the call's id, and the request id under the name of the client's vendor: clients show and report it under that.
/// The provider's own id stays what it is. Returns the name that other vendors use.
fn identify(out: &mut HeaderMap, dialect: Dialect, task: &str) -> &'static str {
    headers::set(out, "x-task-id", task);
    let id = headers::request_id(out).cloned();
    let (own, other) = match dialect {
        Dialect::Anthropic => ("request-id", "x-request-id"),
        Dialect::Chat | Dialect::ClaudeCli | Dialect::Gemini | Dialect::Ollama | Dialect::Responses => {
            ("x-request-id", "request-id")
        }
    };
    match id {
        Some(id) if !out.contains_key(own) => {
            out.insert(own, id);
        }
        Some(_) => {}
        None => headers::set(out, own, task),
    }
    other
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
