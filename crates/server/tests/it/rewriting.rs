//! Requests that policies rewrite as a whole, in every dialect before every dialect: what a strict provider gets is what was meant, and is taken.

use serde_json::{Value, json};

use crate::app::App;
use crate::enforcement::{answer_of, call, chain, providers};
use crate::front::{FRONTS, Front};
use crate::shapes::{Got, judge};

fn rewrites(more: &Value) -> Value {
    let mut rule = json!({"name": "r", "on": "call", "if": "true", "then": "rewrite"});
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"chain": [{"name": "house", "rules": [rule]}]})
}

/// Every number under these names, however deep.
fn numbers(value: &Value, names: &[&str], found: &mut Vec<f64>) {
    for (key, inner) in value.as_object().into_iter().flatten() {
        if names.contains(&&**key) {
            found.extend(inner.as_f64());
        }
        numbers(inner, names, found);
    }
}

const BOUND: [&str; 5] =
    ["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict"];

/// Issue "May this happen?", 1: the verdict "rewrite request".
#[tokio::test]
async fn a_rewritten_request_is_what_was_meant_in_every_dialect() {
    let app = App::start("rules: [{answer: {blocks: [{text: Fine.}]}}]").await;
    let policies = rewrites(&json!({
        "set": {"add_system": "Canary house rule.", "most_tokens": 77, "temperature": 0.25},
        "remove": {"tools": ["get_wea*"]},
    }));
    app.engine.set_policies(chain(policies));
    for front in FRONTS {
        for provider in providers(front) {
            for layout in front.layouts() {
                let place = format!("{front:?} to {provider} as {layout:?}");
                let reply = app.send(&call(front, &format!("{provider}:m"), *layout, None)).await;
                assert_eq!(answer_of(&place, front, *layout, &reply).text, "Fine.", "{place}");
                let seen = app.upstream.requests().pop().unwrap();
                let text = String::from_utf8_lossy(&seen.body).into_owned();
                let body: Value = serde_json::from_str(&text).unwrap();
                let of = |names: &[&str]| {
                    let mut found = Vec::new();
                    numbers(&body, names, &mut found);
                    found
                };
                assert_eq!((of(&BOUND), of(&["temperature"])), (vec![77.0], vec![0.25]), "{place}: {text}");
                assert_eq!(text.matches("Canary house rule.").count(), 1, "{place}: {text}");
                let tools = (text.contains("get_weather"), text.contains("get_time"));
                assert_eq!(tools, (false, true), "{place}: {text}");
                assert!(text.contains("How is the weather in Paris?"), "{place}: {text}");
            }
        }
    }
    let reports = app.reported();
    let said = &reports.last().unwrap().decisions;
    assert_eq!((said.len(), said[0].said.as_str(), said[0].applied), (1, "rewrite", true), "{said:?}");
}

