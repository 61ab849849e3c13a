//! OpenAI: Chat Completions, Responses and embeddings at their owner's.
//!
//! Quirks: none of its own, this is what the others are compared with; what single models refuse is in
//! `openai_models`.

use http::{HeaderMap, Method};
use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_wire::Quirks;

use crate::address::Address;
use crate::{
    Ask, Credential, Endpoint, Kind, OpenError, Operation, Provider, Settings, openai_models, signing,
};

/// OpenAI's API.
pub(crate) struct Openai {
    address: Address,
}

impl Openai {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self { address: Address::of(id, Kind::Openai, settings)? })
    }
}

impl Provider for Openai {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Chat, Dialect::Responses]
    }

    fn dialects_of(&self, model: &str) -> &'static [Dialect] {
        if openai_models::needs_responses(model) { &[Dialect::Responses] } else { self.dialects() }
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        endpoint(&self.address, ask)
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::bearer(credential, headers)
    }

    fn quirks(&self, model: &str, _need: u64) -> Quirks {
        openai_models::known(model).unwrap_or_default()
    }
}

/// The addresses of the OpenAI family, behind a base that ends in the version segment.
pub(crate) fn endpoint(address: &Address, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
    let (method, path) = match (&ask.operation, ask.dialect) {
        (Operation::Generate, Dialect::Responses) => (Method::POST, "/responses"),
        (Operation::Generate, _) => (Method::POST, "/chat/completions"),
        (Operation::Embed { .. }, _) => (Method::POST, "/embeddings"),
        (Operation::Models, _) => (Method::GET, "/models"),
        (Operation::CountTokens, Dialect::Responses) => (Method::POST, "/responses/input_tokens"),
        (Operation::CountTokens, _) => {
            return Err(Failure::new(ErrorKind::NotFound, "Chat Completions has no token counting"));
        }
        (Operation::Raw { method, path_and_query }, _) => ((*method).clone(), behind_version(path_and_query)),
    };
    Ok(Endpoint::Http { method, uri: address.at(path)? })
}

/// A client's path without its version segment, which the base has already.
pub(crate) fn behind_version(path: &str) -> &str {
    path.strip_prefix("/v1").filter(|rest| rest.starts_with('/')).unwrap_or(path)
}
