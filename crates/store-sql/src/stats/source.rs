//! The statements of statistics: the same question to what was counted beforehand (`stat_slots`) and to the calls themselves.
//!
//! Only our own words and numbers become text of a statement; what somebody typed is an argument.

use std::fmt::Write as _;
use std::ops::Range;

use lockgate_store::stats::zone::{Axis, Grain, SLOT_US};
use lockgate_store::stats::{Clock, Dimension, Measure, Slice, Sums};

use crate::driver::{Flavour, Reader, Row, Sql};
use crate::fault::Fault;

/// Where the numbers come from.
#[derive(Debug, Clone)]
pub(super) enum Source {
    /// Calls that began in a range, µs since 1970.
    Calls(Range<i64>),
    /// Hours since 1970 (UTC), which know neither people nor sessions ([`is_personal`]).
    Hours(Range<i64>),
    /// Slots.
    Slots(Range<i64>),
}

/// How time is divided.
#[derive(Debug, Clone, Copy)]
pub(super) enum Cut<'a> {
    /// By the numbers of an axis.
    Axis(&'a Axis),
    /// By slots.
    Slot,
    /// Not at all.
    Whole,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) by: &'a [Dimension],
    pub(super) clocks: &'a [Clock],
    pub(super) cut: Cut<'a>,
    pub(super) measures: &'a [Measure],
    /// Whether each session (by its `seq`; 0 = none) has rows of its own.
    pub(super) sessions: bool,
    pub(super) slice: &'a Slice,
}

/// What one row of an answer says.
pub(super) struct Found {
    pub(super) group: Vec<Option<String>>,
    pub(super) number: i64,
    pub(super) session: i64,
    pub(super) sums: Sums,
}

/// The statement.
pub(super) fn statement(flavour: Flavour, source: &Source, ask: &Ask<'_>) -> Sql {
    let mut groups = Vec::new();
    match ask.cut {
        Cut::Axis(axis) => groups.push(number(axis, source.slot())),
        Cut::Slot => groups.push(source.slot().to_owned()),
        Cut::Whole => {}
    }
    groups.extend(ask.by.iter().map(|dimension| source.value(*dimension).to_owned()));
    if ask.sessions {
        groups.push(source.session().to_owned());
    }
    let sums = ask.measures.iter().map(|measure| total(source.measure(*measure)));
    let clocks = ask.clocks.iter().flat_map(|clock| source.clock(*clock, flavour));
    let columns: Vec<_> = groups.iter().cloned().chain(sums).chain(clocks).collect();
    let mut sql = Sql::new("SELECT ");
    sql.add(&columns.join(", ")).add(" FROM ").add(source.tables(ask.slice));
    if ask.by.contains(&Dimension::Session) {
        sql.add(" LEFT JOIN sessions s ON s.seq = ").add(source.session());
    }
    source.within(&mut sql);
    conditions(&mut sql, source, ask.slice);
    if !groups.is_empty() {
        let places: Vec<_> = (1..=groups.len()).map(|place| place.to_string()).collect();
        sql.add(" GROUP BY ").add(&places.join(", "));
    }
    sql
}

/// Adds ` AND …` for every value of the slice; its range of time is the source's.
pub(super) fn conditions(sql: &mut Sql, source: &Source, slice: &Slice) {
    for (dimension, value) in &slice.values {
        match (dimension, value.as_deref()) {
            (Dimension::Session, Some(id)) => {
                let column = match source {
                    Source::Calls(_) => "c.session",
                    Source::Hours(_) | Source::Slots(_) => "h.session",
                };
                sql.add(" AND ").add(column).add(" = (SELECT seq FROM sessions WHERE id = ");
                sql.arg(id).add(")");
            }
            (Dimension::Session, None) => drop(sql.add(" AND ").add(source.sessionless())),
            (dimension, Some(value)) => {
                sql.add(" AND ").add(source.value(*dimension)).add(" = ").arg(value);
            }
            (dimension, None) => drop(sql.add(" AND ").add(source.value(*dimension)).add(" IS NULL")),
        }
    }
}

/// A row of [`statement`].
pub(super) fn found(row: &Row, source: &Source, ask: &Ask<'_>) -> Result<Found, Fault> {
    let mut from = row.reader();
    let number = match ask.cut {
        Cut::Axis(_) | Cut::Slot => from.int()?,
        Cut::Whole => 0,
    };
    let group = ask.by.iter().map(|_| from.text_or_none()).collect::<Result<_, _>>()?;
    let session = if ask.sessions { from.int()? } else { 0 };
    let mut sums = Sums::default();
    for measure in ask.measures {
        sums.add(*measure, from.int()?);
    }
    for clock in ask.clocks {
        source.read_clock(&mut from, *clock, &mut sums)?;
    }
    Ok(Found { group, number, session, sums })
}

