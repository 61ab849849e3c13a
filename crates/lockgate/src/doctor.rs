//! `lockgate doctor`: looks at everything a gateway needs and says what to do about each finding.
//!
//! Asks providers for their lists of models only, which costs nothing; changes nothing on disk. 0 = nothing to do,
//! 1 = findings, 3 = the configuration cannot be read, so that most could not be looked at.

mod finding;
mod machine;
mod port;
mod providers;
mod show;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use lockgate_config::{
    Code, Environment, Inputs, Problem, Problems, RecordMode, Server, Snapshot, Store, locate,
};

use crate::env::Env;
use crate::exit::{Exit, Failure};
use crate::screen::{Screen, count};
use finding::{Area, Check, Level};
pub(crate) use port::is_lockgate;

/// Arguments of `lockgate doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The configuration file. Default: the one that `lockgate serve` would read.
    #[arg(long, short, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How long each thing that is asked may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks at everything and reports.
pub fn main(args: &DoctorArgs, env: &Env, screen: &mut Screen) -> Result<Exit, Failure> {
    let environment = Environment::process();
    let file = locate(args.config.as_deref(), &environment);
    let inputs = Inputs { file, environment, flags: Vec::new(), detect: true };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::unavailable(format!("no runtime: {error}")))?;
    let (checks, readable) = runtime.block_on(examine(&inputs, env));
    // Programs and name look-ups that are still on their way are not waited for.
    runtime.shutdown_background();
    if args.json {
        screen.json(&show::json(&checks))?;
    } else {
        show::text(screen, &checks)?;
    }
    Ok(match checks.iter().any(|check| check.level.is_finding()) {
        _ if !readable => Exit::Unavailable,
        true => Exit::Finding,
        false => Exit::Ok,
    })
}

async fn examine(inputs: &Inputs, env: &Env) -> (Vec<Check>, bool) {
    let mut checks = Vec::new();
    let opened = Store::open(inputs.clone());
    let snapshot = opened.as_ref().ok().map(Store::current);
    let problems = match (&snapshot, &opened) {
        (Some(snapshot), _) => snapshot.warnings(),
        (None, Err(Problems(problems))) => problems,
        (None, Ok(_)) => &[],
    };
    let readable = !problems.iter().any(|problem| problem.code == Code::Unreadable);
    configuration(inputs, problems, &mut checks);
    let listen = snapshot.as_ref().map_or_else(|| Server::default().listen, |s| s.config().server.listen);
    checks.push(port::check(listen).await);
    match &opened {
        Ok(store) => checks.extend(providers::check(store).await),
        Err(_) => checks.push(Check::new(
            Area::Providers,
            "all",
            Level::Note,
            "not looked at: the configuration cannot be used",
        )),
    }
    checks.push(claude(snapshot.as_deref()).await);
    let record = snapshot.as_ref().map(|snapshot| &snapshot.config().record);
    let record = record.filter(|record| record.mode != RecordMode::Off);
    let folder = record.and_then(|record| record.folder(&inputs.environment));
    checks.extend(machine::check(env, folder.as_deref()));
    (checks, readable)
}

fn configuration(inputs: &Inputs, problems: &[Problem], checks: &mut Vec<Check>) {
    let name = inputs.file.as_ref().map(|file| file.display().to_string());
    if problems.iter().all(|problem| !problem.is_error()) {
        let words = match &name {
            Some(_) => "can be used".to_owned(),
            None => "no file: defaults and environment (`lockgate config init` writes one)".to_owned(),
        };
        let name = name.as_deref().unwrap_or("lockgate.yaml");
        checks.push(Check::new(Area::Configuration, name, Level::Good, words));
    }
    for problem in problems {
        let level = if problem.is_error() { Level::Error } else { Level::Warning };
        let advice = match &problem.suggestion {
            Some(suggestion) => format!("write `{suggestion}`"),
            None if problem.code == Code::Unreadable => {
                "name a file that is there with --config, or write one with `lockgate config init`".to_owned()
            }
            None => format!("change `{}`; `lockgate config show` prints what is in force", problem.path),
        };
        let check = Check::new(Area::Configuration, problem.code.id(), level, problem.to_string());
        checks.push(check.advice(advice));
    }
    if problems.iter().any(Problem::is_error) {
        let words = count(problems.iter().filter(|problem| problem.is_error()).count(), "error");
        let check = Check::new(
            Area::Configuration,
            "start",
            Level::Error,
            format!("{words}: Lockgate does not start"),
        );
        checks.push(
            check.advice("correct the errors above; a running Lockgate keeps its last good configuration"),
        );
    }
}

/// `claude` on PATH and its version; needed only by the provider that runs it.
async fn claude(snapshot: Option<&Snapshot>) -> Check {
    let used =
        snapshot.and_then(|s| s.providers().iter().find(|p| p.kind == lockgate_providers::Kind::ClaudeCli));
    let section = used.and_then(|provider| provider.settings.claude_cli.as_ref());
    let program = section.map_or("claude", |section| section.command.as_str());
    let level = if used.is_some() { Level::Error } else { Level::Note };
    let check = |level, words: String| Check::new(Area::Machine, program, level, words);
    let mut command = tokio::process::Command::new(program);
    command.arg("--version").stdin(std::process::Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.output()).await {
        Err(_) => check(Level::Warning, "does not tell its version in 5 s".into())
            .advice(format!("run `{program} --version` and see what it waits for")),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            let words = "not installed; only the provider claude-cli needs it".to_owned();
            let advice = "install Claude Code, or name its program in claude_cli.command";
            if used.is_some() { check(level, words).advice(advice) } else { check(level, words) }
        }
        Ok(Err(error)) => check(level, format!("does not start: {error}"))
            .advice(format!("make `{program}` executable or take it off PATH")),
        Ok(Ok(output)) if output.status.success() => {
            let version = String::from_utf8_lossy(&output.stdout);
            check(Level::Good, version.lines().next().unwrap_or_default().trim().to_owned())
        }
        Ok(Ok(output)) => check(Level::Warning, format!("`{program} --version` failed ({})", output.status))
            .advice(format!("run `{program} --version` and see what it says")),
    }
}
