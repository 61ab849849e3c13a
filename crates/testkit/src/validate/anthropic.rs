//! What Anthropic Messages refuses.

use std::collections::HashSet;

use serde_json::Value;

use super::{Rejection, has, tool_name, twice};
use crate::dialect::Op;
use crate::seen::{Seen, list, text};
use crate::signatures::Verdict;
use crate::state::State;

pub(super) fn check(seen: &Seen, state: &State) -> Result<(), Rejection> {
    let body = seen.body();
    let generate = seen.route.op == Op::Generate;
    for field in ["model", "max_tokens", "messages"] {
        if !has(body, field) && (generate || field != "max_tokens") {
            return Err(Rejection::bad(format!("{field}: Field required")));
        }
    }
    if generate && seen.header("anthropic-version").is_none() {
        return Err(Rejection::bad("anthropic-version: header is required"));
    }
    super::unknown::anthropic(body)?;
    tools(body)?;
    super::chosen::anthropic(body)?;
    thinking(body)?;
    breakpoints(body)?;
    super::schema::check(body)?;
    messages(body, state)?;
    super::order::check(body)
}

fn tools(body: &Value) -> Result<(), Rejection> {
    let tools = list(body, "tools");
    if twice(tools.iter().map(|t| text(t, "name"))).is_some() {
        return Err(Rejection::bad("tools: Tool names must be unique."));
    }
    for (at, tool) in tools.iter().enumerate() {
        let custom = ["", "custom"].contains(&text(tool, "type"));
        if custom && !tool_name(text(tool, "name"), 128) {
            return Err(Rejection::bad(format!(
                "tools.{at}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
            )));
        }
        if custom && !tool["input_schema"].is_object() {
            return Err(Rejection::bad(format!("tools.{at}.custom.input_schema: Field required")));
        }
    }
    Ok(())
}

fn thinking(body: &Value) -> Result<(), Rejection> {
    let kind = text(&body["thinking"], "type");
    if !["enabled", "adaptive", "between_tools"].contains(&kind) {
        return Ok(());
    }
    if kind == "enabled" {
        let budget = body["thinking"]["budget_tokens"].as_i64().unwrap_or(0);
        if budget < 1024 {
            return Err(Rejection::bad(
                "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
            ));
        }
        if body["max_tokens"].as_i64().is_some_and(|most| budget >= most) {
            return Err(Rejection::bad("`max_tokens` must be greater than `thinking.budget_tokens`."));
        }
    }
    if body["temperature"].as_f64().is_some_and(|t| (t - 1.0).abs() > f64::EPSILON) {
        return Err(Rejection::bad("`temperature` may only be set to 1 when thinking is enabled."));
    }
    if ["any", "tool"].contains(&text(&body["tool_choice"], "type")) {
        return Err(Rejection::bad("Thinking may not be enabled when tool_choice forces tool use."));
    }
    Ok(())
}

fn breakpoints(body: &Value) -> Result<(), Rejection> {
    let found = count(body);
    if found > 4 {
        let message = format!("A maximum of 4 blocks with cache_control may be provided. Found {found}.");
        return Err(Rejection::bad(message));
    }
    Ok(())
}

/// Counts breakpoints; inside tool schemas and arguments the word is data.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !["input_schema", "input", "metadata"].contains(&key.as_str()))
            .map(|(key, v)| if key == "cache_control" { usize::from(!v.is_null()) } else { count(v) })
            .sum(),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => 0,
    }
}

fn messages(body: &Value, state: &State) -> Result<(), Rejection> {
    let messages = list(body, "messages");
    if messages.is_empty() {
        return Err(Rejection::bad("messages: at least one message is required"));
    }
    if text(&messages[0], "role") == "assistant" {
        return Err(Rejection::bad("messages: first message must use the \"user\" role"));
    }
    // Tool calls of the assistant message before, which this user message must answer.
    let mut open: Vec<String> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if !["user", "assistant", "system"].contains(&role) {
            return Err(Rejection::bad(format!(
                "messages: Unexpected role \"{role}\". Allowed roles are \"user\", \"assistant\" or \"system\"."
            )));
        }
        content(message, at, at + 1 == messages.len())?;
        if role == "system" {
            continue;
        }
        results(message, at, &open)?;
        open = calls(message);
        if role == "assistant" {
            signatures(message, at, state)?;
        }
    }
    if let Some(id) = open.first() {
        return Err(unanswered(messages.len() - 1, id));
    }
    Ok(())
}

