//! What somebody who is asked gets to see of a call: the thing in question and the last turns, as JSON and in bounds. As JSON, what
//! is judged is data and not taken for instructions.

use std::borrow::Cow;

use lockgate_core::content::ToolCall;
use lockgate_core::{Block, Conversation, Part, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// So many bytes of one text are shown.
const SHOWN: usize = 16_000;

/// What becomes of a tool call whose arguments are longer than what is shown of one text (16,000 bytes).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LongCalls {
    /// Nobody is asked: what is left out may be what matters, and `on_failure` says what becomes of it.
    #[default]
    Fail,
    /// The beginning and the end are judged, with a mark of what is left out between them.
    Part,
}

/// Why nobody is asked about a tool call; `None` = all of it can be shown, or a part is enough.
pub(crate) fn too_long(call: &ToolCall, long: LongCalls) -> Option<String> {
    let size = call.arguments.len();
    (size > SHOWN && long == LongCalls::Fail)
        .then(|| format!("its arguments have {size} bytes, and no more than {SHOWN} are judged"))
}

/// A text in bounds: of a longer one the beginning and the end, with a mark of what is left out between them.
pub(crate) fn cut(text: &str) -> Cow<'_, str> {
    if text.len() <= SHOWN {
        return Cow::Borrowed(text);
    }
    let head = text.floor_char_boundary(SHOWN / 2);
    let tail = text.ceil_char_boundary(text.len() - SHOWN / 2);
    let mark = format!("\n[… {} bytes are left out here …]\n", tail - head);
    Cow::Owned([&text[..head], &mark, &text[tail..]].concat())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_text_both_ends_are_shown_and_what_is_left_out_is_marked() {
        let text = format!("begin {}é{} ; rm -rf /", "x".repeat(7_993), "y".repeat(20_000));
        let shown = cut(&text);
        assert!(shown.starts_with("begin x") && shown.ends_with("y ; rm -rf /"), "{}", shown.len());
        assert!(shown.contains("bytes are left out here") && shown.len() < SHOWN + 60);
        assert_eq!(cut("short"), "short");
    }
}
