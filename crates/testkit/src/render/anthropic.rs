//! Anthropic Messages: message, event stream, error.

use serde_json::{Value, json};

use super::{Ask, Frame, pieces};
use crate::script::{Cited, ServerTool, Stop};
use crate::turn::{Part, Turn};

pub(super) fn whole(turn: &Turn, ask: &Ask<'_>) -> Value {
    let content: Vec<Value> = turn.parts.iter().flat_map(blocks).collect();
    let mut message = message(turn, &usage(turn));
    message["content"] = Value::Array(content);
    message["stop_reason"] = json!(stop_reason(turn.stop));
    message["stop_sequence"] = stop_sequence(turn, ask);
    if let Some(details) = stop_details(turn) {
        message["stop_details"] = details;
    }
    message
}

fn message(turn: &Turn, usage: &Value) -> Value {
    let mut message = json!({
        "model": turn.model, "id": format!("msg_{}", turn.id), "type": "message", "role": "assistant",
        "content": [], "stop_reason": null, "stop_sequence": null, "usage": usage,
    });
    if let Some(diagnostics) = &turn.diagnostics {
        message["diagnostics"] = diagnostics.clone();
    }
    message
}

fn usage(turn: &Turn) -> Value {
    let used = &turn.usage;
    let searches = turn.parts.iter().filter(|p| matches!(p, Part::ServerTool { .. })).count();
    let mut usage = json!({
        "input_tokens": used.input,
        "cache_creation_input_tokens": used.cache_write(),
        "cache_read_input_tokens": used.cached,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.cache_write_5m, "ephemeral_1h_input_tokens": used.cache_write_1h,
        },
        "output_tokens": used.output,
        "service_tier": "standard",
    });
    if used.reasoning > 0 {
        usage["output_tokens_details"] = json!({"thinking_tokens": used.reasoning});
    }
    if searches > 0 {
        usage["server_tool_use"] = json!({"web_search_requests": searches, "web_fetch_requests": 0});
    }
    usage
}

fn stop_reason(stop: Stop) -> &'static str {
    match stop {
        Stop::End => "end_turn",
        Stop::MaxTokens => "max_tokens",
        Stop::Pause => "pause_turn",
        Stop::Refusal => "refusal",
        Stop::StopSequence => "stop_sequence",
        Stop::ToolUse => "tool_use",
    }
}

fn stop_sequence(turn: &Turn, ask: &Ask<'_>) -> Value {
    if turn.stop == Stop::StopSequence { ask.seen.body()["stop_sequences"][0].clone() } else { Value::Null }
}

fn stop_details(turn: &Turn) -> Option<Value> {
    (turn.stop == Stop::Refusal).then(|| json!({"type": "refusal", "category": null, "explanation": null}))
}

fn citation(cited: &Cited) -> Value {
    json!({
        "type": "web_search_result_location", "url": cited.url, "title": cited.title,
        "cited_text": cited.cited_text, "encrypted_index": "ZW5jcnlwdGVkLWluZGV4",
    })
}

fn found(tool: &ServerTool, id: &str) -> Value {
    let results = tool.results.iter().map(|hit| {
        json!({
            "type": "web_search_result", "title": hit.title, "url": hit.url,
            "encrypted_content": "ZW5jcnlwdGVkLWNvbnRlbnQ=", "page_age": null,
        })
    });
    json!({
        "type": format!("{}_tool_result", tool.name), "tool_use_id": id,
        "content": results.collect::<Vec<_>>(),
    })
}

/// The content blocks of a part; a server tool has two. Made images have no block here.
fn blocks(part: &Part) -> Vec<Value> {
    match part {
        Part::Call(call) => {
            vec![json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.object()})]
        }
        Part::Cited(cited) => {
            vec![json!({"citations": [citation(cited)], "type": "text", "text": cited.text})]
        }
        Part::Image(_) => Vec::new(),
        Part::Redacted(data) => vec![json!({"type": "redacted_thinking", "data": data})],
        Part::Refusal(text) | Part::Text(text) => vec![json!({"type": "text", "text": text})],
        Part::ServerTool { id, tool } => vec![
            json!({"type": "server_tool_use", "id": id, "name": tool.name, "input": tool.input}),
            found(tool, id),
        ],
        Part::Thinking { text, signature } => {
            vec![json!({"type": "thinking", "thinking": text, "signature": signature})]
        }
    }
}

