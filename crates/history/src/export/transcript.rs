//! A session as a transcript of Claude Code: what `claude --resume ID` goes on from.
//!
//! The main agent's thread, one line for each message of the user and each block of the model, chained by `parentUuid`. What the client
//! adds anew when it resumes (reminders, its surroundings, breakpoints) is left out. The same session gives the same bytes. Knows the
//! name of the folder that Claude Code looks in; writes no file.

use lockgate_core::Seal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::conversation::{Conversation, EntrySource};
use crate::message::{Arguments, Content, Media, MediaPlace, Message, Piece, Speaker};
use crate::print;
use crate::time::rfc3339;

/// What a transcript says of where it is resumed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TranscriptOptions {
    /// The branch.
    pub branch: Option<String>,
    /// The folder in which `claude --resume` will be called. Absolute, without links: as the client sees it.
    pub cwd: String,
    /// The session's id. Used as it is where it is a UUID, as Claude Code's own are.
    pub session: String,
    /// The version of Claude Code that wrote the session, if known.
    pub version: Option<String>,
}

/// A transcript, and where Claude Code looks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// Its lines.
    pub bytes: Vec<u8>,
    /// Where it belongs, below the client's folder (`~/.claude`, or `CLAUDE_CONFIG_DIR`): `projects/<folder>/<id>.jsonl`.
    pub path: String,
    /// The id that `--resume` is given.
    pub session: Uuid,
}

/// Why there is no transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TranscriptError {
    /// Nothing was said that could be gone on from.
    #[error(
        "the session has no message of its main agent that was kept; its contents may be deleted or were never recorded"
    )]
    Empty,
}

