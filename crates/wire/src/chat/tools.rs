//! Tools on offer, the choice among them, and the form of the answer: both forms OpenAI has had (`tools` and
//! `functions`), read into one.
//!
//! A kind of tool that is not known here stays whole, as [`Tool::Hosted`].

use lockgate_core::content::{CacheControl, CustomTool, FunctionTool, Opaque};
use lockgate_core::{Dialect, Failure, OutputFormat, Raw, Tool, ToolChoice, Unmodelled};
use serde_json::value::RawValue;

use super::parts::needed;
use super::request::{Choice, FunctionDef, ResponseFormat, ToolDef};
use crate::json::{List, keep_rest, raw, read_request};

pub(super) fn parse(
    tools: Option<List<ToolDef>>,
    functions: Option<List<FunctionDef>>,
    rest: &mut Vec<Unmodelled>,
) -> Result<Vec<Tool>, Failure> {
    let mut known = Vec::new();
    for (at, tool) in tools.unwrap_or_default().0.into_iter().enumerate() {
        known.push(one(&format!("tools[{at}]"), tool, rest)?);
    }
    for (at, def) in functions.unwrap_or_default().0.into_iter().enumerate() {
        known.push(function(&format!("functions[{at}]"), def, None, rest)?);
    }
    Ok(known)
}

fn one(path: &str, tool: ToolDef, rest: &mut Vec<Unmodelled>) -> Result<Tool, Failure> {
    let kind = tool.kind.unwrap_or_else(|| "function".into());
    match (kind.as_str(), tool.function, tool.custom) {
        ("function", Some(def), _) => {
            keep_rest(rest, path, tool.rest);
            let cache = tool.cache_control.map(|mark| CacheControl { ttl: mark.ttl });
            function(&format!("{path}.function"), def, cache, rest)
        }
        ("function", None, _) => {
            Err(Failure::invalid(format!("{path}.function"), format!("`{path}.function` is missing")))
        }
        ("custom", _, Some(custom)) => {
            keep_rest(rest, path, tool.rest);
            let path = format!("{path}.custom");
            keep_rest(rest, &path, custom.rest);
            let name = needed(&path, "name", custom.name)?;
            Ok(Tool::Custom(CustomTool {
                description: custom.description,
                format: custom.format,
                name,
                namespace: None,
            }))
        }
        ("custom", _, None) => {
            Err(Failure::invalid(format!("{path}.custom"), format!("`{path}.custom` is missing")))
        }
        _ => {
            let raw = object(&kind, tool.rest);
            Ok(Tool::Hosted(Opaque { dialect: Dialect::Chat, kind, raw }))
        }
    }
}

fn function(
    path: &str,
    def: FunctionDef,
    cache: Option<CacheControl>,
    rest: &mut Vec<Unmodelled>,
) -> Result<Tool, Failure> {
    keep_rest(rest, path, def.rest);
    Ok(Tool::Function(FunctionTool {
        cache,
        description: def.description,
        name: needed(path, "name", def.name)?,
        namespace: None,
        schema: def.parameters,
        strict: def.strict,
    }))
}

/// An object with a `type`, put together from its members.
pub(super) fn object(kind: &str, members: Vec<(String, Raw)>) -> Raw {
    let mut text = format!("{{\"type\":{}", serde_json::Value::from(kind));
    for (key, value) in members {
        text.push(',');
        text.push_str(&serde_json::Value::from(key).to_string());
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    raw(text).unwrap_or_default()
}

/// Puts a path before the field that a failure names.
pub(super) fn below(path: &str, failure: Failure) -> Failure {
    let param = match failure.param {
        Some(field) => format!("{path}.{field}"),
        None => path.to_owned(),
    };
    let message = format!("`{param}` is not of the form it must have: {}", failure.message);
    Failure::invalid(param, message)
}

/// The choice among tools, in its new form or its old one.
pub(super) fn choice(
    new: Option<&RawValue>,
    legacy: Option<&RawValue>,
) -> Result<Option<ToolChoice>, Failure> {
    let (field, raw) = match (new, legacy) {
        (Some(raw), _) => ("tool_choice", raw),
        (None, Some(raw)) => ("function_call", raw),
        (None, None) => return Ok(None),
    };
    let wrong = || {
        Failure::invalid(
            field,
            format!(
                "`{field}` must be \"auto\", \"none\", \"required\", a named function or custom tool, or allowed_tools"
            ),
        )
    };
    if let Ok(word) = serde_json::from_str::<String>(raw.get()) {
        return match word.as_str() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "any" | "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(wrong()),
        };
    }
    if field == "function_call" {
        let named: super::request::Named =
            read_request(raw.get().as_bytes()).map_err(|failure| below(field, failure))?;
        let name = needed(field, "name", named.name)?;
        return Ok(Some(ToolChoice::Among { names: vec![name], required: true }));
    }
    let choice: Choice = read_request(raw.get().as_bytes()).map_err(|failure| below(field, failure))?;
    if let Some(allowed) = choice.allowed_tools {
        let names = allowed.tools.unwrap_or_default().0.into_iter().map(|tool| named(tool).ok_or_else(wrong));
        let names = names.collect::<Result<_, _>>()?;
        return Ok(Some(ToolChoice::Among { names, required: allowed.mode.as_deref() == Some("required") }));
    }
    let name = named(choice).ok_or_else(wrong)?;
    Ok(Some(ToolChoice::Among { names: vec![name], required: true }))
}

fn named(choice: Choice) -> Option<String> {
    choice.function.or(choice.custom)?.name
}

/// The form of the answer. A form that is not known (grammars of compatible servers) goes to `rest`.
pub(super) fn format(raw: Option<Raw>, rest: &mut Vec<Unmodelled>) -> Result<Option<OutputFormat>, Failure> {
    let Some(raw) = raw else { return Ok(None) };
    let path = "response_format";
    let format: ResponseFormat =
        read_request(raw.get().as_bytes()).map_err(|failure| below(path, failure))?;
    let found = match (format.kind.as_deref(), format.json_schema, format.schema) {
        (Some("json_schema"), Some(named), _) => {
            keep_rest(rest, "response_format.json_schema", named.rest);
            OutputFormat::Schema {
                description: named.description,
                name: named.name,
                // A schema that is not there allows what `{}` allows.
                schema: named.schema.map_or_else(anything, Ok)?,
                strict: named.strict,
            }
        }
        // llama.cpp, Together and Fireworks take a schema beside `json_object`.
        (Some("json_object" | "json_schema"), None, Some(schema)) => {
            OutputFormat::Schema { description: None, name: None, schema, strict: None }
        }
        (Some("json_schema"), None, None) => {
            return Err(Failure::invalid(
                "response_format.json_schema",
                "`response_format.json_schema` is missing",
            ));
        }
        (Some("json_object"), _, _) => OutputFormat::Json,
        (Some("text"), _, _) => OutputFormat::Text,
        _ => {
            rest.push(Unmodelled { path: path.into(), value: raw });
            return Ok(None);
        }
    };
    keep_rest(rest, path, format.rest);
    Ok(Some(found))
}

fn anything() -> Result<Raw, Failure> {
    raw("{}").ok_or_else(|| Failure::invalid("response_format", "`response_format` has no schema"))
}
