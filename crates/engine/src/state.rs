//! What the engine works with at a moment: providers, names, options. A snapshot that is replaced whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use lockgate_core::{Dialect, ErrorKind};
use lockgate_providers::{EnvironmentProxies, OpenError, Settings};
use lockgate_wire::EnvelopeLimits;

use crate::caller::Caller;
use crate::catalogue::Catalogue;
use crate::discover::Probes;
use crate::resolve::Names;
use crate::upstream::Upstream;

/// What the engine is told by the configuration.
#[derive(Clone)]
pub struct Options {
    /// Names for models: aliases and slots.
    pub aliases: BTreeMap<String, String>,
    /// Providers that nobody configured: found in the environment or offered by default.
    pub detected: BTreeSet<String>,
    /// Silence after which a streaming client gets a keep-alive.
    pub keepalive: Duration,
    /// Bounds on what a request may hold.
    pub limits: EnvelopeLimits,
    /// Providers by id.
    pub providers: BTreeMap<String, Settings>,
    /// Proxies for providers whose settings name none.
    pub proxies: EnvironmentProxies,
    /// How much of calls is recorded, where their key says nothing else.
    pub recording: lockgate_recorder::Mode,
    /// Whether identical duplicates of tools are taken out of requests.
    pub repair_duplicate_tools: bool,
    /// Whether lossy conversions are refused.
    pub strict: bool,
}

/// A snapshot.
pub(crate) struct State {
    pub(crate) options: Options,
    pub(crate) upstreams: BTreeMap<String, Arc<Upstream>>,
}

impl State {
    /// Opens every enabled provider. One that cannot be opened is left out and named.
    pub(crate) fn open(options: Options, before: Option<&Self>) -> (Self, Vec<(String, OpenError)>) {
        let mut upstreams = BTreeMap::new();
        let mut problems = Vec::new();
        for (id, settings) in options.providers.iter().filter(|(_, settings)| settings.enabled) {
            let detected = options.detected.contains(id);
            // Unchanged providers keep their connections.
            let before = before.filter(|before| before.options.proxies == options.proxies);
            let known = before.and_then(|before| before.upstreams.get(id));
            if let Some(known) =
                known.filter(|known| known.settings == *settings && known.detected == detected)
            {
                upstreams.insert(id.clone(), known.clone());
                continue;
            }
            match Upstream::open(id, settings, detected, &options.proxies) {
                Ok(upstream) => {
                    upstreams.insert(id.clone(), upstream);
                }
                Err(error) => problems.push((id.clone(), error)),
            }
        }
        (Self { options, upstreams }, problems)
    }

    /// What names mean to a caller in its dialect.
    pub(crate) fn names<'a>(
        &'a self,
        catalogue: &'a Catalogue,
        probes: &'a Probes,
        caller: &'a Caller,
        dialect: Dialect,
    ) -> Names<'a> {
        Names {
            aliases: &self.options.aliases,
            caller,
            catalogue,
            configured: &self.options.providers,
            dialect,
            probes,
            upstreams: &self.upstreams,
        }
    }
}

/// A provider as the start-up screen and the doctor show it.
#[derive(Debug, Clone)]
pub struct ProviderStatus {
    /// Where it is.
    pub address: Option<String>,
    /// Whether it was asked for its models; one that only its callers have a credential for is not.
    pub asked: bool,
    /// Seconds by which its clock was ahead of ours when it answered, where it told the time.
    pub clock_ahead_s: Option<i64>,
    /// Whether nobody configured it.
    pub detected: bool,
    /// Whether the gateway holds a credential for it.
    pub has_credential: bool,
    /// Its id.
    pub id: String,
    /// Its kind's name.
    pub kind: &'static str,
    /// Models it is known to have.
    pub models: usize,
    /// The proxy that it is reached through, without its login, and where that is set.
    pub proxy: Option<String>,
    /// Whether it answered the last time it was asked, and what went wrong if not. `None` = not asked yet.
    pub reachable: Option<Result<(), String>>,
    /// What kind of trouble kept it from answering.
    pub trouble: Option<ErrorKind>,
}
