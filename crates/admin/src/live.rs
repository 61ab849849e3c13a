//! `/api/live`: what calls do, as it happens, as server-sent events.
//!
//! Each event has an id; a client that comes back with `Last-Event-ID` (browsers do by themselves) goes on behind it. A comment
//! every 15 s keeps the connection open. A client that does not read is let go of with a `dropped` event.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::Frame;
use lockgate_telemetry::{Entry, Filter, Outcome, Subscription};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::Asked;
use crate::problem::Problem;

#[cfg(test)]
mod tests;

/// How long a connection is silent at most.
const HEARTBEAT: Duration = Duration::from_secs(15);

pub(crate) fn routes() -> OpenApiRouter<App> {
    guarded(Guard::From(Role::Own), routes!(live))
}

/// Conditions on calls; all must hold.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LiveQuery {
    /// The name of the key.
    key: Option<String>,
    /// The model as it was asked for or answers; `*` stands for anything.
    model: Option<String>,
    /// How the call ended: `complete`, `failed`, `aborted`. Leaves only events of calls that are over.
    outcome: Option<String>,
    /// The provider.
    provider: Option<String>,
    /// The session, where the headers of a call name it.
    session: Option<String>,
    /// The user.
    user: Option<String>,
}

impl LiveQuery {
    fn read(self) -> Result<Filter, Problem> {
        let outcome = match self.outcome.as_deref() {
            None => None,
            Some("aborted") => Some(Outcome::Aborted),
            Some("complete") => Some(Outcome::Complete),
            Some("failed") => Some(Outcome::Failed),
            Some(other) => {
                let words = format!("`outcome={other}`: it is complete, failed or aborted");
                return Err(Problem::invalid(words));
            }
        };
        let Self { key, model, provider, session, user, .. } = self;
        Ok(Filter { key, model, outcome, provider, session, user })
    }
}

/// What calls do, as it happens (server-sent events).
#[utoipa::path(get, path = "/api/live", tag = "history",
    params(LiveQuery, ("Last-Event-ID" = Option<u64>, Header, description = "The last event that the client had.")),
    responses((status = 200, content_type = "text/event-stream",
        description = "Events `started`, `first-byte`, `finished` with the call as JSON, and `dropped` where something is missing.")))]
async fn live(
    State(app): State<App>,
    who: Principal,
    Asked(query): Asked<LiveQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut filter = query.read()?;
    if who.role == Role::Own {
        // Without a user nothing is one's own: no call has an empty one.
        filter.user = Some(who.user.unwrap_or_default());
    }
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    let feed =
        app.feed.ok_or_else(|| Problem::unavailable("live activity is told by a running gateway only"))?;
    let events = Events::new(feed.subscribe(filter, last), HEARTBEAT);
    let kind = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((kind, [("x-accel-buffering", "no")], Body::new(events)).into_response())
}

/// The next thing to write, and the subscription behind it.
type Next = Pin<Box<dyn Future<Output = (Subscription, Told)> + Send>>;

enum Told {
    End,
    Entry(String),
    Heartbeat,
}

/// A body of events.
struct Events {
    /// How long it is silent at most.
    beat: Duration,
    next: Option<Next>,
    /// Whether nothing has been written: then the client learns at once that it is connected.
    silent: bool,
}

impl Events {
    fn new(subscription: Subscription, beat: Duration) -> Self {
        Self { beat, next: Some(next(subscription, beat)), silent: true }
    }
}

fn next(mut subscription: Subscription, beat: Duration) -> Next {
    Box::pin(async move {
        let told = match tokio::time::timeout(beat, subscription.next()).await {
            Err(_) => Told::Heartbeat,
            Ok(None) => Told::End,
            Ok(Some(entry)) => Told::Entry(event(&entry)),
        };
        (subscription, told)
    })
}

fn event(entry: &Entry) -> String {
    let data = serde_json::to_string(entry).unwrap_or_default();
    format!("id: {}\nevent: {}\ndata: {data}\n\n", entry.id, entry.what.as_str())
}

impl http_body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::take(&mut self.silent) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b": connected\n\n")))));
        }
        let Some(waiting) = &mut self.next else { return Poll::Ready(None) };
        let (subscription, told) = ready!(waiting.as_mut().poll(cx));
        self.next = None;
        let text = match told {
            Told::End => return Poll::Ready(None),
            Told::Entry(text) => Bytes::from(text),
            Told::Heartbeat => Bytes::from_static(b": still here\n\n"),
        };
        self.next = Some(next(subscription, self.beat));
        Poll::Ready(Some(Ok(Frame::data(text))))
    }
}
