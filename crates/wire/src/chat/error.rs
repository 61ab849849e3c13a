//! Errors, both directions: OpenAI's `{"error":{message,type,param,code}}` for clients, and whatever a server that
//! speaks this dialect answers instead (`FastAPI`, Mistral, OpenRouter, proxies in front of it) read into a
//! [`Failure`].
//!
//! The message is the provider's own, bounded. A page of HTML is reduced to its title.

use lockgate_core::{ErrorKind, Failure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::chunk::Loose;
use crate::json::{excerpt, to_client};

/// The longest foreign message that is passed on, in bytes.
const LONGEST: usize = 4000;

/// Writes the error body.
pub(super) fn write(failure: &Failure, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct Body<'a> {
        error: Inside<'a>,
    }
    #[derive(Serialize)]
    struct Inside<'a> {
        message: &'a str,
        #[serde(rename = "type")]
        kind: &'a str,
        param: Option<&'a str>,
        code: Option<&'a str>,
    }
    let (kind, default) = words(failure.kind);
    let code = failure.code.as_deref().filter(|code| !is_type(code)).or(default);
    let kind = if code == Some("insufficient_quota") { "insufficient_quota" } else { kind };
    let param = failure.param.as_deref();
    to_client(&Body { error: Inside { message: &failure.message, kind, param, code } }, out);
}

/// Whether a provider's word is a type of error as Anthropic writes it: no code here, where clients compare with OpenAI's.
pub(crate) fn is_type(word: &str) -> bool {
    matches!(
        word,
        "api_error"
            | "authentication_error"
            | "billing_error"
            | "invalid_request_error"
            | "not_found_error"
            | "overloaded_error"
            | "permission_error"
            | "rate_limit_error"
            | "timeout_error"
    )
}

/// OpenAI's type of an error, and its code where the provider gave none.
fn words(kind: ErrorKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ErrorKind::Forbidden => ("invalid_request_error", Some("forbidden")),
        ErrorKind::Internal => ("server_error", None),
        ErrorKind::InvalidRequest | ErrorKind::UpstreamRejected => ("invalid_request_error", None),
        ErrorKind::NotFound => ("invalid_request_error", Some("model_not_found")),
        ErrorKind::Overloaded => ("server_error", Some("overloaded")),
        ErrorKind::PolicyRefused => ("invalid_request_error", Some("policy_refused")),
        ErrorKind::RateLimited => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::Timeout => ("server_error", Some("timeout")),
        ErrorKind::TooLarge => ("invalid_request_error", Some("request_too_large")),
        ErrorKind::Unauthenticated | ErrorKind::UpstreamAuth => {
            ("invalid_request_error", Some("invalid_api_key"))
        }
        ErrorKind::UpstreamUnavailable => ("server_error", Some("upstream_unavailable")),
    }
}

/// All forms of an error body in one; each field is read only if it is of a type that makes sense.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Loose<'a>,
    #[serde(borrow)]
    param: Loose<'a>,
    #[serde(borrow)]
    code: Loose<'a>,
    #[serde(borrow)]
    metadata: Option<Metadata<'a>>,
}

/// OpenRouter: the words of the provider behind it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata<'a> {
    #[serde(borrow)]
    raw: Loose<'a>,
}

/// One of `FastAPI`'s complaints.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Complaint<'a> {
    #[serde(borrow)]
    loc: Vec<Loose<'a>>,
    #[serde(borrow)]
    msg: Loose<'a>,
}

/// Reads the body of an error answer.
pub(super) fn fault(status: u16, body: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let mut failure =
        read(text).unwrap_or_else(|| Failure::new(ErrorKind::UpstreamUnavailable, words_of(text, status)));
    failure.kind = ErrorKind::of_upstream_status(status);
    failure.status = Some(status);
    failure
}

/// Reads an error inside an answer whose status was 200. The error's own code, where it is a status, is one.
pub(super) fn inside(raw: &str) -> Failure {
    read(raw)
        .unwrap_or_else(|| Failure::new(ErrorKind::UpstreamUnavailable, excerpt(raw.as_bytes(), LONGEST)))
}

