//! Writes a request for a provider that speaks this dialect: the settings around the items ([`super::write_items`])
//! and tools ([`super::tools`]).
//!
//! Nothing is stored at the provider unless the client asked for it, so thoughts come back sealed in the answer and
//! stay in the conversation. What the dialect has no word for is noted as lost.

use lockgate_core::{Block, Conversation, Failure, OutputFormat, ReasoningRequest, Sampling, Seal};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::said::Said;
use crate::{Loss, Target};

use super::item_shapes::ItemOut;
use super::parse::{INCLUDE_LOGPROBS, INCLUDE_SEALED};
use super::tools::{self, ChoiceOut, ToolOut};
use super::write_items;

/// OpenAI refuses smaller bounds.
const MIN_OUTPUT_TOKENS: u64 = 16;
/// OpenAI refuses longer names of end users.
const MAX_USER: usize = 64;
/// OpenAI's members that stand for themselves: they come back as they were when the call stays in the dialect.
const CARRIED: [&str; 7] = [
    "access_programs",
    "client_metadata",
    "context_management",
    "image",
    "moderation",
    "prompt_cache_options",
    "prompt_cache_retention",
];
/// The same, of every server.
const COMMON: [&str; 3] = ["max_tool_calls", "tool_choice", "truncation"];

/// What the request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An answer.
    Answer,
    /// A count of the prompt's tokens: the endpoint knows no fields that only steer the answer.
    Count,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<Said<'a>>,
    input: Vec<ItemOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<ReasoningOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<TextOut<'a>>,
    #[serde(flatten)]
    steer: Option<Steer<'a>>,
    #[serde(flatten)]
    carried: serde_json::Map<String, serde_json::Value>,
}

/// What a count has no use for.
#[derive(Serialize)]
struct Steer<'a> {
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    include: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
}

#[derive(Serialize)]
struct ReasoningOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
}

#[derive(Serialize)]
struct TextOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<FormatOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
}

#[derive(Serialize)]
struct FormatOut<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// Writes the request.
pub(super) fn write(
    conversation: &Conversation,
    target: &Target<'_>,
    loss: &mut Loss,
    purpose: Purpose,
) -> Result<Vec<u8>, Failure> {
    let (instructions, input) = write_items::items(conversation, target.quirks, loss);
    let mut kept = Kept::of(conversation, target, purpose, loss);
    let reasoning = reasoning(conversation.reasoning.as_ref(), target, loss);
    let no_parallel = target.quirks.no_parallel_tools && conversation.parallel_tools.is_some();
    if no_parallel {
        loss.note("parallel_tool_calls");
    }
    let steer = match purpose {
        Purpose::Answer => {
            let seals = !target.quirks.no_reasoning;
            if seals && (reasoning.is_some() || target.quirks.efforts.is_some() || has_sealed(conversation)) {
                kept.include.insert(0, INCLUDE_SEALED.to_owned());
            }
            let effort = reasoning.as_ref().and_then(|reasoning| reasoning.effort);
            let sampling = crate::effort::steered(&conversation.sampling, effort, target.quirks, loss);
            let include = std::mem::take(&mut kept.include);
            Some(steer(conversation, &sampling, target, kept.store, include, loss))
        }
        Purpose::Count => None,
    };
    let body = Body {
        model: target.model,
        instructions,
        input,
        tools: tools::write(&conversation.tools, target.quirks, loss),
        tool_choice: conversation
            .tool_choice
            .as_ref()
            .map(|choice| tools::choice(choice, &conversation.tools)),
        parallel_tool_calls: conversation.parallel_tools.filter(|_| !no_parallel),
        reasoning,
        text: text(conversation, target, loss),
        steer,
        carried: kept.carried,
    };
    crate::jsonout::to_vec(&body, conversation.size())
        .map_err(|error| Failure::new(lockgate_core::ErrorKind::Internal, format!("unwritable: {error}")))
}

/// Members without a home that this dialect has itself; all others are lost.
#[derive(Default)]
struct Kept {
    carried: serde_json::Map<String, serde_json::Value>,
    include: Vec<String>,
    store: Option<bool>,
}

impl Kept {
    fn of(conversation: &Conversation, target: &Target<'_>, purpose: Purpose, loss: &mut Loss) -> Self {
        let mut kept = Self::default();
        for field in &conversation.rest {
            let json = field.value.get();
            let value = serde_json::from_str::<serde_json::Value>(json).unwrap_or_default();
            match field.path.as_str() {
                "include" => kept.include = serde_json::from_str(json).unwrap_or_default(),
                "store" if !target.quirks.no_openai_extras => kept.store = value.as_bool(),
                "tool_choice" if conversation.tool_choice.is_some() => loss.note("tool_choice"),
                path if COMMON.contains(&path)
                    || (CARRIED.contains(&path) && !target.quirks.no_openai_extras) =>
                {
                    if purpose == Purpose::Answer || path == "truncation" {
                        kept.carried.insert(field.path.clone(), value);
                    }
                }
                path => loss.note(crate::json::without_indices(path)),
            }
        }
        kept
    }
}

