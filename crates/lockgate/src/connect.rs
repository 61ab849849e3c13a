//! `lockgate connect`: changes a client's settings so that it talks to Lockgate, and puts them back.
//!
//! All new contents are computed before the first byte is written, and the originals are safe before the files change. It prints
//! what it did and never a key.

pub mod backup;
pub mod disk;
pub mod edit;
mod revert;

use clap::Args;
use serde_json::{Value, json};
use similar::TextDiff;

use crate::client::{Client, Connection, FileEdit, Launch};
use crate::env::Env;
use crate::exit::{Exit, Failure};
use crate::gateway::{Credential, Gateway, GatewayArgs};
use crate::screen::{ATTENTION, FAINT, GOOD, STRONG, Screen, styled};
use backup::{Backup, Standing};

/// Arguments of `lockgate connect`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// The client.
    #[arg(value_enum)]
    pub client: Client,
    #[command(flatten)]
    /// Where Lockgate is.
    pub gateway: GatewayArgs,
    /// Put the settings back as they were before the first connect.
    #[arg(long)]
    pub revert: bool,
    /// With --revert: also when the files were edited since (the edited version is kept aside).
    #[arg(long, requires = "revert")]
    pub force: bool,
    /// Show what would change and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
pub fn main(args: &ConnectArgs, env: &Env, screen: &mut Screen) -> Result<Exit, Failure> {
    let gateway = Gateway::parse(&args.gateway)?;
    match args.client.connection(&gateway, env)? {
        Connection::Files { files, .. } if args.revert => revert::run(args, &files, env, screen),
        Connection::Files { files, notes } => connect(args, &gateway, (&files, notes), env, screen),
        Connection::Shell(_) | Connection::Steps(_) if args.revert => Err(Failure::finding(format!(
            "nothing to revert: `connect {}` writes no file",
            args.client.slug()
        ))),
        Connection::Shell(launch) => print_shell(args, &launch, screen),
        Connection::Steps(steps) => print_steps(args, &steps, screen),
    }
}

/// A file with its content before and after.
struct Planned<'a> {
    file: &'a FileEdit,
    current: Option<Vec<u8>>,
    standing: Standing,
    new: Vec<u8>,
}

impl Planned<'_> {
    fn action(&self) -> &'static str {
        match &self.current {
            None => "created",
            Some(current) if *current == self.new => "unchanged",
            Some(_) => "changed",
        }
    }
}

fn connect(
    args: &ConnectArgs,
    gateway: &Gateway,
    (files, notes): (&[FileEdit], Vec<String>),
    env: &Env,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let mut backup = Backup::open(env, args.client, files)?;
    let mut planned = Vec::new();
    for file in files {
        let current = disk::read(&file.path)?;
        let standing = backup.standing(&file.path, current.as_deref());
        let base = backup.base(&file.path, standing, current.as_deref())?;
        let new = file.edit.apply(base.as_deref()).map_err(|why| {
            Failure::finding(format!("{} was left alone: {why}", file.path.display()))
                .hint("repair the file, or move it away, and connect again")
        })?;
        planned.push(Planned { file, current, standing, new });
    }
    if args.dry_run {
        return show_plan(args, gateway, &planned, screen);
    }
    for plan in &planned {
        backup.keep(&plan.file.path, plan.standing, plan.current.as_deref(), &plan.new)?;
    }
    backup.save(&gateway.base())?;
    for plan in planned.iter().filter(|plan| plan.action() != "unchanged") {
        disk::write(&plan.file.path, &plan.new)?;
    }
    show_done(args, gateway, (&planned, &notes), env, screen)
}

