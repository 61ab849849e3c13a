//! What an operator says about prices: other ones, new ones, none, or that the price is not known.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::moment::Date;
use crate::names::Names;
use crate::price::{Long, Model, Price, Rates, Tier, ToolPrice};

/// Prices of some models of a provider, in place of those that Lockgate brings along. An entry with neither `rates`
/// nor `local` says that the price is unknown.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Override {
    /// The provider's id as configured, or a kind of provider.
    pub provider: String,
    /// Names of models, or patterns with `*` for any text. A name goes before a pattern.
    pub models: Vec<String>,
    /// The first day of these prices. Without one they hold for all calls.
    pub from: Option<Date>,
    /// Dollars for a million tokens, by class of service; `standard` is what calls get that ask for nothing.
    #[schemars(extend("propertyNames" = {"enum": Tier::NAMES}))]
    pub rates: BTreeMap<Tier, Rates>,
    /// Other prices for long prompts, the shortest first.
    pub long: Vec<Long>,
    /// Tools that the provider runs, by its name for them: dollars for a thousand uses.
    pub tools: BTreeMap<String, ToolPrice>,
    /// Whether these models run on machines of yours: they cost nothing per token and are shown as local.
    pub local: bool,
    /// Tokens that fit into the model.
    pub context: Option<u64>,
    /// The longest answer in tokens.
    pub max_output: Option<u64>,
    /// Whether it calls tools.
    pub function_calling: Option<bool>,
    /// Whether it can think before it answers.
    pub thinking: Option<bool>,
    /// Whether it sees pictures.
    pub vision: Option<bool>,
}

/// Why overrides cannot be used. `index` counts from 0.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum OverrideError {
    /// The same model twice for the same day.
    #[error("`{model}` of `{provider}` has a price from that day on already")]
    Duplicate {
        /// Which override.
        index: usize,
        /// Its model.
        model: String,
        /// Its provider.
        provider: String,
    },
    /// Local models have no prices.
    #[error("`local` models cost nothing, so `rates`, `long` and `tools` have no meaning")]
    LocalWithRates {
        /// Which override.
        index: usize,
    },
    /// Longer prompts have to come later.
    #[error("`long` begins with the shortest prompts and names each length once")]
    LongOrder {
        /// Which override.
        index: usize,
    },
    /// It says nothing about anything.
    #[error("`provider` and `models` are needed")]
    Nothing {
        /// Which override.
        index: usize,
    },
    /// Prices for special classes only.
    #[error("`rates` needs `standard`")]
    NoStandard {
        /// Which override.
        index: usize,
    },
}

impl OverrideError {
    /// Which override.
    pub fn index(&self) -> usize {
        match self {
            Self::Duplicate { index, .. }
            | Self::LocalWithRates { index }
            | Self::LongOrder { index }
            | Self::NoStandard { index }
            | Self::Nothing { index } => *index,
        }
    }
}

impl Override {
    /// All that is wrong with a list of them.
    pub fn problems(overrides: &[Self]) -> Vec<OverrideError> {
        let mut books: BTreeMap<String, (Names, Vec<Model>)> = BTreeMap::new();
        let mut problems = Vec::new();
        for (index, entry) in overrides.iter().enumerate() {
            let (names, models) = books.entry(entry.provider.to_ascii_lowercase()).or_default();
            let checked = entry.check(index).and_then(|()| entry.apply(index, names, models));
            problems.extend(checked.err());
        }
        problems
    }

    pub(crate) fn check(&self, index: usize) -> Result<(), OverrideError> {
        if self.provider.trim().is_empty()
            || self.models.is_empty()
            || self.models.iter().any(|m| m.trim().is_empty())
        {
            return Err(OverrideError::Nothing { index });
        }
        let priced = !self.rates.is_empty() || !self.long.is_empty() || !self.tools.is_empty();
        if self.local && priced {
            return Err(OverrideError::LocalWithRates { index });
        }
        if priced && !self.rates.contains_key(&Tier::Standard) {
            return Err(OverrideError::NoStandard { index });
        }
        if !self.long.is_sorted_by(|a, b| a.above < b.above) {
            return Err(OverrideError::LongOrder { index });
        }
        Ok(())
    }

    /// Puts it under each of its names.
    pub(crate) fn apply(
        &self,
        index: usize,
        names: &mut Names,
        models: &mut Vec<Model>,
    ) -> Result<(), OverrideError> {
        for name in &self.models {
            let at = names.entry(name).unwrap_or_else(|| {
                names.insert(name, models.len());
                models.push(Model { ids: vec![name.clone()], ..Model::default() });
                models.len() - 1
            });
            let Some(model) = models.get_mut(at) else { continue };
            if model.prices.iter().any(|price| price.from == self.from) {
                let (model, provider) = (name.clone(), self.provider.clone());
                return Err(OverrideError::Duplicate { index, model, provider });
            }
            model.local |= self.local;
            model.context = self.context.or(model.context);
            model.max_output = self.max_output.or(model.max_output);
            model.function_calling = self.function_calling.or(model.function_calling);
            model.thinking = self.thinking.or(model.thinking);
            model.vision = self.vision.or(model.vision);
            model.prices.push(self.price());
            model.prices.sort_by_key(|price| price.from);
        }
        Ok(())
    }

    fn price(&self) -> Price {
        Price {
            from: self.from,
            source: String::from("configuration"),
            read: self.from.unwrap_or(Date::EPOCH),
            via: Vec::new(),
            rates: self.rates.clone(),
            long: self.long.clone(),
            windows: Vec::new(),
            tools: self.tools.clone(),
        }
    }
}
