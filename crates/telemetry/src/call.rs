//! What is told of a call: who, where, how long, how much, how it ended. No content, no words of an error.

use std::sync::Arc;
use std::time::Duration;

use lockgate_core::{StopReason, Usage};
use lockgate_engine::Operation;
use lockgate_ledger::Terms;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::rfc3339;

/// A call, as far as it has come. This is what events and webhooks carry.
#[derive(Clone, Debug, Default, JsonSchema, PartialEq, Serialize)]
pub struct Call {
    /// When it came in, RFC 3339.
    pub at: String,
    /// The same in microseconds since 1970.
    pub at_us: i64,
    /// How many attempts were made.
    pub attempts: u32,
    /// The model that answered, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
    /// What it cost, in nano-USD; missing where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_nano: Option<i64>,
    /// The client's dialect.
    pub dialect: &'static str,
    /// From the request's last byte to the answer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The kind of error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'static str>,
    /// Its id.
    pub id: String,
    /// The name of the caller's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The model as the provider was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What was asked for.
    pub operation: &'static str,
    /// How it ended; missing while it goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The project of the caller's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The provider's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The provider's own id of the exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The session, where headers name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The status that the client got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why the model stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// Whether the client gets the answer piece by piece.
    pub stream: bool,
    /// From the request's last byte to the first of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<u64>,
    /// Tokens, as the provider told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Tokens>,
    /// The owner of the caller's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// Tokens in buckets that do not overlap; missing = the provider did not say.
#[derive(Clone, Debug, Default, JsonSchema, PartialEq, Serialize)]
pub struct Tokens {
    /// Read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<u64>,
    /// Written to the cache, for an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<u64>,
    /// Written to the cache, for five minutes or the only lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<u64>,
    /// The rest of the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<u64>,
    /// All of the answer, thoughts included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<u64>,
    /// The part of it that was thoughts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<u64>,
}

impl Tokens {
    pub(crate) fn of(usage: &Usage) -> Self {
        Self {
            cache_read: usage.cache_read,
            cache_write_1h: usage.cache_write_1h,
            cache_write_5m: usage.cache_write_5m,
            input: usage.input_uncached,
            output: usage.output,
            reasoning: usage.output_reasoning,
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The client went away before the end.
    Aborted,
    /// The answer was complete.
    Complete,
    /// It failed.
    Failed,
}

impl Outcome {
    /// The name in labels, filters and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aborted => "aborted",
            Self::Complete => "complete",
            Self::Failed => "failed",
        }
    }
}

/// What is known of a call from its start.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) at_us: i64,
    pub(crate) dialect: &'static str,
    pub(crate) id: String,
    pub(crate) key: Option<String>,
    /// The provider's kind.
    pub(crate) kind: Option<&'static str>,
    pub(crate) model: Option<String>,
    pub(crate) operation: Operation,
    pub(crate) project: Option<String>,
    pub(crate) provider: Option<String>,
    pub(crate) session: Option<String>,
    pub(crate) stream: bool,
    pub(crate) user: Option<String>,
}

impl Begun {
    /// The call as it is at its start.
    pub(crate) fn call(&self) -> Call {
        Call {
            at: rfc3339(self.at_us),
            at_us: self.at_us,
            attempts: 0,
            answered_by: None,
            cost_nano: None,
            dialect: self.dialect,
            duration_ms: None,
            error: None,
            id: self.id.clone(),
            key: self.key.clone(),
            model: self.model.clone(),
            operation: operation(self.operation),
            outcome: None,
            project: self.project.clone(),
            provider: self.provider.clone(),
            request_id: None,
            session: self.session.clone(),
            status: None,
            stop: None,
            stream: self.stream,
            ttft_ms: None,
            usage: None,
            user: self.user.clone(),
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) answered_by: Option<String>,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) duration: Duration,
    pub(crate) error: Option<&'static str>,
    pub(crate) model: Option<String>,
    pub(crate) outcome: Outcome,
    pub(crate) policies: Vec<AtWork>,
    pub(crate) provider: Option<String>,
    pub(crate) request_id: Option<String>,
    /// `None` for a client that was gone before there was one.
    pub(crate) status: Option<u16>,
    pub(crate) stop: Option<StopReason>,
    pub(crate) terms: Terms,
    pub(crate) ttft: Option<Duration>,
    pub(crate) usage: Option<Usage>,
}

impl Ended {
    /// The whole call.
    pub(crate) fn call(&self, begun: &Begun, cost_nano: Option<i64>) -> Call {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Call {
            attempts: self.attempts.len() as u32,
            answered_by: self.answered_by.clone(),
            cost_nano,
            duration_ms: Some(millis(self.duration)),
            error: self.error,
            model: self.model.clone(),
            outcome: Some(self.outcome),
            provider: self.provider.clone(),
            request_id: self.request_id.clone(),
            status: self.status,
            stop: self.stop.as_ref().map(|stop| stop_name(stop).to_owned()),
            ttft_ms: self.ttft.map(millis),
            usage: self.usage.as_ref().map(Tokens::of),
            ..begun.call()
        }
    }
}

/// One try at a provider.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    /// When it began, from the start of the call.
    pub(crate) after: Duration,
    /// When it failed, from the start of the call, and how; the last one of a call may have no failure.
    pub(crate) failed: Option<(Duration, &'static str, Option<u16>)>,
    /// The id of its span.
    pub(crate) span: [u8; 8],
}

/// A policy at work on a call.
#[derive(Clone, Debug)]
pub(crate) struct AtWork {
    /// When its first look began and its last one ended, from the start of the call.
    pub(crate) after: Duration,
    pub(crate) until: Duration,
    /// What its looks took together.
    pub(crate) busy: Duration,
    pub(crate) kind: &'static str,
    pub(crate) looks: u32,
    pub(crate) mode: &'static str,
    pub(crate) policy: String,
    /// The last thing that it said, and whether that was done.
    pub(crate) said: Option<(&'static str, bool)>,
}

/// What a follower and the worker share.
pub(crate) type Shared = Arc<Begun>;

pub(crate) const fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::CountTokens => "count_tokens",
        Operation::Embed => "embed",
        Operation::Generate => "generate",
        Operation::Other => "other",
    }
}

pub(crate) fn stop_name(stop: &StopReason) -> &str {
    match stop {
        StopReason::ContentFilter => "content_filter",
        StopReason::ContextWindow => "context_window",
        StopReason::EndTurn => "end_turn",
        StopReason::MaxTokens => "max_tokens",
        StopReason::Other(word) => word,
        StopReason::Pause => "pause",
        StopReason::Refusal => "refusal",
        StopReason::StopSequence => "stop_sequence",
        StopReason::ToolUse => "tool_use",
    }
}
