//! Puts the admin API and `/metrics` behind the server's door: hands requests over and answers back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use lockgate_admin::{App, ConfigBook, DoorOptions, FIRST_USER, NoFirstUser, Oidc, PolicyBook, SECRET_FILE};
use lockgate_config::Snapshot;
use lockgate_engine::AnswerBody;
use lockgate_ledger::Prices;
use lockgate_server::{PageAnswer, Pages};
use tower::ServiceExt as _;

use super::keys::Keys;
use super::record::Recording;
use super::tell::Telling;

/// Where metrics are.
const METRICS: &str = "/metrics";

/// The admin API of this gateway.
pub(super) struct Admin {
    keys: Arc<Keys>,
    router: axum::Router,
    telling: Arc<Telling>,
}

impl Admin {
    /// Over what is recorded, if anything is, and what is told.
    pub(super) fn new(
        recording: Option<&Recording>,
        (door, oidc): (DoorOptions, Option<Arc<Oidc>>),
        (policies, config): (Arc<dyn PolicyBook>, Arc<dyn ConfigBook>),
        prices: Prices,
        (telling, unrecorded): (Arc<Telling>, bool),
        keys: Arc<Keys>,
    ) -> Self {
        let app = App::new(recording.map(Recording::shelf).unwrap_or_default())
            .with_ward(recording.map(Recording::ward))
            .with_retention(recording.map(Recording::retention).unwrap_or_default())
            .unrecorded(unrecorded)
            .with_door(door)
            .with_oidc(oidc)
            .with_policies(policies)
            .with_config(config)
            .with_prices(prices)
            .running(telling.telemetry.feed().clone(), telling.levels.clone());
        Self { keys, router: lockgate_admin::router(app), telling }
    }
}

/// Who is let in, by the configuration and the keys that are known.
pub(super) fn door(snapshot: &Snapshot, keys: Arc<Keys>) -> DoorOptions {
    let admin = &snapshot.config().admin;
    let proxies = snapshot.config().server.trusted_proxies.clone();
    DoorOptions {
        holders: Some(keys),
        hosts: admin.hosts.clone(),
        idle: Duration::from_mins(admin.idle_minutes),
        lifetime: Duration::from_hours(admin.login_hours),
        trusted: Arc::new(move |address| proxies.iter().any(|network| network.contains(address))),
    }
}

/// Makes the first user once the database is open.
pub(super) async fn first_user(recording: Arc<Recording>, folder: PathBuf) {
    let shelf = recording.shelf();
    let mut looks = tokio::time::interval(LOOK);
    loop {
        looks.tick().await;
        let Some(store) = shelf.get() else { continue };
        match lockgate_admin::first_start(store.as_ref(), &folder).await {
            Ok(true) => {
                let file = folder.join(SECRET_FILE);
                tracing::info!(file = %file.display(), "the user `{FIRST_USER}` was made; its password is in this file");
                return;
            }
            Ok(false) => return,
            Err(error @ NoFirstUser::Store(_)) => tracing::debug!(%error, "the first user has to wait"),
            Err(error) => {
                return tracing::error!(%error, "there is no first user; `lockgate admin reset-secret` makes one");
            }
        }
    }
}

/// Between two looks whether the database is open.
const LOOK: Duration = Duration::from_millis(250);

impl Pages for Admin {
    fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> PageAnswer {
        if request.uri().path() == METRICS {
            let answer = self.telling.metrics(&self.keys, peer, request.method(), request.headers());
            return Box::pin(std::future::ready(answer));
        }
        let router = self.router.clone();
        Box::pin(async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            let answered = router.oneshot(request).await.unwrap_or_else(|never| match never {});
            answered.map(|body| AnswerBody::stream(Ending(body)))
        })
    }

    fn owns(&self, path: &str) -> bool {
        path == METRICS || lockgate_admin::owns(path)
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
