//! What Ollama refuses: what Go cannot decode, and what the model cannot do.

use serde_json::Value;

use super::Rejection;
use crate::script::Script;
use crate::seen::{Seen, list, text};

pub(super) fn check(seen: &Seen, script: &Script) -> Result<(), Rejection> {
    let body = seen.body();
    if text(body, "model").is_empty() {
        return Err(Rejection::bad("model is required"));
    }
    let able =
        |what: &str| script.card(seen.model()).is_none_or(|card| card.capabilities.iter().any(|c| c == what));
    if !list(body, "tools").is_empty() && !able("tools") {
        let message = format!("registry.ollama.ai/library/{} does not support tools", seen.model());
        return Err(Rejection::bad(message));
    }
    let thinks = body.get("think").is_some_and(|v| !v.is_null() && *v != Value::Bool(false));
    if thinks && !able("thinking") {
        return Err(Rejection::bad(format!("{:?} does not support thinking", seen.model())));
    }
    for message in list(body, "messages") {
        let role = text(message, "role");
        if !["assistant", "system", "tool", "user"].contains(&role) {
            return Err(Rejection::bad(format!("invalid role: {role}")));
        }
        if message.get("content").is_some_and(|c| !c.is_string() && !c.is_null()) {
            return Err(Rejection::bad(
                "json: cannot unmarshal array into Go struct field ChatRequest.messages.content of type string",
            ));
        }
        for call in list(message, "tool_calls") {
            if !call["function"]["arguments"].is_object() {
                return Err(Rejection::bad(
                    "json: cannot unmarshal string into Go struct field \
                     ChatRequest.messages.tool_calls.function.arguments of type api.ToolCallFunctionArguments",
                ));
            }
        }
        for image in list(message, "images") {
            if !image.is_string()
                || image.as_str().is_some_and(|i| i.starts_with("data:") || i.starts_with("http"))
            {
                return Err(Rejection::bad("illegal base64 data at input byte 4"));
            }
        }
    }
    Ok(())
}
