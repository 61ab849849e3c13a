//! How the open item grows and closes: the events of messages, calls and thoughts.
//!
//! Parts and items are announced by their first content, so that nothing empty is ever announced, and told whole when
//! they close.

use lockgate_core::content::ToolKind;
use lockgate_core::{Raw, Seal};
use serde_json::value::to_raw_value;

use super::shapes::{
    Annotated, Argued, CallOut, Grown, ItemEvent, MessageOut, PartEvent, ReasoningOut, RefusalOut,
    Summarised, SummaryEvent, TextOut, Told, WordsOut,
};
use super::{Encoder, Open, OpenPart};

impl Encoder {
    /// Makes a message the open item.
    pub(super) fn open_message(&mut self, out: &mut Vec<u8>) {
        if matches!(self.open, Some(Open::Message { .. })) {
            return self.close_part(out);
        }
        self.close(out);
        let open = Open::Message { id: self.next_id("msg"), part: None, parts: Vec::new() };
        self.announce(&open, out);
        self.open = Some(open);
    }

    /// Announces an item.
    pub(super) fn announce(&mut self, open: &Open, out: &mut Vec<u8>) {
        if let Some(item) = open.item("in_progress") {
            let output_index = self.index();
            self.emit("response.output_item.added", ItemEvent { output_index, item: &item }, out);
        }
    }

    /// More words of the open message.
    pub(super) fn say(&mut self, text: &str, refusal: bool, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.refused |= refusal;
        if self.part().is_none_or(|part| part.refusal != refusal) {
            self.begin_part(refusal, out);
        }
        let output_index = self.index();
        let Some(Open::Message { id, part: Some(part), parts }) = &mut self.open else { return };
        part.text.push_str(text);
        part.chars += text.chars().count() as u64;
        let (item_id, content_index) = (id.clone(), parts.len());
        let logprobs = (!refusal).then_some([]);
        let grown = Grown { item_id: &item_id, output_index, content_index, delta: text, logprobs };
        self.emit(if refusal { "response.refusal.delta" } else { "response.output_text.delta" }, grown, out);
    }

    /// Makes a part of the open message the open one.
    pub(super) fn begin_part(&mut self, refusal: bool, out: &mut Vec<u8>) {
        self.open_message(out);
        let part = OpenPart::new(refusal);
        let raw = part.raw();
        if let Some(Open::Message { part: place, .. }) = &mut self.open {
            *place = Some(part);
        }
        if let Some(raw) = raw {
            self.part_event("response.content_part.added", &raw, out);
        }
    }

    fn part_event(&mut self, kind: &'static str, part: &Raw, out: &mut Vec<u8>) {
        let output_index = self.index();
        let Some(Open::Message { id, parts, .. }) = &self.open else { return };
        let (item_id, content_index) = (id.clone(), parts.len());
        self.emit(kind, PartEvent { item_id: &item_id, output_index, content_index, part }, out);
    }

    /// A source for the open part.
    pub(super) fn annotate(&mut self, annotation: &Raw, out: &mut Vec<u8>) {
        let output_index = self.index();
        let Some(Open::Message { id, part: Some(part), parts }) = &mut self.open else { return };
        let (item_id, content_index, annotation_index) = (id.clone(), parts.len(), part.annotations.len());
        part.annotations.push(annotation.clone());
        let event =
            Annotated { item_id: &item_id, output_index, content_index, annotation_index, annotation };
        self.emit("response.output_text.annotation.added", event, out);
    }

    /// Tells the open part of a message whole.
    pub(super) fn close_part(&mut self, out: &mut Vec<u8>) {
        let output_index = self.index();
        let Some(Open::Message { id, part, parts }) = &mut self.open else { return };
        let Some(part) = part.take() else { return };
        let (item_id, content_index) = (id.clone(), parts.len());
        let (kind, text, refusal, logprobs) = if part.refusal {
            ("response.refusal.done", None, Some(part.text.as_str()), None)
        } else {
            ("response.output_text.done", Some(part.text.as_str()), None, Some(part.logprobs.as_slice()))
        };
        let told = Told { item_id: &item_id, output_index, content_index, text, refusal, logprobs };
        self.emit(kind, told, out);
        let Some(raw) = part.raw() else { return };
        self.part_event("response.content_part.done", &raw, out);
        if let Some(Open::Message { parts, .. }) = &mut self.open {
            parts.push(raw);
        }
    }