fn unanswered(at: usize, id: &str) -> Rejection {
    Rejection::bad(format!(
        "messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after: {id}. Each \
         `tool_use` block must have a corresponding `tool_result` block in the next message."
    ))
}

fn content(message: &Value, at: usize, last: bool) -> Result<(), Rejection> {
    let content = &message["content"];
    if let Some(said) = content.as_str() {
        let optional = last && text(message, "role") == "assistant";
        return if said.is_empty() && !optional {
            Err(Rejection::bad(format!(
                "messages.{at}: all messages must have non-empty content except for the optional final assistant message"
            )))
        } else {
            Ok(())
        };
    }
    let Some(blocks) = content.as_array() else {
        return Err(Rejection::bad(format!("messages.{at}.content: Field required")));
    };
    if blocks.is_empty() && !(last && text(message, "role") == "assistant") {
        return Err(Rejection::bad(format!(
            "messages.{at}: all messages must have non-empty content except for the optional final assistant message"
        )));
    }
    for (n, block) in blocks.iter().enumerate() {
        let kind = text(block, "type");
        if kind.is_empty() {
            return Err(Rejection::bad(format!("messages.{at}.content.{n}.type: Field required")));
        }
        if kind == "text" && text(block, "text").is_empty() {
            return Err(Rejection::bad("messages: text content blocks must be non-empty"));
        }
        if kind == "tool_use" && !block["input"].is_object() {
            return Err(Rejection::bad(format!(
                "messages.{at}.content.{n}.tool_use.input: Input should be a valid dictionary"
            )));
        }
        if kind == "tool_use" && !tool_name(text(block, "name"), 200) {
            return Err(Rejection::bad(format!(
                "messages.{at}.content.{n}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,200}}$'"
            )));
        }
        let inner = list(block, "content");
        if kind == "tool_result"
            && inner.iter().any(|b| text(b, "type") == "text" && text(b, "text").is_empty())
        {
            return Err(Rejection::bad("messages: text content blocks must be non-empty"));
        }
    }
    Ok(())
}

fn calls(message: &Value) -> Vec<String> {
    let blocks = list(message, "content").iter();
    blocks.filter(|b| text(b, "type") == "tool_use").map(|b| text(b, "id").to_owned()).collect()
}

fn results(message: &Value, at: usize, open: &[String]) -> Result<(), Rejection> {
    let blocks = list(message, "content");
    let mut answered: HashSet<&str> = HashSet::new();
    let mut other = false;
    for (n, block) in blocks.iter().enumerate() {
        if text(block, "type") != "tool_result" {
            other = true;
            continue;
        }
        let id = text(block, "tool_use_id");
        if !open.iter().any(|o| o == id) {
            return Err(Rejection::bad(format!(
                "messages.{at}.content.{n}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                 `tool_result` block must have a corresponding `tool_use` block in the previous message."
            )));
        }
        if !answered.insert(id) {
            return Err(Rejection::bad(format!(
                "messages.{at}.content.{n}: each tool_use must have a single result. Found multiple `tool_result` \
                 blocks with id: {id}"
            )));
        }
        if other {
            return Err(unanswered(at.saturating_sub(1), id));
        }
    }
    match open.iter().find(|id| !answered.contains(id.as_str())) {
        Some(id) => Err(unanswered(at.saturating_sub(1), id)),
        None => Ok(()),
    }
}

fn signatures(message: &Value, at: usize, state: &State) -> Result<(), Rejection> {
    for (n, block) in list(message, "content").iter().enumerate() {
        let (kind, sealed, shown) = match text(block, "type") {
            "thinking" => ("thinking", text(block, "signature"), Some(text(block, "thinking"))),
            "redacted_thinking" => ("redacted_thinking", text(block, "data"), None),
            _ => continue,
        };
        match state.signatures.check(sealed, shown) {
            Verdict::Own => {}
            Verdict::Altered => {
                return Err(Rejection::bad(format!(
                    "messages.{at}.content.{n}: `thinking` or `redacted_thinking` blocks in the latest assistant \
                     message cannot be modified. These blocks must remain as they were in the original response."
                )));
            }
            Verdict::Foreign => {
                let field = if kind == "thinking" { "signature" } else { "data" };
                return Err(Rejection::bad(format!(
                    "messages.{at}.content.{n}: Invalid `{field}` in `{kind}` block"
                )));
            }
        }
    }
    Ok(())
}
