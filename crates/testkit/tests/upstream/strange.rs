//! Fields that no provider of a dialect knows, and choices of tools that were not offered, are refused in the providers' words; what any of
//! them takes is taken.

use serde_json::json;

use crate::support::{CHAT, GEMINI, MESSAGES, OLLAMA, RESPONSES, start};
use crate::validation::table;

const EXTRA: &str = ": Extra inputs are not permitted";

#[tokio::test]
async fn anthropic_takes_no_field_that_it_does_not_know() {
    let up = start("").await;
    let with = |block: serde_json::Value| json!([{"role": "user", "content": [block]}]);
    let tool = json!({"name": "a", "input_schema": {"type": "object"}});
    let mut odd = tool.clone();
    odd["parameters"] = json!({});
    table(
        &up,
        MESSAGES,
        vec![
            ("/reasoning_effort", json!("low"), "reasoning_effort: Extra inputs are not permitted"),
            ("/context_management", json!({"edits": []}), ""),
            ("/top_k", json!(3), ""),
            ("/metadata", json!({"trace": 1}), "metadata.trace: Extra inputs are not permitted"),
            ("/metadata", json!({"user_id": "u"}), ""),
            ("/thinking", json!({"type": "adaptive", "effort": "low"}), EXTRA),
            ("/tools", json!([odd]), "tools.0.custom.parameters: Extra inputs are not permitted"),
            ("/tools", json!([{"type": "bash_20250124", "name": "bash", "anything": 1}]), ""),
            ("/messages", json!([{"role": "user", "content": "x", "name": "u"}]), "messages.0.name: Extra"),
            (
                "/messages",
                with(json!({"type": "text", "text": "x", "logprobs": []})),
                "messages.0.content.0.text.logprobs: Extra inputs are not permitted",
            ),
            (
                "/messages",
                with(json!({"type": "image", "source": {"type": "url", "url": "https://x/y", "detail": "low"}})),
                "messages.0.content.0.image.source.url.detail: Extra inputs are not permitted",
            ),
            ("/system", json!([{"type": "text", "text": "x", "name": "s"}]), "system.0.text.name: Extra"),
        ],
    )
    .await;
}

#[tokio::test]
async fn openai_takes_no_field_that_neither_it_nor_a_compatible_server_knows() {
    let up = start("").await;
    let function = json!({"name": "a", "parameters": {}, "input_schema": {}});
    let said = |extra: &str| json!([{"role": "user", "content": "x", extra: 1}]);
    table(
        &up,
        CHAT,
        vec![
            ("/max_output_tokens", json!(9), "Unrecognized request argument supplied: max_output_tokens"),
            ("/top_k", json!(9), ""),
            ("/chat_template_kwargs", json!({"enable_thinking": false}), ""),
            ("/stream_options", json!(null), ""),
            ("/response_format", json!({"type": "text", "strict": true}), "'response_format.strict'"),
            (
                "/tools",
                json!([{"type": "function", "function": function}]),
                "'tools[0].function.input_schema'",
            ),
            ("/messages", said("thinking"), "Unknown parameter: 'messages[0].thinking'."),
            ("/messages", said("reasoning_content"), ""),
            (
                "/messages",
                json!([{"role": "user", "content": [{"type": "text", "text": "x", "citations": []}]}]),
                "'messages[0].content[0].citations'",
            ),
        ],
    )
    .await;
    let item = |extra: &str| json!([{"type": "message", "role": "user", "content": "x", extra: 1}]);
    table(
        &up,
        RESPONSES,
        vec![
            ("/max_tokens", json!(9), "Unknown parameter: 'max_tokens'."),
            ("/client_metadata", json!({}), ""),
            ("/reasoning", json!({"max_tokens": 1}), "'reasoning.max_tokens'"),
            ("/text", json!({"format": {"type": "text"}, "schema": 1}), "'text.schema'"),
            ("/tools", json!([{"type": "function", "name": "a", "function": {}}]), "'tools[0].function'"),
            ("/input", item("name"), "Unknown parameter: 'input[0].name'."),
            ("/input", item("id"), ""),
        ],
    )
    .await;
}

