//! `lockgate quarantine`: calls that could not be stored: why, another try, or away for good. The admin API does it.

use clap::Args;
use http::Method;
use serde_json::json;

use crate::call::{segment, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::quantity::moment;
use crate::screen::Screen;
use crate::table::Table;

/// Arguments of `lockgate quarantine list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints the calls that could not be stored, and why.
pub fn list(args: &ListArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let kept = Office::open(&args.office)?.get("/api/quarantine")?;
    if args.json {
        screen.json(&kept)?;
        return Ok(Exit::Ok);
    }
    let items = kept["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        screen.line("Nothing is in quarantine.")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["SINCE", "ID", "BYTES", "WHY"]);
    for item in items {
        let why = if item["call"] == true { text(&item["reason"]) } else { "no file of the log".to_owned() };
        table.row([moment(&item["at"]), text(&item["id"]), item["bytes"].to_string(), why]);
    }
    table.show(screen)?;
    Ok(Exit::Ok)
}

/// Arguments of `lockgate quarantine release` and `drop`.
#[derive(Debug, Args)]
pub struct InmateArgs {
    /// The id, as `lockgate quarantine list` prints it.
    id: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Puts a call back to be stored.
pub fn release(args: &InmateArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let path = format!("/api/quarantine/{}/release", segment(&args.id));
    Office::open(&args.office)?.ask(Method::POST, &path, None)?;
    let words = "a gateway that runs on this record stores it within seconds, others at their start; what is refused again comes back here";
    told("released", args, words, screen)
}

/// Deletes what is in quarantine, for good.
pub fn discard(args: &InmateArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let path = format!("/api/quarantine/{}", segment(&args.id));
    Office::open(&args.office)?.ask(Method::DELETE, &path, None)?;
    told("dropped", args, "it is gone for good", screen)
}

fn told(what: &str, args: &InmateArgs, words: &str, screen: &mut Screen) -> Result<Exit, Failure> {
    if args.json {
        screen.json(&json!({what: args.id}))?;
    } else {
        screen.paragraph("", &format!("{what} {}: {words}", args.id))?;
    }
    Ok(Exit::Ok)
}
