//! What calls cost, seen from outside: each dialect's usage to the nano-dollar, what holds for all usage, the shipped
//! prices, the configuration's, and OpenRouter's list.
#![cfg(test)]

mod catalogue;
mod costs;
mod openrouter;
mod overrides;
mod properties;

use std::sync::LazyLock;

use lockgate_ledger::{Catalogue, Date, Moment};

/// Read once for all cases of a property.
static SHIPPED: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::embedded().unwrap());

fn shipped() -> &'static Catalogue {
    &SHIPPED
}

/// `2026-11-21` or `2026-11-21 05:59`.
fn moment(text: &str) -> Moment {
    let (date, time) = text.split_once(' ').unwrap_or((text, "00:00"));
    let (hour, minute) = time.split_once(':').unwrap();
    let minute = hour.parse::<u16>().unwrap() * 60 + minute.parse::<u16>().unwrap();
    Moment { date: date.parse().unwrap(), minute }
}

fn today() -> Moment {
    moment("2026-11-21 12:00")
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}
