//! Reads an answer: SSE, a JSON array, or one body.
//!
//! Complete is an answer whose first candidate told a `finishReason`, or whose prompt was blocked; an array must be
//! closed besides. The end is told at `finish`, because usage and sources may still come behind the reason. Only the
//! first candidate becomes events; frames that speak of others alone are opaque.

mod blocks;

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use lockgate_core::{Event, Started, Stop, Usage};
use memchr::memmem;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use self::blocks::Blocks;
use super::array::Elements;
use super::error::failure_of;
use super::response::{Chunk, Feedback, OutlineCandidate, UsageMetadata, stop};
use crate::frame::{MAX_FRAME, sse};
use crate::json::read_answer;
use crate::scan::{Kind, scan};
use crate::{DecodeError, Decoded, Depth, Framer, Mode, StreamDecoder};

/// What candidates say that are more than words.
static TELLING: LazyLock<[memmem::Finder<'static>; 3]> = LazyLock::new(|| {
    ["\"finishReason\"", "\"functionCall\"", "\"groundingMetadata\""].map(memmem::Finder::new)
});

/// The members of a frame that accounting needs, as they stand in it.
#[derive(Default)]
struct Outline<'a> {
    candidates: Option<&'a [u8]>,
    error: Option<&'a [u8]>,
    feedback: Option<&'a [u8]>,
    id: Option<&'a [u8]>,
    model: Option<&'a [u8]>,
    usage: Option<&'a [u8]>,
}

/// Objects and arrays inside each other in a frame, at most.
const MAX_NESTING: usize = 120;

/// Reads one answer.
pub(super) struct Decoder {
    framing: Framing,
    state: State,
}

enum Framing {
    Array(Elements),
    Sse(Framer),
    Whole(BytesMut),
}

/// What is known of the answer so far.
struct State {
    blocked: Option<Stop>,
    blocks: Blocks,
    /// Whether a tool was called.
    called: bool,
    depth: Depth,
    failed: bool,
    /// The first candidate's reason to end, and its words.
    reason: Option<(String, Option<String>)>,
    /// Queries of the provider's search, which it bills.
    searches: u64,
    started: bool,
    /// Usage as it was told last.
    told: Option<UsageMetadata>,
    usage: Usage,
}

impl Decoder {
    /// A decoder at the start of an answer.
    pub(super) fn new(mode: Mode, depth: Depth) -> Self {
        let framing = match mode {
            Mode::Array => Framing::Array(Elements::new(MAX_FRAME)),
            Mode::Stream => Framing::Sse(Framer::sse(MAX_FRAME)),
            Mode::Whole => Framing::Whole(BytesMut::new()),
        };
        let state = State {
            blocked: None,
            blocks: Blocks::default(),
            called: false,
            depth,
            failed: false,
            reason: None,
            searches: 0,
            started: false,
            told: None,
            usage: Usage::default(),
        };
        Self { framing, state }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        let state = &mut self.state;
        match &mut self.framing {
            Framing::Array(elements) => elements.feed(bytes, |frame, range| {
                out.begin(frame.clone());
                state.json(&frame[range], out)
            }),
            Framing::Sse(framer) => framer.feed(bytes, |frame| {
                out.begin(frame.clone());
                state.event(&frame, out)
            }),
            Framing::Whole(body) => {
                if body.len() + bytes.len() > MAX_FRAME {
                    return Err(DecodeError::FrameTooLarge { limit: MAX_FRAME });
                }
                body.extend_from_slice(&bytes);
                Ok(())
            }
        }
    }

    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        let state = &mut self.state;
        match &mut self.framing {
            Framing::Array(elements) => {
                let (tail, ended) = elements.finish();
                if !tail.is_empty() {
                    out.begin(tail);
                }
                if !ended && !state.failed {
                    return Err(DecodeError::Cut);
                }
            }
            Framing::Sse(framer) => {
                let tail = framer.finish();
                if !tail.is_empty() {
                    out.begin(tail.clone());
                    state.event(&tail, out).map_err(|_| DecodeError::Cut)?;
                }
            }
            Framing::Whole(body) => {
                let body = std::mem::take(body).freeze();
                if body.is_empty() {
                    return Err(DecodeError::Cut);
                }
                out.begin(body.clone());
                state.json(&body, out).map_err(cut_if_short)?;
            }
        }
        state.finish(out)
    }
}

/// A body that ends in the middle of its JSON was cut, not malformed.
fn cut_if_short(error: DecodeError) -> DecodeError {
    match &error {
        DecodeError::Malformed { detail } if detail.contains("EOF while parsing") => DecodeError::Cut,
        DecodeError::Cut | DecodeError::FrameTooLarge { .. } | DecodeError::Malformed { .. } => error,
    }
}

impl State {
    /// A server-sent event. Google sends errors now and then as bare JSON without `data:`.
    fn event(&mut self, frame: &[u8], out: &mut Decoded) -> Result<(), DecodeError> {
        match sse(frame).data {
            Some(data) if &*data == b"[DONE]" => {
                out.push(Event::Opaque);
                Ok(())
            }
            Some(data) => self.json(&data, out),
            None if matches!(frame.trim_ascii_start().first(), Some(b'{' | b'[')) => self.json(frame, out),
            None => {
                out.push(Event::Ping);
                Ok(())
            }
        }
    }

    /// An object of the answer, or an array of them.
    fn json(&mut self, json: &[u8], out: &mut Decoded) -> Result<(), DecodeError> {
        if self.failed {
            out.push(Event::Opaque);
            return Ok(());
        }
        match self.depth {
            Depth::Envelope if json.trim_ascii_start().first() == Some(&b'[') => {
                let elements: Vec<&RawValue> = serde_json::from_slice(json)
                    .map_err(|error| DecodeError::malformed(error.to_string()))?;
                elements.into_iter().try_for_each(|element| self.outline(element.get().as_bytes(), out))
            }
            Depth::Envelope => self.outline(json, out),
            Depth::Full => each(json, |chunk: Chunk| self.chunk(chunk, out)),
        }
    }

