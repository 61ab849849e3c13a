//! What is deleted, by name and by age, and what is written down before.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{Method, StatusCode};
use lockgate_admin::{Principal, RetentionPolicy, Role, Times};
use lockgate_core::DataClass;
use lockgate_store::access::{Actor, AuditEntry};
use lockgate_store::verdicts::{Label, Opinion};
use lockgate_store::{Answer, Approval, Decision, Holds, Record, Verdict};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{self, Api, Told, call, somebody};

/// A call with a request.
fn with_request(minutes: i64, session: Option<&str>, words: &str) -> Record {
    let body = json!({"model": "m", "messages": [{"role": "user", "content": words}]});
    support::with_request(call(minutes, session, words), &body.to_string())
}

async fn post(api: &Api, path: &str, body: Value) -> Told {
    api.ask(Some(Principal::command_line()), Method::POST, path, Some(body)).await
}

async fn left(api: &Api) -> usize {
    api.get("/api/calls").await.json["items"].as_array().unwrap().len()
}

/// Purging by session, user and age, counted first; each noted in the audit.
#[tokio::test]
async fn what_is_named_is_deleted_and_nothing_else_and_the_audit_says_so() {
    let records = [
        with_request(0, Some("s1"), "one"),
        with_request(1, Some("s1"), "two"),
        with_request(2, Some("s2"), "three"),
        with_request(3, None, "four"),
    ];
    let api = Api::new(&records).await;
    let counted = post(&api, "/api/purge", json!({"session": "s1", "dry_run": true})).await;
    assert_eq!(counted.json, json!({"archive": null, "calls": 2, "sessions": 1}));
    assert_eq!(left(&api).await, 4, "counting deletes nothing");
    let done = post(&api, "/api/purge", json!({"session": "s1"})).await;
    assert_eq!(done.json, json!({"archive": null, "calls": 2, "sessions": 1}));
    assert_eq!(left(&api).await, 2);
    assert_eq!(api.get("/api/sessions/s1").await.status, StatusCode::NOT_FOUND);

    let path = format!("/api/calls/{}/bodies/client_request", records[3].call.id);
    assert_eq!(api.get(&path).await.status, StatusCode::OK);
    let done =
        post(&api, "/api/purge", json!({"older_than": "2026-11-20T12:04:00Z", "contents_only": true})).await;
    assert_eq!(done.json["calls"], 2);
    assert_eq!((left(&api).await, api.get(&path).await.status), (2, StatusCode::NOT_FOUND));
    assert_eq!(post(&api, "/api/purge", json!({"user": "ada"})).await.json["calls"], 2);
    assert_eq!(left(&api).await, 0);

    let audit = api.get("/api/audit?verb=purge").await.json;
    let objects: Vec<_> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["object"]).collect();
    assert_eq!(objects, ["user:ada", "calls", "session:s1"], "{audit}");
    for wrong in
        [json!({}), json!({"session": "a", "key": "b"}), json!({"older_than": "soon"}), json!({"all": true})]
    {
        assert_eq!(post(&api, "/api/purge", wrong.clone()).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
}

/// O3: what is too old is written to the archive, and only then deleted; the archive can be taken back.
#[tokio::test]
async fn what_is_deleted_by_age_comes_back_from_the_archive() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    let aged = |nth: i64, session: Option<&str>, days: i64| {
        let mut record = with_request(nth, session, "words");
        record.call.timing.started_us = now - days * 86_400_000_000 + nth;
        record
    };
    let records = [
        aged(0, Some("s1"), 3),
        aged(1, None, 3),
        aged(2, Some("s2"), 2),
        aged(3, Some("s1"), 3),
        aged(4, None, 0),
    ];
    let policy = RetentionPolicy {
        archive: Some(folder.path().join("archive")),
        calls: Times { calls_days: Some(1), contents_days: None },
        ..RetentionPolicy::default()
    };
    let api = Api::with_retention(&records, policy.clone()).await;
    let before = exports(&api).await;
    let counted = post(&api, "/api/retention", json!({"dry_run": true})).await.json;
    assert_eq!((&counted["calls"]["calls"], left(&api).await), (&json!(4), 5));
    let done = post(&api, "/api/retention", json!({})).await.json["calls"].clone();
    assert_eq!((&done["calls"], &done["sessions"]), (&json!(4), &json!(2)), "{done}");
    assert_eq!(left(&api).await, 1, "what is young stays");
    let file = fs::read(done["archive"].as_str().unwrap()).unwrap();
    let taken = api.send("/api/import", "application/x-ndjson", file).await;
    assert_eq!(taken.json, json!({"calls": 4, "repeated": 0}));
    assert!(exports(&api).await == before, "it came back changed");
    assert_eq!(
        fs::read_dir(folder.path().join("archive")).unwrap().count(),
        1,
        "nothing half written is left"
    );
}

