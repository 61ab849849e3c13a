//! `lockgate session`: what belongs together of what was recorded.

mod explain;
pub(crate) mod take;

use clap::Args;
use http::Method;
use serde_json::{Value, json};

use crate::call::{more, rows, segment, text};
use crate::exit::{Exit, Failure};
use crate::feedback;
use crate::office::{Office, OfficeArgs};
use crate::quantity::{ago, moment, money, tokens};
use crate::screen::{STRONG, Screen, count, styled};
use crate::search::SearchArgs;
use crate::table::{Table, clean};

pub use explain::{CostArgs, cost};
pub use take::{ExportArgs, ImportArgs, ResumeArgs, export, import, resume};

/// Arguments of `lockgate session list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    office: OfficeArgs,
    #[command(flatten)]
    search: SearchArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Lists sessions, the latest active first.
pub fn list(args: &ListArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let page = Office::open(&args.office)?.get(&args.search.path("/api/sessions", &[]))?;
    if args.json {
        screen.json(&page)?;
        return Ok(Exit::Ok);
    }
    let sessions = page["items"].as_array().map_or(&[][..], Vec::as_slice);
    if sessions.is_empty() && page["next"].is_null() {
        screen.paragraph(
            "",
            "No session meets these conditions. Calls that belong to none: `lockgate call list`",
        )?;
        return Ok(Exit::Ok);
    }
    let mut table = Table::new(&["LAST", "CALLS", "COST", "CLIENT", "WHERE", "ID", "TITLE"]);
    for session in sessions {
        table.row(vec![
            ago(&session["last"]),
            session["totals"]["calls"].to_string(),
            spent(&session["totals"]),
            text(&session["client"]),
            place(session),
            text(&session["id"]),
            text(&session["title"]),
        ]);
    }
    table.show(screen)?;
    more(&page, screen)?;
    Ok(Exit::Ok)
}

/// The known costs, marked if there are others.
fn spent(totals: &Value) -> String {
    let known = money(totals["cost_nano"].as_i64());
    match (totals["unpriced"].as_u64(), totals["calls"].as_u64()) {
        (Some(unpriced), calls) if Some(unpriced) == calls => "?".to_owned(),
        (Some(1..), _) => format!("{known}+?"),
        _ => known,
    }
}

/// `repo@branch`, or the folder's last name.
fn place(session: &Value) -> String {
    let (repo, branch, cwd) = (text(&session["repo"]), text(&session["branch"]), text(&session["cwd"]));
    let folder = if repo.is_empty() { cwd.rsplit('/').next().unwrap_or_default().to_owned() } else { repo };
    if branch.is_empty() { folder } else { format!("{folder}@{branch}") }
}

/// Arguments of `lockgate session show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The session's id, its beginning (four characters or more), or `latest`.
    id: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Shows a session and its calls.
pub fn show(args: &ShowArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let id = text(&find(&office, &args.id)?["id"]);
    let session = office.get(&format!("/api/sessions/{}", segment(&id)))?;
    let session_calls = SearchArgs { limit: 500, ..SearchArgs::default() };
    let calls = office.get(&session_calls.path("/api/calls", &[("session", &id)]))?;
    if args.json {
        screen.json(&json!({"session": session, "calls": calls["items"], "next": calls["next"]}))?;
        return Ok(Exit::Ok);
    }
    facts(&session, screen)?;
    let said = session["feedback"].as_array().map_or(&[][..], Vec::as_slice);
    if !said.is_empty() {
        screen.line("")?;
        feedback::rows(said, screen)?;
    }
    screen.line("")?;
    rows(calls["items"].as_array().map_or(&[][..], Vec::as_slice), screen)?;
    if !calls["next"].is_null() {
        screen.line(&format!(
            "\nearlier ones: lockgate call list --session {id} --cursor {}",
            text(&calls["next"])
        ))?;
    }
    Ok(Exit::Ok)
}

