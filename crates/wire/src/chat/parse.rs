//! Takes a request apart: messages to turns, parameters to their homes, everything else to `rest` under its path.
//!
//! Tools, choices and formats are in `tools`. Ids are kept as they are; only the legacy `function_call`, which has
//! none, gets some. Nothing is judged here but what could not be understood.

use lockgate_core::content::{Reasoning, ToolCall, ToolKind, ToolResult};
use lockgate_core::{Block, Conversation, Failure, Part, Raw, Role, Seal, Turn, Unmodelled};

use super::parts::{self, cache, needed};
use super::request::{Cache, Call, FunctionCall, Message, ReasoningOptions, Request};
use super::{chunk, tools};
use crate::Document;
use crate::json::{TextOr, keep_rest, read_document};

pub(super) fn parse(document: &Document<'_>) -> Result<Conversation, Failure> {
    let request: Request = read_document(document)?;
    let Some(messages) = request.messages else {
        return Err(Failure::invalid("messages", "`messages` is missing"));
    };
    let mut conversation = Conversation::default();
    keep_rest(&mut conversation.rest, "", request.rest);
    let mut reader = Reader::default();
    for (at, message) in messages.0.into_iter().enumerate() {
        reader.message(&format!("messages[{at}]"), message)?;
    }
    conversation.system = reader.system;
    conversation.turns = reader.turns;
    conversation.rest.append(&mut reader.rest);

    let rest = &mut conversation.rest;
    if let Some(options) = request.stream_options {
        keep_rest(rest, "stream_options", options.rest);
    }
    conversation.tools = tools::parse(request.tools, request.functions, rest)?;
    conversation.tool_choice =
        tools::choice(request.tool_choice.as_deref(), request.function_call.as_deref())?;
    conversation.parallel_tools = request.parallel_tool_calls;
    conversation.format = tools::format(request.response_format, rest)?;
    conversation.metadata = metadata(request.metadata, rest);
    conversation.reasoning = reasoning(request.reasoning_effort, request.reasoning, rest);
    conversation.cache_key = request.prompt_cache_key;
    conversation.service_tier = request.service_tier;
    conversation.user = first(rest, "user", request.safety_identifier, request.user);

    let sampling = &mut conversation.sampling;
    sampling.candidates = request.n;
    sampling.frequency_penalty = request.frequency_penalty;
    sampling.logit_bias = request.logit_bias;
    sampling.logprobs = request.logprobs;
    sampling.max_tokens = first(rest, "max_tokens", request.max_completion_tokens, request.max_tokens);
    sampling.presence_penalty = request.presence_penalty;
    sampling.seed = request.seed;
    sampling.stop = match request.stop {
        Some(TextOr::Text(stop)) => vec![stop.into()],
        Some(TextOr::List(stops)) => stops,
        None => Vec::new(),
    };
    sampling.temperature = request.temperature;
    sampling.top_k = request.top_k;
    sampling.top_logprobs = request.top_logprobs;
    sampling.top_p = request.top_p;
    sampling.verbosity = request.verbosity;
    Ok(conversation)
}

/// The new name's value before the old name's; an old one that says something else is not forgotten.
fn first<T: PartialEq + serde::Serialize>(
    rest: &mut Vec<Unmodelled>,
    old: &str,
    new: Option<T>,
    legacy: Option<T>,
) -> Option<T> {
    match (new, legacy) {
        (Some(new), Some(legacy)) => {
            if new != legacy {
                rest.extend(raw_of(&legacy).map(|value| Unmodelled { path: old.into(), value }));
            }
            Some(new)
        }
        (new, legacy) => new.or(legacy),
    }
}

fn raw_of<T: serde::Serialize>(value: &T) -> Option<Raw> {
    serde_json::value::to_raw_value(value).ok()
}

fn metadata(raw: Option<Raw>, rest: &mut Vec<Unmodelled>) -> Vec<(String, String)> {
    let Some(raw) = raw else { return Vec::new() };
    let Ok(object) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(raw.get()) else {
        rest.push(Unmodelled { path: "metadata".into(), value: raw });
        return Vec::new();
    };
    let mut labels = Vec::new();
    for (key, value) in object {
        match value {
            serde_json::Value::String(text) => labels.push((key, text)),
            other => {
                rest.extend(
                    raw_of(&other).map(|value| Unmodelled { path: format!("metadata.{key}"), value }),
                );
            }
        }
    }
    labels
}

