//! Writes an answer for a client of this dialect: SSE, a JSON array, or one body.
//!
//! Google's SDKs keep a chat's history only if every piece has at least one part, so no piece is sent without; the
//! sign of life is an empty line, which all of them skip (they end the stream at an SSE comment). A call goes out
//! whole, together with what comes next, because the last piece must not stand alone behind it in that history. An
//! error is a `data:` frame: current SDKs raise it, older ones miss the `finishReason` behind it.

mod piece;

use lockgate_core::content::{Citation, Source};
use lockgate_core::{BlockStart, Delta, Dialect, Event, Failure, Seal, Stop, StopReason, Usage};

use self::piece::{Body, Candidate, Content, Piece, grounding, usage_metadata};
use super::content::is_base64;
use super::error;
use super::response::REASONS;
use super::write::arguments;
use crate::json::{raw, to_client};
use crate::{AnswerContext, Loss, Mode, StreamEncoder};

/// Writes one answer.
pub(super) struct Encoder {
    block: Option<Open>,
    citations: Vec<Citation>,
    /// Whether the answer was ended.
    done: bool,
    id: Option<String>,
    loss: Loss,
    /// Why a call could not be written.
    malformed: Option<String>,
    mode: Mode,
    model: String,
    /// Parts that are not out yet.
    parts: Vec<Piece>,
    /// Whether all words so far are one block of ASCII: then a span in characters is one in bytes of the answer.
    spans_hold: bool,
    stop: Option<Stop>,
    texts: u32,
    usage: Option<Usage>,
    /// Whether a piece went out.
    wrote: bool,
}

enum Open {
    Call { arguments: String, id: String, name: String, signature: Option<String> },
    Other,
    Text { thought: bool, wrote: bool },
}

impl Encoder {
    /// An encoder at the start of an answer.
    pub(super) fn new(mode: Mode, context: AnswerContext) -> Self {
        Self {
            block: None,
            citations: Vec::new(),
            done: false,
            id: Some(context.id).filter(|id| !id.is_empty()),
            loss: Loss::default(),
            malformed: None,
            mode,
            model: context.model,
            parts: Vec::new(),
            spans_hold: true,
            stop: None,
            texts: 0,
            usage: None,
            wrote: false,
        }
    }

    fn started(&mut self, block: &BlockStart) {
        self.block = Some(match block {
            BlockStart::Image(image) => {
                match &image.source {
                    Source::Base64 { data, media_type } => {
                        let media_type = media_type.clone().unwrap_or_else(|| "image/png".into());
                        self.parts.push(Piece::data(media_type, data.clone()));
                    }
                    Source::File { .. } | Source::Text { .. } | Source::Url { .. } => self.loss.note("image"),
                }
                Open::Other
            }
            BlockStart::Opaque(own) if own.dialect == Dialect::Gemini => {
                self.parts.push(Piece::Own(own.raw.clone()));
                Open::Other
            }
            BlockStart::Opaque(foreign) => {
                self.loss.note(foreign.kind.as_str());
                Open::Other
            }
            BlockStart::Reasoning { .. } => Open::Text { thought: true, wrote: false },
            BlockStart::Refusal | BlockStart::Text => {
                self.texts += 1;
                self.spans_hold &= self.texts == 1;
                Open::Text { thought: false, wrote: false }
            }
            BlockStart::ToolCall { id, name, .. } => {
                Open::Call { arguments: String::new(), id: id.clone(), name: name.clone(), signature: None }
            }
        });
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        match (delta, &mut self.block) {
            (Delta::Arguments(piece), Some(Open::Call { arguments, .. })) => arguments.push_str(piece),
            (Delta::Seal(Seal::Signature(seal)), Some(Open::Call { signature, .. })) if is_base64(seal) => {
                *signature = Some(seal.clone());
            }
            (Delta::Seal(Seal::Signature(seal)), Some(Open::Text { thought, wrote })) if is_base64(seal) => {
                let thought = *thought && *wrote;
                self.seal(thought, seal);
            }
            (Delta::Seal(Seal::Encrypted(_) | Seal::Signature(_)), _) => self.loss.note("reasoning"),
            (
                Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Text(text),
                Some(Open::Text { thought, wrote }),
            ) => {
                if !text.is_empty() {
                    *wrote = true;
                    let thought = *thought;
                    self.spans_hold &= thought || text.is_ascii();
                    self.words(text, thought, out);
                }
            }
            (Delta::Citation(citation), _) => {
                if citation.url.is_some() {
                    self.citations.push(citation.clone());
                } else {
                    self.loss.note("citations");
                }
            }
            (Delta::Logprobs(_), _) => self.loss.note("logprobs"),
            (
                Delta::Arguments(_)
                | Delta::Opaque(_)
                | Delta::Reasoning(_)
                | Delta::Refusal(_)
                | Delta::Text(_),
                _,
            ) => self.loss.note("delta"),
        }
    }

    /// Words go out at once, in a stream; in one body neighbours are joined.
    fn words(&mut self, more: &str, is_thought: bool, out: &mut Vec<u8>) {
        if self.mode == Mode::Whole
            && let Some(Piece::Text { text, thought, signature: None }) = self.parts.last_mut()
            && *thought == is_thought
        {
            text.push_str(more);
            return;
        }
        self.parts.push(Piece::Text { text: more.into(), thought: is_thought, signature: None });
        self.flush(out);
    }

