//! `lockgate policy import`: permissions of Claude Code as policies. Reads a file and prints YAML; changes nothing.

use std::fs;
use std::path::PathBuf;

use clap::Args;
use lockgate_policy::import::{Left, claude_permissions};
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::screen::{ATTENTION, Screen, styled};
use crate::table::clean;

/// Arguments of `lockgate policy import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Settings of Claude Code, such as .claude/settings.json.
    pub file: PathBuf,
    /// The folder that the settings are for, where paths in them begin. Default: the one above `.claude`.
    #[arg(long, value_name = "FOLDER")]
    pub project: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the policies that permissions become; what cannot be carried over is told beside them.
pub fn import(args: &ImportArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let file = args.file.display();
    let unusable = |error: &dyn std::fmt::Display| Failure::usage(format!("{file}: {error}"));
    let settings = fs::read_to_string(&args.file).map_err(|error| unusable(&error))?;
    let project = args.project.clone().or_else(|| above(args)).map(|folder| folder.display().to_string());
    let made = claude_permissions(&settings, project.as_deref()).map_err(|error| unusable(&error))?;
    if args.json {
        let left: Vec<Value> =
            made.left.iter().map(|Left { entry, why }| json!({"entry": entry, "why": why})).collect();
        screen.json(&json!({"rules": made.rules, "yaml": made.yaml, "left": left}))?;
        return Ok(Exit::Ok);
    }
    screen.raw(made.yaml.as_bytes())?;
    for Left { entry, why } in &made.left {
        anstream::eprintln!("{} {}: {why}", styled(ATTENTION, "left out"), clean(entry));
    }
    Ok(Exit::Ok)
}

/// The folder above `.claude`.
fn above(args: &ImportArgs) -> Option<PathBuf> {
    let folder = args.file.canonicalize().ok()?.parent()?.to_owned();
    if folder.file_name()? == ".claude" { Some(folder.parent()?.to_owned()) } else { Some(folder) }
}
