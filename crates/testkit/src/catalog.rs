//! Models, versions, health and the like: everything that is looked up rather than generated.

use std::hash::{Hash as _, Hasher as _};

use serde_json::{Value, json};

use crate::clock;
use crate::dialect::{Dialect, Op};
use crate::play::Response;
use crate::script::{ModelCard, Script};
use crate::seen::{Seen, text};
use crate::validate::Rejection;

/// 2025-11-01, when everything here was made.
const MADE: u64 = 1_761_955_200;
const GIB: u64 = 1024 * 1024 * 1024;

/// The models that scripts without a list have.
fn cards(script: &Script) -> Vec<ModelCard> {
    if script.models.is_empty() {
        let names = ["claude-sonnet-4-5", "gpt-5.5", "gemini-3-pro-preview", "qwen3:8b"];
        names.iter().map(|name| ModelCard::named(name)).collect()
    } else {
        script.models.clone()
    }
}

pub(crate) fn answer(seen: &Seen, script: &Script) -> Result<Response, Rejection> {
    let dialect = seen.route.dialect;
    let cards = cards(script);
    let body = match seen.route.op {
        Op::Health if dialect == Dialect::Ollama => {
            return Ok(Response::whole(200, "text/plain; charset=utf-8", "Ollama is running"));
        }
        Op::Health => json!({"status": "ok"}),
        Op::Metrics => return Ok(metrics()),
        Op::Model => {
            let wanted = seen.model();
            let found = cards.iter().find(|c| c.id == wanted);
            found.map(|card| model(card, seen)).ok_or_else(|| missing_model(dialect, wanted))?
        }
        Op::Models if seen.route.openrouter => return Ok(tagged(seen, &models(&cards, seen))),
        Op::Models => models(&cards, seen),
        Op::Props => props(cards.first()),
        Op::Running => {
            let loaded: Vec<Value> = cards.iter().filter(|c| c.loaded).map(running).collect();
            json!({"models": loaded})
        }
        Op::Show => {
            let wanted = Some(text(seen.body(), "model")).filter(|m| !m.is_empty());
            let wanted = wanted.unwrap_or_else(|| text(seen.body(), "name"));
            let found = if script.models.is_empty() {
                cards.iter().find(|c| c.id == wanted).cloned()
            } else {
                script.card(wanted).cloned()
            };
            show(&found.ok_or_else(|| missing_model(dialect, wanted))?)
        }
        Op::Version => json!({"version": "0.33.0"}),
        Op::CountTokens
        | Op::Embed
        | Op::EmbedBatch
        | Op::Generate
        | Op::GeneratePlain
        | Op::Generation
        | Op::Token
        | Op::Unknown => return Err(Rejection::missing("Not Found")),
    };
    Ok(Response::json(200, dialect, &body))
}

/// What each provider says to an unknown model.
pub(crate) fn missing_model(dialect: Dialect, model: &str) -> Rejection {
    Rejection::missing(match dialect {
        Dialect::Anthropic => format!("model: {model}"),
        Dialect::Chat | Dialect::Responses => {
            format!("The model `{model}` does not exist or you do not have access to it.")
        }
        Dialect::Gemini => format!(
            "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call \
             ListModels to see the list of available models and their supported methods."
        ),
        Dialect::Ollama => format!("model '{model}' not found"),
    })
}

fn models(cards: &[ModelCard], seen: &Seen) -> Value {
    let all: Vec<Value> = cards.iter().map(|card| model(card, seen)).collect();
    match seen.route.dialect {
        Dialect::Anthropic => json!({
            "data": all, "has_more": false, "first_id": cards.first().map(|c| &c.id),
            "last_id": cards.last().map(|c| &c.id),
        }),
        Dialect::Gemini | Dialect::Ollama => json!({"models": all}),
        Dialect::Chat | Dialect::Responses => json!({"object": "list", "data": all}),
    }
}

