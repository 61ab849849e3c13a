//! Schema 8: what is counted beforehand is a row of bytes for each hour, in place of a row for each group and quarter of an hour.
//!
//! Calls are not touched: every quarter of an hour that has some gets a mark, and rounds count them anew, the latest first, while the gateway runs.

use super::Migration;

pub(super) const PACKS: Migration = Migration {
    both: r"
DROP TABLE stat_hours;
DROP TABLE stat_slots;
DROP TABLE stat_groups;
CREATE TABLE stat_packs (
  hour {number} PRIMARY KEY,
  calls {number} NOT NULL,
  heads {blob} NOT NULL,
  sums {blob} NOT NULL,
  times {blob} NOT NULL
);
DELETE FROM stat_marks;
INSERT INTO stat_marks (slot) SELECT DISTINCT started_us / 900000000 FROM calls;
",
    // Numbers of seven bits hardly get smaller, and would have to be unpacked for every question.
    postgres: r"
ALTER TABLE stat_packs ALTER COLUMN heads SET STORAGE EXTERNAL;
ALTER TABLE stat_packs ALTER COLUMN sums SET STORAGE EXTERNAL;
ALTER TABLE stat_packs ALTER COLUMN times SET STORAGE EXTERNAL;
",
    sqlite: "",
    version: 8,
};
