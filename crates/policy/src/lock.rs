//! Holds what is to be judged of an answer, lets the rest flow, and puts verdicts into events.
//!
//! Takes the events of one answer, one block at a time, and gives events back. It alone decides on indices, order and the stop reason,
//! so that no verdict can make an answer that a client or the next turn's provider refuses: thoughts first, then words, then the
//! tool calls that are left; never words behind a tool call, never an empty text, one end. An answer that nobody changes comes out as it
//! went in, and each event says up to which of the taken ones all is settled, so that whoever has the raw bytes can hand those on instead.
//!
//! Tool calls wait for the end of the answer: only then is it known whether all of them may go, and what is said of those that may not
//! has to stand before the first that may. Knows no clock and asks nobody; questions of policies come out of [`Run`].

mod words;

use std::collections::VecDeque;

use lockgate_core::content::ToolCall;
use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Failure, Seal, Stop, StopReason};

use crate::client_run;
use crate::held::{Held, Item, Open, Text};
use crate::policy::TextNeed;
use crate::resample::Again;
use crate::run::{Run, Ticket};
use crate::trial::{Outcome, Thing, Trial};
use crate::unheard::Unheard;
use crate::verdict::Reply;

/// So many bytes of one answer are held; an answer that has more to hold fails.
pub const HELD_MAX: usize = 16 * 1024 * 1024;

/// An event that may go.
#[derive(Debug, Clone)]
pub struct Out {
    /// The event.
    pub event: Event,
    /// Which of the taken events (from 1) it is; `None` once the answer is no longer what came.
    pub of: Option<u64>,
    /// All events up to this one are settled.
    pub through: u64,
}

/// The lock of one answer.
pub struct Lock {
    pub(crate) again: Again,
    /// Whether the answer is no longer what came.
    pub(crate) altered: bool,
    /// Whether policies took all words out of a text.
    emptied: bool,
    ended: Option<(u64, Stop)>,
    /// Why the answer could not be held to its end.
    failure: Option<Failure>,
    finished: bool,
    pub(crate) held: VecDeque<Item>,
    pub(crate) held_bytes: usize,
    /// The index of the block that is going out, and of the next one.
    index: u32,
    next_index: u32,
    open: Open,
    /// Whether the block that is going out has not ended.
    open_out: bool,
    /// How many events were taken.
    taken: u64,
    /// Whether text has gone out.
    pub(crate) spoke: bool,
    texts: TextNeed,
    /// Whether anything but thoughts has gone out.
    told: bool,
    tools: bool,
    pub(crate) unheard: Unheard,
}

impl Lock {
    /// A lock for an answer of the call that these policies are at work on.
    pub fn new(run: &Run) -> Self {
        let needs = run.needs();
        Self {
            again: Again::of(run),
            altered: false,
            emptied: false,
            ended: None,
            failure: None,
            finished: false,
            held: VecDeque::new(),
            held_bytes: 0,
            index: 0,
            next_index: 0,
            open: Open::Nothing,
            open_out: false,
            taken: 0,
            spoke: false,
            texts: needs.text,
            told: false,
            // Words that are added at the end stand before tool calls.
            tools: needs.tools || run.may_add_words(),
            unheard: Unheard::default(),
        }
    }

    /// How many events were taken.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Whether the answer is no longer what came.
    pub fn is_altered(&self) -> bool {
        self.altered
    }

    /// Why the answer could not be held to its end, if it could not.
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Whether the answer is over and everything has gone out.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether answers to questions are waited for.
    pub fn is_waiting(&self) -> bool {
        let open = |trial: &Trial| trial.outcome.is_none();
        !self.finished && (self.again.is_waiting() || self.trials().any(open))
    }

    /// Takes the next event.
    pub fn push(&mut self, run: &mut Run, event: Event, out: &mut Vec<Out>) {
        if self.finished {
            return self.unheard.note(event);
        }
        self.taken += 1;
        let of = self.taken;
        self.again.note(&event);
        self.take(run, event, out);
        if self.finished {
            return;
        }
        if self.held_bytes > HELD_MAX {
            self.held.clear();
            self.finished = true;
            self.altered = true;
            let words = format!("the answer holds more than {HELD_MAX} bytes to be judged by policies");
            let failure = Failure::new(ErrorKind::PolicyRefused, words);
            self.failure = Some(failure.clone());
            return self.send(Event::Failed(failure), of, out);
        }
        self.release(run, out);
    }

