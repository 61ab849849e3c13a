//! `lockgate run`: starts a client with the environment it needs to talk to Lockgate, and becomes it.
//!
//! No shell in between, and on Unix no process either: the client takes over this one, so signals, the terminal and the exit code
//! are its own. The client's settings stay as they are.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use crate::client::{Client, Launch};
use crate::connect::disk;
use crate::env::Env;
use crate::exit::{Exit, Failure};
use crate::gateway::{Gateway, GatewayArgs};
use crate::screen::{ATTENTION, styled};

/// Arguments of `lockgate run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The client.
    #[arg(value_enum)]
    pub client: Client,
    #[command(flatten)]
    /// Where Lockgate is.
    pub gateway: GatewayArgs,
    /// Do not test whether Lockgate is there.
    #[arg(long)]
    pub no_check: bool,
    /// Arguments for the client.
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
}

/// Runs the command; returns only if the client could not take over.
pub fn main(args: &RunArgs, env: &Env) -> Result<Exit, Failure> {
    let gateway = Gateway::parse(&args.gateway)?;
    let launch = args.client.launch(&gateway, env, &args.args)?;
    if !args.no_check {
        gateway.reachable()?;
    }
    for note in &launch.notes {
        anstream::eprintln!("{}: {note}", styled(ATTENTION, "note"));
    }
    let mut command = Command::new(launch.program);
    for name in &launch.unset {
        command.env_remove(name);
    }
    command.envs(past_the_proxy(&gateway, env));
    command.envs(launch.set.iter().map(|(name, value)| (name, value)));
    command.args(&launch.args);
    if let Some((flag, path)) = private_settings(&launch, env)? {
        command.arg(flag).arg(path);
    }
    command.args(&args.args);
    become_it(command, &launch)
}

/// A client that goes out through a proxy would ask it for a Lockgate on this machine, too, and be told that there is none.
fn past_the_proxy(gateway: &Gateway, env: &Env) -> Vec<(&'static str, String)> {
    const PROXIES: [&str; 6] =
        ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "http_proxy", "https_proxy"];
    const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
    let base = gateway.base();
    let url = url::Url::parse(&base).ok();
    let here = match url.as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let Some(host) = url.as_ref().and_then(url::Url::host_str) else { return Vec::new() };
    if !here || !PROXIES.iter().any(|name| env.var(name).is_some_and(|value| !value.is_empty())) {
        return Vec::new();
    }
    let listed = EXCEPTIONS.iter().find_map(|name| env.var(name).filter(|value| !value.is_empty()));
    if listed.is_some_and(|hosts| hosts.split(',').any(|one| matches!(one.trim(), "*") || one.trim() == host))
    {
        return Vec::new();
    }
    let hosts = listed.map_or_else(|| host.to_owned(), |listed| format!("{listed},{host}"));
    EXCEPTIONS.map(|name| (name, hosts.clone())).to_vec()
}

/// Writes the settings that must not be seen on the command line; one file per content, so that parallel launches agree.
fn private_settings(launch: &Launch, env: &Env) -> Result<Option<(&'static str, PathBuf)>, Failure> {
    let Some((flag, value)) = &launch.private else { return Ok(None) };
    let text = value.to_string();
    let folder = env.state()?.join("run");
    disk::private_folder(&folder)?;
    let name = format!("{}-{}.json", launch.program, &blake3::hash(text.as_bytes()).to_hex()[..12]);
    let path = folder.join(name);
    disk::write(&path, text.as_bytes())?;
    Ok(Some((flag, path)))
}

#[cfg(unix)]
fn become_it(mut command: Command, launch: &Launch) -> Result<Exit, Failure> {
    use std::os::unix::process::CommandExt as _;
    Err(not_started(launch, &command.exec()))
}

#[cfg(not(unix))]
fn become_it(mut command: Command, launch: &Launch) -> Result<Exit, Failure> {
    let status = command.status().map_err(|error| not_started(launch, &error))?;
    std::process::exit(status.code().unwrap_or(1))
}

fn not_started(launch: &Launch, error: &io::Error) -> Failure {
    let program = launch.program;
    if error.kind() == io::ErrorKind::NotFound {
        return Failure::unavailable(format!("`{program}` is not on PATH"))
            .hint(format!("install it, or add its folder to PATH ({program} --version must work)"));
    }
    Failure::unavailable(format!("cannot start `{program}`: {error}"))
}
