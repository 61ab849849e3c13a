//! The policies of the configuration file and those that were set while gateways run, put together and kept in force.
//!
//! Twice a second the database is asked for its latest version. The last one that is known is kept in a file beside the log, so that a start
//! enforces it before the database is open. What this program cannot read is said in the log and in `/health`, and the policies of
//! the file hold alone. When other policies of the file come into force, the audit is told.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use lockgate_admin::{PolicyBook, PolicyView, Shelf};
use lockgate_config::{Document, Snapshot, with_document};
use lockgate_engine::Engine;
use lockgate_policy::trust::Bounds;
use lockgate_policy::{Chain, Entry, Mode, OnFailure, Policies, Shown};
use lockgate_server::Part;
use lockgate_store::{Enacted as What, Store};
use serde::{Deserialize, Serialize};

use super::filed::Filed;
use super::keys::write;
use super::mask::Masks;
use super::plan;

/// Between two questions to the database.
const LOOK: Duration = Duration::from_millis(500);

/// The file in the folder of the record.
pub(super) const CACHE: &str = "policies.json";

/// Changes of the file that are kept for the audit while the database is away, at most.
const UNTOLD: usize = 64;

/// A version that is known.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Enacted {
    document: String,
    version: i64,
}

/// Knows the policies of the file, and what a document would make of them.
pub(crate) struct Book(pub(crate) Arc<ArcSwap<Snapshot>>);

impl Book {
    /// Over the policies of a configuration.
    pub(crate) fn of(snapshot: Snapshot) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(snapshot)))
    }
}

/// Policies behind the first few, each with its definition.
fn views(policies: &Policies, skip: usize, definitions: Vec<String>, from: &'static str) -> Vec<PolicyView> {
    let entries = policies.entries().unwrap_or_default();
    let view = |(Shown { kind, mode, name, on_failure, rules }, definition)| PolicyView {
        name,
        kind: String::from(kind),
        mode: Mode::as_str(mode).to_owned(),
        on_failure: OnFailure::as_str(on_failure).to_owned(),
        rules,
        definition,
        from,
    };
    entries.iter().skip(skip).map(Entry::shown).zip(definitions).map(view).collect()
}

impl PolicyBook for Book {
    fn of_file(&self) -> Vec<PolicyView> {
        let file = self.0.load();
        views(&file.config().policies, 0, file.definitions(), "file")
    }

    fn bounds(&self) -> Option<Bounds> {
        self.0.load().config().policies.promotion
    }

    fn check(&self, document: &str) -> Result<(), String> {
        let file = self.0.load();
        Document::read(document)?.checked(&file.config().policies, &file).map(|_| ())
    }

    fn of_document(&self, document: &str) -> Result<Vec<PolicyView>, String> {
        let file = self.0.load();
        let file = &file.config().policies;
        let document = Document::read(document)?;
        Ok(views(&document.behind(file)?, file.chain.len(), document.definitions(), "applied"))
    }
}

/// The policies of this gateway.
pub(super) struct Enforced {
    cache: Option<PathBuf>,
    engine: Arc<Engine>,
    file: Arc<ArcSwap<Snapshot>>,
    masks: Masks,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    enacted: Option<Enacted>,
    /// Policies of the file that came into force and may have to be told in the audit, in order.
    filed: VecDeque<Filed>,
    /// Why the latest version is not in force.
    trouble: Option<String>,
}

impl Enforced {
    /// Begins with the policies of the configuration and the version that was known last. `folder`: that of the record, where there is one.
    pub(super) fn open(
        engine: Arc<Engine>,
        masks: Masks,
        snapshot: &Arc<Snapshot>,
        folder: Option<&Path>,
    ) -> Arc<Self> {
        let cache = folder.map(|folder| folder.join(CACHE));
        let enacted = cache.as_deref().and_then(read);
        let file = Arc::new(ArcSwap::new(snapshot.clone()));
        let filed = VecDeque::from([Filed::of(snapshot)]);
        let state = Mutex::new(State { enacted, filed, trouble: None });
        let enforced = Self { cache, engine, file, masks, state };
        enforced.apply(&mut enforced.state());
        Arc::new(enforced)
    }

    /// What the admin API knows of them.
    pub(super) fn book(&self) -> Arc<dyn PolicyBook> {
        Arc::new(Book(self.file.clone()))
    }

    /// Takes over what a new configuration says.
    pub(super) fn reload(&self, snapshot: &Arc<Snapshot>) {
        let mut state = self.state();
        self.file.store(snapshot.clone());
        if state.filed.len() == UNTOLD {
            state.filed.pop_front();
        }
        state.filed.push_back(Filed::of(snapshot));
        self.apply(&mut state);
    }

    /// Keeps the latest version of the database in force for as long as it runs.
    pub(super) async fn follow(self: Arc<Self>, shelf: Shelf) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let Some(database) = shelf.get() else { continue };
            self.tell(database.as_ref()).await;
            let known = self.state().enacted.as_ref().map_or(0, |enacted| enacted.version);
            // While the database is away, what is in force stays.
            let Ok(latest) = database.latest_version(What::Policies).await else { continue };
            if latest == known {
                continue;
            }
            let enacted = match latest {
                0 => None,
                _ => match database.enacted(What::Policies, latest).await {
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

    /// Tells the audit which other policies of the file came into force. What it cannot be told now it is told later.
    async fn tell(&self, database: &dyn Store) {
        loop {
            let Some(filed) = self.state().filed.front().cloned() else { return };
            if filed.tell(database).await.is_err() {
                return;
            }
            let mut state = self.state();
            // A reload may have made room meanwhile.
            if state.filed.front() == Some(&filed) {
                state.filed.pop_front();
            }
        }
    }

    /// Puts what is known in force.
    fn apply(&self, state: &mut State) {
        let snapshot = self.file.load_full();
        let file = &snapshot.config().policies;
        let all = match &state.enacted {
            None => Ok(file.clone()),
            Some(enacted) => with_document(file, &enacted.document)
                .map_err(|why| format!("version {} of the policies is not in force: {why}", enacted.version)),
        };
        state.trouble = all.as_ref().err().cloned();
        if let Some(trouble) = &state.trouble {
            tracing::error!("{trouble}");
        }
        let chain: Chain = plan::chain(&all.unwrap_or_else(|_| file.clone()), &self.masks);
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
