//! Shows the admin API what the recorder has put aside.

use std::io;
use std::path::Path;
use std::sync::Arc;

use lockgate_admin::{Inmate, Ward};
use lockgate_recorder::{Kept, Quarantine};
use uuid::Uuid;

/// The quarantine in the folder of a record.
pub(crate) fn ward(folder: &Path) -> Arc<dyn Ward> {
    Arc::new(Files(Quarantine::of(folder.join("log"))))
}

struct Files(Quarantine);

impl Ward for Files {
    fn discard(&self, name: &str) -> io::Result<bool> {
        self.0.drop(name)
    }

    fn list(&self) -> io::Result<Vec<Inmate>> {
        let inmate = |Kept { at, bytes, call, name, reason }: Kept| Inmate { at, bytes, call, name, reason };
        Ok(self.0.list()?.into_iter().map(inmate).collect())
    }

    fn release(&self, call: Uuid) -> io::Result<bool> {
        self.0.release(call)
    }
}
