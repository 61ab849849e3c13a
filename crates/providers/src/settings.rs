//! The options of one provider as they stand in the configuration, common ones first, then the sections that a single
//! kind understands.
//!
//! The doc comment on a field is its text in the reference. Defaults that depend on the kind (addresses) are data in
//! `presets`. Nothing here checks one field against another; `lockgate-config` does, since it knows the positions.

use std::collections::BTreeMap;

use lockgate_core::{DataClass, Secret};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{Kind, ModelGlob, Proxy};

/// One provider. The key it stands under is its id: the word before the colon in `provider:model`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How the provider is spoken to. May be left out when the id is itself a kind (`anthropic`) or a preset (`groq`).
    pub kind: Option<Kind>,
    /// False takes the provider out of service without losing its settings.
    pub enabled: bool,
    /// Address of the API. For the OpenAI family it includes the version segment (`https://host/v1`); for Anthropic,
    /// Gemini, Ollama and llama.cpp it does not. Default: that of the kind or preset.
    pub base_url: Option<Url>,
    /// The gateway's own credential for this provider; write `${VARIABLE}` rather than the key itself. An empty value
    /// (`${VARIABLE:-}`) counts as none.
    #[schemars(with = "Option<String>", extend("writeOnly" = true))]
    pub api_key: Option<Secret>,
    /// How `api_key` is presented.
    pub auth_scheme: AuthScheme,
    /// Whose credential a call carries.
    pub credentials: Credentials,
    /// Headers added to each request, over those of the client. Values are treated as secrets. Headers that carry a
    /// credential or frame the message (`authorization`, `host`, `content-length`, …) cannot be set here.
    #[schemars(with = "BTreeMap<String, String>", extend("x-secret-values" = true))]
    pub headers: BTreeMap<String, Secret>,
    /// Query parameters added to each request. Values are treated as secrets.
    #[schemars(with = "BTreeMap<String, String>", extend("x-secret-values" = true))]
    pub query: BTreeMap<String, Secret>,
    /// The most confidential data that may go there: calls of keys with a higher `data_class` are refused, and a key without one counts as `internal`.
    /// Default: `secret` for a local provider (see `local`), `confidential` for any other, and for models of Ollama that run at ollama.com.
    #[schemars(with = "Option<String>", extend("enum" = ["public", "internal", "confidential", "secret", null]))]
    pub data_class: Option<DataClass>,
    /// Whether what is sent there stays in your hands, for policies that keep requests local. By default it does where the address is this machine;
    /// models of Ollama that run at ollama.com never count as local.
    pub local: Option<bool>,
    /// Proxy that connections to this provider go out through: `http://user:password@host:port`, `socks5://…`, or `none` for a
    /// direct connection. Over the variables `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, which hold for every provider
    /// that is not on this machine. Its login is never shown.
    #[schemars(with = "Option<String>", extend("format" = "proxy"))]
    pub proxy: Option<Proxy>,
    /// Models the provider has beside those it lists itself; for servers without a model list.
    pub models: Vec<String>,
    /// How long each phase of a call may take.
    pub timeouts: Timeouts,
    /// Timeouts of single models; the first entry whose `model` matches wins, fields it leaves out keep the provider's.
    pub model_timeouts: Vec<ModelTimeouts>,
    /// Second tries before the first byte of an answer has reached the client.
    pub retry: Retry,
    /// Whether streamed calls ask the provider for token counts when the client did not.
    pub stream_usage: StreamUsage,
    /// Only for kind `azure-openai`.
    pub azure: Option<Azure>,
    /// Only for kind `vertex`.
    pub vertex: Option<Vertex>,
    /// Only for kind `openrouter`: preferences sent along with each request that has none of its own.
    pub openrouter: Option<Openrouter>,
    /// Only for kind `ollama`.
    pub ollama: Option<Ollama>,
    /// Only for kind `claude-cli`.
    pub claude_cli: Option<ClaudeCli>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: None,
            enabled: true,
            base_url: None,
            api_key: None,
            auth_scheme: AuthScheme::default(),
            credentials: Credentials::default(),
            headers: BTreeMap::new(),
            query: BTreeMap::new(),
            data_class: None,
            local: None,
            proxy: None,
            models: Vec::new(),
            timeouts: Timeouts::default(),
            model_timeouts: Vec::new(),
            retry: Retry::default(),
            stream_usage: StreamUsage::default(),
            azure: None,
            vertex: None,
            openrouter: None,
            ollama: None,
            claude_cli: None,
        }
    }
}

