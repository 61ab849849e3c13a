//! Webhooks, as their receivers get them.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use lockgate_core::ErrorKind;
use lockgate_engine::Courier;
use serde_json::Value;

use super::receiver::{Receiver, nobody, status};
use super::{begin, telemetry, until};
use crate::{Filter, Hook, HookEvent, HookNumbers, Hooks, Outcome, Retry, SigningKey};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn hook(address: &str) -> Hook {
    let retry = Retry {
        first: Duration::from_millis(10),
        longest: Duration::from_millis(50),
        patience: Duration::from_secs(5),
        tries: 4,
    };
    let url = format!("{address}/hook").parse().unwrap();
    Hook { events: Vec::new(), filter: Filter::default(), key: SECRET.parse().unwrap(), retry, url }
}

fn call(outcome: Option<Outcome>) -> crate::Call {
    let begun = crate::call::Begun {
        at_us: 0,
        dialect: "anthropic",
        id: "id".to_owned(),
        key: Some("alice".to_owned()),
        kind: None,
        model: Some("m".to_owned()),
        operation: lockgate_engine::Operation::Generate,
        project: None,
        provider: Some("p".to_owned()),
        session: None,
        stream: false,
        user: None,
    };
    crate::Call { outcome, ..begun.call() }
}

#[tokio::test]
async fn a_call_that_is_over_is_posted_signed_and_again_until_it_is_taken() {
    let receiver = Receiver::start(|number| Some(status(if number < 3 { 500 } else { 204 }))).await;
    let telemetry = telemetry();
    telemetry.hook(Hooks::start(vec![hook(&receiver.address)], &Courier::default()));
    let told = begin(&telemetry, "claude-sonnet-4-6", &HeaderMap::new());
    let id = told.report.id.clone();
    told.answers();
    until("it is taken", || receiver.got().len() == 3).await;
    let got = receiver.got();
    let key: SigningKey = SECRET.parse().unwrap();
    for one in &got {
        assert_eq!(one.header("webhook-id"), format!("call_{id}"), "the same each time");
        let timestamp: i64 = one.header("webhook-timestamp").parse().unwrap();
        let signature = key.sign(one.header("webhook-id"), timestamp, &one.body);
        assert_eq!(one.header("webhook-signature"), signature);
        assert_eq!((one.path.as_str(), &one.body), ("/hook", &got[0].body));
    }
    let body: Value = serde_json::from_slice(&got[0].body).unwrap();
    let schema = serde_json::from_str(&crate::webhook_schema()).unwrap();
    jsonschema::validate(&schema, &body).unwrap();
    assert_eq!(body["type"], "call.completed");
    for (field, value) in [
        ("id", Value::from(id)),
        ("key", "alice".into()),
        ("model", "claude-sonnet-4-6".into()),
        ("outcome", "complete".into()),
        ("status", 200.into()),
        ("cost_nano", 4_650_000.into()),
        ("duration_ms", 1500.into()),
        ("ttft_ms", 300.into()),
        ("stop", "end_turn".into()),
    ] {
        assert_eq!(body["data"][field], value, "{field} of {body:#}");
    }
    assert_eq!(body["data"]["usage"]["output"], 100);
}

