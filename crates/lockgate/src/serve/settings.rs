//! Settings that are made while gateways run: keeps the latest version of the database in force, and tells the admin API what is.
//!
//! Twice a second the database is asked for its latest version. The last one that is known is kept in a file beside the log, with the last one
//! that could be used, so that a start has them before the database is open. What cannot be used here, with this machine's file and variables, is
//! said in the log and in `/health`; what was in force before stays, also behind a restart, and nothing is deleted by age until it can be used.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use lockgate_admin::{ConfigBook, RetentionPolicy, SettingView};
use lockgate_config::{Inputs, Problems, Snapshot, Source, Step, Store};
use lockgate_server::Part;
use lockgate_store::{Enacted, Error, Store as Stored};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::keys::write;
use super::record::Recording;

/// Between two questions to the database.
const LOOK: Duration = Duration::from_millis(500);

/// The file in the folder of the record.
pub(super) const CACHE: &str = "settings.json";

/// How many versions before one that cannot be used are tried, where none is known that could be.
const OLDER: i64 = 50;

/// Why nothing is deleted by age: the database was not asked yet.
pub(super) const UNKNOWN: &str = "the settings that were made while gateways run are not known yet";

/// Why nothing is deleted by age: what is in force here is not what was set.
const UNUSABLE: &str = "the settings that were made while gateways run cannot be used here";

/// A version that is known.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Known {
    document: String,
    version: i64,
}

impl Known {
    fn document(&self) -> Option<Arc<str>> {
        (self.version > 0).then(|| Arc::from(self.document.as_str()))
    }
}

/// What is kept for the next start: the latest version, and the one that is in force where that cannot be used.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    #[serde(flatten)]
    latest: Known,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usable: Option<Known>,
}

/// The settings of this gateway.
pub(super) struct Settings {
    cache: Option<PathBuf>,
    state: Mutex<State>,
    store: Arc<Store>,
}

#[derive(Default)]
struct State {
    /// The latest version that was looked at.
    known: Known,
    /// Why that is not in force.
    trouble: Option<String>,
    /// The version that is in force; `None` = the file alone, as nobody has said.
    usable: Option<Known>,
}

impl Settings {
    /// Begins with the version that was known last, before anything is made of the configuration. `folder`: that of the record, where there is one.
    pub(super) fn open(store: Arc<Store>, folder: Option<&Path>) -> Arc<Self> {
        let cache = folder.map(|folder| folder.join(CACHE));
        let kept = cache.as_deref().and_then(read);
        let settings = Self { cache, state: Mutex::default(), store };
        if let Some(Kept { latest, usable }) = kept {
            if let Some(usable) = usable {
                settings.fall_back(usable);
            }
            settings.take(latest);
            if let Err(problems) = settings.store.reload() {
                tracing::error!("{problems}");
            }
        }
        Arc::new(settings)
    }

    /// Takes a version over, if it can be used; with the next reload it is in force.
    fn take(&self, known: Known) {
        let taken = self.store.enact(known.document());
        let mut state = self.state();
        let trouble = taken.err().map(|problems| words(&problems));
        let is_news = trouble != state.trouble;
        let usable = if trouble.is_none() { Some(known.clone()) } else { state.usable.take() };
        *state = State { known, trouble, usable };
        drop(state);
        if is_news {
            self.say();
        }
    }

    /// Takes a version over in place of a later one, if it can be used; whether it can.
    fn fall_back(&self, older: Known) -> bool {
        let is_taken = self.store.enact(older.document()).is_ok();
        if is_taken {
            self.state().usable = Some(older);
        }
        is_taken
    }

