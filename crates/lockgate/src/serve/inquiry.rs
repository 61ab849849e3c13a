//! Questions of the gateway's own to a model: calls like any other, through the engine, in its own name.
//!
//! No policy meets them, or a policy that asks would be asked about its question.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use lockgate_core::Dialect;
use lockgate_engine::{CallRequest, Caller, Engine};
use serde_json::Value;

/// How the gateway names itself.
const OURSELVES: HeaderValue = HeaderValue::from_static(concat!("lockgate/", env!("CARGO_PKG_VERSION")));

/// The words of a model's answer to a request in the Anthropic dialect. `session`: the one that the call is recorded in.
pub(super) async fn ask(
    engine: &Arc<Engine>,
    caller: Caller,
    body: &Value,
    session: Option<&'static str>,
) -> Result<String, String> {
    let mut headers = HeaderMap::from_iter([(USER_AGENT, OURSELVES)]);
    headers.extend(session.map(|id| (HeaderName::from_static("x-session-id"), HeaderValue::from_static(id))));
    let request = CallRequest {
        body: Bytes::from(body.to_string()),
        caller,
        format: lockgate_wire::format(Dialect::Anthropic),
        headers,
        internal: true,
        method: Method::POST,
        mode: None,
        model: None,
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
    Ok(blocks.iter().filter_map(|block| block["text"].as_str()).collect())
}
