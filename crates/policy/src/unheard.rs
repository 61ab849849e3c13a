//! What the model said and the client never heard of. Where a provider keeps the conversation itself, it waits for results of those tool calls
//! in the next request, and the client has none to send.

use lockgate_core::content::{Block, ToolCall, ToolResult};
use lockgate_core::{BlockStart, Event, Part, Role, Turn};

use crate::held::{Held, Item};
use crate::lock::Lock;
use crate::trial::{Outcome, Thing, Trial};

/// What stands between an answer as its provider keeps it and as the client got it.
#[derive(Debug, Clone, Default)]
pub struct Unheard {
    /// The provider's id of the answer that took this one's place.
    pub instead: Option<String>,
    /// Results of the tool calls that the client did not get.
    pub results: Vec<Part>,
    /// Whether the client's answer ended before the provider's.
    stopped: bool,
}

impl Unheard {
    /// Whether there is nothing between them.
    pub fn is_empty(&self) -> bool {
        self.instead.is_none() && self.results.is_empty()
    }

    /// An event behind the end of the client's answer.
    pub(crate) fn note(&mut self, event: Event) {
        if let Event::BlockStarted { block: BlockStart::ToolCall { id, kind, name, namespace }, .. } = event
            && self.stopped
        {
            let call = ToolCall { arguments: String::new(), id, kind, name, namespace, seal: None };
            self.results.push(result(&call, "This tool call was not run.".to_owned()));
        }
    }

    /// The results as a turn.
    pub fn turn(&self) -> Option<Turn> {
        let parts = self.results.clone();
        (!parts.is_empty()).then_some(Turn { name: None, parts, role: Role::User })
    }
}

/// The result of a call that is not run.
pub(crate) fn result(call: &ToolCall, words: String) -> Part {
    Part::new(Block::ToolResult(ToolResult {
        call_id: call.id.clone(),
        content: vec![Part::text(words)],
        is_error: true,
        kind: call.kind,
        name: Some(call.name.clone()),
    }))
}

impl Lock {
    /// What the client has not heard of, once the answer is over.
    pub fn unheard(&self) -> &Unheard {
        &self.unheard
    }

    /// Takes down the tool calls that do not go out. `ends`: the answer ends before any of them.
    pub(crate) fn note_unheard(&mut self, ends: bool) {
        let unheard = |item: &Item| match item {
            Item::Block { events, trial: Some(trial) } if !is_foreign(events) => left_out(trial, ends),
            Item::Block { .. } | Item::Event { .. } => None,
        };
        let results: Vec<Part> = self.held.iter().filter_map(unheard).collect();
        self.unheard.results.extend(results);
        self.unheard.stopped = ends;
    }
}

/// The result of a tool call that does not go out; `None` = it does.
fn left_out(trial: &Trial, ends: bool) -> Option<Part> {
    let Thing::Call(call) = &trial.thing else { return None };
    let words = match &trial.outcome {
        Some(Outcome::Again { refusal: words, .. } | Outcome::Say(words) | Outcome::Stop(words)) => {
            words.clone()
        }
        Some(Outcome::Gone) => "This tool call was not run: a policy took it out.".to_owned(),
        Some(Outcome::Pass) | None if ends => "This tool call was not run.".to_owned(),
        Some(Outcome::Pass) | None => return None,
    };
    Some(result(call, words))
}

/// Whether it is a call in a form of its dialect's own, whose result would be one too.
fn is_foreign(events: &[(u64, Held)]) -> bool {
    let begins = |held: &Held| match held {
        Held::Event(Event::BlockStarted { block: BlockStart::Opaque(_), .. }) => true,
        Held::Event(_) | Held::Words => false,
    };
    events.first().is_some_and(|(_, held)| begins(held))
}
