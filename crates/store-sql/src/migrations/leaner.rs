//! Schema 7: a call costs fewer rows. A short body of a call without a session lies beside its size instead of among the pieces, bodies are
//! kept in the order of their calls, and calls without session, key or user are in no index by these.
//!
//! Bodies that are there already stay where they are.

use super::Migration;

pub(super) const LEANER: Migration = Migration {
    both: r"
DROP INDEX calls_session;
CREATE INDEX calls_session ON calls (session, started_us, seq) WHERE session IS NOT NULL;
DROP INDEX calls_key;
CREATE INDEX calls_key ON calls (key_name, started_us, seq) WHERE key_name IS NOT NULL;
DROP INDEX calls_user;
CREATE INDEX calls_user ON calls (user_name, started_us, seq) WHERE user_name IS NOT NULL;
",
    postgres: "ALTER TABLE bodies ADD COLUMN bytes BYTEA;",
    sqlite: r"
ALTER TABLE bodies RENAME TO bodies_before;
CREATE TABLE bodies (
  call INTEGER NOT NULL,
  part TEXT NOT NULL,
  kind TEXT NOT NULL,
  head BLOB NOT NULL,
  size INTEGER NOT NULL,
  offsets BLOB NOT NULL,
  bytes BLOB,
  PRIMARY KEY (call, part)
) WITHOUT ROWID;
INSERT INTO bodies SELECT call, part, kind, head, size, offsets, NULL FROM bodies_before ORDER BY call, part;
DROP TABLE bodies_before;
",
    version: 7,
};
