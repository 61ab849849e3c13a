//! `lockgate config import ccr` and `export ccr`: taking over claude-code-router's configuration, and giving it back.
//!
//! An import explains every setting it finds: mapped, not mapped and why, or left out because it makes no sense. A key nobody knows is
//! most likely a typing error that has been without effect: it is named with its place and what was probably meant, and the command
//! ends with 1, but what is right is taken over. Secrets never reach the output unless asked for.

mod document;
mod draft;
mod export;
mod hosts;
mod import;
mod known;
mod provider;
mod report;
mod text;
mod transformer;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::connect::disk;
use crate::exit::{Exit, Failure};
use crate::screen::{ATTENTION, GOOD, Screen, count, styled};
pub use import::read;
pub use report::{Entry, Imported, Outcome};

/// Arguments of `lockgate config import ccr`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// claude-code-router's file, usually ~/.claude-code-router/config.json.
    pub file: PathBuf,
    /// Write the configuration here instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file that --out names if it exists.
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Copy keys into the output instead of referring to environment variables.
    #[arg(long)]
    pub inline_secrets: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `lockgate config export ccr`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Lockgate's configuration file.
    #[arg(default_value = "lockgate.yaml")]
    pub file: PathBuf,
    /// Write claude-code-router's configuration here instead of printing it.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Replace the file that --out names if it exists.
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Print JSON: the configuration and what it could not carry.
    #[arg(long)]
    pub json: bool,
}

/// Runs the import.
pub fn import(args: &ImportArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let imported = read(&load(&args.file)?, args.inline_secrets).map_err(|problem| {
        Failure::finding(format!("{}:{problem}", args.file.display()))
            .hint("nothing was written; correct the file and import again")
    })?;
    let exit = if imported.left_out() > 0 { Exit::Finding } else { Exit::Ok };
    let yaml = imported.yaml(&args.file.display().to_string());
    if let Some(out) = &args.out {
        store(out, yaml.as_bytes(), args.force)?;
    }
    if args.json {
        let settings: Vec<_> = imported.entries.iter().map(Entry::json).collect();
        screen.json(&json!({"yaml": yaml, "settings": settings, "variables": imported.variables, "written": args.out}))?;
        return Ok(exit);
    }
    if let Some(out) = &args.out {
        imported.show(screen)?;
        screen.line(&format!("{} {} written", styled(GOOD, "✓"), out.display()))?;
    } else {
        screen.line(yaml.trim_end())?;
        imported.show(&mut Screen::stderr())?;
    }
    Ok(exit)
}

/// Runs the export.
pub fn export(args: &ExportArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let exported = export::convert(&load(&args.file)?)
        .map_err(|why| Failure::finding(format!("{}: {why}", args.file.display())))?;
    let text = format!("{:#}\n", exported.config);
    if let Some(out) = &args.out {
        store(out, text.as_bytes(), args.force)?;
    }
    if args.json {
        screen
            .json(&json!({"config": exported.config, "not_carried": exported.lost, "written": args.out}))?;
        return Ok(Exit::Ok);
    }
    let mut notes = if let Some(out) = &args.out {
        screen.line(&format!("{} {} written", styled(GOOD, "✓"), out.display()))?;
        None
    } else {
        screen.line(text.trim_end())?;
        Some(Screen::stderr())
    };
    let notes = notes.as_mut().unwrap_or(screen);
    if !exported.lost.is_empty() {
        notes.line(&format!("{} not carried over:", count(exported.lost.len(), "setting")))?;
    }
    for lost in &exported.lost {
        notes.paragraph(&format!("  {} ", styled(ATTENTION, "not mapped")), lost)?;
    }
    Ok(Exit::Ok)
}

fn load(path: &Path) -> Result<String, Failure> {
    let bytes =
        disk::read(path)?.ok_or_else(|| Failure::usage(format!("there is no file {}", path.display())))?;
    String::from_utf8(bytes).map_err(|_| Failure::finding(format!("{} is not UTF-8", path.display())))
}

fn store(path: &Path, content: &[u8], force: bool) -> Result<(), Failure> {
    if path.exists() && !force {
        return Err(Failure::finding(format!("{} exists already", path.display()))
            .hint("name another file, or add --force to replace it"));
    }
    disk::write(path, content)
}
