//! `lockgate connect CLIENT --revert`: the files as they were before the first connect.
//!
//! All or nothing: if one file was edited since, none is touched unless `--force` is given, and then the edited version is set aside.

use serde_json::{Value, json};

use super::backup::{Backup, Entry, Standing};
use super::{ConnectArgs, disk};
use crate::client::FileEdit;
use crate::env::Env;
use crate::exit::{Exit, Failure};
use crate::screen::{ATTENTION, GOOD, STRONG, Screen, styled};

pub(super) fn run(
    args: &ConnectArgs,
    files: &[FileEdit],
    env: &Env,
    screen: &mut Screen,
) -> Result<Exit, Failure> {
    let backup = Backup::open(env, args.client, files)?;
    if !backup.exists() {
        let path = files.first().map(|file| disk::short(&file.path, env)).unwrap_or_default();
        return Err(Failure::finding(format!("nothing to revert: {} was not connected ({path})", args.client.title()))
            .hint("if it was connected with another home folder, set the same variable again (CLAUDE_CONFIG_DIR, CODEX_HOME, …)"));
    }
    let mut conflicts = Vec::new();
    for entry in backup.entries() {
        let current = disk::read(&entry.path)?;
        if backup.standing(&entry.path, current.as_deref()) == Standing::Edited || entry.edited.is_some() {
            conflicts.push(explain(&backup, entry, current.is_some(), env));
        }
        backup.original(&entry.path)?;
    }
    if !conflicts.is_empty() && !args.force {
        return Err(Failure::finding(conflicts.join("\n")).hint(
            "take Lockgate's settings out by hand, or add --force: the edited version is then kept aside",
        ));
    }
    let mut done = Vec::new();
    for entry in backup.entries() {
        done.push(restore(&backup, entry, args.dry_run)?);
    }
    if !args.dry_run {
        backup.forget()?;
    }
    show(args, &done, env, screen)
}

/// What became of one file.
struct Restored {
    entry: Entry,
    action: &'static str,
    aside: Option<std::path::PathBuf>,
}

fn restore(backup: &Backup, entry: &Entry, dry_run: bool) -> Result<Restored, Failure> {
    let current = disk::read(&entry.path)?;
    let standing = backup.standing(&entry.path, current.as_deref());
    let original = backup.original(&entry.path)?;
    let action = match (&original, standing) {
        (_, Standing::Original) => "unchanged",
        (Some(_), _) => "restored",
        (None, _) => "removed",
    };
    let mut aside = entry.edited.clone();
    if !dry_run {
        if standing == Standing::Edited {
            aside = backup.set_aside(&entry.path, current.as_deref())?;
        }
        match &original {
            Some(bytes) if current.as_ref() != Some(bytes) => disk::write(&entry.path, bytes)?,
            Some(_) => {}
            None => disk::remove(&entry.path, &entry.created_folders)?,
        }
    }
    Ok(Restored { entry: entry.clone(), action, aside })
}

fn explain(backup: &Backup, entry: &Entry, exists: bool, env: &Env) -> String {
    let path = disk::short(&entry.path, env);
    let copy = backup.copy_of(&entry.path);
    match (exists, &entry.original, &entry.edited) {
        (false, _, _) => format!("{path} was removed since Lockgate connected it"),
        (true, _, Some(edited)) => {
            format!(
                "{path} was edited between two connects; that version is kept:\n  diff {} {}",
                edited.display(),
                entry.path.display()
            )
        }
        (true, None, None) => format!("{path} was edited since Lockgate created it"),
        (true, Some(_), None) => {
            format!(
                "{path} was edited since Lockgate connected it; see what reverting would undo:\n  diff {} {}",
                copy.display(),
                entry.path.display()
            )
        }
    }
}

fn show(args: &ConnectArgs, done: &[Restored], env: &Env, screen: &mut Screen) -> Result<Exit, Failure> {
    if args.json {
        let files: Vec<Value> = done
            .iter()
            .map(|file| json!({"path": file.entry.path, "action": file.action, "kept_aside": file.aside}))
            .collect();
        screen.json(&json!({"client": args.client.slug(), "reverted": !args.dry_run, "files": files}))?;
        return Ok(Exit::Ok);
    }
    let verb = if args.dry_run { "would be as before" } else { "is as before" };
    screen.line(&format!("{} {} {verb}", styled(GOOD, "✓"), styled(STRONG, args.client.title())))?;
    for file in done {
        screen.line(&format!("  {:<9} {}", file.action, disk::short(&file.entry.path, env)))?;
        if let Some(aside) = &file.aside {
            screen.line(&format!(
                "  {} the edited version is in {}",
                styled(ATTENTION, "kept     "),
                aside.display()
            ))?;
        }
    }
    Ok(Exit::Ok)
}
