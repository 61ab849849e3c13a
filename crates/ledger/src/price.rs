//! A price as data: what a provider asks for a model from a day on, per class of service, length of prompt and hour.
//!
//! The shape of the files in `prices/`. Says nothing about which model a name means and multiplies nothing.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decimal::Rate;
use crate::moment::{Date, Hours, Moment};

/// A class of service with a price of its own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Answered within a day.
    Batch,
    /// Faster than standard (Anthropic's fast mode, OpenAI's new name for priority).
    Fast,
    /// Slower than standard, or refused when there is no room.
    Flex,
    /// Served before standard.
    Priority,
    /// What a call gets that asks for nothing.
    Standard,
    /// Faster than fast.
    Ultrafast,
}

impl Tier {
    /// Every class.
    pub const ALL: [Self; 6] =
        [Self::Batch, Self::Fast, Self::Flex, Self::Priority, Self::Standard, Self::Ultrafast];

    /// Their names in files, in the same order.
    pub const NAMES: [&str; 6] = ["batch", "fast", "flex", "priority", "standard", "ultrafast"];

    /// The class that a provider's answer names. Nothing for words that mean no price per token, such as capacity that
    /// was paid in advance (`scale`, `PROVISIONED_THROUGHPUT`).
    pub fn of_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            ""
            | "auto"
            | "default"
            | "on_demand"
            | "standard"
            | "standard_only"
            | "unspecified"
            | "traffic_type_unspecified" => Self::Standard,
            "batch" => Self::Batch,
            "fast" => Self::Fast,
            "flex" | "on_demand_flex" => Self::Flex,
            "on_demand_priority" | "priority" => Self::Priority,
            "ultrafast" => Self::Ultrafast,
            _ => return None,
        })
    }
}

/// What a million tokens cost, by what they are.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// Prompt tokens that come from no cache.
    pub input: Rate,
    /// Tokens of the answer. Without it the model makes none (embeddings).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Rate>,
    /// Prompt tokens read from the cache. Without it they cost what other prompt tokens cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Rate>,
    /// Prompt tokens written to the cache for the provider's short or only lifetime. Without it as `input`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_5m: Option<Rate>,
    /// Prompt tokens written to the cache for the provider's long lifetime. Without it as `cache_write_5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_1h: Option<Rate>,
    /// Tokens of thoughts, where they cost other than the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Rate>,
    /// Prompt tokens that are sound, where they cost other than text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_input: Option<Rate>,
    /// Tokens of the answer that are sound, where they cost other than text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audio_output: Option<Rate>,
    /// Prompt tokens that are images, where they cost other than text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_input: Option<Rate>,
    /// Tokens of the answer that are images, where they cost other than text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_output: Option<Rate>,
}

impl Rates {
    /// Each price that is told, with its name.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, Rate)> {
        let Self { input, output, cache_read, cache_write_5m, cache_write_1h, reasoning, .. } = *self;
        [
            ("input", Some(input)),
            ("output", output),
            ("cache_read", cache_read),
            ("cache_write_5m", cache_write_5m),
            ("cache_write_1h", cache_write_1h),
            ("reasoning", reasoning),
            ("audio_input", self.audio_input),
            ("audio_output", self.audio_output),
            ("image_input", self.image_input),
            ("image_output", self.image_output),
        ]
        .into_iter()
        .filter_map(|(name, rate)| Some((name, rate?)))
    }
}

/// Prices of prompts beyond a length. All tokens of such a call cost these, not only those beyond.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Long {
    /// Prompts of more tokens than this, cached ones counted.
    pub above: u64,
    /// The prices per class of service. A class that is missing has no known price for such prompts.
    #[schemars(extend("propertyNames" = {"enum": Tier::NAMES}))]
    pub rates: BTreeMap<Tier, Rates>,
}

/// Standard prices of certain hours.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// 1 for Monday to 7 for Sunday, in UTC.
    pub weekdays: Vec<u8>,
    /// The parts of those days, in UTC.
    pub utc: Vec<Hours>,
    /// The prices then.
    pub rates: Rates,
}

impl Window {
    fn contains(&self, at: Moment) -> bool {
        self.weekdays.contains(&at.weekday()) && self.utc.iter().any(|hours| hours.contains(at.minute))
    }
}

/// What a use of a tool counts by.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// Each call that used it, however often.
    Call,
    /// Each use.
    #[default]
    Use,
}

/// What a tool costs that the provider runs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ToolPrice {
    /// Dollars for a thousand.
    pub price: Rate,
    /// A thousand of what.
    #[serde(default)]
    pub per: Per,
    /// Whether some are free before they cost; whether a given one was, the answer does not tell, so that such a cost
    /// is an estimate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free_allowance: bool,
}

/// What a provider asks for a model, from a day on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The first day of it. Without one: as far back as is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Date>,
    /// The provider's page or answer that states it.
    pub source: String,
    /// When it was last looked up.
    pub read: Date,
    /// What it was read through, if not on the page itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
    /// The prices per class of service.
    pub rates: BTreeMap<Tier, Rates>,
    /// Other prices for long prompts, the shortest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub long: Vec<Long>,
    /// Other standard prices at certain hours; the first that fits holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
    /// Tools that the provider runs, by its name for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tools: BTreeMap<String, ToolPrice>,
}

impl Price {
    /// The prices of a call of this class, with a prompt of that many tokens, at that moment.
    pub fn rates(&self, tier: Tier, prompt: u64, at: Moment) -> Option<&Rates> {
        if let Some(long) = self.long.iter().rev().find(|long| prompt > long.above) {
            return long.rates.get(&tier);
        }
        let window = self.windows.iter().find(|window| tier == Tier::Standard && window.contains(at));
        window.map(|window| &window.rates).or_else(|| self.rates.get(&tier))
    }
}

/// A model and its prices over time.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What the provider calls it: names, or patterns with `*` for any text.
    pub ids: Vec<String>,
    /// Tokens that fit into it, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<u64>,
    /// The longest answer in tokens, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output: Option<u64>,
    /// Whether it calls tools, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function_calling: Option<bool>,
    /// Whether it can think before it answers, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thinking: Option<bool>,
    /// Whether it sees pictures, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vision: Option<bool>,
    /// The announced last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retires: Option<Date>,
    /// Whether it runs on machines of the operator, so that nobody sends a bill per token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// The oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<Price>,
}

impl Model {
    /// What is asked on that day, if that is known.
    pub fn price(&self, at: Date) -> Option<&Price> {
        let valid = self.prices.iter().filter(|price| price.from.is_none_or(|from| from <= at));
        valid.max_by_key(|price| price.from)
    }
}

/// Prices of tools that hold for all models of a provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProviderTools {
    /// The provider's page that states them.
    pub(crate) source: String,
    /// When it was last looked up.
    pub(crate) read: Date,
    pub(crate) prices: BTreeMap<String, ToolPrice>,
}

/// A file of `prices/`: all that is known about a provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Provider {
    /// Its name: a kind of provider or a well-known service.
    #[serde(rename = "provider")]
    pub(crate) id: String,
    /// Other providers with the same models at the same prices.
    #[serde(default)]
    pub(crate) also: Vec<String>,
    /// Whether it runs on machines of the operator.
    #[serde(default)]
    pub(crate) local: bool,
    /// Models whose price cannot be told, as names or patterns.
    #[serde(default)]
    pub(crate) unpriced: Vec<String>,
    pub(crate) tools: Option<ProviderTools>,
    #[serde(default)]
    pub(crate) models: Vec<Model>,
}
