//! The way to an OTLP collector over HTTP: where it is, what it wants to see, and how often a message is tried.
//!
//! Knows neither spans nor metrics: a message is bytes here. What does not arrive is the sender's to count.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{StatusCode, Uri};
use lockgate_core::Secret;
use lockgate_engine::Courier;
use tokio_util::sync::CancellationToken;

use crate::post::Post;

/// How long the collector has for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a message is sent at most, and how long is waited before the second time; each wait is twice the one before.
const TRIES: u32 = 4;
const WAIT: Duration = Duration::from_millis(500);

/// The longest wait that a collector may ask for.
const LONGEST: Duration = Duration::from_secs(30);

/// A collector.
#[derive(Clone, Debug)]
pub struct Otlp {
    /// Its address; `/v1/traces` and `/v1/metrics` are added.
    pub endpoint: String,
    /// Headers that it wants, such as a key.
    pub headers: Vec<(String, Secret)>,
}

/// The way to one of its addresses.
#[derive(Debug)]
pub(crate) struct Line {
    headers: HeaderMap,
    post: Post,
    uri: Uri,
}

impl Line {
    /// The error says what is wrong with the settings.
    pub(crate) fn new(to: &Otlp, path: &str, courier: Courier) -> Result<Self, String> {
        let address = format!("{}{path}", to.endpoint.trim_end_matches('/'));
        let uri: Uri = address.parse().map_err(|error| format!("the endpoint is no address: {error}"))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &to.headers {
            let parsed = (name.parse::<HeaderName>(), HeaderValue::from_str(value.expose()));
            let (Ok(name), Ok(mut value)) = parsed else {
                return Err(format!("the header `{name}` cannot be sent"));
            };
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let agent = HeaderValue::from_static(concat!("lockgate/", env!("CARGO_PKG_VERSION")));
        headers.entry(USER_AGENT).or_insert(agent);
        Ok(Self { headers, post: Post::new(courier), uri })
    }

    /// Sends a message, more than once if need be, and once only when it is time to stop; what the collector answers.
    pub(crate) async fn deliver(&self, body: Bytes, stop: &CancellationToken) -> Result<Bytes, String> {
        let mut wait = WAIT;
        for tries in 1.. {
            let answer = self.post.send(&self.uri, self.headers.clone(), body.clone(), PATIENCE).await;
            let (reason, asked) = match answer {
                Ok(answer) if answer.status.is_success() => return Ok(answer.body),
                Ok(answer) => {
                    let reason = format!("status {}", answer.status.as_u16());
                    if !may_succeed_later(answer.status) {
                        return Err(reason);
                    }
                    (reason, answer.retry_after)
                }
                Err(reason) => (reason, None),
            };
            if tries == TRIES || stop.is_cancelled() {
                return Err(reason);
            }
            let pause = asked.unwrap_or(wait).min(LONGEST);
            let _ = tokio::time::timeout(pause, stop.cancelled()).await;
            wait *= 2;
        }
        Ok(Bytes::new())
    }
}

/// As the protocol says.
fn may_succeed_later(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}
