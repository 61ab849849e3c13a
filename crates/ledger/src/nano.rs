//! Money: whole nano-USD, never negative, never a float. Knows no prices.

use std::fmt;
use std::iter::Sum;

use serde::{Deserialize, Serialize};

use crate::decimal;

/// An amount in billionths of a dollar.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Nano(u64);

impl Nano {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that can be counted; also the most that a signed 64-bit column holds.
    pub const MAX: Self = Self(i64::MAX as u64);

    /// That many billionths of a dollar, at most [`Nano::MAX`].
    pub fn new(billionths: u64) -> Self {
        Self(billionths.min(Self::MAX.0))
    }

    /// What a database column holds; nothing for a negative number.
    pub fn from_i64(billionths: i64) -> Option<Self> {
        u64::try_from(billionths).ok().map(Self)
    }

    /// Dollars as a JSON number or plain text tells them (`0.00014`, `9.5e-05`), rounded half up to a billionth.
    /// Nothing if negative or no number.
    pub fn from_dollars(text: &str) -> Option<Self> {
        Self::from_decimal(text, 9)
    }

    /// `text` in units of which `10^scale` nano-USD make one.
    pub(crate) fn from_decimal(text: &str, scale: i32) -> Option<Self> {
        decimal::scaled(text, scale).map(|(value, _)| Self::new(u64::try_from(value).unwrap_or(u64::MAX)))
    }

    /// Billionths of a dollar.
    pub fn get(self) -> u64 {
        self.0
    }

    /// Billionths of a dollar for a signed column; always fits.
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The sum, or nothing beyond [`Nano::MAX`].
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).filter(|sum| *sum <= Self::MAX.0).map(Self)
    }

    /// The difference, or nothing if it were negative.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// The sum, at most [`Nano::MAX`].
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self::new(self.0.saturating_add(other.0))
    }

    /// The difference, at least 0.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// That many times as much, at most [`Nano::MAX`].
    #[must_use]
    pub fn saturating_mul(self, times: u64) -> Self {
        Self::new(self.0.saturating_mul(times))
    }
}

/// Dollars with as many decimals as there are, at least two: `$0.000123`, `$12.00`.
impl fmt::Display for Nano {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BILLION: u64 = 1_000_000_000;
        let decimals = format!("{:09}", self.0 % BILLION);
        let shown = decimals.trim_end_matches('0');
        f.pad(&format!("${}.{shown:0<2}", self.0 / BILLION))
    }
}

impl Sum for Nano {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_as_dollars() {
        let shown =
            [0, 1, 10_000_000, 123_000, 12_000_000_000, 1_234_567_890_123].map(|n| Nano(n).to_string());
        assert_eq!(shown, ["$0.00", "$0.000000001", "$0.01", "$0.000123", "$12.00", "$1234.567890123"]);
        assert_eq!(format!("{:>8}", Nano(10_000_000)), "   $0.01");
    }

    #[test]
    fn arithmetic_neither_wraps_nor_goes_below_nothing() {
        assert_eq!(Nano::MAX.saturating_add(Nano(1)), Nano::MAX);
        assert_eq!(Nano::MAX.checked_add(Nano(1)), None);
        assert_eq!(Nano(3).saturating_sub(Nano(5)), Nano::ZERO);
        assert_eq!(Nano(3).checked_sub(Nano(5)), None);
        assert_eq!(Nano(3).saturating_mul(u64::MAX), Nano::MAX);
        assert_eq!([Nano(1), Nano(2)].into_iter().sum::<Nano>(), Nano(3));
        assert_eq!(Nano::MAX.to_i64(), i64::MAX);
        assert_eq!(Nano::from_i64(-1), None);
    }

    #[test]
    fn dollars_of_a_provider_are_read_without_a_float() {
        let read = ["0.00014", "9.5e-05", "1", "0", "1.5E1", "0.0000000005", "0.00000000049"]
            .map(Nano::from_dollars);
        assert_eq!(read, [140_000, 95_000, 1_000_000_000, 0, 15_000_000_000, 1, 0].map(|n| Some(Nano(n))));
        for wrong in ["-0.1", "", ".", "1.2.3", "abc", "1e", "1e999", "NaN"] {
            assert_eq!(Nano::from_dollars(wrong), None, "{wrong}");
        }
    }
}
