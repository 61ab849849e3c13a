//! Reads answers: cuts a stream into frames (or gathers a whole body) and hands each to the state machine in
//! `answer`.
//!
//! At [`Depth::Envelope`] a frame that holds nothing but content is checked to be JSON and passed on; what makes a
//! frame worth a look is found by searching for the few keys that matter. Depends on no clock and keeps no content.

use std::sync::LazyLock;

use bytes::{Bytes, BytesMut};
use lockgate_core::Event;
use memchr::memmem::Finder;

use super::answer::Answer;
use super::chunk::Chunk;
use super::error;
use crate::frame::{Framer, MAX_FRAME, sse};
use crate::{DecodeError, Decoded, Depth, StreamDecoder};

/// Objects and arrays inside each other, at most.
const NESTING: usize = 512;

/// Keys whose value, unless it is null, makes a frame worth reading.
static KEYS: LazyLock<[Finder<'static>; 5]> = LazyLock::new(|| {
    ["\"error\"", "\"finish_reason\"", "\"usage\"", "\"tool_calls\"", "\"function_call\""].map(Finder::new)
});

/// How many of the keys matter when tool calls were seen before.
const WITHOUT_CALLS: usize = 3;

/// Reads server-sent events.
pub(super) struct Stream {
    depth: Depth,
    framer: Framer,
    answer: Answer,
}

impl Stream {
    pub(super) fn new(depth: Depth) -> Self {
        Self { depth, framer: Framer::sse(MAX_FRAME), answer: Answer::new(depth) }
    }
}

impl StreamDecoder for Stream {
    fn feed(&mut self, bytes: Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        let Self { depth, framer, answer } = self;
        framer.feed(bytes, |raw| frame(answer, *depth, &raw, out))
    }

    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        let tail = self.framer.finish();
        let mut whole = true;
        if !tail.is_empty() {
            whole = is_whole(&tail);
            if whole {
                frame(&mut self.answer, self.depth, &tail, out)?;
            } else {
                out.begin(tail);
            }
        }
        if self.answer.over {
            return Ok(());
        }
        // Some servers forget the mark of the end; one that said why it ended has ended.
        if whole && self.answer.finished() {
            out.begin(Bytes::new());
            self.answer.end(out);
            return Ok(());
        }
        Err(DecodeError::Cut)
    }
}

/// Whether what is left at the end is a frame that only lacks its empty line.
fn is_whole(tail: &[u8]) -> bool {
    if let Some(data) = sse(tail).data {
        let data = data.trim_ascii();
        return data == b"[DONE]" || crate::validate(data, NESTING).is_ok();
    }
    let text = tail.trim_ascii();
    text.is_empty()
        || text.starts_with(b":")
        || (text.starts_with(b"{") && crate::validate(text, NESTING).is_ok())
}

fn frame(answer: &mut Answer, depth: Depth, raw: &Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
    out.begin(raw.clone());
    if answer.over {
        return Ok(());
    }
    let event = sse(raw);
    let Some(data) = &event.data else {
        bare(answer, raw.trim_ascii(), out);
        return Ok(());
    };
    let data = data.trim_ascii();
    if data.is_empty() {
        return Ok(());
    }
    if data == b"[DONE]" {
        answer.end(out);
        return Ok(());
    }
    if depth == Depth::Envelope && answer.started && event.name.is_none() && !matters(data, answer.called) {
        check(data)?;
        out.push(Event::Opaque);
        return Ok(());
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return Err(DecodeError::malformed("a frame is not UTF-8"));
    };
    if event.name == Some(b"error") || (data.starts_with(b"[") && text.contains("\"error\"")) {
        check(data)?;
        answer.fail(error::inside(text), out);
        return Ok(());
    }
    if let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(text) {
        answer.take(&chunk, text, out);
    } else {
        // JSON of a shape that is not known is not an error; what is no JSON is.
        check(data)?;
        out.push(Event::Opaque);
    }
    Ok(())
}

/// A frame without data: a comment; `error: {…}` of older llama.cpp servers; or a body that is no stream at all,
/// because the server failed or does not stream.
fn bare(answer: &mut Answer, text: &[u8], out: &mut Decoded) {
    if text.starts_with(b":") {
        out.push(Event::Ping);
        return;
    }
    let Ok(text) = std::str::from_utf8(text) else { return };
    if let Some(words) = text.strip_prefix("error:") {
        answer.fail(error::inside(words.trim()), out);
        return;
    }
    if !text.starts_with('{') || answer.started {
        return;
    }
    if let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(text) {
        let complete = chunk.choices.is_some();
        answer.take(&chunk, text, out);
        if complete {
            answer.end(out);
        }
    }
}

/// Whether a frame holds content that is no tool call.
pub(super) fn is_words(frame: &[u8]) -> bool {
    let Some(data) = frame.strip_prefix(b"data: ") else { return false };
    data.starts_with(b"{") && memchr::memmem::find(data, b"\"content\":\"").is_some() && !matters(data, false)
}

fn check(data: &[u8]) -> Result<(), DecodeError> {
    crate::validate(data, NESTING).map_err(|error| DecodeError::malformed(error.to_string()))
}

/// Whether a frame may hold more than content. A quotation mark inside text is escaped, so a match is never inside
/// one.
fn matters(data: &[u8], called: bool) -> bool {
    let keys = if called { &KEYS[..WITHOUT_CALLS] } else { &KEYS[..] };
    keys.iter().any(|key| {
        key.find_iter(data).any(|at| {
            let behind = data[at + key.needle().len()..].trim_ascii_start();
            match behind.strip_prefix(b":") {
                Some(value) => {
                    let value = value.trim_ascii_start();
                    !value.starts_with(b"null") && !value.starts_with(b"[]")
                }
                // A value, such as `"object":"error"`.
                None => true,
            }
        })
    })
}

/// Reads one JSON body.
pub(super) struct Whole {
    answer: Answer,
    body: BytesMut,
}

impl Whole {
    pub(super) fn new(depth: Depth) -> Self {
        Self { answer: Answer::new(depth), body: BytesMut::new() }
    }
}

impl StreamDecoder for Whole {
    fn feed(&mut self, bytes: Bytes, _out: &mut Decoded) -> Result<(), DecodeError> {
        if self.body.len() + bytes.len() > MAX_FRAME {
            return Err(DecodeError::FrameTooLarge { limit: MAX_FRAME });
        }
        self.body.extend_from_slice(&bytes);
        Ok(())
    }

    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        let body = std::mem::take(&mut self.body).freeze();
        out.begin(body.clone());
        let Ok(text) = std::str::from_utf8(&body) else {
            return Err(DecodeError::malformed("the answer is not UTF-8"));
        };
        let text = text.trim();
        if text.is_empty() {
            return Err(DecodeError::Cut);
        }
        let chunk: Chunk<'_> = serde_json::from_str(text).map_err(|error| {
            if error.is_eof() { DecodeError::Cut } else { DecodeError::malformed(error.to_string()) }
        })?;
        if chunk.choices.is_none() && chunk.error.is_none() {
            // FastAPI's and other errors under a status that says nothing.
            let Some(failure) = error::read(text) else {
                return Err(DecodeError::malformed("the answer has no `choices`"));
            };
            self.answer.fail(failure, out);
            return Ok(());
        }
        self.answer.take(&chunk, text, out);
        self.answer.end(out);
        Ok(())
    }
}
