//! What a sequence of chunks means: one state machine for streams and for whole answers (which are a single chunk
//! that says `message` where a stream says `delta`).
//!
//! Of several answers (`n` > 1) only the first becomes events. The end is told when the answer is over and not with
//! `finish_reason`, since usage comes behind it.

use lockgate_core::content::Opaque;
use lockgate_core::{BlockStart, Delta, Dialect, ErrorKind, Event, Failure, Seal, Started, Stop, StopReason};
use serde_json::value::RawValue;

use super::calls::{Calls, Place};
use super::chunk::{Audio, Call, Choice, Chunk, Content, Detail, Message, Number, Piece, details};
use super::{error, extras, usage};
use crate::{Decoded, Depth};

/// An answer as far as it has come.
#[derive(Debug)]
pub(super) struct Answer {
    calls: Calls,
    depth: Depth,
    finish: Option<Finish>,
    flow: Option<(Kind, u32)>,
    id: Option<String>,
    next: u32,
    /// The end or a failure was told.
    pub(super) over: bool,
    refused: bool,
    /// Tool calls were seen; at [`Depth::Envelope`] all that is known of them.
    pub(super) called: bool,
    /// Sound came, and was told.
    sounds: bool,
    pub(super) started: bool,
    texts: u32,
}

/// The provider's word for the end.
#[derive(Debug)]
struct Finish {
    detail: Option<String>,
    sequence: Option<String>,
    word: String,
}

/// What flows now; only one kind does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reasoning,
    Refusal,
    Text,
}

impl Answer {
    pub(super) fn new(depth: Depth) -> Self {
        Self {
            calls: Calls::default(),
            called: false,
            depth,
            finish: None,
            flow: None,
            id: None,
            next: 0,
            over: false,
            refused: false,
            sounds: false,
            started: false,
            texts: 0,
        }
    }

    /// Whether the provider said why it ended.
    pub(super) fn finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Takes a chunk, or a whole answer. `text` is the JSON it was read from.
    pub(super) fn take(&mut self, chunk: &Chunk<'_>, text: &str, out: &mut Decoded) {
        let before = out.events().len();
        if chunk.error.is_some_and(|raw| !is_hollow(raw)) || chunk.object.text() == Some("error") {
            return self.fail(error::inside(text), out);
        }
        self.start(chunk, out);
        // A missing index is the first answer's.
        let first = |choice: &&Choice<'_>| choice.index.0.unwrap_or(0) == 0;
        for choice in chunk.choices.iter().flatten().filter(first) {
            if let Some(raw) = choice.error.filter(|raw| !is_hollow(raw)) {
                return self.fail(error::inside(raw.get()), out);
            }
            self.choice(choice, out);
            if self.over {
                return;
            }
        }
        if let Some(usage) = usage::of(chunk) {
            out.push(Event::Usage(usage));
        }
        if out.events().len() == before {
            out.push(Event::Opaque);
        }
    }

    /// The answer is over, with the dialect's mark or without it.
    pub(super) fn end(&mut self, out: &mut Decoded) {
        if self.over {
            return;
        }
        if let Some(failure) = self.close(out) {
            return self.fail(failure, out);
        }
        if !self.started {
            self.started = true;
            out.push(Event::Started(Started::default()));
        }
        let stop = self.stop();
        out.push(Event::Ended(stop));
        self.over = true;
    }

    pub(super) fn fail(&mut self, failure: Failure, out: &mut Decoded) {
        if !self.over {
            out.push(Event::Failed(failure));
            self.over = true;
        }
    }

    fn start(&mut self, chunk: &Chunk<'_>, out: &mut Decoded) {
        let said = chunk.id.text().is_some() || chunk.model.text().is_some();
        let speaks = chunk.choices.as_ref().is_some_and(|choices| !choices.is_empty());
        if self.started || !(said || speaks) {
            return;
        }
        self.started = true;
        self.id = chunk.id.text().map(Into::into);
        out.push(Event::Started(Started {
            created: chunk.created.0.filter(|at| *at > 0),
            id: self.id.clone(),
            model: chunk.model.text().map(Into::into),
        }));
    }

