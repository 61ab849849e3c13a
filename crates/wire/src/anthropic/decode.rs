//! Answers, as Anthropic and servers that speak its dialect send them.
//!
//! A stream is complete with `message_stop` or an `error`; what comes behind either is passed on and means nothing.
//! Frames, blocks and deltas of kinds that are not known become opaque, never an error. At [`Depth::Envelope`] a
//! content frame is checked to be JSON and no more.

use bytes::{Bytes, BytesMut};
use lockgate_core::content::{Opaque, ToolKind};
use lockgate_core::{BlockStart, Delta, Dialect, Event, Seal, Started, Stop, StopReason};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::content::citation;
use super::error::inside;
use super::frames::{BlockIn, DeltaIn, FrameIn, MessageIn, StopIn};
use super::usage::Meter;
use crate::{DecodeError, Decoded, Depth, Framer, MAX_FRAME, StreamDecoder, sse, validate};

/// Objects and arrays inside each other that a frame may have.
const NESTING: usize = 512;

/// Reads a stream.
pub(super) struct StreamAnswer {
    framer: Framer,
    frames: Frames,
}

/// Reads the frames of a stream.
struct Frames {
    depth: Depth,
    done: bool,
    reader: Reader,
}

impl StreamAnswer {
    pub(super) fn new(depth: Depth) -> Self {
        let frames = Frames { depth, done: false, reader: Reader::default() };
        Self { framer: Framer::sse(MAX_FRAME), frames }
    }
}

impl Frames {
    fn frame(&mut self, raw: &Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        out.begin(raw.clone());
        let event = sse(raw);
        let Some(data) = event.data.as_deref().map(<[u8]>::trim_ascii) else { return Ok(()) };
        // Some servers end as OpenAI does.
        if self.done || data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        if self.depth == Depth::Envelope && is_content(event.name, data) {
            validate(data, NESTING).map_err(|error| DecodeError::malformed(error.to_string()))?;
            out.push(Event::Opaque);
            return Ok(());
        }
        let frame: FrameIn<'_> = read(data)?;
        let named = event.name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        let kind = if frame.kind.0.is_empty() { named } else { &frame.kind.0 };
        match kind {
            "message_start" => self.reader.start(&read_or_empty(frame.message)?, out),
            "message_delta" => self.reader.end(&frame, out)?,
            "message_stop" => {
                self.done = true;
                self.reader.stop(out);
            }
            "ping" => out.push(Event::Ping),
            "error" => self.fail(frame.error, out),
            "" if frame.error.is_some() => self.fail(frame.error, out),
            "content_block_start" | "content_block_delta" | "content_block_stop"
                if self.depth == Depth::Full =>
            {
                self.reader.content(kind, &frame, out)?;
            }
            _ => out.push(Event::Opaque),
        }
        Ok(())
    }

    fn fail(&mut self, error: Option<&RawValue>, out: &mut Decoded) {
        self.done = true;
        out.push(Event::Failed(inside(error.unwrap_or(RawValue::NULL))));
    }
}

impl StreamDecoder for StreamAnswer {
    fn feed(&mut self, bytes: Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        self.framer.feed(bytes, |frame| self.frames.frame(&frame, out))
    }

    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        let tail = self.framer.finish();
        if !tail.is_empty() {
            // A tail that cannot be read was cut in the middle.
            self.frames.frame(&tail, out).map_err(|_| DecodeError::Cut)?;
        }
        if self.frames.done { Ok(()) } else { Err(DecodeError::Cut) }
    }
}

/// Whether a frame is one of a text or a thought, as Anthropic writes them. One that is written otherwise is none.
pub(super) fn is_words(frame: &[u8]) -> bool {
    const BEGINS: &[u8] = b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":";
    let Some(rest) = frame.strip_prefix(BEGINS) else { return false };
    let rest = &rest[rest.iter().take_while(|byte| byte.is_ascii_digit()).count()..];
    [&b"text_delta\",\"text\":\""[..], b"thinking_delta\",\"thinking\":\""].iter().any(|kind| {
        rest.strip_prefix(b",\"delta\":{\"type\":\"").is_some_and(|delta| delta.starts_with(kind))
    })
}