impl Settings {
    /// The timeouts of a call for `model`.
    pub fn timeouts_for(&self, model: &str) -> Timeouts {
        let Some(own) = self.model_timeouts.iter().find(|entry| entry.model.matches(model)) else {
            return self.timeouts;
        };
        Timeouts {
            connect_ms: self.timeouts.connect_ms,
            first_byte_ms: own.first_byte_ms.unwrap_or(self.timeouts.first_byte_ms),
            idle_ms: own.idle_ms.unwrap_or(self.timeouts.idle_ms),
            total_ms: own.total_ms.unwrap_or(self.timeouts.total_ms),
        }
    }
}

/// How the gateway presents its credential.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthScheme {
    /// As `Authorization: Bearer`, for OAuth and other tokens.
    Bearer,
    /// In the header that the kind's API documents (`x-api-key`, `x-goog-api-key`, `api-key`, Bearer).
    #[default]
    Native,
}

/// Whose credential goes upstream.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credentials {
    /// The caller's own credential if it sent one that is not a key of this gateway, else the gateway's.
    #[default]
    Both,
    /// Only the caller's own; `api_key` is not used.
    Client,
    /// Only the gateway's; what the caller sent never leaves.
    Gateway,
}

/// When token counts are asked for in OpenAI Chat streams.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamUsage {
    /// Always ask, and remove the extra chunk if the client did not ask; for exact accounting.
    Always,
    /// Only when the client asks, so that its request leaves as it came.
    #[default]
    AsAsked,
}

/// Bounds on the phases of an upstream call, in milliseconds. Each phase has its own since each fails differently.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// Name lookup, TCP and TLS. A reachable server answers in well under a second; five seconds outlast two lost SYN
    /// packets (resent after 1 s and 3 s) and still leave time to try elsewhere.
    #[schemars(range(min = 1, max = 60_000))]
    pub connect_ms: u64,
    /// From the sent request to the first byte of the answer. A local model reads a long prompt, or loads from disk, for
    /// minutes before it says anything, and an answer that is not streamed arrives only when it is complete.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub first_byte_ms: u64,
    /// Longest silence inside an answer. Hosted APIs send a ping or a token at least every half minute, even while they
    /// think; two minutes of silence mean that the connection is dead.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub idle_ms: u64,
    /// The whole call. Long agent turns run for tens of minutes while bytes keep coming, so this is no measure of health;
    /// it only makes sure that nothing lives forever.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub total_ms: u64,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect_ms: 5_000, first_byte_ms: 300_000, idle_ms: 120_000, total_ms: 3_600_000 }
    }
}

/// Timeouts of the models that a pattern names. Connecting has none: all models of a provider share its connections.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-elsewhere" = {
    "connect_ms": "all models of a provider share its connections; set `connect_ms` under the provider's `timeouts`"
}))]
pub struct ModelTimeouts {
    /// Pattern over the model's name; `*` stands for any text, `?` for one character.
    pub model: ModelGlob,
    /// Overrides `timeouts.first_byte_ms`; reasoning models that think without streaming need more.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub first_byte_ms: Option<u64>,
    /// Overrides `timeouts.idle_ms`.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub idle_ms: Option<u64>,
    /// Overrides `timeouts.total_ms`.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub total_ms: Option<u64>,
}

/// Second tries after a connect error or status 408, 429, 5xx or 529.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// How many further tries; 0 turns them off. Clients retry as well, and the two multiply, so one is enough.
    #[schemars(range(min = 0, max = 3))]
    pub attempts: u64,
    /// Longest wait before a try. A provider that asks for more (`Retry-After`) gets no retry: the client is told instead.
    #[schemars(range(min = 0, max = 60_000))]
    pub max_wait_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, max_wait_ms: 3_000 }
    }
}

/// Azure OpenAI.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Azure {
    /// Value of the `api-version` query parameter. Left out, the versionless `/openai/v1` addresses are used.
    pub api_version: Option<String>,
    /// Deployment that serves a model, where the two are not named alike: `model: deployment`.
    pub deployments: BTreeMap<String, String>,
}

