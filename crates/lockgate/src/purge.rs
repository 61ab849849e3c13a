//! `lockgate purge`: deletes recorded calls for good, by name or by age.

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::call::text;
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::screen::{Screen, count};
use crate::session::find;

/// Arguments of `lockgate purge`.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["session", "key", "user", "older_than"])))]
pub struct PurgeArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The session with this id, its beginning, or `latest`.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// The calls of the key with this name.
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// The calls of this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Calls that began before: 2026-11-21, or how long ago (90d).
    #[arg(long, value_name = "TIME")]
    older_than: Option<String>,
    /// Only bodies and searchable words; who, which model, when and how much stay.
    #[arg(long)]
    contents_only: bool,
    /// Do not write it to the folder `record.retention.archive` before.
    #[arg(long)]
    no_archive: bool,
    /// Delete. Without it nothing is deleted, only counted.
    #[arg(long)]
    yes: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Deletes, or says what would be deleted.
pub fn main(args: &PurgeArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let done = office.ask(Method::POST, "/api/purge", Some(&wish(args, &office)?));
    // What the API calls it is not what was typed.
    let done = done.map_err(|failure| {
        let message = failure.message.replace("`older_than`", "--older-than");
        Failure { message, ..failure }
    })?;
    if args.json {
        screen.json(&done)?;
    } else {
        tell(if args.contents_only { "contents of calls" } else { "calls" }, &done, args.yes, screen)?;
    }
    if !args.yes && !args.json {
        screen.line("Nothing is deleted yet; --yes does it.")?;
    }
    Ok(Exit::Ok)
}

fn wish(args: &PurgeArgs, office: &Office) -> Result<Value, Failure> {
    let session = args.session.as_ref().map(|id| find(office, id)).transpose()?;
    let mut wish = json!({"contents_only": args.contents_only, "dry_run": !args.yes});
    for (name, value) in [
        ("session", session.map(|session| text(&session["id"]))),
        ("key", args.key.clone()),
        ("user", args.user.clone()),
        ("older_than", args.older_than.clone()),
    ] {
        if let Some(value) = value {
            wish[name] = value.into();
        }
    }
    if args.no_archive {
        wish["archive"] = false.into();
    }
    Ok(wish)
}

/// Says how much of something was deleted, or would be.
pub(crate) fn tell(what: &str, done: &Value, deleted: bool, screen: &mut Screen) -> Result<(), Failure> {
    let number = |name: &str| usize::try_from(done[name].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
    let verb = if deleted { "deleted" } else { "would be deleted" };
    let mut words = format!("{} {verb}: {}", what, number("calls") + number("entries"));
    if number("sessions") > 0 {
        words = format!("{words}, with {}", count(number("sessions"), "session"));
    }
    screen.line(&words)?;
    match done["archive"].as_str() {
        Some(file) => screen.line(&format!("archived before in {file}")),
        None => Ok(()),
    }
}