/// Reads an error in any of the known forms of JSON; `None` when it is none.
pub(super) fn read(text: &str) -> Option<Failure> {
    // Gemini's compatible endpoint puts its errors in a list.
    if text.starts_with('[') {
        let list: Vec<&RawValue> = serde_json::from_str(text).ok()?;
        return read(list.first()?.get());
    }
    if let Ok(word) = serde_json::from_str::<String>(text) {
        return Some(Failure::new(ErrorKind::UpstreamUnavailable, excerpt(word.as_bytes(), LONGEST)));
    }
    let wire: Wire<'_> = serde_json::from_str(text).ok()?;
    if let Some(error) = wire.error {
        let mut failure = read(error.get())?;
        // xAI: the code stands beside the error.
        let beside = wire.code.text().filter(|code| code.parse::<u16>().is_err());
        failure.code = failure.code.or(beside.map(Into::into));
        return Some(failure);
    }
    let mut param = wire.param.text().map(|param| param.strip_prefix("body.").unwrap_or(param).to_owned());
    let mut message = match (wire.message, wire.detail) {
        (Some(raw), _) | (None, Some(raw)) => sentence(raw, &mut param),
        (None, None) => None,
    }?;
    if let Some(more) = wire.metadata.as_ref().and_then(|metadata| metadata.raw.text()) {
        message = format!("{message}: {more}");
    }
    let kind = wire.kind.text();
    let code = wire.code.text();
    let status = code.and_then(|code| code.parse::<u16>().ok()).filter(|code| (400..600).contains(code));
    let word = code.filter(|code| code.parse::<f64>().is_err());
    let mut failure = Failure::new(
        status.map_or_else(|| kind_of(word.or(kind)), ErrorKind::of_upstream_status),
        excerpt(message.as_bytes(), LONGEST),
    );
    failure.code = word.or(kind.filter(|kind| !is_vague(kind))).map(Into::into);
    failure.param = param;
    failure.status = status;
    Some(failure)
}

/// A message that is a text, `FastAPI`'s list of complaints, or (Mistral) that list inside another `detail`.
fn sentence(raw: &RawValue, param: &mut Option<String>) -> Option<String> {
    if let Ok(text) = serde_json::from_str::<String>(raw.get()) {
        return Some(text);
    }
    if let Ok(list) = serde_json::from_str::<Vec<Complaint<'_>>>(raw.get()) {
        let mut lines = Vec::new();
        for complaint in &list {
            let path: Vec<_> = complaint.loc.iter().filter_map(Loose::text).collect();
            let path = path.strip_prefix(&["body"]).unwrap_or(&path).join(".");
            let what = complaint.msg.text().unwrap_or_default();
            lines.push(if path.is_empty() { what.to_owned() } else { format!("{path}: {what}") });
            param.get_or_insert(path);
        }
        *param = param.take().filter(|path| !path.is_empty());
        return (!lines.is_empty()).then(|| lines.join("; "));
    }
    let nested: Wire<'_> = serde_json::from_str(raw.get()).ok()?;
    match (nested.detail, nested.message) {
        (Some(raw), _) | (None, Some(raw)) => sentence(raw, param),
        (None, None) => Some(raw.get().to_owned()),
    }
}

/// Types that say no more than the status does.
fn is_vague(kind: &str) -> bool {
    matches!(kind, "api_error" | "error" | "invalid_request_error" | "server_error" | "upstream_error")
}

/// The kind of an error whose only hint is its word.
fn kind_of(word: Option<&str>) -> ErrorKind {
    let word = word.unwrap_or_default().to_ascii_lowercase();
    let says = |hints: &[&str]| hints.iter().any(|hint| word.contains(hint));
    if says(&["rate_limit", "ratelimit", "insufficient_quota", "tokens_per", "too_many"]) {
        ErrorKind::RateLimited
    } else if says(&["api_key", "authentication", "unauthorized"]) {
        ErrorKind::UpstreamAuth
    } else if says(&["not_found", "notfound"]) {
        ErrorKind::NotFound
    } else if says(&["overloaded", "unavailable_error", "capacity"]) {
        ErrorKind::Overloaded
    } else if says(&["timeout"]) {
        ErrorKind::Timeout
    } else if says(&["invalid", "badrequest", "bad_request", "context", "unsupported"]) {
        ErrorKind::UpstreamRejected
    } else {
        ErrorKind::UpstreamUnavailable
    }
}

fn words_of(text: &str, status: u16) -> String {
    if text.is_empty() {
        return format!("the provider answered with status {status} and nothing more");
    }
    let lower = text.to_ascii_lowercase();
    if !lower.starts_with('<') {
        return excerpt(text.as_bytes(), LONGEST);
    }
    let title = lower.find("<title>").map(|at| at + "<title>".len()).and_then(|from| {
        let end = lower[from..].find("</title>")?;
        Some(text[from..from + end].trim())
    });
    match title.filter(|title| !title.is_empty()) {
        Some(title) => {
            format!("the provider answered with a web page: {}", excerpt(title.as_bytes(), LONGEST))
        }
        None => format!("the provider answered with status {status} and a web page"),
    }
}
