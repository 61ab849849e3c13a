//! Schema 4: questions to people, and policies in versions.
//!
//! What every column means is in docs/DATABASE.md, which a test compares with this.

use super::Migration;

pub(super) const POLICIES: Migration = Migration {
    both: r"
CREATE TABLE approvals (
  seq {counter},
  id TEXT NOT NULL UNIQUE,
  call_id TEXT NOT NULL,
  asked_us {number} NOT NULL,
  until_us {number} NOT NULL,
  policy TEXT NOT NULL,
  rule TEXT,
  tool TEXT,
  arguments TEXT,
  reason TEXT NOT NULL,
  model TEXT NOT NULL,
  session TEXT,
  client TEXT,
  key_name TEXT,
  user_name TEXT,
  verdict TEXT,
  holds TEXT,
  answered_us {number},
  answered_by TEXT,
  words TEXT,
  revoked_us {number}
);
CREATE INDEX approvals_asked ON approvals (asked_us, seq);
CREATE INDEX approvals_pending ON approvals (until_us) WHERE verdict IS NULL;
CREATE INDEX approvals_standing ON approvals (policy) WHERE holds <> 'once';
CREATE INDEX approvals_call ON approvals (call_id);

CREATE TABLE policy_versions (
  version {number} PRIMARY KEY,
  at_us {number} NOT NULL,
  author TEXT NOT NULL,
  reason TEXT NOT NULL,
  document TEXT NOT NULL
);
",
    postgres: "",
    sqlite: "",
    version: 4,
};
