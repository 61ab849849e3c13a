//! Events and objects of an answer as they are written, after the published SDK types.
//!
//! Field order follows OpenAI's own answers. Shapes only; when they are written is [`super`]'s business.

use lockgate_core::{Raw, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::AnswerContext;

use super::super::error::{ErrorOut, ResponseErrorOut};

/// An event with its type and number.
#[derive(Serialize)]
pub(super) struct Numbered<T> {
    pub(super) r#type: &'static str,
    pub(super) sequence_number: u64,
    #[serde(flatten)]
    pub(super) body: T,
}

/// An event about the response as a whole.
#[derive(Serialize)]
pub(super) struct Lifecycle<'a> {
    pub(super) response: ResponseOut<'a>,
}

/// The event that ends an answer with an error.
#[derive(Serialize)]
pub(super) struct Failing<'a> {
    pub(super) response: ResponseOut<'a>,
    pub(super) error: ErrorOut<'a>,
}

/// An item begins or is complete.
#[derive(Serialize)]
pub(super) struct ItemEvent<'a> {
    pub(super) output_index: usize,
    pub(super) item: &'a RawValue,
}

/// A part begins or is complete.
#[derive(Serialize)]
pub(super) struct PartEvent<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) content_index: usize,
    pub(super) part: &'a RawValue,
}

/// A part of a summary begins or is complete.
#[derive(Serialize)]
pub(super) struct SummaryEvent<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) summary_index: usize,
    pub(super) part: WordsOut<'a>,
}

/// More of a part of a message or of thoughts.
#[derive(Serialize)]
pub(super) struct Grown<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) content_index: usize,
    pub(super) delta: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<[u8; 0]>,
}

/// All of a part of a message or of thoughts.
#[derive(Serialize)]
pub(super) struct Told<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) content_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'a [Raw]>,
}

/// More of a summary, or all of it.
#[derive(Serialize)]
pub(super) struct Summarised<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) summary_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
}

/// More of a call's arguments or input, or all of it.
#[derive(Serialize)]
pub(super) struct Argued<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
}

/// A source for the text so far.
#[derive(Serialize)]
pub(super) struct Annotated<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    pub(super) content_index: usize,
    pub(super) annotation_index: usize,
    pub(super) annotation: &'a RawValue,
}

/// Words with a type: a part of a summary or of thoughts.
#[derive(Serialize)]
pub(super) struct WordsOut<'a> {
    pub(super) r#type: &'static str,
    pub(super) text: &'a str,
}

/// A part of a message: words.
#[derive(Serialize)]
pub(super) struct TextOut<'a> {
    pub(super) r#type: &'static str,
    pub(super) annotations: &'a [Raw],
    pub(super) logprobs: &'a [Raw],
    pub(super) text: &'a str,
}

/// A part of a message: a refusal.
#[derive(Serialize)]
pub(super) struct RefusalOut<'a> {
    pub(super) r#type: &'static str,
    pub(super) refusal: &'a str,
}

/// A message.
#[derive(Serialize)]
pub(super) struct MessageOut<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'static str,
    pub(super) status: &'static str,
    pub(super) content: &'a [Raw],
    pub(super) role: &'static str,
}

/// A call.
#[derive(Serialize)]
pub(super) struct CallOut<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'static str,
    pub(super) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    pub(super) call_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) namespace: Option<&'a str>,
}

/// Thoughts.
#[derive(Serialize)]
pub(super) struct ReasoningOut<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<[WordsOut<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encrypted_content: Option<&'a str>,
    pub(super) summary: &'a [WordsOut<'a>],
}

/// A picture.
#[derive(Serialize)]
pub(super) struct ImageOut<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'static str,
    pub(super) status: &'static str,
    pub(super) result: &'a str,
}

/// Why an answer is not complete.
#[derive(Serialize)]
pub(super) struct Incomplete {
    pub(super) reason: &'static str,
}

/// What of a request its answer repeats, as the client wrote it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    instructions: Option<Raw>,
    max_output_tokens: Option<Raw>,
    max_tool_calls: Option<Raw>,
    metadata: Option<Raw>,
    parallel_tool_calls: Option<Raw>,
    previous_response_id: Option<Raw>,
    prompt_cache_key: Option<Raw>,
    reasoning: Option<Raw>,
    safety_identifier: Option<Raw>,
    store: Option<Raw>,
    temperature: Option<Raw>,
    text: Option<Raw>,
    tool_choice: Option<Raw>,
    tools: Option<Raw>,
    top_logprobs: Option<Raw>,
    top_p: Option<Raw>,
    truncation: Option<Raw>,
}