fn steer<'a>(
    conversation: &'a Conversation,
    sampling: &Sampling,
    target: &Target<'_>,
    store: Option<bool>,
    mut include: Vec<String>,
    loss: &mut Loss,
) -> Steer<'a> {
    let unsaid = [
        ("n", sampling.candidates.is_some_and(|candidates| candidates > 1)),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("logit_bias", sampling.logit_bias.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
        ("seed", sampling.seed.is_some()),
        ("stop", !sampling.stop.is_empty()),
        ("top_k", sampling.top_k.is_some()),
        ("max_tokens", sampling.max_tokens.is_some_and(|tokens| tokens < MIN_OUTPUT_TOKENS)),
    ];
    unsaid.iter().filter(|(_, there)| *there).for_each(|(name, _)| loss.note(*name));
    if sampling.logprobs == Some(true) {
        include.push(INCLUDE_LOGPROBS.to_owned());
    }
    let extras = !target.quirks.no_openai_extras;
    let mut extra = |value: Option<&'a str>, fits: bool, name: &str| {
        if value.is_some() && !(extras && fits) {
            loss.note(name.to_owned());
        }
        value.filter(|_| extras && fits)
    };
    let user = conversation.user.as_deref();
    let tier = conversation.service_tier.as_deref();
    let known = ["auto", "default", "fast", "flex", "priority", "scale", "ultrafast"];
    let prompt_cache_key = extra(conversation.cache_key.as_deref(), true, "prompt_cache_key");
    let safety_identifier = extra(user, user.is_some_and(|user| user.len() <= MAX_USER), "user");
    let service_tier = extra(tier, tier.is_some_and(|tier| known.contains(&tier)), "service_tier");
    Steer {
        stream: target.stream,
        store: extras.then(|| store.unwrap_or(false)),
        include,
        max_output_tokens: sampling.max_tokens.map(|tokens| tokens.max(MIN_OUTPUT_TOKENS)),
        metadata: metadata(conversation, extras, loss),
        prompt_cache_key,
        safety_identifier,
        service_tier,
        temperature: sampling.temperature,
        top_logprobs: sampling.top_logprobs,
        top_p: sampling.top_p,
    }
}

/// Labels, within the bounds that OpenAI sets (16 pairs of 64 and 512 characters); all or none.
fn metadata(
    conversation: &Conversation,
    extras: bool,
    loss: &mut Loss,
) -> Option<serde_json::Map<String, serde_json::Value>> {
    let labels = &conversation.metadata;
    if labels.is_empty() {
        return None;
    }
    let fits = |(key, value): &(String, String)| key.chars().count() <= 64 && value.chars().count() <= 512;
    if !extras || labels.len() > 16 || !labels.iter().all(fits) {
        loss.note("metadata");
        return None;
    }
    Some(labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect())
}

/// How much to think. A token budget becomes the effort that is nearest to it. Switching thoughts off has no word
/// that all models know, so it is said only when the client said it in this dialect's word.
fn reasoning<'a>(
    asked: Option<&'a ReasoningRequest>,
    target: &Target<'_>,
    loss: &mut Loss,
) -> Option<ReasoningOut<'a>> {
    let asked = asked?;
    let quirks = target.quirks;
    let off = asked.enabled == Some(false) || asked.effort.as_deref() == Some("none");
    if quirks.no_reasoning {
        if !off {
            loss.note("reasoning_effort");
        }
        return None;
    }
    if asked.budget.is_some() {
        loss.note("budget_tokens");
    }
    if off && asked.effort.is_none() {
        let can_be_off = quirks.efforts.is_some_and(|words| words.contains(&"none"));
        if !can_be_off {
            loss.note("thinking");
        }
        return can_be_off.then_some(ReasoningOut { effort: Some("none"), summary: None });
    }
    let wanted = asked.effort.as_deref().or(asked.budget.map(crate::effort::of_budget));
    let effort = wanted.and_then(|wanted| crate::effort::word(wanted, quirks));
    if asked.effort.is_some() && effort != wanted {
        loss.note("reasoning_effort");
    }
    let summary = match asked.summary.as_deref() {
        Some("omitted") => None,
        Some("summarized") => Some("auto"),
        Some(known) => Some(known),
        None => (asked.enabled == Some(true)).then_some("auto"),
    };
    (effort.is_some() || summary.is_some()).then_some(ReasoningOut { effort, summary })
}

fn has_sealed(conversation: &Conversation) -> bool {
    conversation.turns.iter().flat_map(|turn| &turn.parts).any(|part| {
        matches!(&part.block, Block::Reasoning(reasoning) if matches!(reasoning.seal, Some(Seal::Encrypted(_))))
    })
}

fn text<'a>(conversation: &'a Conversation, target: &Target<'_>, loss: &mut Loss) -> Option<TextOut<'a>> {
    let mut verbosity = conversation.sampling.verbosity.as_deref();
    if verbosity.is_some() && target.quirks.no_openai_extras {
        loss.note("verbosity");
        verbosity = None;
    }
    let plain = |kind| FormatOut { r#type: kind, name: None, description: None, schema: None, strict: None };
    let format = conversation.format.as_ref().map(|format| match format {
        OutputFormat::Json => plain("json_object"),
        OutputFormat::Schema { description, name, schema, strict } => FormatOut {
            r#type: "json_schema",
            // The field must be there; other dialects have none.
            name: Some(name.as_deref().unwrap_or("answer")),
            description: description.as_deref(),
            schema: Some(schema),
            strict: *strict,
        },
        OutputFormat::Text => plain("text"),
    });
    (format.is_some() || verbosity.is_some()).then_some(TextOut { format, verbosity })
}
