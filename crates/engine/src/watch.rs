//! Policies that only look: they are shown an answer behind its client, in large pieces.
//!
//! Keeps what was handed on and has not been looked at: frames of an answer that passes, events of one that is translated. Says when that is
//! worth a look; whoever drives the answer looks when the client has got what there is. What policies say changes nothing here, and what an answer
//! holds that policies cannot read ends their looking and nothing else.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lockgate_core::{BlockStart, Delta, Event};
use lockgate_policy::{Lock, Out, Question, Reply, Run, TextNeed, Ticket};
use lockgate_wire::{DecodeError, Decoded, Depth, Frame, Mode, Sequencer, StreamDecoder, WireFormat};
use tokio::time::Instant;

use crate::gate::{Shared, with};
use crate::pipe::with_unique_id;

/// So many bytes are worth a look.
const WORTH: usize = 8 * 1024;

/// With so many bytes nothing more is taken before a look. An open stream keeps no more than these, what was read last, and the tool calls that
/// policies have not judged.
const FULL: usize = 64 * 1024;

/// While more comes, nothing waits longer for a look than this: a judge is to be asked before the answer is over.
const OLD: Duration = Duration::from_millis(250);

/// Bytes from this length on are kept as they are. What is shorter may be a small part of a large buffer that would not be freed meanwhile.
const LARGE: usize = 4 * 1024;

/// What an event counts beside its words.
const EVENT: usize = 64;

/// An answer that policies look at and do not hold.
pub(crate) struct Watch {
    /// The answer's own token.
    answer: String,
    decoded: Decoded,
    /// `None` where events come, not frames.
    decoder: Option<Box<dyn StreamDecoder>>,
    /// Whether there is nothing more to be looked at.
    done: bool,
    events: Vec<Event>,
    frames: Vec<Bytes>,
    lock: Lock,
    /// Whether the answer has come to its end.
    over: bool,
    run: Shared,
    sequencer: Sequencer,
    settled: Vec<Out>,
    /// When the first of what is kept came.
    since: Option<Instant>,
    size: usize,
    /// Knows which frames are nothing to the policies.
    skips: Option<&'static dyn WireFormat>,
    /// Short frames behind the others.
    tail: BytesMut,
}

impl Watch {
    /// For policies of which none holds or changes anything. `frames`: how those are read, where frames come.
    pub(crate) fn new(run: Shared, frames: Option<(&'static dyn WireFormat, Mode)>, answer: &str) -> Self {
        let (lock, needs) = with(&run, |run| (Lock::new(run), run.needs()));
        // Frames of words say nothing to who looks for tool calls alone.
        let skips =
            |(_, mode): &(&dyn WireFormat, Mode)| *mode == Mode::Stream && needs.text == TextNeed::None;
        Self {
            answer: answer.to_owned(),
            decoded: Decoded::default(),
            decoder: frames.map(|(format, mode)| format.decoder(mode, Depth::Full)),
            done: false,
            events: Vec::new(),
            frames: Vec::new(),
            lock,
            over: false,
            run,
            sequencer: Sequencer::default(),
            settled: Vec::new(),
            since: None,
            size: 0,
            skips: frames.filter(skips).map(|(format, _)| format),
            tail: BytesMut::new(),
        }
    }

    /// Keeps frames.
    pub(crate) fn frames(&mut self, frames: &[Frame]) {
        if self.done {
            return;
        }
        for Frame { raw, .. } in frames {
            if self.skips.is_some_and(|format| format.is_words(raw)) {
                continue;
            }
            if raw.len() >= LARGE {
                self.close_tail();
                self.frames.push(raw.clone());
            } else {
                self.tail.extend_from_slice(raw);
            }
            self.came(raw.len());
        }
    }

    /// Keeps an event.
    pub(crate) fn event(&mut self, event: &Event) {
        if !self.done {
            self.came(EVENT + words(event));
            self.events.push(event.clone());
        }
    }

    fn came(&mut self, size: usize) {
        self.size += size;
        self.since.get_or_insert_with(Instant::now);
    }

    fn close_tail(&mut self) {
        if !self.tail.is_empty() {
            self.frames.push(self.tail.split().freeze());
        }
    }

    /// The answer is over, in order.
    pub(crate) fn over(&mut self) {
        self.over = true;
    }

    /// Whether policies have not seen all of it.
    pub(crate) fn has_rest(&self) -> bool {
        !self.done && (self.over || self.size > 0)
    }

    /// Whether it is time for a look, if it is this late.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.size >= WORTH || self.since.is_some_and(|since| now.saturating_duration_since(since) >= OLD)
    }

