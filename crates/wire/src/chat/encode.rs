//! Writes an answer as a stream of chunks: one id, time and model all through, the role first, tool calls numbered
//! among themselves, usage only if the client asked for it, `[DONE]` last.

use lockgate_core::content::{Citation, ToolKind};
use lockgate_core::{BlockStart, Delta, Event, Failure};
use serde::Serialize;
use serde_json::value::RawValue;

use super::told::{Head, Span, annotation, logprobs, picture, stands_for_its_text};
use super::{error, usage};
use crate::json::to_client;
use crate::{AnswerContext, Loss, StreamEncoder};

#[derive(Debug, Serialize)]
struct ChunkOut<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    choices: &'a [ChoiceOut<'a>],
    #[serde(skip_serializing_if = "UsageOut::is_unwanted")]
    usage: UsageOut,
}

/// Usage in a chunk.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum UsageOut {
    Here(usage::Told),
    /// The client asked for it and it is not here yet: `null`.
    Later,
    Unwanted,
}

impl UsageOut {
    fn is_unwanted(&self) -> bool {
        matches!(self, Self::Unwanted)
    }
}

#[derive(Debug, Serialize)]
struct ChoiceOut<'a> {
    index: u32,
    delta: DeltaOut<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<Box<RawValue>>,
    finish_reason: Option<&'a str>,
}

#[derive(Debug, Default, Serialize)]
struct DeltaOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallOut<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<[Box<RawValue>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<[Box<RawValue>; 1]>,
}

#[derive(Debug, Serialize)]
struct CallOut<'a> {
    index: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<FunctionOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<CustomOut<'a>>,
}

#[derive(Debug, Serialize)]
struct FunctionOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

#[derive(Debug, Serialize)]
struct CustomOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    input: &'a str,
}

/// A tool call that is being written.
#[derive(Debug)]
struct OpenCall {
    index: u32,
    kind: ToolKind,
    /// Whether any arguments were written.
    said: bool,
}

/// Writes server-sent events.
pub(super) struct Stream {
    call: Option<OpenCall>,
    calls: u32,
    done: bool,
    head: Head,
    include_usage: bool,
    loss: Loss,
    refused: bool,
    span: Span,
    started: bool,
    /// Sources of the open text that do not say which words they stand for: all of it, as soon as it is over.
    waiting: Vec<Citation>,
}

impl Stream {
    pub(super) fn new(context: AnswerContext) -> Self {
        Self {
            call: None,
            calls: 0,
            done: false,
            include_usage: context.include_usage,
            head: Head::new(context),
            loss: Loss::default(),
            refused: false,
            span: Span::default(),
            started: false,
            waiting: Vec::new(),
        }
    }

    fn chunk(&self, choices: &[ChoiceOut<'_>], told: Option<usage::Told>, out: &mut Vec<u8>) {
        let chunk = ChunkOut {
            id: &self.head.id,
            object: "chat.completion.chunk",
            created: self.head.created,
            model: &self.head.model,
            service_tier: self.head.service_tier(),
            choices,
            usage: match told {
                Some(told) => UsageOut::Here(told),
                None if self.include_usage => UsageOut::Later,
                None => UsageOut::Unwanted,
            },
        };
        out.extend_from_slice(b"data: ");
        to_client(&chunk, out);
        out.extend_from_slice(b"\n\n");
    }

    fn say(&self, delta: DeltaOut<'_>, out: &mut Vec<u8>) {
        self.chunk(&[ChoiceOut { index: 0, delta, logprobs: None, finish_reason: None }], None, out);
    }

    /// The first chunk names the speaker.
    fn start(&mut self, out: &mut Vec<u8>) {
        if !self.started {
            self.started = true;
            self.say(DeltaOut { role: Some("assistant"), content: Some(""), ..DeltaOut::default() }, out);
        }
    }

    fn open(&mut self, block: &BlockStart, out: &mut Vec<u8>) {
        match block {
            BlockStart::Image(image) => {
                if let Some(picture) = picture(image, &mut self.loss) {
                    self.say(DeltaOut { images: Some([picture]), ..DeltaOut::default() }, out);
                }
            }
            BlockStart::Opaque(opaque) => self.loss.note(opaque.kind.as_str()),
            BlockStart::Reasoning { .. } => {}
            BlockStart::Refusal => self.refused = true,
            BlockStart::Text => self.span.start = self.span.end,
            BlockStart::ToolCall { id, kind, name, namespace } => {
                if namespace.is_some() {
                    self.loss.note("namespace");
                }
                let index = self.calls;
                self.calls += 1;
                self.call = Some(OpenCall { index, kind: *kind, said: false });
                let (function, custom, word) = match kind {
                    ToolKind::Custom => (None, Some(CustomOut { name: Some(name), input: "" }), "custom"),
                    ToolKind::Function => {
                        (Some(FunctionOut { name: Some(name), arguments: "" }), None, "function")
                    }
                };
                let call = CallOut { index, id: Some(id), kind: Some(word), function, custom };
                self.say(DeltaOut { tool_calls: Some([call]), ..DeltaOut::default() }, out);
            }
        }
    }

    fn more(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Arguments(piece) => self.arguments(piece, out),
            Delta::Citation(citation) if stands_for_its_text(citation) => self.waiting.push(citation.clone()),
            Delta::Citation(citation) => self.cite(citation, out),
            Delta::Logprobs(found) => {
                if let Some(found) = logprobs(found, &mut self.loss) {
                    let delta = DeltaOut { content: Some(""), ..DeltaOut::default() };
                    let choice = ChoiceOut { index: 0, delta, logprobs: Some(found), finish_reason: None };
                    self.chunk(&[choice], None, out);
                }
            }
            Delta::Opaque(_) => self.loss.note("opaque"),
            Delta::Reasoning(words) if !words.is_empty() => {
                self.say(DeltaOut { reasoning_content: Some(words), ..DeltaOut::default() }, out);
            }
            Delta::Refusal(words) if !words.is_empty() => {
                self.say(DeltaOut { refusal: Some(words), ..DeltaOut::default() }, out);
            }
            Delta::Text(words) if !words.is_empty() => {
                self.span.grow(words);
                self.say(DeltaOut { content: Some(words), ..DeltaOut::default() }, out);
            }
            // A seal is not lost: it waits in the gateway for the next turn.
            Delta::Reasoning(_) | Delta::Refusal(_) | Delta::Seal(_) | Delta::Text(_) => {}
        }
    }

