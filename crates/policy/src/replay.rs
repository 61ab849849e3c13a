//! A recorded call through a chain: what its policies would say today, and how that differs from what was done.
//!
//! Nobody is asked anything. A question to a model is answered by whoever has its answer; one without an answer, and every question to a
//! person, is left open, and what it is about counts as asked for. Knows no record and no dialect: the request and the answer come
//! in neutral form.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_core::content::ToolCall;
use lockgate_core::{BlockStart, Conversation, Delta, Event, Origin};
use serde::{Deserialize, Serialize};

use crate::chain::{Chain, Mode};
use crate::client_run;
use crate::decision::{Decision, Hook, Said};
use crate::lock::Lock;
use crate::policy::CallFacts;
use crate::request::CallOutcome;
use crate::run::{Run, Ticket};
use crate::verdict::{Judge, Query, Question, Reply};

/// Goes through the texts of a request.
pub type Texts<'a> = dyn FnMut(&mut dyn FnMut(Origin, &str) -> Option<String>) + 'a;

/// What a model said to a question, if anybody knows.
pub type Answers<'a> = dyn FnMut(&Judge) -> Option<String> + 'a;

/// A recorded call.
pub struct Recorded<'a> {
    /// The request, where the chain needs it and it could be read.
    pub conversation: Option<Arc<Conversation>>,
    /// The provider's answer, one block at a time.
    pub events: Vec<Event>,
    /// The call.
    pub facts: CallFacts,
    /// The texts of the request.
    pub texts: &'a mut Texts<'a>,
}

/// What a chain says of a recorded call.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// Every verdict, in order.
    pub decisions: Vec<Decision>,
    /// Questions that nobody has answered.
    pub open: Vec<Open>,
}

/// A question that nobody has answered.
#[derive(Debug, Clone)]
pub struct Open {
    /// What waits for it; `None` where the policy only observes.
    pub about: Option<Place>,
    /// Whose question it is.
    pub policy: String,
    /// Whom it is to, and what.
    pub query: Query,
}

/// What of a call a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The words of the answer.
    Answer,
    /// The request.
    Request,
    /// A tool call, by its id.
    ToolCall(String),
}

/// What becomes of a thing, the least first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It goes through as it is.
    #[default]
    Passed,
    /// It goes through, and words are added about it.
    Warned,
    /// It is another than came.
    Changed,
    /// It waits for what somebody says.
    Asked,
    /// It does not go through.
    Refused,
}

impl Effect {
    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Changed => "changed",
            Self::Asked => "asked",
            Self::Refused => "refused",
        }
    }

    /// What a verdict does.
    fn of(decision: &Decision) -> Self {
        if !decision.applied {
            // Beyond `observe` the client is told what a policy would have done.
            let told = decision.mode > Mode::Observe
                && !matches!(decision.said, Said::Allow | Said::Annotate | Said::Append);
            return if told { Self::Warned } else { Self::Passed };
        }
        let words = matches!(decision.hook, Hook::Text | Hook::End);
        match decision.said {
            Said::Allow | Said::Annotate => Self::Passed,
            Said::Append | Said::Warn => Self::Warned,
            Said::KeepLocal | Said::Resample | Said::Rewrite => Self::Changed,
            Said::Remove | Said::Replace if words => Self::Changed,
            Said::Ask => Self::Asked,
            Said::Answer | Said::Failed | Said::Refuse | Said::Remove | Said::Replace | Said::Stop => {
                Self::Refused
            }
        }
    }
}

/// What becomes of a thing, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What becomes of it.
    pub effect: Effect,
    /// The policy.
    pub policy: String,
    /// Why.
    pub reason: String,
    /// The rule.
    pub rule: Option<String>,
}

/// How what becomes of a thing differs from what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It was refused, and would not be.
    NewlyAllowed,
    /// Somebody would be asked.
    NewlyAsked,
    /// It would be another than came.
    NewlyChanged,
    /// It would be refused.
    NewlyRefused,
    /// Words would be added about it.
    NewlyWarned,
    /// Less would be done to it than was.
    Relaxed,
}

