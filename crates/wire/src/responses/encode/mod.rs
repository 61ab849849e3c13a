//! Writes answers for clients: numbered events, or the response object as one body.
//!
//! Every event that Codex and the SDKs count on is written: each item and part is announced, grows, and is told whole
//! at its end, and the last event holds all of it again. Text blocks that follow each other are parts of one
//! message. The request is not known here, so the fields of the response object that echo it have their defaults.

mod grow;
mod shapes;

use lockgate_core::content::{Citation, Image, Opaque, Source, ToolKind};
use lockgate_core::{BlockStart, Delta, Dialect, Event, Failure, Raw, Started, Stop, StopReason, Usage};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{AnswerContext, Loss, Mode, StreamEncoder, json};

use super::answer::elements;
use super::error;
use super::items::IN_CONTENT;
use super::media::annotation;
use super::stored;
use shapes::{Asked, Failing, ImageOut, Incomplete, ItemEvent, Lifecycle, Numbered, PartEvent, ResponseOut};

/// The last event of another writer.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Last {
    item: LastItem,
    item_id: Option<String>,
    part: LastItem,
    sequence_number: Option<u64>,
    r#type: String,
}

/// The item or part of that event.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct LastItem {
    id: Option<String>,
    r#type: String,
}

/// Writes one answer.
pub(super) struct Encoder {
    /// What the client asked, which an answer repeats.
    asked: Asked,
    context: AnswerContext,
    /// Items begun so far, for their ids.
    count: u32,
    loss: Loss,
    mode: Mode,
    open: Option<Open>,
    output: Vec<Raw>,
    over: bool,
    refused: bool,
    sequence: u64,
    started: bool,
    stop: Option<Stop>,
    usage: Option<Usage>,
    /// Sources of the open text that do not say which words they stand for: all of it, as soon as it is over.
    waiting: Vec<Citation>,
}

/// The item that is being written.
enum Open {
    Call {
        arguments: String,
        call_id: String,
        id: String,
        kind: ToolKind,
        name: String,
        namespace: Option<String>,
    },
    Message {
        id: String,
        part: Option<OpenPart>,
        parts: Vec<Raw>,
    },
    Reasoning {
        announced: bool,
        id: String,
        seal: Option<String>,
        summary: bool,
        text: String,
    },
}

/// The part of a message that is being written.
struct OpenPart {
    annotations: Vec<Raw>,
    chars: u64,
    logprobs: Vec<Raw>,
    refusal: bool,
    text: String,
}

impl StreamEncoder for Encoder {
    fn encode(&mut self, event: &Event, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        match event {
            Event::BlockDelta { delta, .. } => self.delta(delta, out),
            Event::BlockEnded { .. } => self.block_ended(out),
            Event::BlockStarted { block, .. } => self.block(block, out),
            Event::Ended(stop) => self.stop = Some(stop.clone()),
            Event::Failed(failure) => self.fail(failure, out),
            Event::Opaque => {}
            Event::Ping => self.ping(out),
            Event::Started(started) => self.start(started, out),
            Event::Usage(usage) => self.usage.get_or_insert_default().merge(usage),
        }
    }

    /// One `response.failed` with `error` beside `response`: see [`super::error`].
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.over = true;
        if self.mode == Mode::Whole {
            out.extend_from_slice(&error::body(failure));
            return;
        }
        self.begin(out);
        self.cut();
        let mut response = self.response("failed");
        response.error = Some(error::of_response(failure));
        let frame = Failing { response, error: error::member(failure) };
        write_frame("response.failed", self.sequence, frame, out);
        self.sequence += 1;
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.over {
            return;
        }
        self.begin(out);
        self.close(out);
        self.over = true;
        let (status, reason) = self.outcome();
        if let Some(stop) = &self.stop {
            if stop.sequence.is_some() {
                self.loss.note("stop_sequence");
            }
            if stop.detail.is_some() {
                self.loss.note("stop_details");
            }
        }
        let mut response = self.response(status);
        response.incomplete_details = reason;
        if self.mode == Mode::Whole {
            json::to_client(&response, out);
            return;
        }
        let kind = if status == "completed" { "response.completed" } else { "response.incomplete" };
        write_frame(kind, self.sequence, Lifecycle { response }, out);
        self.sequence += 1;
    }

    /// Takes over the number of the event and the id of the item that is open; what the client has been told whole is closed, and what has
    /// begun is open.
    fn resume(&mut self, last: &[u8], out: &mut Vec<u8>) {
        let data = crate::sse(last).data;
        let event: Last = data.and_then(|data| serde_json::from_slice(&data).ok()).unwrap_or_default();
        self.begin(out);
        match (event.r#type.as_str(), event.item.r#type.as_str(), event.part.r#type.as_str()) {
            ("response.content_part.added", _, part @ ("output_text" | "refusal")) => {
                self.begin_part(part == "refusal", out);
            }
            ("response.content_part.done", ..) => self.close_part(out),
            ("response.output_item.added", "message", _) => self.open_message(out),
            ("response.output_item.added", "reasoning", _) => self.announce_thoughts(out),
            ("response.output_item.done", ..) => self.close(out),
            _ => {}
        }
        if let (Some(open), Some(id)) = (&mut self.open, event.item_id.or(event.item.id)) {
            match open {
                Open::Call { id: own, .. }
                | Open::Message { id: own, .. }
                | Open::Reasoning { id: own, .. } => {
                    *own = id;
                }
            }
        }
        self.sequence = event.sequence_number.map_or(self.sequence, |number| number + 1);
    }

    fn ping(&mut self, out: &mut Vec<u8>) {
        if self.mode != Mode::Whole && !self.over {
            out.extend_from_slice(b": ping\n\n");
        }
    }

    fn loss(&self) -> &Loss {
        &self.loss
    }

    fn items(&mut self) -> Vec<(String, Raw)> {
        if !self.asked.is_stored() {
            return Vec::new();
        }
        let items = std::mem::take(&mut self.output);
        items.into_iter().filter_map(|item| Some((stored::id_of(&item)?, item))).collect()
    }
}

