//! The texts of a call that can be searched for: what is new in its request, and its answer.

use bytes::Bytes;
use lockgate_core::{Block, BlockStart, Conversation, Delta, Dialect, Event, Part, Role};
use lockgate_session::Step;
use lockgate_store::{Side, Text};
use lockgate_wire::{Decoded, Depth, Mode, format};

/// The longest text that is searched; what is behind it is not found.
const LONGEST: usize = 256 * 1024;

/// The longest word at the end of such a text.
const WORD: usize = 2048;

/// Adds what is new in a request. `resumed`: its session was there before this process, which does not know its last request.
pub(super) fn of_request(conversation: &Conversation, step: Step, resumed: bool, out: &mut Vec<Text>) {
    let turns = &conversation.turns;
    let behind_answer =
        || turns.iter().rposition(|turn| turn.role == Role::Assistant).map_or(0, |last| last + 1);
    let (from, answers) = match step {
        // The model's own turns among these were noted when they were answers.
        Step::Continues { new_from } | Step::Rewritten { new_from, .. } => (new_from, false),
        Step::Compacted | Step::Forked { .. } => (behind_answer(), false),
        Step::New if resumed => (behind_answer(), false),
        Step::New => (0, true),
        Step::Same => (turns.len(), false),
    };
    if step == Step::New && !resumed {
        for part in &conversation.system {
            of_part(part, Side::System, out);
        }
    }
    for turn in turns.iter().skip(from) {
        let side = match turn.role {
            Role::Assistant if !answers => continue,
            Role::Assistant => Side::Assistant,
            Role::System => Side::System,
            Role::User => Side::User,
        };
        for part in &turn.parts {
            of_part(part, side, out);
        }
    }
}

fn of_part(part: &Part, side: Side, out: &mut Vec<Text>) {
    match &part.block {
        Block::Audio(_) | Block::Document(_) | Block::Image(_) | Block::Opaque(_) | Block::Video(_) => {}
        Block::Reasoning(reasoning) => push(Side::Thinking, &reasoning.text, out),
        Block::Refusal(text) => push(side, text, out),
        Block::Text(text) => push(side, text.text.as_str(), out),
        Block::ToolCall(call) => push(Side::ToolInput, &format!("{} {}", call.name, call.arguments), out),
        Block::ToolResult(result) => {
            for part in &result.content {
                of_part(part, Side::ToolResult, out);
            }
        }
    }
}

/// Adds an answer, as far as it can be read; how many tool calls it has.
pub(super) fn of_answer(dialect: Dialect, stream: bool, bytes: &Bytes, out: &mut Vec<Text>) -> u32 {
    let mode = match bytes.first() {
        None => return 0,
        Some(b'[') if stream => Mode::Array,
        Some(_) if stream => Mode::Stream,
        Some(_) => Mode::Whole,
    };
    let mut decoder = format(dialect).messages.decoder(mode, Depth::Full);
    let mut decoded = Decoded::default();
    // An answer that broke off is read as far as it goes.
    if decoder.feed(bytes.clone(), &mut decoded).is_ok() {
        let _ = decoder.finish(&mut decoded);
    }
    let mut block: Option<(Side, String)> = None;
    let mut tool_calls = 0;
    for event in decoded.events() {
        match event {
            Event::BlockStarted { block: start, .. } => {
                end(&mut block, out);
                block = match start {
                    BlockStart::Image(_) | BlockStart::Opaque(_) => None,
                    BlockStart::Reasoning { .. } => Some((Side::Thinking, String::new())),
                    BlockStart::Refusal | BlockStart::Text => Some((Side::Assistant, String::new())),
                    BlockStart::ToolCall { name, .. } => {
                        tool_calls += 1;
                        Some((Side::ToolInput, format!("{name} ")))
                    }
                };
            }
            Event::BlockDelta { delta, .. } => {
                if let (
                    Some((_, text)),
                    Delta::Arguments(more)
                    | Delta::Reasoning(more)
                    | Delta::Refusal(more)
                    | Delta::Text(more),
                ) = (&mut block, delta)
                {
                    text.push_str(more);
                }
            }
            Event::BlockEnded { .. } | Event::Ended(_) | Event::Failed(_) => end(&mut block, out),
            Event::Opaque | Event::Ping | Event::Started(_) | Event::Usage(_) => {}
        }
    }
    end(&mut block, out);
    tool_calls
}

fn end(block: &mut Option<(Side, String)>, out: &mut Vec<Text>) {
    if let Some((side, text)) = block.take() {
        push(side, &text, out);
    }
}

fn push(side: Side, text: &str, out: &mut Vec<Text>) {
    if text.trim().is_empty() {
        return;
    }
    let mut end = text.floor_char_boundary(LONGEST);
    if end < text.len() {
        // Not within a word: a part of a secret looks like none.
        let near = text.floor_char_boundary(LONGEST - WORD);
        end = text[near..end].rfind(char::is_whitespace).map_or(near, |at| near + at);
    }
    out.push(Text { side, text: text[..end].to_owned() });
}
