//! What belongs to one provider and must come back to it: signatures on thoughts and on tool calls.

use serde_json::{Value, json};

use crate::app::App;
use crate::client::Call;
use crate::front::{Front, Layout};

/// A model that thinks and calls a tool in each of six steps, then says that it is done.
const LOOP: &str = "rules: [{agent: {think: 'Next step.', steps: [{all: {get_weather: {city: A}}}, {all: {get_weather: {city: B}}}, {all: {get_weather: {city: C}}}, {all: {get_weather: {city: D}}}, {all: {get_weather: {city: E}}}, {all: {get_weather: {city: F}}}], then: All done.}}]";

/// One turn of a client: sends the conversation, returns the assistant's message as the client would resend it, with
/// the id of its call.
async fn chat_turn(app: &App, body: &Value) -> (Value, Option<String>) {
    let reply = app.send(&Call::post("/v1/chat/completions", body)).await;
    assert_eq!(reply.status, 200, "{} after {:#}", reply.text(), body["messages"]);
    let message = &reply.json()["choices"][0]["message"];
    let id = message["tool_calls"][0]["id"].as_str().map(str::to_owned);
    // A plain OpenAI client resends these three fields and nothing else.
    let mut kept = json!({"role": "assistant", "content": message["content"]});
    if id.is_some() {
        let calls = message["tool_calls"].as_array().unwrap().iter();
        let plain =
            calls.map(|call| json!({"id": call["id"], "type": "function", "function": call["function"]}));
        kept["tool_calls"] = plain.collect();
    }
    (kept, id)
}

/// Requirement 003-22.
#[tokio::test]
async fn a_chat_client_works_six_steps_with_gemini_and_its_thought_signatures() {
    let app = App::start(LOOP).await;
    let mut body = Front::Chat.body("gemini:gemini-3-pro", Layout::Whole);
    let mut steps = 0;
    loop {
        let (message, call) = chat_turn(&app, &body).await;
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(message.clone());
        let Some(id) = call else {
            assert_eq!(message["content"], "All done.");
            break;
        };
        steps += 1;
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "sunny"}));
    }
    assert_eq!((steps, app.upstream.violations()), (6, Vec::new()));
    let last = app.upstream.last().unwrap().json().to_string();
    assert_eq!(last.matches("thoughtSignature").count(), 6);
}

