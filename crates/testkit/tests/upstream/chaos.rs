//! Each fault and each habit, as a client sees it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{
    CHAT, End, GEMINI_SSE, MESSAGES, OLLAMA, RESPONSES, STREAMS, open, post, question, start, stream,
};

const CALL: &str = "answer: { chunk: 4, blocks: [{ text: Looking }, { tool_call: { name: get_weather, args: { city: Paris } } }] }";

async fn with(chaos: &str) -> lockgate_testkit::Running {
    start(&format!("rules: [{{ {CALL}, chaos: {{ {chaos} }} }}]")).await
}

async fn odd(quirks: &str) -> lockgate_testkit::Running {
    start(&format!("rules: [{{ {CALL}, quirks: {{ {quirks} }} }}]")).await
}

#[tokio::test]
async fn a_refused_call_gets_a_reset_and_no_byte() {
    let up = with("refused: true").await;
    let reply = stream(&up, CHAT).await;
    assert_eq!((reply.status, reply.end), (0, End::Reset));
}

#[tokio::test]
async fn a_reset_comes_after_exactly_so_many_events_or_bytes() {
    let up = with("reset_after_events: 3").await;
    for target in STREAMS {
        let reply = stream(&up, target).await;
        assert_eq!((reply.pieces.len(), reply.end), (3, End::Reset), "{target}");
    }
    let up = with("reset_after_bytes: 10").await;
    let reply = post(&up, CHAT, &question(CHAT, false)).await;
    assert_eq!((reply.pieces.concat().len(), reply.end), (10, End::Reset));
}

#[tokio::test]
async fn a_cut_stream_ends_properly_but_too_soon() {
    let up = with("close_after_events: 2").await;
    for target in STREAMS {
        let reply = stream(&up, target).await;
        assert_eq!((reply.pieces.len(), reply.end), (2, End::Clean), "{target}");
    }
}

#[tokio::test]
async fn a_slow_first_byte_is_as_slow_as_told() {
    let up = with("first_byte_delay_ms: 120").await;
    let start = Instant::now();
    stream(&up, CHAT).await;
    assert!(start.elapsed() >= Duration::from_millis(120));
    let seen = up.wait_over(1).await.unwrap();
    let first = seen[0].first_byte.unwrap();
    assert!(first.duration_since(seen[0].started) >= Duration::from_millis(120));
}

#[tokio::test]
async fn a_stall_is_silence_that_the_client_may_leave() {
    use tokio::io::AsyncReadExt;
    let up = with("stall_after_events: 2").await;
    let mut socket = open(&up, "POST", CHAT, "", &question(CHAT, true).to_string()).await;
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while seen.matches("data: ").count() < 2 {
        let n = socket.read(&mut buffer).await.unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..n]).unwrap());
    }
    let more = tokio::time::timeout(Duration::from_millis(150), socket.read(&mut buffer)).await;
    assert!(more.is_err(), "silence");
    drop(socket);
    assert!(up.wait_disconnected(1).await.unwrap()[0].finished.is_none());
}

#[tokio::test]
async fn split_bodies_are_the_same_bytes_in_small_pieces() {
    let script = "rules: [{ answer: { blocks: [{ text: \"ü世🌍\" }] }, chaos: { split_bytes: 1 } }]";
    let up = start(script).await;
    let reply = stream(&up, MESSAGES).await;
    assert!(reply.pieces.iter().all(|p| p.len() == 1));
    assert!(reply.text().contains("ü世🌍"));
    let up = start(&script.replace("split_bytes: 1", "split_utf8: true")).await;
    let reply = stream(&up, MESSAGES).await;
    let broken = reply.pieces.iter().filter(|p| std::str::from_utf8(p).is_err()).count();
    assert!(broken >= 3 && reply.text().contains("ü世🌍"));
}

#[tokio::test]
async fn an_error_inside_the_200_has_each_dialects_form() {
    let up = with("error_after_events: 2").await;
    let last = async |target| stream(&up, target).await.data().pop().unwrap();
    assert_eq!(last(MESSAGES).await["error"]["type"], "overloaded_error");
    assert_eq!(last(CHAT).await["error"]["type"], "server_error");
    let error = last(RESPONSES).await;
    assert_eq!((&error["type"], &error["sequence_number"]), (&json!("error"), &json!(2)));
    assert_eq!(last(GEMINI_SSE).await["error"]["status"], "UNAVAILABLE");
    let lines = stream(&up, OLLAMA).await.text();
    assert_eq!(
        serde_json::from_str::<Value>(lines.lines().last().unwrap()).unwrap(),
        json!({"error": "Overloaded"})
    );
    let whole = post(&up, CHAT, &question(CHAT, false)).await;
    assert_eq!((whole.status, whole.json()["error"].is_object()), (200, true));
}

#[tokio::test]
async fn malformed_json_is_malformed_in_both_forms() {
    let up = with("malformed_after_events: 1").await;
    assert!(serde_json::from_str::<Value>(&stream(&up, CHAT).await.events()[1].1).is_err());
    let whole = post(&up, CHAT, &question(CHAT, false)).await;
    assert!(whole.end == End::Clean && serde_json::from_str::<Value>(&whole.text()).is_err());
}

