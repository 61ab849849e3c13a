//! One request: who calls, which route, the body within its bounds, then the engine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use hyper::body::Incoming;
use lockgate_core::{ErrorKind, Failure};
use lockgate_engine::{AnswerBody, CallRequest, Engine};
use lockgate_wire::{Format, ModelsPage, ollama};

use crate::access::Access;
use crate::collect::collect;
use crate::route::{Action, Route, route};

/// Bounds on connections and requests.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of a body.
    pub body: usize,
    /// Silence inside a request's body.
    pub body_idle: Duration,
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
    engine: Arc<Engine>,
}

impl Server {
    /// A server before an engine.
    pub fn new(engine: Arc<Engine>, access: Access, bounds: Bounds) -> Self {
        Self { access: ArcSwap::from_pointee(access), bounds: ArcSwap::from_pointee(bounds), engine }
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
        let (head, body) = request.into_parts();
        let query = head.uri.query();
        let found = route(&head.method, head.uri.path(), query, &head.headers);
        match found.action {
            Action::Health => return plain(StatusCode::OK, "application/json", "{\"status\":\"ok\"}"),
            Action::Root => {
                return plain(StatusCode::OK, "text/plain; charset=utf-8", "Lockgate is running.\n");
            }
            Action::Unknown => {
                return no_such(&found.format, ErrorKind::NotFound.status(), head.uri.path());
            }
            Action::WrongMethod => return no_such(&found.format, 405, head.uri.path()),
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
        let caller = match self.access.load().caller(peer, &head.headers, query_key.as_deref()) {
            Ok(caller) => caller,
            Err(failure) => return refuse(&found.format, &failure),
        };
        let bounds = self.bounds();
        let body = match collect(&head.headers, body, bounds.body, bounds.body_idle).await {
            Ok(body) => body,
            Err(failure) => {
                let mut response = refuse(&found.format, &failure);
                // The rest of the body is still on its way: this connection cannot carry another request.
                response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
                return response;
            }
        };
        let Route { action, format, mode, model } = found;
        let page = models_page(query);
        let call = CallRequest {
            body,
            caller,
            format,
            headers: head.headers,
            method: head.method,
            mode,
            model,
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
            Action::Health | Action::Root | Action::Unknown | Action::WrongMethod => {
                plain(StatusCode::OK, "text/plain; charset=utf-8", "")
            }
        }
    }
}

fn no_such(format: &Format, status: u16, path: &str) -> Response<AnswerBody> {
    let words = if status == 405 {
        format!("`{path}` does not take this method")
    } else {
        format!("there is nothing at `{path}`; the APIs are under /v1, /v1beta and /api")
    };
    let kind = if status == 405 { ErrorKind::InvalidRequest } else { ErrorKind::NotFound };
    refuse(format, &Failure { status: Some(status), ..Failure::new(kind, words) })
}

/// The version of Ollama's API that this front speaks.
const OLLAMA_VERSION: &str = "0.33.0";

fn refuse(format: &Format, failure: &Failure) -> Response<AnswerBody> {
    let status = StatusCode::from_u16(failure.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = plain(status, "application/json", format.messages.error(failure));
    if let Ok(kind) = header::HeaderValue::from_str(failure.kind.as_str()) {
        response.headers_mut().insert("x-lockgate-error", kind);
    }
    response
}

fn json(body: Vec<u8>) -> Response<AnswerBody> {
    plain(StatusCode::OK, "application/json", body)
}

fn plain(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<AnswerBody> {
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