/// The folder of a project: each UTF-16 unit of its path that is no ASCII letter or digit becomes `-`; a long one is cut and told
/// apart by a hash.
pub fn project_folder(cwd: &str) -> String {
    const LONGEST: usize = 200;
    let units: Vec<u16> = cwd.encode_utf16().collect();
    let plain =
        |unit: &u16| u8::try_from(*unit).ok().filter(u8::is_ascii_alphanumeric).map_or('-', char::from);
    let folder: String = units.iter().map(plain).collect();
    if folder.len() <= LONGEST {
        return folder;
    }
    let hash =
        units.iter().fold(0_i32, |hash, unit| (hash << 5).wrapping_sub(hash).wrapping_add(i32::from(*unit)));
    format!("{}-{}", &folder[..LONGEST], base36(hash.unsigned_abs()))
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

/// How what was recorded in place of a secret begins.
const MASK: &str = "«redacted:";

/// Writes the main thread down.
pub fn transcript(
    conversation: &Conversation,
    options: &TranscriptOptions,
) -> Result<Transcript, TranscriptError> {
    let session = Uuid::parse_str(&options.session).unwrap_or_else(|_| id(&["session", &options.session]));
    let thread = conversation.main().ok_or(TranscriptError::Empty)?;
    let mut writer = Writer {
        conversation,
        last: None,
        lines: Vec::new(),
        options,
        prompt: None,
        session,
        waiting: Vec::new(),
    };
    for entry in conversation.messages(thread) {
        writer.entry(entry);
    }
    writer.answer_waiting();
    if writer.last.is_none() {
        return Err(TranscriptError::Empty);
    }
    let path = format!("projects/{}/{session}.jsonl", project_folder(&options.cwd));
    Ok(Transcript { bytes: writer.lines, path, session })
}

/// An id that is the same each time.
fn id(of: &[&str]) -> Uuid {
    let mut hash = blake3::Hasher::new();
    for part in of {
        hash.update(part.as_bytes()).update(b"\0");
    }
    let mut bytes = [0; 16];
    hash.finalize_xof().fill(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid()
}

struct Writer<'a> {
    conversation: &'a Conversation,
    last: Option<Uuid>,
    lines: Vec<u8>,
    options: &'a TranscriptOptions,
    /// The id of what the user said last.
    prompt: Option<Uuid>,
    session: Uuid,
    /// Tool calls whose results are still to come.
    waiting: Vec<String>,
}

impl Writer<'_> {
    fn entry(&mut self, number: usize) {
        let entry = &self.conversation.entries[number];
        let Message { pieces, speaker, .. } = &entry.message;
        match speaker {
            Speaker::System => {}
            Speaker::User => self.user(number, pieces),
            Speaker::Assistant => {
                self.answer_waiting();
                for (at, piece) in pieces.iter().enumerate() {
                    if let Some(block) = block(&piece.content) {
                        self.assistant(number, at, &block);
                    }
                }
            }
        }
    }

    fn user(&mut self, number: usize, pieces: &[Piece]) {
        let mut said = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let Some(block) = block(&piece.content) else { continue };
            if let Content::ToolResult { content, id, is_error } = &piece.content {
                // A result without its call is what the provider would refuse.
                if let Some(found) = self.waiting.iter().position(|waiting| waiting == id) {
                    self.waiting.remove(found);
                    self.result(number, at, &block, told(content, *is_error));
                }
            } else {
                said.push(block);
            }
        }
        if said.is_empty() {
            return;
        }
        self.answer_waiting();
        let content = match said.as_slice() {
            [only] if only["type"] == "text" => only["text"].clone(),
            _ => Value::Array(said),
        };
        let prompt = self.id("prompt", number, 0);
        self.prompt = Some(prompt);
        let mut line = self.line("user", number, 0);
        line.insert("promptId".to_owned(), prompt.to_string().into());
        line.insert("message".to_owned(), json!({"role": "user", "content": content}));
        self.put(line);
    }

    fn result(&mut self, number: usize, at: usize, block: &Value, told: Value) {
        let mut line = self.line("user", number, at + 1);
        if let Some(prompt) = self.prompt {
            line.insert("promptId".to_owned(), prompt.to_string().into());
        }
        line.insert("message".to_owned(), json!({"role": "user", "content": [block]}));
        line.insert("toolUseResult".to_owned(), told);
        if let Some(last) = self.last {
            line.insert("sourceToolAssistantUUID".to_owned(), last.to_string().into());
        }
        self.put(line);
    }

    /// Calls of tools whose results were never sent (the client was interrupted) get one: a history without is refused.
    fn answer_waiting(&mut self) {
        for tool in std::mem::take(&mut self.waiting) {
            let words = "[Request interrupted by user for tool use]";
            let block =
                json!({"type": "tool_result", "tool_use_id": tool, "content": words, "is_error": true});
            let mut line = self.head("user", id(&["interrupted", &self.session.to_string(), &tool]));
            line.insert("message".to_owned(), json!({"role": "user", "content": [block]}));
            line.insert("toolUseResult".to_owned(), words.into());
            self.put(line);
        }
    }

    fn assistant(&mut self, number: usize, at: usize, block: &Value) {
        if let Some(tool) = block["id"].as_str().filter(|_| block["type"] == "tool_use") {
            self.waiting.push(tool.to_owned());
        }
        let entry = &self.conversation.entries[number];
        let call = &self.conversation.calls[entry.call].call;
        let usage = &call.usage;
        let produced = entry.source == EntrySource::Produced || entry.edit_of.is_some();
        let counted = |tokens: Option<u64>| if produced { tokens.unwrap_or(0) } else { 0 };
        let model = call.route.answering_model.as_ref().or(call.route.resolved_model.as_ref());
        let stop = call.stop_reason.as_deref().filter(|_| produced).map(|word| match word {
            "context_window" => "model_context_window_exceeded",
            "pause" => "pause_turn",
            other => other,
        });
        let message = json!({
            "id": format!("msg_{}", self.id("message", number, 0).simple()),
            "type": "message",
            "role": "assistant",
            "model": model.map_or("unknown", String::as_str),
            "content": [block],
            "stop_reason": stop,
            "stop_sequence": null,
            "usage": {
                "input_tokens": counted(usage.input_uncached),
                "cache_creation_input_tokens": counted(usage.cache_write_5m) + counted(usage.cache_write_1h),
                "cache_read_input_tokens": counted(usage.cache_read),
                "output_tokens": counted(usage.output),
            },
        });
        let mut line = self.line("assistant", number, at + 1);
        line.insert("message".to_owned(), message);
        if let Some(request) = &call.route.provider_request_id {
            line.insert("requestId".to_owned(), request.as_str().into());
        }
        self.put(line);
    }

    fn id(&self, what: &str, entry: usize, at: usize) -> Uuid {
        let call = self.conversation.call_of(entry).unwrap_or_default().to_string();
        id(&[what, &self.session.to_string(), &call, &entry.to_string(), &at.to_string()])
    }

    fn line(&self, kind: &str, entry: usize, at: usize) -> Map<String, Value> {
        let mut line = self.head(kind, self.id("line", entry, at));
        let entry = &self.conversation.entries[entry];
        let timing = &self.conversation.calls[entry.call].call.timing;
        let took = timing.total_us.filter(|_| entry.source == EntrySource::Produced).unwrap_or(0);
        let at = timing.started_us.saturating_add(took);
        line.insert("timestamp".to_owned(), rfc3339(at).into());
        line
    }

    fn head(&self, kind: &str, uuid: Uuid) -> Map<String, Value> {
        let mut line = Map::new();
        let mut set = |name: &str, value: Value| line.insert(name.to_owned(), value);
        set("parentUuid", self.last.map_or(Value::Null, |last| last.to_string().into()));
        set("isSidechain", false.into());
        set("type", kind.into());
        set("uuid", uuid.to_string().into());
        set("userType", "external".into());
        set("entrypoint", "cli".into());
        set("cwd", self.options.cwd.as_str().into());
        set("sessionId", self.session.to_string().into());
        set("version", self.options.version.as_deref().unwrap_or("2.0.0").into());
        set("gitBranch", self.options.branch.as_deref().unwrap_or_default().into());
        let first = self.conversation.calls.first().map_or(0, |note| note.call.timing.started_us);
        set("timestamp", rfc3339(first).into());
        line
    }

    fn put(&mut self, line: Map<String, Value>) {
        self.last = line["uuid"].as_str().and_then(|uuid| Uuid::parse_str(uuid).ok());
        self.lines.extend_from_slice(Value::Object(line).to_string().as_bytes());
        self.lines.push(b'\n');
    }
}

