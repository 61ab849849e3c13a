//! Takes a `/api/chat` request apart.
//!
//! Results without an id are matched with the calls before them, by name first, then in order, as the server's
//! clients mean it. What only Ollama knows (`keep_alive`, `options.num_ctx`, …) is kept as unmodelled, with its path.

use std::collections::VecDeque;

use lockgate_core::content::{
    FunctionTool, Image, Opaque, Reasoning, Source, ToolCall, ToolKind, ToolResult,
};
use lockgate_core::{
    Block, Conversation, Dialect, Failure, OutputFormat, Part, Raw, ReasoningRequest, Role, Sampling, Tool,
    Turn, Unmodelled,
};

use super::request::{Call, Chat, Message, Options, whole};
use crate::Document;
use crate::json::{List, TextOr, read_document};

/// A `/api/chat` body.
pub(super) fn chat(document: &Document<'_>) -> Result<Conversation, Failure> {
    let chat: Chat = read_document(document)?;
    let mut conversation = Conversation {
        format: chat.format.as_deref().map(format).transpose()?.flatten(),
        reasoning: chat.think.as_deref().map(think).transpose()?,
        ..Conversation::default()
    };
    let rest = &mut conversation.rest;
    if let Some(given) = chat.options {
        conversation.sampling = options(given, rest)?;
    }
    conversation.sampling.logprobs = chat.logprobs;
    conversation.sampling.top_logprobs = chat.top_logprobs;
    for (at, raw) in chat.tools.unwrap_or_default().0.into_iter().enumerate() {
        conversation.tools.push(tool(at, raw, rest)?);
    }
    keep_rest(rest, "", chat.rest);
    let mut reader = Reader { conversation, pending: VecDeque::new(), calls: 0 };
    for (at, message) in chat.messages.unwrap_or_default().0.into_iter().enumerate() {
        reader.message(at, message)?;
    }
    Ok(reader.conversation)
}

/// A call that waits for its result: id and name.
type Pending = (String, String);

struct Reader {
    calls: usize,
    conversation: Conversation,
    pending: VecDeque<Pending>,
}

impl Reader {
    fn message(&mut self, at: usize, message: Message) -> Result<(), Failure> {
        let path = format!("messages[{at}]");
        let role = match message.role.as_deref() {
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("tool") => return self.tool_result(&path, message),
            Some("user") => Role::User,
            Some(_) | None => {
                let field = format!("{path}.role");
                let words = format!("`{field}` must be `system`, `user`, `assistant` or `tool`");
                return Err(Failure::invalid(field, words));
            }
        };
        let mut parts = Vec::new();
        if let Some(text) = message.thinking.filter(|text| !text.is_empty()) {
            parts.push(Part::new(Block::Reasoning(Reasoning { text, ..Reasoning::default() })));
        }
        if let Some(text) = message.content.filter(|text| !text.is_empty()) {
            parts.push(Part::text(text));
        }
        parts.extend(images(message.images));
        for (index, call) in message.tool_calls.unwrap_or_default().0.into_iter().enumerate() {
            parts.push(Part::new(Block::ToolCall(self.call(&format!("{path}.tool_calls[{index}]"), call)?)));
        }
        let stray = [("tool_name", message.tool_name), ("tool_call_id", message.tool_call_id)];
        self.stray(&path, stray);
        keep_rest(&mut self.conversation.rest, &path, message.rest);
        let words_only = parts.iter().all(|part| matches!(part.block, Block::Text(_)));
        if role == Role::System && self.conversation.turns.is_empty() && words_only {
            self.conversation.system.extend(parts);
        } else {
            self.conversation.turns.push(Turn { name: None, parts, role });
        }
        Ok(())
    }