/// The receiver may be somebody else's: where it points to is not followed.
#[tokio::test]
async fn a_redirect_is_not_followed_and_a_receiver_that_never_takes_it_is_given_up() {
    let elsewhere = Receiver::start(|_| Some(status(204))).await;
    let target = elsewhere.address.clone();
    let receiver = Receiver::start(move |_| {
        let mut response = status(307);
        response.headers_mut().insert("location", HeaderValue::from_str(&target).unwrap());
        Some(response)
    })
    .await;
    let hooks = Hooks::start(vec![hook(&receiver.address)], &Courier::default());
    hooks.offer(&call(Some(Outcome::Complete)));
    until("it is given up", || hooks.numbers().given_up == 1).await;
    assert_eq!((receiver.got().len(), elsewhere.got().len()), (4, 0));
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_good_is_not_asked_again() {
    let receiver = Receiver::start(|_| Some(status(410))).await;
    let hooks = Hooks::start(vec![hook(&receiver.address)], &Courier::default());
    hooks.offer(&call(Some(Outcome::Failed)));
    until("it is given up", || hooks.numbers().given_up == 1).await;
    assert_eq!(receiver.got().len(), 1);
}

/// A receiver that does not want a message will not want it the next time; one that has no time just now will.
#[tokio::test]
async fn a_receiver_that_says_no_is_not_asked_again_and_one_that_says_not_now_is() {
    for (said, tries) in [(400, 1), (401, 1), (404, 1), (422, 1), (408, 4), (425, 4), (429, 4), (503, 4)] {
        let receiver = Receiver::start(move |_| Some(status(said))).await;
        let hooks = Hooks::start(vec![hook(&receiver.address)], &Courier::default());
        hooks.offer(&call(Some(Outcome::Complete)));
        until("it is given up", || hooks.numbers().given_up == 1).await;
        assert_eq!(receiver.got().len(), tries, "{said}");
    }
}

#[tokio::test]
async fn a_receiver_hears_of_the_calls_that_it_wants_and_no_others() {
    let receiver = Receiver::start(|_| Some(status(200))).await;
    let events = vec![HookEvent::Call(Outcome::Failed)];
    let hooks = Hooks::start(
        vec![
            Hook { events, ..hook(&receiver.address) },
            Hook {
                filter: Filter { key: Some("bob".to_owned()), ..Filter::default() },
                ..hook(&receiver.address)
            },
        ],
        &Courier::default(),
    );
    for outcome in [None, Some(Outcome::Complete), Some(Outcome::Aborted), Some(Outcome::Failed)] {
        hooks.offer(&call(outcome));
    }
    until("one is delivered", || hooks.numbers().delivered == 1).await;
    hooks.finish(Duration::from_secs(10)).await;
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    let body: Value = serde_json::from_slice(&got[0].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["outcome"]), (&"call.failed".into(), &"failed".into()));
}

/// I9, L7.
#[tokio::test]
async fn a_receiver_that_hangs_or_is_away_costs_its_webhooks_and_neither_calls_nor_the_end() {
    let hanging = Receiver::start(|_| None).await;
    for address in [hanging.address.clone(), nobody()] {
        let telemetry = telemetry();
        telemetry.count(true);
        telemetry.hook(Hooks::start(vec![hook(&address)], &Courier::default()));
        for _ in 0..3_000 {
            begin(&telemetry, "m", &HeaderMap::new()).refused(ErrorKind::Timeout);
        }
        let dropped: u64 =
            super::scraped(&telemetry)[r#"lockgate_webhooks_total{result="dropped"}"#].parse().unwrap();
        assert!(dropped >= 3_000 - 1_000 - 100, "{dropped}");
        let asked = Instant::now();
        telemetry.finish(Duration::from_millis(300)).await;
        assert!(asked.elapsed() < Duration::from_secs(5), "the end waits for nobody");
    }
}

#[tokio::test]
async fn what_waits_at_the_end_is_tried_once_more() {
    let receiver = Receiver::start(|number| Some(status(if number == 1 { 500 } else { 200 }))).await;
    let slow = Retry { first: Duration::from_mins(10), longest: Duration::from_mins(10), ..Retry::default() };
    let hooks = Hooks::start(vec![Hook { retry: slow, ..hook(&receiver.address) }], &Courier::default());
    hooks.offer(&call(Some(Outcome::Complete)));
    until("it was refused once", || receiver.got().len() == 1).await;
    hooks.finish(Duration::from_secs(10)).await;
    assert_eq!(receiver.got().len(), 2);
    assert_eq!(Hooks::default().numbers(), HookNumbers::default());
}

#[test]
fn the_published_schema_of_webhooks_is_that_of_the_types_and_describes_the_example() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let file = root.join("schema/webhook.schema.json");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&file, crate::webhook_schema()).unwrap();
    }
    let published = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(
        published,
        crate::webhook_schema(),
        "run `UPDATE_GENERATED=1 cargo nextest run -p lockgate-telemetry`"
    );
    let page = std::fs::read_to_string(root.join("docs/operations.md")).unwrap();
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let schema = serde_json::from_str(&published).unwrap();
    jsonschema::validate(&schema, &serde_json::from_str(example).unwrap()).unwrap();
    assert!(!jsonschema::is_valid(&schema, &serde_json::json!({"type": "call.completed"})));
}
