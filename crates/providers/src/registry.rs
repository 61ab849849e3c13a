//! Which file speaks for which kind, and which kinds own which families of models. One line each.

use crate::{Kind, Provider, Settings, implied_kind};
use crate::{
    anthropic, azure_openai, claude_cli, compatible, gemini, llamacpp, ollama, openai, openrouter, vertex,
    vllm,
};

/// Why a provider cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// `base_url` is no http(s) address, or has a query.
    #[error("providers.{id}.base_url must be an http or https address without query")]
    BadBaseUrl {
        /// The provider.
        id: String,
    },
    /// A setting that its kind needs is missing or unusable.
    #[error("providers.{id}.{setting}: {what}")]
    BadSetting {
        /// The provider.
        id: String,
        /// The setting's path below the provider.
        setting: &'static str,
        /// What is wrong.
        what: String,
    },
    /// Nobody knows where it is.
    #[error("providers.{id}.base_url is needed: its kind has no address of its own")]
    NoBaseUrl {
        /// The provider.
        id: String,
    },
    /// Its kind is not said and its id is none.
    #[error("providers.{id}.kind is needed: `{id}` is neither a kind nor a preset")]
    NoKind {
        /// The provider.
        id: String,
    },
}

/// Opens a provider.
pub fn open(id: &str, settings: &Settings) -> Result<Box<dyn Provider>, OpenError> {
    let kind =
        settings.kind.or_else(|| implied_kind(id)).ok_or_else(|| OpenError::NoKind { id: id.to_owned() })?;
    Ok(match kind {
        Kind::Anthropic => Box::new(anthropic::Anthropic::open(id, settings)?),
        Kind::AzureOpenai => Box::new(azure_openai::AzureOpenai::open(id, settings)?),
        Kind::ClaudeCli => Box::new(claude_cli::ClaudeCli::open(id, settings)?),
        Kind::Gemini => Box::new(gemini::Gemini::open(id, settings)?),
        Kind::Llamacpp => Box::new(llamacpp::Llamacpp::open(id, settings)?),
        Kind::Ollama => Box::new(ollama::Ollama::open(id, settings)?),
        Kind::Openai => Box::new(openai::Openai::open(id, settings)?),
        Kind::OpenaiCompatible => Box::new(compatible::Compatible::open(id, settings)?),
        Kind::Openrouter => Box::new(openrouter::Openrouter::open(id, settings)?),
        Kind::Vertex => Box::new(vertex::Vertex::open(id, settings)?),
        Kind::Vllm => Box::new(vllm::Vllm::open(id, settings)?),
    })
}

/// The kinds that serve a family of models, by the beginning of the name; its maker first.
pub fn family_of(model: &str) -> Option<&'static [Kind]> {
    FAMILIES.iter().find(|(prefix, _)| model.starts_with(prefix)).map(|(_, kinds)| *kinds)
}

const FAMILIES: [(&str, &[Kind]); 15] = [
    ("chatgpt-", &[Kind::Openai]),
    ("claude-", &[Kind::Anthropic, Kind::ClaudeCli]),
    ("codex-", &[Kind::Openai]),
    ("computer-use-", &[Kind::Openai]),
    ("dall-e-", &[Kind::Openai]),
    ("gemini-", &[Kind::Gemini, Kind::Vertex]),
    ("gpt-", &[Kind::Openai, Kind::AzureOpenai]),
    ("o1", &[Kind::Openai, Kind::AzureOpenai]),
    ("o3", &[Kind::Openai, Kind::AzureOpenai]),
    ("o4", &[Kind::Openai, Kind::AzureOpenai]),
    ("omni-moderation-", &[Kind::Openai]),
    ("text-embedding-", &[Kind::Openai, Kind::AzureOpenai]),
    ("text-moderation-", &[Kind::Openai]),
    ("tts-", &[Kind::Openai]),
    ("whisper-", &[Kind::Openai]),
];
