//! What people say of verdicts, by whom, and what it adds up to.

use http::{Method, StatusCode};
use lockgate_admin::{Principal, Role};
use lockgate_store::Decision;
use serde_json::{Value, json};

use crate::support::{Api, call, somebody};

/// Two calls of ada, in each of which a rule would have refused something, and one of bob.
async fn api() -> (Api, Vec<String>) {
    let mut calls = [call(1, Some("s"), "one"), call(2, None, "two"), call(3, None, "three")];
    for record in &mut calls {
        let json = json!({
            "policy": "git", "rule": "force", "said": "refuse", "applied": false, "hook": "tool_call", "mode": "observe",
            "reason": "why", "tool": {"id": "t", "name": "Bash"},
        });
        let missing = Decision { json: json!({"missing_parts": 1}), kind: "record".to_owned(), version: 1 };
        record.details.decisions = vec![missing, Decision { json, kind: "policy".to_owned(), version: 1 }];
        record.details.tool_calls = 10;
    }
    calls[2].call.principal.user = Some("bob".to_owned());
    let ids = calls.iter().map(|record| record.call.id.to_string()).collect();
    (Api::new(&calls).await, ids)
}

fn path(call: &str, number: &str) -> String {
    format!("/api/calls/{call}/decisions/{number}/label")
}

async fn put(api: &Api, who: Principal, path: &str, body: Value) -> (StatusCode, Value) {
    let told = api.ask(Some(who), Method::PUT, path, Some(body)).await;
    (told.status, told.json)
}

/// Issue 4, trust: whoever sees a call may say whether a policy was right about it, but for those who only look.
#[tokio::test]
async fn whoever_sees_a_call_and_is_no_viewer_labels_its_verdicts() {
    let (api, ids) = api().await;
    let right = json!({"verdict": "right", "note": "  it would have  "});
    let own = || somebody(Role::Own);
    let (status, told) = put(&api, own(), &path(&ids[0], "2"), right.clone()).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    assert_eq!(
        (&told["verdict"], &told["note"], &told["by"]),
        (&json!("right"), &json!("it would have"), &json!("somebody"))
    );
    let shown = api.get(&format!("/api/calls/{}", ids[0])).await.json;
    assert_eq!(
        (&shown["decisions"][0]["number"], &shown["decisions"][0]["label"]),
        (&json!(1), &json!(null))
    );
    assert_eq!(shown["decisions"][1]["label"]["verdict"], "right", "{shown}");

    let long = "x".repeat(501);
    for (who, path, body, status) in [
        (own(), path(&ids[2], "2"), right.clone(), StatusCode::NOT_FOUND),
        (somebody(Role::Viewer), path(&ids[0], "2"), right.clone(), StatusCode::FORBIDDEN),
        (somebody(Role::Operator), path(&ids[2], "2"), right.clone(), StatusCode::OK),
        (own(), path(&ids[0], "1"), right.clone(), StatusCode::NOT_FOUND),
        (own(), path(&ids[0], "two"), right.clone(), StatusCode::BAD_REQUEST),
        (own(), path(&ids[0], "2"), json!({"verdict": "maybe"}), StatusCode::BAD_REQUEST),
        (own(), path(&ids[0], "2"), json!({"verdict": "wrong", "note": long}), StatusCode::BAD_REQUEST),
    ] {
        let (got, told) = put(&api, who, &path, body).await;
        assert_eq!(got, status, "{path}: {told}");
    }
    let gone = api.ask(Some(own()), Method::DELETE, &path(&ids[0], "2"), None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let audit = api.get("/api/audit?verb=label").await.json;
    let noted: Vec<_> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["detail"]).collect();
    let expected = json!({"decision": 2, "verdict": "right"});
    assert_eq!(noted, [&expected, &expected], "who said what, not in which words");
    assert_eq!(
        api.get("/api/audit?verb=unlabel").await.json["items"][0]["object"],
        format!("call:{}", ids[0])
    );
}

/// Issue 4, trust: fired, labelled, precision with its interval, wrong ones per 100 tool calls, and what is missing.
#[tokio::test]
async fn labels_add_up_by_policy_and_rule_and_lead_to_their_calls() {
    let (api, ids) = api().await;
    for (call, verdict) in [(0, "right"), (1, "wrong")] {
        put(&api, somebody(Role::Operator), &path(&ids[call], "2"), json!({"verdict": verdict})).await;
    }
    let told = api.get("/api/policies/stats").await.json;
    assert_eq!((&told["calls"], &told["tool_calls"]), (&json!(3), &json!(30)), "{told}");
    let git = &told["policies"][0];
    assert_eq!(git["rules"][0]["rule"], "force");
    for figures in [git, &git["rules"][0]] {
        assert_eq!(
            (&figures["fired"], &figures["applied"], &figures["would_have"]),
            (&json!(3), &json!(0), &json!(3))
        );
        assert_eq!((&figures["labelled"], &figures["precision"]["value"]), (&json!(2), &json!(0.5)));
        let (low, high) = (&figures["precision"]["low"], &figures["precision"]["high"]);
        assert!(
            low.as_f64().unwrap() < 0.1 && high.as_f64().unwrap() > 0.9,
            "two labels say little: {figures}"
        );
        assert_eq!(figures["wrong_per_100_tool_calls"], 5.0, "half of three verdicts in thirty tool calls");
        assert_eq!(figures["promotable"], false);
    }
    assert_eq!(
        api.get("/api/policies/stats?since=2026-11-20T12:02:30Z").await.json["policies"][0]["fired"],
        1
    );
    let open = api.get("/api/policies/verdicts?policy=git&applied=false&labelled=false").await.json;
    assert_eq!(open["items"].as_array().map(Vec::len), Some(1), "{open}");
    let verdict = &open["items"][0];
    assert_eq!(
        (&verdict["call"], &verdict["number"], &verdict["tool"]),
        (&json!(ids[2]), &json!(2), &json!("Bash"))
    );
    let behind = api.get(verdict["href"].as_str().unwrap()).await.json;
    assert_eq!(behind["decisions"][1]["record"]["reason"], "why");
    assert_eq!(api.get("/api/policies/verdicts?cursor=x").await.status, StatusCode::BAD_REQUEST);
}
