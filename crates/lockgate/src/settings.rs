//! `lockgate config get|set|unset|versions|diff|rollback`: settings that are made while gateways run. The admin API does it; here are arguments
//! and how answers look.

use clap::Args;
use http::Method;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::call::{segment, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::policy::versions::{differ, table};
use crate::screen::Screen;

/// Arguments of `lockgate config get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// Only this value and those below it: models.aliases.
    path: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints what is in force and where it comes from.
pub fn get(args: &GetArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut path = "/api/config".to_owned();
    if let Some(wanted) = &args.path {
        path = format!("{path}?path={}", segment(wanted));
    }
    let told = Office::open(&args.office)?.get(&path)?;
    if args.json {
        screen.json(&told)?;
    } else {
        lines(&told["settings"], screen)?;
    }
    Ok(Exit::Ok)
}

fn lines(settings: &Value, screen: &mut Screen) -> Result<(), Failure> {
    for setting in settings.as_array().into_iter().flatten() {
        let line = format!(
            "{} = {}   (source: {})",
            text(&setting["path"]),
            setting["value"],
            text(&setting["source"])
        );
        screen.line(&line)?;
    }
    Ok(())
}

/// Arguments of `lockgate config set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// Where: models.aliases.fast. A name with dots goes into quotes: models.aliases."gpt-4.1".
    path: String,
    /// What it is from now on: JSON (a number, true, {…}, […]), or else a text. A secret is the name of a variable: '${NAME}'.
    value: String,
    /// Why, for whoever reads the versions.
    #[arg(long, value_name = "WORDS")]
    reason: String,
    /// Only if this version is in force.
    #[arg(long, value_name = "VERSION")]
    follows: Option<i64>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Sets one value.
pub fn set(args: &SetArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let path = address(&args.path)?;
    let value: Value = serde_json::from_str(&args.value).unwrap_or_else(|_| args.value.as_str().into());
    let mut wish = json!({"value": value, "reason": args.reason});
    if let Some(follows) = args.follows {
        wish["follows"] = follows.into();
    }
    let told = Office::open_or_create(&args.office)?.ask(Method::PUT, &path, Some(&wish))?;
    tell(&told, args.json, screen)
}

/// Arguments of `lockgate config unset`.
#[derive(Debug, Args)]
pub struct UnsetArgs {
    /// Where, as for `set`; with all that is below it.
    path: String,
    /// Why, for whoever reads the versions.
    #[arg(long, value_name = "WORDS")]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Takes back what was set.
pub fn unset(args: &UnsetArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut query = Serializer::new(String::new());
    query.append_pair("reason", &args.reason);
    let path = format!("{}?{}", address(&args.path)?, query.finish());
    let told = Office::open(&args.office)?.ask(Method::DELETE, &path, None)?;
    tell(&told, args.json, screen)
}

fn tell(told: &Value, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    if json {
        screen.json(told)?;
        return Ok(Exit::Ok);
    }
    let version = &told["version"]["version"];
    screen.paragraph(
        "",
        &format!("version {version}; gateways have it within a second. Set while gateways run:"),
    )?;
    lines(&told["settings"], screen)?;
    Ok(Exit::Ok)
}

/// Arguments of `lockgate config versions`.
#[derive(Debug, Args)]
pub struct VersionsArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints who set what when, and why.
pub fn versions(args: &VersionsArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let told = Office::open(&args.office)?.get("/api/config/versions")?;
    let none = "Nothing was set while gateways run; the configuration file is in force.";
    table((&told, none), args.json, screen)
}

/// Arguments of `lockgate config diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The version.
    #[arg(value_name = "VERSION")]
    number: i64,
    /// The older one; the one before if not given, 0 = nothing.
    #[arg(long, value_name = "VERSION")]
    against: Option<i64>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Prints how two versions differ.
pub fn diff(args: &DiffArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let against = args.against.map_or_else(String::new, |against| format!("?against={against}"));
    let path = format!("/api/config/versions/{}/diff{against}", args.number);
    let told = Office::open(&args.office)?.get(&path)?;
    differ(&told, args.json, screen)
}

/// Arguments of `lockgate config rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The version to go back to; 0 = nothing was set.
    #[arg(value_name = "VERSION")]
    number: i64,
    /// Why, for whoever reads the versions.
    #[arg(long, value_name = "WORDS")]
    reason: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    office: OfficeArgs,
}

/// Goes back to an earlier version.
pub fn roll_back(args: &RollbackArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let wish = json!({"version": args.number, "reason": args.reason});
    let told = Office::open(&args.office)?.ask(Method::POST, "/api/config/rollback", Some(&wish))?;
    if args.json {
        screen.json(&told)?;
    } else {
        screen.line(&format!("version {}: {}", told["version"], text(&told["reason"])))?;
    }
    Ok(Exit::Ok)
}

/// Where a setting is, for the API.
fn address(path: &str) -> Result<String, Failure> {
    let wrong = |why: &str| {
        Failure::usage(format!("`{path}`: {why}"))
            .hint("write models.aliases.fast, or models.aliases.\"gpt-4.1\"")
    };
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let (step, left) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (step, left) = quoted.split_once('"').ok_or_else(|| wrong("a quote is not closed"))?;
                (step, left.strip_prefix('.').or((!left.is_empty()).then_some("")))
            }
            None => rest.split_once('.').map_or((rest, None), |(step, left)| (step, Some(left))),
        };
        if step.is_empty() || step.contains('/') {
            return Err(wrong("a step of the path is empty, or has a `/`"));
        }
        steps.push(segment(step));
        match left {
            Some(left) => rest = left,
            None => return Ok(format!("/api/config/values/{}", steps.join("/"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_with_dots_and_names_with_dots_in_quotes() {
        for (path, there) in [
            ("log.level", "log/level"),
            ("models.aliases.\"gpt-4.1\"", "models/aliases/gpt-4.1"),
            ("providers.\"my one\".base_url", "providers/my%20one/base_url"),
        ] {
            assert_eq!(address(path).unwrap(), format!("/api/config/values/{there}"));
        }
        for wrong in ["", "a..b", "a.", "a.\"b", "a.\"b\"c", "a/b"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
