//! Writes the turns of a conversation as `contents`.
//!
//! Neighbours of one role become one content. All results of the calls of a turn stand in one user content, first in
//! it and in the order of the calls: that is how Gemini pairs them.

use std::collections::HashMap;

use lockgate_core::content::{Document, Reasoning, Source, ToolCall, ToolKind, ToolResult};
use lockgate_core::{Block, Dialect, Failure, Part, Role, Seal, Turn};
use serde_json::Value;

use super::super::content::{media_type_of, sniffed};
use super::super::{MADE_ID, thinking};
use super::{Object, arguments, text_part};
use crate::Loss;
use crate::said::Said;

/// The contents so far.
pub(super) struct Turns<'a> {
    /// Whether the model has called something since the last turn that was not its own.
    called: bool,
    contents: Vec<Content>,
    /// Names of all calls, by id.
    names: HashMap<&'a str, &'a str>,
    /// Places of all calls in the conversation, by id.
    order: HashMap<&'a str, usize>,
    /// Gemini 3 or later: takes ids, and pictures inside results.
    third: bool,
}

struct Content {
    parts: Vec<(usize, String)>,
    role: &'static str,
}

/// What Google documents in place of a signature for calls that another model made. It claims nothing, it asks that the
/// check be skipped.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// Where parts that are no results stand: behind all results.
const BEHIND: usize = usize::MAX;

impl<'a> Turns<'a> {
    /// None yet.
    pub(super) fn new(model: &str) -> Self {
        let third = thinking::is_third(model);
        Self { called: false, contents: Vec::new(), names: HashMap::new(), order: HashMap::new(), third }
    }

    /// Adds a turn.
    pub(super) fn turn(&mut self, turn: &'a Turn, loss: &mut Loss) -> Result<(), Failure> {
        let role = match turn.role {
            Role::Assistant => "model",
            Role::System | Role::User => "user",
        };
        self.called &= turn.role == Role::Assistant;
        let mut parts = Vec::new();
        for part in &turn.parts {
            if part.cache.is_some() {
                loss.note("cache_control");
            }
            self.part(part, &mut parts, loss)?;
        }
        if parts.is_empty() {
            return Ok(());
        }
        match self.contents.last_mut() {
            Some(last) if last.role == role => last.parts.extend(parts),
            _ => self.contents.push(Content { parts, role }),
        }
        Ok(())
    }

    /// The contents, each as JSON.
    pub(super) fn finish(self) -> Vec<String> {
        let written = self.contents.into_iter().map(|mut content| {
            if content.role == "user" {
                content.parts.sort_by_key(|(place, _)| *place);
            }
            let parts: Vec<String> = content.parts.into_iter().map(|(_, part)| part).collect();
            format!("{{\"role\":\"{}\",\"parts\":[{}]}}", content.role, parts.join(","))
        });
        written.collect()
    }

