//! Tools that are no longer offered, and what then no longer fits: a choice among them.

use std::collections::BTreeSet;

use lockgate_core::Dialect;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Editor, remove, set};

/// Where tools are offered and chosen among.
const LISTS: [&str; 2] = ["tools", "functions"];
const CHOICES: [&str; 3] = ["tool_choice", "toolConfig", "function_call"];

impl Editor<'_> {
    /// Takes tools out.
    pub(super) fn tools(&mut self, goes: &dyn Fn(&str) -> bool) -> Result<(), String> {
        let mut gone = BTreeSet::new();
        let mut offered = false;
        for list in LISTS {
            let left = self.list(list, goes, &mut gone)?;
            offered |= left;
        }
        if gone.is_empty() {
            return Ok(());
        }
        if !offered && self.dialect == Dialect::Anthropic && self.answers_calls()? {
            return self.names_alone(&gone);
        }
        if !offered {
            for field in CHOICES.into_iter().chain(["parallel_tool_calls"]) {
                self.body = remove(&self.body, &[field.to_owned()])?;
            }
            return Ok(());
        }
        for field in CHOICES {
            let place = [field.to_owned()];
            let Some(choice) = self.value(&place)? else { continue };
            match without(choice.clone(), &gone) {
                Some(left) if left == choice => {}
                Some(left) => self.set(&place, &left)?,
                None => self.body = remove(&self.body, &place)?,
            }
        }
        Ok(())
    }

    /// Takes tools out of a list; whether any is left.
    fn list(
        &mut self,
        field: &str,
        goes: &dyn Fn(&str) -> bool,
        gone: &mut BTreeSet<String>,
    ) -> Result<bool, String> {
        let place = [field.to_owned()];
        let Some(found) = super::find(&self.body, &place)? else { return Ok(false) };
        let text = std::str::from_utf8(found).map_err(|error| error.to_string())?;
        // Of Gemini a list may be its only element.
        let listed = if text.starts_with('[') { text.to_owned() } else { format!("[{text}]") };
        let tools: Vec<&RawValue> = serde_json::from_str(&listed).map_err(|error| error.to_string())?;
        let before = gone.len();
        let mut left: Vec<String> = Vec::with_capacity(tools.len());
        for tool in tools {
            let value: Value = serde_json::from_str(tool.get()).map_err(|error| error.to_string())?;
            match kept(&value, goes, gone) {
                Kept::All => left.push(tool.get().to_owned()),
                Kept::None => {}
                Kept::Some(other) => left.push(other.to_string()),
            }
        }
        if gone.len() == before {
            return Ok(!left.is_empty());
        }
        self.body = if left.is_empty() {
            remove(&self.body, &place)?
        } else {
            set(&self.body, &place, &format!("[{}]", left.join(",")))?
        };
        Ok(!left.is_empty())
    }

    /// Whether the conversation holds calls of tools.
    fn answers_calls(&self) -> Result<bool, String> {
        let messages = self.value(&["messages".to_owned()])?.unwrap_or_default();
        let parts =
            messages.as_array().into_iter().flatten().filter_map(|message| message["content"].as_array());
        Ok(parts.flatten().any(|part| part["type"] == "tool_use"))
    }

    /// Claude wants to be told of tools where the conversation holds calls of some: by name, and none of them may be called.
    fn names_alone(&mut self, gone: &BTreeSet<String>) -> Result<(), String> {
        let named = |name: &String| json!({"name": name, "input_schema": {"type": "object"}});
        let tools: Vec<Value> = gone.iter().map(named).collect();
        self.set(&["tools".to_owned()], &tools.into())?;
        self.set(&["tool_choice".to_owned()], &json!({"type": "none"}))
    }
}

enum Kept {
    All,
    None,
    Some(Value),
}

/// What is left of an entry: it is one tool, or Gemini's list of functions beside tools of its own.
fn kept(tool: &Value, goes: &dyn Fn(&str) -> bool, gone: &mut BTreeSet<String>) -> Kept {
    let own = tool.get("name").or_else(|| tool.get("function")?.get("name"));
    let own = own.or_else(|| tool.get("custom")?.get("name")).or_else(|| tool.get("type"));
    if let Some(name) = own.and_then(Value::as_str) {
        return if goes(name) {
            gone.insert(name.to_owned());
            Kept::None
        } else {
            within(tool, goes, gone)
        };
    }
    let Some(members) = tool.as_object() else { return Kept::All };
    let mut left = Map::new();
    for (key, value) in members {
        if !["functionDeclarations", "function_declarations"].contains(&&**key) {
            if goes(key) {
                gone.insert(key.clone());
            } else {
                left.insert(key.clone(), value.clone());
            }
            continue;
        }
        let functions = match value {
            Value::Array(functions) => functions.clone(),
            one => vec![one.clone()],
        };
        let (out, stay): (Vec<Value>, Vec<Value>) =
            functions.into_iter().partition(|one| one["name"].as_str().is_some_and(goes));
        gone.extend(out.iter().filter_map(|one| one["name"].as_str()).map(str::to_owned));
        if !stay.is_empty() {
            left.insert(key.clone(), stay.into());
        }
    }
    match left {
        left if left == *members => Kept::All,
        left if left.is_empty() => Kept::None,
        left => Kept::Some(left.into()),
    }
}

/// What is left of a tool that is a group of others (Responses `namespace`).
fn within(tool: &Value, goes: &dyn Fn(&str) -> bool, gone: &mut BTreeSet<String>) -> Kept {
    let Some(tools) = tool.get("tools").and_then(Value::as_array) else { return Kept::All };
    let of = |one: &Value| one["name"].as_str().is_some_and(goes);
    let (out, stay): (Vec<Value>, Vec<Value>) = tools.iter().cloned().partition(of);
    gone.extend(out.iter().filter_map(|one| one["name"].as_str()).map(str::to_owned));
    match (out.is_empty(), stay.is_empty()) {
        (true, _) => Kept::All,
        (false, true) => Kept::None,
        (false, false) => {
            let mut left = tool.clone();
            left["tools"] = stay.into();
            Kept::Some(left)
        }
    }
}

/// A choice without tools that are gone; `None` = nothing is left to choose.
fn without(choice: Value, gone: &BTreeSet<String>) -> Option<Value> {
    match choice {
        Value::String(name) if gone.contains(&name) => None,
        Value::Array(list) => {
            let left: Vec<Value> = list.into_iter().filter_map(|one| without(one, gone)).collect();
            (!left.is_empty()).then_some(left.into())
        }
        Value::Object(members) => {
            let left = members.into_iter().map(|(key, value)| Some((key, without(value, gone)?)));
            left.collect::<Option<Map<String, Value>>>().map(Value::Object)
        }
        other => Some(other),
    }
}
