//! Usage, from Anthropic's fields to buckets and back.
//!
//! `input_tokens` leaves cached tokens out, as the buckets do. Reports are cumulative, and later ones may lack the
//! split of cache writes by lifetime that earlier ones had: a meter keeps it, so that nothing is counted twice.
//! Numbers that cannot be (negative, no number) count as not told.

use lockgate_core::Usage;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The word for answers that were made faster, for another price.
const FAST: &str = "fast";

/// The field `usage` of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UsageIn {
    cache_creation: Option<CacheCreation>,
    cache_creation_input_tokens: Count,
    cache_read_input_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    output_tokens_details: Option<Details>,
    server_tool_use: Option<std::collections::BTreeMap<String, Count>>,
    service_tier: Option<String>,
    speed: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CacheCreation {
    ephemeral_1h_input_tokens: Count,
    ephemeral_5m_input_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    thinking_tokens: Count,
}

/// A number of things, if it is one.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Count(pub(super) Option<u64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CountVisitor;
        impl<'de> Visitor<'de> for CountVisitor {
            type Value = Count;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Count, E> {
                Ok(Count(Some(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(value).ok()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Count, E> {
                Ok(Count((value >= 0.0).then_some(value as u64)))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
                Ok(Count(None))
            }
            fn visit_str<E>(self, _: &str) -> Result<Count, E> {
                Ok(Count(None))
            }
            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Count, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Count, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Count(None))
            }
        }
        deserializer.deserialize_any(CountVisitor)
    }
}

/// What was used so far.
#[derive(Debug, Default)]
pub(super) struct Meter {
    usage: Usage,
}

impl Meter {
    /// Takes a report and tells what is known now.
    pub(super) fn take(&mut self, report: &RawValue) -> Usage {
        let report: UsageIn = serde_json::from_str(report.get()).unwrap_or_default();
        let (short, long) = self.cache_writes(&report);
        let mut known = Usage {
            cache_read: report.cache_read_input_tokens.0,
            cache_write_1h: long,
            cache_write_5m: short,
            estimated: false,
            input_uncached: report.input_tokens.0,
            output: report.output_tokens.0,
            output_reasoning: report
                .output_tokens_details
                .as_ref()
                .and_then(|details| details.thinking_tokens.0),
            // The fast mode is a class of its own on the bill; the field for classes says `standard` of it.
            service_tier: match report.speed.as_deref() {
                Some(FAST) => Some(FAST.to_owned()),
                Some(_) | None => report.service_tier.clone(),
            },
            ..Usage::default()
        };
        for (name, uses) in report.server_tool_use.iter().flatten() {
            if let Some(uses) = uses.0.filter(|uses| *uses > 0) {
                let tool = name.strip_suffix("_requests").unwrap_or(name);
                known.server_tools.insert(tool.to_owned(), uses);
            }
        }
        self.usage.merge(&known);
        self.usage.clone()
    }

    /// Cache writes for five minutes and for an hour.
    fn cache_writes(&self, report: &UsageIn) -> (Option<u64>, Option<u64>) {
        if let Some(split) = &report.cache_creation {
            let (short, long) = (split.ephemeral_5m_input_tokens.0, split.ephemeral_1h_input_tokens.0);
            if short.is_some() || long.is_some() {
                return (short, long);
            }
        }
        // Only the sum: what is known to be for an hour is in it.
        let long = self.usage.cache_write_1h;
        (report.cache_creation_input_tokens.0.map(|sum| sum.saturating_sub(long.unwrap_or(0))), long)
    }
}

/// The field `usage` of an answer that we write.
#[derive(Debug, Default, Serialize)]
pub(super) struct UsageOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation: Option<CacheCreationOut>,
    output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens_details: Option<DetailsOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_tool_use: Option<std::collections::BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    speed: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct CacheCreationOut {
    ephemeral_5m_input_tokens: u64,
    ephemeral_1h_input_tokens: u64,
}

#[derive(Debug, Serialize)]
struct DetailsOut {
    thinking_tokens: u64,
}

impl<'a> UsageOut<'a> {
    /// Everything that is known. The number of output tokens must be there; it is 0 where nobody told.
    pub(super) fn of(usage: &'a Usage) -> Self {
        let (short, long) = (usage.cache_write_5m, usage.cache_write_1h);
        let told = short.is_some() || long.is_some();
        let server_tools: std::collections::BTreeMap<_, _> =
            usage.server_tools.iter().map(|(tool, uses)| (format!("{tool}_requests"), *uses)).collect();
        Self {
            input_tokens: usage.input_uncached,
            cache_creation_input_tokens: told.then(|| short.unwrap_or(0).saturating_add(long.unwrap_or(0))),
            cache_read_input_tokens: usage.cache_read,
            cache_creation: told.then(|| CacheCreationOut {
                ephemeral_5m_input_tokens: short.unwrap_or(0),
                ephemeral_1h_input_tokens: long.unwrap_or(0),
            }),
            output_tokens: usage.output.unwrap_or(0),
            output_tokens_details: usage
                .output_reasoning
                .map(|thinking_tokens| DetailsOut { thinking_tokens }),
            server_tool_use: (!server_tools.is_empty()).then_some(server_tools),
            service_tier: usage.service_tier.as_deref().filter(|tier| *tier != FAST),
            speed: usage.service_tier.as_deref().filter(|tier| *tier == FAST).map(|_| FAST),
        }
    }

    /// The same with a number of prompt tokens, which the start of an answer must tell: what is known, else the
    /// estimate.
    pub(super) fn at_start(usage: &'a Usage, estimate: Option<u64>) -> Self {
        let known = Self::of(usage);
        Self { input_tokens: Some(known.input_tokens.or(estimate).unwrap_or(0)), ..known }
    }
}
