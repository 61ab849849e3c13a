//! `lockgate audit`: who changed what. The admin API tells; nothing here can be changed.

use clap::Args;
use serde_json::Value;

use crate::call::{more, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::paging::Paging;
use crate::quantity::moment;
use crate::screen::Screen;
use crate::table::Table;

/// Arguments of `lockgate audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// By whom: the name of a user or key.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
    /// What was done: create, revoke, purge, change, …
    #[arg(long, value_name = "WORD")]
    verb: Option<String>,
    /// Of what: key:laptop, user:ann, policies:3, …
    #[arg(long, value_name = "OBJECT")]
    object: Option<String>,
    #[command(flatten)]
    paging: Paging,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints changes, the latest first.
pub fn main(args: &AuditArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let query = args.paging.query(&[("actor", &args.actor), ("object", &args.object), ("verb", &args.verb)]);
    let page = Office::open(&args.office)?.get(&format!("/api/audit?{query}"))?;
    if args.json {
        screen.json(&page)?;
        return Ok(Exit::Ok);
    }
    let entries = page["items"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() && page["next"].is_null() {
        screen.line("No entry of the audit meets these conditions.")?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["WHEN", "WHO", "FROM", "DID", "TO", "DETAIL"]);
    for entry in entries {
        let who = match &entry["actor"] {
            Value::Null => text(&entry["actor_kind"]),
            actor => format!("{} {}", text(&entry["actor_kind"]), text(actor)),
        };
        let detail = if entry["detail"].is_null() { String::new() } else { entry["detail"].to_string() };
        table.row([
            moment(&entry["at"]),
            who,
            text(&entry["address"]),
            text(&entry["verb"]),
            text(&entry["object"]),
            detail,
        ]);
    }
    table.show(screen)?;
    more(&page, screen)?;
    Ok(Exit::Ok)
}
