//! Writes turns as items: messages, calls, outputs, thoughts.
//!
//! Parts of one turn that belong in a message share it as long as they follow each other; calls, outputs and
//! thoughts are items of their own, in the order in which they were said.

use std::borrow::Cow;

use lockgate_core::content::{
    Document, Image, Media, Reasoning, Source, Text, ToolCall, ToolKind, ToolResult,
};
use lockgate_core::{Block, Conversation, Dialect, Part, Role, Seal};

use crate::said::Said;
use crate::{Loss, Quirks};

use super::item_shapes::{AudioOut, BreakpointOut, ItemOut, OutputOut, PartOut};
use super::items::IN_CONTENT;
use super::media::{annotation, file_name, to_data_url};

/// `instructions` and `input`.
pub(super) fn items<'a>(
    conversation: &'a Conversation,
    quirks: &Quirks,
    loss: &mut Loss,
) -> (Option<Said<'a>>, Vec<ItemOut<'a>>) {
    let mut writer = Writer { items: Vec::new(), loss, open: Vec::new(), role: Role::System, quirks };
    let words = |part: &'a Part| {
        let Block::Text(text) = &part.block else { return None };
        Some(Said::from(&text.text))
    };
    let mut instructions = None;
    if let Some(words) = conversation.system.iter().map(words).collect::<Option<Vec<Said<'_>>>>() {
        if conversation.system.iter().any(|part| part.cache.is_some()) {
            writer.loss.note("cache_control");
        }
        instructions = words.into_iter().filter(|words| !words.is_empty()).reduce(|mut all, more| {
            all.push_str("\n\n");
            all.push_str(&more);
            all
        });
    } else {
        // Instructions are words only; with a picture among them they are a message.
        writer.turn(&conversation.system, Role::System);
    }
    for turn in &conversation.turns {
        if turn.name.is_some() {
            writer.loss.note("name");
        }
        writer.turn(&turn.parts, turn.role);
    }
    (instructions, writer.items)
}

struct Writer<'a, 'w> {
    items: Vec<ItemOut<'a>>,
    loss: &'w mut Loss,
    /// Parts of the message that is being gathered.
    open: Vec<PartOut<'a>>,
    quirks: &'w Quirks,
    role: Role,
}

