//! Reads an answer of `/api/chat` or `/api/generate`, streamed as JSON lines or whole.
//!
//! Each line is read once as pieces of borrowed JSON; what stands in the message is looked at only at full depth. A
//! piece of the wrong type counts as absent: proxies in front of the server are not always careful. Calls without an
//! id get `call_<n>`, counted in this answer.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use lockgate_core::content::{Image, Source, ToolKind};
use lockgate_core::{BlockStart, Delta, Event, Raw, Started, Stop, StopReason, Usage};
use memchr::memmem;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::{DecodeError, Decoded, Depth, Framer, MAX_FRAME, Mode, StreamDecoder};

/// A line (or a whole answer), in pieces.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    created_at: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    image: Option<&'a RawValue>,
    #[serde(borrow)]
    logprobs: Option<&'a RawValue>,
    #[serde(borrow)]
    context: Option<&'a RawValue>,
    #[serde(borrow)]
    done: Option<&'a RawValue>,
    #[serde(borrow)]
    done_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_eval_count: Option<&'a RawValue>,
    #[serde(borrow)]
    eval_count: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    images: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_calls: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call {
    id: Option<Raw>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<Raw>,
    arguments: Option<Raw>,
}

/// A piece as a type, or nothing where it is absent or of another type.
fn read<T: DeserializeOwned>(piece: Option<&RawValue>) -> Option<T> {
    serde_json::from_str(piece?.get()).ok()
}

/// A text that is not empty.
fn words(piece: Option<&RawValue>) -> Option<String> {
    // Most pieces of a stream are other than empty, so the common case is one parse.
    read::<String>(piece).filter(|text| !text.is_empty())
}

fn malformed(error: &serde_json::Error) -> DecodeError {
    let text: String = error.to_string().chars().take(200).collect();
    DecodeError::malformed(text)
}

/// What is open in the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Reasoning,
    Text,
}

/// The decoder of both forms.
pub(super) struct Decoder {
    answer: Answer,
    lines: Option<Framer>,
    whole: BytesMut,
}

impl Decoder {
    /// An answer has no form of an array: [`Mode::Array`] reads lines.
    pub(super) fn new(mode: Mode, depth: Depth) -> Self {
        let lines = match mode {
            Mode::Array | Mode::Stream => Some(Framer::lines(MAX_FRAME)),
            Mode::Whole => None,
        };
        let answer = Answer {
            calls: Vec::new(),
            called: false,
            depth,
            next: 0,
            open: None,
            over: false,
            started: false,
        };
        Self { answer, lines, whole: BytesMut::new() }
    }
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        let Self { answer, lines, whole } = self;
        match lines {
            Some(lines) => lines.feed(bytes, |frame| answer.line(&frame, out)),
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
        let is_whole = self.lines.is_none();
        if !rest.iter().all(u8::is_ascii_whitespace) {
            if is_whole {
                self.answer.whole(&rest, out)?;
            } else {
                self.answer.line(&rest, out)?;
            }
        } else if !rest.is_empty() {
            out.begin(rest);
        }
        if self.answer.over { Ok(()) } else { Err(DecodeError::Cut) }
    }
}

/// Where the answer stands.
struct Answer {
    /// Ids of the calls so far.
    calls: Vec<String>,
    /// A tool was called.
    called: bool,
    depth: Depth,
    next: u32,
    open: Option<Open>,
    over: bool,
    started: bool,
}

impl Answer {
    fn line(&mut self, frame: &Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        out.begin(frame.clone());
        if frame.iter().all(u8::is_ascii_whitespace) {
            return Ok(());
        }
        if self.depth == Depth::Envelope && self.started && says_little(frame) {
            out.push(Event::Opaque);
            return Ok(());
        }
        let text = std::str::from_utf8(frame).map_err(|_| DecodeError::malformed("not UTF-8"))?;
        let line: Line<'_> = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        self.read(&line, read::<bool>(line.done) == Some(true), out);
        Ok(())
    }

