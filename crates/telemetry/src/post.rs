//! Sends a body to an address and reads what became of it. Follows no redirect, repeats nothing, keeps no body.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use lockgate_engine::Courier;
use tokio::time::timeout;

/// What is read of an answer, in bytes.
const ANSWER: usize = 64 * 1024;

/// Sends bodies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Post {
    courier: Courier,
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
    /// Sends by this courier.
    pub(crate) fn new(courier: Courier) -> Self {
        Self { courier }
    }

    /// Sends a body; the error says in words why there is no answer within `patience`.
    pub(crate) async fn send(
        &self,
        to: &Uri,
        headers: HeaderMap,
        body: Bytes,
        patience: Duration,
    ) -> Result<Answer, String> {
        let exchange = async {
            let mut request = Request::new(Full::new(body));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = to.clone();
            *request.headers_mut() = headers;
            let response = self.courier.send(request).await?;
            let (head, body) = response.into_parts();
            let seconds = head.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            let body = Limited::new(body, ANSWER).collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            Ok(Answer { body, retry_after: seconds.map(Duration::from_secs), status: head.status })
        };
        timeout(patience, exchange).await.unwrap_or_else(|_| Err("no answer in time".to_owned()))
    }
}
