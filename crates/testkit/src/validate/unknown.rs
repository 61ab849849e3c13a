//! What no provider of a dialect knows: fields that are not in the published types of the makers' SDKs (anthropic 2.11.0, openai 3.52.0,
//! google-genai 3.4.0 for Python), nor among what servers of the dialect add to it in their documentation.
//!
//! Of OpenAI's dialects this plays every server that speaks them, so what any of those takes is taken. Ollama takes every field: its
//! decoder skips what it does not know. Says nothing about values.

use serde_json::Value;

use super::Rejection;
use crate::seen::{list, text};

/// Anthropic Messages: the stable and the beta types, and the sampling parameters of earlier versions.
const ANTHROPIC: &str = "model messages max_tokens stream system tools tool_choice thinking output_config stop_sequences \
    temperature top_p top_k metadata service_tier speed container diagnostics inference_geo \
    cache_control user_profile_id workspace_id billing_policy compaction context_management \
    fallback_credit_token fallbacks mcp_servers thread betas output_format";

/// Blocks of messages by their type; others are not looked into.
const ANTHROPIC_BLOCKS: &[(&str, &str)] = &[
    ("document", "cache_control citations context source title"),
    ("image", "cache_control source transformations"),
    ("redacted_thinking", "data"),
    ("search_result", "cache_control citations content source title"),
    ("text", "cache_control citations text"),
    ("thinking", "signature thinking"),
    ("tool_result", "cache_control content is_error tool_use_id toolset_name"),
    ("tool_use", "cache_control caller id input name toolset_name"),
];

const ANTHROPIC_TOOL: &str = "allowed_callers cache_control defer_loading description eager_input_streaming input_examples \
    input_schema name strict type";

/// Sources of pictures and documents by their type.
const ANTHROPIC_SOURCES: &[(&str, &str)] = &[
    ("base64", "data media_type"),
    ("content", "content"),
    ("file", "file_id"),
    ("text", "data media_type"),
    ("url", "url"),
];

const ANTHROPIC_THINKING: &str = "type budget_tokens display block_binding";

/// OpenAI Chat Completions.
const CHAT: &str = "messages model audio frequency_penalty function_call functions logit_bias logprobs \
    max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction \
    presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort \
    response_format safety_identifier seed service_tier stop store stream stream_options temperature \
    tool_choice tools top_logprobs top_p user verbosity web_search_options";

/// What compatible servers add to it: `OpenRouter`, llama.cpp, `vLLM`, Mistral, `DeepSeek`, Moonshot, xAI, Groq, Fireworks, Azure.
const CHAT_ELSEWHERE: &str = "cache_control include_reasoning min_p models plugins provider reasoning repetition_penalty route \
    session_id structured_outputs top_a top_k trace transforms usage cache_prompt \
    chat_template_kwargs dry_multiplier grammar id_slot json_schema mirostat n_predict n_probs \
    parse_tool_calls reasoning_format repeat_last_n repeat_penalty return_progress samplers \
    timings_per_token typical_p add_generation_prompt allowed_token_ids bad_words cache_salt \
    chat_template continue_final_message documents guided_choice guided_grammar guided_json \
    guided_regex ignore_eos include_stop_str_in_output length_penalty min_tokens mm_processor_kwargs \
    priority prompt_logprobs request_id skip_special_tokens stop_token_ids truncate_prompt_tokens \
    use_beam_search context_length_exceeded_behavior data_sources deferred prompt_mode random_seed \
    safe_prompt search_parameters thinking";

/// `parsed` is what OpenAI's own SDK for Node sends back; `annotations` and what follows it are of `DeepSeek`, Moonshot, Mistral, llama.cpp, `vLLM` and `OpenRouter`.
const CHAT_MESSAGE: &str = "audio content function_call name refusal role tool_call_id tool_calls annotations cache_control \
    parsed partial prefix reasoning reasoning_content reasoning_details";

/// `index` is what clients send back of a stream; `extra_content` is Google's.
const CHAT_CALL: &str = "custom extra_content function id index type";

