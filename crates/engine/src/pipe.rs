//! What happens to an answer's bytes on their way: passed as they are, or decoded and written anew.
//!
//! A state machine over bytes, driven by whoever reads the upstream. Passing forwards complete frames only, so that a
//! keep-alive or an error event can be put between any two of them, and watches for usage, end and failure.
//! Policies that only look are behind either way ([`Watch`]), those that hold or change in it.
//! Translating goes decoder → tool names → sequencer → encoder. Both end in exactly one way: complete, or with one
//! error event. Reads no socket and no clock.

use bytes::Bytes;
use lockgate_core::{BlockStart, Dialect, ErrorKind, Event, Failure, Gather, Raw, Turn};
use lockgate_wire::{
    AnswerContext, DecodeError, Decoded, Depth, Format, Loss, Mode, Restore, Sequencer, StreamDecoder,
    StreamEncoder, ToolNames,
};

use lockgate_policy::{Question, Reply, Ticket, Unheard};
use tokio::time::Instant;

use crate::gate::{Gate, Guarded, Shared, with};
use crate::hush::Hush;
use crate::pass::{Out, Pass};
use crate::relay::is_stream;
use crate::seen::Seen;
use crate::watch::{Watch, words};

/// An answer that is written anew, or held for policies, may say as much as this: some dialects repeat all of it at the end, and tool calls are kept
/// until they are whole. Ten times what the longest answers of models hold.
const SAYS_MAX: usize = 32 * 1024 * 1024;

/// The way of one answer.
pub(crate) struct Pipe {
    context: AnswerContext,
    decoded: Decoded,
    decoder: Box<dyn StreamDecoder>,
    finished: bool,
    format: Format,
    /// Bytes of what the answer says, as far as parts of it may be kept until its end.
    kept: usize,
    /// How the client gets it.
    mode: Mode,
    /// Whether the upstream's bytes are over.
    over: bool,
    seen: Seen,
    until_stop: bool,
    /// Policies that only look.
    watch: Option<Box<Watch>>,
    way: Way,
}

enum Way {
    Guarded(Box<Guarded>),
    Pass(Pass),
    Translate(Box<Translate>),
}

struct Translate {
    gate: Option<Gate>,
    restore: Restore,
    sequencer: Sequencer,
    writer: Writer,
}

/// Where events go that the client gets.
struct Writer {
    buffer: Vec<u8>,
    encoder: Box<dyn StreamEncoder>,
    gather: Gather,
    hush: Hush,
}

impl Writer {
    fn write(&mut self, event: Event) {
        self.gather.note(&event);
        self.hush.push(event, &mut |event| self.encoder.encode(&event, &mut self.buffer));
    }

    fn taken(&mut self) -> Bytes {
        Bytes::from(std::mem::take(&mut self.buffer))
    }
}

impl Translate {
    fn push(&mut self, event: Event, watch: &mut Option<Box<Watch>>) {
        let Self { gate, restore, sequencer, writer } = self;
        restore.apply(event, |event| {
            sequencer.push(event, &mut |event| through((gate, watch), writer, event));
        });
    }

    /// The upstream's bytes are over; whether the answer is.
    fn finish(&mut self, watch: &mut Option<Box<Watch>>) -> bool {
        let Self { gate, sequencer, writer, .. } = self;
        sequencer.finish(&mut |event| through((gate, watch), writer, event));
        if let Some(gate) = gate {
            gate.close(&mut |event| writer.write(event));
        }
        self.end()
    }

    /// Writes the end, if nothing is waited for.
    fn end(&mut self) -> bool {
        let done = self.gate.as_ref().is_none_or(Gate::is_finished);
        if done {
            self.writer.encoder.finish(&mut self.writer.buffer);
        }
        done
    }
}

fn through((gate, watch): (&mut Option<Gate>, &mut Option<Box<Watch>>), writer: &mut Writer, event: Event) {
    if let Some(watch) = watch {
        watch.event(&event);
    }
    match gate {
        Some(gate) => gate.push(event, &mut |event| writer.write(event)),
        None => writer.write(event),
    }
}