impl Source {
    /// The tables, with the short names that everything here uses.
    ///
    /// SQLite joins in the order in which tables stand about a `CROSS JOIN`: the slots of the range one after the other, or, where only some groups
    /// are wanted, the slots of each of them by the index.
    fn tables(&self, slice: &Slice) -> &'static str {
        match self {
            Self::Calls(_) => "calls c",
            Self::Hours(_) => "stat_hours h CROSS JOIN stat_groups g",
            Self::Slots(_) if slice.values.keys().any(|dimension| *dimension != Dimension::Session) => {
                "stat_groups g CROSS JOIN stat_slots h"
            }
            Self::Slots(_) => "stat_slots h CROSS JOIN stat_groups g",
        }
    }

    pub(super) fn within(&self, sql: &mut Sql) {
        let (column, range) = match self {
            Self::Calls(range) => ("c.started_us", range),
            Self::Hours(range) => ("h.hour", range),
            Self::Slots(range) => ("h.slot", range),
        };
        sql.add(" WHERE ").add(column).add(" >= ").arg(range.start);
        sql.add(" AND ").add(column).add(" < ").arg(range.end);
        if matches!(self, Self::Hours(_) | Self::Slots(_)) {
            sql.add(" AND g.seq = h.stat_group");
        }
    }

    const fn slot(&self) -> &'static str {
        match self {
            Self::Calls(_) => "c.started_us / 900000000",
            Self::Hours(_) => "h.hour * 4",
            Self::Slots(_) => "h.slot",
        }
    }

    const fn session(&self) -> &'static str {
        match self {
            Self::Calls(_) => "COALESCE(c.session, 0)",
            Self::Hours(_) => "0",
            Self::Slots(_) => "h.session",
        }
    }

    const fn sessionless(&self) -> &'static str {
        match self {
            Self::Calls(_) => "c.session IS NULL",
            Self::Hours(_) => "0 = 0",
            Self::Slots(_) => "h.session = 0",
        }
    }

    /// A dimension, as text.
    const fn value(&self, dimension: Dimension) -> &'static str {
        let (call, group) = match dimension {
            Dimension::Client => ("c.client_name", "g.client"),
            Dimension::Error => ("c.error_kind", "g.error"),
            Dimension::Key => ("c.key_name", "g.key_name"),
            Dimension::Model => ("c.resolved_model", "g.model"),
            Dimension::Outcome => ("c.outcome", "g.outcome"),
            Dimension::Priced => ("CASE WHEN c.cost_nano IS NULL THEN 'no' ELSE 'yes' END", "g.priced"),
            Dimension::Project => ("c.project", "g.project"),
            Dimension::Provider => ("c.provider", "g.provider"),
            Dimension::Session => ("s.id", "s.id"),
            Dimension::Status => ("CAST(c.status / 100 AS TEXT) || 'xx'", "g.status"),
            Dimension::Stop => ("c.stop_reason", "g.stop"),
            Dimension::User => ("c.user_name", "g.user_name"),
        };
        match self {
            Self::Calls(_) => call,
            Self::Hours(_) | Self::Slots(_) => group,
        }
    }

    /// What is added up.
    const fn measure(&self, measure: Measure) -> &'static str {
        let (call, slot) = match measure {
            Measure::Aborted => (
                "CASE WHEN c.outcome = 'aborted' THEN 1 ELSE 0 END",
                "CASE WHEN g.outcome = 'aborted' THEN h.calls ELSE 0 END",
            ),
            Measure::CacheRead => ("c.cache_read", "h.cache_read"),
            Measure::CacheWrite => {
                ("COALESCE(c.cache_write_5m, 0) + COALESCE(c.cache_write_1h, 0)", "h.cache_write")
            }
            Measure::Calls => ("1", "h.calls"),
            Measure::Complete => (
                "CASE WHEN c.outcome = 'complete' THEN 1 ELSE 0 END",
                "CASE WHEN g.outcome = 'complete' THEN h.calls ELSE 0 END",
            ),
            Measure::Cost => ("c.cost_nano", "h.cost_nano"),
            Measure::Estimated => ("c.estimated", "h.estimated"),
            Measure::Failed => (
                "CASE WHEN c.outcome = 'failed' THEN 1 ELSE 0 END",
                "CASE WHEN g.outcome = 'failed' THEN h.calls ELSE 0 END",
            ),
            Measure::InputUncached => ("c.input_uncached", "h.input_uncached"),
            Measure::Interrupted => (
                "CASE WHEN c.outcome = 'interrupted' THEN 1 ELSE 0 END",
                "CASE WHEN g.outcome = 'interrupted' THEN h.calls ELSE 0 END",
            ),
            Measure::Intervened => ("c.intervened", "h.intervened"),
            Measure::Output => ("c.output", "h.output"),
            Measure::Reasoning => ("c.output_reasoning", "h.reasoning"),
            Measure::Unmetered => {
                ("CASE WHEN c.input_uncached IS NULL AND c.output IS NULL THEN 1 ELSE 0 END", "h.unmetered")
            }
            Measure::Unpriced => (
                "CASE WHEN c.cost_nano IS NULL THEN 1 ELSE 0 END",
                "CASE WHEN g.priced = 'no' THEN h.calls ELSE 0 END",
            ),
        };
        match self {
            Self::Calls(_) => call,
            Self::Hours(_) | Self::Slots(_) => slot,
        }
    }

    /// Sum, least, greatest and sketches of slots; of calls the times themselves, with commas between them.
    fn clock(&self, clock: Clock, flavour: Flavour) -> Vec<String> {
        let name = clock.as_str();
        match (self, flavour) {
            (Self::Calls(_), Flavour::Postgres) => {
                vec![format!("string_agg(CAST(c.{name}_us AS TEXT), ',')")]
            }
            (Self::Calls(_), Flavour::Sqlite) => vec![format!("group_concat(c.{name}_us, ',')")],
            (Self::Hours(_) | Self::Slots(_), flavour) => {
                let join = match flavour {
                    Flavour::Postgres => "string_agg",
                    Flavour::Sqlite => "group_concat",
                };
                vec![
                    total(&format!("h.{name}_sum")),
                    format!("min(h.{name}_least)"),
                    format!("max(h.{name}_greatest)"),
                    format!("{join}(h.{name}_sketch, '')"),
                ]
            }
        }
    }

    fn read_clock(&self, from: &mut Reader<'_>, clock: Clock, sums: &mut Sums) -> Result<(), Fault> {
        let sketch = sums.clock_mut(clock);
        match self {
            Self::Calls(_) => {
                let times = from.text_or_none()?.unwrap_or_default();
                for time in times.split(',').filter(|time| !time.is_empty()) {
                    sketch.add(time.parse().map_err(|_| Fault::damaged("a time is no number"))?);
                }
            }
            Self::Hours(_) | Self::Slots(_) => {
                let (sum, least) = (from.count()?, from.count_or_none()?);
                let (greatest, text) = (from.count_or_none()?, from.text_or_none()?);
                if let (Some(least), Some(greatest), Some(text)) = (least, greatest, text) {
                    let merged = sketch.merge_stored(&text, sum, least, greatest);
                    merged.map_err(|error| Fault::damaged(error.to_string()))?;
                }
            }
        }
        Ok(())
    }
}

