//! Writes a conversation as lines for the stdin of `claude -p --input-format stream-json`.
//!
//! A line a turn; neighbours of one speaker are one line. Blocks are those of Anthropic's API, which the command hands
//! on. Instructions in the middle of a conversation become text of the user's turn there, because the command takes
//! system text only ahead of it (`control`). What the command decides itself (tools, sampling) is declared as lost.

use lockgate_core::content::{Document, Image, Opaque, Reasoning, Seal, Source, ToolCall, ToolResult};
use lockgate_core::{
    Block, Conversation, ErrorKind, Failure, Part, ReasoningRequest, Role, Sampling, Tool, ToolChoice,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::control::{self, effort};
use crate::{Loss, Target};

#[derive(Serialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    message: Message<'a>,
    /// The text was not typed at a keyboard: it is taken as it stands, without commands and without files.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    client_composed: bool,
    /// Only the last line asks for an answer.
    #[serde(rename = "shouldQuery", skip_serializing_if = "Option::is_none")]
    should_query: Option<bool>,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Vec<Out<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Out<'a> {
    Document {
        source: OutSource<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        context: Option<&'a str>,
    },
    Image {
        source: OutSource<'a>,
    },
    RedactedThinking {
        data: &'a str,
    },
    Text {
        text: &'a str,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: Vec<Out<'a>>,
        is_error: bool,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OutSource<'a> {
    Base64 { media_type: &'a str, data: &'a str },
    Text { media_type: &'static str, data: &'a str },
    Url { url: &'a str },
}

/// The lines for the command's stdin.
pub(super) fn lines(
    conversation: &Conversation,
    _target: &Target<'_>,
    loss: &mut Loss,
) -> Result<Vec<u8>, Failure> {
    note_unsayable(conversation, loss);
    let mut writer = Writer { loss, messages: Vec::with_capacity(conversation.turns.len()) };
    for turn in &conversation.turns {
        if turn.name.is_some() {
            writer.loss.note("name");
        }
        match turn.role {
            Role::Assistant => writer.assistant(&turn.parts)?,
            Role::System => {
                writer.loss.note("messages.role");
                writer.user(&turn.parts)?;
            }
            Role::User => writer.user(&turn.parts)?,
        }
    }
    let messages = writer.messages;
    match messages.last().map(|message| message.role) {
        Some("user") => {}
        Some(_) => {
            let words = "the last message must be the user's: the `claude` command does not go on in the middle of an answer";
            return Err(Failure::invalid("messages", words));
        }
        None => return Err(Failure::invalid("messages", "there is nothing to answer")),
    }
    let last = messages.len() - 1;
    let mut out = Vec::new();
    control::lines(conversation, &mut out)?;
    for (at, message) in messages.into_iter().enumerate() {
        let kind = message.role;
        let asks = kind == "user";
        let should_query = (asks && at < last).then_some(false);
        let line = Line { kind, message, client_composed: asks, should_query };
        serde_json::to_writer(&mut out, &line)
            .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))?;
        out.push(b'\n');
    }
    Ok(out)
}

