//! Bounds on what comes in and on how slowly.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::app::App;
use crate::client::{Call, Connection, HARD};
use crate::front::{FRONTS, Layout};
use crate::shapes::{Got, judge};

/// Requirement S1: counts and levels, before anything is parsed into memory; each bound is a setting.
#[tokio::test]
async fn too_many_messages_tools_or_levels_are_400_and_say_which_bound() {
    let app = App::with("rules: []", |setup| {
        setup.options.limits.messages = 3;
        setup.options.limits.tools = 2;
        setup.options.limits.nesting = 12;
    })
    .await;
    let message = json!({"role": "user", "content": "x"});
    let tool = json!({"name": "t", "input_schema": {"type": "object"}});
    let deep: serde_json::Value =
        serde_json::from_str(&format!("{}1{}", "[".repeat(20), "]".repeat(20))).unwrap();
    for (field, body) in [
        ("messages", json!({"messages": vec![message.clone(); 4]})),
        ("tools", json!({"messages": [message], "tools": vec![tool; 3]})),
        ("nest", json!({"messages": [message], "metadata": deep})),
    ] {
        let mut body = body;
        body["model"] = json!("anthropic:m");
        body["max_tokens"] = json!(5);
        let reply = app.send(&Call::post("/v1/messages", &body)).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["type"]),
            (400, &json!("invalid_request_error")),
            "{reply:?}"
        );
        let words = reply.json()["error"]["message"].as_str().unwrap().to_lowercase();
        assert!(words.contains(field), "{field}: {words}");
    }
    assert!(app.upstream.requests().is_empty());
}

#[tokio::test]
async fn too_large_or_too_many_headers_are_431() {
    let app = App::with("rules: []", |setup| {
        setup.bounds.header_bytes = 8192;
        setup.bounds.headers = 20;
    })
    .await;
    let mut many = Call::get("/v1/models");
    for number in 0..30 {
        many = many.header(&format!("x-{number}"), "1");
    }
    for call in [Call::get("/v1/models").header("x-big", &"a".repeat(20_000)), many] {
        assert_eq!(app.send(&call).await.status, 431);
    }
    for front in FRONTS {
        // With `host`, `content-type` and `content-length`.
        let call = front.call(&format!("{}:m", front.provider()), Layout::Whole);
        let with = |count: usize| {
            let left = count - call.headers.len() - 2;
            (0..left).fold(call.clone(), |call, number| call.header(&format!("x-{number}"), "1"))
        };
        assert_eq!(app.send(&with(20)).await.status, 200, "{front:?}");
        for count in [21, 40] {
            let reply = app.send(&with(count)).await;
            let got = judge(front, Layout::Whole, &reply);
            let Ok(Got::Refused { message, status: 431 }) = got else {
                panic!("{front:?} {got:?} {reply:?}")
            };
            assert!(message.contains("server.limits.headers"), "{message}");
        }
    }
    assert_eq!(app.send(&Call::get("/v1/models")).await.status, 200);
}

#[tokio::test]
async fn headers_over_their_bound_are_431_in_the_callers_dialect_at_the_exact_byte() {
    let app = App::with("rules: []", |setup| setup.bounds.header_bytes = 16_384).await;
    for front in FRONTS {
        let call = front.call(&format!("{}:m", front.provider()), Layout::Whole);
        let reply = app.send(&call.clone().header("x-big", &"a".repeat(16_384))).await;
        let got = judge(front, Layout::Whole, &reply);
        let Ok(Got::Refused { message, status: 431 }) = got else { panic!("{front:?} {got:?} {reply:?}") };
        assert!(message.contains("server.limits.header_bytes"), "{message}");
        let mut many = call.clone();
        for number in 0..20 {
            many = many.header(&format!("x-{number}"), &"a".repeat(900));
        }
        assert_eq!(app.send(&many).await.status, 431, "{front:?}");
        assert_eq!(app.send(&call.header("x-big", &"a".repeat(15_000))).await.status, 200, "{front:?}");
    }
}

/// What is no good request, or nothing we have, is said in plain words.
#[tokio::test]
async fn odd_requests_are_refused_for_what_they_are() {
    let app = App::start("rules: []").await;
    let reply = app.send(&Call::get("/nowhere")).await;
    assert_eq!((reply.status, &reply.json()["error"]["code"]), (404, &json!("unknown_url")));
    for (path, allowed) in [("/v1/messages", "POST"), ("/v1/chat/completions", "POST")] {
        let reply = app.send(&Call::get(path)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{path}");
    }
    let reply = app.send(&Call::post("/api/tags", &json!({}))).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")));
    let ask = crate::front::Front::Chat.call("openai:m", Layout::Whole);
    let mut doubled = ask.clone();
    doubled.path = format!("/{}", doubled.path);
    assert_eq!(app.send(&doubled).await.status, 200);
    let reply = app.send(&ask.clone().header("x-lockgate-strict", "maybe")).await;
    assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &json!("x-lockgate-strict")));
    let reply = app.send(&crate::front::Front::Chat.call("", Layout::Whole)).await;
    assert!(reply.status == 400 && reply.text().contains("`model` is missing"), "{reply:?}");
    let mut connection = Connection::open(app.addr).await;
    connection.write(b"GET /v1/models HTTP/1.1\r\n\r\n").await;
    assert_eq!(connection.reply().await.status, 400);
}

