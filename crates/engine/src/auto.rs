//! Which model `auto` means as long as no slot says it: the usual model of the first provider that is ready.
//!
//! A fixed order, written down in `docs/API.md`. Knows no price, no health and nothing of the call: choosing by those
//! is routing.

use lockgate_core::ModelCard;
use lockgate_providers::Kind;

use crate::upstream::Upstream;

/// Which provider is asked first: vendors, then those that host others' models, then this machine, whose models may be
/// small, and last the `claude` command, which runs a program for each call.
pub(crate) fn rank(kind: Kind) -> u8 {
    match kind {
        Kind::Anthropic => 0,
        Kind::Openai => 1,
        Kind::Gemini => 2,
        Kind::AzureOpenai | Kind::Openrouter | Kind::Vertex => 3,
        Kind::OpenaiCompatible => 4,
        Kind::Llamacpp | Kind::Ollama | Kind::Vllm => 5,
        Kind::ClaudeCli => 6,
    }
}

/// The usual models of a kind: exact ids or the beginning of one, best first. The last is named even to a provider
/// whose list is not known.
fn usual(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Anthropic => &["claude-sonnet-", "claude-sonnet-4-5"],
        Kind::ClaudeCli => &["sonnet"],
        Kind::Gemini | Kind::Vertex => &["gemini-2.5-pro"],
        Kind::Openai => &["gpt-5"],
        Kind::Openrouter => &["openrouter/auto"],
        Kind::AzureOpenai | Kind::Llamacpp | Kind::Ollama | Kind::OpenaiCompatible | Kind::Vllm => &[],
    }
}

/// The model of a provider that stands for all of them: the first that the configuration names, else the usual one of
/// its kind, else the first of its list that can talk.
pub(crate) fn model_of(upstream: &Upstream, cards: &[ModelCard]) -> Option<String> {
    if let Some(first) = upstream.settings.models.first() {
        return Some(first.clone());
    }
    let usual = usual(upstream.kind);
    let exact = |word: &&&str| cards.iter().any(|card| card.id == ***word);
    if let Some(word) = usual.iter().find(exact) {
        return Some((*word).to_owned());
    }
    if let Some(card) = usual.iter().find_map(|word| cards.iter().find(|card| card.id.starts_with(word))) {
        return Some(card.id.clone());
    }
    if cards.is_empty() {
        return usual.last().map(|word| (*word).to_owned());
    }
    cards.iter().find(|card| talks(&card.id)).map(|card| card.id.clone())
}

/// Whether a model is likely to answer in words; lists hold models for other purposes too.
fn talks(id: &str) -> bool {
    let others =
        ["audio", "bge-", "dall-e", "embed", "image", "moderation", "rerank", "sora", "tts", "whisper"];
    let id = id.to_ascii_lowercase();
    !others.iter().any(|word| id.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockgate_providers::{EnvironmentProxies, Settings};

    fn cards(ids: &[&str]) -> Vec<ModelCard> {
        ids.iter().map(|id| ModelCard { id: (*id).to_owned(), ..ModelCard::default() }).collect()
    }

    fn model(kind: Kind, models: &[&str], listed: &[&str]) -> Option<String> {
        let models = models.iter().map(|id| (*id).to_owned()).collect();
        let settings = Settings {
            api_key: Some(lockgate_core::Secret::new("k")),
            base_url: Some("http://127.0.0.1:1/v1".parse().unwrap()),
            kind: Some(kind),
            models,
            ..Settings::default()
        };
        model_of(
            &Upstream::open("p", &settings, false, &EnvironmentProxies::default()).unwrap(),
            &cards(listed),
        )
    }

    /// Requirement 004-M9.
    #[test]
    fn a_providers_model_is_the_configured_one_else_the_usual_one_else_the_first_that_talks() {
        let named = |id: &str| Some(id.to_owned());
        assert_eq!(model(Kind::Openai, &["mine", "other"], &["gpt-5"]), named("mine"));
        let listed = ["claude-opus-9", "claude-sonnet-9", "claude-sonnet-8"];
        assert_eq!(model(Kind::Anthropic, &[], &listed), named("claude-sonnet-9"));
        assert_eq!(model(Kind::Anthropic, &[], &[]), named("claude-sonnet-4-5"));
        assert_eq!(model(Kind::Openai, &[], &["whisper-1", "gpt-5-mini", "gpt-5"]), named("gpt-5"));
        assert_eq!(model(Kind::Openai, &[], &["tts-1", "house"]), named("house"));
        assert_eq!(model(Kind::Ollama, &[], &["nomic-embed-text:latest", "qwen3:8b"]), named("qwen3:8b"));
        assert_eq!(model(Kind::Ollama, &[], &[]), None);
    }
}