fn reasoning(
    effort: Option<String>,
    options: Option<ReasoningOptions>,
    rest: &mut Vec<Unmodelled>,
) -> Option<lockgate_core::ReasoningRequest> {
    if effort.is_none() && options.is_none() {
        return None;
    }
    let options = options.unwrap_or_default();
    keep_rest(rest, "reasoning", options.rest);
    Some(lockgate_core::ReasoningRequest {
        budget: options.max_tokens,
        enabled: options.enabled,
        effort: first(rest, "reasoning.effort", effort, options.effort),
        summary: options.exclude.filter(|hidden| *hidden).map(|_| "omitted".into()),
    })
}

/// Makes turns of messages.
#[derive(Default)]
struct Reader {
    /// Calls so far: id, kind, name.
    calls: Vec<(String, ToolKind, String)>,
    /// Legacy calls so far, and the id of the one without a result.
    legacy: usize,
    legacy_open: Option<String>,
    rest: Vec<Unmodelled>,
    system: Vec<Part>,
    turns: Vec<Turn>,
}

impl Reader {
    fn message(&mut self, path: &str, mut message: Message) -> Result<(), Failure> {
        keep_rest(&mut self.rest, path, std::mem::take(&mut message.rest));
        let Some(role) = message.role.take() else {
            return Err(Failure::invalid(format!("{path}.role"), format!("`{path}.role` is missing")));
        };
        match role.as_str() {
            "assistant" => self.assistant(path, message),
            "developer" | "system" => {
                let (name, parts) = self.spoken(path, message)?;
                if self.turns.is_empty() {
                    self.system.extend(parts);
                    let name = name.and_then(|name| raw_of(&name));
                    self.rest.extend(name.map(|value| Unmodelled { path: format!("{path}.name"), value }));
                } else {
                    self.turns.push(Turn { name, parts, role: Role::System });
                }
                Ok(())
            }
            "function" | "tool" => self.result(path, &role, message),
            "user" => {
                let (name, parts) = self.spoken(path, message)?;
                self.turns.push(Turn { name, parts, role: Role::User });
                Ok(())
            }
            _ => Err(Failure::invalid(
                format!("{path}.role"),
                format!(
                    "`{path}.role` is `{role}`; it must be assistant, developer, function, system, tool or user"
                ),
            )),
        }
    }

    /// A message that only has content.
    fn spoken(&mut self, path: &str, mut message: Message) -> Result<(Option<String>, Vec<Part>), Failure> {
        let Some(content) = message.content.take() else {
            return Err(Failure::invalid(format!("{path}.content"), format!("`{path}.content` is missing")));
        };
        let mut parts = parts::content(path, content, &mut self.rest)?;
        mark_last(&mut parts, message.cache_control);
        Ok((message.name, parts))
    }

    fn assistant(&mut self, path: &str, mut message: Message) -> Result<(), Failure> {
        let mut parts = self.thoughts(path, &mut message);
        if let Some(content) = message.content.take() {
            parts.extend(parts::content(path, content, &mut self.rest)?);
        }
        if let Some(refusal) = message.refusal.filter(|refusal| !refusal.is_empty()) {
            parts.push(Part::new(Block::Refusal(refusal)));
        }
        for (at, call) in message.tool_calls.unwrap_or_default().0.into_iter().enumerate() {
            parts.push(self.call(&format!("{path}.tool_calls[{at}]"), call)?);
        }
        if let Some(call) = message.function_call {
            let id = format!("call_{}", self.legacy);
            self.legacy += 1;
            self.legacy_open = Some(id.clone());
            let path = format!("{path}.function_call");
            parts.push(self.function(&path, id, call, None)?);
        }
        mark_last(&mut parts, message.cache_control);
        self.turns.push(Turn { name: message.name, parts, role: Role::Assistant });
        Ok(())
    }

    /// Thoughts that DeepSeek, OpenRouter, Copilot and others keep in history; told in several fields, read once.
    fn thoughts(&mut self, path: &str, message: &mut Message) -> Vec<Part> {
        let mut words: Option<String> = None;
        for (field, raw) in
            [("reasoning_content", message.reasoning_content.take()), ("reasoning", message.reasoning.take())]
        {
            let Some(raw) = raw else { continue };
            match serde_json::from_str::<String>(raw.get()) {
                Ok(text) if words.is_none() || words.as_ref() == Some(&text) => words = Some(text),
                _ => self.rest.push(Unmodelled { path: format!("{path}.{field}"), value: raw }),
            }
        }
        if let Some(raw) = message.reasoning_details.take() {
            match chunk::details(&raw) {
                Some(details) if !details.is_empty() => {
                    // The plain field repeats what the details say.
                    return details.into_iter().map(thought_of).collect();
                }
                _ => {
                    self.rest.push(Unmodelled { path: format!("{path}.reasoning_details"), value: raw });
                }
            }
        }
        let text = words.filter(|text| !text.is_empty());
        text.map(|text| Part::new(Block::Reasoning(Reasoning { text, ..Reasoning::default() })))
            .into_iter()
            .collect()
    }

