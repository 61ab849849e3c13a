//! Which parameters the models of OpenAI (and some at Groq) refuse, by name; names that nobody knows take everything.
//!
//! From the errors that users report: models without reasoning refuse an effort and sealed thoughts, models with it
//! refuse sampling parameters and the old name of the output bound.

use serde_json::Value;

use super::{Rejection, has};
use crate::seen::{list, text};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    /// Never reasons.
    Plain,
    /// Always reasons.
    Reasons,
    /// Reasons unless told otherwise (`none`), and by itself only where the flag is set.
    MayReason {
        unasked: bool,
    },
    Unknown,
}

fn family(model: &str) -> Family {
    let begins = |names: &[&str]| names.iter().any(|name| model.starts_with(name));
    if begins(&["gpt-5-chat", "gpt-4", "gpt-3.5", "chatgpt-4o", "llama-3", "llama3", "mixtral"]) {
        return Family::Plain;
    }
    if begins(&["o1", "o3", "o4-mini"]) {
        return Family::Reasons;
    }
    let Some(version) = model.strip_prefix("gpt-5") else { return Family::Unknown };
    let minor = version.strip_prefix('.').and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
    match minor {
        None => Family::Reasons,
        Some(_) if version.contains("-pro") || version.contains("-codex") => Family::Reasons,
        Some(minor) => Family::MayReason { unasked: minor > 4 },
    }
}

fn refuses_sampling(model: &str, effort: &str) -> bool {
    match family(model) {
        Family::Plain | Family::Unknown => false,
        Family::Reasons => true,
        Family::MayReason { unasked } => effort != "none" && (unasked || !effort.is_empty()),
    }
}

pub(super) fn chat(body: &Value) -> Result<(), Rejection> {
    let model = text(body, "model");
    if has(body, "reasoning_effort") && family(model) == Family::Plain {
        return Err(unsupported("reasoning_effort"));
    }
    if has(body, "max_tokens") && !matches!(family(model), Family::Plain | Family::Unknown) {
        let mut rejection = unsupported("max_tokens");
        rejection.message.push_str(" Use 'max_completion_tokens' instead.");
        return Err(rejection);
    }
    sampling(body, refuses_sampling(model, text(body, "reasoning_effort")))
}

pub(super) fn responses(body: &Value) -> Result<(), Rejection> {
    let model = text(body, "model");
    if family(model) == Family::Plain {
        for field in ["effort", "summary"] {
            if has(&body["reasoning"], field) {
                return Err(unsupported(&format!("reasoning.{field}")));
            }
        }
        if list(body, "include").iter().any(|word| word == "reasoning.encrypted_content") {
            return Err(Rejection::bad("Encrypted content is not supported with this model."));
        }
    }
    sampling(body, refuses_sampling(model, text(&body["reasoning"], "effort")))
}

fn sampling(body: &Value, refused: bool) -> Result<(), Rejection> {
    if !refused {
        return Ok(());
    }
    let defaults =
        [("temperature", 1.0), ("top_p", 1.0), ("frequency_penalty", 0.0), ("presence_penalty", 0.0)];
    for (field, default) in defaults {
        if let Some(value) = body[field].as_f64().filter(|value| (value - default).abs() > f64::EPSILON) {
            return Err(Rejection {
                kind: Some("unsupported_value".into()),
                ..Rejection::bad(format!(
                    "Unsupported value: '{field}' does not support {value} with this model. Only the default \
                     ({default}) value is supported."
                ))
            });
        }
    }
    match ["logit_bias", "logprobs", "top_logprobs"].iter().find(|field| has(body, field)) {
        Some(field) => Err(unsupported(field)),
        None => Ok(()),
    }
}

fn unsupported(field: &str) -> Rejection {
    Rejection {
        kind: Some("unsupported_parameter".into()),
        ..Rejection::bad(format!("Unsupported parameter: '{field}' is not supported with this model."))
    }
}
