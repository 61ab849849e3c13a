//! One file per provider: where it is, how to sign, what is odd. Bytes belong to `lockgate-wire`.
//!
//! Pure: builds requests and judges answers, and never opens a connection. `presets` knows which kinds and services
//! exist, `settings` holds what can be configured about one.

mod address;
mod anthropic;
mod compatible;
mod glob;
mod openai;
mod presets;
mod provider;
mod registry;
mod settings;
mod signing;

pub use glob::ModelGlob;
pub use presets::{KINDS, Kind, KindInfo, PRESETS, Preset, implied_base_url, implied_kind, known_ids};
pub use provider::{AccessToken, Ask, CommandLine, Credential, Endpoint, Operation, Provider, TokenSource};
pub use registry::{OpenError, family_of, open};
pub use settings::{
    AuthScheme, Azure, ClaudeCli, Credentials, DataCollection, MaxPrice, ModelTimeouts, Ollama, Openrouter,
    Retry, Settings, Sort, StreamUsage, Timeouts, Vertex, VertexLocation,
};
