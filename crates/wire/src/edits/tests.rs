//! What edits make of requests, in each dialect; and that each is still a request of its dialect.

use super::*;
use crate::{Document, format};

const NO_TOOL: &dyn Fn(&str) -> bool = &|_| false;

fn edits() -> Edits<'static> {
    Edits {
        add_system: None,
        max_tokens: None,
        most_tokens: None,
        remove: &[],
        system: None,
        temperature: None,
        tool_goes: NO_TOOL,
        top_p: None,
    }
}

fn made(dialect: Dialect, body: &str, edits: &Edits<'_>) -> (String, Vec<&'static str>) {
    let out = edited(dialect, body.as_bytes(), edits, ("m", &Quirks::default())).unwrap();
    format(dialect).messages.parse_document(&Document::new(&out.body)).unwrap();
    (String::from_utf8(out.body).unwrap(), out.left)
}

#[test]
fn parameters_are_set_and_dropped_where_each_dialect_has_them_and_every_other_byte_stays() {
    let set = Edits { max_tokens: Some(9), remove: &["stop", "seed"], temperature: Some(0.5), ..edits() };
    for (dialect, body, wanted) in [
        (
            Dialect::Anthropic,
            r#"{ "model":"m","max_tokens": 70,"stop_sequences":["a"] ,"messages":[ {"role":"user","content":"hi"} ], "x": 1.50}"#,
            r#"{ "model":"m","max_tokens": 9 ,"messages":[ {"role":"user","content":"hi"} ], "x": 1.50,"temperature":0.5}"#,
        ),
        (
            Dialect::Chat,
            r#"{"seed":7,"stop":"a","max_tokens":70,"messages":[{"role":"user","content":"hi"}]}"#,
            r#"{"max_tokens":9,"messages":[{"role":"user","content":"hi"}],"temperature":0.5}"#,
        ),
        (
            Dialect::Gemini,
            r#"{"generation_config":{"stopSequences":["a"],"seed":1,"maxOutputTokens":70},"contents":[{"parts":[{"text":"hi"}]}]}"#,
            r#"{"generation_config":{"maxOutputTokens":9,"temperature":0.5},"contents":[{"parts":[{"text":"hi"}]}]}"#,
        ),
        (
            Dialect::Ollama,
            r#"{"messages":[{"role":"user","content":"hi"}],"options":null}"#,
            r#"{"messages":[{"role":"user","content":"hi"}],"options":{"num_predict":9,"temperature":0.5}}"#,
        ),
        (
            Dialect::Responses,
            r#"{"input":"hi"}"#,
            r#"{"input":"hi","max_output_tokens":9,"temperature":0.5}"#,
        ),
    ] {
        let (body, left) = made(dialect, body, &set);
        // Of options the order is not said.
        let same =
            serde_json::from_str::<Value>(&body).unwrap() == serde_json::from_str::<Value>(wanted).unwrap();
        assert!(same && left.is_empty(), "{dialect:?}: {body} {left:?}");
        assert!(!body.contains("1.5") || body == wanted, "{body}");
    }
}

