//! Settings that are made while gateways run: keeps the latest version of the database in force, and tells the admin API what is.
//!
//! Twice a second the database is asked for its latest version. The last one that is known is kept in a file beside the log, so that a start has
//! it before the database is open. What cannot be used here, with this machine's file and variables, is said in the log and in
//! `/health`, and what was in force before stays.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lockgate_admin::{ConfigBook, SettingView, Shelf};
use lockgate_config::{Inputs, Problems, Snapshot, Source, Step, Store};
use lockgate_server::Part;
use lockgate_store::Enacted;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::keys::write;

/// Between two questions to the database.
const LOOK: Duration = Duration::from_millis(500);

/// The file in the folder of the record.
pub(super) const CACHE: &str = "settings.json";

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
}

impl Settings {
    /// Begins with the version that was known last, before anything is made of the configuration. `folder`: that of the record, where there is one.
    pub(super) fn open(store: Arc<Store>, folder: Option<&Path>) -> Arc<Self> {
        let cache = folder.map(|folder| folder.join(CACHE));
        let known = cache.as_deref().and_then(read);
        let settings = Self { cache, state: Mutex::default(), store };
        if let Some(known) = known {
            settings.take(known);
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
        *state = State { known, trouble };
        drop(state);
        if is_news {
            self.say();
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
            changes.notify_one();
        }
    }

    /// Keeps the latest version of the database in force for as long as it runs; `changes` is told when there is something to reload.
    pub(super) async fn follow(self: Arc<Self>, shelf: Shelf, changes: Arc<Notify>) {
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
                continue;
            }
            let next = match latest {
                0 => Known::default(),
                _ => match database.enacted(Enacted::Settings, latest).await {
                    Ok(Some(found)) => Known { document: found.document, version: latest },
                    Ok(None) | Err(_) => continue,
                },
            };
            let kept = self.cache.as_deref().map(|cache| write(cache, &next)).transpose();
            if let Err(error) = kept {
                tracing::warn!(%error, "the settings cannot be kept for the next start");
            }
            self.take(next);
            tracing::info!(version = latest, "settings that were made while the gateway runs are taken over");
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

fn read(cache: &Path) -> Option<Known> {
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
