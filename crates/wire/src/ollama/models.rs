//! What a server says of its models (`/api/tags`, `/api/show`, `/api/ps`, `/api/version`), and the same for clients.
//!
//! A model that runs elsewhere although the server lists it is marked: by its remote host, or by its name. What is
//! not known (sizes, digests, families) is left out for clients, never made up.

use std::collections::BTreeMap;

use lockgate_core::{ModelCard, Raw};
use serde::Serialize;

use super::encode::go_json;
use super::time;
use crate::card::Beyond;
use crate::json::{List, read_answer, wire_object};
use crate::{DecodeError, ModelsFormat, ModelsPage};

wire_object! {
    /// `{"models": […]}` of tags and ps.
    struct Listed { "models" => models: List<Entry> }
}

wire_object! {
    /// A model of tags or ps.
    struct Entry {
        "name" => name: String,
        "model" => model: String,
        "remote_model" => remote_model: String,
        "remote_host" => remote_host: String,
        "modified_at" => modified_at: String,
        "details" => details: Details,
        "capabilities" => capabilities: Vec<String>,
        "digest" => digest: String,
        "size" => size: u64,
        "size_vram" => size_vram: u64,
        "context_length" => context_length: u64,
        "expires_at" => expires_at: String,
    }
}

wire_object! {
    /// What it is made of.
    struct Details { "context_length" => context_length: u64 }
}

wire_object! {
    /// The answer of show.
    struct Show {
        "parameters" => parameters: String,
        "parser" => parser: String,
        "remote_model" => remote_model: String,
        "remote_host" => remote_host: String,
        "model_info" => model_info: BTreeMap<String, Raw>,
        "capabilities" => capabilities: Vec<String>,
        "modified_at" => modified_at: String,
    }
}

wire_object! {
    /// The answer of version.
    struct Version { "version" => version: String }
}

/// What `/api/show` says of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// `completion`, `tools`, `vision`, `thinking`, `embedding`, `insert`, …
    pub capabilities: Vec<String>,
    /// The model; its context is what it was trained for, not what is allocated.
    pub card: ModelCard,
    /// The context that the model's own parameters ask for (`num_ctx`).
    pub num_ctx: Option<u64>,
    /// The server's parser for its answers, such as `harmony`.
    pub parser: Option<String>,
    /// Where it really runs, when not here.
    pub remote_host: Option<String>,
}

impl Shown {
    /// Whether it can do this; `None` where an old server tells no capabilities.
    pub fn can(&self, capability: &str) -> Option<bool> {
        (!self.capabilities.is_empty()).then(|| self.capabilities.iter().any(|known| known == capability))
    }
}

/// A model in memory, as `/api/ps` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// The context that is allocated: the one that counts.
    pub context: Option<u64>,
    /// Its content's digest.
    pub digest: Option<String>,
    /// When it will be unloaded, seconds since 1970.
    pub expires: Option<u64>,
    /// The id to call it by.
    pub id: String,
    /// Bytes in all.
    pub size: Option<u64>,
    /// Bytes on the GPU; the rest is on the CPU.
    pub size_vram: Option<u64>,
}

/// Whether a name is that of a model that the server only passes on (`glm-5:cloud`, `gpt-oss:120b-cloud`).
pub fn is_cloud_name(id: &str) -> bool {
    let tag = id.rsplit_once(':').map_or("", |(_, tag)| tag);
    tag == "cloud" || tag.ends_with("-cloud")
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn has(capabilities: Option<&Vec<String>>, capability: &str) -> Option<bool> {
    capabilities.map(|known| known.iter().any(|name| name == capability))
}

/// Lists of models.
pub(super) struct Tags;

impl ModelsFormat for Tags {
    fn parse(&self, body: &[u8]) -> Result<Vec<ModelCard>, DecodeError> {
        let models: Listed = read_answer(body)?;
        let cards = models.models.unwrap_or_default().0.into_iter().filter_map(|model| {
            let id = some(model.model).or_else(|| some(model.name))?;
            let remote = some(model.remote_host).or_else(|| some(model.remote_model)).is_some();
            Some(ModelCard {
                context: model.details.and_then(|details| details.context_length),
                created: model.modified_at.as_deref().and_then(time::seconds),
                remote: remote || is_cloud_name(&id),
                thinking: has(model.capabilities.as_ref(), "thinking"),
                tools: has(model.capabilities.as_ref(), "tools"),
                vision: has(model.capabilities.as_ref(), "vision"),
                id,
                ..ModelCard::default()
            })
        });
        Ok(cards.collect())
    }

    /// The dialect has no pages: all of them.
    fn write(&self, cards: &[ModelCard], _page: &ModelsPage) -> Vec<u8> {
        let mut out = Vec::new();
        go_json(&OutModels { models: cards.iter().map(OutModel::of).collect() }, &mut out);
        out
    }

    fn write_one(&self, card: &ModelCard) -> Vec<u8> {
        write_show(card)
    }
}

#[derive(Serialize)]
struct OutModels<'a> {
    models: Vec<OutModel<'a>>,
}

