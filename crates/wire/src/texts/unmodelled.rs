//! The words of a body that is not modelled: every text below its top, and those at the top whose names say that they are words.
//!
//! What is no words anywhere stays unasked: ids, roles and names, seals and the thoughts under them, media.

use lockgate_core::Origin;

use super::{DEPTH, Editor, Members, Place};
use crate::Document;

/// As [`rewrite_texts`](super::rewrite_texts), of a body of which only its dialect is known.
pub fn rewrite_any_texts(
    document: &Document<'_>,
    ask: &mut dyn FnMut(Origin, &str) -> Option<String>,
) -> Option<Vec<u8>> {
    let mut editor = Editor::of(document, ask)?;
    let root = editor.whole()?;
    for (name, place) in editor.members(&root).0 {
        let origin = below(&name, Origin::User);
        if is_words(&name) || !editor.is_string(&place) {
            editor.any(&place, origin, 0);
        }
    }
    // A list of requests, or of anything else.
    for place in editor.elements(&root) {
        editor.any(&place, Origin::User, 0);
    }
    editor.done()
}

/// Whether a text of this name at the top of a body is words, and no name, id or choice.
fn is_words(name: &str) -> bool {
    [
        "content",
        "input",
        "instructions",
        "negative_prompt",
        "prompt",
        "query",
        "suffix",
        "system",
        "systemInstruction",
        "system_instruction",
        "template",
        "text",
    ]
    .contains(&name)
}

/// Whether what has this name is no words, at any depth.
fn is_bare(name: &str) -> bool {
    [
        "call_id",
        "encrypted_content",
        "file_id",
        "id",
        "media_type",
        "mimeType",
        "mime_type",
        "model",
        "role",
        "signature",
        "thoughtSignature",
        "thought_signature",
        "tool_call_id",
        "tool_use_id",
        "type",
    ]
    .contains(&name)
}

/// Whose words stand under this name.
fn below(name: &str, above: Origin) -> Origin {
    match name {
        "instructions" | "system" | "systemInstruction" | "system_instruction" => Origin::System,
        "functionCall" | "function_call" | "tool_calls" => Origin::ToolCall,
        "functionResponse" | "function_response" => Origin::ToolResult,
        _ => above,
    }
}

impl Editor<'_, '_> {
    fn is_string(&self, at: &Place) -> bool {
        self.body.as_bytes().get(at.start) == Some(&b'"')
    }

    /// Every text in it that may be words.
    fn any(&mut self, at: &Place, origin: Origin, depth: u8) {
        self.text(at, origin);
        if depth >= DEPTH {
            return;
        }
        for place in self.elements(at) {
            self.any(&place, origin, depth + 1);
        }
        let members = self.members(at);
        if self.is_closed(&members) {
            return;
        }
        let origin = self.whose(&members, origin);
        for (name, place) in &members.0 {
            match &**name {
                // JSON in a text stays that.
                "arguments" => self.arguments(place),
                name if is_bare(name) && self.is_string(place) => {}
                name => self.any(place, below(name, origin), depth + 1),
            }
        }
    }

    /// Whether an object is a sealed thought, or media by their bytes.
    fn is_closed(&self, members: &Members<'_>) -> bool {
        let kind = self.word(members, "type");
        let media = ["mimeType", "mime_type", "media_type"].iter().any(|name| members.get(name).is_some())
            && self.word(members, "data").is_some()
            && kind.as_deref() != Some("text");
        let thought = members.get("thought").is_some_and(|at| &self.body[at.clone()] == "true");
        media || thought || matches!(kind.as_deref(), Some("reasoning" | "redacted_thinking" | "thinking"))
    }

    /// Whose words an object holds, by what it says of itself.
    fn whose(&self, members: &Members<'_>, above: Origin) -> Origin {
        match self.word(members, "type").as_deref() {
            Some("tool_result") => return Origin::ToolResult,
            Some("tool_use") => return Origin::ToolCall,
            Some(kind) if kind.ends_with("_call_output") => return Origin::ToolResult,
            Some(kind) if kind.ends_with("_call") => return Origin::ToolCall,
            Some(_) | None => {}
        }
        if members.get("role").is_some() { self.origin_of(members) } else { above }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(body: &str) -> (String, Vec<(Origin, String)>) {
        let mut seen = Vec::new();
        let new = rewrite_any_texts(&Document::new(body.as_bytes()), &mut |origin, text| {
            seen.push((origin, text.to_owned()));
            Some(text.replace("alpha", "beta"))
        });
        (String::from_utf8(new.unwrap_or_else(|| body.into())).unwrap(), seen)
    }

    #[test]
    fn words_are_found_wherever_they_stand_and_nothing_else_is_asked_about() {
        use Origin::{Assistant, System, ToolCall, ToolResult, User};
        for (body, expected) in [
            (
                r#"{"model":"m","instructions":"i","input":[{"role":"user","content":"u"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"a"}]},
                {"type":"reasoning","encrypted_content":"x","summary":[{"text":"x"}]},{"type":"function_call","call_id":"x","name":"n","arguments":"{\"a\":\"c\"}"},
                {"type":"function_call_output","call_id":"x","output":"r"}],"previous_response_id":"x"}"#,
                vec![
                    (System, "i"),
                    (User, "u"),
                    (Assistant, "a"),
                    (ToolCall, "n"),
                    (ToolCall, "c"),
                    (ToolResult, "r"),
                ],
            ),
            (
                r#"{"requests":[{"custom_id":"1","params":{"model":"m","system":"s","messages":[{"role":"user","content":[{"type":"text","text":"u"},
                {"type":"image","source":{"type":"base64","media_type":"image/png","data":"x"}},{"type":"tool_result","tool_use_id":"x","content":"r"}]},
                {"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"x"}]}]}}]}"#,
                vec![(User, "1"), (System, "s"), (User, "u"), (ToolResult, "r")],
            ),
            (r#"{"model":"m","prompt":"p"}"#, vec![(User, "p")]),
            (
                r#"{"model":"m","prompt":{"text":"p","inlineData":{"mimeType":"a/b","data":"x"}}}"#,
                vec![(User, "p")],
            ),
            (r#"{"input":"p","messages":[{"role":"user","content":"d"}]}"#, vec![(User, "p"), (User, "d")]),
            (r#"{"query":"q","documents":["d",{"text":"t"}]}"#, vec![(User, "q"), (User, "d"), (User, "t")]),
            (r#"[{"text":"t"}]"#, vec![(User, "t")]),
            ("7", vec![]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(origin, text)| (origin, text.to_owned())).collect();
            assert_eq!(seen(body).1, expected, "{body}");
        }
        let deep = format!("{}\"x\"{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(seen(&deep).1, []);
        let body = r#"{ "model":"alpha","requests":[{"params":{"prompt" : "an alpha", "n":1.0}}]}"#;
        assert_eq!(seen(body).0, body.replace("an alpha", "an beta"));
    }
}
