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
use crate::watch::Watch;

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
    /// Whether it is known how the call ended.
    pub(crate) settled: bool,
    pub(crate) started: Instant,
    /// The status that the client got.
    pub(crate) status: u16,
    pub(crate) tape: Tape,
    /// Policies that only look, and have not seen all of the answer.
    pub(crate) watch: Option<Box<Watch>>,
    pub(crate) whom: Arc<Whom>,
}

/// A call that is over, but for what policies say that only look.
pub(crate) struct Behind {
    asked: Asked,
    follower: Option<Arc<dyn Follower>>,
    observer: Arc<dyn Observer>,
    policies: Option<Shared>,
    report: CallReport,
    watch: Option<Box<Watch>>,
    whom: Arc<Whom>,
}

impl Behind {
    /// Lets them look, and tells of the call. What is recorded of it, and what is open then, if that `is_noted`.
    pub(crate) fn told(mut self, is_noted: bool) -> (Closed, Option<Open>) {
        let mut open = None;
        if let Some(mut watch) = self.watch {
            watch.finish();
        }
        if let Some(run) = self.policies {
            (self.report.decisions, self.report.worked) =
                with(&run, |run| (run.take_decisions(), run.worked()));
            if is_noted {
                open = Open::of(run, self.asked, &self.whom, &self.report.id);
            }
        }
        let ending = if is_noted { tap::ending(&self.report) } else { Closed::default() };
        if let Some(follower) = self.follower {
            follower.finished(&self.report);
        }
        self.observer.finished(self.report);
        (ending, open)
    }
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
        self.watch = pipe.take_watch().or(self.watch.take());
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

    /// Whether policies that only look have not seen all of the answer.
    pub(crate) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// It is known how the call ended, and what it used; only the first word counts. Policies may still look at it.
    pub(crate) fn settle(&mut self, outcome: Outcome) {
        let Some(report) = self.call.as_mut().filter(|_| !self.settled) else { return };
        self.settled = true;
        report.duration = self.started.elapsed();
        report.status = self.status;
        if !matches!(report.outcome, Outcome::Failed(_)) {
            report.outcome = outcome;
        }
        self.observer.used(report);
        // Only now: what was used counts before the next call may begin.
        self.permit = None;
        if self.watch.is_some() {
            // What the client gets is in the log before policies look at it.
            self.tape.append();
        }
    }

    /// The call is over; only the first word counts.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        self.settle(outcome);
        let Some(behind) = self.behind() else { return };
        let is_noted = !self.tape.is_blank();
        let (ending, open) = behind.told(is_noted);
        self.open = open;
        self.ending = is_noted.then_some(ending);
    }

    fn behind(&mut self) -> Option<Behind> {
        let report = self.call.take()?;
        Some(Behind {
            asked: std::mem::take(&mut self.asked),
            follower: self.follower.take(),
            observer: self.observer.clone(),
            policies: self.policies.take(),
            report,
            watch: self.watch.take(),
            whom: self.whom.clone(),
        })
    }

    /// The answer is complete and known whole: notes it, and its end. Policies that only look do so behind it.
    pub(crate) fn complete(&mut self, response: Response<AnswerBody>) -> Response<AnswerBody> {
        if !self.is_watched() {
            self.end(Outcome::Complete);
            return self.answered(response);
        }
        self.settle(Outcome::Complete);
        if let Some(behind) = self.behind() {
            let ending = tap::whole(&self.tape, tap::ending(&behind.report), &response);
            self.late.look(&self.tape, ending, behind);
        }
        response
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
