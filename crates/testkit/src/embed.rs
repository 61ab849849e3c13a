//! Embeddings of every dialect: small vectors that depend on the text alone, so that equal texts are equal.

use std::hash::{DefaultHasher, Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::dialect::{Dialect, Op};
use crate::seen::{Seen, list, text};

const DIMENSIONS: u64 = 8;

fn vector(of: &str, dimensions: u64) -> Vec<f32> {
    (0..dimensions)
        .map(|at| {
            let mut hasher = DefaultHasher::new();
            (of, at).hash(&mut hasher);
            (hasher.finish() % 2001) as f32 / 1000.0 - 1.0
        })
        .collect()
}

fn inputs(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).map(String::from).collect()
        }
        Value::Array(items) if items.iter().all(Value::is_array) => {
            items.iter().map(Value::to_string).collect()
        }
        Value::String(one) => vec![one.clone()],
        other => vec![other.to_string()],
    }
}

fn gemini_text(request: &Value) -> String {
    list(&request["content"], "parts").iter().map(|p| text(p, "text")).collect()
}

pub(crate) fn answer(seen: &Seen) -> Value {
    let body = seen.body();
    let dimensions = |value: &Value, field: &str| value[field].as_u64().unwrap_or(DIMENSIONS);
    match seen.route.dialect {
        Dialect::Gemini if seen.route.op == Op::EmbedBatch => {
            let all = list(body, "requests").iter().map(|request| {
                json!({"values": vector(&gemini_text(request), dimensions(request, "outputDimensionality"))})
            });
            json!({"embeddings": all.collect::<Vec<_>>()})
        }
        Dialect::Gemini => {
            json!({"embedding": {"values": vector(&gemini_text(body), dimensions(body, "outputDimensionality"))}})
        }
        Dialect::Ollama => {
            let all: Vec<_> =
                inputs(&body["input"]).iter().map(|t| vector(t, dimensions(body, "dimensions"))).collect();
            json!({
                "model": seen.model(), "embeddings": all, "total_duration": 1_000_000,
                "load_duration": 100_000, "prompt_eval_count": seen.tokens(),
            })
        }
        Dialect::Anthropic | Dialect::Chat | Dialect::Responses => {
            let base64 = text(body, "encoding_format") == "base64";
            let data = inputs(&body["input"]).into_iter().enumerate().map(|(index, input)| {
                let values = vector(&input, dimensions(body, "dimensions"));
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                let shown = if base64 { json!(STANDARD.encode(bytes)) } else { json!(values) };
                json!({"object": "embedding", "index": index, "embedding": shown})
            });
            json!({
                "object": "list", "data": data.collect::<Vec<_>>(), "model": seen.model(),
                "usage": {"prompt_tokens": seen.tokens(), "total_tokens": seen.tokens()},
            })
        }
    }
}
