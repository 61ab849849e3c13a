//! Who may ask for what.

use http::{Method, StatusCode};
use lockgate_admin::{Principal, Role};
use serde_json::{Value, json};

use crate::support::{Api, call, somebody};

/// Every operation of the description: method, path with its parameters filled in, guard.
fn operations() -> Vec<(Method, String, String)> {
    let document = serde_json::to_value(lockgate_admin::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let filled = path.split('/').map(|segment| {
                if segment.starts_with('{') { "0190f0f0-0000-7000-8000-000000000000" } else { segment }
            });
            let guard = operation["x-lockgate-guard"].as_str();
            let guard = guard.unwrap_or_else(|| panic!("{method} {path} declares no guard")).to_owned();
            found.push((method, filled.collect::<Vec<_>>().join("/"), guard));
        }
    }
    found
}

/// N1: every operation is asked for without a right, with every role below the one it takes, and with that one.
#[tokio::test]
async fn every_operation_is_refused_to_those_who_lack_its_right() {
    let api = Api::new(&[]).await;
    let roles = [Role::Own, Role::Viewer, Role::Operator, Role::Admin];
    let operations = operations();
    assert!(operations.len() >= 8, "{operations:?}");
    for (method, path, guard) in operations {
        let told = api.ask(None, method.clone(), &path, Some(json!({}))).await;
        if guard == "anyone" {
            assert_ne!(told.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            continue;
        }
        assert_eq!(told.status, StatusCode::UNAUTHORIZED, "{method} {path} without a right");
        assert_eq!(told.json["error"]["code"], "unauthenticated", "{method} {path}");
        for role in roles {
            let told = api.ask(Some(somebody(role)), method.clone(), &path, Some(json!({}))).await;
            let place = format!("{method} {path} takes {guard}, asked with {}", role.as_str());
            let enough = roles.iter().any(|least| least.as_str() == guard && role >= *least);
            let refused = told.status == StatusCode::FORBIDDEN;
            assert_eq!(!enough, refused, "{place}: {} {}", told.status, told.json);
            assert_ne!(told.status, StatusCode::UNAUTHORIZED, "{place}");
        }
    }
}

#[tokio::test]
async fn one_sees_the_own_calls_and_nobody_elses_not_even_that_there_are_any() {
    let mut other = call(2, Some("s-other"), "foreign words");
    other.call.principal.user = Some("bob".to_owned());
    let api = Api::new(&[call(1, Some("s-own"), "own words"), other.clone()]).await;
    let as_own = async |path: &str| api.ask(Some(somebody(Role::Own)), Method::GET, path, None).await;
    let listed = as_own("/api/calls?user=bob").await.json;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(listed["items"][0]["user"], "ada");
    assert_eq!(as_own("/api/sessions").await.json["items"].as_array().map(Vec::len), Some(1));
    for path in ["/api/sessions/s-other".to_owned(), format!("/api/calls/{}", other.call.id)] {
        let (foreign, absent) = (as_own(&path).await, api.get(&path.replace("other", "none")).await);
        assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{path}");
        if path.contains("sessions") {
            assert_eq!(absent.status, StatusCode::NOT_FOUND);
        }
    }
    let nobody = Principal { user: None, ..somebody(Role::Own) };
    let listed = api.ask(Some(nobody), Method::GET, "/api/calls", None).await.json;
    assert_eq!(listed["items"], Value::Array(Vec::new()));
}

/// A missing database is never said to be a missing right.
#[tokio::test]
async fn without_a_database_the_answer_is_503_and_never_401() {
    let router = lockgate_admin::router(lockgate_admin::App::default());
    let request = http::Request::get("/api/calls").extension(somebody(Role::Admin));
    let answered =
        tower::ServiceExt::oneshot(router, request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answered.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answered.headers()["retry-after"], "5");
}
