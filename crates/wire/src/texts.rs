//! The words of a request where they stand: read one by one, and changed by splices that leave every other byte as it was.
//!
//! Knows where each dialect has words of people, models, instructions and tool results. Thoughts (whose seals cover them), arguments of
//! tool calls, schemas and media are not words here.

use std::collections::BTreeMap;

use lockgate_core::{Dialect, Origin};
use serde_json::value::RawValue;

use crate::Envelope;

/// Asks of each text of a request what shall stand there instead; `None` = nothing is changed, or the body cannot be read.
pub fn rewrite_texts(
    dialect: Dialect,
    body: &[u8],
    ask: &mut dyn FnMut(Origin, &str) -> Option<String>,
) -> Option<Vec<u8>> {
    let root: &RawValue = serde_json::from_slice(body).ok()?;
    let mut editor = Editor { body, edits: Vec::new(), ask };
    let root = members(root);
    match dialect {
        Dialect::Anthropic => editor.anthropic(&root),
        Dialect::Chat | Dialect::Ollama => editor.chat(&root),
        Dialect::Gemini => editor.gemini(&root),
        Dialect::Responses => editor.responses(&root),
        // Nobody calls in it.
        Dialect::ClaudeCli => {}
    }
    editor.done()
}

/// Whether a request wants its answer in a form that added words would break: JSON.
pub fn wants_form(dialect: Dialect, envelope: &Envelope, body: &[u8]) -> bool {
    let value = |key: &str| -> Option<serde_json::Value> {
        serde_json::from_slice(&body[envelope.value(body, key)?]).ok()
    };
    let kind = |value: Option<serde_json::Value>, path: &str| {
        let value = value?;
        value.pointer(path)?.as_str().map(str::to_owned)
    };
    match dialect {
        Dialect::Anthropic => {
            value("output_format").is_some_and(|value| !value.is_null())
                || value("output_config")
                    .is_some_and(|value| value.pointer("/format").is_some_and(|it| !it.is_null()))
        }
        Dialect::Chat => kind(value("response_format"), "/type").is_some_and(|kind| kind != "text"),
        Dialect::ClaudeCli => false,
        Dialect::Gemini => ["/responseMimeType", "/response_mime_type"].iter().any(|path| {
            let config = value("generationConfig").or_else(|| value("generation_config"));
            kind(config, path).is_some_and(|kind| kind != "text/plain")
        }),
        Dialect::Ollama => value("format").is_some_and(|value| !value.is_null() && value != ""),
        Dialect::Responses => kind(value("text"), "/format/type").is_some_and(|kind| kind != "text"),
    }
}

type Members<'b> = BTreeMap<String, &'b RawValue>;

fn members(raw: &RawValue) -> Members<'_> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn elements(raw: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

fn word(members: &Members<'_>, key: &str) -> Option<String> {
    serde_json::from_str(members.get(key)?.get()).ok()
}

/// How deep arguments and results are looked through.
const DEPTH: u8 = 64;

struct Editor<'b, 'a> {
    ask: &'a mut dyn FnMut(Origin, &str) -> Option<String>,
    body: &'b [u8],
    edits: Vec<(std::ops::Range<usize>, String)>,
}

impl Editor<'_, '_> {
    fn text(&mut self, raw: &RawValue, origin: Origin) {
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else { return };
        if let Some(new) = (self.ask)(origin, &text) {
            self.replace(raw, new);
        }
    }

    fn replace(&mut self, raw: &RawValue, new: String) {
        let start = raw.get().as_ptr().addr() - self.body.as_ptr().addr();
        let json = serde_json::Value::from(new).to_string();
        self.edits.push((start..start + raw.get().len(), json));
    }

    /// A text, or a list of parts of which some are texts.
    fn content(&mut self, raw: &RawValue, origin: Origin) {
        self.text(raw, origin);
        for part in elements(raw) {
            let part = members(part);
            match word(&part, "type").as_deref() {
                Some("text" | "input_text" | "output_text") => {
                    if let Some(text) = part.get("text") {
                        self.text(text, origin);
                    }
                }
                Some("tool_result") => {
                    if let Some(content) = part.get("content") {
                        self.content(content, Origin::ToolResult);
                    }
                }
                Some("tool_use") => {
                    part.get("input").iter().for_each(|input| self.leaves(input, Origin::ToolCall, 0));
                }
                Some("document") => {
                    if let Some(data) = part.get("source").map(|source| members(source)).filter(is_plain_text)
                    {
                        data.get("data").iter().for_each(|data| self.text(data, origin));
                    }
                }
                Some(_) | None => {}
            }
        }
    }

