//! `lockgate audit`: who changed what. The admin API tells; nothing here can be changed.

use clap::Args;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::call::{more, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
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
    /// From when: 2026-11-21, 2026-11-21T08:00:00Z, or how long ago (90m, 24h, 7d).
    #[arg(long, visible_alias = "since", value_name = "TIME")]
    from: Option<String>,
    /// Until when, not included.
    #[arg(long, visible_alias = "until", value_name = "TIME")]
    to: Option<String>,
    /// How many entries: 1 to 500.
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Where the list before ended: its `next`.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints changes, the latest first.
pub fn main(args: &AuditArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut query = Serializer::new(String::new());
    query.append_pair("limit", &args.limit.to_string());
    for (name, value) in [
        ("actor", &args.actor),
        ("cursor", &args.cursor),
        ("from", &args.from),
        ("object", &args.object),
        ("to", &args.to),
        ("verb", &args.verb),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let page = Office::open(&args.office)?.get(&format!("/api/audit?{}", query.finish()))?;
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
