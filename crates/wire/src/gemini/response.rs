//! The objects of an answer, as they stand on the wire, and what their words mean.
//!
//! [`OutlineCandidate`] reads only what accounting needs; [`Chunk`] reads all.

use lockgate_core::{Raw, Stop, StopReason, Usage};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::error::ErrorObject;
use super::request::{Content, Many};
use crate::json::{List, wire_object};

wire_object! {
    /// One object of an answer: the whole, or a piece of a stream.
    pub(super) struct Chunk {
        "candidates" => candidates: List<Candidate>,
        "error" => error: ErrorObject,
        "modelVersion" | "model_version" => model: String,
        "promptFeedback" | "prompt_feedback" => feedback: Feedback,
        "responseId" | "response_id" => id: String,
        "usageMetadata" | "usage_metadata" => usage: UsageMetadata,
    }
}

wire_object! {
    /// One of the answers.
    pub(super) struct Candidate {
        "citationMetadata" | "citation_metadata" => citations: CitationMetadata,
        "content" => content: Content,
        "finishMessage" | "finish_message" => finish_message: String,
        "finishReason" | "finish_reason" => finish_reason: String,
        "groundingMetadata" | "grounding_metadata" => grounding: GroundingMetadata,
        "index" => index: u64,
        "logprobsResult" | "logprobs_result" => logprobs: Raw,
        "urlContextMetadata" | "url_context_metadata" => url_context: Raw,
    }
}

/// Why a prompt got no answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Feedback {
    /// Google's word.
    pub(super) block_reason: Option<String>,
    /// In a sentence.
    pub(super) block_reason_message: Option<String>,
}

/// What an answer used. Sums, told anew with each piece.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    #[serde(deserialize_with = "count")]
    cached_content_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    candidates_token_count: Option<u64>,
    /// The whole prompt, what was cached included.
    #[serde(deserialize_with = "count")]
    prompt_token_count: Option<u64>,
    service_tier: Option<String>,
    #[serde(deserialize_with = "count")]
    thoughts_token_count: Option<u64>,
    #[serde(deserialize_with = "count")]
    tool_use_prompt_token_count: Option<u64>,
    traffic_type: Option<String>,
}

/// A count; what is none is not known, and no reason to lose the answer.
fn count<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(serde_json::Value::deserialize(from)?.as_u64())
}

wire_object! {
    /// Sources that the words may repeat.
    pub(super) struct CitationMetadata {
        "citationSources" | "citations" => citations: List<Source>,
    }
}

wire_object! {
    /// A source that the words may repeat.
    pub(super) struct Source {
        "endIndex" | "end_index" => end: u64,
        "startIndex" | "start_index" => start: u64,
        "title" => title: String,
        "uri" => uri: String,
    }
}

wire_object! {
    /// Sources that a search found.
    pub(super) struct GroundingMetadata {
        "groundingChunks" | "grounding_chunks" => chunks: List<GroundingChunk>,
        "groundingSupports" | "grounding_supports" => supports: List<GroundingSupport>,
        "webSearchQueries" | "web_search_queries" => queries: Vec<String>,
    }
}

wire_object! {
    /// A source.
    pub(super) struct GroundingChunk {
        "maps" => maps: Page,
        "retrievedContext" | "retrieved_context" => retrieved: Page,
        "web" => web: Page,
    }
}

wire_object! {
    /// Where a source is.
    pub(super) struct Page { "text" => text: String, "title" => title: String, "uri" => uri: String }
}

wire_object! {
    /// Which words rest on which sources.
    pub(super) struct GroundingSupport {
        "groundingChunkIndices" | "grounding_chunk_indices" => chunks: Vec<usize>,
        "segment" => segment: Segment,
    }
}

wire_object! {
    /// A stretch of the answer, in bytes.
    pub(super) struct Segment {
        "endIndex" | "end_index" => end: u64,
        "startIndex" | "start_index" => start: u64,
    }
}

