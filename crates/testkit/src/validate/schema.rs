//! What Anthropic's structured outputs and strict tools refuse in a schema: objects that stay open, and bounds that a grammar cannot hold.

use serde_json::Value;

use super::Rejection;
use crate::seen::{list, text};

/// Keywords that are refused wherever they stand.
const REFUSED: [&str; 12] = [
    "exclusiveMaximum",
    "exclusiveMinimum",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "patternProperties",
    "uniqueItems",
];

pub(super) fn check(body: &Value) -> Result<(), Rejection> {
    for (at, tool) in list(body, "tools").iter().enumerate().filter(|(_, tool)| tool["strict"] == true) {
        node(&tool["input_schema"])
            .map_err(|words| refused(&format!("tools.{at}.custom.input_schema"), &words))?;
    }
    match body["output_config"].get("format") {
        Some(format) if text(format, "type") == "json_schema" => {
            node(&format["schema"]).map_err(|words| refused("output_config.format.schema", &words))
        }
        Some(_) | None => Ok(()),
    }
}

fn node(schema: &Value) -> Result<(), String> {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    let kind = text(schema, "type");
    if kind == "object" && schema["additionalProperties"] != false {
        return Err("For 'object' type, 'additionalProperties' must be explicitly set to false".into());
    }
    if let Some(keyword) = REFUSED.iter().find(|keyword| fields.contains_key(**keyword)) {
        return Err(format!("For '{kind}' type, property '{keyword}' is not supported"));
    }
    if schema["minItems"].as_u64().is_some_and(|least| least > 1) {
        return Err("For 'array' type, 'minItems' values other than 0 or 1 are not supported".into());
    }
    for (name, inner) in fields {
        match name.as_str() {
            "$defs" | "definitions" | "properties" => {
                inner.as_object().into_iter().flatten().try_for_each(|(_, inner)| node(inner))?;
            }
            "allOf" | "anyOf" => inner.as_array().into_iter().flatten().try_for_each(node)?,
            "items" => node(inner)?,
            "oneOf" => return Err("Schema type 'oneOf' is not supported".into()),
            _ => {}
        }
    }
    Ok(())
}

fn refused(place: &str, words: &str) -> Rejection {
    Rejection::bad(format!("{place}: {words}"))
}
