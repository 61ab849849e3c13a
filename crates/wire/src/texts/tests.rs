//! Where each dialect has its words, and that a change of them leaves every other byte.

use super::*;

fn rewritten(dialect: Dialect, body: &str) -> (String, Vec<(Origin, String)>) {
    let mut seen = Vec::new();
    let new = rewrite_texts(dialect, &Document::new(body.as_bytes()), &mut |origin, text| {
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
            let at =
                if dialect == Dialect::Chat && *text == "alpha" { by_hand.find(&old).unwrap() } else { at };
            by_hand.replace_range(at..at + old.len(), &json);
        }
        assert_eq!(new, by_hand, "{dialect}");
    }
    assert_eq!(
        rewritten(Dialect::Chat, "{\"messages\": [ {\"content\":\"x\"}]}").0,
        "{\"messages\": [ {\"content\":\"x\"}]}"
    );
    assert_eq!(rewrite_texts(Dialect::Chat, &Document::new(b"{"), &mut |_, _| None), None);
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
        (Dialect::Chat, r#"{"messages":[{"function_call":{"name":"f","arguments":"{\"a\":\"alpha\"}"}}]}"#),
        (Dialect::Ollama, r#"{"messages":[{"tool_calls":[{"function":{"arguments":{"a":"alpha"}}}]}]}"#),
        (Dialect::Responses, r#"{"input":[{"type":"function_call","arguments":"{\"a\":\"alpha\"}"}]}"#),
        (Dialect::Responses, r#"{"input":[{"type":"local_shell_call","action":{"command":["alpha"]}}]}"#),
    ] {
        let (new, seen) = rewritten(dialect, body);
        assert_eq!(seen, [(Origin::ToolCall, "alpha".to_owned())], "{body}");
        assert!(!new.contains("alpha") && serde_json::from_str::<serde_json::Value>(&new).is_ok(), "{new}");
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

/// What the parser takes as one in place of a list is looked at as a list of one.
#[test]
fn what_gemini_takes_without_a_list_is_found_too() {
    use Origin::{System, User};
    for (body, expected) in [
        (r#"{"contents":{"parts":{"text":"u alpha"}}}"#, (User, "u alpha")),
        (r#"{"contents":[{"parts":{"text":"u alpha"}}]}"#, (User, "u alpha")),
        (r#"{"content":{"parts":{"text":"e alpha"}}}"#, (User, "e alpha")),
        (r#"{"requests":{"content":{"parts":[{"text":"e alpha"}]}}}"#, (User, "e alpha")),
        (r#"{"systemInstruction":"s alpha"}"#, (System, "s alpha")),
        (r#"{"system_instruction":[{"text":"s alpha"}]}"#, (System, "s alpha")),
        (r#"{"systemInstruction":{"text":"s alpha"}}"#, (System, "s alpha")),
        (r#"{"systemInstruction":{"parts":{"text":"s alpha"}}}"#, (System, "s alpha")),
    ] {
        let (new, seen) = rewritten(Dialect::Gemini, body);
        assert_eq!(seen, [(expected.0, expected.1.to_owned())], "{body}");
        assert_eq!(new, body.replace("alpha", r#"\"beta\""#));
    }
}
