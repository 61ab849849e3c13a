//! Limits of keys: refused before anything goes upstream, in the caller's dialect, with when to come again.

use serde_json::{Value, json};

use crate::http::{self, Answer, Stream};
use crate::support::{Gateway, Home, Scripted, until};

const KEY: &str = "lg-of-the-test";

/// A gateway with one key that has these limits.
fn gateway(upstream: &Scripted, limits: &str) -> (Home, Gateway) {
    let home = Home::new();
    let hash = lockgate::key::hash(KEY);
    let key = format!("keys: [{{name: k, hash: '{hash}', limits: {{{limits}}}}}]\n");
    home.write("lockgate.yaml", &format!("providers:\n{}{key}", upstream.entry("up", "")));
    let gateway = Gateway::start(&home);
    (home, gateway)
}

fn words() -> Value {
    json!([{"role": "user", "content": "hello"}])
}

fn chat(gateway: &Gateway) -> Answer {
    http::post_as(
        KEY,
        gateway.address,
        "/v1/chat/completions",
        &json!({"model": "up:m", "messages": words()}),
    )
}

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: Yes}], usage: {input: 12, output: 34}}}]";

/// Limits with Retry-After, in three dialects.
#[test]
fn the_call_beyond_a_limit_is_429_in_the_callers_dialect_and_goes_nowhere() {
    let upstream = Scripted::start(SCRIPT);
    let (_home, gateway) = gateway(&upstream, "requests_per_minute: 2");
    assert_eq!((chat(&gateway).status, chat(&gateway).status), (200, 200));
    // Lists of models may be asked for at any time.
    let calls = || upstream.seen.requests().iter().filter(|request| request.method == "POST").count();
    let before = calls();
    let anthropic = json!({"model": "up:m", "max_tokens": 9, "messages": words()});
    let gemini = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
    let messages = http::post_as(KEY, gateway.address, "/v1/messages", &anthropic);
    let contents = http::post_as(KEY, gateway.address, "/v1beta/models/up:m:generateContent", &gemini);
    let completions = chat(&gateway);
    for answer in [&messages, &contents, &completions] {
        assert_eq!(answer.status, 429, "{}", answer.text);
        assert!(answer.text.contains("2 calls in a minute (requests_per_minute)"), "{}", answer.text);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    assert_eq!(messages.json()["error"]["type"], "rate_limit_error");
    assert_eq!(contents.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(completions.json()["error"]["type"], "rate_limit_error");
    assert_eq!(calls(), before, "nothing went upstream");
    let models =
        http::ask(gateway.address, "GET", "/v1/models", &[("authorization", &format!("Bearer {KEY}"))], "");
    assert_eq!(models.status, 200, "a list of models is no call");
}

#[test]
fn tokens_and_money_count_when_the_call_is_over() {
    let upstream = Scripted::start(SCRIPT);
    let (_home, gateway) = gateway(&upstream, "tokens_per_minute: 46");
    assert_eq!(chat(&gateway).status, 200);
    let refused = chat(&gateway);
    assert!(
        refused.status == 429 && refused.text.contains("46 tokens in a minute (tokens_per_minute)"),
        "{}",
        refused.text
    );
}

#[test]
fn money_of_a_day_is_counted_by_the_price_list() {
    let upstream = Scripted::start(
        "rules: [{answer: {blocks: [{text: Yes}], usage: {input: 1000000, output: 1000000}}}]",
    );
    let home = Home::new();
    let (hash, url) = (lockgate::key::hash(KEY), upstream.seen.url());
    home.write(
        "lockgate.yaml",
        &format!(
            "providers:\n  openai: {{kind: openai, base_url: '{url}/v1', api_key: sk-x}}\n\
             keys: [{{name: k, hash: '{hash}', limits: {{cost_per_day_usd: 1}}}}]\n"
        ),
    );
    let gateway = Gateway::start(&home);
    let ask = || {
        let body = json!({"model": "openai:gpt-4o", "messages": words()});
        http::post_as(KEY, gateway.address, "/v1/chat/completions", &body)
    };
    assert_eq!(ask().status, 200);
    let refused = ask();
    assert!(
        refused.status == 429 && refused.text.contains("1.00 USD in a day (UTC) (cost_per_day)"),
        "{}",
        refused.text
    );
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() <= 86_400);
}

/// Issue "May this happen?", 2: cost per minute. A day in place of a minute, so that no test waits for the clock.
#[test]
fn a_policy_bounds_what_the_calls_of_a_key_cost_in_a_time() {
    let upstream = Scripted::start(
        "rules: [{answer: {blocks: [{text: Yes}], usage: {input: 1000000, output: 1000000}}}]",
    );
    let home = Home::new();
    let (hash, url) = (lockgate::key::hash(KEY), upstream.seen.url());
    home.write(
        "lockgate.yaml",
        &format!(
            "providers:\n  openai: {{kind: openai, base_url: '{url}/v1', api_key: sk-x}}\nkeys: [{{name: k, hash: '{hash}'}}]\n\
             policies: {{chain: [{{limits: {{cost: [{{usd: 20, per: day}}]}}}}]}}\n"
        ),
    );
    let gateway = Gateway::start(&home);
    let ask = || {
        let body = json!({"model": "openai:gpt-4o", "messages": words()});
        http::post_as(KEY, gateway.address, "/v1/chat/completions", &body)
    };
    assert_eq!((ask().status, ask().status), (200, 200));
    let refused = ask();
    let told = "[Lockgate] This request was refused by the policy `limits`: the calls of this key have cost $25.00 in this day and may cost $20.00";
    assert!(refused.status == 403 && refused.text.contains(told), "{}", refused.text);
}

/// A provider that tells its own cost is believed by limits too, whole or streamed, whatever the dialect of the caller.
#[test]
fn money_of_a_day_is_counted_as_the_provider_says_it() {
    let usage = json!({"prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46, "cost": 0.6});
    let whole = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes"}, "finish_reason": "stop"}]});
    let script = json!({"rules": [{"raw": {"json": whole}}]});
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let upstream = Scripted::start(&script.to_string());
        let (_home, gateway) = gateway(&upstream, "cost_per_day_usd: 1");
        let ask = || {
            let body = json!({"model": "up:m", "max_tokens": 9, "messages": words()});
            http::post_as(KEY, gateway.address, path, &body)
        };
        assert_eq!((ask().status, ask().status), (200, 200), "0.60 USD, and 0.60 more");
        let refused = ask();
        assert!(refused.status == 429 && refused.text.contains("cost_per_day"), "{path}: {}", refused.text);
    }
}

/// A stream is running until its last byte, or until its client goes.
#[test]
fn a_call_counts_as_running_until_its_stream_ends_or_is_left() {
    let upstream = Scripted::start(
        "rules: [{answer: {blocks: [{text: Slow words}]}, chaos: {stall_after_events: 1, stall_ms: 60000}}]",
    );
    let (_home, gateway) = gateway(&upstream, "concurrency: 1");
    let body = json!({"model": "up:m", "stream": true, "messages": words()});
    let mut stream = Stream::post_as(KEY, gateway.address, "/v1/chat/completions", &body);
    stream.until("data: ");
    let refused = chat(&gateway);
    assert!(
        refused.status == 429 && refused.text.contains("1 calls at the same time (concurrency)"),
        "{}",
        refused.text
    );
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    drop(stream);
    until("there is room again", || chat(&gateway).status == 200);
}
