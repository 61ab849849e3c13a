//! `lockgate retention`: what is deleted by age, what would go now, and a round of it. The admin API does it.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::purge::tell;
use crate::screen::Screen;
use crate::table::Table;

/// Arguments of `lockgate retention show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints what is deleted after how many days.
pub fn show(args: &ShowArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let policy = Office::open(&args.office)?.get("/api/retention")?;
    if args.json {
        screen.json(&policy)?;
        return Ok(Exit::Ok);
    }
    let days =
        |value: &Value| value.as_u64().map_or_else(|| "never".to_owned(), |days| format!("{days} days"));
    let mut table = Table::new(&["WHAT", "DELETED AFTER"]);
    let mut row = |what: String, value: &Value| table.row([what, days(value)]);
    row("calls".to_owned(), &policy["calls_days"]);
    row("contents of calls".to_owned(), &policy["contents_days"]);
    for (class, times) in policy["classes"].as_object().into_iter().flatten() {
        let of_class =
            if class == "none" { "without a class".to_owned() } else { format!("of class {class}") };
        for (what, name) in [("calls", "calls_days"), ("contents of calls", "contents_days")] {
            // What a class leaves out is as of all.
            let own = if times[name].is_null() { &policy[name] } else { &times[name] };
            row(format!("{what} {of_class}"), own);
        }
    }
    row("verdicts of policies".to_owned(), &policy["verdicts_days"]);
    row("questions to people".to_owned(), &policy["approvals_days"]);
    row("entries of the audit".to_owned(), &policy["audit_days"]);
    table.show(screen)?;
    let archive = policy["archive"].as_str().map_or_else(
        || "not archived before: no folder is named as record.retention.archive".to_owned(),
        |folder| format!("archived before in {folder}"),
    );
    screen.paragraph("", &archive)?;
    if let Some(why) = policy["withheld"].as_str() {
        screen.paragraph("", &format!("nothing is deleted for now: {why}"))?;
    }
    Ok(Exit::Ok)
}

/// Arguments of `lockgate retention run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Delete. Without it nothing is deleted, only counted.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Deletes what is too old, or says what would be deleted.
pub fn run(args: &RunArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let done = office.ask(Method::POST, "/api/retention", Some(&json!({"dry_run": !args.yes})))?;
    if args.json {
        screen.json(&done)?;
        return Ok(Exit::Ok);
    }
    tell("calls", &done["calls"], args.yes, screen)?;
    tell("contents of calls", &done["contents"], args.yes, screen)?;
    for (class, gone) in done["classes"].as_object().into_iter().flatten() {
        let of_class =
            if class == "none" { "without a class".to_owned() } else { format!("of class {class}") };
        tell(&format!("  calls {of_class}"), &gone["calls"], args.yes, screen)?;
        tell(&format!("  contents of calls {of_class}"), &gone["contents"], args.yes, screen)?;
    }
    tell("verdicts of policies", &done["verdicts"], args.yes, screen)?;
    tell("questions to people", &done["approvals"], args.yes, screen)?;
    tell("entries of the audit", &done["audit"], args.yes, screen)?;
    if !args.yes {
        screen.line("Nothing is deleted yet; --yes does it.")?;
    }
    Ok(Exit::Ok)
}
