//! What a call came to: handed over once, when its answer is over, whichever way it ended.
//!
//! The call's path only fills it in. Who listens is in `follow`.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response};
use lockgate_core::{Dialect, Failure, StopReason, Usage};
use lockgate_ledger::Terms;
use lockgate_providers::Kind;
use lockgate_recorder::{Closed, Operation, Tape};
use lockgate_wire::Loss;
use tokio::time::Instant;

use crate::ask::{Asked, Whom};
use crate::caller::Grant;
use crate::continuity::{Continuity, Issuer};
use crate::follow::{Follower, Observer};
use crate::gate::{Shared, with};
use crate::headers;
use crate::late::{Late, Open};
use crate::meter::Permit;
use crate::pipe::Pipe;
use crate::relay::AnswerBody;
use crate::tap;

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client went away before the end.
    Aborted,
    /// The answer was complete.
    Complete,
    /// It failed, before or after the first byte.
    Failed(Failure),
}

/// A finished call.
#[derive(Debug, Clone)]
pub struct CallReport {
    /// The key's name, if the caller showed one.
    pub caller: Option<String>,
    /// The client's dialect.
    pub dialect: Dialect,
    /// What policies said.
    pub decisions: Vec<lockgate_policy::Decision>,
    /// From the request's last byte to the answer's.
    pub duration: Duration,
    /// What the caller's key allows, with its meter.
    pub grant: Option<Arc<Grant>>,
    /// The call's id.
    pub id: String,
    /// The kind of the provider; `None` if it never got as far as one.
    pub kind: Option<Kind>,
    /// The model that answered, as it says itself.
    pub model: Option<String>,
    /// What was asked for.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
    /// The provider's id; `None` if it never got as far as one.
    pub provider: Option<String>,
    /// The provider's own id of the exchange, where it tells one.
    pub request_id: Option<String>,
    /// The model as the provider was asked; `None` if it never got as far as that.
    pub requested: Option<String>,
    /// The status that the client got.
    pub status: u16,
    /// Why the model stopped.
    pub stop: Option<StopReason>,
    /// Whether the client got the answer piece by piece.
    pub stream: bool,
    /// From the request's last byte to the first of the answer that the client got.
    pub ttft: Option<Duration>,
    /// What the provider says of its cost beside the usage.
    pub terms: Terms,
    /// What it used, as the provider told.
    pub usage: Option<Usage>,
    /// The policies that were at work on it.
    pub worked: Vec<lockgate_policy::Worked>,
}

impl CallReport {
    /// A call of which nothing more is known yet.
    pub(crate) fn new(id: &str, dialect: Dialect, operation: Operation) -> Self {
        Self {
            caller: None,
            decisions: Vec::new(),
            dialect,
            duration: Duration::ZERO,
            grant: None,
            id: id.to_owned(),
            kind: None,
            model: None,
            operation,
            outcome: Outcome::Aborted,
            provider: None,
            request_id: None,
            requested: None,
            status: 200,
            stop: None,
            stream: false,
            terms: Terms::default(),
            ttft: None,
            usage: None,
            worked: Vec::new(),
        }
    }
}

/// A report in the making.
pub(crate) struct Report {
    /// What policies have asked and nobody has answered.
    pub(crate) asked: Asked,
    pub(crate) continuity: Arc<Continuity>,
    /// Who follows it.
    pub(crate) follower: Option<Arc<dyn Follower>>,
    pub(crate) issuer: Issuer,
    pub(crate) late: Arc<Late>,
    /// What the conversion of the request lost.
    pub(crate) loss: Loss,
    pub(crate) observer: Arc<dyn Observer>,
    /// What is open when the call is over.
    pub(crate) open: Option<Open>,
    /// The policies that look at it.
    pub(crate) policies: Option<Shared>,
    /// Counts the call as running until it is over.
    pub(crate) permit: Option<Permit>,
    pub(crate) call: Option<CallReport>,
    /// What the tape is to say at the end; there once the call is over.
    pub(crate) ending: Option<Closed>,
    pub(crate) started: Instant,
    /// The status that the client got.
    pub(crate) status: u16,
    pub(crate) tape: Tape,
    pub(crate) whom: Arc<Whom>,
}

impl Report {
    /// The client gets the first bytes of the answer.
    pub(crate) fn began(&mut self) {
        if let Some(report) = &mut self.call {
            report.ttft = Some(self.started.elapsed());
            if let Some(follower) = &self.follower {
                follower.first_byte();
            }
        }
    }

    /// Takes over what an answer's way has seen, and keeps its seals and items for the next turn.
    pub(crate) fn learn(&mut self, pipe: &mut Pipe) {
        let now = Instant::now().into_std();
        if let Some(turn) = pipe.sealed_turn() {
            self.continuity.remember(&self.issuer, &turn, now);
        }
        let caller = self.call.as_ref().and_then(|call| call.caller.as_deref());
        if let Some((id, unheard)) = pipe.unheard() {
            self.continuity.remember_unheard(caller, &id, unheard, now);
        }
        let items = pipe.items();
        if !items.is_empty() {
            self.continuity.remember_items(caller, items, now);
        }
        if let Some(report) = &mut self.call {
            let seen = pipe.seen();
            report.model.clone_from(&seen.model);
            report.stop.clone_from(&seen.stop);
            report.usage.clone_from(&seen.usage);
            report.terms = seen.terms;
            if let Some(failure) = &seen.failure {
                report.outcome = Outcome::Failed(failure.clone());
            }
        }
    }

    /// Takes over by which id the provider knows the exchange.
    pub(crate) fn told(&mut self, upstream: &HeaderMap) {
        if let (Some(report), Some(id)) = (&mut self.call, headers::request_id(upstream)) {
            report.request_id = id.to_str().ok().map(str::to_owned);
        }
    }

    /// The call is over; only the first word counts.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if let Some(mut report) = self.call.take() {
            report.duration = self.started.elapsed();
            if let Some(run) = self.policies.take() {
                (report.decisions, report.worked) = with(&run, |run| (run.take_decisions(), run.worked()));
                if !self.tape.is_blank() {
                    self.open = Open::of(run, std::mem::take(&mut self.asked), &self.whom, &report.id);
                }
            }
            report.status = self.status;
            if !matches!(report.outcome, Outcome::Failed(_)) {
                report.outcome = outcome;
            }
            self.ending = (!self.tape.is_blank()).then(|| tap::ending(&report));
            if let Some(follower) = self.follower.take() {
                follower.finished(&report);
            }
            self.observer.finished(report);
            // Only now: what was used counts before the next call may begin.
            self.permit = None;
        }
    }

    /// Notes an answer that is known whole, and its end.
    pub(crate) fn answered(&mut self, response: Response<AnswerBody>) -> Response<AnswerBody> {
        if let Some(ending) = self.ending.take() {
            let ending = tap::whole(&self.tape, ending, &response);
            self.late.close(&self.tape, ending, self.open.take());
        }
        response
    }

    /// Notes the end of a stream. What the client got of it has been noted.
    pub(crate) fn close(&mut self, losses: &Loss) {
        if let Some(ending) = self.ending.take() {
            let losses = losses.names().to_vec();
            let ending = Closed { losses, status: Some(self.status), stream: true, ..ending };
            self.late.close(&self.tape, ending, self.open.take());
        }
    }
}
