//! Calls that no provider is asked for: refused, or answered by a policy. The client gets its dialect, the record gets why.

use http::Response;
use lockgate_core::{Failure, StopReason};
use lockgate_policy::Run;
use lockgate_recorder::{Closed, Operation, Tape};
use lockgate_wire::Envelope;
use uuid::Uuid;

use crate::answer::{self, Facts};
use crate::ask::Asked;
use crate::engine::{Engine, context, mode_of};
use crate::gate::{Shared, own_answer, with};
use crate::late::Open;
use crate::relay::{AnswerBody, is_stream};
use crate::report::{CallReport, Outcome};
use crate::request::CallRequest;
use crate::tap;

impl Engine {
    /// The answer to a call that goes nowhere.
    pub(crate) fn unsent(
        &self,
        (request, id): (&CallRequest, Uuid),
        failure: &Failure,
        policies: Option<Shared>,
        tape: &Tape,
    ) -> Response<AnswerBody> {
        let report = CallReport {
            caller: request.caller.grant.as_ref().map(|grant| grant.name.clone()),
            decisions: policies.as_ref().map(|run| with(run, Run::take_decisions)).unwrap_or_default(),
            outcome: Outcome::Failed(failure.clone()),
            status: failure.status(),
            worked: policies.as_ref().map(|run| with(run, |run| run.worked())).unwrap_or_default(),
            ..CallReport::new(&id.to_string(), request.format.dialect, Operation::Generate)
        };
        let ending = tap::ending(&report);
        self.never_sent(request, id, report);
        let response = answer::error(&request.format, failure, id);
        self.close((tape, id), ending, &response, policies);
        response
    }

    /// The answer to a call that a policy answers.
    pub(crate) fn own_answer(
        &self,
        (request, id): (&CallRequest, Uuid),
        text: &str,
        policies: Shared,
        tape: &Tape,
        envelope: Result<Envelope, Failure>,
    ) -> Response<AnswerBody> {
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(failure) => return self.unsent((request, id), &failure, Some(policies), tape),
        };
        let mode = mode_of(request, &envelope);
        let model = request.model.clone().or_else(|| envelope.model.clone()).unwrap_or_default();
        let context = context(request, &envelope, (id, &model), true);
        let mut encoder = request.format.messages.encoder(mode, context);
        let mut body = Vec::new();
        for event in own_answer(text) {
            encoder.encode(&event, &mut body);
        }
        encoder.finish(&mut body);
        let report = CallReport {
            caller: request.caller.grant.as_ref().map(|grant| grant.name.clone()),
            decisions: with(&policies, Run::take_decisions),
            outcome: Outcome::Complete,
            stop: Some(StopReason::EndTurn),
            stream: is_stream(mode),
            worked: with(&policies, |run| run.worked()),
            ..CallReport::new(&id.to_string(), request.format.dialect, Operation::Generate)
        };
        let ending = Closed { stream: is_stream(mode), ..tap::ending(&report) };
        self.never_sent(request, id, report);
        let facts = Facts { model, ..crate::side::blank(request.format.dialect, id) };
        let body = AnswerBody::full(body);
        let response = answer::answered(&facts, 200, &http::HeaderMap::new(), mode, body);
        self.close((tape, id), ending, &response, Some(policies));
        response
    }

    /// Notes the end of a call; once more when what only observing policies asked is answered.
    fn close(
        &self,
        (tape, id): (&Tape, Uuid),
        ending: Closed,
        response: &Response<AnswerBody>,
        policies: Option<Shared>,
    ) {
        if !tape.is_blank() {
            let asked = Asked::default();
            let open = policies.and_then(|run| Open::of(run, asked, &self.whom, &id.to_string()));
            self.late.close(tape, tap::whole(tape, ending, response), open);
        }
    }

    /// Tells of a call that no provider was asked for.
    fn never_sent(&self, request: &CallRequest, id: Uuid, report: CallReport) {
        self.observer.used(&report);
        if let Some(follower) = self.follower(request, (id, Operation::Generate), None) {
            follower.finished(&report);
        }
        self.observer.finished(report);
    }
}
