//! The seam between dialects: what each of them must be able to do.
//!
//! To add a dialect: a folder beside the others, a line in [`crate::format()`], a folder of fixtures. No dialect knows
//! another; all they share is `Conversation` and `Event`. Nothing here does I/O: time, randomness and addresses come
//! in as arguments.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lockgate_core::{Conversation, Dialect, EmbeddingCall, Embeddings, Failure, ModelCard, Raw};

use crate::{DecodeError, Decoded, Document, EnvelopeSpec, Loss, Steering};

/// A dialect with all that it can do.
#[derive(Clone, Copy)]
pub struct Format {
    /// Its name.
    pub dialect: Dialect,
    /// Embeddings, where the dialect has them.
    pub embeddings: Option<&'static dyn EmbeddingsFormat>,
    /// How to read the outside of a request without taking it apart.
    pub envelope: &'static EnvelopeSpec,
    /// Conversations and answers.
    pub messages: &'static dyn WireFormat,
    /// Lists of models, where the dialect has them.
    pub models: Option<&'static dyn ModelsFormat>,
    /// Token counting, where the dialect has it.
    pub tokens: Option<&'static dyn TokensFormat>,
}

/// Conversations and answers in one dialect, both directions.
pub trait WireFormat: Send + Sync {
    /// Takes a request body apart. An error names the field.
    fn parse(&self, body: &[u8]) -> Result<Conversation, Failure> {
        self.parse_document(&Document::new(body))
    }

    /// The same of a body that has been looked through already.
    fn parse_document(&self, document: &Document<'_>) -> Result<Conversation, Failure>;

    /// Writes a request for a provider. What the dialect cannot say is noted in `loss` by the name of the thing
    /// lost; what would change the meaning (arguments that are no JSON where an object must stand) is an error.
    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure>;

    /// Reads an answer.
    fn decoder(&self, mode: Mode, depth: Depth) -> Box<dyn StreamDecoder>;

    /// Whether a frame of a stream holds words and nothing else, as far as that is told without reading it. For who looks for tool calls alone.
    fn is_words(&self, _frame: &[u8]) -> bool {
        false
    }

    /// Writes an answer for a client.
    fn encoder(&self, mode: Mode, context: AnswerContext) -> Box<dyn StreamEncoder>;

    /// The body of an error before the first byte; its status is `failure.status()`.
    fn error(&self, failure: &Failure) -> Vec<u8>;

    /// Reads a provider's error body (perhaps HTML, perhaps empty). The message is the provider's, bounded.
    fn fault(&self, status: u16, body: &[u8]) -> Failure;
}

/// How an answer is laid out on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A JSON array whose elements arrive one by one (Gemini without `alt=sse`).
    Array,
    /// The dialect's stream: SSE or NDJSON.
    Stream,
    /// One JSON body.
    Whole,
}

/// How much of an answer a decoder makes events of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Start, usage, end and failure; content frames are checked to be JSON and become `Opaque`. For answers that
    /// pass as they are: costs a fraction of `Full`.
    Envelope,
    /// Everything.
    Full,
}

/// Whom a request is written for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Output bound to set where the dialect demands one and the client gave none.
    pub default_max_tokens: u64,
    /// The model's id at the provider.
    pub model: &'a str,
    /// What this server does differently from the dialect's owner.
    pub quirks: &'a Quirks,
    /// Whether the answer shall be streamed.
    pub stream: bool,
}

/// What a server does differently from the owner of the dialect. The default is the owner's own behaviour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks {
    /// Context to allocate, in tokens (Ollama `options.num_ctx`).
    pub context: Option<u64>,
    /// The words that the model has for an effort; `None` = not known, any may go.
    pub efforts: Option<&'static [&'static str]>,
    /// How long the model stays loaded (Ollama `keep_alive`).
    pub keep_alive: Option<String>,
    /// Says `max_tokens` where OpenAI says `max_completion_tokens`.
    pub legacy_max_tokens: bool,
    /// Has no `parallel_tool_calls`.
    pub no_parallel_tools: bool,
    /// Has no `reasoning_effort` (Chat), no `reasoning` and no sealed thoughts (Responses).
    pub no_reasoning: bool,
    /// Has no `store`, `prompt_cache_key`, `safety_identifier`, `metadata`, `service_tier`, `verbosity`.
    pub no_openai_extras: bool,
    /// Has no `stream_options`.
    pub no_stream_options: bool,
    /// Has no `strict` on tools.
    pub no_strict_tools: bool,
    /// Wants the sealed thoughts of earlier turns back as `reasoning_details`, in this `format` (OpenRouter).
    pub reasoning_details: Option<&'static str>,
    /// Wants the thoughts of earlier turns back as `reasoning_content`, in each message with tool calls at least
    /// (DeepSeek, Kimi).
    pub reasoning_history: bool,
    /// Whether the client may steer how the answer is drawn.
    pub steering: Steering,
    /// Says `system` where OpenAI says `developer`.
    pub system_role: bool,
    /// Tool call ids must be nine letters or digits (Mistral).
    pub tool_id_alnum9: bool,
}

/// How long a call has been on its way, asked of whoever has a clock. Knows nothing by default.
#[derive(Clone, Default)]
pub struct Elapsed(Option<Arc<dyn Fn() -> Duration + Send + Sync>>);

