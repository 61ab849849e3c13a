//! Turns as messages: one system message, one `role:tool` message for each result directly behind the calls, what
//! tool messages cannot hold (pictures, files) in the user message after them.
//!
//! Thoughts are written for servers that want them back (`reasoning_history`, `reasoning_details`). OpenAI has no field for them and refuses
//! unknown ones: elsewhere they are declared lost.

use std::borrow::Cow;

use lockgate_core::content::{Document, Image, Media, Reasoning, Source, ToolCall, ToolKind, ToolResult};
use lockgate_core::{Block, Dialect, Part, Role, Seal, Turn};

use super::ids;
use super::output::{
    AudioOut, CallOut, ContentOut, CustomOut, DataUrl, DetailOut, Extra, FileOut, FunctionOut, Google,
    ImageOut, MessageOut, PartOut, VideoOut,
};
use crate::{Loss, Quirks};

/// Makes messages of turns.
pub(super) struct Messages<'a, 'l> {
    loss: &'l mut Loss,
    out: Vec<MessageOut<'a>>,
    quirks: &'l Quirks,
}

impl<'a, 'l> Messages<'a, 'l> {
    pub(super) fn new(quirks: &'l Quirks, loss: &'l mut Loss) -> Self {
        Self { loss, out: Vec::new(), quirks }
    }

