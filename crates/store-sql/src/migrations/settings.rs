//! Schema 10: settings of the configuration that are made while gateways run, in versions.

use super::Migration;

pub(super) const SETTINGS: Migration = Migration {
    both: r"
CREATE TABLE settings_versions (
  version {number} PRIMARY KEY,
  at_us {number} NOT NULL,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  document TEXT NOT NULL
);
",
    postgres: "",
    sqlite: "",
    version: 10,
};
