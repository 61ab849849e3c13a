//! Schema 9: what people and programs say of calls and sessions.
//!
//! What every column means is in docs/DATABASE.md, which a test compares with this.

use super::Migration;

pub(super) const FEEDBACK: Migration = Migration {
    both: r"
CREATE TABLE feedback (
  seq {counter},
  id TEXT NOT NULL UNIQUE,
  call {number},
  session {number},
  score_milli {number} NOT NULL,
  labels TEXT NOT NULL,
  comment TEXT,
  source TEXT NOT NULL,
  author TEXT NOT NULL,
  at_us {number} NOT NULL
);
CREATE UNIQUE INDEX feedback_of_call ON feedback (call, source, author) WHERE call IS NOT NULL;
CREATE UNIQUE INDEX feedback_of_session ON feedback (session, source, author) WHERE call IS NULL;
CREATE INDEX feedback_session ON feedback (session);
CREATE INDEX feedback_time ON feedback (at_us, seq);
",
    postgres: "",
    sqlite: "",
    version: 9,
};