/// A piece as a block of Claude's messages; nothing for what a resumed session cannot send.
fn block(content: &Content) -> Option<Value> {
    Some(match content {
        Content::Text { text } => {
            let kept = print::without_reminders(text);
            let kept = if kept.len() == text.len() { text } else { kept.trim() };
            if kept.trim().is_empty() {
                return None;
            }
            json!({"type": "text", "text": kept})
        }
        Content::Refusal { text } => json!({"type": "text", "text": text}),
        // A signature is over the words as they were.
        Content::Thinking { text, .. } if text.contains(MASK) => return None,
        Content::Thinking { seal: Some(Seal::Signature(signature)), text, .. } => {
            json!({"type": "thinking", "thinking": text, "signature": signature})
        }
        Content::Thinking { seal: Some(Seal::Encrypted(data)), .. } => {
            json!({"type": "redacted_thinking", "data": data})
        }
        Content::Thinking { seal: None, .. } | Content::Unreadable { .. } => return None,
        Content::ToolCall { arguments, id, name } => {
            let input = match arguments {
                Arguments::Json(raw) => serde_json::from_str(raw.get()).unwrap_or(Value::Null),
                Arguments::Text(text) => json!({"input": text}),
            };
            let input = if input.is_object() { input } else { json!({"input": input}) };
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
        Content::ToolResult { content, id, is_error } => {
            let content: Vec<_> = content.iter().filter_map(|piece| block(&piece.content)).collect();
            let content = match content.as_slice() {
                [only] if only["type"] == "text" => only["text"].clone(),
                _ => Value::Array(content),
            };
            let mut result = json!({"type": "tool_result", "tool_use_id": id, "content": content});
            if *is_error {
                result["is_error"] = true.into();
            }
            result
        }
        Content::ServerTool { raw, .. } | Content::Unknown { raw, .. } => {
            let mut block: Value = serde_json::from_str(raw.get()).ok()?;
            block.as_object_mut()?.remove("cache_control");
            block
        }
        Content::Document(media) => medium("document", media),
        Content::Image(media) => medium("image", media),
        Content::Audio(media) | Content::Video(media) => {
            json!({"type": "text", "text": format!("[{}]", media.media_type.as_deref().unwrap_or("media"))})
        }
    })
}

fn medium(kind: &str, media: &Media) -> Value {
    let data = media.data().unwrap_or_default();
    let source = match &media.place {
        MediaPlace::File(id) => json!({"type": "file", "file_id": id}),
        MediaPlace::Inline => json!({"type": "base64", "media_type": media.media_type, "data": data}),
        MediaPlace::Text => json!({"type": "text", "media_type": "text/plain", "data": data}),
        MediaPlace::Url(url) => json!({"type": "url", "url": url}),
    };
    let mut block = json!({"type": kind, "source": source});
    if let Some(name) = &media.name {
        block["title"] = name.as_str().into();
    }
    block
}

/// What the client itself shows of a result.
fn told(content: &[Piece], is_error: bool) -> Value {
    let texts = content.iter().filter_map(|piece| piece.content.text());
    let text = texts.collect::<Vec<_>>().join("\n");
    if is_error { format!("Error: {text}").into() } else { text.into() }
}
