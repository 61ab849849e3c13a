//! A pinned SDK: its process, and what it says it saw.
//!
//! The form of what it prints is that of `tests/clients/python/harness.py`.

use serde_json::Value;
use tempfile::TempDir;

use crate::installed::{bounded, clients, output, repository};
use crate::upstream::World;

/// One SDK, asked in one way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sdk {
    language: Language,
    /// The file in `tests/clients/<language>`.
    file: &'static str,
    /// Put before the model's name, for files that speak several dialects.
    flavour: &'static str,
    pub(crate) dialect: Dialect,
    /// Whether `embed`, `models` and `count` exist.
    pub(crate) extras: &'static [&'static str],
    /// Whether it shows thinking where its dialect has it.
    pub(crate) shows_thinking: bool,
    /// Whether its errors show response headers.
    pub(crate) shows_headers: bool,
}

#[derive(Debug, Clone, Copy)]
enum Language {
    Node,
    Python,
}

/// What an SDK speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Anthropic,
    Chat,
    Gemini,
    Ollama,
    Responses,
}

impl Dialect {
    /// The provider that owns it, as the configuration calls it.
    pub(crate) fn provider(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::Chat | Self::Responses => "openai",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
        }
    }
}

/// A model that the provider has.
pub(crate) fn model_of(provider: &str) -> &'static str {
    match provider {
        "anthropic" => "claude-sonnet-5",
        "gemini" => "gemini-3-pro",
        "ollama" => "qwen3:8b",
        "openai" | "openai-compatible" => "gpt-5.5",
        other => panic!("no model for {other}"),
    }
}

const fn sdk(language: Language, file: &'static str, dialect: Dialect) -> Sdk {
    let extras: &[&str] = match dialect {
        Dialect::Anthropic => &["models", "count"],
        Dialect::Chat | Dialect::Ollama => &["embed", "models"],
        Dialect::Gemini => &["embed", "models", "count"],
        Dialect::Responses => &[],
    };
    let shows_headers = !matches!(dialect, Dialect::Ollama);
    Sdk { language, file, flavour: "", dialect, extras, shows_thinking: true, shows_headers }
}

/// Of a file that speaks several dialects and has none of the extras.
const fn flavoured(language: Language, file: &'static str, flavour: &'static str, dialect: Dialect) -> Sdk {
    Sdk { flavour, extras: &[], ..sdk(language, file, dialect) }
}

use Dialect::{Anthropic, Chat, Gemini, Ollama, Responses};
use Language::{Node, Python};

pub(crate) const OPENAI_PYTHON: Sdk = sdk(Python, "openai_chat", Chat);
pub(crate) const OPENAI_PYTHON_RESPONSES: Sdk = sdk(Python, "openai_responses", Responses);
pub(crate) const ANTHROPIC_PYTHON: Sdk = sdk(Python, "anthropic_messages", Anthropic);
pub(crate) const GOOGLE_PYTHON: Sdk = sdk(Python, "gemini", Gemini);
pub(crate) const OLLAMA_PYTHON: Sdk = sdk(Python, "ollama_chat", Ollama);
/// LangChain's OpenAI model leaves out `reasoning_content`, as that is no field of OpenAI's.
pub(crate) const LANGCHAIN_OPENAI: Sdk =
    Sdk { shows_thinking: false, ..flavoured(Python, "langchain_agent", "openai/", Chat) };
pub(crate) const LANGCHAIN_ANTHROPIC: Sdk = flavoured(Python, "langchain_agent", "anthropic/", Anthropic);
pub(crate) const OPENAI_NODE: Sdk = sdk(Node, "openai_chat", Chat);
pub(crate) const OPENAI_NODE_RESPONSES: Sdk = sdk(Node, "openai_responses", Responses);
pub(crate) const ANTHROPIC_NODE: Sdk = sdk(Node, "anthropic_messages", Anthropic);
pub(crate) const GOOGLE_NODE: Sdk = Sdk { shows_headers: false, ..sdk(Node, "gemini", Gemini) };
pub(crate) const OLLAMA_NODE: Sdk = sdk(Node, "ollama_chat", Ollama);
pub(crate) const AI_SDK_OPENAI: Sdk = flavoured(Node, "ai_sdk", "openai/", Responses);
pub(crate) const AI_SDK_COMPATIBLE: Sdk = flavoured(Node, "ai_sdk", "compatible/", Chat);
pub(crate) const AI_SDK_ANTHROPIC: Sdk = flavoured(Node, "ai_sdk", "anthropic/", Anthropic);
pub(crate) const AI_SDK_GOOGLE: Sdk = flavoured(Node, "ai_sdk", "google/", Gemini);

