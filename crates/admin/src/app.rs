//! What the routes share: the store, once it is open.

use std::sync::{Arc, OnceLock};

use lockgate_store::Store;

use crate::problem::Problem;

/// Where the store will be: it opens behind the first calls, or later, when its database is back.
pub type Shelf = Arc<OnceLock<Arc<dyn Store>>>;

/// What the routes share. Cheap to clone.
#[derive(Clone, Default)]
pub struct App {
    shelf: Shelf,
}

impl App {
    /// Routes over a store that is, or will be, on this shelf.
    pub const fn new(shelf: Shelf) -> Self {
        Self { shelf }
    }

    /// The store, or why there is none.
    pub(crate) fn store(&self) -> Result<&dyn Store, Problem> {
        match self.shelf.get() {
            Some(store) => Ok(store.as_ref()),
            None => Err(Problem::unavailable("the database is not open (yet); `/health` says what is wrong")),
        }
    }
}
