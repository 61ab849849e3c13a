//! The connection to a gateway: logging in and out, and its server-sent events one by one.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use lockgate_engine::Courier;
use lockgate_wire::{Framer, sse};
use serde_json::{Value, json};

use crate::exit::Failure;

/// How long a gateway may take to begin an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a stream may be silent: the gateway says something every 15 s.
const SILENCE: Duration = Duration::from_secs(45);

/// The largest event, in bytes.
const EVENT: usize = 1024 * 1024;

/// A gateway that is followed.
pub(super) struct Watched {
    base: String,
    courier: Courier,
    /// Whether the token is of a login that was made for this.
    entered: bool,
    token: Option<String>,
}

/// What comes next.
pub(super) enum Next {
    Event(Value),
    /// The connection is over, for whatever reason.
    Over,
}

/// Why a gateway gives nothing.
pub(super) enum Trouble {
    /// It is not there, or not itself: that may pass.
    Away(Failure),
    /// It will say no again.
    Refused(Failure),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(failure) | Trouble::Refused(failure) => failure,
        }
    }
}

impl Watched {
    pub(super) fn new(base: &str, token: Option<&str>) -> Self {
        let base = base.trim_end_matches('/').to_owned();
        Self { base, courier: Courier::default(), entered: false, token: token.map(ToOwned::to_owned) }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Logs in as the first user.
    pub(super) async fn enter(&mut self, password: &str) -> Result<(), Failure> {
        let body = json!({"name": "admin", "password": password, "token": true});
        let request = self.request(Method::POST, "/api/login", &body.to_string())?;
        let answer = self.send(request).await.map_err(|trouble| match trouble {
            Trouble::Away(failure) => failure,
            Trouble::Refused(failure) => failure.hint(
                "was the password changed? `lockgate key new --name live --role viewer` makes a key for --token",
            ),
        })?;
        let told = read(answer).await;
        self.token = told["token"].as_str().map(ToOwned::to_owned);
        self.entered = self.token.is_some();
        Ok(())
    }

    /// Ends the login that was made for this.
    pub(super) async fn leave(&mut self) {
        if std::mem::take(&mut self.entered) {
            // The gateway may be gone; then the login ends by itself.
            let _ = self.whole(Method::POST, "/api/logout", "").await;
        }
    }

    /// Events from now on, or behind the last one that is had.
    pub(super) async fn subscribe(&self, path: &str, last: Option<u64>) -> Result<Stream, Trouble> {
        let mut request = self.request(Method::GET, path, "").map_err(Trouble::Refused)?;
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.into());
        }
        let answer = self.send(request).await?;
        Ok(Stream { body: answer.into_body(), framer: Framer::sse(EVENT), waiting: VecDeque::new() })
    }

    async fn whole(&self, method: Method, path: &str, body: &str) -> Result<Value, Failure> {
        let answer = self.send(self.request(method, path, body)?).await?;
        Ok(read(answer).await)
    }

    fn request(&self, method: Method, path: &str, body: &str) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let whole = request.body(Full::new(Bytes::from(body.to_owned())));
        whole.map_err(|error| Failure::usage(format!("`{}` is no address: {error}", self.base)))
    }

    /// The answer, if it is a good one.
    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Trouble> {
        let late = |_| {
            let words = format!("{} takes longer than {} s", self.base, PATIENCE.as_secs());
            Trouble::Away(Failure::unavailable(words))
        };
        let answer = tokio::time::timeout(PATIENCE, self.courier.send(request)).await.map_err(late)?;
        let answer = answer.map_err(|words| {
            let failure = Failure::unavailable(format!("{} does not answer: {words}", self.base));
            Trouble::Away(failure.hint("is a Lockgate running there? --gateway URL names another one"))
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let told = read(answer).await;
        let words =
            told["error"]["message"].as_str().unwrap_or("it is no Lockgate, or one that cannot do this");
        let message = format!("{} says {}: {words}", self.base, status.as_u16());
        Err(match status {
            StatusCode::UNAUTHORIZED => Trouble::Refused(Failure::unavailable(message)),
            status if status.is_client_error() => Trouble::Refused(Failure::usage(message)),
            _ => Trouble::Away(Failure::unavailable(message)),
        })
    }
}

/// A short answer; `null` if it is no JSON.
async fn read(answer: Response<Incoming>) -> Value {
    let body = Limited::new(answer.into_body(), EVENT).collect();
    match tokio::time::timeout(PATIENCE, body).await {
        Ok(Ok(whole)) => serde_json::from_slice(&whole.to_bytes()).unwrap_or_default(),
        Ok(Err(_)) | Err(_) => Value::Null,
    }
}

/// Events as they come.
pub(super) struct Stream {
    body: Incoming,
    framer: Framer,
    waiting: VecDeque<Value>,
}

impl Stream {
    pub(super) async fn next(&mut self) -> Next {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Next::Event(event);
            }
            let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE, self.body.frame()).await else {
                return Next::Over;
            };
            let Ok(bytes) = frame.into_data() else { continue };
            let waiting = &mut self.waiting;
            let fed = self.framer.feed(bytes, |frame| {
                let event = sse(&frame).data.and_then(|data| serde_json::from_slice(&data).ok());
                waiting.extend(event);
                Ok(())
            });
            if fed.is_err() {
                return Next::Over;
            }
        }
    }
}
