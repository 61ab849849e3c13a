//! A call: what a client asks for, with the bytes it asked in.
//!
//! [`Conversation`] is the meeting point of all dialects. It is made only when a call changes dialect or a policy
//! wants to look inside: a call that goes out as it came in is never taken apart.

use crate::content::{Raw, Source, Tool, ToolChoice, Turn};
use crate::{Block, Part};

/// A conversation with everything the client asked of the model, in no dialect.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// A key under which the provider shall keep its prompt cache.
    pub cache_key: Option<String>,
    /// The form the answer must have.
    pub format: Option<OutputFormat>,
    /// Labels the client put on the call.
    pub metadata: Vec<(String, String)>,
    /// Whether several tools may be called at once; `None` = not said.
    pub parallel_tools: Option<bool>,
    /// How much to think.
    pub reasoning: Option<ReasoningRequest>,
    /// Fields that have no home here, each with its path in the client's body and its value: carried by no other
    /// dialect, so each is declared as lost when the dialect changes.
    pub rest: Vec<Unmodelled>,
    /// How the answer is drawn.
    pub sampling: Sampling,
    /// The provider's class of service.
    pub service_tier: Option<String>,
    /// Instructions before the first turn.
    pub system: Vec<Part>,
    /// Which tools the model may or must call.
    pub tool_choice: Option<ToolChoice>,
    /// Tools on offer.
    pub tools: Vec<Tool>,
    /// What was said so far.
    pub turns: Vec<Turn>,
    /// The end user, as the client names them.
    pub user: Option<String>,
}

impl Conversation {
    /// About how many bytes it takes when it is written: texts, media and tools, with some for what is between them.
    pub fn size(&self) -> usize {
        let turns: usize = self.turns.iter().flat_map(|turn| &turn.parts).map(part_size).sum();
        let system: usize = self.system.iter().map(part_size).sum();
        turns + system + self.tools.iter().map(tool_size).sum::<usize>() + 1024
    }
}

/// What is between two pieces: braces, names of fields, ids.
const BETWEEN: usize = 96;

fn part_size(part: &Part) -> usize {
    let source = |source: &Source| match source {
        Source::Base64 { data, .. } => data.len(),
        Source::File { .. } | Source::Url { .. } => BETWEEN,
        Source::Text { text } => text.len(),
    };
    BETWEEN
        + match &part.block {
            Block::Audio(media) | Block::Video(media) => source(&media.source),
            Block::Document(document) => source(&document.source),
            Block::Image(image) => source(&image.source),
            Block::Opaque(opaque) => opaque.raw.get().len(),
            Block::Reasoning(thought) => {
                thought.text.len() + thought.seal.as_ref().map_or(0, |seal| seal.as_str().len())
            }
            Block::Refusal(words) => words.len(),
            Block::Text(text) => text.text.size(),
            Block::ToolCall(call) => call.arguments.len() + call.name.len(),
            Block::ToolResult(result) => result.content.iter().map(part_size).sum(),
        }
}

fn tool_size(tool: &Tool) -> usize {
    BETWEEN
        + match tool {
            Tool::Custom(custom) => custom.description.as_ref().map_or(0, String::len),
            Tool::Function(function) => {
                function.description.as_ref().map_or(0, String::len)
                    + function.schema.as_ref().map_or(0, |schema| schema.get().len())
            }
            Tool::Hosted(hosted) => hosted.raw.get().len(),
        }
}

/// Where a text of a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The model's earlier words.
    Assistant,
    /// Instructions.
    System,
    /// A text in the arguments of an earlier tool call, or all of them where they are one text.
    ToolCall,
    /// What a tool gave back.
    ToolResult,
    /// The person's words, or the client's.
    User,
}

/// A field without a home in [`Conversation`].
#[derive(Debug, Clone)]
pub struct Unmodelled {
    /// Where it stood, such as `messages[3].audio`.
    pub path: String,
    /// What it said.
    pub value: Raw,
}

/// How the answer is drawn. `None` = the client did not say.
#[derive(Debug, Clone, Default)]
pub struct Sampling {
    /// Number of answers.
    pub candidates: Option<u64>,
    /// −2 to 2.
    pub frequency_penalty: Option<f64>,
    /// Token id to bias.
    pub logit_bias: Option<Raw>,
    /// Whether to tell the probabilities of the output.
    pub logprobs: Option<bool>,
    /// Upper bound of output tokens, thoughts included.
    pub max_tokens: Option<u64>,
    /// −2 to 2.
    pub presence_penalty: Option<f64>,
    /// For repeatable answers.
    pub seed: Option<i64>,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// 0 to 2 (Anthropic: 0 to 1).
    pub temperature: Option<f64>,
    /// Draw among the k likeliest.
    pub top_k: Option<u64>,
    /// How many alternatives to tell for each token.
    pub top_logprobs: Option<u64>,
    /// Draw among the likeliest that sum to p.
    pub top_p: Option<f64>,
    /// How wordy: `low`, `medium`, `high`.
    pub verbosity: Option<String>,
}

/// How much to think.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReasoningRequest {
    /// Token budget for thoughts.
    pub budget: Option<u64>,
    /// Whether thinking is on; `None` = the model decides (Anthropic `adaptive`) or the client did not say.
    pub enabled: Option<bool>,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`.
    pub effort: Option<String>,
    /// Whether the thoughts shall be shown, and how: `auto`, `concise`, `detailed`, `summarized`, `omitted`.
    pub summary: Option<String>,
}

/// The form the answer must have.
#[derive(Debug, Clone)]
pub enum OutputFormat {
    /// Some JSON object.
    Json,
    /// JSON that fits a schema.
    Schema {
        /// What it is for.
        description: Option<String>,
        /// Its name.
        name: Option<String>,
        /// JSON Schema, as written.
        schema: Raw,
        /// Whether the provider shall hold the model to it.
        strict: Option<bool>,
    },
    /// Plain text, said explicitly.
    Text,
}
