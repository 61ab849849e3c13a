//! Which kinds of provider exist and which well-known services are an instance of one: data, one entry each.
//!
//! A kind decides how a provider is spoken to; a preset is a kind with an address and a name. Nothing here talks to
//! anybody, and no entry carries a price or a model list. Adding a service that speaks the OpenAI Chat format is one
//! entry in `PRESETS`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a provider is spoken to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Anthropic Messages at api.anthropic.com or an address that speaks exactly the same.
    Anthropic,
    /// OpenAI models deployed in Azure; needs `base_url`.
    AzureOpenai,
    /// The `claude` command line tool on this machine, with its own login.
    ClaudeCli,
    /// Gemini with an AI Studio key.
    Gemini,
    /// The server of llama.cpp.
    Llamacpp,
    /// Ollama, spoken to in its own dialect.
    Ollama,
    /// OpenAI: Chat Completions, Responses, embeddings.
    Openai,
    /// Any server that speaks OpenAI Chat Completions; needs `base_url`.
    OpenaiCompatible,
    /// OpenRouter, with its provider preferences.
    Openrouter,
    /// Gemini and other models in Google Cloud; needs `vertex`.
    Vertex,
    /// The vLLM server.
    Vllm,
}

/// What is known about a kind before anybody configures it.
#[derive(Debug)]
pub struct KindInfo {
    /// The kind described.
    pub kind: Kind,
    /// Its name in configuration, also the id a provider of this kind has when it is called nothing else.
    pub name: &'static str,
    /// Where it is found if `base_url` says nothing; none where only the operator can know.
    pub base_url: Option<&'static str>,
    /// Further local addresses worth a probe when nobody configured one.
    pub other_base_urls: &'static [&'static str],
    /// Environment variables that hold its credential, the first one set wins.
    pub key_variables: &'static [&'static str],
    /// Name of the settings section that only this kind understands.
    pub section: Option<&'static str>,
    /// Whether calls without any credential cannot succeed.
    pub needs_key: bool,
    /// Whether it runs on this machine or network rather than at a vendor.
    pub local: bool,
}

/// A service that is an instance of `openai-compatible`.
#[derive(Debug)]
pub struct Preset {
    /// The id that selects it.
    pub id: &'static str,
    /// Address including the version segment.
    pub base_url: &'static str,
    /// Environment variables that hold its credential, the first one set wins.
    pub key_variables: &'static [&'static str],
    /// Whether it runs on this machine or network rather than at a vendor.
    pub local: bool,
}

impl Kind {
    /// Every kind, in the order of `KINDS`.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|info| info.kind)
    }

    /// The kind called `name` in configuration.
    pub fn named(name: &str) -> Option<Self> {
        KINDS.iter().find(|info| info.name == name).map(|info| info.kind)
    }

    /// What is known about it.
    pub fn info(self) -> &'static KindInfo {
        &KINDS[self as usize]
    }

    /// Its name in configuration.
    pub fn name(self) -> &'static str {
        self.info().name
    }
}

impl Preset {
    /// The preset called `id`.
    pub fn named(id: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.id == id)
    }
}

/// The kind a provider has when its settings name none: the one its id names, or that of the preset its id names.
pub fn implied_kind(id: &str) -> Option<Kind> {
    Kind::named(id).or_else(|| Preset::named(id).map(|_| Kind::OpenaiCompatible))
}

/// Where a provider is found when its settings do not say. A preset's address counts only for a provider that is one,
/// so `groq: {kind: anthropic}` does not inherit it.
pub fn implied_base_url(id: &str, kind: Kind) -> Option<&'static str> {
    match Preset::named(id) {
        Some(preset) if kind == Kind::OpenaiCompatible => Some(preset.base_url),
        _ => kind.info().base_url,
    }
}

/// Everything that may stand as a provider id without `kind`: the kinds, then the presets.
pub fn known_ids() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|info| info.name).chain(PRESETS.iter().map(|preset| preset.id))
}

