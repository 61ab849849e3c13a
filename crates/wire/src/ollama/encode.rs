//! Writes an answer for an Ollama client: JSON lines, or one body.
//!
//! Words leave as they come; a tool call leaves whole when its block ends, because a line holds whole calls only.
//! Counts are written where they are known. Durations are those of the call as the gateway saw it, since clients show tokens per second by them:
//! `prompt_eval_duration` ends with the first words, `eval_duration` is the rest, or all where the answer came in one piece. How long a model
//! took to load is not known and stays out. Broken tool arguments cannot be said (they must be an object) and end the answer with an error.

use std::time::Duration;

use lockgate_core::content::Source;
use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Failure, Raw, Stop, StopReason, Usage};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Shape;
use crate::{AnswerContext, Elapsed, Loss, Mode, StreamEncoder};

#[derive(Default, Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    images: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tool_calls: &'a [Call],
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    created_at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<&'a [Box<RawValue>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'a str>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eval_duration: Option<u64>,
}

/// Nanoseconds: in all, to the first words, from there on.
#[derive(Default)]
struct Took {
    total: Option<u64>,
    prompt: Option<u64>,
    answer: Option<u64>,
}

impl Took {
    fn of(total: Option<Duration>, first: Option<Duration>) -> Self {
        // What comes in one piece says nothing of how fast it was made.
        const ONE_PIECE: Duration = Duration::from_millis(1);
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).ok();
        let Some(all) = total else { return Self::default() };
        let first = first.filter(|first| *first + ONE_PIECE < all);
        let answer = first.map_or(all, |first| all.saturating_sub(first));
        Self { total: nanos(all), prompt: first.and_then(nanos), answer: nanos(answer) }
    }
}

#[derive(Serialize)]
struct Call {
    id: String,
    function: Function,
}

#[derive(Serialize)]
struct Function {
    index: usize,
    name: String,
    arguments: Raw,
}

/// Writes JSON as Go does: `<`, `>` and `&` escaped like the line separators. They can stand in strings only.
pub(super) fn go_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let from = out.len();
    crate::json::to_client(value, out);
    if !out[from..].iter().any(|byte| matches!(byte, b'<' | b'>' | b'&')) {
        return;
    }
    let plain = out.split_off(from);
    for byte in plain {
        match byte {
            b'<' => out.extend_from_slice(b"\\u003c"),
            b'>' => out.extend_from_slice(b"\\u003e"),
            b'&' => out.extend_from_slice(b"\\u0026"),
            _ => out.push(byte),
        }
    }
}

/// What a line (or the whole answer) says.
#[derive(Default)]
struct Said {
    calls: Vec<Call>,
    images: Vec<String>,
    logprobs: Vec<Raw>,
    text: String,
    thinking: String,
}

/// A tool call that is still coming.
struct Coming {
    arguments: String,
    id: String,
    name: String,
}

/// The encoder of both forms.
pub(super) struct Encoder {
    calls: usize,
    coming: Option<Coming>,
    created_at: String,
    elapsed: Elapsed,
    end: Option<Stop>,
    /// Why the answer could not be said.
    failed: Option<Failure>,
    /// How long the first words took.
    first: Option<Duration>,
    loss: Loss,
    mode: Mode,
    model: String,
    over: bool,
    /// Everything, for [`Mode::Whole`]; in a stream the line that is being made.
    said: Said,
    shape: Shape,
    usage: Usage,
}

impl Encoder {
    pub(super) fn new(shape: Shape, mode: Mode, context: AnswerContext) -> Self {
        Self {
            calls: 0,
            coming: None,
            created_at: super::time::stamp(context.created),
            elapsed: context.elapsed,
            end: None,
            failed: None,
            first: None,
            loss: Loss::default(),
            mode,
            model: context.model,
            over: false,
            said: Said::default(),
            shape,
            usage: Usage::default(),
        }
    }

    fn streams(&self) -> bool {
        match self.mode {
            Mode::Array | Mode::Stream => true,
            Mode::Whole => false,
        }
    }

    fn start(&mut self, block: &BlockStart) {
        match block {
            BlockStart::Image(image) => match &image.source {
                Source::Base64 { data, .. } if self.shape == Shape::Chat => {
                    self.said.images.push(data.clone());
                }
                Source::Base64 { .. } | Source::File { .. } | Source::Text { .. } | Source::Url { .. } => {
                    self.loss.note("images");
                }
            },
            BlockStart::Opaque(opaque) => self.loss.note(opaque.kind.as_str()),
            // There is no field for a refusal: its words are words.
            BlockStart::Refusal => self.loss.note("refusal"),
            BlockStart::ToolCall { id, name, .. } => {
                let (id, name) = (id.clone(), name.clone());
                self.coming = Some(Coming { arguments: String::new(), id, name });
            }
            BlockStart::Reasoning { .. } | BlockStart::Text => {}
        }
    }

