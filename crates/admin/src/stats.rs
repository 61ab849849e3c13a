//! `/api/stats`: numbers over calls, and the calls behind each number.
//!
//! What can be asked and what it means is the store's (`store::stats`); here are only words of addresses and shapes of answers. Who has the role
//! `self` gets the numbers of the own user's calls.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use jiff::Timestamp;
use lockgate_store::stats::{Bucket, Cell, Dimension, Line, Metric, Query, Slice, Table, Zone};
use lockgate_store::{Cursor, Limit, PageRequest};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::filter::moment;
use crate::guard::{Guard, Principal, Role, guarded};
use crate::input::Asked;
use crate::problem::Problem;
use crate::view::{Call, Listed, time};

/// The most rows of one answer: a chart of more shows nothing more.
const ROWS: usize = 20_000;

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .merge(guarded(Guard::From(Role::Own), routes!(show)))
        .merge(guarded(Guard::From(Role::Own), routes!(list)))
        .merge(guarded(Guard::From(Role::Own), routes!(metrics)))
}

/// Which calls; all conditions must hold. An empty value (`user=`) means calls that say nothing of it.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct StatsQuery {
    /// How the range of time is divided: `hour`, `day`, `week` or `month` of `zone`.
    bucket: Option<String>,
    /// By what calls are split, with commas between: `client`, `data_class`, `error`, `key`, `model`, `outcome`, `priced`, `project`, `provider`,
    /// `session`, `status`, `stop`, `user`. Empty = not at all; not given = as usual for the metric.
    #[param(example = "provider,model")]
    pub(crate) by: Option<String>,
    /// The client program.
    client: Option<String>,
    /// Where the page before ended: its `next` (`/api/stats/calls` only).
    cursor: Option<String>,
    /// How confidential the data of the key is: `public`, `internal`, `confidential`, `secret`.
    data_class: Option<String>,
    /// The last days of `zone`, today included (1 to 36,500), in place of `from`.
    #[param(example = 30)]
    days: Option<u32>,
    /// The kind of the error.
    error: Option<String>,
    /// `json` (if not given) or `csv`.
    format: Option<String>,
    /// From when, included: a time (`2026-11-21T08:00:00Z`), a day (`2026-11-21`, UTC), or how long ago (`90m`, `24h`, `7d`). Also called `since`.
    #[param(example = "7d")]
    #[serde(alias = "since")]
    from: Option<String>,
    /// The name of the key.
    key: Option<String>,
    /// How many entries a page has: 1 to 500 (more is taken as 500), 50 if not given (`/api/stats/calls` only).
    limit: Option<u16>,
    /// What is wanted; `/api/stats/metrics` lists all. Not used by `/api/stats/calls`.
    #[param(example = "cost")]
    metric: Option<String>,
    /// The model that the requested name stands for.
    model: Option<String>,
    /// What became of the call: `complete`, `failed`, `aborted`, `interrupted`.
    outcome: Option<String>,
    /// Whether the cost is known: `yes` or `no`.
    priced: Option<String>,
    /// The project of the key.
    project: Option<String>,
    /// The provider.
    provider: Option<String>,
    /// The session.
    session: Option<String>,
    /// The class of the status: `2xx`, `4xx`, `5xx`.
    status: Option<String>,
    /// Why the model stopped.
    stop: Option<String>,
    /// Until when, not included; like `from`. Also called `until`.
    #[serde(alias = "until")]
    to: Option<String>,
    /// The user.
    user: Option<String>,
    /// A time zone of the IANA database, UTC if not given: whose hours and days the buckets are.
    #[param(example = "Europe/Berlin")]
    zone: Option<String>,
}

impl StatsQuery {
    /// Which calls it is about.
    pub(crate) fn slice(&self, who: &Principal) -> Result<Slice, Problem> {
        let now = Timestamp::now();
        let at = |name: &str, text: &Option<String>| {
            text.as_deref().map(|text| moment(name, text, now)).transpose()
        };
        let from_us = match self.days {
            Some(_) if self.from.is_some() => {
                return Err(Problem::invalid("`days` and `from` both say where the time begins: name one"));
            }
            Some(days) => Some(first_of(days, self.zone.as_deref(), now)?),
            None => at("from", &self.from)?,
        };
        let mut slice = Slice { from_us, to_us: at("to", &self.to)?, values: BTreeMap::new() };
        for dimension in Dimension::ALL {
            let value = match dimension {
                Dimension::Client => &self.client,
                Dimension::DataClass => &self.data_class,
                Dimension::Error => &self.error,
                Dimension::Key => &self.key,
                Dimension::Model => &self.model,
                Dimension::Outcome => &self.outcome,
                Dimension::Priced => &self.priced,
                Dimension::Project => &self.project,
                Dimension::Provider => &self.provider,
                Dimension::Session => &self.session,
                Dimension::Status => &self.status,
                Dimension::Stop => &self.stop,
                Dimension::User => &self.user,
            };
            if let Some(value) = value {
                slice.values.insert(*dimension, Some(value.clone()).filter(|value| !value.is_empty()));
            }
        }
        if who.role == Role::Own {
            // Without a user nothing is one's own: no call has an empty one.
            slice.values.insert(Dimension::User, Some(who.user.clone().unwrap_or_default()));
        }
        Ok(slice)
    }

