//! The `claude` command as a provider: what goes to its stdin and what comes from its stdout. Behind only: no client
//! speaks it.
//!
//! For `claude -p --input-format stream-json --output-format stream-json --verbose --include-partial-messages`. The
//! input form is chosen because it keeps turns as turns: [`write`](WireFormat::write) gives JSON lines of user and
//! assistant messages (tool calls, results and pictures included) and never flattens a history into one text. Every
//! user line is marked as composed by a client, so that the command takes its text as text: no `/commands`, no
//! `@files` of the machine it runs on.
//!
//! The command reads assistant lines at once but queues user lines, so the lines must be fed in step: see [`steps`]
//! and [`ends_step`]. System text and effort go ahead as control requests, because an argument is bounded to 128 KB by
//! Linux and can be read by other users of the machine. The model is an argument, which is the provider's business.
//! The client's own tools cannot be offered through it.

mod control;
mod decode;
mod error;
mod event;
mod write;

#[cfg(test)]
mod tests;

use lockgate_core::{Conversation, Dialect, ErrorKind, Event, Failure};

use crate::{
    AnswerContext, Depth, Document, EnvelopeSpec, Format, Loss, Mode, StreamDecoder, StreamEncoder, Target,
    WireFormat,
};

pub use control::steps;
pub use decode::ends_step;

/// The dialect.
pub static FORMAT: Format = Format {
    dialect: Dialect::ClaudeCli,
    embeddings: None,
    envelope: &ENVELOPE,
    messages: &ClaudeCli,
    models: None,
    tokens: None,
};

/// No client sends this dialect: nothing is asked of a body.
pub static ENVELOPE: EnvelopeSpec = EnvelopeSpec {
    messages: "messages",
    model_in_body: false,
    required: &[],
    stream_default: None,
    tools: "tools",
};

/// The codec.
#[derive(Debug)]
struct ClaudeCli;

impl WireFormat for ClaudeCli {
    /// Always an error: no client speaks this dialect.
    fn parse_document(&self, _document: &Document<'_>) -> Result<Conversation, Failure> {
        let words = "the stream-json of the `claude` command is spoken to providers only";
        Err(Failure::new(ErrorKind::Internal, words))
    }

    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure> {
        write::lines(conversation, target, loss)
    }

    fn decoder(&self, mode: Mode, depth: Depth) -> Box<dyn StreamDecoder> {
        Box::new(decode::Decoder::new(mode, depth))
    }

    /// Writes nothing: no client speaks this dialect.
    fn encoder(&self, _mode: Mode, _context: AnswerContext) -> Box<dyn StreamEncoder> {
        Box::new(Silent::default())
    }

    /// The failure's words; no client speaks this dialect.
    fn error(&self, failure: &Failure) -> Vec<u8> {
        failure.message.clone().into_bytes()
    }

    /// Reads what the command left on stderr. `status` is its exit code, not one of HTTP.
    fn fault(&self, status: u16, body: &[u8]) -> Failure {
        error::exit(status, body)
    }
}

/// Writes nothing and says so.
#[derive(Debug, Default)]
struct Silent {
    loss: Loss,
}

impl StreamEncoder for Silent {
    fn encode(&mut self, _event: &Event, _out: &mut Vec<u8>) {
        self.loss.note("answer");
    }

    fn fail(&mut self, _failure: &Failure, _out: &mut Vec<u8>) {}

    fn finish(&mut self, _out: &mut Vec<u8>) {}

    fn ping(&mut self, _out: &mut Vec<u8>) {}

    fn loss(&self) -> &Loss {
        &self.loss
    }
}
