//! Ollama's native dialect: `/api/chat`, `/api/generate`, `/api/embed`, `/api/embeddings`, and what its clients ask
//! beside: tags, show, ps, version.
//!
//! Answers are JSON lines, tool arguments are objects, tool calls come whole and often without an id, durations are
//! nanoseconds. [`FORMAT`] is `/api/chat`, [`GENERATE`] the older form with one prompt. Does not decide which context
//! or which host is right: it only says what the lines tell.

mod decode;
mod embeddings;
mod encode;
mod error;
mod generate;
mod loaded;
mod models;
mod parse;
mod request;
mod time;
mod write;
mod write_messages;

#[cfg(test)]
mod tests;

use lockgate_core::{Conversation, Dialect, Failure};

use crate::{
    AnswerContext, Depth, Document, EnvelopeSpec, Format, Kind, Loss, Mode, StreamDecoder, StreamEncoder,
    Target, WireFormat,
};

pub use decode::remote_host;
pub use generate::may_leave;
pub use loaded::{Loaded, parse_loaded, write_loaded};
pub use models::{
    Running, Shown, is_cloud_name, parse_ps, parse_show, parse_version, write_show, write_version,
};

/// `/api/chat` and what belongs to it.
pub static FORMAT: Format = Format {
    dialect: Dialect::Ollama,
    embeddings: Some(&embeddings::Embed),
    envelope: &ENVELOPE,
    messages: &Ollama { shape: Shape::Chat },
    models: Some(&models::Tags),
    tokens: None,
};

/// `/api/generate`: one prompt in, `response` out.
pub static GENERATE: Format = Format {
    dialect: Dialect::Ollama,
    embeddings: None,
    envelope: &GENERATE_ENVELOPE,
    messages: &Ollama { shape: Shape::Generate },
    models: None,
    tokens: None,
};

/// The outside of a `/api/chat` request. An answer is streamed unless the client says otherwise.
pub static ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "messages",
    model_in_body: true,
    required: &[("messages", &[Kind::Array])],
    stream_default: Some(true),
    tools: "tools",
};

/// The outside of a `/api/generate` request. Without a prompt it only asks to load (or unload) the model.
pub static GENERATE_ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "messages",
    model_in_body: true,
    required: &[],
    stream_default: Some(true),
    tools: "tools",
};

/// Which of the two forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `message`, with roles and tools.
    Chat,
    /// `response`, words only.
    Generate,
}

/// The codec of both forms.
#[derive(Debug)]
struct Ollama {
    shape: Shape,
}

impl WireFormat for Ollama {
    fn parse_document(&self, document: &Document<'_>) -> Result<Conversation, Failure> {
        match self.shape {
            Shape::Chat => parse::chat(document),
            Shape::Generate => generate::parse(document),
        }
    }

    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure> {
        match self.shape {
            Shape::Chat => write::chat(conversation, target, loss),
            Shape::Generate => generate::write(conversation, target, loss),
        }
    }

    fn decoder(&self, mode: Mode, depth: Depth) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(mode, depth))
    }

    fn encoder(&self, mode: Mode, context: AnswerContext) -> Box<dyn StreamEncoder> {
        Box::new(encode::Encoder::new(self.shape, mode, context))
    }

    fn error(&self, failure: &Failure) -> Vec<u8> {
        error::body(failure)
    }

    fn fault(&self, status: u16, body: &[u8]) -> Failure {
        error::fault(status, body)
    }
}
