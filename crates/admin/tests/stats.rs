//! `/api/stats`: words of addresses, shapes of answers, who sees what.
#![cfg(test)]

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use lockgate_admin::{App, Principal, Role, router};
use lockgate_core::{DataClass, Usage};
use lockgate_store::{
    Call, Client, Details, Lineage, Outcome, Record, Recording, Records, Route, SessionFacts, Store, Timing,
};
use lockgate_store_sql::{Database, Options, Place};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;
use uuid::Uuid;

/// 2026-10-25T00:30:00Z, half an hour before the clocks change in Berlin.
const AT_US: i64 = 1_792_888_200_000_000;
const HOUR_US: i64 = 3_600_000_000;

fn call(nth: u64, user: &str, provider: Option<&str>, cost_nano: Option<i64>) -> Record {
    let text = |text: &str| Some(text.to_owned());
    Record {
        bodies: Vec::new(),
        call: Call {
            usage: Usage::default(),
            client: Client::default(),
            cost_nano,
            error: None,
            id: Uuid::from_u64_pair(0x7000 + nth, (2 << 62) | nth),
            intervened: false,
            lineage: Lineage::default(),
            outcome: Outcome::Complete,
            price_version: None,
            principal: lockgate_store::Principal {
                data_class: (nth == 2).then_some(DataClass::Secret),
                user: text(user),
                ..lockgate_store::Principal::default()
            },
            recording: Recording::Redacted,
            route: Route {
                operation: "chat".to_owned(),
                provider: provider.map(str::to_owned),
                ..Route::default()
            },
            status: Some(200),
            stop_reason: None,
            timing: Timing { started_us: AT_US + i64::try_from(nth).unwrap() * HOUR_US, ..Timing::default() },
        },
        details: Details::default(),
        pieces: Vec::new(),
        session: SessionFacts::default(),
        texts: Vec::new(),
    }
}

struct Api {
    _folder: TempDir,
    router: axum::Router,
}

async fn api() -> Api {
    let folder = TempDir::new().unwrap();
    let database = Database::open(&Options::at(Place::File(folder.path().join("l.db")))).await.unwrap();
    let calls = [
        call(0, "ann", Some("anthropic"), Some(5)),
        call(1, "ann", Some("a&b=c"), Some(7)),
        call(2, "ben", None, None),
    ];
    database.write(&calls).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(database);
    let shelf = OnceLock::new();
    assert!(shelf.set(store).is_ok());
    Api { _folder: folder, router: router(App::new(Arc::new(shelf))) }
}

