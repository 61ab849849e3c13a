//! A small HTTP server that keeps what it gets and answers as its test says.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Got {
    pub(super) body: Bytes,
    pub(super) headers: HeaderMap,
    pub(super) path: String,
}

impl Got {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// How the request with a number is answered; `None`: never.
type Answer = Arc<dyn Fn(usize) -> Option<Response<Full<Bytes>>> + Send + Sync>;

pub(super) struct Receiver {
    pub(super) address: String,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Receiver {
    /// Answers the requests, the first of which has the number 1.
    pub(super) async fn start(
        answer: impl Fn(usize) -> Option<Response<Full<Bytes>>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let got = Arc::new(Mutex::new(Vec::new()));
        let (answer, kept): (Answer, _) = (Arc::new(answer), got.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answer, kept) = (answer.clone(), kept.clone());
                let service = service_fn(move |request| take(request, kept.clone(), answer.clone()));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, got }
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

async fn take(
    request: Request<Incoming>,
    kept: Arc<Mutex<Vec<Got>>>,
    answer: Answer,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let number = {
        let mut kept = kept.lock().unwrap();
        kept.push(Got { body, headers: head.headers, path: head.uri.path().to_owned() });
        kept.len()
    };
    match answer(number) {
        Some(response) => Ok(response),
        None => std::future::pending().await,
    }
}

/// An answer with nothing in it.
pub(super) fn status(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status.try_into().unwrap();
    response
}

/// The address of a port where nobody listens.
pub(super) fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
