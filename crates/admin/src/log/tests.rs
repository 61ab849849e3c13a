//! The log's level as an operator changes it.

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use lockgate_telemetry::{Feed, Format, Level, Levels};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::{App, Principal, Role, Shelf, router};

async fn ask(router: &axum::Router, role: Role, change: Option<Value>) -> (StatusCode, Value) {
    let request = match change {
        None => Request::get("/api/log").header("host", "localhost").body(Body::empty()),
        Some(change) => Request::put("/api/log")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Body::from(change.to_string())),
    };
    let mut request = request.unwrap();
    request.extensions_mut().insert(Principal { name: "somebody".to_owned(), role, user: None });
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn an_operator_changes_the_level_for_a_while_and_puts_it_back() {
    let levels = Levels::start(Level::Info, None, Format::Text { colours: false }, std::io::sink);
    let router = router(App::new(Shelf::default()).running(Feed::default(), levels));
    let told = json!({"configured": "info", "level": "info", "until": null});
    assert_eq!(ask(&router, Role::Operator, None).await, (StatusCode::OK, told.clone()));
    let (status, changed) =
        ask(&router, Role::Operator, Some(json!({"level": "debug", "minutes": 10}))).await;
    assert_eq!((status, &changed["level"]), (StatusCode::OK, &"debug".into()));
    assert!(changed["until"].as_str().unwrap().ends_with('Z'), "{changed}");
    assert_eq!(ask(&router, Role::Operator, Some(json!({}))).await, (StatusCode::OK, told));
    for wrong in [json!({"level": "loud"}), json!({"level": "info", "minutes": 0}), json!({"minutes": 5})] {
        let (status, _) = ask(&router, Role::Operator, Some(wrong.clone())).await;
        assert!(status.is_client_error(), "{wrong} {status}");
    }
    assert_eq!(ask(&router, Role::Viewer, None).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn without_a_running_gateway_there_is_no_log_to_change() {
    let router = router(App::default());
    assert_eq!(ask(&router, Role::Admin, None).await.0, StatusCode::SERVICE_UNAVAILABLE);
}
