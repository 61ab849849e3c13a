//! OpenAI Chat Completions, with embeddings and the list of models: the dialect that most servers speak, each a
//! little differently.
//!
//! What other servers do differently when they answer is read without being told (`decode`, `calls`); what they do
//! not accept in a request is told by [`Quirks`](crate::Quirks). Does no token counting (the dialect has none), does
//! not read `<think>` inside text, and sends thoughts back upstream only where a quirk says so: OpenAI has no field for
//! them.

mod answer;
mod calls;
mod chunk;
mod decode;
mod embeddings;
mod encode;
mod error;
mod extras;
mod ids;
mod messages;
mod models;
mod output;
mod parse;
mod parts;
mod request;
#[cfg(test)]
mod tests;
mod told;
mod tools;
mod usage;
mod wanted;
mod whole;
mod write;

use lockgate_core::{Conversation, Dialect, Failure};

use crate::{
    AnswerContext, Depth, Document, EnvelopeSpec, Format, Kind, Loss, Mode, StreamDecoder, StreamEncoder,
    Target, WireFormat,
};

pub(crate) use error::is_type;
pub use wanted::{include_usage, usage_only, usage_wanted, with_usage};

/// OpenAI Chat Completions.
pub static FORMAT: Format = Format {
    dialect: Dialect::Chat,
    embeddings: Some(&embeddings::Embed),
    envelope: &ENVELOPE,
    messages: &Chat,
    models: Some(&models::Models),
    tokens: None,
};

static ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "messages",
    model_in_body: true,
    required: &[("messages", &[Kind::Array])],
    stream_default: Some(false),
    tools: "tools",
};

struct Chat;

impl WireFormat for Chat {
    fn parse_document(&self, document: &Document<'_>) -> Result<Conversation, Failure> {
        parse::parse(document)
    }

    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure> {
        write::write(conversation, target, loss)
    }

    fn decoder(&self, mode: Mode, depth: Depth) -> Box<dyn StreamDecoder> {
        match mode {
            Mode::Stream => Box::new(decode::Stream::new(depth)),
            Mode::Array | Mode::Whole => Box::new(decode::Whole::new(depth)),
        }
    }

    fn is_words(&self, frame: &[u8]) -> bool {
        decode::is_words(frame)
    }

    fn encoder(&self, mode: Mode, context: AnswerContext) -> Box<dyn StreamEncoder> {
        match mode {
            Mode::Stream => Box::new(encode::Stream::new(context)),
            Mode::Array | Mode::Whole => Box::new(whole::Whole::new(context)),
        }
    }

    fn error(&self, failure: &Failure) -> Vec<u8> {
        let mut body = Vec::new();
        error::write(failure, &mut body);
        body
    }

    fn fault(&self, status: u16, body: &[u8]) -> Failure {
        error::fault(status, body)
    }
}
