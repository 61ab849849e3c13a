//! What OpenAI Chat Completions refuses.

use std::collections::HashSet;

use serde_json::Value;

use super::{Rejection, has, tool_name};
use crate::seen::{list, text};

pub(super) fn check(body: &Value, azure: bool) -> Result<(), Rejection> {
    if !azure && text(body, "model").is_empty() {
        return Err(Rejection::bad("you must provide a model parameter"));
    }
    if !has(body, "messages") {
        return Err(Rejection::bad("Missing required parameter: 'messages'."));
    }
    if list(body, "messages").is_empty() {
        return Err(Rejection::bad(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
        ));
    }
    super::unknown::chat(body)?;
    for (at, tool) in list(body, "tools").iter().enumerate() {
        let field = if text(tool, "type") == "custom" { "custom" } else { "function" };
        name(&format!("tools[{at}].{field}.name"), text(&tool[field], "name"))?;
    }
    if has(body, "stream_options") && body["stream"] != true {
        return Err(Rejection::bad(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
        ));
    }
    if has(body, "tool_choice") && list(body, "tools").is_empty() && body["tool_choice"] != "none" {
        return Err(Rejection::bad("'tool_choice' is only allowed when 'tools' are specified."));
    }
    super::chosen::chat(body)?;
    super::openai::chat(body)?;
    messages(list(body, "messages"))
}

fn name(place: &str, name: &str) -> Result<(), Rejection> {
    if tool_name(name, 64) {
        return Ok(());
    }
    Err(Rejection::bad(format!(
        "Invalid '{place}': string does not match pattern. Expected a string that matches the pattern \
         '^[a-zA-Z0-9_-]{{1,64}}$'."
    )))
}

fn messages(messages: &[Value]) -> Result<(), Rejection> {
    let mut open: HashSet<&str> = HashSet::new();
    for (at, message) in messages.iter().enumerate() {
        let role = text(message, "role");
        if !["assistant", "developer", "function", "system", "tool", "user"].contains(&role) {
            return Err(Rejection::bad(format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', \
                 and 'developer'."
            )));
        }
        if role == "tool" {
            let id = text(message, "tool_call_id");
            if id.is_empty() {
                return Err(Rejection::bad(format!(
                    "Missing required parameter: 'messages[{at}].tool_call_id'."
                )));
            }
            if !open.remove(id) {
                return Err(Rejection::bad(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with \
                     'tool_calls'.",
                ));
            }
            continue;
        }
        unanswered(&open)?;
        let calls = list(message, "tool_calls");
        let silent = !has(message, "content") && !has(message, "refusal") && !has(message, "audio");
        if silent && calls.is_empty() && !has(message, "function_call") {
            return Err(Rejection::bad(format!(
                "Invalid value for 'content': expected a string, got null. (messages[{at}])"
            )));
        }
        for (n, call) in calls.iter().enumerate() {
            let place = format!("messages[{at}].tool_calls[{n}]");
            if text(call, "id").is_empty() {
                return Err(Rejection::bad(format!("Missing required parameter: '{place}.id'.")));
            }
            if text(call, "type") != "custom" {
                name(&format!("{place}.function.name"), text(&call["function"], "name"))?;
                if !call["function"]["arguments"].is_string() {
                    return Err(Rejection::bad(format!(
                        "Invalid type for '{place}.function.arguments': expected a string, but got an object instead."
                    )));
                }
            }
            open.insert(text(call, "id"));
        }
    }
    unanswered(&open)
}

fn unanswered(open: &HashSet<&str>) -> Result<(), Rejection> {
    if open.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<&str> = open.iter().copied().collect();
    ids.sort_unstable();
    Err(Rejection::bad(format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each \
         'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        ids.join(", ")
    )))
}
