//! The neutral answer: blocks, stop reason, tokens and pace; and the other things a rule may reply with.
//!
//! Names no dialect. A block that a dialect cannot show is left out by its renderer, as the real provider would.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

/// An answer in neutral form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// What the model says, in order.
    pub blocks: Vec<Block>,
    /// Why it stops; without it, what the blocks imply.
    pub stop: Option<Stop>,
    /// Token counts; those not given are counted, four bytes a token.
    pub usage: Tokens,
    /// Characters per text delta.
    pub chunk: Option<usize>,
    /// Pause before each content delta.
    pub delay_ms: Option<u64>,
    /// The model name in the answer, where it differs from the one asked for.
    pub model: Option<String>,
}

/// One block of an answer. In text, `${model}`, `${last_user}` and `${cwd}` are filled in from the request.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Text that cites a source.
    Cited(Cited),
    /// A picture the model made.
    Image(Image),
    /// Thinking that only the provider can read.
    RedactedThinking(String),
    /// The model declines.
    Refusal(String),
    /// A tool that the provider runs itself, with its result.
    ServerTool(ServerTool),
    /// Plain text.
    Text(String),
    /// Thinking; the upstream signs it itself.
    Thinking(String),
    /// A tool call; several in one answer are parallel calls.
    ToolCall(ToolCall),
}

/// Text that cites a source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cited {
    /// What the model says.
    pub text: String,
    /// Where it has it from.
    pub url: String,
    /// The source's title.
    #[serde(default)]
    pub title: String,
    /// The words of the source.
    #[serde(default)]
    pub cited_text: String,
}

/// A picture.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// MIME type.
    pub media_type: String,
    /// Base64.
    pub data: String,
}

/// A tool that the provider runs itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTool {
    /// e.g. `web_search`.
    pub name: String,
    /// What it was asked.
    #[serde(default)]
    pub input: Map<String, Value>,
    /// Found pages: title and address.
    #[serde(default)]
    pub results: Vec<Cited>,
}

/// A tool call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The tool.
    pub name: String,
    /// Its arguments: an object, or text for a custom tool.
    #[serde(default)]
    pub args: Value,
    /// The arguments as the model wrote them, valid JSON or not; wins over `args`.
    #[serde(default)]
    pub args_text: Option<String>,
    /// The id; without it, a new one in the dialect's form.
    #[serde(default)]
    pub id: Option<String>,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Said all.
    End,
    /// Out of tokens.
    MaxTokens,
    /// A server tool needs another round.
    Pause,
    /// Declined or filtered.
    Refusal,
    /// A stop sequence was met.
    StopSequence,
    /// Wants tool results.
    ToolUse,
}

/// Token counts given by the script.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// Input neither read from nor written to a cache.
    pub input: Option<u64>,
    /// Input read from a cache.
    pub cached: Option<u64>,
    /// Input written to a cache (five minutes).
    pub cache_write: Option<u64>,
    /// All output, reasoning included.
    pub output: Option<u64>,
    /// The part of the output that was reasoning.
    pub reasoning: Option<u64>,
}

/// The model's part of an agent loop: step by step it calls tools, then says `then`. The step is read from the
/// conversation (tool rounds since the last human turn), so parallel sessions do not disturb each other.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Agent {
    /// One entry per round.
    pub steps: Vec<Step>,
    /// Said before the calls of a step.
    pub say: Option<String>,
    /// Thought before the calls of a step and before the end.
    pub think: Option<String>,
    /// The last words; also the answer to requests that offer none of the tools.
    pub then: String,
    /// Characters per text delta.
    pub chunk: Option<usize>,
    /// Pause before each content delta.
    pub delay_ms: Option<u64>,
}

/// One round of an agent loop: tool name to arguments, where a text is the input of a custom tool.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Call each of these that the request offers, in parallel.
    All(Map<String, Value>),
    /// Call the first of these that the request offers.
    Any(Map<String, Value>),
}

/// An error in the dialect's shape.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Failure {
    /// HTTP status.
    pub status: u16,
    /// What it says; each status has a usual text.
    pub message: Option<String>,
    /// The `retry-after` header; without it, none is sent.
    pub retry_after: Option<String>,
    /// Send a proxy's HTML page in place of the dialect's JSON.
    pub html: bool,
}

/// A verbatim response.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raw {
    /// HTTP status, 200 if not given.
    pub status: Option<u16>,
    /// Headers, in this order.
    pub headers: Map<String, Value>,
    /// The body as text.
    pub body: Option<String>,
    /// The body as JSON.
    pub json: Option<Value>,
    /// The body as pieces, each written on its own.
    pub frames: Vec<String>,
    /// The body from a file.
    pub file: Option<PathBuf>,
    /// Pause before each frame.
    pub delay_ms: u64,
}