    fn call(&mut self, path: &str, mut call: Call) -> Result<Part, Failure> {
        keep_rest(&mut self.rest, path, std::mem::take(&mut call.rest));
        let Some(id) = call.id.filter(|id| !id.is_empty()) else {
            return Err(Failure::invalid(format!("{path}.id"), format!("`{path}.id` is missing")));
        };
        let seal = call.extra_content.and_then(|raw| {
            let seal = chunk::signature_of(&raw);
            if seal.is_none() {
                self.rest.push(Unmodelled { path: format!("{path}.extra_content"), value: raw });
            }
            seal.map(Seal::Signature)
        });
        if let Some(custom) = call.custom {
            let path = format!("{path}.custom");
            keep_rest(&mut self.rest, &path, custom.rest);
            let name = needed(&path, "name", custom.name)?;
            self.calls.push((id.clone(), ToolKind::Custom, name.clone()));
            let arguments = custom.input.unwrap_or_default();
            let kind = ToolKind::Custom;
            return Ok(Part::new(Block::ToolCall(ToolCall {
                arguments,
                id,
                kind,
                name,
                namespace: None,
                seal,
            })));
        }
        let Some(function) = call.function else {
            return Err(Failure::invalid(
                format!("{path}.function"),
                format!("`{path}.function` is missing"),
            ));
        };
        self.function(&format!("{path}.function"), id, function, seal)
    }

    fn function(
        &mut self,
        path: &str,
        id: String,
        function: FunctionCall,
        seal: Option<Seal>,
    ) -> Result<Part, Failure> {
        keep_rest(&mut self.rest, path, function.rest);
        let name = needed(path, "name", function.name)?;
        let arguments = function.arguments.map(|raw| chunk::arguments_of(&raw)).unwrap_or_default();
        let kind = ToolKind::Function;
        self.calls.push((id.clone(), kind, name.clone()));
        Ok(Part::new(Block::ToolCall(ToolCall { arguments, id, kind, name, namespace: None, seal })))
    }

    fn result(&mut self, path: &str, role: &str, mut message: Message) -> Result<(), Failure> {
        let call_id = if role == "tool" {
            needed(path, "tool_call_id", message.tool_call_id.take())?
        } else {
            self.legacy_open.take().ok_or_else(|| {
                Failure::invalid(path, format!("`{path}` answers no `function_call` before it"))
            })?
        };
        let content = match message.content.take() {
            Some(content) => parts::content(path, content, &mut self.rest)?,
            None => Vec::new(),
        };
        let known = self.calls.iter().rev().find(|(id, _, _)| *id == call_id);
        let kind = known.map_or(ToolKind::Function, |(_, kind, _)| *kind);
        let name = message.name.or_else(|| known.map(|(_, _, name)| name.clone()));
        let mut part =
            Part::new(Block::ToolResult(ToolResult { call_id, content, is_error: false, kind, name }));
        part.cache = message.cache_control.map(cache);
        // The results of one turn stand in messages of their own here, in one turn everywhere else.
        match self.turns.last_mut() {
            Some(Turn { role: Role::User, parts, .. })
                if parts.iter().all(|part| matches!(part.block, Block::ToolResult(_)))
                    && !parts.is_empty() =>
            {
                parts.push(part);
            }
            _ => self.turns.push(Turn { name: None, parts: vec![part], role: Role::User }),
        }
        Ok(())
    }
}

fn thought_of(detail: chunk::Detail) -> Part {
    Part::new(Block::Reasoning(Reasoning {
        id: detail.id,
        seal: detail.seal,
        summary: detail.summary,
        text: detail.text,
    }))
}

fn mark_last(parts: &mut [Part], mark: Option<Cache>) {
    if let (Some(mark), Some(last)) = (mark, parts.last_mut()) {
        last.cache = Some(cache(mark));
    }
}
