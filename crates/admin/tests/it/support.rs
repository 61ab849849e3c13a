//! An API over a SQLite file, with calls in it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use lockgate_admin::{App, Principal, RetentionPolicy, Role, Shelf};
use lockgate_store::{
    Body as RecordedBody, BodyKind, Call, Client, Details, Lineage, Offsets, Outcome, Part, Record,
    Recording, Records as _, Route, SessionFacts, SessionRef, Side, Store, Text, Timing, Title, TitleSource,
    Weaver,
};
use lockgate_store_sql::{Database, Options, Place};
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

/// 2026-11-20T12:00:00Z.
pub(crate) const NOON: i64 = 1_795_176_000_000_000;

pub(crate) struct Api {
    _folder: tempfile::TempDir,
    router: axum::Router,
    store: Arc<Database>,
}

/// What came back.
pub(crate) struct Told {
    pub(crate) headers: http::HeaderMap,
    pub(crate) json: Value,
    pub(crate) status: StatusCode,
}

impl Api {
    pub(crate) async fn new(calls: &[Record]) -> Self {
        Self::with_retention(calls, RetentionPolicy::default()).await
    }

    pub(crate) async fn with_retention(calls: &[Record], policy: RetentionPolicy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::File(folder.path().join("lockgate.db"));
        let database = Arc::new(Database::open(&Options::at(place)).await.unwrap());
        if !calls.is_empty() {
            database.write(calls).await.unwrap();
        }
        let shelf = Shelf::default();
        assert!(shelf.set(database.clone()).is_ok());
        let policy = Arc::new(ArcSwap::from_pointee(policy));
        let router = lockgate_admin::router(App::new(shelf).with_retention(policy));
        Self { _folder: folder, router, store: database }
    }

    /// What it stands on.
    pub(crate) fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// A request of somebody.
    pub(crate) async fn ask(
        &self,
        who: Option<Principal>,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Told {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(who) = who {
            request = request.extension(who);
        }
        let bytes = match body {
            Some(json) => {
                request = request.header("content-type", "application/json");
                json.to_string()
            }
            None => String::new(),
        };
        self.told(request, bytes.into()).await.0
    }

    /// A file, by the command line.
    pub(crate) async fn send(&self, path: &str, kind: &str, bytes: Vec<u8>) -> Told {
        let request = Request::post(path).header("content-type", kind).extension(Principal::command_line());
        self.told(request, bytes.into()).await.0
    }

    /// The text at a path, for the command line.
    pub(crate) async fn text(&self, path: &str) -> String {
        let (told, bytes) =
            self.told(Request::get(path).extension(Principal::command_line()), Body::empty()).await;
        assert_eq!(told.status, StatusCode::OK, "{path}");
        String::from_utf8(bytes).unwrap()
    }

    /// The bytes at a path, for the command line.
    pub(crate) async fn bytes(&self, path: &str) -> (Told, Vec<u8>) {
        self.told(Request::get(path).extension(Principal::command_line()), Body::empty()).await
    }

    /// What somebody gets, as text.
    pub(crate) async fn read(&self, who: Principal, path: &str) -> (Told, String) {
        let (told, bytes) = self.told(Request::get(path).extension(who), Body::empty()).await;
        (told, String::from_utf8(bytes).unwrap())
    }

    async fn told(&self, request: http::request::Builder, body: Body) -> (Told, Vec<u8>) {
        let request = request.header("host", "localhost").body(body).unwrap();
        let answered = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = answered.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes().to_vec();
        let json = serde_json::from_slice(&bytes).unwrap_or_default();
        (Told { headers: head.headers, json, status: head.status }, bytes)
    }

    /// What the command line gets.
    pub(crate) async fn get(&self, path: &str) -> Told {
        self.ask(Some(Principal::command_line()), Method::GET, path, None).await
    }
}

/// The same with what the client sent.
pub(crate) fn with_request(record: Record, body: &str) -> Record {
    let woven = Weaver::weave(body.as_bytes(), &mut |_| false);
    let request = RecordedBody {
        head: woven.head,
        kind: BodyKind::Json,
        offsets: Offsets::default(),
        part: Part::ClientRequest,
        size: body.len() as u64,
    };
    Record { bodies: vec![request], pieces: woven.new_pieces, ..record }
}

/// Somebody with a role.
pub(crate) fn somebody(role: Role) -> Principal {
    Principal { name: "somebody".to_owned(), role, user: Some("ada".to_owned()) }
}

/// A call, `minutes` after noon, in a session if there is one.
pub(crate) fn call(minutes: i64, session: Option<&str>, words: &str) -> Record {
    let session = session.map(|id| SessionRef { id: id.to_owned(), source: "header".to_owned() });
    let call = Call {
        usage: lockgate_core::Usage {
            input_uncached: Some(100),
            output: Some(20),
            ..lockgate_core::Usage::default()
        },
        client: Client { name: Some("claude-code".to_owned()), ..Client::default() },
        cost_nano: Some(1_500_000),
        error: None,
        id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + minutes as u128),
        intervened: false,
        lineage: Lineage { session, turn: Some(1), ..Lineage::default() },
        outcome: Outcome::Complete,
        price_version: None,
        principal: lockgate_store::Principal { user: Some("ada".to_owned()), ..Default::default() },
        recording: Recording::Redacted,
        route: Route {
            operation: "chat".to_owned(),
            provider: Some("anthropic".to_owned()),
            requested_model: Some("claude-sonnet-5".to_owned()),
            resolved_model: Some("claude-sonnet-5".to_owned()),
            ..Route::default()
        },
        status: Some(200),
        stop_reason: Some("end_turn".to_owned()),
        timing: Timing {
            started_us: NOON + minutes * 60_000_000,
            total_us: Some(900_000),
            ..Timing::default()
        },
    };
    let title = Title { source: TitleSource::First, text: words.to_owned() };
    Record {
        bodies: Vec::new(),
        call,
        details: Details::default(),
        pieces: Vec::new(),
        session: SessionFacts { title: Some(title), ..SessionFacts::default() },
        texts: vec![Text { side: Side::User, text: words.to_owned() }],
    }
}
