//! What the environment says about providers without being asked: well-known key variables, `OLLAMA_HOST`, `claude` on
//! PATH, and `CUSTOM_PROVIDERS`.
//!
//! Data only. Whether a local runtime really listens is for others to find out; it is a candidate here. Base URL variables
//! of clients (`ANTHROPIC_BASE_URL`, `OPENAI_BASE_URL`) are ignored on purpose: on a machine that uses this gateway they
//! point at the gateway.

use lockgate_providers::{KINDS, Kind, PRESETS};
use serde_json::{Map, Value};

use crate::{
    Code, Environment, Path, Problem, Source, suggest,
    tree::{Node, Style},
    yaml::short,
};

/// Kinds that are there even without a key, since callers may bring their own.
const ALWAYS: [Kind; 3] = [Kind::Anthropic, Kind::Gemini, Kind::Openai];

/// The layer of detected providers.
pub(crate) fn detect(environment: &Environment) -> Node {
    let mut found = Found { root: Node::map(&Source::Detected { variable: None }), environment };
    for info in &KINDS {
        let key = info.key_variables.iter().find(|variable| environment.filled(variable).is_some());
        match info.kind {
            Kind::AzureOpenai => found.azure(),
            Kind::ClaudeCli => found.claude_cli(),
            Kind::Ollama => found.ollama(),
            Kind::Vertex => found.vertex(),
            Kind::Llamacpp | Kind::Vllm => found.candidate(info.name),
            Kind::Anthropic | Kind::Gemini | Kind::Openai | Kind::OpenaiCompatible | Kind::Openrouter => {
                match key {
                    Some(variable) => found.keyed(info.name, variable),
                    None if ALWAYS.contains(&info.kind) => found.candidate(info.name),
                    None => {}
                }
            }
        }
    }
    for preset in &PRESETS {
        let key = preset.key_variables.iter().find(|variable| environment.filled(variable).is_some());
        match key {
            Some(variable) => found.keyed(preset.id, variable),
            None if preset.local => found.candidate(preset.id),
            None => {}
        }
    }
    found.root
}

struct Found<'e> {
    root: Node,
    environment: &'e Environment,
}

impl Found<'_> {
    fn provider(&mut self, id: &str, source: &Source) -> &mut Node {
        self.root.child_map("providers", source).child_map(id, source)
    }

    fn candidate(&mut self, id: &str) {
        self.provider(id, &Source::Detected { variable: None });
    }

    fn setting(&mut self, id: &str, keys: &[&str], variable: &str, value: &str) {
        let source = detected(variable);
        let Some((last, above)) = keys.split_last() else { return };
        let provider = self.provider(id, &source);
        let section = above.iter().fold(provider, |node, key| node.child_map(key, &source));
        section.set(last, Node::scalar(&source, value, Style::Raw));
    }

    fn keyed(&mut self, id: &str, variable: &str) {
        let Some(key) = self.environment.filled(variable) else { return };
        let key = key.to_owned();
        self.setting(id, &["api_key"], variable, &key);
        if variable == "ANTHROPIC_AUTH_TOKEN" {
            self.setting(id, &["auth_scheme"], variable, "bearer");
        }
    }

    fn azure(&mut self) {
        let (key, endpoint) = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT");
        let Some(url) = self.environment.filled(endpoint).map(str::to_owned) else { return };
        if self.environment.filled(key).is_none() {
            return;
        }
        self.setting("azure-openai", &["base_url"], endpoint, &url);
        self.keyed("azure-openai", key);
        for variable in ["AZURE_OPENAI_API_VERSION", "OPENAI_API_VERSION"] {
            if let Some(version) = self.environment.filled(variable).map(str::to_owned) {
                self.setting("azure-openai", &["azure", "api_version"], variable, &version);
                return;
            }
        }
    }

    fn vertex(&mut self) {
        let Some(file) = self.environment.filled("GOOGLE_APPLICATION_CREDENTIALS").map(str::to_owned) else {
            return;
        };
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| Some((*name, self.environment.filled(name)?.to_owned())))
        };
        let Some((variable, project)) = first(&["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"]) else { return };
        let location = first(&["GOOGLE_CLOUD_LOCATION", "GOOGLE_CLOUD_REGION"]);
        self.setting("vertex", &["vertex", "credentials_file"], "GOOGLE_APPLICATION_CREDENTIALS", &file);
        self.setting("vertex", &["vertex", "project"], variable, &project);
        if let Some((variable, location)) = location {
            self.setting("vertex", &["vertex", "location"], variable, &location);
        }
    }

    fn ollama(&mut self) {
        match self.environment.filled("OLLAMA_HOST").map(ollama_url) {
            Some(url) => self.setting("ollama", &["base_url"], "OLLAMA_HOST", &url),
            None => self.candidate("ollama"),
        }
    }

    fn claude_cli(&mut self) {
        let Some(path) = self.environment.filled("PATH") else { return };
        if std::env::split_paths(path).any(|folder| folder.join("claude").is_file()) {
            let source = detected("PATH");
            self.provider("claude-cli", &source);
        }
    }
}

fn detected(variable: &str) -> Source {
    Source::Detected { variable: Some(variable.into()) }
}

/// `OLLAMA_HOST` as Ollama itself reads it: scheme, host and port may each be left out. The address a server listens on is
/// not always one to connect to: `0.0.0.0` stands for this machine.
fn ollama_url(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let rest = rest.trim_end_matches('/');
    let (name, port) = match rest.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) && !port.is_empty() => (name, port),
        _ if scheme == "https" => (rest, "443"),
        _ if host.contains("://") => (rest, "80"),
        _ => (rest, "11434"),
    };
    let name = match name {
        "" | "0.0.0.0" => "127.0.0.1",
        "[::]" => "[::1]",
        name => name,
    };
    format!("{scheme}://{name}:{port}")
}