    pub(super) fn all(mut self, system: &'a [Part], turns: &'a [Turn]) -> Vec<MessageOut<'a>> {
        self.system(system, None);
        let mut rest = turns;
        while let Some((first, behind)) = rest.split_first() {
            if first.role == Role::Assistant {
                self.assistant(first);
                rest = behind;
                continue;
            }
            // What stands between two answers: results first, since they must follow their calls at once.
            let end = rest.iter().position(|turn| turn.role == Role::Assistant).unwrap_or(rest.len());
            self.between(&rest[..end]);
            rest = &rest[end..];
        }
        self.out
    }

    fn between(&mut self, turns: &'a [Turn]) {
        let mut beside: Vec<Vec<PartOut<'a>>> = Vec::with_capacity(turns.len());
        for turn in turns {
            let mut media = Vec::new();
            for part in &turn.parts {
                if let Block::ToolResult(result) = &part.block {
                    self.note_cache(part);
                    self.result(result, &mut media);
                }
            }
            beside.push(media);
        }
        for (turn, media) in turns.iter().zip(beside) {
            match turn.role {
                Role::System => self.system(&turn.parts, turn.name.as_deref()),
                Role::Assistant | Role::User => self.user(turn, media),
            }
        }
    }

    fn system(&mut self, parts: &'a [Part], name: Option<&'a str>) {
        let content: Vec<_> = parts.iter().filter_map(|part| self.part(part)).collect();
        if content.is_empty() {
            return;
        }
        let role = if self.quirks.system_role { "system" } else { "developer" };
        let content = Some(self.content(content, "\n\n"));
        let name = self.name(name);
        self.out.push(MessageOut { name, ..MessageOut::new(role, content) });
    }

    fn user(&mut self, turn: &'a Turn, mut content: Vec<PartOut<'a>>) {
        let results = turn.parts.iter().any(|part| matches!(part.block, Block::ToolResult(_)));
        for part in &turn.parts {
            if !matches!(part.block, Block::ToolResult(_)) {
                content.extend(self.part(part));
            }
        }
        if content.is_empty() && results {
            return;
        }
        let content = Some(self.content(content, "\n\n"));
        let name = self.name(turn.name.as_deref());
        self.out.push(MessageOut { name, ..MessageOut::new("user", content) });
    }

    fn assistant(&mut self, turn: &'a Turn) {
        let mut content = Vec::new();
        let mut calls = Vec::new();
        let mut refusal: Option<Cow<'a, str>> = None;
        let mut thoughts: Option<Cow<'a, str>> = None;
        let mut details: Vec<DetailOut<'a>> = Vec::new();
        for part in &turn.parts {
            match &part.block {
                Block::ToolCall(call) => {
                    self.note_cache(part);
                    calls.push(self.call(call));
                }
                Block::Reasoning(thought) if self.quirks.reasoning_history && !thought.text.is_empty() => {
                    match &mut thoughts {
                        Some(all) => all.to_mut().extend(["\n", thought.text.as_str()]),
                        None => thoughts = Some(Cow::Borrowed(&thought.text)),
                    }
                }
                Block::Reasoning(Reasoning { seal: Some(seal), text, id, .. })
                    if let Some(format) = self.quirks.reasoning_details =>
                {
                    detail((format, id.as_deref()), text, seal, &mut details);
                }
                // Servers that do not know the field must not lose the words.
                Block::Refusal(words) if !self.quirks.no_openai_extras => {
                    self.note_cache(part);
                    match &mut refusal {
                        Some(all) => all.to_mut().push_str(words),
                        None => refusal = Some(Cow::Borrowed(words)),
                    }
                }
                Block::Refusal(words) => content.push(PartOut::Text { text: words.into() }),
                _ => content.extend(self.part(part)),
            }
        }
        let content = (!content.is_empty()).then(|| self.content(content, ""));
        if content.is_none() && calls.is_empty() && refusal.is_none() {
            // A turn of thoughts alone: nothing of it can be said here, and an empty message is refused.
            return;
        }
        // Said as nothing rather than not said: some servers insist on the field.
        let content = content.or(Some(ContentOut::Nothing));
        // Such a server refuses a call of tools without the field, also where there was no thought or it is lost.
        if thoughts.is_none() && self.quirks.reasoning_history && !calls.is_empty() {
            thoughts = Some(Cow::Borrowed(""));
        }
        let name = self.name(turn.name.as_deref());
        self.out.push(MessageOut {
            name,
            refusal,
            reasoning_content: thoughts,
            reasoning_details: details,
            tool_calls: calls,
            ..MessageOut::new("assistant", content)
        });
    }

    fn call(&mut self, call: &'a ToolCall) -> CallOut<'a> {
        if call.namespace.is_some() {
            self.loss.note("namespace");
        }
        let id = ids::for_target(&call.id, self.quirks.tool_id_alnum9);
        // A seal that is still there came from the maker this goes to, so it is in the form that it knows.
        let extra_content =
            call.seal.as_ref().map(|seal| Extra { google: Google { thought_signature: seal.as_str() } });
        match call.kind {
            ToolKind::Custom => CallOut {
                custom: Some(CustomOut { input: &call.arguments, name: &call.name }),
                extra_content,
                function: None,
                id,
                kind: "custom",
            },
            ToolKind::Function => {
                let blank = call.arguments.trim().is_empty();
                let arguments = if blank { "{}" } else { call.arguments.as_str() };
                CallOut {
                    custom: None,
                    extra_content,
                    function: Some(FunctionOut { arguments, name: &call.name }),
                    id,
                    kind: "function",
                }
            }
        }
    }

    /// A tool message; what it cannot hold goes to `beside`.
    fn result(&mut self, result: &'a ToolResult, beside: &mut Vec<PartOut<'a>>) {
        let mut content: Vec<PartOut<'a>> = Vec::new();
        for part in &result.content {
            match self.part(part) {
                Some(text @ PartOut::Text { .. }) => content.push(text),
                Some(other) => beside.push(other),
                None => {}
            }
        }
        if result.is_error {
            mark_error(&mut content);
        }
        let id = ids::for_target(&result.call_id, self.quirks.tool_id_alnum9);
        let content = Some(self.content(content, "\n\n"));
        self.out.push(MessageOut { tool_call_id: Some(id), ..MessageOut::new("tool", content) });
    }

    /// One text is written as a text. Several stay apart at OpenAI; elsewhere (`system_role`) they are joined, since
    /// many servers take lists only where pictures are.
    fn content(&self, mut parts: Vec<PartOut<'a>>, between: &str) -> ContentOut<'a> {
        let words = parts.iter().all(|part| matches!(part, PartOut::Text { .. }));
        if !words || (parts.len() > 1 && !self.quirks.system_role) {
            return ContentOut::Parts(parts);
        }
        if let [PartOut::Text { text }] = parts.as_mut_slice() {
            return ContentOut::Text(std::mem::take(text));
        }
        let texts: Vec<_> = parts.iter().filter_map(PartOut::text).collect();
        ContentOut::Text(texts.join(between).into())
    }

    fn part(&mut self, part: &'a Part) -> Option<PartOut<'a>> {
        self.note_cache(part);
        match &part.block {
            Block::Audio(media) => self.audio(media),
            Block::Document(document) => self.document(document),
            Block::Image(image) => self.image(image),
            Block::Opaque(opaque) if opaque.dialect == Dialect::Chat => Some(PartOut::Raw(&opaque.raw)),
            Block::Opaque(opaque) => self.lost(&opaque.kind),
            Block::Reasoning(_) => self.lost("thinking"),
            Block::Refusal(words) => Some(PartOut::Text { text: words.into() }),
            Block::Text(text) => {
                if !text.citations.is_empty() {
                    self.loss.note("citations");
                }
                (!text.text.is_empty()).then_some(PartOut::Text { text: (&text.text).into() })
            }
            // Calls stand in answers and results in requests; elsewhere no dialect has them.
            Block::ToolCall(_) => self.lost("tool_calls"),
            Block::ToolResult(_) => self.lost("tool_result"),
            Block::Video(media) => self.video(media),
        }
    }

    fn lost(&mut self, name: &str) -> Option<PartOut<'a>> {
        self.loss.note(name);
        None
    }

    fn note_cache(&mut self, part: &Part) {
        if part.cache.is_some() {
            self.loss.note("cache_control");
        }
    }

    fn name(&mut self, name: Option<&'a str>) -> Option<&'a str> {
        let fits = |name: &&str| {
            (1..=64).contains(&name.len())
                && !name.contains(|c: char| c.is_whitespace() || "<|\\/>".contains(c))
        };
        let kept = name.filter(fits);
        if kept.is_none() && name.is_some() {
            self.loss.note("name");
        }
        kept
    }

    fn image(&mut self, image: &'a Image) -> Option<PartOut<'a>> {
        let url = match &image.source {
            Source::Base64 { data, media_type } => {
                let media_type = media_type.as_deref().or_else(|| picture_type(data));
                DataUrl { data, media_type: Some(media_type.unwrap_or("application/octet-stream")) }
            }
            Source::Url { url, .. } => DataUrl { data: url, media_type: None },
            Source::File { .. } | Source::Text { .. } => return self.lost("image"),
        };
        Some(PartOut::Image { image_url: ImageOut { detail: image.detail.as_deref(), url } })
    }

    fn audio(&mut self, media: &'a Media) -> Option<PartOut<'a>> {
        let Source::Base64 { data, media_type } = &media.source else { return self.lost("audio") };
        let format = media.format.as_deref().or(match media_type.as_deref() {
            Some("audio/mp3" | "audio/mpeg") => Some("mp3"),
            Some("audio/wav" | "audio/wave" | "audio/x-wav") => Some("wav"),
            _ => None,
        });
        match format {
            Some(format) => Some(PartOut::Audio { input_audio: AudioOut { data, format } }),
            None => self.lost("audio"),
        }
    }

    /// Video is an extension that some servers have and OpenAI has not.
    fn video(&mut self, media: &'a Media) -> Option<PartOut<'a>> {
        if !self.quirks.no_openai_extras {
            return self.lost("video");
        }
        let url = match &media.source {
            Source::Base64 { data, media_type } => {
                DataUrl { data, media_type: Some(media_type.as_deref().unwrap_or("video/mp4")) }
            }
            Source::Url { url, .. } => DataUrl { data: url, media_type: None },
            Source::File { .. } | Source::Text { .. } => return self.lost("video"),
        };
        Some(PartOut::Video { video_url: VideoOut { url } })
    }

    fn document(&mut self, document: &'a Document) -> Option<PartOut<'a>> {
        if document.citations == Some(true) {
            self.loss.note("citations");
        }
        if document.context.is_some() {
            self.loss.note("context");
        }
        let filename = document.name.as_deref();
        let file = match &document.source {
            Source::Base64 { data, media_type } => {
                let media_type = media_type.as_deref();
                // A file's bytes are refused without a name.
                let unnamed = if media_type == Some("application/pdf") { "document.pdf" } else { "document" };
                FileOut {
                    file_data: Some(DataUrl { data, media_type }),
                    file_id: None,
                    filename: filename.or(Some(unnamed)),
                }
            }
            Source::File { id } => FileOut { file_data: None, file_id: Some(id), filename },
            Source::Text { text } => {
                if filename.is_some() {
                    self.loss.note("title");
                }
                return (!text.is_empty()).then_some(PartOut::Text { text: text.into() });
            }
            Source::Url { .. } => return self.lost("document"),
        };
        Some(PartOut::File { file })
    }
}

/// A failed tool is told in words, since there is no field for it: `Error: ` before a text that does not begin with
/// the word already.
fn mark_error(content: &mut Vec<PartOut<'_>>) {
    let says = |text: &str| {
        let start = text.trim_start().trim_start_matches('<').to_ascii_lowercase();
        ["error", "tool_use_error"].iter().any(|word| start.starts_with(word))
    };
    match content.iter_mut().find_map(PartOut::text_mut) {
        Some(text) if says(text) => {}
        Some(text) => *text = format!("Error: {}", &**text).into(),
        None => content.push(PartOut::Text { text: "Error".into() }),
    }
}

/// What a picture is, by its first bytes in base64.
fn picture_type(data: &str) -> Option<&'static str> {
    let known =
        [("/9j/", "image/jpeg"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp"), ("iVBORw", "image/png")];
    known.iter().find(|(start, _)| data.starts_with(start)).map(|(_, kind)| *kind)
}

/// A sealed thought, as one or two of OpenRouter's details.
fn detail<'a>(
    (format, id): (&'static str, Option<&'a str>),
    words: &'a str,
    seal: &'a Seal,
    out: &mut Vec<DetailOut<'a>>,
) {
    let words = (!words.is_empty()).then_some(words);
    match seal {
        Seal::Signature(signature) => out.push(DetailOut {
            kind: "reasoning.text",
            id,
            format,
            index: out.len(),
            text: Some(words.unwrap_or_default()),
            signature: Some(signature),
            ..DetailOut::default()
        }),
        Seal::Encrypted(data) => {
            if let Some(words) = words {
                let (kind, summary) = ("reasoning.summary", Some(words));
                out.push(DetailOut { kind, format, index: out.len(), summary, ..DetailOut::default() });
            }
            let (kind, index, data) = ("reasoning.encrypted", out.len(), Some(data.as_str()));
            out.push(DetailOut { kind, id, format, index, data, ..DetailOut::default() });
        }
    }
}
