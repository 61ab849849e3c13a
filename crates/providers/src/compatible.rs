//! Any server that speaks OpenAI Chat Completions: the presets (groq, together, deepseek, mistral, xai, fireworks,
//! cerebras, lm-studio) and whatever the configuration names.
//!
//! Quirks, by preset, else those that every such server copes with:
//! - They know `max_tokens`, not `max_completion_tokens`; `system`, not `developer`.
//! - They refuse or ignore OpenAI's own extras (`store`, `prompt_cache_key`, `metadata`, …), so these are not sent.
//! - Mistral wants tool-call ids of nine letters or digits, and has no `stream_options`.

use http::HeaderMap;
use lockgate_core::{Dialect, Failure};
use lockgate_wire::Quirks;

use crate::address::Address;
use crate::{Ask, Credential, Endpoint, Kind, OpenError, Provider, Settings, openai, signing};

/// A server that speaks Chat Completions.
pub(crate) struct Compatible {
    address: Address,
    id: String,
}

impl Compatible {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self { address: Address::of(id, Kind::OpenaiCompatible, settings)?, id: id.to_owned() })
    }
}

impl Provider for Compatible {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Chat]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        openai::endpoint(&self.address, ask)
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::bearer(credential, headers)
    }

    fn quirks(&self, _model: &str, _need: u64) -> Quirks {
        let mistral = self.id == "mistral";
        Quirks {
            legacy_max_tokens: true,
            no_openai_extras: true,
            no_stream_options: mistral,
            no_strict_tools: mistral,
            system_role: true,
            tool_id_alnum9: mistral,
            ..Quirks::default()
        }
    }
}