/// What was said of a session in words goes with its contents, also where those are archived before.
#[tokio::test]
async fn comments_go_with_archived_contents() {
    let folder = tempfile::tempdir().unwrap();
    let policy =
        RetentionPolicy { archive: Some(folder.path().join("archive")), ..RetentionPolicy::default() };
    let api = Api::with_retention(&[with_request(0, Some("s1"), "words")], policy).await;
    post(&api, "/api/feedback", json!({"session": "s1", "rating": "bad", "comment": "told all"})).await;
    let done = post(&api, "/api/purge", json!({"session": "s1", "contents_only": true})).await.json;
    assert!(done["archive"].is_string(), "{done}");
    let left = api.get("/api/feedback").await.json;
    assert_eq!((&left["items"][0]["score"], &left["items"][0]["comment"]), (&json!(-1.0), &json!(null)));
}

async fn exports(api: &Api) -> Vec<String> {
    let mut all = Vec::new();
    for id in ["s1", "s2"] {
        all.push(api.text(&format!("/api/sessions/{id}/export?format=jsonl")).await);
    }
    all
}

/// O3: entries of the audit that are too old are written to the archive, then deleted; the audit says so itself.
#[tokio::test]
async fn the_audit_is_deleted_by_age_too_once_it_is_archived() {
    let folder = tempfile::tempdir().unwrap();
    let policy = RetentionPolicy {
        archive: Some(folder.path().join("archive")),
        audit_days: Some(30),
        ..RetentionPolicy::default()
    };
    let api = Api::with_retention(&[], policy).await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    for (number, days) in [(1_u128, 40), (2, 31), (3, 29)] {
        let entry = AuditEntry {
            actor: Actor::User("ann".to_owned()),
            address: None,
            at_us: now - days * 86_400_000_000,
            detail: json!({"number": number as u64}),
            id: Uuid::from_u128(number),
            object: "key:laptop".to_owned(),
            verb: "change".to_owned(),
        };
        api.store().note(&entry).await.unwrap();
    }
    let entries = async || api.get("/api/audit").await.json["items"].as_array().unwrap().clone();
    let counted = post(&api, "/api/retention", json!({"dry_run": true})).await.json;
    assert_eq!(counted["audit"], json!({"archive": null, "entries": 2}));
    assert_eq!(entries().await.len(), 3, "counting deletes nothing");
    let done = post(&api, "/api/retention", json!({})).await.json["audit"].clone();
    assert_eq!(done["entries"], 2, "{done}");
    let left = entries().await;
    let verbs: Vec<_> = left.iter().map(|entry| (&entry["verb"], &entry["object"])).collect();
    assert_eq!(verbs, [(&json!("retention"), &json!("audit")), (&json!("change"), &json!("key:laptop"))]);
    assert_eq!(left[0]["detail"]["deleted"]["entries"], 2);
    let file = fs::File::open(done["archive"].as_str().unwrap()).unwrap();
    let text = String::from_utf8(zstd::decode_all(file).unwrap()).unwrap();
    let kept: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = kept.iter().map(|entry| &entry["detail"]["number"]).collect();
    assert_eq!(numbers, [2, 1], "{text}");
    assert_eq!(post(&api, "/api/retention", json!({})).await.json["audit"]["entries"], 0);
}

#[tokio::test]
async fn without_its_archive_the_audit_stays() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "no folder").unwrap();
    let policy =
        RetentionPolicy { archive: Some(blocked), audit_days: Some(1), ..RetentionPolicy::default() };
    let api = Api::with_retention(&[], policy).await;
    let entry = AuditEntry {
        actor: Actor::System,
        address: None,
        at_us: 1,
        detail: Value::Null,
        id: Uuid::from_u128(1),
        object: "calls".to_owned(),
        verb: "purge".to_owned(),
    };
    api.store().note(&entry).await.unwrap();
    assert_eq!(post(&api, "/api/retention", json!({})).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(api.get("/api/audit").await.json["items"].as_array().unwrap().len(), 1);
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64
}

/// A call of so many days ago, by a key for data of a class.
fn classed(nth: i64, class: Option<DataClass>, days: i64) -> Record {
    let mut record = with_request(nth, Some(&format!("s{nth}")), "words");
    record.call.timing.started_us = now() - days * 86_400_000_000 + nth;
    record.call.principal.data_class = class;
    record
}