    /// Whether nothing more may be taken before a look.
    pub(crate) fn is_full(&self) -> bool {
        self.size >= FULL
    }

    /// Shows policies what is kept.
    pub(crate) fn look(&mut self) {
        self.close_tail();
        (self.since, self.size) = (None, 0);
        let events = std::mem::take(&mut self.events);
        self.show(events);
        for bytes in std::mem::take(&mut self.frames) {
            let Some(decoder) = self.decoder.as_mut().filter(|_| !self.done) else { return };
            let read = decoder.feed(bytes, &mut self.decoded);
            self.read(&read);
        }
    }

    /// Shows policies all that is left, and that it is over if it is.
    pub(crate) fn finish(&mut self) {
        self.look();
        if !self.over || self.done {
            return;
        }
        if let Some(decoder) = &mut self.decoder {
            let read = decoder.finish(&mut self.decoded);
            self.read(&read);
            let mut last = Vec::new();
            self.sequencer.finish(&mut |event| last.push(event));
            self.show(last);
        }
        if !self.done {
            with(&self.run, |run| self.lock.close(run, &mut self.settled));
        }
        self.done = true;
    }

    /// Takes what a decoder has read.
    fn read(&mut self, read: &Result<(), DecodeError>) {
        if let Err(error) = read {
            self.decoded.drop_broken(error);
        }
        let mut events = Vec::with_capacity(self.decoded.events().len());
        for event in self.decoded.drain() {
            let failed = matches!(event, Event::Failed(_));
            self.sequencer.push(with_unique_id(event, &self.answer), &mut |event| events.push(event));
            if failed {
                break;
            }
        }
        self.show(events);
        self.done |= read.is_err();
    }

    fn show(&mut self, events: Vec<Event>) {
        let Self { lock, run, settled, .. } = self;
        with(run, |run| {
            for event in events {
                lock.push(run, event, settled);
                settled.clear();
            }
        });
        self.done |= self.lock.is_finished();
    }

    /// What is to be asked.
    pub(crate) fn questions(&self) -> Vec<(Ticket, Question)> {
        with(&self.run, Run::take_questions)
    }

    /// Takes what came of a question.
    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Reply) {
        with(&self.run, |run| self.lock.reply(run, ticket, reply, &mut self.settled));
        self.settled.clear();
    }
}

/// The length of an event's words.
pub(crate) fn words(event: &Event) -> usize {
    match event {
        Event::BlockDelta { delta, .. } => match delta {
            Delta::Arguments(text) | Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Text(text) => {
                text.len()
            }
            Delta::Logprobs(raw) | Delta::Opaque(raw) => raw.get().len(),
            Delta::Seal(seal) => seal.as_str().len(),
            Delta::Citation(_) => 0,
        },
        Event::BlockStarted { block, .. } => match block {
            BlockStart::Opaque(opaque) => opaque.raw.get().len(),
            // Larger than all else, as a rule.
            BlockStart::Image(_) => FULL,
            BlockStart::Reasoning { .. }
            | BlockStart::Refusal
            | BlockStart::Text
            | BlockStart::ToolCall { .. } => 0,
        },
        Event::BlockEnded { .. }
        | Event::Ended(_)
        | Event::Failed(_)
        | Event::Opaque
        | Event::Ping
        | Event::Started(_)
        | Event::Usage(_) => 0,
    }
}

#[cfg(test)]
mod tests;
