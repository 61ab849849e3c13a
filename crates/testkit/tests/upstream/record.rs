//! The record, the control API, authentication, caches and prices.

use std::time::{Duration, Instant};

use lockgate_testkit::Script;
use serde_json::json;

use crate::support::{CHAT, GEMINI, MESSAGES, OLLAMA, open, post, question, send, start};

#[tokio::test]
async fn requests_are_kept_as_they_came() {
    let up = start("").await;
    let body = question(CHAT, false).to_string();
    send(&up, "POST", "/v1/chat/completions?a=b", "X-Zed: 1\r\nx-Alpha: 2\r\n", &body).await;
    let seen = up.wait_for(1).await.unwrap();
    assert_eq!((seen[0].method.as_str(), seen[0].path(), seen[0].query()), ("POST", CHAT, "a=b"));
    let names: Vec<&str> = seen[0].headers.iter().map(|(k, _)| k.as_str()).collect();
    assert_eq!(names, ["Host", "X-Zed", "x-Alpha", "Connection", "Content-Length"]);
    assert_eq!(seen[0].body, body.as_bytes());
    assert_eq!((seen[0].status, seen[0].dialect), (Some(200), Some("chat")));
}

#[tokio::test]
async fn chunked_requests_and_kept_connections_work() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let up = start("").await;
    let body = question(CHAT, false).to_string();
    let mut socket = open(&up, "POST", CHAT, "", &body).await;
    let (a, b) = body.split_at(20);
    let chunked = format!(
        "POST {CHAT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n",
        a.len(),
        b.len()
    );
    socket.write_all(chunked.as_bytes()).await.unwrap();
    let mut all = String::new();
    socket.read_to_string(&mut all).await.unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 2);
    let seen = up.requests();
    assert_eq!(seen[0].body, seen[1].body);
    assert_eq!(seen[0].connection, seen[1].connection);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_at_once_in_the_middle_of_a_stall_and_before_the_first_byte() {
    for chaos in ["stall_after_events: 2", "first_byte_delay_ms: 60000"] {
        let up = start(&format!("rules: [{{ chaos: {{ {chaos} }} }}]")).await;
        let socket = open(&up, "POST", CHAT, "", &question(CHAT, true).to_string()).await;
        up.wait_for(1).await.unwrap();
        let left = Instant::now();
        drop(socket);
        let seen = up.wait_disconnected(1).await.unwrap();
        let noticed = seen[0].disconnected.unwrap();
        assert!(noticed >= left && noticed - left < Duration::from_millis(100), "{chaos}");
        assert!(seen[0].finished.is_none());
    }
}

#[tokio::test]
async fn an_answered_request_is_finished_and_not_disconnected() {
    let up = start("").await;
    post(&up, CHAT, &question(CHAT, true)).await;
    let seen = up.wait_over(1).await.unwrap();
    assert!(seen[0].finished.is_some() && seen[0].disconnected.is_none() && seen[0].sent_bytes > 0);
}

#[tokio::test]
async fn headers_that_must_not_leave_a_gateway_are_violations() {
    let up = start("").await;
    let body = question(GEMINI, false).to_string();
    let leaks = "x-lockgate-session: 1\r\nTE: trailers\r\nProxy-Authorization: x\r\n";
    let reply = send(&up, "POST", &format!("{GEMINI}?key=secret"), leaks, &body).await;
    assert_eq!(reply.status, 200);
    let found = up.violations().join("; ");
    for word in ["x-lockgate-session", "te reached", "proxy-authorization", "in the URL"] {
        assert!(found.contains(word), "{word}: {found}");
    }
}

#[tokio::test]
async fn tests_in_other_languages_read_clear_and_replace_over_http() {
    let up = start("prices: [{ model: gpt, input: 10, output: 100 }]").await;
    post(&up, CHAT, &question(CHAT, false)).await;
    let shown = send(&up, "GET", "/_upstream/requests", "", "").await;
    let entry = &shown.json()["requests"][0];
    assert_eq!((&entry["path"], &entry["json"]["model"]), (&json!(CHAT), &json!("gpt")));
    assert_eq!(shown.header("x-upstream-cost-nano-usd").unwrap(), up.cost_nano_usd().to_string());
    assert!(up.cost_nano_usd() > 0);
    assert_eq!(send(&up, "DELETE", "/_upstream/requests", "", "").await.status, 200);
    assert!(up.requests().is_empty());
    let bad = send(&up, "PUT", "/_upstream/script", "", "ruls: []").await;
    assert!(bad.status == 400 && bad.json()["error"].as_str().unwrap().contains("ruls"));
    send(&up, "PUT", "/_upstream/script", "", "rules: [{ answer: { blocks: [{ text: new }] } }]").await;
    let new = post(&up, CHAT, &question(CHAT, false)).await.json();
    assert_eq!(new["choices"][0]["message"]["content"], "new");
}