    fn delta(&mut self, delta: &Delta) {
        match delta {
            Delta::Arguments(piece) => {
                if let Some(coming) = &mut self.coming {
                    coming.arguments.push_str(piece);
                }
            }
            Delta::Citation(_) => self.loss.note("citations"),
            Delta::Logprobs(raw) => match serde_json::from_str::<Vec<Raw>>(raw.get()) {
                Ok(tokens) => self.said.logprobs.extend(tokens),
                Err(_) => self.loss.note("logprobs"),
            },
            Delta::Opaque(_) => self.loss.note("delta"),
            Delta::Reasoning(text) => self.said.thinking.push_str(text),
            Delta::Refusal(text) | Delta::Text(text) => self.said.text.push_str(text),
            // Nothing is lost: it waits in the gateway for the next turn.
            Delta::Seal(_) => {}
        }
    }

    fn call(&mut self, coming: Coming) -> Result<(), Failure> {
        let Coming { arguments, id, name } = coming;
        if self.shape == Shape::Generate {
            self.loss.note("tool_calls");
            return Ok(());
        }
        let text = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
        let raw = crate::json::is_object(&text).then(|| crate::json::raw(text)).flatten();
        let Some(arguments) = raw else {
            self.loss.note("tool_calls.arguments");
            let words = format!(
                "the model called the tool `{name}` with arguments that are not a JSON object; the call cannot be passed on"
            );
            return Err(Failure::new(ErrorKind::UpstreamUnavailable, words));
        };
        self.said.calls.push(Call { id, function: Function { index: self.calls, name, arguments } });
        self.calls += 1;
        Ok(())
    }

    /// Sends what was said since the last line, if anything was.
    fn flush(&mut self, out: &mut Vec<u8>) {
        let Said { calls, images, logprobs, text, thinking } = &self.said;
        let silent = calls.is_empty()
            && images.is_empty()
            && logprobs.is_empty()
            && text.is_empty()
            && thinking.is_empty();
        if self.streams() && !silent {
            self.write(false, out);
        }
    }

    fn write(&mut self, done: bool, out: &mut Vec<u8>) {
        let said = std::mem::take(&mut self.said);
        let reason = self.end.take().map(|stop| self.reason(&stop));
        let (prompt, answer) = if done { (self.usage.prompt(), self.usage.output) } else { (None, None) };
        let took = if done { Took::of(self.elapsed.now(), self.first) } else { Took::default() };
        let chat = self.shape == Shape::Chat;
        let line = Line {
            model: &self.model,
            created_at: &self.created_at,
            message: chat.then_some(Message {
                role: "assistant",
                content: &said.text,
                thinking: &said.thinking,
                images: &said.images,
                tool_calls: &said.calls,
            }),
            response: (!chat).then_some(&said.text),
            thinking: if chat { "" } else { &said.thinking },
            logprobs: (!said.logprobs.is_empty()).then_some(&*said.logprobs),
            done_reason: reason.as_deref(),
            done,
            total_duration: took.total,
            prompt_eval_count: prompt,
            prompt_eval_duration: took.prompt,
            eval_count: answer,
            eval_duration: took.answer,
        };
        go_json(&line, out);
        if self.streams() {
            out.push(b'\n');
        }
    }

    fn reason(&mut self, stop: &Stop) -> String {
        if stop.sequence.is_some() {
            self.loss.note("stop_sequence");
        }
        if stop.detail.is_some() {
            self.loss.note("stop_details");
        }
        match &stop.reason {
            StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse => "stop".to_owned(),
            StopReason::ContextWindow | StopReason::MaxTokens => "length".to_owned(),
            StopReason::Other(word) if matches!(&**word, "load" | "unload") => word.clone(),
            StopReason::ContentFilter | StopReason::Other(_) | StopReason::Pause | StopReason::Refusal => {
                self.loss.note("stop_reason");
                "stop".to_owned()
            }
        }
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::BlockDelta { delta, .. } => self.delta(delta),
            Event::BlockEnded { .. } => {
                if let Some(coming) = self.coming.take()
                    && let Err(failure) = self.call(coming)
                {
                    self.fail(&failure, out);
                    self.failed = Some(failure);
                    return;
                }
            }
            Event::BlockStarted { block, .. } => {
                if self.first.is_none() {
                    self.first = self.elapsed.now();
                }
                self.start(block);
            }
            Event::Ended(stop) => self.end = Some(stop.clone()),
            Event::Failed(failure) => {
                self.fail(failure, out);
                return;
            }
            Event::Opaque | Event::Ping => {}
            Event::Started(started) => {
                if let Some(model) = &started.model {
                    self.model.clone_from(model);
                }
            }
            Event::Usage(usage) => self.usage.merge(usage),
        }
        if self.end.is_none() {
            self.flush(out);
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.over = true;
        out.extend_from_slice(&super::error::body(failure));
        if self.streams() {
            out.push(b'\n');
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        if let Some(coming) = self.coming.take()
            && let Err(failure) = self.call(coming)
        {
            self.fail(&failure, out);
            self.failed = Some(failure);
            return;
        }
        self.write(true, out);
        self.over = true;
    }

    /// A line without words: the server itself sends such lines, and clients add the nothing to what they have.
    fn ping(&mut self, out: &mut Vec<u8>) {
        if self.over || !self.streams() || self.end.is_some() {
            return;
        }
        self.flush(out);
        self.write(false, out);
    }

    fn loss(&self) -> &Loss {
        &self.loss
    }

    fn failure(&self) -> Option<&Failure> {
        self.failed.as_ref()
    }
}
