//! `lockgate key`: keys of the gateway, in its database where there is one, else as entries of the configuration.
//!
//! What a key may be and who may change it is the admin API's; here are arguments and how answers look.

mod configured;
mod wish;

use clap::Args;
use http::Method;
pub use lockgate_admin::{from_seed, hash, is_mistyped};
use lockgate_config::{Environment, Inputs, RecordMode, Snapshot, locate, render_text};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs, is_unused};
use crate::screen::{STRONG, Screen, styled};
use wish::WishArgs;

/// Arguments of `lockgate key new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// Name under which calls with the key are recorded.
    #[arg(long, default_value = "default")]
    pub name: String,
    /// Put the key into no database: print the entry for the configuration.
    #[arg(long, conflicts_with_all = ["gateway", "data_class", "tag", "role"])]
    pub offline: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// What the key may do.
    #[command(flatten)]
    pub wish: WishArgs,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Makes a key: in the database, else as an entry of the configuration.
pub fn new(args: &NewArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    if args.name.is_empty() || args.name.contains(|c: char| c.is_control()) {
        return Err(Failure::usage("the key's name is empty or contains control characters"));
    }
    let office = match reachable(args) {
        Ok(office) => office,
        Err(why) => return entry(args, why.as_deref(), screen),
    };
    let mut wish = args.wish.json()?;
    wish["name"] = args.name.clone().into();
    let made = office.ask(Method::POST, "/api/keys", Some(&wish))?;
    if args.json {
        screen.json(&made)?;
        return Ok(Exit::Ok);
    }
    screen.line(made["key"].as_str().unwrap_or_default())?;
    screen.line("")?;
    screen.paragraph("", "Shown once: the database keeps only its hash. It works within a second; `lockgate key revoke` ends it.")?;
    Ok(Exit::Ok)
}

/// The office, or why the key has to go into the configuration.
fn reachable(args: &NewArgs) -> Result<Office, Option<String>> {
    if args.offline {
        return Err(None);
    }
    if args.office.gateway.is_none() && keeps_nothing(&args.office) {
        return Err(Some("with `record.mode: off` a gateway opens no database".to_owned()));
    }
    Office::open(&args.office).map_err(|failure| Some(failure.message))
}

/// Whether the configuration lets the gateway open no database.
fn keeps_nothing(office: &OfficeArgs) -> bool {
    snapshot(office).is_ok_and(|snapshot| {
        let config = snapshot.config();
        config.record.mode == RecordMode::Off && config.keys.iter().all(|key| key.record.is_none())
    })
}

fn snapshot(office: &OfficeArgs) -> Result<Snapshot, Failure> {
    let environment = Environment::process();
    let file = locate(office.config.as_deref(), &environment);
    let inputs = Inputs { file, environment, flags: Vec::new(), detect: true };
    inputs.load().map_err(|problems| {
        Failure::usage(format!("the configuration cannot be used\n{}", render_text(&problems.0).trim_end()))
    })
}

/// Prints a key together with the lines that the configuration needs.
fn entry(args: &NewArgs, why: Option<&str>, screen: &mut Screen) -> Result<Exit, Failure> {
    if args.office.gateway.is_some() {
        return Err(Failure::unavailable(why.unwrap_or("the gateway cannot be asked")));
    }
    let lines = args.wish.entry()?;
    let seed = lockgate_admin::seed().map_err(|error| Failure::unavailable(error.to_string()))?;
    let key = lockgate_admin::from_seed(&seed);
    let hash = lockgate_admin::hash(&key);
    if args.json {
        screen.json(&json!({"name": args.name, "key": key, "hash": hash}))?;
        return Ok(Exit::Ok);
    }
    let name = Value::from(args.name.as_str());
    screen.line(&key)?;
    screen.line("")?;
    if let Some(why) = why {
        screen.paragraph("", &format!("It is in no database: {why}."))?;
    }
    screen.paragraph("", "Shown once: Lockgate keeps only the hash. Put it into lockgate.yaml:")?;
    screen.line(&format!("\nkeys:\n  - name: {name}\n    hash: \"{hash}\"{lines}"))?;
    Ok(Exit::Ok)
}

/// Arguments of `lockgate key list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Prints the keys of the configuration and those of the database; fails where the latter are not known.
pub fn list(args: &ListArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let configured = match args.office.gateway {
        Some(_) => None,
        None => Some(snapshot(&args.office)?),
    };
    let (stored, unknown) = match Office::open(&args.office).and_then(|office| office.get("/api/keys")) {
        Ok(stored) => (stored, None),
        Err(_) if configured.is_some() && is_unused(&args.office)? => (Value::Null, None),
        Err(failure) if configured.is_some() && !args.json => (Value::Null, Some(failure)),
        Err(failure) => return Err(failure),
    };
    let stored = stored["items"].as_array().cloned().unwrap_or_default();
    let listed = configured.as_ref().map(configured::listed).unwrap_or_default();
    if args.json {
        let keys: Vec<_> = listed.iter().map(configured::Listed::json).collect();
        screen.json(&json!({"keys": keys, "stored": stored}))?;
        return Ok(Exit::Ok);
    }
    if let Some(failure) = unknown {
        if listed.is_empty() {
            screen.line("The configuration has no keys.")?;
        }
        configured::print(&listed, screen)?;
        let message = format!("which keys are in the database is not known: {}", failure.message);
        return Err(Failure { message, ..failure });
    }
    if listed.is_empty() && stored.is_empty() {
        let closed = configured.as_ref().is_some_and(|snapshot| snapshot.config().server.require_key);
        let words = if closed {
            "No keys: with `server.require_key` nobody can call (`lockgate key new` makes keys)."
        } else {
            "No keys: programs on this machine call without one, nobody else does (`lockgate key new` makes keys)."
        };
        screen.paragraph("", words)?;
        return Ok(Exit::Ok);
    }
    configured::print(&listed, screen)?;
    if !listed.is_empty() && !stored.is_empty() {
        screen.line("")?;
    }
    for key in &stored {
        print(key, screen)?;
    }
    Ok(Exit::Ok)
}

