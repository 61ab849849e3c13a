//! How others hear of a call while it goes on: an observer is told of its start and may follow it to its end.
//!
//! Whoever follows sees facts, never a body, and has no say in the call but over one header: the trace context that the provider
//! gets. A call without a follower costs one virtual call that returns `None`.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use lockgate_core::{Dialect, Failure};
use lockgate_recorder::Operation;
use uuid::Uuid;

use crate::caller::Caller;
use crate::report::CallReport;

/// A call that begins.
#[derive(Debug, Clone, Copy)]
pub struct CallStart<'a> {
    /// When its request was complete.
    pub came: std::time::Instant,
    /// Who calls.
    pub caller: &'a Caller,
    /// The client's dialect.
    pub dialect: Dialect,
    /// The client's headers.
    pub headers: &'a HeaderMap,
    /// The call's id.
    pub id: Uuid,
    /// What is asked for.
    pub operation: Operation,
    /// Whether the client gets the answer piece by piece.
    pub stream: bool,
    /// Where it goes, as far as that is known yet.
    pub to: Option<Destination<'a>>,
}

/// Where a call goes.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The provider's kind, by name.
    pub kind: &'static str,
    /// The model's id at the provider.
    pub model: &'a str,
    /// The provider's id.
    pub provider: &'a str,
}

/// What becomes of the trace context that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TraceContext {
    /// It is left out.
    Drop,
    /// It travels as every other header of the client.
    Keep,
    /// The provider gets this one as `traceparent`; `tracestate` travels as it does.
    Set(HeaderValue),
}

impl TraceContext {
    /// Does it to the headers that go upstream.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        match self {
            Self::Drop => {
                headers.remove("traceparent");
                headers.remove("tracestate");
            }
            Self::Keep => {}
            Self::Set(value) => {
                headers.insert("traceparent", value);
            }
        }
    }
}

/// Follows one call. Each method must return at once. A call that is given up before there is an answer (its client went away)
/// ends with the last `Arc` of this and without `finished`.
pub trait Follower: Send + Sync {
    /// An attempt failed. `again`: how long the next one is waited with, if there is one.
    fn failed(&self, _failure: &Failure, _again: Option<Duration>) {}

    /// The call is over.
    fn finished(&self, _report: &CallReport) {}

    /// The client gets the first bytes of the answer.
    fn first_byte(&self) {}

    /// Which trace context the provider gets.
    fn trace_context(&self) -> TraceContext {
        TraceContext::Keep
    }

    /// An attempt begins; they count from 1.
    fn trying(&self, _attempt: u32) {}
}

/// Listens to calls. Must return at once, and touches none.
pub trait Observer: Send + Sync {
    /// A call is over. Not told of a call that was given up before there was an answer.
    fn finished(&self, _report: CallReport) {}

    /// It is known what a call has used; said before its key may begin another, and before [`Self::finished`]. What policies say is
    /// not in the report yet.
    fn used(&self, _report: &CallReport) {}

    /// A call begins; whoever wants to hear of the rest of it gives a follower.
    fn started(&self, _call: &CallStart<'_>) -> Option<Arc<dyn Follower>> {
        None
    }
}
