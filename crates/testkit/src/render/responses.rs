//! OpenAI Responses: response object, event stream, error event.

use serde_json::{Value, json};

use super::{Ask, Frame, pieces};
use crate::clock;
use crate::script::{Cited, Stop};
use crate::turn::{Part, Turn};

pub(super) fn whole(turn: &Turn, ask: &Ask<'_>) -> Value {
    let output: Vec<Value> = turn.parts.iter().enumerate().map(|(at, p)| item(turn, at, p, ask)).collect();
    response(turn, ask, status(turn), &output)
}

fn status(turn: &Turn) -> &'static str {
    match turn.stop {
        Stop::MaxTokens => "incomplete",
        Stop::End | Stop::Pause | Stop::Refusal | Stop::StopSequence | Stop::ToolUse => "completed",
    }
}

fn response(turn: &Turn, ask: &Ask<'_>, status: &str, output: &[Value]) -> Value {
    let body = ask.seen.body();
    let asked = |field: &str, or: Value| body.get(field).filter(|v| !v.is_null()).cloned().unwrap_or(or);
    let done = status != "in_progress";
    let incomplete = json!({"reason": "max_output_tokens"});
    json!({
        "id": format!("resp_{}", turn.id), "object": "response", "created_at": turn.created,
        "status": status, "background": false,
        "completed_at": if status == "completed" { json!(clock::unix_ms() / 1000) } else { Value::Null },
        "error": null,
        "incomplete_details": if status == "incomplete" { incomplete } else { Value::Null },
        "instructions": asked("instructions", Value::Null),
        "max_output_tokens": asked("max_output_tokens", Value::Null),
        "max_tool_calls": null, "model": turn.model, "output": output,
        "parallel_tool_calls": asked("parallel_tool_calls", json!(true)),
        "previous_response_id": asked("previous_response_id", Value::Null),
        "prompt_cache_key": asked("prompt_cache_key", Value::Null),
        "reasoning": asked("reasoning", json!({"effort": null, "summary": null})),
        "safety_identifier": null, "service_tier": if done { "default" } else { "auto" },
        "store": asked("store", json!(true)), "temperature": asked("temperature", json!(1.0)),
        "text": asked("text", json!({"format": {"type": "text"}})),
        "tool_choice": asked("tool_choice", json!("auto")), "tools": asked("tools", json!([])),
        "top_logprobs": 0, "top_p": asked("top_p", json!(1.0)),
        "truncation": asked("truncation", json!("disabled")),
        "usage": if done { usage(turn) } else { Value::Null },
        "user": null, "metadata": asked("metadata", json!({})),
    })
}

fn usage(turn: &Turn) -> Value {
    let used = &turn.usage;
    json!({
        "input_tokens": used.prompt(),
        "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": used.cache_write()},
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.prompt() + used.output,
    })
}

fn annotation(cited: &Cited) -> Value {
    json!({
        "type": "url_citation", "start_index": 0, "end_index": cited.text.chars().count(),
        "title": cited.title, "url": cited.url,
    })
}

/// A part as a finished output item.
fn item(turn: &Turn, at: usize, part: &Part, ask: &Ask<'_>) -> Value {
    let id = |prefix: &str| format!("{prefix}_{}{at:02x}", turn.id);
    let message = |content: Value| {
        json!({
            "id": id("msg"), "type": "message", "status": status(turn), "content": [content],
            "role": "assistant",
        })
    };
    let include = ask.seen.body()["include"].as_array();
    let encrypted = include.is_some_and(|i| i.iter().any(|v| v == "reasoning.encrypted_content"));
    match part {
        Part::Call(call) if call.custom => json!({
            "id": id("ctc"), "type": "custom_tool_call", "status": "completed", "call_id": call.id,
            "input": call.args, "name": call.name,
        }),
        Part::Call(call) => {
            let mut out = json!({
                "id": id("fc"), "type": "function_call", "status": "completed", "arguments": call.args,
                "call_id": call.id, "name": call.name,
            });
            if let Some(namespace) = &call.namespace {
                out["namespace"] = json!(namespace);
            }
            out
        }
        Part::Cited(cited) => message(json!({
            "type": "output_text", "annotations": [annotation(cited)], "logprobs": [], "text": cited.text,
        })),
        Part::Image(image) => json!({
            "id": id("ig"), "type": "image_generation_call", "status": "completed", "result": image.data,
            "output_format": image.media_type.trim_start_matches("image/"),
        }),
        Part::Redacted(data) => {
            json!({"id": id("rs"), "type": "reasoning", "summary": [], "encrypted_content": data})
        }
        Part::Refusal(text) => message(json!({"type": "refusal", "refusal": text})),
        Part::ServerTool { tool, .. } => {
            let query = tool.input.get("query").cloned().unwrap_or_default();
            let sources: Vec<Value> =
                tool.results.iter().map(|hit| json!({"type": "url", "url": hit.url})).collect();
            json!({
                "id": id("ws"), "type": "web_search_call", "status": "completed",
                "action": {"type": "search", "query": query, "sources": sources},
            })
        }
        Part::Text(text) => {
            message(json!({"type": "output_text", "annotations": [], "logprobs": [], "text": text}))
        }
        Part::Thinking { text, signature } => {
            let summary = json!([{"type": "summary_text", "text": text}]);
            let mut out = json!({"id": id("rs"), "type": "reasoning", "summary": summary});
            if encrypted {
                out["encrypted_content"] = json!(signature);
            }
            out
        }
    }
}

/// Events in the making: numbers them.
struct Events {
    frames: Vec<Frame>,
}

