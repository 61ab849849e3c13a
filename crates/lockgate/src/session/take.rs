//! `lockgate session export`, `import` and `resume`: sessions as files, on this machine and on others.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::find;
use crate::call::{segment, text};
use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::screen::{Screen, count};

/// As what a session is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people.
    Markdown,
    /// One document that can be imported again.
    Json,
    /// The same, a call on each line.
    Jsonl,
}

impl Form {
    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Markdown => "markdown",
        }
    }
}

/// Arguments of `lockgate session export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The session's id, its beginning, or `latest`.
    id: String,
    /// As what.
    #[arg(long, short, value_enum, default_value = "markdown")]
    format: Form,
    /// The file to write, instead of printing.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Writes a session down.
pub fn export(args: &ExportArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let office = Office::open(&args.office)?;
    let id = text(&find(&office, &args.id)?["id"]);
    let path = format!("/api/sessions/{}/export?format={}", segment(&id), args.format.word());
    let bytes = office.bytes(Method::GET, &path, None)?;
    match &args.output {
        Some(file) => {
            private(file, &bytes)?;
            Screen::stderr().line(&format!("{}: {} bytes", file.display(), bytes.len()))?;
        }
        None => screen.raw(&bytes)?,
    }
    Ok(Exit::Ok)
}

/// Arguments of `lockgate session import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The export (JSON or JSONL); `-` reads it from standard input.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Takes back what was exported.
pub fn import(args: &ImportArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut bytes = Vec::new();
    let read = if args.file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes)
    } else {
        std::fs::File::open(&args.file).and_then(|mut file| file.read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::file("read", &args.file, &error))?;
    let office = Office::open_or_create(&args.office)?;
    let sent = Some(("application/x-ndjson", Bytes::from(bytes)));
    let told = office.bytes(Method::POST, "/api/import", sent)?;
    let told: Value = serde_json::from_slice(&told).unwrap_or_default();
    if args.json {
        screen.json(&told)?;
        return Ok(Exit::Ok);
    }
    let number = |name: &str| usize::try_from(told[name].as_u64().unwrap_or(0)).unwrap_or(usize::MAX);
    let mut words = format!("{} taken over", count(number("calls"), "call"));
    if number("repeated") > 0 {
        words = format!("{words}, {} were here already", number("repeated"));
    }
    screen.line(&words)?;
    Ok(Exit::Ok)
}

/// Arguments of `lockgate session resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The session's id, its beginning, or `latest`.
    id: String,
    /// The folder to go on in. Default: this one.
    #[arg(long, value_name = "FOLDER")]
    cwd: Option<PathBuf>,
    /// Replace a transcript of this session that is there already.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Writes a transcript where Claude Code finds it.
pub fn resume(args: &ResumeArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let here = args.cwd.clone().unwrap_or_else(|| PathBuf::from("."));
    // Claude Code names a folder as the system does, without links.
    let cwd = here.canonicalize().map_err(|error| Failure::file("find", &here, &error))?;
    let office = Office::open(&args.office)?;
    let id = text(&find(&office, &args.id)?["id"]);
    let query = segment(&cwd.to_string_lossy());
    let made = office.get(&format!("/api/sessions/{}/transcript?cwd={query}", segment(&id)))?;
    let file = claude_folder()?.join(text(&made["path"]));
    if file.exists() && !args.force {
        let there = format!("there is a transcript of this session already: {}", file.display());
        return Err(Failure::finding(there).hint(format!(
            "`claude --resume {}` goes on with it; --force replaces it",
            text(&made["session"])
        )));
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Failure::file("make", folder, &error))?;
    }
    private(&file, text(&made["text"]).as_bytes())?;
    let session = text(&made["session"]);
    if args.json {
        screen.json(&json!({"session": session, "file": file, "cwd": cwd}))?;
        return Ok(Exit::Ok);
    }
    screen.line(&format!("written to {}", file.display()))?;
    screen.line(&format!("go on with: cd {} && claude --resume {session}", cwd.display()))?;
    Ok(Exit::Ok)
}

/// Where Claude Code keeps its sessions.
fn claude_folder() -> Result<PathBuf, Failure> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("CLAUDE_CONFIG_DIR")
        .or_else(|| Some(named("HOME")?.join(".claude")))
        .ok_or_else(|| Failure::unavailable("there is no HOME, so no folder of Claude Code's"))
}

/// Writes a file that only its owner reads: what people said to a model is nobody else's business.
pub(crate) fn private(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(file)
        .and_then(|mut opened| opened.write_all(bytes))
        .map_err(|error| Failure::file("write", file, &error))
}
