//! Writes an answer for a client of this dialect: SSE, a JSON array, or one body.
//!
//! Google's SDKs keep a chat's history only if every piece has at least one part, so no piece is sent without; the
//! sign of life is an empty line, which all of them skip (they end the stream at an SSE comment). A call goes out
//! whole, together with what comes next, because the last piece must not stand alone behind it in that history.

use lockgate_core::content::{Citation, Source};
use lockgate_core::{BlockStart, Delta, Dialect, Event, Failure, Seal, Stop, StopReason, Usage};
use serde_json::{Map, Value, json};

use super::content::is_base64;
use super::response::REASONS;
use super::{MADE_ID, error};
use crate::json::to_client;
use crate::{AnswerContext, Loss, Mode, StreamEncoder};

/// Writes one answer.
pub(super) struct Encoder {
    block: Option<Open>,
    citations: Vec<Citation>,
    id: Option<String>,
    loss: Loss,
    /// Why a call could not be written.
    malformed: Option<String>,
    mode: Mode,
    model: String,
    /// Parts that are not out yet.
    parts: Vec<Value>,
    stop: Option<Stop>,
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
            id: Some(context.id).filter(|id| !id.is_empty()),
            loss: Loss::default(),
            malformed: None,
            mode,
            model: context.model,
            parts: Vec::new(),
            stop: None,
            usage: None,
            wrote: false,
        }
    }

    fn started(&mut self, block: &BlockStart) {
        self.block = Some(match block {
            BlockStart::Image(image) => {
                match &image.source {
                    Source::Base64 { data, media_type } => self.parts.push(json!({
                        "inlineData": {"mimeType": media_type.as_deref().unwrap_or("image/png"), "data": data}
                    })),
                    Source::File { .. } | Source::Text { .. } => self.loss.note("image"),
                    Source::Url { url, media_type } => self.parts.push(json!({
                        "fileData": {"mimeType": media_type.as_deref().unwrap_or("image/*"), "fileUri": url}
                    })),
                }
                Open::Other
            }
            BlockStart::Opaque(own) => {
                match serde_json::from_str(own.raw.get()) {
                    Ok(part) if own.dialect == Dialect::Gemini => self.parts.push(part),
                    _ => self.loss.note(own.kind.as_str()),
                }
                Open::Other
            }
            BlockStart::Reasoning { .. } => Open::Text { thought: true, wrote: false },
            BlockStart::Refusal | BlockStart::Text => Open::Text { thought: false, wrote: false },
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
                let mut part = json!({"text": ""});
                if *thought && *wrote {
                    part["thought"] = true.into();
                }
                part["thoughtSignature"] = seal.as_str().into();
                self.parts.push(part);
                self.flush(out);
            }
            (Delta::Seal(Seal::Encrypted(_) | Seal::Signature(_)), _) => self.loss.note("reasoning"),
            (
                Delta::Reasoning(text) | Delta::Refusal(text) | Delta::Text(text),
                Some(Open::Text { thought, wrote }),
            ) => {
                if !text.is_empty() {
                    *wrote = true;
                    let part =
                        if *thought { json!({"text": text, "thought": true}) } else { json!({"text": text}) };
                    self.words(part, out);
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
            ) => {
                self.loss.note("delta");
            }
        }
    }

    /// Words go out at once, in a stream; in one body neighbours are joined.
    fn words(&mut self, part: Value, out: &mut Vec<u8>) {
        if let (Mode::Whole, Some(last)) = (self.mode, self.parts.last_mut()) {
            let same = last["text"].is_string()
                && last["thought"] == part["thought"]
                && last.get("thoughtSignature").is_none();
            if let (true, Value::String(text), Some(more)) = (same, &mut last["text"], part["text"].as_str())
            {
                text.push_str(more);
                return;
            }
        }
        self.parts.push(part);
        self.flush(out);
    }

    fn ended(&mut self) {
        let Some(Open::Call { arguments, id, name, signature }) = self.block.take() else { return };
        let text = if arguments.trim().is_empty() { "{}" } else { arguments.as_str() };
        let args = serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
        let Some(args) = args else {
            let excerpt = crate::json::excerpt(arguments.as_bytes(), 200);
            self.malformed = Some(format!("Malformed function call: {name}({excerpt})"));
            return;
        };
        let mut call = Map::new();
        if !id.starts_with(MADE_ID) {
            call.insert("id".into(), id.into());
        }
        call.insert("name".into(), name.into());
        call.insert("args".into(), args);
        let mut part = json!({"functionCall": call});
        if let Some(signature) = signature {
            part["thoughtSignature"] = signature.into();
        }
        self.parts.push(part);
    }

    /// Sends what waits.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.mode == Mode::Whole || self.parts.is_empty() {
            return;
        }
        let mut candidate = Map::new();
        let parts = std::mem::take(&mut self.parts);
        candidate.insert("content".into(), json!({"parts": parts, "role": "model"}));
        candidate.insert("index".into(), 0.into());
        let body = self.body(candidate, None);
        self.piece(&body, out);
    }

    fn piece(&mut self, body: &Value, out: &mut Vec<u8>) {
        let (before, behind): (&[u8], &[u8]) = match (self.mode, self.wrote) {
            (Mode::Array, false) => (b"[", b""),
            (Mode::Array, true) => (b",\r\n", b""),
            (Mode::Stream, _) => (b"data: ", b"\r\n\r\n"),
            (Mode::Whole, _) => (b"", b""),
        };
        self.wrote = true;
        out.extend_from_slice(before);
        to_client(body, out);
        out.extend_from_slice(behind);
    }

    fn body(&self, candidate: Map<String, Value>, usage: Option<&Usage>) -> Value {
        let mut body = json!({"candidates": [candidate]});
        if let Some(usage) = usage {
            body["usageMetadata"] = usage_metadata(usage);
        }
        body["modelVersion"] = self.model.as_str().into();
        if let Some(id) = &self.id {
            body["responseId"] = id.as_str().into();
        }
        body
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

/// The sums that Google tells, made of the buckets.
fn usage_metadata(usage: &Usage) -> Value {
    let mut told = Map::new();
    let mut set = |key: &str, value: Option<u64>| {
        if let Some(value) = value {
            told.insert(key.into(), value.into());
        }
    };
    set("promptTokenCount", usage.prompt());
    set("candidatesTokenCount", usage.output_visible());
    set("totalTokenCount", usage.prompt().map(|prompt| prompt.saturating_add(usage.output.unwrap_or(0))));
    set("cachedContentTokenCount", usage.cache_read);
    set("thoughtsTokenCount", usage.output_reasoning);
    if let Some(tier) = &usage.service_tier {
        told.insert("serviceTier".into(), tier.as_str().into());
    }
    Value::Object(told)
}

/// Sources in Google's form.
fn grounding(citations: &[Citation]) -> Value {
    let mut chunks: Vec<Value> = Vec::new();
    let mut supports = Vec::new();
    for citation in citations {
        let chunk = json!({"web": {"uri": citation.url, "title": citation.title}});
        let at = chunks.iter().position(|known| *known == chunk).unwrap_or_else(|| {
            chunks.push(chunk);
            chunks.len() - 1
        });
        if let Some((start, end)) = citation.span {
            supports.push(json!({
                "segment": {"startIndex": start, "endIndex": end},
                "groundingChunkIndices": [at],
            }));
        }
    }
    let mut grounding = json!({"groundingChunks": chunks});
    if !supports.is_empty() {
        grounding["groundingSupports"] = supports.into();
    }
    grounding
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
        self.ended();
        let (reason, message) = self.reason();
        let mut parts = std::mem::take(&mut self.parts);
        if parts.is_empty() && self.mode != Mode::Whole {
            parts.push(json!({"text": ""}));
        }
        let mut candidate = Map::new();
        let content = if parts.is_empty() {
            json!({"role": "model"})
        } else {
            json!({"parts": parts, "role": "model"})
        };
        candidate.insert("content".into(), content);
        candidate.insert("finishReason".into(), reason.into());
        if let Some(message) = message {
            candidate.insert("finishMessage".into(), message.into());
        }
        candidate.insert("index".into(), 0.into());
        if !self.citations.is_empty() {
            candidate.insert("groundingMetadata".into(), grounding(&self.citations));
        }
        let usage = self.usage.take();
        let body = self.body(candidate, usage.as_ref());
        self.piece(&body, out);
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