    fn seal(&mut self, is_thought: bool, seal: &str) {
        if is_thought
            && let Some(Piece::Text { thought: true, signature: signature @ None, .. }) =
                self.parts.last_mut()
        {
            *signature = Some(seal.into());
            return;
        }
        // It waits for what comes next, as a call does: Google's own last piece carries it.
        let signature = Some(seal.to_owned());
        self.parts.push(Piece::Text { text: String::new(), thought: is_thought, signature });
    }

    fn ended(&mut self) {
        let Some(Open::Call { arguments: text, id, name, signature }) = self.block.take() else { return };
        if let Some(args) = arguments(&text).and_then(raw) {
            self.parts.push(Piece::call(id, name, args, signature));
        } else {
            let excerpt = crate::json::excerpt(text.as_bytes(), 200);
            self.malformed = Some(format!("Malformed function call: {name}({excerpt})"));
        }
    }

    /// Sends what waits.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.mode == Mode::Whole || self.parts.is_empty() {
            return;
        }
        let parts = std::mem::take(&mut self.parts);
        self.piece(&Candidate { content: Content::of(&parts), ..Candidate::default() }, None, out);
    }

    fn piece(&mut self, candidate: &Candidate<'_>, usage: Option<&Usage>, out: &mut Vec<u8>) {
        let (before, behind): (&[u8], &[u8]) = match (self.mode, self.wrote) {
            (Mode::Array, false) => (b"[", b""),
            (Mode::Array, true) => (b",\r\n", b""),
            (Mode::Stream, _) => (b"data: ", b"\r\n\r\n"),
            (Mode::Whole, _) => (b"", b""),
        };
        self.wrote = true;
        let body = Body {
            candidates: [candidate],
            usage_metadata: usage.map(usage_metadata),
            model_version: &self.model,
            response_id: self.id.as_deref(),
        };
        out.extend_from_slice(before);
        to_client(&body, out);
        out.extend_from_slice(behind);
    }

    fn reason(&mut self) -> (String, Option<String>) {
        if let Some(malformed) = self.malformed.take() {
            return ("MALFORMED_FUNCTION_CALL".into(), Some(malformed));
        }
        let Some(stop) = self.stop.take() else { return ("OTHER".into(), None) };
        match &stop.reason {
            StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse => {
                ("STOP".into(), stop.detail)
            }
            StopReason::ContextWindow | StopReason::MaxTokens => ("MAX_TOKENS".into(), stop.detail),
            StopReason::ContentFilter => filtered(stop.detail),
            StopReason::Refusal => ("SAFETY".into(), stop.detail),
            StopReason::Other(word) if REASONS.contains(&word.as_str()) => (word.clone(), stop.detail),
            StopReason::Other(word) => ("OTHER".into(), stop.detail.or_else(|| Some(word.clone()))),
            StopReason::Pause => {
                self.loss.note("pause_turn");
                ("OTHER".into(), stop.detail)
            }
        }
    }
}

/// The filter's own word stands before the sentence, where Google was the one who filtered.
fn filtered(detail: Option<String>) -> (String, Option<String>) {
    let Some(detail) = detail else { return ("SAFETY".into(), None) };
    let (word, message) = detail.split_once(": ").unwrap_or((&detail, ""));
    if REASONS.contains(&word) {
        (word.into(), Some(message.to_owned()).filter(|message| !message.is_empty()))
    } else {
        ("SAFETY".into(), Some(detail))
    }
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        match event {
            Event::BlockDelta { delta, .. } => self.delta(delta, out),
            Event::BlockEnded { .. } => self.ended(),
            Event::BlockStarted { block, .. } => self.started(block),
            Event::Ended(stop) => self.stop = Some(stop.clone()),
            Event::Failed(failure) => self.fail(failure, out),
            Event::Opaque | Event::Ping => {}
            Event::Started(started) => {
                if let Some(model) = started.model.as_ref().filter(|model| !model.is_empty()) {
                    self.model.clone_from(model);
                }
                if let Some(id) = started.id.as_ref().filter(|id| !id.is_empty()) {
                    self.id = Some(id.clone());
                }
            }
            Event::Usage(usage) => match &mut self.usage {
                Some(known) => known.merge(usage),
                None => self.usage = Some(usage.clone()),
            },
        }
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        self.flush(out);
        match self.mode {
            Mode::Array => out.extend_from_slice(if self.wrote { b",\r\n" } else { b"[" }),
            Mode::Stream => out.extend_from_slice(b"data: "),
            Mode::Whole => {}
        }
        error::write(failure, out);
        match self.mode {
            Mode::Array => out.extend_from_slice(b"]"),
            Mode::Stream => out.extend_from_slice(b"\r\n\r\n"),
            Mode::Whole => {}
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        self.ended();
        let (reason, message) = self.reason();
        let mut parts = std::mem::take(&mut self.parts);
        if parts.is_empty() && self.mode != Mode::Whole {
            parts.push(Piece::Text { text: String::new(), thought: false, signature: None });
        }
        let candidate = Candidate {
            content: Content::of(&parts),
            finish_reason: Some(&reason),
            finish_message: message.as_deref(),
            grounding_metadata: grounding(&std::mem::take(&mut self.citations), self.spans_hold),
            ..Candidate::default()
        };
        let usage = self.usage.take();
        self.piece(&candidate, usage.as_ref(), out);
        if self.mode == Mode::Array {
            out.extend_from_slice(b"]");
        }
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        if self.mode != Mode::Whole {
            out.extend_from_slice(b"\r\n");
        }
    }

    fn loss(&self) -> &Loss {
        &self.loss
    }
}
