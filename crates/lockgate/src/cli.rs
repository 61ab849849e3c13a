//! The command line: which commands there are, who runs them, how failures are shown.
//!
//! A new command is one variant here and one module elsewhere. Failures go to stderr as text, or to stdout as one JSON
//! object when the command was asked for JSON.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use serde_json::json;

use crate::env::Env;
use crate::exit::{Exit, Failure};
use crate::screen::{ATTENTION, BAD, Screen, styled};
use crate::{
    audit, call, catalog, ccr, config, connect, doctor, feedback, key, live, log, policy, purge, quarantine,
    retention, run, serve, session, settings, stats, upstream, user,
};

/// The lock between AI clients and model providers.
#[derive(Debug, Parser)]
#[command(name = "lockgate", version, propagate_version = true, args_conflicts_with_subcommands = true)]
#[command(after_help = "Exit codes: 0 ok, 1 finding, 2 usage, 3 unavailable.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Without a command: serve.
    #[command(flatten)]
    pub serve: serve::ServeArgs,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Help the administrator in.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Print who changed what: keys, users, policies, configuration, deletions, logins.
    Audit(audit::AuditArgs),
    /// Look at recorded calls.
    #[command(subcommand)]
    Call(CallCommand),
    /// Compare what is configured with what providers list.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Read and write configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Point a client at Lockgate by changing its settings; --revert puts them back, byte for byte.
    Connect(connect::ConnectArgs),
    /// Check configuration, port, providers and machine; says what to do about each finding. Costs nothing.
    Doctor(doctor::DoctorArgs),
    /// Say what you think of calls and sessions, see what others think.
    #[command(subcommand)]
    Feedback(FeedbackCommand),
    /// Make and list keys for clients.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Watch what calls do at a running gateway, a line for each event.
    Live(live::LiveArgs),
    /// Change what a running gateway writes into its log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Show the policies of the configuration, and try them.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Delete recorded calls for good, by session, key, user or age; counts first.
    Purge(purge::PurgeArgs),
    /// Look after calls that could not be stored.
    #[command(subcommand)]
    Quarantine(QuarantineCommand),
    /// Say what is deleted by age, and do it now.
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Launch a client that talks to Lockgate, without changing its settings.
    Run(run::RunArgs),
    /// Run the gateway (also what `lockgate` alone does).
    Serve(serve::ServeArgs),
    /// Look at recorded sessions, name them, take them along.
    #[command(subcommand)]
    Session(SessionCommand),
    /// Print numbers over recorded calls: cost, tokens, latency, success, by whatever tells calls apart.
    Stats(stats::StatsArgs),
    /// Run the scripted upstream: it plays every provider, for tests and demonstrations.
    Upstream(upstream::UpstreamArgs),
    /// Make, list and change the users of the admin API.
    #[command(subcommand)]
    User(UserCommand),
}

/// The commands below `lockgate call`.
#[expect(clippy::large_enum_variant, reason = "one is made per process")]
#[derive(Debug, Subcommand)]
pub enum CallCommand {
    /// List calls, the latest first.
    List(call::ListArgs),
    /// Show one call: what was asked, where it went, what it took; or one of its bodies.
    Show(call::ShowArgs),
}

/// The commands below `lockgate catalog`.
#[derive(Debug, Subcommand)]
pub enum CatalogCommand {
    /// Check the OpenRouter models that are configured or used: gone, going, without tools, priced otherwise than known.
    Check(catalog::CheckArgs),
}

/// The commands below `lockgate config`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration: every problem with its place, and what to do.
    Check(config::CheckArgs),
    /// Print how two versions of the settings differ that were made while gateways run.
    Diff(settings::DiffArgs),
    /// Write the configuration for another program.
    #[command(subcommand)]
    Export(ExportCommand),
    /// Print what is in force with the settings that were made while gateways run, and where each value comes from.
    Get(settings::GetArgs),
    /// Take over the configuration of another program.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Write a commented configuration to start from.
    Init(config::InitArgs),
    /// Go back to an earlier version of the settings that were made while gateways run.
    Rollback(settings::RollbackArgs),
    /// Print the JSON Schema of the configuration.
    Schema,
    /// Set a value while gateways run; it lies over the configuration file.
    Set(settings::SetArgs),
    /// Print every value of this machine's file and variables and where it comes from.
    Show(config::ShowArgs),
    /// Take back what was set while gateways run: the configuration file says it again.
    Unset(settings::UnsetArgs),
    /// Print the versions of the settings that were made while gateways run: who made them, and why.
    Versions(settings::VersionsArgs),
}

