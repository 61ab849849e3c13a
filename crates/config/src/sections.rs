//! The configuration as the program sees it: the root and every section that is not a provider's.
//!
//! The doc comment on a field is its text in the reference and the schema. Nothing is checked here that needs more than
//! one field or a position.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use lockgate_core::{DataClass, Secret};
use lockgate_ledger::Override;
use lockgate_providers::{ModelGlob, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::oidc::Oidc;
use crate::record::{Record, RecordMode};
use crate::telemetry::{Metrics, Network, Telemetry, Webhook};

/// The configuration of a Lockgate gateway.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where and how the gateway listens.
    pub server: Server,
    /// Who may call, beside the keys of the database (`lockgate key new`). Without any key programs on this machine may.
    pub keys: Vec<Key>,
    /// How the admin API and its pages are reached, and how long people stay logged in.
    pub admin: Admin,
    /// Where calls may go: provider id to settings. Providers found in the environment are added to these.
    pub providers: BTreeMap<String, Settings>,
    /// Names for models and choices among them.
    pub models: Models,
    /// Prices of your own, in place of those that Lockgate brings along, and of models it knows none of. The record, limits of cost,
    /// metrics and webhooks all count with them. An entry stands for itself: what it leaves out is not taken from the price list.
    pub prices: Vec<Override>,
    /// What happens when a call is translated from one API to another.
    pub conversion: Conversion,
    /// What may happen: policies on requests, answers and tool calls.
    pub policies: lockgate_policy::Policies,
    /// What is recorded of calls, and where.
    pub record: Record,
    /// What the gateway counts.
    pub metrics: Metrics,
    /// What the gateway tells other programs of its calls.
    pub telemetry: Telemetry,
    /// Who gets a POST for each call that is over.
    pub webhooks: Vec<Webhook>,
    /// What the gateway writes about itself.
    pub log: Log,
}

/// Where and how the gateway listens.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Address and port. An address that others can reach is an error as long as there are no `keys`, unless
    /// `require_key` is set. Changing it needs a restart.
    #[schemars(with = "String", extend("format" = "socket-address"))]
    pub listen: SocketAddr,
    /// True lets nobody call without a key, not even programs on this machine. Then the address may be one that others can reach without any
    /// `keys` here: those of the database (`lockgate key new`) count.
    pub require_key: bool,
    /// Silence after which a streaming client gets a keep-alive, in milliseconds. Clients and proxies between give up
    /// after 10 to 60 seconds of silence; five seconds is far from all of them and costs a few bytes.
    #[schemars(range(min = 100, max = 600_000))]
    pub keepalive_ms: u64,
    /// How long a shutdown waits for answers that are still streaming before it cuts them.
    #[schemars(range(max = 86_400_000))]
    pub drain_ms: u64,
    /// Origins of web pages that may call from a browser, such as `https://chat.example.org`, exactly as browsers send
    /// them. None by default. A page needs a key like everybody else.
    pub cors_origins: Vec<String>,
    /// Proxies in front, by their addresses, such as `127.0.0.1` or `10.0.3.7`: whose requests they pass on (`x-forwarded-for`) is believed, for the
    /// throttling of logins and the audit. Never a network that clients are in: they could give themselves any address. From anybody else that header says nothing. None by default. Changing it needs a restart.
    pub trusted_proxies: Vec<Network>,
    /// What a request may measure.
    pub limits: Limits,
    /// How slow a client may be.
    pub slow_client: SlowClient,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8484)),
            require_key: false,
            keepalive_ms: 5_000,
            drain_ms: 30_000,
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
            slow_client: SlowClient::default(),
        }
    }
}

/// What a request may measure; more is refused before it is read to the end.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of a body, counted as they arrive (413). 32 MiB is what Anthropic accepts.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub body_bytes: usize,
    /// Messages or input items of a call (400).
    #[schemars(range(min = 1))]
    pub messages: usize,
    /// Tools of a call (400).
    #[schemars(range(min = 1))]
    pub tools: usize,
    /// Depth of JSON objects and lists (400).
    #[schemars(range(min = 8, max = 1024))]
    pub nesting: usize,
    /// Bytes of all request headers together, four for each beside its name and value (431).
    #[schemars(range(min = 8192, max = 1_048_576))]
    pub header_bytes: usize,
    /// Number of request headers (431, up to twice as many with a body that says so).
    #[schemars(range(min = 16, max = 1024))]
    pub headers: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 * 1024 * 1024,
            messages: 20_000,
            tools: 2_000,
            nesting: 128,
            header_bytes: 64 * 1024,
            headers: 128,
        }
    }
}