/// How an answer is to be made.
pub(crate) struct PipeSpec {
    /// What encoders must know.
    pub(crate) context: AnswerContext,
    /// The client's dialect.
    pub(crate) front: Format,
    /// How the client gets it.
    pub(crate) front_mode: Mode,
    /// Frames that tell usage and that the client did not ask for: it does not get them.
    pub(crate) hidden: Option<fn(&[u8]) -> bool>,
    /// The tools' original names, where the dialect changes.
    pub(crate) names: ToolNames,
    /// The policies that look at the answer.
    pub(crate) policies: Option<Shared>,
    /// Whether it is over with the event that says so, though more may come: a program goes on by itself.
    pub(crate) until_stop: bool,
    /// The provider's dialect.
    pub(crate) upstream: Format,
    /// How the provider sends it.
    pub(crate) upstream_mode: Mode,
}

impl Pipe {
    /// A way for one answer. It passes as it is when neither dialect nor layout changes.
    pub(crate) fn new(spec: PipeSpec) -> Self {
        let PipeSpec { context, front, front_mode, hidden, names, policies, until_stop, .. } = spec;
        let PipeSpec { upstream, upstream_mode, .. } = spec;
        let same = std::ptr::eq(front.envelope, upstream.envelope) && front_mode == upstream_mode;
        let (watching, policies) = match policies {
            Some(run) if with(&run, |run| run.only_looks()) => (Some(run), None),
            policies => (None, policies),
        };
        let depth = if same && policies.is_none() { Depth::Envelope } else { Depth::Full };
        let read = same.then_some((upstream.messages, upstream_mode));
        let watch = watching.map(|run| Box::new(Watch::new(run, read, &context.id)));
        let encoder = || front.messages.encoder(front_mode, context.clone());
        let way = match policies {
            None if same => Way::Pass(Pass::new(hidden)),
            Some(run) if same => {
                Way::Guarded(Box::new(Guarded::new(run, (encoder(), is_stream(front_mode)), hidden)))
            }
            policies => Way::Translate(Box::new(Translate {
                gate: policies.map(Gate::new),
                restore: Restore::new(names),
                sequencer: Sequencer::default(),
                writer: Writer {
                    buffer: Vec::new(),
                    encoder: encoder(),
                    gather: Gather::seals(),
                    hush: Hush::default(),
                },
            })),
        };
        Self {
            // The request is only for the encoder: an open stream does not keep it.
            context: AnswerContext { request: None, ..context },
            decoded: Decoded::default(),
            decoder: upstream.messages.decoder(upstream_mode, depth),
            finished: false,
            format: front,
            kept: 0,
            mode: front_mode,
            over: false,
            seen: Seen::default(),
            until_stop,
            watch,
            way,
        }
    }

    /// What was learnt so far.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Whether nothing may follow.
    pub(crate) fn is_finished(&self) -> bool {
        self.finished
    }

    /// What of the answer the client's dialect could not say.
    pub(crate) fn loss(&self) -> Loss {
        match &self.way {
            Way::Guarded(_) | Way::Pass(_) => Loss::default(),
            Way::Translate(translate) => translate.writer.encoder.loss().clone(),
        }
    }

    /// The answer's turn with its seals, once it is over; `None` where it holds none, or passed as it is.
    pub(crate) fn sealed_turn(&mut self) -> Option<Turn> {
        match &mut self.way {
            Way::Guarded(_) | Way::Pass(_) => None,
            Way::Translate(translate) => {
                let gather = &mut translate.writer.gather;
                gather.is_sealed().then(|| gather.take())
            }
        }
    }

    /// What the client never heard of an answer that its provider keeps, by the provider's id of it; `None` = it heard all, or the provider knows
    /// nothing of this client.
    pub(crate) fn unheard(&self) -> Option<(String, Unheard)> {
        let Way::Guarded(guarded) = &self.way else { return None };
        let unheard = Some(guarded.unheard()).filter(|unheard| !unheard.is_empty())?;
        let id = self.seen.id.as_ref().filter(|_| self.format.dialect == Dialect::Responses)?;
        Some((id.clone(), unheard.clone()))
    }

