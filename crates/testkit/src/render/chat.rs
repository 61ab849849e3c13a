//! OpenAI Chat Completions: completion, chunks, error; with the habits of compatible servers.

use serde_json::{Map, Value, json};

use super::{Ask, Data, Frame, pieces};
use crate::script::{Cited, Quirks, Stop};
use crate::turn::{Call, Part, Turn};

pub(super) fn whole(turn: &Turn, ask: &Ask<'_>) -> Value {
    let mut content = String::new();
    let mut refusal = Value::Null;
    let mut thinking = String::new();
    let mut annotations = Vec::new();
    let mut images = Vec::new();
    let mut calls = Vec::new();
    for part in &turn.parts {
        match part {
            Part::Call(call) => calls.push(whole_call(call, ask.quirks)),
            Part::Cited(cited) => {
                annotations.push(annotation(cited, content.chars().count()));
                content.push_str(&cited.text);
            }
            Part::Image(image) => {
                let url = format!("data:{};base64,{}", image.media_type, image.data);
                images.push(json!({"type": "image_url", "image_url": {"url": url}}));
            }
            Part::Redacted(_) | Part::ServerTool { .. } => {}
            Part::Refusal(text) => refusal = json!(text),
            Part::Text(text) => content.push_str(text),
            Part::Thinking { text, .. } => thinking.push_str(text),
        }
    }
    let silent = content.is_empty() && (!calls.is_empty() || !refusal.is_null());
    let mut message = json!({
        "role": "assistant", "content": if silent { Value::Null } else { json!(content) },
        "refusal": refusal, "annotations": annotations,
    });
    if let Some(field) = ask.quirks.reasoning_field.as_deref().filter(|_| !thinking.is_empty()) {
        message[field] = json!(thinking);
    }
    if !images.is_empty() {
        message["images"] = json!(images);
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    json!({
        "id": format!("chatcmpl-{}", turn.id), "object": "chat.completion", "created": turn.created,
        "model": turn.model,
        "choices": [{
            "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(turn.stop),
        }],
        "usage": usage(turn, ask), "service_tier": "default", "system_fingerprint": "fp_upstream",
    })
}

fn annotation(cited: &Cited, start: usize) -> Value {
    let end = start + cited.text.chars().count();
    json!({
        "type": "url_citation",
        "url_citation": {"start_index": start, "end_index": end, "title": cited.title, "url": cited.url},
    })
}

fn arguments(call: &Call, quirks: &Quirks) -> Value {
    if quirks.object_arguments { call.object() } else { json!(call.args) }
}

fn whole_call(call: &Call, quirks: &Quirks) -> Value {
    if call.custom {
        return json!({"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.args}});
    }
    let function = json!({"name": call.name, "arguments": arguments(call, quirks)});
    json!({"id": call.id, "type": "function", "function": function})
}

fn finish_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Pause | Stop::StopSequence => "stop",
        Stop::MaxTokens => "length",
        Stop::Refusal => "content_filter",
        Stop::ToolUse => "tool_calls",
    }
}

fn usage(turn: &Turn, ask: &Ask<'_>) -> Value {
    let used = &turn.usage;
    let mut usage = json!({
        "prompt_tokens": used.prompt(), "completion_tokens": used.output,
        "total_tokens": used.prompt() + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": used.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    });
    if used.cache_write() > 0 {
        usage["prompt_tokens_details"]["cache_write_tokens"] = json!(used.cache_write());
    }
    let cost_asked = ask.seen.route.openrouter || ask.seen.body()["usage"]["include"] == true;
    if let Some(cost) = turn.cost.filter(|_| cost_asked) {
        usage["cost"] = json!(cost as f64 / 1e9);
    }
    usage
}

pub(super) fn stream(turn: &Turn, ask: &Ask<'_>) -> Vec<Frame> {
    let wants_usage = ask.seen.body()["stream_options"]["include_usage"] == true;
    let quirks = ask.quirks;
    let out_of_turn = quirks.usage_on_last_chunk || quirks.usage_on_every_chunk;
    let chunk = |choices: Value, used: Value| {
        let mut data = json!({
            "id": format!("chatcmpl-{}", turn.id), "object": "chat.completion.chunk", "created": turn.created,
            "model": turn.model, "service_tier": "default", "system_fingerprint": "fp_upstream",
            "choices": choices,
        });
        if wants_usage || !used.is_null() {
            data["usage"] = used;
        }
        Frame::json(data)
    };
    let each = if quirks.usage_on_every_chunk { usage(turn, ask) } else { Value::Null };
    let delta = |delta: Value| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": null});
        chunk(json!([choice]), each.clone())
    };
    let only_calls = turn.calls().next().is_some() && !turn.parts.iter().any(|p| matches!(p, Part::Text(_)));
    let opening = if only_calls { Value::Null } else { json!("") };
    let mut frames = vec![delta(json!({"role": "assistant", "content": opening, "refusal": null}))];
    frames.extend(deltas(turn, quirks).into_iter().map(|d| delta(d).paced()));
    let finish = json!([{
        "index": 0, "delta": {}, "logprobs": null, "finish_reason": finish_reason(turn.stop),
    }]);
    frames.push(chunk(finish, if out_of_turn { usage(turn, ask) } else { Value::Null }));
    if wants_usage && !out_of_turn {
        frames.push(chunk(json!([]), usage(turn, ask)));
    }
    if !quirks.no_done {
        frames.push(Frame { event: None, data: Data::Text("[DONE]".into()), paced: false });
    }
    frames
}

fn deltas(turn: &Turn, quirks: &Quirks) -> Vec<Value> {
    let mut out = Vec::new();
    let texts = |field: &str, text: &str| -> Vec<Value> {
        pieces(text, turn.chunk).into_iter().map(|p| json!({field: p})).collect()
    };
    let mut written = 0;
    let mut index = 0;
    for part in &turn.parts {
        match part {
            Part::Call(call) => {
                if !quirks.all_calls_in_one_chunk {
                    out.extend(call_deltas(call, index, turn.chunk, quirks));
                }
                index += 1;
            }
            Part::Cited(cited) => {
                out.extend(texts("content", &cited.text));
                out.push(json!({"annotations": [annotation(cited, written)]}));
                written += cited.text.chars().count();
            }
            Part::Image(image) => {
                let url = format!("data:{};base64,{}", image.media_type, image.data);
                out.push(json!({"images": [{"type": "image_url", "image_url": {"url": url}}]}));
            }
            Part::Redacted(_) | Part::ServerTool { .. } => {}
            Part::Refusal(text) => out.extend(texts("refusal", text)),
            Part::Text(text) => {
                written += text.chars().count();
                out.extend(texts("content", text));
            }
            Part::Thinking { text, .. } => {
                if let Some(field) = quirks.reasoning_field.as_deref() {
                    out.extend(texts(field, text));
                }
            }
        }
    }
    if quirks.all_calls_in_one_chunk && index > 0 {
        let calls: Vec<Value> =
            turn.calls().enumerate().map(|(at, c)| indexed(whole_call(c, quirks), at, quirks)).collect();
        out.push(json!({"tool_calls": calls}));
    }
    out
}

/// Puts the index in front, as the quirks want it.
fn indexed(call: Value, at: usize, quirks: &Quirks) -> Value {
    let mut out = Map::new();
    if !quirks.no_index {
        out.insert("index".into(), json!(if quirks.zero_index { 0 } else { at }));
    }
    if let Value::Object(fields) = call {
        out.extend(fields);
    }
    Value::Object(out)
}

fn call_deltas(call: &Call, at: usize, chunk: usize, quirks: &Quirks) -> Vec<Value> {
    let wrap = |call: Value| json!({"tool_calls": [indexed(call, at, quirks)]});
    if quirks.whole_arguments || quirks.object_arguments {
        return vec![wrap(whole_call(call, quirks))];
    }
    let (kind, field) = if call.custom { ("custom", "input") } else { ("function", "arguments") };
    let head = json!({"id": call.id, "type": kind, kind: {"name": call.name, field: ""}});
    let mut out = vec![wrap(head)];
    for piece in pieces(&call.args, chunk) {
        let delta = if quirks.id_in_every_delta {
            json!({"id": call.id, "type": kind, kind: {"name": call.name, field: piece}})
        } else {
            json!({kind: {field: piece}})
        };
        out.push(wrap(delta));
    }
    out
}

pub(super) fn error(status: u16, kind: Option<&str>, message: &str) -> Value {
    let usual = match status {
        403 => "permission_error",
        429 => "requests",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let code = kind.or(match status {
        401 => Some("invalid_api_key"),
        404 => Some("model_not_found"),
        429 => Some("rate_limit_exceeded"),
        _ => None,
    });
    json!({"error": {"message": message, "type": usual, "param": null, "code": code}})
}
