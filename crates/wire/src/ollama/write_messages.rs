//! The turns of a conversation as Ollama's messages.
//!
//! Refuses what would change what was asked: pictures that are not in the request, documents and sound that the
//! server cannot take, tool arguments that are no object.

use std::collections::HashMap;

use lockgate_core::content::{Document, Image, Opaque, Reasoning, Seal, Source, ToolCall, ToolResult};
use lockgate_core::{Block, Conversation, Failure, Part, Role, Turn};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::Loss;
use crate::said::Said;

/// One message, borrowed from the conversation where nothing had to be joined.
#[derive(Debug, Default, Serialize)]
pub(in crate::ollama) struct OutMessage<'a> {
    pub(in crate::ollama) role: &'static str,
    pub(in crate::ollama) content: Said<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: Said<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::ollama) images: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<OutCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct OutCall<'a> {
    id: &'a str,
    function: OutCalled<'a>,
}

#[derive(Debug, Serialize)]
struct OutCalled<'a> {
    index: usize,
    name: &'a str,
    arguments: &'a RawValue,
}

/// All messages, the system text first.
pub(in crate::ollama) fn messages<'a>(
    conversation: &'a Conversation,
    loss: &mut Loss,
) -> Result<Vec<OutMessage<'a>>, Failure> {
    let mut writer =
        Writer { loss, names: HashMap::new(), out: Vec::with_capacity(conversation.turns.len() + 1) };
    writer.plain("system", &conversation.system)?;
    for turn in &conversation.turns {
        writer.turn(turn)?;
    }
    Ok(writer.out)
}

struct Writer<'a, 'l> {
    loss: &'l mut Loss,
    /// Names of the calls so far, by id.
    names: HashMap<&'a str, &'a str>,
    out: Vec<OutMessage<'a>>,
}

