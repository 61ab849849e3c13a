//! Rules, sequences, agents and the ready scripts.

use lockgate_testkit::Script;
use serde_json::{Value, json};

use crate::support::{CHAT, GEMINI, MESSAGES, OLLAMA, RESPONSES, post, question, send, start};

fn said(reply: &Value) -> &str {
    reply["choices"][0]["message"]["content"].as_str().unwrap()
}

#[tokio::test]
async fn the_first_rule_that_fits_answers_as_often_as_it_may() {
    let up = start(
        "rules:
  - { when: { dialect: anthropic }, answer: { blocks: [{ text: wrong }] } }
  - { when: { model: 'o*' }, answer: { blocks: [{ text: wrong }] } }
  - { when: { body: { /n: 2 } }, answer: { blocks: [{ text: wrong }] } }
  - { when: { last_user_contains: weather, nth: 2 }, answer: { blocks: [{ text: second }] } }
  - { name: once, times: 1, when: { model: 'g?t', stream: false, offers_tool: get_weather }, answer: { blocks: [{ text: once }] } }",
    )
    .await;
    for expected in ["once", "second", "You said: weather?"] {
        assert_eq!(said(&post(&up, CHAT, &question(CHAT, false)).await.json()), expected);
    }
    assert_eq!(up.requests()[0].rule.as_deref(), Some("once"));
}

#[tokio::test]
async fn an_agent_calls_what_is_offered_then_ends_and_starts_anew_with_the_next_human_turn() {
    let up = start(
        "rules: [{ agent: { steps: [{ any: { other: {}, get_weather: { city: Paris } } }], then: Done. } }]",
    )
    .await;
    let mut ask = question(CHAT, false);
    for _ in 0..2 {
        let call = post(&up, CHAT, &ask).await.json()["choices"][0]["message"].clone();
        let id = call["tool_calls"][0]["id"].clone();
        let messages = ask["messages"].as_array_mut().unwrap();
        messages.push(call);
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "sunny"}));
        let end = post(&up, CHAT, &ask).await.json();
        assert_eq!(said(&end), "Done.");
        ask["messages"].as_array_mut().unwrap().push(json!({"role": "user", "content": "again"}));
    }
}

#[tokio::test]
async fn custom_and_namespaced_tools_are_called_in_their_own_form() {
    let up = start("rules: [{ agent: { steps: [{ all: { apply_patch: 'the patch', inner: { a: 1 } } }] } }]")
        .await;
    let ask = json!({
        "model": "gpt", "input": "hi",
        "tools": [
            {"type": "custom", "name": "apply_patch"},
            {"type": "namespace", "name": "outer", "tools": [{"type": "function", "name": "inner"}]},
        ],
    });
    let output = post(&up, RESPONSES, &ask).await.json()["output"].clone();
    assert_eq!((&output[0]["type"], &output[0]["input"]), (&json!("custom_tool_call"), &json!("the patch")));
    assert_eq!((&output[1]["name"], &output[1]["namespace"]), (&json!("inner"), &json!("outer")));
}

#[tokio::test]
async fn raw_responses_are_verbatim() {
    let up = start(
        "rules: [{ raw: { status: 207, headers: { content-type: x/y, x-b: 1 }, frames: ['a: b', 'c'] } }]",
    )
    .await;
    let reply = send(&up, "POST", "/v1/files", "", "{}").await;
    assert_eq!(reply.status, 404, "rules without a path are for answers only");
    let reply = post(&up, CHAT, &question(CHAT, true)).await;
    assert_eq!((reply.status, reply.header("x-b")), (207, Some("1")));
    assert_eq!(reply.pieces, [b"a: b".to_vec(), b"c".to_vec()]);
}

#[tokio::test]
async fn every_provider_is_found_on_its_real_paths() {
    let up = start("prefixes: [/inference/v1]").await;
    let chat = question(CHAT, false);
    for path in [
        "/inference/v1/chat/completions",
        "/api/v1/chat/completions",
        "/openai/v1/chat/completions",
        "/openai/deployments/gpt/chat/completions?api-version=2025-01-01",
    ] {
        assert_eq!(post(&up, path, &chat).await.json()["model"], "gpt", "{path}");
    }
    for path in [
        "/v1/publishers/google/models/gemini-3-pro:generateContent",
        "/v1beta1/projects/p/locations/l/publishers/google/models/gemini-3-pro:generateContent",
    ] {
        assert_eq!(post(&up, path, &question(GEMINI, false)).await.json()["modelVersion"], "gemini-3-pro");
    }
    assert_eq!(post(&up, "/v1/v1/chat/completions", &chat).await.status, 404);
    let get = async |path: &str, header: &str| send(&up, "GET", path, header, "").await.json();
    assert_eq!(get("/v1/models", "").await["object"], "list");
    assert_eq!(get("/v1/models", "anthropic-version: 1\r\n").await["data"][0]["type"], "model");
    assert!(get("/v1beta/models", "").await["models"][0]["supportedGenerationMethods"].is_array());
    assert!(get("/api/tags", "").await["models"][0]["details"].is_object());
    assert_eq!(get("/health", "").await, json!({"status": "ok"}));
    assert!(get("/props", "").await["default_generation_settings"]["n_ctx"].is_number());
    assert!(get("/version", "").await["version"].is_string());
    let count = post(&up, "/v1/messages/count_tokens", &question(MESSAGES, false)).await.json();
    assert!(count["input_tokens"].as_u64().unwrap() > 10);
    let embedded = json!({"model": "e", "input": ["a", "a", "b"]});
    let data = post(&up, "/v1/embeddings", &embedded).await.json()["data"].clone();
    assert_eq!(data[0]["embedding"], data[1]["embedding"]);
    assert_ne!(data[0]["embedding"], data[2]["embedding"]);
    let generated = post(&up, "/api/generate", &json!({"model": "q", "prompt": "hi", "stream": false})).await;
    assert_eq!(generated.json()["response"], "You said: hi");
    let id = post(&up, "/api/v1/chat/completions", &chat).await.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(get(&format!("/api/v1/generation?id={id}"), "").await["data"]["id"], id);
}

#[tokio::test]
async fn a_cloud_model_says_where_it_runs() {
    let up = start("models: [{ id: 'big:cloud', remote_host: 'https://ollama.com' }]").await;
    let mut ask = question(OLLAMA, false);
    ask["model"] = json!("big:cloud");
    assert_eq!(post(&up, OLLAMA, &ask).await.json()["remote_host"], "https://ollama.com");
    let tags = send(&up, "GET", "/api/tags", "", "").await.json();
    assert_eq!(tags["models"][0]["remote_host"], "https://ollama.com");
}

#[test]
fn every_ready_script_can_be_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/upstream");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        Script::load(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        read += 1;
    }
    assert!(read >= 20);
}

#[test]
fn a_rule_that_says_two_things_is_refused() {
    let error = Script::parse("rules: [{ error: { status: 500 }, raw: { body: x } }]").unwrap_err();
    assert!(error.to_string().contains("rule 1"), "{error}");
}

#[test]
fn the_reference_shows_a_script_that_can_be_read() {
    let text = include_str!("../../README.md");
    let yaml = text.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    assert_eq!(Script::parse(yaml).unwrap().rules.len(), 5);
}
