//! What belongs to one provider and must come back to it: signatures on thoughts and on tool calls.

use serde_json::{Value, json};

use crate::app::App;
use crate::client::Call;
use crate::front::{Front, Layout};

/// A model that thinks, says a word and calls a tool in each of six steps, then says that it is done.
pub(crate) const LOOP: &str = "rules: [{agent: {think: 'Next step.', say: 'Looking.', steps: [{all: {get_weather: {city: A}}}, {all: {get_weather: {city: B}}}, {all: {get_weather: {city: C}}}, {all: {get_weather: {city: D}}}, {all: {get_weather: {city: E}}}, {all: {get_weather: {city: F}}}], then: All done.}}]";

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

pub(crate) async fn anthropic_loop(app: &App, body: &mut Value, steps: usize) -> Option<String> {
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

pub(crate) fn thinking(model: &str) -> Value {
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

/// A Chat client with an effort, as a plain SDK sends it: it resends words and calls, never thoughts.
async fn chat_loop(app: &App, body: &mut Value, steps: usize) {
    for _ in 0..steps {
        let (message, call) = chat_turn(app, body).await;
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(message);
        messages.extend(call.map(|id| json!({"role": "tool", "tool_call_id": id, "content": "sunny"})));
    }
}

/// Requirement 003-22: thoughts come back before the words that they led to, or Claude refuses them.
#[tokio::test]
async fn a_chat_client_works_six_steps_with_claude_and_its_thoughts() {
    let app = App::start(LOOP).await;
    let mut body = Front::Chat.body("anthropic:claude-sonnet-4-5", Layout::Whole);
    body["reasoning_effort"] = json!("medium");
    chat_loop(&app, &mut body, 7).await;
    assert_eq!(body["messages"].as_array().unwrap().last().unwrap()["content"], "All done.");
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
    let last = app.upstream.last().unwrap().json();
    assert_eq!(last["thinking"]["type"], "enabled");
    let kinds: Vec<_> = last["messages"][1]["content"]
        .as_array()
        .unwrap()
        .iter()
        .map(|block| block["type"].clone())
        .collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
}

/// The same through Responses, whose clients bring their items back.
#[tokio::test]
async fn a_responses_client_works_six_steps_with_claude_and_its_thoughts() {
    let app = App::start(LOOP).await;
    let mut body = Front::Responses.body("anthropic:claude-sonnet-4-5", Layout::Whole);
    body["reasoning"] = json!({"effort": "high", "summary": "auto"});
    let question = body["input"].clone();
    body["input"] = json!([{"role": "user", "content": question.as_str().unwrap_or("weather?")}]);
    for step in 0..7 {
        let reply = app.send(&Call::post("/v1/responses", &body)).await;
        assert_eq!(reply.status, 200, "{step} {}", reply.text());
        let output = reply.json()["output"].as_array().unwrap().clone();
        let input = body["input"].as_array_mut().unwrap();
        for item in output {
            let id = item["call_id"].clone();
            let is_call = item["type"] == "function_call";
            input.push(item);
            if is_call {
                input.push(json!({"type": "function_call_output", "call_id": id, "output": "ok"}));
            }
        }
    }
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
    assert_eq!(app.upstream.last().unwrap().json()["thinking"]["type"], "enabled");
}

/// After a restart, or when the session came from elsewhere, nobody has the thoughts of an open tool loop any more: the
/// answer under way is ended without thinking, which is declared, and the next one thinks again.
#[tokio::test]
async fn a_tool_loop_whose_thoughts_are_gone_goes_on_without_thinking_and_says_so() {
    let app = App::start(LOOP).await;
    let mut body = Front::Chat.body("anthropic:claude-sonnet-4-5", Layout::Whole);
    body["reasoning_effort"] = json!("high");
    let call = json!({"id": "call_unknown", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}});
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "Looking.", "tool_calls": [call]}));
    messages.push(json!({"role": "tool", "tool_call_id": "call_unknown", "content": "sunny"}));
    let reply = app.send(&Call::post("/v1/chat/completions", &body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("x-lockgate-lossy").unwrap_or_default().contains("thinking"), "{reply:?}");
    assert_eq!(app.upstream.last().unwrap().json().get("thinking"), None);
    // The answer to this one has thoughts of its own, which nothing asked for; the loop still goes on.
    chat_loop(&app, &mut body, 2).await;
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "Sunny."}));
    messages.push(json!({"role": "user", "content": "And tomorrow?"}));
    let reply = app.send(&Call::post("/v1/chat/completions", &body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("x-lockgate-lossy"), None);
    assert_eq!(app.upstream.last().unwrap().json()["thinking"]["type"], "enabled");
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}

