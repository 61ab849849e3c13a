//! Continue (editor extensions and `cn`): models are entries of `config.yaml`; the first chat model is the default.

use super::{Connection, FileEdit};
use crate::connect::edit::{Edit, ModelEntry};
use crate::env::Env;
use crate::exit::Failure;
use crate::gateway::{Gateway, PLACEHOLDER};

pub(super) fn connection(gateway: &Gateway, env: &Env) -> Result<Connection, Failure> {
    let fields = vec![
        ("provider", "openai".to_owned()),
        ("model", gateway.model_or_auto().to_owned()),
        ("apiBase", gateway.v1()),
        ("apiKey", gateway.token().unwrap_or(PLACEHOLDER).to_owned()),
    ];
    let path = env.folder("CONTINUE_GLOBAL_DIR", ".continue")?.join("config.yaml");
    let edit = Edit::ContinueModel(ModelEntry { name: "Lockgate".to_owned(), fields });
    Ok(Connection::Files { files: vec![FileEdit { path, edit }], notes: Vec::new() })
}
