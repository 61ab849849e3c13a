//! JSON Schema as Anthropic's structured outputs and strict tools take it: objects that are closed, and no bounds that a grammar cannot
//! hold.
//!
//! Does what Anthropic's own SDK (2.12) does with schemas of its users: objects get `additionalProperties: false`, what
//! is not supported goes into the description, where the model may still heed it. What then no longer binds the model is
//! noted as lost. A schema that is fine already keeps its bytes.

use std::borrow::Cow;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Loss;
use crate::json::raw;

const FORMATS: [&str; 10] =
    ["date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"];

/// The schema of an answer.
pub(super) fn of_answer<'a>(schema: &'a RawValue, loss: &mut Loss) -> Cow<'a, RawValue> {
    let Ok(Value::Object(given)) = serde_json::from_str::<Value>(schema.get()) else {
        return Cow::Borrowed(schema);
    };
    let closed = Value::Object(close(given.clone(), loss));
    match (closed != Value::Object(given)).then(|| raw(closed.to_string())).flatten() {
        Some(changed) => Cow::Owned(changed),
        None => Cow::Borrowed(schema),
    }
}

/// The schema of a strict tool: the same grammar holds its arguments. `None` where a part of them may hold what it likes: closed, it could
/// hold nothing, and the tool would be of no use.
pub(super) fn of_tool<'a>(schema: &'a RawValue, loss: &mut Loss) -> Option<Cow<'a, RawValue>> {
    let told: Value = serde_json::from_str(schema.get()).ok()?;
    if is_free(&told, true) {
        return None;
    }
    let mut lost = Loss::default();
    let closed = of_answer(schema, &mut lost);
    for name in lost.names() {
        loss.note(name.replacen("response_format", "tools.parameters", 1));
    }
    Some(closed)
}

/// Whether somewhere in a schema an object may have members that it does not name. One without any at the `top` is a tool that takes nothing.
fn is_free(schema: &Value, top: bool) -> bool {
    let Value::Object(members) = schema else { return false };
    let is_object = is(members, "object") || members.contains_key("properties");
    let names_none = members.get("properties").and_then(Value::as_object).is_none_or(Map::is_empty);
    let free = match members.get("additionalProperties") {
        Some(Value::Bool(false)) => false,
        None => names_none && !top,
        // Others than those that are named are a convenience beside them, and all there is without.
        Some(_) => names_none,
    };
    let named =
        ["$defs", "definitions", "properties"].into_iter().filter_map(|name| members.get(name)?.as_object());
    let listed = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|name| members.get(name)?.as_array());
    let mut inner = named.flat_map(Map::values).chain(listed.flatten()).chain(members.get("items"));
    (is_object && free) || inner.any(|schema| is_free(schema, false))
}

fn close(mut given: Map<String, Value>, loss: &mut Loss) -> Map<String, Value> {
    let mut out = Map::new();
    for name in ["$defs", "definitions"] {
        if let Some(Value::Object(named)) = given.remove(name) {
            out.insert(name.into(), each(named, loss));
        }
    }
    if let Some(target) = given.remove("$ref") {
        out.insert("$ref".into(), target);
        // Nothing may stand beside it, words neither.
        given.keys().filter(|key| binds(key) || *key == "description").for_each(|key| loss.note(lost(key)));
        return out;
    }
    for name in ["allOf", "anyOf"] {
        if let Some(Value::Array(variants)) = given.remove(name) {
            out.insert(name.into(), all(variants, loss));
        }
    }
    if let Some(Value::Array(variants)) = given.remove("oneOf") {
        // That exactly one fits cannot be said.
        loss.note(lost("oneOf"));
        out.entry("anyOf").or_insert(all(variants, loss));
    }
    for name in ["const", "enum", "required", "title", "type"] {
        if let Some(value) = given.remove(name) {
            out.insert(name.into(), value);
        }
    }
    let properties = given.remove("properties");
    if is(&out, "object") || properties.is_some() {
        if let Some(Value::Object(named)) = properties {
            out.insert("properties".into(), each(named, loss));
        }
        if given.remove("additionalProperties").is_some_and(|more| more != Value::Bool(false)) {
            loss.note(lost("additionalProperties"));
        }
        out.insert("additionalProperties".into(), Value::Bool(false));
    }
    match given.remove("items") {
        Some(Value::Object(items)) => {
            out.insert("items".into(), Value::Object(close(items, loss)));
        }
        Some(other) => {
            out.insert("items".into(), other);
        }
        None => {}
    }
    if given.get("minItems").and_then(Value::as_u64).is_some_and(|least| least < 2) {
        out.extend(given.remove("minItems").map(|least| ("minItems".to_owned(), least)));
    }
    if given.get("format").and_then(Value::as_str).is_some_and(|format| FORMATS.contains(&format)) {
        out.extend(given.remove("format").map(|format| ("format".to_owned(), format)));
    }
    describe(&mut out, given, loss);
    out
}

/// Puts what is left into the description.
fn describe(out: &mut Map<String, Value>, mut rest: Map<String, Value>, loss: &mut Loss) {
    let description = rest.remove("description");
    rest.retain(|key, _| !["$comment", "$id", "$schema"].contains(&key.as_str()));
    rest.keys().filter(|key| binds(key)).for_each(|key| loss.note(lost(key)));
    if rest.is_empty() {
        out.extend(description.map(|words| ("description".to_owned(), words)));
        return;
    }
    let words = rest.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ");
    let before = description.as_ref().and_then(Value::as_str);
    let words = before.map_or_else(|| format!("{{{words}}}"), |before| format!("{before}\n\n{{{words}}}"));
    out.insert("description".into(), words.into());
}

