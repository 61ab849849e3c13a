//! Writes an answer as one JSON body, when it is complete.
//!
//! Blocks of the same kind are joined: the dialect has one content, one refusal, one list of calls.

use lockgate_core::content::{Citation, ToolKind};
use lockgate_core::{BlockStart, Delta, Event, Failure};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::told::{Head, Span, annotation, logprobs, picture, stands_for_its_text};
use super::{error, usage};
use crate::json::to_client;
use crate::{AnswerContext, Loss, StreamEncoder};

#[derive(Debug, Serialize)]
struct BodyOut<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    choices: [ChoiceOut<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<usage::Told>,
}

#[derive(Debug, Serialize)]
struct ChoiceOut<'a> {
    index: u32,
    message: MessageOut<'a>,
    logprobs: Option<&'a Logprobs>,
    finish_reason: &'static str,
}

#[derive(Debug, Serialize)]
struct MessageOut<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tool_calls: &'a [CallOut],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    annotations: &'a [Box<RawValue>],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    images: &'a [Box<RawValue>],
}

#[derive(Debug, Serialize)]
struct CallOut {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<FunctionOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<CustomOut>,
}

#[derive(Debug, Serialize)]
struct FunctionOut {
    name: String,
    arguments: String,
}

#[derive(Debug, Serialize)]
struct CustomOut {
    name: String,
    input: String,
}

/// Probabilities, gathered from all deltas.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Logprobs {
    content: Option<Vec<Box<RawValue>>>,
    refusal: Option<Vec<Box<RawValue>>>,
}

/// Gathers an answer and writes it at its end.
pub(super) struct Whole {
    annotations: Vec<Box<RawValue>>,
    calls: Vec<CallOut>,
    content: String,
    done: bool,
    failure: Option<Failure>,
    head: Head,
    images: Vec<Box<RawValue>>,
    logprobs: Option<Logprobs>,
    loss: Loss,
    reasoning: String,
    refusal: String,
    refused: bool,
    span: Span,
    /// Sources of the open text that do not say which words they stand for: all of it, as soon as it is over.
    waiting: Vec<Citation>,
}

impl Whole {
    pub(super) fn new(context: AnswerContext) -> Self {
        Self {
            annotations: Vec::new(),
            calls: Vec::new(),
            content: String::new(),
            done: false,
            failure: None,
            head: Head::new(context),
            images: Vec::new(),
            logprobs: None,
            loss: Loss::default(),
            reasoning: String::new(),
            refusal: String::new(),
            refused: false,
            span: Span::default(),
            waiting: Vec::new(),
        }
    }

    fn open(&mut self, block: &BlockStart) {
        match block {
            BlockStart::Image(image) => self.images.extend(picture(image, &mut self.loss)),
            BlockStart::Opaque(opaque) => self.loss.note(opaque.kind.as_str()),
            BlockStart::Reasoning { .. } => {}
            BlockStart::Refusal => self.refused = true,
            BlockStart::Text => self.span.start = self.span.end,
            BlockStart::ToolCall { id, kind, name, namespace } => {
                if namespace.is_some() {
                    self.loss.note("namespace");
                }
                let (id, name) = (id.clone(), name.clone());
                self.calls.push(match kind {
                    ToolKind::Custom => CallOut {
                        id,
                        kind: "custom",
                        function: None,
                        custom: Some(CustomOut { name, input: String::new() }),
                    },
                    ToolKind::Function => CallOut {
                        id,
                        kind: "function",
                        function: Some(FunctionOut { name, arguments: String::new() }),
                        custom: None,
                    },
                });
            }
        }
    }

    fn more(&mut self, delta: &Delta) {
        match delta {
            Delta::Arguments(piece) => {
                let Some(call) = self.calls.last_mut() else { return };
                if let Some(function) = &mut call.function {
                    function.arguments.push_str(piece);
                }
                if let Some(custom) = &mut call.custom {
                    custom.input.push_str(piece);
                }
            }
            Delta::Citation(citation) if stands_for_its_text(citation) => self.waiting.push(citation.clone()),
            Delta::Citation(citation) => {
                self.annotations.extend(annotation(citation, self.span, &mut self.loss));
            }
            Delta::Logprobs(found) => self.gather(found),
            Delta::Opaque(_) => self.loss.note("opaque"),
            Delta::Reasoning(words) => self.reasoning.push_str(words),
            Delta::Refusal(words) => self.refusal.push_str(words),
            // Nothing is lost: it waits in the gateway for the next turn.
            Delta::Seal(_) => {}
            Delta::Text(words) => {
                self.span.grow(words);
                self.content.push_str(words);
            }
        }
    }

    fn gather(&mut self, found: &RawValue) {
        let Some(found) = logprobs(found, &mut self.loss) else { return };
        let Ok(more) = serde_json::from_str::<Logprobs>(found.get()) else {
            self.loss.note("logprobs");
            return;
        };
        let all = self.logprobs.get_or_insert_default();
        for (mine, theirs) in [(&mut all.content, more.content), (&mut all.refusal, more.refusal)] {
            if let Some(theirs) = theirs {
                mine.get_or_insert_default().extend(theirs);
            }
        }
    }
}

impl StreamEncoder for Whole {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        match event {
            Event::BlockDelta { delta, .. } => self.more(delta),
            Event::BlockEnded { .. } => {
                // A function called without arguments was called with none: `{}`.
                let function = self.calls.last_mut().and_then(|call| call.function.as_mut());
                if let Some(function) = function.filter(|function| function.arguments.is_empty()) {
                    function.arguments.push_str("{}");
                }
                for citation in std::mem::take(&mut self.waiting) {
                    self.annotations.extend(annotation(&citation, self.span, &mut self.loss));
                }
            }
            Event::BlockStarted { block, .. } => self.open(block),
            Event::Ended(stop) => self.head.stop = Some(stop.clone()),
            Event::Failed(failure) => self.failure = Some(failure.clone()),
            Event::Opaque | Event::Ping => {}
            Event::Started(started) => self.head.take(started),
            Event::Usage(usage) => self.head.usage.merge(usage),
        }
        let _ = out;
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if !self.done {
            self.done = true;
            error::write(failure, out);
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(failure) = self.failure.take() {
            self.fail(&failure, out);
        }
        if self.done {
            return;
        }
        self.done = true;
        let finish_reason = self.head.finish_reason(!self.calls.is_empty(), self.refused, &mut self.loss);
        let some = |text: &'_ str| !text.is_empty();
        let message = MessageOut {
            role: "assistant",
            // Nothing said at all is an empty text; beside calls or a refusal it is none.
            content: (some(&self.content) || (self.calls.is_empty() && !self.refused))
                .then_some(&self.content),
            reasoning_content: some(&self.reasoning).then_some(&self.reasoning),
            refusal: some(&self.refusal).then_some(&self.refusal),
            tool_calls: &self.calls,
            annotations: &self.annotations,
            images: &self.images,
        };
        let body = BodyOut {
            id: &self.head.id,
            object: "chat.completion",
            created: self.head.created,
            model: &self.head.model,
            service_tier: self.head.service_tier(),
            choices: [ChoiceOut { index: 0, message, logprobs: self.logprobs.as_ref(), finish_reason }],
            usage: usage::told(&self.head.usage, self.head.estimate),
        };
        to_client(&body, out);
    }

    fn ping(&mut self, _out: &mut Vec<u8>) {}

    fn loss(&self) -> &Loss {
        &self.loss
    }
}
