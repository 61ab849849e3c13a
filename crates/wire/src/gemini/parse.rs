//! Takes a client's request apart.
//!
//! Calls without an id get one from their place in the conversation, so that the same history gives the same ids
//! again; results find their call by id, else by name and order. What has no home goes to `rest`.

use std::fmt;

use lockgate_core::content::{FunctionTool, Opaque, Reasoning, ToolCall, ToolKind, ToolResult};
use lockgate_core::{
    Block, Conversation, Dialect, ErrorKind, Failure, OutputFormat, Part, Raw, Role, Seal, Tool, ToolChoice,
    Turn, Unmodelled,
};
use serde::de::DeserializeOwned;

use super::content::{of_blob, of_file, opaque, standard_base64};
use super::request::{
    Content, FunctionCall, FunctionResponse, GenerationConfig, Many, PartObject, Request, ToolConfig,
    ToolObject,
};
use super::schema::{json_name, to_json_schema};
use super::{MADE_ID, thinking};
use crate::Document;
use crate::json::{keep_rest, raw, read_document, read_request, wire_object};

/// Reads a request.
pub(super) fn parse(document: &Document<'_>) -> Result<Conversation, Failure> {
    let request: Request = read_document(document)?;
    let mut reader = Reader::default();
    if let Some(system) = request.system {
        reader.system(&system)?;
    }
    for (at, content) in request.contents.unwrap_or_default().0.into_iter().enumerate() {
        reader.content(content, Place::Item("contents", at))?;
    }
    for (at, tool) in request.tools.unwrap_or_default().0.into_iter().enumerate() {
        reader.tool(tool, &format!("tools[{at}]"))?;
    }
    if let Some(config) = request.tool_config {
        reader.tool_config(config)?;
    }
    if let Some(config) = request.generation {
        reader.generation(config);
    }
    if let Some(labels) = request.labels {
        reader.labels(labels);
    }
    let mut conversation = reader.conversation;
    conversation.service_tier = request.service_tier.filter(|tier| tier != "unspecified");
    keep_rest(&mut conversation.rest, "", canonical(request.rest));
    Ok(conversation)
}

/// Whether a conversation of this dialect may be told to a server of another one: a client that names a
/// `cachedContent` has left the start of the conversation at Google, and no other server knows it.
pub fn may_leave(conversation: &Conversation) -> Result<(), Failure> {
    if conversation.rest.iter().any(|field| field.path == "cachedContent") {
        let message =
            "`cachedContent` is kept by Google alone: send the whole content, or call a Gemini model";
        return Err(Failure::invalid("cachedContent", message));
    }
    Ok(())
}

/// Members under their JSON names, whichever way they were spelled.
fn canonical(rest: Vec<(String, Raw)>) -> Vec<(String, Raw)> {
    rest.into_iter().map(|(key, value)| (json_name(&key), value)).collect()
}

/// Reads a value inside the body; the error names the whole path.
fn inside<T: DeserializeOwned>(value: &Raw, path: &str) -> Result<T, Failure> {
    read_request(value.get().as_bytes()).map_err(|failure| {
        let path =
            failure.param.as_deref().map_or_else(|| path.to_owned(), |inner| format!("{path}.{inner}"));
        Failure::invalid(&path, format!("`{path}`: {}", failure.message))
    })
}

