//! Statistics over recorded calls: one typed way to ask, whatever the database.
//!
//! A [`Query`] names a [`Metric`], a [`Slice`] of the calls, what splits them and how time is divided; the answer is a [`Table`] of which
//! every row carries the slice of its calls. Databases give [`Sums`], which join without loss, from what was counted beforehand for each
//! quarter of an hour ([`zone`]) and from the calls themselves where that is not up to date. Knows no prices and no budgets.

mod figure;
mod metric;
mod sketch;
mod slice;
mod table;
#[cfg(test)]
mod tests;
pub mod zone;

use std::time::Duration;

use async_trait::async_trait;

pub use figure::{Clock, Figure, Measure, Part, Sums, Unit};
pub use metric::{Metric, NoMetric};
pub use sketch::{NoSketch, Sketch};
pub use slice::{Dimension, Slice};
pub use table::{Cell, Column, Line, Place, Query, Table};
pub use zone::{Bucket, NoZone, Span, Zone};

use crate::call::Call;
use crate::error::Error;
use crate::filter::{Page, PageRequest};

/// Counts calls.
#[async_trait]
pub trait Stats: Send + Sync {
    /// Answers a question, as of one moment: every call that is stored counts once, whether or not it was counted beforehand.
    async fn query(&self, query: &Query) -> Result<Table, Error>;

    /// The calls that a number is made of, the latest first.
    async fn calls_of(&self, slice: &Slice, page: &PageRequest) -> Result<Page<Call>, Error>;

    /// Counts beforehand what changed in quarters of an hour that ended by `until_us`, for about so long. To be called again and again; several
    /// processes may.
    async fn roll(&self, until_us: i64, budget: Duration) -> Result<Rolled, Error>;
}

/// What one round of counting did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rolled {
    /// Whether there is more to do. False too where another process is at it.
    pub more: bool,
    /// Quarters of an hour that were counted.
    pub slots: u64,
}
