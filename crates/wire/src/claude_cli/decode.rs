//! Reads what `claude -p --output-format stream-json --verbose` prints, one JSON object a line.
//!
//! With `--include-partial-messages` the words come in `stream_event` lines (and once more, whole, in `assistant`
//! lines, which then are passed over); without it the `assistant` lines are read. The answer ends at the `result`
//! line. A `result` of no turns and no words only says that a line of the history was taken ([`ends_step`]). When the
//! command throws away a part that was already shown and begins anew, the answer fails: it must not be shown twice. A
//! refusal ends it for the same reason.

use bytes::{Bytes, BytesMut};
use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Failure, Seal, Started, Stop, StopReason, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error;
use super::event::{Message, Piece, StreamEvent, is, read, stop_reason, sum, usage, words};
use crate::{DecodeError, Decoded, Depth, Framer, MAX_FRAME, Mode, StreamDecoder};

/// A line, in pieces.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    parent_tool_use_id: Option<&'a RawValue>,
    #[serde(borrow)]
    abandoned_blocks: Option<&'a RawValue>,
    #[serde(borrow)]
    is_api_error_message: Option<&'a RawValue>,
    #[serde(borrow)]
    is_error: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(borrow)]
    num_turns: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    api_error_status: Option<&'a RawValue>,
    #[serde(borrow)]
    api_error_type: Option<&'a RawValue>,
}

impl Line<'_> {
    /// Whether a `result` only says that a line of the history was taken.
    fn acknowledges(&self) -> bool {
        read::<u64>(self.num_turns) == Some(0)
            && read::<bool>(self.is_error) != Some(true)
            && words(self.result).is_none()
    }
}

/// Whether a line of the command's output says that it is done with the step before: the next may be fed.
pub fn ends_step(line: &[u8]) -> bool {
    serde_json::from_slice::<Line<'_>>(line).is_ok_and(|line| is(line.kind, "result"))
}

/// The decoder.
pub(super) struct Decoder {
    answer: Answer,
    lines: Option<Framer>,
    whole: BytesMut,
}

impl Decoder {
    /// The command always prints lines; in [`Mode::Whole`] they are read together at the end.
    pub(super) fn new(mode: Mode, depth: Depth) -> Self {
        let lines = match mode {
            Mode::Array | Mode::Stream => Some(Framer::lines(MAX_FRAME)),
            Mode::Whole => None,
        };
        Self { answer: Answer::new(depth), lines, whole: BytesMut::new() }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        let Self { answer, lines, whole } = self;
        match lines {
            Some(lines) => lines.feed(bytes, |frame| {
                out.begin(frame.clone());
                answer.line(&frame, out)
            }),
            None if whole.len() + bytes.len() > MAX_FRAME => {
                Err(DecodeError::FrameTooLarge { limit: MAX_FRAME })
            }
            None => {
                whole.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        let rest = match &mut self.lines {
            Some(lines) => lines.finish(),
            None => std::mem::take(&mut self.whole).freeze(),
        };
        if !rest.is_empty() {
            out.begin(rest.clone());
            for line in rest.split(|byte| *byte == b'\n') {
                self.answer.line(line, out)?;
            }
        }
        if self.answer.over { Ok(()) } else { Err(DecodeError::Cut) }
    }
}

/// The block that is open: whether it is shown, and as what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// The command's own (a tool it runs).
    Hidden,
    /// Words or thoughts.
    Shown,
}

/// Where the answer stands.
struct Answer {
    depth: Depth,
    next: u32,
    open: Option<Open>,
    over: bool,
    /// Words were shown.
    said: bool,
    /// Thoughts or words were shown since the message began.
    shown_of_message: bool,
    started: bool,
    /// The stop sequence of the last message.
    sequence: Option<String>,
    /// Usage of the messages before this one, and of this one.
    spent: (Usage, Usage),
    /// Why the last message stopped.
    stop: Option<String>,
    /// Stream events were seen: whole messages repeat them.
    streams: bool,
}

impl Answer {
    fn new(depth: Depth) -> Self {
        Self {
            depth,
            next: 0,
            open: None,
            over: false,
            said: false,
            shown_of_message: false,
            started: false,
            sequence: None,
            spent: (Usage::default(), Usage::default()),
            stop: None,
            streams: false,
        }
    }

