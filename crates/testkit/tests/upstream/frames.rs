//! The frames of each dialect, in the order in which the real provider sends them.

use serde_json::{Value, json};

use crate::support::{
    CHAT, End, GEMINI, GEMINI_SSE, MESSAGES, OLLAMA, RESPONSES, STREAMS, post, question, start, stream,
};

const TOOL: &str = "
rules:
  - answer:
      chunk: 6
      blocks:
        - thinking: Hm, Paris
        - text: Let me look.
        - tool_call: { name: get_weather, args: { city: Paris } }
      usage: { input: 10, cached: 4, cache_write: 2, output: 9, reasoning: 3 }
";

fn types(reply: &crate::support::Reply) -> Vec<String> {
    let mut kinds: Vec<String> =
        reply.data().iter().map(|d| d["type"].as_str().unwrap_or_default().to_owned()).collect();
    kinds.dedup();
    kinds
}

#[tokio::test]
async fn a_chat_stream_starts_with_the_role_names_a_tool_once_and_ends_with_done() {
    let up = start(TOOL).await;
    let mut ask = question(CHAT, true);
    ask["stream_options"] = json!({"include_usage": true});
    let reply = post(&up, CHAT, &ask).await;
    assert_eq!(reply.events().last().unwrap().1, "[DONE]");
    let data = reply.data();
    assert_eq!(data[0]["choices"][0]["delta"]["role"], "assistant");
    let calls: Vec<&Value> =
        data.iter().map(|d| &d["choices"][0]["delta"]["tool_calls"][0]).filter(|c| !c.is_null()).collect();
    assert_eq!(calls[0]["function"]["name"], "get_weather");
    assert!(calls[1..].iter().all(|c| c.get("id").is_none() && c["function"].get("name").is_none()));
    let args: String = calls.iter().map(|c| c["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(args, r#"{"city":"Paris"}"#);
    let finish = &data[data.len() - 2];
    assert_eq!(finish["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(finish["usage"], Value::Null);
    let usage = data.last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["prompt_tokens"], 16);
    assert_eq!(usage["usage"]["prompt_tokens_details"]["cached_tokens"], 4);
    assert_eq!(usage["usage"]["completion_tokens_details"]["reasoning_tokens"], 3);
    assert!(!reply.text().contains("Hm"), "OpenAI hides thinking");
}

#[tokio::test]
async fn a_chat_stream_has_no_usage_unless_asked() {
    let up = start(TOOL).await;
    assert!(stream(&up, CHAT).await.data().iter().all(|d| d.get("usage").is_none()));
}

#[tokio::test]
async fn a_messages_stream_pairs_events_pings_and_counts_up_its_usage() {
    let up = start(TOOL).await;
    let reply = stream(&up, MESSAGES).await;
    assert!(reply.events().iter().all(|(name, data)| data.starts_with(&format!("{{\"type\":\"{name}\""))));
    let mut expected = vec!["message_start", "ping"];
    for _ in 0..3 {
        expected.extend(["content_block_start", "content_block_delta", "content_block_stop"]);
    }
    expected.extend(["message_delta", "message_stop"]);
    assert_eq!(types(&reply), expected);
    let data = reply.data();
    let deltas: Vec<&str> = data.iter().filter_map(|d| d["delta"]["type"].as_str()).collect();
    let signature = deltas.iter().position(|d| *d == "signature_delta").unwrap();
    assert_eq!(deltas[signature - 1], "thinking_delta");
    assert_eq!(deltas[signature + 1], "text_delta");
    let json: String = data.iter().filter_map(|d| d["delta"]["partial_json"].as_str()).collect();
    assert_eq!(json, r#"{"city":"Paris"}"#);
    assert_eq!(data[0]["message"]["usage"]["input_tokens"], 10);
    let end = &data[data.len() - 2];
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
    assert_eq!(end["usage"]["output_tokens"], 9);
    assert_eq!(end["usage"]["cache_read_input_tokens"], 4);
}

#[tokio::test]
async fn a_responses_stream_numbers_its_events_and_ends_with_the_whole_response() {
    let up = start(TOOL).await;
    let reply = stream(&up, RESPONSES).await;
    let data = reply.data();
    assert!(data.iter().enumerate().all(|(at, d)| d["sequence_number"] == at));
    assert!(!reply.text().contains("[DONE]"));
    let kinds = types(&reply);
    let place =
        |kind: &str| kinds.iter().position(|k| k == kind).unwrap_or_else(|| panic!("{kind} is missing"));
    let order = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_text.done",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.completed",
    ];
    assert!(order.map(place).is_sorted());
    let output = data.last().unwrap()["response"]["output"].as_array().unwrap();
    let done: Vec<&Value> =
        data.iter().filter(|d| d["type"] == "response.output_item.done").map(|d| &d["item"]).collect();
    assert_eq!(output.iter().collect::<Vec<_>>(), done);
    assert_eq!(data.last().unwrap()["response"]["usage"]["input_tokens_details"]["cached_tokens"], 4);
}

#[tokio::test]
async fn encrypted_reasoning_comes_only_when_asked_for() {
    let up = start(TOOL).await;
    let mut ask = question(RESPONSES, false);
    assert!(post(&up, RESPONSES, &ask).await.json()["output"][0].get("encrypted_content").is_none());
    ask["include"] = json!(["reasoning.encrypted_content"]);
    assert!(post(&up, RESPONSES, &ask).await.json()["output"][0]["encrypted_content"].is_string());
}

#[tokio::test]
async fn a_gemini_stream_has_crlf_stops_with_stop_and_signs_the_call() {
    let up = start(TOOL).await;
    let mut ask = question(GEMINI_SSE, true);
    ask["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
    let reply = post(&up, GEMINI_SSE, &ask).await;
    assert!(reply.text().ends_with("\r\n\r\n") && !reply.text().contains("[DONE]"));
    let data = reply.data();
    let last = &data.last().unwrap()["candidates"][0];
    assert_eq!(last["finishReason"], "STOP");
    assert_eq!(last["content"]["parts"][0]["functionCall"]["args"], json!({"city": "Paris"}));
    assert!(last["content"]["parts"][0]["thoughtSignature"].is_string());
    assert_eq!(data[0]["candidates"][0]["content"]["parts"][0]["thought"], true);
    let usage = &data.last().unwrap()["usageMetadata"];
    assert_eq!((&usage["candidatesTokenCount"], &usage["thoughtsTokenCount"]), (&json!(6), &json!(3)));
    assert_eq!(usage["promptTokenCount"], 16);
}

#[tokio::test]
async fn a_gemini_stream_without_sse_is_one_json_array() {
    let up = start(TOOL).await;
    let reply = post(&up, GEMINI_SSE.trim_end_matches("?alt=sse"), &question(GEMINI, true)).await;
    assert!(reply.json().as_array().unwrap().len() > 1 && reply.pieces.len() > 1);
}

#[tokio::test]
async fn an_ollama_stream_is_lines_with_whole_calls_and_nanoseconds() {
    let up = start(TOOL).await;
    let reply = stream(&up, OLLAMA).await;
    let lines: Vec<Value> = reply.text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let call = lines.iter().find_map(|l| l["message"]["tool_calls"].as_array()).unwrap();
    assert_eq!(call[0]["function"]["arguments"], json!({"city": "Paris"}));
    let last = lines.last().unwrap();
    assert_eq!((&last["done"], &last["done_reason"]), (&json!(true), &json!("stop")));
    assert_eq!(last["eval_duration"], 90_000_000);
    assert!(lines[..lines.len() - 1].iter().all(|l| l["done"] == false));
}

#[tokio::test]
async fn ollama_escapes_as_go_does() {
    let up = start("rules: [{ answer: { blocks: [{ text: \"a<b>&\\u2028\" }] } }]").await;
    let reply = post(&up, OLLAMA, &question(OLLAMA, false)).await;
    assert!(reply.text().contains("a\\u003cb\\u003e\\u0026\\u2028"));
    assert_eq!(reply.json()["message"]["content"], "a<b>&\u{2028}");
}

#[tokio::test]
async fn whole_answers_say_the_same_as_streams() {
    let up = start(TOOL).await;
    let chat = post(&up, CHAT, &question(CHAT, false)).await.json();
    assert_eq!(chat["choices"][0]["message"]["content"], "Let me look.");
    let args = r#"{"city":"Paris"}"#;
    assert_eq!(chat["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], args);
    let messages = post(&up, MESSAGES, &question(MESSAGES, false)).await.json();
    let kinds: Vec<&str> =
        messages["content"].as_array().unwrap().iter().map(|b| b["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    let responses = post(&up, RESPONSES, &question(RESPONSES, false)).await.json();
    assert_eq!(responses["output"][2]["arguments"], args);
    let gemini = post(&up, GEMINI, &question(GEMINI, false)).await.json();
    assert_eq!(gemini["candidates"][0]["content"]["parts"][0]["text"], "Let me look.");
    let ollama = post(&up, OLLAMA, &question(OLLAMA, false)).await.json();
    assert_eq!(ollama["message"]["thinking"], "Hm, Paris");
}

#[tokio::test]
async fn every_answer_has_its_own_id_and_its_dialects_headers() {
    let up = start("").await;
    let first = post(&up, MESSAGES, &question(MESSAGES, false)).await;
    let second = post(&up, MESSAGES, &question(MESSAGES, false)).await;
    assert_ne!(first.json()["id"], second.json()["id"]);
    assert!(first.header("request-id").unwrap().starts_with("req_"));
    assert!(first.header("anthropic-ratelimit-tokens-remaining").is_some());
    let chat = post(&up, CHAT, &question(CHAT, false)).await;
    assert!(chat.header("x-request-id").is_some() && chat.header("openai-processing-ms").is_some());
}

#[tokio::test]
async fn every_dialect_shows_refusals_and_token_limits_in_its_own_words() {
    let up = start("rules: [{ answer: { blocks: [{ refusal: Sorry }] } }]").await;
    let whole = async |target| post(&up, target, &question(target, false)).await.json();
    assert_eq!(whole(CHAT).await["choices"][0]["message"]["refusal"], "Sorry");
    assert_eq!(whole(MESSAGES).await["stop_reason"], "refusal");
    assert_eq!(whole(RESPONSES).await["output"][0]["content"][0]["type"], "refusal");
    assert_eq!(whole(GEMINI).await["candidates"][0]["finishReason"], "SAFETY");
    let up = start("rules: [{ answer: { blocks: [{ text: and }], stop: max_tokens } }]").await;
    let whole = async |target| post(&up, target, &question(target, false)).await.json();
    assert_eq!(whole(CHAT).await["choices"][0]["finish_reason"], "length");
    assert_eq!(whole(MESSAGES).await["stop_reason"], "max_tokens");
    assert_eq!(whole(RESPONSES).await["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(whole(GEMINI).await["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert_eq!(whole(OLLAMA).await["done_reason"], "length");
}

#[tokio::test]
async fn every_stream_ends_cleanly_one_write_per_frame() {
    let up = start("").await;
    for target in STREAMS {
        let reply = stream(&up, target).await;
        assert_eq!(reply.end, End::Clean, "{target}");
        assert!(reply.text().contains("weather?"), "{target}");
        assert!(reply.pieces.iter().all(|p| p.ends_with(b"\n")), "{target}");
    }
}
