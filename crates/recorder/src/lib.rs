//! Takes down every call as raw bytes that survive the process, and turns them into records behind its way.
//!
//! The first half is on the calls' way: a [`Tape`] for each call, which appends to the [`Log`], sealed files that outlive
//! the process (docs/adr/0007-the-record.md). It parses nothing, waits for no database and never fails a call.

mod entry;
mod key;
mod log;
mod reel;
mod scan;
mod scribe;
mod tape;
mod transcribe;

pub use entry::{Closed, Entry, Head, Mode, Opened, Operation, Sent};
pub use key::Key;
pub use log::aside::{Kept, Quarantine};
pub use log::{Bounds, Log, State};
pub use scan::{RawCall, Scanner};
pub use scribe::{Known, Progress, Scribe, Transcribe};
pub use tape::Tape;
pub use transcribe::Transcriber;
