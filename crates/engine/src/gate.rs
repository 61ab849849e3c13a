//! The lock on an answer's way: events go through it, raw frames wait until what they say is settled.
//!
//! An answer in the client's own dialect leaves as the frames it came in for as long as nobody changes it. An encoder follows it unheard;
//! from the first change on it writes the rest. What policies ask is handed to whoever drives the pipe; nothing here waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use lockgate_core::{Event, Failure, Stop, StopReason};
use lockgate_policy::{Lock, Out as Settled, Question, Reply, Run, Ticket, Unheard};
use lockgate_wire::{Decoded, Sequencer, StreamEncoder};

use crate::pass::Out;

/// The policies of a call, shared by its attempts.
pub(crate) type Shared = Arc<Mutex<Run>>;

/// The policies of a call, for one look.
pub(crate) fn with<T>(run: &Shared, look: impl FnOnce(&mut Run) -> T) -> T {
    look(&mut run.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Events of an answer through the policies of its call.
pub(crate) struct Gate {
    lock: Lock,
    run: Shared,
    settled: Vec<Settled>,
}

impl Gate {
    pub(crate) fn new(run: Shared) -> Self {
        let lock = with(&run, |run| Lock::new(run));
        Self { lock, run, settled: Vec::new() }
    }

    /// Takes an event; hands on those that may go.
    pub(crate) fn push(&mut self, event: Event, emit: &mut impl FnMut(Event)) {
        with(&self.run, |run| self.lock.push(run, event, &mut self.settled));
        self.settled.drain(..).for_each(|settled| emit(settled.event));
    }

    /// The answer is over, even if it did not say so.
    pub(crate) fn close(&mut self, emit: &mut impl FnMut(Event)) {
        with(&self.run, |run| self.lock.close(run, &mut self.settled));
        self.settled.drain(..).for_each(|settled| emit(settled.event));
    }

    /// Takes what came of a question.
    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Reply, emit: &mut impl FnMut(Event)) {
        with(&self.run, |run| self.lock.reply(run, ticket, reply, &mut self.settled));
        self.settled.drain(..).for_each(|settled| emit(settled.event));
    }

    /// Tells a client that waits for a person why.
    pub(crate) fn announce(&mut self, emit: &mut impl FnMut(Event)) {
        with(&self.run, |run| self.lock.announce(run, &mut self.settled));
        self.settled.drain(..).for_each(|settled| emit(settled.event));
    }

    /// What is to be asked.
    pub(crate) fn questions(&self) -> Vec<(Ticket, Question)> {
        with(&self.run, Run::take_questions)
    }

    /// Why the answer could not be held to its end.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.lock.failure()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.lock.is_finished()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.lock.is_waiting()
    }
}

/// A frame that waits.
struct Waiting {
    /// The last event that it or one before it has given; `None` = not all of its events are known yet.
    last: Option<u64>,
    raw: Bytes,
}

/// The way of an answer that keeps its dialect and meets policies.
pub(crate) struct Guarded {
    /// Settled events whose frames have not been handed on.
    behind: VecDeque<(u64, Event)>,
    encoder: Box<dyn StreamEncoder>,
    frames: VecDeque<Waiting>,
    gate: Gate,
    /// Frames that only the gateway asked for.
    hidden: Option<fn(&[u8]) -> bool>,
    /// Whether the answer comes piece by piece; one that is whole waits for its end.
    is_stream: bool,
    /// The last frame that the client has got.
    last: Bytes,
    /// How many frames the client has got.
    pub(crate) sent: u64,
    sequencer: Sequencer,
    /// Whether the encoder writes.
    speaks: bool,
    /// Everything up to this event is settled.
    through: u64,
    unheard: Vec<u8>,
}

