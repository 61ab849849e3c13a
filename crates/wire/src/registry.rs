//! The registry of dialects: the one place that names them all.

use lockgate_core::content::{Source, Tool};
use lockgate_core::{Block, Conversation, Dialect, Failure, Part, ToolChoice};

use crate::{EnvelopeSpec, Format, Loss, anthropic, chat, claude_cli, gemini, json, ollama, responses};

/// A dialect by its name.
pub fn format(dialect: Dialect) -> Format {
    match dialect {
        Dialect::Anthropic => anthropic::FORMAT,
        Dialect::Chat => chat::FORMAT,
        Dialect::ClaudeCli => claude_cli::FORMAT,
        Dialect::Gemini => gemini::FORMAT,
        Dialect::Ollama => ollama::FORMAT,
        Dialect::Responses => responses::FORMAT,
    }
}

/// The outside of a request for token counting, which may leave out what generation needs.
pub fn count_envelope(format: &Format) -> &'static EnvelopeSpec {
    match format.dialect {
        Dialect::Anthropic => &anthropic::COUNT_ENVELOPE,
        Dialect::Gemini => &gemini::COUNT_ENVELOPE,
        Dialect::Chat | Dialect::ClaudeCli | Dialect::Ollama | Dialect::Responses => format.envelope,
    }
}

/// Whether a conversation may be told in another dialect than the one it was parsed from: not if part of it lies with
/// the provider.
pub fn may_leave(dialect: Dialect, conversation: &Conversation) -> Result<(), Failure> {
    match dialect {
        Dialect::Gemini => gemini::may_leave(conversation),
        Dialect::Ollama => ollama::may_leave(conversation),
        Dialect::Responses => responses::may_leave(conversation),
        Dialect::Anthropic | Dialect::Chat | Dialect::ClaudeCli => Ok(()),
    }
}

/// A file in a part that only the provider has which it was sent to. Google's have an address that nobody else may read.
fn file_of(part: &Part) -> Option<&str> {
    let source = match &part.block {
        Block::Audio(media) | Block::Video(media) => &media.source,
        Block::Document(document) => &document.source,
        Block::Image(image) => &image.source,
        Block::ToolResult(result) => return result.content.iter().find_map(file_of),
        Block::Opaque(_) | Block::Reasoning(_) | Block::Refusal(_) | Block::Text(_) | Block::ToolCall(_) => {
            return None;
        }
    };
    match source {
        Source::File { id } => Some(id),
        Source::Url { url, .. } if url.starts_with("https://generativelanguage.googleapis.com/") => Some(url),
        Source::Base64 { .. } | Source::Text { .. } | Source::Url { .. } => None,
    }
}

/// The name of a tool that another dialect can be told of.
fn comes_along(tool: &Tool, custom: bool) -> Option<&String> {
    match tool {
        Tool::Custom(tool) => custom.then_some(&tool.name),
        Tool::Function(tool) => Some(&tool.name),
        Tool::Hosted(_) => None,
    }
}

/// Takes out of a conversation what means nothing, or something else, in another dialect: members that only have their name in common with the
/// other's own, and the choice of tools that do not come along.
pub fn leave(
    (from, to): (Dialect, Dialect),
    conversation: &mut Conversation,
    loss: &mut Loss,
) -> Result<(), Failure> {
    let of_openai = |dialect: Dialect| matches!(dialect, Dialect::Chat | Dialect::Responses);
    if !(of_openai(from) && of_openai(to))
        && let Some(file) = conversation.turns.iter().flat_map(|turn| &turn.parts).find_map(file_of)
    {
        let words = format!(
            "the file `{file}` lies with the provider that it was sent to: send its content, or call a model of that provider"
        );
        return Err(Failure::invalid("file_id", words));
    }
    if of_openai(to) && !of_openai(from) {
        for field in conversation.rest.drain(..) {
            loss.note(json::without_indices(&field.path));
        }
    }
    let left: Vec<&String> =
        conversation.tools.iter().filter_map(|tool| comes_along(tool, of_openai(to))).collect();
    let choice = match conversation.tool_choice.take() {
        Some(ToolChoice::Among { mut names, required }) => {
            let wanted = names.len();
            names.retain(|name| left.contains(&name));
            if names.len() < wanted {
                loss.note("tool_choice");
            }
            (!names.is_empty()).then_some(ToolChoice::Among { names, required })
        }
        Some(ToolChoice::Required) if left.is_empty() => {
            loss.note("tool_choice");
            None
        }
        choice => choice,
    };
    conversation.tool_choice = choice;
    Ok(())
}
