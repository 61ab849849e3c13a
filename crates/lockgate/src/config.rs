//! `lockgate config check|init|schema|show`: thin over `lockgate-config`, which knows all about it.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lockgate_config::{
    FILE_NAME, Problem, Profile, render_json, render_sarif, render_settings_json, render_settings_text,
    render_text, starter,
};

use crate::exit::{Exit, Failure};
use crate::screen::{GOOD, Screen, styled};
use crate::serve::ServeArgs;

/// How findings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    /// A JSON array: what `--json` is short for, under its older name.
    #[value(hide = true)]
    Json,
    /// SARIF 2.1.0, for code scanners.
    Sarif,
    /// For people.
    #[default]
    Text,
}

/// Arguments of `lockgate config check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration as `serve` would read it.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// How findings are printed.
    #[arg(long, value_enum, default_value_t)]
    pub format: ReportFormat,
    /// Print JSON.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl CheckArgs {
    fn wanted(&self) -> ReportFormat {
        if self.json { ReportFormat::Json } else { self.format }
    }
}

/// Prints every problem; 1 if one of them is an error.
pub fn check(args: &CheckArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let inputs = args.serve.inputs()?;
    let problems = inputs.check();
    match args.wanted() {
        ReportFormat::Json => screen.line(render_json(&problems).trim_end())?,
        ReportFormat::Sarif => screen.line(render_sarif(&problems).trim_end())?,
        ReportFormat::Text if problems.is_empty() => {
            let what = inputs
                .file
                .map_or_else(|| "defaults and environment".to_owned(), |file| file.display().to_string());
            screen.line(&format!("{} {what}", styled(GOOD, "ok")))?;
        }
        ReportFormat::Text => screen.line(render_text(&problems).trim_end())?,
    }
    Ok(if problems.iter().any(Problem::is_error) { Exit::Finding } else { Exit::Ok })
}

/// Arguments of `lockgate config init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write it.
    #[arg(default_value = FILE_NAME)]
    pub file: PathBuf,
}

/// Writes a commented configuration; never over a file that is there.
pub fn init(args: &InitArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let file = std::fs::File::create_new(&args.file)
        .and_then(|mut file| file.write_all(starter(Profile::Minimal).as_bytes()));
    match file {
        Ok(()) => {
            screen.line(&format!("{} {}", styled(GOOD, "wrote"), args.file.display()))?;
            Ok(Exit::Ok)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::finding(format!("{} is there already and is left as it is", args.file.display())))
        }
        Err(error) => Err(Failure::unavailable(format!("cannot write {}: {error}", args.file.display()))),
    }
}

/// Prints the JSON Schema.
pub fn schema(screen: &mut Screen) -> Result<Exit, Failure> {
    screen.line(lockgate_config::schema().trim_end())?;
    Ok(Exit::Ok)
}

/// Arguments of `lockgate config show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The configuration as `serve` would read it.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Prints every value in force with its source; secrets only as set or not.
pub fn show(args: &ShowArgs, screen: &mut Screen) -> Result<Exit, Failure> {
    let snapshot = args.serve.inputs()?.load().map_err(|problems| {
        Failure::finding(format!("the configuration cannot be used\n{}", render_text(&problems.0).trim_end()))
    })?;
    let text = if args.json {
        render_settings_json(snapshot.settings())
    } else {
        render_settings_text(snapshot.settings())
    };
    screen.line(text.trim_end())?;
    Ok(Exit::Ok)
}