/// How slow a client may be before its connection is closed, in milliseconds.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlowClient {
    /// From the start of a request to the end of its headers. They fit into a packet or two; whoever takes longer is
    /// holding a connection, not sending a request.
    #[schemars(range(min = 100, max = 600_000))]
    pub head_ms: u64,
    /// Silence between two pieces of a request body.
    #[schemars(range(min = 100, max = 600_000))]
    pub body_idle_ms: u64,
    /// From the end of the headers to the end of the body, so that a byte now and then does not hold a connection for ever. Five minutes carry the
    /// 32 MiB that `limits.body_bytes` allows at 0.9 Mbit/s; raise it with that limit or for slower lines.
    #[schemars(range(min = 100, max = 86_400_000))]
    pub body_ms: u64,
    /// How long an answer may wait for the client to read on. Laptops sleep and terminals are paused, so this is longer.
    #[schemars(range(min = 100, max = 86_400_000))]
    pub write_idle_ms: u64,
}

impl Default for SlowClient {
    fn default() -> Self {
        Self { head_ms: 10_000, body_idle_ms: 30_000, body_ms: 300_000, write_idle_ms: 120_000 }
    }
}

/// How the admin API and its pages are reached, and how long people stay logged in. Changes need a restart.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Names that the gateway is reached by, such as `gate.example.org`, beside `localhost` and addresses in numbers. Under any other name the
    /// admin API answers nothing, so that no web page can give itself a name that leads here.
    pub hosts: Vec<String>,
    /// Minutes after which a login ends that nothing is heard of.
    #[schemars(range(min = 1, max = 525_600))]
    pub idle_minutes: u64,
    /// Hours after which a login ends.
    #[schemars(range(min = 1, max = 8_760))]
    pub login_hours: u64,
    /// People log in with an account elsewhere, beside passwords.
    pub oidc: Option<Oidc>,
}

impl Default for Admin {
    fn default() -> Self {
        Self { hosts: Vec::new(), idle_minutes: 720, login_hours: 168, oidc: None }
    }
}

/// Somebody who may call.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Name under which calls with this key are recorded.
    #[schemars(length(min = 1))]
    pub name: String,
    /// The BLAKE3 hash of the key, `blake3:` and 64 hexadecimal digits; the key itself is never stored.
    pub hash: KeyHash,
    /// Credentials used instead of a provider's `api_key` when this key calls: provider id to credential.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>", extend("x-secret-values" = true))]
    pub credentials: BTreeMap<String, Secret>,
    /// The only models this key may use, as patterns; empty allows all.
    #[serde(default)]
    pub models: Vec<ModelGlob>,
    /// The only providers this key may use, by id; empty allows all.
    #[serde(default)]
    pub providers: Vec<String>,
    /// How much this key may use. Counted by each gateway for itself, and from nothing after a start.
    #[serde(default)]
    pub limits: KeyLimits,
    /// When this key ceases, such as `2026-12-31` (the beginning of that day, UTC) or `2026-12-31T18:00:00+01:00`. Never by default.
    #[serde(default)]
    pub expires: Option<Expiry>,
    /// Who the key belongs to. Calls are recorded with it.
    #[serde(default)]
    pub user: Option<String>,
    /// What the key is used for. Calls are recorded with it.
    #[serde(default)]
    pub project: Option<String>,
    /// How much of this key's calls is recorded, in place of `record.mode`.
    #[serde(default)]
    pub record: Option<RecordMode>,
    /// How confidential the data may be that the key is used for: `public`, `internal`, `confidential` or `secret`. Its calls go only to providers
    /// whose `data_class` is as high, `secret` ones to local providers unless others are said to be for them. Calls are recorded with it, and
    /// `record.retention.classes` may keep them for another time than others.
    #[serde(default)]
    #[schemars(with = "Option<String>", extend("enum" = ["public", "internal", "confidential", "secret", null]))]
    pub data_class: Option<DataClass>,
}

/// How much a key may use. What is left out is not limited. A call beyond a limit is refused (429) before it goes anywhere, with the limit's
/// name and `Retry-After`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyLimits {
    /// Calls in any 60 seconds. Lists of models do not count.
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests_per_minute: Option<u32>,
    /// Tokens in any 60 seconds: prompts, read from a cache or not, and answers. They count when a call is over, so calls at the same time
    /// may go beyond it.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub tokens_per_minute: Option<u64>,
    /// Calls at the same time; a stream is one until its last byte.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub concurrency: Option<u32>,
    /// US dollars in a day (UTC), by the price list and `prices`. They count when a call is over; a call whose price is not known does not count.
    #[schemars(range(min = 0.000_001, max = 1_000_000_000))]
    pub cost_per_day_usd: Option<f64>,
}

/// A time at which something ceases.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "time"))]
pub struct Expiry(i64);

