//! The record as people and programs read it: calls and their bodies become conversations, analyses, exports; exports become records.
//!
//! Pure: does no I/O and knows no database. Whoever has a store hands over rows, details and bodies ([`Exchange::read`]), puts
//! exchanges together call by call ([`Conversation`]), asks what made it expensive ([`context_cost`], [`cache_misses`]), and takes it along
//! ([`Exporter`], [`markdown()`], [`transcript()`]). [`import()`] makes records of what was exported.

mod answer;
mod cache;
mod conversation;
mod cost;
mod exchange;
mod export;
mod import;
mod intervention;
mod message;
mod print;
mod time;

pub use answer::{Answer, events};
pub use cache::{CacheMiss, Cause, Miss, ToolsChange, cache_misses};
pub use conversation::{
    CallNote, CallStep, Conversation, Entry, EntrySource, EntryState, Origin, Preamble, Thread, ToolUse, Turn,
};
pub use cost::{ContextCost, Pricing, Row, Split, Subject, by_catalogue, context_cost};
pub use exchange::{Bodies, Exchange, Request, ToolOffer, media};
pub use export::{
    ExportError, Exporter, FORMAT, Transcript, TranscriptError, TranscriptOptions, markdown, project_folder,
    transcript,
};
pub use import::{Import, ImportError, ImportFault, ImportLimits, Importer, import};
pub use intervention::{Changed, Intervention, Line, Tag};
pub use message::{
    Arguments, Content, Media, MediaBytes, MediaPlace, Message, Piece, RAW_BYTES, Speaker, Spot,
};