impl Change {
    /// Every change.
    pub const ALL: [Self; 6] = [
        Self::NewlyAllowed,
        Self::NewlyAsked,
        Self::NewlyChanged,
        Self::NewlyRefused,
        Self::NewlyWarned,
        Self::Relaxed,
    ];

    /// The word in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NewlyAllowed => "newly_allowed",
            Self::NewlyAsked => "newly_asked",
            Self::NewlyChanged => "newly_changed",
            Self::NewlyRefused => "newly_refused",
            Self::NewlyWarned => "newly_warned",
            Self::Relaxed => "relaxed",
        }
    }

    /// The difference, if there is one.
    pub fn between(then: Effect, now: Effect) -> Option<Self> {
        if then == now {
            return None;
        }
        Some(match (then, now) {
            (_, Effect::Refused) => Self::NewlyRefused,
            (Effect::Refused, _) => Self::NewlyAllowed,
            _ if now < then => Self::Relaxed,
            (_, Effect::Asked) => Self::NewlyAsked,
            (_, Effect::Changed) => Self::NewlyChanged,
            (_, Effect::Passed | Effect::Warned) => Self::NewlyWarned,
        })
    }
}

/// What became of each thing that verdicts are about: the one that weighs most, the first of equals.
pub fn standings<'d>(decisions: impl IntoIterator<Item = &'d Decision>) -> BTreeMap<Place, Standing> {
    let mut found = BTreeMap::new();
    for decision in decisions {
        let place = match (decision.hook, &decision.tool) {
            (Hook::ToolCall, Some(tool)) => Place::ToolCall(tool.id.clone()),
            (Hook::Call | Hook::RequestText, _) => Place::Request,
            (Hook::End | Hook::Text | Hook::ToolCall, _) => Place::Answer,
        };
        let standing = Standing {
            effect: Effect::of(decision),
            policy: decision.policy.clone(),
            reason: decision.finding.reason.clone(),
            rule: decision.finding.rule.clone(),
        };
        weigh(&mut found, place, standing);
    }
    found
}

fn weigh(found: &mut BTreeMap<Place, Standing>, place: Place, standing: Standing) {
    match found.get_mut(&place) {
        Some(known) if known.effect >= standing.effect => {}
        Some(known) => *known = standing,
        None => drop(found.insert(place, standing)),
    }
}

impl Replayed {
    /// What would become of each thing.
    pub fn standings(&self) -> BTreeMap<Place, Standing> {
        let mut found = standings(&self.decisions);
        for open in &self.open {
            let Some(place) = &open.about else { continue };
            let whom = match &open.query {
                // What the model would say now nobody knows; that it would be asked again stands in the decisions.
                // What calls cost then is no matter of the policies now.
                Query::Again(_) | Query::Costs(_) => continue,
                Query::Judge(judge) => {
                    format!("`{}` is to judge it, and its answer is not recorded", judge.model)
                }
                Query::Person(_) => "a person is to decide".to_owned(),
                Query::Service(service) => format!("the service at {} is to decide", service.url),
            };
            let standing =
                Standing { effect: Effect::Asked, policy: open.policy.clone(), reason: whom, rule: None };
            weigh(&mut found, place.clone(), standing);
        }
        found
    }
}

/// The tool calls of an answer that a client runs, with all their arguments.
pub fn tool_calls(events: &[Event]) -> Vec<ToolCall> {
    let mut calls: Vec<ToolCall> = Vec::new();
    let mut open: Option<u32> = None;
    for event in events {
        match event {
            Event::BlockStarted { index, block: BlockStart::ToolCall { id, kind, name, namespace } } => {
                open = Some(*index);
                calls.push(ToolCall {
                    arguments: String::new(),
                    id: id.clone(),
                    kind: *kind,
                    name: name.clone(),
                    namespace: namespace.clone(),
                    seal: None,
                });
            }
            Event::BlockStarted { block: BlockStart::Opaque(opaque), .. } if client_run::is(opaque) => {
                calls.push(client_run::call(opaque));
            }
            Event::BlockDelta { index, delta: Delta::Arguments(more) } if open == Some(*index) => {
                if let Some(call) = calls.last_mut() {
                    call.arguments.push_str(more);
                }
            }
            Event::BlockEnded { .. } => open = None,
            Event::BlockDelta { .. }
            | Event::BlockStarted { .. }
            | Event::Ended(_)
            | Event::Failed(_)
            | Event::Opaque
            | Event::Ping
            | Event::Started(_)
            | Event::Usage(_) => {}
        }
    }
    calls
}

