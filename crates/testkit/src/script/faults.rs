//! What can go wrong (`chaos`) and what merely differs (`quirks`).
//!
//! An event is one frame of a stream: an SSE event, an NDJSON line, an element of a JSON array.

use serde::Deserialize;

/// Faults. Counts are of frames or bytes written before the fault.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chaos {
    /// Reset the connection without a byte of answer.
    pub refused: bool,
    /// Wait before the status line.
    pub first_byte_delay_ms: u64,
    /// Go silent after so many events (for ever, or for `stall_ms`).
    pub stall_after_events: Option<usize>,
    /// How long a stall lasts; 0 is for ever.
    pub stall_ms: u64,
    /// Reset the connection after so many events.
    pub reset_after_events: Option<usize>,
    /// Reset the connection after so many body bytes.
    pub reset_after_bytes: Option<usize>,
    /// End the body properly after so many events, without the terminal one.
    pub close_after_events: Option<usize>,
    /// Write the body in pieces of so many bytes.
    pub split_bytes: usize,
    /// Cut the body inside every character longer than a byte.
    pub split_utf8: bool,
    /// Pause between those pieces.
    pub split_delay_ms: u64,
    /// Cut a whole answer's JSON in half; in a stream, put a frame that is not JSON after so many events.
    pub malformed_after_events: Option<usize>,
    /// Status 200, but an error in the dialect's form after so many events (whole answers: in its place).
    pub error_after_events: Option<usize>,
    /// Status that the error inside the 200 stands for; 529 if not given.
    pub error_status: Option<u16>,
    /// Leave the tool calls out, yet end as if there were some.
    pub missing_tool_call: bool,
    /// Give the last tool call twice, same id.
    pub duplicate_tool_call: bool,
    /// End with the plain stop reason although there are tool calls.
    pub finish_stop: bool,
    /// No blocks at all.
    pub empty: bool,
    /// Add so many megabytes of text.
    pub huge_mb: usize,
    /// Never end: say the frame after so many events again and again; whole answers are halved and filled up for ever.
    pub endless_after_events: Option<usize>,
    /// Pause before each repetition.
    pub endless_ms: u64,
}

/// Habits of compatible servers. All but the framing ones concern Chat Completions.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// A tool call's arguments arrive in one delta.
    pub whole_arguments: bool,
    /// A tool call's arguments are a JSON object, not text.
    pub object_arguments: bool,
    /// Tool deltas have no `index`.
    pub no_index: bool,
    /// All tool deltas have index 0.
    pub zero_index: bool,
    /// Each tool delta repeats id and name.
    pub id_in_every_delta: bool,
    /// All tool calls, whole, in one chunk.
    pub all_calls_in_one_chunk: bool,
    /// Field that thinking goes to, e.g. `reasoning_content` or `reasoning`; without it, thinking is hidden.
    pub reasoning_field: Option<String>,
    /// SSE comments (`: OPENROUTER PROCESSING`) before and between events.
    pub comments: bool,
    /// CRLF line ends.
    pub crlf: bool,
    /// `data:` without the space.
    pub no_space: bool,
    /// Usage on the chunk with the finish reason instead of on its own.
    pub usage_on_last_chunk: bool,
    /// Usage on every chunk, as vLLM's `continuous_usage_stats`.
    pub usage_on_every_chunk: bool,
    /// No `data: [DONE]`.
    pub no_done: bool,
    /// No SSE `event:` lines, where the dialect has them.
    pub no_event_names: bool,
}
