//! `lockgate stats`: numbers over recorded calls, as a table, CSV or JSON, and the calls behind them. What can be asked is the admin API's.

use clap::Args;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::call::{more, rows, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::quantity::{moment, money, span, tokens};
use crate::screen::{FAINT, STRONG, Screen, styled};
use crate::table::Table;

/// Arguments of `lockgate stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// What is wanted: cost, summary, latency, models, …; --list says all.
    #[arg(default_value = "summary")]
    metric: String,
    /// Print every metric with what it tells, instead of numbers.
    #[arg(long, conflicts_with_all = ["csv", "calls"])]
    list: bool,
    /// The last days, today included.
    #[arg(long, value_name = "NUMBER", conflicts_with = "from")]
    days: Option<u32>,
    /// From when: 2026-11-21, 2026-11-21T08:00:00Z, or how long ago (90m, 24h, 7d).
    #[arg(long, visible_alias = "since", value_name = "TIME")]
    from: Option<String>,
    /// Until when, not included.
    #[arg(long, visible_alias = "until", value_name = "TIME")]
    to: Option<String>,
    /// By what calls are split: provider, model, key, user, project, client, outcome, status, error, stop, priced, session, `data_class`; with
    /// commas between. "" = not at all; without it as usual for the metric.
    #[arg(long, value_name = "DIMENSIONS")]
    by: Option<String>,
    /// How time is divided.
    #[arg(long, value_parser = ["hour", "day", "week", "month"])]
    bucket: Option<String>,
    /// Whose hours and days these are: Europe/Berlin. Without it UTC.
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    #[command(flatten)]
    only: Only,
    /// Print the calls behind the number instead, the latest first.
    #[arg(long, conflicts_with = "csv")]
    calls: bool,
    /// How many calls: 1 to 500.
    #[arg(long, value_name = "NUMBER", requires = "calls", value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: Option<u16>,
    /// Where the list of calls before ended: its `next`.
    #[arg(long, value_name = "CURSOR", requires = "calls")]
    cursor: Option<String>,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Which calls are counted; "" = those that say nothing of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which calls (\"\" = those that say nothing of it)")]
struct Only {
    /// The client program.
    #[arg(long, value_name = "NAME")]
    client: Option<String>,
    /// The class of data of the key.
    #[arg(long, value_name = "CLASS")]
    data_class: Option<String>,
    /// The kind of the error.
    #[arg(long, value_name = "KIND")]
    error: Option<String>,
    /// The name of the key.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The model that the requested name stands for.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// complete, failed, aborted, interrupted.
    #[arg(long, value_name = "WORD")]
    outcome: Option<String>,
    /// Whether the cost is known.
    #[arg(long, value_parser = ["yes", "no"])]
    priced: Option<String>,
    /// The project of the key.
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// The provider.
    #[arg(long, value_name = "ID")]
    provider: Option<String>,
    /// The session.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// 2xx, 4xx, 5xx.
    #[arg(long, value_name = "CLASS")]
    status: Option<String>,
    /// Why the model stopped.
    #[arg(long, value_name = "REASON")]
    stop: Option<String>,
    /// The user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
}

impl StatsArgs {
    /// What is asked, but for the path.
    fn query(&self) -> Serializer<'static, String> {
        let days = self.days.map(|days| days.to_string());
        let only = &self.only;
        let mut query = Serializer::new(String::new());
        for (name, value) in [
            ("client", &only.client),
            ("data_class", &only.data_class),
            ("days", &days),
            ("error", &only.error),
            ("from", &self.from),
            ("key", &only.key),
            ("model", &only.model),
            ("outcome", &only.outcome),
            ("priced", &only.priced),
            ("project", &only.project),
            ("provider", &only.provider),
            ("session", &only.session),
            ("status", &only.status),
            ("stop", &only.stop),
            ("to", &self.to),
            ("user", &only.user),
            ("zone", &self.zone),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query
    }

