//! What reasoning models take and refuse: words for the effort, and settings that steer how the answer is drawn.
//!
//! Knows no model by name: that is the providers' knowledge, and comes in as [`Quirks`]. Writers of both OpenAI
//! dialects ask here, so that they agree.

use lockgate_core::Sampling;

use crate::{Loss, Quirks};

/// Whether the client may steer how the answer is drawn (`temperature`, `top_p`, penalties, probabilities, `stop`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Steering {
    /// No: anything but the defaults is refused.
    Fixed,
    /// Temperature, `top_p` and probabilities only while the model does not reason; penalties and `stop` never.
    FixedWhileReasoning {
        /// Whether it reasons when nobody says how much.
        unasked: bool,
    },
    /// Yes.
    #[default]
    Free,
}

/// Words for an effort, the weakest first.
const WORDS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// The word that the model has for an effort: this one, else the next weaker, else the weakest that lets it reason.
/// `None` = it has nothing near.
pub(crate) fn word<'a>(wanted: &'a str, quirks: &Quirks) -> Option<&'a str> {
    let Some(known) = quirks.efforts else { return Some(wanted) };
    if known.contains(&wanted) {
        return Some(wanted);
    }
    let rank = |word: &str| WORDS.iter().position(|known| *known == word);
    let wanted = rank(wanted).filter(|rank| *rank > 0)?;
    let reasons = || known.iter().filter(|word| **word != "none");
    reasons()
        .filter(|word| rank(word) < Some(wanted))
        .max_by_key(|word| rank(word))
        .or_else(|| reasons().next())
        .copied()
}

/// The effort for a budget of tokens.
pub(crate) fn of_budget(budget: u64) -> &'static str {
    match budget {
        0..=4096 => "low",
        4097..=16384 => "medium",
        _ => "high",
    }
}

/// The settings that may go to a model that reasons with this effort. What is left out and was not the default anyway
/// is noted.
pub(crate) fn steered(asked: &Sampling, effort: Option<&str>, quirks: &Quirks, loss: &mut Loss) -> Sampling {
    let mut sampling = asked.clone();
    let reasons = match quirks.steering {
        Steering::Free => return sampling,
        Steering::Fixed => true,
        Steering::FixedWhileReasoning { unasked } => effort.map_or(unasked, |effort| effort != "none"),
    };
    let mut fixed = |value: &mut Option<f64>, default: f64, name: &str| {
        if value.take().is_some_and(|value| (value - default).abs() > f64::EPSILON) {
            loss.note(name);
        }
    };
    fixed(&mut sampling.frequency_penalty, 0.0, "frequency_penalty");
    fixed(&mut sampling.presence_penalty, 0.0, "presence_penalty");
    if reasons {
        fixed(&mut sampling.temperature, 1.0, "temperature");
        fixed(&mut sampling.top_p, 1.0, "top_p");
        if sampling.logprobs.take() == Some(true) {
            loss.note("logprobs");
        }
        if sampling.top_logprobs.take().is_some_and(|wanted| wanted > 0) {
            loss.note("top_logprobs");
        }
    }
    if sampling.logit_bias.take().is_some_and(|bias| bias.get() != "{}") {
        loss.note("logit_bias");
    }
    if !std::mem::take(&mut sampling.stop).is_empty() {
        loss.note("stop");
    }
    sampling
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effort_that_a_model_does_not_have_becomes_the_next_weaker_one() {
        let gpt_5 = Quirks { efforts: Some(&["minimal", "low", "medium", "high"]), ..Quirks::default() };
        let oss = Quirks { efforts: Some(&["low", "medium", "high"]), ..Quirks::default() };
        for (quirks, wanted, word) in [
            (&gpt_5, "high", Some("high")),
            (&gpt_5, "max", Some("high")),
            (&gpt_5, "none", None),
            (&oss, "minimal", Some("low")),
            (&oss, "strange", None),
            (&Quirks::default(), "strange", Some("strange")),
        ] {
            assert_eq!(super::word(wanted, quirks), word, "{wanted}");
        }
    }
}
