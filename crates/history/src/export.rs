//! Sessions to take along: for people (Markdown), for programs (JSON, JSONL), for Claude Code (a transcript it can resume).

mod document;
mod html;
mod markdown;
mod transcript;

pub(crate) use document::{BodyLine, CallLine, Header, SessionHeader};
pub use document::{ExportError, Exporter, FORMAT};
pub use markdown::markdown;
pub use transcript::{Transcript, TranscriptError, TranscriptOptions, project_folder, transcript};
