//! SQLite and PostgreSQL behind the traits of `store`. The only crate that knows SQL.