    /// What of the answer the client may name in a later request, once it is over; nothing of one that passed as it is.
    pub(crate) fn items(&mut self) -> Vec<(String, Raw)> {
        match &mut self.way {
            Way::Guarded(guarded) => guarded.encoder().map(|encoder| encoder.items()).unwrap_or_default(),
            Way::Pass(_) => Vec::new(),
            Way::Translate(translate) => translate.writer.encoder.items(),
        }
    }

    /// The policies that only look, if there is something that they have not seen; to be asked for once the answer is over.
    pub(crate) fn take_watch(&mut self) -> Option<Box<Watch>> {
        self.watch.take_if(|watch| watch.has_rest())
    }

    /// Whether policies that only look should, if it is this late; `None` = they have to before more comes.
    pub(crate) fn is_due(&self, now: Instant) -> Option<bool> {
        let Some(watch) = &self.watch else { return Some(false) };
        (!watch.is_full()).then(|| watch.is_due(now))
    }

    /// Shows policies that only look what has come.
    pub(crate) fn look(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.look();
        }
    }

    /// Takes the upstream's next bytes; returns what the client gets now (perhaps nothing).
    pub(crate) fn feed(&mut self, bytes: &Bytes) -> Bytes {
        if self.finished {
            return Bytes::new();
        }
        self.decoded.clear();
        let result = self.decoder.feed(bytes.clone(), &mut self.decoded);
        if let Err(error) = &result {
            self.decoded.drop_broken(error);
        }
        let mut out = self.take_decoded(Some(bytes));
        if self.finished {
            // A failure, or a policy that ended the answer.
        } else if self.unsayable() {
            self.finished = true;
        } else if let Err(error) = result {
            self.fail_into(unreadable(&error), &mut out);
        } else if self.kept > SAYS_MAX {
            let words = format!(
                "the answer says more than {SAYS_MAX} bytes, which is all that is translated or judged"
            );
            self.fail_into(Failure::new(ErrorKind::UpstreamUnavailable, words), &mut out);
        } else if self.until_stop && self.seen.stop.is_some() {
            out.push(self.finish());
        }
        // A frame that is kept keeps the whole buffer that its bytes were read into.
        self.decoded.clear();
        out.into_bytes()
    }

    /// The upstream's bytes are over, in order.
    pub(crate) fn finish(&mut self) -> Bytes {
        if self.finished {
            return Bytes::new();
        }
        self.decoded.clear();
        let result = self.decoder.finish(&mut self.decoded);
        if let Err(error) = &result {
            self.decoded.drop_broken(error);
        }
        let mut out = self.take_decoded(None);
        if self.finished {
            return out.into_bytes();
        }
        self.over = true;
        let mut finished = true;
        if let Err(error) = result {
            if self.seen.failure.is_none() {
                self.fail_into(unreadable(&error), &mut out);
            }
        } else {
            match &mut self.way {
                Way::Guarded(guarded) => {
                    guarded.finish(&mut out);
                    finished = guarded.is_finished();
                }
                Way::Pass(_) => {}
                Way::Translate(translate) => {
                    finished = translate.finish(&mut self.watch);
                    out.push(translate.writer.taken());
                }
            }
            if let Some(watch) = &mut self.watch {
                watch.over();
            }
        }
        let unsayable = self.unsayable();
        self.finished = finished || unsayable;
        out.into_bytes()
    }

    /// Whether all of the upstream's bytes have been taken.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the rest of the answer waits for answers to what policies ask.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.finished
            && match &self.way {
                Way::Guarded(guarded) => guarded.is_waiting(),
                Way::Pass(_) => false,
                Way::Translate(translate) => translate.gate.as_ref().is_some_and(Gate::is_waiting),
            }
    }

    /// What policies ask; each question is given out once.
    pub(crate) fn questions(&self) -> Vec<(Ticket, Question)> {
        if let Some(watch) = &self.watch {
            return watch.questions();
        }
        match &self.way {
            Way::Guarded(guarded) => guarded.questions(),
            Way::Pass(_) => Vec::new(),
            Way::Translate(translate) => translate.gate.as_ref().map(Gate::questions).unwrap_or_default(),
        }
    }

    /// Takes what came of a question; returns what the client gets now.
    pub(crate) fn reply(&mut self, ticket: Ticket, reply: Reply) -> Bytes {
        let mut out = Out::default();
        if let Some(watch) = &mut self.watch {
            watch.reply(ticket, reply);
            return Bytes::new();
        }
        match &mut self.way {
            Way::Guarded(guarded) => {
                guarded.reply(ticket, reply, &mut out);
                self.finished |= guarded.is_finished();
            }
            Way::Pass(_) => {}
            Way::Translate(translate) => {
                let Translate { gate, writer, .. } = &mut **translate;
                if let Some(gate) = gate {
                    gate.reply(ticket, reply, &mut |event| writer.write(event));
                }
                // A policy may have ended the answer before the provider has.
                let ended = translate.gate.as_ref().is_some_and(Gate::is_finished);
                self.finished |= ended && translate.end();
                out.push(translate.writer.taken());
            }
        }
        out.into_bytes()
    }

    /// What a client that waits for a person is told; empty if nothing, or for the second time.
    pub(crate) fn announcement(&mut self) -> Bytes {
        let mut out = Out::default();
        match &mut self.way {
            Way::Guarded(guarded) => guarded.announce(&mut out),
            Way::Pass(_) => {}
            Way::Translate(translate) => {
                let Translate { gate, writer, .. } = &mut **translate;
                if let Some(gate) = gate {
                    gate.announce(&mut |event| writer.write(event));
                }
                out.push(translate.writer.taken());
            }
        }
        out.into_bytes()
    }

    /// Whether the client's dialect could not say what came, which ended the answer with an error.
    fn unsayable(&mut self) -> bool {
        let Way::Translate(translate) = &self.way else { return false };
        let failure = translate.writer.encoder.failure();
        self.seen.failure = self.seen.failure.take().or_else(|| failure.cloned());
        failure.is_some()
    }

    /// Ends the answer with an error event.
    pub(crate) fn fail(&mut self, failure: Failure) -> Bytes {
        let mut out = Out::default();
        if !self.finished && self.seen.failure.is_none() {
            self.fail_into(failure, &mut out);
        }
        self.finished = true;
        out.into_bytes()
    }

    fn fail_into(&mut self, failure: Failure, out: &mut Out) {
        let mut buffer = Vec::new();
        match &mut self.way {
            Way::Translate(translate) => translate.writer.encoder.fail(&failure, &mut buffer),
            Way::Guarded(guarded) => match guarded.encoder() {
                Some(encoder) => encoder.fail(&failure, &mut buffer),
                None => {
                    let context = AnswerContext { sequence: guarded.sent, ..self.context.clone() };
                    self.format.messages.encoder(self.mode, context).fail(&failure, &mut buffer);
                }
            },
            Way::Pass(pass) => {
                let context = AnswerContext { sequence: pass.frames, ..self.context.clone() };
                self.format.messages.encoder(self.mode, context).fail(&failure, &mut buffer);
            }
        }
        out.push(Bytes::from(buffer));
        self.seen.failure = Some(failure);
        self.finished = true;
    }

    fn take_decoded(&mut self, fed: Option<&Bytes>) -> Out {
        let mut out = Out::default();
        self.seen.bill(&self.decoded);
        if !matches!(self.way, Way::Pass(_)) {
            self.kept += self.decoded.events().iter().map(words).sum::<usize>();
        }
        match &mut self.way {
            Way::Pass(pass) => {
                for event in self.decoded.events() {
                    self.seen.note(event);
                }
                pass.forward(&self.decoded, fed, &mut out);
                if let Some(watch) = &mut self.watch {
                    watch.frames(self.decoded.frames());
                }
            }
            Way::Guarded(guarded) => {
                for event in self.decoded.events() {
                    self.seen.note(event);
                }
                let id = &self.context.id;
                let failed = guarded.take(&self.decoded, |event| with_unique_id(event, id), &mut out);
                self.finished |= failed.is_some() || guarded.is_finished();
            }
            Way::Translate(translate) => {
                for event in self.decoded.events() {
                    self.seen.note(event);
                    if let Event::Failed(failure) = event {
                        translate.writer.encoder.fail(failure, &mut translate.writer.buffer);
                        self.finished = true;
                        break;
                    }
                    translate.push(with_unique_id(event.clone(), &self.context.id), &mut self.watch);
                }
                if !self.finished && translate.gate.as_ref().is_some_and(Gate::is_finished) {
                    self.finished = translate.end();
                }
                out.push(translate.writer.taken());
            }
        }
        let unheld = match &self.way {
            Way::Guarded(guarded) => guarded.failure(),
            Way::Pass(_) => None,
            Way::Translate(translate) => translate.gate.as_ref().and_then(Gate::failure),
        };
        if let Some(failure) = unheld.filter(|_| self.seen.failure.is_none()) {
            self.seen.failure = Some(failure.clone());
        }
        out
    }
}