    /// More arguments of the open call.
    pub(super) fn argue(&mut self, text: &str, out: &mut Vec<u8>) {
        let output_index = self.index();
        let Some(Open::Call { arguments, id, kind, .. }) = &mut self.open else { return };
        if text.is_empty() {
            return;
        }
        arguments.push_str(text);
        let (item_id, event) = (id.clone(), argument_event(*kind).0);
        let argued =
            Argued { item_id: &item_id, output_index, delta: Some(text), arguments: None, input: None };
        self.emit(event, argued, out);
    }

    /// More thoughts.
    pub(super) fn think(&mut self, text: &str, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.announce_thoughts(out);
        let output_index = self.index();
        let Some(Open::Reasoning { id, summary, text: all, .. }) = &mut self.open else { return };
        let (item_id, summary, first) = (id.clone(), *summary, all.is_empty());
        all.push_str(text);
        let item_id = item_id.as_str();
        if summary {
            if first {
                let part = WordsOut { r#type: "summary_text", text: "" };
                let event = SummaryEvent { item_id, output_index, summary_index: 0, part };
                self.emit("response.reasoning_summary_part.added", event, out);
            }
            let grown = Summarised { item_id, output_index, summary_index: 0, delta: Some(text), text: None };
            self.emit("response.reasoning_summary_text.delta", grown, out);
        } else {
            if first {
                self.thought_part("response.content_part.added", item_id, "", out);
            }
            let grown = Grown { item_id, output_index, content_index: 0, delta: text, logprobs: None };
            self.emit("response.reasoning_text.delta", grown, out);
        }
    }

    fn thought_part(&mut self, kind: &'static str, item_id: &str, text: &str, out: &mut Vec<u8>) {
        let output_index = self.index();
        if let Ok(part) = to_raw_value(&WordsOut { r#type: "reasoning_text", text }) {
            self.emit(kind, PartEvent { item_id, output_index, content_index: 0, part: &part }, out);
        }
    }

    /// The seal of the open thoughts. Signatures have no field here; they wait in the gateway for the next turn.
    pub(super) fn seal(&mut self, seal: &Seal, out: &mut Vec<u8>) {
        if let Seal::Encrypted(data) = seal {
            self.announce_thoughts(out);
            if let Some(Open::Reasoning { seal, .. }) = &mut self.open {
                *seal = Some(data.clone());
            }
        }
    }

    pub(super) fn announce_thoughts(&mut self, out: &mut Vec<u8>) {
        let Some(Open::Reasoning { announced: announced @ false, .. }) = &mut self.open else { return };
        *announced = true;
        if let Some(open) = self.open.take() {
            self.announce(&open, out);
            self.open = Some(open);
        }
    }

    /// Ends the open item and tells it whole.
    pub(super) fn close(&mut self, out: &mut Vec<u8>) {
        self.close_part(out);
        if let Some(Open::Call { kind: ToolKind::Function, arguments, .. }) = &self.open
            && arguments.is_empty()
        {
            self.argue("{}", out);
        }
        let Some(open) = self.open.take() else { return };
        let output_index = self.index();
        match &open {
            Open::Call { arguments, id, kind, .. } => {
                let (function, custom) = by_kind(*kind, arguments);
                let event = argument_event(*kind).1;
                let argued =
                    Argued { item_id: id, output_index, delta: None, arguments: function, input: custom };
                self.emit(event, argued, out);
            }
            Open::Message { .. } => {}
            Open::Reasoning { announced: false, .. } => return,
            Open::Reasoning { text, .. } if text.is_empty() => {}
            Open::Reasoning { id: item_id, summary: true, text, .. } => {
                let told =
                    Summarised { item_id, output_index, summary_index: 0, delta: None, text: Some(text) };
                self.emit("response.reasoning_summary_text.done", told, out);
                let part = WordsOut { r#type: "summary_text", text };
                let event = SummaryEvent { item_id, output_index, summary_index: 0, part };
                self.emit("response.reasoning_summary_part.done", event, out);
            }
            Open::Reasoning { id: item_id, text, .. } => {
                let (text_out, refusal, logprobs) = (Some(text.as_str()), None, None);
                let told =
                    Told { item_id, output_index, content_index: 0, text: text_out, refusal, logprobs };
                self.emit("response.reasoning_text.done", told, out);
                self.thought_part("response.content_part.done", item_id, text, out);
            }
        }
        if let Some(item) = open.item("completed") {
            self.emit("response.output_item.done", ItemEvent { output_index, item: &item }, out);
            self.output.push(item);
        }
    }

    /// The open item as far as it came, for an answer that ends here.
    pub(super) fn cut(&mut self) {
        match self.open.take() {
            Some(Open::Reasoning { announced: false, .. }) | None => {}
            Some(mut open) => {
                if let Open::Message { part, parts, .. } = &mut open {
                    parts.extend(part.take().and_then(|part| part.raw()));
                }
                self.output.extend(open.item("incomplete"));
            }
        }
    }
}

impl Open {
    /// The item as it is now.
    pub(super) fn item(&self, status: &'static str) -> Option<Raw> {
        match self {
            Self::Call { arguments, call_id, id, kind, name, namespace } => {
                let (function, custom) = by_kind(*kind, arguments);
                let r#type = if *kind == ToolKind::Custom { "custom_tool_call" } else { "function_call" };
                to_raw_value(&CallOut {
                    id,
                    r#type,
                    status,
                    arguments: function,
                    call_id,
                    input: custom,
                    name,
                    namespace: namespace.as_deref(),
                })
            }
            Self::Message { id, parts, .. } => {
                to_raw_value(&MessageOut { id, r#type: "message", status, content: parts, role: "assistant" })
            }
            Self::Reasoning { id, seal, summary, text, .. } => {
                let (summary, thoughts) = match (text.is_empty(), *summary) {
                    (true, _) => (None, None),
                    (false, true) => (Some(WordsOut { r#type: "summary_text", text }), None),
                    (false, false) => (None, Some([WordsOut { r#type: "reasoning_text", text }])),
                };
                to_raw_value(&ReasoningOut {
                    id,
                    r#type: "reasoning",
                    content: thoughts,
                    encrypted_content: seal.as_deref(),
                    summary: summary.as_slice(),
                })
            }
        }
        .ok()
    }
}

impl OpenPart {
    fn new(refusal: bool) -> Self {
        Self { annotations: Vec::new(), chars: 0, logprobs: Vec::new(), refusal, text: String::new() }
    }

    fn raw(&self) -> Option<Raw> {
        if self.refusal {
            return to_raw_value(&RefusalOut { r#type: "refusal", refusal: &self.text }).ok();
        }
        let (annotations, logprobs) = (&self.annotations, &self.logprobs);
        to_raw_value(&TextOut { r#type: "output_text", annotations, logprobs, text: &self.text }).ok()
    }
}

/// Names of the events for more arguments and for all of them.
fn argument_event(kind: ToolKind) -> (&'static str, &'static str) {
    match kind {
        ToolKind::Custom => ("response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"),
        ToolKind::Function => {
            ("response.function_call_arguments.delta", "response.function_call_arguments.done")
        }
    }
}

/// A call's text as `arguments` or as `input`.
fn by_kind(kind: ToolKind, text: &str) -> (Option<&str>, Option<&str>) {
    match kind {
        ToolKind::Custom => (None, Some(text)),
        ToolKind::Function => (Some(text), None),
    }
}
