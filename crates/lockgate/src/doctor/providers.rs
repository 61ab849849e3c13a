//! Every provider, asked for its list of models: there, key accepted, clocks equal. Sends nothing that costs.

use std::sync::Arc;

use lockgate_config::{Presence, Provider, Store};
use lockgate_core::ErrorKind;
use lockgate_engine::{Engine, Observer, ProviderStatus};

use super::PATIENCE;
use super::finding::{Area, Check, Level};
use crate::screen::count;
use crate::serve::{bare, discover, place, plan};

/// Clocks that differ by more make signatures and tokens fail.
const CLOCK_S: u64 = 60;

struct Nobody;

impl Observer for Nobody {}

/// Asks everybody, side by side.
pub(super) async fn check(store: &Store) -> Vec<Check> {
    let snapshot = store.current();
    let (engine, unopened) = Engine::new(plan::options(&snapshot), Arc::new(Nobody));
    let mut checks: Vec<Check> = unopened
        .iter()
        .map(|(id, error)| {
            Check::new(Area::Providers, id, Level::Error, format!("cannot be used: {error}"))
                .advice(format!("correct providers.{id} in lockgate.yaml"))
        })
        .collect();
    discover(&engine, store, PATIENCE).await;
    let mut silent = Vec::new();
    for status in engine.providers() {
        let Some(provider) = snapshot.provider(&status.id) else { continue };
        if provider.presence == Presence::Candidate && matches!(status.reachable, Some(Err(_))) {
            silent.push(status.id);
            continue;
        }
        checks.push(one(provider, &status));
        checks.extend(clock(&status));
    }
    if !silent.is_empty() {
        let words = format!("not running here: {}", silent.join(", "));
        checks.push(Check::new(Area::Providers, "local", Level::Note, words));
    }
    checks
}

fn one(provider: &Provider, status: &ProviderStatus) -> Check {
    let id = &status.id;
    let place = place(status);
    let check = |level, words: String| Check::new(Area::Providers, id, level, format!("{words}{place}"));
    match (&status.reachable, status.trouble) {
        (Some(Err(words)), trouble) => {
            let level = match (provider.presence, trouble) {
                (_, Some(ErrorKind::NotFound)) => Level::Note,
                (Presence::Configured | Presence::Found, _) => Level::Error,
                (Presence::Assumed | Presence::Candidate, _) => Level::Warning,
            };
            check(level, bare(status, words).to_owned()).advice(remedy(provider, status, trouble))
        }
        _ if status.asked => check(Level::Good, count(status.models, "model")),
        _ if provider.needs_key() && !status.has_credential => {
            check(Level::Note, format!("no key here{}", how_to_key(provider)))
        }
        _ => check(Level::Note, "has no list of models that could be asked for".into()),
    }
}

fn how_to_key(provider: &Provider) -> String {
    let preset = lockgate_providers::Preset::named(&provider.id).map(|preset| preset.key_variables);
    let variables = preset.unwrap_or(provider.kind.info().key_variables);
    let variable = variables.first().map_or(String::new(), |name| format!(" ({name} is not set)"));
    format!("{variable}; calls need the caller's own")
}

fn remedy(provider: &Provider, status: &ProviderStatus, trouble: Option<ErrorKind>) -> String {
    let id = &provider.id;
    match trouble {
        Some(ErrorKind::UpstreamAuth | ErrorKind::Unauthenticated | ErrorKind::Forbidden) => {
            format!("check the key: providers.{id}.api_key, or the variable it comes from; it may be revoked")
        }
        Some(ErrorKind::RateLimited | ErrorKind::Overloaded) => "wait a little and run this again".into(),
        Some(ErrorKind::NotFound) => format!(
            "it has no list of models at this address; if calls fail as well, check providers.{id}.base_url"
        ),
        Some(ErrorKind::Timeout | ErrorKind::UpstreamUnavailable) | None => {
            if provider.kind.info().local {
                format!("start it, or correct providers.{id}.base_url, or remove the provider")
            } else {
                match &status.proxy {
                    Some(proxy) => format!(
                        "check the proxy {proxy}; `providers.{id}.proxy: none` or NO_PROXY goes past it, where the network allows that"
                    ),
                    None => format!(
                        "check providers.{id}.base_url and the network; where only a proxy leads out, name it in HTTPS_PROXY"
                    ),
                }
            }
        }
        Some(
            ErrorKind::Internal
            | ErrorKind::InvalidRequest
            | ErrorKind::PolicyRefused
            | ErrorKind::TooLarge
            | ErrorKind::UpstreamRejected,
        ) => format!("check providers.{id}.base_url and that its kind is right"),
    }
}

fn clock(status: &ProviderStatus) -> Option<Check> {
    let ahead = status.clock_ahead_s.filter(|ahead| ahead.unsigned_abs() > CLOCK_S)?;
    let side = if ahead > 0 { "behind" } else { "ahead of" };
    let words = format!("this machine's clock is {} s {side} that of {}", ahead.unsigned_abs(), status.id);
    let check = Check::new(Area::Machine, "clock", Level::Warning, words);
    Some(check.advice("set the clock (`timedatectl set-ntp true`): tokens and certificates depend on it"))
}
