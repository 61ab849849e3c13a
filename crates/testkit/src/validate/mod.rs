//! What the real providers refuse. One file per dialect; only what they are known to check, in their words.

mod anthropic;
mod chat;
mod chosen;
mod gemini;
mod ollama;
mod openai;
mod order;
mod responses;
mod schema;
mod unknown;

use serde_json::Value;

use crate::catalog;
use crate::dialect::{Dialect, Op};
use crate::script::Script;
use crate::seen::Seen;
use crate::state::State;

/// A refusal in neutral form; `render::error` gives it the dialect's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) status: u16,
    /// The provider's own word (type, code or status), where the HTTP status does not imply it.
    pub(crate) kind: Option<String>,
    pub(crate) message: String,
}

impl Rejection {
    /// 400.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { status: 400, kind: None, message: message.into() }
    }

    /// 404.
    pub(crate) fn missing(message: impl Into<String>) -> Self {
        Self { status: 404, kind: None, message: message.into() }
    }
}

/// Refuses what the real provider would.
pub(crate) fn check(seen: &Seen, state: &State, script: &Script) -> Result<(), Rejection> {
    let op = seen.route.op;
    let asks = matches!(op, Op::CountTokens | Op::Embed | Op::EmbedBatch | Op::Generate | Op::GeneratePlain);
    if !asks {
        return Ok(());
    }
    if !seen.body().is_object() {
        return Err(Rejection::bad(match seen.route.dialect {
            Dialect::Anthropic => "The request body is not valid JSON: expected an object",
            Dialect::Chat | Dialect::Responses => {
                "We could not parse the JSON body of your request. The API expects a JSON payload."
            }
            Dialect::Gemini => "Invalid JSON payload received. Unexpected token.",
            Dialect::Ollama => "invalid character in request body",
        }));
    }
    if script.only_listed_models && script.card(seen.model()).is_none() {
        return Err(catalog::missing_model(seen.route.dialect, seen.model()));
    }
    if matches!(op, Op::Embed | Op::EmbedBatch) {
        return Ok(());
    }
    match seen.route.dialect {
        Dialect::Anthropic => anthropic::check(seen, state),
        Dialect::Chat => chat::check(seen.body(), seen.route.azure),
        Dialect::Gemini => gemini::check(seen, state),
        Dialect::Ollama => ollama::check(seen, script),
        Dialect::Responses => responses::check(seen.body(), state),
    }
}

/// Whether a tool name is `^[a-zA-Z0-9_-]{1,most}$`.
fn tool_name(name: &str, most: usize) -> bool {
    (1..=most).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The first name that comes twice.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

/// Whether a field is there and not null.
fn has(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|v| !v.is_null())
}
