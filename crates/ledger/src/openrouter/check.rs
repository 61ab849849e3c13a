//! Compares the ids that a configuration names with what OpenRouter lists: gone, going, without tools, other prices.

use std::fmt;

use crate::catalogue::{Catalogue, Quote};
use crate::decimal::Rate;
use crate::moment::{Date, Moment};
use crate::openrouter::{Listed, Models};
use crate::price::{Rates, Tier};

/// A model that a configuration names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Its id at OpenRouter.
    pub id: String,
    /// Whether it is to call tools.
    pub tools: bool,
}

/// From when on something is worth a finding.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Days before a model may vanish.
    pub expiring_days: u32,
    /// Percent that a price differs from the known one.
    pub price_percent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { expiring_days: 30, price_percent: 1 }
    }
}

/// Something that is other than the configuration assumes. Its text says what and what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The id as configured.
    pub id: String,
    /// What is the matter.
    pub problem: Problem,
}

/// What is the matter with a model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// It may be gone since that day.
    Expired {
        /// The last day.
        on: Date,
    },
    /// It may be gone soon.
    Expiring {
        /// The last day.
        on: Date,
        /// Days until then.
        days: i64,
    },
    /// It is not listed.
    Missing {
        /// The ids most like it, the likest first.
        nearest: Vec<String>,
    },
    /// It takes no tools, or the list does not say that it does.
    NoTools,
    /// It costs other than the catalogue says.
    PriceChanged {
        /// Which of its prices.
        rate: &'static str,
        /// For a million tokens, as the catalogue has it.
        was: Rate,
        /// For a million tokens, as OpenRouter lists it.
        now: Rate,
    },
    /// It costs something the catalogue has a price for, but the list tells none that could be read.
    PriceUnknown,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Calls go on as before.
    Notice,
    /// Calls will fail, or cost other than shown.
    Warning,
    /// Calls fail.
    Error,
}

impl Problem {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::Expired { .. } | Self::Missing { .. } | Self::NoTools => Severity::Error,
            Self::Expiring { .. } | Self::PriceChanged { .. } => Severity::Warning,
            Self::PriceUnknown => Severity::Notice,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, problem } = self;
        match problem {
            Problem::Expired { on } => write!(f, "{id}: could be gone since {on}; choose another model"),
            Problem::Expiring { on, days: 0 } => write!(f, "{id}: can be gone after today, {on}"),
            Problem::Expiring { on, days: 1 } => write!(f, "{id}: can be gone after tomorrow, {on}"),
            Problem::Expiring { on, days } => write!(f, "{id}: can be gone after {on}, in {days} days"),
            Problem::Missing { nearest } if nearest.is_empty() => {
                write!(f, "{id}: OpenRouter lists no such model")
            }
            Problem::Missing { nearest } => {
                write!(f, "{id}: OpenRouter lists no such model; the nearest are {}", nearest.join(", "))
            }
            Problem::NoTools => write!(f, "{id}: takes no tools, so that agents cannot use it"),
            Problem::PriceChanged { rate, was, now } => {
                write!(f, "{id}: {rate} costs ${now} for a million tokens, not ${was}")
            }
            Problem::PriceUnknown => write!(f, "{id}: the list tells no price that can be read"),
        }
    }
}

/// What is the matter with the wanted models on that day, in their order. `known` has the prices that costs are
/// calculated with now; models that it does not know are not compared.
pub fn check(
    wanted: &[Wanted],
    listed: &Models,
    known: &Catalogue,
    on: Date,
    limits: Limits,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for wanted in wanted {
        let mut add = |problem| found.push(Finding { id: wanted.id.clone(), problem });
        let Some(model) = find(listed, &wanted.id) else {
            add(Problem::Missing { nearest: nearest(listed, &wanted.id) });
            continue;
        };
        if let Some(last) = model.expires {
            let days = last.days() - on.days();
            if days < 0 {
                add(Problem::Expired { on: last });
            } else if days <= i64::from(limits.expiring_days) {
                add(Problem::Expiring { on: last, days });
            }
        }
        if wanted.tools && model.tools != Some(true) {
            add(Problem::NoTools);
        }
        changes(model, known, on, limits).into_iter().for_each(&mut add);
    }
    found
}

fn changes(model: &Listed, known: &Catalogue, on: Date, limits: Limits) -> Vec<Problem> {
    let quote = known.price("openrouter", &model.id, Moment::start_of(on));
    let Some(was) = quote.as_ref().and_then(standard) else { return Vec::new() };
    let Some(now) = model.price.as_ref().and_then(|price| price.rates.get(&Tier::Standard)) else {
        return vec![Problem::PriceUnknown];
    };
    let changed = was.told().filter_map(|(rate, was)| {
        let (_, now) = now.told().find(|(name, _)| *name == rate)?;
        differs(was, now, limits.price_percent).then_some(Problem::PriceChanged { rate, was, now })
    });
    changed.collect()
}

fn standard<'a>(quote: &Quote<'a>) -> Option<&'a Rates> {
    match quote {
        Quote::Local { .. } => None,
        Quote::Price { price, .. } => price.rates.get(&Tier::Standard),
    }
}

/// Whether `now` is more than so many percent off `was`.
fn differs(was: Rate, now: Rate, percent: u32) -> bool {
    let (was, now) = (u128::from(was.nano().get()), u128::from(now.nano().get()));
    was.abs_diff(now) * 100 > was * u128::from(percent)
}

/// The model of an id, also with a suffix that only says how to choose among its providers.
fn find<'a>(listed: &'a Models, id: &str) -> Option<&'a Listed> {
    const CHOICES: [&str; 4] = [":exacto", ":floor", ":nitro", ":online"];
    let base = || CHOICES.iter().find_map(|choice| id.strip_suffix(choice));
    listed.find(id).or_else(|| listed.find(base()?))
}

/// Up to three ids that look most like the wanted one.
fn nearest(listed: &Models, id: &str) -> Vec<String> {
    let score = |other: &str| strsim::jaro_winkler(&id.to_ascii_lowercase(), &other.to_ascii_lowercase());
    let mut likely: Vec<(f64, &str)> = listed
        .models
        .iter()
        .map(|model| (score(&model.id), model.id.as_str()))
        .filter(|(score, _)| *score > 0.8)
        .collect();
    likely.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    likely.into_iter().take(3).map(|(_, id)| id.to_owned()).collect()
}
