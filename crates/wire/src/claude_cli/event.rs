//! The few pieces of Anthropic's events that the `claude` command hands on: words, thoughts, usage, the end.
//!
//! Tools are run by the command itself: their calls and results are its own business and pass as opaque.

use lockgate_core::{StopReason, Usage};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A stream event, in pieces.
#[derive(Deserialize)]
pub(super) struct StreamEvent<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<&'a RawValue>,
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

/// A message: the head of a streamed one, or a whole one.
#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

/// A block or a delta: they share their fields.
#[derive(Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) signature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stop_reason: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) stop_sequence: Option<&'a RawValue>,
}

/// A piece as a type, or nothing where it is absent or of another type.
pub(super) fn read<'a, T: Deserialize<'a>>(piece: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(piece?.get()).ok()
}

/// A text that is not empty.
pub(super) fn words(piece: Option<&RawValue>) -> Option<String> {
    owned::<String>(piece).filter(|text| !text.is_empty())
}

fn owned<T: DeserializeOwned>(piece: Option<&RawValue>) -> Option<T> {
    read(piece)
}

/// Whether a piece is this plain word.
pub(super) fn is(piece: Option<&RawValue>, word: &str) -> bool {
    let json = piece.map_or("", RawValue::get);
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(word)
}

#[derive(Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<Writes>,
    output_tokens: Option<u64>,
    output_tokens_details: Option<Details>,
    server_tool_use: Option<std::collections::BTreeMap<String, Option<u64>>>,
    service_tier: Option<String>,
}

#[derive(Deserialize)]
struct Writes {
    ephemeral_1h_input_tokens: Option<u64>,
    ephemeral_5m_input_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Details {
    thinking_tokens: Option<u64>,
}

/// Usage as the API counts it; nothing where it says nothing.
pub(super) fn usage(piece: Option<&RawValue>) -> Option<Usage> {
    let counts: Counts = owned(piece)?;
    let told = counts.cache_creation_input_tokens;
    let split =
        counts.cache_creation.map(|split| (split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens));
    // The split may be all zero beside a sum: then the sum is what counts.
    let (short, long) = match split {
        Some((short, long)) if told.is_none_or(|told| short.unwrap_or(0) + long.unwrap_or(0) == told) => {
            (short.or(told), long)
        }
        Some(_) | None => (told, None),
    };
    let tools = counts.server_tool_use.unwrap_or_default();
    Some(Usage {
        cache_read: counts.cache_read_input_tokens,
        cache_write_1h: long,
        cache_write_5m: short,
        input_uncached: counts.input_tokens,
        output: counts.output_tokens,
        output_reasoning: counts.output_tokens_details.and_then(|details| details.thinking_tokens),
        server_tools: tools.into_iter().filter_map(|(name, n)| Some((name, n.filter(|n| *n > 0)?))).collect(),
        service_tier: counts.service_tier,
        ..Usage::default()
    })
}

/// Why it stopped, in our words.
pub(super) fn stop_reason(word: Option<&str>) -> StopReason {
    match word {
        Some("max_tokens") => StopReason::MaxTokens,
        Some("model_context_window_exceeded") => StopReason::ContextWindow,
        Some("pause_turn") => StopReason::Pause,
        Some("refusal") => StopReason::Refusal,
        Some("stop_sequence") => StopReason::StopSequence,
        // The command runs its tools itself: the client has none to answer.
        Some("end_turn" | "tool_use") | None => StopReason::EndTurn,
        Some(other) => StopReason::Other(other.to_owned()),
    }
}

/// The usage of two messages together.
pub(super) fn sum(a: &Usage, b: &Usage) -> Usage {
    let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.saturating_add(b)),
        (known, None) | (None, known) => known,
    };
    let mut server_tools = a.server_tools.clone();
    for (tool, uses) in &b.server_tools {
        *server_tools.entry(tool.clone()).or_default() += uses;
    }
    Usage {
        cache_read: add(a.cache_read, b.cache_read),
        cache_write_1h: add(a.cache_write_1h, b.cache_write_1h),
        cache_write_5m: add(a.cache_write_5m, b.cache_write_5m),
        estimated: false,
        input_uncached: add(a.input_uncached, b.input_uncached),
        output: add(a.output, b.output),
        output_reasoning: add(a.output_reasoning, b.output_reasoning),
        server_tools,
        service_tier: b.service_tier.clone().or_else(|| a.service_tier.clone()),
    }
}
