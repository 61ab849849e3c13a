//! What is to be another in a whole request: instructions, parameters, tools. Said by rules and by services, in no dialect; the engine puts it
//! into the client's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::chain::Pattern;

/// What is to be another in a request.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Changes {
    /// What goes.
    pub remove: Remove,
    /// What is set.
    pub set: Set,
}

impl Changes {
    /// Why they cannot be meant; `None` = they can.
    pub(crate) fn unworkable(&self) -> Option<String> {
        let Set { add_system, max_tokens, most_tokens, system, temperature, top_p } = &self.set;
        let Remove { parameters, tools } = &self.remove;
        let sets = add_system.is_some() || system.is_some() || max_tokens.is_some() || most_tokens.is_some();
        let empty = !sets && temperature.is_none() && top_p.is_none();
        let within = |value: &Option<f64>, most: f64| value.is_none_or(|value| (0.0..=most).contains(&value));
        let blank = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
        match () {
            () if empty && parameters.is_empty() && tools.is_empty() => {
                Some("say what shall be another: `set` or `remove`".into())
            }
            () if *max_tokens == Some(0) || *most_tokens == Some(0) => {
                Some("an answer has a token at least".into())
            }
            () if blank(add_system) || blank(system) => Some("instructions are words".into()),
            () if !within(temperature, 2.0) => Some("`temperature` is from 0 to 2".into()),
            () if !within(top_p, 1.0) => Some("`top_p` is from 0 to 1".into()),
            () => None,
        }
    }

    /// Whether a tool goes.
    pub fn takes_out(&self, tool: &str) -> bool {
        self.remove.tools.iter().any(|pattern| pattern.matches(tool))
    }
}

/// What is set in a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Set {
    /// Instructions behind those that are there.
    pub add_system: Option<String>,
    /// The bound of output tokens.
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u64>,
    /// The bound of output tokens, where there is none or a higher one.
    #[schemars(range(min = 1))]
    pub most_tokens: Option<u64>,
    /// Instructions in place of those before the first turn.
    pub system: Option<String>,
    /// `temperature`. Left as it is where the model takes none.
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    /// `top_p`. Left as it is where the model takes none.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub top_p: Option<f64>,
}

/// What goes out of a request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Remove {
    /// Parameters, whatever the client's dialect calls them.
    pub parameters: Vec<Parameter>,
    /// Tools by their names; of a choice among tools, those too.
    pub tools: Vec<Pattern>,
}

/// A parameter of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    /// How much a token costs that was there before.
    FrequencyPenalty,
    /// The probabilities of the output.
    Logprobs,
    /// The bound of output tokens. Stays where the dialect demands one (Anthropic).
    MaxTokens,
    /// How much a token costs that is on the page already.
    PresencePenalty,
    /// How much to think.
    Reasoning,
    /// What makes answers repeatable.
    Seed,
    /// Texts that end the answer.
    Stop,
    /// How freely tokens are drawn.
    Temperature,
    /// Among how many tokens is drawn.
    TopK,
    /// Among which share of tokens is drawn.
    TopP,
}

impl Parameter {
    /// Its common name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FrequencyPenalty => "frequency_penalty",
            Self::Logprobs => "logprobs",
            Self::MaxTokens => "max_tokens",
            Self::PresencePenalty => "presence_penalty",
            Self::Reasoning => "reasoning",
            Self::Seed => "seed",
            Self::Stop => "stop",
            Self::Temperature => "temperature",
            Self::TopK => "top_k",
            Self::TopP => "top_p",
        }
    }
}
