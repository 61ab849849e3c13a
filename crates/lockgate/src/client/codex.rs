//! Codex CLI: a model provider in `config.toml`, or the same as `-c` overrides so that nothing is written.
//!
//! It speaks the Responses API only and wants the address with `/v1`. The key travels as a bearer token.

use super::{Connection, FileEdit, Launch};
use crate::connect::edit::{Change, Edit};
use crate::env::Env;
use crate::exit::Failure;
use crate::gateway::{Credential, Gateway};

const KEY_VARIABLE: &str = "LOCKGATE_API_KEY";

pub(super) fn connection(gateway: &Gateway, env: &Env) -> Result<Connection, Failure> {
    let at = |key: &'static str| ["model_providers", "lockgate", key];
    let mut changes = vec![Change::set(&["model_provider"], "lockgate")];
    if let Some(model) = &gateway.model {
        changes.push(Change::set(&["model"], model.as_str()));
    }
    changes.push(Change::set(&at("name"), "Lockgate"));
    changes.push(Change::set(&at("base_url"), gateway.v1()));
    changes.push(Change::set(&at("wire_api"), "responses"));
    // One way to authenticate at a time: what an entry made by hand says otherwise goes.
    changes.extend(
        ["env_key", "experimental_bearer_token", "requires_openai_auth"].map(|key| Change::remove(&at(key))),
    );
    match &gateway.credential {
        Credential::Key(secret) => {
            changes.push(Change::set(&at("experimental_bearer_token"), secret.reveal()));
        }
        Credential::Own => changes.push(Change::set(&at("requires_openai_auth"), true)),
        Credential::Placeholder => {}
    }
    let path = env.folder("CODEX_HOME", ".codex")?.join("config.toml");
    let notes = vec!["a Codex profile with its own model_provider still goes its own way".to_owned()];
    Ok(Connection::Files { files: vec![FileEdit { path, edit: Edit::Toml(changes) }], notes })
}

pub(super) fn launch(gateway: &Gateway) -> Launch {
    let mut overrides = vec![
        ("model_provider", "lockgate".to_owned()),
        ("model_providers.lockgate.name", "Lockgate".to_owned()),
        ("model_providers.lockgate.base_url", gateway.v1()),
        ("model_providers.lockgate.wire_api", "responses".to_owned()),
    ];
    if let Some(model) = &gateway.model {
        overrides.push(("model", model.clone()));
    }
    if gateway.token().is_some() {
        overrides.push(("model_providers.lockgate.env_key", KEY_VARIABLE.to_owned()));
    }
    let mut launch = Launch { program: "codex", unset: vec!["OPENAI_BASE_URL"], ..Launch::default() };
    for (key, value) in overrides {
        // A JSON string is a TOML basic string too.
        launch = launch.arg("-c", format!("{key}={}", serde_json::Value::from(value)));
    }
    if gateway.credential == Credential::Own {
        launch = launch.arg("-c", "model_providers.lockgate.requires_openai_auth=true");
    }
    launch.set_token(KEY_VARIABLE, gateway)
}
