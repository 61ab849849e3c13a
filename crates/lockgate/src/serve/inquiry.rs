//! Questions of the gateway's own to a model: calls like any other, through the engine, in its own name.
//!
//! No policy meets them, or a policy that asks would be asked about its question.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use lockgate_core::{Dialect, Usage};
use lockgate_engine::{CallRequest, Caller, Engine};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use uuid::Uuid;

/// How the gateway names itself.
const OURSELVES: HeaderValue = HeaderValue::from_static(concat!("lockgate/", env!("CARGO_PKG_VERSION")));

/// Where a question is recorded.
#[derive(Clone, Copy)]
pub(super) struct Under<'a> {
    /// Who asks, as the agent of the session.
    pub(super) agent: &'a str,
    /// The call that it is about.
    pub(super) call: Option<Uuid>,
    /// The session.
    pub(super) session: &'static str,
}

/// What a model said.
pub(super) struct Told {
    /// The id of the question's call.
    pub(super) call: Option<String>,
    /// What it used.
    pub(super) usage: Usage,
    /// Its words.
    pub(super) words: String,
}

/// What a model answers to a request in the Anthropic dialect.
pub(super) async fn ask(
    engine: &Arc<Engine>,
    caller: Caller,
    body: &Value,
    under: Option<Under<'_>>,
) -> Result<Told, String> {
    let mut headers = HeaderMap::from_iter([(USER_AGENT, OURSELVES)]);
    if let Some(Under { agent, session, .. }) = under {
        headers.insert(HeaderName::from_static("x-session-id"), HeaderValue::from_static(session));
        let agent = utf8_percent_encode(agent, UNSAFE).to_string();
        headers.extend(agent.parse().ok().map(|agent| (HeaderName::from_static("x-lockgate-agent"), agent)));
    }
    let request = CallRequest {
        body: Bytes::from(body.to_string()),
        came: std::time::Instant::now(),
        caller,
        format: lockgate_wire::format(Dialect::Anthropic),
        headers,
        internal: true,
        local: None,
        method: Method::POST,
        mode: None,
        model: None,
        parent: under.and_then(|under| under.call),
        path_and_query: "/v1/messages".to_owned(),
    };
    let (head, answer) = engine.generate(request).await.into_parts();
    let bytes = answer.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
    let told: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    if !head.status.is_success() {
        let words = told["error"]["message"].as_str().unwrap_or("without words");
        return Err(format!("status {}: {words}", head.status.as_u16()));
    }
    let blocks = told["content"].as_array().map_or(&[][..], Vec::as_slice);
    let words = blocks.iter().filter_map(|block| block["text"].as_str()).collect();
    let call = head.headers.get("x-task-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    Ok(Told { call, usage: usage(&told["usage"]), words })
}

/// What an answer in the Anthropic dialect says that it used. A provider that tells nothing is said to have used nothing.
fn usage(told: &Value) -> Usage {
    let tokens = |name: &str| told[name].as_u64();
    let input = tokens("input_tokens").filter(|_| tokens("output_tokens").is_some_and(|output| output > 0));
    Usage {
        cache_read: tokens("cache_read_input_tokens"),
        cache_write_5m: tokens("cache_creation_input_tokens"),
        input_uncached: input,
        output: tokens("output_tokens").filter(|output| *output > 0),
        ..Usage::default()
    }
}

/// What is not written as it is in the name of an agent.
const UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');