impl Events {
    fn push(&mut self, kind: &str, fields: Value) -> &mut Frame {
        let mut data = json!({"type": kind, "sequence_number": self.frames.len()});
        if let (Value::Object(into), Value::Object(fields)) = (&mut data, fields) {
            into.extend(fields);
        }
        self.frames.push(Frame::named(data));
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// The events between the adding of an item and its end.
    fn deltas(&mut self, place: &Value, kind: &str, texts: &[&str]) {
        for text in texts {
            let mut fields = place.clone();
            fields["delta"] = json!(text);
            if kind == "response.output_text" {
                fields["logprobs"] = json!([]);
            }
            self.push(&format!("{kind}.delta"), fields).paced = true;
        }
    }

    fn with(&mut self, kind: &str, place: &Value, field: &str, value: Value) {
        let mut fields = place.clone();
        fields[field] = value;
        self.push(kind, fields);
    }
}

pub(super) fn stream(turn: &Turn, ask: &Ask<'_>) -> Vec<Frame> {
    let mut events = Events { frames: Vec::new() };
    for kind in ["response.created", "response.in_progress"] {
        events.push(kind, json!({"response": response(turn, ask, "in_progress", &[])}));
    }
    for (at, part) in turn.parts.iter().enumerate() {
        let done = item(turn, at, part, ask);
        let mut added = done.clone();
        if added.get("status").is_some() {
            added["status"] = json!("in_progress");
        }
        for field in ["content", "summary"] {
            if added.get(field).is_some() {
                added[field] = json!([]);
            }
        }
        for field in ["arguments", "input"] {
            if added.get(field).is_some() {
                added[field] = json!("");
            }
        }
        if added["type"] == "image_generation_call" {
            added["result"] = Value::Null;
        }
        events.push("response.output_item.added", json!({"output_index": at, "item": added}));
        inside(&mut events, turn, at, part, &done, ask);
        events.push("response.output_item.done", json!({"output_index": at, "item": done}));
    }
    let status = status(turn);
    events.push(&format!("response.{status}"), json!({"response": whole(turn, ask)}));
    events.frames
}

fn inside(events: &mut Events, turn: &Turn, at: usize, part: &Part, done: &Value, ask: &Ask<'_>) {
    let place = json!({"item_id": done["id"], "output_index": at});
    match part {
        Part::Call(call) => {
            let (kind, field) = if call.custom {
                ("response.custom_tool_call_input", "input")
            } else {
                ("response.function_call_arguments", "arguments")
            };
            let whole = vec![call.args.as_str()];
            let cut = pieces(&call.args, turn.chunk);
            events.deltas(&place, kind, if ask.quirks.whole_arguments { &whole } else { &cut });
            events.with(&format!("{kind}.done"), &place, field, json!(call.args));
        }
        Part::Cited(_) | Part::Refusal(_) | Part::Text(_) => message_events(events, turn, part, &place, done),
        Part::Image(image) => {
            for step in ["in_progress", "generating"] {
                events.push(&format!("response.image_generation_call.{step}"), place.clone());
            }
            let mut partial = place.clone();
            partial["partial_image_index"] = json!(0);
            partial["partial_image_b64"] = json!(image.data);
            events.push("response.image_generation_call.partial_image", partial);
            events.push("response.image_generation_call.completed", place);
        }
        Part::Redacted(_) => {}
        Part::ServerTool { .. } => {
            for step in ["in_progress", "searching", "completed"] {
                events.push(&format!("response.web_search_call.{step}"), place.clone());
            }
        }
        Part::Thinking { text, .. } => {
            let mut place = place;
            place["summary_index"] = json!(0);
            let empty = json!({"type": "summary_text", "text": ""});
            events.with("response.reasoning_summary_part.added", &place, "part", empty);
            let kind = "response.reasoning_summary_text";
            events.deltas(&place, kind, &pieces(text, turn.chunk));
            events.with(&format!("{kind}.done"), &place, "text", json!(text));
            let full = done["summary"][0].clone();
            events.with("response.reasoning_summary_part.done", &place, "part", full);
        }
    }
}

fn message_events(events: &mut Events, turn: &Turn, part: &Part, place: &Value, done: &Value) {
    let mut place = place.clone();
    place["content_index"] = json!(0);
    let full = done["content"][0].clone();
    let field = if full["type"] == "refusal" { "refusal" } else { "text" };
    let text = full[field].as_str().unwrap_or_default().to_owned();
    let mut empty = full.clone();
    empty[field] = json!("");
    if field == "text" {
        empty["annotations"] = json!([]);
    }
    events.with("response.content_part.added", &place, "part", empty);
    let kind = if field == "refusal" { "response.refusal" } else { "response.output_text" };
    events.deltas(&place, kind, &pieces(&text, turn.chunk));
    if let Part::Cited(cited) = part {
        let mut noted = place.clone();
        noted["annotation_index"] = json!(0);
        noted["annotation"] = annotation(cited);
        events.push("response.output_text.annotation.added", noted);
    }
    let mut ended = place.clone();
    ended[field] = json!(text);
    if field == "text" {
        ended["logprobs"] = json!([]);
    }
    events.push(&format!("{kind}.done"), ended);
    events.with("response.content_part.done", &place, "part", full);
}

pub(super) fn error_frame(status: u16, message: &str) -> Frame {
    let code = if status == 429 { "rate_limit_exceeded" } else { "server_error" };
    Frame::named(json!({
        "type": "error", "sequence_number": 0, "code": code, "message": message, "param": null,
    }))
}
