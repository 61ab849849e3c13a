//! `lockgate policy apply|versions|show|diff|rollback`: policies that are set while gateways run. The admin API does it; here are arguments and
//! how answers look.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::screen::{BAD, GOOD, Screen, styled};
use crate::table::Table;

/// Arguments of `lockgate policy apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// A file with `policies: {chain: […]}`, as in the configuration. It takes the place of what was applied before; policies of the
    /// configuration file stay, in front of these.
    pub file: PathBuf,
    /// Why, for whoever reads the versions.
    #[arg(long, value_name = "WORDS")]
    pub reason: String,
    /// Only if this version is in force.
    #[arg(long, value_name = "VERSION")]
    pub follows: Option<i64>,
    /// Let policies refuse also without the evidence that `policies.promotion` asks for. The audit says so.
    #[arg(long)]
    pub force: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Arguments of commands that only look.
#[derive(Debug, Args)]
pub struct VersionsArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Arguments of `lockgate policy show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The version; the one in force if not given.
    #[arg(value_name = "VERSION")]
    pub number: Option<i64>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Arguments of `lockgate policy diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The version.
    #[arg(value_name = "VERSION")]
    pub number: i64,
    /// The older one; the one before if not given. 0 is none.
    pub against: Option<i64>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Arguments of `lockgate policy rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The version to go back to; 0 takes away all that was applied.
    #[arg(value_name = "VERSION")]
    pub number: i64,
    /// Why, for whoever reads the versions.
    #[arg(long, value_name = "WORDS")]
    pub reason: String,
    /// Let policies refuse also without the evidence that `policies.promotion` asks for. The audit says so.
    #[arg(long)]
    pub force: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Sets the policies of a file.
pub fn apply(args: &ApplyArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let file = args.file.display();
    let document =
        fs::read_to_string(&args.file).map_err(|error| Failure::usage(format!("{file}: {error}")))?;
    let mut body = json!({"document": document, "reason": args.reason, "force": args.force});
    if let Some(follows) = args.follows {
        body["follows"] = follows.into();
    }
    let office = Office::open_or_create(&args.office)?;
    let told = office.ask(Method::POST, "/api/policies", Some(&body));
    let told = told.map_err(|failure| in_file(failure, &file.to_string()))?;
    enacted(&told, args.json, screen)
}

/// The same failure in a file: the API calls a document `policies`.
pub(super) fn in_file(failure: Failure, file: &str) -> Failure {
    if !matches!(failure.exit, Exit::Usage) {
        return failure;
    }
    let lines = failure.message.lines().map(|line| match line.strip_prefix("policies:") {
        Some(place) => format!("{file}:{place}"),
        None => format!("{file}: {line}"),
    });
    Failure { message: lines.collect::<Vec<_>>().join("\n"), ..failure }
}

/// Goes back to an earlier version.
pub fn rollback(args: &RollbackArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let body = json!({"version": args.number, "reason": args.reason, "force": args.force});
    let told = Office::open(&args.office)?.ask(Method::POST, "/api/policies/rollback", Some(&body))?;
    enacted(&told, args.json, screen)
}

fn enacted(told: &Value, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    if json {
        screen.json(told)?;
    } else {
        screen.line(&format!("version {}; every gateway takes it over within a second", told["version"]))?;
    }
    Ok(Exit::Ok)
}

/// Prints the versions, the latest first.
pub fn versions(args: &VersionsArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let listed = Office::open(&args.office)?.get("/api/policies/versions")?;
    let none = "No policies were applied; those of the configuration file are in force.";
    table((&listed, none), args.json, screen)
}

/// Versions as a table, or that there are none.
pub(crate) fn table(
    (listed, none): (&Value, &str),
    json: bool,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    if json {
        screen.json(listed)?;
        return Ok(Exit::Ok);
    }
    let items = listed["items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        screen.line(none)?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["VERSION", "AT", "BY", "REASON"]);
    for item in items {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        table.row([item["version"].to_string(), text("at"), text("author"), text("reason")]);
    }
    table.show(screen)?;
    Ok(Exit::Ok)
}

/// Prints the document of a version.
pub fn show(args: &ShowArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let version = match args.number {
        Some(version) => version,
        None => office.get("/api/policies")?["version"].as_i64().unwrap_or(0),
    };
    if version == 0 {
        return Err(Failure::usage("no policies were applied")
            .hint("`lockgate policy list` shows those of the configuration file"));
    }
    let told = office.get(&format!("/api/policies/versions/{version}"))?;
    if args.json {
        screen.json(&told)?;
    } else {
        screen.raw(told["document"].as_str().unwrap_or_default().as_bytes())?;
    }
    Ok(Exit::Ok)
}

/// Prints how two versions differ.
pub fn diff(args: &DiffArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let against = args.against.map(|against| format!("?against={against}")).unwrap_or_default();
    let told =
        Office::open(&args.office)?.get(&format!("/api/policies/versions/{}/diff{against}", args.number))?;
    differ(&told, args.json, screen)
}

/// How two versions differ.
pub(crate) fn differ(told: &Value, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    if json {
        screen.json(told)?;
        return Ok(Exit::Ok);
    }
    let text = told["diff"].as_str().unwrap_or_default();
    if text.is_empty() {
        screen.line("They are the same.")?;
    }
    for line in text.lines() {
        let line = line.replace(|c: char| c.is_control() && c != '\t', "\u{fffd}");
        let style = match line.as_bytes().first() {
            Some(b'+') => Some(GOOD),
            Some(b'-') => Some(BAD),
            Some(_) | None => None,
        };
        screen.line(&style.map_or_else(|| line.clone(), |style| styled(style, &line)))?;
    }
    Ok(Exit::Ok)
}
