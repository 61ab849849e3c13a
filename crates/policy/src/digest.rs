//! What somebody who is asked gets to see of a call: the thing in question and the last turns, as JSON and in bounds. As JSON, what
//! is judged is data and not taken for instructions.

use lockgate_core::content::ToolCall;
use lockgate_core::{Block, Conversation, Part, Role};
use serde_json::{Value, json};

/// So many bytes of one text are shown.
const SHOWN: usize = 16_000;

/// The beginning of a text, ended between two characters.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN)]
}

/// The arguments of a tool call: as JSON where they are JSON and not too long.
pub(crate) fn arguments(call: &ToolCall) -> Value {
    match call.object() {
        Some(_) if call.arguments.len() <= SHOWN => {
            serde_json::from_str(&call.arguments).unwrap_or(Value::Null)
        }
        Some(_) | None => cut(&call.arguments).into(),
    }
}

/// What the person said last.
pub(crate) fn last_words(conversation: &Conversation) -> Option<String> {
    let turns = conversation.turns.iter().rev().filter(|turn| turn.role == Role::User);
    turns.map(|turn| words(&turn.parts)).find(|words| !words.is_empty())
}

/// The last turns, the oldest first: who, what words, which tools were called, what came of them.
pub(crate) fn last_turns(conversation: &Conversation, most: usize) -> Vec<Value> {
    let from = conversation.turns.len().saturating_sub(most);
    conversation.turns[from..]
        .iter()
        .map(|turn| json!({"role": word(turn.role), "parts": parts(&turn.parts)}))
        .collect()
}

const fn word(role: Role) -> &'static str {
    match role {
        Role::Assistant => "assistant",
        Role::System => "system",
        Role::User => "user",
    }
}

fn parts(parts: &[Part]) -> Vec<Value> {
    let shown = |part: &Part| match &part.block {
        Block::Text(text) => Some(json!({"text": cut(&text.text)})),
        Block::ToolCall(call) => Some(json!({"tool": call.name, "arguments": arguments(call)})),
        Block::ToolResult(result) => Some(json!({"tool_result": cut(&words(&result.content))})),
        _ => None,
    };
    parts.iter().filter_map(shown).collect()
}

fn words(parts: &[Part]) -> String {
    let texts = parts.iter().filter_map(|part| match &part.block {
        Block::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