/// A session of Claude Code that moves to Claude from elsewhere inside a tool loop: its thoughts are another's.
#[tokio::test]
async fn a_tool_loop_that_moves_to_claude_goes_on_without_the_others_thoughts() {
    let app = App::start(LOOP).await;
    let mut body = thinking("gemini:gemini-3-pro");
    anthropic_loop(&app, &mut body, 2).await;
    body["model"] = json!("anthropic:claude-sonnet-4-5");
    assert_eq!(anthropic_loop(&app, &mut body, 5).await.as_deref(), Some("All done."));
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}

/// Claude Code always asks for thinking and an SDK may always set a temperature; a model that has neither gets neither.
#[tokio::test]
async fn parameters_that_a_model_refuses_are_left_out_and_declared() {
    let app = App::start("rules: []").await;
    for (model, effort, lost) in [
        ("openai:gpt-4o", None, "thinking"),
        ("openai:gpt-5", Some("low"), "temperature"),
        ("openai:gpt-5.1", Some("low"), "temperature"),
        ("other:llama-3.3-70b-versatile", None, "thinking"),
    ] {
        let mut body = Front::Anthropic.body(model, Layout::Whole);
        body["max_tokens"] = json!(4096);
        body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
        body["temperature"] = json!(0.3);
        let reply = app.send(&Call::post("/v1/messages", &body)).await;
        assert_eq!(reply.status, 200, "{model} {}", reply.text());
        let sent = app.upstream.last().unwrap().json();
        assert_eq!(sent["reasoning_effort"].as_str(), effort, "{model}");
        assert_eq!(sent.get("temperature").is_some(), effort.is_none(), "{model} {sent}");
        assert!(reply.header("x-lockgate-lossy").unwrap_or_default().contains(lost), "{model} {reply:?}");
    }
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}

/// An answer is as long as the model can make it when nobody bounds it: by the provider's list, or by its family.
#[tokio::test]
async fn an_answer_that_nobody_bounds_is_not_cut_short() {
    let app = App::start("rules: []").await;
    for (model, most) in
        [("claude-opus-4-1", 32_000), ("claude-haiku-4-5", 64_000), ("claude-opus-4-8", 128_000)]
    {
        let mut body = Front::Chat.body(&format!("anthropic:{model}"), Layout::Whole);
        body.as_object_mut().unwrap().remove("max_tokens");
        body.as_object_mut().unwrap().remove("max_completion_tokens");
        body["reasoning_effort"] = json!("xhigh");
        let reply = app.send(&Call::post("/v1/chat/completions", &body)).await;
        assert_eq!(reply.status, 200, "{model} {}", reply.text());
        let sent = app.upstream.last().unwrap().json();
        assert_eq!(sent["max_tokens"], most, "{model}");
        let budget = sent["thinking"]["budget_tokens"].as_u64().unwrap_or_default();
        assert!(budget <= most / 2, "{model} {budget}");
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
    let mut before = Front::Chat.body("anthropic:claude-sonnet-4-5", Layout::Whole);
    before["reasoning_effort"] = json!("medium");
    chat_loop(&app, &mut before, 2).await;
    let thoughts = app.upstream.last().unwrap().json();
    let signature = &thoughts["messages"][1]["content"][0]["signature"];
    assert!(signature.is_string(), "{thoughts:#}");
    let mut body = Front::Chat.body("other:m", Layout::Stream);
    let mut call =
        json!({"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}});
    call["extra_content"] = json!({"google": {"thought_signature": signature}});
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "Hi.", "tool_calls": [call]}));
    messages.push(json!({"role": "tool", "tool_call_id": "call_1", "content": "sunny"}));
    let reply = app.send(&Call::post("/v1/chat/completions", &body)).await;
    assert_eq!(app.upstream.last().unwrap().json()["stream_options"]["include_usage"], true);
    assert!(reply.text().contains("[DONE]") && !reply.text().contains("\"choices\":[]"), "{}", reply.text());
}

