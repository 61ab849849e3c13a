//! Reads answers: server-sent events, or the response object as one body.
//!
//! Frames keep their bytes; the events in them are made by [`Blocks`]. At [`Depth::Envelope`] only the head, the
//! usage and the end are read. Knows no HTTP.

use bytes::{Bytes, BytesMut};
use lockgate_core::Event;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{DecodeError, Decoded, Depth, Framer, MAX_FRAME, Mode, StreamDecoder, sse, validate};

use super::answer::{ResponseIn, elements, object, text};
use super::blocks::Blocks;
use super::error;
use super::shape::EventIn;

/// A decoder for one answer. This dialect has no array mode; it is read as a stream.
pub(super) fn decoder(mode: Mode, depth: Depth) -> Box<dyn StreamDecoder> {
    match mode {
        Mode::Array | Mode::Stream => {
            Box::new(Stream { framer: Framer::sse(MAX_FRAME), reader: Reader::new(depth) })
        }
        Mode::Whole => Box::new(Whole { body: BytesMut::new(), reader: Reader::new(depth) }),
    }
}

struct Stream {
    framer: Framer,
    reader: Reader,
}

impl StreamDecoder for Stream {
    fn feed(&mut self, bytes: Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        let reader = &mut self.reader;
        self.framer.feed(bytes, |frame| reader.frame(&frame, out))
    }

    fn finish(&mut self, out: &mut Decoded) -> Result<(), DecodeError> {
        let tail = self.framer.finish();
        if !tail.is_empty() && self.reader.frame(&tail, out).is_err() {
            // Half a frame: whatever else is wrong with it, it was cut.
            return Err(DecodeError::Cut);
        }
        if self.reader.over { Ok(()) } else { Err(DecodeError::Cut) }
    }
}

struct Whole {
    body: BytesMut,
    reader: Reader,
}

impl StreamDecoder for Whole {
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
        let response: ResponseIn<'_> = match serde_json::from_slice(&body) {
            Ok(response) => response,
            Err(error) if error.is_eof() => return Err(DecodeError::Cut),
            Err(error) => return Err(DecodeError::malformed(error.to_string())),
        };
        if !response.is_response() {
            return Err(DecodeError::malformed("the body holds no response"));
        }
        self.reader.end(&response, &response.status(), out);
        Ok(())
    }
}

/// What has been read of one answer.
struct Reader {
    blocks: Blocks,
    called: bool,
    depth: Depth,
    over: bool,
    started: bool,
}

impl Reader {
    fn new(depth: Depth) -> Self {
        Self { blocks: Blocks::default(), called: false, depth, over: false, started: false }
    }

    fn frame(&mut self, raw: &Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        out.begin(raw.clone());
        let frame = sse(raw);
        let Some(data) = frame.data else {
            if raw.starts_with(b":") {
                out.push(Event::Ping);
            }
            return Ok(());
        };
        if &data[..] == b"[DONE]" {
            return Ok(());
        }
        let name = frame.name.and_then(|name| std::str::from_utf8(name).ok());
        if self.depth == Depth::Envelope && frame.name.is_some_and(|name| name.ends_with(b".delta")) {
            self.begin(&ResponseIn::default(), out);
            self.called |= name.is_some_and(is_call_event);
            validate(&data, 512).map_err(|error| DecodeError::malformed(error.to_string()))?;
            out.push(Event::Opaque);
            return Ok(());
        }
        let event: EventIn<'_> = read(&data)?;
        let kind = text(event.kind);
        let kind = kind.as_deref().or(name).unwrap_or_default();
        if kind == "error" || (kind.is_empty() && event.error.is_some()) {
            self.fail(read(&data)?, out);
        } else {
            self.event(kind, &event, out);
        }
        Ok(())
    }

    fn event(&mut self, kind: &str, event: &EventIn<'_>, out: &mut Decoded) {
        let response = || object::<ResponseIn<'_>>(event.response).unwrap_or_default();
        match kind {
            _ if self.over => out.push(Event::Opaque),
            "" => out.push(Event::Opaque),
            "response.created" | "response.in_progress" | "response.queued" => self.begin(&response(), out),
            "response.cancelled" | "response.completed" | "response.failed" | "response.incomplete" => {
                let status = kind.strip_prefix("response.").unwrap_or(kind);
                self.end(&response(), status, out);
            }
            _ if self.depth == Depth::Envelope => {
                self.begin(&ResponseIn::default(), out);
                self.called |= is_call_event(kind);
                out.push(Event::Opaque);
            }
            _ => {
                self.begin(&ResponseIn::default(), out);
                if !self.blocks.take(kind, event, out) {
                    out.push(Event::Opaque);
                }
            }
        }
    }

    fn begin(&mut self, response: &ResponseIn<'_>, out: &mut Decoded) {
        if !self.started {
            self.started = true;
            let started = response.started();
            self.blocks.answer.clone_from(&started.id);
            out.push(Event::Started(started));
        }
    }

    /// A second failure says nothing new: OpenAI sends `error` and then `response.failed`.
    fn fail(&mut self, error: &RawValue, out: &mut Decoded) {
        if self.over {
            out.push(Event::Opaque);
        } else {
            self.over = true;
            out.push(Event::Failed(error::failure(error)));
        }
    }

    /// The response object is there: what never streamed comes now, then usage and the end.
    fn end(&mut self, response: &ResponseIn<'_>, status: &str, out: &mut Decoded) {
        if let (Some(error), None, "") = (response.error, response.output, status) {
            return self.fail(error, out);
        }
        self.begin(response, out);
        self.over = true;
        let output = elements(response.output);
        match self.depth {
            Depth::Envelope => self.blocks.look(&output),
            Depth::Full => self.blocks.finish(&output, out),
        }
        if let Some(usage) = response.usage() {
            out.push(Event::Usage(usage));
        }
        let called = self.called || self.blocks.called;
        out.push(match status {
            "cancelled" | "failed" => Event::Failed(error::failure(response.error.unwrap_or(RawValue::NULL))),
            _ => Event::Ended(response.stop(status, called, self.blocks.refused)),
        });
    }
}

fn read<'a, T: Deserialize<'a>>(data: &'a [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(data).map_err(|error| DecodeError::malformed(error.to_string()))
}

fn is_call_event(kind: &str) -> bool {
    kind.starts_with("response.function_call_arguments.")
        || kind.starts_with("response.custom_tool_call_input.")
}
