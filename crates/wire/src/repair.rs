//! Repairs of requests that a provider would refuse for a client's known mistake. Off unless asked for: bytes are not
//! touched by default.
//!
//! One so far: the same tool offered twice (Claude Code 2.0.70 after `/compact`, answered with 400 "Tool names must be
//! unique").

use serde_json::Value;
use serde_json::value::RawValue;

use crate::envelope::splice;
use crate::scan::scan;

/// A body without the later ones of tools that are there twice, and the names of those; `None` when there are none.
/// Only *identical* tools go (same name, same everything): which of two that differ was meant nobody knows. All other bytes
/// stay. `field` is where the dialect has its tools.
pub fn without_duplicate_tools(body: &[u8], field: &str) -> Option<(Vec<u8>, Vec<String>)> {
    let found = scan(body, 512).ok()?;
    let place = found.find(body, field)?.value.clone();
    let tools: Vec<&RawValue> = serde_json::from_slice(&body[place.clone()]).ok()?;
    let mut kept: Vec<(&str, Value)> = Vec::with_capacity(tools.len());
    let mut dropped = Vec::new();
    for tool in tools {
        let value: Value = serde_json::from_str(tool.get()).ok()?;
        match name_of(&value) {
            Some(name) if kept.iter().any(|(_, known)| *known == value) => dropped.push(name.to_owned()),
            Some(_) | None => kept.push((tool.get(), value)),
        }
    }
    if dropped.is_empty() {
        return None;
    }
    let texts: Vec<&str> = kept.iter().map(|(text, _)| *text).collect();
    Some((splice(body, place, format!("[{}]", texts.join(",")).as_bytes()), dropped))
}

/// A tool's name: its own, or that of its function (Chat, Ollama).
fn name_of(tool: &Value) -> Option<&str> {
    tool.get("name").or_else(|| tool.get("function")?.get("name"))?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repaired(body: &str) -> Option<(String, Vec<String>)> {
        let (body, dropped) = without_duplicate_tools(body.as_bytes(), "tools")?;
        Some((String::from_utf8(body).unwrap(), dropped))
    }

    /// Requirement B1.
    #[test]
    fn of_identical_tools_the_later_ones_go_and_every_other_byte_stays() {
        let body = r#"{ "tools" : [{"name":"a","x":1}, {"name": "b"},{"x": 1, "name":"a"}] , "m":1.50 }"#;
        let (out, dropped) = repaired(body).unwrap();
        assert_eq!(out, r#"{ "tools" : [{"name":"a","x":1},{"name": "b"}] , "m":1.50 }"#);
        assert_eq!(dropped, ["a"]);
        let (_, dropped) =
            repaired(r#"{"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]}"#).unwrap();
        assert_eq!(dropped, ["f"]);
    }

    /// Requirement B1: never ones that differ.
    #[test]
    fn tools_of_one_name_that_differ_stay() {
        for body in [
            r#"{"tools":[{"name":"a","x":1},{"name":"a","x":2}]}"#,
            r#"{"tools":[{"name":"a"},{"name":"b"}]}"#,
            r#"{"tools":[{"googleSearch":{}},{"googleSearch":{}}]}"#,
            r#"{"tools":null}"#,
            "{}",
            "[",
        ] {
            assert_eq!(repaired(body), None, "{body}");
        }
    }
}