/// Design section 8: errors of ours carry the same ids as answers, and no header is empty.
#[tokio::test]
async fn errors_of_ours_have_a_task_id_and_a_request_id() {
    let app = App::start("rules: []").await;
    for front in FRONTS {
        let mut compressed = front.call(&format!("{}:m", front.provider()), Layout::Whole);
        compressed = compressed.header("content-encoding", "gzip");
        let foreign = front.call("m", Layout::Whole).header("origin", "https://evil.example");
        let mut wrong = front.call("m", Layout::Whole);
        wrong.method = "PUT".into();
        let broken = Call { body: b"{".to_vec(), ..front.call("m", Layout::Whole) };
        for (status, call) in [(415, compressed), (403, foreign), (405, wrong), (400, broken)] {
            let reply = app.send(&call).await;
            assert_eq!(reply.status, status, "{front:?} {reply:?}");
            assert_eq!(reply.header("x-task-id").map(str::len), Some(36), "{front:?} {status}");
            let anthropic = front == crate::front::Front::Anthropic;
            let id = reply.header(if anthropic { "request-id" } else { "x-request-id" });
            assert_eq!(id, reply.header("x-task-id"), "{front:?} {status}");
            if anthropic {
                assert_eq!(reply.json()["request_id"].as_str(), id);
            }
        }
    }
    let reply = app.send(&Call::get("/v1/models")).await;
    assert_eq!((reply.status, reply.header("x-provider"), reply.header("x-model")), (200, None, None));
}

#[tokio::test]
async fn a_head_that_trickles_in_ends_the_connection() {
    let app = App::with("rules: []", |setup| setup.bounds.head = Duration::from_millis(200)).await;
    let mut connection = Connection::open(app.addr).await;
    let begun = Instant::now();
    connection.write(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-slow: ").await;
    // A byte every now and then does not help: the bound is on the whole head.
    let mut status = None;
    while begun.elapsed() < HARD {
        use tokio::io::AsyncWriteExt;
        if connection.stream.write_all(b"a").await.is_err() {
            break;
        }
        if let Ok(head) = tokio::time::timeout(Duration::from_millis(50), connection.head()).await {
            status = head.map(|head| head.status);
            break;
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(status.is_none_or(|status| status == 408), "{status:?}");
}

#[tokio::test]
async fn a_body_that_stands_still_or_takes_too_long_is_408_in_every_dialect() {
    let still = App::with("rules: []", |setup| setup.bounds.body_idle = Duration::from_millis(150)).await;
    let long = App::with("rules: []", |setup| setup.bounds.body_whole = Duration::from_millis(150)).await;
    for (app, setting, front) in
        FRONTS.iter().flat_map(|front| [(&still, "body_idle_ms", *front), (&long, "body_ms", *front)])
    {
        let mut connection = Connection::open(app.addr).await;
        let path = front.path("m", Layout::Whole);
        let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{\"mod");
        connection.write(head.as_bytes()).await;
        let reply = connection.reply().await;
        let got = judge(front, Layout::Whole, &reply);
        let Ok(Got::Refused { message, status: 408 }) = got else { panic!("{front:?} {got:?} {reply:?}") };
        assert!(message.contains(&format!("server.slow_client.{setting})")), "{front:?} {message}");
    }
    assert!(still.upstream.requests().is_empty() && long.upstream.requests().is_empty());
}

/// A client that leaves its answer unread must not hold the upstream for ever.
#[tokio::test]
async fn a_client_that_does_not_read_loses_its_connection_and_the_upstream_is_told() {
    let app =
        App::with("rules: [{answer: {chunk: 4000, blocks: [{text: x}]}, chaos: {huge_mb: 24}}]", |setup| {
            setup.bounds.write_idle = Duration::from_millis(300);
        })
        .await;
    let call = crate::front::Front::Anthropic.call("anthropic:m", Layout::Stream);
    let connection = app.begin(&call).await;
    let seen = app.upstream.wait_disconnected(1).await.unwrap();
    assert!(seen[0].finished.is_none());
    drop(connection);
}