    fn anthropic(&mut self, root: &Members<'_>) {
        if let Some(system) = root.get("system") {
            self.content(system, Origin::System);
        }
        self.messages(root);
    }

    fn chat(&mut self, root: &Members<'_>) {
        for (key, origin) in [("system", Origin::System), ("prompt", Origin::User)] {
            if let Some(raw) = root.get(key) {
                self.text(raw, origin);
            }
        }
        self.messages(root);
    }

    fn messages(&mut self, root: &Members<'_>) {
        for message in root.get("messages").map(|raw| elements(raw)).unwrap_or_default() {
            let message = members(message);
            for call in message.get("tool_calls").map(|raw| elements(raw)).unwrap_or_default() {
                let call = members(call);
                call.get("function").iter().for_each(|function| self.function(function));
                if let Some(input) = call.get("custom").and_then(|raw| members(raw).get("input").copied()) {
                    self.text(input, Origin::ToolCall);
                }
            }
            message.get("function_call").iter().for_each(|function| self.function(function));
            if let Some(content) = message.get("content") {
                self.content(content, origin_of(&message));
            }
        }
    }

    /// The arguments of a called function.
    fn function(&mut self, function: &RawValue) {
        if let Some(arguments) = members(function).get("arguments") {
            self.arguments(arguments);
        }
    }

    /// Arguments: JSON in a text, whose texts are looked at one by one; JSON; or any other text.
    fn arguments(&mut self, raw: &RawValue) {
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else {
            return self.leaves(raw, Origin::ToolCall, 0);
        };
        let Ok(inner) = serde_json::from_str::<&RawValue>(&text) else {
            return self.text(raw, Origin::ToolCall);
        };
        let mut editor = Editor { body: text.as_bytes(), edits: Vec::new(), ask: &mut *self.ask };
        editor.leaves(inner, Origin::ToolCall, 0);
        if let Some(new) = editor.done().and_then(|new| String::from_utf8(new).ok()) {
            self.replace(raw, new);
        }
    }

    fn responses(&mut self, root: &Members<'_>) {
        if let Some(instructions) = root.get("instructions") {
            self.text(instructions, Origin::System);
        }
        let Some(input) = root.get("input") else { return };
        self.text(input, Origin::User);
        for item in elements(input) {
            let item = members(item);
            if let Some(output) = item.get("output") {
                self.content(output, Origin::ToolResult);
            }
            match word(&item, "type").as_deref() {
                Some("function_call" | "mcp_call") => {
                    item.get("arguments").iter().for_each(|raw| self.arguments(raw));
                }
                Some("custom_tool_call") => {
                    item.get("input").iter().for_each(|raw| self.text(raw, Origin::ToolCall));
                }
                Some("apply_patch_call" | "local_shell_call" | "shell_call") => {
                    let parts = ["action", "operation"].iter().filter_map(|name| item.get(*name));
                    parts.for_each(|raw| self.leaves(raw, Origin::ToolCall, 0));
                }
                Some(_) | None => {}
            }
            if let Some(content) = item.get("content").filter(|_| item.contains_key("role")) {
                self.content(content, origin_of(&item));
            }
        }
    }

    fn gemini(&mut self, root: &Members<'_>) {
        for key in ["systemInstruction", "system_instruction"] {
            if let Some(instruction) = root.get(key) {
                self.parts(&members(instruction), Origin::System);
            }
        }
        // One content may stand without its list.
        let contents = root.get("contents").map(|raw| elements(raw)).unwrap_or_default();
        for content in contents {
            let content = members(content);
            self.parts(&content, origin_of(&content));
        }
    }

    fn parts(&mut self, content: &Members<'_>, origin: Origin) {
        for part in content.get("parts").map(|raw| elements(raw)).unwrap_or_default() {
            let part = members(part);
            let thought = part.get("thought").is_some_and(|raw| raw.get() == "true");
            if let Some(text) = part.get("text").filter(|_| !thought) {
                self.text(text, origin);
            }
            let response = part.get("functionResponse").or_else(|| part.get("function_response"));
            if let Some(response) = response.and_then(|raw| members(raw).get("response").copied()) {
                self.leaves(response, Origin::ToolResult, 0);
            }
            let call = part.get("functionCall").or_else(|| part.get("function_call"));
            if let Some(args) = call.and_then(|raw| members(raw).get("args").copied()) {
                self.leaves(args, Origin::ToolCall, 0);
            }
        }
    }

