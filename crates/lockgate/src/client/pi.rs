//! pi: providers are entries of `models.json` in its agent folder; a provider must list its models.

use serde_json::json;

use super::{Connection, FileEdit};
use crate::connect::edit::{Change, Edit};
use crate::env::Env;
use crate::exit::Failure;
use crate::gateway::{Gateway, PLACEHOLDER};

pub(super) fn connection(gateway: &Gateway, env: &Env) -> Result<Connection, Failure> {
    let model = gateway.model_or_auto();
    let provider = json!({
        "baseUrl": gateway.v1(),
        "api": "openai-completions",
        "apiKey": gateway.token().unwrap_or(PLACEHOLDER),
        "models": [{"id": model}],
    });
    let path = env.folder("PI_CODING_AGENT_DIR", ".pi/agent")?.join("models.json");
    let edit = Edit::Json(vec![Change::set(&["providers", "lockgate"], provider)]);
    let notes = vec![format!("choose it with `pi --provider lockgate --model {model}` or with /model")];
    Ok(Connection::Files { files: vec![FileEdit { path, edit }], notes })
}
