//! Whether a policy has shown that it can be trusted with more: what people said of its verdicts, as numbers with their uncertainty.
//!
//! Pure arithmetic over counts. Who counts, and who asks before a policy is let refuse, is not known here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// 95 % of a normal distribution lie within so many standard deviations.
const Z: f64 = 1.959_963_984_540_054;

/// What is known of the verdicts of a policy, or of one of its rules.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Verdicts that said more than a note.
    pub fired: u64,
    /// Of these, those that people called right.
    pub right: u64,
    /// Tool calls of the same time, whether a policy said anything of them or not.
    pub tool_calls: u64,
    /// Of the verdicts, those that people called wrong.
    pub wrong: u64,
}

impl Evidence {
    /// Verdicts that people have spoken about.
    pub fn labelled(&self) -> u64 {
        self.right + self.wrong
    }

    /// Which share of the labelled verdicts is right; `None` where nobody has spoken.
    pub fn precision(&self) -> Option<Share> {
        Share::of(self.right, self.labelled())
    }

    /// Which share of the labelled verdicts is wrong; `None` where nobody has spoken.
    pub fn wrong_rate(&self) -> Option<Share> {
        Share::of(self.wrong, self.labelled())
    }

    /// How many wrong verdicts there are for a hundred tool calls, if those that nobody spoke about are wrong as often as the others.
    pub fn wrong_per_100_tool_calls(&self) -> Option<f64> {
        let rate = self.wrong_rate()?.value;
        (self.tool_calls > 0).then(|| 100.0 * rate * self.fired as f64 / self.tool_calls as f64)
    }
}

/// A share, and between what it lies with 95 % confidence (Wilson's interval).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The upper end.
    pub high: f64,
    /// The lower end.
    pub low: f64,
    /// As it was counted.
    pub value: f64,
}

impl Share {
    /// So many of so many; `None` of none.
    pub fn of(some: u64, all: u64) -> Option<Self> {
        if all == 0 || some > all {
            return None;
        }
        let n = all as f64;
        let value = some as f64 / n;
        let square = Z * Z;
        let centre = value + square / (2.0 * n);
        let spread = Z * (value * (1.0 - value) / n + square / (4.0 * n * n)).sqrt();
        let whole = 1.0 + square / n;
        Some(Self {
            high: ((centre + spread) / whole).min(1.0),
            low: ((centre - spread) / whole).max(0.0),
            value,
        })
    }
}

/// What a policy has to show before it may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// How many of its verdicts people must have labelled.
    #[schemars(range(min = 1))]
    pub labelled: u64,
    /// How large the share of wrong ones may be, at worst: the upper end of its 95 % interval. With 30 labels of which none is wrong, that is 0.114.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub wrong: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { labelled: 30, wrong: 0.12 }
    }
}

/// Why a policy may not refuse yet.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Unproven {
    /// Too few verdicts are labelled.
    #[error("{labelled} of its verdicts are labelled, and {needed} are needed")]
    Few {
        /// How many are.
        labelled: u64,
        /// How many must be.
        needed: u64,
    },
    /// Too many may be wrong.
    #[error(
        "{wrong} of {labelled} labelled verdicts are wrong: up to {:.1} % may be, and {:.1} % are allowed",
        100.0 * high, 100.0 * allowed
    )]
    Wrong {
        /// What is allowed.
        allowed: f64,
        /// The upper end of the interval.
        high: f64,
        /// How many are labelled.
        labelled: u64,
        /// How many of them are wrong.
        wrong: u64,
    },
}

/// Whether the evidence is enough to let a policy refuse; or what is missing.
pub fn promotable(evidence: &Evidence, bounds: &Bounds) -> Result<(), Unproven> {
    let labelled = evidence.labelled();
    let few = Unproven::Few { labelled, needed: bounds.labelled.max(1) };
    let Some(rate) = evidence.wrong_rate().filter(|_| labelled >= bounds.labelled) else { return Err(few) };
    if rate.high > bounds.wrong {
        let Evidence { wrong, .. } = *evidence;
        return Err(Unproven::Wrong { allowed: bounds.wrong, high: rate.high, labelled, wrong });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(right: u64, wrong: u64) -> Evidence {
        Evidence { fired: 100, right, tool_calls: 1_000, wrong }
    }

    /// Figures of Wilson's interval as statistics packages give them (R: `prop.test(…, correct = FALSE)`).
    #[test]
    fn a_share_comes_with_the_interval_that_others_compute() {
        for ((some, all), (low, high)) in [
            ((0, 30), (0.0, 0.1135)),
            ((30, 30), (0.8865, 1.0)),
            ((1, 10), (0.0179, 0.4042)),
            ((50, 100), (0.4038, 0.5962)),
        ] {
            let share = Share::of(some, all).unwrap();
            assert!(
                (share.low - low).abs() < 1e-4 && (share.high - high).abs() < 1e-4,
                "{some}/{all} {share:?}"
            );
        }
        assert_eq!(Share::of(0, 0), None);
    }

    #[test]
    fn wrong_verdicts_for_a_hundred_tool_calls_are_reckoned_from_the_labelled_ones() {
        assert_eq!(
            evidence(8, 2).wrong_per_100_tool_calls(),
            Some(2.0),
            "a fifth of 100 verdicts in 1,000 calls"
        );
        assert_eq!(evidence(0, 0).wrong_per_100_tool_calls(), None);
        assert_eq!(Evidence { tool_calls: 0, ..evidence(8, 2) }.wrong_per_100_tool_calls(), None);
    }

    #[test]
    fn a_policy_may_refuse_once_enough_of_its_verdicts_were_called_right() {
        let bounds = Bounds::default();
        assert_eq!(promotable(&evidence(30, 0), &bounds), Ok(()));
        assert_eq!(promotable(&evidence(29, 0), &bounds), Err(Unproven::Few { labelled: 29, needed: 30 }));
        let words = promotable(&evidence(30, 1), &bounds).unwrap_err().to_string();
        assert_eq!(words, "1 of 31 labelled verdicts are wrong: up to 16.2 % may be, and 12.0 % are allowed");
        assert_eq!(promotable(&evidence(99, 1), &bounds), Ok(()), "one wrong in many is little");
        let nothing = Bounds { labelled: 0, wrong: 1.0 };
        let none = promotable(&Evidence::default(), &nothing);
        assert_eq!(none, Err(Unproven::Few { labelled: 0, needed: 1 }), "without a label nothing is known");
    }

    proptest! {
        #[test]
        fn an_interval_holds_its_share_and_shrinks_with_more_labels(some in 0_u64..500, more in 0_u64..500) {
            let (all, share) = (some + more, Share::of(some, some + more));
            prop_assume!(all > 0);
            let share = share.unwrap();
            prop_assert!(0.0 <= share.low && share.low <= share.value + 1e-12);
            prop_assert!(share.value <= share.high + 1e-12 && share.high <= 1.0);
            let tenfold = Share::of(some * 10, all * 10).unwrap();
            prop_assert!(tenfold.high - tenfold.low <= share.high - share.low + 1e-12);
        }
    }
}