impl<'a> Writer<'a, '_> {
    fn turn(&mut self, turn: &'a Turn) -> Result<(), Failure> {
        if turn.name.is_some() {
            self.loss.note("name");
        }
        match turn.role {
            Role::Assistant => self.assistant(&turn.parts),
            Role::System => self.plain("system", &turn.parts),
            Role::User => self.user(&turn.parts),
        }
    }

    /// Results first, whatever else the turn says behind them.
    fn user(&mut self, parts: &'a [Part]) -> Result<(), Failure> {
        let mut shown = Vec::new();
        for part in parts {
            if let Block::ToolResult(result) = &part.block {
                self.cache(part);
                self.result(result, &mut shown)?;
            }
        }
        let from = self.out.len();
        self.plain("user", parts)?;
        if shown.is_empty() {
            return Ok(());
        }
        match self.out.get_mut(from) {
            Some(message) => message.images.splice(0..0, shown).for_each(drop),
            None => self.out.push(OutMessage { role: "user", images: shown, ..OutMessage::default() }),
        }
        Ok(())
    }

    /// Words and pictures as one message; none if there are neither.
    fn plain(&mut self, role: &'static str, parts: &'a [Part]) -> Result<(), Failure> {
        let mut message = OutMessage { role, ..OutMessage::default() };
        for part in parts {
            match &part.block {
                Block::ToolResult(_) if role == "user" => continue,
                Block::Image(image) => message.images.push(self.image(image)?),
                block => self.words(block, &mut message.content, "\n\n")?,
            }
            self.cache(part);
        }
        if !message.content.is_empty() || !message.images.is_empty() {
            self.out.push(message);
        }
        Ok(())
    }

    fn assistant(&mut self, parts: &'a [Part]) -> Result<(), Failure> {
        let mut message = OutMessage { role: "assistant", ..OutMessage::default() };
        for part in parts {
            self.cache(part);
            match &part.block {
                Block::Image(image) => message.images.push(self.image(image)?),
                Block::Reasoning(reasoning) => self.thoughts(reasoning, &mut message.thinking),
                Block::ToolCall(call) => {
                    let index = message.tool_calls.len();
                    message.tool_calls.push(self.call(index, call)?);
                }
                // What the model wrote in one go may lie in several blocks: nothing stands between them.
                block => self.words(block, &mut message.content, "")?,
            }
        }
        let said = !message.content.is_empty() || !message.thinking.is_empty();
        if said || !message.images.is_empty() || !message.tool_calls.is_empty() {
            self.out.push(message);
        }
        Ok(())
    }

    fn words(&mut self, block: &'a Block, text: &mut Said<'a>, between: &str) -> Result<(), Failure> {
        match block {
            Block::Text(words) => {
                if !words.citations.is_empty() {
                    self.loss.note("citations");
                }
                join(text, &words.text, between);
            }
            Block::Refusal(words) => join(text, words, between),
            Block::Document(document) => join(text, self.document(document)?, between),
            Block::Opaque(Opaque { kind, .. }) => self.loss.note(kind.as_str()),
            Block::Reasoning(_) => self.loss.note("thinking"),
            Block::Audio(_) => return Err(unsayable("audio")),
            Block::Video(_) => return Err(unsayable("video")),
            Block::Image(_) | Block::ToolCall(_) | Block::ToolResult(_) => {
                let words = "a tool call or result stands in a turn of the wrong speaker";
                return Err(Failure::invalid("messages", words));
            }
        }
        Ok(())
    }

    fn thoughts(&mut self, reasoning: &'a Reasoning, text: &mut Said<'a>) {
        match &reasoning.seal {
            Some(Seal::Encrypted(_)) => self.loss.note("thinking"),
            Some(Seal::Signature(_)) => self.loss.note("signature"),
            None => {}
        }
        join(text, &reasoning.text, "\n\n");
    }

    fn call(&mut self, index: usize, call: &'a ToolCall) -> Result<OutCall<'a>, Failure> {
        if call.seal.is_some() {
            self.loss.note("signature");
        }
        if call.namespace.is_some() {
            self.loss.note("namespace");
        }
        let text = if call.arguments.trim().is_empty() { "{}" } else { &*call.arguments };
        let arguments = crate::json::is_object(text)
            .then(|| serde_json::from_str::<&RawValue>(text).ok())
            .flatten()
            .ok_or_else(|| {
                let words = format!(
                    "the arguments of the call `{}` of the tool `{}` are not a JSON object, and Ollama takes nothing else",
                    call.id, call.name
                );
                Failure::invalid("messages.tool_calls.arguments", words)
            })?;
        self.names.insert(&call.id, &call.name);
        Ok(OutCall { id: &call.id, function: OutCalled { index, name: &call.name, arguments } })
    }

    /// A message of its own. There is no field for failure: the text says it, unless it does already.
    fn result(&mut self, result: &'a ToolResult, shown: &mut Vec<&'a str>) -> Result<(), Failure> {
        let mut content = Said::default();
        for part in &result.content {
            self.cache(part);
            match &part.block {
                Block::Image(image) => shown.push(self.image(image)?),
                block => self.words(block, &mut content, "\n\n")?,
            }
        }
        let says_so = content.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("error"));
        if result.is_error && !says_so {
            content = format!("Error: {}", &*content).into();
        }
        self.out.push(OutMessage {
            role: "tool",
            content,
            tool_name: result.name.as_deref().or_else(|| self.names.get(&*result.call_id).copied()),
            tool_call_id: Some(&result.call_id),
            ..OutMessage::default()
        });
        Ok(())
    }

    fn image(&mut self, image: &'a Image) -> Result<&'a str, Failure> {
        if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.loss.note("detail");
        }
        match &image.source {
            Source::Base64 { data, .. } => Ok(data),
            Source::Url { url, .. } => Err(Failure::invalid(
                "messages.image",
                format!("Ollama takes pictures as base64 only, not from an address ({})", short(url)),
            )),
            Source::File { id } => Err(Failure::invalid(
                "messages.image",
                format!(
                    "Ollama takes pictures as base64 only, not as a file of another provider ({})",
                    short(id)
                ),
            )),
            Source::Text { .. } => Err(unsayable("image")),
        }
    }

    /// A document's text; other documents cannot be said.
    fn document(&mut self, document: &'a Document) -> Result<&'a str, Failure> {
        let Source::Text { text } = &document.source else { return Err(unsayable("document")) };
        let lost = [
            ("document.title", document.name.is_some()),
            ("document.context", document.context.is_some()),
            ("citations", document.citations == Some(true)),
        ];
        for (field, _) in lost.iter().filter(|(_, given)| *given) {
            self.loss.note(*field);
        }
        Ok(text)
    }

    fn cache(&mut self, part: &Part) {
        if part.cache.is_some() {
            self.loss.note("cache_control");
        }
    }
}

fn unsayable(what: &str) -> Failure {
    Failure::invalid(
        format!("messages.{what}"),
        format!("Ollama takes no {what} of this kind: send it as text"),
    )
}

fn short(text: &str) -> String {
    crate::json::excerpt(text.as_bytes(), 80)
}

/// Puts a text behind another; empty ones leave no trace.
fn join<'a>(text: &mut Said<'a>, more: impl Into<Said<'a>>, between: &str) {
    let more = more.into();
    if more.is_empty() {
        return;
    }
    if text.is_empty() {
        *text = more;
    } else {
        text.push_str(&format!("{between}{}", &*more));
    }
}
