//! One YAML file, the environment and flags become one checked, immutable configuration.
//!
//! The way of a value: `yaml` (text to a tree with positions) → `expand` (`${NAME}` inside scalars) → merged over the
//! layers below in `snapshot` → `shape` (against the schema: unknown keys, types, all at once) → `sections` (types) →
//! `check` (what needs more than one field). `Store` swaps whole snapshots, `Watcher` says when to.
//!
//! Knows no async runtime and opens no connection: what is detected here is data from the environment, not a probe.

mod check;
mod definition;
mod detect;
mod enacted;
mod environment;
mod expand;
mod locate;
mod oidc;
mod outgoing;
mod path;
mod problem;
mod record;
mod reference;
mod runtime;
mod schema;
mod sections;
mod shape;
mod show;
mod snapshot;
mod source;
mod starter;
mod store;
mod suggest;
mod telemetry;
mod tree;
mod watch;
mod yaml;

pub use enacted::{Document, chain_of, with_document};
pub use environment::Environment;
pub use locate::{FILE_NAME, candidates, locate};
pub use oidc::{Oidc, OidcRole, UserRole};
pub use path::{Path, Step};
pub use problem::{Code, Problem, Problems, Severity, render_json, render_sarif, render_text};
pub use record::{ClassTimes, Classes, Pool, Record, RecordMode, Retention, Titles};
pub use reference::reference;
pub use schema::schema;
pub use sections::{
    Admin, Config, Conversion, Expiry, ExpiryError, Key, KeyHash, KeyHashError, KeyLimits, Limits, Log,
    LogFormat, LogLevel, Models, Server, Slots, SlowClient,
};
pub use show::{Setting, render_settings_json, render_settings_text};
pub use snapshot::{Inputs, Presence, Provider, Snapshot};
pub use source::Source;
pub use starter::{Profile, starter};
pub use store::{Changed, Store};
pub use telemetry::{
    Metrics, Network, NetworkError, Otlp, OtlpMetrics, Telemetry, TraceContext, Webhook, WebhookEvent,
    WebhookFilter,
};
pub use watch::{Change, WatchError, Watcher};
