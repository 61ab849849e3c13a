//! Writes a request for a provider: parameters as far as its quirks allow, everything else declared in `Loss`.
//!
//! Messages are in `messages`. Labels go along only with `store: true`, which OpenAI demands for them and which is
//! set only if the client set it: nobody's answers are kept at a provider because they were labelled here.

use std::collections::BTreeMap;

use lockgate_core::{
    Conversation, Dialect, Failure, OutputFormat, ReasoningRequest, Sampling, Tool, ToolChoice, Unmodelled,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::messages::Messages;
use super::output::{
    AllowedOut, ChoiceOut, CustomDefOut, FormatOut, FunctionDefOut, MessageOut, Name, NamedOut, SchemaOut,
    ToolOut,
};
use crate::{Loss, Quirks, Target};

/// Longest `safety_identifier` and `prompt_cache_key` that OpenAI takes, in characters.
const LONGEST_USER: usize = 128;
const LONGEST_CACHE_KEY: usize = 64;

#[derive(Debug, Default, Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<MessageOut<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ChoiceOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<FormatOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logit_bias: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Serialize)]
struct StreamOptions {
    include_usage: bool,
}

pub(super) fn write(
    conversation: &Conversation,
    target: &Target<'_>,
    loss: &mut Loss,
) -> Result<Vec<u8>, Failure> {
    let quirks = target.quirks;
    let asked = conversation.reasoning.as_ref();
    let effort = asked.and_then(|request| effort(request, quirks, loss));
    let sampling = crate::effort::steered(&conversation.sampling, effort, quirks, loss);
    let mut body = Body {
        reasoning_effort: effort,
        model: target.model,
        messages: Messages::new(quirks, loss).all(&conversation.system, &conversation.turns),
        stream: target.stream,
        stream_options: (target.stream && !quirks.no_stream_options)
            .then_some(StreamOptions { include_usage: true }),
        ..Body::default()
    };
    offer_tools(&mut body, conversation, quirks, loss);
    body.response_format = conversation.format.as_ref().map(format);
    sample(&mut body, &sampling, quirks, loss);
    extras(&mut body, conversation, quirks, loss);
    crate::jsonout::to_vec(&body, conversation.size()).map_err(|error| {
        Failure::new(lockgate_core::ErrorKind::Internal, format!("the request could not be written: {error}"))
    })
}

fn offer_tools<'a>(body: &mut Body<'a>, conversation: &'a Conversation, quirks: &Quirks, loss: &mut Loss) {
    // Servers without `allowed_tools` are offered only the tools that may be called: the same in meaning.
    let only = match &conversation.tool_choice {
        Some(ToolChoice::Among { names, required }) if quirks.no_openai_extras => {
            (names.len() != 1 || !required).then_some(names)
        }
        _ => None,
    };
    let offered = |name: &String| only.is_none_or(|names| names.contains(name));
    for tool in &conversation.tools {
        match tool {
            Tool::Custom(custom) if offered(&custom.name) => {
                if custom.namespace.is_some() {
                    loss.note("namespace");
                }
                let custom = CustomDefOut {
                    name: &custom.name,
                    description: custom.description.as_deref(),
                    format: custom.format.as_deref(),
                };
                body.tools.push(ToolOut::Custom { kind: "custom", custom });
            }
            Tool::Function(tool) if offered(&tool.name) => {
                if tool.cache.is_some() {
                    loss.note("cache_control");
                }
                if tool.namespace.is_some() {
                    loss.note("namespace");
                }
                if quirks.no_strict_tools && tool.strict == Some(true) {
                    loss.note("strict");
                }
                let function = FunctionDefOut {
                    name: &tool.name,
                    description: tool.description.as_deref(),
                    parameters: tool.schema.as_deref(),
                    strict: tool.strict.filter(|_| !quirks.no_strict_tools),
                };
                body.tools.push(ToolOut::Function { kind: "function", function });
            }
            Tool::Hosted(hosted) if hosted.dialect == Dialect::Chat => {
                body.tools.push(ToolOut::Raw(&hosted.raw));
            }
            Tool::Hosted(hosted) => loss.note(format!("tools.{}", hosted.kind)),
            Tool::Custom(_) | Tool::Function(_) => {}
        }
    }
    // Both fields are refused where no tools are.
    if body.tools.is_empty() {
        return;
    }
    body.tool_choice =
        conversation.tool_choice.as_ref().map(|choice| choose(choice, &conversation.tools, only.is_some()));
    if quirks.no_parallel_tools {
        // Parallel calls are what happens anyway; that they shall not happen cannot be said.
        if conversation.parallel_tools == Some(false) {
            loss.note("parallel_tool_calls");
        }
    } else {
        body.parallel_tool_calls = conversation.parallel_tools;
    }
}

fn choose<'a>(choice: &'a ToolChoice, tools: &[Tool], narrowed: bool) -> ChoiceOut<'a> {
    match choice {
        ToolChoice::Auto => ChoiceOut::Word("auto"),
        ToolChoice::None => ChoiceOut::Word("none"),
        ToolChoice::Required => ChoiceOut::Word("required"),
        ToolChoice::Among { required, .. } if narrowed => {
            ChoiceOut::Word(if *required { "required" } else { "auto" })
        }
        ToolChoice::Among { names, required: true } if names.len() == 1 => {
            ChoiceOut::Named(named(&names[0], tools))
        }
        ToolChoice::Among { names, required } => ChoiceOut::Allowed {
            kind: "allowed_tools",
            allowed_tools: AllowedOut {
                mode: if *required { "required" } else { "auto" },
                tools: names.iter().map(|name| named(name, tools)).collect(),
            },
        },
    }
}

