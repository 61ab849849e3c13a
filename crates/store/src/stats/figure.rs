//! The numbers that metrics show: what each is called, counts, is computed from, and whether it may be added up.
//!
//! Everything is computed from [`Sums`], which databases fill and which join without loss: so rows add up to their total, and percentiles
//! of a total come from the sketches of its parts, not from their percentiles.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::call::words;

use super::sketch::Sketch;
use super::slice::Dimension;
use super::table::Cell;

/// What is counted and added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Calls that the client gave up.
    Aborted,
    /// Prompt tokens read from a cache.
    CacheRead,
    /// Prompt tokens written to a cache.
    CacheWrite,
    /// Calls.
    Calls,
    /// Calls that the client got whole.
    Complete,
    /// The known costs, nano-USD.
    Cost,
    /// Calls whose tokens are estimated.
    Estimated,
    /// Calls that failed.
    Failed,
    /// Prompt tokens that came from no cache.
    InputUncached,
    /// Calls that the end of the gateway cut off.
    Interrupted,
    /// Calls that a policy intervened in.
    Intervened,
    /// Output tokens.
    Output,
    /// Output tokens that were thoughts.
    Reasoning,
    /// Calls whose tokens are not known.
    Unmetered,
    /// Calls whose cost is not known.
    Unpriced,
}

impl Measure {
    /// Every one.
    pub const ALL: [Self; 15] = [
        Self::Aborted,
        Self::CacheRead,
        Self::CacheWrite,
        Self::Calls,
        Self::Complete,
        Self::Cost,
        Self::Estimated,
        Self::Failed,
        Self::InputUncached,
        Self::Interrupted,
        Self::Intervened,
        Self::Output,
        Self::Reasoning,
        Self::Unmetered,
        Self::Unpriced,
    ];
}

words! {
    /// What is measured in time.
    Clock {
        /// Waiting here before the call went upstream.
        Queue = "queue",
        /// From the beginning to the last byte.
        Total = "total",
        /// From the beginning to the first byte of the answer.
        Ttft = "ttft",
    }
}

words! {
    /// What is told of a distribution.
    Part {
        /// the mean
        Mean = "mean",
        /// the median
        P50 = "p50",
        /// the 90th percentile
        P90 = "p90",
        /// the 95th percentile
        P95 = "p95",
        /// the 99th percentile
        P99 = "p99",
        /// the greatest
        Max = "max",
    }
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Calls.
    Calls,
    /// Microseconds.
    Micros,
    /// Nano-USD.
    NanoUsd,
    /// A part of one.
    Ratio,
    /// Sessions.
    Sessions,
    /// Tokens.
    Tokens,
}

impl Unit {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Micros => "us",
            Self::NanoUsd => "nano_usd",
            Self::Ratio => "ratio",
            Self::Sessions => "sessions",
            Self::Tokens => "tokens",
        }
    }
}

/// A column of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Calls that the client gave up.
    Aborted,
    /// Tokens read from a cache.
    CacheRead,
    /// The share of the prompt that was read from a cache.
    CacheShare,
    /// Tokens written to a cache.
    CacheWrite,
    /// Calls.
    Calls,
    /// Calls that the client got whole.
    Complete,
    /// The known costs.
    Cost,
    /// The mean of the known costs.
    CostPerCall,
    /// What a session cost on average.
    CostPerSession,
    /// Calls whose tokens are estimated.
    Estimated,
    /// Calls that failed.
    Failed,
    /// Prompt tokens that came from no cache.
    InputUncached,
    /// Calls that the end of the gateway cut off.
    Interrupted,
    /// Calls that a policy intervened in.
    Intervened,
    /// Output tokens.
    Output,
    /// Output tokens that were thoughts.
    Reasoning,
    /// What sessions cost, of all sessions in the row.
    SessionCost(Part),
    /// Sessions with a call in the row.
    Sessions,
    /// Complete calls of those that were complete, failed or cut off.
    SuccessRate,
    /// A time.
    Time(Clock, Part),
    /// Calls whose tokens are not known.
    Unmetered,
    /// Calls whose cost is not known.
    Unpriced,
}

impl Figure {
    /// The name of the column.
    pub fn name(self) -> String {
        match self {
            Self::Aborted => "aborted".to_owned(),
            Self::CacheRead => "cache_read".to_owned(),
            Self::CacheShare => "cache_share".to_owned(),
            Self::CacheWrite => "cache_write".to_owned(),
            Self::Calls => "calls".to_owned(),
            Self::Complete => "complete".to_owned(),
            Self::Cost => "cost_nano".to_owned(),
            Self::CostPerCall => "cost_per_call_nano".to_owned(),
            Self::CostPerSession => "cost_per_session_nano".to_owned(),
            Self::Estimated => "estimated".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::InputUncached => "input_uncached".to_owned(),
            Self::Interrupted => "interrupted".to_owned(),
            Self::Intervened => "intervened".to_owned(),
            Self::Output => "output".to_owned(),
            Self::Reasoning => "reasoning".to_owned(),
            Self::SessionCost(part) => format!("session_cost_{}_nano", part.as_str()),
            Self::Sessions => "sessions".to_owned(),
            Self::SuccessRate => "success_rate".to_owned(),
            Self::Time(clock, part) => format!("{}_{}_us", clock.as_str(), part.as_str()),
            Self::Unmetered => "unmetered".to_owned(),
            Self::Unpriced => "unpriced".to_owned(),
        }
    }

