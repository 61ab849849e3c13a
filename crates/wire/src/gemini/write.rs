//! Writes a request for a Gemini server.
//!
//! Schemas go out unchanged as `parametersJsonSchema` / `responseJsonSchema`, never cut down to Google's own form.
//! Ids of calls go to Gemini 3 and later only (older models at Vertex refuse them) and never if we made them; names
//! and order pair the rest. The model's name stays out of the body: it belongs in the path.

mod turns;

use lockgate_core::content::FunctionTool;
use lockgate_core::{
    Block, Conversation, Dialect, Failure, OutputFormat, Part, Raw, Role, Sampling, Tool, ToolChoice, Words,
};
use serde::Serialize;
use serde_json::{Map, Value};

use self::turns::Turns;
use super::thinking;
use crate::said::Said;
use crate::{Loss, Target};

/// Writes a request.
pub(super) fn write(
    conversation: &Conversation,
    target: &Target<'_>,
    loss: &mut Loss,
) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::with_capacity(4096);
    let mut object = Object::open(&mut out);
    content(conversation, target.model, &mut object, loss)?;
    let generation = generation(conversation, target, loss);
    if generation != "{}" {
        object.raw("generationConfig", &generation);
    }
    labels(conversation, &mut object, loss);
    tier(conversation, &mut object, loss);
    for field in &conversation.rest {
        match field.path.as_str() {
            path @ ("cachedContent" | "safetySettings") => object.member(path, &field.value),
            path if own_member(path).is_some() => {}
            path => loss.note(crate::json::without_indices(path)),
        }
    }
    if conversation.cache_key.is_some() {
        loss.note("prompt_cache_key");
    }
    if conversation.user.is_some() {
        loss.note("user");
    }
    object.close();
    Ok(out)
}

/// Writes what a model reads: system, turns, tools.
pub(super) fn content(
    conversation: &Conversation,
    model: &str,
    object: &mut Object<'_>,
    loss: &mut Loss,
) -> Result<(), Failure> {
    let is_opening = |turn: &&lockgate_core::Turn| turn.role == Role::System;
    let opening = conversation.turns.iter().take_while(is_opening).count();
    let (before, turns) = conversation.turns.split_at(opening);
    let mut system: Vec<String> = Vec::new();
    for part in conversation.system.iter().chain(before.iter().flat_map(|turn| &turn.parts)) {
        if let Some(text) = system_text(part, loss) {
            system.push(text_part(&text.into()));
        }
    }
    let mut written = Turns::new(model);
    for turn in turns {
        if turn.name.is_some() {
            loss.note("messages.name");
        }
        written.turn(turn, loss)?;
    }
    let contents = written.finish();
    if contents.is_empty() && !system.is_empty() {
        // A conversation of instructions only: Google wants at least one turn, so they are said as one.
        object.raw("contents", &format!("[{{\"role\":\"user\",\"parts\":[{}]}}]", system.join(",")));
    } else {
        object.raw("contents", &format!("[{}]", contents.join(",")));
        if !system.is_empty() {
            object.raw("systemInstruction", &format!("{{\"parts\":[{}]}}", system.join(",")));
        }
    }
    tools(conversation, object, loss);
    Ok(())
}

fn system_text<'a>(part: &'a Part, loss: &mut Loss) -> Option<&'a Words> {
    if part.cache.is_some() {
        loss.note("cache_control");
    }
    match &part.block {
        Block::Text(text) => Some(&text.text).filter(|text| !text.is_empty()),
        Block::Opaque(opaque) => {
            loss.note(opaque.kind.as_str());
            None
        }
        Block::Audio(_)
        | Block::Document(_)
        | Block::Image(_)
        | Block::Reasoning(_)
        | Block::Refusal(_)
        | Block::ToolCall(_)
        | Block::ToolResult(_)
        | Block::Video(_) => {
            loss.note("system");
            None
        }
    }
}

/// A part of plain words.
pub(super) fn text_part(text: &Said<'_>) -> String {
    format!("{{\"text\":{}}}", text.to_json())
}

