//! Usage, both directions. OpenAI counts cached tokens (read and written) inside the prompt and thoughts inside the
//! completion; servers differ in where they tell the cached ones.
//!
//! Costs that some servers add are not taken over: prices are not this crate's business.

use std::collections::BTreeMap;

use lockgate_core::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::chunk::{Chunk, Number};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wire {
    prompt_tokens: Number,
    completion_tokens: Number,
    total_tokens: Number,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek.
    prompt_cache_hit_tokens: Number,
    /// Moonshot.
    cached_tokens: Number,
    /// OpenRouter.
    server_tool_use: Option<BTreeMap<String, Number>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PromptDetails {
    cached_tokens: Number,
    cache_write_tokens: Number,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CompletionDetails {
    reasoning_tokens: Number,
}

/// llama.cpp.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Timings {
    cache_n: Number,
}

/// Groq.
#[derive(Debug, Deserialize)]
struct Groq<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// The usage that a chunk or a whole answer tells.
pub(super) fn of(chunk: &Chunk<'_>) -> Option<Usage> {
    let groq = || serde_json::from_str::<Groq<'_>>(chunk.x_groq?.get()).ok()?.usage;
    let raw = chunk.usage.or_else(groq)?;
    let wire: Wire = serde_json::from_str(raw.get()).ok()?;
    let timings: Timings =
        chunk.timings.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    let mut usage = buckets(&wire, timings.cache_n.0);
    usage.service_tier = chunk.service_tier.text().map(Into::into);
    Some(usage)
}

fn buckets(wire: &Wire, timings_cached: Option<u64>) -> Usage {
    let details = wire.prompt_tokens_details.as_ref();
    let read = details
        .and_then(|details| details.cached_tokens.0)
        .or(wire.prompt_cache_hit_tokens.0)
        .or(wire.cached_tokens.0)
        .or(timings_cached);
    let written = details.and_then(|details| details.cache_write_tokens.0);
    let reasoning = wire.completion_tokens_details.as_ref().and_then(|details| details.reasoning_tokens.0);
    let cached = read.unwrap_or(0).saturating_add(written.unwrap_or(0));
    let tools = wire.server_tool_use.iter().flatten();
    Usage {
        cache_read: read,
        cache_write_1h: None,
        cache_write_5m: written,
        estimated: false,
        input_uncached: wire.prompt_tokens.0.map(|prompt| prompt.saturating_sub(cached)),
        output: wire.completion_tokens.0.map(|shown| shown.saturating_add(beside(wire, shown, reasoning))),
        output_reasoning: reasoning,
        server_tools: tools.filter_map(|(name, uses)| Some((name.clone(), uses.0?))).collect(),
        service_tier: None,
    }
}

/// Thoughts that a server counts beside the completion instead of inside it (xAI): the total tells.
fn beside(wire: &Wire, shown: u64, reasoning: Option<u64>) -> u64 {
    let thoughts = reasoning.unwrap_or(0);
    let all = wire.prompt_tokens.0.and_then(|prompt| prompt.checked_add(shown)?.checked_add(thoughts));
    if all.is_some() && wire.total_tokens.0 == all { thoughts } else { 0 }
}

/// Usage as a client reads it.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_tokens_details: Option<ToldPrompt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<ToldCompletion>,
}

#[derive(Debug, Serialize)]
struct ToldPrompt {
    #[serde(skip_serializing_if = "Option::is_none")]
    cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
}

#[derive(Debug, Serialize)]
struct ToldCompletion {
    reasoning_tokens: u64,
}

/// The buckets as OpenAI's sums; `None` when nothing is known. The dialect has no way to leave one of its three
/// numbers out: an unknown prompt is told as our estimate, an unknown half otherwise as 0.
pub(super) fn told(usage: &Usage, estimate: Option<u64>) -> Option<Told> {
    if usage.prompt().is_none() && usage.output.is_none() {
        return None;
    }
    let prompt = usage.prompt().or(estimate).unwrap_or(0);
    let completion = usage.output.unwrap_or(0);
    let written = match (usage.cache_write_5m, usage.cache_write_1h) {
        (None, None) => None,
        (short, long) => Some(short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
    };
    let details = usage.cache_read.is_some() || written.is_some();
    Some(Told {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: prompt.saturating_add(completion),
        prompt_tokens_details: details
            .then_some(ToldPrompt { cached_tokens: usage.cache_read, cache_write_tokens: written }),
        completion_tokens_details: usage
            .output_reasoning
            .map(|reasoning_tokens| ToldCompletion { reasoning_tokens }),
    })
}