    /// What it counts.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Aborted
            | Self::Calls
            | Self::Complete
            | Self::Estimated
            | Self::Failed
            | Self::Interrupted
            | Self::Intervened
            | Self::Unmetered
            | Self::Unpriced => Unit::Calls,
            Self::CacheRead | Self::CacheWrite | Self::InputUncached | Self::Output | Self::Reasoning => {
                Unit::Tokens
            }
            Self::CacheShare | Self::SuccessRate => Unit::Ratio,
            Self::Cost | Self::CostPerCall | Self::CostPerSession | Self::SessionCost(_) => Unit::NanoUsd,
            Self::Sessions => Unit::Sessions,
            Self::Time(..) => Unit::Micros,
        }
    }

    /// The sum that it is, if it is one. Only sums of rows are the number of their total.
    pub const fn measure(self) -> Option<Measure> {
        Some(match self {
            Self::Aborted => Measure::Aborted,
            Self::CacheRead => Measure::CacheRead,
            Self::CacheWrite => Measure::CacheWrite,
            Self::Calls => Measure::Calls,
            Self::Complete => Measure::Complete,
            Self::Cost => Measure::Cost,
            Self::Estimated => Measure::Estimated,
            Self::Failed => Measure::Failed,
            Self::InputUncached => Measure::InputUncached,
            Self::Interrupted => Measure::Interrupted,
            Self::Intervened => Measure::Intervened,
            Self::Output => Measure::Output,
            Self::Reasoning => Measure::Reasoning,
            Self::Unmetered => Measure::Unmetered,
            Self::Unpriced => Measure::Unpriced,
            Self::CacheShare
            | Self::CostPerCall
            | Self::CostPerSession
            | Self::SessionCost(_)
            | Self::Sessions
            | Self::SuccessRate
            | Self::Time(..) => return None,
        })
    }

    /// The sums that it is computed from.
    pub fn measures(self) -> Vec<Measure> {
        use Measure as M;
        match self {
            Self::CacheShare => vec![M::CacheRead, M::CacheWrite, M::InputUncached],
            Self::Cost | Self::CostPerCall => vec![M::Calls, M::Cost, M::Unpriced],
            Self::SuccessRate => vec![M::Complete, M::Failed, M::Interrupted],
            other => other.measure().into_iter().collect(),
        }
    }

    /// Whether it needs the sums of each session.
    pub const fn is_of_sessions(self) -> bool {
        matches!(self, Self::CostPerSession | Self::SessionCost(_) | Self::Sessions)
    }

    /// What has to hold, beside the slice of the row, for the calls that it counts.
    pub const fn narrows(self) -> Option<(Dimension, &'static str)> {
        match self {
            Self::Aborted => Some((Dimension::Outcome, "aborted")),
            Self::Complete => Some((Dimension::Outcome, "complete")),
            Self::Failed => Some((Dimension::Outcome, "failed")),
            Self::Interrupted => Some((Dimension::Outcome, "interrupted")),
            Self::Cost | Self::CostPerCall => Some((Dimension::Priced, "yes")),
            Self::Unpriced => Some((Dimension::Priced, "no")),
            Self::CacheRead
            | Self::CacheShare
            | Self::CacheWrite
            | Self::Calls
            | Self::CostPerSession
            | Self::Estimated
            | Self::InputUncached
            | Self::Intervened
            | Self::Output
            | Self::Reasoning
            | Self::SessionCost(_)
            | Self::Sessions
            | Self::SuccessRate
            | Self::Time(..)
            | Self::Unmetered => None,
        }
    }

    /// What it means.
    pub fn doc(self) -> String {
        let text = match self {
            Self::Aborted => "Calls that the client gave up.",
            Self::CacheRead => "Prompt tokens that the provider read from its cache.",
            Self::CacheShare => "`cache_read` of all prompt tokens.",
            Self::CacheWrite => "Prompt tokens that the provider wrote to its cache.",
            Self::Calls => "Calls.",
            Self::Complete => "Calls that the client got whole.",
            Self::Cost => "The known costs; nothing where none is known. Calls without one are `unpriced`.",
            Self::CostPerCall => "The mean of the known costs.",
            Self::CostPerSession => "The known costs by the number of sessions.",
            Self::Estimated => "Calls whose tokens are our estimate.",
            Self::Failed => "Calls that ended in an error.",
            Self::InputUncached => "Prompt tokens neither read from nor written to a cache.",
            Self::Interrupted => "Calls that the end of the gateway cut off.",
            Self::Intervened => "Calls in which a policy changed, refused or answered something.",
            Self::Output => "Output tokens, thoughts included.",
            Self::Reasoning => "Output tokens that were thoughts.",
            Self::Sessions => "Sessions with a call in the row.",
            Self::SuccessRate => "`complete` of `complete`, `failed` and `interrupted`.",
            Self::Unmetered => {
                "Calls of which neither prompt nor output tokens are known; they count as 0 tokens."
            }
            Self::Unpriced => "Calls whose cost is not known; in sums with others they count as 0.",
            Self::SessionCost(part) => return format!("Known cost of a session: {}, exact.", part.doc()),
            Self::Time(clock, part) => {
                let what = clock.doc().trim_end_matches('.');
                let exact = match part {
                    Part::Max | Part::Mean => "exact",
                    Part::P50 | Part::P90 | Part::P95 | Part::P99 => "within 1 %",
                };
                return format!("{what}: {}, {exact}.", part.doc());
            }
        };
        text.to_owned()
    }

    /// The number.
    pub fn cell(self, sums: &Sums) -> Cell {
        let of = |measure| sums.of(measure);
        let ratio = |part: i64, whole: i64| {
            if whole == 0 { Cell::Nothing } else { Cell::Ratio(part as f64 / whole as f64) }
        };
        let mean = |sum: i64, count: i64| {
            if count == 0 { Cell::Nothing } else { Cell::Whole(sum / count) }
        };
        match self {
            Self::CacheShare => {
                let prompt = of(Measure::InputUncached) + of(Measure::CacheRead) + of(Measure::CacheWrite);
                ratio(of(Measure::CacheRead), prompt)
            }
            // What is not known is not 0.
            Self::Cost if of(Measure::Calls) > 0 && of(Measure::Unpriced) == of(Measure::Calls) => {
                Cell::Nothing
            }
            Self::CostPerCall => mean(of(Measure::Cost), of(Measure::Calls) - of(Measure::Unpriced)),
            Self::CostPerSession => {
                mean(sums.sessions.values().sum(), i64::try_from(sums.sessions.len()).unwrap_or(i64::MAX))
            }
            Self::SessionCost(part) => sums.session_cost(part),
            Self::Sessions => Cell::Whole(i64::try_from(sums.sessions.len()).unwrap_or(i64::MAX)),
            Self::SuccessRate => {
                let done = of(Measure::Complete);
                ratio(done, done + of(Measure::Failed) + of(Measure::Interrupted))
            }
            Self::Time(clock, part) => part.cell(sums.clock(clock)),
            sum => sum.measure().map_or(Cell::Nothing, |measure| Cell::Whole(of(measure))),
        }
    }
}

