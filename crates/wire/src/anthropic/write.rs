//! From a conversation in no dialect to a request for a provider that speaks Anthropic's.
//!
//! Written in one pass from borrowed data; schemas and arguments are copied as they are. Sets no cache breakpoint
//! that the client did not set. Settings that the model would refuse are left out and noted as lost.

use std::borrow::Cow;

use lockgate_core::content::FunctionTool;
use lockgate_core::{Conversation, Dialect, Failure, OutputFormat, Role, Sampling, Tool, ToolChoice};
use serde::Serialize;
use serde_json::value::RawValue;

use super::claude::Claude;
use super::pieces::{CacheOut, Content, Pieces, cache};
use super::schema;
use super::thinking::{Plan, ThinkingOut, plan};
use super::turns::{MessageOut, Turns};
use crate::{Loss, Target};

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// An answer.
    Answer,
    /// The number of its tokens.
    Count,
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<ToolOut<'a>>,
    #[serde(skip_serializing_if = "Content::is_empty")]
    system: Content<'a>,
    messages: Vec<MessageOut<'a>>,
}

#[derive(Serialize)]
struct OutputConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<FormatOut<'a>>,
}

#[derive(Serialize)]
struct FormatOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    schema: Cow<'a, RawValue>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

#[derive(Serialize)]
struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    disable_parallel_tool_use: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ToolOut<'a> {
    Function {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        input_schema: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        strict: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheOut<'a>>,
    },
    Raw(&'a RawValue),
}

/// Writes a request.
pub(super) fn request(
    conversation: &Conversation,
    target: &Target<'_>,
    purpose: Purpose,
    loss: &mut Loss,
) -> Result<Vec<u8>, Failure> {
    let claude = Claude::of(target.model);
    let answer = purpose == Purpose::Answer;
    let mut turns = lay(conversation, claude, loss)?;
    let plan = plan(conversation, target, claude, turns.under_way(), loss);
    let off =
        plan.thinking.as_ref().map_or(!claude.thinks_by_default(), |told| *told == ThinkingOut::Disabled);
    if off && !claude.is_foreign() && turns.drop_thoughts_under_way() {
        loss.note("thinking");
    }
    let (temperature, top_p, top_k) =
        if answer { sampling(&conversation.sampling, claude, &plan, loss) } else { (None, None, None) };
    if answer {
        note_unsayable(conversation, loss);
    }
    for unmodelled in &conversation.rest {
        loss.note(crate::json::without_indices(&unmodelled.path));
    }
    let tools = tools(conversation, claude, target.quirks.no_strict_tools, loss)?;
    let format = format(conversation.format.as_ref(), claude, loss);
    let (system, messages) = turns.finish();
    let body = Body {
        model: target.model,
        max_tokens: answer.then_some(plan.max_tokens),
        stream: answer && target.stream,
        output_config: (format.is_some() || plan.effort.is_some())
            .then_some(OutputConfig { effort: plan.effort, format }),
        thinking: plan.thinking,
        temperature,
        top_p,
        top_k,
        stop_sequences: if answer { stop(&conversation.sampling.stop, loss) } else { Vec::new() },
        metadata: conversation.user.as_deref().filter(|_| answer).map(|user_id| Metadata { user_id }),
        service_tier: conversation
            .service_tier
            .as_deref()
            .filter(|_| answer)
            .and_then(|tier| service_tier(tier, loss)),
        tool_choice: tool_choice(conversation, &tools, loss),
        tools,
        system: Content(system),
        messages,
    };
    crate::jsonout::to_vec(&body, conversation.size())
        .map_err(|error| Failure::new(lockgate_core::ErrorKind::Internal, error.to_string()))
}

fn lay<'a>(conversation: &'a Conversation, claude: Claude, loss: &mut Loss) -> Result<Turns<'a>, Failure> {
    let mut pieces = Pieces { foreign: claude.is_foreign(), loss };
    let mut system = Vec::with_capacity(conversation.system.len());
    for part in &conversation.system {
        system.extend(pieces.piece(part, Role::System)?);
    }
    let mut turns = Turns::new(claude.takes_system_messages(), system);
    turns.lay(&conversation.turns, &mut pieces)?;
    Ok(turns)
}

