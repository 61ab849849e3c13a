//! Decimal text to whole numbers without a float between, and the prices that are made of it.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::nano::Nano;

/// What a million tokens or a thousand uses cost: dollars with at most nine decimals, kept exactly.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Rate(u64);

/// Text that is no price.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is no price: dollars with at most nine decimals, such as \"0.25\"")]
pub struct NotAPrice(pub String);

impl Rate {
    /// Reads dollars such as `0.25`. Anything that needs a tenth decimal is refused rather than rounded.
    pub fn parse(text: &str) -> Result<Self, NotAPrice> {
        Self::scaled(text, 9).ok_or_else(|| NotAPrice(text.to_owned()))
    }

    /// Reads dollars for one token, as some catalogues list them, as a price for a million.
    pub(crate) fn per_token(text: &str) -> Option<Self> {
        Self::scaled(text, 15)
    }

    /// Reads dollars for one use, as some catalogues list them, as a price for a thousand.
    pub(crate) fn per_use(text: &str) -> Option<Self> {
        Self::scaled(text, 12)
    }

    fn scaled(text: &str, scale: i32) -> Option<Self> {
        let (value, exact) = scaled(text, scale)?;
        let value = u64::try_from(value).ok().filter(|value| *value <= Nano::MAX.get())?;
        exact.then_some(Self(value))
    }

    /// Billionths of a dollar for the whole lot.
    pub fn nano(self) -> Nano {
        Nano::new(self.0)
    }

    /// What `count` of a lot of `lot` cost, rounded half up.
    pub(crate) fn of(self, count: u64, lot: u64) -> Nano {
        let product = u128::from(self.0) * u128::from(count);
        let lot = u128::from(lot.max(1));
        Nano::new(u64::try_from((product + lot / 2) / lot).unwrap_or(u64::MAX))
    }
}

/// Dollars without the sign: `0.25`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.nano().to_string();
        f.pad(dollars.trim_start_matches('$'))
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Dollars;
        impl Visitor<'_> for Dollars {
            type Value = Rate;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("dollars such as \"0.25\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                Rate::parse(text).map_err(E::custom)
            }
            fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<Rate, E> {
                self.visit_str(&dollars.to_string())
            }
            fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<Rate, E> {
                self.visit_str(&dollars.to_string())
            }
            // The shortest text that means this float is what its writer typed.
            fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<Rate, E> {
                self.visit_str(&dollars.to_string())
            }
        }
        deserializer.deserialize_any(Dollars)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Dollars with at most nine decimals.",
            "type": ["string", "number"],
            "format": "price",
            "pattern": r"^[0-9]{1,9}(\.[0-9]{1,9})?$",
            "minimum": 0
        })
    }
}

/// `text` times `10^scale` as a whole number, rounded half up, and whether nothing was rounded. Nothing for what is
/// negative, no decimal number, or too large.
pub(crate) fn scaled(text: &str, scale: i32) -> Option<(u128, bool)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if digits.is_empty() || digits.len() > 64 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // How many of the digits stand before the point once the scale is applied.
    let point = i32::try_from(whole.len()).ok()?.checked_add(scale)?.checked_add(exponent)?;
    if point > 64 && digits.iter().any(|digit| *digit != b'0') {
        return None;
    }
    let mut value: u128 = 0;
    for at in 0..point.clamp(0, 64) {
        let digit = digits.get(at as usize).map_or(0, |digit| u128::from(digit - b'0'));
        value = value.checked_mul(10)?.checked_add(digit)?;
    }
    let rest = if point < 0 { &digits[..] } else { digits.get(point as usize..).unwrap_or_default() };
    let exact = rest.iter().all(|digit| *digit == b'0');
    let up = point >= 0 && rest.first().is_some_and(|digit| *digit >= b'5');
    Some((value + u128::from(up), exact))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_kept_exactly() {
        for (text, nano) in [("0.003625", 3_625_000), ("3", 3_000_000_000), ("0.000000001", 1), ("0", 0)] {
            let rate = Rate::parse(text).unwrap();
            assert_eq!(rate.nano().get(), nano);
            assert_eq!(Rate::parse(&rate.to_string()), Ok(rate), "{text} reads back");
        }
        assert_eq!(Rate::per_token("0.00000015"), Rate::parse("0.15").ok());
        assert_eq!(Rate::per_token("1.5e-7"), Rate::parse("0.15").ok());
    }

    #[test]
    fn what_is_no_price_is_refused_and_not_rounded() {
        for text in ["-1", "0.0000000001", "", "free", "1,5", "99999999999", "0x10", "١"] {
            assert_eq!(Rate::parse(text), Err(NotAPrice(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_part_is_rounded_once_half_up() {
        let rate = Rate::parse("0.5").unwrap();
        assert_eq!(rate.of(1, 1_000_000), Nano::new(500));
        let odd = Rate::parse("0.0000015").unwrap();
        assert_eq!(odd.of(333, 1_000_000), Nano::ZERO, "0.4995 of a nano-dollar");
        assert_eq!(odd.of(334, 1_000_000), Nano::new(1), "0.501");
        assert_eq!(Rate::parse("0.000001").unwrap().of(500, 1_000_000), Nano::new(1), "exactly a half");
        assert_eq!(rate.of(u64::MAX, 1), Nano::MAX);
    }

    #[test]
    fn numbers_in_json_and_yaml_are_read_as_they_were_written() {
        let read: Vec<Rate> = serde_json::from_str(r#"["0.1", 0.1, 3, 0.000001]"#).unwrap();
        assert_eq!(
            read.iter().map(Rate::to_string).collect::<Vec<_>>(),
            ["0.10", "0.10", "3.00", "0.000001"]
        );
        let yaml: Vec<Rate> = serde_saphyr::from_str("[0.1, \"0.1\", 3, 1.25]").unwrap();
        assert_eq!(
            yaml.iter().map(|rate| rate.nano().get()).collect::<Vec<_>>(),
            [100_000_000, 100_000_000, 3_000_000_000, 1_250_000_000]
        );
    }
}
