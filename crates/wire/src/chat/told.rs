//! What both forms of an answer share: who answers, the names of ends, citations, pictures, probabilities.
//!
//! Writes nothing itself; what the dialect cannot say is noted by name.

use lockgate_core::content::{Citation, Image, Source};
use lockgate_core::{Dialect, Started, Stop, StopReason, Usage};
use serde::Serialize;
use serde_json::value::RawValue;

use super::output::DataUrl;
use crate::json::raw;
use crate::{AnswerContext, Loss};

/// Who answers, and how it ended: the same in every chunk.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) created: u64,
    pub(super) estimate: Option<u64>,
    pub(super) id: String,
    pub(super) model: String,
    pub(super) stop: Option<Stop>,
    pub(super) usage: Usage,
}

impl Head {
    pub(super) fn new(context: AnswerContext) -> Self {
        Self {
            created: context.created,
            estimate: context.input_estimate,
            id: format!("chatcmpl-{}", context.id),
            model: context.model,
            stop: None,
            usage: Usage::default(),
        }
    }

    /// Takes over what the answer says of itself; an id of another dialect's form stays out.
    pub(super) fn take(&mut self, started: &Started) {
        if let Some(id) = started.id.as_ref().filter(|id| id.starts_with("chatcmpl-")) {
            self.id.clone_from(id);
        }
        if let Some(model) = started.model.as_ref().filter(|model| !model.is_empty()) {
            self.model.clone_from(model);
        }
        self.created = started.created.unwrap_or(self.created);
    }

    /// OpenAI's word for how it ended. `refused`: a refusal was told in words.
    pub(super) fn finish_reason(&self, called: bool, refused: bool, loss: &mut Loss) -> &'static str {
        let Some(stop) = &self.stop else { return if called { "tool_calls" } else { "stop" } };
        match &stop.reason {
            StopReason::ContentFilter => "content_filter",
            StopReason::ContextWindow | StopReason::MaxTokens => "length",
            StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse => {
                if called {
                    "tool_calls"
                } else {
                    "stop"
                }
            }
            StopReason::Other(word) => {
                loss.note(format!("stop_reason.{word}"));
                "stop"
            }
            StopReason::Pause => {
                loss.note("stop_reason.pause_turn");
                "stop"
            }
            StopReason::Refusal => {
                if refused {
                    "stop"
                } else {
                    "content_filter"
                }
            }
        }
    }

    pub(super) fn service_tier(&self) -> Option<&str> {
        match self.usage.service_tier.as_deref()? {
            "standard" => Some("default"),
            tier @ ("auto" | "default" | "fast" | "flex" | "priority" | "scale") => Some(tier),
            _ => None,
        }
    }
}

/// Where the text stands: OpenAI cites by the characters of the whole content.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Span {
    pub(super) fn grow(&mut self, text: &str) {
        self.end += text.chars().count() as u64;
    }
}

#[derive(Debug, Serialize)]
struct Annotation<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    url_citation: UrlCitation<'a>,
}

#[derive(Debug, Serialize)]
struct UrlCitation<'a> {
    start_index: u64,
    end_index: u64,
    title: &'a str,
    url: &'a str,
}

/// Whether a citation stands for the whole text of its block, which is known only when the block is over.
pub(super) fn stands_for_its_text(citation: &Citation) -> bool {
    citation.span.is_none() && !matches!(citation.raw, Some((Dialect::Chat, _)))
}

/// A citation as an annotation; one without an address cannot be said.
pub(super) fn annotation(citation: &Citation, span: Span, loss: &mut Loss) -> Option<Box<RawValue>> {
    if let Some((Dialect::Chat, raw)) = &citation.raw {
        return Some(raw.clone());
    }
    let Some(url) = citation.url.as_deref() else {
        loss.note("citations");
        return None;
    };
    if citation.span.is_none() && span.start == span.end {
        // No words that it could stand for.
        loss.note("citations");
        return None;
    }
    // A span of its own counts from the start of its block.
    let (start, end) =
        citation.span.map_or((span.start, span.end), |(start, end)| (span.start + start, span.start + end));
    let url_citation = UrlCitation {
        start_index: start,
        end_index: end,
        title: citation.title.as_deref().unwrap_or_default(),
        url,
    };
    serde_json::value::to_raw_value(&Annotation { kind: "url_citation", url_citation }).ok()
}

/// Probabilities in the form of this dialect: as they are, or (Responses) the bare list of them.
pub(super) fn logprobs(found: &RawValue, loss: &mut Loss) -> Option<Box<RawValue>> {
    let text = found.get().trim_start();
    if text.starts_with('[') {
        return raw(format!("{{\"content\":{text},\"refusal\":null}}"));
    }
    if text.contains("\"content\"") || text.contains("\"refusal\"") {
        return Some(found.to_owned());
    }
    loss.note("logprobs");
    None
}

/// A picture, in the form that OpenRouter has given to what OpenAI has not.
#[derive(Debug, Serialize)]
struct Picture<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    image_url: Address<'a>,
}

#[derive(Debug, Serialize)]
struct Address<'a> {
    url: DataUrl<'a>,
}

/// A picture that the model made.
pub(super) fn picture(image: &Image, loss: &mut Loss) -> Option<Box<RawValue>> {
    let url = match &image.source {
        Source::Base64 { data, media_type } => {
            DataUrl { data, media_type: Some(media_type.as_deref().unwrap_or("image/png")) }
        }
        Source::Url { url, .. } => DataUrl { data: url, media_type: None },
        Source::File { .. } | Source::Text { .. } => {
            loss.note("image");
            return None;
        }
    };
    serde_json::value::to_raw_value(&Picture { kind: "image_url", image_url: Address { url } }).ok()
}
