//! Small calls beside generation: lists of models, and embeddings, in no dialect.
//!
//! Shapes only; who answers and from where is the engine's business.

use serde::{Deserialize, Serialize};

/// A model as a list shows it. `None` = not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Prompt and answer together, in tokens.
    pub context: Option<u64>,
    /// Seconds since 1970.
    pub created: Option<u64>,
    /// A name for people.
    pub display_name: Option<String>,
    /// The id to call it by.
    pub id: String,
    /// Upper bound of output tokens.
    pub max_output: Option<u64>,
    /// Who made or serves it.
    pub owner: Option<String>,
    /// What it asks for tokens.
    pub price: Option<CardPrice>,
    /// Whether it runs elsewhere although a local runtime lists it (`remote_host` of Ollama).
    pub remote: bool,
    /// For a name of the gateway's own (an alias, a slot): the model that it means, as `provider:model`.
    pub stands_for: Option<String>,
    /// Whether it can think before it answers.
    pub thinking: Option<bool>,
    /// Whether it takes tools.
    pub tools: Option<bool>,
    /// Whether it sees pictures.
    pub vision: Option<bool>,
}

/// What a model asks for tokens in its standard class, in billionths of a dollar for a million. `None` = not known, or nothing separate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardPrice {
    /// Prompt tokens that are read from the cache.
    pub cache_read: Option<u64>,
    /// Prompt tokens that are written to the cache, for its short or only lifetime.
    pub cache_write: Option<u64>,
    /// Prompt tokens.
    pub input: u64,
    /// Tokens of the answer.
    pub output: Option<u64>,
}

/// A call for embeddings.
#[derive(Debug, Clone, Default)]
pub struct EmbeddingCall {
    /// How many dimensions the vectors shall have.
    pub dimensions: Option<u64>,
    /// Whether the client wants base64 of little-endian `f32` instead of numbers (OpenAI `encoding_format`).
    pub base64: bool,
    /// What to embed.
    pub inputs: Vec<EmbeddingInput>,
    /// Fields without a home here, each with its path.
    pub rest: Vec<crate::Unmodelled>,
    /// What the vectors are for (Gemini `taskType`).
    pub task: Option<String>,
    /// Whether the answer is one vector without a list (Gemini `embedContent`, Ollama `/api/embeddings`).
    pub single: bool,
    /// The end user, as the client names them.
    pub user: Option<String>,
}

/// One thing to embed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbeddingInput {
    /// Words.
    Text(String),
    /// Token ids of the model's own tokenizer.
    Tokens(Vec<u64>),
}

/// The vectors, in the order of the inputs.
#[derive(Debug, Clone, Default)]
pub struct Embeddings {
    /// The model that made them.
    pub model: Option<String>,
    /// Prompt tokens.
    pub tokens: Option<u64>,
    /// One vector an input.
    pub vectors: Vec<Vec<f32>>,
}