#[derive(Serialize)]
struct OutModel<'a> {
    name: &'a str,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at: Option<String>,
    details: OutDetails,
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lockgate: Option<Beyond<'a>>,
}

#[derive(Serialize)]
struct OutDetails {
    #[serde(skip_serializing_if = "Option::is_none")]
    context_length: Option<u64>,
}

impl<'a> OutModel<'a> {
    fn of(card: &'a ModelCard) -> Self {
        Self {
            name: &card.id,
            model: &card.id,
            modified_at: card.created.map(time::stamp),
            details: OutDetails { context_length: card.context },
            capabilities: capabilities(card),
            context_length: None,
            lockgate: Beyond::of(card),
        }
    }
}

fn capabilities(card: &ModelCard) -> Vec<&'static str> {
    let mut known = vec!["completion"];
    if card.tools == Some(true) {
        known.push("tools");
    }
    if card.vision == Some(true) {
        known.push("vision");
    }
    if card.thinking == Some(true) {
        known.push("thinking");
    }
    known
}

#[derive(Serialize)]
struct OutShow<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    modified_at: Option<String>,
    details: OutDetails,
    model_info: BTreeMap<&'static str, serde_json::Value>,
    capabilities: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lockgate: Option<Beyond<'a>>,
}

/// A model for `/api/show`. Clients look up the context under the name of the architecture, so it is there, as
/// `unknown`.
pub fn write_show(card: &ModelCard) -> Vec<u8> {
    let mut model_info = BTreeMap::new();
    if let Some(context) = card.context {
        model_info.insert("general.architecture", "unknown".into());
        model_info.insert("unknown.context_length", context.into());
    }
    let shown = OutShow {
        modified_at: card.created.map(time::stamp),
        details: OutDetails { context_length: card.context },
        model_info,
        capabilities: capabilities(card),
        lockgate: Beyond::of(card),
    };
    let mut out = Vec::new();
    go_json(&shown, &mut out);
    out
}

/// The version for `/api/version`.
pub fn write_version(version: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Body<'a> {
        version: &'a str,
    }
    let mut out = Vec::new();
    go_json(&Body { version }, &mut out);
    out
}

/// A server's version.
pub fn parse_version(body: &[u8]) -> Result<String, DecodeError> {
    let version: Version = read_answer(body)?;
    some(version.version).ok_or_else(|| DecodeError::malformed("no `version`"))
}

/// A server's answer to `/api/show` for this model.
pub fn parse_show(id: &str, body: &[u8]) -> Result<Shown, DecodeError> {
    let show: Show = read_answer(body)?;
    let info = show.model_info.unwrap_or_default();
    let architecture: Option<String> =
        info.get("general.architecture").and_then(|raw| serde_json::from_str(raw.get()).ok());
    let trained = architecture
        .and_then(|name| info.get(&format!("{name}.context_length")))
        .and_then(|raw| serde_json::from_str(raw.get()).ok());
    let remote_host = some(show.remote_host).or_else(|| some(show.remote_model));
    let card = ModelCard {
        context: trained,
        created: show.modified_at.as_deref().and_then(time::seconds),
        id: id.to_owned(),
        remote: remote_host.is_some() || is_cloud_name(id),
        thinking: has(show.capabilities.as_ref(), "thinking"),
        tools: has(show.capabilities.as_ref(), "tools"),
        vision: has(show.capabilities.as_ref(), "vision"),
        ..ModelCard::default()
    };
    let num_ctx = show.parameters.as_deref().and_then(parameter_num_ctx);
    Ok(Shown {
        capabilities: show.capabilities.unwrap_or_default(),
        card,
        num_ctx,
        parser: some(show.parser),
        remote_host,
    })
}

/// `num_ctx` in the lines of a model's parameters.
fn parameter_num_ctx(parameters: &str) -> Option<u64> {
    parameters.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("num_ctx")).then(|| words.next()?.parse().ok())?
    })
}

/// A server's answer to `/api/ps`.
pub fn parse_ps(body: &[u8]) -> Result<Vec<Running>, DecodeError> {
    let models: Listed = read_answer(body)?;
    let running = models.models.unwrap_or_default().0.into_iter().filter_map(|model| {
        Some(Running {
            context: model.context_length,
            digest: some(model.digest),
            expires: model.expires_at.as_deref().and_then(time::seconds),
            id: some(model.model).or_else(|| some(model.name))?,
            size: model.size,
            size_vram: model.size_vram,
        })
    });
    Ok(running.collect())
}