    fn choice(&mut self, choice: &Choice<'_>, out: &mut Decoded) {
        if let Some(message) = choice.delta.as_ref().or(choice.message.as_ref()) {
            self.called |= message.function_call.is_some()
                || message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
            if self.depth == Depth::Full {
                self.message(message, choice.delta.is_none(), out);
            }
        }
        if let (Depth::Full, Some(raw)) = (self.depth, choice.logprobs) {
            self.logprobs(raw, out);
        }
        let Some(word) = choice.finish_reason.text() else { return };
        if word == "error" {
            let failure = Failure::new(
                ErrorKind::UpstreamUnavailable,
                "the provider ended the answer with an error and did not say which",
            );
            return self.fail(failure, out);
        }
        let sequence = choice.stop_reason.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let native = choice.native_finish_reason.text().filter(|native| *native != word);
        self.finish = Some(Finish {
            detail: native.map(Into::into),
            sequence: sequence.filter(|text| !text.is_empty()),
            word: word.into(),
        });
        if let Some(failure) = self.close(out) {
            self.fail(failure, out);
        }
    }

    fn message(&mut self, message: &Message<'_>, whole: bool, out: &mut Decoded) {
        self.thoughts(message, out);
        match &message.content {
            Content::None => {}
            Content::Text(text) => self.say(Kind::Text, text, out),
            Content::Parts(parts) => {
                for part in parts {
                    self.part(part, out);
                }
            }
        }
        if let Some(refusal) = message.refusal.text() {
            self.say(Kind::Refusal, refusal, out);
        }
        if let Some(raw) = message.annotations {
            self.annotations(raw, out);
        }
        if let Some(raw) = message.images {
            self.images(raw, out);
        }
        if let Some(raw) = message.audio.filter(|raw| !is_hollow(raw)) {
            self.audio(raw, out);
        }
        for (at, call) in message.tool_calls.iter().flatten().enumerate() {
            // In a whole answer each entry is a call of its own.
            let index = if whole { Number(Some(at as u64)) } else { call.index };
            self.call(&Call { index, ..call.clone() }, out);
        }
        if let Some(function) = message.function_call.clone() {
            self.call(
                &Call { index: Number(Some(u64::MAX)), function: Some(function), ..Call::default() },
                out,
            );
        }
    }

    fn call(&mut self, call: &Call<'_>, out: &mut Decoded) {
        self.stop_flow(out);
        self.calls.take(call, &mut Place { answer: self.id.as_deref(), next: &mut self.next, out });
    }

    /// Thoughts, told in up to three fields at once: the words are taken from one of them.
    fn thoughts(&mut self, message: &Message<'_>, out: &mut Decoded) {
        let plain = message.reasoning_content.text().or(message.reasoning.text());
        let known = message.reasoning_details.and_then(details).unwrap_or_default();
        if let Some(words) = plain {
            let summary = known.first().is_some_and(|detail| detail.summary);
            self.think(words, known.iter().find_map(|detail| detail.id.clone()), summary, out);
        }
        for Detail { id, seal, summary, text } in known {
            if plain.is_none() && !text.is_empty() {
                self.think(&text, id.clone(), summary, out);
            }
            if let Some(seal) = seal {
                self.seal(seal, id, out);
            }
        }
    }

    fn think(&mut self, words: &str, id: Option<String>, summary: bool, out: &mut Decoded) {
        let index = self.flow(Kind::Reasoning, out, || BlockStart::Reasoning { id, summary });
        out.push(Event::BlockDelta { index, delta: Delta::Reasoning(words.into()) });
    }

    fn seal(&mut self, seal: Seal, id: Option<String>, out: &mut Decoded) {
        let index = self.flow(Kind::Reasoning, out, || BlockStart::Reasoning { id, summary: false });
        out.push(Event::BlockDelta { index, delta: Delta::Seal(seal) });
    }

    fn say(&mut self, kind: Kind, words: &str, out: &mut Decoded) {
        if words.is_empty() {
            return;
        }
        let (start, delta) = match kind {
            Kind::Reasoning => {
                return self.think(words, None, false, out);
            }
            Kind::Refusal => {
                self.refused = true;
                (BlockStart::Refusal, Delta::Refusal(words.into()))
            }
            Kind::Text => {
                self.texts += 1;
                (BlockStart::Text, Delta::Text(words.into()))
            }
        };
        let index = self.flow(kind, out, || start);
        out.push(Event::BlockDelta { index, delta });
    }

