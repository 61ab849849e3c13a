//! What is learnt from an answer while it passes: who made it, how it ended, what it used. Changes nothing of it.

use lockgate_core::{Dialect, Event, Failure, StopReason, Usage};
use lockgate_ledger::Terms;
use lockgate_wire::Decoded;

/// What was learnt from an answer while it passed.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Whether content has come (text, thoughts, a tool call).
    pub content: bool,
    /// The failure that ended it.
    pub failure: Option<Failure>,
    /// The model that answered.
    pub model: Option<String>,
    /// The provider's id of it.
    pub id: Option<String>,
    /// Why it ended.
    pub stop: Option<StopReason>,
    /// What it says of its cost beside the usage.
    pub terms: Terms,
    /// What it used.
    pub usage: Option<Usage>,
}

impl Seen {
    /// Whether a whole answer, written anew for a client, tells an estimate of its prompt, since its provider told no count of it.
    pub(crate) fn estimates_prompt(&self, front: Dialect) -> bool {
        let usage = self.usage.as_ref();
        let counted = usage.is_some_and(|usage| usage.input_uncached.is_some());
        match front {
            Dialect::Anthropic => !counted,
            // It tells no usage where nothing is known.
            Dialect::Chat => !counted && usage.is_some_and(|usage| usage.output.is_some()),
            Dialect::ClaudeCli | Dialect::Gemini | Dialect::Ollama | Dialect::Responses => false,
        }
    }

    /// Reads frames that tell usage for what a bill needs beside it.
    pub(crate) fn bill(&mut self, decoded: &Decoded) {
        for frame in decoded.frames() {
            if decoded.events_of(frame).iter().any(|event| matches!(event, Event::Usage(_))) {
                self.terms.merge(lockgate_ledger::terms(&frame.raw));
            }
        }
    }

    pub(crate) fn note(&mut self, event: &Event) {
        match event {
            Event::Ended(stop) => self.stop = Some(stop.reason.clone()),
            Event::Failed(failure) => self.failure = Some(failure.clone()),
            Event::Started(started) => {
                self.id = started.id.clone().or(self.id.take());
                self.model = started.model.clone().or(self.model.take());
            }
            Event::Usage(usage) => match &mut self.usage {
                Some(known) => known.merge(usage),
                None => self.usage = Some(usage.clone()),
            },
            Event::BlockDelta { .. } | Event::BlockEnded { .. } | Event::BlockStarted { .. } => {
                self.content = true;
            }
            Event::Opaque | Event::Ping => {}
        }
    }
}