    fn call(&mut self, path: &str, call: Call) -> Result<ToolCall, Failure> {
        let field = format!("{path}.function.name");
        let missing = || Failure::invalid(field.clone(), format!("`{field}` is missing"));
        let function = call.function.ok_or_else(missing)?;
        let name = function.name.filter(|name| !name.is_empty()).ok_or_else(missing)?;
        let arguments = match function.arguments {
            Some(raw) if raw.get().starts_with('{') => raw.get().to_owned(),
            None => "{}".to_owned(),
            Some(_) => {
                let field = format!("{path}.function.arguments");
                let words = format!("`{field}` must be an object");
                return Err(Failure::invalid(field, words));
            }
        };
        keep_rest(&mut self.conversation.rest, path, call.rest);
        keep_rest(&mut self.conversation.rest, &format!("{path}.function"), function.rest);
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{}", self.calls));
        self.calls += 1;
        self.pending.push_back((id.clone(), name.clone()));
        Ok(ToolCall { arguments, id, kind: ToolKind::Function, name, namespace: None, seal: None })
    }

    fn tool_result(&mut self, path: &str, message: Message) -> Result<(), Failure> {
        let mut content: Vec<Part> =
            message.content.filter(|text| !text.is_empty()).map(Part::text).into_iter().collect();
        content.extend(images(message.images));
        let (call_id, name) = self.answered(path, message.tool_call_id, message.tool_name)?;
        self.stray(path, [("thinking", message.thinking)]);
        if message.tool_calls.is_some_and(|calls| !calls.0.is_empty()) {
            let field = format!("{path}.tool_calls");
            let words = format!("`{field}`: a tool's result cannot call tools");
            return Err(Failure::invalid(field, words));
        }
        keep_rest(&mut self.conversation.rest, path, message.rest);
        let result = ToolResult { call_id, content, is_error: false, kind: ToolKind::Function, name };
        let parts = vec![Part::new(Block::ToolResult(result))];
        self.conversation.turns.push(Turn { name: None, parts, role: Role::User });
        Ok(())
    }

    /// Which call a result answers.
    fn answered(
        &mut self,
        path: &str,
        id: Option<String>,
        name: Option<String>,
    ) -> Result<(String, Option<String>), Failure> {
        let given = id.filter(|id| !id.is_empty());
        let at = match (&given, &name) {
            (Some(id), _) => self.pending.iter().position(|(known, _)| known == id),
            (None, Some(name)) => self
                .pending
                .iter()
                .position(|(_, known)| known == name)
                .or_else(|| (!self.pending.is_empty()).then_some(0)),
            (None, None) => (!self.pending.is_empty()).then_some(0),
        };
        let call = at.and_then(|at| self.pending.remove(at));
        match (given, call) {
            (Some(id), call) => Ok((id, name.or(call.map(|(_, name)| name)))),
            (None, Some((id, called))) => Ok((id, name.or(Some(called)))),
            (None, None) => Err(Failure::invalid(
                path,
                format!("`{path}` answers no tool call of the messages before it"),
            )),
        }
    }