    /// A part of content in the long form.
    fn part(&mut self, raw: &RawValue, out: &mut Decoded) {
        let piece: Piece<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        match (piece.kind.text(), piece.text.text(), piece.refusal.text()) {
            (Some("text") | None, Some(text), _) => self.say(Kind::Text, text, out),
            (Some("text"), None, _) => {}
            (Some("refusal"), _, Some(refusal)) => self.say(Kind::Refusal, refusal, out),
            (Some("thinking"), _, _) => match piece.thinking {
                Content::None => {}
                Content::Text(text) => self.say(Kind::Reasoning, &text, out),
                Content::Parts(parts) => {
                    for raw in parts {
                        let inner: Piece<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
                        self.say(Kind::Reasoning, inner.text.text().unwrap_or_default(), out);
                    }
                }
            },
            _ => out.push(Event::Opaque),
        }
    }

    fn annotations(&mut self, raw: &RawValue, out: &mut Decoded) {
        for citation in extras::citations(raw) {
            match (citation, self.flow) {
                (Some(citation), Some((Kind::Text, index))) => {
                    out.push(Event::BlockDelta { index, delta: Delta::Citation(citation) });
                }
                _ => out.push(Event::Opaque),
            }
        }
    }

    /// Sound stays in its dialect; what was said in it is told as words.
    fn audio(&mut self, raw: &RawValue, out: &mut Decoded) {
        if !self.sounds {
            self.sounds = true;
            self.stop_flow(out);
            let index = self.next;
            self.next += 1;
            let block = Opaque { dialect: Dialect::Chat, kind: "audio".into(), raw: raw.to_owned() };
            out.push(Event::BlockStarted { index, block: BlockStart::Opaque(block) });
            out.push(Event::BlockEnded { index });
        }
        let audio: Audio<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
        if let Some(words) = audio.transcript.text() {
            self.say(Kind::Text, words, out);
        }
    }

    fn images(&mut self, raw: &RawValue, out: &mut Decoded) {
        for image in extras::images(raw) {
            self.stop_flow(out);
            let index = self.next;
            self.next += 1;
            out.push(Event::BlockStarted { index, block: BlockStart::Image(image) });
            out.push(Event::BlockEnded { index });
        }
    }

    fn logprobs(&mut self, raw: &RawValue, out: &mut Decoded) {
        match self.flow {
            Some((_, index)) if !is_hollow(raw) => {
                out.push(Event::BlockDelta { index, delta: Delta::Logprobs(raw.to_owned()) });
            }
            _ => {}
        }
    }

    /// The open block of this kind; a block of another kind ends.
    fn flow(&mut self, kind: Kind, out: &mut Decoded, start: impl FnOnce() -> BlockStart) -> u32 {
        match self.flow {
            Some((open, index)) if open == kind => return index,
            _ => self.stop_flow(out),
        }
        self.calls.end_complete(out);
        let index = self.next;
        self.next += 1;
        self.flow = Some((kind, index));
        out.push(Event::BlockStarted { index, block: start() });
        index
    }

    fn stop_flow(&mut self, out: &mut Decoded) {
        if let Some((_, index)) = self.flow.take() {
            out.push(Event::BlockEnded { index });
        }
    }

    fn close(&mut self, out: &mut Decoded) -> Option<Failure> {
        self.stop_flow(out);
        self.calls.end_all(out)
    }

    fn stop(&mut self) -> Stop {
        let Some(Finish { detail, sequence, word }) = self.finish.take() else {
            return Stop::because(self.natural());
        };
        let reason = match word.as_str() {
            "content_filter" => StopReason::ContentFilter,
            "length" | "max_tokens" => StopReason::MaxTokens,
            "model_length" => StopReason::ContextWindow,
            "stop" if sequence.is_some() && !self.called => StopReason::StopSequence,
            // Some servers end tool calls with `stop`, some say `tool_calls` where there are none.
            "end_turn" | "eos" | "function_call" | "stop" | "tool_calls" | "tool_use" => self.natural(),
            _ => StopReason::Other(word),
        };
        Stop { detail, reason, sequence }
    }

    /// Why an answer ends that ends by itself.
    fn natural(&self) -> StopReason {
        if self.called {
            StopReason::ToolUse
        } else if self.refused && self.texts == 0 {
            StopReason::Refusal
        } else {
            StopReason::EndTurn
        }
    }
}

/// A value that says nothing.
fn is_hollow(raw: &RawValue) -> bool {
    const LONGEST: usize = 80;
    if raw.get().len() > LONGEST {
        return false;
    }
    let text: String = raw.get().split_whitespace().collect();
    matches!(
        text.as_str(),
        "" | "[]"
            | "{}"
            | "\"\""
            | "false"
            | "null"
            | r#"{"content":[],"refusal":null}"#
            | r#"{"content":null,"refusal":null}"#
    )
}
