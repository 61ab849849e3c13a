//! How much to think: Gemini 3 and later take a level, Gemini 2.5 a budget of tokens, older models neither.
//!
//! Which one a model takes, and in which bounds, follows from its name; a name that tells no version but ends in
//! `-latest` is taken for the newest kind.

use lockgate_core::ReasoningRequest;
use serde_json::{Map, Value};

use super::request::{Number, ThinkingConfig};
use crate::Loss;

/// What a client asks for.
pub(super) fn read(config: &ThinkingConfig) -> ReasoningRequest {
    let level = config.level.as_deref().map(str::to_ascii_lowercase);
    let effort = level.filter(|level| level != "thinking_level_unspecified");
    let budget = config.budget.map(|Number(budget)| budget);
    ReasoningRequest {
        budget: budget.filter(|budget| *budget > 0.0).map(|budget| budget as u64),
        // A negative budget leaves it to the model.
        enabled: match budget {
            Some(0.0) => Some(false),
            Some(budget) if budget > 0.0 => Some(true),
            _ => effort.is_some().then_some(true),
        },
        effort,
        summary: Some(if config.include == Some(true) { "auto" } else { "omitted" }.into()),
    }
}

/// What a model can be told about its thinking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dial {
    /// A budget of tokens between the bounds; whether 0 turns it off.
    Budget { least: u64, most: u64, off: bool },
    /// A level; whether there is one below `LOW`.
    Level { minimal: bool },
    /// Nothing.
    None,
}

/// The version that a name tells, as (major, minor).
fn version(model: &str) -> Option<(u32, u32)> {
    let mut digits = model.split("gemini-").nth(1)?.split('-').next()?.split('.');
    let major = digits.next()?.parse().ok()?;
    Some((major, digits.next().and_then(|minor| minor.parse().ok()).unwrap_or(0)))
}

/// Whether a model is of Gemini 3 or later.
pub(super) fn is_third(model: &str) -> bool {
    version(model)
        .map_or_else(|| model.contains("gemini-") && model.ends_with("-latest"), |(major, _)| major >= 3)
}

fn dial(model: &str) -> Dial {
    if is_third(model) {
        return Dial::Level { minimal: model.contains("flash") };
    }
    match version(model) {
        Some((2, 5..)) if model.contains("flash-lite") => {
            Dial::Budget { least: 512, most: 24_576, off: true }
        }
        Some((2, 5..)) if model.contains("flash") => Dial::Budget { least: 0, most: 24_576, off: true },
        Some((2, 5..)) => Dial::Budget { least: 128, most: 32_768, off: false },
        _ => Dial::None,
    }
}

/// The thinking configuration for a model; `None` = nothing to say.
pub(super) fn write(request: &ReasoningRequest, model: &str, loss: &mut Loss) -> Option<Value> {
    let off = request.enabled == Some(false) || request.effort.as_deref() == Some("none");
    let mut config = Map::new();
    match dial(model) {
        Dial::None => {
            if !off && (request.enabled == Some(true) || request.effort.is_some() || request.budget.is_some())
            {
                loss.note("thinking");
            }
            return None;
        }
        Dial::Level { minimal } => {
            if let Some(level) = level(request, off, minimal, loss) {
                config.insert("thinkingLevel".into(), level.into());
            }
        }
        Dial::Budget { least, most, off: can_be_off } => {
            if off {
                if !can_be_off {
                    loss.note("thinking");
                }
                config.insert("thinkingBudget".into(), if can_be_off { 0 } else { least }.into());
            } else if let Some(budget) =
                request.budget.or_else(|| budget_of(request.effort.as_deref()?, most))
            {
                if !(least..=most).contains(&budget) && request.budget.is_some() {
                    loss.note("thinking_budget");
                }
                config.insert("thinkingBudget".into(), budget.clamp(least, most).into());
            }
        }
    }
    let show = match request.summary.as_deref() {
        Some("omitted") => Some(false),
        Some(_) => Some(true),
        // Who says how much to think wants to see it, as far as the client's dialect can show it.
        None => (request.enabled == Some(true) || request.effort.is_some()).then_some(true),
    };
    if let Some(show) = show.filter(|_| !off) {
        config.insert("includeThoughts".into(), show.into());
    }
    (!config.is_empty()).then_some(Value::Object(config))
}

