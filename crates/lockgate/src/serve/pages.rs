//! Puts the admin API behind the server's door: hands requests to its router and its answers back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use lockgate_admin::App;
use lockgate_engine::AnswerBody;
use lockgate_server::{PageAnswer, Pages};
use tower::ServiceExt as _;

use super::record::Recording;

/// The admin API of this gateway.
pub(super) struct Admin(axum::Router);

impl Admin {
    /// Over what is recorded, if anything is.
    pub(super) fn new(recording: Option<&Recording>) -> Self {
        let shelf = recording.map(Recording::shelf).unwrap_or_default();
        Self(lockgate_admin::router(App::new(shelf)))
    }
}

impl Pages for Admin {
    fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> PageAnswer {
        let router = self.0.clone();
        Box::pin(async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let answered = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            answered.map(|body| AnswerBody::stream(Ending(body)))
        })
    }

    fn owns(&self, path: &str) -> bool {
        lockgate_admin::owns(path)
    }
}

/// A body that ends where it breaks: what a route streams says itself how it ends.
struct Ending(Body);

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx).map(|frame| match frame? {
            Ok(frame) => Some(Ok(frame)),
            Err(error) => {
                tracing::warn!(%error, "an answer of the admin API broke off");
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
