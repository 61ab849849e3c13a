//! The registry of dialects: the one place that names them all.

use lockgate_core::{Conversation, Dialect, Failure};

use crate::{EnvelopeSpec, Format, anthropic, chat, claude_cli, gemini, ollama, responses};

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
