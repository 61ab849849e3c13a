//! Lockgate's configuration to claude-code-router's: providers, models, slots, address.
//!
//! The inverse of the import where both programs have the same thing; everything else is listed as not carried.

use std::collections::BTreeMap;

use lockgate_providers::ProxyAddress;
use serde_json::{Map, Value, json};

use super::{hosts, known};

/// A converted configuration.
#[derive(Debug)]
pub(super) struct Exported {
    pub(super) config: Value,
    /// Settings that claude-code-router has no place for, each with the reason.
    pub(super) lost: Vec<String>,
}

pub(super) fn convert(yaml: &str) -> Result<Exported, String> {
    let root: Value = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
    let root = root.as_object().ok_or("it holds no settings")?;
    let mut lost = Vec::new();
    let mut config = Map::new();
    let empty = Map::new();
    let models = root.get("models").and_then(Value::as_object).unwrap_or(&empty);
    let aliases = models.get("aliases").and_then(Value::as_object).unwrap_or(&empty);
    let providers = root.get("providers").and_then(Value::as_object).unwrap_or(&empty);
    if let Some((host, port)) = root
        .get("server")
        .and_then(|server| server["listen"].as_str())
        .and_then(|listen| listen.rsplit_once(':'))
    {
        config.insert("HOST".into(), host.trim_matches(['[', ']']).into());
        config.insert("PORT".into(), port.parse::<u16>().map_or(Value::Null, Value::from));
    }
    if let Some(level) = root.get("log").and_then(|log| log["level"].as_str()) {
        config.insert("LOG_LEVEL".into(), level.into());
    }
    let mut router = Map::new();
    let mut used: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for slot in known::SLOTS {
        let Some(target) = models.get("slots").and_then(|slots| slots[slot].as_str()) else { continue };
        match resolve(target, aliases, providers, 0) {
            Some((provider, model)) => {
                router.insert(slot.into(), format!("{provider},{model}").into());
                used.entry(provider).or_default().push(model);
            }
            None => lost.push(format!("models.slots.{slot}: {target:?} names no provider of this file")),
        }
    }
    if let Some(threshold) = models.get("long_context_threshold") {
        router.insert("longContextThreshold".into(), threshold.clone());
    }
    if let Some(proxy) = proxy(providers, &mut lost) {
        config.insert("PROXY_URL".into(), proxy.into());
    }
    let entries: Vec<Value> = providers
        .iter()
        .filter_map(|(id, settings)| provider(id, settings, used.get(id), &mut lost))
        .collect();
    config.insert("Providers".into(), entries.into());
    config.insert("Router".into(), router.into());
    for (name, why) in
        [("keys", "only their hashes are known; set APIKEY"), ("conversion", "there is no such setting")]
    {
        if root.contains_key(name) {
            lost.push(format!("{name}: {why}"));
        }
    }
    for alias in aliases.keys() {
        lost.push(format!("models.aliases.{alias}: there are no aliases"));
    }
    Ok(Exported { config: config.into(), lost })
}

/// The proxy of all providers that have one: claude-code-router knows one for everything.
fn proxy<'a>(providers: &'a Map<String, Value>, lost: &mut Vec<String>) -> Option<&'a str> {
    let set = |(id, settings): (&'a String, &'a Value)| Some((id, settings["proxy"].as_str()?));
    let open =
        |text: &str| text.contains("${") || text.parse().is_ok_and(|one: ProxyAddress| !one.has_password());
    let first =
        providers.iter().filter_map(set).map(|(_, text)| text).find(|text| *text != "none" && open(text));
    for (id, text) in providers.iter().filter_map(set).filter(|(_, text)| Some(*text) != first) {
        lost.push(match text {
            "none" => format!("providers.{id}.proxy: there are no exceptions from PROXY_URL"),
            text if open(text) => format!("providers.{id}.proxy: there is one PROXY_URL for all providers"),
            _ => format!("providers.{id}.proxy: it holds a password, so it is not copied; set PROXY_URL"),
        });
    }
    first
}

fn provider(id: &str, settings: &Value, used: Option<&Vec<String>>, lost: &mut Vec<String>) -> Option<Value> {
    let kind = settings["kind"].as_str().or_else(|| hosts::implied_kind(id)).unwrap_or("openai-compatible");
    if kind == "claude-cli" {
        lost.push(format!("providers.{id}: there is no provider that runs the claude program"));
        return None;
    }
    let (address, transformer) = hosts::endpoint(id, kind, settings["base_url"].as_str());
    let mut models: Vec<String> = settings["models"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    for model in used.into_iter().flatten() {
        if !models.contains(model) {
            models.push(model.clone());
        }
    }
    let mut out =
        json!({"name": id, "api_base_url": address, "api_key": key(id, settings, lost), "models": models});
    match (transformer, settings.get("openrouter")) {
        (Some("openrouter"), Some(wanted)) => {
            out["transformer"] = json!({"use": [["openrouter", {"provider": wanted}]]});
        }
        (Some(name), _) => out["transformer"] = json!({"use": [name]}),
        (None, _) => {}
    }
    if let Some(settings) = settings.as_object() {
        let carried = ["kind", "base_url", "api_key", "models", "openrouter", "proxy"];
        for name in settings.keys().filter(|name| !carried.contains(&name.as_str())) {
            lost.push(format!("providers.{id}.{name}: there is no such setting"));
        }
    }
    Some(out)
}

/// A reference goes over; a key in the clear does not.
fn key(id: &str, settings: &Value, lost: &mut Vec<String>) -> String {
    match settings["api_key"].as_str() {
        None => String::new(),
        Some(text) if super::text::is_reference(text) => text.to_owned(),
        Some(_) => {
            let name = format!("{}_API_KEY", super::text::variable(id));
            lost.push(format!("providers.{id}.api_key: not a variable, so not copied; set {name}"));
            format!("${{{name}}}")
        }
    }
}

/// The provider and model that a target means.
fn resolve(
    target: &str,
    aliases: &Map<String, Value>,
    providers: &Map<String, Value>,
    depth: usize,
) -> Option<(String, String)> {
    for sign in [':', '/'] {
        if let Some((provider, model)) =
            target.split_once(sign).filter(|(provider, _)| providers.contains_key(*provider))
        {
            return Some((provider.to_owned(), model.to_owned()));
        }
    }
    let next = aliases.get(target).and_then(Value::as_str).filter(|_| depth < 8);
    if let Some(next) = next {
        return resolve(next, aliases, providers, depth + 1);
    }
    let lists = |settings: &Value| {
        settings["models"].as_array().is_some_and(|models| models.iter().any(|model| model == target))
    };
    providers.iter().find(|(_, settings)| lists(settings)).map(|(id, _)| (id.clone(), target.to_owned()))
}
