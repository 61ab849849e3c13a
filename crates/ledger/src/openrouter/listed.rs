//! Reads the list. Tolerant of what it does not know, strict about prices.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decimal::{self, Rate};
use crate::moment::{Date, Hours};
use crate::price::{Long, Model, Per, Price, Rates, Tier, ToolPrice, Window};

/// Where the list is.
const SOURCE: &str = "https://openrouter.ai/api/v1/models";

/// The models that OpenRouter lists.
#[derive(Clone, Debug, Default)]
pub struct Models {
    /// Sorted by id.
    pub models: Vec<Listed>,
    /// Entries that could not be read at all.
    pub unread: usize,
}

/// A model that OpenRouter lists.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listed {
    /// What calls name it.
    pub id: String,
    /// Tokens that fit into it.
    pub context: Option<u64>,
    /// The longest answer in tokens.
    pub max_output: Option<u64>,
    /// Whether it takes tools; nothing where the list does not say.
    pub tools: Option<bool>,
    /// The day after which it may be gone.
    pub expires: Option<Date>,
    /// Its price; nothing where it differs by call or has conditions that cannot be expressed.
    pub price: Option<Price>,
}

/// The answer is not a list of models.
#[derive(Debug, thiserror::Error)]
#[error("not OpenRouter's list of models: {0}")]
pub struct ParseError(#[from] serde_json::Error);

impl Models {
    /// Reads the answer of `/api/v1/models`, fetched on that day.
    pub fn parse(answer: &[u8], fetched: Date) -> Result<Self, ParseError> {
        let answer: Answer<'_> = serde_json::from_slice(answer)?;
        let mut all = Self::default();
        for raw in answer.data {
            match serde_json::from_str::<Entry<'_>>(raw.get()) {
                Ok(entry) => all.models.push(entry.listed(fetched)),
                Err(_) => all.unread += 1,
            }
        }
        all.models.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// The model of that id.
    pub fn find(&self, id: &str) -> Option<&Listed> {
        self.models.iter().find(|model| model.id.eq_ignore_ascii_case(id))
    }

    /// Those with a price, as entries of the catalogue.
    pub(crate) fn priced(&self) -> impl Iterator<Item = Model> {
        self.models.iter().filter_map(|listed| {
            Some(Model {
                ids: vec![listed.id.clone()],
                context: listed.context,
                max_output: listed.max_output,
                function_calling: listed.tools,
                thinking: None,
                vision: None,
                retires: listed.expires,
                local: false,
                prices: vec![listed.price.clone()?],
            })
        })
    }
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    id: String,
    context_length: Option<u64>,
    expiration_date: Option<String>,
    #[serde(borrow, default)]
    pricing: Option<&'a RawValue>,
    supported_parameters: Option<Vec<String>>,
    top_provider: Option<TopProvider>,
}

#[derive(Deserialize)]
struct TopProvider {
    max_completion_tokens: Option<u64>,
}

/// Dollars for one token, as text.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct PerToken {
    audio: Option<String>,
    audio_output: Option<String>,
    completion: Option<String>,
    input_cache_read: Option<String>,
    input_cache_write: Option<String>,
    input_cache_write_1h: Option<String>,
    internal_reasoning: Option<String>,
    prompt: Option<String>,
}

/// The rest of a price.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Beside<'a> {
    discount: Option<f64>,
    #[serde(borrow)]
    overrides: Vec<&'a RawValue>,
    /// Dollars for each call.
    request: Option<String>,
    web_search: Option<String>,
}

/// When an override holds.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    min_prompt_tokens: Option<f64>,
    utc_days: Option<Vec<String>>,
    utc_end: Option<f64>,
    utc_start: Option<f64>,
}

impl Entry<'_> {
    fn listed(self, fetched: Date) -> Listed {
        let date = self.expiration_date.as_deref().and_then(|text| text.get(..10)?.parse().ok());
        Listed {
            price: self.pricing.and_then(|pricing| price(pricing, fetched)),
            id: self.id,
            context: self.context_length,
            max_output: self.top_provider.and_then(|provider| provider.max_completion_tokens),
            tools: self.supported_parameters.map(|all| all.iter().any(|parameter| parameter == "tools")),
            expires: date,
        }
    }
}

