//! Reads the items of `input`: who said what, which calls and outputs there are.
//!
//! Items that follow each other and belong to the model are one turn, and so are outputs of tools that follow each
//! other; every message of a person is a turn of its own. Ids and states of items say nothing that the conversation
//! needs and are left; whatever else is not known is kept with its place, unknown items are kept whole.

use lockgate_core::Words;
use lockgate_core::content::{
    CacheControl, Document, Image, Media, Opaque, Reasoning, Source, Text, ToolCall, ToolKind, ToolResult,
};
use lockgate_core::{Block, Conversation, Dialect, Failure, Part, Raw, Role, Seal, Turn};

use crate::json::{self, TextOr, is_object};

use super::answer::elements;
use super::media::{citation, source_of_data, source_of_url};
use super::parse::keep;
use super::request::{Members, PartIn, file, read_at};

/// Begins the kind of an unknown part of a message, to tell it from an unknown item.
pub(super) const IN_CONTENT: &str = "content.";

/// The kind of an item that stands for one which the provider has stored.
pub(super) const REFERENCE: &str = "item_reference";

/// `input` as one text.
pub(super) fn text(text: Words, conversation: &mut Conversation) {
    conversation.turns.push(Turn { name: None, parts: vec![Part::text(text)], role: Role::User });
}

/// `input` as a list.
pub(super) fn items(input: Vec<Members>, conversation: &mut Conversation) -> Result<(), Failure> {
    let mut last = Kind::Message;
    for (at, item) in input.into_iter().enumerate() {
        let path = format!("input[{at}]");
        last = Reader { conversation, last, path: &path }.item(item)?;
    }
    Ok(())
}

/// What the last item was, which decides whether the next one continues its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Message,
    Model,
    Output,
}

struct Reader<'a> {
    conversation: &'a mut Conversation,
    last: Kind,
    path: &'a str,
}