#[tokio::test]
async fn wrong_keys_are_refused_in_the_dialects_words() {
    let up = start("keys: [good]").await;
    let status = async |target: &str, header: &str| {
        let version = if target == MESSAGES { "anthropic-version: 2023-06-01\r\n" } else { "" };
        let body = question(target, false).to_string();
        let reply = send(&up, "POST", target, &format!("{version}{header}\r\n"), &body).await;
        (reply.status, reply.json())
    };
    assert_eq!(status(MESSAGES, "x-api-key: bad").await.1["error"]["type"], "authentication_error");
    assert_eq!(status(MESSAGES, "x-api-key: good").await.0, 200);
    assert_eq!(status(MESSAGES, "Authorization: Bearer good").await.0, 200);
    let (code, body) = status(CHAT, "Authorization: Bearer bad").await;
    assert_eq!((code, &body["error"]["code"]), (401, &json!("invalid_api_key")));
    assert_eq!(status(CHAT, "api-key: good").await.0, 200);
    assert_eq!(status(GEMINI, "x-goog-api-key: good").await.0, 200);
    assert_eq!(status(GEMINI, "x-goog-api-key: bad").await.0, 400);
    assert_eq!(status(OLLAMA, "x-none: 1").await.0, 401);
}

#[tokio::test]
async fn vertex_takes_only_fresh_tokens_from_the_token_endpoint() {
    let path = "/v1/projects/p/locations/global/publishers/google/models/gemini-3-pro:generateContent";
    let up = start("vertex: { check_tokens: true }").await;
    let body = question(GEMINI, false).to_string();
    let ask = async |token: &str| {
        send(&up, "POST", path, &format!("Authorization: Bearer {token}\r\n"), &body).await.status
    };
    assert_eq!(ask("forged").await, 401);
    let form = "grant_type=refresh_token&client_id=a&client_secret=b&refresh_token=c";
    let issued = send(&up, "POST", "/token", "", form).await.json();
    let token = issued["access_token"].as_str().unwrap().to_owned();
    assert_eq!(ask(&token).await, 200);
    up.set_script(Script::parse("vertex: { check_tokens: true, token_ttl_ms: 0 }").unwrap());
    assert_eq!(ask(&token).await, 200, "it keeps its own lifetime");
    let expired = send(&up, "POST", "/token", "", form).await.json();
    let token = expired["access_token"].as_str().unwrap();
    assert_eq!(ask(token).await, 401);
    assert_eq!(send(&up, "POST", "/token", "", "grant_type=none").await.status, 400);
}

#[tokio::test]
async fn anthropics_cache_is_written_at_breakpoints_read_later_and_explains_its_misses() {
    let up = start("").await;
    let long = "word ".repeat(2000);
    let mut ask = question(MESSAGES, false);
    ask["system"] = json!([{"type": "text", "text": long, "cache_control": {"type": "ephemeral"}}]);
    let first = post(&up, MESSAGES, &ask).await.json();
    assert!(first["usage"]["cache_creation_input_tokens"].as_u64().unwrap() > 2000);
    assert_eq!(first["usage"]["cache_read_input_tokens"], 0);
    ask["diagnostics"] = json!({"previous_message_id": first["id"]});
    let second = post(&up, MESSAGES, &ask).await.json();
    let written = &first["usage"]["cache_creation_input_tokens"];
    assert_eq!(&second["usage"]["cache_read_input_tokens"], written);
    assert_eq!(second["usage"]["cache_creation_input_tokens"], 0);
    assert_eq!(second["diagnostics"], json!({"cache_miss_reason": null}));
    ask["system"][0]["text"] = json!(format!("changed {long}"));
    let third = post(&up, MESSAGES, &ask).await.json();
    assert_eq!(third["usage"]["cache_read_input_tokens"], 0);
    assert_eq!(third["diagnostics"]["cache_miss_reason"]["type"], "system_changed");
}

#[tokio::test]
async fn openais_cache_holds_long_prefixes_by_itself() {
    let up = start("").await;
    let mut ask = question(CHAT, false);
    ask["messages"][0]["content"] = json!("word ".repeat(2000));
    let cached =
        |reply: serde_json::Value| reply["usage"]["prompt_tokens_details"]["cached_tokens"].as_u64().unwrap();
    assert_eq!(cached(post(&up, CHAT, &ask).await.json()), 0);
    let tokens = cached(post(&up, CHAT, &ask).await.json());
    assert!(tokens >= 1024 && tokens % 128 == 0);
}
