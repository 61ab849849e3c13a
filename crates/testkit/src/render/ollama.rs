//! Ollama's own API: chat and generate, whole and as lines; error.

use serde_json::{Value, json};

use super::{Ask, Frame, pieces};
use crate::clock;
use crate::dialect::Op;
use crate::script::Stop;
use crate::turn::{Call, Part, Turn};

fn plain(ask: &Ask<'_>) -> bool {
    ask.seen.route.op == Op::GeneratePlain
}

/// A line that is not the last: text and thinking of a fragment, or calls.
fn line(turn: &Turn, ask: &Ask<'_>, message: Value) -> Value {
    let mut out = json!({"model": turn.model, "created_at": clock::rfc3339(clock::unix_ms())});
    if let Some(host) = &ask.remote_host {
        out["remote_model"] = json!(turn.model.trim_end_matches("-cloud").trim_end_matches(":cloud"));
        out["remote_host"] = json!(host);
    }
    if plain(ask) {
        out["response"] = message["content"].clone();
        if !message["thinking"].is_null() {
            out["thinking"] = message["thinking"].clone();
        }
    } else {
        out["message"] = message;
    }
    out["done"] = json!(false);
    out
}

fn finish(mut out: Value, turn: &Turn, ask: &Ask<'_>) -> Value {
    let (prompt, output) = (turn.usage.prompt(), turn.usage.output);
    let (prompt_ns, output_ns) = (prompt * 100_000, output * 10_000_000);
    out["done"] = json!(true);
    out["done_reason"] = json!(match turn.stop {
        Stop::MaxTokens => "length",
        Stop::End | Stop::Pause | Stop::Refusal | Stop::StopSequence | Stop::ToolUse => "stop",
    });
    if plain(ask) {
        out["context"] = json!([1, 2, 3]);
    }
    out["total_duration"] = json!(prompt_ns + output_ns + 1_000_000);
    out["load_duration"] = json!(1_000_000);
    out["prompt_eval_count"] = json!(prompt);
    out["prompt_eval_duration"] = json!(prompt_ns);
    out["eval_count"] = json!(output);
    out["eval_duration"] = json!(output_ns);
    out
}

fn call_json(call: &Call, index: usize) -> Value {
    json!({"id": call.id, "function": {"index": index, "name": call.name, "arguments": call.object()}})
}

pub(super) fn whole(turn: &Turn, ask: &Ask<'_>) -> Value {
    let mut content = String::new();
    let mut thinking = String::new();
    for part in &turn.parts {
        match part {
            Part::Call(_) | Part::Image(_) | Part::Redacted(_) | Part::ServerTool { .. } => {}
            Part::Cited(cited) => content.push_str(&cited.text),
            Part::Refusal(text) | Part::Text(text) => content.push_str(text),
            Part::Thinking { text, .. } => thinking.push_str(text),
        }
    }
    let mut message = json!({"role": "assistant", "content": content});
    if !thinking.is_empty() {
        message["thinking"] = json!(thinking);
    }
    let calls: Vec<Value> = turn.calls().enumerate().map(|(at, c)| call_json(c, at)).collect();
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    finish(line(turn, ask, message), turn, ask)
}

pub(super) fn stream(turn: &Turn, ask: &Ask<'_>) -> Vec<Frame> {
    let mut frames = Vec::new();
    let say = |message: Value| Frame::json(line(turn, ask, message)).paced();
    let mut index = 0;
    for part in &turn.parts {
        match part {
            Part::Call(call) => {
                let calls = json!([call_json(call, index)]);
                index += 1;
                frames.push(say(json!({"role": "assistant", "content": "", "tool_calls": calls})));
            }
            Part::Image(_) | Part::Redacted(_) | Part::ServerTool { .. } => {}
            Part::Cited(crate::script::Cited { text, .. }) | Part::Refusal(text) | Part::Text(text) => {
                let said = pieces(text, turn.chunk).into_iter();
                frames.extend(said.map(|p| say(json!({"role": "assistant", "content": p}))));
            }
            Part::Thinking { text, .. } => {
                let said = pieces(text, turn.chunk).into_iter();
                let thought = said.map(|p| json!({"role": "assistant", "content": "", "thinking": p}));
                frames.extend(thought.map(say));
            }
        }
    }
    let last = line(turn, ask, json!({"role": "assistant", "content": ""}));
    frames.push(Frame::json(finish(last, turn, ask)));
    frames
}

pub(super) fn error(message: &str) -> Value {
    json!({"error": message})
}