/// Notes what the command decides itself, by the client's name for it.
fn note_unsayable(conversation: &Conversation, loss: &mut Loss) {
    let sampling = &conversation.sampling;
    let Sampling { frequency_penalty, presence_penalty, temperature, top_p, .. } = sampling;
    let choice = matches!(conversation.tool_choice, Some(ToolChoice::Among { .. } | ToolChoice::Required));
    let reasoning = conversation.reasoning.as_ref();
    let unsayable = [
        ("tool_choice", choice),
        ("parallel_tool_calls", conversation.parallel_tools.is_some()),
        ("response_format", conversation.format.as_ref().is_some_and(is_strict)),
        ("max_tokens", sampling.max_tokens.is_some()),
        ("temperature", temperature.is_some()),
        ("top_p", top_p.is_some()),
        ("top_k", sampling.top_k.is_some()),
        ("stop", !sampling.stop.is_empty()),
        ("seed", sampling.seed.is_some()),
        ("frequency_penalty", frequency_penalty.is_some()),
        ("presence_penalty", presence_penalty.is_some()),
        ("n", sampling.candidates.is_some_and(|n| n > 1)),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("logprobs", sampling.logprobs == Some(true)),
        ("top_logprobs", sampling.top_logprobs.is_some()),
        ("verbosity", sampling.verbosity.is_some()),
        ("thinking", reasoning.is_some_and(|asked| is_lost(asked, effort(conversation)))),
        ("metadata", !conversation.metadata.is_empty()),
        ("prompt_cache_key", conversation.cache_key.is_some()),
        ("service_tier", conversation.service_tier.is_some()),
        ("user", conversation.user.is_some()),
    ];
    for tool in &conversation.tools {
        match tool {
            Tool::Custom(_) | Tool::Function(_) => loss.note("tools"),
            Tool::Hosted(hosted) => loss.note(format!("tools.{}", hosted.kind)),
        }
    }
    for (field, _) in unsayable.iter().filter(|(_, given)| *given) {
        loss.note(*field);
    }
    for part in &conversation.system {
        if part.cache.is_some() {
            loss.note("cache_control");
        }
        if !matches!(part.block, Block::Text(_)) {
            loss.note("system");
        }
    }
    for unmodelled in &conversation.rest {
        loss.note(crate::json::without_indices(&unmodelled.path));
    }
}

fn is_strict(format: &lockgate_core::OutputFormat) -> bool {
    match format {
        lockgate_core::OutputFormat::Json | lockgate_core::OutputFormat::Schema { .. } => true,
        lockgate_core::OutputFormat::Text => false,
    }
}

/// Whether a wish about thinking goes beyond what an effort can say.
fn is_lost(asked: &ReasoningRequest, effort: Option<&str>) -> bool {
    asked.budget.is_some()
        || asked.summary.is_some()
        || asked.enabled == Some(false)
        || (effort.is_none() && (asked.effort.is_some() || asked.enabled == Some(true)))
}

struct Writer<'a, 'l> {
    loss: &'l mut Loss,
    messages: Vec<Message<'a>>,
}

