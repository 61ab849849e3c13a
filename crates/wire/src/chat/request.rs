//! The request as it stands on the wire: every field of the published SDK types that has a home in a conversation,
//! and the common extensions of compatible servers. Everything else falls into `rest`.
//!
//! Only shapes; what they mean is the business of `parse`.

use lockgate_core::Raw;
use lockgate_core::Words;

use crate::json::{List, TextOr, wire_object};

wire_object! {
    /// The body.
    pub(super) struct Request {
        "model" => model: Raw,
        "messages" => messages: List<Message>,
        "stream" => stream: bool,
        "stream_options" => stream_options: StreamOptions,
        "tools" => tools: List<ToolDef>,
        "tool_choice" => tool_choice: Raw,
        "functions" => functions: List<FunctionDef>,
        "function_call" => function_call: Raw,
        "parallel_tool_calls" => parallel_tool_calls: bool,
        "response_format" => response_format: Raw,
        "max_tokens" => max_tokens: u64,
        "max_completion_tokens" => max_completion_tokens: u64,
        "stop" => stop: TextOr<String>,
        "seed" => seed: i64,
        "n" => n: u64,
        "logprobs" => logprobs: bool,
        "top_logprobs" => top_logprobs: u64,
        "logit_bias" => logit_bias: Raw,
        "frequency_penalty" => frequency_penalty: f64,
        "presence_penalty" => presence_penalty: f64,
        "temperature" => temperature: f64,
        "top_p" => top_p: f64,
        "top_k" => top_k: u64,
        "reasoning_effort" => reasoning_effort: String,
        "reasoning" => reasoning: ReasoningOptions,
        "verbosity" => verbosity: String,
        "user" => user: String,
        "safety_identifier" => safety_identifier: String,
        "metadata" => metadata: Raw,
        "service_tier" => service_tier: String,
        "prompt_cache_key" => prompt_cache_key: String,
    }
}

wire_object! {
    /// Options of the stream.
    pub(super) struct StreamOptions { "include_usage" => include_usage: bool }
}

wire_object! {
    /// How much to think, in OpenRouter's form.
    pub(super) struct ReasoningOptions {
        "effort" => effort: String,
        "enabled" => enabled: bool,
        "exclude" => exclude: bool,
        "max_tokens" => max_tokens: u64,
    }
}

wire_object! {
    /// One message.
    pub(super) struct Message {
        "role" => role: String,
        "content" => content: TextOr<ContentPart>,
        "name" => name: String,
        "refusal" => refusal: String,
        "tool_calls" => tool_calls: List<Call>,
        "tool_call_id" => tool_call_id: String,
        "function_call" => function_call: FunctionCall,
        "reasoning_content" => reasoning_content: Raw,
        "reasoning" => reasoning: Raw,
        "reasoning_details" => reasoning_details: Raw,
        "cache_control" => cache_control: Cache,
    }
}

wire_object! {
    /// One part of a message's content. Large values stay raw until the kind is known.
    pub(super) struct ContentPart {
        "type" => kind: String,
        "text" => text: Words,
        "image_url" => image_url: Raw,
        "input_audio" => input_audio: Raw,
        "video_url" => video_url: Raw,
        "file" => file: Raw,
        "refusal" => refusal: String,
        "cache_control" => cache_control: Cache,
        "prompt_cache_breakpoint" => prompt_cache_breakpoint: Cache,
    }
}

wire_object! {
    /// A cache breakpoint, in Anthropic's form (OpenRouter, LiteLLM) or in OpenAI's.
    pub(super) struct Cache { "type" => kind: String, "mode" => mode: String, "ttl" => ttl: String }
}

wire_object! {
    /// An address, perhaps one that holds the bytes.
    pub(super) struct Address { "url" => url: String, "detail" => detail: String }
}

wire_object! {
    /// Sound.
    pub(super) struct Audio { "data" => data: String, "format" => format: String }
}

wire_object! {
    /// A file.
    pub(super) struct Attachment {
        "file_data" => file_data: String, "file_id" => file_id: String, "filename" => filename: String,
    }
}

wire_object! {
    /// A tool call in history.
    pub(super) struct Call {
        "id" => id: String,
        "index" => index: u64,
        "type" => kind: String,
        "function" => function: FunctionCall,
        "custom" => custom: CustomCall,
        "extra_content" => extra_content: Raw,
    }
}

wire_object! {
    /// A function and its arguments: a text, or (some clients) the object itself.
    pub(super) struct FunctionCall { "name" => name: String, "arguments" => arguments: Raw }
}

wire_object! {
    /// A custom tool and its input.
    pub(super) struct CustomCall { "name" => name: String, "input" => input: String }
}

wire_object! {
    /// A tool on offer.
    pub(super) struct ToolDef {
        "type" => kind: String,
        "function" => function: FunctionDef,
        "custom" => custom: CustomDef,
        "cache_control" => cache_control: Cache,
    }
}

wire_object! {
    /// A function on offer.
    pub(super) struct FunctionDef {
        "name" => name: String,
        "description" => description: String,
        "parameters" => parameters: Raw,
        "strict" => strict: bool,
    }
}

wire_object! {
    /// A custom tool on offer.
    pub(super) struct CustomDef { "name" => name: String, "description" => description: String, "format" => format: Raw }
}

wire_object! {
    /// The form of the answer.
    pub(super) struct ResponseFormat {
        "type" => kind: String, "json_schema" => json_schema: JsonSchema, "schema" => schema: Raw,
    }
}

wire_object! {
    /// A schema for the answer.
    pub(super) struct JsonSchema {
        "name" => name: String, "description" => description: String, "schema" => schema: Raw, "strict" => strict: bool,
    }
}

wire_object! {
    /// A choice of tools in the long form.
    pub(super) struct Choice {
        "type" => kind: String,
        "function" => function: Named,
        "custom" => custom: Named,
        "allowed_tools" => allowed_tools: Allowed,
    }
}

wire_object! {
    /// A name.
    pub(super) struct Named { "name" => name: String }
}

wire_object! {
    /// Several tools to choose among.
    pub(super) struct Allowed { "mode" => mode: String, "tools" => tools: List<Choice> }
}
