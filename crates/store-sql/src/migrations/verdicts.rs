//! Schema 5: verdicts of policies as rows, what people say of them, and how many tool calls there were.
//!
//! Verdicts of calls that are there already are taken out of their details. How many tool calls those had is not known here: it stands
//! only in their bodies.

use super::Migration;

pub(super) const VERDICTS: Migration = Migration {
    both: r"
CREATE TABLE verdicts (
  call {number} NOT NULL,
  number {number} NOT NULL,
  started_us {number} NOT NULL,
  policy TEXT NOT NULL,
  rule TEXT,
  hook TEXT NOT NULL,
  said TEXT NOT NULL,
  applied {number} NOT NULL,
  mode TEXT NOT NULL,
  tool TEXT,
  PRIMARY KEY (call, number)
) {clustered};
CREATE INDEX verdicts_time ON verdicts (started_us, call, number);

CREATE TABLE verdict_labels (
  call {number} NOT NULL,
  number {number} NOT NULL,
  opinion TEXT NOT NULL,
  note TEXT,
  user_name TEXT NOT NULL,
  at_us {number} NOT NULL,
  PRIMARY KEY (call, number)
) {clustered};

CREATE TABLE tool_counts (
  call {number} NOT NULL PRIMARY KEY,
  started_us {number} NOT NULL,
  tool_calls {number} NOT NULL
) {clustered};
CREATE INDEX tool_counts_time ON tool_counts (started_us, tool_calls);
",
    // JSON with a zero in a text is none to PostgreSQL.
    postgres: r"
INSERT INTO verdicts (call, number, started_us, policy, rule, hook, said, applied, mode, tool)
SELECT d.call, j.n, c.started_us, j.value #>> '{json,policy}', j.value #>> '{json,rule}', COALESCE(j.value #>> '{json,hook}', ''),
  COALESCE(j.value #>> '{json,said}', ''), CASE WHEN j.value #>> '{json,applied}' = 'true' THEN 1 ELSE 0 END,
  COALESCE(j.value #>> '{json,mode}', ''), j.value #>> '{json,tool,name}'
FROM call_details d JOIN calls c ON c.seq = d.call CROSS JOIN LATERAL jsonb_array_elements(
  CASE WHEN position('\u0000' IN d.decisions) = 0 THEN CAST(d.decisions AS JSONB) ELSE CAST('[]' AS JSONB) END
) WITH ORDINALITY AS j(value, n)
WHERE d.decisions IS NOT NULL AND j.value ->> 'kind' = 'policy' AND j.value #>> '{json,policy}' IS NOT NULL;
",
    sqlite: r"
INSERT INTO verdicts (call, number, started_us, policy, rule, hook, said, applied, mode, tool)
SELECT d.call, j.key + 1, c.started_us, json_extract(j.value, '$.json.policy'), json_extract(j.value, '$.json.rule'),
  COALESCE(json_extract(j.value, '$.json.hook'), ''), COALESCE(json_extract(j.value, '$.json.said'), ''),
  COALESCE(json_extract(j.value, '$.json.applied'), 0), COALESCE(json_extract(j.value, '$.json.mode'), ''),
  json_extract(j.value, '$.json.tool.name')
FROM call_details d JOIN calls c ON c.seq = d.call JOIN json_each(d.decisions) j
WHERE d.decisions IS NOT NULL AND json_extract(j.value, '$.kind') = 'policy'
  AND json_extract(j.value, '$.json.policy') IS NOT NULL;
",
    version: 5,
};
