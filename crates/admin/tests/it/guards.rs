//! Who may ask for what.

use http::{Method, StatusCode};
use lockgate_admin::{Principal, Role};
use lockgate_store::{Title, TitleSource};
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

/// A session id is the client's to choose, so two users may have the same: each sees of it what is theirs.
#[tokio::test]
async fn of_a_session_that_others_use_too_one_sees_the_own_calls_alone() {
    let mut foreign = call(2, Some("shared"), "foreign plans");
    foreign.call.principal.user = Some("bob".to_owned());
    foreign.session.branch = Some("bobs-branch".to_owned());
    foreign.session.cwd = Some("/home/bob".to_owned());
    let title = Title { source: TitleSource::Generated, text: "foreign title".to_owned() };
    foreign.session.title = Some(title);
    let mut nobodys = call(3, Some("mixed"), "nobodys words");
    nobodys.call.principal.user = None;
    let own = call(1, Some("shared"), "own words");
    let calls = [
        own.clone(),
        foreign.clone(),
        nobodys,
        call(4, Some("mixed"), "more own words"),
        call(5, Some("alone"), "mine"),
    ];
    let api = Api::new(&calls).await;
    let ada = async |path: &str| api.ask(Some(somebody(Role::Own)), Method::GET, path, None).await;
    for rest in [
        "",
        "/conversation",
        "/cost",
        "/cache",
        "/export?format=json",
        "/export?format=jsonl",
        "/export?format=markdown",
    ] {
        let (told, text) = api.read(somebody(Role::Own), &format!("/api/sessions/shared{rest}")).await;
        assert_eq!(told.status, StatusCode::OK, "{rest}");
        for secret in ["foreign", "bob", &foreign.call.id.to_string()] {
            assert!(!text.contains(secret), "{secret} in {rest}: {text}");
        }
    }
    let session = ada("/api/sessions/shared").await.json;
    assert_eq!(
        (&session["totals"]["calls"], &session["totals"]["cost_nano"]),
        (&json!(1), &json!(1_500_000))
    );
    assert_eq!((&session["title"], &session["last"]), (&Value::Null, &session["first"]));
    let export = api.read(somebody(Role::Own), "/api/sessions/shared/export?format=json").await.1;
    assert!(export.contains(&own.call.id.to_string()), "{export}");
    let resumed = ada("/api/sessions/shared/transcript").await;
    assert!(!resumed.json.to_string().contains("bob"), "{}", resumed.json);

    let listed = ada("/api/sessions").await.json;
    let items = listed["items"].as_array().unwrap();
    let calls =
        |id: &str| items.iter().find(|item| item["id"] == id).map(|item| item["totals"]["calls"].clone());
    assert_eq!(
        (calls("shared"), calls("mixed"), calls("alone")),
        (Some(json!(1)), Some(json!(1)), Some(json!(1)))
    );
    assert!(!listed.to_string().contains("foreign"), "{listed}");
    for (search, found) in
        [("q=foreign", 0), ("q=title", 0), ("branch=bobs-branch", 0), ("q=own", 2), ("q=mine", 1)]
    {
        let listed = ada(&format!("/api/sessions?{search}")).await.json;
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(found), "{search}: {listed}");
    }
    let by_branch = ada("/api/calls?branch=bobs-branch").await.json;
    assert_eq!(by_branch["items"], json!([]));
    let all = api.get("/api/sessions/shared").await.json;
    assert_eq!((&all["totals"]["calls"], &all["title"]), (&json!(2), &json!("foreign title")));
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
