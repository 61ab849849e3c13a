//! The outer shape of a request, and its items and content parts, as they arrive.
//!
//! Only the members that every item has are named here: which others there are depends on the item's type, and
//! items of unknown types are kept whole. Knows nothing of what they mean.

use lockgate_core::Words;
use lockgate_core::{Failure, Raw, Unmodelled};
use serde::de::DeserializeOwned;

use crate::json::{List, TextOr, keep_rest, read_request, wire_object};

wire_object! {
    /// A request for an answer or for a count of tokens.
    pub(super) struct Request {
        "background" => background: bool,
        "conversation" => conversation: Raw,
        "include" => include: List<String>,
        "input" => input: TextOr<Members>,
        "instructions" => instructions: String,
        "max_output_tokens" => max_output_tokens: u64,
        "metadata" => metadata: Raw,
        "model" => model: Raw,
        "parallel_tool_calls" => parallel_tool_calls: bool,
        "previous_response_id" => previous_response_id: String,
        "prompt" => prompt: Raw,
        "prompt_cache_key" => prompt_cache_key: String,
        "reasoning" => reasoning: ReasoningIn,
        "safety_identifier" => safety_identifier: String,
        "service_tier" => service_tier: String,
        "stream" => stream: Raw,
        "temperature" => temperature: f64,
        "text" => text: TextIn,
        "tool_choice" => tool_choice: Raw,
        "tools" => tools: List<Members>,
        "top_logprobs" => top_logprobs: u64,
        "top_p" => top_p: f64,
        "user" => user: String,
    }
}

wire_object! {
    /// How much to think.
    pub(super) struct ReasoningIn {
        "effort" => effort: String,
        "generate_summary" => generate_summary: String,
        "summary" => summary: String,
    }
}

wire_object! {
    /// The form of the answer.
    pub(super) struct TextIn { "format" => format: FormatIn, "verbosity" => verbosity: String }
}

wire_object! {
    /// Plain text, JSON, or JSON by a schema.
    pub(super) struct FormatIn {
        "description" => description: String,
        "name" => name: String,
        "schema" => schema: Raw,
        "strict" => strict: bool,
        "type" => kind: String,
    }
}

wire_object! {
    /// A part of a message or of a tool's output.
    pub(super) struct PartIn {
        "annotations" => annotations: Raw,
        "detail" => detail: String,
        "file_data" => file_data: String,
        "file_id" => file_id: String,
        "file_url" => file_url: String,
        "filename" => filename: String,
        "image_url" => image_url: String,
        "input_audio" => input_audio: AudioIn,
        "prompt_cache_breakpoint" => breakpoint: BreakpointIn,
        "refusal" => refusal: String,
        "text" => text: Words,
        "type" => kind: String,
    }
}

wire_object! {
    /// Sound.
    pub(super) struct AudioIn { "data" => data: String, "format" => format: String }
}

wire_object! {
    /// An explicit cache breakpoint.
    pub(super) struct BreakpointIn { "mode" => mode: String, "ttl" => ttl: String }
}

wire_object! {
    /// A choice among tools, or a tool in it.
    pub(super) struct ChoiceIn {
        "mode" => mode: String,
        "name" => name: String,
        "tools" => tools: List<ChoiceIn>,
        "type" => kind: String,
    }
}

wire_object! {
    /// An item or a tool: its type, and all other members as they came.
    pub(super) struct Members { "type" => kind: String }
}

impl Members {
    /// Takes a member out; `null` = absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Raw> {
        let at = self.rest.iter().position(|(key, _)| key == name)?;
        let (_, value) = self.rest.remove(at);
        (value.get() != "null").then_some(value)
    }

    /// Takes a member out and reads it; an error names it under `path`.
    pub(super) fn read<T: DeserializeOwned>(&mut self, name: &str, path: &str) -> Result<Option<T>, Failure> {
        self.take(name).map(|raw| read_at(&raw, &format!("{path}.{name}"))).transpose()
    }

    /// The same, of a member that must be there.
    pub(super) fn need<T: DeserializeOwned>(&mut self, name: &str, path: &str) -> Result<T, Failure> {
        let missing = || Failure::invalid(format!("{path}.{name}"), format!("`{path}.{name}` is missing"));
        self.read(name, path)?.ok_or_else(missing)
    }

    /// Drops members that say nothing about the conversation.
    pub(super) fn forget(&mut self, names: &[&str]) {
        self.rest.retain(|(key, _)| !names.contains(&key.as_str()));
    }

    /// The object, put together again.
    pub(super) fn whole(&self) -> Option<Raw> {
        let mut text = String::from("{");
        if let Some(kind) = &self.kind {
            text.push_str("\"type\":");
            text.push_str(&serde_json::Value::from(kind.as_str()).to_string());
        }
        for (key, value) in &self.rest {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(key.as_str()).to_string());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        crate::json::raw(text)
    }
}

/// Files unknown members under their path; `null` says nothing.
pub(super) fn file(into: &mut Vec<Unmodelled>, prefix: &str, mut rest: Vec<(String, Raw)>) {
    rest.retain(|(_, value)| value.get() != "null");
    keep_rest(into, prefix, rest);
}

/// Reads a value that stands at `path`; an error names the place inside it.
pub(super) fn read_at<T: DeserializeOwned>(raw: &Raw, path: &str) -> Result<T, Failure> {
    // The text was checked when it was kept; only an error is worth reading it the slower way, which finds the path.
    serde_json::from_str(raw.get()).or_else(|_| read_request(raw.get().as_bytes())).map_err(
        |failure: Failure| {
            let inner = failure.param.unwrap_or_default();
            let what = failure.message.strip_prefix(&format!("`{inner}`: ")).unwrap_or(&failure.message);
            let place = match inner.as_str() {
                "" => path.to_owned(),
                inner if inner.starts_with('[') => format!("{path}{inner}"),
                inner => format!("{path}.{inner}"),
            };
            Failure::invalid(&place, format!("`{place}`: {what}"))
        },
    )
}
