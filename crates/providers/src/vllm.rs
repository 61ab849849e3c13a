//! vLLM: Chat, Responses and Anthropic Messages behind one base that ends in the version segment.
//!
//! Quirks:
//! - Chat templates know `system`, not `developer`; fields it does not know are ignored and only logged there.
//! - `strict` on a tool is what makes it hold a model to the tool's schema: it is sent.
//! - Tools in `auto` need `--enable-auto-tool-choice --tool-call-parser …` at the server, else they are status 400.
//! - Tokens are counted by the Anthropic endpoint alone.

use http::{HeaderMap, Method};
use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_wire::Quirks;

use crate::address::Address;
use crate::{Ask, Credential, Endpoint, Kind, OpenError, Operation, Provider, Settings, openai, signing};

/// A vLLM server.
pub(crate) struct Vllm {
    address: Address,
}

impl Vllm {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self { address: Address::of(id, Kind::Vllm, settings)? })
    }
}

impl Provider for Vllm {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Chat, Dialect::Anthropic, Dialect::Responses]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        endpoint(&self.address, "", ask)
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::bearer(credential, headers)
    }

    fn quirks(&self, _model: &str, _need: u64) -> Quirks {
        Quirks { no_openai_extras: true, system_role: true, ..Quirks::default() }
    }
}

/// The addresses of a server that speaks three dialects, each path behind the base and a version segment.
pub(crate) fn endpoint(address: &Address, version: &str, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
    let anthropic = ask.dialect == Dialect::Anthropic;
    let (method, path) = match &ask.operation {
        Operation::CountTokens if anthropic => (Method::POST, "/messages/count_tokens"),
        Operation::CountTokens => {
            return Err(Failure::new(
                ErrorKind::NotFound,
                format!("this server counts no tokens in {}", ask.dialect),
            ));
        }
        Operation::Embed { .. } => (Method::POST, "/embeddings"),
        Operation::Generate if anthropic => (Method::POST, "/messages"),
        Operation::Generate if ask.dialect == Dialect::Responses => (Method::POST, "/responses"),
        Operation::Generate => (Method::POST, "/chat/completions"),
        Operation::Models => (Method::GET, "/models"),
        Operation::Raw { method, path_and_query } => {
            ((*method).clone(), openai::behind_version(path_and_query))
        }
    };
    Ok(Endpoint::Http { method, uri: address.at(&format!("{version}{path}"))? })
}
