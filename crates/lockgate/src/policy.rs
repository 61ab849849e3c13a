//! `lockgate policy`: what the policies of a configuration are, what they say of made-up and of recorded things, what people say of them; calls
//! that wait for a person.
//!
//! Reads the configuration as `serve` would; asks no provider and no model.

mod applied;
mod approvals;
pub(crate) mod versions;

mod backtest;
mod import;
mod label;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use approvals::{AnswerArgs, ApproveArgs, Holds, PendingArgs, approve, deny, pending, revoke};
use clap::Args;
use lockgate_policy::fixture::{Expect, Fixture, Fixtures, Judged, not_met};
use lockgate_policy::{Chain, Entry, Manner, Policies};
use serde_json::{Value, json};
pub use versions::{
    ApplyArgs, DiffArgs, RollbackArgs, ShowArgs, VersionsArgs, apply, diff, rollback, show, versions,
};

use crate::exit::{Exit, Failure};
use crate::screen::{BAD, FAINT, GOOD, Screen, styled};
use crate::serve::ServeArgs;
use crate::table::Table;

pub use backtest::{BacktestArgs, backtest};
pub use import::{ImportArgs, import};
pub use label::{LabelArgs, StatsArgs, label, stats};

/// Arguments of `lockgate policy list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The configuration as `serve` would read it.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `lockgate policy test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The configuration as `serve` would read it.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Files of fixtures (YAML): `tests:` with `tool` and `arguments`, `text`, or a `model` each, and `expect`.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Try them on the policies that were applied while gateways run too, as gateways enforce them behind those of the file.
    #[arg(long)]
    pub applied: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints the policies in order.
pub fn list(args: &ListArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let of_file = policies(&args.serve)?;
    let number = of_file.chain.len();
    let (all, unknown) = match applied::with_applied(&args.serve, &of_file) {
        Ok(all) => (all, None),
        Err(failure) => (of_file, Some(failure)),
    };
    let shown: Vec<_> = all.entries().unwrap_or_default().iter().map(Entry::shown).collect();
    let from = |at: usize| if at < number { "file" } else { "applied" };
    if args.json {
        if let Some(failure) = unknown {
            return Err(failure);
        }
        let mut value =
            serde_json::to_value(&shown).map_err(|error| Failure::unavailable(error.to_string()))?;
        for (at, policy) in value.as_array_mut().into_iter().flatten().enumerate() {
            policy["from"] = from(at).into();
        }
        screen.json(&value)?;
        return Ok(Exit::Ok);
    }
    if !shown.is_empty() {
        let mut table = Table::new(&["policy", "kind", "mode", "if it fails", "rules", "from"]);
        for (at, policy) in shown.into_iter().enumerate() {
            let rules = if policy.rules == 0 { String::new() } else { policy.rules.to_string() };
            let (mode, on_failure) = (policy.mode.as_str().to_owned(), policy.on_failure.as_str().to_owned());
            table.row([policy.name, policy.kind.to_owned(), mode, on_failure, rules, from(at).to_owned()]);
        }
        table.show(screen)?;
    } else if unknown.is_none() {
        screen.line("No policies: everything may happen. docs/POLICIES.md says how to begin.")?;
    } else {
        screen.line("The configuration file has no policies.")?;
    }
    unknown.map_or(Ok(Exit::Ok), Err)
}

/// Tries every fixture; 1 if anything else is said than expected.
pub fn test(args: &TestArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let mut policies = policies(&args.serve)?;
    if args.applied {
        policies = applied::with_applied(&args.serve, &policies)?;
    }
    let chain = chain(&policies);
    let (mut fixtures, mut all): (Vec<Fixture>, Vec<Judged>) = (Vec::new(), Vec::new());
    let mut report = Vec::new();
    for file in &args.files {
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("{}: cannot be read: {error}", file.display())))?;
        let of_file: Fixtures = serde_saphyr::from_str(&text)
            .map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
        if of_file.tests.is_empty() {
            return Err(Failure::usage(format!("{}: there are no tests in it", file.display())));
        }
        for fixture in of_file.tests {
            let judged = fixture.judge(&chain);
            report.push((
                file.display().to_string(),
                fixture.title(),
                fixture.expect,
                judged.said,
                judged.wrong.clone(),
            ));
            all.push(judged);
            fixtures.push(fixture);
        }
    }
    let unmet = not_met(&policies, &manner(&policies), &fixtures, &all);
    let failed = report.iter().filter(|(.., wrong)| wrong.is_some()).count();
    if args.json {
        let tests: Vec<Value> = report
            .iter()
            .map(|(file, title, expect, said, wrong)| told(file, title, (*expect, *said), wrong.as_deref()))
            .collect();
        let unmet: Vec<Value> =
            unmet.iter().map(|(policy, rule)| json!({"policy": policy, "rule": rule})).collect();
        screen.json(&json!({"tests": tests, "failed": failed, "rules_not_met": unmet}))?;
    } else {
        for (file, title, _, said, wrong) in &report {
            let line = match wrong {
                None => format!("{} {title} {}", styled(GOOD, "ok"), styled(FAINT, said.as_str())),
                Some(words) => format!("{} {title}\n     {words} [{file}]", styled(BAD, "no")),
            };
            screen.line(&line)?;
        }
        for (policy, rule) in &unmet {
            screen.line(&format!(
                "{} the rule `{rule}` of `{policy}` is met by no test",
                styled(FAINT, "--")
            ))?;
        }
        screen.line(&format!("{} tests, {failed} failed", report.len()))?;
    }
    Ok(if failed > 0 { Exit::Finding } else { Exit::Ok })
}

fn told(file: &str, title: &str, (expect, said): (Expect, Expect), wrong: Option<&str>) -> Value {
    json!({"file": file, "name": title, "expected": expect.as_str(), "said": said.as_str(), "ok": wrong.is_none(), "wrong": wrong})
}

fn policies(serve: &ServeArgs) -> Result<Policies, Failure> {
    let snapshot = serve.inputs()?.load().map_err(|problems| {
        Failure::usage(lockgate_config::render_text(&problems.0).trim_end().to_owned())
    })?;
    Ok(snapshot.config().policies.clone())
}

fn chain(policies: &Policies) -> Chain {
    Chain::new(policies.entries().unwrap_or_default(), manner(policies))
}

fn manner(policies: &Policies) -> Manner {
    Manner {
        approvals: policies.approvals,
        budget: Duration::from_millis(policies.budget_ms),
        link: None,
        local_model: policies.local_model.clone(),
        mask: Arc::new(str::to_owned),
        message: policies.message.clone(),
        now: Instant::now,
        resample: policies.resample,
    }
}
