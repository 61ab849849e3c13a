//! `GET /v1/models`: a page of models, newest first as the provider lists them.
//!
//! Pages are cut by ids, as Anthropic does. A release date that nobody knows is the epoch, as Anthropic writes it.

use lockgate_core::ModelCard;
use serde::{Deserialize, Serialize};

use crate::card::Beyond;
use crate::json::{read_answer, to_client};
use crate::{DecodeError, ModelsFormat, ModelsPage};

/// Lists of models.
pub(super) struct Models;

/// How many models a page has, and at most.
const PAGE: usize = 20;
const PAGE_MAX: usize = 1000;

#[derive(Serialize)]
struct PageOut<'a> {
    data: Vec<ModelOut<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ModelOut<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lockgate: Option<Beyond<'a>>,
}

impl<'a> ModelOut<'a> {
    fn of(card: &'a ModelCard) -> Self {
        Self {
            kind: "model",
            id: &card.id,
            display_name: card.display_name.as_deref().unwrap_or(&card.id),
            created_at: timestamp(card.created.unwrap_or(0)),
            max_input_tokens: card.context,
            max_tokens: card.max_output,
            lockgate: Beyond::of(card),
        }
    }
}

#[derive(Deserialize)]
struct ListIn {
    data: Vec<ModelIn>,
}

#[derive(Deserialize)]
struct ModelIn {
    #[serde(default)]
    capabilities: Option<Capabilities>,
    #[serde(default)]
    created: Option<u64>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    display_name: Option<String>,
    id: String,
    #[serde(default)]
    max_input_tokens: Option<u64>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    owned_by: Option<String>,
}

#[derive(Default, Deserialize)]
struct Capabilities {
    #[serde(default)]
    image_input: Option<Support>,
    #[serde(default)]
    thinking: Option<Support>,
}

#[derive(Deserialize)]
struct Support {
    supported: bool,
}

fn can(told: Option<&Capabilities>, what: fn(&Capabilities) -> Option<&Support>) -> Option<bool> {
    Some(what(told?)?.supported)
}

impl ModelsFormat for Models {
    fn parse(&self, body: &[u8]) -> Result<Vec<ModelCard>, DecodeError> {
        let list: ListIn = read_answer(body)?;
        let cards = list.data.into_iter().map(|model| ModelCard {
            context: model.max_input_tokens,
            created: model.created_at.as_deref().and_then(seconds).filter(|at| *at > 0).or(model.created),
            display_name: model.display_name,
            id: model.id,
            max_output: model.max_tokens,
            owner: model.owned_by,
            price: None,
            remote: false,
            stands_for: None,
            thinking: can(model.capabilities.as_ref(), |can| can.thinking.as_ref()),
            tools: None,
            vision: can(model.capabilities.as_ref(), |can| can.image_input.as_ref()),
        });
        Ok(cards.collect())
    }

    fn write(&self, cards: &[ModelCard], page: &ModelsPage) -> Vec<u8> {
        let limit = page.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        let at = |id: &String| cards.iter().position(|card| card.id == *id);
        let from = page.after.as_ref().and_then(at).map_or(0, |at| at + 1);
        let to = page.before.as_ref().and_then(at).unwrap_or(cards.len()).max(from);
        // A page before an id is the one that ends there.
        let backwards = page.before.is_some() && page.after.is_none();
        let shown =
            if backwards { to.saturating_sub(limit).max(from)..to } else { from..to.min(from + limit) };
        let has_more = if backwards { shown.start > from } else { shown.end < to };
        let cards = &cards[shown];
        let list = PageOut {
            data: cards.iter().map(ModelOut::of).collect(),
            has_more,
            first_id: cards.first().map(|card| card.id.as_str()),
            last_id: cards.last().map(|card| card.id.as_str()),
        };
        let mut out = Vec::new();
        to_client(&list, &mut out);
        out
    }

    fn write_one(&self, card: &ModelCard) -> Vec<u8> {
        let mut out = Vec::new();
        to_client(&ModelOut::of(card), &mut out);
        out
    }
}

/// A time as RFC 3339 in UTC.
fn timestamp(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days since 0000-03-01, in eras of 400 years: leap days end a year that starts in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Seconds since 1970 of an RFC 3339 time in UTC; fractions are cut. `None` = not one.
fn seconds(text: &str) -> Option<u64> {
    let part = |from: usize, to: usize| text.get(from..to)?.parse::<u64>().ok();
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let time = (part(11, 13).unwrap_or(0), part(14, 16).unwrap_or(0), part(17, 19).unwrap_or(0));
    let (year, month_from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month_from_march + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + time.0 * 3600 + time.1 * 60 + time.2)
}
