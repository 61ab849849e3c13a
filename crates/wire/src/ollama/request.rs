//! What an Ollama client sends, field by field, as the published clients and the server's own types have it.
//!
//! Shapes only; what they mean is in `parse` and `generate`. Options are read one by one because the server takes
//! whole numbers written with a fraction and the other way round.

use lockgate_core::{Failure, Raw};
use serde_json::Number;

use crate::json::{List, TextOr, wire_object};

wire_object! {
    /// `/api/chat`.
    pub(super) struct Chat {
        "model" => model: Raw,
        "messages" => messages: List<Message>,
        "stream" => stream: Raw,
        "tools" => tools: List<Raw>,
        "format" => format: Raw,
        "options" => options: Options,
        "think" => think: Raw,
        "logprobs" => logprobs: bool,
        "top_logprobs" => top_logprobs: u64,
    }
}

wire_object! {
    /// `/api/generate`.
    pub(super) struct Generate {
        "model" => model: Raw,
        "prompt" => prompt: String,
        "system" => system: String,
        "images" => images: List<String>,
        "stream" => stream: Raw,
        "format" => format: Raw,
        "options" => options: Options,
        "think" => think: Raw,
        "logprobs" => logprobs: bool,
        "top_logprobs" => top_logprobs: u64,
        "suffix" => suffix: String,
        "raw" => raw: bool,
        "context" => context: Raw,
        "template" => template: String,
    }
}

wire_object! {
    /// One message.
    pub(super) struct Message {
        "role" => role: String,
        "content" => content: String,
        "thinking" => thinking: String,
        "images" => images: List<String>,
        "tool_calls" => tool_calls: List<Call>,
        "tool_name" => tool_name: String,
        "tool_call_id" => tool_call_id: String,
    }
}

wire_object! {
    /// A tool call in the history.
    pub(super) struct Call {
        "id" => id: String,
        "type" => kind: Raw,
        "function" => function: CalledFunction,
    }
}

wire_object! {
    /// What is called. `index` is the call's place among its siblings, which their order says already.
    pub(super) struct CalledFunction {
        "index" => index: Raw,
        "name" => name: String,
        "arguments" => arguments: Raw,
    }
}

wire_object! {
    /// A tool on offer.
    pub(super) struct Tool {
        "type" => kind: String,
        "function" => function: ToolFunction,
    }
}

wire_object! {
    /// A function on offer.
    pub(super) struct ToolFunction {
        "name" => name: String,
        "description" => description: String,
        "parameters" => parameters: Raw,
    }
}

wire_object! {
    /// The options that other dialects know too; all others stay in `rest`.
    pub(super) struct Options {
        "frequency_penalty" => frequency_penalty: f64,
        "num_predict" => num_predict: Number,
        "presence_penalty" => presence_penalty: f64,
        "seed" => seed: Number,
        "stop" => stop: TextOr<String>,
        "temperature" => temperature: f64,
        "top_k" => top_k: Number,
        "top_p" => top_p: f64,
    }
}

/// A whole number, however it is written (`40`, `40.0`).
pub(super) fn whole(number: &Number, path: &str) -> Result<i64, Failure> {
    if let Some(value) = number.as_i64() {
        return Ok(value);
    }
    match number.as_f64() {
        Some(value) if value.fract() == 0.0 && value.abs() < 9e15 => Ok(value as i64),
        _ => Err(Failure::invalid(path, format!("`{path}` must be a whole number"))),
    }
}
