//! Takes a request apart: the settings around the conversation. Items are read by [`super::items`], tools by
//! [`super::tools`].
//!
//! What points at state that only the provider has is refused: no other dialect could carry it, and an answer to a
//! conversation with a hole in it would look right and be wrong.

use lockgate_core::{Conversation, Failure, OutputFormat, Raw, ReasoningRequest, Unmodelled};
use serde_json::Value;

use crate::Document;
use crate::json::{TextOr, raw, read_document};

use super::request::{FormatIn, ReasoningIn, Request, TextIn, file};
use super::{items, tools};

/// Asks for thoughts in sealed form; needs no telling, as sealed thoughts are always carried.
pub(super) const INCLUDE_SEALED: &str = "reasoning.encrypted_content";
/// Asks for the probabilities of the output.
pub(super) const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";

/// Takes a request body apart.
pub(super) fn parse(document: &Document<'_>) -> Result<Conversation, Failure> {
    let mut request: Request = read_document(document)?;
    refuse_stored(&request)?;
    let mut conversation = Conversation {
        cache_key: request.prompt_cache_key.take(),
        parallel_tools: request.parallel_tool_calls,
        service_tier: request.service_tier.take(),
        ..Conversation::default()
    };
    conversation.sampling.max_tokens = request.max_output_tokens;
    conversation.sampling.temperature = request.temperature;
    conversation.sampling.top_logprobs = request.top_logprobs;
    conversation.sampling.top_p = request.top_p;
    if let Some(words) = request.instructions.take().filter(|words| !words.is_empty()) {
        conversation.system.push(lockgate_core::Part::text(words));
    }
    match request.input.take() {
        None => return Err(Failure::invalid("input", "`input` is missing: the text or the items to answer")),
        Some(TextOr::Text(text)) => items::text(text, &mut conversation),
        Some(TextOr::List(list)) => items::items(list, &mut conversation)?,
    }
    if let Some(list) = request.tools.take() {
        tools::parse(list.0, &mut conversation)?;
    }
    if let Some(choice) = request.tool_choice.take() {
        tools::parse_choice(&choice, &mut conversation)?;
    }
    if let Some(asked) = request.reasoning.take() {
        conversation.reasoning = Some(reasoning(asked, &mut conversation.rest));
    }
    if let Some(text) = request.text.take() {
        format(text, &mut conversation)?;
    }
    include(request.include.take().map(|list| list.0), &mut conversation);
    metadata(request.metadata.take(), &mut conversation);
    conversation.user = request.safety_identifier.take();
    match (conversation.user.is_some(), request.user.take()) {
        (true, Some(user)) => keep(&mut conversation.rest, "user", &Value::from(user)),
        (false, user) => conversation.user = user,
        (true, None) => {}
    }
    file(&mut conversation.rest, "", request.rest);
    Ok(conversation)
}

fn refuse_stored(request: &Request) -> Result<(), Failure> {
    let stored = [
        ("background", request.background == Some(true)),
        ("conversation", request.conversation.is_some()),
        ("previous_response_id", request.previous_response_id.is_some()),
        ("prompt", request.prompt.is_some()),
    ];
    match stored.iter().find(|(_, there)| *there) {
        None => Ok(()),
        Some((field, _)) => Err(Failure::invalid(
            *field,
            format!(
                "`{field}` needs what OpenAI has stored, and this call is not going there unchanged: send the \
                 whole conversation in `input` (with `store: false`), or name a model of the provider that has it"
            ),
        )),
    }
}

fn reasoning(asked: ReasoningIn, rest: &mut Vec<Unmodelled>) -> ReasoningRequest {
    file(rest, "reasoning", asked.rest);
    ReasoningRequest {
        budget: None,
        enabled: (asked.effort.as_deref() == Some("none")).then_some(false),
        effort: asked.effort,
        summary: asked.summary.or(asked.generate_summary),
    }
}

fn format(text: TextIn, conversation: &mut Conversation) -> Result<(), Failure> {
    conversation.sampling.verbosity = text.verbosity;
    file(&mut conversation.rest, "text", text.rest);
    let Some(format) = text.format else { return Ok(()) };
    let FormatIn { description, name, schema, strict, kind, rest } = format;
    conversation.format = match kind.as_deref() {
        Some("json_object") => Some(OutputFormat::Json),
        Some("json_schema") => {
            let missing = || Failure::invalid("text.format.schema", "`text.format.schema` is missing");
            Some(OutputFormat::Schema { description, name, schema: schema.ok_or_else(missing)?, strict })
        }
        Some("text") | None => Some(OutputFormat::Text),
        Some(other) => {
            keep(&mut conversation.rest, "text.format", &Value::from(other));
            None
        }
    };
    file(&mut conversation.rest, "text.format", rest);
    Ok(())
}

fn include(list: Option<Vec<String>>, conversation: &mut Conversation) {
    let Some(mut list) = list else { return };
    if list.iter().any(|wanted| wanted == INCLUDE_LOGPROBS) {
        conversation.sampling.logprobs = Some(true);
    }
    list.retain(|wanted| wanted != INCLUDE_LOGPROBS && wanted != INCLUDE_SEALED);
    if !list.is_empty() {
        keep(&mut conversation.rest, "include", &Value::from(list));
    }
}

fn metadata(labels: Option<Raw>, conversation: &mut Conversation) {
    let Some(labels) = labels else { return };
    match serde_json::from_str::<serde_json::Map<String, Value>>(labels.get()) {
        Ok(map) if map.values().all(Value::is_string) => {
            let text = |value: Value| value.as_str().map(ToOwned::to_owned).unwrap_or_default();
            conversation.metadata = map.into_iter().map(|(key, value)| (key, text(value))).collect();
        }
        _ => conversation.rest.push(Unmodelled { path: "metadata".to_owned(), value: labels }),
    }
}

/// Files a value under its path.
pub(super) fn keep(rest: &mut Vec<Unmodelled>, path: &str, value: &Value) {
    if let Some(value) = raw(value.to_string()) {
        rest.push(Unmodelled { path: path.to_owned(), value });
    }
}