fn model(card: &ModelCard, seen: &Seen) -> Value {
    match seen.route.dialect {
        Dialect::Anthropic => json!({
            "type": "model", "id": card.id, "display_name": card.id, "created_at": "2025-11-01T00:00:00Z",
            "lifecycle": "active", "max_input_tokens": card.context, "max_tokens": card.max_output,
        }),
        Dialect::Chat | Dialect::Responses if seen.route.openrouter => json!({
            "id": card.id, "canonical_slug": card.id, "name": card.id, "created": MADE, "description": "",
            "context_length": card.context,
            "architecture": {
                "modality": "text+image->text", "input_modalities": ["text", "image"],
                "output_modalities": ["text"], "tokenizer": "Other", "instruct_type": null,
            },
            "pricing": {"prompt": card.prices.0, "completion": card.prices.1, "request": "0", "image": "0"},
            "expiration_date": card.expires,
            "top_provider": {
                "context_length": card.context, "max_completion_tokens": card.max_output,
                "is_moderated": false,
            },
            "per_request_limits": null, "supported_parameters": parameters(card),
        }),
        Dialect::Chat | Dialect::Responses => json!({
            "id": card.id, "object": "model", "created": MADE, "owned_by": "upstream", "root": card.id,
            "parent": null, "max_model_len": card.context,
            "meta": {"n_ctx": card.context, "n_ctx_train": card.context, "n_params": 8_000_000_000_u64},
        }),
        Dialect::Gemini => json!({
            "name": format!("models/{}", card.id), "version": "001", "displayName": card.id,
            "description": "", "inputTokenLimit": card.context, "outputTokenLimit": card.max_output,
            "supportedGenerationMethods": ["generateContent", "countTokens"], "temperature": 1, "topP": 0.95,
            "topK": 64, "thinking": card.capabilities.iter().any(|c| c == "thinking"),
        }),
        Dialect::Ollama => {
            let mut shown = json!({
                "name": card.id, "model": card.id, "modified_at": clock::rfc3339(MADE * 1000),
                "size": 5 * GIB, "digest": "0".repeat(64), "details": details(card),
                "capabilities": card.capabilities,
            });
            if let Some(host) = &card.remote_host {
                shown["remote_host"] = json!(host);
                shown["remote_model"] = json!(card.id.trim_end_matches("-cloud").trim_end_matches(":cloud"));
                shown["size"] = json!(384);
            }
            shown
        }
    }
}

/// What a model takes beside messages, as `OpenRouter` tells it.
fn parameters(card: &ModelCard) -> Vec<&'static str> {
    let tools = card.capabilities.iter().any(|word| word == "tools");
    if tools { vec!["tools", "tool_choice", "reasoning"] } else { vec!["reasoning"] }
}

/// A list with its tag; 304 for those who have it already.
fn tagged(seen: &Seen, list: &Value) -> Response {
    let mut hasher = std::hash::DefaultHasher::new();
    list.to_string().hash(&mut hasher);
    let tag = format!("W/\"{:x}\"", hasher.finish());
    let answer = if seen.header("if-none-match") == Some(tag.as_str()) {
        Response::whole(304, "application/json", "")
    } else {
        Response::json(200, seen.route.dialect, list)
    };
    answer.header("etag", tag)
}

fn details(card: &ModelCard) -> Value {
    json!({
        "parent_model": "", "format": "gguf", "family": "qwen3", "families": ["qwen3"],
        "parameter_size": "8.2B", "quantization_level": "Q4_K_M", "context_length": card.context,
    })
}

fn running(card: &ModelCard) -> Value {
    json!({
        "name": card.id, "model": card.id, "size": 5 * GIB, "digest": "0".repeat(64),
        "details": details(card), "expires_at": clock::rfc3339(clock::unix_ms() + 300_000),
        "size_vram": 5 * GIB, "context_length": card.context,
    })
}

fn show(card: &ModelCard) -> Value {
    let mut shown = json!({
        "license": "Apache-2.0", "modelfile": "", "parameters": "", "template": "{{ .Prompt }}",
        "details": details(card),
        "model_info": {
            "general.architecture": "qwen3", "general.parameter_count": 8_190_735_360_u64,
            "qwen3.context_length": card.context, "qwen3.block_count": 36,
            "qwen3.attention.head_count_kv": 8, "qwen3.attention.key_length": 128,
        },
        "capabilities": card.capabilities, "modified_at": clock::rfc3339(MADE * 1000),
    });
    if let Some(host) = &card.remote_host {
        shown["remote_host"] = json!(host);
        shown["remote_model"] = json!(card.id);
    }
    shown
}

fn props(card: Option<&ModelCard>) -> Value {
    let context = card.map_or(8192, |c| c.context);
    json!({
        "default_generation_settings": {"n_ctx": context, "params": {}}, "total_slots": 4,
        "model_path": card.map(|c| format!("/models/{}.gguf", c.id)), "chat_template": "{% for m in messages %}",
        "chat_template_caps": {"supports_tools": true, "supports_tool_calls": true},
        "modalities": {"vision": false, "audio": false}, "build_info": "b9000-upstream", "is_sleeping": false,
    })
}

fn metrics() -> Response {
    let text = "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running 0\n\
                # TYPE vllm:num_requests_waiting gauge\nvllm:num_requests_waiting 0\n\
                # TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 0\n";
    Response::whole(200, "text/plain; version=0.0.4", text)
}
