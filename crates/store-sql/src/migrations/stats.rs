//! Schema 3: what is counted beforehand for statistics, and marks where that is not up to date.
//!
//! Calls that are there already are marked, so that they are counted by the first rounds.

use super::Migration;

/// What both tables of numbers hold.
macro_rules! sums {
    () => {
        r"  cache_read {number} NOT NULL,
  cache_write {number} NOT NULL,
  calls {number} NOT NULL,
  cost_nano {number} NOT NULL,
  estimated {number} NOT NULL,
  input_uncached {number} NOT NULL,
  intervened {number} NOT NULL,
  output {number} NOT NULL,
  reasoning {number} NOT NULL,
  unmetered {number} NOT NULL,
  queue_sum {number} NOT NULL,
  queue_least {number},
  queue_greatest {number},
  queue_sketch TEXT,
  total_sum {number} NOT NULL,
  total_least {number},
  total_greatest {number},
  total_sketch TEXT,
  ttft_sum {number} NOT NULL,
  ttft_least {number},
  ttft_greatest {number},
  ttft_sketch TEXT,
"
    };
}

pub(super) const STATS: Migration = Migration {
    both: concat!(
        r"
CREATE TABLE stat_groups (
  seq {counter},
  name TEXT NOT NULL UNIQUE,
  client TEXT,
  error TEXT,
  key_name TEXT,
  model TEXT,
  outcome TEXT,
  priced TEXT,
  project TEXT,
  provider TEXT,
  status TEXT,
  stop TEXT,
  user_name TEXT
);

CREATE TABLE stat_slots (
  slot {number} NOT NULL,
  stat_group {number} NOT NULL,
  session {number} NOT NULL,
",
        sums!(),
        r"  PRIMARY KEY (slot, stat_group, session)
) {clustered};
CREATE INDEX stat_slots_group ON stat_slots (stat_group, slot);

CREATE TABLE stat_hours (
  hour {number} NOT NULL,
  stat_group {number} NOT NULL,
",
        sums!(),
        r"  PRIMARY KEY (hour, stat_group)
) {clustered};
CREATE INDEX stat_hours_group ON stat_hours (stat_group);

CREATE TABLE stat_marks (
  seq {counter},
  slot {number} NOT NULL
);
CREATE INDEX stat_marks_slot ON stat_marks (slot);
INSERT INTO stat_marks (slot) SELECT DISTINCT started_us / 900000000 FROM calls;
"
    ),
    postgres: "",
    sqlite: "",
    version: 3,
};