    fn part(
        &mut self,
        part: &'a Part,
        out: &mut Vec<(usize, String)>,
        loss: &mut Loss,
    ) -> Result<(), Failure> {
        match &part.block {
            Block::Audio(media) | Block::Video(media) => {
                let kind = media.format.as_deref().map(|format| format!("audio/{format}"));
                out.push((BEHIND, source(&media.source, kind.as_deref())?));
            }
            Block::Document(document) => out.push((BEHIND, self::document(document, loss)?)),
            Block::Image(image) => {
                if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
                    loss.note("image.detail");
                }
                out.push((BEHIND, source(&image.source, None)?));
            }
            Block::Opaque(own) if own.dialect == Dialect::Gemini => out.push((BEHIND, own.raw.get().into())),
            Block::Opaque(foreign) => loss.note(foreign.kind.as_str()),
            Block::Reasoning(reasoning) => match thought(reasoning) {
                Some(part) => out.push((BEHIND, part)),
                None => loss.note("thinking"),
            },
            Block::Refusal(text) => {
                if !text.is_empty() {
                    out.push((BEHIND, text_part(&text.into())));
                }
            }
            Block::Text(text) => {
                if !text.citations.is_empty() {
                    loss.note("citations");
                }
                if !text.text.is_empty() {
                    out.push((BEHIND, text_part(&(&text.text).into())));
                }
            }
            Block::ToolCall(call) => out.push((BEHIND, self.call(call, loss)?)),
            Block::ToolResult(result) => self.result(result, out, loss)?,
        }
        Ok(())
    }

    fn id<'b>(&self, id: &'b str) -> Option<&'b str> {
        (self.third && !id.starts_with(MADE_ID)).then_some(id)
    }

    fn call(&mut self, call: &'a ToolCall, loss: &mut Loss) -> Result<String, Failure> {
        self.names.insert(&call.id, &call.name);
        self.order.insert(&call.id, self.order.len());
        if call.kind == ToolKind::Custom {
            loss.note("custom_tool_call");
        }
        let Some(args) = arguments(&call.arguments) else {
            let message =
                format!("the arguments of the call `{}` of `{}` are not a JSON object", call.id, call.name);
            return Err(Failure::invalid("arguments", message));
        };
        let mut out = Vec::with_capacity(args.len() + 64);
        let mut object = Object::open(&mut out);
        if let Some(id) = self.id(&call.id) {
            object.member("id", id);
        }
        object.member("name", &call.name);
        object.raw("args", args);
        object.close();
        let call_json = String::from_utf8(out).unwrap_or_default();
        // Only the first call of a step carries a signature, and Gemini 3 refuses a step without one.
        let first = !std::mem::replace(&mut self.called, true);
        Ok(match &call.seal {
            Some(Seal::Signature(signature)) => format!(
                "{{\"functionCall\":{call_json},\"thoughtSignature\":{}}}",
                Value::from(signature.as_str())
            ),
            Some(Seal::Encrypted(_)) if self.third && first => {
                loss.note("thinking");
                format!("{{\"functionCall\":{call_json},\"thoughtSignature\":\"{UNSIGNED}\"}}")
            }
            Some(Seal::Encrypted(_)) => {
                loss.note("thinking");
                format!("{{\"functionCall\":{call_json}}}")
            }
            None if self.third && first => {
                format!("{{\"functionCall\":{call_json},\"thoughtSignature\":\"{UNSIGNED}\"}}")
            }
            None => format!("{{\"functionCall\":{call_json}}}"),
        })
    }

    fn result(
        &self,
        result: &'a ToolResult,
        out: &mut Vec<(usize, String)>,
        loss: &mut Loss,
    ) -> Result<(), Failure> {
        let known = self.names.get(result.call_id.as_str()).copied();
        let Some(name) = known.or(result.name.as_deref()) else {
            let message =
                format!("the tool result `{}` answers no call of this conversation", result.call_id);
            return Err(Failure::invalid("tool_call_id", message));
        };
        let (mut words, mut inside, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        for part in &result.content {
            if part.cache.is_some() {
                loss.note("cache_control");
            }
            match &part.block {
                Block::Text(text) => words.push(Said::from(&text.text)),
                Block::Refusal(text) | Block::Document(Document { source: Source::Text { text }, .. }) => {
                    words.push(text.into());
                }
                Block::Document(document) => {
                    let to = if self.third { &mut inside } else { &mut beside };
                    to.push(self::document(document, loss)?);
                }
                Block::Image(image) => {
                    let to = if self.third { &mut inside } else { &mut beside };
                    to.push(source(&image.source, None)?);
                }
                Block::Audio(media) | Block::Video(media) => beside.push(source(&media.source, None)?),
                Block::Opaque(opaque) => loss.note(opaque.kind.as_str()),
                Block::Reasoning(_) | Block::ToolCall(_) | Block::ToolResult(_) => {
                    loss.note("tool_result.content");
                }
            }
        }
        let mut json = Vec::new();
        let mut object = Object::open(&mut json);
        if let Some(id) = self.id(&result.call_id) {
            object.member("id", id);
        }
        object.member("name", name);
        let key = if result.is_error { "error" } else { "result" };
        let words = match words.as_slice() {
            [one] => one.to_json(),
            several => {
                let texts: Vec<&str> = several.iter().map(|words| &**words).collect();
                Value::from(texts.join("\n")).to_string().into()
            }
        };
        object.raw("response", &format!("{{\"{key}\":{words}}}"));
        if !inside.is_empty() {
            object.raw("parts", &format!("[{}]", inside.join(",")));
        }
        object.close();
        let json = String::from_utf8(json).unwrap_or_default();
        let place = self.order.get(result.call_id.as_str()).copied().unwrap_or(BEHIND - 1);
        out.push((place, format!("{{\"functionResponse\":{json}}}")));
        out.extend(beside.into_iter().map(|part| (BEHIND, part)));
        Ok(())
    }
}

/// Thoughts go back only under the signature that Gemini put on them.
fn thought(reasoning: &Reasoning) -> Option<String> {
    let Some(Seal::Signature(signature)) = &reasoning.seal else { return None };
    let thought = if reasoning.text.is_empty() { "" } else { ",\"thought\":true" };
    let text = Value::from(reasoning.text.as_str());
    Some(format!("{{\"text\":{text}{thought},\"thoughtSignature\":{}}}", Value::from(signature.as_str())))
}

fn document(document: &Document, loss: &mut Loss) -> Result<String, Failure> {
    if document.citations == Some(true) {
        loss.note("citations");
    }
    if document.context.is_some() {
        loss.note("document.context");
    }
    if document.name.is_some() {
        // `displayName` is not known to AI Studio's older versions, which refuse what they do not know.
        loss.note("document.name");
    }
    source(&document.source, None)
}

/// Bytes as a part. `kind` is the media type where the source tells none.
fn source(source: &Source, kind: Option<&str>) -> Result<String, Failure> {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    let field = match source {
        Source::Base64 { data, media_type } => {
            let Some(media_type) = media_type.as_deref().or(kind).or_else(|| sniffed(data)) else {
                return Err(Failure::invalid(
                    "media_type",
                    "Gemini must be told the media type of data in base64",
                ));
            };
            object.member("mimeType", media_type);
            object.member("data", data);
            "inlineData"
        }
        Source::File { id } if id.starts_with("files/") || id.starts_with("https://") => {
            object.member("fileUri", id);
            "fileData"
        }
        Source::File { id } => {
            let message = format!("the file `{id}` is kept by another provider; Gemini cannot read it");
            return Err(Failure::invalid("file_id", message));
        }
        Source::Text { text } => return Ok(text_part(&text.into())),
        Source::Url { url, media_type } => {
            if let Some(media_type) = media_type.as_deref().or(kind).or_else(|| media_type_of(url)) {
                object.member("mimeType", media_type);
            }
            object.member("fileUri", url);
            "fileData"
        }
    };
    object.close();
    Ok(format!("{{\"{field}\":{}}}", String::from_utf8(out).unwrap_or_default()))
}
