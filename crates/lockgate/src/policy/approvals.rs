//! `lockgate policy pending|approve|deny`: calls that wait for a person. The admin API decides; here are arguments and how it looks.

use clap::{Args, ValueEnum};
use http::Method;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::screen::{STRONG, Screen, styled};
use crate::table::clean;

/// Between two looks of `--watch`.
const LOOK: std::time::Duration = std::time::Duration::from_millis(500);

/// Arguments of `lockgate policy pending`.
#[derive(Debug, Args)]
pub struct PendingArgs {
    /// Stay, and print each call that begins to wait.
    #[arg(long, conflicts_with_all = ["json", "standing"])]
    pub watch: bool,
    /// Show what was approved for later calls instead; `lockgate policy revoke` takes it back.
    #[arg(long)]
    pub standing: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Arguments of `lockgate policy approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The question.
    #[command(flatten)]
    pub one: AnswerArgs,
    /// For which calls it holds: this one, those with the same arguments in its session, or all those of the same key.
    #[arg(long, value_enum, default_value_t)]
    pub holds: Holds,
}

/// For which calls an approval holds.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub enum Holds {
    /// Every later one with the same arguments, of the same key.
    Always,
    /// This one.
    #[default]
    Once,
    /// Those with the same arguments in the same session.
    Session,
}

/// Arguments of commands about one question.
#[derive(Debug, Args)]
pub struct AnswerArgs {
    /// Its id, or the end of it, as `lockgate policy pending` and the answer of the model show it; the first four signs of that are enough
    /// where they mean only one.
    pub id: String,
    /// Why, for whoever reads the answer or the record.
    #[arg(long, value_name = "WORDS")]
    pub reason: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the database is.
    #[command(flatten)]
    pub office: OfficeArgs,
}

/// Prints the calls that wait for a person.
pub fn pending(args: &PendingArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    if args.watch {
        return watch(&office, screen);
    }
    let state = if args.standing { "standing" } else { "pending" };
    let listed = office.get(&format!("/api/approvals?state={state}&limit=500"))?;
    if args.json {
        screen.json(&listed)?;
        return Ok(Exit::Ok);
    }
    let items = items(&listed);
    if items.is_empty() {
        let words = if args.standing {
            "Nothing is approved for later calls."
        } else {
            "No call waits for a person."
        };
        screen.line(words)?;
    }
    items.iter().try_for_each(|item| print(item, screen))?;
    Ok(Exit::Ok)
}

fn watch(office: &Office, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut shown: Vec<String> = Vec::new();
    screen.line("Waiting for calls that need a person; end with Ctrl-C.")?;
    loop {
        let listed = office.get("/api/approvals?state=pending&limit=500")?;
        let mut items = items(&listed);
        items.reverse();
        let id = |item: &Value| item["id"].as_str().unwrap_or_default().to_owned();
        for item in items.iter().filter(|item| !shown.contains(&id(item))) {
            print(item, screen)?;
        }
        shown = items.iter().map(id).collect();
        office.pause(LOOK);
    }
}

/// Lets a call go.
pub fn approve(args: &ApproveArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let holds = match args.holds {
        Holds::Always => "always",
        Holds::Once => "once",
        Holds::Session => "session",
    };
    answer(&args.one, json!({"verdict": "approved", "holds": holds}), screen)
}

/// Refuses a call.
pub fn deny(args: &AnswerArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    answer(args, json!({"verdict": "denied"}), screen)
}

/// Takes back an approval that holds for later calls.
pub fn revoke(args: &AnswerArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let id = find(&office, &args.id, "standing")?;
    office.ask(Method::DELETE, &path(&id), None)?;
    if args.json {
        screen.json(&json!({"revoked": id}))?;
    } else {
        screen.line(&format!("revoked {id}; such calls are asked about again"))?;
    }
    Ok(Exit::Ok)
}

fn answer(args: &AnswerArgs, mut body: Value, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let id = find(&office, &args.id, "pending")?;
    if let Some(words) = &args.reason {
        body["words"] = words.clone().into();
    }
    let told = office.ask(Method::POST, &path(&id), Some(&body))?;
    if args.json {
        screen.json(&told)?;
        return Ok(Exit::Ok);
    }
    let text = |name: &str| clean(told[name].as_str().unwrap_or_default());
    let held = match told["holds"].as_str() {
        Some("session") => ", and those like it in the session",
        Some("always") => ", and those like it from now on",
        _ => "",
    };
    let what = told["tool"]
        .as_str()
        .map_or_else(|| "the request".to_owned(), |tool| format!("the call of {}", clean(tool)));
    screen.line(&format!("{}: {what}{held}", text("state")))?;
    Ok(Exit::Ok)
}

/// Signs of an id that are enough to mean one question, its number apart.
const SIGNS: usize = 4;

/// The id of the only question that is meant.
fn find(office: &Office, meant: &str, state: &str) -> Result<String, Failure> {
    let listed = office.get(&format!("/api/approvals?state={state}&limit=500"))?;
    let ids: Vec<String> =
        items(&listed).iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect();
    let look =
        if state == "pending" { "lockgate policy pending" } else { "lockgate policy pending --standing" };
    let mut fitting = ids.iter().filter(|id| means(meant, id));
    match (fitting.next(), fitting.next()) {
        (Some(id), None) => Ok(id.clone()),
        (Some(_), Some(_)) => {
            Err(Failure::usage(format!("`{meant}` may mean several questions")).hint("give more of the id"))
        }
        (None, _) if meant.split('.').next().unwrap_or_default().len() < SIGNS => Err(Failure::usage(format!(
            "`{meant}` is too little to mean a question: give its id as it is shown, or at least {SIGNS} signs of it"
        ))
        .hint(look)),
        // The API knows it, or says why not.
        (None, _) if meant.len() > 36 => Ok(meant.to_owned()),
        (None, _) if state == "pending" => {
            Err(Failure::usage(format!("no call that waits has the id `{meant}`")).hint(look))
        }
        (None, _) => {
            Err(Failure::usage(format!("nothing that was approved for later calls has the id `{meant}`")).hint(look))
        }
    }
}

/// Whether somebody means a question: by its id, by the end of it, or by the beginning of what is shown of it. The end of an id is its number,
/// which many have: so many signs have to stand before it.
fn means(meant: &str, id: &str) -> bool {
    if meant == id {
        return true;
    }
    let (signs, number) =
        meant.split_once('.').map_or((meant, None), |(signs, number)| (signs, Some(number)));
    if signs.len() < SIGNS {
        return false;
    }
    match number {
        Some(number) if !number.is_empty() => id.ends_with(meant),
        Some(_) | None => short(id).starts_with(signs),
    }
}

fn path(id: &str) -> String {
    format!("/api/approvals/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

fn items(listed: &Value) -> Vec<Value> {
    listed["items"].as_array().cloned().unwrap_or_default()
}

fn print(item: &Value, screen: &mut Screen) -> Result<(), Failure> {
    let text = |name: &str| item[name].as_str().map(clean);
    let id = text("id").unwrap_or_default();
    let what = text("tool").unwrap_or_else(|| "request".into());
    screen.line(&format!("{}  {}", styled(STRONG, &short(&id)), styled(STRONG, &what)))?;
    let rule = text("rule").map(|rule| format!(" ({rule})")).unwrap_or_default();
    let by = [text("key"), text("user"), text("client")].into_iter().flatten().collect::<Vec<_>>().join(", ");
    let rows = [
        ("policy", text("policy").map(|policy| format!("{policy}{rule}"))),
        ("reason", text("reason")),
        ("arguments", item["arguments"].as_str().map(arguments)),
        ("from", (!by.is_empty()).then_some(by)),
        ("session", text("session")),
        ("left", text("until").filter(|_| item["state"] == "pending").map(|until| left(&until))),
        ("approved", text("answered").map(|at| format!("{at} by {}", text("by").unwrap_or_default()))),
        ("holds", text("holds")),
    ];
    for (name, value) in rows {
        if let Some(value) = value {
            screen.paragraph(&format!("  {name:<11}"), &value)?;
        }
    }
    screen.line("")
}

/// The arguments in one line: the command alone, where they are little else.
fn arguments(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    let main = ["command", "cmd", "file_path", "path", "url"].iter().find_map(|name| value[name].as_str());
    match main {
        Some(main) if value.as_object().is_some_and(|members| members.len() <= 2) => lines(main),
        Some(_) | None => lines(json),
    }
}

/// In one line in which ends of lines are seen: behind one a comment is over.
fn lines(text: &str) -> String {
    text.lines().map(clean).collect::<Vec<_>>().join(" ⏎ ")
}

/// The end of an id, which is enough to tell it.
fn short(id: &str) -> String {
    let number = id.rfind('.').unwrap_or(id.len());
    id[id.floor_char_boundary(number.saturating_sub(8))..].to_owned()
}

fn left(until: &str) -> String {
    let Ok(until) = until.parse::<Timestamp>() else { return until.to_owned() };
    let seconds = (until.as_second() - Timestamp::now().as_second()).max(0);
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_meant_by_its_id_or_by_enough_of_it_and_never_by_its_number() {
        let id = "019abcde-0000-7000-8000-0123456789ab.0";
        for meant in [id, "456789ab.0", "6789ab.0", "89ab.0", "4567", "456789ab", "456789ab."] {
            assert!(means(meant, id), "{meant}");
        }
        for meant in ["", "0", ".0", "b.0", "9ab.0", "456", "019a", "456789ab.1", "89ab", "456789ab.00"] {
            assert!(!means(meant, id), "{meant}");
        }
    }
}
