//! A request as the rules see it: model, stream, the talk so far and the tools on offer, whatever the dialect.
//!
//! Lazy: the body is parsed when first asked for and never for rules that look at the path alone. Judges nothing; that
//! is `validate`.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::Value;

use crate::dialect::{Dialect, Route};

/// A request under inspection.
pub(crate) struct Seen {
    pub(crate) route: Route,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) raw: Bytes,
    body: OnceLock<Value>,
    talk: OnceLock<Talk>,
}

/// What the conversation shows.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    /// The last text of a human turn.
    pub(crate) last_user: String,
    /// Tool rounds since then.
    pub(crate) rounds: usize,
    /// Tools on offer.
    pub(crate) tools: Vec<Offered>,
}

/// A tool on offer.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    pub(crate) name: String,
    /// Takes free text (OpenAI's custom tools).
    pub(crate) custom: bool,
    /// The namespace it stands in (Responses).
    pub(crate) namespace: Option<String>,
}

impl Talk {
    pub(crate) fn offers(&self, name: &str) -> Option<&Offered> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

impl Seen {
    pub(crate) fn new(route: Route, headers: Vec<(String, String)>, raw: Bytes) -> Self {
        Self { route, headers, raw, body: OnceLock::new(), talk: OnceLock::new() }
    }

    /// The body, or null when it is not JSON.
    pub(crate) fn body(&self) -> &Value {
        self.body.get_or_init(|| serde_json::from_slice(&self.raw).unwrap_or(Value::Null))
    }

    pub(crate) fn talk(&self) -> &Talk {
        self.talk.get_or_init(|| Talk::read(self.route.dialect, self.body()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn model(&self) -> &str {
        self.route.model.as_deref().unwrap_or_else(|| text(self.body(), "model"))
    }

    pub(crate) fn stream(&self) -> bool {
        let absent = self.route.dialect == Dialect::Ollama;
        self.route.stream.unwrap_or_else(|| self.body()["stream"].as_bool().unwrap_or(absent))
    }

    /// The client's working directory, where a coding agent tells it.
    pub(crate) fn cwd(&self) -> Option<String> {
        working_directory(&String::from_utf8_lossy(&self.raw))
    }

    /// Input tokens by the house rule: four bytes a token.
    pub(crate) fn tokens(&self) -> u64 {
        (self.raw.len() as u64 / 4).max(1)
    }
}

/// A text field, or the empty text.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The elements of an array field, or nothing.
pub(crate) fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What one message means for the talk.
enum Kind {
    Human(String),
    Other,
    ToolResult,
}

impl Talk {
    fn read(dialect: Dialect, body: &Value) -> Self {
        let messages = match dialect {
            Dialect::Gemini => list(body, "contents"),
            Dialect::Responses => list(body, "input"),
            Dialect::Anthropic | Dialect::Chat | Dialect::Ollama => list(body, "messages"),
        };
        let mut talk = Self { tools: tools(dialect, body), ..Self::default() };
        talk.last_user = ["input", "prompt"].iter().map(|f| text(body, f)).collect();
        let mut in_results = false;
        for message in messages {
            match kind(dialect, message) {
                Kind::Human(said) => {
                    talk.last_user = said;
                    talk.rounds = 0;
                    in_results = false;
                }
                Kind::Other => in_results = false,
                Kind::ToolResult => {
                    talk.rounds += usize::from(!in_results);
                    in_results = true;
                }
            }
        }
        talk
    }
}

fn kind(dialect: Dialect, message: &Value) -> Kind {
    let role = text(message, "role");
    let result = match dialect {
        Dialect::Anthropic => list(message, "content").iter().any(|b| text(b, "type") == "tool_result"),
        Dialect::Chat | Dialect::Ollama => matches!(role, "tool" | "function"),
        Dialect::Gemini => list(message, "parts").iter().any(|p| p.get("functionResponse").is_some()),
        Dialect::Responses => text(message, "type").ends_with("_call_output"),
    };
    if result {
        return Kind::ToolResult;
    }
    let human = role == "user" || (dialect == Dialect::Gemini && role.is_empty());
    if !human {
        return Kind::Other;
    }
    let content = message.get("content").or_else(|| message.get("parts")).unwrap_or(&Value::Null);
    let parts = content.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut said = content.as_str().unwrap_or_default().to_owned();
    for part in parts {
        said.push_str(text(part, "text"));
    }
    Kind::Human(said)
}

fn tools(dialect: Dialect, body: &Value) -> Vec<Offered> {
    let plain = |name: &str| Offered { name: name.into(), custom: false, namespace: None };
    let mut found = Vec::new();
    for tool in list(body, "tools") {
        let kind = text(tool, "type");
        match dialect {
            Dialect::Anthropic => found.push(plain(text(tool, "name"))),
            Dialect::Chat | Dialect::Ollama => {
                let custom = kind == "custom";
                let name = text(&tool[if custom { "custom" } else { "function" }], "name");
                found.push(Offered { custom, ..plain(name) });
            }
            Dialect::Gemini => {
                found.extend(list(tool, "functionDeclarations").iter().map(|f| plain(text(f, "name"))));
            }
            Dialect::Responses if kind == "namespace" => {
                for inner in list(tool, "tools") {
                    let namespace = Some(text(tool, "name").to_owned());
                    let custom = text(inner, "type") == "custom";
                    found.push(Offered { custom, namespace, ..plain(text(inner, "name")) });
                }
            }
            Dialect::Responses => {
                let name = if text(tool, "name").is_empty() { kind } else { text(tool, "name") };
                found.push(Offered { custom: kind == "custom", ..plain(name) });
            }
        }
    }
    found
}

/// Where coding agents say they work: "Working directory: …" or `<cwd>…</cwd>`.
fn working_directory(body: &str) -> Option<String> {
    for mark in ["orking directory: ", "<cwd>", "orking directory is: ", "orking in directory: "] {
        if let Some(at) = body.find(mark) {
            let rest = &body[at + mark.len()..];
            let end = rest.find(['\\', '"', '<', '`']).unwrap_or(rest.len());
            let found = rest[..end].trim();
            if found.starts_with('/') {
                return Some(found.to_owned());
            }
        }
    }
    None
}
