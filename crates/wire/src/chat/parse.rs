//! Takes a request apart: messages to turns, parameters to their homes, everything else to `rest` under its path.
//!
//! Tools, choices and formats are in `tools`. Ids are kept as they are; only the legacy `function_call`, which has
//! none, gets some. Nothing is judged here but what could not be understood.

use lockgate_core::content::{
    CacheControl, Document, Image, Media, Opaque, Reasoning, Source, Text, ToolCall, ToolKind, ToolResult,
};
use lockgate_core::{Block, Conversation, Dialect, Failure, Part, Raw, Role, Seal, Turn, Unmodelled};

use super::request::{
    Address, Audio, Cache, Call, ContentPart, File, FunctionCall, Message, ReasoningOptions, Request,
};
use super::{chunk, tools};
use crate::json::{TextOr, keep_rest, read_request};

pub(super) fn parse(body: &[u8]) -> Result<Conversation, Failure> {
    let request: Request = read_request(body)?;
    let Some(messages) = request.messages else {
        return Err(Failure::invalid("messages", "`messages` is missing"));
    };
    let mut conversation = Conversation::default();
    keep_rest(&mut conversation.rest, "", request.rest);
    let mut reader = Reader::default();
    for (at, message) in messages.0.into_iter().enumerate() {
        reader.message(format!("messages[{at}]"), message)?;
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
        Some(TextOr::Text(stop)) => vec![stop],
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
                rest.extend(raw_of(&other).map(|value| Unmodelled { path: format!("metadata.{key}"), value }))
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
    fn message(&mut self, path: String, mut message: Message) -> Result<(), Failure> {
        keep_rest(&mut self.rest, &path, std::mem::take(&mut message.rest));
        let Some(role) = message.role.take() else {
            return Err(Failure::invalid(format!("{path}.role"), format!("`{path}.role` is missing")));
        };
        match role.as_str() {
            "assistant" => self.assistant(&path, message),
            "developer" | "system" => {
                let (name, parts) = self.spoken(&path, message)?;
                if self.turns.is_empty() {
                    self.system.extend(parts);
                    let name = name.and_then(|name| raw_of(&name));
                    self.rest.extend(name.map(|value| Unmodelled { path: format!("{path}.name"), value }));
                } else {
                    self.turns.push(Turn { name, parts, role: Role::System });
                }
                Ok(())
            }
            "function" | "tool" => self.result(&path, &role, message),
            "user" => {
                let (name, parts) = self.spoken(&path, message)?;
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
        let mut parts = self.content(path, content)?;
        mark_last(&mut parts, message.cache_control);
        Ok((message.name, parts))
    }

    fn assistant(&mut self, path: &str, mut message: Message) -> Result<(), Failure> {
        let mut parts = self.thoughts(path, &mut message);
        if let Some(content) = message.content.take() {
            parts.extend(self.content(path, content)?);
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
            Some(content) => self.content(path, content)?,
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

    fn content(&mut self, path: &str, content: TextOr<ContentPart>) -> Result<Vec<Part>, Failure> {
        let list = match content {
            TextOr::Text(text) if text.is_empty() => return Ok(Vec::new()),
            TextOr::Text(text) => return Ok(vec![Part::text(text)]),
            TextOr::List(list) => list,
        };
        let mut parts = Vec::with_capacity(list.len());
        for (at, part) in list.into_iter().enumerate() {
            parts.extend(self.part(&format!("{path}.content[{at}]"), part)?);
        }
        Ok(parts)
    }

    fn part(&mut self, path: &str, mut part: ContentPart) -> Result<Option<Part>, Failure> {
        let kind = part.kind.take().unwrap_or_else(|| "text".into());
        let block = match kind.as_str() {
            "text" => {
                let text = needed(path, "text", part.text.take())?;
                if text.is_empty() {
                    return Ok(None);
                }
                Block::Text(Text { text, citations: Vec::new() })
            }
            "refusal" => Block::Refusal(needed(path, "refusal", part.refusal.take())?),
            "image_url" => {
                let raw = needed(path, "image_url", part.image_url.take())?;
                let (source, detail) = self.address(&format!("{path}.image_url"), &raw)?;
                Block::Image(Image { detail, source })
            }
            "video_url" => {
                let raw = needed(path, "video_url", part.video_url.take())?;
                let (source, _) = self.address(&format!("{path}.video_url"), &raw)?;
                Block::Video(Media { format: None, source })
            }
            "input_audio" => {
                let raw = needed(path, "input_audio", part.input_audio.take())?;
                let path = format!("{path}.input_audio");
                let audio: Audio = inside(&path, &raw)?;
                keep_rest(&mut self.rest, &path, audio.rest);
                let data = needed(&path, "data", audio.data)?;
                let media_type = audio.format.as_deref().and_then(audio_type).map(Into::into);
                Block::Audio(Media { format: audio.format, source: Source::Base64 { data, media_type } })
            }
            "file" => {
                let raw = needed(path, "file", part.file.take())?;
                let path = format!("{path}.file");
                let file: File = inside(&path, &raw)?;
                self.file(&path, file)?
            }
            _ => {
                let raw = unknown_part(&kind, &mut part);
                Block::Opaque(Opaque { dialect: Dialect::Chat, kind, raw })
            }
        };
        keep_rest(&mut self.rest, path, part.rest);
        let mark = part.cache_control.or(part.prompt_cache_breakpoint);
        Ok(Some(Part { block, cache: mark.map(cache) }))
    }

    /// An address in the long form or (as some clients write it) as a bare text.
    fn address(&mut self, path: &str, raw: &Raw) -> Result<(Source, Option<String>), Failure> {
        if let Ok(url) = serde_json::from_str::<String>(raw.get()) {
            return Ok((source_of(url), None));
        }
        let address: Address = inside(path, raw)?;
        keep_rest(&mut self.rest, path, address.rest);
        Ok((source_of(needed(path, "url", address.url)?), address.detail))
    }

    fn file(&mut self, path: &str, file: File) -> Result<Block, Failure> {
        keep_rest(&mut self.rest, path, file.rest);
        let source = match (file.file_data, file.file_id) {
            (Some(data), _) => match source_of(data) {
                Source::Url { url: data, .. } if !data.contains(':') => {
                    // `JVBERi` is `%PDF-` in base64.
                    let media_type = data.starts_with("JVBERi").then(|| "application/pdf".into());
                    Source::Base64 { data, media_type }
                }
                source => source,
            },
            (None, Some(id)) => Source::File { id },
            (None, None) => {
                return Err(Failure::invalid(path, format!("`{path}` needs `file_data` or `file_id`")));
            }
        };
        Ok(Block::Document(Document { citations: None, context: None, name: file.filename, source }))
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

/// Bytes in a `data:` URL, or an address.
pub(super) fn source_of(url: String) -> Source {
    if let Some((head, data)) = url.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
        if let Some(media_type) = head.strip_suffix(";base64") {
            let media_type = Some(media_type).filter(|kind| !kind.is_empty()).map(Into::into);
            return Source::Base64 { data: data.into(), media_type };
        }
    }
    Source::Url { url, media_type: None }
}

fn audio_type(format: &str) -> Option<&'static str> {
    match format {
        "aac" => Some("audio/aac"),
        "flac" => Some("audio/flac"),
        "m4a" => Some("audio/mp4"),
        "mp3" => Some("audio/mpeg"),
        "ogg" => Some("audio/ogg"),
        "wav" => Some("audio/wav"),
        _ => None,
    }
}

fn cache(mark: Cache) -> CacheControl {
    CacheControl { ttl: mark.ttl }
}

fn mark_last(parts: &mut [Part], mark: Option<Cache>) {
    if let (Some(mark), Some(last)) = (mark, parts.last_mut()) {
        last.cache = Some(cache(mark));
    }
}

/// A part of a kind that is not known here, put together again.
fn unknown_part(kind: &str, part: &mut ContentPart) -> Raw {
    let known = [
        ("image_url", part.image_url.take()),
        ("input_audio", part.input_audio.take()),
        ("video_url", part.video_url.take()),
        ("file", part.file.take()),
        ("text", part.text.take().and_then(|text| raw_of(&text))),
        ("refusal", part.refusal.take().and_then(|text| raw_of(&text))),
    ];
    let mut members: Vec<(String, Raw)> = Vec::new();
    members.extend(known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
    members.append(&mut part.rest);
    tools::object(kind, members)
}

fn inside<T: serde::de::DeserializeOwned>(path: &str, raw: &Raw) -> Result<T, Failure> {
    read_request(raw.get().as_bytes()).map_err(|failure| tools::below(path, failure))
}

pub(super) fn needed<T>(path: &str, field: &str, value: Option<T>) -> Result<T, Failure> {
    value.ok_or_else(|| Failure::invalid(format!("{path}.{field}"), format!("`{path}.{field}` is missing")))
}
