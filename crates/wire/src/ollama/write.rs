//! Writes a `/api/chat` request for an Ollama server.
//!
//! One message holds one text, so texts of a turn are joined by an empty line, as the server itself joins messages
//! of one speaker. Results of tools are messages of their own, right behind the calls; pictures in them follow in a
//! user message. Does not choose the context size: it writes what the provider's quirks say.

use lockgate_core::content::{FunctionTool, Opaque};
use lockgate_core::{
    Conversation, Dialect, ErrorKind, Failure, OutputFormat, ReasoningRequest, Sampling, Tool, ToolChoice,
};
use serde::Serialize;
use serde_json::value::RawValue;

pub(super) use super::write_messages::{OutMessage, messages};
use crate::{Loss, Target};

#[derive(Serialize)]
struct Out<'a> {
    model: &'a str,
    messages: &'a [OutMessage<'a>],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OutTool<'a>>,
    #[serde(flatten)]
    common: Common<'a>,
}

/// The request for a provider.
pub(super) fn chat(
    conversation: &Conversation,
    target: &Target<'_>,
    loss: &mut Loss,
) -> Result<Vec<u8>, Failure> {
    let common = Common::new(conversation, target, loss);
    let messages = messages(conversation, loss)?;
    let tools = tools(conversation, loss);
    crate::jsonout::to_vec(
        &Out { model: target.model, messages: &messages, tools, common },
        conversation.size(),
    )
    .map_err(|error| Failure::new(ErrorKind::Internal, error.to_string()))
}

/// What both forms of a request share.
#[derive(Serialize)]
pub(super) struct Common<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<OutFormat<'a>>,
    #[serde(skip_serializing_if = "Options::is_empty")]
    options: Options<'a>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keep_alive: Option<KeepAlive<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<u64>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutFormat<'a> {
    Name(&'static str),
    Schema(&'a RawValue),
}

#[derive(Serialize)]
#[serde(untagged)]
enum Think<'a> {
    Effort(&'a str),
    On(bool),
}

#[derive(Serialize)]
#[serde(untagged)]
enum KeepAlive<'a> {
    /// `5m`: a text without a unit would be refused.
    Duration(&'a str),
    Seconds(i64),
}

#[derive(Serialize)]
struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    num_ctx: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
}

impl Options<'_> {
    fn is_empty(&self) -> bool {
        let Self {
            num_ctx,
            num_predict,
            temperature,
            top_k,
            top_p,
            presence_penalty,
            frequency_penalty,
            seed,
            stop,
        } = self;
        num_ctx.is_none()
            && num_predict.is_none()
            && temperature.is_none()
            && top_k.is_none()
            && top_p.is_none()
            && presence_penalty.is_none()
            && frequency_penalty.is_none()
            && seed.is_none()
            && stop.is_empty()
    }
}

impl<'a> Common<'a> {
    pub(super) fn new(conversation: &'a Conversation, target: &Target<'a>, loss: &mut Loss) -> Self {
        note_unsayable(conversation, loss);
        let sampling = &conversation.sampling;
        Self {
            format: conversation.format.as_ref().and_then(|format| out_format(format, loss)),
            options: Options {
                num_ctx: target.quirks.context,
                num_predict: sampling.max_tokens,
                temperature: sampling.temperature,
                top_k: sampling.top_k,
                top_p: sampling.top_p,
                presence_penalty: sampling.presence_penalty,
                frequency_penalty: sampling.frequency_penalty,
                seed: sampling.seed,
                stop: &sampling.stop,
            },
            stream: target.stream,
            think: conversation.reasoning.as_ref().and_then(|asked| think(asked, target, loss)),
            keep_alive: target
                .quirks
                .keep_alive
                .as_deref()
                .map(|text| text.parse().map_or(KeepAlive::Duration(text), KeepAlive::Seconds)),
            logprobs: sampling.logprobs,
            top_logprobs: sampling.top_logprobs,
        }
    }
}

/// Notes what has no field here, by the client's name for it.
fn note_unsayable(conversation: &Conversation, loss: &mut Loss) {
    let Sampling { candidates, logit_bias, verbosity, .. } = &conversation.sampling;
    let unsayable = [
        ("prompt_cache_key", conversation.cache_key.is_some()),
        ("metadata", !conversation.metadata.is_empty()),
        // Parallel calls are what the server does anyway; only their absence cannot be asked for.
        ("parallel_tool_calls", conversation.parallel_tools == Some(false)),
        ("service_tier", conversation.service_tier.is_some()),
        ("user", conversation.user.is_some()),
        ("n", candidates.is_some_and(|n| n > 1)),
        ("logit_bias", logit_bias.is_some()),
        ("verbosity", verbosity.is_some()),
    ];
    for (field, _) in unsayable.iter().filter(|(_, given)| *given) {
        loss.note(*field);
    }
    for unmodelled in &conversation.rest {
        loss.note(crate::json::without_indices(&unmodelled.path));
    }
}