/// Only Anthropic demands that thoughts are sealed. Where they never are, a call passes as it came, also with a field called
/// `signature`, which here is a tool's parameter.
#[tokio::test]
async fn thoughts_stay_where_the_dialect_knows_no_seals() {
    let app = App::start(LOOP).await;
    anthropic_loop(&app, &mut thinking("gemini:gemini-3-pro"), 1).await;
    let parameter = json!({"type": "string"});
    let mut chat = Front::Chat.body("other:m", Layout::Whole);
    chat["tools"][0]["function"]["parameters"]["properties"]["signature"] = parameter.clone();
    let messages = chat["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "Hi.", "reasoning_content": "Hm."}));
    messages.push(json!({"role": "user", "content": "Go on."}));
    let mut ollama = Front::Ollama.body("ollama:m", Layout::Whole);
    ollama["tools"][0]["function"]["parameters"]["properties"]["signature"] = parameter;
    let messages = ollama["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": "Hi.", "thinking": "Hm."}));
    messages.push(json!({"role": "user", "content": "Go on."}));
    for (path, body) in [("/v1/chat/completions", chat), ("/api/chat", ollama)] {
        let reply = app.send(&Call::post(path, &body)).await;
        assert_eq!((reply.status, reply.header("x-lockgate-lossy")), (200, None), "{path} {}", reply.text());
        let sent = app.upstream.last().unwrap().json();
        assert_eq!(sent["messages"], body["messages"], "{path}");
        assert_eq!(sent["tools"], body["tools"], "{path}");
    }
    // Anthropic's own dialect goes on losing them: that API refuses thoughts without a signature.
    let mut anthropic = thinking("anthropic:claude-x");
    let unsigned =
        json!([{"type": "thinking", "thinking": "Hm.", "signature": ""}, {"type": "text", "text": "Hi."}]);
    let messages = anthropic["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": unsigned}));
    messages.push(json!({"role": "user", "content": "Go on."}));
    let reply = app.send(&Call::post("/v1/messages", &anthropic)).await;
    assert!(reply.header("x-lockgate-lossy").unwrap_or_default().contains("thinking.signature"), "{reply:?}");
    assert!(!app.upstream.last().unwrap().json().to_string().contains("Hm."));
}

/// Requirement 003-22: OpenAI's sealed thoughts come back through clients that have no field for them.
#[tokio::test]
async fn clients_of_other_dialects_work_six_steps_with_a_model_that_openai_has_on_responses_only() {
    let app = App::start(LOOP).await;
    let mut body = thinking("openai:gpt-5-codex");
    assert_eq!(anthropic_loop(&app, &mut body, 7).await.as_deref(), Some("All done."));
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
    let last = app.upstream.last().unwrap();
    assert_eq!(last.path(), "/v1/responses");
    assert_eq!(last.json().to_string().matches("encrypted_content\":").count(), 6, "{:#}", last.json());

    let mut body = Front::Chat.body("openai:gpt-5-codex", Layout::Whole);
    let mut steps = 0;
    loop {
        let (message, call) = chat_turn(&app, &body).await;
        let messages = body["messages"].as_array_mut().unwrap();
        messages.push(message.clone());
        let Some(id) = call else { break assert_eq!(message["content"], "All done.") };
        steps += 1;
        messages.push(json!({"role": "tool", "tool_call_id": id, "content": "sunny"}));
    }
    assert_eq!((steps, app.upstream.violations()), (6, Vec::new()));
    let last = app.upstream.last().unwrap().json().to_string();
    assert_eq!(last.matches("encrypted_content\":").count(), 6);
}

