//! `lockgate log level`: how much a running gateway writes into its log, for now or for a while. It asks the gateway; nothing else has a log.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::call::text;
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::quantity::moment;
use crate::screen::Screen;

/// Arguments of `lockgate log level`.
#[derive(Debug, Args)]
pub struct LevelArgs {
    /// What is written from now on. Without it: print what is in force.
    #[arg(value_parser = ["error", "warn", "info", "debug", "trace"])]
    level: Option<String>,
    /// For how long; then the configured level is back. Without it until it is changed again or the gateway ends.
    #[arg(long, value_name = "NUMBER", requires = "level")]
    minutes: Option<u64>,
    /// Go back to the configured level.
    #[arg(long, conflicts_with = "level")]
    reset: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the gateway is. Without `--gateway`: where the configuration says that it listens.
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints or changes the level.
pub fn level(args: &LevelArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::running(&args.office)?;
    let told = match &args.level {
        Some(level) => {
            office.ask(Method::PUT, "/api/log", Some(&json!({"level": level, "minutes": args.minutes})))
        }
        None if args.reset => office.ask(Method::PUT, "/api/log", Some(&json!({}))),
        None => office.get("/api/log"),
    };
    office.leave();
    let told = told?;
    if args.json {
        screen.json(&told)?;
    } else {
        screen.line(&words(&told))?;
    }
    Ok(Exit::Ok)
}

fn words(told: &Value) -> String {
    let (level, configured) = (text(&told["level"]), text(&told["configured"]));
    if !told["until"].is_null() {
        return format!("{level} until {}, then {configured} again", moment(&told["until"]));
    }
    if level == configured { level } else { format!("{level} (the configuration says {configured})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_told_with_what_comes_behind_it() {
        let told =
            |level: &str, until: Value| words(&json!({"level": level, "configured": "info", "until": until}));
        assert_eq!(told("info", Value::Null), "info");
        assert_eq!(told("debug", Value::Null), "debug (the configuration says info)");
        let back = told("debug", "2026-11-22T10:00:00Z".into());
        assert!(back.starts_with("debug until ") && back.ends_with(", then info again"), "{back}");
    }
}
