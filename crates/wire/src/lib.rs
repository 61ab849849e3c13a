//! Wire formats: how calls and answers look on the wire, in each dialect and both directions. Pure: bytes in,
//! events out and back; no sockets, no clock, no randomness.
//!
//! A call that keeps its dialect is never taken apart: [`Envelope`] reads its outside, edits are splices, and its
//! answer passes as frames ([`Decoded`]). A call that changes dialect goes `parse` → `Conversation` →
//! [`ToolNames::plain`] → `write`, and its answer `decoder` → [`Restore`] → [`Sequencer`] → `encoder`. No dialect
//! knows another. [`format()`] is the registry.

pub mod anthropic;
mod append;
mod card;
pub mod chat;
#[cfg(test)]
mod check;
pub mod claude_cli;
mod decoded;
mod edits;
mod effort;
mod envelope;
mod fields;
mod format;
mod frame;
pub mod gemini;
mod json;
mod jsonin;
mod jsonout;
mod loss;
pub mod ollama;
mod registry;
mod repair;
pub mod responses;
mod said;
mod scan;
mod sequence;
mod strings;
mod texts;
mod toolnames;

pub use append::{Among, with_turns};
pub use decoded::{DecodeError, Decoded, Frame};
pub use edits::{Edited, Edits, edited};
pub use effort::Steering;
pub use envelope::{Envelope, EnvelopeLimits, EnvelopeSpec, member_text, splice, with_member};
pub use format::{
    AnswerContext, Depth, Elapsed, EmbeddingsFormat, Format, Mode, ModelsFormat, ModelsPage, Quirks,
    StreamDecoder, StreamEncoder, Target, TokensFormat, WireFormat,
};
pub use frame::{Framer, MAX_FRAME, SseEvent, sse};
pub use loss::{Loss, field_of};
pub use registry::{count_envelope, format, leave, may_leave};
pub use repair::without_duplicate_tools;
pub use scan::{Document, Kind, Member, Scan, ScanError, scan, validate};
pub use sequence::Sequencer;
pub use texts::{rewrite_any_texts, rewrite_texts, wants_form};
pub use toolnames::{Restore, ToolNames};
