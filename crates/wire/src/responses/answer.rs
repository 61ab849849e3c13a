//! The response object as it arrives, and the values in it, read without demands on their types.
//!
//! Servers that imitate this dialect leave fields out, send `null` for them, or numbers where ids belong: nothing
//! here fails for that. Knows no stream.

use lockgate_core::{Started, Stop, StopReason, Usage};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A string; a number is taken as its digits.
pub(super) fn text(raw: Option<&RawValue>) -> Option<String> {
    let json = raw?.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'0'..=b'9' | b'-' => Some(json.to_owned()),
        _ => None,
    }
}

/// A string; anything else is taken as its JSON text (arguments that arrive as an object).
pub(super) fn text_or_json(raw: Option<&RawValue>) -> Option<String> {
    text(raw).or_else(|| raw.map(|raw| raw.get().to_owned()).filter(|json| json != "null"))
}

/// A count, perhaps between quotes; fractions are cut off.
pub(super) fn number(raw: Option<&RawValue>) -> Option<u64> {
    let json = raw?.get().trim_matches('"');
    json.parse().ok().or_else(|| json.parse::<f64>().ok().filter(|n| *n >= 0.0).map(|n| n as u64))
}

/// The elements of an array; nothing for anything else.
pub(super) fn elements(raw: Option<&RawValue>) -> Vec<&RawValue> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// An object, or nothing.
pub(super) fn object<'a, T: Deserialize<'a>>(raw: Option<&'a RawValue>) -> Option<T> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
}

/// The response object.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ResponseIn<'a> {
    #[serde(borrow)]
    created_at: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    incomplete_details: Option<&'a RawValue>,
    #[serde(borrow)]
    model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) output: Option<&'a RawValue>,
    #[serde(borrow)]
    service_tier: Option<&'a RawValue>,
    #[serde(borrow)]
    status: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_usage: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct UsageIn<'a> {
    #[serde(borrow)]
    input_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    input_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    output_tokens_details: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct InputDetailsIn<'a> {
    #[serde(borrow)]
    cache_write_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    cache_write_tokens_details: Option<&'a RawValue>,
    #[serde(borrow)]
    cached_tokens: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WriteDetailsIn<'a> {
    #[serde(borrow)]
    ttl_12h_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl_30m_tokens: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutputDetailsIn<'a> {
    #[serde(borrow)]
    reasoning_tokens: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ToolUsageIn<'a> {
    #[serde(borrow)]
    web_search: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WebSearchIn<'a> {
    #[serde(borrow)]
    num_requests: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct IncompleteIn<'a> {
    #[serde(borrow)]
    reason: Option<&'a RawValue>,
}

impl ResponseIn<'_> {
    /// Whether it has anything of a response at all.
    pub(super) fn is_response(&self) -> bool {
        self.output.is_some() || self.status.is_some() || self.error.is_some()
    }

    /// The head of the answer.
    pub(super) fn started(&self) -> Started {
        Started { created: number(self.created_at), id: text(self.id), model: text(self.model) }
    }

    /// `completed`, `incomplete`, `failed`, …
    pub(super) fn status(&self) -> String {
        text(self.status).unwrap_or_default()
    }

    /// What was used, where told. Cached and written tokens are part of `input_tokens`; a lifetime of half an hour
    /// goes to the short bucket, twelve hours to the long one.
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage: UsageIn<'_> = object(self.usage)?;
        let input: InputDetailsIn<'_> = object(usage.input_tokens_details).unwrap_or_default();
        let output: OutputDetailsIn<'_> = object(usage.output_tokens_details).unwrap_or_default();
        let written: WriteDetailsIn<'_> = object(input.cache_write_tokens_details).unwrap_or_default();
        let cache_read = number(input.cached_tokens);
        let all_written = number(input.cache_write_tokens);
        let long = number(written.ttl_12h_tokens).filter(|tokens| *tokens > 0);
        let short = match (all_written, long) {
            (Some(all), Some(long)) => Some(all.saturating_sub(long)),
            (Some(all), None) => Some(all),
            (None, _) => number(written.ttl_30m_tokens),
        };
        let elsewhere =
            [cache_read, short, long].iter().flatten().fold(0, |sum: u64, n| sum.saturating_add(*n));
        let mut read = Usage {
            cache_read,
            cache_write_1h: long,
            cache_write_5m: short,
            input_uncached: number(usage.input_tokens).map(|all| all.saturating_sub(elsewhere)),
            output: number(usage.output_tokens),
            output_reasoning: number(output.reasoning_tokens),
            service_tier: text(self.service_tier),
            ..Usage::default()
        };
        let tools: ToolUsageIn<'_> = object(self.tool_usage).unwrap_or_default();
        let search: WebSearchIn<'_> = object(tools.web_search).unwrap_or_default();
        if let Some(requests) = number(search.num_requests).filter(|requests| *requests > 0) {
            read.server_tools.insert("web_search".to_owned(), requests);
        }
        Some(read)
    }

    /// How it ended. `called` and `refused` tell what was in it: this dialect says `completed` for all of them.
    pub(super) fn stop(&self, status: &str, called: bool, refused: bool) -> Stop {
        let details: IncompleteIn<'_> = object(self.incomplete_details).unwrap_or_default();
        Stop::because(match (status, text(details.reason).as_deref()) {
            ("incomplete", Some("max_output_tokens")) => StopReason::MaxTokens,
            ("incomplete", Some("content_filter")) => StopReason::ContentFilter,
            ("completed" | "", _) if called => StopReason::ToolUse,
            ("completed" | "", _) if refused => StopReason::Refusal,
            ("completed" | "", _) => StopReason::EndTurn,
            (status, reason) => StopReason::Other(reason.unwrap_or(status).to_owned()),
        })
    }
}