const CHAT_PARTS: &[(&str, &str)] = &[
    ("file", "cache_control file prompt_cache_breakpoint"),
    ("image_url", "cache_control image_url prompt_cache_breakpoint"),
    ("input_audio", "cache_control input_audio prompt_cache_breakpoint"),
    ("refusal", "refusal"),
    ("text", "cache_control prompt_cache_breakpoint text"),
];

const FUNCTION: &str = "description name parameters strict";

/// OpenAI Responses; `client_metadata` is what Codex sends.
const RESPONSES: &str = "access_programs background client_metadata context_management conversation image include input \
    instructions max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls \
    personality previous_response_id prompt prompt_cache_key prompt_cache_options \
    prompt_cache_retention reasoning safety_identifier service_tier store stream stream_options \
    temperature text tool_choice tools top_logprobs top_p truncation user";

const RESPONSES_ITEMS: &[(&str, &str)] = &[
    ("custom_tool_call", "async call_id caller id input name namespace status"),
    ("custom_tool_call_output", "call_id caller id name output status"),
    ("function_call", "arguments async call_id caller id name namespace status"),
    ("function_call_output", "call_id caller id name namespace output status"),
    ("message", "content id phase role status"),
    ("reasoning", "content encrypted_content id status summary"),
];

const RESPONSES_PARTS: &[(&str, &str)] = &[
    ("input_file", "detail file_data file_id file_url filename prompt_cache_breakpoint"),
    ("input_image", "detail file_id image_url prompt_cache_breakpoint"),
    ("input_text", "prompt_cache_breakpoint text"),
    ("output_text", "annotations logprobs text"),
    ("refusal", "refusal"),
];

const RESPONSES_FUNCTION: &str =
    "allowed_callers async defer_loading description name output_schema parameters strict type";

/// The first field of an object that is not among these.
fn stranger<'a>(value: &'a Value, known: &[&str]) -> Option<&'a str> {
    let fields = value.as_object()?;
    let listed = |key: &str| known.iter().any(|names| names.split(' ').any(|name| name == key));
    fields.keys().map(String::as_str).find(|key| !listed(key))
}

/// The same for an object whose fields depend on its type; nothing for types that are not listed.
fn stranger_of_type<'a>(value: &'a Value, kind: &str, known: &[(&str, &str)]) -> Option<&'a str> {
    let (_, names) = known.iter().find(|(name, _)| *name == kind)?;
    stranger(value, &["type", names])
}

pub(super) fn anthropic(body: &Value) -> Result<(), Rejection> {
    let extra = |place: &str, key: Option<&str>| match key {
        Some(key) => Err(Rejection::bad(format!("{place}{key}: Extra inputs are not permitted"))),
        None => Ok(()),
    };
    extra("", stranger(body, &[ANTHROPIC]))?;
    extra("metadata.", stranger(&body["metadata"], &["user_id"]))?;
    extra("output_config.", stranger(&body["output_config"], &["effort format task_budget"]))?;
    let kind = text(&body["thinking"], "type");
    extra(&format!("thinking.{kind}."), stranger(&body["thinking"], &[ANTHROPIC_THINKING]))?;
    let choice = text(&body["tool_choice"], "type");
    let known = match choice {
        "none" => "type",
        "tool" => "type name disable_parallel_tool_use",
        _ => "type disable_parallel_tool_use",
    };
    extra(&format!("tool_choice.{choice}."), stranger(&body["tool_choice"], &[known]))?;
    for (at, tool) in list(body, "tools").iter().enumerate() {
        if ["", "custom"].contains(&text(tool, "type")) {
            extra(&format!("tools.{at}.custom."), stranger(tool, &[ANTHROPIC_TOOL]))?;
        }
    }
    let block = |place: &str, block: &Value| {
        let kind = text(block, "type");
        extra(&format!("{place}.{kind}."), stranger_of_type(block, kind, ANTHROPIC_BLOCKS))?;
        let source = &block["source"];
        let of = text(source, "type");
        extra(&format!("{place}.{kind}.source.{of}."), stranger_of_type(source, of, ANTHROPIC_SOURCES))
    };
    for (at, system) in list(body, "system").iter().enumerate() {
        block(&format!("system.{at}"), system)?;
    }
    for (at, message) in list(body, "messages").iter().enumerate() {
        extra(&format!("messages.{at}."), stranger(message, &["content role"]))?;
        for (n, part) in list(message, "content").iter().enumerate() {
            let place = format!("messages.{at}.content.{n}");
            block(&place, part)?;
            for (m, inner) in list(part, "content").iter().enumerate() {
                block(&format!("{place}.{}.content.{m}", text(part, "type")), inner)?;
            }
        }
    }
    Ok(())
}