fn price(raw: &RawValue, fetched: Date) -> Option<Price> {
    let base: PerToken = serde_json::from_str(raw.get()).ok()?;
    let beside: Beside<'_> = serde_json::from_str(raw.get()).ok()?;
    if beside.discount.is_some_and(|discount| discount != 0.0)
        || !beside.request.as_deref().is_none_or(is_zero)
    {
        return None;
    }
    let mut price = Price {
        from: None,
        source: SOURCE.to_owned(),
        read: fetched,
        via: Vec::new(),
        rates: BTreeMap::from([(Tier::Standard, rates(&base)?)]),
        long: Vec::new(),
        windows: Vec::new(),
        tools: BTreeMap::new(),
    };
    if let Some(search) = beside.web_search.as_deref().filter(|search| !is_zero(search)) {
        let each = ToolPrice { price: Rate::per_use(search)?, per: Per::Use, free_allowance: false };
        price.tools.insert("web_search".to_owned(), each);
    }
    for raw in beside.overrides {
        conditional(raw, &base, &mut price)?;
    }
    price.long.sort_by_key(|long| long.above);
    price.long.is_sorted_by(|a, b| a.above < b.above).then_some(price)
}

/// Adds an override; nothing if it cannot be expressed.
fn conditional(raw: &RawValue, base: &PerToken, price: &mut Price) -> Option<()> {
    let condition: Condition = serde_json::from_str(raw.get()).ok()?;
    let own: PerToken = serde_json::from_str(raw.get()).ok()?;
    let rates = rates(&own.over(base))?;
    let timed = condition.utc_start.is_some() || condition.utc_end.is_some() || condition.utc_days.is_some();
    match (condition.min_prompt_tokens, timed) {
        (Some(above), false) => {
            price.long.push(Long { above: above as u64, rates: BTreeMap::from([(Tier::Standard, rates)]) });
        }
        (None, true) => {
            let window =
                Window { weekdays: weekdays(condition.utc_days.as_deref())?, utc: hours(&condition)?, rates };
            // The last one that applies holds there, the first one that applies here.
            price.windows.insert(0, window);
        }
        (Some(_), true) | (None, false) => return None,
    }
    // A long prompt at a special hour has no price that we could tell.
    (price.long.is_empty() || price.windows.is_empty()).then_some(())
}

fn weekdays(days: Option<&[String]>) -> Option<Vec<u8>> {
    const WEEK: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let Some(days) = days else { return Some((1..=7).collect()) };
    days.iter().map(|day| Some(u8::try_from(WEEK.iter().position(|name| name == day)?).ok()? + 1)).collect()
}

/// The window, whose bounds are clock numbers (1030 is half past ten) and which may go over midnight. Its weekday is that
/// of each moment.
fn hours(condition: &Condition) -> Option<Vec<Hours>> {
    let minute = |clock: f64| {
        let clock = clock as u16;
        (clock / 100 < 24 && clock % 100 < 60).then_some(clock / 100 * 60 + clock % 100)
    };
    let start = condition.utc_start.map_or(Some(0), minute)?;
    let end = condition
        .utc_end
        .map_or(Some(0), |clock| if clock as u16 == 2_400 { Some(0) } else { minute(clock) })?;
    if start < end || end == 0 {
        return Some(vec![Hours::new(start, end)?]);
    }
    Some(vec![Hours::new(0, end)?, Hours::new(start, 0)?])
}

impl PerToken {
    /// These, and those of `base` where there is none.
    fn over(self, base: &Self) -> Self {
        let base = base.clone();
        Self {
            audio: self.audio.or(base.audio),
            audio_output: self.audio_output.or(base.audio_output),
            completion: self.completion.or(base.completion),
            input_cache_read: self.input_cache_read.or(base.input_cache_read),
            input_cache_write: self.input_cache_write.or(base.input_cache_write),
            input_cache_write_1h: self.input_cache_write_1h.or(base.input_cache_write_1h),
            internal_reasoning: self.internal_reasoning.or(base.internal_reasoning),
            prompt: self.prompt.or(base.prompt),
        }
    }
}

/// Prices for a million; nothing if one of them is no price (−1 means that it differs by call).
fn rates(each: &PerToken) -> Option<Rates> {
    // A price of 0 beside a prompt that costs means that nothing separate is asked.
    let separate = |text: &Option<String>| match text {
        Some(text) if !is_zero(text) => Rate::per_token(text).map(Some),
        Some(_) | None => Some(None),
    };
    Some(Rates {
        input: Rate::per_token(each.prompt.as_deref()?)?,
        output: Some(Rate::per_token(each.completion.as_deref()?)?),
        cache_read: separate(&each.input_cache_read)?,
        cache_write_5m: separate(&each.input_cache_write)?,
        cache_write_1h: separate(&each.input_cache_write_1h)?,
        reasoning: separate(&each.internal_reasoning)?,
        audio_input: separate(&each.audio)?,
        audio_output: separate(&each.audio_output)?,
        image_input: None,
        image_output: None,
    })
}

fn is_zero(text: &str) -> bool {
    decimal::scaled(text, 0).is_some_and(|(value, exact)| value == 0 && exact)
}
