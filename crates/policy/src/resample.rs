//! The model is asked again: what it is told of the answer that was refused, and how its next one takes that one's place.
//!
//! The whole answer is asked for again, for a provider takes a turn with several tool calls only with a result for each. Words and thoughts
//! that the client has got stay; tool calls, which it has not, are those of the new answer, and go through all policies once more. Who asks
//! the model is the engine.

use std::time::Duration;

use lockgate_core::content::Block;
use lockgate_core::{BlockStart, Delta, Event, Gather, Part, Role, Turn, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decision::{Hook, Said};
use crate::held::Item;
use crate::lock::{Lock, Out};
use crate::run::{Run, Ticket};
use crate::trial::{Outcome, Thing, Trial};
use crate::unheard::result;
use crate::verdict::{Finding, Query, Question, Reply};

/// How models are asked again, where a policy says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resample {
    /// How often in one answer, at most. Each time is a call of its own, paid for by the caller.
    #[schemars(range(max = 5))]
    pub times: u32,
    /// How long an answer is waited for, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub wait_s: u32,
}

impl Default for Resample {
    fn default() -> Self {
        Self { times: 1, wait_s: 120 }
    }
}

/// What the model is told of a tool call that was fine beside one that was not.
const BESIDE: &str = "This tool call was not run, because another one of the same answer was refused. Call it again if it is still needed.";

/// The model's next answer, while it is waited for, and what of it has come through.
#[derive(Default)]
pub(crate) struct Again {
    /// What the client is to be told of tokens: the prompt of the first answer, which is what its conversation takes, and what was
    /// written in all before the answer that is coming in.
    before: Option<Usage>,
    /// What the model has said, if it may be asked again.
    story: Option<Gather>,
    /// What it said before, and what it was told of that.
    turns: Vec<Turn>,
    /// The tokens of the answer that is coming in.
    usage: Usage,
    waiting: Option<Ticket>,
}

impl Again {
    /// Keeps what the model says where it may be asked again.
    pub(crate) fn of(run: &Run) -> Self {
        Self { story: run.may_ask_again().then(Gather::whole), ..Self::default() }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    pub(crate) fn note(&mut self, event: &Event) {
        if let Some(story) = &mut self.story {
            story.note(event);
        }
        if let Event::Usage(usage) = event {
            self.usage.merge(usage);
        }
    }

    /// The tokens of all answers so far, as the client is told them.
    fn told_usage(&self) -> Usage {
        let Some(before) = &self.before else { return self.usage.clone() };
        let sum = |before: Option<u64>, now: Option<u64>| match (before, now) {
            (None, None) => None,
            (before, now) => Some(before.unwrap_or_default() + now.unwrap_or_default()),
        };
        Usage {
            output: sum(before.output, self.usage.output),
            output_reasoning: sum(before.output_reasoning, self.usage.output_reasoning),
            ..before.clone()
        }
    }
}

impl Run {
    /// Whether the model may be asked (once more).
    pub(crate) fn may_ask_again(&self) -> bool {
        self.resampled < self.manner.resample.times && self.can_resample
    }

    fn ask_again(&mut self, ticket: Ticket, turns: Vec<Turn>) {
        self.resampled += 1;
        let deadline = Duration::from_secs(self.manner.resample.wait_s.into());
        self.asked.push((ticket, Question { deadline, query: Query::Again(turns) }));
    }
}

impl Lock {
    /// Asks the model again if a block that is held is to be another; whether its answer is waited for now.
    pub(crate) fn ask_again(&mut self, run: &mut Run) -> bool {
        let Some((ticket, _)) = self.trials().find_map(wish) else { return false };
        let ticket = Ticket { number: usize::MAX, ..ticket };
        let story = self.again.story.take();
        let said = story.filter(|story| run.may_ask_again() && !story.is_foreign()).map(|mut it| it.take());
        let Some(said) = said else {
            self.give_up(run, "the model could not be asked again");
            return false;
        };
        let told = told(&said, self.trials());
        self.again.turns.extend([said, told]);
        run.ask_again(ticket, self.again.turns.clone());
        self.again.waiting = Some(ticket);
        true
    }