impl Encoder {
    /// An encoder for one answer. Where frames went before it, the head of the answer has gone too.
    pub(super) fn new(mode: Mode, mut context: AnswerContext) -> Self {
        let (started, sequence) = (context.sequence > 0, context.sequence);
        context.id = format!("resp_{}", context.id);
        let asked = context.request.take().map(|request| Asked::read(&request)).unwrap_or_default();
        Self {
            asked,
            context,
            count: 0,
            loss: Loss::default(),
            mode,
            open: None,
            output: Vec::new(),
            over: false,
            refused: false,
            sequence,
            started,
            stop: None,
            usage: None,
            waiting: Vec::new(),
        }
    }

    fn emit(&mut self, kind: &'static str, body: impl Serialize, out: &mut Vec<u8>) {
        if self.mode != Mode::Whole {
            write_frame(kind, self.sequence, body, out);
            self.sequence += 1;
        }
    }

    /// An upstream of this dialect has an id that later calls may refer to.
    fn start(&mut self, started: &Started, out: &mut Vec<u8>) {
        if let Some(id) = started.id.as_ref().filter(|id| id.starts_with("resp_") && !self.started) {
            self.context.id.clone_from(id);
        }
        if let Some(model) = &started.model {
            self.context.model.clone_from(model);
        }
        self.context.created = started.created.unwrap_or(self.context.created);
        self.begin(out);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.started, true) || self.mode == Mode::Whole {
            return;
        }
        for kind in ["response.created", "response.in_progress"] {
            write_frame(kind, self.sequence, Lifecycle { response: self.response("in_progress") }, out);
            self.sequence += 1;
        }
    }

    fn response(&self, status: &'static str) -> ResponseOut<'_> {
        ResponseOut::new(&self.context, &self.asked, status, &self.output, self.usage.as_ref())
    }

    fn next_id(&mut self, prefix: &str) -> String {
        let unique = self.context.id.strip_prefix("resp_").unwrap_or(&self.context.id);
        let id = format!("{prefix}_{unique}_{}", self.count);
        self.count += 1;
        id
    }

    fn index(&self) -> usize {
        self.output.len()
    }

    fn outcome(&mut self) -> (&'static str, Option<Incomplete>) {
        let incomplete = |reason| ("incomplete", Some(Incomplete { reason }));
        match self.stop.as_ref().map(|stop| &stop.reason) {
            Some(StopReason::EndTurn | StopReason::StopSequence | StopReason::ToolUse) => ("completed", None),
            Some(StopReason::ContextWindow | StopReason::MaxTokens) => incomplete("max_output_tokens"),
            Some(StopReason::Refusal) if self.refused => ("completed", None),
            Some(StopReason::ContentFilter | StopReason::Refusal) => incomplete("content_filter"),
            Some(StopReason::Pause) => {
                self.loss.note("pause_turn");
                ("completed", None)
            }
            Some(StopReason::Other(word)) => {
                self.loss.note(format!("stop_reason.{word}"));
                ("completed", None)
            }
            // Nobody said that it is over.
            None => ("incomplete", None),
        }
    }

    fn block(&mut self, block: &BlockStart, out: &mut Vec<u8>) {
        self.begin(out);
        match block {
            BlockStart::Image(image) => self.image(image, out),
            BlockStart::Opaque(opaque) => self.opaque(opaque, out),
            BlockStart::Reasoning { id, summary } => {
                self.close(out);
                // Thoughts with an id are a server's of this dialect, in its own form; all others are shown as a
                // summary, which is what clients show.
                let summary = *summary || id.is_none();
                let id = id.clone().unwrap_or_else(|| self.next_id("rs"));
                let (announced, seal, text) = (false, None, String::new());
                self.open = Some(Open::Reasoning { announced, id, seal, summary, text });
            }
            BlockStart::Refusal | BlockStart::Text => {
                if !matches!(self.open, Some(Open::Message { .. })) {
                    self.close(out);
                }
            }
            BlockStart::ToolCall { id: call_id, kind, name, namespace } => {
                self.close(out);
                let id = self.next_id(if *kind == ToolKind::Custom { "ctc" } else { "fc" });
                let (call_id, name, namespace) = (call_id.clone(), name.clone(), namespace.clone());
                let open = Open::Call { arguments: String::new(), call_id, id, kind: *kind, name, namespace };
                self.announce(&open, out);
                self.open = Some(open);
            }
        }
    }

    fn delta(&mut self, delta: &Delta, out: &mut Vec<u8>) {
        match delta {
            Delta::Arguments(text) => self.argue(text, out),
            Delta::Citation(citation) if citation.span.is_none() => self.waiting.push(citation.clone()),
            Delta::Citation(citation) => self.cite(citation, out),
            Delta::Logprobs(raw) => {
                let tokens: Vec<Raw> = elements(Some(raw)).into_iter().map(ToOwned::to_owned).collect();
                match self.part().filter(|_| !tokens.is_empty()) {
                    Some(part) => part.logprobs.extend(tokens),
                    None => self.loss.note("logprobs"),
                }
            }
            Delta::Opaque(_) => self.loss.note("delta"),
            Delta::Reasoning(text) => self.think(text, out),
            Delta::Refusal(text) => self.say(text, true, out),
            Delta::Seal(seal) => self.seal(seal, out),
            Delta::Text(text) => self.say(text, false, out),
        }
    }

    fn part(&mut self) -> Option<&mut OpenPart> {
        match &mut self.open {
            Some(Open::Message { part, .. }) => part.as_mut(),
            Some(Open::Call { .. } | Open::Reasoning { .. }) | None => None,
        }
    }

    fn cite(&mut self, citation: &Citation, out: &mut Vec<u8>) {
        let chars = self.part().map_or(0, |part| part.chars);
        match annotation(citation, chars).and_then(|annotation| to_raw_value(&annotation).ok()) {
            Some(raw) if self.part().is_some() => self.annotate(&raw, out),
            _ => self.loss.note("citations"),
        }
    }

    fn block_ended(&mut self, out: &mut Vec<u8>) {
        for citation in std::mem::take(&mut self.waiting) {
            self.cite(&citation, out);
        }
        match &self.open {
            Some(Open::Message { .. }) => self.close_part(out),
            Some(Open::Call { .. } | Open::Reasoning { .. }) => self.close(out),
            None => {}
        }
    }

    /// A whole item of this dialect goes as it came; a part of a message goes into the message.
    fn opaque(&mut self, opaque: &Opaque, out: &mut Vec<u8>) {
        if opaque.dialect != Dialect::Responses {
            self.loss.note(opaque.kind.as_str());
        } else if opaque.kind.starts_with(IN_CONTENT) {
            self.open_message(out);
            let output_index = self.index();
            let Some(Open::Message { id, parts, .. }) = &mut self.open else { return };
            let item_id = id.clone();
            let content_index = parts.len();
            parts.push(opaque.raw.clone());
            let event = PartEvent { item_id: &item_id, output_index, content_index, part: &opaque.raw };
            self.emit("response.content_part.added", &event, out);
            self.emit("response.content_part.done", &event, out);
        } else {
            self.close(out);
            self.whole(&opaque.raw, out);
        }
    }

    /// A picture that the model made is what this dialect calls the result of its picture tool.
    fn image(&mut self, image: &Image, out: &mut Vec<u8>) {
        self.close(out);
        let Source::Base64 { data, .. } = &image.source else { return self.loss.note("image") };
        let id = self.next_id("ig");
        let item = ImageOut { id: &id, r#type: "image_generation_call", status: "completed", result: data };
        if let Ok(raw) = to_raw_value(&item) {
            self.whole(&raw, out);
        }
    }

    fn whole(&mut self, raw: &RawValue, out: &mut Vec<u8>) {
        let output_index = self.index();
        self.emit("response.output_item.added", ItemEvent { output_index, item: raw }, out);
        self.emit("response.output_item.done", ItemEvent { output_index, item: raw }, out);
        self.output.push(raw.to_owned());
    }
}

/// Writes one event. Raw items may hold line breaks between their tokens: a line break ends a line of the stream, and
/// JSON strings hold none, so each becomes a space.
fn write_frame(kind: &'static str, sequence_number: u64, body: impl Serialize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let from = out.len();
    json::to_client(&Numbered { r#type: kind, sequence_number, body }, out);
    if memchr::memchr2(b'\n', b'\r', &out[from..]).is_some() {
        out[from..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    out.extend_from_slice(b"\n\n");
}