/// What a configuration can be exported to.
#[derive(Debug, Subcommand)]
pub enum ExportCommand {
    /// claude-code-router's config.json: providers, models and slots.
    Ccr(ccr::ExportArgs),
}

/// What a configuration can be imported from.
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// claude-code-router's config.json; prints what became of every setting.
    Ccr(ccr::ImportArgs),
}

/// The commands below `lockgate admin`.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Give the user `admin` a new password, written to a file that only its owner can read.
    ResetSecret(user::ResetArgs),
}

/// The commands below `lockgate feedback`.
#[derive(Debug, Subcommand)]
pub enum FeedbackCommand {
    /// Take back what was said.
    Drop(feedback::DropArgs),
    /// Print what was said, the latest first.
    List(feedback::ListArgs),
    /// Say whether a call or a session was good or bad, and why.
    Say(feedback::SayArgs),
    /// Print how good calls are said to be, by model or whatever tells calls apart.
    Stats(feedback::StatsArgs),
}

/// The commands below `lockgate key`.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Print the keys of the configuration and of the database: what each may do, whether it is in use.
    List(key::ListArgs),
    /// Make a key: in the database where there is one, else print what goes into the configuration.
    New(key::NewArgs),
    /// End a key of the database for good, within a second.
    Revoke(key::OneArgs),
    /// Put a new key in the place of one of the database; the old one works a while longer.
    Rotate(key::RotateArgs),
    /// Change what a key of the database may do.
    Set(key::SetArgs),
    /// Print one key of the database.
    Show(key::OneArgs),
}

/// The commands below `lockgate log`.
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Print or change the level: error, warn, info, debug, trace.
    Level(log::LevelArgs),
}

/// The commands below `lockgate quarantine`.
#[derive(Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Delete one for good.
    Drop(quarantine::InmateArgs),
    /// Print what lies there, since when and why.
    List(quarantine::ListArgs),
    /// Try again to store one.
    Release(quarantine::InmateArgs),
}

/// The commands below `lockgate retention`.
#[derive(Debug, Subcommand)]
pub enum RetentionCommand {
    /// Delete what is too old now; only counts without --yes. A running gateway does this once an hour.
    Run(retention::RunArgs),
    /// Print what is deleted after how many days.
    Show(retention::ShowArgs),
}

/// The commands below `lockgate policy`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Set the policies of a file while gateways run.
    Apply(policy::ApplyArgs),
    /// Let a call go that waits for a person.
    Approve(policy::ApproveArgs),
    /// Put recorded traffic before the policies of another configuration: what they would have done otherwise. Asks nobody, changes nothing.
    Backtest(policy::BacktestArgs),
    /// Refuse a call that waits for a person.
    Deny(policy::AnswerArgs),
    /// Print how two versions of the policies differ that were set while gateways run.
    Diff(policy::DiffArgs),
    /// Print the permissions of Claude Code as policies.
    Import(policy::ImportArgs),
    /// Say whether a policy was right about something recorded.
    Label(policy::LabelArgs),
    /// Print the policies in order, with what each may do.
    List(policy::ListArgs),
    /// Print the calls that wait for a person.
    Pending(policy::PendingArgs),
    /// Take back what was approved for later calls.
    Revoke(policy::AnswerArgs),
    /// Go back to an earlier version of the policies that were set while gateways run.
    Rollback(policy::RollbackArgs),
    /// Print a version of the policies that were set while gateways run.
    Show(policy::ShowArgs),
    /// Say how often policies said something, how often people called that right, and what is missing until they may refuse.
    Stats(policy::StatsArgs),
    /// Try made-up tool calls, texts and requests: what is said of each, and which rules no test meets.
    Test(policy::TestArgs),
    /// Print the versions of the policies that were set while gateways run: who wrote them, and why.
    Versions(policy::VersionsArgs),
}

/// The commands below `lockgate user`.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Make a user; prints a generated password.
    Add(user::AddArgs),
    /// Print the users.
    List(user::ListArgs),
    /// End every login of a user.
    Logout(user::OneArgs),
    /// Remove a user, and revoke the user's keys.
    Remove(user::RemoveArgs),
    /// Change a user's role or password, close or open the account.
    Set(user::SetArgs),
    /// Print one user.
    Show(user::OneArgs),
}