fn out_format<'a>(format: &'a OutputFormat, loss: &mut Loss) -> Option<OutFormat<'a>> {
    match format {
        OutputFormat::Json => Some(OutFormat::Name("json")),
        // The server always holds the model to the schema and needs no name for it.
        OutputFormat::Schema { description, schema, .. } => {
            if description.is_some() {
                loss.note("response_format.description");
            }
            Some(OutFormat::Schema(schema))
        }
        OutputFormat::Text => None,
    }
}

/// Whether to think. Words for how much are understood by gpt-oss only; every other model answers them with 400
/// (`think value "medium" is not supported for this model`), so there they become `true`, and that is declared.
fn think<'a>(asked: &'a ReasoningRequest, target: &Target<'_>, loss: &mut Loss) -> Option<Think<'a>> {
    let ReasoningRequest { budget, enabled, effort, summary } = asked;
    if summary.as_deref().is_some_and(|summary| !matches!(summary, "auto" | "detailed")) {
        loss.note("reasoning.summary");
    }
    if *enabled == Some(false) || effort.as_deref() == Some("none") {
        return (!target.quirks.no_reasoning).then_some(Think::On(false));
    }
    if *enabled != Some(true) && effort.is_none() && budget.is_none() {
        return None;
    }
    if target.quirks.no_reasoning {
        loss.note("reasoning");
        return None;
    }
    if budget.is_some() {
        loss.note("thinking.budget_tokens");
    }
    let Some(effort) = effort.as_deref() else { return Some(Think::On(true)) };
    if !target.model.contains("gpt-oss") {
        loss.note("reasoning_effort");
        return Some(Think::On(true));
    }
    match effort {
        "low" | "medium" | "high" | "max" => Some(Think::Effort(effort)),
        "minimal" => {
            loss.note("reasoning_effort");
            Some(Think::Effort("low"))
        }
        "xhigh" => {
            loss.note("reasoning_effort");
            Some(Think::Effort("max"))
        }
        _ => {
            loss.note("reasoning_effort");
            Some(Think::On(true))
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum OutTool<'a> {
    Function {
        #[serde(rename = "type")]
        kind: &'static str,
        function: OutFunction<'a>,
    },
    Own(&'a RawValue),
}

#[derive(Serialize)]
struct OutFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
}

/// The tools on offer. There is no field for a choice: "none" and "only these" are said by what is offered, "must"
/// cannot be said.
fn tools<'a>(conversation: &'a Conversation, loss: &mut Loss) -> Vec<OutTool<'a>> {
    let only = match &conversation.tool_choice {
        Some(ToolChoice::None) => return Vec::new(),
        Some(ToolChoice::Required) => {
            loss.note("tool_choice");
            None
        }
        Some(ToolChoice::Among { names, required }) => {
            if *required {
                loss.note("tool_choice");
            }
            Some(names)
        }
        Some(ToolChoice::Auto) | None => None,
    };
    let offered = |name: &str| only.is_none_or(|names| names.iter().any(|known| known == name));
    let mut out = Vec::with_capacity(conversation.tools.len());
    for tool in &conversation.tools {
        match tool {
            Tool::Function(function) if offered(&function.name) => {
                out.push(out_function(function, loss));
            }
            Tool::Function(_) => {}
            // Made plain before a dialect changes; nothing else to say it with.
            Tool::Custom(_) => loss.note("tools.custom"),
            Tool::Hosted(Opaque { dialect: Dialect::Ollama, raw, .. }) => out.push(OutTool::Own(raw)),
            Tool::Hosted(hosted) => loss.note(format!("tools.{}", hosted.kind)),
        }
    }
    out
}

fn out_function<'a>(function: &'a FunctionTool, loss: &mut Loss) -> OutTool<'a> {
    if function.cache.is_some() {
        loss.note("cache_control");
    }
    if function.strict == Some(true) {
        loss.note("tools.strict");
    }
    let function = OutFunction {
        name: &function.name,
        description: function.description.as_deref(),
        parameters: function.schema.as_deref(),
    };
    OutTool::Function { kind: "function", function }
}