fn total(what: &str) -> String {
    format!("CAST(COALESCE(sum({what}), 0) AS BIGINT)")
}

/// The number of a slot on an axis, as SQL.
fn number(axis: &Axis, slot: &str) -> String {
    let offset = match axis.segments() {
        [one] => one.offset.to_string(),
        many => {
            let mut text = "CASE".to_owned();
            for pair in many.windows(2) {
                let _ = write!(text, " WHEN {slot} < {} THEN {}", pair[1].from, pair[0].offset);
            }
            let last = many.last().map_or(0, |segment| segment.offset);
            let _ = write!(text, " ELSE {last} END");
            text
        }
    };
    match axis.grain() {
        Grain::Day => format!("({slot} + {offset}) / 96"),
        Grain::Hour => format!("({slot} + {offset}) / 4 * 4 - ({offset})"),
    }
}

/// Whether hours do not know a dimension: people and their programs, of which there are many.
pub(super) const fn is_personal(dimension: Dimension) -> bool {
    match dimension {
        Dimension::Client | Dimension::Key | Dimension::Project | Dimension::Session | Dimension::User => {
            true
        }
        Dimension::Error
        | Dimension::Model
        | Dimension::Outcome
        | Dimension::Priced
        | Dimension::Provider
        | Dimension::Status
        | Dimension::Stop => false,
    }
}

/// Whether a question can be answered from hours.
pub(super) fn is_coarse(ask: &Ask<'_>) -> bool {
    let whole_hours = match ask.cut {
        Cut::Axis(axis) => {
            let changes = &axis.segments()[1..];
            axis.segments().iter().all(|segment| segment.offset % HOUR == 0)
                && changes.iter().all(|segment| segment.from % HOUR == 0)
        }
        Cut::Slot => false,
        Cut::Whole => true,
    };
    whole_hours && !ask.sessions && !ask.by.iter().chain(ask.slice.values.keys()).any(|one| is_personal(*one))
}

/// The source with hours in place of the slots that make them up.
pub(super) fn coarse(source: Source) -> Vec<Source> {
    let Source::Slots(slots) = source else { return vec![source] };
    let (first, end) = ((slots.start + HOUR - 1).div_euclid(HOUR), slots.end.div_euclid(HOUR));
    if first >= end {
        return vec![Source::Slots(slots)];
    }
    let before = Some(Source::Slots(slots.start..first * HOUR)).filter(|_| slots.start < first * HOUR);
    let after = Some(Source::Slots(end * HOUR..slots.end)).filter(|_| end * HOUR < slots.end);
    before.into_iter().chain([Source::Hours(first..end)]).chain(after).collect()
}

/// Slots of an hour.
pub(super) const HOUR: i64 = 4;

/// The slots of a range of time that lie in it whole.
pub(super) const fn whole_slots(from_us: i64, to_us: i64) -> Range<i64> {
    let (first, end) = ((from_us + SLOT_US - 1).div_euclid(SLOT_US), to_us.div_euclid(SLOT_US));
    first..if end < first { first } else { end }
}
