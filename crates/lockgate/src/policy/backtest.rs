//! `lockgate policy backtest`: recorded traffic through the policies of another configuration, and what they would have done otherwise.
//!
//! Reads the record page by page, as `call list` does, also while a gateway writes it. Calls no provider and no model, and changes nothing.

mod judged;
mod replayed;
mod report;
mod show;
mod source;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use lockgate_config::{Document, Environment, Inputs, Snapshot, locate, render_text};
use lockgate_policy::{Chain, Policies};

use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::screen::Screen;
use crate::serve::mask::Masks;
use judged::Judged;
use report::Report;
use source::{Range, Source};

/// How long a look of a policy may take, in milliseconds.
const PATIENT: u64 = 60_000;

/// Arguments of `lockgate policy backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// What is tried: a document as `lockgate policy apply` takes it, behind the policies of the configuration file; or a whole configuration, of
    /// which nothing but its policies is used.
    #[arg(value_name = "NEW.yaml")]
    candidate: PathBuf,
    /// Try a document without the policies of the configuration file.
    #[arg(long)]
    alone: bool,
    /// From when: 2026-11-21, 2026-11-21T08:00:00Z, or how long ago (90m, 24h, 7d).
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// Until when, not included. Default: now.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only calls of this session.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// How many examples of each change that a rule makes.
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    limit: usize,
    /// End with 1 if anything would be done otherwise, for a CI.
    #[arg(long)]
    fail_on_change: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Replays and reports.
pub fn backtest(args: &BacktestArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let Candidate { behind, chain, snapshot } = candidate(args)?;
    let office = Office::open(&args.office)?;
    let range =
        Range { session: args.session.clone(), since: Some(args.since.clone()), until: args.until.clone() };
    let masks = Masks::new(&snapshot).redactor();
    let mut judged = Judged::new(&office, &snapshot, masks.clone());
    let mut report = Report::new(args.limit, masks);
    let began = Instant::now();
    let mut source = Source::new(&office, range);
    while let Some(page) = source.page()? {
        for call in page {
            if let Some(replayed) = replayed::replayed(&source, &chain, &call, &mut judged, &mut report)? {
                report.add(&call, &replayed);
            }
        }
    }
    report.took = began.elapsed();
    report.questions = judged.told();
    let changed = report.changes.any();
    if args.json {
        let mut told = report.json();
        told["behind"] = behind.map(|file| file.display().to_string()).into();
        screen.json(&told)?;
    } else {
        if let Some(file) = behind {
            let words = format!("{} behind the policies of {}", args.candidate.display(), file.display());
            screen.paragraph("", &words)?;
        }
        show::show(&report, screen)?;
    }
    Ok(if args.fail_on_change && changed { Exit::Finding } else { Exit::Ok })
}

/// What is tried.
struct Candidate {
    /// The file behind whose policies it stands.
    behind: Option<PathBuf>,
    chain: Chain,
    /// The configuration whose secrets are masked.
    snapshot: Snapshot,
}

/// Reads what is tried. No budget of time: a busy machine is no verdict.
fn candidate(args: &BacktestArgs) -> Result<Candidate, Failure> {
    let file = args.candidate.display();
    if !args.candidate.exists() {
        return Err(Failure::usage(format!("there is no file {file}")));
    }
    let text = fs::read_to_string(&args.candidate).unwrap_or_default();
    let located = locate(args.office.config.as_deref(), &Environment::process());
    let itself = args.candidate.canonicalize().ok();
    let is_itself = located.as_ref().is_some_and(|located| located.canonicalize().ok() == itself);
    let Some(document) = Document::read(&text).ok().filter(|_| !is_itself) else {
        let snapshot = loaded(Some(args.candidate.clone()))?;
        if snapshot.is_blank() {
            return Err(Failure::usage(format!("{file} is empty"))
                .hint("`policies: {chain: []}` tries what would be without policies"));
        }
        let policies = Policies { budget_ms: PATIENT, ..snapshot.config().policies.clone() };
        return Ok(Candidate { behind: None, chain: super::chain(&policies), snapshot });
    };
    if args.office.gateway.is_some() && !args.alone {
        return Err(Failure::usage(format!(
            "{file} would stand behind the policies of that gateway's configuration file, which cannot be read from here"
        ))
        .hint("--alone tries it without them"));
    }
    let snapshot = loaded(located.clone())?;
    let of_file = Policies { budget_ms: PATIENT, ..snapshot.config().policies.clone() };
    let before =
        if args.alone { Policies { chain: Vec::new(), groups: BTreeMap::new(), ..of_file } } else { of_file };
    let policies = document.checked(&before, &snapshot).map_err(|words| {
        let failure = super::versions::in_file(Failure::usage(words), &file.to_string());
        if args.alone {
            failure
        } else {
            failure.hint("--alone tries it without the policies of the configuration file")
        }
    })?;
    let behind = located.filter(|_| !before.chain.is_empty());
    Ok(Candidate { behind, chain: super::chain(&policies), snapshot })
}

fn loaded(file: Option<PathBuf>) -> Result<Snapshot, Failure> {
    let inputs = Inputs { detect: true, environment: Environment::process(), file, flags: Vec::new() };
    inputs.load().map_err(|problems| Failure::usage(render_text(&problems.0).trim_end().to_owned()))
}
