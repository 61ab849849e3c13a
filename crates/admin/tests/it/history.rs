//! Lists, searches and views of what was recorded.

use http::{Method, StatusCode};
use lockgate_admin::{Principal, Role};
use serde_json::{Value, json};

use crate::support::{Api, call, somebody, with_request};

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

/// C1, behaviour 32: sessions in order, two do not mix, calls without one are found as such.
#[tokio::test]
async fn sessions_are_listed_and_searched_and_sessionless_calls_are_found() {
    let api = Api::new(&[
        call(0, Some("s1"), "fix the flaky test"),
        call(1, Some("s2"), "write a poem"),
        call(2, Some("s1"), "the test again"),
        call(3, None, "one shot"),
    ])
    .await;
    assert_eq!(ids(&api.get("/api/sessions").await.json), ["s1", "s2"]);
    assert_eq!(ids(&api.get("/api/sessions?q=poem").await.json), ["s2"]);
    let session = api.get("/api/sessions/s1").await.json;
    assert_eq!((&session["totals"]["calls"], &session["title"]), (&json!(2), &json!("fix the flaky test")));
    assert_eq!(session["totals"]["cost_nano"], 3_000_000);
    let alone = api.get("/api/calls?session=none").await.json;
    assert_eq!((alone["items"].as_array().unwrap().len(), &alone["items"][0]["session"]), (1, &Value::Null));
    assert_eq!(api.get("/api/calls?session=s1&q=again").await.json["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition() {
    let calls: Vec<_> = (0..25).map(|minute| call(minute, None, "x")).collect();
    let api = Api::new(&calls).await;
    let (mut seen, mut path) = (Vec::new(), "/api/calls?limit=10".to_owned());
    loop {
        let page = api.get(&path).await.json;
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/calls?limit=10&cursor={next}");
    }
    let wanted: Vec<_> = calls.iter().rev().map(|record| record.call.id.to_string()).collect();
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn conditions_are_read_as_people_write_them_and_wrong_ones_are_named() {
    let mut failed = call(5, None, "x");
    failed.call.status = Some(429);
    let api = Api::new(&[call(0, None, "x"), failed]).await;
    for (query, found) in [
        ("status=4xx", 1),
        ("from=2026-11-20T12:03:00Z", 1),
        ("to=2026-11-20T12:03:00Z", 1),
        ("from=2026-11-21", 0),
        ("min_cost_nano=1500000", 2),
        ("max_cost_nano=1499999", 0),
        ("model=claude-sonnet-5&outcome=complete", 2),
    ] {
        let page = api.get(&format!("/api/calls?{query}")).await.json;
        assert_eq!(page["items"].as_array().map(Vec::len), Some(found), "{query}: {page}");
    }
    for query in ["q=!!!", "q=%2B%2B", "q=...%20--"] {
        for what in ["calls", "sessions"] {
            let page = api.get(&format!("/api/{what}?{query}")).await.json;
            assert_eq!(page["items"], json!([]), "no text has the words of {query}");
        }
    }
    for (query, named) in [
        ("limit=0", "1 to 500"),
        ("limit=501", "1 to 500"),
        ("from=yesterday", "`from`"),
        ("status=9xx", "`status`"),
        ("outcome=lost", "complete"),
        ("cursor=x", "`cursor`"),
        ("modle=x", "modle"),
        ("limit=many", "limit"),
    ] {
        let told = api.get(&format!("/api/calls?{query}")).await;
        assert_eq!(told.status, StatusCode::BAD_REQUEST, "{query}");
        let words = told.json["error"]["message"].as_str().unwrap();
        assert!(words.contains(named), "{query}: {words}");
    }
}

/// M4: a title is edited by hand and stays.
#[tokio::test]
async fn a_session_gets_a_title_by_hand() {
    let api = Api::new(&[call(0, Some("s1"), "first words")]).await;
    let change = |title: &str| {
        let body = Some(json!({"title": title}));
        api.ask(Some(somebody(Role::Operator)), Method::PATCH, "/api/sessions/s1", body)
    };
    assert_eq!(change(" The great fix ").await.json["title"], "The great fix");
    let shown = api.get("/api/sessions/s1").await.json;
    assert_eq!((&shown["title"], &shown["title_source"]), (&json!("The great fix"), &json!("edited")));
    let long = "x".repeat(201);
    for wrong in ["", "  ", "two\nlines", long.as_str()] {
        assert_eq!(change(wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let audit = api.get("/api/audit?verb=rename").await.json;
    let entry = &audit["items"][0];
    assert_eq!((&entry["object"], &entry["detail"]["title_source"]), (&json!("session:s1"), &json!("first")));
    assert!(!audit.to_string().contains("great fix"), "titles are contents: {audit}");
    let path = "/api/sessions/none";
    let told =
        api.ask(Some(Principal::command_line()), Method::PATCH, path, Some(json!({"title": "x"}))).await;
    assert_eq!(told.status, StatusCode::NOT_FOUND);
    let told =
        api.ask(Some(Principal::command_line()), Method::PATCH, path, Some(json!({"name": "x"}))).await;
    assert!(told.json["error"]["message"].as_str().unwrap().contains("name"), "{}", told.json);
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing_with_where_to_look() {
    let api = Api::new(&[]).await;
    for (path, status) in [
        ("/api/calls/0190f0f0-0000-7000-8000-000000000000", StatusCode::NOT_FOUND),
        ("/api/calls/nonsense", StatusCode::BAD_REQUEST),
        ("/api/calls/0190f0f0-0000-7000-8000-000000000000/bodies/client_request", StatusCode::NOT_FOUND),
        ("/api/nothing", StatusCode::NOT_FOUND),
    ] {
        let told = api.get(path).await;
        assert_eq!(told.status, status, "{path}");
        assert!(told.json["error"]["message"].is_string(), "{path}: {}", told.json);
    }
    let told = api.ask(Some(somebody(Role::Admin)), Method::DELETE, "/api/calls", None).await;
    assert_eq!(told.status, StatusCode::METHOD_NOT_ALLOWED);
}

/// Issue 3, session view: pictures are part of a conversation and can be looked at, without a way to run what somebody sent.
#[tokio::test]
async fn a_picture_of_a_conversation_can_be_fetched_and_what_a_browser_could_run_is_a_download() {
    let source = |kind: &str, data: &str| json!({"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}});
    let result =
        json!({"type": "tool_result", "tool_use_id": "t1", "content": [source("image/svg+xml", "PHN2Zy8+")]});
    let messages = json!([
        {"role": "user", "content": [{"type": "text", "text": "Look"}, source("image/png", "aGVsbG8=")]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "Shot", "input": {}}]},
        {"role": "user", "content": [result]},
    ]);
    let body = json!({"model": "m", "max_tokens": 9, "messages": messages}).to_string();
    let mut record = with_request(call(0, Some("s1"), "Look"), &body);
    record.call.route.front = Some(lockgate_core::Dialect::Anthropic);
    let id = record.call.id;
    let api = Api::new(&[record]).await;

    let view = api.get("/api/sessions/s1/conversation").await.json;
    let entries = view["conversation"]["entries"].as_array().unwrap();
    let shown = entries.iter().position(|entry| entry["message"]["pieces"][1]["type"] == "image");
    let at = &entries[shown.unwrap_or_else(|| panic!("{view}"))]["at"];
    let (told, bytes) = api.bytes(&format!("/api/calls/{id}/media?message={at}&piece=1")).await;
    assert_eq!((told.status, bytes.as_slice()), (StatusCode::OK, b"hello".as_slice()));
    assert_eq!(
        (&told.headers["content-type"], &told.headers["content-disposition"]),
        (&"image/png".parse().unwrap(), &"inline".parse().unwrap())
    );
    assert_eq!(told.headers["x-content-type-options"], "nosniff");

    let (told, bytes) = api.bytes(&format!("/api/calls/{id}/media?message=2&piece=0&inner=0")).await;
    assert_eq!(bytes, b"<svg/>");
    assert_eq!(
        (&told.headers["content-type"], &told.headers["content-disposition"]),
        (&"application/octet-stream".parse().unwrap(), &"attachment".parse().unwrap())
    );
    for nothing in ["message=0&piece=0", "message=9&piece=0", "message=0&piece=1&part=upstream_answer"] {
        let told = api.get(&format!("/api/calls/{id}/media?{nothing}")).await;
        assert_eq!(told.status, StatusCode::NOT_FOUND, "{nothing}");
    }
    let other = lockgate_admin::Principal { user: Some("eve".to_owned()), ..somebody(Role::Own) };
    let told =
        api.ask(Some(other), Method::GET, &format!("/api/calls/{id}/media?message=0&piece=1"), None).await;
    assert_eq!(told.status, StatusCode::NOT_FOUND, "somebody else's");
}