impl Guarded {
    pub(crate) fn new(
        run: Shared,
        (encoder, is_stream): (Box<dyn StreamEncoder>, bool),
        hidden: Option<fn(&[u8]) -> bool>,
    ) -> Self {
        Self {
            behind: VecDeque::new(),
            encoder,
            frames: VecDeque::new(),
            gate: Gate::new(run),
            hidden,
            is_stream,
            last: Bytes::new(),
            sent: 0,
            sequencer: Sequencer::default(),
            speaks: false,
            through: 0,
            unheard: Vec::new(),
        }
    }

    /// What is to be asked.
    pub(crate) fn questions(&self) -> Vec<(Ticket, Question)> {
        self.gate.questions()
    }

    /// What of the answer the client never heard of.
    pub(crate) fn unheard(&self) -> &Unheard {
        self.gate.lock.unheard()
    }

    /// Why the answer could not be held to its end.
    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.gate.failure()
    }

    /// Whether the end of the answer has gone out.
    pub(crate) fn is_finished(&self) -> bool {
        self.gate.is_finished() && self.frames.is_empty()
    }

    /// Whether answers to questions are waited for.
    pub(crate) fn is_waiting(&self) -> bool {
        self.gate.is_waiting()
    }

    /// Whether the answer is no longer what came.
    pub(crate) fn encoder(&mut self) -> Option<&mut Box<dyn StreamEncoder>> {
        self.speaks.then_some(&mut self.encoder)
    }

    /// Takes the frames that were read; `Some` = the answer failed with the last of them.
    pub(crate) fn take(
        &mut self,
        decoded: &Decoded,
        named: impl Fn(Event) -> Event,
        out: &mut Out,
    ) -> Option<Failure> {
        for frame in decoded.frames() {
            let events = decoded.events_of(frame);
            let mut failure = None;
            for event in events {
                if let Event::Failed(failed) = event {
                    failure = Some(failed.clone());
                    break;
                }
                self.push(named(event.clone()));
            }
            if let Some(failure) = failure {
                return Some(self.failed(failure, frame.raw.clone(), out));
            }
            if !self.is_hidden(events, &frame.raw) && !frame.raw.is_empty() {
                let last = self.knows(events, &frame.raw).then(|| self.gate.lock.taken());
                if last.is_some() {
                    self.frames.iter_mut().for_each(|frame| frame.last = frame.last.or(last));
                }
                self.frames.push_back(Waiting { last, raw: frame.raw.clone() });
            }
            self.hand_on(out);
        }
        None
    }

    /// The answer's bytes are over.
    pub(crate) fn finish(&mut self, out: &mut Out) {
        let Self { gate, sequencer, .. } = self;
        sequencer.finish(&mut |event| with(&gate.run, |run| gate.lock.push(run, event, &mut gate.settled)));
        with(&gate.run, |run| gate.lock.close(run, &mut gate.settled));
        let last = Some(self.gate.lock.taken());
        self.frames.iter_mut().for_each(|frame| frame.last = frame.last.or(last));
        self.hand_on(out);
    }

    /// Takes what came of a question.
    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Reply, out: &mut Out) {
        let gate = &mut self.gate;
        with(&gate.run, |run| gate.lock.reply(run, ticket, reply, &mut gate.settled));
        self.hand_on(out);
    }

    /// Tells a client that waits for a person why.
    pub(crate) fn announce(&mut self, out: &mut Out) {
        let gate = &mut self.gate;
        with(&gate.run, |run| gate.lock.announce(run, &mut gate.settled));
        self.hand_on(out);
    }

    fn push(&mut self, event: Event) {
        let Self { gate, sequencer, .. } = self;
        sequencer.push(event, &mut |event| {
            with(&gate.run, |run| gate.lock.push(run, event, &mut gate.settled));
        });
    }

    /// Whether all that a frame says is known by its events. One that begins a call may say its name only in a later one.
    fn knows(&self, events: &[Event], raw: &[u8]) -> bool {
        let says = events.iter().any(|event| !matches!(event, Event::Opaque | Event::Ping));
        let has = |words: &[&[u8]]| words.iter().any(|word| memchr::memmem::find(raw, word).is_some());
        self.is_stream && !self.sequencer.is_waiting() && (says || !has(&BEGINNINGS)) && !has(&ENDINGS)
    }

    fn is_hidden(&self, events: &[Event], raw: &[u8]) -> bool {
        let tells = |event: &Event| matches!(event, Event::Usage(_));
        self.hidden.is_some_and(|hidden| events.iter().any(tells) && hidden(raw))
    }

    /// Hands on what may go: frames as long as the answer is what came, then what the encoder writes.
    fn hand_on(&mut self, out: &mut Out) {
        let mut written = Vec::new();
        for settled in std::mem::take(&mut self.gate.settled) {
            match settled.of {
                Some(of) if !self.speaks => {
                    self.through = self.through.max(settled.through);
                    self.behind.push_back((of, settled.event));
                }
                Some(_) | None => {
                    self.release(out);
                    self.speak(&mut written);
                    self.encoder.encode(&settled.event, &mut written);
                }
            }
        }
        self.release(out);
        if self.speaks && self.gate.is_finished() {
            self.encoder.finish(&mut written);
        }
        out.push(Bytes::from(written));
    }

    /// From here on the encoder writes; what was settled and not handed on first.
    fn speak(&mut self, written: &mut Vec<u8>) {
        if std::mem::replace(&mut self.speaks, true) {
            return;
        }
        self.frames.clear();
        if self.sent > 0 {
            self.encoder.resume(&self.last, &mut self.unheard);
        }
        for (_, event) in std::mem::take(&mut self.behind) {
            self.encoder.encode(&event, written);
        }
    }

    /// Hands on the frames that say nothing that is not settled.
    fn release(&mut self, out: &mut Out) {
        if self.speaks {
            return self.frames.clear();
        }
        let mut upto = None;
        while let Some(last) =
            self.frames.front().and_then(|frame| frame.last).filter(|last| *last <= self.through)
        {
            upto = Some(last);
            self.sent += 1;
            let raw = self.frames.pop_front().map(|frame| frame.raw).unwrap_or_default();
            if !SIGNS_OF_LIFE.iter().any(|sign| raw.starts_with(sign)) {
                self.last = raw.clone();
            }
            out.push(raw);
        }
        let Some(upto) = upto else { return };
        while self.behind.front().is_some_and(|(of, _)| *of <= upto) {
            if let Some((_, event)) = self.behind.pop_front() {
                self.encoder.encode(&event, &mut self.unheard);
            }
        }
        self.unheard.clear();
    }

    /// The provider gave up: the client gets its word for it as it came, if all before it did.
    fn failed(&mut self, failure: Failure, raw: Bytes, out: &mut Out) -> Failure {
        self.push(Event::Failed(failure.clone()));
        self.hand_on(out);
        self.frames.clear();
        if self.speaks {
            let mut written = Vec::new();
            self.encoder.fail(&failure, &mut written);
            out.push(Bytes::from(written));
        } else {
            out.push(raw);
        }
        failure
    }
}

/// How frames begin that say nothing.
const SIGNS_OF_LIFE: [&[u8]; 3] = [b":", b"event: keepalive", b"event: ping"];

/// Words in frames that may begin a call without saying all of it.
const BEGINNINGS: [&[u8]; 3] = [b"_call", b"functionCall", b"tool_use"];

/// Words in frames that end an answer before its bytes are over; words may still have to be put before the end.
const ENDINGS: [&[u8]; 1] = [b"\"finishReason\""];

/// The events of an answer that the gateway gives itself.
pub(crate) fn own_answer(text: &str) -> [Event; 5] {
    [
        Event::Started(lockgate_core::Started::default()),
        Event::BlockStarted { index: 0, block: lockgate_core::BlockStart::Text },
        Event::BlockDelta { index: 0, delta: lockgate_core::Delta::Text(text.to_owned()) },
        Event::BlockEnded { index: 0 },
        Event::Ended(Stop::because(StopReason::EndTurn)),
    ]
}