/// The commands below `lockgate session`.
#[expect(clippy::large_enum_variant, reason = "one is made per process")]
#[derive(Debug, Subcommand)]
pub enum SessionCommand {
    /// Say what made a session expensive, and where the provider's prompt cache was lost.
    Cost(session::CostArgs),
    /// Write a session as Markdown, JSON or JSONL.
    Export(session::ExportArgs),
    /// Take over what `export` wrote as JSON or JSONL, here or elsewhere; a repetition changes nothing.
    Import(session::ImportArgs),
    /// List sessions, the latest active first.
    List(session::ListArgs),
    /// Give a session a title; it stays.
    Rename(session::RenameArgs),
    /// Write a session where Claude Code finds it, so that `claude --resume` goes on with it, also on another machine.
    Resume(session::ResumeArgs),
    /// Show a session and its calls.
    Show(session::ShowArgs),
}

/// The arguments, or what is wrong with them: where clap's words leave somebody alone, with what to write instead.
pub fn parse() -> Result<Cli, ExitCode> {
    let args: Vec<_> = std::env::args_os().collect();
    let error = match Cli::try_parse_from(&args) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    let code = u8::try_from(error.exit_code()).unwrap_or(2);
    if error.print().is_ok()
        && let Some(hint) = misplaced(error.kind(), &args)
    {
        anstream::eprintln!("\n{}: {hint}", styled(ATTENTION, "hint"));
    }
    Err(ExitCode::from(code))
}

/// Arguments that are right, in the wrong place.
fn misplaced(kind: ErrorKind, args: &[OsString]) -> Option<&'static str> {
    let first = args.get(1)?;
    if kind == ErrorKind::ArgumentConflict && first.to_string_lossy().starts_with('-') {
        return Some("options go behind the command they are for: `lockgate config check --config FILE`");
    }
    let passed_on =
        kind == ErrorKind::UnknownArgument && first == "run" && !args.iter().any(|arg| arg == "--");
    passed_on.then_some("what is for the client goes behind `--`: `lockgate run codex -- exec hi`")
}

/// Runs the command in this process's environment and reports a failure.
pub fn main(cli: &Cli) -> ExitCode {
    let mut screen = Screen::stdout();
    let ended = match &cli.command {
        Some(command) => dispatch(command, &Env::process(), &mut screen),
        None => serve::main(&cli.serve, &mut screen),
    };
    let exit = match ended {
        Ok(exit) => exit,
        Err(failure) => report(cli.command.as_ref(), &failure, &mut screen),
    };
    exit.into()
}

