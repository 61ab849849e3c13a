//! The objects of an answer, as they are written for a client.
//!
//! Shapes only; arguments and parts that are Google's own stand in them as they came.

use lockgate_core::content::Citation;
use lockgate_core::{Raw, Usage};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::super::MADE_ID;

/// One object of an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    pub(super) candidates: [&'a Candidate<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage_metadata: Option<Value>,
    pub(super) model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_id: Option<&'a str>,
}

/// The answer's piece.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    pub(super) content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) grounding_metadata: Option<Value>,
    pub(super) index: u32,
}

/// What the model says.
#[derive(Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "<[Piece]>::is_empty")]
    parts: &'a [Piece],
    role: &'static str,
}

impl Default for Content<'_> {
    fn default() -> Self {
        Self { parts: &[], role: "model" }
    }
}

impl<'a> Content<'a> {
    /// Content of these parts.
    pub(super) fn of(parts: &'a [Piece]) -> Self {
        Self { parts, ..Self::default() }
    }
}

/// A part.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Piece {
    Call {
        #[serde(rename = "functionCall")]
        call: Call,
        #[serde(rename = "thoughtSignature", skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    Data {
        #[serde(rename = "inlineData")]
        data: Data,
    },
    Own(Raw),
    Text {
        text: String,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        thought: bool,
        #[serde(rename = "thoughtSignature", skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
}

/// A call of a tool.
#[derive(Serialize)]
pub(super) struct Call {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    args: Raw,
}

/// Bytes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data {
    mime_type: String,
    data: String,
}

impl Piece {
    /// A call. An id of our making stays here: Google gives none in its place.
    pub(super) fn call(id: String, name: String, args: Raw, signature: Option<String>) -> Self {
        let id = Some(id).filter(|id| !id.starts_with(MADE_ID));
        Self::Call { call: Call { id, name, args }, signature }
    }

    /// Bytes.
    pub(super) fn data(mime_type: String, data: String) -> Self {
        Self::Data { data: Data { mime_type, data } }
    }
}

/// The sums that Google tells, made of the buckets.
pub(super) fn usage_metadata(usage: &Usage) -> Value {
    let mut told = Map::new();
    let mut set = |key: &str, value: Option<u64>| {
        if let Some(value) = value {
            told.insert(key.into(), value.into());
        }
    };
    set("promptTokenCount", usage.prompt());
    set("candidatesTokenCount", usage.output_visible());
    set("totalTokenCount", usage.prompt().map(|prompt| prompt.saturating_add(usage.output.unwrap_or(0))));
    set("cachedContentTokenCount", usage.cache_read);
    set("thoughtsTokenCount", usage.output_reasoning);
    if let Some(tier) = &usage.service_tier {
        told.insert("serviceTier".into(), tier.as_str().into());
    }
    Value::Object(told)
}

/// Sources in Google's form; which words rest on them is told only where it is known in Google's counting.
pub(super) fn grounding(citations: &[Citation], spans_hold: bool) -> Option<Value> {
    if citations.is_empty() {
        return None;
    }
    let mut chunks: Vec<Value> = Vec::new();
    let mut supports = Vec::new();
    for citation in citations {
        let chunk = json!({"web": {"uri": citation.url, "title": citation.title}});
        let at = chunks.iter().position(|known| *known == chunk).unwrap_or_else(|| {
            chunks.push(chunk);
            chunks.len() - 1
        });
        if let Some((start, end)) = citation.span.filter(|_| spans_hold) {
            supports.push(json!({
                "segment": {"startIndex": start, "endIndex": end},
                "groundingChunkIndices": [at],
            }));
        }
    }
    let mut grounding = json!({"groundingChunks": chunks});
    if !supports.is_empty() {
        grounding["groundingSupports"] = supports.into();
    }
    Some(grounding)
}
