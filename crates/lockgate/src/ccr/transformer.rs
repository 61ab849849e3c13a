//! What claude-code-router's transformers become: a kind of provider, a setting, something Lockgate does anyway, or nothing.
//!
//! A transformer is a name, or a list of a name and options. Options are explained one by one where any of them is mapped.

use serde_json::Value;

use super::document::{Data, Node};
use super::draft::Provider;
use super::hosts::Protocol;
use super::report::Entry;

/// OpenRouter's preferences that Lockgate's configuration has too.
const PREFERENCES: [&str; 10] = [
    "allow_fallbacks",
    "data_collection",
    "ignore",
    "max_price",
    "only",
    "order",
    "quantizations",
    "require_parameters",
    "sort",
    "zdr",
];

/// The protocol that the provider's own transformers choose.
pub(super) fn protocol(used: &[Node]) -> Protocol {
    let names: Vec<&str> = used.iter().filter_map(name_of).collect();
    if names.iter().any(|name| name.eq_ignore_ascii_case("anthropic")) && names.len() == 1 {
        return Protocol::Anthropic;
    }
    match names
        .iter()
        .find(|name| matches!(**name, "gemini" | "vertex-gemini" | "vertex-claude" | "vertex-openai"))
    {
        Some(&"gemini") => Protocol::Gemini,
        Some(_) => Protocol::Vertex,
        None => Protocol::Unsaid,
    }
}

/// Explains one use of a transformer; `model` is set where it applies to one model only.
pub(super) fn explain(
    path: &str,
    used: &Node,
    model: Option<&str>,
    provider: &mut Provider,
    entries: &mut Vec<Entry>,
) {
    let Some(name) = name_of(used) else {
        entries.push(Entry::not_mapped(
            path,
            used.place,
            "not a transformer: neither a name nor a list that starts with one",
        ));
        return;
    };
    let options = used.items().get(1);
    match verdict(name, provider.kind) {
        Ok(to) => entries.push(Entry::mapped(path, used.place, to)),
        Err(why) => entries.push(Entry::not_mapped(path, used.place, why)),
    }
    let Some(options) = options else { return };
    if name == "openrouter" {
        openrouter(&format!("{path}[1]"), options, model, provider, entries);
    } else if !options.is_empty() && verdict(name, provider.kind).is_ok() {
        entries.push(Entry::not_mapped(
            format!("{path}[1]"),
            options.place,
            format!("options of {name}, which Lockgate does without"),
        ));
    }
}

fn name_of(used: &Node) -> Option<&str> {
    match &used.data {
        Data::Text(name) => Some(name),
        Data::List(items) => items.first().and_then(Node::text),
        Data::Bool(_) | Data::Map(_) | Data::Null | Data::Number(_) => None,
    }
}

/// What Lockgate does in place of a transformer, or why nothing.
fn verdict(name: &str, kind: &str) -> Result<String, String> {
    let done = |what: &str| Ok(format!("built in: {what}"));
    match name {
        "Anthropic" | "anthropic" if kind == "anthropic" => {
            Ok("the provider's kind: anthropic; calls pass through unchanged".to_owned())
        }
        "Anthropic" | "anthropic" | "OpenAI" | "openai" => {
            done("every client API is served, whatever the provider speaks")
        }
        "cleancache" if kind != "anthropic" => {
            done("cache_control is left out where the provider's API has no place for it")
        }
        "deepseek" | "reasoning" => done("reasoning_content is read and written as thinking"),
        "gemini" | "groq" | "cerebras" | "vercel" | "openrouter" | "openai-responses" => {
            done(&format!("the conversion for {kind}"))
        }
        "maxcompletiontokens" => done("max_tokens is named as the provider's API wants it"),
        "streamoptions" => Ok("stream_usage: always".to_owned()),
        "vertex-gemini" | "vertex-claude" | "vertex-openai" => Ok("the provider's kind: vertex".to_owned()),
        "cleancache" => {
            Err("Lockgate leaves cache_control to the client where the provider supports it".to_owned())
        }
        "customparams" => Err("Lockgate adds no parameters to a request".to_owned()),
        "enhancetool" => {
            Err("Lockgate never repairs tool arguments; broken ones reach the client as they are".to_owned())
        }
        "extrathinktag" | "forcereasoning" => {
            Err("Lockgate does not force thinking on models through prompts".to_owned())
        }
        "maxtoken" => Err("Lockgate passes on the max_tokens that the client asks for".to_owned()),
        "sampling" => Err("Lockgate passes on the client's sampling parameters".to_owned()),
        "tooluse" => Err("Lockgate does not change prompts or tool_choice to force tool use".to_owned()),
        other => {
            Err(format!("{other:?} is a transformer of your own (JavaScript); Lockgate runs no foreign code"))
        }
    }
}

fn openrouter(
    path: &str,
    options: &Node,
    model: Option<&str>,
    provider: &mut Provider,
    entries: &mut Vec<Entry>,
) {
    let only_model =
        model.map(|model| format!("only for the model {model}; Lockgate has these preferences per provider"));
    for field in options.fields() {
        let at = format!("{path}.{}", field.name);
        let place = field.place;
        let header = match field.name.as_str() {
            "referer" => Some("HTTP-Referer"),
            "title" => Some("X-Title"),
            _ => None,
        };
        match (header, field.value.text(), field.name.as_str()) {
            (Some(header), Some(text), _) => {
                provider.headers.push((header.to_owned(), text.to_owned()));
                entries.push(Entry::mapped(at, place, format!("providers.{}.headers.{header}", provider.id)));
            }
            (None, _, "provider") if only_model.is_none() => {
                preferences(&at, &field.value, provider, entries);
            }
            (None, _, "providerOrder") if field.value.is_empty() => {
                entries.push(Entry::not_mapped(at, place, "empty"));
            }
            (None, _, "providerOrder") if only_model.is_none() => {
                provider.openrouter.push(("order".to_owned(), field.value.json()));
                entries.push(Entry::mapped(at, place, format!("providers.{}.openrouter.order", provider.id)));
            }
            _ => {
                let why = only_model
                    .clone()
                    .unwrap_or_else(|| "not an option that Lockgate's OpenRouter provider has".to_owned());
                entries.push(Entry::not_mapped(at, place, why));
            }
        }
    }
}

fn preferences(path: &str, wanted: &Node, provider: &mut Provider, entries: &mut Vec<Entry>) {
    for field in wanted.fields() {
        let at = format!("{path}.{}", field.name);
        if PREFERENCES.contains(&field.name.as_str()) && !matches!(field.value.json(), Value::Null) {
            provider.openrouter.push((field.name.clone(), field.value.json()));
            entries.push(Entry::mapped(
                at,
                field.place,
                format!("providers.{}.openrouter.{}", provider.id, field.name),
            ));
        } else {
            entries.push(Entry::not_mapped(
                at,
                field.place,
                "not a preference that Lockgate's OpenRouter provider has",
            ));
        }
    }
}
