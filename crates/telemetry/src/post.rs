//! Sends a body to an address and reads what became of it. Follows no redirect, repeats nothing, keeps no body.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use tokio::time::timeout;

use crate::client::{Client, client};

/// What is read of an answer, in bytes.
const ANSWER: usize = 64 * 1024;

/// Sends bodies, over connections that are kept.
#[derive(Clone, Default)]
pub(crate) struct Post {
    client: Arc<OnceLock<Client>>,
}

/// What became of a body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) body: Bytes,
    /// How long to wait before the next try, if the other side says so.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) status: StatusCode,
}

impl Post {
    /// Sends a body; the error says in words why there is no answer within `patience`.
    pub(crate) async fn send(
        &self,
        to: &Uri,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Answer, String> {
        let exchange = async {
            let client = match self.client.get() {
                Some(client) => client.clone(),
                // Certificates are read from files.
                None => {
                    let made =
                        tokio::task::spawn_blocking(client).await.map_err(|_| "stopped".to_owned())??;
                    self.client.get_or_init(|| made).clone()
                }
            };
            let mut request = Request::new(Full::new(body));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = to.clone();
            *request.headers_mut() = headers;
            let response = client.request(request).await.map_err(|error| deepest(&error))?;
            let (head, body) = response.into_parts();
            let seconds = head.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            let body = Limited::new(body, ANSWER).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Ok(Answer { body, retry_after: seconds.map(Duration::from_secs), status: head.status })
        };
        timeout(patience, exchange).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}

/// The cause of causes.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}