    fn path(&self) -> String {
        let mut query = self.query();
        query.append_pair("metric", &self.metric);
        for (name, value) in [("bucket", &self.bucket), ("by", &self.by)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        if self.csv {
            query.append_pair("format", "csv");
        }
        format!("/api/stats?{}", query.finish())
    }

    fn path_of_calls(&self) -> String {
        let mut query = self.query();
        query.append_pair("limit", &self.limit.unwrap_or(20).to_string());
        if let Some(cursor) = &self.cursor {
            query.append_pair("cursor", cursor);
        }
        format!("/api/stats/calls?{}", query.finish())
    }
}

/// Prints numbers.
pub fn main(args: &StatsArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    if args.list {
        return list(args, &office, screen);
    }
    if args.calls {
        let page = office.get(&args.path_of_calls())?;
        if args.json {
            screen.json(&page)?;
        } else {
            rows(page["items"].as_array().map_or(&[][..], Vec::as_slice), screen)?;
            more(&page, screen)?;
        }
        return Ok(Exit::Ok);
    }
    if args.csv {
        screen.raw(&office.bytes(http::Method::GET, &args.path(), None)?)?;
        return Ok(Exit::Ok);
    }
    let answer = office.get(&args.path())?;
    if args.json {
        screen.json(&answer)?;
    } else if answer["by"].as_array().is_some_and(Vec::is_empty) && answer["bucket"].is_null() {
        figures(&answer, screen)?;
    } else {
        table(&answer, screen)?;
    }
    Ok(Exit::Ok)
}

fn list(args: &StatsArgs, office: &Office, screen: &mut Screen) -> Result<Exit, Failure> {
    let metrics = office.get("/api/stats/metrics")?;
    if args.json {
        screen.json(&metrics)?;
        return Ok(Exit::Ok);
    }
    for metric in metrics.as_array().into_iter().flatten() {
        let lead = format!("{:<12}", text(&metric["name"]));
        screen.paragraph(&styled(STRONG, &lead), &text(&metric["doc"]))?;
    }
    Ok(Exit::Ok)
}

/// One row: each number on a line with what it means.
fn figures(answer: &Value, screen: &mut Screen) -> Result<(), Failure> {
    let columns = answer["columns"].as_array().map_or(&[][..], Vec::as_slice);
    let values = &answer["total"]["values"];
    for column in columns {
        let name = text(&column["name"]);
        let number = shown(&values[&name], &text(&column["unit"]));
        let lead = format!("{:<24}{number:>12}  ", heading(&name));
        screen.paragraph(&lead, &styled(FAINT, &text(&column["doc"])))?;
    }
    Ok(())
}

fn table(answer: &Value, screen: &mut Screen) -> Result<(), Failure> {
    let list = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
    let (by, columns) = (list("by"), list("columns"));
    let bucketed = !answer["bucket"].is_null();
    let mut headings: Vec<String> = bucketed.then(|| "FROM".to_owned()).into_iter().collect();
    headings.extend(by.iter().map(|dimension| text(dimension).to_uppercase()));
    headings.extend(columns.iter().map(|column| heading(&text(&column["name"])).to_uppercase()));
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    let numbers = |row: &Value| -> Vec<String> {
        let cell = |column: &Value| shown(&row["values"][text(&column["name"])], &text(&column["unit"]));
        columns.iter().map(cell).collect()
    };
    for row in list("rows") {
        let mut cells: Vec<String> = bucketed.then(|| moment(&row["from"])).into_iter().collect();
        cells.extend(by.iter().map(|dimension| match &row["group"][text(dimension)] {
            Value::Null => "-".to_owned(),
            value => text(value),
        }));
        cells.extend(numbers(&row));
        table.row(cells);
    }
    let mut last = vec![String::new(); headings.len() - columns.len()];
    if let Some(first) = last.first_mut() {
        "all".clone_into(first);
    }
    last.extend(numbers(&answer["total"]));
    table.row(last);
    table.show(screen)
}

/// A column's name without its unit, which its numbers show.
fn heading(name: &str) -> String {
    name.trim_end_matches("_nano").trim_end_matches("_us").replace('_', " ")
}

/// A number as people read it.
fn shown(value: &Value, unit: &str) -> String {
    if value.is_null() {
        return "-".to_owned();
    }
    match unit {
        "nano_usd" => money(value.as_i64()),
        "ratio" => value.as_f64().map_or_else(String::new, |ratio| format!("{:.1} %", ratio * 100.0)),
        "tokens" => value.as_u64().map_or_else(|| value.to_string(), tokens),
        "us" => span(value.as_i64()),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: StatsArgs,
    }

    #[test]
    fn what_is_typed_is_what_is_asked() {
        let given = |line: &str| Line::try_parse_from(line.split(' ')).map(|line| line.args);
        assert_eq!(given("stats").unwrap().path(), "/api/stats?metric=summary");
        let some =
            given("stats cost --days 7 --by provider,model --bucket day --data-class secret --csv").unwrap();
        assert_eq!(
            some.path(),
            "/api/stats?data_class=secret&days=7&metric=cost&bucket=day&by=provider%2Cmodel&format=csv"
        );
        let calls = given("stats --calls --since 24h --user a&b").unwrap();
        assert_eq!(calls.path_of_calls(), "/api/stats/calls?from=24h&user=a%26b&limit=20");
        assert!(given("stats --days 7 --since 24h").is_err());
    }

    #[test]
    fn numbers_are_shown_as_people_read_them() {
        for (value, unit, seen) in [
            (Value::Null, "nano_usd", "-"),
            (0.9876.into(), "ratio", "98.8 %"),
            (12.into(), "calls", "12"),
            (1_500_000.into(), "us", "1.5 s"),
        ] {
            assert_eq!(shown(&value, unit), seen);
        }
        assert_eq!(heading("session_cost_p50_nano"), "session cost p50");
    }
}
