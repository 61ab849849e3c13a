//! The server of llama.cpp: Chat, Responses and Anthropic Messages at one address, `/v1/…`.
//!
//! Quirks:
//! - It serves one model (or, as a router, those of a folder) and ignores the name that a request says.
//! - Malformed JSON, pictures for a model without eyes and output that does not fit its own grammar are status 500
//!   there: a 500 is not always its fault. The first two are told apart by their words and not tried again; output is a
//!   matter of luck, so another try may help.
//! - While it loads a model, everything but `/health` is 503. `/v1/models` needs no key, everything else does if one
//!   is set.
//! - It ignores `strict` on tools (schemas are enforced as it likes) and OpenAI's extras.

use http::HeaderMap;
use lockgate_core::{Dialect, Failure};
use lockgate_wire::Quirks;

use crate::address::Address;
use crate::{Ask, Credential, Endpoint, Kind, OpenError, Provider, Settings, signing, vllm};

/// A `llama-server`.
pub(crate) struct Llamacpp {
    address: Address,
}

impl Llamacpp {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self { address: Address::of(id, Kind::Llamacpp, settings)?.without("/v1") })
    }
}

impl Provider for Llamacpp {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Chat, Dialect::Anthropic, Dialect::Responses]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        vllm::endpoint(&self.address, "/v1", ask)
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::bearer(credential, headers)
    }

    fn quirks(&self, _model: &str, _need: u64) -> Quirks {
        Quirks {
            legacy_max_tokens: true,
            no_openai_extras: true,
            no_strict_tools: true,
            system_role: true,
            ..Quirks::default()
        }
    }

    fn is_final(&self, failure: &Failure) -> bool {
        is_final(failure)
    }
}

/// Whether this server says in its own words that the request is at fault, with a status that says otherwise: calls of
/// tools in the history whose arguments are no JSON, media for a model that takes none.
pub(crate) fn is_final(failure: &Failure) -> bool {
    const WORDS: [&str; 3] = [
        "Failed to parse tool call arguments as JSON",
        "audio input is not supported",
        "image input is not supported",
    ];
    failure.status == Some(500) && WORDS.iter().any(|words| failure.message.contains(words))
}