impl Reader<'_> {
    fn item(mut self, mut item: Members) -> Result<Kind, Failure> {
        let kind = item.kind.clone();
        match kind.as_deref() {
            Some("message") | None => return self.message(item),
            Some("custom_tool_call") => self.call(&mut item, ToolKind::Custom)?,
            Some("custom_tool_call_output") => return self.output(item, ToolKind::Custom),
            Some("function_call") => self.call(&mut item, ToolKind::Function)?,
            Some("function_call_output") => return self.output(item, ToolKind::Function),
            Some("reasoning") => self.reasoning(&mut item)?,
            Some(other) => return Ok(self.opaque(other, &item)),
        }
        file(&mut self.conversation.rest, self.path, item.rest);
        Ok(Kind::Model)
    }

    fn message(mut self, mut item: Members) -> Result<Kind, Failure> {
        let Some(role) = item.read::<String>("role", self.path)? else {
            if item.kind.is_none() && item.rest.iter().any(|(key, _)| key == "id") {
                // An item without a type and a role, but with an id, is a reference by its id.
                return Ok(self.opaque(REFERENCE, &item));
            }
            let field = format!("{}.role", self.path);
            return Err(Failure::invalid(&field, format!("`{field}` is missing")));
        };
        let role = match role.as_str() {
            "assistant" => Role::Assistant,
            "developer" | "system" => Role::System,
            "user" => Role::User,
            other => {
                let field = format!("{}.role", self.path);
                let words =
                    format!("`{field}` is `{other}`: it must be assistant, developer, system or user");
                return Err(Failure::invalid(field, words));
            }
        };
        let content = item.take("content");
        item.forget(&["id", "status"]);
        let parts = content.map(|content| self.content(&content, "content")).transpose()?.unwrap_or_default();
        file(&mut self.conversation.rest, self.path, item.rest);
        if parts.is_empty() {
            return Ok(self.last);
        }
        match role {
            Role::Assistant => return Ok(self.join(Role::Assistant, Kind::Model, parts)),
            Role::System if self.conversation.turns.is_empty() => self.conversation.system.extend(parts),
            Role::System | Role::User => self.conversation.turns.push(Turn { name: None, parts, role }),
        }
        Ok(Kind::Message)
    }

    fn call(&mut self, item: &mut Members, kind: ToolKind) -> Result<(), Failure> {
        let id = match item.read::<String>("call_id", self.path)? {
            Some(id) if !id.is_empty() => id,
            _ => item.need("id", self.path)?,
        };
        let name = item.need("name", self.path)?;
        let arguments = match kind {
            ToolKind::Custom => item.read("input", self.path)?.unwrap_or_default(),
            // Some clients send the object itself.
            ToolKind::Function => match item.take("arguments") {
                Some(raw) if is_object(raw.get()) => raw.get().to_owned(),
                Some(raw) => read_at(&raw, &format!("{}.arguments", self.path))?,
                None => String::new(),
            },
        };
        let namespace = item.read("namespace", self.path)?;
        item.forget(&["id", "status"]);
        let call = ToolCall { arguments, id, kind, name, namespace, seal: None };
        self.join(Role::Assistant, Kind::Model, vec![Part::new(Block::ToolCall(call))]);
        Ok(())
    }

    fn output(mut self, mut item: Members, kind: ToolKind) -> Result<Kind, Failure> {
        let call_id = item.need("call_id", self.path)?;
        let name = item.read("name", self.path)?;
        let content = item.take("output");
        let content =
            content.map(|content| self.content(&content, "output")).transpose()?.unwrap_or_default();
        item.forget(&["id", "status"]);
        file(&mut self.conversation.rest, self.path, item.rest);
        let result = ToolResult { call_id, content, is_error: false, kind, name };
        Ok(self.join(Role::User, Kind::Output, vec![Part::new(Block::ToolResult(result))]))
    }

    /// A reasoning item is one block, or two when it has both a summary and the thoughts; the seal is on the last.
    fn reasoning(&mut self, item: &mut Members) -> Result<(), Failure> {
        let id: Option<String> = item.read("id", self.path)?;
        let sealed: Option<String> = item.read("encrypted_content", self.path)?;
        let summary = self.joined(item.take("summary"), "summary")?;
        let thoughts = self.joined(item.take("content"), "content")?;
        item.forget(&["status"]);
        let mut blocks = Vec::new();
        if !thoughts.is_empty() {
            blocks.push(Reasoning { id: id.clone(), seal: None, summary: false, text: thoughts });
        }
        if !summary.is_empty() || blocks.is_empty() {
            blocks.insert(0, Reasoning { id, seal: None, summary: true, text: summary });
        }
        if let Some(last) = blocks.last_mut() {
            last.seal = sealed.filter(|sealed| !sealed.is_empty()).map(Seal::Encrypted);
        }
        let parts = blocks.into_iter().map(|block| Part::new(Block::Reasoning(block))).collect();
        self.join(Role::Assistant, Kind::Model, parts);
        Ok(())
    }

    fn joined(&self, parts: Option<Raw>, field: &str) -> Result<String, Failure> {
        let Some(raw) = parts else { return Ok(String::new()) };
        let parts: Vec<PartIn> = read_at(&raw, &format!("{}.{field}", self.path))?;
        let texts: Vec<&str> = parts.iter().filter_map(|part| part.text.as_deref()).collect();
        Ok(texts.join("\n\n"))
    }

    fn opaque(mut self, kind: &str, item: &Members) -> Kind {
        let Some(raw) = item.whole() else { return self.last };
        let role = item.rest.iter().find(|(key, _)| key == "role").map(|(_, role)| role.get());
        let part =
            Part::new(Block::Opaque(Opaque { dialect: Dialect::Responses, kind: kind.to_owned(), raw }));
        let by_client = kind.ends_with("_output") || kind.ends_with("_response");
        match role {
            Some(r#""developer""# | r#""system""#) => {
                self.conversation.turns.push(Turn { name: None, parts: vec![part], role: Role::System });
                Kind::Message
            }
            _ if by_client => self.join(Role::User, Kind::Output, vec![part]),
            _ => self.join(Role::Assistant, Kind::Model, vec![part]),
        }
    }

    /// Adds to the turn of the last item if it was of the same kind, else begins one.
    fn join(&mut self, role: Role, kind: Kind, parts: Vec<Part>) -> Kind {
        match self.conversation.turns.last_mut() {
            Some(turn) if self.last == kind && turn.role == role => turn.parts.extend(parts),
            _ => self.conversation.turns.push(Turn { name: None, parts, role }),
        }
        self.last = kind;
        kind
    }

    fn content(&mut self, raw: &Raw, field: &str) -> Result<Vec<Part>, Failure> {
        let path = format!("{}.{field}", self.path);
        Ok(match read_at::<TextOr<PartIn>>(raw, &path)? {
            TextOr::Text(text) if text.is_empty() => Vec::new(),
            TextOr::Text(text) => vec![Part::text(text)],
            TextOr::List(list) => {
                let mut parts = Vec::with_capacity(list.len());
                for (at, part) in list.into_iter().enumerate() {
                    parts.push(self.part(part, &format!("{path}[{at}]"))?);
                }
                parts
            }
        })
    }

    fn part(&mut self, mut part: PartIn, path: &str) -> Result<Part, Failure> {
        let missing =
            |field: &str| Failure::invalid(format!("{path}.{field}"), format!("`{path}.{field}` is missing"));
        let breakpoint = part.breakpoint.take();
        let block = match part.kind.as_deref() {
            Some("input_text" | "output_text" | "text") => Block::Text(Text {
                text: part.text.take().ok_or_else(|| missing("text"))?,
                citations: elements(part.annotations.as_deref()).into_iter().map(citation).collect(),
            }),
            Some("refusal") => Block::Refusal(part.refusal.take().ok_or_else(|| missing("refusal"))?),
            Some("input_image") => {
                let source = match (part.image_url.take(), part.file_id.take()) {
                    (Some(url), _) => source_of_url(url),
                    (None, Some(id)) => Source::File { id },
                    (None, None) => return Err(missing("image_url")),
                };
                Block::Image(Image { detail: part.detail.take(), source })
            }
            Some("input_file") => {
                let source = match (part.file_data.take(), part.file_url.take(), part.file_id.take()) {
                    (Some(data), _, _) => source_of_data(data),
                    (None, Some(url), _) => source_of_url(url),
                    (None, None, Some(id)) => Source::File { id },
                    (None, None, None) => return Err(missing("file_data")),
                };
                Block::Document(Document {
                    citations: None,
                    context: None,
                    name: part.filename.take(),
                    source,
                })
            }
            Some("input_audio") => {
                let audio = part.input_audio.take().ok_or_else(|| missing("input_audio"))?;
                let data = audio.data.ok_or_else(|| missing("input_audio.data"))?;
                let media_type = audio.format.as_ref().map(|format| format!("audio/{format}"));
                let source = Source::Base64 { data, media_type };
                Block::Audio(Media { format: audio.format, source })
            }
            Some(other) => {
                let kind = format!("{IN_CONTENT}{other}");
                let raw = whole(&part).ok_or_else(|| missing("type"))?;
                part.rest.clear();
                Block::Opaque(Opaque { dialect: Dialect::Responses, kind, raw })
            }
            None => return Err(missing("type")),
        };
        if let (Some(detail), Block::Document(_)) = (part.detail, &block) {
            keep(&mut self.conversation.rest, &format!("{path}.detail"), &detail.into());
        }
        part.rest.retain(|(key, value)| key != "logprobs" || !elements(Some(value)).is_empty());
        file(&mut self.conversation.rest, path, part.rest);
        // Half an hour is what a breakpoint without a lifetime gets.
        let ttl = breakpoint.map(|breakpoint| breakpoint.ttl.unwrap_or_else(|| "30m".to_owned()));
        Ok(Part { block, cache: ttl.map(|ttl| CacheControl { ttl: Some(ttl) }) })
    }
}