fn dispatch(command: &Command, env: &Env, screen: &mut Screen) -> Result<Exit, Failure> {
    match command {
        Command::Admin(AdminCommand::ResetSecret(args)) => user::reset_secret(args, screen),
        Command::Audit(args) => audit::main(args, screen),
        Command::Call(CallCommand::List(args)) => call::list(args, screen),
        Command::Call(CallCommand::Show(args)) => call::show(args, screen),
        Command::Catalog(CatalogCommand::Check(args)) => catalog::check(args, screen),
        Command::Completions { shell } => {
            // Written at once: the generator takes a closed pipe for a fault of the program.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "lockgate", &mut script);
            screen.raw(&script)?;
            Ok(Exit::Ok)
        }
        Command::Config(ConfigCommand::Export(ExportCommand::Ccr(args))) => ccr::export(args, screen),
        Command::Config(ConfigCommand::Import(ImportCommand::Ccr(args))) => ccr::import(args, screen),
        Command::Config(ConfigCommand::Check(args)) => config::check(args, screen),
        Command::Config(ConfigCommand::Init(args)) => config::init(args, screen),
        Command::Config(ConfigCommand::Schema) => config::schema(screen),
        Command::Config(ConfigCommand::Show(args)) => config::show(args, screen),
        Command::Config(ConfigCommand::Diff(args)) => settings::diff(args, screen),
        Command::Config(ConfigCommand::Get(args)) => settings::get(args, screen),
        Command::Config(ConfigCommand::Rollback(args)) => settings::roll_back(args, screen),
        Command::Config(ConfigCommand::Set(args)) => settings::set(args, screen),
        Command::Config(ConfigCommand::Unset(args)) => settings::unset(args, screen),
        Command::Config(ConfigCommand::Versions(args)) => settings::versions(args, screen),
        Command::Connect(args) => connect::main(args, env, screen),
        Command::Doctor(args) => doctor::main(args, env, screen),
        Command::Feedback(FeedbackCommand::Drop(args)) => feedback::unsay(args, screen),
        Command::Feedback(FeedbackCommand::List(args)) => feedback::list(args, screen),
        Command::Feedback(FeedbackCommand::Say(args)) => feedback::say(args, screen),
        Command::Feedback(FeedbackCommand::Stats(args)) => feedback::stats(args, screen),
        Command::Key(KeyCommand::List(args)) => key::list(args, screen),
        Command::Key(KeyCommand::New(args)) => key::new(args, screen),
        Command::Key(KeyCommand::Revoke(args)) => key::revoke(args, screen),
        Command::Key(KeyCommand::Rotate(args)) => key::rotate(args, screen),
        Command::Key(KeyCommand::Set(args)) => key::set(args, screen),
        Command::Key(KeyCommand::Show(args)) => key::show(args, screen),
        Command::Live(args) => live::main(args, screen),
        Command::Log(LogCommand::Level(args)) => log::level(args, screen),
        Command::Policy(PolicyCommand::Apply(args)) => policy::apply(args, screen),
        Command::Policy(PolicyCommand::Approve(args)) => policy::approve(args, screen),
        Command::Policy(PolicyCommand::Backtest(args)) => policy::backtest(args, screen),
        Command::Policy(PolicyCommand::Deny(args)) => policy::deny(args, screen),
        Command::Policy(PolicyCommand::Diff(args)) => policy::diff(args, screen),
        Command::Policy(PolicyCommand::Import(args)) => policy::import(args, screen),
        Command::Policy(PolicyCommand::Label(args)) => policy::label(args, screen),
        Command::Policy(PolicyCommand::List(args)) => policy::list(args, screen),
        Command::Policy(PolicyCommand::Pending(args)) => policy::pending(args, screen),
        Command::Policy(PolicyCommand::Revoke(args)) => policy::revoke(args, screen),
        Command::Policy(PolicyCommand::Rollback(args)) => policy::rollback(args, screen),
        Command::Policy(PolicyCommand::Show(args)) => policy::show(args, screen),
        Command::Policy(PolicyCommand::Stats(args)) => policy::stats(args, screen),
        Command::Policy(PolicyCommand::Test(args)) => policy::test(args, screen),
        Command::Policy(PolicyCommand::Versions(args)) => policy::versions(args, screen),
        Command::Purge(args) => purge::main(args, screen),
        Command::Quarantine(QuarantineCommand::Drop(args)) => quarantine::discard(args, screen),
        Command::Quarantine(QuarantineCommand::List(args)) => quarantine::list(args, screen),
        Command::Quarantine(QuarantineCommand::Release(args)) => quarantine::release(args, screen),
        Command::Retention(RetentionCommand::Run(args)) => retention::run(args, screen),
        Command::Retention(RetentionCommand::Show(args)) => retention::show(args, screen),
        Command::Run(args) => run::main(args, env),
        Command::Serve(args) => serve::main(args, screen),
        Command::Session(SessionCommand::Cost(args)) => session::cost(args, screen),
        Command::Session(SessionCommand::Export(args)) => session::export(args, screen),
        Command::Session(SessionCommand::Import(args)) => session::import(args, screen),
        Command::Session(SessionCommand::List(args)) => session::list(args, screen),
        Command::Session(SessionCommand::Rename(args)) => session::rename(args, screen),
        Command::Session(SessionCommand::Resume(args)) => session::resume(args, screen),
        Command::Session(SessionCommand::Show(args)) => session::show(args, screen),
        Command::Stats(args) => stats::main(args, screen),
        Command::Upstream(args) => upstream::main(args, screen),
        Command::User(UserCommand::Add(args)) => user::add(args, screen),
        Command::User(UserCommand::List(args)) => user::list(args, screen),
        Command::User(UserCommand::Logout(args)) => user::log_out(args, screen),
        Command::User(UserCommand::Remove(args)) => user::remove(args, screen),
        Command::User(UserCommand::Set(args)) => user::set(args, screen),
        Command::User(UserCommand::Show(args)) => user::show(args, screen),
    }
}

