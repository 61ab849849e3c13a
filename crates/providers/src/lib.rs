//! One file per provider: where it is, how to sign, what is odd. Bytes belong to `lockgate-wire`.
//!
//! Pure: builds requests and judges answers, and never opens a connection; only `vertex` reads a file, when opened. `presets` knows which kinds and services
//! exist, `settings` holds what can be configured about one.

mod address;
mod anthropic;
mod azure_openai;
mod body;
mod claude_cli;
mod compatible;
mod gemini;
mod glob;
mod google;
mod llamacpp;
mod ollama;
mod openai;
mod openai_models;
mod openrouter;
mod presets;
mod provider;
mod proxy;
mod registry;
mod settings;
mod signing;
mod vertex;
mod vllm;

pub use glob::ModelGlob;
pub use ollama::is_remote_name;
pub use presets::{KINDS, Kind, KindInfo, PRESETS, Preset, implied_base_url, implied_kind, known_ids};
pub use provider::{
    AccessToken, Ask, CommandLine, Credential, Endpoint, Feed, Operation, Provider, TokenSource,
};
pub use proxy::{EnvironmentProxies, NamedProxy, Proxy, ProxyAddress, ProxyError};
pub use registry::{OpenError, family_of, open};
pub use settings::{
    AuthScheme, Azure, ClaudeCli, Credentials, DataCollection, MaxPrice, ModelTimeouts, Ollama, Openrouter,
    Retry, Settings, Sort, StreamUsage, Timeouts, Vertex, VertexLocation,
};
