//! Usage times price. Each kind of token and each tool is a part of its own, rounded once, half up, to a nano-dollar;
//! the total is the sum of the parts.
//!
//! Usage comes in buckets that do not overlap (`lockgate_core::Usage`): nothing is subtracted here, so that what was
//! read from a cache is counted once. What cannot be told is unknown with a reason, never 0.

use lockgate_core::Usage;
use serde::{Deserialize, Serialize};

use crate::catalogue::Quote;
use crate::decimal::Rate;
use crate::moment::Moment;
use crate::nano::Nano;
use crate::price::{Per, Price, Rates, Tier};

impl Terms {
    /// Takes over what a later part of the same answer says.
    pub fn merge(&mut self, later: Self) {
        self.told = later.told.or(self.told);
        self.tier = later.tier.or(self.tier);
        if later.media != Media::default() {
            self.media = later.media;
        }
    }
}

/// What is known about a call beside its usage.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Terms {
    /// The class of service, where the caller knows better than the answer says (a batch, Anthropic's fast mode).
    pub tier: Option<Tier>,
    /// What the provider itself says that the call cost; goes before every calculation.
    pub told: Option<Nano>,
    /// Tokens that are not text.
    pub media: Media,
}

/// Tokens that are not text. Each is a part of a bucket of the usage.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Media {
    /// Sound in the prompt, part of what came from no cache.
    pub audio_input: u64,
    /// Sound in the answer.
    pub audio_output: u64,
    /// Images in the prompt, part of what came from no cache.
    pub image_input: u64,
    /// Images in the answer.
    pub image_output: u64,
}

/// What a call cost.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cost {
    /// The sum of the parts.
    pub total: Nano,
    /// What it is made of. Nothing that costs nothing because there was none of it.
    pub parts: Vec<Share>,
    /// Where it comes from.
    pub basis: Basis,
    /// What the catalogue says, if it knows; differs from the total only where the provider told its own cost.
    pub table: Option<Nano>,
    /// Whether it may still turn out otherwise: usage was estimated, a price had to be taken from a similar one, or a
    /// tool has free uses.
    pub estimated: bool,
}

impl Cost {
    /// What is kept of it beside the total: its parts in nano-USD by name, where it comes from, whether it is an estimate, and what the
    /// catalogue says where the provider told its own.
    pub fn detail(&self) -> serde_json::Value {
        let parts = self.parts.iter().map(|share| (share.part.word(), share.amount.to_i64().into()));
        let mut detail = serde_json::json!({
            "basis": self.basis,
            "estimated": self.estimated,
            "parts": parts.collect::<serde_json::Map<_, _>>(),
        });
        if let (Basis::Provider, Some(table)) = (self.basis, self.table) {
            detail["table"] = table.to_i64().into();
        }
        detail
    }
}

/// Where a cost comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The model runs on machines of the operator.
    Local,
    /// The provider told it.
    Provider,
    /// Usage and the catalogue.
    Table,
}

/// A part of a cost.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Share {
    /// Of what.
    pub part: Part,
    /// How many tokens or uses; 0 where the provider told an amount only.
    pub units: u64,
    /// What they cost.
    pub amount: Nano,
}

/// What a part of a cost is for.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Sound in the prompt.
    AudioInput,
    /// Sound in the answer.
    AudioOutput,
    /// Prompt tokens read from the cache.
    CacheRead,
    /// Prompt tokens written to the cache for its long lifetime.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
    /// Prompt tokens written to the cache for its short or only lifetime.
    #[serde(rename = "cache_write_5m")]
    CacheWrite5m,
    /// Images in the prompt.
    ImageInput,
    /// Images in the answer.
    ImageOutput,
    /// Text of the prompt that came from no cache.
    Input,
    /// Text of the answer.
    Output,
    /// Thoughts.
    Reasoning,
    /// All of it, as the provider told.
    Told,
    /// A tool that the provider ran.
    Tool(String),
}

impl Part {
    /// Its name: that of the bucket, or of the tool.
    fn word(&self) -> String {
        match self {
            Self::AudioInput => "audio_input",
            Self::AudioOutput => "audio_output",
            Self::CacheRead => "cache_read",
            Self::CacheWrite1h => "cache_write_1h",
            Self::CacheWrite5m => "cache_write_5m",
            Self::ImageInput => "image_input",
            Self::ImageOutput => "image_output",
            Self::Input => "input",
            Self::Output => "output",
            Self::Reasoning => "reasoning",
            Self::Told => "told",
            Self::Tool(name) => return format!("tool:{name}"),
        }
        .to_owned()
    }
}

impl Part {
    const PLAIN: [Self; 11] = [
        Self::AudioInput,
        Self::AudioOutput,
        Self::CacheRead,
        Self::CacheWrite1h,
        Self::CacheWrite5m,
        Self::ImageInput,
        Self::ImageOutput,
        Self::Input,
        Self::Output,
        Self::Reasoning,
        Self::Told,
    ];

    /// The parts that [`Cost::detail`] named, with their nano-USD. What an unknown version may have named is left out.
    pub fn of_detail(detail: &serde_json::Value) -> Vec<(Self, i64)> {
        let of = |word: &str| match word.strip_prefix("tool:") {
            Some(tool) => Some(Self::Tool(tool.to_owned())),
            None => Self::PLAIN.into_iter().find(|part| part.word() == word),
        };
        let parts = detail["parts"].as_object().into_iter().flatten();
        parts.filter_map(|(word, amount)| Some((of(word)?, amount.as_i64()?))).collect()
    }
}

