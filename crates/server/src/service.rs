//! One request: who calls, which route, the body within its bounds, then the engine.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use lockgate_core::{ErrorKind, Failure};
use lockgate_engine::{AnswerBody, CallRequest, Engine, refusal};
use lockgate_wire::{Format, ModelsPage, ollama};
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::collect::{Patience, collect};
use crate::cors;
use crate::health::{self, Vitals};
use crate::route::{Action, Route, route};

/// Bounds on connections and requests.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of a body.
    pub body: usize,
    /// Silence inside a request's body.
    pub body_idle: Duration,
    /// From the first look at a request's body to its end.
    pub body_whole: Duration,
    /// From the start of a request to the end of its headers.
    pub head: Duration,
    /// Bytes of all headers.
    pub header_bytes: usize,
    /// Number of headers.
    pub headers: usize,
    /// How long a client may leave an answer unread.
    pub write_idle: Duration,
}

/// Answers requests.
pub struct Server {
    access: ArcSwap<Access>,
    bounds: ArcSwap<Bounds>,
    pub(crate) connections: TaskTracker,
    engine: Arc<Engine>,
    pages: Option<Arc<dyn Pages>>,
    vitals: Option<Arc<dyn Vitals>>,
}

/// Answers what is no call to a model: the admin API and its pages.
pub trait Pages: Send + Sync {
    /// Answers a request whose path it owns. Says itself who may ask.
    fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> PageAnswer;

    /// Whether a path is answered here. Asked for every request.
    fn owns(&self, path: &str) -> bool;
}

/// An answer of [`Pages`].
pub type PageAnswer = Pin<Box<dyn Future<Output = Response<AnswerBody>> + Send>>;

impl Server {
    /// A server before an engine.
    pub fn new(engine: Arc<Engine>, access: Access, bounds: Bounds) -> Self {
        let (access, bounds) = (ArcSwap::from_pointee(access), ArcSwap::from_pointee(bounds));
        Self { access, bounds, connections: TaskTracker::new(), engine, pages: None, vitals: None }
    }

    /// Adds what is answered apart from calls.
    #[must_use]
    pub fn with_pages(self, pages: Option<Arc<dyn Pages>>) -> Self {
        Self { pages, ..self }
    }

    /// Lets `/health` tell of more than that requests are answered.
    #[must_use]
    pub fn with_vitals(self, vitals: Option<Arc<dyn Vitals>>) -> Self {
        Self { vitals, ..self }
    }

    /// Connections that are open. When it has been told to stop, those with an answer on its way.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Why calls cannot be answered just now; `None` = they can.
    fn unready(&self) -> Option<&'static str> {
        // What is still read from connections that are open.
        let stopping = self.connections.is_closed().then_some("the gateway is stopping");
        stopping.or_else(|| self.vitals.as_ref()?.unready())
    }

    /// Takes over new keys and bounds; connections that are open keep their bounds.
    pub fn replace(&self, access: Access, bounds: Bounds) {
        self.access.store(Arc::new(access));
        self.bounds.store(Arc::new(bounds));
    }

    pub(crate) fn bounds(&self) -> Bounds {
        **self.bounds.load()
    }

    /// Answers one request. Never fails: an error is a response in the caller's dialect.
    pub async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<AnswerBody> {
        if let Some(pages) = self.pages.as_ref().filter(|pages| pages.owns(request.uri().path())) {
            return pages.answer(peer, request).await;
        }
        let (head, body) = request.into_parts();
        let access = self.access.load_full();
        let page = access.page(&head.headers).cloned();
        let mut response = match (&page, head.headers.contains_key("access-control-request-method")) {
            (Some(_), true) if head.method == http::Method::OPTIONS => cors::preflight(&head.headers),
            _ => self.routed(peer, &access, head, body).await,
        };
        if let Some(origin) = page {
            cors::allow(response.headers_mut(), origin);
        }
        response
    }

    async fn routed(
        &self,
        peer: SocketAddr,
        access: &Access,
        head: Parts,
        body: Incoming,
    ) -> Response<AnswerBody> {
        let query = head.uri.query();
        let found = route(&head.method, head.uri.path(), query, &head.headers);
        let bounds = self.bounds();
        if let Err(failure) = well_formed(&head, &bounds) {
            return closing(refusal(&found.format, &failure));
        }
        match found.action {
            Action::Health => {
                let parts = self.vitals.as_ref().map(|vitals| vitals.parts()).unwrap_or_default();
                return plain(StatusCode::OK, "application/json", health::body(&parts));
            }
            Action::Ready => {
                let unready = self.unready();
                let status = unready.map_or(StatusCode::OK, |_| StatusCode::SERVICE_UNAVAILABLE);
                return plain(status, "application/json", health::readiness(unready));
            }
            Action::Live => return plain(StatusCode::OK, "application/json", "{\"status\":\"ok\"}"),
            Action::Root => {
                return plain(StatusCode::OK, "text/plain; charset=utf-8", "Lockgate is running.\n");
            }
            Action::Unknown => return no_such_path(&found.format, head.uri.path()),
            Action::WrongMethod(allowed) => return wrong_method(&found.format, head.uri.path(), allowed),
            Action::CountTokens
            | Action::Embed
            | Action::Generate
            | Action::Models
            | Action::OllamaLoaded
            | Action::OllamaShow
            | Action::OllamaVersion
            | Action::PassThrough => {}
        }
        let (query_key, path_and_query) = without_key(head.uri.path(), query);
        let caller = match access.caller(peer, &head.headers, query_key.as_deref()) {
            Ok(caller) => caller,
            Err(failure) => return refusal(&found.format, &failure),
        };
        let patience = Patience { idle: bounds.body_idle, whole: bounds.body_whole };
        let body = match collect(&head.headers, body, bounds.body, patience).await {
            Ok(body) => body,
            Err(failure) => return closing(refusal(&found.format, &failure)),
        };
        let Route { action, format, mode, model } = found;
        let page = models_page(query);
        let call = CallRequest {
            body,
            came: std::time::Instant::now(),
            caller,
            format,
            headers: head.headers,
            internal: false,
            local: None,
            method: head.method,
            mode,
            model,
            parent: None,
            path_and_query,
        };
        self.act(&action, call, page).await
    }

    async fn act(&self, action: &Action, call: CallRequest, page: ModelsPage) -> Response<AnswerBody> {
        match action {
            Action::CountTokens => self.engine.count_tokens(call).await,
            Action::Embed => self.engine.embed(call).await,
            Action::Generate => self.engine.generate(call).await,
            Action::Models => self.engine.models(call, page).await,
            Action::OllamaLoaded => self.engine.loaded(call).await,
            Action::OllamaShow => self.engine.show(call).await,
            Action::OllamaVersion => json(ollama::write_version(OLLAMA_VERSION)),
            Action::PassThrough => self.engine.pass_through(call).await,
            Action::Health
            | Action::Live
            | Action::Ready
            | Action::Root
            | Action::Unknown
            | Action::WrongMethod(_) => plain(StatusCode::OK, "text/plain; charset=utf-8", ""),
        }
    }
}