/// Some servers give tool calls no id; decoders then count them, anew in each answer. The answer's own token makes them
/// unique in a session: clients and other providers pair results by them.
pub(crate) fn with_unique_id(mut event: Event, answer: &str) -> Event {
    if let Event::BlockStarted { block: BlockStart::ToolCall { id, .. }, .. } = &mut event {
        let count = id.strip_prefix('g').unwrap_or(id).strip_prefix("call_");
        let counted = |rest: &str| {
            !rest.is_empty() && rest.len() < 8 && rest.bytes().all(|c| c.is_ascii_digit() || c == b'_')
        };
        if count.is_some_and(counted) {
            *id = format!("{id}_{answer}");
        }
    }
    event
}

/// What an unreadable answer is to the client.
pub(crate) fn unreadable(error: &DecodeError) -> Failure {
    Failure::new(ErrorKind::UpstreamUnavailable, format!("the provider's answer could not be read: {error}"))
}

/// The layout that a provider chose, by its content type; `asked` where it does not say.
pub(crate) fn mode_of(content_type: Option<&str>, dialect: Dialect, asked: Mode) -> Mode {
    let Some(kind) = content_type.map(|text| text.split(';').next().unwrap_or(text).trim()) else {
        return asked;
    };
    match kind {
        "text/event-stream" | "application/x-ndjson" => Mode::Stream,
        // Gemini without `alt=sse` streams an array under the same type as a whole answer.
        "application/json" if dialect == Dialect::Gemini && asked == Mode::Array => Mode::Array,
        "application/json" => Mode::Whole,
        _ => asked,
    }
}

