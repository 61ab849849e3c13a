//! Schema 2: keys, users, logins, the audit, and the number by which gateways notice that keys have changed.
//!
//! What every column means is in docs/DATABASE.md, which a test compares with this.

use super::Migration;

pub(super) const ACCESS: Migration = Migration {
    both: r"
CREATE TABLE keys (
  seq {counter},
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  hash {blob} NOT NULL UNIQUE,
  prefix TEXT NOT NULL,
  owner TEXT,
  project TEXT,
  tags TEXT,
  role TEXT NOT NULL,
  models TEXT,
  providers TEXT,
  data_class TEXT,
  recording TEXT,
  limit_requests {number},
  limit_tokens {number},
  limit_concurrency {number},
  limit_cost_nano {number},
  created_us {number} NOT NULL,
  expires_us {number},
  retires_us {number},
  revoked_us {number},
  rotated_from TEXT,
  used_us {number}
);
CREATE UNIQUE INDEX keys_current ON keys (name) WHERE revoked_us IS NULL AND retires_us IS NULL;

CREATE TABLE users (
  seq {counter},
  id TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL UNIQUE,
  password TEXT NOT NULL,
  role TEXT NOT NULL,
  disabled {number} NOT NULL,
  created_us {number} NOT NULL
);

CREATE TABLE logins (
  seq {counter},
  id TEXT NOT NULL UNIQUE,
  hash {blob} NOT NULL UNIQUE,
  user_name TEXT NOT NULL,
  address TEXT,
  created_us {number} NOT NULL,
  used_us {number} NOT NULL,
  idle_us {number} NOT NULL,
  ends_us {number} NOT NULL
);
CREATE INDEX logins_user ON logins (user_name);

CREATE TABLE audit (
  seq {counter},
  id TEXT NOT NULL UNIQUE,
  at_us {number} NOT NULL,
  actor_kind TEXT NOT NULL,
  actor TEXT,
  address TEXT,
  verb TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT
);
CREATE INDEX audit_at ON audit (at_us, seq);

CREATE TABLE access_version (
  one {number} PRIMARY KEY CHECK (one = 1),
  version {number} NOT NULL
);
INSERT INTO access_version (one, version) VALUES (1, 1);
",
    postgres: "",
    sqlite: "",
    version: 2,
};