/// Why a cost is not known.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The catalogue has no price for the model.
    #[error("no price is known for the model")]
    Price,
    /// The model's price says nothing about such calls.
    #[error("no price is known for calls of class `{0}`")]
    Tier(String),
    /// The price says nothing about a tool that was used.
    #[error("no price is known for the tool `{0}`")]
    Tool(String),
    /// The provider told no usage.
    #[error("the usage is not known")]
    Usage,
}

/// What a call with this usage cost.
pub fn cost(usage: &Usage, quote: Option<&Quote<'_>>, terms: &Terms) -> Result<Cost, Unknown> {
    let known = match quote {
        None => Err(Unknown::Price),
        Some(Quote::Local { .. }) => Ok(Bill::default().cost(Basis::Local)),
        Some(Quote::Price { at, price, .. }) => table(usage, price, *at, terms),
    };
    let Some(told) = terms.told else { return known };
    Ok(Cost {
        total: told,
        parts: vec![Share { part: Part::Told, units: 0, amount: told }],
        basis: Basis::Provider,
        table: known.ok().map(|cost| cost.total),
        estimated: false,
    })
}

fn table(usage: &Usage, price: &Price, at: Moment, terms: &Terms) -> Result<Cost, Unknown> {
    let word = usage.service_tier.as_deref().unwrap_or_default();
    let tier = terms.tier.or_else(|| Tier::of_word(word)).ok_or_else(|| Unknown::Tier(word.to_owned()))?;
    let input = usage.input_uncached.ok_or(Unknown::Usage)?;
    let prompt = usage.prompt().unwrap_or(input);
    let rates = price.rates(tier, prompt, at).ok_or_else(|| Unknown::Tier(name(tier)))?;
    let mut bill = Bill { estimated: usage.estimated, ..Bill::default() };
    bill.prompt(usage, input, rates, terms.media);
    match (rates.output, usage.output) {
        (Some(rate), Some(output)) => bill.answer(usage, output, rates, rate, terms.media),
        (Some(_), None) => return Err(Unknown::Usage),
        (None, Some(output)) if output > 0 => return Err(Unknown::Price),
        (None, Some(_) | None) => {}
    }
    bill.tools(usage, price)?;
    Ok(bill.cost(Basis::Table))
}

/// The class as prices and configuration call it.
fn name(tier: Tier) -> String {
    format!("{tier:?}").to_ascii_lowercase()
}

#[derive(Debug, Default)]
struct Bill {
    shares: Vec<Share>,
    estimated: bool,
}

/// Tokens are sold by the million.
const TOKENS: u64 = 1_000_000;
/// Uses of tools by the thousand.
const USES: u64 = 1_000;

impl Bill {
    fn add(&mut self, part: Part, units: u64, rate: Rate, lot: u64) {
        if units > 0 {
            self.shares.push(Share { part, units, amount: rate.of(units, lot) });
        }
    }

    /// The same at the price of something similar, if it has none of its own.
    fn add_like(&mut self, part: Part, units: Option<u64>, own: Option<Rate>, similar: Rate) {
        let units = units.unwrap_or(0);
        self.estimated |= units > 0 && own.is_none();
        self.add(part, units, own.unwrap_or(similar), TOKENS);
    }

    fn prompt(&mut self, usage: &Usage, input: u64, rates: &Rates, media: Media) {
        let audio = media.audio_input.min(input);
        let image = media.image_input.min(input - audio);
        self.add(Part::Input, input - audio - image, rates.input, TOKENS);
        self.add(Part::AudioInput, audio, rates.audio_input.unwrap_or(rates.input), TOKENS);
        self.add(Part::ImageInput, image, rates.image_input.unwrap_or(rates.input), TOKENS);
        let short = rates.cache_write_5m.unwrap_or(rates.input);
        self.add_like(Part::CacheRead, usage.cache_read, rates.cache_read, rates.input);
        self.add_like(Part::CacheWrite5m, usage.cache_write_5m, rates.cache_write_5m, rates.input);
        self.add_like(Part::CacheWrite1h, usage.cache_write_1h, rates.cache_write_1h, short);
    }

    fn answer(&mut self, usage: &Usage, output: u64, rates: &Rates, rate: Rate, media: Media) {
        let thoughts = usage.output_reasoning.unwrap_or(0).min(output);
        let shown = output - thoughts;
        let audio = media.audio_output.min(shown);
        let image = media.image_output.min(shown - audio);
        self.add(Part::Output, shown - audio - image, rate, TOKENS);
        self.add(Part::Reasoning, thoughts, rates.reasoning.unwrap_or(rate), TOKENS);
        self.add(Part::AudioOutput, audio, rates.audio_output.unwrap_or(rate), TOKENS);
        self.add(Part::ImageOutput, image, rates.image_output.unwrap_or(rate), TOKENS);
    }

    fn tools(&mut self, usage: &Usage, price: &Price) -> Result<(), Unknown> {
        for (tool, uses) in usage.server_tools.iter().filter(|(_, uses)| **uses > 0) {
            let plain = tool.strip_suffix("_requests").unwrap_or(tool);
            let listed = price.tools.get(plain).ok_or_else(|| Unknown::Tool(plain.to_owned()))?;
            let units = match listed.per {
                Per::Call => 1,
                Per::Use => *uses,
            };
            self.estimated |= listed.free_allowance;
            self.add(Part::Tool(plain.to_owned()), units, listed.price, USES);
        }
        Ok(())
    }

    fn cost(self, basis: Basis) -> Cost {
        let total = self.shares.iter().map(|share| share.amount).sum();
        Cost { total, parts: self.shares, basis, table: Some(total), estimated: self.estimated }
    }
}