    fn whole(&mut self, body: &Bytes, out: &mut Decoded) -> Result<(), DecodeError> {
        out.begin(body.clone());
        let text = std::str::from_utf8(body).map_err(|_| DecodeError::malformed("not UTF-8"))?;
        let line: Line<'_> = serde_json::from_str(text)
            .map_err(|error| if error.is_eof() { DecodeError::Cut } else { malformed(&error) })?;
        // A body that is whole says so by its end, whether or not `done` stands in it.
        self.read(&line, read::<bool>(line.done) != Some(false), out);
        Ok(())
    }

    fn read(&mut self, line: &Line<'_>, done: bool, out: &mut Decoded) {
        if self.over {
            out.push(Event::Opaque);
            return;
        }
        if let Some(error) = line.error {
            self.over = true;
            out.push(Event::Failed(super::error::line(error)));
            return;
        }
        if !self.started {
            self.started = true;
            let created = read::<String>(line.created_at).and_then(|at| super::time::seconds(&at));
            out.push(Event::Started(Started { created, id: None, model: words(line.model) }));
        }
        match self.depth {
            Depth::Envelope => self.glance(line, done, out),
            Depth::Full => self.content(line, out),
        }
        if done {
            self.end(line, out);
        }
    }

    /// Only whether there is a tool call: it changes what the end means.
    fn glance(&mut self, line: &Line<'_>, done: bool, out: &mut Decoded) {
        if let Some(message) = line.message
            && !self.called
            && memmem::find(message.get().as_bytes(), b"\"tool_calls\"").is_some()
        {
            let message: Option<Message<'_>> = serde_json::from_str(message.get()).ok();
            let calls = message.and_then(|message| read::<Vec<Call>>(message.tool_calls));
            self.called = calls.is_some_and(|calls| calls.iter().any(is_callable));
        }
        if !done {
            out.push(Event::Opaque);
        }
    }

    fn content(&mut self, line: &Line<'_>, out: &mut Decoded) {
        let message: Option<Message<'_>> =
            line.message.and_then(|message| serde_json::from_str(message.get()).ok());
        let thinking = words(line.thinking).or_else(|| words(message.as_ref().and_then(|m| m.thinking)));
        if let Some(text) = thinking {
            let index = self.show(Open::Reasoning, out);
            out.push(Event::BlockDelta { index, delta: Delta::Reasoning(text) });
        }
        let said = words(line.response).or_else(|| words(message.as_ref().and_then(|m| m.content)));
        if let Some(text) = said {
            let index = self.show(Open::Text, out);
            out.push(Event::BlockDelta { index, delta: Delta::Text(text) });
        }
        if let Some(logprobs) = line.logprobs.filter(|raw| !matches!(raw.get(), "null" | "[]"))
            && self.open == Some(Open::Text)
        {
            let delta = Delta::Logprobs(logprobs.to_owned());
            out.push(Event::BlockDelta { index: self.next - 1, delta });
        }
        let images = message.as_ref().and_then(|m| read::<Vec<String>>(m.images)).unwrap_or_default();
        for data in images.into_iter().chain(words(line.image)) {
            let source = Source::Base64 { data, media_type: None };
            self.block(BlockStart::Image(Image { detail: None, source }), None, out);
        }
        for call in message.and_then(|m| read::<Vec<Call>>(m.tool_calls)).unwrap_or_default() {
            self.call(call, out);
        }
        if line.context.is_some() {
            out.push(Event::Opaque);
        }
    }

    fn call(&mut self, call: Call, out: &mut Decoded) {
        if !is_callable(&call) {
            out.push(Event::Opaque);
            return;
        }
        self.called = true;
        let function = call.function.unwrap_or(Function { name: None, arguments: None });
        let name = function.name.as_deref().map(|name| text_of(name).into_owned()).unwrap_or_default();
        let given = call.id.as_deref().map(text_of).filter(|id| !id.is_empty());
        let mut id = given.map_or_else(|| format!("call_{}", self.calls.len()), Cow::into_owned);
        if self.calls.contains(&id) {
            id = format!("{id}_{}", self.calls.len());
        }
        self.calls.push(id.clone());
        let arguments = match function.arguments.as_deref().map(text_of) {
            None => "{}".to_owned(),
            Some(text) => text.into_owned(),
        };
        let start = BlockStart::ToolCall { id, kind: ToolKind::Function, name, namespace: None };
        self.block(start, Some(Delta::Arguments(arguments)), out);
    }