    fn query(&self, who: &Principal) -> Result<Query, Problem> {
        let invalid = |error: &dyn std::fmt::Display| Problem::invalid(error.to_string());
        let metric = self.metric.as_deref().unwrap_or_default();
        let metric = metric.parse::<Metric>().map_err(|error| invalid(&error))?;
        let bucket = self
            .bucket
            .as_deref()
            .map(|word| word_of("bucket", word, Bucket::of, Bucket::ALL.iter().map(|one| one.as_str())));
        let zone = self.zone.as_deref().map(Zone::of).transpose().map_err(|error| invalid(&error))?;
        let by = self.by.as_deref().map_or_else(|| Ok(metric.split().to_vec()), dimensions)?;
        let slice = self.slice(who)?;
        Ok(Query { bucket: bucket.transpose()?, by, metric, slice, zone: zone.unwrap_or_default() })
    }
}

/// Dimensions with commas between.
pub(crate) fn dimensions(words: &str) -> Result<Vec<Dimension>, Problem> {
    let words = words.split(',').map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| word_of("by", word, Dimension::of, Dimension::ALL.iter().map(|one| one.as_str())))
        .collect()
}

/// The most days that can be asked for.
const DAYS: u32 = 36_500;

/// When the last days of a zone begin.
fn first_of(days: u32, zone: Option<&str>, now: Timestamp) -> Result<i64, Problem> {
    if !(1..=DAYS).contains(&days) {
        return Err(Problem::invalid(format!("`days` is 1 to {DAYS}, not {days}; 1 is today")));
    }
    let zone = zone.map(Zone::of).transpose().map_err(|error| Problem::invalid(error.to_string()))?;
    Ok(zone.unwrap_or_default().days_begin(now.as_microsecond(), days))
}

/// One of the words that are there.
fn word_of<T>(
    name: &str,
    word: &str,
    of: impl Fn(&str) -> Option<T>,
    known: impl Iterator<Item = &'static str>,
) -> Result<T, Problem> {
    of(word).ok_or_else(|| {
        Problem::invalid(format!(
            "`{name}`: there is no `{word}`, but {}",
            known.collect::<Vec<_>>().join(", ")
        ))
    })
}

/// Numbers over calls: one metric, split and divided as asked for, as of one moment.
#[utoipa::path(get, path = "/api/stats", tag = "statistics", params(StatsQuery),
    responses((status = 200, body = Answer, description = "The numbers; with `format=csv` the rows as CSV."),
              (status = 400, description = "Something is not known: the message lists what is.")))]
async fn show(
    State(app): State<App>,
    who: Principal,
    Asked(asked): Asked<StatsQuery>,
) -> Result<Response, Problem> {
    let query = asked.query(&who)?;
    let csv = match asked.format.as_deref() {
        None | Some("json") => false,
        Some("csv") => true,
        Some(other) => {
            return Err(Problem::invalid(format!("`format`: there is no `{other}`, but json, csv")));
        }
    };
    let table = app.store()?.query(&query).await?;
    if table.rows.len() > ROWS {
        return Err(Problem::invalid(format!(
            "these are {} rows, and {ROWS} is the most: take a larger `bucket`, a shorter time or a smaller split",
            table.rows.len()
        )));
    }
    if csv {
        let kind =
            [(header::CONTENT_TYPE, "text/csv; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        return Ok((kind, table.csv()).into_response());
    }
    Ok(Json(Answer::from(&table)).into_response())
}

/// The calls that a number is made of, the latest first.
#[utoipa::path(get, path = "/api/stats/calls", tag = "statistics", params(StatsQuery),
    responses((status = 200, body = Listed<Call>)))]
async fn list(
    State(app): State<App>,
    who: Principal,
    Asked(asked): Asked<StatsQuery>,
) -> Result<Json<Listed<Call>>, Problem> {
    let cursor = asked.cursor.as_deref().map(str::parse::<Cursor>);
    let after = cursor.transpose().map_err(|error| Problem::invalid(format!("`cursor` is {error}")))?;
    let page = PageRequest { after, limit: asked.limit.map_or_else(Limit::default, Limit::of) };
    Ok(Json(Listed::of(app.store()?.calls_of(&asked.slice(&who)?, &page).await?)))
}

