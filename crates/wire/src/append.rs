//! More turns behind those of a request: what the gateway says by itself when it asks a model again.
//!
//! A splice: every byte that was there stays, so that what a provider has cached of the request stays cached. Knows of a dialect only where
//! its turns stand and how it writes them.

use lockgate_core::{Conversation, Dialect, Turn};
use serde_json::value::RawValue;

use crate::envelope::splice;
use crate::scan::{Kind, scan};
use crate::{Format, Loss, Quirks, Target};

/// Where turns are put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Behind all others.
    Behind,
    /// Before all others.
    First,
}

/// A body with more turns among its own; `None` where it has none of its own, or where its dialect cannot say the new ones.
pub fn with_turns(format: Format, body: &[u8], turns: Vec<Turn>, among: Among) -> Option<Vec<u8>> {
    let field = format.envelope.messages;
    let found = scan(body, 512).ok()?;
    let own = found.find(body, field)?;
    let place = own.value.clone();
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 1, model: "", quirks: &quirks, stream: false };
    let conversation = Conversation { turns, ..Conversation::default() };
    let mut loss = Loss::default();
    let written = format.messages.write(&conversation, &target, &mut loss).ok()?;
    let outside = scan(&written, 512).ok()?;
    let more = outside.find(&written, field)?.value.clone();
    let more: Vec<&RawValue> = serde_json::from_slice(&written[more]).ok()?;
    let more: Vec<&str> = more.iter().map(|turn| turn.get()).collect();
    let more = more.join(",");
    match (own.kind, among) {
        (Kind::Array, Among::First) => {
            let behind = body[place.start + 1..].trim_ascii_start();
            let comma = if behind.starts_with(b"]") { "" } else { "," };
            Some(splice(body, place.start + 1..place.start + 1, format!("{more}{comma}").as_bytes()))
        }
        (Kind::Array, Among::Behind) => {
            let before = body[..place.end - 1].trim_ascii_end();
            let comma = if before.ends_with(b"[") { "" } else { "," };
            Some(splice(body, place.end - 1..place.end - 1, format!("{comma}{more}").as_bytes()))
        }
        (Kind::String, _) if format.dialect == Dialect::Responses => {
            let words = std::str::from_utf8(&body[place.clone()]).ok()?;
            let own = format!(r#"{{"role":"user","content":{words}}}"#);
            let all = match among {
                Among::Behind => format!("[{own},{more}]"),
                Among::First => format!("[{more},{own}]"),
            };
            Some(splice(body, place, all.as_bytes()))
        }
        (Kind::Bool | Kind::Null | Kind::Number | Kind::Object | Kind::String, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use lockgate_core::content::{Block, ToolCall, ToolKind, ToolResult};
    use lockgate_core::{Part, Role, Seal, content::Reasoning};
    use serde_json::{Value, json};

    use super::*;
    use crate::format;

    fn turns() -> Vec<Turn> {
        let thought = Reasoning {
            seal: Some(Seal::Signature("sig".into())),
            text: "hm".into(),
            ..Reasoning::default()
        };
        let call = ToolCall {
            arguments: r#"{"command":"rm -rf /"}"#.into(),
            id: "c1".into(),
            kind: ToolKind::Function,
            name: "Bash".into(),
            namespace: None,
            seal: None,
        };
        let result = ToolResult {
            call_id: "c1".into(),
            content: vec![Part::text("no")],
            is_error: true,
            kind: ToolKind::Function,
            name: Some("Bash".into()),
        };
        let said = vec![
            Part::new(Block::Reasoning(thought)),
            Part::text("I clean up."),
            Part::new(Block::ToolCall(call)),
        ];
        vec![
            Turn { name: None, parts: said, role: Role::Assistant },
            Turn { name: None, parts: vec![Part::new(Block::ToolResult(result))], role: Role::User },
        ]
    }

    /// The last turns of a body, and whether the rest of it is as it was.
    fn asked(dialect: Dialect, body: &str) -> Option<Value> {
        let out = with_turns(format(dialect), body.as_bytes(), turns(), Among::Behind)?;
        let text = String::from_utf8(out).unwrap();
        let same = body.bytes().zip(text.bytes()).take_while(|(a, b)| a == b).count();
        assert!(same >= body.rfind("first").unwrap(), "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        Some(value[format(dialect).envelope.messages].clone())
    }

    #[test]
    fn turns_go_behind_those_of_a_request_in_its_own_dialect() {
        let anthropic =
            r#"{"model": "m", "max_tokens":1.0, "messages": [ {"role":"user","content":"first"} ], "z":1}"#;
        let turns = asked(Dialect::Anthropic, anthropic).unwrap();
        assert_eq!(turns[0]["content"], "first");
        assert_eq!(turns[1]["content"][0], json!({"type":"thinking","thinking":"hm","signature":"sig"}));
        assert_eq!(turns[1]["content"][2]["input"], json!({"command": "rm -rf /"}));
        assert_eq!(turns[2]["content"][0]["tool_use_id"], "c1");
        assert_eq!(turns[2]["content"][0]["is_error"], true);

        let turns = asked(Dialect::Chat, r#"{"model":"m","messages":[{"role":"user","content":"first"}]}"#);
        let turns = turns.unwrap();
        assert_eq!(turns[1]["tool_calls"][0]["id"], "c1");
        assert_eq!((&turns[2]["role"], &turns[2]["tool_call_id"]), (&json!("tool"), &json!("c1")));

        let turns = asked(Dialect::Gemini, r#"{"contents":[{"role":"user","parts":[{"text":"first"}]}]}"#);
        let turns = turns.unwrap();
        assert_eq!(turns[2]["parts"][0]["functionResponse"]["name"], "Bash");

        let turns = asked(Dialect::Ollama, r#"{"model":"m","messages":[{"role":"user","content":"first"}]}"#);
        assert_eq!(turns.unwrap()[2]["role"], "tool");

        let turns = asked(Dialect::Responses, r#"{"model":"m","input":[{"role":"user","content":"first"}]}"#);
        let turns = turns.unwrap();
        let last = turns.as_array().unwrap().last().unwrap();
        assert_eq!((&last["type"], &last["call_id"]), (&json!("function_call_output"), &json!("c1")));
    }

    #[test]
    fn a_request_of_words_alone_becomes_a_list_where_the_dialect_allows_both() {
        let body = br#"{"input":"fi\"rst","model":"m"}"#;
        let out = with_turns(format(Dialect::Responses), body, turns(), Among::Behind).unwrap();
        let value: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["input"][0], json!({"role": "user", "content": "fi\"rst"}));
        let none = with_turns(format(Dialect::Anthropic), br#"{"messages":"x"}"#, turns(), Among::Behind);
        assert_eq!(none, None);
        let none = with_turns(format(Dialect::Chat), br#"{"prompt":"x"}"#, turns(), Among::Behind);
        assert_eq!(none, None);
        let out = with_turns(format(Dialect::Chat), br#"{"messages":[ ]}"#, turns(), Among::Behind).unwrap();
        assert!(serde_json::from_slice::<Value>(&out).is_ok());
    }

    #[test]
    fn turns_can_stand_before_all_others() {
        let first = |body: &str| {
            let out = with_turns(format(Dialect::Responses), body.as_bytes(), turns(), Among::First).unwrap();
            let value: Value = serde_json::from_slice(&out).unwrap();
            let items = value["input"].as_array().unwrap();
            (items.last().unwrap().clone(), items[items.len() - 2]["type"].clone())
        };
        let own = json!({"role": "user", "content": "go on"});
        let output = json!("function_call_output");
        assert_eq!(
            first(r#"{"input": [ {"role":"user","content":"go on"}]}"#),
            (own.clone(), output.clone())
        );
        assert_eq!(first(r#"{"input":"go on"}"#), (own, output.clone()));
        assert_eq!(first(r#"{"input":[]}"#).0["type"], output);
    }
}
