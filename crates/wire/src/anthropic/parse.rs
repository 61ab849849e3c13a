//! From a request body to a conversation in no dialect.
//!
//! What has no home there goes to `rest` under its path, so that it is declared wherever it cannot be carried. Claude
//! Code's first system block, `x-anthropic-billing-header: …`, is dropped: it is a line for Anthropic's accounting,
//! changes from call to call and would spoil every other provider's prompt cache. Refuses what cannot be understood,
//! by the path of the field.

use lockgate_core::content::{CacheControl, FunctionTool, Opaque};
use lockgate_core::{
    Conversation, Dialect, Failure, OutputFormat, Part, Raw, ReasoningRequest, Role, Sampling, Tool,
    ToolChoice, Turn, Unmodelled,
};

use super::content::Blocks;
use super::request::{self, Block, Cache, Choice, Format, Message, Request, Thinking, read_at};
use crate::Document;
use crate::json::{List, TextOr, keep_rest, read_document};

/// What Claude Code's accounting line starts with.
const BILLING: &str = "x-anthropic-billing-header:";

/// Takes a body apart.
pub(super) fn conversation(document: &Document<'_>) -> Result<Conversation, Failure> {
    let request: Request = read_document(document)?;
    let mut rest = Vec::new();
    keep_rest(&mut rest, "", request.rest);
    let mut conversation = Conversation {
        sampling: Sampling {
            max_tokens: request.max_tokens,
            stop: request.stop_sequences.unwrap_or_default().0,
            temperature: request.temperature,
            top_k: request.top_k,
            top_p: request.top_p,
            ..Sampling::default()
        },
        service_tier: request.service_tier,
        system: system(request.system, &mut rest)?,
        tools: tools(request.tools.unwrap_or_default(), &mut rest)?,
        turns: turns(request.messages.unwrap_or_default(), &mut rest)?,
        ..Conversation::default()
    };
    if let Some(metadata) = request.metadata {
        conversation.user = metadata.user_id;
        keep_rest(&mut rest, "metadata", metadata.rest);
    }
    if let Some(choice) = request.tool_choice {
        conversation.parallel_tools = choice.no_parallel.map(|no_parallel| !no_parallel);
        conversation.tool_choice = Some(tool_choice(choice, &mut rest)?);
    }
    conversation.reasoning =
        request.thinking.map(|thinking| reasoning(thinking, &mut rest)).transpose()?.flatten();
    if let Some(config) = request.output_config {
        if config.effort.is_some() {
            conversation.reasoning.get_or_insert_default().effort = config.effort;
        }
        conversation.format = format(config.format, "output_config.format", &mut rest)?;
        keep_rest(&mut rest, "output_config", config.rest);
    }
    if conversation.format.is_none() {
        conversation.format = format(request.output_format, "output_format", &mut rest)?;
    }
    conversation.rest = rest;
    Ok(conversation)
}

fn system(system: Option<TextOr<Block>>, rest: &mut Vec<Unmodelled>) -> Result<Vec<Part>, Failure> {
    match system {
        None => Ok(Vec::new()),
        Some(TextOr::Text(text)) if text.is_empty() => Ok(Vec::new()),
        Some(TextOr::Text(text)) => Ok(vec![Part::text(text)]),
        Some(TextOr::List(blocks)) => {
            let skip = usize::from(is_billing(blocks.first()));
            Blocks { rest }.parts(blocks, "system", skip)
        }
    }
}

fn is_billing(block: Option<&Block>) -> bool {
    match block {
        Some(Block::Text(text)) => text.words.as_ref().is_some_and(|words| words.starts_with(BILLING)),
        Some(Block::Other(_) | Block::Thought(_) | Block::ToolResult(_) | Block::ToolUse(_)) | None => false,
    }
}

fn turns(messages: List<Message>, rest: &mut Vec<Unmodelled>) -> Result<Vec<Turn>, Failure> {
    let mut turns = Vec::with_capacity(messages.0.len());
    for (at, message) in messages.0.into_iter().enumerate() {
        let path = format!("messages[{at}]");
        let role = match message.role.as_deref() {
            Some("assistant") => Role::Assistant,
            Some("system") => Role::System,
            Some("user") => Role::User,
            Some(_) | None => {
                let role = format!("{path}.role");
                return Err(Failure::invalid(
                    role.clone(),
                    format!("`{role}` must be `user`, `assistant` or `system`"),
                ));
            }
        };
        let parts = match message.content {
            Some(TextOr::Text(text)) if text.is_empty() => Vec::new(),
            Some(TextOr::Text(text)) => vec![Part::text(text)],
            Some(TextOr::List(blocks)) => Blocks { rest }.parts(blocks, &format!("{path}.content"), 0)?,
            // A system message may carry settings only.
            None if role == Role::System => Vec::new(),
            None => return Err(missing(&format!("{path}.content"))),
        };
        keep_rest(rest, &path, message.rest);
        turns.push(Turn { name: None, parts, role });
    }
    Ok(turns)
}

