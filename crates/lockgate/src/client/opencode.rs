//! opencode: a provider entry names an AI SDK package and its options; the same document can come in a variable.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Connection, FileEdit, Launch};
use crate::connect::edit::{Change, Edit};
use crate::env::Env;
use crate::exit::Failure;
use crate::gateway::Gateway;

pub(super) fn connection(gateway: &Gateway, env: &Env) -> Result<Connection, Failure> {
    let model = gateway.model_or_auto();
    let changes = vec![
        // opencode adds this line itself at its next start, which would look like an edit of the user's.
        Change::set(&["$schema"], "https://opencode.ai/config.json"),
        Change::set(&["provider", "lockgate"], provider(gateway, gateway.token())),
        Change::set(&["model"], format!("lockgate/{model}")),
    ];
    let notes = vec![format!("lists the model {model}; add others below provider.lockgate.models")];
    Ok(Connection::Files { files: vec![FileEdit { path: settings(env)?, edit: Edit::Json(changes) }], notes })
}

pub(super) fn launch(gateway: &Gateway) -> Launch {
    let model = gateway.model_or_auto();
    let key = gateway.token().map(|_| "{env:LOCKGATE_API_KEY}");
    let config = json!({
        "provider": {"lockgate": provider(gateway, key)},
        "model": format!("lockgate/{model}"),
    });
    Launch { program: "opencode", ..Launch::default() }
        .set("OPENCODE_CONFIG_CONTENT", config.to_string())
        .set_token("LOCKGATE_API_KEY", gateway)
}

fn provider(gateway: &Gateway, key: Option<&str>) -> Value {
    let mut options = json!({"baseURL": gateway.v1()});
    if let Some(key) = key {
        options["apiKey"] = key.into();
    }
    json!({
        "npm": "@ai-sdk/openai-compatible",
        "name": "Lockgate",
        "options": options,
        "models": {gateway.model_or_auto(): {"name": gateway.model_or_auto()}},
    })
}

/// The settings file that is there, or the one to create.
fn settings(env: &Env) -> Result<PathBuf, Failure> {
    if let Some(path) = env.var("OPENCODE_CONFIG") {
        return Ok(PathBuf::from(path));
    }
    let folder = env.config_home()?.join("opencode");
    let found = ["opencode.jsonc", "opencode.json"]
        .map(|name| folder.join(name))
        .into_iter()
        .find(|path| path.exists());
    Ok(found.unwrap_or_else(|| folder.join("opencode.json")))
}
