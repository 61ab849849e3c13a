//! What is asked and what is answered. Every row says which calls it is made of.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::figure::{Figure, Sums};
use super::metric::Metric;
use super::slice::{Dimension, Slice};
use super::zone::{Bucket, Span, Zone};

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// How the range of time is divided. `None` = not at all.
    pub bucket: Option<Bucket>,
    /// By what the calls are split. Empty = as one.
    pub by: Vec<Dimension>,
    /// What is wanted.
    pub metric: Metric,
    /// Of which calls.
    pub slice: Slice,
    /// Whose days and hours the buckets are.
    pub zone: Zone,
}

impl Query {
    /// A metric over every call, split as usual.
    pub fn of(metric: Metric) -> Self {
        let by = metric.split().to_vec();
        Self { bucket: None, by, metric, slice: Slice::default(), zone: Zone::default() }
    }

    /// The calls that the question is about: its slice, and what the metric is about.
    pub fn about(&self) -> Option<Slice> {
        let Some((dimension, word)) = self.metric.about() else { return Some(self.slice.clone()) };
        match self.slice.values.get(&dimension) {
            Some(value) if value.as_deref() != Some(word) => None,
            _ => Some(self.slice.clone().with(dimension, Some(word))),
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    /// How the range of time is divided.
    pub bucket: Option<&'static str>,
    /// By what the calls are split.
    pub by: Vec<&'static str>,
    /// The columns of numbers.
    pub columns: Vec<Column>,
    /// What was wanted.
    pub metric: &'static str,
    /// The rows with a call in them: by time, then by number of calls, the most first.
    pub rows: Vec<Line>,
    /// All rows as one.
    pub total: Line,
    /// Whose days and hours the buckets are.
    pub zone: String,
}

/// A column of numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// Whether the sum of its rows is the number of their total.
    pub additive: bool,
    /// What it means.
    pub doc: String,
    /// Its name.
    pub name: String,
    /// What has to hold, beside the row's slice, for the calls that its numbers count: a dimension and its value.
    pub narrows: Option<(Dimension, &'static str)>,
    /// What its numbers count.
    pub unit: &'static str,
}

impl Column {
    /// The column of a figure.
    pub fn of(figure: Figure) -> Self {
        Self {
            additive: figure.measure().is_some(),
            doc: figure.doc(),
            name: figure.name(),
            narrows: figure.narrows(),
            unit: figure.unit().as_str(),
        }
    }
}

/// A row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The numbers, in the order of the columns.
    pub cells: Vec<Cell>,
    /// What the dimensions are that the calls are split by. `None` = the calls say nothing of it.
    pub group: Vec<Option<String>>,
    /// The calls that the numbers are made of.
    pub slice: Slice,
    /// The bucket.
    pub span: Option<Span>,
}

/// A number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// There is nothing of which it could be told.
    Nothing,
    /// A part of one.
    Ratio(f64),
    /// A whole number.
    Whole(i64),
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_none(),
            Self::Ratio(ratio) => serializer.serialize_f64(*ratio),
            Self::Whole(number) => serializer.serialize_i64(*number),
        }
    }
}

/// What the calls of a row have in common.
pub type Place = (Option<Span>, Vec<Option<String>>);

impl Table {
    /// The answer to a question, out of what is known of each row's calls.
    pub fn of(query: &Query, sums: BTreeMap<Place, Sums>) -> Self {
        let figures = query.metric.figures();
        let cells = |sums: &Sums| figures.iter().map(|figure| figure.cell(sums)).collect::<Vec<_>>();
        let about = query.about().unwrap_or_else(|| query.slice.clone());
        let mut all = Sums::default();
        let mut rows = Vec::with_capacity(sums.len());
        for ((span, group), sums) in sums {
            all.merge(&sums);
            let mut slice = about.clone();
            for (dimension, value) in query.by.iter().zip(&group) {
                slice = slice.with(*dimension, value.as_deref());
            }
            if let Some(span) = span {
                slice = slice.within(span.from_us, span.to_us);
            }
            rows.push((sums.of(super::Measure::Calls), Line { cells: cells(&sums), group, slice, span }));
        }
        rows.sort_by_key(|(calls, line)| (line.span, std::cmp::Reverse(*calls)));
        Self {
            bucket: query.bucket.map(Bucket::as_str),
            by: query.by.iter().map(|dimension| dimension.as_str()).collect(),
            columns: figures.iter().map(|figure| Column::of(*figure)).collect(),
            metric: query.metric.as_str(),
            rows: rows.into_iter().map(|(_, line)| line).collect(),
            total: Line { cells: cells(&all), group: Vec::new(), slice: about, span: None },
            zone: query.zone.name().to_owned(),
        }
    }

    /// The rows as CSV (RFC 4180), with a line of names. What is not known is empty.
    pub fn csv(&self) -> String {
        let mut lines = String::new();
        let times = if self.bucket.is_some() { &["from_us", "to_us"][..] } else { &[] };
        let names = times.iter().copied().chain(self.by.iter().copied());
        let names: Vec<_> = names.chain(self.columns.iter().map(|column| column.name.as_str())).collect();
        lines.push_str(&names.join(","));
        lines.push_str("\r\n");
        for row in &self.rows {
            let mut fields = Vec::with_capacity(names.len());
            fields
                .extend(row.span.iter().flat_map(|span| [span.from_us.to_string(), span.to_us.to_string()]));
            fields.extend(row.group.iter().map(|value| quoted(value.as_deref().unwrap_or_default())));
            fields.extend(row.cells.iter().map(|cell| match cell {
                Cell::Nothing => String::new(),
                Cell::Ratio(ratio) => ratio.to_string(),
                Cell::Whole(number) => number.to_string(),
            }));
            lines.push_str(&fields.join(","));
            lines.push_str("\r\n");
        }
        lines
    }
}

/// A text as a field. What a spreadsheet would take for a formula gets a quotation mark before it.
fn quoted(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}