    /// Reads only what accounting needs. Most frames hold words alone: those are checked and not taken apart.
    fn outline(&mut self, json: &[u8], out: &mut Decoded) -> Result<(), DecodeError> {
        let found = scan(json, MAX_NESTING).map_err(|error| DecodeError::malformed(error.to_string()))?;
        let mut parts = Outline::default();
        for member in &found.members {
            let value = Some(&json[member.value.clone()]).filter(|_| member.kind != Kind::Null);
            match &json[member.key.clone()] {
                b"candidates" => parts.candidates = value,
                b"error" => parts.error = value,
                b"modelVersion" => parts.model = value,
                b"promptFeedback" => parts.feedback = value,
                b"responseId" => parts.id = value,
                b"usageMetadata" => parts.usage = value,
                _ => {}
            }
        }
        if let Some(error) = parts.error {
            self.failed = true;
            out.push(Event::Failed(failure_of(&read_answer(error)?)));
            return Ok(());
        }
        if !self.started {
            let text = |value: Option<&[u8]>| value.map(read_answer::<String>).transpose();
            self.start(text(parts.id)?, text(parts.model)?, out);
        }
        if let Some(candidates) = parts.candidates {
            if TELLING.iter().any(|word| word.find(candidates).is_some()) {
                self.outline_candidates(read_answer(candidates)?);
            }
            out.push(Event::Opaque);
        }
        let feedback: Option<Feedback> = parts.feedback.map(read_answer).transpose()?;
        self.feedback(feedback.as_ref());
        let usage: Option<UsageMetadata> = parts.usage.map(read_answer).transpose()?;
        self.usage(usage, out);
        Ok(())
    }

    fn outline_candidates(&mut self, candidates: Vec<OutlineCandidate>) {
        let first = candidates.into_iter().find(|candidate| candidate.index.unwrap_or(0) == 0);
        let Some(candidate) = first else { return };
        let parts = candidate.content.and_then(|content| content.parts).unwrap_or_default();
        self.called |= parts.iter().any(|part| part.function_call.is_some());
        let queries = candidate.grounding_metadata.and_then(|grounding| grounding.web_search_queries);
        self.searches = self.searches.max(queries.map_or(0, |queries| queries.len() as u64));
        self.reason(candidate.finish_reason, candidate.finish_message);
    }

    fn chunk(&mut self, chunk: Chunk, out: &mut Decoded) -> Result<(), DecodeError> {
        if let Some(error) = chunk.error {
            self.failed = true;
            out.push(Event::Failed(failure_of(&error)));
            return Ok(());
        }
        self.start(chunk.id, chunk.model, out);
        for candidate in chunk.candidates.unwrap_or_default().0 {
            if candidate.index.unwrap_or(0) != 0 {
                out.push(Event::Opaque);
                continue;
            }
            self.reason(candidate.finish_reason.clone(), candidate.finish_message.clone());
            let queries = candidate.grounding.as_ref().and_then(|grounding| grounding.queries.as_ref());
            self.searches = self.searches.max(queries.map_or(0, |queries| queries.len() as u64));
            self.blocks.candidate(candidate, out)?;
        }
        self.called |= self.blocks.called();
        self.feedback(chunk.feedback.as_ref());
        self.usage(chunk.usage, out);
        Ok(())
    }

    fn start(&mut self, id: Option<String>, model: Option<String>, out: &mut Decoded) {
        if !self.started {
            self.started = true;
            self.blocks.answer(id.as_deref());
            out.push(Event::Started(Started { created: None, id, model }));
        }
    }

    fn reason(&mut self, reason: Option<String>, message: Option<String>) {
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            self.reason = Some((reason, message));
        }
    }

    fn feedback(&mut self, feedback: Option<&Feedback>) {
        if let Some(stop) = feedback.and_then(Feedback::stop) {
            self.blocked = Some(stop);
        }
    }

    /// Each piece tells the sums so far: only what is new becomes an event.
    fn usage(&mut self, told: Option<UsageMetadata>, out: &mut Decoded) {
        let searched = self.searches > 0 && self.usage.server_tools.is_empty();
        let told = told.filter(|told| self.told.as_ref() != Some(told));
        if told.is_none() && !searched {
            return;
        }
        let before = self.usage.clone();
        if let Some(told) = told {
            self.usage.merge(&told.usage());
            self.told = Some(told);
        }
        if self.searches > 0 {
            self.usage.server_tools.insert("google_search".into(), self.searches);
        }
        if self.usage != before {
            out.push(Event::Usage(self.usage.clone()));
        }
    }

    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        if self.failed {
            return Ok(());
        }
        out.begin(Bytes::new());
        let stop = match (self.reason.take(), self.blocked.take()) {
            (Some((reason, message)), _) => stop(&reason, message.as_deref(), self.called),
            (None, Some(blocked)) => blocked,
            (None, None) => return Err(DecodeError::Cut),
        };
        self.blocks.finish(out)?;
        out.push(Event::Ended(stop));
        Ok(())
    }
}

/// Reads one object or an array of them.
fn each<T: DeserializeOwned>(
    json: &[u8],
    mut take: impl FnMut(T) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    if json.trim_ascii_start().first() == Some(&b'[') {
        read_answer::<Vec<T>>(json)?.into_iter().try_for_each(take)
    } else {
        take(read_answer(json)?)
    }
}