impl Api {
    async fn text(&self, who: &Principal, path: &str) -> (StatusCode, String) {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.extensions_mut().insert(who.clone());
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, text) = self.text(&Principal::command_line(), path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// 004-21: who asks for what is not there is told what is.
#[tokio::test]
async fn an_unknown_word_is_answered_with_the_list() {
    let api = api().await;
    for (path, known) in [
        ("/api/stats", "cost, errors"),
        ("/api/stats?metric=costs", "cost, errors"),
        ("/api/stats?metric=cost&by=colour", "client, data_class, error, key"),
        ("/api/stats?metric=cost&bucket=year", "day, hour, month, week"),
        ("/api/stats?metric=cost&zone=Mars", "Europe/Berlin"),
        ("/api/stats?metric=cost&format=xml", "json, csv"),
        ("/api/stats?metric=cost&from=soon", "90m"),
        ("/api/stats?metric=cost&days=0", "1 to 36500"),
        ("/api/stats?metric=cost&days=7&from=7d", "name one"),
        ("/api/stats?metric=cost&colour=red", "unknown field"),
    ] {
        let (status, text) = api.text(&Principal::command_line(), path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert!(text.contains(known) && text.contains("invalid_request"), "{path}: {text}");
    }
    let metrics = api.json("/api/stats/metrics").await;
    for metric in metrics.as_array().unwrap() {
        api.json(&format!("/api/stats?metric={}", metric["name"].as_str().unwrap())).await;
    }
}

/// 004-20: by class of data, and the last days as they are asked for most.
#[tokio::test]
async fn calls_are_told_apart_by_class_of_data_and_counted_for_the_last_days() {
    let api = api().await;
    let classes = api.json("/api/stats?metric=volume&by=data_class&days=36500").await;
    let groups: Vec<_> =
        classes["rows"].as_array().unwrap().iter().map(|row| row["group"]["data_class"].clone()).collect();
    assert_eq!(groups, [Value::Null, "secret".into()]);
    let secret = api.json("/api/stats?metric=volume&data_class=secret&since=2026-01-01").await;
    assert_eq!(secret["total"]["values"]["calls"], 1);
    let unclassified = api.json("/api/stats?metric=volume&data_class=&until=2027-01-01").await;
    assert_eq!(unclassified["total"]["values"]["calls"], 2);
    let path = classes["rows"][1]["calls"].as_str().unwrap();
    assert_eq!(api.json(path).await["items"][0]["data_class"], "secret");
}

/// 004-20, 004-37: every row leads to its calls, whatever signs are in its name; calls that say nothing are a row too.
#[tokio::test]
async fn every_row_leads_to_its_calls() {
    let api = api().await;
    let answer = api.json("/api/stats?metric=cost&by=provider&bucket=day&zone=Europe/Berlin").await;
    assert_eq!(answer["total"]["values"]["cost_nano"], 12);
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        assert_eq!(
            (row["from"].as_str(), row["to"].as_str()),
            (Some("2026-10-24T22:00:00Z"), Some("2026-10-25T23:00:00Z"))
        );
        let calls = api.json(row["calls"].as_str().unwrap()).await;
        let calls = calls["items"].as_array().unwrap();
        assert_eq!(calls.len(), 1, "{row}");
        assert_eq!(calls[0]["provider"], row["group"]["provider"]);
        assert_eq!(row["values"]["unpriced"], i32::from(calls[0]["cost_nano"].is_null()));
    }
    let unpriced =
        answer["columns"].as_array().unwrap().iter().find(|column| column["name"] == "unpriced").unwrap();
    let total = answer["total"]["calls"].as_str().unwrap();
    let calls = api.json(&format!("{total}?{}", unpriced["narrows"].as_str().unwrap())).await;
    assert_eq!(calls["items"].as_array().unwrap().len(), 1);
    let pages = api.json("/api/stats/calls?limit=2").await;
    let rest =
        api.json(&format!("/api/stats/calls?limit=2&cursor={}", pages["next"].as_str().unwrap())).await;
    assert_eq!((pages["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (2, 1));
}

#[tokio::test]
async fn one_with_the_role_self_sees_the_own_numbers_alone() {
    let api = api().await;
    let ben = Principal { name: "ben".to_owned(), role: Role::Own, user: Some("ben".to_owned()) };
    let nobody = Principal { user: None, ..ben.clone() };
    for (who, expected) in [(&ben, "ben,1\r\n"), (&nobody, "")] {
        for path in ["?metric=volume&by=user&format=csv", "?metric=volume&by=user&format=csv&user=ann"] {
            let (_, text) = api.text(who, &format!("/api/stats{path}")).await;
            assert_eq!(text, format!("user,calls\r\n{expected}"), "{path}");
        }
        let (_, text) = api.text(who, "/api/stats/calls?user=ann").await;
        assert!(!text.contains("ann"), "{text}");
    }
}

#[tokio::test]
async fn rows_come_as_csv() {
    let api = api().await;
    let (status, text) =
        api.text(&Principal::command_line(), "/api/stats?metric=cost&by=user&bucket=day&format=csv").await;
    assert_eq!(status, StatusCode::OK);
    let lines: Vec<_> = text.split("\r\n").collect();
    assert_eq!(lines[0], "from_us,to_us,user,calls,cost_nano,cost_per_call_nano,unpriced");
    assert!(
        lines[1].ends_with(",ann,2,12,6,0") && lines[2].ends_with(",ben,1,,,1"),
        "not known is not 0: {text}"
    );
}