/// What Vercel's SDK sends by default: what it got as references, what it says itself in full.
fn next_of_a_referring_client(body: &Value, answer: &Value) -> Value {
    let mut next = body.clone();
    let input = next["input"].as_array_mut().unwrap();
    for item in answer["output"].as_array().unwrap() {
        if item["type"] == "function_call" {
            let (call, name, arguments) = (&item["call_id"], &item["name"], &item["arguments"]);
            let sent =
                json!({"type": "function_call", "call_id": call, "name": name, "arguments": arguments});
            input.push(sent);
            input.push(json!({"type": "function_call_output", "call_id": call, "output": "sunny"}));
        } else {
            input.push(json!({"type": "item_reference", "id": item["id"]}));
        }
    }
    next
}

/// Requirement I4: answers that were converted are stored nowhere else.
#[tokio::test]
async fn a_client_that_refers_to_items_of_converted_answers_goes_on_with_them() {
    for (provider, words) in
        [("anthropic:claude-x", "Looking."), ("gemini:gemini-3-pro", "Looking."), ("ollama:q", "Looking.")]
    {
        for layout in [Layout::Whole, Layout::Stream] {
            let app = App::start(LOOP).await;
            let mut body = Front::Responses.body(provider, layout);
            body["input"] = json!([{"role": "user", "content": "hi"}]);
            body["store"] = json!(true);
            let reply = app.send(&Call::post("/v1/responses", &body)).await;
            let answer = whole_response(&reply.text(), layout);
            let next = next_of_a_referring_client(&body, &answer);
            assert!(next.to_string().contains("item_reference"), "{next:#}");
            app.upstream.clear();
            let reply = app.send(&Call::post("/v1/responses", &next)).await;
            assert_eq!(reply.status, 200, "{provider} {}", reply.text());
            assert!(app.seen().json().to_string().contains(words), "{provider} {:#}", app.seen().json());
            assert_eq!(app.upstream.violations(), Vec::<String>::new());
            // The session moves to the vendor of the dialect, which has never seen these items.
            let mut moved = next.clone();
            moved["model"] = json!("openai:gpt-x");
            app.upstream.clear();
            app.send(&Call::post("/v1/responses", &moved)).await;
            let sent = app.seen().json().to_string();
            assert!(sent.contains(words) && !sent.contains("item_reference"), "{sent}");
        }
    }
}

fn whole_response(text: &str, layout: Layout) -> Value {
    match layout {
        Layout::Whole => serde_json::from_str(text).unwrap(),
        Layout::Array | Layout::Stream => {
            let last = text.rsplit("data: ").next().unwrap();
            serde_json::from_str::<Value>(last.trim()).unwrap()["response"].clone()
        }
    }
}

/// Requirement I4.
#[tokio::test]
async fn items_are_given_to_the_caller_who_got_them_and_not_kept_for_one_who_asks_so() {
    let app = App::with(LOOP, |setup| {
        setup.access = crate::access::keyed_all(&["lg-one", "lg-two"]);
    })
    .await;
    let mut body = Front::Responses.body("anthropic:claude-x", Layout::Whole);
    body["input"] = json!([{"role": "user", "content": "hi"}]);
    for (store, second, status) in
        [(Value::Null, "lg-one", 200), (json!(true), "lg-two", 400), (json!(false), "lg-one", 400)]
    {
        let mut body = body.clone();
        body["store"] = store;
        let call = |body: &Value, key: &str| Call::post("/v1/responses", body).header("x-lockgate-key", key);
        let answer = app.send(&call(&body, "lg-one")).await.json();
        let next = next_of_a_referring_client(&body, &answer);
        let reply = app.send(&call(&next, second)).await;
        assert_eq!(reply.status, status, "{second} {}", reply.text());
    }
}