    /// Every text in JSON, however deep.
    fn leaves(&mut self, raw: &RawValue, origin: Origin, depth: u8) {
        self.text(raw, origin);
        if depth < DEPTH {
            for value in elements(raw).into_iter().chain(members(raw).into_values()) {
                self.leaves(value, origin, depth + 1);
            }
        }
    }

    fn done(mut self) -> Option<Vec<u8>> {
        if self.edits.is_empty() {
            return None;
        }
        self.edits.sort_by_key(|(range, _)| range.start);
        let mut out = Vec::with_capacity(self.body.len());
        let mut from = 0;
        for (range, new) in self.edits {
            out.extend_from_slice(&self.body[from..range.start]);
            out.extend_from_slice(new.as_bytes());
            from = range.end;
        }
        out.extend_from_slice(&self.body[from..]);
        Some(out)
    }
}

fn is_plain_text(source: &Members<'_>) -> bool {
    word(source, "type").as_deref() == Some("text")
}

fn origin_of(message: &Members<'_>) -> Origin {
    match word(message, "role").as_deref() {
        Some("assistant" | "model") => Origin::Assistant,
        Some("developer" | "system") => Origin::System,
        Some("function" | "tool") => Origin::ToolResult,
        Some(_) | None => Origin::User,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(dialect: Dialect, body: &str) -> (String, Vec<(Origin, String)>) {
        let mut seen = Vec::new();
        let new = rewrite_texts(dialect, body.as_bytes(), &mut |origin, text| {
            seen.push((origin, text.to_owned()));
            text.contains("alpha").then(|| text.replace("alpha", "\"beta\""))
        });
        (new.map_or_else(|| body.to_owned(), |new| String::from_utf8(new).unwrap()), seen)
    }

    /// Requirement 000 behaviour 21: the provider gets the new text, also in tool results; nothing else is touched.
    #[test]
    fn each_dialects_words_are_found_and_changed_where_they_stand() {
        use Origin::{Assistant, System, ToolCall, ToolResult, User};
        let cases = [
            (
                Dialect::Anthropic,
                r#"{ "model":"alpha", "system":[{"type":"text","text":"s alpha"}],"messages":[{"role":"user","content":"a\u0020alpha"},
                {"role":"assistant","content":[{"type":"thinking","thinking":"alpha","signature":"x"},{"type":"tool_use","id":"t","name":"alpha","input":{"alpha":"c alpha"}}]},
                {"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r alpha"}]},{"type":"text","text":"u"}]}]}"#,
                vec![
                    (System, "s alpha"),
                    (User, "a alpha"),
                    (ToolCall, "c alpha"),
                    (ToolResult, "r alpha"),
                    (User, "u"),
                ],
            ),
            (
                Dialect::Chat,
                r#"{"messages":[{"role":"developer","content":"alpha"},{"role":"assistant","content":null,"tool_calls":[{"custom":{"input":"c alpha"}}]},{"role":"tool","content":"r alpha"},{"role":"user","content":[{"type":"text","text":"u alpha"},{"type":"image_url","image_url":{"url":"alpha"}}]}]}"#,
                vec![(System, "alpha"), (ToolCall, "c alpha"), (ToolResult, "r alpha"), (User, "u alpha")],
            ),
            (
                Dialect::Responses,
                r#"{"instructions":"i alpha","input":[{"role":"user","content":"u alpha"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]},{"type":"reasoning","summary":[],"encrypted_content":"alpha"},{"type":"custom_tool_call","input":"c alpha"},{"type":"function_call_output","output":"r alpha"}]}"#,
                vec![
                    (System, "i alpha"),
                    (User, "u alpha"),
                    (Assistant, "a"),
                    (ToolCall, "c alpha"),
                    (ToolResult, "r alpha"),
                ],
            ),
            (
                Dialect::Gemini,
                r#"{"systemInstruction":{"parts":[{"text":"s alpha"}]},"contents":[{"role":"model","parts":[{"text":"alpha","thought":true},{"functionCall":{"args":{"a":"c alpha"}},"thoughtSignature":"alpha"}]},{"parts":[{"functionResponse":{"response":{"deep":["r alpha"]}}},{"text":"u alpha"}]}]}"#,
                vec![(System, "s alpha"), (ToolCall, "c alpha"), (ToolResult, "r alpha"), (User, "u alpha")],
            ),
            (
                Dialect::Ollama,
                r#"{"prompt":"p alpha","system":"s alpha"}"#,
                vec![(System, "s alpha"), (User, "p alpha")],
            ),
        ];
        for (dialect, body, expected) in cases {
            let (new, seen) = rewritten(dialect, body);
            let seen: Vec<_> = seen.iter().map(|(origin, text)| (*origin, text.as_str())).collect();
            assert_eq!(seen, expected, "{dialect}");
            let mut by_hand = body.to_owned();
            for (_, text) in expected.iter().filter(|(_, text)| text.contains("alpha")) {
                let json = serde_json::to_string(&text.replace("alpha", "\"beta\"")).unwrap();
                let old = if body.contains(&format!("\"{text}\"")) {
                    format!("\"{text}\"")
                } else {
                    r#""a\u0020alpha""#.into()
                };
                // A text's first place is behind the names that look like it in these bodies.
                let at = by_hand.rfind(&old).unwrap();
                let at = if dialect == Dialect::Chat && *text == "alpha" {
                    by_hand.find(&old).unwrap()
                } else {
                    at
                };
                by_hand.replace_range(at..at + old.len(), &json);
            }
            assert_eq!(new, by_hand, "{dialect}");
        }
        assert_eq!(
            rewritten(Dialect::Chat, "{\"messages\": [ {\"content\":\"x\"}]}").0,
            "{\"messages\": [ {\"content\":\"x\"}]}"
        );
        assert_eq!(rewrite_texts(Dialect::Chat, b"{", &mut |_, _| None), None);
    }

    /// Arguments that are JSON in a text stay JSON in a text, and but for the changed text they stay as they were.
    #[test]
    fn arguments_of_earlier_calls_stay_what_they_are() {
        let chat = |arguments: &str| {
            let json = serde_json::to_string(arguments).unwrap();
            let body = format!(
                r#"{{"messages":[{{"role":"assistant","tool_calls":[{{"id":"a","function":{{"name":"alpha","arguments":{json}}}}}]}}]}}"#
            );
            let new: serde_json::Value = serde_json::from_str(&rewritten(Dialect::Chat, &body).0).unwrap();
            new["messages"][0]["tool_calls"][0]["function"]["arguments"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            chat(r#"{ "n": 1.0,"alpha" : ["say \"alpha\"\n", 2], "u": "\u0041" }"#),
            r#"{ "n": 1.0,"alpha" : ["say \"\"beta\"\"\n", 2], "u": "\u0041" }"#
        );
        assert_eq!(chat("{\"cut off alpha"), "{\"cut off \"beta\"", "what is no JSON is a text");
        assert_eq!(chat("{}"), "{}");
        for (dialect, body) in [
            (
                Dialect::Chat,
                r#"{"messages":[{"function_call":{"name":"f","arguments":"{\"a\":\"alpha\"}"}}]}"#,
            ),
            (Dialect::Ollama, r#"{"messages":[{"tool_calls":[{"function":{"arguments":{"a":"alpha"}}}]}]}"#),
            (Dialect::Responses, r#"{"input":[{"type":"function_call","arguments":"{\"a\":\"alpha\"}"}]}"#),
            (Dialect::Responses, r#"{"input":[{"type":"local_shell_call","action":{"command":["alpha"]}}]}"#),
        ] {
            let (new, seen) = rewritten(dialect, body);
            assert_eq!(seen, [(Origin::ToolCall, "alpha".to_owned())], "{body}");
            assert!(
                !new.contains("alpha") && serde_json::from_str::<serde_json::Value>(&new).is_ok(),
                "{new}"
            );
        }
    }

    #[test]
    fn a_request_that_wants_json_is_known_by_its_outside() {
        let limits = crate::EnvelopeLimits { messages: 10, nesting: 64, tools: 10 };
        let wants = |dialect: Dialect, extra: &str| {
            let body = format!(
                r#"{{"model":"m","max_tokens":5,"messages":[],"input":"x","contents":[],"prompt":"p"{extra}}}"#
            );
            let envelope = Envelope::read(body.as_bytes(), crate::format(dialect).envelope, &limits).unwrap();
            wants_form(dialect, &envelope, body.as_bytes())
        };
        for (dialect, form, none) in [
            (
                Dialect::Anthropic,
                r#","output_format":{"type":"json_schema"}"#,
                r#","output_config":{"effort":"low"}"#,
            ),
            (
                Dialect::Chat,
                r#","response_format":{"type":"json_object"}"#,
                r#","response_format":{"type":"text"}"#,
            ),
            (
                Dialect::Responses,
                r#","text":{"format":{"type":"json_schema"}}"#,
                r#","text":{"verbosity":"low"}"#,
            ),
            (Dialect::Gemini, r#","generationConfig":{"responseMimeType":"application/json"}"#, ""),
            (Dialect::Ollama, r#","format":"json""#, r#","format":"""#),
        ] {
            assert!(wants(dialect, form) && !wants(dialect, none), "{dialect}");
        }
    }
}
