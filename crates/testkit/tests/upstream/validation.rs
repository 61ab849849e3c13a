//! What the real providers refuse is refused, in their words, and what they accept is accepted.

use lockgate_testkit::Running;
use serde_json::{Value, json};

use crate::support::{CHAT, GEMINI, MESSAGES, OLLAMA, RESPONSES, post, question, start};

/// Sets a field of a question, asks, and gives status and error text.
async fn told(up: &Running, target: &str, at: &str, value: Value) -> (u16, String) {
    let mut ask = question(target, false);
    match ask.pointer_mut(at) {
        Some(field) => *field = value,
        None => ask[at.trim_start_matches('/')] = value,
    }
    let reply = post(up, target, &ask).await;
    let body = reply.json();
    let message = body["error"]["message"].as_str().or_else(|| body["error"].as_str());
    (reply.status, message.unwrap_or_default().to_owned())
}

/// Each case: where, what, and a part of the refusal; empty for what is accepted.
pub(crate) async fn table(up: &Running, target: &str, cases: Vec<(&str, Value, &str)>) {
    for (at, value, part) in cases {
        let (status, message) = told(up, target, at, value.clone()).await;
        let expected = if part.is_empty() { 200 } else { 400 };
        assert_eq!(status, expected, "{target} {at} {value}: {message}");
        assert!(message.contains(part), "{target} {at} {value}: {message}");
    }
}

fn user(content: &Value) -> Value {
    json!({"role": "user", "content": content})
}

fn assistant(content: &Value) -> Value {
    json!({"role": "assistant", "content": content})
}