    /// Fields that say nothing on this kind of message.
    fn stray(&mut self, path: &str, fields: impl IntoIterator<Item = (&'static str, Option<String>)>) {
        for (field, value) in fields {
            if let Some(value) = value.filter(|value| !value.is_empty())
                && let Some(value) = crate::json::raw(serde_json::Value::from(value).to_string())
            {
                self.conversation.rest.push(Unmodelled { path: format!("{path}.{field}"), value });
            }
        }
    }
}

/// Files unknown members under their path; `null` says nothing here and is left out.
pub(super) fn keep_rest(into: &mut Vec<Unmodelled>, path: &str, mut rest: Vec<(String, Raw)>) {
    rest.retain(|(_, value)| value.get() != "null");
    crate::json::keep_rest(into, path, rest);
}

/// Pictures, which are always base64 here.
pub(super) fn images(images: Option<List<String>>) -> impl Iterator<Item = Part> {
    images.unwrap_or_default().0.into_iter().map(|data| {
        let source = Source::Base64 { data, media_type: None };
        Part::new(Block::Image(Image { detail: None, source }))
    })
}

fn tool(at: usize, raw: Raw, rest: &mut Vec<Unmodelled>) -> Result<Tool, Failure> {
    let path = format!("tools[{at}]");
    let tool: super::request::Tool = serde_json::from_str(raw.get())
        .map_err(|_| Failure::invalid(path.clone(), format!("`{path}` is not a tool")))?;
    let kind = tool.kind.unwrap_or_else(|| "function".to_owned());
    if kind != "function" {
        return Ok(Tool::Hosted(Opaque { dialect: Dialect::Ollama, kind, raw }));
    }
    let field = format!("{path}.function.name");
    let missing = || Failure::invalid(field.clone(), format!("`{field}` is missing"));
    let function = tool.function.ok_or_else(missing)?;
    let name = function.name.filter(|name| !name.is_empty()).ok_or_else(missing)?;
    keep_rest(rest, &path, tool.rest);
    keep_rest(rest, &format!("{path}.function"), function.rest);
    Ok(Tool::Function(FunctionTool {
        cache: None,
        description: function.description,
        name,
        namespace: None,
        schema: function.parameters,
        strict: None,
    }))
}

/// `"json"`, a schema, or nothing (`""`).
pub(super) fn format(raw: &serde_json::value::RawValue) -> Result<Option<OutputFormat>, Failure> {
    if raw.get().starts_with('{') {
        let schema = raw.to_owned();
        return Ok(Some(OutputFormat::Schema { description: None, name: None, schema, strict: None }));
    }
    match serde_json::from_str::<&str>(raw.get()) {
        Ok("") => Ok(None),
        Ok("json") => Ok(Some(OutputFormat::Json)),
        Ok(_) | Err(_) => Err(Failure::invalid("format", "`format` must be \"json\" or a JSON schema")),
    }
}

/// `true`, `false`, or how much.
pub(super) fn think(raw: &serde_json::value::RawValue) -> Result<ReasoningRequest, Failure> {
    let asked = |enabled, effort: Option<&str>| ReasoningRequest {
        enabled: Some(enabled),
        effort: effort.map(str::to_owned),
        ..ReasoningRequest::default()
    };
    match serde_json::from_str::<serde_json::Value>(raw.get()) {
        Ok(serde_json::Value::Bool(on)) => Ok(asked(on, None)),
        Ok(serde_json::Value::String(effort)) if matches!(&*effort, "low" | "medium" | "high" | "max") => {
            Ok(asked(true, Some(&effort)))
        }
        Ok(_) | Err(_) => Err(Failure::invalid(
            "think",
            "`think` must be true, false, \"low\", \"medium\", \"high\" or \"max\"",
        )),
    }
}

/// The options that other dialects know.
pub(super) fn options(options: Options, rest: &mut Vec<Unmodelled>) -> Result<Sampling, Failure> {
    let count = |number: Option<serde_json::Number>, path: &str| -> Result<Option<i64>, Failure> {
        number.map(|number| whole(&number, path)).transpose()
    };
    // −1 (no bound) is what the server does anyway; −2 (fill the context) has no peer.
    let num_predict = count(options.num_predict, "options.num_predict")?;
    if let Some(below) = num_predict.filter(|n| *n < -1)
        && let Some(value) = crate::json::raw(below.to_string())
    {
        rest.push(Unmodelled { path: "options.num_predict".into(), value });
    }
    let sampling = Sampling {
        frequency_penalty: options.frequency_penalty,
        max_tokens: num_predict.and_then(|n| u64::try_from(n).ok()),
        presence_penalty: options.presence_penalty,
        seed: count(options.seed, "options.seed")?,
        stop: match options.stop {
            Some(TextOr::List(stop)) => stop,
            Some(TextOr::Text(stop)) => vec![stop.into()],
            None => Vec::new(),
        },
        temperature: options.temperature,
        top_k: count(options.top_k, "options.top_k")?.and_then(|k| u64::try_from(k).ok()),
        top_p: options.top_p,
        ..Sampling::default()
    };
    keep_rest(rest, "options", options.rest);
    Ok(sampling)
}