/// Puts a recorded call before the policies of a chain.
pub fn replay(chain: &Chain, recorded: Recorded<'_>, answers: &mut Answers<'_>) -> Replayed {
    let Some(mut run) = chain.open(recorded.facts) else { return Replayed::default() };
    if let Some(conversation) = recorded.conversation {
        run.set_conversation(conversation);
    }
    let mut open = Vec::new();
    let mut goes_on = request(&mut run, answers, &mut open);
    if goes_on && run.needs().request_text {
        let mut refused = None;
        (recorded.texts)(&mut |origin, text| run.on_request_text(origin, text, &mut refused));
        goes_on = refused.is_none();
    }
    if goes_on && run.looks_at_answer() {
        let mut lock = Lock::new(&run);
        let mut out = Vec::new();
        for event in recorded.events {
            lock.push(&mut run, event, &mut out);
            ask(&mut run, &mut lock, answers, &mut open);
            out.clear();
        }
        lock.close(&mut run, &mut out);
        ask(&mut run, &mut lock, answers, &mut open);
    }
    Replayed { decisions: run.take_decisions(), open }
}

/// Asks about the request; whether it would go on. A question that is open holds nothing up: the policies behind it are asked too.
fn request(run: &mut Run, answers: &mut Answers<'_>, open: &mut Vec<Open>) -> bool {
    let mut outcome = run.on_call();
    loop {
        let asked = run.take_questions();
        if asked.is_empty() {
            if outcome != CallOutcome::Asking {
                return outcome == CallOutcome::Go;
            }
            outcome = run.on_call();
        }
        for (ticket, Question { query, .. }) in asked {
            let aside = run.is_aside(ticket);
            match known(&query, answers) {
                Some(text) => {
                    let said = run.on_call_reply(ticket, Reply::Text(text));
                    if !aside {
                        outcome = said;
                    }
                }
                None => open.push(Open {
                    about: (!aside).then_some(Place::Request),
                    policy: run.name(ticket.member).to_owned(),
                    query,
                }),
            }
        }
    }
}

/// Answers what was asked about blocks, as far as anybody knows.
fn ask(run: &mut Run, lock: &mut Lock, answers: &mut Answers<'_>, open: &mut Vec<Open>) {
    loop {
        let asked = run.take_questions();
        if asked.is_empty() {
            return;
        }
        for (ticket, Question { query, .. }) in asked {
            match known(&query, answers) {
                Some(text) => lock.reply(run, ticket, Reply::Text(text), &mut Vec::new()),
                None => {
                    let about = if run.is_aside(ticket) { None } else { held(lock, ticket) };
                    open.push(Open { about, policy: run.name(ticket.member).to_owned(), query });
                }
            }
        }
    }
}

fn known(query: &Query, answers: &mut Answers<'_>) -> Option<String> {
    match query {
        Query::Costs(_) => Some("0".to_owned()),
        Query::Judge(judge) => answers(judge),
        Query::Again(_) | Query::Person(_) | Query::Service(_) => None,
    }
}

/// The block that waits for a question.
fn held(lock: &Lock, ticket: Ticket) -> Option<Place> {
    let trial = lock.trials().find(|trial| Some(trial.number) == ticket.block)?;
    Some(trial.thing.tool().map_or(Place::Answer, |tool| Place::ToolCall(tool.id)))
}
