//! The one screen that a start prints: where it listens, who may call, what was found, how to point a client at it.
//!
//! It goes to standard output, also when that is a pipe or a service's journal: it is short and it is what an operator
//! looks for. Problems during the run go to the log on standard error.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lockgate_config::{RecordMode, Server, Store};
use lockgate_engine::{Engine, ProviderStatus};
use lockgate_providers::{Credentials, Kind, OpenError};

use crate::exit::Failure;
use crate::screen::{ATTENTION, BAD, FAINT, GOOD, STRONG, Screen, count, styled};

/// The first lines: printed as soon as it listens.
pub(super) fn started(screen: &mut Screen, address: SocketAddr, store: &Store) -> Result<(), Failure> {
    let snapshot = store.current();
    let url = url(address);
    let lead = |label: &str| format!("  {label:<14}");
    screen.line(&format!("{} {}", styled(STRONG, "Lockgate"), env!("CARGO_PKG_VERSION")))?;
    screen.line(&format!("{}{}", lead("listening"), styled(GOOD, &format!("http://{address}"))))?;
    match &store.inputs().file {
        Some(file) => screen.line(&format!("{}{}", lead("config"), file.display()))?,
        None => {
            screen.paragraph(
                &lead("config"),
                "none: defaults and environment (`lockgate config init` writes one)",
            )?;
        }
    }
    match snapshot.config().keys.len() {
        0 => screen.paragraph(
            &lead("callers"),
            "this machine only, without a key (`lockgate key new` makes keys for others)",
        )?,
        keys => {
            let passed = if passes_keys(store) {
                "; anybody else only with a key of their own for Anthropic, OpenAI or Google, which is passed on to them"
            } else {
                ""
            };
            screen.paragraph(&lead("callers"), &format!("whoever has {}{passed}", one_of(keys)))?;
        }
    }
    screen.paragraph(&lead("record"), &recorded(store))?;
    for warning in snapshot.warnings() {
        screen.paragraph(&styled(ATTENTION, &lead("warning")), &warning.to_string())?;
    }
    screen.line("")?;
    let at = if address == Server::default().listen { String::new() } else { format!(" --url {url}") };
    screen.line(&format!(
        "{}{}",
        lead("Claude Code"),
        styled(STRONG, &format!("lockgate run{at} claude"))
    ))?;
    screen.line(&format!("{}{}", lead("Codex"), styled(STRONG, &format!("lockgate run{at} codex"))))?;
    screen.line(&format!("{}OPENAI_BASE_URL={url}/v1", lead("OpenAI SDK")))?;
    screen.line(&format!("{}ANTHROPIC_BASE_URL={url}", lead("Anthropic SDK")))?;
    screen.line("")
}

/// What is kept of calls, and where.
fn recorded(store: &Store) -> String {
    let snapshot = store.current();
    let record = &snapshot.config().record;
    let how = match record.mode {
        RecordMode::Full => "every call in full, secrets too",
        RecordMode::Metadata => "every call without its contents",
        RecordMode::Off => return "nothing, but for keys that say otherwise".to_owned(),
        RecordMode::Redacted => "every call, with secrets masked",
    };
    match record.folder(&store.inputs().environment) {
        // A database's address may hold its password.
        Some(folder) if record.database.is_some() => {
            format!("{how}; in the database that the configuration names, through {}", folder.display())
        }
        Some(folder) => format!("{how}; in {}", folder.display()),
        None => "nothing: there is no home; name a folder as `record.directory`".to_owned(),
    }
}

/// Whether a caller without a key of this gateway can use its own at some provider.
fn passes_keys(store: &Store) -> bool {
    let vendor = |kind: Kind| matches!(kind, Kind::Anthropic | Kind::Gemini | Kind::Openai);
    let snapshot = store.current();
    let mut providers = snapshot.providers().iter();
    providers.any(|one| vendor(one.kind) && one.settings.credentials != Credentials::Gateway)
}

fn one_of(keys: usize) -> String {
    if keys == 1 { "the key".to_owned() } else { format!("one of {}", count(keys, "key")) }
}

/// An address to connect to: that of every interface is none.
fn url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// What was found; printed when everybody was asked.
pub(super) fn providers(
    screen: &mut Screen,
    engine: &Engine,
    unopened: &[(String, OpenError)],
) -> Result<(), Failure> {
    screen.line(&styled(STRONG, "  Providers"))?;
    for (id, error) in unopened {
        screen.paragraph(&format!("  {} {id:<18} ", styled(BAD, "✗")), &format!("left out: {error}"))?;
    }
    let (mut absent, mut usable) = (Vec::new(), false);
    for status in engine.providers() {
        if status.detected && matches!(status.reachable, Some(Err(_))) && !status.has_credential {
            absent.push(status.id);
            continue;
        }
        let (mark, words) = state_of(&status);
        usable |= !waits_for_callers(&status);
        screen.paragraph(&format!("  {mark} {:<18} ", status.id), &format!("{words}{}", place(&status)))?;
    }
    if !absent.is_empty() {
        screen.paragraph("    ", &format!("not running here: {}", absent.join(", ")))?;
    }
    if !usable {
        let words = "no provider has a key here: set ANTHROPIC_API_KEY, OPENAI_API_KEY, GEMINI_API_KEY or the like and start \
                     again, or send the provider's own key with each call";
        screen.paragraph(&format!("  {} ", styled(ATTENTION, "→")), words)?;
    }
    screen.line("")
}

/// Whether only callers have a credential for it.
fn waits_for_callers(status: &ProviderStatus) -> bool {
    !status.asked && !status.has_credential && status.models == 0 && status.kind != "claude-cli"
}

/// What went wrong without the provider's name, which stands beside it.
pub(crate) fn bare<'a>(status: &ProviderStatus, words: &'a str) -> &'a str {
    words.strip_prefix(&*format!("provider `{}`: ", status.id)).unwrap_or(words)
}

/// Where it is, and the proxy on the way.
pub(crate) fn place(status: &ProviderStatus) -> String {
    let address = status.address.as_ref().map_or(String::new(), |address| format!(" · {address}"));
    let proxy = status.proxy.as_ref().map_or(String::new(), |proxy| format!(" through the proxy {proxy}"));
    address + &proxy
}

fn state_of(status: &ProviderStatus) -> (String, String) {
    let good = |words: String| (styled(GOOD, "✓"), words);
    match &status.reachable {
        Some(Err(error)) => (styled(ATTENTION, "!"), bare(status, error).to_owned()),
        Some(Ok(())) | None if waits_for_callers(status) => {
            (styled(FAINT, "·"), "with the caller's own key".to_owned())
        }
        Some(Ok(())) | None if status.kind == "claude-cli" => good("ready, with its own login".to_owned()),
        Some(Ok(())) | None if status.models == 0 => good("ready".to_owned()),
        Some(Ok(())) | None => good(format!("ready, {}", count(status.models, "model"))),
    }
}
