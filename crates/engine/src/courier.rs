//! Sends requests, directly or through the proxy that is on the way, over connections that are kept.
//!
//! Providers have one each; what the gateway itself tells others (spans, metrics, webhooks) goes out by one of its own. Follows no redirect,
//! repeats nothing that was sent, bounds nothing but the time for a connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lockgate_providers::EnvironmentProxies;

use crate::connect::Connector;
use crate::proxy::{Ways, deepest};

/// Sends requests of the gateway's own.
#[derive(Clone, Debug)]
pub struct Courier {
    client: Client<Connector, Full<Bytes>>,
    ways: Arc<Ways>,
}

/// Why a request got no answer.
pub(crate) struct Unsent {
    /// Whether a proxy is on the way, which may be to blame.
    pub(crate) proxied: bool,
    /// In words for the client: no addresses beyond what it knows, no internals.
    pub(crate) words: String,
}

impl Default for Courier {
    /// Goes directly everywhere.
    fn default() -> Self {
        Self::through(&EnvironmentProxies::default())
    }
}

impl Courier {
    /// Goes through the environment's proxies, as calls to providers without a setting of their own do.
    pub fn through(proxies: &EnvironmentProxies) -> Self {
        Self::new(Duration::from_secs(5), Ways::new("", None, proxies))
    }

    pub(crate) fn new(connect: Duration, ways: Ways) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(55))
            .retry_canceled_requests(true)
            .http2_adaptive_window(true)
            .http1_max_headers(256);
        let ways = Arc::new(ways);
        Self { client: builder.build(Connector::new(connect, ways.clone())), ways }
    }

    /// Sends a request and waits for the answer's head, not for its body. The error says in words why there is none.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
        self.carry(request).await.map_err(|unsent| unsent.words)
    }

    pub(crate) async fn carry(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Unsent> {
        let hop = self.ways.to(request.uri());
        let forwarded = hop.as_ref().filter(|hop| hop.forwards());
        if let Some(login) = forwarded.and_then(|hop| hop.basic.clone()) {
            request.headers_mut().insert(header::PROXY_AUTHORIZATION, login);
        }
        let response = self.client.request(request).await;
        let response =
            response.map_err(|error| Unsent { proxied: hop.is_some(), words: describe(&error) })?;
        match forwarded {
            Some(hop) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(Unsent { proxied: true, words: format!("cannot connect: {}", hop.wants_login()) })
            }
            Some(_) | None => Ok(response),
        }
    }

    /// The proxy on the way to an address, in words.
    pub(crate) fn proxy_to(&self, uri: &Uri) -> Option<String> {
        self.ways.to(uri).map(|hop| hop.name)
    }
}

/// What went wrong on a connection.
fn describe(error: &Error) -> String {
    let text = deepest(error);
    if error.is_connect() {
        format!("cannot connect: {text}")
    } else {
        format!("the connection failed: {text}")
    }
}
