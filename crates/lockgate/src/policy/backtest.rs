//! `lockgate policy backtest`: recorded traffic through the policies of another configuration, and what they would have done otherwise.
//!
//! Reads the record page by page, as `call list` does, also while a gateway writes it. Calls no provider and no model, and changes nothing.

mod judged;
mod replayed;
mod report;
mod show;
mod source;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use lockgate_config::{Environment, Inputs, Snapshot, render_text};
use lockgate_policy::Chain;

use crate::exit::{Exit, Failure};
use crate::office::{Office, OfficeArgs};
use crate::screen::Screen;
use crate::serve::mask::Masks;
use judged::Judged;
use report::Report;
use source::{Range, Source};

/// Arguments of `lockgate policy backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    office: OfficeArgs,
    /// The configuration whose policies are tried; nothing else of it is used.
    #[arg(value_name = "NEW.yaml")]
    candidate: PathBuf,
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
    let (snapshot, chain) = candidate(args)?;
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
        screen.json(&report.json())?;
    } else {
        show::show(&report, screen)?;
    }
    Ok(if args.fail_on_change && changed { Exit::Finding } else { Exit::Ok })
}

/// The configuration that is tried, and its chain. No budget of time: a busy machine is no verdict.
fn candidate(args: &BacktestArgs) -> Result<(Snapshot, Chain), Failure> {
    if !args.candidate.exists() {
        return Err(Failure::usage(format!("there is no file {}", args.candidate.display())));
    }
    let inputs = Inputs {
        detect: false,
        environment: Environment::process(),
        file: Some(args.candidate.clone()),
        flags: Vec::new(),
    };
    let snapshot =
        inputs.load().map_err(|problems| Failure::usage(render_text(&problems.0).trim_end().to_owned()))?;
    let mut policies = snapshot.config().policies.clone();
    policies.budget_ms = 60_000;
    let chain = super::chain(&policies);
    Ok((snapshot, chain))
}