async fn anthropic_loop(app: &App, body: &mut Value, steps: usize) -> Option<String> {
    for _ in 0..steps {
        let reply = app.send(&Call::post("/v1/messages", body)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let answer = reply.json();
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(json!({"role": "assistant", "content": answer["content"]}));
        let calls: Vec<_> = answer["content"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|block| block["type"] == "tool_use")
            .collect();
        if calls.is_empty() {
            let blocks = answer["content"].as_array().unwrap();
            let text = blocks.iter().find_map(|block| block["text"].as_str());
            let text = text.unwrap_or_else(|| panic!("{answer:#}"));
            return Some(text.to_owned());
        }
        let results = calls
            .iter()
            .map(|call| json!({"type": "tool_result", "tool_use_id": call["id"], "content": "ok"}));
        let results: Vec<Value> = results.collect();
        messages.push(json!({"role": "user", "content": results}));
    }
    None
}

fn thinking(model: &str) -> Value {
    let mut body = Front::Anthropic.body(model, Layout::Whole);
    body["max_tokens"] = json!(4096);
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    body
}

/// Requirement 003-22.
#[tokio::test]
async fn an_anthropic_client_works_six_steps_with_gemini_and_its_thought_signatures() {
    let app = App::start(LOOP).await;
    let mut body = thinking("gemini:gemini-3-pro");
    assert_eq!(anthropic_loop(&app, &mut body, 7).await.as_deref(), Some("All done."));
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}

/// A signature goes back to nobody but its maker; that it was left out is declared.
#[tokio::test]
async fn a_session_that_moves_leaves_signatures_behind_and_says_so() {
    let app = App::start(LOOP).await;
    let mut body = thinking("anthropic:claude-x");
    anthropic_loop(&app, &mut body, 2).await;
    let signature = body["messages"][1]["content"][0]["signature"].as_str().unwrap().to_owned();
    for model in ["openai:gpt-x", "gemini:gemini-3-pro", "ollama:qwen"] {
        body["model"] = json!(model);
        let reply = app.send(&Call::post("/v1/messages", &body)).await;
        assert_eq!(reply.status, 200, "{model} {}", reply.text());
        assert!(
            reply.header("x-lockgate-lossy").unwrap_or_default().contains("thinking"),
            "{model} {reply:?}"
        );
        let sent = String::from_utf8(app.upstream.last().unwrap().body.to_vec()).unwrap();
        assert!(!sent.contains(&signature), "{model}");
    }
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}

/// A session that goes elsewhere for a turn and comes back finds its own signatures accepted again.
#[tokio::test]
async fn a_session_that_moves_away_and_back_is_accepted_everywhere() {
    let app = App::start(LOOP).await;
    for way in [
        ["anthropic:claude-x", "gemini:gemini-3-pro", "anthropic:claude-x"],
        ["gemini:gemini-3-pro", "anthropic:claude-x", "gemini:gemini-3-pro"],
        ["gemini:gemini-3-pro", "openai:gpt-x", "gemini:gemini-3-pro"],
        ["anthropic:claude-x", "anthropic:claude-y", "anthropic:claude-x"],
    ] {
        app.upstream.clear();
        let mut body = thinking(way[0]);
        for model in way {
            body["model"] = json!(model);
            assert_eq!(anthropic_loop(&app, &mut body, 2).await, None, "{way:?}");
        }
        body["model"] = json!(way[0]);
        assert_eq!(anthropic_loop(&app, &mut body, 1).await.as_deref(), Some("All done."), "{way:?}");
        assert_eq!(app.upstream.violations(), Vec::<String>::new(), "{way:?}");
    }
}

/// DeepSeek and Kimi refuse a tool loop whose calls come back without the thoughts that led to them.
#[tokio::test]
async fn servers_that_want_earlier_thoughts_get_them_from_clients_of_other_dialects() {
    let script = LOOP.replace("rules: [{", "rules: [{quirks: {reasoning_field: reasoning_content}, ");
    for (model, wants) in [("other:kimi-k2.6", true), ("other:qwen3", false)] {
        let app = App::start(&script).await;
        let mut body = thinking(model);
        anthropic_loop(&app, &mut body, 2).await;
        let sent = app.upstream.last().unwrap().json();
        let call = sent["messages"].as_array().unwrap().iter().find(|message| message["role"] == "assistant");
        let thoughts = &call.unwrap()["reasoning_content"];
        assert_eq!(thoughts, &if wants { json!("Next step.") } else { Value::Null }, "{model} {sent:#}");
    }
}

/// A request that is written anew for the sake of a foreign signature is asked for as the client asked.
#[tokio::test]
async fn a_session_that_moved_still_streams() {
    let app = App::start(LOOP).await;
    let mut body = thinking("gemini:gemini-3-pro");
    anthropic_loop(&app, &mut body, 2).await;
    body["model"] = json!("anthropic:claude-x");
    body["stream"] = json!(true);
    let reply = app.send(&Call::post("/v1/messages", &body)).await;
    assert!(reply.text().starts_with("event: message_start"), "{}", reply.text());
    assert_eq!(app.upstream.last().unwrap().json()["stream"], true);
}

/// Nor does a Chat client that did not ask for usage get a chunk of it.
#[tokio::test]
async fn a_chat_request_that_is_written_anew_brings_no_usage_that_was_not_asked_for() {
    let app = App::start(LOOP).await;
    anthropic_loop(&app, &mut thinking("gemini:gemini-3-pro"), 1).await;
    let mut body = Front::Chat.body("other:m", Layout::Stream);
    body["tools"][0]["function"]["parameters"]["properties"]["signature"] = json!({"type": "string"});
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "Hi.", "reasoning_content": "Hm."}));
    messages.push(json!({"role": "user", "content": "Go on."}));
    let reply = app.send(&Call::post("/v1/chat/completions", &body)).await;
    assert_eq!(app.upstream.last().unwrap().json()["stream_options"]["include_usage"], true);
    assert!(reply.text().contains("[DONE]") && !reply.text().contains("\"choices\":[]"), "{}", reply.text());
}