fn wants_json(command: &Command) -> bool {
    match command {
        Command::Admin(AdminCommand::ResetSecret(args)) => args.json,
        Command::Completions { .. }
        | Command::Config(ConfigCommand::Init(_) | ConfigCommand::Schema)
        | Command::Run(_)
        | Command::Serve(_)
        | Command::Session(SessionCommand::Export(_))
        | Command::Upstream(_) => false,
        Command::Audit(args) => args.json,
        Command::Call(CallCommand::List(args)) => args.json,
        Command::Call(CallCommand::Show(args)) => args.json,
        Command::Catalog(CatalogCommand::Check(args)) => args.json,
        Command::Config(ConfigCommand::Export(ExportCommand::Ccr(args))) => args.json,
        Command::Config(ConfigCommand::Import(ImportCommand::Ccr(args))) => args.json,
        Command::Config(ConfigCommand::Check(args)) => args.format == config::ReportFormat::Json,
        Command::Config(ConfigCommand::Show(args)) => args.json,
        Command::Config(ConfigCommand::Diff(args)) => args.json,
        Command::Config(ConfigCommand::Get(args)) => args.json,
        Command::Config(ConfigCommand::Rollback(args)) => args.json,
        Command::Config(ConfigCommand::Set(args)) => args.json,
        Command::Config(ConfigCommand::Unset(args)) => args.json,
        Command::Config(ConfigCommand::Versions(args)) => args.json,
        Command::Connect(args) => args.json,
        Command::Doctor(args) => args.json,
        Command::Feedback(FeedbackCommand::Drop(args)) => args.json,
        Command::Feedback(FeedbackCommand::List(args)) => args.json,
        Command::Feedback(FeedbackCommand::Say(args)) => args.json,
        Command::Feedback(FeedbackCommand::Stats(args)) => args.json,
        Command::Key(KeyCommand::List(args)) => args.json,
        Command::Key(KeyCommand::New(args)) => args.json,
        Command::Key(KeyCommand::Revoke(args) | KeyCommand::Show(args)) => args.json,
        Command::Key(KeyCommand::Rotate(args)) => args.one.json,
        Command::Key(KeyCommand::Set(args)) => args.one.json,
        Command::Log(LogCommand::Level(args)) => args.json,
        Command::Quarantine(QuarantineCommand::List(args)) => args.json,
        Command::Quarantine(QuarantineCommand::Drop(args) | QuarantineCommand::Release(args)) => args.json,
        Command::Retention(RetentionCommand::Run(args)) => args.json,
        Command::Retention(RetentionCommand::Show(args)) => args.json,
        Command::Stats(args) => args.json,
        Command::User(UserCommand::Add(args)) => args.json,
        Command::User(UserCommand::List(args)) => args.json,
        Command::User(UserCommand::Logout(args) | UserCommand::Show(args)) => args.json,
        Command::User(UserCommand::Remove(args)) => args.json,
        Command::User(UserCommand::Set(args)) => args.json,
        Command::Live(args) => args.json,
        Command::Policy(PolicyCommand::Apply(args)) => args.json,
        Command::Policy(PolicyCommand::Approve(args)) => args.one.json,
        Command::Policy(PolicyCommand::Backtest(args)) => args.json,
        Command::Policy(PolicyCommand::Deny(args) | PolicyCommand::Revoke(args)) => args.json,
        Command::Policy(PolicyCommand::Diff(args)) => args.json,
        Command::Policy(PolicyCommand::Import(args)) => args.json,
        Command::Policy(PolicyCommand::Label(args)) => args.json,
        Command::Policy(PolicyCommand::List(args)) => args.json,
        Command::Policy(PolicyCommand::Pending(args)) => args.json,
        Command::Policy(PolicyCommand::Rollback(args)) => args.json,
        Command::Policy(PolicyCommand::Show(args)) => args.json,
        Command::Policy(PolicyCommand::Stats(args)) => args.json,
        Command::Policy(PolicyCommand::Test(args)) => args.json,
        Command::Policy(PolicyCommand::Versions(args)) => args.json,
        Command::Purge(args) => args.json,
        Command::Session(SessionCommand::Cost(args)) => args.json,
        Command::Session(SessionCommand::Import(args)) => args.json,
        Command::Session(SessionCommand::List(args)) => args.json,
        Command::Session(SessionCommand::Rename(args)) => args.json,
        Command::Session(SessionCommand::Resume(args)) => args.json,
        Command::Session(SessionCommand::Show(args)) => args.json,
    }
}

fn report(command: Option<&Command>, failure: &Failure, screen: &mut Screen) -> Exit {
    if failure.exit == Exit::Ok {
        return Exit::Ok;
    }
    if command.is_some_and(wants_json) {
        let value = json!({"error": {"message": failure.message, "hint": failure.hint}});
        return match screen.json(&value) {
            Ok(()) => failure.exit,
            Err(unwritable) => unwritable.exit,
        };
    }
    let (label, style) = match failure.exit {
        Exit::Finding => ("stopped", ATTENTION),
        Exit::Ok | Exit::Unavailable | Exit::Usage => ("error", BAD),
    };
    anstream::eprintln!("{}: {}", styled(style, label), failure.message);
    if let Some(hint) = &failure.hint {
        anstream::eprintln!("{}: {hint}", styled(ATTENTION, "hint"));
    }
    failure.exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
