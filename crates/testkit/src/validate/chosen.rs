//! A choice of a tool that was not offered, which every provider refuses in words of its own.

use serde_json::Value;

use super::Rejection;
use crate::seen::{list, text};

pub(super) fn anthropic(body: &Value) -> Result<(), Rejection> {
    let choice = &body["tool_choice"];
    let tools = list(body, "tools");
    if ["any", "auto", "tool"].contains(&text(choice, "type"))
        && tools.is_empty()
        && list(body, "mcp_servers").is_empty()
    {
        return Err(Rejection::bad(
            "tool_choice: `tool_choice` may only be specified while providing `tools`.",
        ));
    }
    let name = text(choice, "name");
    if text(choice, "type") == "tool" && !tools.iter().any(|tool| text(tool, "name") == name) {
        return Err(Rejection::bad(format!("tool_choice: Tool '{name}' not found in provided tools")));
    }
    Ok(())
}

pub(super) fn chat(body: &Value) -> Result<(), Rejection> {
    let choice = &body["tool_choice"];
    let offered = |named: &Value, kind: &str| {
        let name = text(&named[kind], "name");
        list(body, "tools").iter().any(|tool| text(&tool[kind], "name") == name)
    };
    let named = match text(choice, "type") {
        "allowed_tools" => list(&choice["allowed_tools"], "tools"),
        _ => std::slice::from_ref(choice),
    };
    for named in named {
        let kind = text(named, "type");
        if ["custom", "function"].contains(&kind) && !offered(named, kind) {
            let name = text(&named[kind], "name");
            return Err(Rejection::bad(format!(
                "Invalid value for 'tool_choice': no {kind} named '{name}' was specified in the 'tools' parameter."
            )));
        }
    }
    Ok(())
}

pub(super) fn responses(body: &Value) -> Result<(), Rejection> {
    let choice = &body["tool_choice"];
    let named = match text(choice, "type") {
        "allowed_tools" => list(choice, "tools"),
        _ => std::slice::from_ref(choice),
    };
    for named in named {
        let (kind, name) = (text(named, "type"), text(named, "name"));
        let same = |tool: &Value| text(tool, "type") == kind && text(tool, "name") == name;
        // A group of tools is offered as a whole.
        let inside = |tool: &Value| list(tool, "tools").iter().any(same);
        let offered = list(body, "tools").iter().any(|tool| same(tool) || inside(tool));
        if ["custom", "function"].contains(&kind) && !offered {
            return Err(Rejection::bad(format!(
                "Tool choice '{kind}' '{name}' not found in 'tools' parameter."
            )));
        }
    }
    let tools = list(body, "tools").is_empty() && body["previous_response_id"].is_null();
    if choice == "required" && tools {
        return Err(Rejection::bad("Tool choice 'required' must be specified with 'tools' parameter."));
    }
    Ok(())
}

pub(super) fn gemini(body: &Value) -> Result<(), Rejection> {
    let config = &body["toolConfig"]["functionCallingConfig"];
    let names = list(config, "allowedFunctionNames");
    let mode = text(config, "mode");
    if !names.is_empty() && !["ANY", "VALIDATED"].contains(&mode) {
        return Err(Rejection::bad(
            "Allowed function names should be set only when function calling mode is ANY or VALIDATED.",
        ));
    }
    let declared: Vec<&str> = list(body, "tools")
        .iter()
        .flat_map(|tool| list(tool, "functionDeclarations"))
        .map(|function| text(function, "name"))
        .collect();
    if mode == "ANY" && declared.is_empty() {
        return Err(Rejection::bad("Function calling config is set without function_declarations."));
    }
    match names.iter().filter_map(Value::as_str).find(|name| !declared.contains(name)) {
        Some(name) => Err(Rejection::bad(format!(
            "* GenerateContentRequest.tool_config.function_calling_config.allowed_function_names: `{name}` is not among \
             the function declarations."
        ))),
        None => Ok(()),
    }
}