#[test]
fn a_bound_is_lowered_and_never_raised() {
    let most = Edits { most_tokens: Some(100), ..edits() };
    for (own, wanted) in [("", 100), (r#","max_completion_tokens":200"#, 100), (r#","max_tokens":50"#, 50)] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"hi"}}]{own}}}"#);
        let (out, _) = made(Dialect::Chat, &body, &most);
        let value: Value = serde_json::from_str(&out).unwrap();
        let said = value.get("max_completion_tokens").or(value.get("max_tokens"));
        assert_eq!(said, Some(&wanted.into()), "{out}");
        assert!(wanted == 100 || out == body, "{out}");
    }
}

#[test]
fn what_claude_would_refuse_is_left_or_made_to_fit() {
    let body = |thinking: &str| {
        format!(
            r#"{{"model":"m","max_tokens":9000,"thinking":{thinking},"messages":[{{"role":"user","content":"hi"}}]}}"#
        )
    };
    let enabled = body(r#"{"type":"enabled","budget_tokens":8000}"#);
    let bound = |most| Edits { most_tokens: Some(most), ..edits() };
    let (out, _) = made(Dialect::Anthropic, &enabled, &bound(6000));
    assert!(out.contains(r#""budget_tokens":3000"#) && out.contains(r#""max_tokens":6000"#), "{out}");
    let (out, _) = made(Dialect::Anthropic, &enabled, &bound(1024));
    assert!(out.contains(r#""thinking":{"type":"disabled"}"#), "{out}");
    let warm = Edits { remove: &["max_tokens"], temperature: Some(1.5), top_p: Some(0.2), ..edits() };
    let (out, left) = made(Dialect::Anthropic, &enabled, &warm);
    assert_eq!(
        (out.as_str(), left.as_slice()),
        (enabled.as_str(), &["max_tokens", "temperature", "top_p"][..])
    );
    let quirks = Quirks { steering: Steering::Fixed, ..Quirks::default() };
    let chat = br#"{"messages":[]}"#;
    let out = edited(Dialect::Chat, chat, &warm, ("o3", &quirks)).unwrap();
    assert_eq!((out.body.as_slice(), out.left), (&chat[..], vec!["temperature", "top_p"]));
}

#[test]
fn instructions_are_added_to_or_replaced_in_the_form_that_they_have() {
    let add = Edits { add_system: Some("Be \"brief\"."), ..edits() };
    let instead = Edits { system: Some("New."), ..edits() };
    for (dialect, before, added, replaced) in [
        (
            Dialect::Anthropic,
            r#"{"max_tokens":1,"messages":[],"system":"Old."}"#,
            r#"{"max_tokens":1,"messages":[],"system":"Old.\n\nBe \"brief\"."}"#,
            r#"{"max_tokens":1,"messages":[],"system":"New."}"#,
        ),
        (
            Dialect::Anthropic,
            r#"{"max_tokens":1,"messages":[],"system":[{"type":"text","text":"Old.","cache_control":{"type":"ephemeral"}}]}"#,
            r#"{"max_tokens":1,"messages":[],"system":[{"type":"text","text":"Old.","cache_control":{"type":"ephemeral"}},{"type":"text","text":"Be \"brief\"."}]}"#,
            r#"{"max_tokens":1,"messages":[],"system":"New."}"#,
        ),
        (
            Dialect::Chat,
            r#"{"messages":[{"role":"developer","content":"Old."},{"role":"user","content":"hi"}]}"#,
            r#"{"messages":[{"role":"developer","content":"Old.\n\nBe \"brief\"."},{"role":"user","content":"hi"}]}"#,
            r#"{"messages":[{"role":"developer","content":"New."},{"role":"user","content":"hi"}]}"#,
        ),
        (
            Dialect::Ollama,
            r#"{"messages":[ {"role":"user","content":"hi"}]}"#,
            r#"{"messages":[{"role":"system","content":"Be \"brief\"."}, {"role":"user","content":"hi"}]}"#,
            r#"{"messages":[{"role":"system","content":"New."}, {"role":"user","content":"hi"}]}"#,
        ),
        (
            Dialect::Gemini,
            r#"{"contents":[],"system_instruction":{"parts":{"text":"Old."}}}"#,
            r#"{"contents":[],"system_instruction":{"parts":[{"text":"Old."},{"text":"Be \"brief\"."}]}}"#,
            r#"{"contents":[],"system_instruction":{"parts":[{"text":"New."}]}}"#,
        ),
        (
            Dialect::Responses,
            r#"{"input":"hi"}"#,
            r#"{"input":"hi","instructions":"Be \"brief\"."}"#,
            r#"{"input":"hi","instructions":"New."}"#,
        ),
    ] {
        let with = |edits| {
            String::from_utf8(
                edited(dialect, before.as_bytes(), edits, ("m", &Quirks::default())).unwrap().body,
            )
        };
        assert_eq!(with(&add).unwrap(), added, "{dialect:?}");
        assert_eq!(with(&instead).unwrap(), replaced, "{dialect:?}");
    }
}

/// Responses may have instructions as items as well: what replaces them replaces all of them.
#[test]
fn replaced_instructions_are_the_only_ones_before_the_first_turn() {
    let instead = Edits { system: Some("New."), ..edits() };
    for (before, after) in [
        (
            r#"{"input":[{"role":"developer","content":"Old."},{"type":"message","role":"system","content":"Old."}, {"role":"user","content":"hi"},{"role":"developer","content":"Mid."}],"instructions":"Old."}"#,
            r#"{"input":[{"role":"user","content":"hi"},{"role":"developer","content":"Mid."}],"instructions":"New."}"#,
        ),
        (
            r#"{"input":[ {"role":"developer","content":"Old."} ]}"#,
            r#"{"input":[ {"content":"New.","role":"developer"}],"instructions":"New."}"#,
        ),
        (r#"{"input":[]}"#, r#"{"input":[],"instructions":"New."}"#),
    ] {
        let (out, _) = made(Dialect::Responses, before, &instead);
        let same =
            serde_json::from_str::<Value>(&out).unwrap() == serde_json::from_str::<Value>(after).unwrap();
        assert!(same, "{out}");
    }
    let add = Edits { add_system: Some("More."), ..edits() };
    let (out, _) = made(Dialect::Responses, r#"{"input":[{"role":"developer","content":"Old."}]}"#, &add);
    assert!(out.contains("Old.") && out.contains("More."), "{out}");
}

#[test]
fn all_names_of_a_parameter_are_bounded_and_dropped_in_chat() {
    let both = r#"{"messages":[],"max_tokens":900,"max_completion_tokens":50}"#;
    let (out, _) = made(Dialect::Chat, both, &Edits { most_tokens: Some(100), ..edits() });
    assert_eq!(out, both.replace("900", "100"));
    let (out, _) = made(Dialect::Chat, both, &Edits { max_tokens: Some(7), ..edits() });
    assert_eq!(out, r#"{"messages":[],"max_tokens":7,"max_completion_tokens":7}"#);
    let none = Edits { remove: &["reasoning"], ..edits() };
    let body = r#"{"messages":[],"reasoning":{"effort":"high"},"reasoning_effort":"high"}"#;
    assert_eq!(made(Dialect::Chat, body, &none).0, r#"{"messages":[]}"#);
}

/// What the client has and no edit touches is not made to fit: its provider says what it thinks of it.
#[test]
fn a_budget_of_thoughts_is_left_where_the_bound_stays() {
    let body = r#"{"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":8000},"messages":[]}"#;
    let add = Edits { add_system: Some("x"), most_tokens: Some(4000), ..edits() };
    let (out, _) = made(Dialect::Anthropic, body, &add);
    assert!(out.contains(r#""budget_tokens":8000"#), "{out}");
}

/// Anthropic refuses `clear_thinking_20251015` where Claude does not think.
#[test]
fn thoughts_that_are_gone_are_not_cleared_from_the_context() {
    let body = |edits: &str| {
        format!(
            r#"{{"max_tokens":9000,"thinking":{{"type":"enabled","budget_tokens":8000}},"messages":[],"context_management":{edits}}}"#
        )
    };
    let clear = r#"{"type":"clear_thinking_20251015","keep":"all"}"#;
    let off = Edits { remove: &["reasoning"], ..edits() };
    let short = Edits { most_tokens: Some(500), ..edits() };
    for (managed, rest) in [
        (format!(r#"{{"edits":[{clear}]}}"#), None),
        (
            format!(r#"{{"edits":[{clear}, {{"type":"clear_tool_uses_20250919"}}]}}"#),
            Some(r#"{"edits":[{"type":"clear_tool_uses_20250919"}]}"#),
        ),
        (
            r#"{"edits":[{"type":"clear_tool_uses_20250919"}]}"#.to_owned(),
            Some(r#"{"edits":[{"type":"clear_tool_uses_20250919"}]}"#),
        ),
    ] {
        for change in [&off, &short] {
            let (out, _) = made(Dialect::Anthropic, &body(&managed), change);
            let value: Value = serde_json::from_str(&out).unwrap();
            let rest = rest.map(|rest| serde_json::from_str::<Value>(rest).unwrap());
            assert_eq!(value.get("context_management"), rest.as_ref(), "{out}");
        }
        let (same, _) =
            made(Dialect::Anthropic, &body(&managed), &Edits { max_tokens: Some(8500), ..edits() });
        assert!(same.contains(&managed), "{same}");
    }
}

#[test]
fn tools_go_with_the_choice_of_them() {
    let goes = |name: &str| name.starts_with("mcp__");
    let edits = Edits { tool_goes: &goes, ..edits() };
    for (dialect, before, after) in [
        (
            Dialect::Anthropic,
            r#"{"max_tokens":1,"messages":[],"tools":[{"name":"a","input_schema":{}},{"name":"mcp__x","input_schema":{}}],"tool_choice":{"type":"tool","name":"mcp__x"}}"#,
            r#"{"max_tokens":1,"messages":[],"tools":[{"name":"a","input_schema":{}}]}"#,
        ),
        (
            Dialect::Anthropic,
            r#"{"max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"mcp__x","input":{}}]}],"tools":[{"name":"mcp__x","input_schema":{}}]}"#,
            r#"{"max_tokens":1,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"mcp__x","input":{}}]}],"tools":[{"name":"mcp__x","input_schema":{"type":"object"}}],"tool_choice":{"type":"none"}}"#,
        ),
        (
            Dialect::Chat,
            r#"{"messages":[],"parallel_tool_calls":false,"tools":[{"type":"function","function":{"name":"mcp__x"}}],"tool_choice":"required"}"#,
            r#"{"messages":[]}"#,
        ),
        (
            Dialect::Chat,
            r#"{"messages":[],"functions":[{"name":"mcp__x"},{"name":"b"}],"function_call":"auto"}"#,
            r#"{"messages":[],"functions":[{"name":"b"}],"function_call":"auto"}"#,
        ),
        (
            Dialect::Gemini,
            r#"{"contents":[],"tools":{"functionDeclarations":[{"name":"a"},{"name":"mcp__x"}]},"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["mcp__x","a"]}}}"#,
            r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"a"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["a"]}}}"#,
        ),
        (
            Dialect::Responses,
            r#"{"input":"hi","tools":[{"type":"web_search"},{"type":"namespace","name":"n","tools":[{"name":"mcp__x"},{"name":"y"}]}],"tool_choice":"auto"}"#,
            r#"{"input":"hi","tools":[{"type":"web_search"},{"type":"namespace","name":"n","tools":[{"name":"y"}]}],"tool_choice":"auto"}"#,
        ),
    ] {
        let out = edited(dialect, before.as_bytes(), &edits, ("m", &Quirks::default())).unwrap();
        assert_eq!(String::from_utf8(out.body).unwrap(), after, "{dialect:?}");
    }
    let (same, _) = made(Dialect::Chat, r#"{"messages":[], "tools":[ ]}"#, &edits);
    assert_eq!(same, r#"{"messages":[], "tools":[ ]}"#);
}

#[test]
fn a_request_that_cannot_be_edited_says_why() {
    let set = Edits { add_system: Some("x"), temperature: Some(0.0), ..edits() };
    let why =
        |dialect, body: &str| edited(dialect, body.as_bytes(), &set, ("m", &Quirks::default())).unwrap_err();
    assert!(why(Dialect::Gemini, r#"{"generationConfig":7}"#).contains("no object"));
    assert!(why(Dialect::Chat, r#"{"messages":"x"}"#).contains("no list"));
    assert!(why(Dialect::Responses, r#"{"a":1,"a":2}"#).contains("twice"));
    assert!(why(Dialect::Anthropic, r#"{"system":7}"#).contains("neither"));
}