#[tokio::test]
async fn what_a_rewrite_would_make_illegal_is_left_or_refused() {
    let app = App::start("rules: [{answer: {blocks: [{text: Fine.}]}}]").await;
    // Claude's budget of thoughts follows the bound, and a temperature beside thoughts is left out and told of.
    let policies = json!({"set": {"most_tokens": 2000, "temperature": 0.25}});
    app.engine.set_policies(chain(rewrites(&policies)));
    let mut ask = json!({"model": "anthropic:m", "max_tokens": 9000, "thinking": {"type": "enabled", "budget_tokens": 8000},
        "messages": [{"role": "user", "content": "hi"}]});
    let post = |body: &Value| {
        crate::client::Call::post("/v1/messages", body).header("anthropic-version", "2023-06-01")
    };
    assert_eq!(app.send(&post(&ask)).await.status, 200);
    let sent: Value = serde_json::from_slice(&app.upstream.requests().pop().unwrap().body).unwrap();
    assert_eq!((&sent["max_tokens"], &sent["thinking"]["budget_tokens"]), (&json!(2000), &json!(1024)));
    assert_eq!(sent.get("temperature"), None);
    let said = app.reported().last().unwrap().decisions.clone();
    let reasons: Vec<&str> = said.iter().map(|one| &*one.finding.reason).collect();
    assert!(reasons.iter().any(|reason| reason.contains("would be refused: temperature")), "{reasons:?}");
    // Reasoning models of OpenAI take no temperature, and the newer name of the bound.
    let chat = json!({"model": "openai:o3", "messages": [{"role": "user", "content": "hi"}]});
    let reply = app.send(&crate::client::Call::post("/v1/chat/completions", &chat)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sent: Value = serde_json::from_slice(&app.upstream.requests().pop().unwrap().body).unwrap();
    assert!(sent.get("temperature").is_none() && !sent.to_string().contains("\"max_tokens\""), "{sent}");
    // What cannot be changed does not go on.
    let before = app.upstream.requests().len();
    ask["system"] = json!(7);
    let add = json!({"set": {"add_system": "Never."}});
    app.engine.set_policies(chain(rewrites(&add)));
    let refused = judge(Front::Anthropic, crate::front::Layout::Whole, &app.send(&post(&ask)).await);
    let Ok(Got::Refused { message, status: 403 }) = refused else { panic!("{refused:?}") };
    assert!(message.contains("the policy could not judge the request: it cannot be rewritten"), "{message}");
    assert_eq!(app.upstream.requests().len(), before);
}

#[tokio::test]
async fn a_policy_that_may_not_change_requests_says_so_and_passes_them_as_they_came() {
    let app = App::start("rules: [{answer: {blocks: [{text: Fine.}]}}]").await;
    for mode in ["observe", "warn"] {
        let mut policies = rewrites(&json!({"set": {"temperature": 0.25}}));
        policies["chain"][0]["mode"] = mode.into();
        app.engine.set_policies(chain(policies));
        let body = Front::Chat.body("openai:m", crate::front::Layout::Whole);
        let reply = app.send(&crate::client::Call::post("/v1/chat/completions", &body)).await;
        let sent = app.upstream.requests().pop().unwrap();
        assert!(!String::from_utf8_lossy(&sent.body).contains("temperature"), "{mode}");
        assert_eq!(reply.text().contains("[Lockgate] The policy `house` warns"), mode == "warn", "{mode}");
        let said = app.reported().last().unwrap().decisions.clone();
        assert_eq!((said[0].said.as_str(), said[0].applied), ("rewrite", false), "{mode}");
    }
}

/// What is no conversation cannot be rewritten as a whole: `on_failure` says what becomes of it, and nothing is on record as done that was not.
#[tokio::test]
async fn a_rewrite_of_what_is_no_conversation_is_refused_or_passed_and_never_told_of_as_done() {
    let app = App::start("rules: [{when: {path: '/v1/completions'}, raw: {status: 200, body: '{}'}}]").await;
    let words = json!({"model": "openai:m", "prompt": "hi"});
    let ask = crate::client::Call::post("/v1/completions", &words);
    let embed = crate::client::Call::post("/v1/embeddings", &json!({"model": "openai:m", "input": "hi"}));
    let count = crate::client::Call::post(
        "/v1/messages/count_tokens",
        &json!({"model": "anthropic:m", "messages": [{"role": "user", "content": "hi"}]}),
    )
    .header("anthropic-version", "2023-06-01");
    for (call, on_failure, status) in [
        (&ask, "block", 403),
        (&ask, "pass", 200),
        (&embed, "block", 200),
        (&embed, "pass", 200),
        (&count, "block", 200),
    ] {
        let mut policies = rewrites(&json!({"set": {"add_system": "Canary house rule."}}));
        policies["chain"][0]["on_failure"] = on_failure.into();
        app.engine.set_policies(chain(policies));
        let reply = app.send(call).await;
        assert_eq!(reply.status, status, "{on_failure}: {}", reply.text());
        assert_eq!(reply.text().contains("it cannot be rewritten"), status == 403, "{}", reply.text());
        let said = app.reported().last().unwrap().decisions.clone();
        let rewrites: Vec<bool> =
            said.iter().filter(|one| one.said.as_str() == "rewrite").map(|one| one.applied).collect();
        assert_eq!(rewrites, [false], "{said:?}");
    }
}