fn level(request: &ReasoningRequest, off: bool, minimal: bool, loss: &mut Loss) -> Option<&'static str> {
    let least = if minimal { "MINIMAL" } else { "LOW" };
    if off {
        // Thinking cannot be turned off from Gemini 3 on.
        loss.note("thinking");
        return Some(least);
    }
    match (request.effort.as_deref(), request.budget) {
        (Some("minimal"), _) => Some(least),
        (Some("low"), _) => Some("LOW"),
        (Some("medium"), _) => Some("MEDIUM"),
        (Some("high"), _) => Some("HIGH"),
        (Some("max" | "xhigh"), _) => {
            // Not every model of the family has a level above `HIGH`.
            loss.note("reasoning_effort");
            Some("HIGH")
        }
        (Some(_), _) => {
            loss.note("reasoning_effort");
            None
        }
        (None, Some(budget)) => Some(match budget {
            0..=2048 => "LOW",
            2049..=8192 => "MEDIUM",
            _ => "HIGH",
        }),
        (None, None) => None,
    }
}

fn budget_of(effort: &str, most: u64) -> Option<u64> {
    match effort {
        "minimal" => Some(512),
        "low" => Some(1024),
        "medium" => Some(8192),
        "high" => Some(24_576),
        "max" | "xhigh" => Some(most),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(
        model: &str,
        effort: Option<&str>,
        budget: Option<u64>,
        enabled: Option<bool>,
    ) -> (String, Loss) {
        let request = ReasoningRequest { budget, effort: effort.map(Into::into), enabled, summary: None };
        let mut loss = Loss::default();
        let value = write(&request, model, &mut loss);
        (value.map_or_else(String::new, |value| value.to_string()), loss)
    }

    #[test]
    fn each_generation_is_told_what_it_understands() {
        for (model, effort, budget, enabled, expected, lost) in [
            (
                "gemini-3.1-pro-preview",
                Some("low"),
                None,
                None,
                r#"{"thinkingLevel":"LOW","includeThoughts":true}"#,
                "",
            ),
            (
                "gemini-3.1-pro-preview",
                Some("minimal"),
                None,
                None,
                r#"{"thinkingLevel":"LOW","includeThoughts":true}"#,
                "",
            ),
            (
                "gemini-3-flash-preview",
                Some("minimal"),
                None,
                None,
                r#"{"thinkingLevel":"MINIMAL","includeThoughts":true}"#,
                "",
            ),
            (
                "gemini-flash-latest",
                Some("high"),
                None,
                None,
                r#"{"thinkingLevel":"HIGH","includeThoughts":true}"#,
                "",
            ),
            (
                "gemini-3-pro",
                None,
                Some(31_999),
                Some(true),
                r#"{"thinkingLevel":"HIGH","includeThoughts":true}"#,
                "",
            ),
            (
                "gemini-3-pro",
                Some("xhigh"),
                None,
                None,
                r#"{"thinkingLevel":"HIGH","includeThoughts":true}"#,
                "reasoning_effort",
            ),
            ("gemini-3-flash", None, None, Some(false), r#"{"thinkingLevel":"MINIMAL"}"#, "thinking"),
            ("gemini-2.5-flash", None, None, Some(false), r#"{"thinkingBudget":0}"#, ""),
            ("gemini-2.5-pro", Some("none"), None, None, r#"{"thinkingBudget":128}"#, "thinking"),
            (
                "gemini-2.5-pro",
                Some("max"),
                None,
                None,
                r#"{"thinkingBudget":32768,"includeThoughts":true}"#,
                "",
            ),
            (
                "gemini-2.5-flash",
                None,
                Some(31_999),
                Some(true),
                r#"{"thinkingBudget":24576,"includeThoughts":true}"#,
                "thinking_budget",
            ),
            ("gemini-2.0-flash", Some("high"), None, None, "", "thinking"),
            ("gemma-3-27b-it", None, None, Some(false), "", ""),
        ] {
            let (value, loss) = written(model, effort, budget, enabled);
            assert_eq!(
                (value.as_str(), loss.header().as_str()),
                (expected, lost),
                "{model} {effort:?} {budget:?}"
            );
        }
    }
}
