//! The vocabulary that every other crate shares: calls, answers, usage, failures, secrets.
//!
//! Knows no JSON field of any provider, no HTTP, no clock and no file. Depends on no other crate of ours.

mod call;
mod catalogue;
mod class;
pub mod content;
mod dialect;
mod event;
mod failure;
mod gather;
mod secret;
mod usage;
pub mod varint;
mod words;

pub use call::{Conversation, Origin, OutputFormat, ReasoningRequest, Sampling, Unmodelled};
pub use catalogue::{CardPrice, EmbeddingCall, EmbeddingInput, Embeddings, ModelCard};
pub use class::DataClass;
pub use content::{Block, Part, Raw, Role, Seal, Tool, ToolChoice, Turn};
pub use dialect::Dialect;
pub use event::{BlockStart, Delta, Event, Started, Stop, StopReason};
pub use failure::{ErrorKind, Failure};
pub use gather::Gather;
pub use secret::Secret;
pub use usage::Usage;
pub use words::Words;
