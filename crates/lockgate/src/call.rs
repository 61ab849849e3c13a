//! `lockgate call`: recorded calls, one by one.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::exit::{Exit, Failure};
use crate::feedback;
use crate::office::{Office, OfficeArgs};
use crate::quantity::{ago, moment, money, span, tokens};
use crate::screen::{STRONG, Screen, styled};
use crate::search::SearchArgs;
use crate::session::take::private;
use crate::table::{Table, clean};

/// Arguments of `lockgate call list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    office: OfficeArgs,
    #[command(flatten)]
    search: SearchArgs,
    /// Only calls of this session; `none` = those without one.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Lists calls, the latest first.
pub fn list(args: &ListArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let session: Vec<_> = args.session.iter().map(|id| ("session", id.as_str())).collect();
    let page = Office::open(&args.office)?.get(&args.search.path("/api/calls", &session))?;
    if args.json {
        screen.json(&page)?;
        return Ok(Exit::Ok);
    }
    let calls = page["items"].as_array().map_or(&[][..], Vec::as_slice);
    if calls.is_empty() && page["next"].is_null() {
        screen.line("No call meets these conditions.")?;
        return Ok(Exit::Ok);
    }
    rows(calls, screen)?;
    more(&page, screen)?;
    Ok(Exit::Ok)
}

/// Says how a list goes on.
pub(crate) fn more(page: &Value, screen: &mut Screen) -> Result<(), Failure> {
    match page["next"].as_str() {
        Some(next) => screen.line(&format!("\nmore: --cursor {next}")),
        None => Ok(()),
    }
}

/// Calls as a table.
pub(crate) fn rows(calls: &[Value], screen: &mut Screen) -> Result<(), Failure> {
    let mut table =
        Table::new(&["WHEN", "RESULT", "TIME", "IN", "OUT", "COST", "PROVIDER", "KEY", "ID", "MODEL"]);
    for call in calls {
        table.row(vec![
            ago(&call["started"]),
            result(call),
            span(call["total_us"].as_i64()),
            prompt(&call["usage"]).map_or_else(String::new, tokens),
            call["usage"]["output"].as_u64().map_or_else(String::new, tokens),
            money(call["cost_nano"].as_i64()),
            text(&call["provider"]),
            text(&call["key"]),
            text(&call["id"]),
            named(call),
        ]);
    }
    table.show(screen)
}

/// What became of it, short.
fn result(call: &Value) -> String {
    match (call["outcome"].as_str(), call["status"].as_u64()) {
        (Some("complete"), Some(200)) => "ok".to_owned(),
        (Some("complete" | "failed"), Some(status)) => status.to_string(),
        (outcome, _) => outcome.unwrap_or_default().to_owned(),
    }
}

fn prompt(usage: &Value) -> Option<u64> {
    let parts = ["input_uncached", "cache_read", "cache_write_5m", "cache_write_1h"];
    parts.iter().filter_map(|part| usage[*part].as_u64()).reduce(|a, b| a + b)
}

/// The model that it went to, or what was asked for.
fn named(call: &Value) -> String {
    [&call["model"], &call["requested_model"]]
        .into_iter()
        .map(text)
        .find(|name| !name.is_empty())
        .unwrap_or_default()
}

/// A text, or nothing.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Arguments of `lockgate call show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The call's id: what the client got as `x-task-id`.
    id: String,
    /// Print one of its bodies instead: `client_request`, `upstream_request`, `upstream_answer`, `client_answer`, `client_headers`, `earlier_answers`.
    #[arg(long, value_name = "PART")]
    body: Option<String>,
    /// Write that body to a file instead of printing it.
    #[arg(long, value_name = "FILE", requires = "body")]
    output: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Shows one call.
