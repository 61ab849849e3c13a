//! `lockgate session cost`: what made a session expensive, and where the provider's prompt cache was lost.

use clap::Args;
use serde_json::{Value, json};

use super::find;
use crate::call::{segment, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::quantity::{money, tokens};
use crate::screen::{STRONG, Screen, count, styled};
use crate::table::{Table, clean};

/// Rows of a list that are shown.
const ROWS: usize = 8;

/// Arguments of `lockgate session cost`.
#[derive(Debug, Args)]
pub struct CostArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The session's id, its beginning, or `latest`.
    id: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Explains a session's cost.
pub fn cost(args: &CostArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let session = find(&office, &args.id)?;
    let path = format!("/api/sessions/{}", segment(&text(&session["id"])));
    let cost = office.get(&format!("{path}/cost"))?;
    let misses = office.get(&format!("{path}/cache"))?;
    if args.json {
        screen.json(&json!({"cost": cost, "cache": misses}))?;
        return Ok(Exit::Ok);
    }
    let title = clean(&text(&session["title"]));
    screen.line(&styled(
        STRONG,
        if title.is_empty() { session["id"].as_str().unwrap_or_default() } else { &title },
    ))?;
    let total = &cost["total"];
    screen.line(&format!(
        "  {} known: {} uncached input, {} cache reads, {} cache writes, {} output, {} tools of the provider",
        money(Some(sum(total))),
        money(total["input"].as_i64()),
        money(total["cache_read"].as_i64()),
        money(total["cache_write"].as_i64()),
        money(total["output"].as_i64()),
        money(total["tools"].as_i64()),
    ))?;
    if let Some(unpriced @ 1..) = cost["unpriced"].as_u64() {
        screen.line(&format!("  of {unpriced} more the price is not known"))?;
    }
    if cost["estimated"] == true {
        screen.line("  shares of calls without a listed price are estimated")?;
    }
    for (list, heading) in [
        ("tools", "TOOL"),
        ("files", "FILE"),
        ("agents", "AGENT"),
        ("turns", "TURN"),
        ("messages", "MESSAGE"),
    ] {
        let rows = cost[list].as_array().map_or(&[][..], Vec::as_slice);
        let shown: Vec<_> = rows.iter().filter(|row| sum(&row["cost"]) > 0).take(ROWS).collect();
        if shown.is_empty() || (list == "agents" && rows.len() < 2) {
            continue;
        }
        screen.line("")?;
        let mut table = Table::new(&["COST", "TOKENS", "RESENT", heading]);
        for row in shown {
            table.row(vec![
                money(Some(sum(&row["cost"]))),
                row["tokens"].as_u64().filter(|number| *number > 0).map_or_else(String::new, tokens),
                row["resent"]
                    .as_u64()
                    .filter(|number| *number > 0)
                    .map_or_else(String::new, |number| format!("{number}x")),
                subject(&row["subject"]),
            ]);
        }
        table.show(screen)?;
    }
    let misses = misses.as_array().map_or(&[][..], Vec::as_slice);
    if !misses.is_empty() {
        screen.line(&format!("\nThe provider's prompt cache was lost {}:", count(misses.len(), "time")))?;
        for miss in misses {
            screen.paragraph("  - ", &clean(&text(&miss["sentence"])))?;
        }
    }
    Ok(Exit::Ok)
}

fn sum(split: &Value) -> i64 {
    ["cache_read", "cache_write", "input", "output", "tools"]
        .iter()
        .filter_map(|part| split[*part].as_i64())
        .sum()
}

fn subject(subject: &Value) -> String {
    let number = |name: &str| subject[name].as_u64().unwrap_or(0) + 1;
    match subject["type"].as_str().unwrap_or_default() {
        "agent" => subject["id"].as_str().unwrap_or("the main one").to_owned(),
        "definitions" => "definitions of tools".to_owned(),
        "file" => text(&subject["path"]),
        "instructions" => "instructions".to_owned(),
        "message" => format!("message {}", number("entry")),
        "tool" => text(&subject["name"]),
        "turn" => format!("turn {}", number("turn")),
        _ => "everything else".to_owned(),
    }
}
