//! Gemini generateContent: AI Studio and Vertex, both directions, streams as SSE and as a JSON array.
//!
//! The model and the method stand in the path ([`route()`]), not in the body. Field names are read in both spellings
//! that protobuf JSON allows and written in camelCase. The gateway never writes SSE comments in this dialect, because
//! Google's clients end the stream at one.

mod array;
mod content;
mod decode;
mod embeddings;
mod encode;
mod error;
mod models;
mod parse;
mod partial;
mod request;
mod response;
mod route;
mod schema;
#[cfg(test)]
mod tests;
mod thinking;
mod tokens;
mod write;

use lockgate_core::{Conversation, Dialect, Failure};

use crate::{
    AnswerContext, Depth, Document, EnvelopeSpec, Format, Kind, Loss, Mode, StreamDecoder, StreamEncoder,
    Target, WireFormat,
};

pub use embeddings::method as embeddings_method;
pub use parse::may_leave;
pub use route::{Method, Route, Vertex, path, route, vertex_path};
pub use tokens::vertex_count;

/// The dialect.
pub static FORMAT: Format = Format {
    dialect: Dialect::Gemini,
    embeddings: Some(&embeddings::Embedding),
    envelope: &ENVELOPE,
    messages: &Messages,
    models: Some(&models::Models),
    tokens: Some(&tokens::Tokens),
};

static ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "contents",
    model_in_body: false,
    required: &[("contents", &[Kind::Array])],
    stream_default: None,
    tools: "tools",
};

/// The outside of a `countTokens` request, which may hold a whole `generateContentRequest` instead of contents.
pub static COUNT_ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "contents",
    model_in_body: false,
    required: &[],
    stream_default: None,
    tools: "tools",
};

/// What ids of tool calls start with that the wire did not give. They are never written to a Gemini server or client.
const MADE_ID: &str = "gcall_";

struct Messages;

impl WireFormat for Messages {
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
        Box::new(decode::Decoder::new(mode, depth))
    }

    fn encoder(&self, mode: Mode, context: AnswerContext) -> Box<dyn StreamEncoder> {
        Box::new(encode::Encoder::new(mode, context))
    }

    fn error(&self, failure: &Failure) -> Vec<u8> {
        let mut out = Vec::new();
        error::write(failure, &mut out);
        out
    }

    fn fault(&self, status: u16, body: &[u8]) -> Failure {
        error::fault(status, body)
    }
}