const VARIABLE: &str = "CUSTOM_PROVIDERS";
const FIELDS: [(&str, &[&str]); 5] = [
    ("id", &["id", "name"]),
    ("base_url", &["base_url", "baseUrl", "baseURL"]),
    ("api_key", &["api_key", "apiKey"]),
    ("models", &["models"]),
    ("headers", &["headers"]),
];

/// The layer of `CUSTOM_PROVIDERS`: a JSON list of `{name, baseUrl, apiKey, models, headers}`, or an object of such entries
/// by name. Each is an `openai-compatible` provider.
pub(crate) fn custom_providers(environment: &Environment, problems: &mut Vec<Problem>) -> Node {
    let source = Source::Environment { variable: VARIABLE.into() };
    let mut root = Node::map(&source);
    let Some(text) = environment.filled(VARIABLE) else { return root };
    let report = |place: &str, code, message: String| {
        let source = Source::Environment { variable: place.into() };
        Problem::new(code, &source, &Path::of(["providers"]), message)
    };
    let entries: Vec<(String, Option<String>, Value)> = match serde_json::from_str(text) {
        Ok(Value::Array(items)) => {
            items.into_iter().enumerate().map(|(i, item)| (format!("{VARIABLE}[{i}]"), None, item)).collect()
        }
        Ok(Value::Object(object)) => object
            .into_iter()
            .map(|(name, item)| (format!("{VARIABLE}.{}", short(&name)), Some(name), item))
            .collect(),
        Ok(_) => {
            problems.push(report(VARIABLE, Code::WrongType, "expected a JSON list or object".into()));
            return root;
        }
        Err(error) => {
            let message = format!("not JSON at line {}, column {}", error.line(), error.column());
            problems.push(report(VARIABLE, Code::Syntax, message));
            return root;
        }
    };
    for (place, name, item) in entries {
        let Value::Object(fields) = item else {
            problems.push(report(
                &place,
                Code::WrongType,
                "expected an object with `name` and `baseUrl`".into(),
            ));
            continue;
        };
        let mut entry = Custom {
            place: &place,
            id: name,
            node: Node::map(&Source::Environment { variable: place.clone() }),
        };
        entry.fill(fields, problems);
        let Some(id) = entry.id else {
            problems.push(report(&place, Code::MissingKey, "`name` is missing".into()));
            continue;
        };
        if entry.node.child("base_url").is_none() {
            problems.push(report(&place, Code::MissingAddress, "`baseUrl` is missing".into()));
            continue;
        }
        let providers = root.child_map("providers", &source);
        if providers.child(&id).is_some() {
            let message = format!("`{}` is defined twice", short(&id));
            problems.push(report(&place, Code::DuplicateKey, message));
            continue;
        }
        providers.set(&id, entry.node);
    }
    root
}

struct Custom<'p> {
    place: &'p str,
    id: Option<String>,
    node: Node,
}

impl Custom<'_> {
    fn fill(&mut self, fields: Map<String, Value>, problems: &mut Vec<Problem>) {
        let own = Source::Environment { variable: self.place.into() };
        self.node.set("kind", Node::scalar(&own, Kind::OpenaiCompatible.name(), Style::Raw));
        for (key, value) in fields {
            let source = Source::Environment { variable: format!("{}.{}", self.place, short(&key)) };
            let path = Path::of(["providers"]);
            let known = FIELDS.iter().find(|(_, spellings)| spellings.contains(&key.as_str()));
            match known {
                None => {
                    let spellings = FIELDS.iter().flat_map(|(_, spellings)| spellings.iter().copied());
                    let suggestion = suggest::nearest(&key, spellings);
                    let message = format!("unknown key `{}`", short(&key));
                    problems
                        .push(Problem::new(Code::UnknownKey, &source, &path, message).suggesting(suggestion));
                }
                Some(("id", _)) => match value {
                    Value::String(id) => self.id = Some(id),
                    _ => problems.push(Problem::new(Code::WrongType, &source, &path, "expected a text")),
                },
                Some((field, _)) => self.node.set(field, node_of(value, &source)),
            }
        }
    }
}

fn node_of(value: Value, source: &Source) -> Node {
    use crate::tree::Content;
    let content = match value {
        Value::Null => Content::Empty,
        Value::Array(items) => Content::List(items.into_iter().map(|item| node_of(item, source)).collect()),
        Value::Object(fields) => {
            let mut map = Node::map(source);
            for (key, value) in fields {
                map.set(&key, node_of(value, source));
            }
            map.content
        }
        Value::String(text) => return Node::scalar(source, text, Style::Raw),
        Value::Bool(_) | Value::Number(_) => return Node::scalar(source, value.to_string(), Style::Raw),
    };
    Node::new(source, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ollama_host_is_read_as_ollama_reads_it() {
        for (host, url) in [
            ("0.0.0.0", "http://127.0.0.1:11434"),
            ("127.0.0.1:5555", "http://127.0.0.1:5555"),
            (":5555", "http://127.0.0.1:5555"),
            ("gpu", "http://gpu:11434"),
            ("http://gpu:5555/", "http://gpu:5555"),
            ("https://gpu", "https://gpu:443"),
            ("[::]", "http://[::1]:11434"),
            ("[::1]:99", "http://[::1]:99"),
        ] {
            assert_eq!(ollama_url(host), url, "{host}");
        }
    }
}