/// Whether a frame holds content, told from its name or its first bytes.
fn is_content(name: Option<&[u8]>, data: &[u8]) -> bool {
    match name {
        Some(name) => name.starts_with(b"content_block_"),
        None => data.starts_with(br#"{"type":"content_block_"#),
    }
}

/// Reads a whole answer.
pub(super) struct WholeAnswer {
    body: BytesMut,
    depth: Depth,
}

impl WholeAnswer {
    pub(super) fn new(depth: Depth) -> Self {
        Self { body: BytesMut::new(), depth }
    }
}

impl StreamDecoder for WholeAnswer {
    fn feed(&mut self, bytes: Bytes, _: &mut Decoded) -> Result<(), DecodeError> {
        if self.body.len() + bytes.len() > MAX_FRAME {
            return Err(DecodeError::FrameTooLarge { limit: MAX_FRAME });
        }
        self.body.extend_from_slice(&bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        let body = std::mem::take(&mut self.body).freeze();
        out.begin(body.clone());
        let message: MessageIn<'_> = read(&body)?;
        if message.kind.0 == "error" || (message.error.is_some() && message.content.is_none()) {
            out.push(Event::Failed(inside(message.error.unwrap_or(RawValue::NULL))));
            return Ok(());
        }
        if message.content.is_none() && message.kind.0 != "message" {
            return Err(DecodeError::malformed("neither a message nor an error"));
        }
        let mut reader = Reader::default();
        reader.start(&message, out);
        if self.depth == Depth::Full {
            for (at, block) in message.content.iter().flatten().enumerate() {
                reader.block_start(at as u64, block, out)?;
                reader.block_stop(at as u64, out);
            }
        }
        reader.note_stop(&StopIn {
            details: message.stop_details,
            reason: message.stop_reason,
            sequence: message.stop_sequence,
        });
        reader.stop(out);
        Ok(())
    }
}

/// What an answer has said so far, and the events it means.
#[derive(Default)]
struct Reader {
    blocks: Vec<Open>,
    /// Whether the model called a tool of the client.
    called: bool,
    id: Option<String>,
    meter: Meter,
    stop: Option<Stop>,
}

/// A block that was started.
struct Open {
    ended: bool,
    index: u32,
    kind: Kind,
    /// The index on the wire.
    wire: u64,
}

enum Kind {
    Opaque,
    Reasoning,
    Text,
    /// A tool call, with the input that it started with while no other came.
    Tool(Option<String>),
}

impl Reader {
    fn start(&mut self, message: &MessageIn<'_>, out: &mut Decoded) {
        self.id = message.id.some();
        out.push(Event::Started(Started {
            created: None,
            id: message.id.some(),
            model: message.model.some(),
        }));
        if let Some(usage) = message.usage {
            out.push(Event::Usage(self.meter.take(usage)));
        }
    }

    fn end(&mut self, frame: &FrameIn<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
        self.note_stop(&read_or_empty(frame.delta)?);
        match frame.usage {
            Some(usage) => out.push(Event::Usage(self.meter.take(usage))),
            None => out.push(Event::Opaque),
        }
        Ok(())
    }

    fn note_stop(&mut self, stop: &StopIn<'_>) {
        if stop.reason.0.is_empty() {
            return;
        }
        let reason = match &*stop.reason.0 {
            "end_turn" => StopReason::EndTurn,
            "max_tokens" => StopReason::MaxTokens,
            "model_context_window_exceeded" => StopReason::ContextWindow,
            "pause_turn" => StopReason::Pause,
            "refusal" => StopReason::Refusal,
            "stop_sequence" => StopReason::StopSequence,
            "tool_use" => StopReason::ToolUse,
            other => StopReason::Other(other.to_owned()),
        };
        self.stop = Some(Stop { detail: detail(stop.details), reason, sequence: stop.sequence.some() });
    }

    /// Ends what is open, then the answer.
    fn stop(&mut self, out: &mut Decoded) {
        let open: Vec<u64> =
            self.blocks.iter().filter(|block| !block.ended).map(|block| block.wire).collect();
        for wire in open {
            self.block_stop(wire, out);
        }
        let mut stop = self.stop.take().unwrap_or_else(|| Stop::because(StopReason::EndTurn));
        if self.called && stop.reason == StopReason::EndTurn {
            stop.reason = StopReason::ToolUse;
        }
        out.push(Event::Ended(stop));
    }

    fn content(&mut self, kind: &str, frame: &FrameIn<'_>, out: &mut Decoded) -> Result<(), DecodeError> {
        let last = self.blocks.last().map(|block| block.wire);
        match kind {
            "content_block_start" => {
                let next = last.map_or(0, |last| last.saturating_add(1));
                let block = frame.content_block.unwrap_or(RawValue::NULL);
                self.block_start(frame.index.0.unwrap_or(next), block, out)?;
            }
            "content_block_delta" => {
                let delta = frame.delta.unwrap_or(RawValue::NULL);
                self.block_delta(frame.index.0.or(last), delta, out)?;
            }
            _ => match frame.index.0.or(last) {
                Some(wire) => self.block_stop(wire, out),
                None => out.push(Event::Opaque),
            },
        }
        Ok(())
    }

    fn block_start(&mut self, wire: u64, raw: &RawValue, out: &mut Decoded) -> Result<(), DecodeError> {
        let block: BlockIn<'_> = read_or_empty(Some(raw))?;
        let index = self.blocks.len() as u32;
        let (start, kind) = match &*block.kind.0 {
            "text" => (BlockStart::Text, Kind::Text),
            "thinking" | "redacted_thinking" => {
                (BlockStart::Reasoning { id: None, summary: false }, Kind::Reasoning)
            }
            "tool_use" => {
                self.called = true;
                let answer = self.id.as_deref().unwrap_or_default();
                let id = block.id.some().unwrap_or_else(|| match answer {
                    "" => format!("call_{index}"),
                    answer => format!("{answer}_call_{index}"),
                });
                let name = block.name.some().unwrap_or_default();
                let input = block.input.map(|input| input.get().to_owned());
                let kind = ToolKind::Function;
                (BlockStart::ToolCall { id, kind, name, namespace: None }, Kind::Tool(input))
            }
            other => {
                let opaque =
                    Opaque { dialect: Dialect::Anthropic, kind: other.to_owned(), raw: raw.to_owned() };
                (BlockStart::Opaque(opaque), Kind::Opaque)
            }
        };
        out.push(Event::BlockStarted { index, block: start });
        let is_opaque = matches!(kind, Kind::Opaque);
        self.blocks.push(Open { ended: false, index, kind, wire });
        if is_opaque {
            return Ok(());
        }
        let mut push = |delta| out.push(Event::BlockDelta { index, delta });
        for raw in block.citations.iter().flatten() {
            push(Delta::Citation(citation((*raw).to_owned())));
        }
        block.text.some().map(Delta::Text).map(&mut push);
        block.thinking.some().map(Delta::Reasoning).map(&mut push);
        block.signature.some().map(|seal| Delta::Seal(Seal::Signature(seal))).map(&mut push);
        block.data.some().map(|seal| Delta::Seal(Seal::Encrypted(seal))).map(&mut push);
        Ok(())
    }

    fn block_delta(
        &mut self,
        wire: Option<u64>,
        raw: &RawValue,
        out: &mut Decoded,
    ) -> Result<(), DecodeError> {
        let open = self.blocks.iter_mut().rev().find(|block| Some(block.wire) == wire && !block.ended);
        let Some(block) = open else {
            out.push(Event::Opaque);
            return Ok(());
        };
        let delta: DeltaIn<'_> = read_or_empty(Some(raw))?;
        let event = match (&*delta.kind.0, &mut block.kind) {
            ("text_delta", Kind::Text) => delta.text.some().map(Delta::Text),
            ("thinking_delta", Kind::Reasoning) => delta.thinking.some().map(Delta::Reasoning),
            ("signature_delta", Kind::Reasoning) => {
                delta.signature.some().map(|seal| Delta::Seal(Seal::Signature(seal)))
            }
            ("citations_delta", Kind::Text) => {
                delta.citation.map(|raw| Delta::Citation(citation(raw.to_owned())))
            }
            ("input_json_delta", Kind::Tool(input)) => {
                let piece = delta.partial_json.some();
                if piece.is_some() {
                    *input = Some(String::new());
                }
                piece.map(Delta::Arguments)
            }
            _ => Some(Delta::Opaque(raw.to_owned())),
        };
        if let Some(delta) = event {
            out.push(Event::BlockDelta { index: block.index, delta });
        }
        Ok(())
    }

    fn block_stop(&mut self, wire: u64, out: &mut Decoded) {
        let open = self.blocks.iter_mut().rev().find(|block| block.wire == wire && !block.ended);
        let Some(block) = open else {
            out.push(Event::Opaque);
            return;
        };
        block.ended = true;
        let index = block.index;
        if let Kind::Tool(input) = &mut block.kind {
            // An empty text stands for input that came in pieces; `None` for none at all.
            let input = input.take().unwrap_or_else(|| "{}".to_owned());
            if !input.is_empty() {
                out.push(Event::BlockDelta { index, delta: Delta::Arguments(input) });
            }
        }
        out.push(Event::BlockEnded { index });
    }
}

/// What a stop says beside its reason: the words, else the category.
fn detail(details: Option<&RawValue>) -> Option<String> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Details {
        category: Option<String>,
        explanation: Option<String>,
    }
    let known: Details = serde_json::from_str(details?.get()).unwrap_or_default();
    known.explanation.or(known.category)
}

/// Reads JSON; what ends too early was cut.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_eof() {
            return DecodeError::Cut;
        }
        DecodeError::malformed(error.to_string().chars().take(200).collect::<String>())
    })
}

/// Reads a part of a frame; what is absent or `null` is empty.
fn read_or_empty<'a, T: Deserialize<'a> + Default>(raw: Option<&'a RawValue>) -> Result<T, DecodeError> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(T::default()),
        Some(json) => read(json.as_bytes()),
    }
}
