//! Keys of the configuration and of the database, side by side, as the server is told them.
//!
//! Twice a second the database is asked whether keys have changed, and all are read again if so. While it is away, and at a start until it is
//! open, the keys that were known last stay in force: they are in a file beside the log, as hashes with what each may do. So trouble with
//! the database is never a wrong key.

use std::collections::HashMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lockgate_admin::{Holder, Holders, Role};
use lockgate_config::{KeyLimits as ConfiguredLimits, Snapshot, Store};
use lockgate_engine::{Grant, Meter};
use lockgate_ledger::{Limits, Nano, Prices};
use lockgate_providers::ModelGlob;
use lockgate_recorder::Mode;
use lockgate_server::{Access, Ending, KeyRing, KnownKey, Part, Server, Why};
use lockgate_store::Store as Database;
use lockgate_store::access::{KeyLimits, KeyRecording, VirtualKey};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::plan;
use super::record::Recording;

/// Between two looks whether there is something to do.
const LOOK: Duration = Duration::from_millis(100);

/// Looks between two questions to the database, once it has answered one.
const QUESTIONS: u32 = 5;

/// Looks between two notes of which keys were used.
const NOTES: u32 = 200;

/// The file in the folder of the record.
pub(super) const CACHE: &str = "keys.json";

/// What is said while keys of the database were never read.
const UNKNOWN: &str = "the keys in the database are not known yet; calls with them are asked to come again";

/// What a file of keys holds.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Stored {
    /// The keys, each with whether its owner's account is closed.
    keys: Vec<(VirtualKey, bool)>,
    /// The version in the database that they are of.
    version: i64,
}

/// Every key that is known.
pub(crate) struct Keys {
    cache: Option<PathBuf>,
    /// Whether a database is to be waited for.
    expected: bool,
    prices: Prices,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was used, by the name of the key: it outlives a change of the key.
    meters: HashMap<String, Arc<Meter>>,
    stored: Option<Stored>,
    /// Whether nobody may call without a key.
    required: bool,
    /// The keys as the server has them.
    ring: KeyRing,
    /// What each may do beside calling models.
    roles: HashMap<[u8; 32], Role>,
    trouble: bool,
    /// When keys of the database were used, and what the database knows of it.
    used: HashMap<Uuid, (Arc<AtomicI64>, i64)>,
}

impl Holders for Keys {
    fn holder(&self, key: &str) -> Option<Result<Holder, String>> {
        let hash = *blake3::hash(key.as_bytes()).as_bytes();
        let state = self.state();
        let role = state.roles.get(&hash).copied()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        // What a call would be told.
        let known = state.ring.get(&hash)?.at(now).map_err(|failure| failure.message);
        Some(known.map(|grant| Holder { key: grant.name.clone(), role, user: grant.user.clone() }))
    }
}

impl Keys {
    /// Begins with the keys that were known last. `folder` is that of the record, where there is one; `expected` = its database may hold keys.
    pub(crate) fn open(folder: Option<&Path>, expected: bool, prices: Prices) -> Self {
        let cache = folder.map(|folder| folder.join(CACHE));
        let stored = cache.as_deref().and_then(read);
        let state = Mutex::new(State { stored, ..State::default() });
        Self { cache, expected, prices, state }
    }