impl Elapsed {
    /// Asked when it is needed.
    pub fn new(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(clock)))
    }

    pub(crate) fn now(&self) -> Option<Duration> {
        self.0.as_ref().map(|clock| clock())
    }
}

impl std::fmt::Debug for Elapsed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Elapsed").finish_non_exhaustive()
    }
}

/// What an encoder must know about the call that it answers.
#[derive(Debug, Clone, Default)]
pub struct AnswerContext {
    /// Seconds since 1970, for dialects that stamp their answers.
    pub created: u64,
    /// How long the call has been on its way, for dialects whose answers tell it (Ollama).
    pub elapsed: Elapsed,
    /// A unique token for ids that the upstream did not give, letters and digits only. Never reused.
    pub id: String,
    /// The client asked for usage in the stream (Chat `stream_options.include_usage`).
    pub include_usage: bool,
    /// Our estimate of the prompt's tokens, for dialects that tell them before the provider does.
    pub input_estimate: Option<u64>,
    /// The model's id, used until the answer names one.
    pub model: String,
    /// The client's request, for dialects whose answers repeat parts of it (Responses). `None` where another's answer
    /// passes.
    pub request: Option<Bytes>,
    /// Frames that were sent before (Responses numbers its events).
    pub sequence: u64,
}

/// Reads an answer, chunk by chunk. A state machine over bytes: any cut of the bytes gives the same frames.
pub trait StreamDecoder: Send {
    /// Takes the next bytes. After an error the decoder is finished.
    fn feed(&mut self, bytes: Bytes, out: &mut Decoded) -> Result<(), DecodeError>;

    /// The bytes are over. `Err(Cut)` when the answer was not complete.
    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError>;
}

/// Writes an answer, event by event. Events come in order and one block at a time (see `Sequencer`). In
/// [`Mode::Whole`] nothing is written before `finish`.
pub trait StreamEncoder: Send {
    /// Takes the next event.
    fn encode(&mut self, event: &lockgate_core::Event, out: &mut Vec<u8>);

    /// Ends the answer with an error: in a stream exactly one error event (and the dialect's terminal mark), in
    /// [`Mode::Whole`] the error body. Nothing may follow.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>);

    /// Ends the answer: closes what is open and writes the terminal event. Nothing may follow.
    fn finish(&mut self, out: &mut Vec<u8>);

    /// The client has got what was written so far in another writer's words, of which `last` was the last frame: what follows goes on
    /// behind it. What is written here is not for the client.
    fn resume(&mut self, _last: &[u8], _out: &mut Vec<u8>) {}

    /// A sign of life that every client of the dialect skips; writes nothing where there is none.
    fn ping(&mut self, out: &mut Vec<u8>);

    /// What of the answer the dialect could not say.
    fn loss(&self) -> &Loss;

    /// The failure that ended the answer because the dialect cannot say what came.
    fn failure(&self) -> Option<&Failure> {
        None
    }

    /// Once the answer is over: what of it a later request may name instead of sending it, by id. Only the Responses
    /// dialect has such items.
    fn items(&mut self) -> Vec<(String, Raw)> {
        Vec::new()
    }
}

/// Lists of models in one dialect.
pub trait ModelsFormat: Send + Sync {
    /// A provider's list.
    fn parse(&self, body: &[u8]) -> Result<Vec<ModelCard>, DecodeError>;

    /// A list (or a page of it) for a client.
    fn write(&self, cards: &[ModelCard], page: &ModelsPage) -> Vec<u8>;

    /// One model for a client.
    fn write_one(&self, card: &ModelCard) -> Vec<u8>;
}

/// Which part of a list a client asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelsPage {
    /// Only those behind this id.
    pub after: Option<String>,
    /// Only those before this id.
    pub before: Option<String>,
    /// At most so many; `None` = the dialect's default.
    pub limit: Option<usize>,
}

/// Token counting in one dialect.
pub trait TokensFormat: Send + Sync {
    /// A client's question, as the conversation it is about.
    fn parse(&self, body: &[u8]) -> Result<Conversation, Failure>;

    /// The question for a provider.
    fn write(
        &self,
        conversation: &Conversation,
        target: &Target<'_>,
        loss: &mut Loss,
    ) -> Result<Vec<u8>, Failure>;

    /// A provider's answer.
    fn parse_answer(&self, body: &[u8]) -> Result<u64, DecodeError>;

    /// The answer for a client.
    fn write_answer(&self, tokens: u64) -> Vec<u8>;
}

/// Embeddings in one dialect.
pub trait EmbeddingsFormat: Send + Sync {
    /// A client's call. `path` is the request's path (Gemini and Ollama have two forms).
    fn parse(&self, path: &str, body: &[u8]) -> Result<EmbeddingCall, Failure>;

    /// The call for a provider.
    fn write(&self, call: &EmbeddingCall, model: &str, loss: &mut Loss) -> Result<Vec<u8>, Failure>;

    /// A provider's answer.
    fn parse_answer(&self, body: &[u8]) -> Result<Embeddings, DecodeError>;

    /// The answer for a client, in the form that `call` asked for.
    fn write_answer(&self, answer: &Embeddings, call: &EmbeddingCall, model: &str) -> Vec<u8>;
}
