//! The prices in force, for everybody who tells a cost: those that come with Lockgate with the configuration's in front.
//!
//! Read when the first cost is wanted, since reading takes the time of a hundred calls, and made anew when the configuration
//! changes. Knows no file and no time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::catalogue::{Catalogue, DataError};
use crate::overrides::{Override, OverrideError};

/// The prices in force. Cheap to clone; all clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Prices(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    overrides: Vec<Override>,
    read: Option<Arc<Catalogue>>,
}

/// Why no price is known.
#[derive(Debug, thiserror::Error)]
pub enum PricesError {
    /// Those that come with Lockgate cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Those of the configuration make no sense.
    #[error(transparent)]
    Override(#[from] OverrideError),
}

impl Prices {
    /// With what the configuration says. Reads nothing yet.
    pub fn new(overrides: Vec<Override>) -> Self {
        Self(Arc::new(Mutex::new(State { overrides, read: None })))
    }

    /// The prices of now. The first call reads them.
    pub fn current(&self) -> Result<Arc<Catalogue>, PricesError> {
        let mut state = self.state();
        if let Some(read) = &state.read {
            return Ok(read.clone());
        }
        let read = Arc::new(Catalogue::embedded()?.with(&state.overrides)?);
        state.read = Some(read.clone());
        Ok(read)
    }

    /// The prices of now where somebody has wanted them already. Reads nothing, for those who cannot wait.
    pub fn read(&self) -> Option<Arc<Catalogue>> {
        self.state().read.clone()
    }

    /// From now on with these of the configuration. If they make no sense, those of before stay.
    pub fn replace(&self, overrides: Vec<Override>) -> Result<(), PricesError> {
        if self.state().overrides == overrides {
            return Ok(());
        }
        // Nobody waits for a price meanwhile.
        let read = Arc::new(Catalogue::embedded()?.with(&overrides)?);
        *self.state() = State { overrides, read: Some(read) };
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