fn show_done(
    args: &ConnectArgs,
    gateway: &Gateway,
    (planned, notes): (&[Planned<'_>], &[String]),
    env: &Env,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    if args.json {
        screen.json(&plan_json(args, gateway, planned, notes))?;
        return Ok(Exit::Ok);
    }
    let unchanged = planned.iter().all(|plan| plan.action() == "unchanged");
    let there = gateway.reachable();
    let verb = match (&there, unchanged) {
        (Ok(()), true) => "already talks",
        (Ok(()), false) => "now talks",
        (Err(_), true) => "is already set to talk",
        (Err(_), false) => "is now set to talk",
    };
    screen.line(&format!(
        "{} {} {verb} to {}",
        styled(GOOD, "✓"),
        styled(STRONG, args.client.title()),
        gateway.base()
    ))?;
    for plan in planned {
        let lead = format!("  {:<9} ", plan.action());
        screen.paragraph(
            &lead,
            &format!("{} ({})", disk::short(&plan.file.path, env), plan.file.edit.settings().join(", ")),
        )?;
    }
    match gateway.credential {
        Credential::Key(_) => {}
        Credential::Own => {
            screen.paragraph("  key       ", "the client's own credentials, passed through by Lockgate")?;
        }
        Credential::Placeholder => {
            screen.paragraph(
                "  key       ",
                "none given: works while Lockgate asks for none (loopback); otherwise add --key",
            )?;
        }
    }
    let absent = there.err().map(|absent| format!("{}; start `lockgate` before the client", absent.message));
    for note in absent.iter().chain(notes) {
        screen.paragraph(&format!("  {}      ", styled(ATTENTION, "note")), note)?;
    }
    screen.line(&styled(FAINT, &format!("  undo      lockgate connect {} --revert", args.client.slug())))?;
    Ok(Exit::Ok)
}

fn show_plan(
    args: &ConnectArgs,
    gateway: &Gateway,
    planned: &[Planned<'_>],
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let diffs: Vec<String> = planned.iter().map(|plan| diff(plan, gateway)).collect();
    if args.json {
        let mut value = plan_json(args, gateway, planned, &[]);
        value["dry_run"] = true.into();
        for (file, diff) in value["files"].as_array_mut().into_iter().flatten().zip(&diffs) {
            file["diff"] = diff.as_str().into();
        }
        screen.json(&value)?;
        return Ok(Exit::Ok);
    }
    for (plan, diff) in planned.iter().zip(&diffs) {
        if diff.is_empty() {
            screen.line(&format!("{} stays as it is", plan.file.path.display()))?;
        } else {
            screen.line(diff.trim_end_matches('\n'))?;
        }
    }
    Ok(Exit::Ok)
}

/// The change as a unified diff in which the key is not readable.
fn diff(plan: &Planned<'_>, gateway: &Gateway) -> String {
    let old = String::from_utf8_lossy(plan.current.as_deref().unwrap_or_default()).into_owned();
    let mut new = String::from_utf8_lossy(&plan.new).into_owned();
    if let Credential::Key(secret) = &gateway.credential {
        new = new.replace(secret.reveal(), "<your key>");
    }
    let path = plan.file.path.display().to_string();
    let before = if plan.current.is_some() { path.as_str() } else { "/dev/null" };
    TextDiff::from_lines(&old, &new).unified_diff().context_radius(2).header(before, &path).to_string()
}

fn plan_json(args: &ConnectArgs, gateway: &Gateway, planned: &[Planned<'_>], notes: &[String]) -> Value {
    let files: Vec<Value> = planned
        .iter()
        .map(|plan| json!({"path": plan.file.path, "action": plan.action(), "settings": plan.file.edit.settings()}))
        .collect();
    json!({"client": args.client.slug(), "url": gateway.base(), "files": files, "notes": notes})
}

fn print_shell(args: &ConnectArgs, launch: &Launch, screen: &mut Screen) -> Result<Exit, Failure> {
    let arguments: Vec<String> = launch.args.iter().map(|arg| quoted(&arg.to_string_lossy())).collect();
    let command = [launch.program.to_owned()].into_iter().chain(arguments).collect::<Vec<_>>().join(" ");
    if args.json {
        let set: serde_json::Map<String, Value> =
            launch.set.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        screen.json(
            &json!({"client": args.client.slug(), "set": set, "unset": launch.unset, "command": command}),
        )?;
        return Ok(Exit::Ok);
    }
    let title = args.client.title();
    screen
        .line(&format!("# {title} is configured by its environment; nothing was written. In your shell:"))?;
    for (name, value) in &launch.set {
        screen.line(&format!("export {name}={}", quoted(value)))?;
    }
    if !launch.unset.is_empty() {
        screen.line(&format!("unset {}", launch.unset.join(" ")))?;
    }
    screen.line(&format!("# then: {command}"))?;
    screen.line(&format!("# or, without touching your shell: lockgate run {}", args.client.slug()))?;
    Ok(Exit::Ok)
}

fn print_steps(args: &ConnectArgs, steps: &[String], screen: &mut Screen) -> Result<Exit, Failure> {
    if args.json {
        screen.json(&json!({"client": args.client.slug(), "steps": steps}))?;
        return Ok(Exit::Ok);
    }
    screen.line(&format!("{} is set up by hand; nothing was written.", args.client.title()))?;
    for (index, step) in steps.iter().enumerate() {
        screen.paragraph(&format!("{:>3}. ", index + 1), step)?;
    }
    Ok(Exit::Ok)
}

/// A word that a POSIX shell reads as exactly this text.
fn quoted(text: &str) -> String {
    let plain =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@%+,=".contains(&b));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn printed_values_survive_the_shell() {
        assert_eq!(quoted("http://127.0.0.1:8484/v1"), "http://127.0.0.1:8484/v1");
        assert_eq!(quoted("a b$c"), "'a b$c'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