    /// Takes the model's next answer, if that is what a reply is; gives back any other.
    pub(crate) fn take_again(
        &mut self,
        run: &mut Run,
        (ticket, reply): (Ticket, Reply),
        out: &mut Vec<Out>,
    ) -> Option<Reply> {
        if self.again.waiting != Some(ticket) {
            return Some(reply);
        }
        self.again.waiting = None;
        if self.is_finished() {
            return None;
        }
        match reply {
            Reply::Answer { call, events } => {
                let reason = format!("the model was asked again, in the call {call}");
                run.note(ticket.member, Hook::End, (Said::Annotate, true), Finding::because(reason), None);
                self.altered = true;
                self.drop_refused();
                self.again.story = run.may_ask_again().then(Gather::whole);
                self.again.before = Some(self.again.told_usage());
                self.again.usage = Usage::default();
                self.take_events(run, events, out);
            }
            Reply::None(failure) => self.give_up(run, &failure.message),
            Reply::Model { .. } | Reply::Person { .. } | Reply::Text(_) => {
                self.give_up(run, "the answer was none of a model");
            }
        }
        None
    }

    /// Nobody answers again: the refusals stand.
    fn give_up(&mut self, run: &mut Run, why: &str) {
        let mut members = Vec::new();
        for trial in self.held.iter_mut().filter_map(Item::trial_mut) {
            if let Some(Outcome::Again { member, refusal, .. }) = &trial.outcome {
                members.push(*member);
                trial.outcome = Some(Outcome::Say(refusal.clone()));
            }
        }
        for member in members {
            let finding = Finding::because(format!("it stays refused: {why}"));
            run.note(member, Hook::End, (Said::Refuse, true), finding, None);
        }
    }

    /// What is held of the answer that was refused goes, but for the words before the first thing that is not wanted any more.
    fn drop_refused(&mut self) {
        let goes = |item: &Item| match item {
            Item::Event { .. } => false,
            Item::Block { trial: Some(trial), .. } => {
                !trial.is_text() || matches!(trial.outcome, Some(Outcome::Again { .. }))
            }
            Item::Block { trial: None, .. } => true,
        };
        let keep = self.held.iter().position(goes).unwrap_or(self.held.len());
        self.held.truncate(keep);
        self.held_bytes = 0;
    }

    /// Puts the new answer behind what stays. Its thoughts are left out: an answer thinks before it speaks, and this one has spoken.
    fn take_events(&mut self, run: &mut Run, events: Vec<Event>, out: &mut Vec<Out>) {
        let (mut thinks, mut first) = (false, true);
        for event in events {
            self.again.note(&event);
            match event {
                Event::BlockStarted { block: BlockStart::Reasoning { .. }, .. } => {
                    thinks = true;
                }
                Event::BlockEnded { .. } if thinks => thinks = false,
                Event::BlockDelta { .. } if thinks => {}
                Event::Started(started) => self.unheard.instead = started.id,
                Event::Failed(_) | Event::Opaque | Event::Ping => {}
                Event::Usage(_) => {
                    let told = self.again.told_usage();
                    self.take(run, Event::Usage(told), out);
                }
                Event::BlockDelta { index, delta: Delta::Text(words) } if first => {
                    first = false;
                    let words = if self.spoke { format!("\n\n{words}") } else { words };
                    self.take(run, Event::BlockDelta { index, delta: Delta::Text(words) }, out);
                }
                event @ (Event::BlockDelta { .. }
                | Event::BlockEnded { .. }
                | Event::BlockStarted { .. }
                | Event::Ended(_)) => self.take(run, event, out),
            }
        }
    }
}

/// Whose wish it is that the model answers again, and what it is to be told.
fn wish(trial: &Trial) -> Option<(Ticket, String)> {
    match &trial.outcome {
        Some(Outcome::Again { feedback, member, .. }) => {
            let ticket = Ticket { block: Some(trial.number), member: *member, number: 0 };
            Some((ticket, feedback.clone()))
        }
        Some(Outcome::Gone | Outcome::Pass | Outcome::Say(_) | Outcome::Stop(_)) | None => None,
    }
}

/// What the model is told of what it said: a result for each tool call, and words to what it said in words.
fn told<'a>(said: &Turn, trials: impl Iterator<Item = &'a Trial>) -> Turn {
    let judged: Vec<&Trial> = trials.collect();
    let feedback_of = |id: &str| {
        let trial = judged.iter().find(|trial| match &trial.thing {
            Thing::Call(call) => call.id == id,
            Thing::Text(_) => false,
        });
        trial.and_then(|trial| wish(trial)).map_or_else(|| BESIDE.to_owned(), |(_, feedback)| feedback)
    };
    let mut parts: Vec<Part> = Vec::new();
    for part in &said.parts {
        if let Block::ToolCall(call) = &part.block {
            parts.push(result(call, feedback_of(&call.id)));
        }
    }
    // A refused text stands in no result.
    let texts = judged.iter().filter(|trial| trial.is_text()).filter_map(|trial| wish(trial));
    parts.extend(texts.map(|(_, feedback)| Part::text(feedback)));
    Turn { name: None, parts, role: Role::User }
}
