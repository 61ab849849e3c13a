//! Setting and removing values in JSON text, with comments and trailing commas where the file has them.
//!
//! Works on the concrete syntax tree, so everything else keeps its bytes. Of a key that occurs twice the last one
//! counts, as it does for JSON parsers, and removing removes all of them.

use jsonc_parser::ParseOptions;
use jsonc_parser::cst::{CstInputValue, CstObject, CstObjectProp, CstRootNode};
use serde_json::Value;

use super::Change;

pub(super) fn apply(changes: &[Change], text: &str) -> Result<String, String> {
    let blank = text.trim().is_empty();
    let root = CstRootNode::parse(if blank { "{}\n" } else { text }, &ParseOptions::default())
        .map_err(|error| format!("it is not valid JSON: {error}"))?;
    let top = root.object_value().ok_or("it holds no JSON object")?;
    for change in changes {
        let Some((last, way)) = change.path.split_last() else { continue };
        match &change.value {
            Some(value) => set(&open(&top, way)?, last, value),
            None => remove(&top, way, last),
        }
    }
    Ok(root.to_string())
}

fn last_named(object: &CstObject, name: &str) -> Option<CstObjectProp> {
    object.properties().into_iter().rfind(|property| property.decoded_name().as_deref() == Some(name))
}

fn open(top: &CstObject, way: &[String]) -> Result<CstObject, String> {
    let mut object = top.clone();
    for key in way {
        object = match last_named(&object, key) {
            Some(property) => {
                property.object_value().ok_or_else(|| format!("its {key:?} is not an object"))?
            }
            None => object.append(key, CstInputValue::Object(Vec::new())).object_value_or_set(),
        };
    }
    Ok(object)
}

fn set(object: &CstObject, key: &str, value: &Value) {
    match last_named(object, key) {
        Some(property) => {
            let same =
                property.value().and_then(|node| parsed(&node.to_string())).is_some_and(|old| old == *value);
            if !same {
                property.set_value(input(value));
            }
        }
        None => {
            object.append(key, input(value));
        }
    }
}

fn parsed(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn remove(top: &CstObject, way: &[String], key: &str) {
    let mut object = top.clone();
    for step in way {
        match last_named(&object, step).and_then(|property| property.object_value()) {
            Some(inner) => object = inner,
            None => return,
        }
    }
    while let Some(property) = last_named(&object, key) {
        property.remove();
    }
}

fn input(value: &Value) -> CstInputValue {
    match value {
        Value::Null => CstInputValue::Null,
        Value::Bool(value) => CstInputValue::Bool(*value),
        Value::Number(number) => CstInputValue::Number(number.to_string()),
        Value::String(text) => CstInputValue::String(text.clone()),
        Value::Array(items) => CstInputValue::Array(items.iter().map(input).collect()),
        Value::Object(map) => {
            CstInputValue::Object(map.iter().map(|(key, value)| (key.clone(), input(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base_url() -> [Change; 1] {
        [Change::set(&["env", "URL"], "http://x")]
    }

    #[test]
    fn comments_order_and_odd_indentation_stay_as_they_were() {
        let text = "{\n   // mine\n   \"theme\" :  \"dark\", /* why not */\n   \"env\": {\n      \"A\": \"1\" // one\n   },\n \"z\": [1,2,\n3]\n}";
        let edited = apply(&base_url(), text).unwrap();
        let expected = "{\n   // mine\n   \"theme\" :  \"dark\", /* why not */\n   \"env\": {\n      \"A\": \"1\", // one\n      \"URL\": \"http://x\"\n   },\n \"z\": [1,2,\n3]\n}";
        assert_eq!(edited, expected);
    }

    #[test]
    fn windows_line_ends_stay_and_new_lines_get_them_too() {
        let edited = apply(&base_url(), "{\r\n  \"a\": 1\r\n}\r\n").unwrap();
        assert_eq!(edited.matches('\n').count(), edited.matches("\r\n").count());
        assert!(edited.starts_with("{\r\n  \"a\": 1,\r\n  \"env\": {"), "{edited:?}");
    }

    #[test]
    fn an_absent_or_empty_file_becomes_a_readable_one() {
        for text in ["", "\n"] {
            assert_eq!(
                apply(&base_url(), text).unwrap(),
                "{\n  \"env\": {\n    \"URL\": \"http://x\"\n  }\n}\n"
            );
        }
    }

    #[test]
    fn a_value_that_is_already_right_changes_nothing() {
        let text = "{\"env\":{\"URL\":\"http:\\/\\/x\"}}";
        assert_eq!(apply(&base_url(), text).unwrap(), text);
    }

    #[test]
    fn of_a_key_given_twice_the_one_that_counts_is_changed() {
        let edited = apply(&base_url(), "{\"env\":{\"URL\":\"a\",\"URL\":\"b\"}}").unwrap();
        assert_eq!(edited, "{\"env\":{\"URL\":\"a\",\"URL\":\"http://x\"}}");
        let edited = apply(&[Change::remove(&["a"])], "{\"a\":1,\"b\":2,\"a\":3}").unwrap();
        assert_eq!(serde_json::from_str::<Value>(&edited).unwrap(), serde_json::json!({"b": 2}));
    }

    #[test]
    fn what_cannot_be_edited_is_refused_and_not_replaced() {
        assert!(apply(&base_url(), "[]").unwrap_err().contains("no JSON object"));
        assert!(apply(&base_url(), "{\"env\": 3}").unwrap_err().contains("\"env\" is not an object"));
        assert!(apply(&base_url(), "{\"env\": ").unwrap_err().contains("not valid JSON"));
    }
}