const fn hosted(kind: Kind, name: &'static str, key_variables: &'static [&'static str]) -> KindInfo {
    KindInfo {
        kind,
        name,
        base_url: None,
        other_base_urls: &[],
        key_variables,
        section: None,
        needs_key: true,
        local: false,
    }
}

const fn local(kind: Kind, name: &'static str, base_url: &'static str) -> KindInfo {
    let info = hosted(kind, name, &[]);
    KindInfo { base_url: Some(base_url), needs_key: false, local: true, ..info }
}

/// One entry per kind, in the order of the variants.
pub static KINDS: [KindInfo; 11] = [
    KindInfo {
        base_url: Some("https://api.anthropic.com"),
        ..hosted(Kind::Anthropic, "anthropic", &["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
    },
    KindInfo {
        section: Some("azure"),
        ..hosted(Kind::AzureOpenai, "azure-openai", &["AZURE_OPENAI_API_KEY"])
    },
    KindInfo {
        section: Some("claude_cli"),
        needs_key: false,
        local: true,
        ..hosted(Kind::ClaudeCli, "claude-cli", &[])
    },
    KindInfo {
        base_url: Some("https://generativelanguage.googleapis.com"),
        ..hosted(Kind::Gemini, "gemini", &["GEMINI_API_KEY", "GOOGLE_API_KEY"])
    },
    KindInfo {
        // Builds since 2026 listen on 9931, older ones on 8080.
        other_base_urls: &["http://127.0.0.1:8080"],
        ..local(Kind::Llamacpp, "llamacpp", "http://127.0.0.1:9931")
    },
    KindInfo { section: Some("ollama"), ..local(Kind::Ollama, "ollama", "http://127.0.0.1:11434") },
    KindInfo {
        base_url: Some("https://api.openai.com/v1"),
        ..hosted(Kind::Openai, "openai", &["OPENAI_API_KEY"])
    },
    KindInfo { needs_key: false, ..hosted(Kind::OpenaiCompatible, "openai-compatible", &[]) },
    KindInfo {
        base_url: Some("https://openrouter.ai/api/v1"),
        section: Some("openrouter"),
        ..hosted(Kind::Openrouter, "openrouter", &["OPENROUTER_API_KEY"])
    },
    KindInfo { section: Some("vertex"), needs_key: false, ..hosted(Kind::Vertex, "vertex", &[]) },
    local(Kind::Vllm, "vllm", "http://127.0.0.1:8000/v1"),
];

const fn service(id: &'static str, base_url: &'static str, key_variables: &'static [&'static str]) -> Preset {
    Preset { id, base_url, key_variables, local: false }
}

/// One entry per service that speaks OpenAI Chat Completions, alphabetical.
pub static PRESETS: [Preset; 8] = [
    service("cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"]),
    service("deepseek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_KEY"]),
    service("fireworks", "https://api.fireworks.ai/inference/v1", &["FIREWORKS_API_KEY"]),
    service("groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"]),
    Preset { id: "lm-studio", base_url: "http://127.0.0.1:1234/v1", key_variables: &[], local: true },
    service("mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"]),
    service("together", "https://api.together.xyz/v1", &["TOGETHER_API_KEY"]),
    service("xai", "https://api.x.ai/v1", &["XAI_API_KEY"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_entry_under_the_name_that_configuration_uses() {
        for (position, info) in KINDS.iter().enumerate() {
            assert_eq!(info.kind as usize, position, "{} stands at the wrong place", info.name);
            let name = serde_json::to_value(info.kind).unwrap();
            assert_eq!(name, info.name);
            assert_eq!(Kind::named(info.name), Some(info.kind));
        }
        let schema = serde_json::to_value(schemars::schema_for!(Kind)).unwrap();
        assert_eq!(schema["oneOf"].as_array().unwrap().len(), KINDS.len());
    }

    #[test]
    fn a_preset_lends_its_address_only_to_a_provider_of_its_kind() {
        assert_eq!(implied_kind("groq"), Some(Kind::OpenaiCompatible));
        assert_eq!(implied_base_url("groq", Kind::OpenaiCompatible), Some("https://api.groq.com/openai/v1"));
        assert_eq!(implied_base_url("groq", Kind::Anthropic), Some("https://api.anthropic.com"));
        assert_eq!(implied_kind("work"), None);
        assert_eq!(implied_base_url("work", Kind::OpenaiCompatible), None);
    }

    #[test]
    fn no_id_means_two_things() {
        let mut ids: Vec<_> = known_ids().collect();
        ids.sort_unstable();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn every_built_in_address_is_a_url_without_a_trailing_slash() {
        let addresses = KINDS.iter().flat_map(|k| k.base_url.iter().chain(k.other_base_urls));
        for address in addresses.chain(PRESETS.iter().map(|p| &p.base_url)) {
            assert!(url::Url::parse(address).is_ok() && !address.ends_with('/'), "{address}");
        }
    }
}
