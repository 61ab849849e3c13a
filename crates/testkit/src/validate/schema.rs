//! What Anthropic's structured outputs refuse in a schema: objects that stay open, and bounds that a grammar cannot hold.

use serde_json::Value;

use super::Rejection;
use crate::seen::text;

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
    match body["output_config"].get("format") {
        Some(format) if text(format, "type") == "json_schema" => node(&format["schema"]),
        Some(_) | None => Ok(()),
    }
}

fn node(schema: &Value) -> Result<(), Rejection> {
    let Some(fields) = schema.as_object() else { return Ok(()) };
    let kind = text(schema, "type");
    if kind == "object" && schema["additionalProperties"] != false {
        return Err(refused("For 'object' type, 'additionalProperties' must be explicitly set to false"));
    }
    if let Some(keyword) = REFUSED.iter().find(|keyword| fields.contains_key(**keyword)) {
        return Err(refused(&format!("For '{kind}' type, property '{keyword}' is not supported")));
    }
    if schema["minItems"].as_u64().is_some_and(|least| least > 1) {
        return Err(refused("For 'array' type, 'minItems' values other than 0 or 1 are not supported"));
    }
    for (name, inner) in fields {
        match name.as_str() {
            "$defs" | "definitions" | "properties" => {
                inner.as_object().into_iter().flatten().try_for_each(|(_, inner)| node(inner))?;
            }
            "allOf" | "anyOf" => inner.as_array().into_iter().flatten().try_for_each(node)?,
            "items" => node(inner)?,
            "oneOf" => return Err(refused("Schema type 'oneOf' is not supported")),
            _ => {}
        }
    }
    Ok(())
}

fn refused(words: &str) -> Rejection {
    Rejection::bad(format!("output_config.format.schema: {words}"))
}
