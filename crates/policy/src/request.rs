//! What the policies of a call say of its request, each in order, and what their modes make of that.
//!
//! Changes of its texts are in `texts`, what becomes of the answer in `run`.

use crate::chain::{Mode, OnFailure};
use crate::decision::{Hook, Said};
use crate::group::Voted;
use crate::message::Refused;
use crate::run::{Broken, Run, Ticket};
use crate::verdict::{CallVerdict, Finding, Reply};

/// What is to become of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// The gateway answers with these words.
    Answer(String),
    /// It depends on answers to what was asked ([`Run::take_questions`]).
    Asking,
    /// It goes on.
    Go,
    /// It goes nowhere, and the client is told this.
    Refuse(String),
}

impl Run {
    /// Asks the policies about the request.
    pub fn on_call(&mut self) -> CallOutcome {
        while self.call_at < self.members.len() {
            let outcome = match self.vote_on_call() {
                Some(Voted(outcome)) => outcome,
                None => {
                    let at = self.call_at;
                    self.call_at += 1;
                    let verdict = self.guarded(at, |run, view| run.on_call(view));
                    self.watch_call(at, &verdict);
                    let outcome = self.settle_call(at, verdict);
                    self.note_also_of_call(at);
                    outcome
                }
            };
            if let Some(outcome) = outcome {
                return outcome;
            }
        }
        CallOutcome::Go
    }

    /// What came of a question about the request.
    pub fn on_call_reply(&mut self, ticket: Ticket, reply: Reply) -> CallOutcome {
        let reply = self.without_costs(ticket, reply);
        let person = self.take_person(ticket);
        let of_person = person.is_some();
        let verdict = match (person, reply) {
            (Some(finding), reply) => Some(Ok(self.decided_call(finding, reply))),
            (None, Reply::None(failure)) => Some(Err(Broken(failure.message))),
            (None, reply) => self
                .guarded(ticket.member, |run, view| run.on_call_reply(ticket.number, reply, view))
                .transpose(),
        };
        if self.is_aside(ticket) {
            if let Some(verdict) = verdict {
                self.watch_call(ticket.member, &verdict);
                self.settle_call(ticket.member, verdict);
            }
            return CallOutcome::Go;
        }
        let Some(verdict) = verdict else { return CallOutcome::Asking };
        let outcome = match verdict {
            verdict if of_person => self.settle_call(ticket.member, verdict),
            verdict => match self.take_vote_on_call(ticket.member, verdict) {
                Ok(outcome) => outcome,
                Err(verdict) => self.settle_call(ticket.member, verdict),
            },
        };
        outcome.unwrap_or_else(|| self.on_call())
    }

    pub(crate) fn settle_call(
        &mut self,
        at: usize,
        verdict: Result<CallVerdict, Broken>,
    ) -> Option<CallOutcome> {
        let mode = self.members[at].entry.mode;
        let name = self.members[at].entry.name.clone();
        let blocks = mode == Mode::Block;
        let refuse = |run: &mut Self, finding: &Finding| {
            if blocks {
                return Some(CallOutcome::Refuse(run.refused((at, None), Refused::Request, finding)));
            }
            if mode > Mode::Observe {
                let warning = run.about(at, None, finding).warning();
                run.warnings.push(warning);
            }
            None
        };
        match verdict {
            Ok(CallVerdict::Allow) => None,
            Ok(CallVerdict::Annotate(finding)) => {
                self.note(at, Hook::Call, (Said::Annotate, true), finding, None);
                None
            }
            Ok(CallVerdict::Answer { finding, text }) => {
                self.note(at, Hook::Call, (Said::Answer, blocks), finding, None);
                blocks.then_some(CallOutcome::Answer(text))
            }
            Ok(CallVerdict::Ask(questions)) => {
                self.ask(at, None, questions, (Hook::Call, None));
                (mode > Mode::Observe).then_some(CallOutcome::Asking)
            }
            Ok(CallVerdict::AskPerson(finding)) => {
                self.note(at, Hook::Call, (Said::Ask, blocks), finding.clone(), None);
                if blocks {
                    self.ask_person(Ticket { block: None, member: at, number: 0 }, None, finding);
                    return Some(CallOutcome::Asking);
                }
                refuse(self, &finding)
            }
            Ok(CallVerdict::KeepLocal(finding)) => {
                if blocks {
                    let reason = (self.manner.mask)(finding.reason.trim_end_matches('.'));
                    self.local.get_or_insert(format!("the policy `{name}` keeps it local: {reason}"));
                } else {
                    refuse(self, &finding);
                }
                self.note(at, Hook::Call, (Said::KeepLocal, blocks), finding, None);
                None
            }
            Ok(CallVerdict::Refuse(finding)) => {
                let outcome = refuse(self, &finding);
                self.note(at, Hook::Call, (Said::Refuse, blocks), finding, None);
                outcome
            }
            Ok(CallVerdict::Rewrite { changes, finding }) => {
                let applied = mode >= Mode::Rewrite;
                if applied {
                    self.rewrites.push((at, changes));
                } else if mode > Mode::Observe {
                    let warning = self.about(at, None, &finding).warning();
                    self.warnings.push(warning);
                }
                self.note(at, Hook::Call, (Said::Rewrite, applied), finding, None);
                None
            }
            Err(Broken(why)) | Ok(CallVerdict::Unsure(why)) => {
                let finding = Finding::because(format!("the policy could not judge the request: {why}"));
                let on_failure = self.members[at].entry.on_failure;
                if on_failure == OnFailure::Ask && blocks {
                    self.note(at, Hook::Call, (Said::Failed, true), finding.clone(), None);
                    self.ask_person(Ticket { block: None, member: at, number: 0 }, None, finding);
                    return Some(CallOutcome::Asking);
                }
                let closed = on_failure != OnFailure::Pass;
                let outcome = if closed { refuse(self, &finding) } else { None };
                self.note(at, Hook::Call, (Said::Failed, outcome.is_some()), finding, None);
                outcome
            }
        }
    }
}

/// The word for a verdict, and why; `None` = there is nothing to tell.
pub(crate) fn said(verdict: CallVerdict) -> Option<(Said, Finding)> {
    Some(match verdict {
        CallVerdict::Allow | CallVerdict::Ask(_) => return None,
        CallVerdict::Annotate(finding) => (Said::Annotate, finding),
        CallVerdict::Answer { finding, .. } => (Said::Answer, finding),
        CallVerdict::AskPerson(finding) => (Said::Ask, finding),
        CallVerdict::KeepLocal(finding) => (Said::KeepLocal, finding),
        CallVerdict::Refuse(finding) => (Said::Refuse, finding),
        CallVerdict::Rewrite { finding, .. } => (Said::Rewrite, finding),
        CallVerdict::Unsure(why) => (Said::Failed, Finding::because(why)),
    })
}