/// Arguments of commands about one key.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The key's name or id.
    pub key: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Shows a key of the database.
pub fn show(args: &OneArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let key = Office::open(&args.office)?.get(&path(&args.key, ""))?;
    told(&key, args.json, screen)
}

/// Revokes a key of the database.
pub fn revoke(args: &OneArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let key = Office::open(&args.office)?.ask(Method::POST, &path(&args.key, "/revoke"), None)?;
    told(&key, args.json, screen)?;
    others(&key, "revoked", args.json, screen)
}

/// Arguments of `lockgate key rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// The key.
    #[command(flatten)]
    pub one: OneArgs,
    /// How long the old key still works (`30s`, `10m`, `24h`, `7d`).
    #[arg(long, default_value = "24h", value_name = "TIME")]
    pub overlap: String,
}

/// Puts a new key in the place of one.
pub fn rotate(args: &RotateArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let body = json!({"overlap": args.overlap});
    let office = Office::open(&args.one.office)?;
    let made = office.ask(Method::POST, &path(&args.one.key, "/rotate"), Some(&body))?;
    if args.one.json {
        screen.json(&made)?;
        return Ok(Exit::Ok);
    }
    screen.line(made["key"].as_str().unwrap_or_default())?;
    screen.line("")?;
    let words = format!("Shown once. The old key works for {} more.", args.overlap);
    screen.paragraph("", &words)?;
    Ok(Exit::Ok)
}

/// Arguments of `lockgate key set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The key.
    #[command(flatten)]
    pub one: OneArgs,
    /// The new name.
    #[arg(long)]
    pub name: Option<String>,
    /// What the key may do from now on; what is not given stays. `none` takes an owner, a project, an expiry or a limit away.
    #[command(flatten)]
    pub wish: WishArgs,
}

/// Changes a key of the database.
pub fn set(args: &SetArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.one.office)?;
    let before = office.get(&path(&args.one.key, ""))?;
    let mut change = args.wish.change(&before["limits"])?;
    if let Some(name) = &args.name {
        change["name"] = name.clone().into();
    }
    let key = office.ask(Method::PATCH, &path(&args.one.key, ""), Some(&change))?;
    told(&key, args.one.json, screen)?;
    others(&key, "changed", args.one.json, screen)
}

/// Says that a name was that of several keys.
fn others(key: &Value, done: &str, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    let also: Vec<_> = key["also"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !json && !also.is_empty() {
        screen.line("")?;
        let words = format!(
            "{} keys in use had this name, and all are {done}; the others: {}.",
            also.len() + 1,
            also.join(", ")
        );
        screen.paragraph("", &words)?;
    }
    Ok(Exit::Ok)
}

fn path(key: &str, then: &str) -> String {
    format!("/api/keys/{}{then}", utf8_percent_encode(key, NON_ALPHANUMERIC))
}

fn told(key: &Value, json: bool, screen: &mut Screen) -> Result<Exit, Failure> {
    if json {
        screen.json(key)?;
    } else {
        print(key, screen)?;
    }
    Ok(Exit::Ok)
}

/// A key of the database.
fn print(key: &Value, screen: &mut Screen) -> Result<(), Failure> {
    screen.line(&styled(STRONG, key["name"].as_str().unwrap_or_default()))?;
    let text = |name: &str| key[name].as_str().map(str::to_owned);
    let list = |name: &str| {
        let words: Vec<_> = key[name].as_array()?.iter().filter_map(Value::as_str).collect();
        (!words.is_empty()).then(|| words.join(", "))
    };
    let rows = [
        ("state", text("state")),
        ("key", text("prefix").map(|prefix| format!("{prefix}…"))),
        ("id", text("id")),
        ("owner", text("owner")),
        ("project", text("project")),
        ("tags", list("tags")),
        ("role", text("role").filter(|role| role != "self")),
        ("models", list("models").or_else(|| Some("all".to_owned()))),
        ("providers", list("providers")),
        ("data class", text("data_class")),
        ("recording", text("recording")),
        ("limits", limits(&key["limits"])),
        ("created", text("created")),
        ("expires", text("expires")),
        ("retires", text("retires")),
        ("revoked", text("revoked")),
        ("last used", text("used")),
    ];
    for (label, words) in rows {
        if let Some(words) = words {
            screen.paragraph(&format!("  {label:<12}"), &words)?;
        }
    }
    Ok(())
}

fn limits(limits: &Value) -> Option<String> {
    let number = |name: &str, words: &str| limits[name].as_u64().map(|number| format!("{number} {words}"));
    let cost = limits["cost_per_day_nano"].as_u64().map(|nano| format!("{} USD a day", nano as f64 / 1e9));
    let all = [
        number("requests_per_minute", "calls a minute"),
        number("tokens_per_minute", "tokens a minute"),
        number("concurrency", "at a time"),
        cost,
    ];
    let all: Vec<_> = all.into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join(", "))
}