/// Google Cloud's Vertex AI.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Vertex {
    /// Project id, not its number.
    pub project: Option<String>,
    /// Region, or `global`, which has the widest choice of models and the least throttling.
    pub location: VertexLocation,
    /// Service account file; left out, `GOOGLE_APPLICATION_CREDENTIALS` and then gcloud's application default are used.
    pub credentials_file: Option<String>,
}

/// A region of Google Cloud.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct VertexLocation(pub String);

impl Default for VertexLocation {
    fn default() -> Self {
        Self("global".into())
    }
}

/// OpenRouter's choice among the providers behind it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Openrouter {
    /// Providers to try first, in this order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order: Vec<String>,
    /// The only providers allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<String>,
    /// Providers never used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// False fails a call rather than leave the preferred providers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_fallbacks: Option<bool>,
    /// True uses only providers that support every parameter of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_parameters: Option<bool>,
    /// Whether providers that keep prompts may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_collection: Option<DataCollection>,
    /// True uses only endpoints with zero data retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zdr: Option<bool>,
    /// What the choice is made by instead of OpenRouter's balance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<Sort>,
    /// Highest price accepted, in USD per million tokens (or per request, per image).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_price: Option<MaxPrice>,
    /// Quantizations accepted, such as `fp8`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quantizations: Vec<String>,
}

/// Whether prompts may be kept by those who serve them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataCollection {
    /// They may.
    Allow,
    /// They may not.
    Deny,
}

/// Orderings that OpenRouter offers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// Quickest first byte first.
    Latency,
    /// Cheapest first.
    Price,
    /// Most tokens per second first.
    Throughput,
}

/// Price ceilings in USD.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaxPrice {
    /// Per million prompt tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub prompt: Option<f64>,
    /// Per million completion tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub completion: Option<f64>,
    /// Per request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub request: Option<f64>,
    /// Per image.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub image: Option<f64>,
}

/// Ollama.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Ollama {
    /// Largest context asked for, in tokens. The context is sized from what the call needs; each doubling costs memory and
    /// a larger one reloads the model, so this is a bound, not a wish. Default: what the model was trained for.
    #[schemars(range(min = 512, max = 10_000_000))]
    pub max_num_ctx: Option<u64>,
    /// How long the model stays loaded after a call, in Ollama's notation (`5m`, `-1` for ever). Default: the server's.
    pub keep_alive: Option<String>,
}

/// The `claude` command line tool.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct ClaudeCli {
    /// Program to start, looked up on PATH; started directly, never through a shell.
    pub command: String,
    /// Further arguments, put before those that the gateway needs.
    pub args: Vec<String>,
    /// The whole run. The tool starts, thinks and may work for minutes before it prints, and it has no phases to bound
    /// apart; ten minutes is longer than a turn without tools takes.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub timeout_ms: u64,
    /// Output after which the run is ended, in bytes; a runaway process must not fill the memory.
    #[schemars(range(min = 1024, max = 1_073_741_824))]
    pub max_output_bytes: u64,
}

impl Default for ClaudeCli {
    fn default() -> Self {
        Self {
            command: "claude".into(),
            args: Vec::new(),
            timeout_ms: 600_000,
            max_output_bytes: 16 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_matching_model_entry_overrides_only_what_it_names() {
        let settings: Settings = serde_json::from_str(
            r#"{"timeouts": {"idle_ms": 7000},
                "model_timeouts": [{"model": "o3*", "first_byte_ms": 900000}, {"model": "*", "idle_ms": 1}]}"#,
        )
        .unwrap();
        let o3 = settings.timeouts_for("o3-pro");
        assert_eq!(
            (o3.connect_ms, o3.first_byte_ms, o3.idle_ms, o3.total_ms),
            (5000, 900_000, 7000, 3_600_000)
        );
        assert_eq!(settings.timeouts_for("gpt-5").idle_ms, 1);
    }

    #[test]
    fn credentials_do_not_show_in_debug_output_or_in_the_schema() {
        let settings: Settings = serde_json::from_str(
            r#"{"api_key": "sk-private", "headers": {"x-a": "private-h"}, "query": {"k": "private-q"}}"#,
        )
        .unwrap();
        assert!(!format!("{settings:#?}").contains("private"), "{settings:#?}");
        let schema = serde_json::to_value(schemars::schema_for!(Settings)).unwrap();
        assert_eq!(schema["properties"]["api_key"]["writeOnly"], true);
    }
}
