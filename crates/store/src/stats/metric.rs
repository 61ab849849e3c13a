//! What can be asked: metrics, and the figures that each shows. docs/statistics.md is made from this.
//!
//! A new metric is a variant with a sentence, its figures and its usual split; nothing else knows it by name.

use serde::{Deserialize, Serialize};

use crate::call::words;

use super::figure::{Clock, Figure, Part};
use super::slice::Dimension;

words! {
    /// A metric: a set of figures, and by what they are split unless something else is asked for.
    Metric {
        /// What the providers' prompt caches did: tokens read from and written to them, and the share of the prompt that was read.
        Cache = "cache",
        /// What calls cost. Calls whose price is not known are counted beside it, not as 0.
        Cost = "cost",
        /// Failed calls by provider and kind of error.
        Errors = "errors",
        /// How long calls took: in all, to the first byte, and waiting here, as percentiles.
        Latency = "latency",
        /// Models: calls, tokens, cost and speed of each, by provider.
        Models = "models",
        /// Providers side by side: calls, success, cost, tokens, speed.
        Providers = "providers",
        /// What is known to have been saved: tokens that came from providers' prompt caches. Their worth in money is not told, since what a
        /// call would have cost without the cache is not recorded.
        Savings = "savings",
        /// Sessions and what they cost. A session counts in every row in which it has a call, so these do not add up.
        Sessions = "sessions",
        /// Why models stopped.
        Stops = "stops",
        /// What became of calls. Calls that the client gave up count neither as success nor as failure.
        Success = "success",
        /// Everything at a glance.
        Summary = "summary",
        /// Tokens by kind; the kinds do not overlap, but reasoning is a part of the output.
        Tokens = "tokens",
        /// Calls whose cost is not known, by provider and model.
        Unpriced = "unpriced",
        /// Calls, over time if a bucket is given.
        Volume = "volume",
    }
}

/// There is no such metric.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no metric `{asked}`; there are {}", Metric::ALL.iter().map(|metric| metric.as_str()).collect::<Vec<_>>().join(", "))]
pub struct NoMetric {
    asked: String,
}

impl std::str::FromStr for Metric {
    type Err = NoMetric;

    fn from_str(word: &str) -> Result<Self, NoMetric> {
        Self::of(word).ok_or_else(|| NoMetric { asked: word.chars().take(64).collect() })
    }
}

impl Metric {
    /// What it shows.
    pub fn figures(self) -> Vec<Figure> {
        use Figure as F;
        let clock =
            |clock, parts: &[Part]| parts.iter().map(|part| F::Time(clock, *part)).collect::<Vec<_>>();
        let quick = [Part::P50, Part::P95, Part::P99];
        let tokens = [F::InputUncached, F::CacheRead, F::CacheWrite, F::Output, F::Reasoning];
        let mut figures = vec![F::Calls];
        match self {
            Self::Cache => figures.extend([F::InputUncached, F::CacheRead, F::CacheWrite, F::CacheShare]),
            Self::Cost => figures.extend([F::Cost, F::CostPerCall, F::Unpriced]),
            Self::Errors | Self::Stops | Self::Volume => {}
            Self::Latency => {
                for which in [Clock::Total, Clock::Ttft, Clock::Queue] {
                    figures.extend(clock(which, Part::ALL));
                }
            }
            Self::Models => {
                figures.extend([F::SuccessRate, F::Cost, F::Unpriced]);
                figures.extend(tokens);
                figures.extend(clock(Clock::Total, &quick));
                figures.extend(clock(Clock::Ttft, &quick));
            }
            Self::Providers => {
                figures.extend([F::SuccessRate, F::Complete, F::Failed, F::Interrupted, F::Aborted]);
                figures.extend([F::Cost, F::CostPerCall, F::Unpriced]);
                figures.extend(tokens);
                figures.extend(clock(Clock::Total, &quick));
                figures.extend(clock(Clock::Ttft, &quick));
            }
            Self::Savings => figures.extend([F::CacheRead, F::CacheShare]),
            Self::Sessions => figures.extend([
                F::Sessions,
                F::Cost,
                F::Unpriced,
                F::CostPerSession,
                F::SessionCost(Part::P50),
                F::SessionCost(Part::P95),
                F::SessionCost(Part::Max),
            ]),
            Self::Success => {
                figures.extend([F::Complete, F::Failed, F::Interrupted, F::Aborted, F::SuccessRate]);
            }
            Self::Summary => {
                figures.extend([F::Complete, F::Failed, F::Interrupted, F::Aborted, F::SuccessRate]);
                figures.extend([F::Cost, F::Unpriced]);
                figures.extend(tokens);
                figures.extend([F::CacheShare, F::Unmetered, F::Estimated, F::Intervened]);
                figures.extend(clock(Clock::Total, &quick));
                figures.extend(clock(Clock::Ttft, &quick));
            }
            Self::Tokens => {
                figures.extend(tokens);
                figures.extend([F::Unmetered, F::Estimated]);
            }
            Self::Unpriced => figures.extend(tokens),
        }
        figures
    }

    /// By what it is split unless something else is asked for.
    pub const fn split(self) -> &'static [Dimension] {
        match self {
            Self::Errors => &[Dimension::Provider, Dimension::Error],
            Self::Models | Self::Unpriced => &[Dimension::Provider, Dimension::Model],
            Self::Providers => &[Dimension::Provider],
            Self::Stops => &[Dimension::Stop],
            Self::Cache
            | Self::Cost
            | Self::Latency
            | Self::Savings
            | Self::Sessions
            | Self::Success
            | Self::Summary
            | Self::Tokens
            | Self::Volume => &[],
        }
    }

    /// The calls that it is about, if not all.
    pub const fn about(self) -> Option<(Dimension, &'static str)> {
        match self {
            Self::Errors => Some((Dimension::Outcome, "failed")),
            Self::Unpriced => Some((Dimension::Priced, "no")),
            Self::Cache
            | Self::Cost
            | Self::Latency
            | Self::Models
            | Self::Providers
            | Self::Savings
            | Self::Sessions
            | Self::Stops
            | Self::Success
            | Self::Summary
            | Self::Tokens
            | Self::Volume => None,
        }
    }
}