/// Seconds that all scenarios of a process may take together.
const PATIENCE: u32 = 150;

impl Sdk {
    /// Runs scenarios one after the other and gives what was seen in each.
    pub(crate) async fn run(self, world: &World, model: &str, scenarios: &[&str]) -> Vec<Saw> {
        let home = TempDir::new().expect("a temporary folder");
        let here = repository().join("tests/clients");
        let (program, script) = match self.language {
            Language::Node => ("node".into(), here.join("node").join(self.file).with_extension("cjs")),
            Language::Python => (
                clients().join("python/bin/python"),
                here.join("python").join(self.file).with_extension("py"),
            ),
        };
        let mut command = bounded(PATIENCE, home.path(), &program);
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script);
        command.args(["--base", &world.base, "--key", &world.key]);
        command.args(["--model", &format!("{}{model}", self.flavour), "--scenario", &scenarios.join(",")]);
        let output = output(command, self.file).await;
        let printed = String::from_utf8_lossy(&output.stdout);
        let said: Vec<Saw> = printed.lines().map(Saw::read).collect();
        let names: Vec<_> = said.iter().map(Saw::scenario).collect();
        assert_eq!(
            names,
            scenarios,
            "{} did not get through its scenarios\n{}",
            self.file,
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }
}

/// What a client saw in one scenario.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Saw(pub(crate) Value);

impl Saw {
    fn read(line: &str) -> Self {
        Self(serde_json::from_str(line).unwrap_or_else(|_| panic!("not a line of JSON: {line}")))
    }

    pub(crate) fn scenario(&self) -> &str {
        self.0["scenario"].as_str().unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        self.0["text"].as_str().unwrap_or_default()
    }

    pub(crate) fn thinking(&self) -> &str {
        self.0["thinking"].as_str().unwrap_or_default()
    }

    /// Calls as `name(city)`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = self.0["calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        let shown = |call: &Value| {
            format!(
                "{}({})",
                call["name"].as_str().unwrap_or("?"),
                call["args"]["city"].as_str().unwrap_or("?")
            )
        };
        calls.iter().map(shown).collect()
    }

    pub(crate) fn deltas(&self) -> u64 {
        self.0["deltas"].as_u64().unwrap_or(0)
    }

    pub(crate) fn requests(&self) -> u64 {
        self.0["requests"].as_u64().unwrap_or(0)
    }

    pub(crate) fn error(&self) -> Option<&Value> {
        self.0.get("error")
    }

    /// Without what differs from one run to the next: the time taken, the ids of requests, the order of calls (agents run
    /// those of one answer side by side), and the gateway's own model `auto`. Where a provider gives no id, the gateway may.
    pub(crate) fn lasting(&self, direct: &Self) -> Value {
        let mut value = self.0.clone();
        value["took_ms"].take();
        if let Some(calls) = value["calls"].as_array_mut() {
            calls.sort_by_key(Value::to_string);
        }
        if let Some(models) = value["models"].as_array_mut() {
            models.retain(|model| model != "auto");
        }
        if let Some(error) = value.get_mut("error") {
            let had_id = direct.error().is_some_and(|error| error["request_id"].is_string());
            error["request_id"] = (had_id && error["request_id"].is_string()).into();
            error["message"] = without_ids(error["message"].as_str().unwrap_or_default()).into();
        }
        value
    }
}

/// A text without the rest of each word that begins with `req_`.
fn without_ids(text: &str) -> String {
    let mut parts = text.split("req_");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_alphanumeric()));
    }
    out
}