fn facts(session: &Value, screen: &mut Screen) -> Result<(), Failure> {
    let title = clean(&text(&session["title"]));
    let id = text(&session["id"]);
    screen.line(&styled(STRONG, if title.is_empty() { &id } else { &title }))?;
    let totals = &session["totals"];
    let number = |name: &str| totals[name].as_u64().unwrap_or(0);
    let calls = usize::try_from(number("calls")).unwrap_or(usize::MAX);
    let mut made = count(calls, "call");
    for (name, word) in [("failed", "failed"), ("intervened", "with an intervention")] {
        if number(name) > 0 {
            made = format!("{made}, {} {word}", number(name));
        }
    }
    let used = format!(
        "{} uncached, {} cache read, {} cache written, {} output",
        tokens(number("input_uncached")),
        tokens(number("cache_read")),
        tokens(number("cache_write")),
        tokens(number("output"))
    );
    let known = money(totals["cost_nano"].as_i64());
    let cost = match number("unpriced") {
        0 => known,
        unpriced if unpriced == number("calls") => "not known".to_owned(),
        unpriced => format!("{known}, and {} whose price is not known", count(unpriced as usize, "call")),
    };
    for (label, words) in [
        ("id", id),
        ("known by", text(&session["source"])),
        ("time", format!("{} to {}", moment(&session["first"]), moment(&session["last"]))),
        ("calls", made),
        ("tokens", used),
        ("cost", cost),
        ("folder", text(&session["cwd"])),
        ("repository", text(&session["repo"])),
        ("branch", text(&session["branch"])),
        ("client", [text(&session["client"]), text(&session["client_version"])].join(" ")),
        ("key", text(&session["key"])),
        ("user", text(&session["user"])),
    ] {
        let words = clean(&words);
        if !words.is_empty() {
            screen.paragraph(&format!("  {label:<12}"), &words)?;
        }
    }
    Ok(())
}

/// Arguments of `lockgate session rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The session's id, its beginning, or `latest`.
    id: String,
    /// The new title.
    title: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Gives a session a title.
pub fn rename(args: &RenameArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let id = text(&find(&office, &args.id)?["id"]);
    let path = format!("/api/sessions/{}", segment(&id));
    let session = office.ask(Method::PATCH, &path, Some(&json!({"title": args.title})))?;
    if args.json {
        screen.json(&session)?;
    } else {
        screen.line(&format!("{id} is now called: {}", clean(&text(&session["title"]))))?;
    }
    Ok(Exit::Ok)
}

/// How many sessions are looked through for one that begins so.
const LOOKED_AT: u16 = 500;

/// A session by its id, its beginning, or `latest`.
pub(crate) fn find(office: &Office, id: &str) -> Result<Value, Failure> {
    let recent = |limit: u16| {
        let search = SearchArgs { limit, ..SearchArgs::default() };
        office.get(&search.path("/api/sessions", &[]))
    };
    if id == "latest" {
        return match recent(1)?["items"].get(0) {
            Some(session) => Ok(session.clone()),
            None => Err(Failure::finding("no session is recorded yet")),
        };
    }
    let exact = office.get(&format!("/api/sessions/{}", segment(id)));
    let missing = match exact {
        Err(failure) if failure.exit == Exit::Finding => failure,
        told => return told,
    };
    if id.chars().count() < 4 {
        return Err(missing.hint("the beginning of an id needs four characters"));
    }
    let page = recent(LOOKED_AT)?;
    let mut begun = page["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|session| session["id"].as_str().is_some_and(|whole| whole.starts_with(id)));
    match (begun.next(), begun.next()) {
        (Some(session), None) => Ok(session.clone()),
        (Some(one), Some(other)) => {
            let several =
                format!("several sessions begin with `{id}`: {}, {} …", text(&one["id"]), text(&other["id"]));
            Err(Failure::finding(several).hint("write more of the id"))
        }
        (None, _) => Err(missing.hint("`lockgate session list` shows what there is")),
    }
}