/// The end of an answer, and whether it calls tools.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OutlineCandidate {
    pub(super) content: Option<OutlineContent>,
    pub(super) finish_message: Option<String>,
    pub(super) finish_reason: Option<String>,
    pub(super) grounding_metadata: Option<OutlineGrounding>,
    pub(super) index: Option<u64>,
}

/// How often the provider searched.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OutlineGrounding {
    pub(super) web_search_queries: Option<Vec<IgnoredAny>>,
}

/// The parts of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct OutlineContent {
    pub(super) parts: Option<Vec<OutlinePart>>,
}

/// Whether a part is a call.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OutlinePart {
    pub(super) function_call: Option<IgnoredAny>,
}

impl UsageMetadata {
    /// In the buckets that all dialects share: cached tokens are part of Google's prompt, thoughts are not part of
    /// its candidates.
    pub(super) fn usage(&self) -> Usage {
        let prompt = self.prompt_token_count.map(|prompt| {
            let cached = self.cached_content_token_count.unwrap_or(0);
            prompt.saturating_sub(cached).saturating_add(self.tool_use_prompt_token_count.unwrap_or(0))
        });
        let output = [self.candidates_token_count, self.thoughts_token_count];
        Usage {
            cache_read: self.cached_content_token_count,
            input_uncached: prompt,
            output: output.into_iter().flatten().reduce(u64::saturating_add),
            output_reasoning: self.thoughts_token_count,
            service_tier: self.service_tier.clone().or_else(|| self.traffic_type.clone()),
            ..Usage::default()
        }
    }
}

impl Feedback {
    /// The end that a blocked prompt comes to.
    pub(super) fn stop(&self) -> Option<Stop> {
        let reason = self.block_reason.as_deref()?;
        let detail = said(reason, self.block_reason_message.as_deref());
        Some(Stop { detail: Some(detail), reason: StopReason::ContentFilter, sequence: None })
    }
}

/// All of Google's reasons for an end.
pub(super) const REASONS: [&str; 23] = [
    "BLOCKLIST",
    "CONTINUATION",
    "ESCALATION",
    "IMAGE_OTHER",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "IMAGE_SAFETY",
    "LANGUAGE",
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MAX_TOKENS",
    "MISSING_THOUGHT_SIGNATURE",
    "MODEL_ARMOR",
    "NO_IMAGE",
    "OTHER",
    "PROHIBITED_CONTENT",
    "PUP_LIMITED_DISABLED",
    "RECITATION",
    "SAFETY",
    "SPII",
    "STOP",
    "TOO_MANY_TOOL_CALLS",
    "UNEXPECTED_TOOL_CALL",
];

/// What an end means. Google ends with `STOP` also when tools are called.
pub(super) fn stop(reason: &str, message: Option<&str>, called: bool) -> Stop {
    let plain = message.filter(|message| !message.is_empty()).map(Into::into);
    match reason {
        "STOP" if called => Stop { detail: plain, ..Stop::because(StopReason::ToolUse) },
        "STOP" => Stop { detail: plain, ..Stop::because(StopReason::EndTurn) },
        "MAX_TOKENS" => Stop { detail: plain, ..Stop::because(StopReason::MaxTokens) },
        "BLOCKLIST"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "IMAGE_SAFETY"
        | "MODEL_ARMOR"
        | "PROHIBITED_CONTENT"
        | "RECITATION"
        | "SAFETY"
        | "SPII" => Stop { detail: Some(said(reason, message)), ..Stop::because(StopReason::ContentFilter) },
        other => Stop { detail: plain, ..Stop::because(StopReason::Other(other.into())) },
    }
}

fn said(reason: &str, message: Option<&str>) -> String {
    match message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{reason}: {message}"),
        None => reason.into(),
    }
}

/// Parts of a candidate.
pub(super) fn parts(content: Option<Content>) -> Many<super::request::PartObject> {
    content.and_then(|content| content.parts).unwrap_or_default()
}
