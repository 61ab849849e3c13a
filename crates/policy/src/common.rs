//! What the policies of one call share: the redactor of the installation, and what is costly to know and known once (where each text of
//! the conversation came from, what the session has worked on). Made when the first policy asks for it; a call whose policies ask for nothing pays nothing.

use std::sync::{Arc, LazyLock, OnceLock};

use lockgate_core::Conversation;
use lockgate_redact::{Level, Options, Redactor};

use crate::provenance::Provenance;
use crate::work::Shared;

/// Makes the redactor of the installation.
pub type MakeRedactor = Arc<dyn Fn() -> Redactor + Send + Sync>;

/// What the policies of one call share. Clones are the same.
#[derive(Clone, Default)]
pub struct Common(Arc<Inner>);

#[derive(Default)]
struct Inner {
    make: Option<MakeRedactor>,
    provenance: OnceLock<Provenance>,
    redactor: OnceLock<Redactor>,
    session: Shared,
}

/// Finds secrets by their shape alone. The hashes in its masks can be compared with guesses.
static SHAPES: LazyLock<Redactor> =
    LazyLock::new(|| Redactor::new(Options { known: Vec::new(), key: [0x4c; 32], level: Level::Prompt }));

impl Common {
    pub(crate) fn new(make: Option<MakeRedactor>) -> Self {
        Self(Arc::new(Inner { make, ..Inner::default() }))
    }

    /// Where the texts of the call's conversation came from.
    pub(crate) fn provenance(&self, conversation: &Conversation) -> &Provenance {
        self.0.provenance.get_or_init(|| Provenance::of(conversation))
    }

    /// Finds and masks secrets.
    pub(crate) fn redactor(&self) -> &Redactor {
        let make = || self.0.make.as_ref().map_or_else(|| SHAPES.clone(), |make| make());
        self.0.redactor.get_or_init(make)
    }

    /// What the session has worked on.
    pub(crate) fn session(&self) -> &Shared {
        &self.0.session
    }

    /// Takes the milliseconds that the first redactor of a process needs, so that no call has to.
    pub(crate) fn warm() {
        LazyLock::force(&SHAPES);
    }
}
