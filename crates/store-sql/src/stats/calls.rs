//! The statements of statistics on calls themselves.
//!
//! Only our own words and numbers become text of a statement; what somebody typed is an argument.

use std::fmt::Write as _;
use std::ops::Range;

use lockgate_store::stats::zone::{Axis, Grain};
use lockgate_store::stats::{Clock, Dimension, Measure, Slice, Sums};

use super::fact::Fact;
use crate::driver::{Flavour, Reader, Row, Sql};
use crate::fault::Fault;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    /// How time is divided.
    pub(super) axis: Option<&'a Axis>,
    pub(super) by: &'a [Dimension],
    pub(super) clocks: &'a [Clock],
    pub(super) measures: &'a [Measure],
    /// Whether each session (by its `seq`; 0 = none) has rows of its own.
    pub(super) sessions: bool,
    pub(super) slice: &'a Slice,
}

/// What one row of an answer says.
pub(super) struct Found {
    /// Sessions by their `seq`.
    pub(super) group: Vec<Option<String>>,
    pub(super) number: i64,
    pub(super) session: i64,
    pub(super) sums: Sums,
}

/// The quarter of an hour in which a call began.
pub(super) const SLOT: &str = "c.started_us / 900000000";

/// The session of a call.
pub(super) const SESSION: &str = "COALESCE(c.session, 0)";

/// The statement: the calls that began in a range, µs since 1970.
pub(super) fn statement(flavour: Flavour, range: &Range<i64>, ask: &Ask<'_>) -> Sql {
    let mut groups = Vec::new();
    groups.extend(ask.axis.map(number));
    groups.extend(ask.by.iter().map(|dimension| value(*dimension).to_owned()));
    groups.extend(ask.sessions.then(|| SESSION.to_owned()));
    let sums = ask.measures.iter().map(|measure| total(*measure));
    let clocks = ask.clocks.iter().map(|clock| times(*clock, flavour));
    let columns: Vec<_> = groups.iter().cloned().chain(sums).chain(clocks).collect();
    let mut sql = Sql::new("SELECT ");
    sql.add(&columns.join(", ")).add(" FROM calls c");
    within(&mut sql, range);
    conditions(&mut sql, ask.slice);
    grouped(&mut sql, groups.len());
    sql
}

/// Adds the range of time.
pub(super) fn within(sql: &mut Sql, range: &Range<i64>) {
    sql.add(" WHERE c.started_us >= ").arg(range.start).add(" AND c.started_us < ").arg(range.end);
}

/// Adds ` AND …` for every value of the slice.
pub(super) fn conditions(sql: &mut Sql, slice: &Slice) {
    for (dimension, value) in &slice.values {
        match (Fact::of(*dimension), value.as_deref()) {
            (None, Some(id)) => {
                sql.add(" AND c.session = (SELECT seq FROM sessions WHERE id = ").arg(id).add(")");
            }
            (None, None) => drop(sql.add(" AND c.session IS NULL")),
            (Some(fact), Some(value)) => drop(sql.add(" AND ").add(fact.sql()).add(" = ").arg(value)),
            (Some(fact), None) => drop(sql.add(" AND ").add(fact.sql()).add(" IS NULL")),
        }
    }
}

/// Groups by the first columns.
pub(super) fn grouped(sql: &mut Sql, columns: usize) {
    for place in 1..=columns {
        sql.add(if place == 1 { " GROUP BY " } else { ", " }).add(&place.to_string());
    }
}

/// A row of [`statement`].
pub(super) fn found(row: &Row, ask: &Ask<'_>) -> Result<Found, Fault> {
    let mut from = row.reader();
    let number = if ask.axis.is_some() { from.int()? } else { 0 };
    let group = ask.by.iter().map(|_| from.text_or_none()).collect::<Result<_, _>>()?;
    let session = if ask.sessions { from.int()? } else { 0 };
    let mut sums = Sums::default();
    for measure in ask.measures {
        sums.add(*measure, from.int()?);
    }
    for clock in ask.clocks {
        read_times(&mut from, *clock, &mut sums)?;
    }
    Ok(Found { group, number, session, sums })
}

/// A dimension, as text.
fn value(dimension: Dimension) -> &'static str {
    Fact::of(dimension).map_or("CAST(c.session AS TEXT)", Fact::sql)
}

/// What is added up, over all calls of a row.
pub(super) fn total(measure: Measure) -> String {
    let what = match measure {
        Measure::Aborted => "CASE WHEN c.outcome = 'aborted' THEN 1 ELSE 0 END",
        Measure::CacheRead => "c.cache_read",
        Measure::CacheWrite => "COALESCE(c.cache_write_5m, 0) + COALESCE(c.cache_write_1h, 0)",
        Measure::Calls => "1",
        Measure::Complete => "CASE WHEN c.outcome = 'complete' THEN 1 ELSE 0 END",
        Measure::Cost => "c.cost_nano",
        Measure::Estimated => "c.estimated",
        Measure::Failed => "CASE WHEN c.outcome = 'failed' THEN 1 ELSE 0 END",
        Measure::InputUncached => "c.input_uncached",
        Measure::Interrupted => "CASE WHEN c.outcome = 'interrupted' THEN 1 ELSE 0 END",
        Measure::Intervened => "c.intervened",
        Measure::Output => "c.output",
        Measure::Reasoning => "c.output_reasoning",
        Measure::Unmetered => "CASE WHEN c.input_uncached IS NULL AND c.output IS NULL THEN 1 ELSE 0 END",
        Measure::Unpriced => "CASE WHEN c.cost_nano IS NULL THEN 1 ELSE 0 END",
    };
    format!("CAST(COALESCE(sum({what}), 0) AS BIGINT)")
}

/// The times of a clock, with commas between them.
pub(super) fn times(clock: Clock, flavour: Flavour) -> String {
    let name = clock.as_str();
    match flavour {
        Flavour::Postgres => format!("string_agg(CAST(c.{name}_us AS TEXT), ',')"),
        Flavour::Sqlite => format!("group_concat(c.{name}_us, ',')"),
    }
}

/// Counts a column of [`times`].
pub(super) fn read_times(from: &mut Reader<'_>, clock: Clock, sums: &mut Sums) -> Result<(), Fault> {
    let sketch = sums.clock_mut(clock);
    let times = from.text_or_none()?.unwrap_or_default();
    for time in times.split(',').filter(|time| !time.is_empty()) {
        sketch.add(time.parse().map_err(|_| Fault::damaged("a time is no number"))?);
    }
    Ok(())
}

/// The number of a call's slot on an axis, as SQL.
fn number(axis: &Axis) -> String {
    let offset = match axis.segments() {
        [one] => one.offset.to_string(),
        many => {
            let mut text = "CASE".to_owned();
            for pair in many.windows(2) {
                let _ = write!(text, " WHEN {SLOT} < {} THEN {}", pair[1].from, pair[0].offset);
            }
            let last = many.last().map_or(0, |segment| segment.offset);
            let _ = write!(text, " ELSE {last} END");
            text
        }
    };
    match axis.grain() {
        Grain::Day => format!("({SLOT} + {offset}) / 96"),
        Grain::Hour => format!("({SLOT} + {offset}) / 4 * 4 - ({offset})"),
    }
}
