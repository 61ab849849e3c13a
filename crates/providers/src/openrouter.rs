//! OpenRouter: Chat Completions in front of many providers.
//!
//! Quirks:
//! - The `openrouter` settings go along as `provider`, unless the request has preferences of its own.
//! - The cost of a call (`usage.cost`) is in every answer without asking; the former `usage: {include: true}` has no
//!   effect any more and is not sent. No `HTTP-Referer` or `X-Title` either: they only serve OpenRouter's rankings.
//! - Models of other makers know `system`, not `developer`, and `max_tokens`.

use bytes::Bytes;
use http::HeaderMap;
use lockgate_core::{Dialect, Failure};
use lockgate_wire::Quirks;

use crate::address::Address;
use crate::body::Members;
use crate::{Ask, Credential, Endpoint, Kind, OpenError, Operation, Provider, Settings, openai, signing};

/// OpenRouter's API.
pub(crate) struct Openrouter {
    address: Address,
    /// The preferences as JSON; `None` when there are none.
    preferences: Option<String>,
}

impl Openrouter {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        let address = Address::of(id, Kind::Openrouter, settings)?;
        let preferences = match &settings.openrouter {
            None => None,
            Some(preferences) => {
                let json = serde_json::to_string(preferences).map_err(|error| OpenError::BadSetting {
                    id: id.to_owned(),
                    setting: "openrouter",
                    what: error.to_string(),
                })?;
                (json != "{}").then_some(json)
            }
        };
        Ok(Self { address, preferences })
    }
}

impl Provider for Openrouter {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Chat]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        openai::endpoint(&self.address, ask)
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::bearer(credential, headers)
    }

    fn quirks(&self, model: &str, _need: u64) -> Quirks {
        let reasoning_details = Some(format_of(model));
        Quirks { legacy_max_tokens: true, reasoning_details, system_role: true, ..Quirks::default() }
    }

    fn adapt(&self, ask: &Ask<'_>, body: Bytes) -> Result<Bytes, Failure> {
        match (&self.preferences, &ask.operation) {
            (Some(preferences), Operation::Embed { .. } | Operation::Generate) => {
                let members = Members::read(&body)?;
                if members.value("provider").is_some() {
                    return Ok(body);
                }
                Ok(members.with("provider", preferences).into())
            }
            (Some(_), Operation::CountTokens | Operation::Models | Operation::Raw { .. }) | (None, _) => {
                Ok(body)
            }
        }
    }
}

/// The form in which a model's maker seals thoughts, in OpenRouter's words (the enumeration of its SDK types).
fn format_of(model: &str) -> &'static str {
    match model.trim_start_matches('~').split('/').next() {
        Some("anthropic") => "anthropic-claude-v1",
        Some("google") => "google-gemini-v1",
        Some("openai") => "openai-responses-v1",
        Some("x-ai") => "xai-responses-v1",
        Some(_) | None => "unknown",
    }
}