    fn arguments(&mut self, piece: &str, out: &mut Vec<u8>) {
        let Some(open) = self.call.as_mut().filter(|_| !piece.is_empty()) else { return };
        open.said = true;
        let (function, custom) = match open.kind {
            ToolKind::Custom => (None, Some(CustomOut { name: None, input: piece })),
            ToolKind::Function => (Some(FunctionOut { name: None, arguments: piece }), None),
        };
        let call = CallOut { index: open.index, id: None, kind: None, function, custom };
        self.say(DeltaOut { tool_calls: Some([call]), ..DeltaOut::default() }, out);
    }

    /// A function called without arguments was called with none: `{}`.
    fn cite(&mut self, citation: &Citation, out: &mut Vec<u8>) {
        if let Some(found) = annotation(citation, self.span, &mut self.loss) {
            self.say(DeltaOut { annotations: Some([found]), ..DeltaOut::default() }, out);
        }
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        for citation in std::mem::take(&mut self.waiting) {
            self.cite(&citation, out);
        }
        if self.call.as_ref().is_some_and(|call| !call.said && call.kind == ToolKind::Function) {
            self.arguments("{}", out);
        }
        self.call = None;
    }
}

impl StreamEncoder for Stream {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        match event {
            Event::BlockDelta { delta, .. } => self.more(delta, out),
            Event::BlockEnded { .. } => self.close(out),
            Event::BlockStarted { block, .. } => {
                self.start(out);
                self.open(block, out);
            }
            Event::Ended(stop) => self.head.stop = Some(stop.clone()),
            Event::Failed(failure) => self.fail(failure, out),
            Event::Opaque => {}
            Event::Ping => self.ping(out),
            Event::Started(started) => {
                if !self.started {
                    self.head.take(started);
                }
                self.start(out);
            }
            Event::Usage(usage) => self.head.usage.merge(usage),
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        self.done = true;
        out.extend_from_slice(b"data: ");
        error::write(failure, out);
        out.extend_from_slice(b"\n\ndata: [DONE]\n\n");
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        self.start(out);
        self.close(out);
        self.done = true;
        let word = self.head.finish_reason(self.calls > 0, self.refused, &mut self.loss);
        let delta = DeltaOut::default();
        self.chunk(&[ChoiceOut { index: 0, delta, logprobs: None, finish_reason: Some(word) }], None, out);
        if let (true, Some(told)) = (self.include_usage, usage::told(&self.head.usage, self.head.estimate)) {
            self.chunk(&[], Some(told), out);
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn resume(&mut self, _: &[u8], out: &mut Vec<u8>) {
        self.start(out);
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        if !self.done {
            out.extend_from_slice(b": ping\n\n");
        }
    }

    fn loss(&self) -> &Loss {
        &self.loss
    }
}