pub fn show(args: &ShowArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let path = format!("/api/calls/{}", segment(&args.id));
    if let Some(part) = &args.body {
        let bytes = office.bytes(http::Method::GET, &format!("{path}/bodies/{}", segment(part)), None)?;
        match &args.output {
            Some(file) => {
                private(file, &bytes)?;
            }
            None => screen.raw(&bytes)?,
        }
        return Ok(Exit::Ok);
    }
    let call = office.get(&path)?;
    if args.json {
        screen.json(&call)?;
        return Ok(Exit::Ok);
    }
    facts(&call, screen)?;
    let attempts = call["attempts"].as_array().map_or(&[][..], Vec::as_slice);
    if !attempts.is_empty() {
        screen.line("")?;
        let mut table =
            Table::new(&["ATTEMPT", "PROVIDER", "STATUS", "FIRST BYTE", "TIME", "MODEL", "ERROR"]);
        for attempt in attempts {
            table.row(vec![
                attempt["number"].to_string(),
                text(&attempt["provider"]),
                attempt["status"].as_u64().map_or_else(String::new, |status| status.to_string()),
                span(attempt["ttft_us"].as_i64()),
                span(attempt["total_us"].as_i64()),
                text(&attempt["model"]),
                text(&attempt["error"]),
            ]);
        }
        table.show(screen)?;
    }
    let said = |decision: &&Value| decision["kind"] == "policy";
    let decisions: Vec<&Value> = call["decisions"].as_array().into_iter().flatten().filter(said).collect();
    if !decisions.is_empty() {
        screen.line("")?;
        let mut table = Table::new(&["NUMBER", "POLICY", "RULE", "SAID", "DONE", "TOOL", "LABEL", "WHY"]);
        for shown in decisions {
            let decision = &shown["record"];
            table.row(vec![
                shown["number"].to_string(),
                text(&decision["policy"]),
                text(&decision["rule"]),
                text(&decision["said"]),
                if decision["applied"] == true { "yes" } else { "no" }.to_owned(),
                text(&decision["tool"]["name"]),
                text(&shown["label"]["verdict"]),
                format!("{}{}", text(&decision["reason"]), asked(&decision["asked"])),
            ]);
        }
        table.show(screen)?;
    }
    let said = call["feedback"].as_array().map_or(&[][..], Vec::as_slice);
    if !said.is_empty() {
        screen.line("")?;
        feedback::rows(said, screen)?;
    }
    let bodies = call["bodies"].as_array().map_or(&[][..], Vec::as_slice);
    if bodies.is_empty() {
        screen.line("\nOf its contents nothing is kept.")?;
    } else {
        screen.line("")?;
        let mut table = Table::new(&["BODY", "KIND", "BYTES"]);
        for body in bodies {
            table.row(vec![text(&body["part"]), text(&body["kind"]), body["size"].to_string()]);
        }
        table.show(screen)?;
        screen.line("\nto read one: --body PART")?;
    }
    Ok(Exit::Ok)
}

/// What was asked of models for a verdict, and what that took; nothing where none was asked.
fn asked(questions: &Value) -> String {
    let told = questions.as_array().into_iter().flatten().map(|question| {
        let model = text(&question["model"]);
        if question["reused"] == true {
            return format!(" (said by {model} before)");
        }
        let (cost, took) = (money(question["cost_nano"].as_i64()), span(question["took_us"].as_i64()));
        format!(" (asked {model}: {cost}, {took})")
    });
    told.collect()
}

fn facts(call: &Value, screen: &mut Screen) -> Result<(), Failure> {
    screen.line(&styled(STRONG, &format!("{} · {}", named(call), result(call))))?;
    let tokens_of = |name: &str| call["usage"][name].as_u64();
    let used = [
        ("uncached", tokens_of("input_uncached")),
        ("cache read", tokens_of("cache_read")),
        ("cache written", tokens_of("cache_write_5m").or(tokens_of("cache_write_1h"))),
        ("output", tokens_of("output")),
        ("of it thoughts", tokens_of("output_reasoning")),
    ];
    let used: Vec<_> =
        used.iter().filter_map(|(name, number)| Some(format!("{} {name}", tokens((*number)?)))).collect();
    let client = [text(&call["client"]), text(&call["client_version"])].join(" ");
    let way = match (call["dialect"].as_str(), call["upstream_dialect"].as_str()) {
        (Some(front), Some(behind)) if front != behind => format!("{front} → {behind}"),
        (Some(front), _) => front.to_owned(),
        (None, _) => String::new(),
    };
    let error = match &call["error"] {
        Value::Null => String::new(),
        error => format!("{}: {}", text(&error["kind"]), text(&error["message"])),
    };
    let losses: Vec<_> = call["losses"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut cost = money(call["cost_nano"].as_i64());
    if call["cost_parts"]["estimated"] == true {
        cost.push_str(" (an estimate)");
    }
    for (label, words) in [
        ("started", moment(&call["started"])),
        ("time", [span(call["total_us"].as_i64()), first_byte(call)].join(" ")),
        ("error", error),
        ("provider", text(&call["provider"])),
        ("dialect", way),
        ("lost", losses.join(", ")),
        ("asked for", text(&call["requested_model"])),
        ("stopped", text(&call["stop_reason"])),
        ("tokens", used.join(", ")),
        ("cost", cost),
        ("key", text(&call["key"])),
        ("user", text(&call["user"])),
        ("client", client),
        ("session", text(&call["session"])),
        ("turn", call["turn"].as_u64().map_or_else(String::new, |turn| turn.to_string())),
        ("agent", text(&call["agent"])),
        ("id", text(&call["id"])),
        ("provider's id", text(&call["provider_request_id"])),
    ] {
        let words = clean(&words);
        if !words.is_empty() {
            screen.paragraph(&format!("  {label:<14}"), &words)?;
        }
    }
    Ok(())
}

fn first_byte(call: &Value) -> String {
    match call["ttft_us"].as_i64() {
        Some(_) => format!("(first byte after {})", span(call["ttft_us"].as_i64())),
        None => String::new(),
    }
}

/// A value as a segment of a path.
pub(crate) fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