impl Expiry {
    /// Reads a time (RFC 3339), or a date, which means its beginning in UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let time = || text.parse::<jiff::Timestamp>().ok();
        let date = || {
            let date = text.parse::<jiff::civil::Date>().ok()?;
            Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        };
        time().or_else(date).map(|at| Self(at.as_microsecond()))
    }

    /// Microseconds since 1970.
    pub fn at_us(self) -> i64 {
        self.0
    }
}

/// The text says no time.
#[derive(Debug, thiserror::Error)]
#[error("not a time such as 2026-12-31 or 2026-12-31T18:00:00Z")]
pub struct ExpiryError;

impl TryFrom<String> for Expiry {
    type Error = ExpiryError;

    fn try_from(text: String) -> Result<Self, ExpiryError> {
        Self::parse(&text).ok_or(ExpiryError)
    }
}

/// The BLAKE3 hash of a key.
#[derive(Clone, Copy, Deserialize, Eq, Hash, JsonSchema, PartialEq)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("format" = "key-hash", "pattern" = "^blake3:[0-9a-fA-F]{64}$"))]
pub struct KeyHash([u8; 32]);

impl KeyHash {
    /// The hash of a key that a caller presents or that is about to be handed out.
    pub fn of(key: &str) -> Self {
        Self(*blake3::hash(key.as_bytes()).as_bytes())
    }

    /// The raw hash, for a comparison in constant time.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads `blake3:` and 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let hash = blake3::Hash::from_hex(text.strip_prefix("blake3:")?).ok()?;
        Some(Self(*hash.as_bytes()))
    }
}

/// The text was not a key hash. Says nothing of the text, which is often the key itself.
#[derive(Debug, thiserror::Error)]
#[error("not `blake3:` and 64 hexadecimal digits")]
pub struct KeyHashError;

impl TryFrom<String> for KeyHash {
    type Error = KeyHashError;

    fn try_from(text: String) -> Result<Self, KeyHashError> {
        Self::parse(&text).ok_or(KeyHashError)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names for models and choices among them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Models {
    /// Names of your own: alias to target. A target is `provider:model`, `provider/model`, another alias, or the plain name
    /// of a model.
    pub aliases: BTreeMap<String, String>,
    /// Targets by purpose, as claude-code-router has them.
    pub slots: Slots,
    /// Tokens of input above which a call is to go to `slots.longContext`. Not in force yet: no call is moved by what it
    /// contains.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub long_context_threshold: u64,
}

impl Default for Models {
    fn default() -> Self {
        Self { aliases: BTreeMap::new(), slots: Slots::default(), long_context_threshold: 60_000 }
    }
}

/// Targets by purpose. Each is a name to call; one that is left out means `default`, and that, left out, the usual model of
/// the first provider that is ready. Models of Claude that no provider here has go to `background` (haiku) and `default`
/// (the others). No call is moved to a slot by what it contains yet. `config check` warns of a slot whose model is known to be unfit for it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Slots {
    /// For everything that no other slot takes; `auto` means the same.
    pub default: Option<String>,
    /// For housekeeping calls of clients (titles, summaries, checks) and haiku models that no provider has.
    pub background: Option<String>,
    /// For calls that ask for thinking.
    pub think: Option<String>,
    /// For calls longer than `long_context_threshold`.
    #[serde(rename = "longContext")]
    pub long_context: Option<String>,
    /// For calls that carry a web search tool.
    #[serde(rename = "webSearch")]
    pub web_search: Option<String>,
    /// For calls that carry images.
    pub image: Option<String>,
}

impl Slots {
    /// Each slot with its name in configuration and its target.
    pub fn named(&self) -> [(&'static str, Option<&str>); 6] {
        [
            ("default", self.default.as_deref()),
            ("background", self.background.as_deref()),
            ("think", self.think.as_deref()),
            ("longContext", self.long_context.as_deref()),
            ("webSearch", self.web_search.as_deref()),
            ("image", self.image.as_deref()),
        ]
    }
}

/// What happens when a call is translated from one API to another.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conversion {
    /// True refuses a call (400) that has a field the other API cannot carry; false drops the field and names it in the
    /// response header `x-lockgate-lossy`.
    pub strict: bool,
    /// True removes the later ones of tools that a request offers twice, identical in everything; such a request is refused
    /// by providers ("Tool names must be unique"). Two tools of one name that differ stay. Holds for calls that pass, too.
    pub repair_duplicate_tools: bool,
}

/// What the gateway writes about itself.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least important message that is still written. A change is in force at once; the variable `LOCKGATE_LOG` goes before.
    pub level: LogLevel,
    /// How messages look.
    pub format: LogFormat,
}

/// Importance of log messages.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is odd.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What somebody needs who looks for a fault.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The name that filters use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log messages look.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    #[default]
    Text,
}