fn tools(conversation: &Conversation, object: &mut Object<'_>, loss: &mut Loss) {
    let mut functions = Vec::new();
    let mut hosted = Vec::new();
    for tool in &conversation.tools {
        match tool {
            Tool::Custom(_) => loss.note("tools.custom"),
            Tool::Function(function) => functions.push(declaration(function, loss)),
            Tool::Hosted(own) if own.dialect == Dialect::Gemini => hosted.push(own.raw.get().to_owned()),
            Tool::Hosted(foreign) => loss.note(format!("tools.{}", foreign.kind)),
        }
    }
    let any = !functions.is_empty();
    if any {
        hosted.insert(0, format!("{{\"functionDeclarations\":[{}]}}", functions.join(",")));
    }
    if !hosted.is_empty() {
        object.raw("tools", &format!("[{}]", hosted.join(",")));
    }
    if conversation.parallel_tools == Some(false) {
        loss.note("parallel_tool_calls");
    }
    let owned = |(member, value): (&str, &Raw)| {
        Some((member.to_owned(), serde_json::from_str::<Value>(value.get()).ok()?))
    };
    let mut config: Map<_, _> = own_members(conversation, "toolConfig").filter_map(owned).collect();
    let mut calling: Map<_, _> =
        own_members(conversation, "toolConfig.functionCallingConfig").filter_map(owned).collect();
    if let Some(choice) = &conversation.tool_choice {
        if any {
            choose(choice, &mut calling);
        } else if matches!(choice, ToolChoice::Among { .. } | ToolChoice::Required) {
            loss.note("tool_choice");
        }
    }
    if any && !calling.is_empty() {
        config.insert("functionCallingConfig".into(), calling.into());
    }
    if !config.is_empty() {
        object.member("toolConfig", &config);
    }
}

fn choose(choice: &ToolChoice, calling: &mut Map<String, Value>) {
    let (mode, names) = match choice {
        ToolChoice::Among { names, required: true } => ("ANY", Some(names)),
        ToolChoice::Among { names, required: false } => ("VALIDATED", Some(names)),
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
    };
    // A mode that the client spelled itself (`VALIDATED`) stands already.
    calling.entry("mode").or_insert_with(|| mode.into());
    if let Some(names) = names {
        calling.insert("allowedFunctionNames".into(), names.clone().into());
    }
}

fn declaration(function: &FunctionTool, loss: &mut Loss) -> String {
    if function.cache.is_some() {
        loss.note("cache_control");
    }
    if function.strict == Some(true) {
        loss.note("tools.strict");
    }
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    object.member("name", &function.name);
    if let Some(description) = &function.description {
        object.member("description", description);
    }
    if let Some(schema) = &function.schema {
        object.member("parametersJsonSchema", schema);
    }
    object.close();
    String::from_utf8(out).unwrap_or_default()
}

fn generation(conversation: &Conversation, target: &Target<'_>, loss: &mut Loss) -> String {
    let mut out = Vec::new();
    let mut config = Object::open(&mut out);
    for (member, value) in own_members(conversation, "generationConfig") {
        config.member(member, value);
    }
    sampling(&conversation.sampling, &mut config, loss);
    match &conversation.format {
        Some(OutputFormat::Json) => config.member("responseMimeType", "application/json"),
        Some(OutputFormat::Schema { description, schema, name: _, strict: _ }) => {
            config.member("responseMimeType", "application/json");
            config.member("responseJsonSchema", schema);
            if description.is_some() {
                loss.note("response_format.description");
            }
        }
        Some(OutputFormat::Text) => config.member("responseMimeType", "text/plain"),
        None => {}
    }
    if let Some(request) = &conversation.reasoning {
        if target.quirks.no_reasoning {
            loss.note("thinking");
        } else if let Some(thinking) = thinking::write(request, target.model, loss) {
            config.member("thinkingConfig", &thinking);
        }
    }
    config.close();
    String::from_utf8(out).unwrap_or_default()
}

