//! What OpenAI Responses refuses.

use std::collections::HashSet;

use serde_json::Value;

use super::{Rejection, has, tool_name};
use crate::seen::{list, text};
use crate::signatures::Verdict;
use crate::state::State;

pub(super) fn check(body: &Value, state: &State) -> Result<(), Rejection> {
    if text(body, "model").is_empty() {
        return Err(Rejection::bad("Missing required parameter: 'model'."));
    }
    if !has(body, "input") && !has(body, "prompt") && !has(body, "previous_response_id") {
        return Err(Rejection::bad("Missing required parameter: 'input'."));
    }
    super::unknown::responses(body)?;
    for (at, tool) in list(body, "tools").iter().enumerate() {
        let named = ["custom", "function", "namespace"].contains(&text(tool, "type"));
        if named && !tool_name(text(tool, "name"), 64) {
            return Err(Rejection::bad(format!(
                "Invalid 'tools[{at}].name': string does not match pattern. Expected a string that matches the \
                 pattern '^[a-zA-Z0-9_-]+$'."
            )));
        }
    }
    super::chosen::responses(body)?;
    super::openai::responses(body)?;
    let mut calls: HashSet<String> = HashSet::new();
    if let Some(id) = body["previous_response_id"].as_str() {
        let earlier = state.calls_of(id).ok_or_else(|| Rejection {
            status: 400,
            kind: Some("previous_response_not_found".into()),
            message: format!("Previous response with id '{id}' not found."),
        })?;
        calls.extend(earlier);
    }
    items(list(body, "input"), calls, state)
}

fn items(items: &[Value], mut calls: HashSet<String>, state: &State) -> Result<(), Rejection> {
    let mut open: Vec<String> = calls.iter().cloned().collect();
    for (at, item) in items.iter().enumerate() {
        let kind = text(item, "type");
        let id = text(item, "call_id").to_owned();
        match kind {
            "function_call" | "custom_tool_call" => {
                let field = if kind == "function_call" { "arguments" } else { "input" };
                if !item[field].is_string() {
                    return Err(Rejection::bad(format!(
                        "Invalid type for 'input[{at}].{field}': expected a string, but got an object instead."
                    )));
                }
                calls.insert(id.clone());
                open.push(id);
            }
            "function_call_output" | "custom_tool_call_output" => {
                if !calls.contains(&id) {
                    let what = if kind.starts_with("custom") { "custom tool call" } else { "function call" };
                    return Err(Rejection::bad(format!(
                        "No tool call found for {what} output with call_id {id}."
                    )));
                }
                open.retain(|o| *o != id);
            }
            "reasoning" => sealed(item, state)?,
            "" | "message" => role(item, at)?,
            _ => {}
        }
    }
    match open.first() {
        Some(id) => Err(Rejection::bad(format!("No tool output found for function call {id}."))),
        None => Ok(()),
    }
}

fn role(item: &Value, at: usize) -> Result<(), Rejection> {
    let role = text(item, "role");
    if ["assistant", "developer", "system", "user"].contains(&role) {
        return Ok(());
    }
    Err(Rejection::bad(format!(
        "Invalid value: '{role}'. Supported values are: 'assistant', 'system', 'developer', and 'user'. (input[{at}].role)"
    )))
}

fn sealed(item: &Value, state: &State) -> Result<(), Rejection> {
    let Some(sealed) = item["encrypted_content"].as_str() else { return Ok(()) };
    let summary: String = list(item, "summary").iter().map(|s| text(s, "text")).collect();
    if state.signatures.check(sealed, Some(&summary)) == Verdict::Own {
        return Ok(());
    }
    let shown: String = sealed.chars().take(12).collect();
    Err(Rejection {
        status: 400,
        kind: Some("invalid_encrypted_content".into()),
        message: format!(
            "The encrypted content {shown}... could not be verified. Reason: Encrypted content could not be \
             decrypted or parsed."
        ),
    })
}
