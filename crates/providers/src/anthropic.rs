//! Anthropic: the Messages format at its owner's.
//!
//! Quirks:
//! - `anthropic-version` must be there; a client's own is kept, else 2023-06-01 is sent.
//! - A subscription's OAuth token comes as Bearer and goes as Bearer.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use lockgate_core::{Dialect, ErrorKind, Failure};

use crate::address::Address;
use crate::{Ask, Credential, Endpoint, Kind, OpenError, Operation, Provider, Settings, signing};

/// Anthropic's API, or an address that speaks exactly the same.
pub(crate) struct Anthropic {
    address: Address,
}

impl Anthropic {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self { address: Address::of(id, Kind::Anthropic, settings)? })
    }
}

impl Provider for Anthropic {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Anthropic]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        let (method, path) = match &ask.operation {
            Operation::CountTokens => (Method::POST, "/v1/messages/count_tokens"),
            Operation::Embed { .. } => {
                return Err(Failure::new(ErrorKind::NotFound, "Anthropic makes no embeddings"));
            }
            Operation::Generate => (Method::POST, "/v1/messages"),
            Operation::Models => (Method::GET, "/v1/models?limit=1000"),
            Operation::Raw { method, path_and_query } => ((*method).clone(), *path_and_query),
        };
        Ok(Endpoint::Http { method, uri: self.address.at(path)? })
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        headers
            .entry(HeaderName::from_static("anthropic-version"))
            .or_insert(HeaderValue::from_static("2023-06-01"));
        signing::key_or_bearer("x-api-key", credential, headers)
    }
}
