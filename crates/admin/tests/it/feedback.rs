//! `/api/feedback`: who may say what of which call, and where it is shown.

use http::{Method, StatusCode};
use lockgate_admin::{Principal, Role};
use lockgate_store::Record;
use serde_json::{Value, json};

use crate::support::{Api, Told, call, somebody};

/// Two calls of ada in a session, one of bob.
fn calls() -> [Record; 3] {
    let mut calls = [call(1, Some("s"), "one"), call(2, Some("s"), "two"), call(3, None, "three")];
    calls[2].call.principal.user = Some("bob".to_owned());
    calls
}

async fn say(api: &Api, who: Principal, wish: Value) -> Told {
    api.ask(Some(who), Method::POST, "/api/feedback", Some(wish)).await
}

/// 004-22: a rating that is none is 400, a call that is not there or belongs to somebody else 404; the same again changes nothing but the word.
#[tokio::test]
async fn feedback_is_checked_belongs_to_ones_own_calls_and_is_given_once() {
    let calls = calls();
    let api = Api::new(&calls).await;
    let [own, _, other] = calls.map(|record| record.call.id.to_string());
    for (wish, status) in [
        (json!({"call": own, "rating": 1.5}), StatusCode::BAD_REQUEST),
        (json!({"call": own, "rating": "fine"}), StatusCode::BAD_REQUEST),
        (json!({"call": own, "rating": null}), StatusCode::BAD_REQUEST),
        (json!({"call": own, "rating": "bad", "labels": ["a\nb"]}), StatusCode::BAD_REQUEST),
        (json!({"call": own, "rating": "bad", "comment": "x".repeat(4_001)}), StatusCode::BAD_REQUEST),
        (json!({"call": own, "rating": "bad", "comment": "a\u{0}b"}), StatusCode::BAD_REQUEST),
        (json!({"rating": "good"}), StatusCode::BAD_REQUEST),
        (json!({"call": own, "session": "s", "rating": "good"}), StatusCode::BAD_REQUEST),
        (json!({"call": "0190f0f0-0000-7000-8000-000000000000", "rating": "good"}), StatusCode::NOT_FOUND),
        (json!({"call": other, "rating": "good"}), StatusCode::NOT_FOUND),
        (json!({"session": "nowhere", "rating": "good"}), StatusCode::NOT_FOUND),
    ] {
        let told = say(&api, somebody(Role::Own), wish.clone()).await;
        assert_eq!(told.status, status, "{wish}: {}", told.json);
    }
    let told = say(&api, somebody(Role::Viewer), json!({"call": own, "rating": "good"})).await;
    assert_eq!(told.status, StatusCode::FORBIDDEN);

    let key = "sk-ant-api03-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4-abcdefAA";
    let wish = json!({"call": own, "rating": "bad", "labels": ["slow", "slow"], "comment": format!("it printed {key}")});
    let first = say(&api, somebody(Role::Own), wish).await;
    assert_eq!(first.status, StatusCode::OK, "{}", first.json);
    assert_eq!((&first.json["score"], &first.json["labels"]), (&json!(-1.0), &json!(["slow"])));
    assert_eq!((&first.json["author"], &first.json["session"]), (&json!("somebody"), &json!("s")));
    assert!(!first.json["comment"].as_str().unwrap().contains("Zm9v"), "{}", first.json);
    let again = say(&api, somebody(Role::Own), json!({"call": own, "rating": 0.25})).await.json;
    assert_eq!((&again["id"], &again["score"]), (&first.json["id"], &json!(0.25)));
    let listed = api.get("/api/feedback").await.json;
    assert_eq!(listed["items"], json!([again]), "one opinion of one author");
    let audit = api.get("/api/audit?verb=feedback").await.json;
    assert_eq!(audit["items"].as_array().unwrap().len(), 2);
    assert!(!audit.to_string().contains("printed"), "the audit outlives the call");
}

/// It is shown with the call and the session, counted by model, exported and taken back by an import; one sees what is said of one's own calls.
#[tokio::test]
async fn feedback_is_shown_counted_exported_and_taken_back() {
    let calls = calls();
    let api = Api::new(&calls).await;
    let [one, two, other] = calls.map(|record| record.call.id.to_string());
    let by = |name: &str| Principal { name: name.to_owned(), ..somebody(Role::Operator) };
    for (who, wish) in [
        ("ann", json!({"call": one, "rating": "good", "comment": "right at once"})),
        ("ben", json!({"call": one, "rating": "bad"})),
        ("ann", json!({"call": two, "rating": 0.5})),
        ("ann", json!({"call": other, "rating": "bad", "comment": "about bob"})),
        ("ann", json!({"session": "s", "rating": "good"})),
    ] {
        assert_eq!(say(&api, by(who), wish).await.status, StatusCode::OK);
    }
    let shown = api.get(&format!("/api/calls/{one}")).await.json;
    assert_eq!(shown["feedback"].as_array().unwrap().len(), 2);
    assert_eq!(api.get("/api/sessions/s").await.json["feedback"].as_array().unwrap().len(), 4);
    let counted = api.get("/api/feedback/stats?by=user").await.json;
    let ada = &counted["items"][0];
    assert_eq!(
        (&ada["group"]["user"], &ada["calls"], &ada["good"], &ada["bad"]),
        (&json!("ada"), &json!(2), &json!(2), &json!(1))
    );
    assert_eq!(counted["items"][1]["good_rate"], 0.0);
    let wrong = api.get("/api/feedback/stats?by=colour").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);

    let own = api.read(somebody(Role::Own), "/api/feedback").await.1;
    assert!(own.contains("right at once") && !own.contains("about bob"), "{own}");
    let own = api.ask(Some(somebody(Role::Own)), Method::GET, "/api/feedback/stats?by=user", None).await.json;
    assert_eq!(own["items"].as_array().unwrap().len(), 1, "{own}");

    for format in ["json", "jsonl"] {
        let export = api.text(&format!("/api/sessions/s/export?format={format}")).await;
        let elsewhere = Api::new(&[]).await;
        let told = elsewhere.send("/api/import", "application/x-ndjson", export.clone().into_bytes()).await;
        assert_eq!(told.json["calls"], 2, "{}", told.json);
        let session = "/api/feedback?session=s";
        assert_eq!(
            elsewhere.get(session).await.json["items"],
            api.get(session).await.json["items"],
            "{format}"
        );
        let later = json!({"call": one, "rating": "bad"});
        assert_eq!(say(&elsewhere, by("ann"), later).await.status, StatusCode::OK);
        elsewhere.send("/api/import", "application/x-ndjson", export.clone().into_bytes()).await;
        let kept = elsewhere.get(&format!("/api/feedback?call={one}&author=ann")).await.json;
        assert_eq!(kept["items"][0]["score"], -1.0, "what was said later stays: {kept}");
        let forged = export.replace("\"score_milli\":1000", "\"score_milli\":9000");
        let told = elsewhere.send("/api/import", "application/x-ndjson", forged.into_bytes()).await;
        assert_eq!(told.status, StatusCode::BAD_REQUEST, "{}", told.json);
    }

    let items = api.get(&format!("/api/feedback?call={one}&rating=bad")).await.json["items"].clone();
    let path = format!("/api/feedback/{}", items[0]["id"].as_str().unwrap());
    let stranger = api.ask(Some(somebody(Role::Own)), Method::DELETE, &path, None).await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND, "it is ben's");
    assert_eq!(api.ask(Some(by("ben")), Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(api.ask(Some(by("ben")), Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
}