pub(super) fn chat(body: &Value) -> Result<(), Rejection> {
    if let Some(key) = stranger(body, &[CHAT, CHAT_ELSEWHERE]) {
        return Err(Rejection::bad(format!("Unrecognized request argument supplied: {key}")));
    }
    let options = "include_obfuscation include_usage continuous_usage_stats";
    unknown("stream_options.", stranger(&body["stream_options"], &[options]))?;
    let format = &body["response_format"];
    unknown("response_format.", stranger(format, &["json_schema schema type"]))?;
    let shape = "description name schema strict";
    unknown("response_format.json_schema.", stranger(&format["json_schema"], &[shape]))?;
    for (at, tool) in list(body, "tools").iter().enumerate() {
        let known = "cache_control custom function type";
        // What servers run themselves has fields of its own.
        if ["custom", "function"].contains(&text(tool, "type")) {
            unknown(&format!("tools[{at}]."), stranger(tool, &[known]))?;
        }
        unknown(&format!("tools[{at}].function."), stranger(&tool["function"], &[FUNCTION]))?;
    }
    for (at, message) in list(body, "messages").iter().enumerate() {
        let place = format!("messages[{at}].");
        unknown(&place, stranger(message, &[CHAT_MESSAGE]))?;
        for (n, call) in list(message, "tool_calls").iter().enumerate() {
            unknown(&format!("{place}tool_calls[{n}]."), stranger(call, &[CHAT_CALL]))?;
            let function = stranger(&call["function"], &["arguments name"]);
            unknown(&format!("{place}tool_calls[{n}].function."), function)?;
        }
        for (n, part) in list(message, "content").iter().enumerate() {
            let stray = stranger_of_type(part, text(part, "type"), CHAT_PARTS);
            unknown(&format!("{place}content[{n}]."), stray)?;
        }
    }
    Ok(())
}

pub(super) fn responses(body: &Value) -> Result<(), Rejection> {
    unknown("", stranger(body, &[RESPONSES]))?;
    let reasoning = "context effort generate_summary mode summary";
    unknown("reasoning.", stranger(&body["reasoning"], &[reasoning]))?;
    unknown("text.", stranger(&body["text"], &["format verbosity"]))?;
    let format = "description name schema strict type";
    unknown("text.format.", stranger(&body["text"]["format"], &[format]))?;
    for (at, tool) in list(body, "tools").iter().enumerate() {
        if text(tool, "type") == "function" {
            unknown(&format!("tools[{at}]."), stranger(tool, &[RESPONSES_FUNCTION]))?;
        }
    }
    for (at, item) in list(body, "input").iter().enumerate() {
        let kind = Some(text(item, "type")).filter(|kind| !kind.is_empty()).unwrap_or("message");
        unknown(&format!("input[{at}]."), stranger_of_type(item, kind, RESPONSES_ITEMS))?;
        for field in ["content", "output"] {
            for (n, part) in list(item, field).iter().enumerate() {
                let stray = stranger_of_type(part, text(part, "type"), RESPONSES_PARTS);
                unknown(&format!("input[{at}].{field}[{n}]."), stray)?;
            }
        }
    }
    Ok(())
}

/// OpenAI's words.
fn unknown(place: &str, key: Option<&str>) -> Result<(), Rejection> {
    let Some(key) = key else { return Ok(()) };
    let kind = Some("unknown_parameter".into());
    Err(Rejection { kind, ..Rejection::bad(format!("Unknown parameter: '{place}{key}'.")) })
}
