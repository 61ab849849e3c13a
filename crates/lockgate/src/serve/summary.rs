//! The one screen that a start prints: where it listens, who may call, what was found, how to point a client at it.

use std::net::SocketAddr;

use lockgate_config::Store;
use lockgate_engine::{Engine, ProviderStatus};

use crate::exit::Failure;
use crate::screen::{ATTENTION, FAINT, GOOD, STRONG, Screen, styled};

/// The first lines: printed as soon as it listens.
pub(super) fn started(screen: &mut Screen, address: SocketAddr, store: &Store) -> Result<(), Failure> {
    let snapshot = store.current();
    let url = format!("http://{address}");
    screen.line(&format!("{} {}", styled(STRONG, "Lockgate"), env!("CARGO_PKG_VERSION")))?;
    screen.line(&format!("  listening   {}", styled(GOOD, &url)))?;
    match &store.inputs().file {
        Some(file) => screen.line(&format!("  config      {}", file.display()))?,
        None => screen.line(&format!(
            "  config      none (defaults and environment; {} writes one)",
            styled(STRONG, "lockgate config init")
        ))?,
    }
    let keys = snapshot.config().keys.len();
    if keys == 0 {
        let words = "no keys: callers on this machine only, without a key";
        screen.line(&format!("  callers     {}", styled(ATTENTION, words)))?;
    } else {
        screen.line(&format!("  callers     {keys} {}", if keys == 1 { "key" } else { "keys" }))?;
    }
    for warning in snapshot.warnings() {
        screen.line(&format!("  {}     {warning}", styled(ATTENTION, "warning")))?;
    }
    screen.line("")?;
    screen.line(&format!("  Claude Code   {}", styled(STRONG, "lockgate run claude")))?;
    screen.line(&format!("  Codex         {}", styled(STRONG, "lockgate run codex")))?;
    screen.line(&format!("  OpenAI SDK    OPENAI_BASE_URL={url}/v1"))?;
    screen.line(&format!("  Anthropic SDK ANTHROPIC_BASE_URL={url}"))?;
    screen.line("")
}

/// What was found; printed when everybody was asked.
pub(super) fn providers(screen: &mut Screen, engine: &Engine) -> Result<(), Failure> {
    screen.line(&styled(STRONG, "  Providers"))?;
    let mut absent = Vec::new();
    for status in engine.providers() {
        if status.detected && matches!(status.reachable, Some(Err(_))) {
            absent.push(status.id);
            continue;
        }
        let (mark, words) = state_of(&status);
        let address = status.address.unwrap_or_default();
        screen.line(&format!("  {mark} {:<18} {words:<34} {}", status.id, styled(FAINT, &address)))?;
    }
    if !absent.is_empty() {
        screen.line(&styled(FAINT, &format!("    not running here: {}", absent.join(", "))))?;
    }
    screen.line("")
}

fn state_of(status: &ProviderStatus) -> (String, String) {
    let good = || styled(GOOD, "✓");
    let models = || match status.models {
        0 => "ready".to_owned(),
        1 => "ready, 1 model".to_owned(),
        n => format!("ready, {n} models"),
    };
    match &status.reachable {
        Some(Err(error)) => (styled(ATTENTION, "!"), error.clone()),
        Some(Ok(())) | None if status.has_credential => (good(), models()),
        Some(Ok(())) | None if status.models > 0 => (good(), models()),
        Some(Ok(())) | None if status.kind == "claude-cli" => {
            (good(), "ready, with its own login".to_owned())
        }
        Some(Ok(())) | None => (styled(FAINT, "·"), "with the caller's own key".to_owned()),
    }
}