    /// What the key of a name allows, as long as it is valid.
    pub(crate) fn grant(&self, name: &str) -> Option<Arc<Grant>> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        let state = self.state();
        let mut of_name = state.ring.values().filter(|known| known.grant.name == name);
        of_name.find_map(|known| known.at(now).ok()).cloned()
    }

    /// The name of a key, as long as it is valid.
    pub(crate) fn name_of(&self, key: &str) -> Option<String> {
        let hash = *blake3::hash(key.as_bytes()).as_bytes();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        let grant = self.state().ring.get(&hash)?.at(now).ok().cloned();
        grant.map(|grant| grant.name.clone())
    }

    /// Tells the server which keys there are now.
    pub(crate) fn apply(&self, server: &Server, store: &Store) {
        // Held until the server knows: of two that come at once the later one has the later configuration.
        let mut state = self.state();
        let snapshot = store.current();
        server.replace(self.access_of(&mut state, &snapshot), plan::bounds(&snapshot));
    }

    /// Who may call by a configuration and what is known of the database.
    pub(crate) fn access(&self, snapshot: &Snapshot) -> Access {
        self.access_of(&mut self.state(), snapshot)
    }

    fn access_of(&self, state: &mut State, snapshot: &Snapshot) -> Access {
        let config = snapshot.config();
        let mut ring = KeyRing::new();
        let State { meters, roles, stored, used, .. } = &mut *state;
        roles.clear();
        let mut known: HashMap<String, Arc<Meter>> = HashMap::new();
        let mut meter = |name: &str, limits: Limits| {
            if !limits.any() {
                return None;
            }
            if limits.cost_per_day.is_some() {
                // What calls cost is counted when they are over, and nobody waits for a list then.
                let read = self.prices.current();
                let _ = read.inspect_err(|error| tracing::error!(%error, "costs are not counted"));
            }
            let meter = known.get(name).or_else(|| meters.get(name)).cloned().unwrap_or_default();
            meter.limit(limits);
            known.insert(name.to_owned(), meter.clone());
            Some(meter)
        };
        for (key, closed) in stored.iter().flat_map(|stored| &stored.keys) {
            // A key and the one that takes its place count together; one that is over counts nothing.
            let meter =
                if key.revoked_us.is_none() { meter(&key.name, limits_of(&key.limits)) } else { None };
            let last = || (Arc::new(AtomicI64::new(key.used_us.unwrap_or(0))), key.used_us.unwrap_or(0));
            let (clock, _) = used.entry(key.id).or_insert_with(last);
            let known = KnownKey {
                ends: ending(key, *closed),
                grant: Arc::new(grant_of(key, meter)),
                used: Some(clock.clone()),
            };
            ring.insert(key.hash, known);
            roles.insert(key.hash, key.role.into());
        }
        for key in &config.keys {
            let grant = Grant {
                credentials: key.credentials.clone(),
                data_class: key.data_class,
                meter: meter(&key.name, configured(&key.limits)),
                models: key.models.clone(),
                name: key.name.clone(),
                project: key.project.clone(),
                providers: key.providers.clone(),
                recording: key.record.map(plan::recording),
                user: key.user.clone(),
            };
            let ends = key.expires.map(|expiry| Ending { at_us: expiry.at_us(), why: Why::Expired });
            ring.insert(*key.hash.bytes(), KnownKey { ends, ..KnownKey::from(Arc::new(grant)) });
            roles.insert(*key.hash.bytes(), Role::Own);
        }
        let pending = self.expected && stored.is_none();
        *meters = known;
        state.required = config.server.require_key;
        state.ring.clone_from(&ring);
        Access::new(ring)
            .with_origins(config.server.cors_origins.clone())
            .with_keys_elsewhere(config.server.require_key, pending)
    }

    /// Keeps the server's keys those of the database for as long as it runs.
    pub(crate) async fn follow(
        self: Arc<Self>,
        recording: Arc<Recording>,
        server: Arc<Server>,
        store: Arc<Store>,
    ) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut version = None;
        let shelf = recording.shelf();
        for look in 1_u32.. {
            looks.tick().await;
            let Some(database) = shelf.get() else { continue };
            if version.is_some() && look % QUESTIONS != 0 {
                continue;
            }
            match self.look(database.as_ref(), version).await {
                Ok(None) => self.told(false),
                Ok(Some(stored)) => {
                    version = Some(stored.version);
                    self.keep(&stored);
                    self.state().stored = Some(stored);
                    self.apply(&server, &store);
                    self.told(false);
                }
                Err(error) => {
                    if !self.state().trouble {
                        tracing::warn!(%error, "the database cannot be asked for keys; those known last stay in force");
                    }
                    self.told(true);
                }
            }
            if look % NOTES == 0 {
                self.note_use(database.as_ref()).await;
            }
        }
    }

    /// The keys, if they are not of the version that is known.
    async fn look(
        &self,
        database: &dyn Database,
        known: Option<i64>,
    ) -> Result<Option<Stored>, lockgate_store::Error> {
        if known == Some(database.version().await?) {
            return Ok(None);
        }
        let (version, keys) = database.ring().await?;
        Ok(Some(Stored { keys, version }))
    }

    async fn note_use(&self, database: &dyn Database) {
        let due: Vec<(Uuid, i64)> = {
            let state = self.state();
            let used =
                state.used.iter().map(|(id, (clock, noted))| (*id, clock.load(Ordering::Relaxed), *noted));
            used.filter(|(_, at, noted)| at > noted).map(|(id, at, _)| (id, at)).collect()
        };
        if due.is_empty() || database.used(&due).await.is_err() {
            return;
        }
        let mut state = self.state();
        for (id, at) in due {
            if let Some((_, noted)) = state.used.get_mut(&id) {
                *noted = at;
            }
        }
    }

    /// Writes what is known where the next start finds it.
    fn keep(&self, stored: &Stored) {
        let Some(cache) = &self.cache else { return };
        if let Err(error) = write(cache, stored) {
            tracing::warn!(%error, "the known keys cannot be kept for the next start");
        }
    }

    fn told(&self, trouble: bool) {
        self.state().trouble = trouble;
    }

    /// Why no call can be answered for want of keys, for `/health/ready`.
    pub(crate) fn unready(&self) -> Option<&'static str> {
        let state = self.state();
        let unknown = self.expected && state.stored.is_none();
        // With a key of the configuration, or without any need of one, there are calls that are answered.
        (unknown && state.required && state.ring.is_empty()).then_some(UNKNOWN)
    }

    /// How it is, for `/health`.
    pub(crate) fn part(&self) -> Part {
        let state = self.state();
        let mut troubles = Vec::new();
        if state.trouble {
            troubles.push("the database cannot be asked for keys; those known last stay in force");
        }
        if self.expected && state.stored.is_none() {
            troubles.push(UNKNOWN);
        }
        let number = state.stored.as_ref().map_or(0, |stored| stored.keys.len());
        Part { name: "keys", numbers: vec![("stored", number as u64)], troubles }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn limits_of(limits: &KeyLimits) -> Limits {
    Limits {
        concurrency: limits.concurrency,
        cost_per_day: limits.cost_per_day_nano.map(Nano::new),
        requests_per_minute: limits.requests_per_minute,
        tokens_per_minute: limits.tokens_per_minute,
    }
}

fn configured(limits: &ConfiguredLimits) -> Limits {
    Limits {
        concurrency: limits.concurrency,
        cost_per_day: limits.cost_per_day_usd.map(|dollars| Nano::new((dollars * 1e9).round() as u64)),
        requests_per_minute: limits.requests_per_minute,
        tokens_per_minute: limits.tokens_per_minute,
    }
}

fn grant_of(key: &VirtualKey, meter: Option<Arc<Meter>>) -> Grant {
    let recording = key.recording.map(|mode| match mode {
        KeyRecording::Full => Mode::Full,
        KeyRecording::Metadata => Mode::Metadata,
        KeyRecording::Off => Mode::Off,
        KeyRecording::Redacted => Mode::Redacted,
    });
    Grant {
        data_class: key.data_class,
        meter,
        models: key.models.iter().map(ModelGlob::new).collect(),
        name: key.name.clone(),
        project: key.project.clone(),
        providers: key.providers.clone(),
        recording,
        user: key.owner.clone(),
        ..Grant::default()
    }
}

fn ending(key: &VirtualKey, closed: bool) -> Option<Ending> {
    if let Some(at_us) = key.revoked_us {
        return Some(Ending { at_us, why: Why::Revoked });
    }
    if closed {
        return Some(Ending { at_us: i64::MIN, why: Why::Closed });
    }
    let expires = key.expires_us.map(|at_us| Ending { at_us, why: Why::Expired });
    let retires = key.retires_us.map(|at_us| Ending { at_us, why: Why::Replaced });
    expires.into_iter().chain(retires).min_by_key(|ending| ending.at_us)
}

fn read(cache: &Path) -> Option<Stored> {
    let text = match std::fs::read(cache) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "the keys that were known last cannot be read");
            }
            return None;
        }
    };
    serde_json::from_slice(&text)
        .map_err(|error| tracing::warn!(%error, "the file of the keys that were known last is damaged"))
        .ok()
}

/// Whole or not at all, for the owner alone.
pub(super) fn write(cache: &Path, stored: &impl Serialize) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let partial = cache.with_extension(format!("partial-{}", std::process::id()));
    let mut open = std::fs::OpenOptions::new();
    let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(&serde_json::to_vec(stored)?)?;
    file.sync_data()?;
    std::fs::rename(&partial, cache)
}
