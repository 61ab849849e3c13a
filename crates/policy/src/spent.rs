//! What questions to models cost: what came of each, for the record, and what a policy may spend in a time.
//!
//! Knows no price and keeps no account: whoever asks the models does both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the questions of a policy may cost in a time. A question that would go beyond it is not asked, and the policy's `on_failure` says what
/// becomes of what was to be judged; so it is for a model whose price is not known. Times are those of the clock (UTC), and each gateway counts by
/// itself, from nothing when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MaxCost {
    /// How much, in US dollars.
    #[schemars(range(min = 0.0))]
    pub usd: f64,
    /// In which time.
    #[serde(default)]
    pub per: Per,
}

/// A time that costs are counted in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// From midnight to midnight, UTC.
    #[default]
    Day,
    /// From full hour to full hour.
    Hour,
    /// From full minute to full minute.
    Minute,
}

impl Per {
    /// Every time.
    pub const ALL: [Self; 3] = [Self::Day, Self::Hour, Self::Minute];

    /// The word in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }

    /// How long it is.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Day => 86_400,
            Self::Hour => 3_600,
            Self::Minute => 60,
        }
    }
}

/// What calls may cost in a time. Times are those of the clock (UTC), and each gateway counts by itself, from nothing when it starts.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CostLimit {
    /// Whose calls count together.
    #[serde(default)]
    pub of: Of,
    /// In which time.
    #[serde(default = "minute")]
    pub per: Per,
    /// How much, in US dollars.
    #[schemars(range(min = 0.0))]
    pub usd: f64,
}

fn minute() -> Per {
    Per::Minute
}

/// Whose calls count together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// All calls of the gateway.
    Everybody,
    /// Those of the caller's key; those without a key are one caller's.
    #[default]
    Key,
    /// Those of the project of the caller's key.
    Project,
    /// Those of the user of the caller's key.
    User,
}

impl Of {
    /// The word in configurations.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Everybody => "everybody",
            Self::Key => "key",
            Self::Project => "project",
            Self::User => "user",
        }
    }
}

/// A question of what calls have cost so far in the time that it is now. The answer is a number of nano-USD as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Costs {
    /// Whose calls.
    pub of: Of,
    /// In which time.
    pub per: Per,
    /// The name of that key, project or user, if there is one.
    pub whose: Option<String>,
}

/// What a question to a model took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// The id of the question's own call, where one was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What it cost, nano-USD. `None` = not known; nothing for an answer that was known already.
    pub cost_nano: Option<i64>,
    /// Tokens of the question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// The model, as the policy calls it.
    pub model: String,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Whether the answer was known from the same question before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reused: bool,
    /// How long it took, µs.
    pub took_us: u64,
}