fn tools(tools: List<request::Tool>, rest: &mut Vec<Unmodelled>) -> Result<Vec<Tool>, Failure> {
    let mut out = Vec::with_capacity(tools.0.len());
    for (at, tool) in tools.0.into_iter().enumerate() {
        let path = format!("tools[{at}]");
        match tool {
            request::Tool::Hosted(kind, members) => {
                if let Some(raw) = members.to_raw() {
                    out.push(Tool::Hosted(Opaque { dialect: Dialect::Anthropic, kind, raw }));
                }
            }
            request::Tool::Function(function) => {
                keep_rest(rest, &path, function.rest);
                out.push(Tool::Function(FunctionTool {
                    cache: cache(function.cache, &path, rest),
                    description: function.description,
                    name: function.name.ok_or_else(|| missing(&format!("{path}.name")))?,
                    namespace: None,
                    schema: function.schema,
                    strict: function.strict,
                }));
            }
        }
    }
    Ok(out)
}

fn tool_choice(choice: Choice, rest: &mut Vec<Unmodelled>) -> Result<ToolChoice, Failure> {
    keep_rest(rest, "tool_choice", choice.rest);
    match choice.kind.as_deref() {
        Some("any") => Ok(ToolChoice::Required),
        Some("auto") => Ok(ToolChoice::Auto),
        Some("none") => Ok(ToolChoice::None),
        Some("tool") => {
            let name = choice.name.ok_or_else(|| missing("tool_choice.name"))?;
            Ok(ToolChoice::Among { names: vec![name], required: true })
        }
        Some(_) | None => Err(Failure::invalid(
            "tool_choice.type",
            "`tool_choice.type` must be `auto`, `any`, `tool` or `none`",
        )),
    }
}

/// `adaptive` is thinking that is neither on nor off: the model decides. A way to think that has no home here
/// (`between_tools`, newer ones) is kept whole.
fn reasoning(thinking: Raw, rest: &mut Vec<Unmodelled>) -> Result<Option<ReasoningRequest>, Failure> {
    let read: Thinking = read_at(thinking.get(), "thinking")?;
    let enabled = match read.kind.as_deref() {
        Some("adaptive") => None,
        Some("disabled") => Some(false),
        Some("enabled") => Some(true),
        Some(_) => {
            rest.push(Unmodelled { path: "thinking".into(), value: thinking });
            return Ok(None);
        }
        None => return Err(missing("thinking.type")),
    };
    keep_rest(rest, "thinking", read.rest);
    // Some clients say -1 where they mean no bound.
    let budget = read.budget.and_then(|budget| u64::try_from(budget).ok());
    Ok(Some(ReasoningRequest { budget, enabled, effort: None, summary: read.display }))
}

fn format(
    format: Option<Format>,
    path: &str,
    rest: &mut Vec<Unmodelled>,
) -> Result<Option<OutputFormat>, Failure> {
    let Some(format) = format else { return Ok(None) };
    keep_rest(rest, path, format.rest);
    match format.kind.as_deref() {
        Some("json_schema") => {
            let schema = format.schema.ok_or_else(|| missing(&format!("{path}.schema")))?;
            Ok(Some(OutputFormat::Schema { description: None, name: None, schema, strict: None }))
        }
        Some(_) | None => {
            Err(Failure::invalid(format!("{path}.type"), format!("`{path}.type` must be `json_schema`")))
        }
    }
}

/// A cache breakpoint; what it says beside its lifetime goes to `rest`.
pub(super) fn cache(cache: Option<Cache>, path: &str, rest: &mut Vec<Unmodelled>) -> Option<CacheControl> {
    let cache = cache?;
    keep_rest(rest, &format!("{path}.cache_control"), cache.rest);
    Some(CacheControl { ttl: cache.ttl })
}

/// A field that must be there is not.
pub(super) fn missing(path: &str) -> Failure {
    Failure::invalid(path, format!("`{path}` is missing"))
}
