//! Where Anthropic wants its thoughts: first in their message, and first in an answer that waits for results of tools.
//!
//! An answer under way is everything the assistant said since the user last spoke without giving results. With a
//! thinking budget it must begin with thoughts; a model that decides by itself (`adaptive`) may have had none.

use serde_json::Value;

use super::Rejection;
use crate::seen::{list, text};

pub(super) fn check(body: &Value) -> Result<(), Rejection> {
    let messages = list(body, "messages");
    for (at, message) in messages.iter().enumerate().filter(|(_, m)| text(m, "role") == "assistant") {
        if thoughts(message).next().is_some() && !thinks_first(message) {
            return Err(Rejection::bad(format!(
                "messages.{at}.content.0: If an assistant message contains any thinking blocks, the first block must \
                 be `thinking` or `redacted_thinking`. Found `{}`.",
                first(message)
            )));
        }
    }
    let Some(begin) = under_way(messages) else { return Ok(()) };
    let mode = text(&body["thinking"], "type");
    if mode == "enabled" && !thinks_first(&messages[begin]) {
        return Err(Rejection::bad(format!(
            "messages.{begin}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{}`. When \
             `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding the \
             lastmost set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks from \
             previous turns. To avoid this requirement, disable `thinking`.",
            first(&messages[begin])
        )));
    }
    let off = mode == "disabled" || mode.is_empty() && thinks_only_when_told(text(body, "model"));
    let stray = messages.iter().enumerate().skip(begin).find_map(|(at, m)| Some((at, thoughts(m).next()?)));
    match stray {
        Some((at, n)) if off => Err(Rejection::bad(format!(
            "messages.{at}.content.{n}: When thinking is disabled, an `assistant` message in the final position \
             cannot contain `thinking`. To use thinking blocks, enable `thinking` in your request."
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Positions of the thoughts in a message.
fn thoughts(message: &Value) -> impl Iterator<Item = usize> {
    let blocks = list(message, "content").iter().enumerate();
    blocks.filter(|(_, block)| is_thought(block)).map(|(at, _)| at)
}

fn is_thought(block: &Value) -> bool {
    ["redacted_thinking", "thinking"].contains(&text(block, "type"))
}

fn thinks_first(message: &Value) -> bool {
    list(message, "content").first().is_some_and(is_thought)
}

fn first(message: &Value) -> &str {
    list(message, "content").first().map_or("text", |block| text(block, "type"))
}

/// Where the answer under way begins; `None` when the user has the word.
fn under_way(messages: &[Value]) -> Option<usize> {
    let results = |m: &Value| list(m, "content").iter().any(|block| text(block, "type") == "tool_result");
    let spoke = messages.iter().rposition(|m| text(m, "role") == "user" && !results(m));
    let begin = spoke.map_or(0, |at| at + 1);
    let said = messages[begin..].iter().position(|m| text(m, "role") == "assistant");
    said.map(|at| begin + at)
}

/// Whether a model does not think without being told to: those of the third and fourth generation.
fn thinks_only_when_told(model: &str) -> bool {
    let rest = model.split_once("claude-").map_or("", |(_, rest)| rest);
    let rest =
        ["haiku-", "opus-", "sonnet-"].iter().find_map(|family| rest.strip_prefix(family)).unwrap_or(rest);
    rest.starts_with(['3', '4'])
}