    /// A line; what does not begin as an object is noise beside the answer (a tool that wrote to stdout).
    fn line(&mut self, line: &[u8], out: &mut Decoded) -> Result<(), DecodeError> {
        let line = line.trim_ascii();
        // Behind the end even a line that was cut takes nothing with it.
        if self.over || line.first() != Some(&b'{') {
            if !line.is_empty() {
                out.push(Event::Opaque);
            }
            return Ok(());
        }
        let text = std::str::from_utf8(line).map_err(|_| DecodeError::malformed("not UTF-8"))?;
        let line: Line<'_> = serde_json::from_str(text).map_err(|error| {
            DecodeError::malformed(error.to_string().chars().take(200).collect::<String>())
        })?;
        let of_subagent = line.parent_tool_use_id.is_some_and(|raw| raw.get() != "null");
        if of_subagent {
            out.push(Event::Opaque);
        } else if is(line.kind, "stream_event") {
            self.streams = true;
            self.stream_event(&line, out);
        } else if is(line.kind, "assistant") {
            self.whole(&line, out);
        } else if is(line.kind, "result") {
            self.result(&line, out);
        } else {
            out.push(Event::Opaque);
        }
        Ok(())
    }

    fn stream_event(&mut self, line: &Line<'_>, out: &mut Decoded) {
        let Some(event) = read::<StreamEvent<'_>>(line.event) else {
            out.push(Event::Opaque);
            return;
        };
        if is(event.kind, "message_start") {
            self.begin(read(event.message), out);
        } else if is(event.kind, "message_delta") {
            if let Some(delta) = read::<Piece<'_>>(event.delta) {
                self.stop = words(delta.stop_reason);
                self.sequence = words(delta.stop_sequence);
            }
            self.spend(usage(event.usage), out);
        } else if is(event.kind, "message_stop") && line.abandoned_blocks.is_some() && self.shown_of_message {
            self.close(out);
            self.over = true;
            let words = "the connection of the `claude` command to its API broke in the middle of the answer";
            out.push(Event::Failed(Failure::new(ErrorKind::UpstreamUnavailable, words)));
        } else if is(event.kind, "message_stop") && self.stop.as_deref() == Some("refusal") {
            // The command would ask again behind the client's back and show the words a second time.
            self.close(out);
            self.over = true;
            out.push(Event::Ended(Stop::because(StopReason::Refusal)));
        } else if self.depth == Depth::Envelope {
            out.push(Event::Opaque);
        } else if is(event.kind, "content_block_start") {
            self.close(out);
            match read::<Piece<'_>>(event.content_block) {
                Some(block) => self.open(&block, out),
                None => out.push(Event::Opaque),
            }
        } else if is(event.kind, "content_block_delta") {
            match read::<Piece<'_>>(event.delta) {
                Some(delta) if event.index.is_some() => self.delta(&delta, out),
                Some(_) | None => out.push(Event::Opaque),
            }
        } else if is(event.kind, "content_block_stop") {
            self.close(out);
        } else {
            out.push(Event::Opaque);
        }
    }

    /// A message begins; the first is the answer's beginning.
    fn begin(&mut self, message: Option<Message<'_>>, out: &mut Decoded) {
        self.close(out);
        self.shown_of_message = false;
        let Some(message) = message else {
            out.push(Event::Opaque);
            return;
        };
        if !self.started {
            self.started = true;
            let started = Started { created: None, id: words(message.id), model: words(message.model) };
            out.push(Event::Started(started));
        }
        let (before, last) = &mut self.spent;
        *before = sum(before, last);
        *last = Usage::default();
        self.spend(usage(message.usage), out);
    }

    fn spend(&mut self, later: Option<Usage>, out: &mut Decoded) {
        let Some(later) = later else { return };
        self.spent.1.merge(&later);
        out.push(Event::Usage(sum(&self.spent.0, &self.spent.1)));
    }

    fn open(&mut self, block: &Piece<'_>, out: &mut Decoded) {
        let start = if is(block.kind, "text") {
            BlockStart::Text
        } else if is(block.kind, "thinking") || is(block.kind, "redacted_thinking") {
            BlockStart::Reasoning { id: None, summary: false }
        } else {
            self.open = Some(Open::Hidden);
            out.push(Event::Opaque);
            return;
        };
        self.open = Some(Open::Shown);
        out.push(Event::BlockStarted { index: self.next, block: start });
        self.next += 1;
        if let Some(data) = words(block.data) {
            self.say(Delta::Seal(Seal::Encrypted(data)), out);
        }
        self.delta(block, out);
    }

    /// What a delta (or a whole block) says.
    fn delta(&mut self, piece: &Piece<'_>, out: &mut Decoded) {
        if self.open != Some(Open::Shown) {
            out.push(Event::Opaque);
            return;
        }
        if let Some(text) = words(piece.thinking) {
            self.say(Delta::Reasoning(text), out);
        }
        if let Some(text) = words(piece.text) {
            self.said = true;
            self.say(Delta::Text(text), out);
        }
        if let Some(signature) = words(piece.signature) {
            self.say(Delta::Seal(Seal::Signature(signature)), out);
        }
    }

    fn say(&mut self, delta: Delta, out: &mut Decoded) {
        self.shown_of_message = true;
        out.push(Event::BlockDelta { index: self.next - 1, delta });
    }

    fn close(&mut self, out: &mut Decoded) {
        if self.open.take() == Some(Open::Shown) {
            out.push(Event::BlockEnded { index: self.next - 1 });
        }
    }

    /// An `assistant` line: the message (or one block of it) whole.
    fn whole(&mut self, line: &Line<'_>, out: &mut Decoded) {
        let repeated = self.streams || read::<bool>(line.is_api_error_message) == Some(true);
        let message: Option<Message<'_>> = read(line.message);
        let Some(message) = message.filter(|message| !repeated && !is(message.model, "<synthetic>")) else {
            out.push(Event::Opaque);
            return;
        };
        let blocks: Vec<&RawValue> = read(message.content).unwrap_or_default();
        if !self.started {
            self.begin(Some(message), out);
        }
        if self.depth == Depth::Envelope {
            out.push(Event::Opaque);
            return;
        }
        for block in blocks {
            match read::<Piece<'_>>(Some(block)) {
                Some(block) => self.open(&block, out),
                None => out.push(Event::Opaque),
            }
            self.close(out);
        }
    }

    fn result(&mut self, line: &Line<'_>, out: &mut Decoded) {
        if line.acknowledges() && !self.started {
            out.push(Event::Opaque);
            return;
        }
        self.close(out);
        self.over = true;
        let told = words(line.result);
        let reason = words(line.stop_reason);
        let is_error = read::<bool>(line.is_error) == Some(true);
        // Why the model stopped is worth more than the command's words about it.
        let stopped = [reason.as_deref(), self.stop.as_deref()];
        let meant = stopped.into_iter().flatten().find(|reason| matches!(*reason, "refusal" | "max_tokens"));
        let status: Option<u16> = read(line.api_error_status);
        if let Some(usage) =
            usage(line.usage).filter(|usage| usage.prompt() != Some(0) || usage.output != Some(0))
        {
            out.push(Event::Usage(usage));
        }
        if is_error && (meant.is_none() || status.is_some()) {
            let errors: Vec<String> = read(line.errors).unwrap_or_default();
            let words_of = told.unwrap_or_else(|| errors.join("; "));
            let code = words(line.api_error_type);
            out.push(Event::Failed(error::result(&words_of, status, code)));
            return;
        }
        if !self.said
            && !is_error
            && self.depth == Depth::Full
            && let Some(text) = &told
        {
            // Answered by the command itself, without the model.
            out.push(Event::BlockStarted { index: self.next, block: BlockStart::Text });
            out.push(Event::BlockDelta { index: self.next, delta: Delta::Text(text.clone()) });
            out.push(Event::BlockEnded { index: self.next });
        }
        let last = if is_error { meant } else { reason.as_deref().or(self.stop.as_deref()) };
        let stop = Stop {
            detail: told.filter(|_| is_error),
            reason: stop_reason(last),
            sequence: self.sequence.take().filter(|_| !is_error),
        };
        out.push(Event::Ended(stop));
    }
}