    pub(crate) fn take(&mut self, run: &mut Run, event: Event, out: &mut Vec<Out>) {
        let of = self.taken;
        match event {
            Event::BlockStarted { index, block } => self.started((index, of), block, out),
            Event::BlockDelta { index, delta } => self.delta(run, (index, of), delta, out),
            Event::BlockEnded { index } => self.ended_block(run, (index, of), out),
            Event::Ended(stop) => self.ended = Some((of, stop)),
            Event::Failed(_) => {
                // What is held was never judged to its end, and a client does not use what a failed answer holds.
                self.held.clear();
                self.finished = true;
                self.send(event, of, out);
            }
            Event::Opaque | Event::Ping | Event::Started(_) | Event::Usage(_) => self.emit(event, of, out),
        }
    }

    /// The answer is over, even if it has not said so.
    pub fn close(&mut self, run: &mut Run, out: &mut Vec<Out>) {
        if self.finished || self.ended.is_some() || self.is_waiting() {
            return;
        }
        if self.held.is_empty() {
            self.finished = true;
            return;
        }
        self.taken += 1;
        let calls = self.held.iter().any(|item| matches!(item, Item::Block { .. }));
        let reason = if calls { StopReason::ToolUse } else { StopReason::EndTurn };
        self.ended = Some((self.taken, Stop::because(reason)));
        self.release(run, out);
    }

    /// Takes what came of a question.
    pub fn reply(&mut self, run: &mut Run, ticket: Ticket, reply: Reply, out: &mut Vec<Out>) {
        if let Some(reply) = self.take_again(run, (ticket, reply), out) {
            let mut trials: Vec<&mut Trial> = self.held.iter_mut().filter_map(Item::trial_mut).collect();
            run.on_reply(ticket, reply, &mut trials);
        }
        if !self.finished {
            self.release(run, out);
        }
    }

    /// The client waits: it is told for whom. Words stand before the calls that are held, and never inside a block.
    pub fn announce(&mut self, run: &mut Run, out: &mut Vec<Out>) {
        let before_calls =
            matches!(self.held.front(), Some(Item::Block { trial: Some(trial), .. }) if !trial.is_text());
        if self.finished || !before_calls || self.open_out {
            return;
        }
        for words in run.take_announcements() {
            self.altered = true;
            self.say(&words, out);
        }
    }