/// `temperature`, `top_p` and `top_k`, as far as the model takes them.
fn sampling(
    sampling: &Sampling,
    claude: Claude,
    plan: &Plan<'_>,
    loss: &mut Loss,
) -> (Option<f64>, Option<f64>, Option<u64>) {
    let (mut temperature, mut top_p, mut top_k) = (sampling.temperature, sampling.top_p, sampling.top_k);
    if claude.is_foreign() {
        return (temperature, top_p, top_k);
    }
    let is_one = |value: f64| (value - 1.0).abs() < f64::EPSILON;
    let refuses = !claude.takes_sampling();
    if temperature.is_some_and(|value| value > 1.0) {
        loss.note("temperature");
        temperature = Some(1.0);
    }
    if refuses || plan.thinks() {
        if temperature.is_some_and(|value| !is_one(value)) {
            loss.note("temperature");
        }
        temperature = None;
        if top_k.take().is_some() {
            loss.note("top_k");
        }
        if top_p.is_some_and(|value| refuses || value < 0.95) {
            if top_p.is_some_and(|value| !is_one(value)) {
                loss.note("top_p");
            }
            top_p = None;
        }
    }
    if temperature.is_some() && top_p.is_some() && claude.takes_one_of_temperature_and_top_p() {
        if top_p.is_some_and(|value| !is_one(value)) {
            loss.note("top_p");
        }
        top_p = None;
    }
    (temperature, top_p, top_k)
}

/// Notes the settings that Anthropic has no word for.
fn note_unsayable(conversation: &Conversation, loss: &mut Loss) {
    let sampling = &conversation.sampling;
    let unsayable = [
        ("n", sampling.candidates.is_some_and(|n| n > 1)),
        ("frequency_penalty", sampling.frequency_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("presence_penalty", sampling.presence_penalty.is_some_and(|penalty| penalty != 0.0)),
        ("logit_bias", sampling.logit_bias.as_ref().is_some_and(|bias| bias.get() != "{}")),
        ("logprobs", sampling.logprobs == Some(true)),
        ("top_logprobs", sampling.top_logprobs.is_some_and(|n| n > 0)),
        ("seed", sampling.seed.is_some()),
        ("verbosity", sampling.verbosity.is_some()),
        ("prompt_cache_key", conversation.cache_key.is_some()),
        ("metadata", !conversation.metadata.is_empty()),
    ];
    for (name, _) in unsayable.iter().filter(|(_, said)| *said) {
        loss.note(*name);
    }
}

/// Anthropic refuses sequences of white space only.
fn stop<'a>(stop: &'a [String], loss: &mut Loss) -> Vec<&'a str> {
    let sayable: Vec<_> = stop.iter().map(String::as_str).filter(|text| !text.trim().is_empty()).collect();
    if sayable.len() < stop.len() {
        loss.note("stop");
    }
    sayable
}

/// `default` of other dialects is the tier that everybody has.
fn service_tier(tier: &str, loss: &mut Loss) -> Option<&'static str> {
    match tier {
        "auto" => Some("auto"),
        "default" | "standard" | "standard_only" => Some("standard_only"),
        _ => {
            loss.note("service_tier");
            None
        }
    }
}

fn format<'a>(format: Option<&'a OutputFormat>, claude: Claude, loss: &mut Loss) -> Option<FormatOut<'a>> {
    match format {
        Some(OutputFormat::Schema { description, schema, .. }) => {
            if description.is_some() {
                loss.note("response_format.description");
            }
            let schema =
                if claude.is_foreign() { Cow::Borrowed(&**schema) } else { schema::of_answer(schema, loss) };
            Some(FormatOut { kind: "json_schema", schema })
        }
        Some(OutputFormat::Json) => {
            loss.note("response_format");
            None
        }
        Some(OutputFormat::Text) | None => None,
    }
}