#[tokio::test]
async fn gemini_takes_no_name_that_it_does_not_know_and_ollama_skips_them() {
    let up = start("").await;
    let part = |part: serde_json::Value| json!([{"role": "user", "parts": [part]}]);
    table(
        &up,
        GEMINI,
        vec![
            ("/stream", json!(true), "Unknown name \"stream\""),
            ("/tool_config", json!({"function_calling_config": {"mode": "AUTO"}}), ""),
            ("/toolConfig", json!({"toolChoice": "auto"}), "Unknown name \"toolChoice\" at 'tool_config'"),
            (
                "/generationConfig",
                json!({"thinkingConfig": {"effort": "low"}}),
                "Unknown name \"effort\" at 'generation_config.thinking_config'",
            ),
            ("/contents", json!([{"role": "user", "parts": [{"text": "x"}], "name": "u"}]), "'contents[0]'"),
            (
                "/contents",
                part(json!({"inlineData": {"mimeType": "image/png", "data": "aGk=", "detail": "low"}})),
                "at 'contents[0].parts[0].inlineData'",
            ),
        ],
    )
    .await;
    table(&up, OLLAMA, vec![("/tool_choice", json!("auto"), ""), ("/anything", json!(1), "")]).await;
}

#[tokio::test]
async fn a_choice_of_a_tool_that_was_not_offered_is_refused() {
    let up = start("").await;
    let schema = json!({"type": "object"});
    for (target, tools, place, cases) in [
        (
            MESSAGES,
            json!([{"name": "a", "input_schema": schema}]),
            "/tool_choice",
            vec![
                (json!({"type": "tool", "name": "b"}), "Tool 'b' not found in provided tools"),
                (json!({"type": "tool", "name": "a"}), ""),
            ],
        ),
        (
            CHAT,
            json!([{"type": "function", "function": {"name": "a", "parameters": schema}}]),
            "/tool_choice",
            vec![
                (json!({"type": "function", "function": {"name": "b"}}), "no function named 'b'"),
                (json!({"type": "function", "function": {"name": "a"}}), ""),
                (
                    json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "b"}}]}}),
                    "no function named 'b'",
                ),
            ],
        ),
        (
            RESPONSES,
            json!([{"type": "function", "name": "a", "parameters": schema, "strict": false}]),
            "/tool_choice",
            vec![
                (json!({"type": "function", "name": "b"}), "'b' not found in 'tools' parameter"),
                (json!({"type": "function", "name": "a"}), ""),
                (
                    json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "b"}]}),
                    "'b'",
                ),
            ],
        ),
        (
            GEMINI,
            json!([{"functionDeclarations": [{"name": "a"}]}]),
            "/toolConfig",
            vec![
                (
                    json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["b"]}}),
                    "`b` is not among",
                ),
                (json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a"]}}), ""),
                (
                    json!({"functionCallingConfig": {"mode": "AUTO", "allowedFunctionNames": ["a"]}}),
                    "ANY or VALIDATED",
                ),
            ],
        ),
    ] {
        for (choice, part) in cases {
            let mut ask = crate::support::question(target, false);
            ask["tools"] = tools.clone();
            ask[place.trim_start_matches('/')] = choice.clone();
            let reply = crate::support::post(&up, target, &ask).await;
            let expected = if part.is_empty() { 200 } else { 400 };
            assert_eq!(reply.status, expected, "{target} {choice}: {reply:?}");
            let message = reply.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains(part), "{target} {choice}: {message}");
        }
    }
    let mut ask = crate::support::question(MESSAGES, false);
    (ask["tools"], ask["tool_choice"]) = (json!([]), json!({"type": "auto"}));
    let reply = crate::support::post(&up, MESSAGES, &ask).await;
    assert!(reply.status == 400 && reply.text().contains("while providing `tools`"), "{reply:?}");
}