pub(super) fn stream(turn: &Turn, ask: &Ask<'_>) -> Vec<Frame> {
    let mut first = usage(turn);
    first["output_tokens"] = json!(1.min(turn.usage.output));
    let mut frames = vec![Frame::named(json!({"type": "message_start", "message": message(turn, &first)}))];
    frames.push(Frame::named(json!({"type": "ping"})));
    let mut index = 0;
    for part in &turn.parts {
        for block in blocks(part) {
            block_frames(&block, index, part, turn, ask, &mut frames);
            index += 1;
        }
    }
    let mut delta = json!({"stop_reason": stop_reason(turn.stop), "stop_sequence": stop_sequence(turn, ask)});
    if let Some(details) = stop_details(turn) {
        delta["stop_details"] = details;
    }
    let mut last = usage(turn);
    if let Some(fields) = last.as_object_mut() {
        fields.shift_remove("cache_creation");
        fields.shift_remove("service_tier");
    }
    frames.push(Frame::named(json!({"type": "message_delta", "delta": delta, "usage": last})));
    frames.push(Frame::named(json!({"type": "message_stop"})));
    frames
}

/// The opening form of a block and the deltas that fill it.
fn block_frames(
    block: &Value,
    index: usize,
    part: &Part,
    turn: &Turn,
    ask: &Ask<'_>,
    frames: &mut Vec<Frame>,
) {
    let mut opening = block.clone();
    let mut deltas: Vec<Value> = Vec::new();
    let texts = |kind: &str, field: &str, text: &str| -> Vec<Value> {
        pieces(text, turn.chunk).into_iter().map(|p| json!({"type": kind, field: p})).collect()
    };
    match block["type"].as_str().unwrap_or_default() {
        "text" => {
            opening["text"] = json!("");
            if let Part::Cited(cited) = part {
                opening["citations"] = json!([]);
                deltas.push(json!({"type": "citations_delta", "citation": citation(cited)}));
            }
            deltas.extend(texts("text_delta", "text", block["text"].as_str().unwrap_or_default()));
        }
        "thinking" => {
            opening["thinking"] = json!("");
            opening["signature"] = json!("");
            deltas = texts("thinking_delta", "thinking", block["thinking"].as_str().unwrap_or_default());
            deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
        }
        "tool_use" | "server_tool_use" => {
            opening["input"] = json!({});
            let written =
                if let Part::Call(call) = part { call.args.clone() } else { block["input"].to_string() };
            // The empty object is told by the empty text.
            let written = if written == "{}" { String::new() } else { written };
            deltas.push(json!({"type": "input_json_delta", "partial_json": ""}));
            if ask.quirks.whole_arguments {
                deltas.push(json!({"type": "input_json_delta", "partial_json": written}));
            } else {
                deltas.extend(texts("input_json_delta", "partial_json", &written));
            }
        }
        _ => {}
    }
    let start = json!({"type": "content_block_start", "index": index, "content_block": opening});
    frames.push(Frame::named(start));
    for delta in deltas {
        let event = json!({"type": "content_block_delta", "index": index, "delta": delta});
        frames.push(Frame::named(event).paced());
    }
    frames.push(Frame::named(json!({"type": "content_block_stop", "index": index})));
}

pub(super) fn error(status: u16, kind: Option<&str>, message: &str, id: &str) -> Value {
    let kind = kind.unwrap_or(match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    });
    json!({
        "type": "error", "error": {"type": kind, "message": message},
        "request_id": format!("req_{id}"),
    })
}