/// The tools on offer. A choice among several of them is said by offering no others.
fn tools<'a>(
    conversation: &'a Conversation,
    claude: Claude,
    no_strict: bool,
    loss: &mut Loss,
) -> Result<Vec<ToolOut<'a>>, Failure> {
    let among = match &conversation.tool_choice {
        Some(ToolChoice::Among { names, required }) if !*required || names.len() > 1 => Some(names),
        Some(ToolChoice::Among { .. } | ToolChoice::Auto | ToolChoice::None | ToolChoice::Required)
        | None => None,
    };
    let offered = |name: &String| among.is_none_or(|names| names.contains(name));
    let mut out = Vec::with_capacity(conversation.tools.len());
    for tool in &conversation.tools {
        match tool {
            Tool::Custom(custom) => loss.note(format!("tools.{}", custom.name)),
            Tool::Function(function) if offered(&function.name) => {
                out.push(self::function(function, (claude, no_strict), loss)?);
            }
            Tool::Function(_) => loss.note("tool_choice"),
            Tool::Hosted(hosted) if hosted.dialect == Dialect::Anthropic => {
                out.push(ToolOut::Raw(&hosted.raw));
            }
            Tool::Hosted(hosted) => loss.note(format!("tools.{}", hosted.kind)),
        }
    }
    Ok(out)
}

fn function<'a>(
    function: &'a FunctionTool,
    (claude, no_strict): (Claude, bool),
    loss: &mut Loss,
) -> Result<ToolOut<'a>, Failure> {
    let takes_strict = claude.takes_strict_tools() && !no_strict;
    let asked = function.strict == Some(true);
    let mut strict = asked && takes_strict;
    let mut input_schema = input_schema(function)?;
    if strict && !claude.is_foreign() {
        let closed = match &input_schema {
            Cow::Borrowed(schema) => schema::of_tool(schema, loss),
            Cow::Owned(schema) => schema::of_tool(schema, loss).map(|schema| Cow::Owned(schema.into_owned())),
        };
        strict = closed.is_some();
        input_schema = closed.unwrap_or(input_schema);
    }
    if asked && !strict {
        loss.note("tools.strict");
    }
    Ok(ToolOut::Function {
        name: &function.name,
        description: function.description.as_deref(),
        input_schema,
        strict,
        cache_control: cache(function.cache.as_ref(), loss),
    })
}

/// The schema of a tool's input. Anthropic demands that it says `type: object`, which a tool's input always is.
fn input_schema(function: &FunctionTool) -> Result<Cow<'_, RawValue>, Failure> {
    let schema = function.schema.as_ref().map_or("{}", |schema| schema.get());
    let malformed =
        || Failure::invalid("tools", format!("the schema of tool `{}` is not a JSON object", function.name));
    let scan = crate::scan(schema.as_bytes(), 512).map_err(|_| malformed())?;
    if let (Some(_), Some(schema)) = (scan.find(schema.as_bytes(), "type"), &function.schema) {
        return Ok(Cow::Borrowed(schema));
    }
    let behind = schema.find('{').map_or("", |brace| &schema[brace + 1..]);
    let comma = if scan.members.is_empty() { "" } else { "," };
    crate::json::raw(format!("{{\"type\":\"object\"{comma}{behind}")).map(Cow::Owned).ok_or_else(malformed)
}

fn tool_choice<'a>(
    conversation: &'a Conversation,
    tools: &[ToolOut<'_>],
    loss: &mut Loss,
) -> Option<Choice<'a>> {
    let parallel_off = conversation.parallel_tools == Some(false);
    let (kind, name) = match &conversation.tool_choice {
        None if parallel_off => ("auto", None),
        None => return None,
        Some(ToolChoice::Among { names, required: true }) => match &names[..] {
            [name] => ("tool", Some(name.as_str())),
            _ => ("any", None),
        },
        Some(ToolChoice::Among { required: false, .. } | ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required) => ("any", None),
    };
    if tools.is_empty() {
        // A choice without tools is refused; only one that demanded a call meant something.
        if matches!(kind, "any" | "tool") {
            loss.note("tool_choice");
        }
        return None;
    }
    Some(Choice { kind, name, disable_parallel_tool_use: parallel_off && kind != "none" })
}
