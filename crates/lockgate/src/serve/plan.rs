//! From the configuration to what engine and server are told. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_config::{Presence, RecordMode, Snapshot};
use lockgate_engine::{Engine, Options};
use lockgate_policy::{Chain, Manner, Policies};
use lockgate_providers::Settings;
use lockgate_recorder::Mode;
use lockgate_server::Bounds;
use lockgate_wire::EnvelopeLimits;

use super::mask::Masks;

/// What the engine is told.
pub(crate) fn options(snapshot: &Snapshot) -> Options {
    let config = snapshot.config();
    let mut providers = BTreeMap::new();
    let mut detected = BTreeSet::new();
    for provider in snapshot.providers() {
        let settings = Settings {
            kind: Some(provider.kind),
            base_url: provider.base_url.clone(),
            ..Settings::clone(&provider.settings)
        };
        providers.insert(provider.id.clone(), settings);
        if provider.presence != Presence::Configured {
            detected.insert(provider.id.clone());
        }
    }
    // The engine opens none of these, but it says so when somebody calls them.
    let disabled = config.providers.iter().filter(|(_, settings)| !settings.enabled);
    providers.extend(disabled.map(|(id, settings)| (id.clone(), settings.clone())));
    let mut aliases = config.models.aliases.clone();
    for (slot, target) in config.models.slots.named() {
        if let Some(target) = target {
            aliases.entry(slot.to_owned()).or_insert_with(|| target.to_owned());
        }
    }
    if let Some(default) = aliases.get("default").cloned() {
        aliases.entry("auto".to_owned()).or_insert(default);
    }
    let limits = &config.server.limits;
    Options {
        aliases,
        detected,
        keepalive: Duration::from_millis(config.server.keepalive_ms),
        limits: EnvelopeLimits { messages: limits.messages, nesting: limits.nesting, tools: limits.tools },
        providers,
        proxies: snapshot.proxies().clone(),
        recording: recording(config.record.mode),
        repair_duplicate_tools: config.conversion.repair_duplicate_tools,
        strict: config.conversion.strict,
    }
}

/// The policies.
pub(super) fn chain(policies: &Policies, masks: &Masks) -> Chain {
    // A configuration in force has none that cannot work.
    let entries = policies.entries().unwrap_or_default();
    let (masks, of_prompts) = (masks.clone(), masks.clone());
    let manner = Manner {
        approvals: policies.approvals,
        budget: Duration::from_millis(policies.budget_ms),
        link: policies.link.clone(),
        local_model: policies.local_model.clone(),
        mask: Arc::new(move |text| masks.redactor().redact(text).into_owned()),
        message: policies.message.clone(),
        now: Instant::now,
        resample: policies.resample,
    };
    Chain::new(entries, manner).with_redactor(Arc::new(move || of_prompts.prompts()))
}

pub(crate) fn recording(mode: RecordMode) -> Mode {
    match mode {
        RecordMode::Full => Mode::Full,
        RecordMode::Metadata => Mode::Metadata,
        RecordMode::Off => Mode::Off,
        RecordMode::Redacted => Mode::Redacted,
    }
}

/// The same with local runtimes at the address where they answer, if one was found at another than its first.
pub(crate) fn moved(engine: &Engine, snapshot: &Snapshot) -> Option<Options> {
    let mut options = options(snapshot);
    let silent: BTreeSet<String> = engine
        .providers()
        .into_iter()
        .filter(|status| matches!(status.reachable, Some(Err(_))))
        .map(|status| status.id)
        .collect();
    let mut any = false;
    for provider in snapshot.providers().iter().filter(|provider| silent.contains(&provider.id)) {
        let other = provider.other_base_urls.first().and_then(|url| url.parse().ok());
        if let (Some(url), Some(settings)) = (other, options.providers.get_mut(&provider.id)) {
            settings.base_url = Some(url);
            any = true;
        }
    }
    any.then_some(options)
}

/// The bounds on requests.
pub(crate) fn bounds(snapshot: &Snapshot) -> Bounds {
    let config = snapshot.config();
    let (limits, slow) = (&config.server.limits, &config.server.slow_client);
    Bounds {
        body: limits.body_bytes,
        body_idle: Duration::from_millis(slow.body_idle_ms),
        body_whole: Duration::from_millis(slow.body_ms),
        head: Duration::from_millis(slow.head_ms),
        header_bytes: limits.header_bytes,
        headers: limits.headers,
        write_idle: Duration::from_millis(slow.write_idle_ms),
    }
}
