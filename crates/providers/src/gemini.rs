//! Gemini at AI Studio, with a key.
//!
//! Quirks:
//! - The path names the model and what to do with it; a model's id comes with `models/` before it or without.
//! - The key goes into `x-goog-api-key`. A `key` in a client's query is taken out: addresses end up in logs.
//! - Streams are asked for as SSE; without `alt=sse` they would be one JSON array.
//! - Paths that are passed keep their version (`/v1beta/…`, `/upload/v1beta/…`).

use http::{HeaderMap, Method};
use lockgate_core::{Dialect, Failure};

use crate::address::{Address, segment, without_parameters};
use crate::{Ask, Credential, Endpoint, Kind, OpenError, Operation, Provider, Settings, signing};

/// The Gemini API of AI Studio.
pub(crate) struct Gemini {
    address: Address,
}

impl Gemini {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        Ok(Self { address: Address::of(id, Kind::Gemini, settings)?.without("/v1beta") })
    }
}

impl Provider for Gemini {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Gemini]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        let of_model =
            |what: &str| Ok::<_, Failure>((Method::POST, format!("/v1beta/{}:{what}", model(ask.model)?)));
        let (method, path) = match &ask.operation {
            Operation::CountTokens => of_model("countTokens")?,
            Operation::Embed { single: true } => of_model("embedContent")?,
            Operation::Embed { single: false } => of_model("batchEmbedContents")?,
            Operation::Generate => of_model(generate(ask.stream))?,
            Operation::Models => (Method::GET, "/v1beta/models?pageSize=1000".to_owned()),
            Operation::Raw { method, path_and_query } => ((*method).clone(), without_key(path_and_query)),
        };
        Ok(Endpoint::Http { method, uri: self.address.at(&path)? })
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::key_or_bearer("x-goog-api-key", credential, headers)
    }
}

/// The method that generates, with the query that makes a stream SSE.
pub(crate) fn generate(stream: bool) -> &'static str {
    if stream { "streamGenerateContent?alt=sse" } else { "generateContent" }
}

/// A client's path without credentials in its query.
pub(crate) fn without_key(path_and_query: &str) -> String {
    without_parameters(path_and_query, &["key", "access_token"])
}

fn model(model: &str) -> Result<String, Failure> {
    let (collection, id) = match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), id)) => (collection, id),
        Some(_) | None => ("models", model),
    };
    Ok(format!("{collection}/{}", segment(id)?))
}