/// What hyper lets pass although it is no good request.
fn well_formed(head: &Parts, bounds: &Bounds) -> Result<(), Failure> {
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > bounds.header_bytes {
        let limit = bounds.header_bytes;
        let words = format!("the headers are larger than {limit} bytes (server.limits.header_bytes)");
        return Err(Failure { status: Some(431), ..Failure::new(ErrorKind::TooLarge, words) });
    }
    if head.headers.len() > bounds.headers {
        let (count, limit) = (head.headers.len(), bounds.headers);
        let words = format!("there are {count} headers, and {limit} are allowed (server.limits.headers)");
        return Err(Failure { status: Some(431), ..Failure::new(ErrorKind::TooLarge, words) });
    }
    if head.version == http::Version::HTTP_11 && !head.headers.contains_key(header::HOST) {
        return Err(Failure::new(ErrorKind::InvalidRequest, "HTTP/1.1 needs a `Host` header"));
    }
    match head.headers.get("x-lockgate-strict").map(|value| value.as_bytes().to_ascii_lowercase()) {
        Some(word) if !matches!(&*word, b"0" | b"1" | b"false" | b"true") => {
            Err(Failure::invalid("x-lockgate-strict", "`x-lockgate-strict` must be 1, true, 0 or false"))
        }
        Some(_) | None => Ok(()),
    }
}

fn no_such_path(format: &Format, path: &str) -> Response<AnswerBody> {
    let words = format!("there is nothing at `{path}`; the APIs are under /v1, /v1beta and /api");
    let failure = Failure::new(ErrorKind::NotFound, words);
    // Without a code of its own the dialects would say that a model is missing.
    refusal(format, &Failure { code: Some("unknown_url".into()), ..failure })
}

fn wrong_method(format: &Format, path: &str, allowed: &'static str) -> Response<AnswerBody> {
    let words = format!("`{path}` does not take this method, but {allowed}");
    let failure = Failure::new(ErrorKind::InvalidRequest, words);
    let mut response = refusal(format, &Failure { status: Some(405), ..failure });
    response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    response
}

/// The rest of the request is still on its way: this connection cannot carry another one.
fn closing(mut response: Response<AnswerBody>) -> Response<AnswerBody> {
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}

/// The version of Ollama's API that this front speaks.
const OLLAMA_VERSION: &str = "0.33.0";

fn json(body: Vec<u8>) -> Response<AnswerBody> {
    plain(StatusCode::OK, "application/json", body)
}

pub(crate) fn plain(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}

/// Path and query without Gemini's `key`, which is a credential and must not travel or be written anywhere.
fn without_key(path: &str, query: Option<&str>) -> (Option<String>, String) {
    let Some(query) = query else { return (None, path.to_owned()) };
    let is_key = |pair: &&str| pair.starts_with("key=");
    let key = query.split('&').find(is_key).map(|pair| {
        url::form_urlencoded::parse(pair.as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    });
    let rest: Vec<_> = query.split('&').filter(|pair| !is_key(pair)).collect();
    let text = if rest.is_empty() { path.to_owned() } else { format!("{path}?{}", rest.join("&")) };
    (key, text)
}

fn models_page(query: Option<&str>) -> ModelsPage {
    let mut page = ModelsPage::default();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match &*name {
            "after_id" | "pageToken" => page.after = Some(value.into_owned()),
            "before_id" => page.before = Some(value.into_owned()),
            "limit" | "pageSize" => page.limit = value.parse().ok(),
            _ => {}
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_the_query_is_taken_out_of_it() {
        let (key, path) = without_key("/v1beta/models", Some("alt=sse&key=AI%2Fza&x=1"));
        assert_eq!((key.as_deref(), path.as_str()), (Some("AI/za"), "/v1beta/models?alt=sse&x=1"));
        assert_eq!(without_key("/p", Some("key=k")), (Some("k".into()), "/p".into()));
    }
}
