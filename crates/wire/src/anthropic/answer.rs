//! What both writers of answers share: the head of an answer, its end, and the small pieces in between.

use std::borrow::Cow;

use lockgate_core::content::Citation;
use lockgate_core::{Dialect, Event, Raw, Started, Stop, StopReason, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{AnswerContext, Loss};

/// What is known of an answer, block by block apart.
#[derive(Default)]
pub(super) struct Answer {
    /// Whether it calls a tool of the client.
    pub(super) called: bool,
    context: AnswerContext,
    pub(super) loss: Loss,
    /// Whether the model refused in words.
    pub(super) refused: bool,
    started: Started,
    stop: Option<Stop>,
    pub(super) usage: Usage,
}

/// How an answer ended.
#[derive(Serialize)]
pub(super) struct StopOut<'a> {
    #[serde(rename = "stop_reason")]
    reason: Cow<'a, str>,
    #[serde(rename = "stop_sequence")]
    sequence: Option<&'a str>,
    #[serde(rename = "stop_details", skip_serializing_if = "Option::is_none")]
    details: Option<StopDetails<'a>>,
}

#[derive(Serialize)]
struct StopDetails<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<&'a str>,
    explanation: Option<&'a str>,
}

/// A citation for a client.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct CitationOut(Raw);

impl Answer {
    pub(super) fn new(context: AnswerContext) -> Self {
        Self { context, ..Self::default() }
    }

    /// Takes what belongs to the head or the end.
    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Ended(stop) => self.stop = Some(stop.clone()),
            Event::Started(started) => self.started = started.clone(),
            Event::Usage(usage) => self.usage.merge(usage),
            Event::BlockDelta { .. }
            | Event::BlockEnded { .. }
            | Event::BlockStarted { .. }
            | Event::Failed(_)
            | Event::Opaque
            | Event::Ping => {}
        }
    }

    /// The answer's id: the upstream's if it is one of Anthropic's, else a new one. Clients take two answers with the
    /// same id for one.
    pub(super) fn id(&self) -> Cow<'_, str> {
        match self.started.id.as_deref() {
            Some(id) if id.starts_with("msg_") => Cow::Borrowed(id),
            Some(_) | None => Cow::Owned(format!("msg_{}", self.context.id)),
        }
    }

    pub(super) fn model(&self) -> &str {
        self.started.model.as_deref().unwrap_or(&self.context.model)
    }

    pub(super) fn estimate(&self) -> Option<u64> {
        self.context.input_estimate
    }

    /// The end. `tool_use` is said exactly when the client has a call to run and the model was not cut off.
    pub(super) fn stop(&mut self) -> StopOut<'_> {
        let reason = self.stop.as_ref().map_or(&StopReason::EndTurn, |stop| &stop.reason);
        let word = match reason {
            StopReason::EndTurn | StopReason::ToolUse if self.called => "tool_use",
            StopReason::EndTurn | StopReason::ToolUse if self.refused => "refusal",
            StopReason::EndTurn | StopReason::ToolUse => "end_turn",
            StopReason::ContentFilter | StopReason::Refusal => "refusal",
            StopReason::ContextWindow => "model_context_window_exceeded",
            StopReason::MaxTokens => "max_tokens",
            StopReason::Pause => "pause_turn",
            StopReason::StopSequence => "stop_sequence",
            // Words of newer Anthropic versions look like this; those of others mean nothing to its clients.
            StopReason::Other(word) if word.bytes().all(|c| c.is_ascii_lowercase() || c == b'_') => word,
            StopReason::Other(_) => {
                self.loss.note("stop_reason");
                "end_turn"
            }
        };
        let told = self.stop.as_ref();
        let explanation = told.and_then(|stop| stop.detail.as_deref()).filter(|_| word == "refusal");
        StopOut {
            reason: Cow::Borrowed(word),
            sequence: told.and_then(|stop| stop.sequence.as_deref()),
            details: explanation.map(|explanation| StopDetails {
                kind: "refusal",
                category: None,
                explanation: Some(explanation),
            }),
        }
    }
}

/// A citation that Anthropic made, as it was. Another's cannot be said: a page of the web needs an index that only
/// Anthropic can read, and a document one that the request had.
pub(super) fn citation(citation: &Citation) -> Option<CitationOut> {
    match &citation.raw {
        Some((Dialect::Anthropic, raw)) => Some(CitationOut(raw.clone())),
        Some(_) | None => None,
    }
}

/// The input of a tool call as JSON. Text that is no JSON object stays what it is, as a string.
pub(super) fn input(arguments: &str) -> Result<&RawValue, &str> {
    let arguments = if arguments.trim().is_empty() { "{}" } else { arguments };
    let json: Option<&RawValue> = serde_json::from_str(arguments).ok();
    json.filter(|json| json.get().starts_with('{')).ok_or(arguments)
}

/// Whether a delta that is not modelled is one of our own dialect: its type says so.
pub(super) fn is_own(delta: &RawValue) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Typed {
        #[serde(rename = "type")]
        kind: String,
    }
    serde_json::from_str::<Typed>(delta.get()).unwrap_or_default().kind.ends_with("_delta")
}