fn sampling(sampling: &Sampling, config: &mut Object<'_>, loss: &mut Loss) {
    config.some("candidateCount", sampling.candidates.as_ref());
    config.some("frequencyPenalty", sampling.frequency_penalty.as_ref());
    config.some("logprobs", sampling.top_logprobs.as_ref());
    config.some("maxOutputTokens", sampling.max_tokens.map(|most| most.min(i32::MAX as u64)).as_ref());
    config.some("presencePenalty", sampling.presence_penalty.as_ref());
    config.some("responseLogprobs", sampling.logprobs.as_ref());
    config.some("stopSequences", Some(&sampling.stop).filter(|stop| !stop.is_empty()));
    config.some("temperature", sampling.temperature.as_ref());
    config.some("topK", sampling.top_k.as_ref());
    config.some("topP", sampling.top_p.as_ref());
    match sampling.seed {
        Some(seed) if i32::try_from(seed).is_ok() => config.member("seed", &seed),
        Some(_) => loss.note("seed"),
        None => {}
    }
    if sampling.logit_bias.is_some() {
        loss.note("logit_bias");
    }
    if sampling.verbosity.is_some() {
        loss.note("verbosity");
    }
}

fn labels(conversation: &Conversation, object: &mut Object<'_>, loss: &mut Loss) {
    let is_plain = |text: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        text.len() <= 63 && text.chars().all(plain)
    };
    let is_label = |(key, value): &(String, String)| {
        key.starts_with(|c: char| c.is_ascii_lowercase()) && is_plain(key) && is_plain(value)
    };
    if conversation.metadata.is_empty() {
        return;
    }
    if conversation.metadata.iter().all(is_label) {
        let labels: Map<String, Value> =
            conversation.metadata.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        object.member("labels", &labels);
    } else {
        loss.note("metadata");
    }
}

fn tier(conversation: &Conversation, object: &mut Object<'_>, loss: &mut Loss) {
    let tier = match conversation.service_tier.as_deref() {
        Some(tier @ ("flex" | "priority" | "standard")) => tier,
        Some("default" | "standard_only") => "standard",
        None | Some("auto") => return,
        Some(_) => return loss.note("service_tier"),
    };
    object.member("serviceTier", tier);
}

/// The object that a path of `rest` belongs to, and the member's name, where both are this dialect's own.
fn own_member(path: &str) -> Option<(&str, &str)> {
    let (object, member) = path.rsplit_once('.')?;
    let known = ["generationConfig", "toolConfig", "toolConfig.functionCallingConfig"];
    known.contains(&object).then_some((object, member))
}

fn own_members<'a>(
    conversation: &'a Conversation,
    object: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Raw)> {
    conversation.rest.iter().filter_map(move |field| {
        let (_, member) = own_member(&field.path).filter(|(of, _)| *of == object)?;
        Some((member, &field.value))
    })
}

/// An object that is being written.
pub(super) struct Object<'a> {
    empty: bool,
    out: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    /// Begins one.
    pub(super) fn open(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { empty: true, out }
    }

    /// Adds a member.
    pub(super) fn member<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) {
        self.key(key);
        let from = self.out.len();
        if crate::jsonout::write(value, self.out).is_err() {
            debug_assert!(false, "unserialisable member {key}");
            self.out.truncate(from);
            self.out.extend_from_slice(b"null");
        }
    }

    /// Adds a member if there is a value.
    pub(super) fn some<T: Serialize + ?Sized>(&mut self, key: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.member(key, value);
        }
    }

    /// Adds a member whose value is JSON already.
    pub(super) fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.extend_from_slice(json.as_bytes());
    }

    /// Ends it.
    pub(super) fn close(self) {
        self.out.push(b'}');
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// Arguments of a call as an object. Nothing at all is an empty object; anything else that is no object would change
/// its meaning.
pub(super) fn arguments(text: &str) -> Option<&str> {
    match text.trim() {
        "" => Some("{}"),
        text if crate::json::is_object(text) => Some(text),
        _ => None,
    }
}