impl<'a> Writer<'a, '_> {
    fn turn(&mut self, parts: &'a [Part], role: Role) {
        self.role = role;
        for (at, part) in parts.iter().enumerate() {
            if let Some(written) = self.content(part) {
                self.open.push(written);
                continue;
            }
            match &part.block {
                Block::Opaque(opaque) if opaque.dialect == Dialect::Responses => {
                    self.item(ItemOut::Raw(&opaque.raw));
                }
                Block::Opaque(opaque) => self.loss.note(opaque.kind.as_str()),
                Block::Reasoning(thoughts) => {
                    let more = parts.get(at + 1).is_some_and(|next| {
                        matches!(&next.block, Block::Reasoning(next) if next.id.is_some() && next.id == thoughts.id)
                    });
                    self.reasoning(thoughts, more);
                }
                Block::ToolCall(call) => self.call(call),
                Block::ToolResult(result) => self.output(result),
                Block::Audio(_) => self.loss.note("audio"),
                Block::Document(_) => self.loss.note("document"),
                Block::Image(_) => self.loss.note("image"),
                Block::Video(_) => self.loss.note("video"),
                Block::Refusal(_) | Block::Text(_) => {}
            }
        }
        self.close();
    }

    /// Ends the open message.
    fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        let role = match self.role {
            Role::Assistant => "assistant",
            Role::System if self.quirks.system_role => "system",
            Role::System => "developer",
            Role::User => "user",
        };
        let content = std::mem::take(&mut self.open);
        self.items.push(ItemOut::Message { r#type: "message", role, content });
    }

    fn item(&mut self, item: ItemOut<'a>) {
        self.close();
        self.items.push(item);
    }

    /// The part as content of a message; `None` where it is none (empty text included).
    fn content(&mut self, part: &'a Part) -> Option<PartOut<'a>> {
        let by_model = self.role == Role::Assistant;
        match &part.block {
            Block::Refusal(refusal) if by_model => Some(PartOut::Refusal { r#type: "refusal", refusal }),
            Block::Refusal(words) => Some(plain(words.into())),
            Block::Text(text) if text.text.is_empty() => None,
            Block::Text(text) if by_model => Some(self.said(text)),
            Block::Audio(_) | Block::Document(_) | Block::Image(_) | Block::Text(_) if !by_model => {
                self.input(part)
            }
            Block::Opaque(opaque)
                if opaque.dialect == Dialect::Responses && opaque.kind.starts_with(IN_CONTENT) =>
            {
                Some(PartOut::Raw(&opaque.raw))
            }
            Block::Audio(_)
            | Block::Document(_)
            | Block::Image(_)
            | Block::Opaque(_)
            | Block::Reasoning(_)
            | Block::Text(_)
            | Block::ToolCall(_)
            | Block::ToolResult(_)
            | Block::Video(_) => None,
        }
    }

    /// Text, a picture, a file or sound as the client's content.
    fn input(&mut self, part: &'a Part) -> Option<PartOut<'a>> {
        let breakpoint = self.breakpoint(part);
        match &part.block {
            Block::Audio(media) => audio(media),
            Block::Document(document) => self.document(document, breakpoint),
            Block::Image(image) => picture(image, breakpoint),
            Block::Text(text) => Some(PartOut::Text {
                r#type: "input_text",
                text: (&text.text).into(),
                annotations: None,
                prompt_cache_breakpoint: breakpoint,
            }),
            Block::Opaque(_)
            | Block::Reasoning(_)
            | Block::Refusal(_)
            | Block::ToolCall(_)
            | Block::ToolResult(_)
            | Block::Video(_) => None,
        }
    }

    /// Breakpoints with a lifetime that this dialect has came from it; others are lost, as only its newest models
    /// take any.
    fn breakpoint(&mut self, part: &'a Part) -> Option<BreakpointOut<'a>> {
        let cache = part.cache.as_ref()?;
        if let Some(ttl @ ("30m" | "12h")) = cache.ttl.as_deref() {
            return Some(BreakpointOut { mode: "explicit", ttl });
        }
        self.loss.note("cache_control");
        None
    }

    fn said(&mut self, text: &'a Text) -> PartOut<'a> {
        let annotations: Vec<_> = match text.citations.as_slice() {
            [] => Vec::new(),
            citations => {
                let len = text.text.chars().count() as u64;
                citations.iter().filter_map(|citation| annotation(citation, len)).collect()
            }
        };
        if annotations.len() < text.citations.len() {
            self.loss.note("citations");
        }
        PartOut::Text {
            r#type: "output_text",
            text: (&text.text).into(),
            annotations: Some(annotations),
            prompt_cache_breakpoint: None,
        }
    }

    /// Plain text is said in words: the file types that a server reads differ, words are read by all.
    fn document(
        &mut self,
        document: &'a Document,
        breakpoint: Option<BreakpointOut<'a>>,
    ) -> Option<PartOut<'a>> {
        if document.citations == Some(true) {
            self.loss.note("citations");
        }
        if document.context.is_some() {
            self.loss.note("context");
        }
        let name = document.name.as_deref().map(Cow::Borrowed);
        let (mut filename, mut file_data, mut file_id, mut file_url) = (name, None, None, None);
        match &document.source {
            Source::Base64 { data, media_type } => {
                let media_type = media_type.as_deref().unwrap_or("application/pdf");
                file_data = Some(to_data_url(media_type, data));
                filename = filename.or_else(|| Some(Cow::Owned(file_name(media_type))));
            }
            Source::File { id } => file_id = Some(id.as_str()),
            Source::Text { text } if text.is_empty() => return None,
            Source::Text { text } => {
                if document.name.is_some() {
                    self.loss.note("title");
                }
                return Some(plain(text.into()));
            }
            Source::Url { url, .. } => file_url = Some(url.as_str()),
        }
        if file_data.is_none() {
            filename = None;
        }
        let prompt_cache_breakpoint = breakpoint;
        Some(PartOut::File {
            r#type: "input_file",
            filename,
            file_data,
            file_id,
            file_url,
            prompt_cache_breakpoint,
        })
    }

    fn call(&mut self, call: &'a ToolCall) {
        if call.seal.is_some() {
            self.loss.note("signature");
        }
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        let (kind, arguments, input) = match call.kind {
            ToolKind::Custom => ("custom_tool_call", None, Some(call.arguments.as_str())),
            ToolKind::Function => ("function_call", Some(arguments), None),
        };
        self.item(ItemOut::Call {
            r#type: kind,
            call_id: &call.id,
            namespace: call.namespace.as_deref(),
            name: &call.name,
            arguments,
            input,
        });
    }

    /// There is no field for failure: the words say it, as most tools' words do anyway.
    fn output(&mut self, result: &'a ToolResult) {
        let (before, role) = (std::mem::take(&mut self.open), self.role);
        self.role = Role::User;
        let mut parts = Vec::with_capacity(result.content.len());
        for part in &result.content {
            match self.content(part) {
                Some(PartOut::Audio { .. }) => self.loss.note("audio"),
                Some(written) => parts.push(written),
                None => self.unsaid(part),
            }
        }
        (self.open, self.role) = (before, role);
        if result.is_error {
            mark_failed(&mut parts);
        }
        let output = match parts.as_mut_slice() {
            [] => OutputOut::Text(Said::default()),
            [PartOut::Text { text, prompt_cache_breakpoint: None, .. }] => {
                OutputOut::Text(std::mem::take(text))
            }
            _ => OutputOut::Parts(parts),
        };
        let kind = match result.kind {
            ToolKind::Custom => "custom_tool_call_output",
            ToolKind::Function => "function_call_output",
        };
        self.item(ItemOut::Output { r#type: kind, call_id: &result.call_id, output });
    }

    /// What an output cannot hold.
    fn unsaid(&mut self, part: &Part) {
        match &part.block {
            Block::Audio(_) => self.loss.note("audio"),
            Block::Document(_) => self.loss.note("document"),
            Block::Image(_) => self.loss.note("image"),
            Block::Opaque(opaque) => self.loss.note(opaque.kind.as_str()),
            Block::Reasoning(_) => self.loss.note("thinking"),
            Block::Refusal(_) | Block::Text(_) => {}
            Block::ToolCall(_) | Block::ToolResult(_) => self.loss.note("tool_result.content"),
            Block::Video(_) => self.loss.note("video"),
        }
    }

    /// Sealed thoughts go back as they are. Thoughts without a seal go only where a server of this dialect showed
    /// them itself (they carry its id); OpenAI takes no others.
    /// `more` = the next block is the rest of the same item.
    fn reasoning(&mut self, thoughts: &'a Reasoning, more: bool) {
        let sealed = match &thoughts.seal {
            Some(Seal::Encrypted(data)) => Some(data.as_str()),
            Some(Seal::Signature(_)) | None => None,
        };
        let shown = !thoughts.summary && thoughts.id.is_some() && !thoughts.text.is_empty();
        if sealed.is_none() && !shown && !more {
            self.loss.note("thinking");
            return;
        }
        let said = |kind: &'static str| PartOut::Text {
            r#type: kind,
            text: thoughts.text.as_str().into(),
            annotations: None,
            prompt_cache_breakpoint: None,
        };
        let (summary, content) = match (thoughts.text.is_empty(), thoughts.summary) {
            (true, _) => (Vec::new(), Vec::new()),
            (false, true) => (vec![said("summary_text")], Vec::new()),
            (false, false) => (Vec::new(), vec![said("reasoning_text")]),
        };
        let id = thoughts.id.as_deref();
        self.close();
        if let Some(ItemOut::Reasoning { id: known, content: begun, encrypted_content, .. }) =
            self.items.last_mut()
            && id.is_some()
            && *known == id
            && encrypted_content.is_none()
        {
            begun.extend(content);
            *encrypted_content = sealed;
            return;
        }
        let encrypted_content = sealed;
        self.item(ItemOut::Reasoning { r#type: "reasoning", id, summary, content, encrypted_content });
    }
}

fn plain(text: Said<'_>) -> PartOut<'_> {
    PartOut::Text { r#type: "input_text", text, annotations: None, prompt_cache_breakpoint: None }
}

fn audio(media: &Media) -> Option<PartOut<'_>> {
    let Source::Base64 { data, media_type } = &media.source else { return None };
    let format = media.format.as_deref().or(match media_type.as_deref() {
        Some("audio/mpeg" | "audio/mp3") => Some("mp3"),
        Some("audio/wav" | "audio/x-wav" | "audio/wave") => Some("wav"),
        _ => None,
    })?;
    Some(PartOut::Audio { r#type: "input_audio", input_audio: AudioOut { data, format } })
}

fn picture<'a>(image: &'a Image, breakpoint: Option<BreakpointOut<'a>>) -> Option<PartOut<'a>> {
    let (image_url, file_id) = match &image.source {
        Source::Base64 { data, media_type } => {
            (Some(to_data_url(media_type.as_deref().unwrap_or("image/png"), data)), None)
        }
        Source::File { id } => (None, Some(id.as_str())),
        Source::Text { .. } => return None,
        Source::Url { url, .. } => (Some(Cow::Borrowed(url.as_str())), None),
    };
    let detail = image.detail.as_deref().unwrap_or("auto");
    Some(PartOut::Image {
        r#type: "input_image",
        image_url,
        file_id,
        detail,
        prompt_cache_breakpoint: breakpoint,
    })
}

/// Says in words that a tool failed, unless its words do.
fn mark_failed(parts: &mut Vec<PartOut<'_>>) {
    let first = parts.iter_mut().find_map(|part| match part {
        PartOut::Text { text, .. } => Some(text),
        PartOut::Audio { .. }
        | PartOut::File { .. }
        | PartOut::Image { .. }
        | PartOut::Raw(_)
        | PartOut::Refusal { .. } => None,
    });
    match first {
        Some(text) if text.trim_start().get(..5).is_some_and(|word| word.eq_ignore_ascii_case("error")) => {}
        Some(text) => *text = format!("Error: {}", &**text).into(),
        None => parts.insert(0, plain("Error".into())),
    }
}
