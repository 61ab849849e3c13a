//! Gemini CLI: the address and the key are variables (its own `.env` counts), the authentication type is a setting.
//!
//! It adds `/v1beta` to the address itself. It stops at the first `.env` it finds from the working folder upwards, so one
//! in a project hides the one written here.

use std::path::PathBuf;

use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::Value;

use super::{Connection, FileEdit, Launch};
use crate::connect::edit::{Change, Edit};
use crate::env::Env;
use crate::exit::Failure;
use crate::gateway::Gateway;

const AUTH: &str = "gemini-api-key";

pub(super) fn connection(gateway: &Gateway, env: &Env) -> Result<Connection, Failure> {
    let folder = folder(env)?;
    let mut settings = vec![Change::set(&["security", "auth", "selectedType"], AUTH)];
    if let Some(model) = &gateway.model {
        settings.push(Change::set(&["model", "name"], model.as_str()));
    }
    let mut variables = vec![("GOOGLE_GEMINI_BASE_URL", Some(gateway.base()))];
    if let Some(token) = gateway.token() {
        variables.push(("GEMINI_API_KEY", Some(token.to_owned())));
    }
    let mut notes = vec!["a .env file in a project folder hides the one in ~/.gemini".to_owned()];
    for name in
        ["GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA"]
    {
        if env.var(name).is_some() {
            notes.push(format!("{name} is set in your shell and overrides the file: unset it"));
        }
    }
    let files = vec![
        FileEdit { path: folder.join("settings.json"), edit: Edit::Json(settings) },
        FileEdit { path: folder.join(".env"), edit: Edit::DotEnv(variables) },
    ];
    Ok(Connection::Files { files, notes })
}

pub(super) fn launch(gateway: &Gateway, env: &Env) -> Result<Launch, Failure> {
    if chosen_login(env)?.as_deref() != Some(AUTH) {
        // No variable says this: with another login it goes around Lockgate, with none it refuses to start.
        let what = format!(
            "Gemini CLI's settings do not choose the login {AUTH:?}, so it would not talk to Lockgate"
        );
        return Err(
            Failure::unavailable(what).hint("run `lockgate connect gemini-cli` once (--revert undoes it)")
        );
    }
    let unset =
        vec!["GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_GCA", "GOOGLE_VERTEX_BASE_URL"];
    let mut launch = Launch { program: "gemini", unset, ..Launch::default() }
        .set("GOOGLE_GEMINI_BASE_URL", gateway.base())
        .set_token("GEMINI_API_KEY", gateway);
    if let Some(model) = &gateway.model {
        launch = launch.arg("--model", model);
    }
    Ok(launch)
}

/// The login that the user's settings choose.
fn chosen_login(env: &Env) -> Result<Option<String>, Failure> {
    let text = std::fs::read_to_string(folder(env)?.join("settings.json")).unwrap_or_default();
    let settings: Value = parse_to_serde_value(&text, &ParseOptions::default()).unwrap_or_default();
    Ok(settings.pointer("/security/auth/selectedType").and_then(Value::as_str).map(str::to_owned))
}

fn folder(env: &Env) -> Result<PathBuf, Failure> {
    let home = env.var("GEMINI_CLI_HOME").map_or_else(|| env.home(), |home| Ok(PathBuf::from(home)))?;
    Ok(home.join(".gemini"))
}