/// Whether a member binds the model; the others only tell about it.
fn binds(key: &str) -> bool {
    !["$comment", "$id", "$schema", "default", "deprecated", "description", "example", "examples", "title"]
        .contains(&key)
}

fn is(schema: &Map<String, Value>, kind: &str) -> bool {
    match schema.get("type") {
        Some(Value::String(told)) => told == kind,
        Some(Value::Array(told)) => told.iter().any(|told| told == kind),
        Some(Value::Bool(_) | Value::Null | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

fn each(named: Map<String, Value>, loss: &mut Loss) -> Value {
    named.into_iter().map(|(name, schema)| (name, one(schema, loss))).collect::<Map<_, _>>().into()
}

fn all(schemas: Vec<Value>, loss: &mut Loss) -> Value {
    schemas.into_iter().map(|schema| one(schema, loss)).collect::<Vec<_>>().into()
}

fn one(schema: Value, loss: &mut Loss) -> Value {
    match schema {
        Value::Object(schema) => Value::Object(close(schema, loss)),
        other => other,
    }
}

fn lost(keyword: &str) -> String {
    format!("response_format.{keyword}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn closed(schema: &Value) -> (Value, Vec<String>) {
        let mut loss = Loss::default();
        let raw = raw(schema.to_string()).unwrap();
        let out = of_answer(&raw, &mut loss);
        (serde_json::from_str(out.get()).unwrap(), loss.names().to_vec())
    }

    #[test]
    fn a_schema_that_is_fine_keeps_its_bytes() {
        let text = r##"{ "type":"object","additionalProperties":false, "properties":{"b":{"type":["string","null"]},
            "a":{"type":"array","items":{"$ref":"#/$defs/x"},"minItems":1}},"$defs":{"x":{"enum":[1,2]}} }"##;
        let schema = raw(text.to_owned()).unwrap();
        let mut loss = Loss::default();
        assert_eq!(of_answer(&schema, &mut loss).get(), text);
        assert!(loss.is_empty());
    }

    #[test]
    fn the_schema_of_a_strict_tool_is_told_like_that_of_an_answer() {
        let schema =
            raw(r#"{"type":"object","properties":{"n":{"type":"integer","maximum":9}},"required":["n"]}"#
                .to_owned());
        let mut loss = Loss::default();
        let schema = schema.unwrap();
        let told: Value = serde_json::from_str(of_tool(&schema, &mut loss).unwrap().get()).unwrap();
        assert_eq!(told["additionalProperties"], false);
        assert_eq!(told["properties"]["n"], json!({"type": "integer", "description": "{maximum: 9}"}));
        assert_eq!(loss.names(), ["tools.parameters.maximum"]);
    }

    #[test]
    fn a_strict_tool_with_arguments_that_may_hold_anything_is_none() {
        let env = r#"{"type":"object","properties":{"env":{"type":"object","additionalProperties":{"type":"string"}}}}"#;
        let any = r#"{"type":"object","properties":{"list":{"type":"array","items":{"type":"object"}}}}"#;
        let all = r#"{"type":"object","additionalProperties":true}"#;
        let nothing = r#"{"type":"object"}"#;
        for (text, strict) in [(env, false), (any, false), (all, false), (nothing, true)] {
            let (schema, mut loss) = (raw(text.to_owned()).unwrap(), Loss::default());
            assert_eq!(of_tool(&schema, &mut loss).is_some(), strict, "{text}");
            assert!(loss.is_empty());
        }
    }

    #[test]
    fn objects_are_closed_at_every_depth() {
        let open = json!({"type": "object", "properties": {"a": {"anyOf": [
            {"type": "object", "properties": {}}, {"type": "array", "items": {"type": "object"}}]}}});
        let (out, lost) = closed(&open);
        assert_eq!(out.to_string().matches(r#""additionalProperties":false"#).count(), 3);
        assert!(lost.is_empty());
        let (out, lost) = closed(&json!({"type": "object", "additionalProperties": {"type": "string"}}));
        assert_eq!(out["additionalProperties"], false);
        assert_eq!(lost, ["response_format.additionalProperties"]);
    }

    #[test]
    fn bounds_that_a_grammar_cannot_hold_become_words_and_are_declared() {
        let (out, lost) =
            closed(&json!({"type": "object", "additionalProperties": false, "$schema": "x", "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "A number"},
            "s": {"type": "string", "format": "regex", "default": "x"},
            "l": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "o": {"oneOf": [{"type": "string"}]}}}));
        let fields = &out["properties"];
        assert_eq!(fields["n"], json!({"type": "integer", "description": "A number\n\n{minimum: 1}"}));
        assert_eq!(fields["s"]["description"], "{default: \"x\", format: \"regex\"}");
        assert_eq!(fields["l"]["description"], "{minItems: 2}");
        assert_eq!(fields["o"], json!({"anyOf": [{"type": "string"}]}));
        let mut lost = lost;
        lost.sort();
        assert_eq!(
            lost,
            [
                "response_format.format",
                "response_format.minItems",
                "response_format.minimum",
                "response_format.oneOf"
            ]
        );
    }
}