/// O3: each class after its own time, what it leaves out after everybody's; counted first, and archived before.
#[tokio::test]
async fn calls_are_kept_as_long_as_their_class_of_data_says() {
    let folder = tempfile::tempdir().unwrap();
    let days =
        |calls: Option<u32>, contents: Option<u32>| Times { calls_days: calls, contents_days: contents };
    let policy = RetentionPolicy {
        archive: Some(folder.path().join("archive")),
        calls: days(Some(30), None),
        classes: [
            (Some(DataClass::Secret), days(Some(2), None)),
            (Some(DataClass::Public), days(Some(90), Some(5))),
            (None, days(None, Some(5))),
        ]
        .into(),
        ..RetentionPolicy::default()
    };
    let (secret, public, internal) =
        (Some(DataClass::Secret), Some(DataClass::Public), Some(DataClass::Internal));
    let records = [
        classed(0, secret, 3),
        classed(1, secret, 1),
        classed(2, public, 60),
        classed(3, public, 100),
        classed(4, internal, 10),
        classed(5, internal, 31),
        classed(6, None, 10),
        classed(7, None, 40),
    ];
    let api = Api::with_retention(&records, policy).await;
    let counted = post(&api, "/api/retention", json!({"dry_run": true})).await.json;
    assert_eq!((&counted["calls"]["calls"], left(&api).await), (&json!(4), 8), "{counted}");
    let done = post(&api, "/api/retention", json!({})).await.json;
    assert_eq!((&done["calls"]["calls"], &done["contents"]["calls"]), (&json!(4), &json!(2)), "{done}");
    let by_class: Vec<_> = done["classes"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(class, gone)| {
            (class.as_str(), gone["calls"]["calls"].clone(), gone["contents"]["calls"].clone())
        })
        .collect();
    assert_eq!(
        by_class,
        [
            ("confidential", json!(0), json!(0)),
            ("internal", json!(1), json!(0)),
            ("none", json!(1), json!(1)),
            ("public", json!(1), json!(1)),
            ("secret", json!(1), json!(0)),
        ]
    );
    let listed = async |class: &str| {
        let told = api.get(&format!("/api/calls?data_class={class}")).await.json;
        let items = told["items"].as_array().unwrap().clone();
        items.into_iter().map(|call| (call["id"].clone(), call["data_class"].clone())).collect::<Vec<_>>()
    };
    let one = |nth: usize, class: Value| vec![(json!(records[nth].call.id), class)];
    assert_eq!(listed("secret").await, one(1, json!("secret")));
    assert_eq!(listed("public").await, one(2, json!("public")));
    assert_eq!(listed("internal").await, one(4, json!("internal")));
    assert_eq!(listed("none").await, one(6, Value::Null));
    assert_eq!(api.get("/api/calls?data_class=top").await.status, StatusCode::BAD_REQUEST);
    let body = |nth: usize| format!("/api/calls/{}/bodies/client_request", records[nth].call.id);
    for (nth, kept) in [(1, true), (2, false), (4, true), (6, false)] {
        assert_eq!(api.get(&body(nth)).await.status.is_success(), kept, "{nth}");
    }
    let archive = done["classes"]["secret"]["calls"]["archive"].as_str().unwrap();
    let text = String::from_utf8(zstd::decode_all(fs::File::open(archive).unwrap()).unwrap()).unwrap();
    assert!(
        text.contains(&records[0].call.id.to_string()) && !text.contains(&records[3].call.id.to_string())
    );
    let noted = api.get("/api/audit?verb=retention").await.json;
    let classes: Vec<_> = noted["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry["detail"]["class"].as_str())
        .collect();
    assert_eq!(classes.len(), 6, "{noted}");
    let again = post(&api, "/api/retention", json!({})).await.json;
    assert_eq!((&again["calls"]["calls"], &again["contents"]["calls"]), (&json!(0), &json!(0)));
}

/// A question that was asked so many days ago.
fn question(nth: u8, days: i64) -> Approval {
    Approval {
        answer: None,
        arguments: Some("{}".to_owned()),
        asked_us: now() - days * 86_400_000_000,
        call: Uuid::from_u128(u128::from(nth)),
        client: None,
        id: format!("{}.0", Uuid::from_u128(u128::from(nth))),
        key: Some("laptop".to_owned()),
        model: "m".to_owned(),
        policy: "shell_guard".to_owned(),
        reason: "it pushes".to_owned(),
        revoked_us: None,
        rule: None,
        session: None,
        tool: Some("Bash".to_owned()),
        until_us: now() - days * 86_400_000_000 + 1,
        user: None,
    }
}

/// O3: also what people were asked and what policies said, each in its own time and archived before; the calls stay.
#[tokio::test]
async fn questions_and_verdicts_are_deleted_by_age_and_what_stands_for_good_stays() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let policy = RetentionPolicy {
        approvals_days: Some(30),
        archive: Some(archive.clone()),
        verdicts_days: Some(10),
        ..RetentionPolicy::default()
    };
    let decision = |kind: &str, json: Value| Decision { json, kind: kind.to_owned(), version: 1 };
    let said = |said: &str| {
        decision(
            "policy",
            json!({"policy": "git", "said": said, "applied": true, "hook": "request", "mode": "block", "reason": "because"}),
        )
    };
    let mut records = [classed(0, None, 11), classed(1, None, 9)];
    for record in &mut records {
        record.details.decisions =
            vec![decision("record", json!({"missing_parts": 1})), said("refuse"), said("annotate")];
    }
    let api = Api::with_retention(&records, policy.clone()).await;
    let label = Label { at_us: now(), by: "ann".to_owned(), note: None, opinion: Opinion::Right };
    let entry = AuditEntry {
        actor: Actor::System,
        address: None,
        at_us: now(),
        detail: Value::Null,
        id: Uuid::now_v7(),
        object: "call".to_owned(),
        verb: "label".to_owned(),
    };
    assert!(api.store().label(records[0].call.id, 2, Some(&label), &entry).await.unwrap());
    for (nth, days) in [(1, 40), (2, 31), (3, 29)] {
        api.store().ask(&question(nth, days)).await.unwrap();
    }
    let standing = Answer {
        at_us: now(),
        by: Some("ann".to_owned()),
        holds: Holds::Always,
        verdict: Verdict::Approved,
        words: None,
    };
    assert!(api.store().answer(&question(2, 31).id, &standing, None).await.unwrap());
    let counted = post(&api, "/api/retention", json!({"dry_run": true})).await.json;
    assert_eq!((&counted["approvals"]["entries"], &counted["verdicts"]["entries"]), (&json!(1), &json!(2)));
    let questions = async || api.get("/api/approvals").await.json["items"].as_array().map(Vec::len);
    let decisions = async |nth: usize| {
        let path = format!("/api/calls/{}", records[nth].call.id);
        api.get(&path).await.json["decisions"].as_array().unwrap().len()
    };
    assert_eq!((questions().await, decisions(0).await), (Some(3), 3), "counting deletes nothing");

    fs::write(&archive, "no folder").unwrap();
    assert_eq!(post(&api, "/api/retention", json!({})).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((questions().await, decisions(0).await), (Some(3), 3), "without its archive nothing goes");
    fs::remove_file(&archive).unwrap();

    let done = post(&api, "/api/retention", json!({})).await.json;
    assert_eq!(
        (&done["approvals"]["entries"], &done["verdicts"]["entries"]),
        (&json!(1), &json!(2)),
        "{done}"
    );
    assert_eq!((questions().await, decisions(0).await, decisions(1).await), (Some(2), 1, 3));
    assert_eq!(left(&api).await, 2, "the calls stay");
    assert!(api.store().labels(records[0].call.id).await.unwrap().is_empty());
    let lines = |file: &Value| {
        let file = fs::File::open(file.as_str().unwrap()).unwrap();
        let text = String::from_utf8(zstd::decode_all(file).unwrap()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
    };
    let asked = lines(&done["approvals"]["archive"]);
    assert!(asked.len() == 1 && asked[0]["reason"] == "it pushes", "{asked:?}");
    let told = lines(&done["verdicts"]["archive"]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().any(|line| line["decision"]["reason"] == "because" && line["label"]["by"] == "ann"));
}

/// An archive that cannot be written keeps the rows.
#[tokio::test]
async fn without_its_archive_nothing_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let blocked = folder.path().join("file");
    fs::write(&blocked, "no folder").unwrap();
    let policy = RetentionPolicy { archive: Some(blocked), ..RetentionPolicy::default() };
    let api = Api::with_retention(&[with_request(0, Some("s1"), "x")], policy).await;
    let refused = post(&api, "/api/purge", json!({"session": "s1"})).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        refused.json["error"]["message"].as_str().unwrap().contains("nothing is deleted"),
        "{}",
        refused.json
    );
    assert_eq!(left(&api).await, 1);
    assert_eq!(post(&api, "/api/purge", json!({"session": "s1", "archive": false})).await.json["calls"], 1);
}

#[tokio::test]
async fn only_an_admin_deletes_and_a_viewer_sees_the_rules() {
    let api = Api::new(&[]).await;
    let purge =
        api.ask(Some(somebody(Role::Operator)), Method::POST, "/api/purge", Some(json!({"key": "k"}))).await;
    assert_eq!(purge.status, StatusCode::FORBIDDEN);
    let rules = api.ask(Some(somebody(Role::Viewer)), Method::GET, "/api/retention", None).await;
    assert_eq!(
        rules.json,
        json!({
            "approvals_days": null, "archive": null, "audit_days": null, "calls_days": null, "classes": {},
            "contents_days": null, "verdicts_days": null, "withheld": null,
        })
    );
}
