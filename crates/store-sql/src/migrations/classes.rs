//! Schema 6: the class of data of a call. Calls that are there already have none.

use super::Migration;

pub(super) const CLASSES: Migration =
    Migration { both: "ALTER TABLE calls ADD COLUMN data_class TEXT;", postgres: "", sqlite: "", version: 6 };