/// Where something stands in the body; spelled out only when it must be named.
#[derive(Clone, Copy)]
enum Place<'a> {
    Field(&'a str),
    Item(&'a str, usize),
    Member(&'a Place<'a>, &'a str),
    Part(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Item(list, at) => write!(f, "{list}[{at}]"),
            Self::Member(of, name) => write!(f, "{of}.{name}"),
            Self::Part(of, at) => write!(f, "{of}.parts[{at}]"),
        }
    }
}

#[derive(Default)]
struct Reader {
    /// Calls that no result has answered yet: id, name.
    unanswered: Vec<(String, String)>,
    /// Calls so far.
    calls: usize,
    conversation: Conversation,
    /// Results so far that answer nothing.
    orphans: usize,
}

impl Reader {
    fn system(&mut self, system: &Raw) -> Result<(), Failure> {
        let path = "systemInstruction";
        let parts = match system.get().as_bytes().first() {
            Some(b'"') => {
                self.conversation.system.push(Part::text(inside::<String>(system, path)?));
                return Ok(());
            }
            Some(b'[') => inside::<Many<PartObject>>(system, path)?,
            _ => {
                let content: Content = inside(system, path)?;
                match content.parts {
                    Some(parts) => {
                        keep_rest(&mut self.conversation.rest, path, canonical(content.rest));
                        parts
                    }
                    None if content.rest.is_empty() => Many::default(),
                    None => Many(vec![inside::<PartObject>(system, path)?]),
                }
            }
        };
        let mut out = Vec::new();
        for (at, part) in parts.0.into_iter().enumerate() {
            self.part(part, Place::Part(&Place::Field(path), at), &mut out)?;
        }
        self.conversation.system.extend(out);
        Ok(())
    }

    fn content(&mut self, content: Content, place: Place<'_>) -> Result<(), Failure> {
        let role = match content.role.as_deref() {
            Some("assistant" | "model") => Role::Assistant,
            Some("system") => Role::System,
            None | Some("" | "function" | "tool" | "user") => Role::User,
            Some(other) => {
                let path = format!("{place}.role");
                let message = format!("`{path}` must be `user` or `model`, not `{other}`");
                return Err(Failure::invalid(path, message));
            }
        };
        self.keep(content.rest, place);
        let given = content.parts.unwrap_or_default().0;
        let mut parts = Vec::with_capacity(given.len());
        for (at, part) in given.into_iter().enumerate() {
            self.part(part, Place::Part(&place, at), &mut parts)?;
        }
        self.conversation.turns.push(Turn { name: None, parts, role });
        Ok(())
    }

    fn part(&mut self, part: PartObject, place: Place<'_>, out: &mut Vec<Part>) -> Result<(), Failure> {
        let seal = part.signature.map(|signature| Seal::Signature(standard_base64(signature)));
        let mut loose = None;
        let block = if let Some(call) = part.call {
            Some(Block::ToolCall(self.call(*call, seal, place)?))
        } else if let Some(response) = part.response {
            Some(Block::ToolResult(self.result(*response, place)?))
        } else if let Some(text) = part.text {
            if part.thought == Some(true) {
                Some(Block::Reasoning(Reasoning { seal, text, ..Reasoning::default() }))
            } else {
                loose = seal;
                Some(Part::text(text).block)
            }
        } else if let Some(mut blob) = part.inline {
            loose = seal;
            self.keep(std::mem::take(&mut blob.rest), Place::Member(&place, "inlineData"));
            Some(of_blob(*blob))
        } else if let Some(mut file) = part.file {
            loose = seal;
            self.keep(std::mem::take(&mut file.rest), Place::Member(&place, "fileData"));
            Some(of_file(*file))
        } else if let Some(own) = opaque(&part.rest, part.thought, seal.as_ref().map(Seal::as_str)) {
            out.push(Part::new(Block::Opaque(own)));
            return Ok(());
        } else {
            loose = seal;
            None
        };
        self.keep(part.rest, place);
        out.extend(block.map(Part::new));
        if loose.is_some() {
            // A signature on words or on nothing: it seals the thoughts before them.
            out.push(Part::new(Block::Reasoning(Reasoning { seal: loose, ..Reasoning::default() })));
        }
        Ok(())
    }

    fn call(
        &mut self,
        call: FunctionCall,
        seal: Option<Seal>,
        place: Place<'_>,
    ) -> Result<ToolCall, Failure> {
        let path = Place::Member(&place, "functionCall");
        self.keep(call.rest, path);
        let Some(name) = call.name.filter(|name| !name.is_empty()) else {
            return Err(Failure::invalid(format!("{path}.name"), format!("`{path}.name` is missing")));
        };
        let arguments = match &call.args {
            None => "{}",
            Some(args) if args.get().starts_with('{') => args.get(),
            Some(_) => {
                let path = format!("{path}.args");
                let message = format!("`{path}` must be an object");
                return Err(Failure::invalid(path, message));
            }
        };
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("{MADE_ID}{}", self.calls));
        self.calls += 1;
        self.unanswered.push((id.clone(), name.clone()));
        let arguments = arguments.to_owned();
        Ok(ToolCall { arguments, id, kind: ToolKind::Function, name, namespace: None, seal })
    }

    fn result(&mut self, response: FunctionResponse, place: Place<'_>) -> Result<ToolResult, Failure> {
        let path = Place::Member(&place, "functionResponse");
        self.keep(response.rest, path);
        let call_id = self.answered(response.id.as_deref().unwrap_or(""), response.name.as_deref());
        let (text, is_error) = match &response.response {
            None => (String::new(), false),
            Some(value) => spoken(value),
        };
        let mut content = Vec::new();
        if !text.is_empty() {
            content.push(Part::text(text));
        }
        for (at, part) in response.parts.unwrap_or_default().0.into_iter().enumerate() {
            self.part(part, Place::Part(&path, at), &mut content)?;
        }
        Ok(ToolResult { call_id, content, is_error, kind: ToolKind::Function, name: response.name })
    }

    fn keep(&mut self, rest: Vec<(String, Raw)>, place: Place<'_>) {
        if !rest.is_empty() {
            keep_rest(&mut self.conversation.rest, &place.to_string(), canonical(rest));
        }
    }

    /// The id of the call that a result answers.
    fn answered(&mut self, id: &str, name: Option<&str>) -> String {
        let by_id = self.unanswered.iter().position(|(known, _)| known == id);
        let by_name = || {
            let mut open = self.unanswered.iter();
            open.position(|(known, of)| {
                Some(of.as_str()) == name && (id.is_empty() || known.starts_with(MADE_ID))
            })
        };
        match by_id.or_else(by_name) {
            Some(at) => self.unanswered.remove(at).0,
            None if id.is_empty() => {
                self.orphans += 1;
                format!("{MADE_ID}orphan{}", self.orphans - 1)
            }
            None => id.to_owned(),
        }
    }

    fn tool(&mut self, tool: ToolObject, path: &str) -> Result<(), Failure> {
        for (at, function) in tool.functions.unwrap_or_default().0.into_iter().enumerate() {
            let path = format!("{path}.functionDeclarations[{at}]");
            keep_rest(&mut self.conversation.rest, &path, canonical(function.rest));
            let Some(name) = function.name.filter(|name| !name.is_empty()) else {
                return Err(Failure::invalid(format!("{path}.name"), format!("`{path}.name` is missing")));
            };
            let schema = function.json_schema.or_else(|| function.parameters.map(to_json_schema));
            self.conversation.tools.push(Tool::Function(FunctionTool {
                cache: None,
                description: function.description,
                name,
                namespace: None,
                schema,
                strict: None,
            }));
        }
        for (key, value) in tool.rest {
            let kind = json_name(&key);
            if let Some(raw) = raw(format!("{{{}:{}}}", serde_json::Value::from(kind.as_str()), value.get()))
            {
                self.conversation.tools.push(Tool::Hosted(Opaque { dialect: Dialect::Gemini, kind, raw }));
            }
        }
        Ok(())
    }

    fn tool_config(&mut self, config: ToolConfig) -> Result<(), Failure> {
        keep_rest(&mut self.conversation.rest, "toolConfig", canonical(config.rest));
        let Some(calling) = config.calling else { return Ok(()) };
        let path = "toolConfig.functionCallingConfig";
        keep_rest(&mut self.conversation.rest, path, canonical(calling.rest));
        let names = calling.allowed.unwrap_or_default();
        let mode = calling.mode.unwrap_or_default().to_ascii_uppercase();
        self.conversation.tool_choice = Some(match (mode.as_str(), names.is_empty()) {
            ("NONE", _) => ToolChoice::None,
            ("ANY", true) => ToolChoice::Required,
            ("ANY", false) => ToolChoice::Among { names, required: true },
            ("" | "AUTO" | "MODE_UNSPECIFIED", true) => ToolChoice::Auto,
            ("" | "AUTO" | "MODE_UNSPECIFIED", false) => ToolChoice::Among { names, required: false },
            ("VALIDATED", empty) => {
                if let Some(value) = raw("\"VALIDATED\"") {
                    self.conversation.rest.push(Unmodelled { path: format!("{path}.mode"), value });
                }
                if empty { ToolChoice::Auto } else { ToolChoice::Among { names, required: false } }
            }
            (other, _) => {
                let message = format!("`{path}.mode` must be AUTO, ANY, NONE or VALIDATED, not `{other}`");
                return Err(Failure::invalid(format!("{path}.mode"), message));
            }
        });
        Ok(())
    }

    fn generation(&mut self, config: GenerationConfig) {
        let path = "generationConfig";
        let sampling = &mut self.conversation.sampling;
        sampling.candidates = config.candidates.and_then(super::request::Number::count);
        sampling.frequency_penalty = config.frequency_penalty.map(|number| number.0);
        sampling.logprobs = config.response_logprobs;
        sampling.max_tokens = config.max_tokens.and_then(super::request::Number::count);
        sampling.presence_penalty = config.presence_penalty.map(|number| number.0);
        sampling.seed = config.seed.map(|number| number.0 as i64);
        sampling.stop = config.stop.unwrap_or_default();
        sampling.temperature = config.temperature.map(|number| number.0);
        sampling.top_k = config.top_k.and_then(super::request::Number::count);
        sampling.top_logprobs = config.logprobs.and_then(super::request::Number::count);
        sampling.top_p = config.top_p.map(|number| number.0);
        if let Some(thinking) = config.thinking {
            keep_rest(
                &mut self.conversation.rest,
                &format!("{path}.thinkingConfig"),
                canonical(thinking.rest.clone()),
            );
            self.conversation.reasoning = Some(thinking::read(&thinking));
        }
        let schema = config.json_schema.or_else(|| config.schema.map(to_json_schema));
        self.conversation.format = match (config.mime_type.as_deref(), schema) {
            (Some("application/json"), None) => Some(OutputFormat::Json),
            (None | Some("application/json"), Some(schema)) => {
                Some(OutputFormat::Schema { description: None, name: None, schema, strict: None })
            }
            (Some("text/plain"), None) => Some(OutputFormat::Text),
            (None, None) => None,
            (Some(other), schema) => {
                let kind = raw(serde_json::Value::from(other).to_string());
                let rest = &mut self.conversation.rest;
                rest.extend(kind.map(|value| Unmodelled { path: format!("{path}.responseMimeType"), value }));
                rest.extend(
                    schema.map(|value| Unmodelled { path: format!("{path}.responseJsonSchema"), value }),
                );
                None
            }
        };
        keep_rest(&mut self.conversation.rest, path, canonical(config.rest));
    }

    fn labels(&mut self, labels: Raw) {
        match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(labels.get()) {
            Ok(map) if map.values().all(serde_json::Value::is_string) => {
                let text = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                self.conversation.metadata = map.into_iter().map(|(key, value)| (key, text(value))).collect();
            }
            _ => self.conversation.rest.push(Unmodelled { path: "labels".into(), value: labels }),
        }
    }
}

/// What a tool's response object says, and whether it says that the tool failed. Google's words for the one field
/// that matters are `output`, `result` and `error`; any other object is the result as it stands.
fn spoken(response: &Raw) -> (String, bool) {
    let members: Spoken = serde_json::from_str(response.get()).unwrap_or_default();
    let (value, is_error) = match (members.error, members.output.or(members.result)) {
        (Some(error), None) if members.rest.is_empty() => (error, true),
        (None, Some(output)) if members.rest.is_empty() => (output, false),
        _ => return (response.get().to_owned(), false),
    };
    (serde_json::from_str(value.get()).unwrap_or_else(|_| value.get().to_owned()), is_error)
}

wire_object! {
    /// A tool's response in Google's words.
    struct Spoken { "error" => error: Raw, "output" => output: Raw, "result" => result: Raw }
}

/// A field that must be there and is not, for calls that only count or embed.
pub(super) fn missing(field: &str) -> Failure {
    Failure {
        param: Some(field.into()),
        ..Failure::new(ErrorKind::InvalidRequest, format!("`{field}` is missing"))
    }
}
