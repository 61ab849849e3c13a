//! `/api/generate`: one prompt, as a conversation of one turn.
//!
//! A prompt that is no turn of a conversation (`raw`, `suffix`, token `context`) means something else than any chat
//! could say: it goes to an Ollama server only as it came ([`may_leave`]).

use lockgate_core::{Conversation, Failure, Part, Role, Turn, Unmodelled};
use serde::Serialize;
use serde_json::Value;

use super::parse::{format, images, keep_rest, options, think};
use super::request::Generate;
use super::write::{Common, OutMessage, messages};
use crate::Document;
use crate::json::read_document;
use crate::{Loss, Target};

/// A `/api/generate` body. Without prompt and pictures (a request to load the model) there are no turns.
pub(super) fn parse(document: &Document<'_>) -> Result<Conversation, Failure> {
    let request: Generate = read_document(document)?;
    let mut conversation = Conversation {
        format: request.format.as_deref().map(format).transpose()?.flatten(),
        reasoning: request.think.as_deref().map(think).transpose()?,
        ..Conversation::default()
    };
    if let Some(given) = request.options {
        conversation.sampling = options(given, &mut conversation.rest)?;
    }
    conversation.sampling.logprobs = request.logprobs;
    conversation.sampling.top_logprobs = request.top_logprobs;
    keep_rest(&mut conversation.rest, "", request.rest);
    // Empty ones are the older clients' way to say nothing.
    let template = request.template.filter(|text| !text.is_empty()).map(Value::from);
    let suffix = request.suffix.filter(|text| !text.is_empty()).map(Value::from);
    let raw = request.raw.filter(|raw| *raw).map(Value::from);
    let context = request.context.filter(|tokens| tokens.get() != "[]");
    let kept = [("template", template), ("suffix", suffix), ("raw", raw)];
    let kept =
        kept.into_iter().filter_map(|(field, value)| Some((field, crate::json::raw(value?.to_string())?)));
    for (field, value) in kept.chain(context.map(|tokens| ("context", tokens))) {
        conversation.rest.push(Unmodelled { path: field.into(), value });
    }
    let words = |text: Option<String>| text.filter(|text| !text.is_empty()).map(Part::text);
    conversation.system.extend(words(request.system));
    let parts: Vec<Part> = words(request.prompt).into_iter().chain(images(request.images)).collect();
    if !parts.is_empty() {
        conversation.turns.push(Turn { name: None, parts, role: Role::User });
    }
    Ok(conversation)
}

/// Whether a conversation may be told in another dialect: not if its prompt is no turn.
pub fn may_leave(conversation: &Conversation) -> Result<(), Failure> {
    let field = |rest: &&Unmodelled| matches!(&*rest.path, "context" | "raw" | "suffix");
    match conversation.rest.iter().find(field) {
        None => Ok(()),
        Some(Unmodelled { path, .. }) => {
            let words = format!("`{path}` works only on a model that an Ollama provider serves");
            Err(Failure::invalid(path.clone(), words))
        }
    }
}

#[derive(Serialize)]
struct Out<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    images: &'a [&'a str],
    #[serde(flatten)]
    common: Common<'a>,
}

/// The request for a provider. A conversation of more than one turn, or with tools, has no such form.
pub(super) fn write(
    conversation: &Conversation,
    target: &Target<'_>,
    loss: &mut Loss,
) -> Result<Vec<u8>, Failure> {
    let common = Common::new(conversation, target, loss);
    let messages = messages(conversation, loss)?;
    let (system, turns) = match messages.split_first() {
        Some((first, rest)) if first.role == "system" => (Some(&*first.content), rest),
        _ => (None, &*messages),
    };
    let turn: Option<&OutMessage<'_>> = match turns {
        [] => None,
        [one] if one.role == "user" => Some(one),
        _ => return Err(no_prompt()),
    };
    if !conversation.tools.is_empty() {
        return Err(Failure::invalid("tools", "`tools` need `/api/chat`"));
    }
    let out = Out {
        model: target.model,
        prompt: turn.map(|turn| &*turn.content),
        system,
        images: turn.map_or(&[], |turn| &turn.images),
        common,
    };
    serde_json::to_vec(&out)
        .map_err(|error| Failure::new(lockgate_core::ErrorKind::Internal, error.to_string()))
}

fn no_prompt() -> Failure {
    Failure::invalid("messages", "a conversation of several turns is no prompt: it needs `/api/chat`")
}
