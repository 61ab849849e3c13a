//! The policies of the configuration file and those that were set while gateways run, put together and kept in force.
//!
//! Twice a second the database is asked for its latest version. The last one that is known is kept in a file beside the log, so that a start
//! enforces it before the database is open. What this program cannot read is said in the log and in `/health`, and the policies of
//! the file hold alone.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use lockgate_admin::{PolicyBook, PolicyView, Shelf};
use lockgate_config::{Snapshot, with_document};
use lockgate_engine::Engine;
use lockgate_policy::trust::Bounds;
use lockgate_policy::{Chain, Entry, Mode, OnFailure, Policies, Shown};
use lockgate_server::Part;
use serde::{Deserialize, Serialize};

use super::keys::write;
use super::mask::Masks;
use super::plan;

/// Between two questions to the database.
const LOOK: Duration = Duration::from_millis(500);

/// The file in the folder of the record.
const CACHE: &str = "policies.json";

/// A version that is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Enacted {
    document: String,
    version: i64,
}

/// Knows the policies of the file, and what a document would make of them.
pub(crate) struct Book(pub(crate) Arc<ArcSwap<Policies>>);

impl Book {
    /// Over the policies of a configuration.
    pub(crate) fn of(snapshot_policies: Policies) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(snapshot_policies)))
    }
}

fn views(policies: &Policies, skip: usize, from: &'static str) -> Vec<PolicyView> {
    let entries = policies.entries().unwrap_or_default();
    let view = |Shown { kind, mode, name, on_failure, rules }| PolicyView {
        name,
        kind: String::from(kind),
        mode: Mode::as_str(mode).to_owned(),
        on_failure: OnFailure::as_str(on_failure).to_owned(),
        rules,
        from,
    };
    entries.iter().skip(skip).map(Entry::shown).map(view).collect()
}

impl PolicyBook for Book {
    fn of_file(&self) -> Vec<PolicyView> {
        views(&self.0.load(), 0, "file")
    }

    fn bounds(&self) -> Option<Bounds> {
        self.0.load().promotion
    }

    fn of_document(&self, document: &str) -> Result<Vec<PolicyView>, String> {
        let file = self.0.load();
        Ok(views(&with_document(&file, document)?, file.chain.len(), "api"))
    }
}

/// The policies of this gateway.
pub(super) struct Enforced {
    cache: Option<PathBuf>,
    engine: Arc<Engine>,
    file: Arc<ArcSwap<Policies>>,
    masks: Masks,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    enacted: Option<Enacted>,
    /// Why the latest version is not in force.
    trouble: Option<String>,
}

impl Enforced {
    /// Begins with the policies of the configuration and the version that was known last. `folder`: that of the record, where there is one.
    pub(super) fn open(
        engine: Arc<Engine>,
        masks: Masks,
        snapshot: &Snapshot,
        folder: Option<&Path>,
    ) -> Arc<Self> {
        let cache = folder.map(|folder| folder.join(CACHE));
        let enacted = cache.as_deref().and_then(read);
        let file = Arc::new(ArcSwap::from_pointee(snapshot.config().policies.clone()));
        let state = Mutex::new(State { enacted, trouble: None });
        let enforced = Self { cache, engine, file, masks, state };
        enforced.apply(&mut enforced.state());
        Arc::new(enforced)
    }

    /// What the admin API knows of them.
    pub(super) fn book(&self) -> Arc<dyn PolicyBook> {
        Arc::new(Book(self.file.clone()))
    }

    /// Takes over what a new configuration says.
    pub(super) fn reload(&self, snapshot: &Snapshot) {
        let mut state = self.state();
        self.file.store(Arc::new(snapshot.config().policies.clone()));
        self.apply(&mut state);
    }

    /// Keeps the latest version of the database in force for as long as it runs.
    pub(super) async fn follow(self: Arc<Self>, shelf: Shelf) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some(database) = shelf.get() else { continue };
            let known = self.state().enacted.as_ref().map_or(0, |enacted| enacted.version);
            // While the database is away, what is in force stays.
            let Ok(latest) = database.policy_version().await else { continue };
            if latest == known {
                continue;
            }
            let enacted = match latest {
                0 => None,
                _ => match database.policies(latest).await {
                    Ok(Some(found)) => Some(Enacted { document: found.document, version: latest }),
                    Ok(None) | Err(_) => continue,
                },
            };
            let mut state = self.state();
            state.enacted = enacted;
            self.apply(&mut state);
            let kept = self.cache.as_deref().map(|cache| write(cache, &state.enacted)).transpose();
            drop(state);
            tracing::info!(version = latest, "policies that were set while the gateway runs are in force");
            if let Err(error) = kept {
                tracing::warn!(%error, "the policies cannot be kept for the next start");
            }
        }
    }

    /// Puts what is known in force.
    fn apply(&self, state: &mut State) {
        let file = self.file.load_full();
        let all = match &state.enacted {
            None => Ok(Policies::clone(&file)),
            Some(enacted) => with_document(&file, &enacted.document)
                .map_err(|why| format!("version {} of the policies is not in force: {why}", enacted.version)),
        };
        state.trouble = all.as_ref().err().cloned();
        if let Some(trouble) = &state.trouble {
            tracing::error!("{trouble}");
        }
        let chain: Chain = plan::chain(&all.unwrap_or_else(|_| Policies::clone(&file)), &self.masks);
        self.engine.set_policies(chain);
    }

    /// How it is, for `/health`.
    pub(super) fn part(&self) -> Part {
        let state = self.state();
        let version = state.enacted.as_ref().map_or(0, |enacted| u64::try_from(enacted.version).unwrap_or(0));
        let troubles = match &state.trouble {
            Some(_) => {
                vec!["the policies that were set while the gateway runs cannot be read and are not in force"]
            }
            None => Vec::new(),
        };
        Part { name: "policies", numbers: vec![("version", version)], troubles }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(cache: &Path) -> Option<Enacted> {
    let text = match std::fs::read(cache) {
        Ok(text) => text,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, "the policies that were known last cannot be read");
            }
            return None;
        }
    };
    serde_json::from_slice(&text)
        .map_err(|error| tracing::warn!(%error, "the file of the policies that were known last is damaged"))
        .ok()
        .flatten()
}
