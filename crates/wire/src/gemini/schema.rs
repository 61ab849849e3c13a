//! Google's own schema form (a `Schema` of `OpenAPI` 3.0: types in capitals, `nullable`, numbers in strings) turned into
//! JSON Schema, which every other dialect speaks.
//!
//! The other way round is never needed: JSON Schema goes to Gemini unchanged in `parametersJsonSchema`. Values that
//! are no schemas (`enum`, `default`, `example`) stay as they are.

use lockgate_core::Raw;
use serde_json::{Map, Value};

use crate::json::raw;

/// A schema as JSON Schema. What is no object comes back as it was.
pub(super) fn to_json_schema(schema: Raw) -> Raw {
    match serde_json::from_str(schema.get()) {
        Ok(mut value) => {
            convert(&mut value);
            raw(value.to_string()).unwrap_or(schema)
        }
        Err(_) => schema,
    }
}

fn convert(schema: &mut Value) {
    let Value::Object(members) = schema else { return };
    let old = std::mem::take(members);
    let mut nullable = false;
    for (key, mut value) in old {
        match &*key {
            "nullable" => nullable = value == Value::Bool(true),
            // An order of presentation only; JSON Schema has no word for it.
            "propertyOrdering" | "property_ordering" => {}
            "type" => {
                lower(&mut value);
                members.insert(key, value);
            }
            "properties" => {
                each(&mut value);
                members.insert(key, value);
            }
            "defs" | "$defs" => {
                each(&mut value);
                members.insert("$defs".into(), value);
            }
            "ref" => {
                members.insert("$ref".into(), value);
            }
            "items" | "additionalProperties" | "additional_properties" => {
                convert(&mut value);
                members.insert(camel(&key), value);
            }
            "anyOf" | "any_of" | "allOf" | "oneOf" | "prefixItems" => {
                value.as_array_mut().into_iter().flatten().for_each(convert);
                members.insert(camel(&key), value);
            }
            "maxItems" | "max_items" | "minItems" | "min_items" | "maxLength" | "max_length"
            | "minLength" | "min_length" | "maxProperties" | "max_properties" | "minProperties"
            | "min_properties" => {
                let count = value.as_str().and_then(|text| text.parse::<u64>().ok());
                members.insert(camel(&key), count.map_or(value, Into::into));
            }
            _ => {
                members.insert(key, value);
            }
        }
    }
    if nullable {
        allow_null(members);
    }
}

fn each(schemas: &mut Value) {
    schemas.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(convert);
}

fn lower(kind: &mut Value) {
    match kind {
        Value::String(name) => *name = name.to_ascii_lowercase(),
        Value::Array(kinds) => kinds.iter_mut().for_each(lower),
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_) => {}
    }
}

fn allow_null(members: &mut Map<String, Value>) {
    if let Some(kind @ Value::String(_)) = members.get_mut("type") {
        *kind = Value::Array(vec![kind.take(), "null".into()]);
    }
    if let Some(Value::Array(kinds)) = members.get_mut("anyOf") {
        kinds.push(serde_json::json!({"type": "null"}));
    }
    if let Some(Value::Array(values)) = members.get_mut("enum") {
        values.push(Value::Null);
    }
}

fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut upper = false;
    for c in key.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

/// A protobuf field name as its JSON name.
pub(super) fn json_name(key: &str) -> String {
    camel(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn googles_schema_becomes_json_schema_and_nothing_else_moves() {
        let google = raw(
            r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","enum":["A","STRING"],"nullable":true},"n":{"type":"ARRAY","items":{"type":"INTEGER","format":"int64"},"minItems":"1"},"any_of":{"any_of":[{"type":"NUMBER"},{"type":"BOOLEAN"}]}},"required":["type"],"propertyOrdering":["type","n"]}"#,
        )
        .unwrap();
        assert_eq!(
            to_json_schema(google).get(),
            r#"{"type":"object","properties":{"type":{"type":["string","null"],"enum":["A","STRING",null]},"n":{"type":"array","items":{"type":"integer","format":"int64"},"minItems":1},"any_of":{"anyOf":[{"type":"number"},{"type":"boolean"}]}},"required":["type"]}"#
        );
    }
}
