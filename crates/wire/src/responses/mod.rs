//! OpenAI Responses, in front (Codex, SDKs) and behind (OpenAI, and servers that speak it).
//!
//! A conversation here is a list of items: messages, calls, outputs, sealed thoughts. What refers to state that a
//! provider keeps (`previous_response_id`, `conversation`, `prompt`, `background`) is refused when a call has to be
//! taken apart, and an `item_reference` when it has to leave the dialect and nobody has put the item in its place
//! ([`with_items`]): the words behind it are not in the body. Models and embeddings are the Chat dialect's.

mod answer;
mod blocks;
mod decode;
mod encode;
mod error;
mod item_shapes;
mod items;
mod media;
mod parse;
mod parts;
mod request;
mod shape;
mod stored;
mod tokens;
mod tools;
mod write;
mod write_items;

#[cfg(test)]
mod tests;

use lockgate_core::{Conversation, Dialect, Failure};

pub use items::may_leave;
pub use stored::with_items;

use crate::{
    AnswerContext, Depth, Document, EnvelopeSpec, Format, Loss, Mode, StreamDecoder, StreamEncoder, Target,
    WireFormat,
};

/// The dialect.
pub static FORMAT: Format = Format {
    dialect: Dialect::Responses,
    embeddings: None,
    envelope: &ENVELOPE,
    messages: &Responses,
    models: None,
    tokens: Some(&tokens::InputTokens),
};

/// `input` is not required: a stored prompt or an earlier response may stand in for it.
static ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "input",
    model_in_body: true,
    required: &[],
    stream_default: Some(false),
    tools: "tools",
};

struct Responses;

impl WireFormat for Responses {
    fn parse_document(&self, document: &Document<'_>) -> Result<Conversation, Failure> {
        parse::parse(document)
    }

    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure> {
        write::write(conversation, target, loss, write::Purpose::Answer)
    }

    fn decoder(&self, mode: Mode, depth: Depth) -> Box<dyn StreamDecoder> {
        decode::decoder(mode, depth)
    }

    fn encoder(&self, mode: Mode, context: AnswerContext) -> Box<dyn StreamEncoder> {
        Box::new(encode::Encoder::new(mode, context))
    }

    fn error(&self, failure: &Failure) -> Vec<u8> {
        error::body(failure)
    }

    fn fault(&self, status: u16, body: &[u8]) -> Failure {
        error::fault(status, body)
    }
}