    pub(crate) fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.held.iter().filter_map(|item| match item {
            Item::Event { .. } => None,
            Item::Block { trial, .. } => trial.as_deref(),
        })
    }

    /// Holds a block from its first event on.
    fn hold(&mut self, event: Event, of: u64) {
        self.held.push_back(Item::Block { events: vec![(of, Held::Event(event))], trial: None });
    }

    /// Puts an event to the block that is coming in and held.
    fn keep(&mut self, held: Held, of: u64) {
        let block = self.held.iter_mut().rev().find_map(|item| match item {
            Item::Block { events, .. } => Some(events),
            Item::Event { .. } => None,
        });
        if let Some(events) = block {
            events.push((of, held));
        }
    }

    fn started(&mut self, (index, of): (u32, u64), block: BlockStart, out: &mut Vec<Out>) {
        match block {
            BlockStart::ToolCall { id, kind, name, namespace } if self.tools => {
                self.open = Open::Call(ToolCall {
                    arguments: String::new(),
                    id: id.clone(),
                    kind,
                    name: name.clone(),
                    namespace: namespace.clone(),
                    seal: None,
                });
                let block = BlockStart::ToolCall { id, kind, name, namespace };
                self.hold(Event::BlockStarted { index, block }, of);
            }
            BlockStart::Opaque(opaque) if self.tools && client_run::is(&opaque) => {
                self.open = Open::Call(client_run::call(&opaque));
                self.held_bytes += opaque.raw.get().len();
                self.hold(Event::BlockStarted { index, block: BlockStart::Opaque(opaque) }, of);
            }
            BlockStart::Text if self.texts != TextNeed::None => self.text_started((index, of)),
            block @ (BlockStart::Opaque(_)
            | BlockStart::Image(_)
            | BlockStart::Reasoning { .. }
            | BlockStart::Refusal
            | BlockStart::Text
            | BlockStart::ToolCall { .. }) => {
                self.open = Open::Other;
                self.emit(Event::BlockStarted { index, block }, of, out);
            }
        }
    }

    fn delta(&mut self, run: &mut Run, (index, of): (u32, u64), delta: Delta, out: &mut Vec<Out>) {
        match &mut self.open {
            Open::Call(call) => {
                match &delta {
                    Delta::Arguments(text) => {
                        call.arguments.push_str(text);
                        self.held_bytes += text.len();
                    }
                    Delta::Seal(seal) => call.seal = Some(seal.clone()),
                    Delta::Citation(_)
                    | Delta::Logprobs(_)
                    | Delta::Opaque(_)
                    | Delta::Reasoning(_)
                    | Delta::Refusal(_)
                    | Delta::Text(_) => {}
                }
                self.keep(Held::Event(Event::BlockDelta { index, delta }), of);
            }
            Open::Text(_) => self.piece(run, (index, of), delta, out),
            Open::Nothing | Open::Other => self.emit(Event::BlockDelta { index, delta }, of, out),
        }
    }

    fn ended_block(&mut self, run: &mut Run, (index, of): (u32, u64), out: &mut Vec<Out>) {
        if matches!(self.open, Open::Text(_)) {
            self.words(run, (index, of), "", true, out);
        }
        let (thing, changed) = match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Call(call) => (Thing::Call(call), false),
            Open::Text(Text { changed, whole: Some(text), .. }) => (Thing::Text(text), changed),
            Open::Text(Text { changed, start, whole: None, .. }) => {
                return self.end_of_text(start, changed, (index, of), out);
            }
            Open::Nothing | Open::Other => {
                return self.emit(Event::BlockEnded { index }, of, out);
            }
        };
        self.keep(Held::Event(Event::BlockEnded { index }), of);
        let mut judged = run.trial(thing);
        judged.changed |= changed;
        let block = self.held.iter_mut().rev().find_map(|item| match item {
            Item::Block { trial, .. } => Some(trial),
            Item::Event { .. } => None,
        });
        if let Some(trial) = block {
            *trial = Some(Box::new(judged));
        }
    }

    /// Hands on what may go.
    fn release(&mut self, run: &mut Run, out: &mut Vec<Out>) {
        let stop = self.trials().find_map(|trial| match &trial.outcome {
            Some(Outcome::Stop(words)) => Some(words.clone()),
            Some(Outcome::Again { .. } | Outcome::Gone | Outcome::Pass | Outcome::Say(_)) | None => None,
        });
        if let Some(words) = stop {
            return self.stop(&words, out);
        }
        loop {
            let ready = match self.held.front() {
                Some(Item::Event { .. }) => true,
                Some(Item::Block { trial: Some(trial), .. }) => trial.is_text() && trial.is_decided(),
                Some(Item::Block { trial: None, .. }) | None => false,
            };
            match self.held.pop_front_if(|_| ready) {
                Some(Item::Event { event, of }) => self.send(event, of, out),
                Some(Item::Block { events, trial: Some(trial) }) => self.text(events, &trial, run, out),
                Some(Item::Block { trial: None, .. }) | None => break,
            }
        }
        let judged = self.ended.is_some() && self.trials().all(|trial| trial.outcome.is_some());
        if !judged || self.again.is_waiting() || self.ask_again(run) {
            return;
        }
        if let Some((of, stop)) = self.ended.take() {
            self.finish(run, of, stop, out);
        }
    }

    /// The end: what is held goes, words before tool calls, and then the end itself.
    fn finish(&mut self, run: &mut Run, of: u64, mut stop: Stop, out: &mut Vec<Out>) {
        self.note_unheard(false);
        let mut words = Vec::new();
        let (mut stay, mut gone, mut changed) = (false, false, false);
        for trial in self.trials() {
            changed |= trial.changed || trial.outcome != Some(Outcome::Pass) || !trial.warnings.is_empty();
            if trial.is_text() {
                continue;
            }
            match &trial.outcome {
                Some(Outcome::Again { refusal: text, .. } | Outcome::Say(text)) => {
                    gone = true;
                    words.push(text.clone());
                }
                Some(Outcome::Gone) => gone = true,
                Some(Outcome::Pass | Outcome::Stop(_)) | None => stay = true,
            }
            if run.may_add() {
                words.extend(trial.warnings.iter().cloned());
            }
        }
        words.extend(run.end(stay));
        changed |= !words.is_empty();
        self.altered |= changed;
        let mut calls = Vec::new();
        for item in std::mem::take(&mut self.held) {
            match item {
                Item::Event { event, of } => self.send(event, of, out),
                Item::Block { events, trial: Some(trial) } if trial.is_text() => {
                    self.text(events, &trial, run, out);
                }
                Item::Block { events, trial: Some(trial) } if self.altered => calls.push((events, trial)),
                Item::Block { events, trial: Some(trial) } => self.call((events, None), &trial, out),
                Item::Block { trial: None, .. } => {}
            }
        }
        if (gone || self.emptied) && !stay && words.is_empty() && !self.told {
            words.push("[Lockgate] Policies took everything out of this answer.".into());
        }
        if !words.is_empty() {
            self.say(&words.join("\n\n"), out);
        }
        // Gemini seals the first of several calls, and wants the seal back in the next turn, whichever of them is left.
        let mut seal = calls.iter().find_map(|(_, trial)| seal_of(trial).cloned());
        for (events, trial) in calls {
            if trial.outcome == Some(Outcome::Pass) {
                let seal = seal.take().filter(|_| seal_of(&trial).is_none());
                self.call((events, seal), &trial, out);
            }
        }
        if gone && !stay && stop.reason == StopReason::ToolUse {
            stop = Stop::because(StopReason::EndTurn);
        }
        self.finished = true;
        self.send(Event::Ended(stop), of, out);
    }

    /// A tool call that goes out, perhaps with other arguments, or with the seal of one that does not.
    fn call(
        &mut self,
        (events, mut seal): (Vec<(u64, Held)>, Option<Seal>),
        trial: &Trial,
        out: &mut Vec<Out>,
    ) {
        let mut arguments = match &trial.thing {
            Thing::Call(call) if trial.changed => Some(&call.arguments),
            Thing::Call(_) | Thing::Text(_) => None,
        };
        for (of, held) in events {
            let Held::Event(mut event) = held else { continue };
            // A call that is written in one dialect only is JSON, and so are its new arguments; if not, the old ones went with them.
            if let (Event::BlockStarted { block: BlockStart::Opaque(opaque), .. }, Some(new)) =
                (&mut event, arguments)
            {
                opaque.raw = serde_json::value::RawValue::from_string(new.clone()).unwrap_or_default();
                self.send(event, of, out);
                arguments = None;
                continue;
            }
            if let Event::BlockEnded { index } = event
                && let Some(seal) = seal.take()
            {
                self.send(Event::BlockDelta { index, delta: Delta::Seal(seal) }, of, out);
            }
            match (&event, arguments) {
                (Event::BlockDelta { delta: Delta::Arguments(_), .. }, Some(_)) => {}
                (Event::BlockEnded { index }, Some(new)) => {
                    let delta = Delta::Arguments(new.clone());
                    self.send(Event::BlockDelta { index: *index, delta }, of, out);
                    self.send(event, of, out);
                }
                _ => self.send(event, of, out),
            }
        }
    }

    /// The answer ends here, with these words.
    fn stop(&mut self, words: &str, out: &mut Vec<Out>) {
        self.note_unheard(true);
        self.altered = true;
        self.finished = true;
        // Of what was held, only words that were judged before go out.
        for item in std::mem::take(&mut self.held) {
            match item {
                Item::Event { event, of } => self.send(event, of, out),
                Item::Block { .. } => break,
            }
        }
        if self.open_out {
            self.send(Event::BlockEnded { index: self.index }, self.taken, out);
        }
        self.say(words, out);
        self.send(Event::Ended(Stop::because(StopReason::EndTurn)), self.taken, out);
    }

    /// A text block of ours.
    fn say(&mut self, words: &str, out: &mut Vec<Out>) {
        let of = self.taken;
        let words = if self.spoke { format!("\n\n{words}") } else { words.to_owned() };
        let index = self.next_index;
        self.send(Event::BlockStarted { index, block: BlockStart::Text }, of, out);
        self.send(Event::BlockDelta { index, delta: Delta::Text(words) }, of, out);
        self.send(Event::BlockEnded { index }, of, out);
    }

    fn emit(&mut self, event: Event, of: u64, out: &mut Vec<Out>) {
        self.emit_through(event, of, of, out);
    }

    /// Hands an event on, behind what is held.
    fn emit_through(&mut self, event: Event, of: u64, through: u64, out: &mut Vec<Out>) {
        if self.held.is_empty() {
            self.send_through(event, of, through, out);
        } else {
            if let Event::BlockDelta { delta: Delta::Text(text) | Delta::Reasoning(text), .. } = &event {
                self.held_bytes += text.len();
            }
            self.held.push_back(Item::Event { event, of });
        }
    }

    fn send(&mut self, event: Event, of: u64, out: &mut Vec<Out>) {
        self.send_through(event, of, of, out);
    }

    fn send_through(&mut self, mut event: Event, of: u64, through: u64, out: &mut Vec<Out>) {
        match &mut event {
            Event::BlockStarted { index, block } => {
                self.index = self.next_index;
                self.next_index += 1;
                *index = self.index;
                self.spoke |= matches!(block, BlockStart::Text);
                self.told |= !matches!(block, BlockStart::Reasoning { .. });
                self.open_out = true;
            }
            Event::BlockDelta { index, .. } => *index = self.index,
            Event::BlockEnded { index } => {
                *index = self.index;
                self.open_out = false;
            }
            Event::Ended(_)
            | Event::Failed(_)
            | Event::Opaque
            | Event::Ping
            | Event::Started(_)
            | Event::Usage(_) => {}
        }
        let through = self.unsettled().map_or(through, |first| through.min(first - 1));
        out.push(Out { event, of: (!self.altered).then_some(of), through });
    }
}

fn seal_of(trial: &Trial) -> Option<&Seal> {
    match &trial.thing {
        Thing::Call(call) => call.seal.as_ref(),
        Thing::Text(_) => None,
    }
}
