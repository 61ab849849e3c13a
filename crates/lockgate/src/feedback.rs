//! `lockgate feedback`: what is thought of calls and sessions: said, listed, counted, taken back. The admin API does it.

use clap::Args;
use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::call::{more, segment, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::paging::Paging;
use crate::quantity::ago;
use crate::screen::Screen;
use crate::session::find;
use crate::table::Table;

/// Arguments of `lockgate feedback say`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("about").required(true).args(["call", "session"])))]
pub struct SayArgs {
    /// good, bad, or a number from -1 to 1.
    #[arg(allow_negative_numbers = true)]
    rating: String,
    /// Of the call with this id.
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// Of the session with this id, its beginning, or `latest`.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// A short word for what was good or bad; may be given several times.
    #[arg(long = "label", value_name = "WORD")]
    labels: Vec<String>,
    /// In your words.
    #[arg(long, value_name = "WORDS")]
    comment: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Says what one thinks.
pub fn say(args: &SayArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let number = args.rating.parse::<f64>().ok().map(Value::from);
    let rating = number.unwrap_or_else(|| args.rating.as_str().into());
    let mut wish = json!({"rating": rating, "labels": args.labels, "comment": args.comment});
    match (&args.call, &args.session) {
        (Some(call), _) => wish["call"] = call.as_str().into(),
        (None, Some(session)) => wish["session"] = find(&office, session)?["id"].clone(),
        (None, None) => {}
    }
    let said = office.ask(Method::POST, "/api/feedback", Some(&wish))?;
    if args.json {
        screen.json(&said)?;
    } else {
        let words = format!("noted; `lockgate feedback drop {}` takes it back", text(&said["id"]));
        screen.paragraph("", &words)?;
    }
    Ok(Exit::Ok)
}

/// Arguments of `lockgate feedback list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// About this call.
    #[arg(long, value_name = "ID")]
    call: Option<String>,
    /// About this session, or a call of it.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Said by this user or key.
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
    /// good or bad.
    #[arg(long, value_parser = ["good", "bad"])]
    rating: Option<String>,
    #[command(flatten)]
    paging: Paging,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints what was said.
pub fn list(args: &ListArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let query = args.paging.query(&[
        ("author", &args.author),
        ("call", &args.call),
        ("rating", &args.rating),
        ("session", &args.session),
    ]);
    let page = Office::open(&args.office)?.get(&format!("/api/feedback?{query}"))?;
    if args.json {
        screen.json(&page)?;
        return Ok(Exit::Ok);
    }
    let items = page["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() && page["next"].is_null() {
        screen.line("Nobody has said anything that meets these conditions.")?;
        return Ok(Exit::Ok);
    }
    rows(items, screen)?;
    more(&page, screen)?;
    Ok(Exit::Ok)
}

/// Feedback as a table.
pub(crate) fn rows(items: &[Value], screen: &mut Screen) -> Result<(), Failure> {
    let mut table = Table::new(&["SAID", "SCORE", "BY", "ABOUT", "ID", "LABELS", "COMMENT"]);
    for item in items {
        let about = match &item["call"] {
            Value::Null => format!("session {}", text(&item["session"])),
            call => format!("call {}", text(call)),
        };
        let labels: Vec<String> = item["labels"].as_array().into_iter().flatten().map(text).collect();
        table.row([
            ago(&item["at"]),
            item["score"].to_string(),
            format!("{} {}", text(&item["source"]), text(&item["author"])),
            about,
            text(&item["id"]),
            labels.join(", "),
            text(&item["comment"]),
        ]);
    }
    table.show(screen)
}

/// Arguments of `lockgate feedback stats`.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// By what calls are split: provider, model, key, user, client, outcome, …; with commas between.
    #[arg(long, value_name = "DIMENSIONS", default_value = "provider,model")]
    by: String,
    /// Calls of the last days, today included.
    #[arg(long, value_name = "NUMBER")]
    days: Option<u32>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints how good calls are said to be.
pub fn stats(args: &StatsArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut query = Serializer::new(String::new());
    query.append_pair("by", &args.by);
    if let Some(days) = args.days {
        query.append_pair("days", &days.to_string());
    }
    let told = Office::open(&args.office)?.get(&format!("/api/feedback/stats?{}", query.finish()))?;
    if args.json {
        screen.json(&told)?;
        return Ok(Exit::Ok);
    }
    if told["items"].as_array().is_none_or(Vec::is_empty) {
        screen.line("Nobody has said anything of single calls yet.")?;
        return Ok(Exit::Ok);
    }
    let by: Vec<&str> = args.by.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    let mut headings: Vec<String> = by.iter().map(|dimension| dimension.to_uppercase()).collect();
    headings.extend(["CALLS", "GOOD", "BAD", "GOOD RATE", "SCORE"].map(str::to_owned));
    let mut table = Table::new(&headings.iter().map(String::as_str).collect::<Vec<_>>());
    for row in told["items"].as_array().into_iter().flatten() {
        let group = by.iter().map(|dimension| row["group"][*dimension].as_str().unwrap_or("-").to_owned());
        let mut cells: Vec<String> = group.collect();
        cells.extend(["calls", "good", "bad"].map(|name| row[name].to_string()));
        let rate = row["good_rate"].as_f64().map(|rate| format!("{:.1} %", rate * 100.0));
        cells.push(rate.unwrap_or_else(|| "-".to_owned()));
        cells.push(row["score"].as_f64().map_or_else(String::new, |score| format!("{score:.2}")));
        table.row(cells);
    }
    table.show(screen)?;
    Ok(Exit::Ok)
}

/// Arguments of `lockgate feedback drop`.
#[derive(Debug, Args)]
pub struct DropArgs {
    /// The id, as `lockgate feedback list` prints it.
    id: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Takes something back.
pub fn unsay(args: &DropArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let path = format!("/api/feedback/{}", segment(&args.id));
    Office::open(&args.office)?.ask(Method::DELETE, &path, None)?;
    if args.json {
        screen.json(&json!({"dropped": args.id}))?;
    } else {
        screen.line("taken back")?;
    }
    Ok(Exit::Ok)
}