#[cfg(test)]
mod tests {
    use lockgate_core::content::ToolKind;

    use super::*;

    /// Issue 2: memory per open stream is bounded.
    #[test]
    fn an_answer_without_end_is_given_up_where_parts_of_it_are_kept() {
        let spec = |front: Dialect| PipeSpec {
            context: AnswerContext {
                created: 0,
                elapsed: lockgate_wire::Elapsed::default(),
                id: "x".into(),
                include_usage: false,
                input_estimate: None,
                model: "m".into(),
                request: None,
                sequence: 0,
            },
            front: lockgate_wire::format(front),
            front_mode: Mode::Stream,
            hidden: None,
            names: ToolNames::default(),
            policies: None,
            until_stop: false,
            upstream: lockgate_wire::format(Dialect::Chat),
            upstream_mode: Mode::Stream,
        };
        let text = "x".repeat(1024 * 1024);
        let chunk =
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n");
        let chunk = Bytes::from(chunk);
        for (front, ends) in [(Dialect::Anthropic, true), (Dialect::Chat, false)] {
            let mut pipe = Pipe::new(spec(front));
            let fed = (0..40).position(|_| {
                pipe.feed(&chunk);
                pipe.is_finished()
            });
            assert_eq!(fed, ends.then_some(32), "{front}");
            assert_eq!(pipe.seen().failure.is_some(), ends, "{front}");
        }
    }

    fn id_of(id: &str) -> String {
        let block = BlockStart::ToolCall {
            id: id.into(),
            kind: ToolKind::Function,
            name: "f".into(),
            namespace: None,
        };
        match with_unique_id(Event::BlockStarted { index: 0, block }, "tok") {
            Event::BlockStarted { block: BlockStart::ToolCall { id, .. }, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn counted_ids_become_unique_and_a_providers_own_stay() {
        assert_eq!((id_of("call_0"), id_of("gcall_12")), ("call_0_tok".into(), "gcall_12_tok".into()));
        for own in ["call_abc123", "toolu_01", "call_1234567890", "2lza53qd", "call_"] {
            assert_eq!(id_of(own), own);
        }
    }
}