#[tokio::test]
async fn tool_faults_are_as_told() {
    let whole = async |chaos: &str| {
        let up = with(chaos).await;
        post(&up, CHAT, &question(CHAT, false)).await.json()["choices"][0].clone()
    };
    let missing = whole("missing_tool_call: true").await;
    assert_eq!(missing["finish_reason"], "tool_calls");
    assert!(missing["message"].get("tool_calls").is_none());
    let twice = whole("duplicate_tool_call: true").await;
    let calls = twice["message"]["tool_calls"].as_array().unwrap();
    assert!(calls.len() == 2 && calls[0] == calls[1]);
    let stop = whole("finish_stop: true").await;
    assert!(stop["finish_reason"] == "stop" && stop["message"]["tool_calls"].is_array());
    let empty = whole("empty: true").await;
    assert_eq!(empty["message"]["content"], "");
}

#[tokio::test]
async fn a_huge_body_is_as_huge_as_told() {
    let up = start("rules: [{ answer: { chunk: 10000 }, chaos: { huge_mb: 2 } }]").await;
    let reply = stream(&up, OLLAMA).await;
    assert!(reply.pieces.concat().len() > 2 * 1024 * 1024 && reply.end == End::Clean);
}

#[tokio::test]
async fn errors_have_status_retry_after_and_the_dialects_shape_or_a_proxys_page() {
    let up = start(
        "rules: [{ sequence: [{ error: { status: 429, retry_after: '7' } }, { error: { status: 529 } }, \
         { error: { status: 502, message: Bad Gateway, html: true } }, { error: { status: 429 } }] }]",
    )
    .await;
    let limited = stream(&up, MESSAGES).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    assert_eq!(limited.json()["error"]["type"], "rate_limit_error");
    assert_eq!(stream(&up, MESSAGES).await.json()["error"]["type"], "overloaded_error");
    let page = stream(&up, CHAT).await;
    assert_eq!((page.status, page.header("content-type")), (502, Some("text/html")));
    assert!(page.text().contains("<h1>502 Bad Gateway</h1>"));
    for _ in 0..2 {
        let last = stream(&up, GEMINI_SSE).await;
        assert_eq!((last.status, last.header("retry-after")), (429, None));
        assert_eq!(last.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    }
}

fn tool_deltas(reply: &crate::support::Reply) -> Vec<Value> {
    let deltas = reply.data().into_iter().map(|d| d["choices"][0]["delta"]["tool_calls"][0].clone());
    deltas.filter(|c| !c.is_null()).collect()
}

#[tokio::test]
async fn compatible_servers_have_their_habits_with_tool_deltas() {
    let seen = async |quirks: &str| tool_deltas(&stream(&odd(quirks).await, CHAT).await);
    assert!(seen("no_index: true").await.iter().all(|d| d.get("index").is_none()));
    assert!(seen("id_in_every_delta: true").await.iter().all(|d| d["id"].is_string()));
    let whole = seen("whole_arguments: true").await;
    assert_eq!((whole.len(), &whole[0]["function"]["arguments"]), (1, &json!(r#"{"city":"Paris"}"#)));
    assert!(seen("object_arguments: true").await[0]["function"]["arguments"].is_object());
    let two = "rules: [{ answer: { blocks: [{ tool_call: { name: a } }, { tool_call: { name: b } }] }, quirks: { zero_index: true } }]";
    assert!(tool_deltas(&stream(&start(two).await, CHAT).await).iter().all(|d| d["index"] == 0));
    let one = two.replace("zero_index", "all_calls_in_one_chunk");
    let data = stream(&start(&one).await, CHAT).await.data();
    assert_eq!(data[1]["choices"][0]["delta"]["tool_calls"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn compatible_servers_have_their_habits_with_framing_and_usage() {
    let comments = stream(&odd("comments: true").await, CHAT).await.text();
    assert!(comments.starts_with(": OPENROUTER PROCESSING\n\n"));
    assert!(stream(&odd("crlf: true").await, CHAT).await.text().contains("}\r\n\r\n"));
    assert!(stream(&odd("no_space: true").await, CHAT).await.text().starts_with("data:{"));
    assert!(!stream(&odd("no_done: true").await, CHAT).await.text().contains("[DONE]"));
    assert!(!stream(&odd("no_event_names: true").await, MESSAGES).await.text().contains("event:"));
    let last = stream(&odd("usage_on_last_chunk: true").await, CHAT).await.data().pop().unwrap();
    assert!(last["usage"].is_object() && last["choices"][0]["finish_reason"] == "tool_calls");
    let up = start(
        "rules: [{ answer: { blocks: [{ thinking: Hm }] }, quirks: { reasoning_field: reasoning_content } }]",
    )
    .await;
    assert_eq!(stream(&up, CHAT).await.data()[1]["choices"][0]["delta"]["reasoning_content"], "Hm");
}