impl<'a> Writer<'a, '_> {
    /// Adds to the message of this speaker that stands last, or begins one.
    fn put(&mut self, role: &'static str, blocks: Vec<Out<'a>>) {
        match self.messages.last_mut() {
            _ if blocks.is_empty() => {}
            Some(last) if last.role == role => last.content.extend(blocks),
            Some(_) | None => self.messages.push(Message { role, content: blocks }),
        }
    }

    fn user(&mut self, parts: &'a [Part]) -> Result<(), Failure> {
        let (mut results, mut others) = (Vec::new(), Vec::new());
        for part in parts {
            self.cache(part);
            match &part.block {
                Block::ToolResult(result) => results.push(self.result(result)?),
                block => others.extend(self.content(block)?),
            }
        }
        // Results stand first, right behind the calls that they answer.
        results.extend(others);
        self.put("user", results);
        Ok(())
    }

    fn assistant(&mut self, parts: &'a [Part]) -> Result<(), Failure> {
        let mut blocks = Vec::new();
        for part in parts {
            self.cache(part);
            match &part.block {
                Block::Reasoning(reasoning) => blocks.extend(self.thoughts(reasoning)),
                Block::ToolCall(call) => blocks.push(self.call(call)?),
                block => blocks.extend(self.content(block)?),
            }
        }
        self.put("assistant", blocks);
        Ok(())
    }

    /// Words, pictures and documents; empty text leaves no trace.
    fn content(&mut self, block: &'a Block) -> Result<Option<Out<'a>>, Failure> {
        match block {
            Block::Text(text) => {
                if !text.citations.is_empty() {
                    self.loss.note("citations");
                }
                Ok(said(&text.text))
            }
            Block::Refusal(text) => Ok(said(text)),
            Block::Image(image) => self.image(image).map(Some),
            Block::Document(document) => self.document(document).map(Some),
            Block::Opaque(Opaque { kind, .. }) => {
                self.loss.note(kind.as_str());
                Ok(None)
            }
            Block::Reasoning(_) => {
                self.loss.note("thinking");
                Ok(None)
            }
            Block::Audio(_) => Err(unsayable("audio")),
            Block::Video(_) => Err(unsayable("video")),
            Block::ToolCall(_) | Block::ToolResult(_) => {
                let words = "a tool call or result stands in a turn of the wrong speaker";
                Err(Failure::invalid("messages", words))
            }
        }
    }

    /// Thoughts go back as their maker sealed them; without a seal the API would refuse them.
    fn thoughts(&mut self, reasoning: &'a Reasoning) -> Option<Out<'a>> {
        match &reasoning.seal {
            Some(Seal::Encrypted(data)) => Some(Out::RedactedThinking { data }),
            Some(Seal::Signature(signature)) => Some(Out::Thinking { thinking: &reasoning.text, signature }),
            None => {
                self.loss.note("thinking");
                None
            }
        }
    }

    fn call(&mut self, call: &'a ToolCall) -> Result<Out<'a>, Failure> {
        if call.seal.is_some() {
            self.loss.note("signature");
        }
        if call.namespace.is_some() {
            self.loss.note("namespace");
        }
        let text = if call.arguments.trim().is_empty() { "{}" } else { &*call.arguments };
        let input = crate::json::is_object(text)
            .then(|| serde_json::from_str::<&RawValue>(text).ok())
            .flatten()
            .ok_or_else(|| {
                let words = format!(
                    "the arguments of the call `{}` of the tool `{}` are not a JSON object, and Anthropic takes nothing else",
                    call.id, call.name
                );
                Failure::invalid("messages.tool_calls.arguments", words)
            })?;
        Ok(Out::ToolUse { id: &call.id, name: &call.name, input })
    }

    fn result(&mut self, result: &'a ToolResult) -> Result<Out<'a>, Failure> {
        let mut content = Vec::with_capacity(result.content.len());
        for part in &result.content {
            self.cache(part);
            content.extend(self.content(&part.block)?);
        }
        Ok(Out::ToolResult { tool_use_id: &result.call_id, content, is_error: result.is_error })
    }

    fn image(&mut self, image: &'a Image) -> Result<Out<'a>, Failure> {
        if image.detail.as_deref().is_some_and(|detail| detail != "auto") {
            self.loss.note("detail");
        }
        let source = match &image.source {
            Source::Base64 { data, media_type: Some(media_type) } => OutSource::Base64 { media_type, data },
            Source::Base64 { media_type: None, .. } => {
                let words = "a picture without a media type: say `image/png`, `image/jpeg`, `image/gif` or `image/webp`";
                return Err(Failure::invalid("messages.image", words));
            }
            Source::Url { url, .. } => OutSource::Url { url },
            Source::File { .. } | Source::Text { .. } => return Err(unsayable("image")),
        };
        Ok(Out::Image { source })
    }

    fn document(&mut self, document: &'a Document) -> Result<Out<'a>, Failure> {
        if document.citations == Some(true) {
            self.loss.note("citations");
        }
        let source = match &document.source {
            Source::Base64 { data, media_type } => {
                OutSource::Base64 { media_type: media_type.as_deref().unwrap_or("application/pdf"), data }
            }
            Source::Text { text } => OutSource::Text { media_type: "text/plain", data: text },
            Source::Url { url, .. } => OutSource::Url { url },
            Source::File { .. } => return Err(unsayable("document")),
        };
        let (title, context) = (document.name.as_deref(), document.context.as_deref());
        Ok(Out::Document { source, title, context })
    }

    fn cache(&mut self, part: &Part) {
        // The command sets its own breakpoints, and there may be no more than four.
        if part.cache.is_some() {
            self.loss.note("cache_control");
        }
    }
}

fn said(text: &str) -> Option<Out<'_>> {
    (!text.is_empty()).then_some(Out::Text { text })
}

fn unsayable(what: &str) -> Failure {
    let words = format!("the `claude` command takes no {what} of this kind");
    Failure::invalid(format!("messages.{what}"), words)
}
