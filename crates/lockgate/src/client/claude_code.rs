//! Claude Code: `env` in its settings, or variables plus `--settings` for one launch.
//!
//! What `env` in a settings file says beats the process environment, so a launch hands the address over with `--settings`, which beats both;
//! the key too if a settings file names one, through a private file, since arguments are visible to everybody on the machine. With
//! both a token and an API key set it would send both, so only the token stays.

use std::ffi::OsString;
use std::path::PathBuf;

use jsonc_parser::{ParseOptions, parse_to_serde_value};
use serde_json::{Value, json};

use super::{Connection, FileEdit, Launch};
use crate::connect::edit::{Change, Edit};
use crate::env::Env;
use crate::exit::Failure;
use crate::gateway::Gateway;

const BASE_URL: &str = "ANTHROPIC_BASE_URL";
const TOKEN: &str = "ANTHROPIC_AUTH_TOKEN";
const API_KEY: &str = "ANTHROPIC_API_KEY";
/// Each of these sends Claude Code to a cloud's own endpoint.
const ELSEWHERE: [&str; 6] = [
    "CLAUDE_CODE_USE_ANTHROPIC_AWS",
    "CLAUDE_CODE_USE_ANTHROPIC_GOOGLE_CLOUD",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_USE_VERTEX",
];

pub(super) fn connection(gateway: &Gateway, env: &Env) -> Result<Connection, Failure> {
    let mut changes = vec![Change::set(&["env", BASE_URL], gateway.base())];
    if let Some(token) = gateway.token() {
        changes.push(Change::set(&["env", TOKEN], token));
        changes.push(Change::remove(&["env", API_KEY]));
    }
    changes.extend(ELSEWHERE.iter().map(|name| Change::remove(&["env", name])));
    if let Some(model) = &gateway.model {
        changes.push(Change::set(&["model"], model.as_str()));
    }
    let mut notes = Vec::new();
    for name in ELSEWHERE.iter().chain(gateway.token().map(|_| &API_KEY)) {
        if env.var(name).is_some() {
            notes.push(format!("{name} is set in your shell: unset it, or Claude Code uses it as well"));
        }
    }
    let path = folder(env)?.join("settings.json");
    Ok(Connection::Files { files: vec![FileEdit { path, edit: Edit::Json(changes) }], notes })
}

pub(super) fn launch(gateway: &Gateway, env: &Env, args: &[OsString]) -> Launch {
    let mut unset = ELSEWHERE.to_vec();
    if gateway.token().is_some() {
        unset.push(API_KEY);
    }
    let mut launch = Launch { program: "claude", unset, ..Launch::default() }
        .set(BASE_URL, gateway.base())
        .set_token(TOKEN, gateway);
    let own_settings =
        args.iter().any(|arg| arg == "--settings" || arg.to_string_lossy().starts_with("--settings="));
    if own_settings {
        launch
            .notes
            .push("with your own --settings, an address in Claude Code's settings files wins".to_owned());
    } else if let Some(token) = gateway.token().filter(|_| settings_name_a_key(env)) {
        let overrides = json!({"env": {BASE_URL: gateway.base(), TOKEN: token, API_KEY: ""}});
        launch.private = Some(("--settings", overrides));
    } else {
        launch = launch.arg("--settings", json!({"env": {BASE_URL: gateway.base()}}).to_string());
    }
    if let Some(model) = &gateway.model {
        launch = launch.arg("--model", model);
    }
    launch
}

/// Whether a settings file that Claude Code would read here brings a key of its own.
fn settings_name_a_key(env: &Env) -> bool {
    let user = folder(env).map(|folder| folder.join("settings.json")).ok();
    let project = [".claude/settings.json", ".claude/settings.local.json"].map(PathBuf::from);
    user.into_iter().chain(project).any(|path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let settings: Value = parse_to_serde_value(&text, &ParseOptions::default()).unwrap_or_default();
        [TOKEN, API_KEY].iter().any(|name| settings["env"].get(name).is_some())
    })
}

fn folder(env: &Env) -> Result<PathBuf, Failure> {
    env.folder("CLAUDE_CONFIG_DIR", ".claude")
}