impl Asked {
    /// Reads a request. What cannot be read was refused before there was an answer.
    pub(super) fn read(request: &[u8]) -> Self {
        serde_json::from_slice(request).unwrap_or_default()
    }

    /// Whether later requests may refer to the answer: unless the client says that they will not.
    pub(super) fn is_stored(&self) -> bool {
        self.store.as_ref().is_none_or(|store| store.get() != "false")
    }
}

/// What the client said, or what it means not to say it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Or<'a, T> {
    Said(&'a RawValue),
    Unsaid(T),
}

fn or<T>(said: Option<&Raw>, unsaid: T) -> Or<'_, T> {
    match said {
        Some(said) => Or::Said(said),
        None => Or::Unsaid(unsaid),
    }
}

/// The response object.
#[derive(Serialize)]
pub(super) struct ResponseOut<'a> {
    id: &'a str,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    pub(super) error: Option<ResponseErrorOut>,
    pub(super) incomplete_details: Option<Incomplete>,
    instructions: Option<&'a RawValue>,
    max_output_tokens: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tool_calls: Option<&'a RawValue>,
    metadata: Or<'a, Empty>,
    model: &'a str,
    output: &'a [Raw],
    parallel_tool_calls: Or<'a, bool>,
    previous_response_id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_key: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    safety_identifier: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<&'a RawValue>,
    temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a RawValue>,
    tool_choice: Or<'a, &'static str>,
    tools: Or<'a, [u8; 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<&'a RawValue>,
    top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncation: Option<&'a RawValue>,
    usage: Option<UsageOut>,
}

/// `{}`
#[derive(Serialize)]
struct Empty {}

impl<'a> ResponseOut<'a> {
    pub(super) fn new(
        context: &'a AnswerContext,
        asked: &'a Asked,
        status: &'static str,
        output: &'a [Raw],
        usage: Option<&'a Usage>,
    ) -> Self {
        const TIERS: [&str; 7] = ["auto", "default", "fast", "flex", "priority", "scale", "ultrafast"];
        let tier = usage.and_then(|usage| usage.service_tier.as_deref());
        Self {
            id: &context.id,
            object: "response",
            created_at: context.created,
            status,
            background: false,
            error: None,
            incomplete_details: None,
            instructions: asked.instructions.as_deref(),
            max_output_tokens: asked.max_output_tokens.as_deref(),
            max_tool_calls: asked.max_tool_calls.as_deref(),
            metadata: or(asked.metadata.as_ref(), Empty {}),
            model: &context.model,
            output,
            parallel_tool_calls: or(asked.parallel_tool_calls.as_ref(), true),
            previous_response_id: asked.previous_response_id.as_deref(),
            prompt_cache_key: asked.prompt_cache_key.as_deref(),
            reasoning: asked.reasoning.as_deref(),
            safety_identifier: asked.safety_identifier.as_deref(),
            service_tier: tier.filter(|tier| TIERS.contains(tier)),
            store: asked.store.as_deref(),
            temperature: asked.temperature.as_deref(),
            text: asked.text.as_deref(),
            tool_choice: or(asked.tool_choice.as_ref(), "auto"),
            tools: or(asked.tools.as_ref(), []),
            top_logprobs: asked.top_logprobs.as_deref(),
            top_p: asked.top_p.as_deref(),
            truncation: asked.truncation.as_deref(),
            usage: usage
                .filter(|usage| usage.prompt().is_some() || usage.output.is_some())
                .map(UsageOut::new),
        }
    }
}

/// What was used; the fields are all required, so what is not known is 0 here.
#[derive(Serialize)]
pub(super) struct UsageOut {
    input_tokens: u64,
    input_tokens_details: InputDetailsOut,
    output_tokens: u64,
    output_tokens_details: OutputDetailsOut,
    total_tokens: u64,
}

#[derive(Serialize)]
struct InputDetailsOut {
    cache_write_tokens: u64,
    cached_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetailsOut {
    reasoning_tokens: u64,
}

impl UsageOut {
    fn new(usage: &Usage) -> Self {
        let input_tokens = usage.prompt().unwrap_or(0);
        let output_tokens = usage.output.unwrap_or(0);
        let written = usage.cache_write_5m.unwrap_or(0).saturating_add(usage.cache_write_1h.unwrap_or(0));
        Self {
            input_tokens,
            input_tokens_details: InputDetailsOut {
                cache_write_tokens: written,
                cached_tokens: usage.cache_read.unwrap_or(0),
            },
            output_tokens,
            output_tokens_details: OutputDetailsOut { reasoning_tokens: usage.output_reasoning.unwrap_or(0) },
            total_tokens: input_tokens.saturating_add(output_tokens),
        }
    }
}