impl Part {
    /// The percentile, in thousandths.
    const fn permille(self) -> Option<u64> {
        match self {
            Self::Max | Self::Mean => None,
            Self::P50 => Some(500),
            Self::P90 => Some(900),
            Self::P95 => Some(950),
            Self::P99 => Some(990),
        }
    }

    fn cell(self, sketch: &Sketch) -> Cell {
        let value = match (self.permille(), self) {
            (Some(permille), _) => sketch.permille(permille),
            (None, Self::Mean) => sketch.mean().map(|mean| mean.round() as u64),
            (None, _) => sketch.greatest(),
        };
        value.map_or(Cell::Nothing, |value| Cell::Whole(i64::try_from(value).unwrap_or(i64::MAX)))
    }
}

/// What is known of some calls, as far as it was asked for. Joining two gives what is known of both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    clocks: [Sketch; 3],
    counts: [i64; Measure::ALL.len()],
    /// What each session cost, by its number in the database.
    pub sessions: HashMap<i64, i64>,
}

impl Sums {
    /// A sum.
    pub const fn of(&self, measure: Measure) -> i64 {
        self.counts[measure as usize]
    }

    /// Adds to a sum.
    pub const fn add(&mut self, measure: Measure, number: i64) {
        let sum = &mut self.counts[measure as usize];
        *sum = sum.saturating_add(number);
    }

    /// The times that a clock measured.
    pub const fn clock(&self, clock: Clock) -> &Sketch {
        &self.clocks[clock as usize]
    }

    /// The times that a clock measured, to add to them.
    pub const fn clock_mut(&mut self, clock: Clock) -> &mut Sketch {
        &mut self.clocks[clock as usize]
    }

    /// Adds what is known of other calls.
    pub fn merge(&mut self, other: &Self) {
        for measure in Measure::ALL {
            self.add(measure, other.of(measure));
        }
        for (mine, theirs) in self.clocks.iter_mut().zip(&other.clocks) {
            mine.merge(theirs);
        }
        for (session, cost) in &other.sessions {
            *self.sessions.entry(*session).or_default() += cost;
        }
    }

    fn session_cost(&self, part: Part) -> Cell {
        let mut costs: Vec<_> = self.sessions.values().copied().collect();
        let count = costs.len();
        if count == 0 {
            return Cell::Nothing;
        }
        let at = match (part.permille(), part) {
            (Some(permille), _) => (count * permille as usize).div_ceil(1_000).max(1) - 1,
            (None, Part::Mean) => {
                return Cell::Whole(costs.iter().sum::<i64>() / i64::try_from(count).unwrap_or(i64::MAX));
            }
            (None, _) => count - 1,
        };
        Cell::Whole(*costs.select_nth_unstable(at).1)
    }
}