fn named<'a>(name: &'a str, tools: &[Tool]) -> NamedOut<'a> {
    let custom = tools.iter().any(|tool| matches!(tool, Tool::Custom(custom) if custom.name == name));
    if custom {
        NamedOut::Custom { kind: "custom", custom: Name { name } }
    } else {
        NamedOut::Function { kind: "function", function: Name { name } }
    }
}

fn sample<'a>(body: &mut Body<'a>, sampling: &'a Sampling, quirks: &Quirks, loss: &mut Loss) {
    if quirks.legacy_max_tokens {
        body.max_tokens = sampling.max_tokens;
    } else {
        body.max_completion_tokens = sampling.max_tokens;
    }
    body.stop = &sampling.stop;
    body.temperature = sampling.temperature;
    body.top_p = sampling.top_p;
    body.frequency_penalty = sampling.frequency_penalty;
    body.presence_penalty = sampling.presence_penalty;
    body.seed = sampling.seed;
    body.n = sampling.candidates;
    body.logprobs = sampling.logprobs;
    body.top_logprobs = sampling.top_logprobs;
    body.logit_bias = sampling.logit_bias.as_deref();
    if sampling.top_k.is_some() {
        loss.note("top_k");
    }
}

fn format(format: &OutputFormat) -> FormatOut<'_> {
    match format {
        OutputFormat::Json => FormatOut { kind: "json_object", json_schema: None },
        OutputFormat::Schema { description, name, schema, strict } => FormatOut {
            kind: "json_schema",
            json_schema: Some(SchemaOut {
                // A schema is refused without a name; most dialects have none.
                name: name.as_deref().unwrap_or("answer"),
                description: description.as_deref(),
                schema,
                strict: *strict,
            }),
        },
        OutputFormat::Text => FormatOut { kind: "text", json_schema: None },
    }
}

/// How much to think, in OpenAI's words. A budget becomes the nearest word and is declared; that thinking is off
/// cannot be said to all models (many refuse `none`), so it is left out and declared.
fn effort<'a>(request: &'a ReasoningRequest, quirks: &Quirks, loss: &mut Loss) -> Option<&'a str> {
    if matches!(request.summary.as_deref(), Some(shown) if shown != "omitted") {
        loss.note("reasoning.summary");
    }
    if quirks.no_reasoning {
        // Not to think is what such a server does anyway.
        if request.budget.is_some() || request.effort.as_deref().is_some_and(|effort| effort != "none") {
            loss.note("reasoning_effort");
        }
        return None;
    }
    if let Some(wanted) = &request.effort {
        let word = crate::effort::word(wanted, quirks);
        if word != Some(wanted) {
            loss.note("reasoning_effort");
        }
        return word;
    }
    if request.enabled == Some(false) {
        let can_be_off = quirks.efforts.is_some_and(|words| words.contains(&"none"));
        if !can_be_off {
            loss.note("thinking");
        }
        return can_be_off.then_some("none");
    }
    let budget = request.budget?;
    loss.note("thinking.budget_tokens");
    crate::effort::word(crate::effort::of_budget(budget), quirks)
}

fn extras<'a>(body: &mut Body<'a>, conversation: &'a Conversation, quirks: &Quirks, loss: &mut Loss) {
    let stored = conversation.rest.iter().find_map(store).filter(|_| !quirks.no_openai_extras);
    for field in &conversation.rest {
        if stored.is_none() || store(field).is_none() {
            loss.note(crate::json::without_indices(&field.path));
        }
    }
    if let Some(user) = conversation.user.as_deref() {
        match (user.chars().count() <= LONGEST_USER, quirks.no_openai_extras) {
            (true, false) => body.safety_identifier = Some(user),
            (true, true) => body.user = Some(user),
            (false, _) => loss.note("user"),
        }
    }
    let mut keep = |value: Option<&'a str>, name: &str| {
        if quirks.no_openai_extras && value.is_some() {
            loss.note(name);
        }
        value.filter(|_| !quirks.no_openai_extras)
    };
    body.verbosity = keep(conversation.sampling.verbosity.as_deref(), "verbosity");
    body.prompt_cache_key = keep(conversation.cache_key.as_deref(), "prompt_cache_key");
    body.service_tier = keep(conversation.service_tier.as_deref(), "service_tier");
    if body.prompt_cache_key.is_some_and(|key| key.chars().count() > LONGEST_CACHE_KEY) {
        body.prompt_cache_key = None;
        loss.note("prompt_cache_key");
    }
    if let Some(tier) = body.service_tier {
        body.service_tier = tier_of(tier);
        if body.service_tier.is_none() {
            loss.note("service_tier");
        }
    }
    body.store = stored;
    if stored == Some(true) {
        body.metadata =
            conversation.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    } else if !conversation.metadata.is_empty() {
        loss.note("metadata");
    }
}

/// `store`, which both dialects of OpenAI have and which has no home in a conversation.
fn store(field: &Unmodelled) -> Option<bool> {
    if field.path != "store" {
        return None;
    }
    match field.value.get() {
        "false" => Some(false),
        "true" => Some(true),
        _ => None,
    }
}

/// A class of service in OpenAI's words.
fn tier_of(tier: &str) -> Option<&str> {
    match tier {
        "auto" | "default" | "fast" | "flex" | "priority" | "scale" => Some(tier),
        "standard" | "standard_only" => Some("default"),
        _ => None,
    }
}