/// Every metric: what it tells, how it is split, its columns.
#[utoipa::path(get, path = "/api/stats/metrics", tag = "statistics", responses((status = 200, body = [Told])))]
async fn metrics() -> Json<Vec<Told>> {
    let told = |metric: &Metric| Told {
        by: metric.split().iter().map(|dimension| dimension.as_str()).collect(),
        columns: metric
            .figures()
            .into_iter()
            .map(|figure| Column::from(lockgate_store::stats::Column::of(figure)))
            .collect(),
        doc: metric.doc(),
        name: metric.as_str(),
    };
    Json(Metric::ALL.iter().map(told).collect())
}

/// A metric.
#[derive(Debug, Serialize, ToSchema)]
struct Told {
    /// By what it is split if nothing else is asked for.
    by: Vec<&'static str>,
    /// Its columns.
    columns: Vec<Column>,
    /// What it tells.
    doc: &'static str,
    /// Its name.
    name: &'static str,
}

/// An answer.
#[derive(Debug, Serialize, ToSchema)]
struct Answer {
    /// The metric.
    metric: &'static str,
    /// How the range of time is divided.
    bucket: Option<&'static str>,
    /// By what calls are split.
    by: Vec<&'static str>,
    /// The time zone of the buckets.
    zone: String,
    /// What the numbers are.
    columns: Vec<Column>,
    /// The rows that have a call: by time, then by number of calls, the most first.
    rows: Vec<Row>,
    /// All rows as one.
    total: Row,
}

/// What a number is.
#[derive(Debug, Serialize, ToSchema)]
struct Column {
    /// Its name in `values`.
    name: String,
    /// What it counts: `calls`, `nano_usd`, `ratio`, `sessions`, `tokens`, `us`.
    unit: &'static str,
    /// Whether the sum of the rows is the number of the total.
    additive: bool,
    /// What it means.
    doc: String,
    /// What to add to a row's `calls` to get the calls that this number counts.
    narrows: Option<String>,
}

impl From<lockgate_store::stats::Column> for Column {
    fn from(column: lockgate_store::stats::Column) -> Self {
        let narrows = column.narrows.map(|(dimension, value)| format!("{}={value}", dimension.as_str()));
        Self { name: column.name, unit: column.unit, additive: column.additive, doc: column.doc, narrows }
    }
}

/// A row.
#[derive(Debug, Serialize, ToSchema)]
struct Row {
    /// When its bucket begins.
    from: Option<String>,
    /// When it ends, not included.
    to: Option<String>,
    /// What the calls have in common; `null` = they say nothing of it.
    group: BTreeMap<&'static str, Option<String>>,
    /// The numbers by column; `null` = there is nothing of which it could be told.
    values: BTreeMap<String, Value>,
    /// Where its calls are.
    calls: String,
}

impl From<&Table> for Answer {
    fn from(table: &Table) -> Self {
        let row = |line: &Line| Row {
            from: line.span.map(|span| time(span.from_us)),
            to: line.span.map(|span| time(span.to_us)),
            group: table.by.iter().copied().zip(line.group.iter().cloned()).collect(),
            values: table
                .columns
                .iter()
                .map(|column| column.name.clone())
                .zip(line.cells.iter().map(number))
                .collect(),
            calls: address(&line.slice),
        };
        Self {
            metric: table.metric,
            bucket: table.bucket,
            by: table.by.clone(),
            zone: table.zone.clone(),
            columns: table.columns.iter().cloned().map(Column::from).collect(),
            rows: table.rows.iter().map(row).collect(),
            total: row(&table.total),
        }
    }
}

fn number(cell: &Cell) -> Value {
    match cell {
        Cell::Nothing => Value::Null,
        Cell::Ratio(ratio) => (*ratio).into(),
        Cell::Whole(number) => (*number).into(),
    }
}

/// Where the calls of a slice are.
fn address(slice: &Slice) -> String {
    let times = [("from", slice.from_us), ("to", slice.to_us)];
    let times = times.into_iter().filter_map(|(name, at)| Some((name, time(at?))));
    let values =
        slice.values.iter().map(|(dimension, value)| (dimension.as_str(), value.clone().unwrap_or_default()));
    let pairs: Vec<_> = times
        .chain(values)
        .map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, NON_ALPHANUMERIC)))
        .collect();
    if pairs.is_empty() {
        "/api/stats/calls".to_owned()
    } else {
        format!("/api/stats/calls?{}", pairs.join("&"))
    }
}
