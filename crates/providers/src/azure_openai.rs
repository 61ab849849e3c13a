//! Azure OpenAI: OpenAI's formats at a resource of one's own.
//!
//! Quirks:
//! - Without `azure.api_version` the versionless addresses (`/openai/v1/…`) are used; with it the dated ones, where
//!   the path names the deployment and every address carries `api-version`.
//! - What the body calls a model is a deployment: where the two are named differently, the body's `model` is replaced.
//! - Keys go into `api-key`, tokens of Entra ID are Bearer.
//! - Its list of models says what the region offers, not what is deployed; it has no token counting.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{HeaderMap, Method};
use lockgate_core::{Dialect, ErrorKind, Failure};
use lockgate_wire::Quirks;

use crate::address::{Address, segment};
use crate::body::Members;
use crate::{
    Ask, Credential, Endpoint, Kind, OpenError, Operation, Provider, Settings, openai, openai_models, signing,
};

/// A resource of Azure OpenAI.
pub(crate) struct AzureOpenai {
    address: Address,
    api_version: Option<String>,
    deployments: BTreeMap<String, String>,
}

impl AzureOpenai {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        let azure = settings.azure.clone().unwrap_or_default();
        let bad =
            |setting, what: &str| OpenError::BadSetting { id: id.to_owned(), setting, what: what.to_owned() };
        let plain =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        if azure.api_version.as_deref().is_some_and(|version| version.is_empty() || !plain(version)) {
            return Err(bad("azure.api_version", "must be a version such as 2025-04-01-preview"));
        }
        if azure.deployments.values().any(String::is_empty) {
            return Err(bad("azure.deployments", "a deployment must have a name"));
        }
        let address = Address::of(id, Kind::AzureOpenai, settings)?.without("/v1").without("/openai");
        Ok(Self { address, api_version: azure.api_version, deployments: azure.deployments })
    }

    fn deployment<'a>(&'a self, model: &'a str) -> &'a str {
        self.deployments.get(model).map_or(model, String::as_str)
    }

    /// The path behind the resource for a path of OpenAI's.
    fn path(&self, path: &str) -> String {
        match &self.api_version {
            None => format!("/openai/v1{path}"),
            Some(version) => {
                let and = if path.contains('?') { '&' } else { '?' };
                format!("/openai{path}{and}api-version={version}")
            }
        }
    }

    /// The path of an operation that dated addresses have below the deployment.
    fn deployed(&self, model: &str, path: &str) -> Result<String, Failure> {
        match &self.api_version {
            None => Ok(self.path(path)),
            Some(_) => Ok(self.path(&format!("/deployments/{}{path}", segment(self.deployment(model))?))),
        }
    }
}

impl Provider for AzureOpenai {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Chat, Dialect::Responses]
    }

    fn dialects_of(&self, model: &str) -> &'static [Dialect] {
        if openai_models::needs_responses(model) { &[Dialect::Responses] } else { self.dialects() }
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        let (method, path) = match &ask.operation {
            Operation::CountTokens => {
                return Err(Failure::new(ErrorKind::NotFound, "Azure OpenAI has no token counting"));
            }
            Operation::Embed { .. } => (Method::POST, self.deployed(ask.model, "/embeddings")?),
            Operation::Generate if ask.dialect == Dialect::Responses => {
                (Method::POST, self.path("/responses"))
            }
            Operation::Generate => (Method::POST, self.deployed(ask.model, "/chat/completions")?),
            Operation::Models => (Method::GET, self.path("/models")),
            Operation::Raw { method, path_and_query } => {
                ((*method).clone(), self.path(openai::behind_version(path_and_query)))
            }
        };
        Ok(Endpoint::Http { method, uri: self.address.at(&path)? })
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::key_or_bearer("api-key", credential, headers)
    }

    fn quirks(&self, model: &str, _need: u64) -> Quirks {
        let known = openai_models::known(model);
        known.or_else(|| openai_models::known(self.deployment(model))).unwrap_or_default()
    }

    fn adapt(&self, ask: &Ask<'_>, body: Bytes) -> Result<Bytes, Failure> {
        let in_path = self.api_version.is_some() && ask.dialect != Dialect::Responses;
        let in_body = match ask.operation {
            Operation::Embed { .. } | Operation::Generate => !in_path,
            Operation::CountTokens | Operation::Models | Operation::Raw { .. } => false,
        };
        let Some(deployment) = self.deployments.get(ask.model).filter(|_| in_body) else { return Ok(body) };
        let members = Members::read(&body)?;
        if members.text("model").as_ref() == Some(deployment) {
            return Ok(body);
        }
        Ok(members.with("model", &serde_json::Value::from(deployment.as_str()).to_string()).into())
    }
}