#[tokio::test]
async fn anthropic_refuses_what_breaks_its_rules_for_messages() {
    let up = start("").await;
    let call = json!({"type": "tool_use", "id": "t1", "name": "get_weather", "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "t1", "content": "ok", "is_error": false});
    let hi = user(&json!("hi"));
    let called = assistant(&json!([call]));
    table(
        &up,
        MESSAGES,
        vec![
            ("/model", Value::Null, "model: Field required"),
            ("/max_tokens", Value::Null, "max_tokens: Field required"),
            ("/messages", Value::Null, "messages: Field required"),
            ("/messages", json!([]), "at least one message"),
            ("/messages", json!([assistant(&json!("x"))]), "first message must use"),
            ("/messages", json!([{"role": "tool", "content": "x"}]), "Unexpected role"),
            ("/messages", json!([hi, {"role": "system", "content": "s"}]), ""),
            ("/messages", json!([user(&json!([{"type": "text", "text": ""}]))]), "must be non-empty"),
            ("/messages", json!([user(&json!(""))]), "non-empty content"),
            ("/messages", json!([hi, called]), "without `tool_result` blocks"),
            ("/messages", json!([hi, called, user(&json!("no"))]), "without `tool_result` blocks"),
            ("/messages", json!([hi, called, user(&json!([result]))]), ""),
            ("/messages", json!([hi, called, user(&json!([result, result]))]), "single result"),
            ("/messages", json!([hi, called, user(&json!([{"type": "text", "text": "x"}, result]))]), "t1"),
            ("/messages", json!([user(&json!([result]))]), "unexpected `tool_use_id`"),
            (
                "/messages",
                json!([hi, assistant(&json!([{"type": "tool_use", "id": "t", "name": "a", "input": "{}"}]))]),
                "valid dictionary",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn anthropic_refuses_what_breaks_its_rules_for_tools_thinking_and_caching() {
    let up = start("").await;
    let tool = json!({"name": "a", "input_schema": {"type": "object"}});
    let marked = json!({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}});
    let thinking = |budget: u32| json!({"type": "enabled", "budget_tokens": budget});
    table(
        &up,
        MESSAGES,
        vec![
            ("/tools", json!([tool, tool]), "tools: Tool names must be unique."),
            ("/tools", json!([{"name": "a b", "input_schema": {}}]), "should match pattern"),
            ("/tools", json!([{"name": "a"}]), "input_schema: Field required"),
            ("/thinking", thinking(1000), "greater than or equal to 1024"),
            ("/thinking", thinking(2000), "must be greater than `thinking.budget_tokens`"),
            ("/thinking", json!({"type": "adaptive"}), ""),
            ("/system", json!([marked, marked, marked, marked, marked]), "maximum of 4 blocks"),
            ("/system", json!([marked, marked, marked, marked]), ""),
        ],
    )
    .await;
    let mut ask = question(MESSAGES, false);
    ask["thinking"] = json!({"type": "adaptive"});
    ask["temperature"] = json!(0.5);
    assert!(post(&up, MESSAGES, &ask).await.text().contains("`temperature` may only be set to 1"));
}

#[tokio::test]
async fn anthropic_takes_back_its_own_thinking_unchanged_and_nothing_else() {
    let up = start("rules: [{ answer: { blocks: [{ thinking: Hm }, { text: yes }] } }]").await;
    let answer = post(&up, MESSAGES, &question(MESSAGES, false)).await.json()["content"].clone();
    let history = |content: &Value| json!([user(&json!("a")), assistant(content), user(&json!("b"))]);
    let mut altered = answer.clone();
    altered[0]["thinking"] = json!("Hm!");
    let mut foreign = answer.clone();
    foreign[0]["signature"] = json!("Zm9yZ2Vk");
    table(
        &up,
        MESSAGES,
        vec![
            ("/messages", history(&answer), ""),
            ("/messages", history(&altered), "cannot be modified"),
            ("/messages", history(&foreign), "Invalid `signature` in `thinking` block"),
            ("/messages", history(&json!([{"type": "redacted_thinking", "data": "x"}])), "Invalid `data`"),
        ],
    )
    .await;
}

/// A last answer that waits for results of its tools begins with its thoughts, where thinking has a budget.
#[tokio::test]
async fn anthropic_wants_thoughts_first_while_a_tool_loop_is_open() {
    let up = start("rules: [{ answer: { blocks: [{ thinking: Hm }, { text: Wait }, { tool_call: { name: get_weather } }] } }]").await;
    let answer = post(&up, MESSAGES, &question(MESSAGES, false)).await.json()["content"].clone();
    let result = json!({"type": "tool_result", "tool_use_id": answer[2]["id"], "content": "ok"});
    let (thought, said, call) = (&answer[0], &answer[1], &answer[2]);
    let cases = [
        (json!([thought, said, call]), "enabled", ""),
        (json!([said, thought, call]), "enabled", "the first block must be"),
        (json!([said, call]), "enabled", "Expected `thinking` or `redacted_thinking`, but found `text`"),
        (json!([call]), "enabled", "but found `tool_use`"),
        (json!([said, call]), "adaptive", ""),
        (json!([said, call]), "disabled", ""),
        (json!([thought, said, call]), "disabled", "When thinking is disabled"),
    ];
    for (content, mode, part) in cases {
        let mut ask = question(MESSAGES, false);
        ask["max_tokens"] = json!(4096);
        ask["thinking"] = json!({"type": mode});
        if mode == "enabled" {
            ask["thinking"]["budget_tokens"] = json!(1024);
        }
        ask["messages"] = json!([user(&json!("a")), assistant(&content), user(&json!([result]))]);
        let reply = post(&up, MESSAGES, &ask).await;
        assert_eq!(
            reply.status,
            if part.is_empty() { 200 } else { 400 },
            "{mode} {content}: {}",
            reply.text()
        );
        assert!(reply.text().contains(part), "{mode} {content}: {}", reply.text());
        // Once the user speaks again, the thoughts of the answer before are optional.
        if mode == "enabled" && !part.contains("first block") {
            ask["messages"].as_array_mut().unwrap().extend([assistant(&json!("Sunny.")), user(&json!("b"))]);
            assert_eq!(post(&up, MESSAGES, &ask).await.status, 200);
        }
    }
}

#[tokio::test]
async fn anthropic_refuses_schemas_that_are_open_or_bounded() {
    let up = start("").await;
    let schema = |schema: Value| json!({"format": {"type": "json_schema", "schema": schema}});
    let object =
        |field: Value| json!({"type": "object", "properties": {"a": field}, "additionalProperties": false});
    table(
        &up,
        MESSAGES,
        vec![
            ("/output_config", schema(object(json!({"type": "string"}))), ""),
            (
                "/output_config",
                schema(json!({"type": "object", "properties": {}})),
                "explicitly set to false",
            ),
            ("/output_config", schema(object(json!({"type": "object"}))), "explicitly set to false"),
            (
                "/output_config",
                schema(object(json!({"type": "string", "minLength": 1}))),
                "'minLength' is not",
            ),
            ("/output_config", schema(object(json!({"type": "array", "minItems": 2}))), "'minItems' values"),
            ("/output_config", schema(json!({"oneOf": [{"type": "string"}]})), "'oneOf'"),
        ],
    )
    .await;
}

/// Each case: model, a field and its value, and whether it is refused.
#[tokio::test]
async fn openai_refuses_parameters_that_a_model_does_not_have() {
    let up = start("").await;
    for (target, model, field, value, refused) in [
        (CHAT, "gpt-4o", "reasoning_effort", json!("low"), true),
        (CHAT, "llama-3.3-70b-versatile", "reasoning_effort", json!("low"), true),
        (CHAT, "gpt-5-chat-latest", "reasoning_effort", json!("low"), true),
        (CHAT, "gpt-5", "reasoning_effort", json!("low"), false),
        (CHAT, "gpt-5", "temperature", json!(0.2), true),
        (CHAT, "gpt-5", "temperature", json!(1), false),
        (CHAT, "o3", "top_p", json!(0.9), true),
        (CHAT, "gpt-4o", "temperature", json!(0.2), false),
        (CHAT, "gpt-5.1", "temperature", json!(0.2), false),
        (CHAT, "gpt-5.6", "temperature", json!(0.2), true),
        (CHAT, "o3", "max_tokens", json!(10), true),
        (CHAT, "o3", "max_completion_tokens", json!(10), false),
        (CHAT, "gpt-4o", "max_tokens", json!(10), false),
        (RESPONSES, "gpt-4o", "reasoning", json!({"effort": "low"}), true),
        (RESPONSES, "gpt-4o", "include", json!(["reasoning.encrypted_content"]), true),
        (RESPONSES, "o3", "include", json!(["reasoning.encrypted_content"]), false),
        (RESPONSES, "o3", "temperature", json!(0.2), true),
    ] {
        let mut ask = question(target, false);
        ask["model"] = json!(model);
        ask[field] = value;
        let reply = post(&up, target, &ask).await;
        assert_eq!(reply.status == 400, refused, "{model} {field}: {}", reply.text());
    }
}

#[tokio::test]
async fn chat_refuses_orphans_bad_names_and_arguments_that_are_not_text() {
    let up = start("").await;
    let call = |arguments: Value| {
        json!({"role": "assistant", "content": null, "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}},
        ]})
    };
    let result = json!({"role": "tool", "tool_call_id": "c1", "content": "ok"});
    let hi = user(&json!("hi"));
    let named = |name: &str| json!([{"type": "function", "function": {"name": name}}]);
    table(
        &up,
        CHAT,
        vec![
            ("/messages", json!([]), "empty array"),
            ("/messages", json!([hi, result]), "must be a response to a preceeding message"),
            ("/messages", json!([hi, call(json!("{}"))]), "did not have response messages: c1"),
            ("/messages", json!([hi, call(json!("{}")), hi]), "did not have response messages: c1"),
            ("/messages", json!([hi, call(json!("{}")), result]), ""),
            ("/messages", json!([hi, call(json!({})), result]), "expected a string"),
            ("/messages", json!([{"role": "model", "content": "x"}]), "Invalid value: 'model'"),
            ("/messages", json!([{"role": "user"}]), "got null"),
            ("/tools", named("a b"), "does not match pattern"),
            ("/tools", named(&"a".repeat(65)), "does not match pattern"),
            ("/stream_options", json!({"include_usage": true}), "only allowed when 'stream'"),
        ],
    )
    .await;
}

#[tokio::test]
async fn responses_refuses_orphan_outputs_open_calls_and_altered_reasoning() {
    let up =
        start("rules: [{ answer: { blocks: [{ thinking: Hm }, { tool_call: { name: get_weather } }] } }]")
            .await;
    let mut ask = question(RESPONSES, false);
    ask["include"] = json!(["reasoning.encrypted_content"]);
    let answer = post(&up, RESPONSES, &ask).await.json();
    let (reasoning, call) = (answer["output"][0].clone(), answer["output"][1].clone());
    let output = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "ok"});
    let mut altered = reasoning.clone();
    altered["encrypted_content"] = json!("gAAAAAforged");
    let hi = user(&json!("hi"));
    table(
        &up,
        RESPONSES,
        vec![
            ("/input", Value::Null, "Missing required parameter: 'input'"),
            ("/input", json!([hi, output]), "No tool call found for function call output"),
            ("/input", json!([hi, call]), "No tool output found for function call"),
            ("/input", json!([hi, reasoning, call, output]), ""),
            ("/input", json!([hi, altered, call, output]), "could not be verified"),
            ("/previous_response_id", json!("resp_none"), "not found"),
        ],
    )
    .await;
    let mut next = question(RESPONSES, false);
    next["previous_response_id"] = answer["id"].clone();
    next["input"] = json!([output]);
    assert_eq!(post(&up, RESPONSES, &next).await.status, 200);
}

#[tokio::test]
async fn gemini_refuses_unknown_fields_bad_roles_and_unequal_turns() {
    let up = start("").await;
    let said = |role: &str, part: Value| json!({"role": role, "parts": [part]});
    let call = json!({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "skip_thought_signature_validator"});
    let response = json!({"functionResponse": {"name": "f", "response": {}}});
    let hi = said("user", json!({"text": "hi"}));
    let declared =
        |parameters: Value| json!([{"functionDeclarations": [{"name": "f", "parameters": parameters}]}]);
    table(
        &up,
        GEMINI,
        vec![
            ("/messages", json!([]), "Unknown name \"messages\": Cannot find field."),
            ("/generationConfig", json!({"max_tokens": 1}), "Unknown name \"max_tokens\""),
            ("/generationConfig", json!({"max_output_tokens": 1}), ""),
            ("/contents", json!([]), "contents is not specified"),
            ("/contents", json!([said("assistant", json!({"text": "x"}))]), "valid role"),
            (
                "/contents",
                json!([said("user", json!({"type": "text", "text": "x"}))]),
                "Unknown name \"type\"",
            ),
            ("/contents", json!([said("user", json!({}))]), "must have one initialized field"),
            ("/contents", json!([hi, said("model", call.clone())]), "number of function response parts"),
            ("/contents", json!([hi, said("model", call), said("user", response.clone())]), ""),
            ("/contents", json!([hi, said("user", response)]), "immediately after a function call"),
            ("/tools", declared(json!({"type": "object", "$schema": "x"})), "Unknown name \"$schema\""),
            (
                "/tools",
                declared(json!({"type": "object", "properties": {"$schema": {"type": "string"}}})),
                "",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn gemini_three_wants_its_signature_back_on_the_calls_of_this_turn() {
    let up =
        start("rules: [{ answer: { blocks: [{ tool_call: { name: f } }, { tool_call: { name: g } }] } }]")
            .await;
    let answer = post(&up, GEMINI, &question(GEMINI, false)).await.json();
    let model = answer["candidates"][0]["content"].clone();
    let reply = |name: &str| json!({"functionResponse": {"name": name, "response": {}}});
    let history = |model: &Value| {
        json!([
            {"role": "user", "parts": [{"text": "a"}]}, model,
            {"role": "user", "parts": [reply("f"), reply("g")]},
        ])
    };
    let mut bare = model.clone();
    bare["parts"][0].as_object_mut().unwrap().remove("thoughtSignature");
    let mut forged = model.clone();
    forged["parts"][0]["thoughtSignature"] = json!("Zm9yZ2Vk");
    let mut url = model.clone();
    let signature = url["parts"][0]["thoughtSignature"].as_str().unwrap().replace('+', "-").replace('/', "_");
    url["parts"][0]["thoughtSignature"] = json!(signature);
    let mut old = history(&bare);
    old.as_array_mut().unwrap().push(json!({"role": "user", "parts": [{"text": "new turn"}]}));
    table(
        &up,
        GEMINI,
        vec![
            ("/contents", history(&model), ""),
            ("/contents", history(&url), ""),
            ("/contents", history(&bare), "missing a thought_signature"),
            ("/contents", history(&forged), "Corrupted thought signature"),
            ("/contents", old, ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn ollama_refuses_text_arguments_and_what_the_model_cannot_do() {
    let up = start("models: [{ id: qwen, capabilities: [completion, tools] }, { id: plain, capabilities: [completion] }]").await;
    let call = |arguments: Value| json!([{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}]);
    table(
        &up,
        OLLAMA,
        vec![
            ("/messages", call(json!("{}")), "cannot unmarshal string"),
            ("/messages", call(json!({})), ""),
            ("/messages", json!([user(&json!([{"type": "text", "text": "x"}]))]), "cannot unmarshal array"),
            ("/messages", json!([{"role": "developer", "content": "x"}]), "invalid role"),
            ("/model", json!("plain"), "does not support tools"),
            ("/think", json!(true), "does not support thinking"),
        ],
    )
    .await;
    let up = start("{ only_listed_models: true, models: [{ id: qwen }] }").await;
    assert_eq!(told(&up, OLLAMA, "/model", json!("none")).await, (404, "model 'none' not found".into()));
}

#[tokio::test]
async fn a_script_may_switch_validation_off() {
    let up = start("validate: false").await;
    table(&up, MESSAGES, vec![("/max_tokens", Value::Null, "")]).await;
}
