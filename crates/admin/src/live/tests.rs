//! Live activity as a client of the API gets it.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use lockgate_telemetry::{Call, Feed, Filter, Format, Level, Levels, Outcome, What};
use tower::ServiceExt as _;

use super::Events;
use crate::{App, Principal, Role, Shelf, router};

struct Gateway {
    feed: Feed,
    router: axum::Router,
}

fn gateway() -> Gateway {
    let feed = Feed::default();
    let levels = Levels::start(Level::Info, None, Format::Text { colours: false });
    Gateway { router: router(App::new(Shelf::default()).running(feed.clone(), levels)), feed }
}

fn principal(role: Role, user: Option<&str>) -> Principal {
    Principal { name: "somebody".to_owned(), role, user: user.map(str::to_owned) }
}

impl Gateway {
    async fn get(&self, path: &str, who: Option<Principal>, last: Option<u64>) -> axum::response::Response {
        let mut request = Request::get(path).header("host", "localhost").body(Body::empty()).unwrap();
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.into());
        }
        if let Some(who) = who {
            request.extensions_mut().insert(who);
        }
        self.router.clone().oneshot(request).await.unwrap()
    }

    fn finished(&self, id: &str, user: Option<&str>) {
        let user = user.map(str::to_owned);
        let call = Call { id: id.to_owned(), outcome: Some(Outcome::Complete), user, ..Call::default() };
        self.feed.tell(What::Finished, call);
    }
}

async fn frame(body: &mut Body) -> String {
    let frame = body.frame().await.unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
}

fn id_of(event: &str) -> u64 {
    event.strip_prefix("id: ").and_then(|rest| rest.lines().next()?.parse().ok()).unwrap()
}

#[tokio::test]
async fn a_client_gets_events_as_they_happen_and_goes_on_where_it_was() {
    let gateway = gateway();
    let viewer = || Some(principal(Role::Viewer, None));
    let answer = gateway.get("/api/live", viewer(), None).await;
    assert_eq!(
        (answer.status(), &answer.headers()["content-type"]),
        (StatusCode::OK, &"text/event-stream".parse().unwrap())
    );
    let mut body = answer.into_body();
    assert_eq!(frame(&mut body).await, ": connected\n\n");
    gateway.finished("one", None);
    let event = frame(&mut body).await;
    assert!(event.contains("\nevent: finished\ndata: {") && event.ends_with("}\n\n"), "{event}");
    assert!(event.contains(r#""id":"one""#), "{event}");
    drop(body);
    gateway.finished("two", None);
    let mut body = gateway.get("/api/live", viewer(), Some(id_of(&event))).await.into_body();
    frame(&mut body).await;
    let next = frame(&mut body).await;
    assert!(next.contains(r#""id":"two""#) && id_of(&next) == id_of(&event) + 1, "{next}");
}

#[tokio::test]
async fn whoever_sees_only_the_own_calls_gets_no_others_however_it_asks() {
    let gateway = gateway();
    let path = "/api/live?user=bob";
    let mut alice = gateway.get(path, Some(principal(Role::Own, Some("alice"))), None).await.into_body();
    let mut nobody = gateway.get(path, Some(principal(Role::Own, None)), None).await.into_body();
    frame(&mut alice).await;
    frame(&mut nobody).await;
    for (id, user) in [("one", Some("bob")), ("two", None), ("three", Some("alice")), ("four", Some(""))] {
        gateway.finished(id, user);
    }
    assert!(frame(&mut alice).await.contains(r#""id":"three""#));
    assert_eq!(gateway.feed.subscribers(), 2);
    let waiting = tokio::time::timeout(Duration::ZERO, frame(&mut alice)).await;
    assert!(waiting.is_err(), "{waiting:?}");
}

#[tokio::test]
async fn a_silent_connection_is_kept_open() {
    let events = Events::new(Feed::default().subscribe(Filter::default(), None), Duration::from_millis(1));
    let mut body = Body::new(events);
    frame(&mut body).await;
    assert_eq!(frame(&mut body).await, ": still here\n\n");
    assert_eq!(frame(&mut body).await, ": still here\n\n");
}

#[tokio::test]
async fn a_stranger_gets_no_events_and_who_leaves_is_forgotten() {
    let gateway = gateway();
    assert_eq!(gateway.get("/api/live", None, None).await.status(), StatusCode::UNAUTHORIZED);
    let viewer = || Some(principal(Role::Viewer, None));
    let wrong = gateway.get("/api/live?outcome=good", viewer(), None).await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let answer = gateway.get("/api/live", viewer(), None).await;
    assert_eq!(gateway.feed.subscribers(), 1);
    drop(answer);
    assert_eq!(gateway.feed.subscribers(), 0);
}
