//! Anthropic Messages: requests, answers, streams, errors, token counting, lists of models.
//!
//! `parse` takes a client's request apart, `write` makes one for a provider; `decode` reads answers, `encode` (stream)
//! and `whole` (one body) write them. Never sets a cache breakpoint by itself, never makes up a signature. What
//! single Claude models refuse is data in `claude`.

mod answer;
mod claude;
mod content;
mod decode;
mod encode;
mod error;
mod frames;
mod models;
mod parse;
mod pieces;
mod request;
mod schema;
#[cfg(test)]
mod tests;
mod thinking;
mod tokens;
mod turns;
mod usage;
mod whole;
mod write;

use lockgate_core::{Conversation, Dialect, Failure};

use crate::scan::Kind;
use crate::{
    AnswerContext, Depth, Document, EnvelopeSpec, Format, Loss, Mode, StreamDecoder, StreamEncoder, Target,
    WireFormat,
};

/// The dialect with all that it can do.
pub static FORMAT: Format = Format {
    dialect: Dialect::Anthropic,
    embeddings: None,
    envelope: &ENVELOPE,
    messages: &Messages,
    models: Some(&models::Models),
    tokens: Some(&tokens::Tokens),
};

/// Whether a model refuses `temperature`, `top_p` and `top_k`.
pub(crate) fn fixes_sampling(model: &str) -> bool {
    let claude = claude::Claude::of(model);
    !claude.is_foreign() && !claude.takes_sampling()
}

/// Whether a model refuses `temperature` together with `top_p`.
pub(crate) fn takes_one_of_two(model: &str) -> bool {
    let claude = claude::Claude::of(model);
    !claude.is_foreign() && claude.takes_one_of_temperature_and_top_p()
}

/// The outside of `POST /v1/messages`.
pub static ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "messages",
    model_in_body: true,
    required: &[("messages", &[Kind::Array]), ("max_tokens", &[Kind::Number])],
    stream_default: Some(false),
    tools: "tools",
};

/// The outside of `POST /v1/messages/count_tokens`: the same without `max_tokens`.
pub static COUNT_ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "messages",
    model_in_body: true,
    required: &[("messages", &[Kind::Array])],
    stream_default: Some(false),
    tools: "tools",
};

/// The bound on output for a request that gives none: the dialect demands one, and a low one would cut answers. What
/// the provider's list says of the model (`listed`) wins; a model that nobody knows gets what the smallest current ones
/// take. `prompt` is an estimate of the prompt's tokens.
pub fn output_bound(model: &str, listed: Option<u64>, prompt: u64) -> u64 {
    const UNKNOWN: u64 = 8192;
    const CONTEXT: u64 = 200_000;
    let claude = claude::Claude::of(model);
    let most = listed.or_else(|| claude.max_output()).unwrap_or(UNKNOWN);
    if !claude.bound_must_fit() {
        return most;
    }
    let free = CONTEXT.saturating_sub(prompt.saturating_add(prompt / 2));
    most.min(free.max(UNKNOWN))
}

/// `POST /v1/messages`.
struct Messages;

impl WireFormat for Messages {
    fn parse_document(&self, document: &Document<'_>) -> Result<Conversation, Failure> {
        parse::conversation(document)
    }

    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure> {
        write::request(conversation, target, write::Purpose::Answer, loss)
    }

    fn decoder(&self, mode: Mode, depth: Depth) -> Box<dyn StreamDecoder> {
        match mode {
            Mode::Array | Mode::Stream => Box::new(decode::StreamAnswer::new(depth)),
            Mode::Whole => Box::new(decode::WholeAnswer::new(depth)),
        }
    }

    fn is_words(&self, frame: &[u8]) -> bool {
        decode::is_words(frame)
    }

    fn encoder(&self, mode: Mode, context: AnswerContext) -> Box<dyn StreamEncoder> {
        match mode {
            Mode::Array | Mode::Stream => Box::new(encode::StreamWriter::new(context)),
            Mode::Whole => Box::new(whole::WholeWriter::new(context)),
        }
    }

    fn error(&self, failure: &Failure) -> Vec<u8> {
        error::body(failure)
    }

    fn fault(&self, status: u16, body: &[u8]) -> Failure {
        error::fault(status, body)
    }
}
