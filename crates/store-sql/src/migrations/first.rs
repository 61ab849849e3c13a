//! Schema 1: calls, what belongs to them, sessions, words.
//!
//! What every column means is in docs/DATABASE.md, which a test compares with this.

use super::Migration;

pub(super) const FIRST: Migration = Migration {
    both: r"
CREATE TABLE schema_version (version {number} PRIMARY KEY);

CREATE TABLE sessions (
  seq {counter},
  id TEXT NOT NULL UNIQUE,
  source TEXT NOT NULL,
  title TEXT,
  title_rank {number} NOT NULL,
  title_us {number},
  title_words TEXT NOT NULL,
  branch TEXT,
  branch_us {number},
  cwd TEXT,
  cwd_us {number},
  repo TEXT,
  repo_us {number},
  first_us {number} NOT NULL,
  last_us {number} NOT NULL
);
CREATE INDEX sessions_first ON sessions (first_us, seq);
CREATE INDEX sessions_last ON sessions (last_us, seq);

CREATE TABLE calls (
  seq {counter},
  id TEXT NOT NULL UNIQUE,
  session {number},
  agent TEXT,
  parent_agent TEXT,
  parent_call TEXT,
  turn {number},
  turn_kind TEXT,
  key_name TEXT,
  user_name TEXT,
  project TEXT,
  client_name TEXT,
  client_version TEXT,
  user_agent TEXT,
  front TEXT,
  upstream TEXT,
  operation TEXT NOT NULL,
  requested_model TEXT,
  resolved_model TEXT,
  answering_model TEXT,
  provider TEXT,
  provider_request_id TEXT,
  streamed {number} NOT NULL,
  status {number},
  started_us {number} NOT NULL CHECK (started_us >= 0),
  queue_us {number} CHECK (queue_us >= 0),
  ttft_us {number} CHECK (ttft_us >= 0),
  total_us {number} CHECK (total_us >= 0),
  input_uncached {number},
  cache_read {number},
  cache_write_5m {number},
  cache_write_1h {number},
  output {number},
  output_reasoning {number},
  estimated {number} NOT NULL,
  server_tools TEXT,
  service_tier TEXT,
  cost_nano {number},
  price_version TEXT,
  outcome TEXT NOT NULL,
  stop_reason TEXT,
  error_kind TEXT,
  error_message TEXT,
  intervened {number} NOT NULL,
  recording TEXT NOT NULL
);
CREATE INDEX calls_started ON calls (started_us, seq);
CREATE INDEX calls_session ON calls (session, started_us, seq);
CREATE INDEX calls_key ON calls (key_name, started_us, seq);
CREATE INDEX calls_user ON calls (user_name, started_us, seq);

CREATE TABLE call_details (
  call {number} PRIMARY KEY,
  attempts TEXT,
  decisions TEXT,
  losses TEXT,
  cost_parts TEXT
);

CREATE TABLE bodies (
  call {number} NOT NULL,
  part TEXT NOT NULL,
  kind TEXT NOT NULL,
  head {blob} NOT NULL,
  size {number} NOT NULL,
  offsets {blob} NOT NULL,
  PRIMARY KEY (call, part)
);

CREATE TABLE pieces (
  scope {number} NOT NULL,
  hash {blob} NOT NULL,
  size {number} NOT NULL,
  bytes {blob} NOT NULL,
  PRIMARY KEY (scope, hash)
);
",
    postgres: r"
CREATE TABLE texts (
  slot BIGINT PRIMARY KEY,
  words TSVECTOR NOT NULL
);
CREATE INDEX texts_words ON texts USING gin (words);
ALTER TABLE pieces ALTER COLUMN bytes SET STORAGE EXTERNAL;
",
    sqlite: r"
CREATE VIRTUAL TABLE texts USING fts5 (
  words, content = '', contentless_delete = 1, detail = 'none', tokenize = 'ascii'
);
",
    version: 1,
};