/// A part of a type that is not known, put together again.
fn whole(part: &PartIn) -> Option<Raw> {
    let mut map = serde_json::Map::new();
    let texts = [
        ("type", part.kind.as_deref()),
        ("text", part.text.as_deref()),
        ("refusal", part.refusal.as_deref()),
        ("image_url", part.image_url.as_deref()),
        ("file_id", part.file_id.as_deref()),
        ("file_data", part.file_data.as_deref()),
        ("file_url", part.file_url.as_deref()),
        ("filename", part.filename.as_deref()),
        ("detail", part.detail.as_deref()),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            map.insert(key.to_owned(), text.into());
        }
    }
    for (key, value) in &part.rest {
        map.insert(key.clone(), serde_json::from_str(value.get()).ok()?);
    }
    json::raw(serde_json::Value::Object(map).to_string())
}

/// Whether a conversation may be told in another dialect: not if it refers to items that the provider has stored.
pub fn may_leave(conversation: &Conversation) -> Result<(), Failure> {
    let parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    let reference = |part: &Part| match &part.block {
        Block::Opaque(opaque) => opaque.dialect == Dialect::Responses && opaque.kind == REFERENCE,
        Block::Audio(_)
        | Block::Document(_)
        | Block::Image(_)
        | Block::Reasoning(_)
        | Block::Refusal(_)
        | Block::Text(_)
        | Block::ToolCall(_)
        | Block::ToolResult(_)
        | Block::Video(_) => false,
    };
    if parts.into_iter().any(reference) {
        let words = "`input` holds an `item_reference` to an item that only the provider which stored it has: send the \
                     item itself (SDKs do with `store: false`), or name a model of that provider";
        return Err(Failure::invalid("input", words));
    }
    Ok(())
}