    /// Looks for a version that can be used before one that cannot, where none is known; whether there is one.
    async fn look_back(&self, database: &dyn Stored, latest: i64) -> Result<bool, Error> {
        let is_needed = {
            let state = self.state();
            state.trouble.is_some() && state.usable.is_none()
        };
        let oldest = if is_needed { (latest - OLDER).max(1) } else { latest };
        for version in (oldest..latest).rev() {
            let found = database.enacted(Enacted::Settings, version).await?;
            if found.is_some_and(|found| self.fall_back(Known { document: found.document, version })) {
                tracing::warn!(
                    version,
                    "an older version of the settings is in force: later ones cannot be used here"
                );
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Keeps what is known for the next start.
    fn keep(&self) {
        let kept = {
            let state = self.state();
            let usable = state.usable.clone().filter(|_| state.trouble.is_some());
            Kept { latest: state.known.clone(), usable }
        };
        let written = self.cache.as_deref().map(|cache| write(cache, &kept)).transpose();
        if let Err(error) = written {
            tracing::warn!(%error, "the settings cannot be kept for the next start");
        }
    }

    /// Lets nothing be deleted by age as long as what is in force here is not what was set: the days may be others.
    fn withhold(&self, retention: &ArcSwap<RetentionPolicy>) {
        let why = self.state().trouble.as_ref().map(|_| UNUSABLE);
        if retention.load().withheld.as_deref() != why {
            let withheld = why.map(str::to_owned);
            retention.rcu(|policy| RetentionPolicy {
                withheld: withheld.clone(),
                ..RetentionPolicy::clone(policy)
            });
        }
    }

    /// Says in the log what is wrong, if anything is.
    pub(super) fn say(&self) {
        let state = self.state();
        let version = state.known.version;
        if let Some(trouble) = &state.trouble {
            tracing::error!(
                version,
                "settings that were made while the gateway runs cannot be used here\n{trouble}"
            );
        }
    }

    /// Tries again what could not be used: the file or what is around it may be another by now.
    fn again(&self, changes: &Notify) {
        let known = {
            let state = self.state();
            if state.trouble.is_none() {
                return;
            }
            state.known.clone()
        };
        self.take(known);
        if self.state().trouble.is_none() {
            self.keep();
            changes.notify_one();
        }
    }

    /// Keeps the latest version of the database in force for as long as it runs; `changes` is told when there is something to reload.
    pub(super) async fn follow(self: Arc<Self>, recording: Arc<Recording>, changes: Arc<Notify>) {
        let (shelf, retention) = (recording.shelf(), recording.retention());
        drop(recording);
        let mut looked_back = 0;
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some(database) = shelf.get() else { continue };
            let known = self.state().known.version;
            // While the database is away, what is in force stays.
            let Ok(latest) = database.latest_version(Enacted::Settings).await else { continue };
            if latest == known {
                self.again(&changes);
                if looked_back != latest {
                    let Ok(is_found) = self.look_back(database.as_ref(), latest).await else { continue };
                    looked_back = latest;
                    if is_found {
                        self.keep();
                        changes.notify_one();
                    }
                }
                self.withhold(&retention);
                continue;
            }
            let next = match latest {
                0 => Known::default(),
                _ => match database.enacted(Enacted::Settings, latest).await {
                    Ok(Some(found)) => Known { document: found.document, version: latest },
                    Ok(None) | Err(_) => continue,
                },
            };
            self.take(next);
            self.keep();
            if self.state().trouble.is_none() {
                tracing::info!(
                    version = latest,
                    "settings that were made while the gateway runs are taken over"
                );
            } else {
                self.withhold(&retention);
            }
            changes.notify_one();
        }
    }

    /// What the admin API knows of the configuration.
    pub(super) fn book(&self) -> Arc<dyn ConfigBook> {
        Arc::new(Running(self.store.clone()))
    }

    /// How it is, for `/health`.
    pub(super) fn part(&self) -> Part {
        let state = self.state();
        let version = u64::try_from(state.known.version).unwrap_or(0);
        let troubles = match &state.trouble {
            Some(_) => vec![
                "the settings that were made while the gateway runs cannot be used here and are not in force",
            ],
            None => Vec::new(),
        };
        Part { name: "settings", numbers: vec![("version", version)], troubles }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn words(problems: &Problems) -> String {
    problems.to_string()
}

fn read(cache: &Path) -> Option<Kept> {
    let text = std::fs::read(cache).ok()?;
    serde_json::from_slice(&text)
        .map_err(|error| tracing::warn!(%error, "the file of the settings that were known last is damaged"))
        .ok()
}

/// A gateway that runs.
struct Running(Arc<Store>);

impl ConfigBook for Running {
    fn check(&self, document: &str) -> Result<Vec<SettingView>, String> {
        checked(self.0.inputs(), document)
    }

    fn in_force(&self, _: Option<&str>) -> Result<Vec<SettingView>, String> {
        Ok(views(&self.0.current()))
    }
}

/// The configuration where nothing runs: as a gateway on this machine would have it.
pub(crate) struct Standing(pub(crate) Inputs);

impl ConfigBook for Standing {
    fn check(&self, document: &str) -> Result<Vec<SettingView>, String> {
        checked(&self.0, document)
    }

    fn in_force(&self, document: Option<&str>) -> Result<Vec<SettingView>, String> {
        checked(&self.0, document.unwrap_or_default())
    }
}

fn checked(inputs: &Inputs, document: &str) -> Result<Vec<SettingView>, String> {
    inputs.load_with(Some(document)).map(|snapshot| views(&snapshot)).map_err(|problems| {
        // What is odd but no fault is not what is wrong.
        let faults = problems.0.into_iter().filter(lockgate_config::Problem::is_error).collect();
        words(&Problems(faults))
    })
}

fn views(snapshot: &Snapshot) -> Vec<SettingView> {
    let view = |setting: &lockgate_config::Setting| SettingView {
        fixed: matches!(setting.source, Source::Environment { .. } | Source::Flag { .. }),
        path: setting.path.to_string(),
        source: setting.source.to_string(),
        steps: setting
            .path
            .steps()
            .iter()
            .map(|step| match step {
                Step::Index(index) => index.to_string(),
                Step::Key(key) => key.clone(),
            })
            .collect(),
        value: setting.value(),
    };
    snapshot.settings().iter().map(view).collect()
}