    /// The index of the open block of this kind, opened if need be.
    fn show(&mut self, kind: Open, out: &mut Decoded) -> u32 {
        if self.open != Some(kind) {
            self.close(out);
            let block = match kind {
                Open::Reasoning => BlockStart::Reasoning { id: None, summary: false },
                Open::Text => BlockStart::Text,
            };
            out.push(Event::BlockStarted { index: self.next, block });
            self.open = Some(kind);
            self.next += 1;
        }
        self.next - 1
    }

    /// A block that comes whole.
    fn block(&mut self, block: BlockStart, delta: Option<Delta>, out: &mut Decoded) {
        self.close(out);
        let index = self.next;
        self.next += 1;
        out.push(Event::BlockStarted { index, block });
        if let Some(delta) = delta {
            out.push(Event::BlockDelta { index, delta });
        }
        out.push(Event::BlockEnded { index });
    }

    fn close(&mut self, out: &mut Decoded) {
        if self.open.take().is_some() {
            out.push(Event::BlockEnded { index: self.next - 1 });
        }
    }

    fn end(&mut self, line: &Line<'_>, out: &mut Decoded) {
        self.close(out);
        let usage = Usage {
            input_uncached: read(line.prompt_eval_count),
            output: read(line.eval_count),
            ..Usage::default()
        };
        if usage != Usage::default() {
            out.push(Event::Usage(usage));
        }
        let reason = match read::<String>(line.done_reason).as_deref() {
            Some("stop" | "") | None if self.called => StopReason::ToolUse,
            Some("stop" | "") | None => StopReason::EndTurn,
            Some("length") => StopReason::MaxTokens,
            Some("tool_calls") => StopReason::ToolUse,
            Some(other) => StopReason::Other(other.to_owned()),
        };
        self.over = true;
        out.push(Event::Ended(Stop::because(reason)));
    }
}

/// Whether a line is valid and holds words only: neither an end, an error nor a call. Almost every line of a stream is
/// such a line, and one pass of the scanner tells it.
fn says_little(line: &[u8]) -> bool {
    if memmem::find(line, b"\"tool_calls\"").is_some() {
        return false;
    }
    let Ok(scan) = crate::scan::scan(line, 64) else { return false };
    let done = scan.find(line, "done").is_some_and(|done| &line[done.value.clone()] != b"false");
    !done && scan.find(line, "error").is_none()
}

/// A call that names what to call.
fn is_callable(call: &Call) -> bool {
    let name = call.function.as_ref().and_then(|function| function.name.as_deref());
    name.is_some_and(|name| !text_of(name).is_empty())
}

/// A string's text; anything else as it is written (ids that are numbers, arguments that are objects), `null` as
/// nothing.
fn text_of(raw: &RawValue) -> Cow<'_, str> {
    match raw.get() {
        "null" => Cow::Borrowed(""),
        json if json.starts_with('"') => Cow::Owned(serde_json::from_str(json).unwrap_or_default()),
        json => Cow::Borrowed(json),
    }
}

/// The host that really ran the model, where a line says that it was not this server: models named `…:cloud` run
/// on ollama.com. Cheap for lines without it.
pub fn remote_host(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Host {
        remote_host: Option<String>,
        remote_model: Option<String>,
    }
    memmem::find(line, b"\"remote_")?;
    let host: Host = serde_json::from_slice(line).ok()?;
    // A remote model without a host is remote all the same.
    host.remote_host.filter(|host| !host.is_empty()).or(host.remote_model.filter(|model| !model.is_empty()))
}
