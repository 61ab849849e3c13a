//! What the routes share: the store, once it is open, the door, and what a running gateway has.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use lockgate_ledger::Prices;
use lockgate_store::Store;
use lockgate_telemetry::{Feed, Levels};

use crate::auth::{Door, DoorOptions};
use crate::config::ConfigBook;
use crate::oidc::Oidc;
use crate::policies::{PolicyBook, no_book};
use crate::problem::Problem;
use crate::quarantine::Ward;
use crate::retention::RetentionPolicy;

/// Where the store will be: it opens behind the first calls, or later, when its database is back.
pub type Shelf = Arc<OnceLock<Arc<dyn Store>>>;

/// What the routes share. Cheap to clone.
#[derive(Clone)]
pub struct App {
    pub(crate) book: Arc<dyn PolicyBook>,
    pub(crate) config: Option<Arc<dyn ConfigBook>>,
    door: Arc<Door>,
    pub(crate) feed: Option<Feed>,
    pub(crate) levels: Option<Levels>,
    pub(crate) oidc: Option<Arc<Oidc>>,
    pub(crate) prices: Prices,
    retention: Arc<ArcSwap<RetentionPolicy>>,
    shelf: Shelf,
    /// Whether the configuration wants no record, so that there never is a store.
    unrecorded: bool,
    pub(crate) ward: Option<Arc<dyn Ward>>,
}

impl Default for App {
    fn default() -> Self {
        Self::new(Shelf::default())
    }
}

impl App {
    /// Routes over a store that is, or will be, on this shelf.
    pub fn new(shelf: Shelf) -> Self {
        Self {
            book: no_book(),
            config: None,
            door: Arc::new(Door::new(DoorOptions::default())),
            feed: None,
            levels: None,
            oidc: None,
            prices: Prices::default(),
            retention: Arc::default(),
            shelf,
            unrecorded: false,
            ward: None,
        }
    }

    /// The same where the configuration wants no record: then there is no database either, and it is said so.
    #[must_use]
    pub fn unrecorded(self, unrecorded: bool) -> Self {
        Self { unrecorded, ..self }
    }

    /// The same with a door that is kept so.
    #[must_use]
    pub fn with_door(self, options: DoorOptions) -> Self {
        Self { door: Arc::new(Door::new(options)), ..self }
    }

    /// With what only a running gateway has: live activity and a log.
    #[must_use]
    pub fn running(self, feed: Feed, levels: Levels) -> Self {
        Self { feed: Some(feed), levels: Some(levels), ..self }
    }

    /// With people who log in with an account elsewhere.
    #[must_use]
    pub fn with_oidc(self, oidc: Option<Arc<Oidc>>) -> Self {
        Self { oidc, ..self }
    }

    /// With other prices than those that come with Lockgate.
    #[must_use]
    pub fn with_prices(self, prices: Prices) -> Self {
        Self { prices, ..self }
    }

    /// With what is known of policies.
    #[must_use]
    pub fn with_policies(self, book: Arc<dyn PolicyBook>) -> Self {
        Self { book, ..self }
    }

    /// With what is known of the configuration.
    #[must_use]
    pub fn with_config(self, book: Arc<dyn ConfigBook>) -> Self {
        Self { config: Some(book), ..self }
    }

    /// With what is deleted by age; may be exchanged while it runs.
    #[must_use]
    pub fn with_retention(self, retention: Arc<ArcSwap<RetentionPolicy>>) -> Self {
        Self { retention, ..self }
    }

    /// With a quarantine.
    #[must_use]
    pub fn with_ward(self, ward: Option<Arc<dyn Ward>>) -> Self {
        Self { ward, ..self }
    }

    /// What is deleted by age.
    pub(crate) fn retention(&self) -> Arc<RetentionPolicy> {
        self.retention.load_full()
    }

    /// Finds out who asks.
    pub(crate) fn door(&self) -> &Door {
        &self.door
    }

    /// The store, or why there is none.
    pub(crate) fn store(&self) -> Result<&dyn Store, Problem> {
        match self.shelf.get() {
            Some(store) => Ok(store.as_ref()),
            None if self.unrecorded => Err(Problem::unavailable(
                "this gateway has no database, since nothing is recorded (`record.mode: off`): no users, no keys and no calls are in it",
            )),
            None => Err(Problem::unavailable("the database is not open (yet); `/health` says what is wrong")),
        }
    }
}
