//! What a provider itself says that a call cost, in the usage of its answer.
//!
//! OpenRouter tells dollars, xAI tells ten-billionths of a dollar, the `claude` command tells dollars. The numbers are
//! read as text: no float comes between.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::nano::Nano;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Usage<'a> {
    /// OpenRouter: what its account was charged.
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    #[serde(borrow)]
    cost_details: Option<&'a RawValue>,
    /// xAI.
    #[serde(borrow)]
    cost_in_usd_ticks: Option<&'a RawValue>,
    /// OpenRouter with a key of the customer: then the upstream sends a bill of its own beside the charge.
    #[serde(borrow)]
    is_byok: Option<&'a RawValue>,
    /// The `claude` command.
    #[serde(borrow)]
    total_cost_usd: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    upstream_inference_cost: Option<&'a RawValue>,
}

/// The cost in a JSON object: the `usage` of an answer, or the result of the `claude` command.
pub fn told(usage: &str) -> Option<Nano> {
    let usage: Usage<'_> = serde_json::from_str(usage).ok()?;
    if let Some(ticks) = usage.cost_in_usd_ticks {
        return Nano::from_decimal(number(ticks), -1);
    }
    let charged = usage.cost.or(usage.total_cost_usd).and_then(|cost| Nano::from_dollars(number(cost)))?;
    if usage.is_byok.is_none_or(|byok| byok.get() != "true") {
        return Some(charged);
    }
    let details: Details<'_> = serde_json::from_str(usage.cost_details?.get()).ok()?;
    let upstream = Nano::from_dollars(number(details.upstream_inference_cost?))?;
    Some(charged.saturating_add(upstream))
}

/// A number, also one in quotes.
fn number(raw: &RawValue) -> &str {
    raw.get().trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_providers_own_cost_is_read_to_the_nano_dollar() {
        for (usage, nano) in [
            (r#"{"prompt_tokens":1,"cost":0.00014}"#, 140_000),
            (r#"{"cost":"0.95","is_byok":false,"cost_details":{"upstream_inference_cost":19}}"#, 950_000_000),
            (r#"{"cost":0.0025,"is_byok":true,"cost_details":{"upstream_inference_cost":0.05}}"#, 52_500_000),
            (r#"{"cost":0}"#, 0),
            (r#"{"cost":9.5e-05}"#, 95_000),
            (r#"{"cost_in_usd_ticks":37756000}"#, 3_775_600),
            (r#"{"cost_in_usd_ticks":15}"#, 2),
            (r#"{"total_cost_usd":0.0123456}"#, 12_345_600),
        ] {
            assert_eq!(told(usage), Some(Nano::new(nano)), "{usage}");
        }
    }

    #[test]
    fn half_a_cost_is_no_cost() {
        for usage in [
            "{}",
            "[]",
            r#"{"cost":null}"#,
            r#"{"cost":-1}"#,
            r#"{"cost":{"total_cost":1}}"#,
            r#"{"cost":0.1,"is_byok":true}"#,
            r#"{"cost":0.1,"is_byok":true,"cost_details":{"upstream_inference_cost":null}}"#,
        ] {
            assert_eq!(told(usage), None, "{usage}");
        }
    }
}
