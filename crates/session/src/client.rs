//! Which program is calling, and its version.
//!
//! Known by the user agent first, then by headers that only one program sends, then by how its instructions begin (some
//! coding agents go by the name of the SDK they use). To know another program: a variant, its name, and a row in one
//! of the tables.

use std::fmt;

use lockgate_core::{Role, Words};
use serde::{Deserialize, Serialize};

use crate::bound::{WORD, word};
use crate::facts::Facts;
use crate::wrappers::text_of;

/// The program that is calling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Which one.
    pub kind: ClientKind,
    /// Its version, as it writes it.
    pub version: Option<String>,
}

/// Programs that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientKind {
    /// aider.
    Aider,
    /// Anthropic's SDKs.
    AnthropicSdk,
    /// Claude Code and the Claude Agent SDK, which runs it.
    ClaudeCode,
    /// Cline.
    Cline,
    /// OpenAI Codex.
    Codex,
    /// Continue.
    Continue,
    /// GitHub Copilot CLI.
    Copilot,
    /// curl.
    Curl,
    /// Cursor.
    Cursor,
    /// Gemini CLI.
    GeminiCli,
    /// Google's Gen AI SDKs.
    GoogleGenai,
    /// LangChain.
    Langchain,
    /// LiteLLM.
    Litellm,
    /// Ollama's libraries and command.
    Ollama,
    /// OpenAI's SDKs.
    OpenaiSdk,
    /// opencode.
    Opencode,
    /// pi.
    Pi,
    /// Qwen Code.
    QwenCode,
    /// Something else.
    Unknown,
    /// Vercel's AI SDK.
    VercelAi,
}

impl ClientKind {
    /// The name used in records and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aider => "aider",
            Self::AnthropicSdk => "anthropic-sdk",
            Self::ClaudeCode => "claude-code",
            Self::Cline => "cline",
            Self::Codex => "codex",
            Self::Continue => "continue",
            Self::Copilot => "copilot",
            Self::Curl => "curl",
            Self::Cursor => "cursor",
            Self::GeminiCli => "gemini-cli",
            Self::GoogleGenai => "google-genai",
            Self::Langchain => "langchain",
            Self::Litellm => "litellm",
            Self::Ollama => "ollama",
            Self::OpenaiSdk => "openai-sdk",
            Self::Opencode => "opencode",
            Self::Pi => "pi",
            Self::QwenCode => "qwen-code",
            Self::Unknown => "unknown",
            Self::VercelAi => "vercel-ai",
        }
    }

    /// Whether it is a library or a tool on which other programs are built, so that their instructions may tell more.
    const fn is_library(self) -> bool {
        match self {
            Self::AnthropicSdk
            | Self::Curl
            | Self::GoogleGenai
            | Self::Langchain
            | Self::Litellm
            | Self::Ollama
            | Self::OpenaiSdk
            | Self::Unknown
            | Self::VercelAi => true,
            Self::Aider
            | Self::ClaudeCode
            | Self::Cline
            | Self::Codex
            | Self::Continue
            | Self::Copilot
            | Self::Cursor
            | Self::GeminiCli
            | Self::Opencode
            | Self::Pi
            | Self::QwenCode => false,
        }
    }
}

impl fmt::Display for ClientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names of products in user agents, in lower case. Programs stand before the libraries they are built on.
const AGENTS: [(&str, ClientKind); 33] = [
    ("claude-cli/", ClientKind::ClaudeCode),
    ("claude-code/", ClientKind::ClaudeCode),
    ("codex_", ClientKind::Codex),
    ("codex-", ClientKind::Codex),
    ("codex/", ClientKind::Codex),
    ("geminicli", ClientKind::GeminiCli),
    ("qwencode/", ClientKind::QwenCode),
    ("qwen-code/", ClientKind::QwenCode),
    ("opencode/", ClientKind::Opencode),
    ("copilot/", ClientKind::Copilot),
    ("githubcopilot", ClientKind::Copilot),
    ("github-copilot", ClientKind::Copilot),
    ("cline/", ClientKind::Cline),
    ("continue/", ClientKind::Continue),
    ("cursor/", ClientKind::Cursor),
    ("aider/", ClientKind::Aider),
    ("pi-coding-agent/", ClientKind::Pi),
    ("pi/", ClientKind::Pi),
    ("langchain", ClientKind::Langchain),
    ("litellm/", ClientKind::Litellm),
    ("ai-sdk/", ClientKind::VercelAi),
    ("ai/", ClientKind::VercelAi),
    ("openai/", ClientKind::OpenaiSdk),
    ("asyncopenai/", ClientKind::OpenaiSdk),
    ("azureopenai/", ClientKind::OpenaiSdk),
    ("anthropic/", ClientKind::AnthropicSdk),
    ("asyncanthropic/", ClientKind::AnthropicSdk),
    ("google-genai-sdk/", ClientKind::GoogleGenai),
    ("google-api-nodejs-client/", ClientKind::GoogleGenai),
    ("ollama-python/", ClientKind::Ollama),
    ("ollama-js/", ClientKind::Ollama),
    ("ollama/", ClientKind::Ollama),
    ("curl/", ClientKind::Curl),
];

/// How the instructions of programs begin that call under a library's name.
const INSTRUCTIONS: [(&str, ClientKind); 11] = [
    ("You are Claude Code, Anthropic's official CLI", ClientKind::ClaudeCode),
    ("You are a Claude agent, built on Anthropic's Claude Agent SDK", ClientKind::ClaudeCode),
    ("You are Codex", ClientKind::Codex),
    ("You are opencode", ClientKind::Opencode),
    ("You are an expert coding assistant operating inside pi,", ClientKind::Pi),
    ("You are Cline", ClientKind::Cline),
    ("You are Qwen Code", ClientKind::QwenCode),
    ("You are the GitHub Copilot CLI", ClientKind::Copilot),
    ("You are an agent in the Continue CLI", ClientKind::Continue),
    ("Act as an expert software developer.", ClientKind::Aider),
    ("You are Gemini CLI", ClientKind::GeminiCli),
];

pub(crate) fn client(facts: &Facts<'_>) -> Client {
    let named = by_agent(facts.headers.header("user-agent").unwrap_or_default());
    if !named.kind.is_library() {
        return named;
    }
    match by_header(facts).or_else(|| by_words(facts)) {
        // The version in the user agent is the library's.
        Some(kind) => Client { kind, version: None },
        None if named.kind == ClientKind::Unknown => by_api_client(facts),
        None => named,
    }
}

fn by_agent(agent: &str) -> Client {
    let agent = crate::bound::head(agent, 512);
    let lower = agent.to_ascii_lowercase();
    let found = AGENTS.iter().find_map(|(name, kind)| {
        // A name begins the text or stands behind a space, so that `openai/` is not found in `pyopenai/`.
        let mut places = lower.match_indices(name).map(|(at, _)| at);
        places
            .find(|at| *at == 0 || !lower.as_bytes()[at - 1].is_ascii_alphanumeric())
            .map(|at| (at + name.len(), *kind))
    });
    let Some((end, kind)) = found else { return Client { kind: ClientKind::Unknown, version: None } };
    Client { kind, version: version(&agent[end..], agent[..end].ends_with('/')) }
}

/// The version that stands behind a product's name: `claude-cli/2.1.329`, `GeminiCLI-tui/0.61.0/model`, `OpenAI/JS 6.26.0`.
fn version(behind: &str, at_version: bool) -> Option<String> {
    let token = behind.split([' ', '(', ';']).next().unwrap_or_default();
    let own = if at_version { token } else { token.split_once('/').map_or("", |(_, version)| version) };
    let own = own.split('/').next().unwrap_or_default();
    let digits = |text: &str| text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    if digits(own) {
        return word(own, WORD);
    }
    behind.split_whitespace().nth(1).filter(|next| digits(next)).and_then(|next| word(next, WORD))
}

fn by_header(facts: &Facts<'_>) -> Option<ClientKind> {
    let has = |name| facts.headers.header(name).is_some();
    if has("x-claude-code-session-id") {
        return Some(ClientKind::ClaudeCode);
    }
    if has("x-codex-turn-metadata") || has("x-codex-window-id") {
        return Some(ClientKind::Codex);
    }
    if has("copilot-integration-id") {
        return Some(ClientKind::Copilot);
    }
    let title = facts.headers.header("x-title").or_else(|| facts.headers.header("x-openrouter-title"))?;
    match title.to_ascii_lowercase().as_str() {
        "aider" => Some(ClientKind::Aider),
        "cline" => Some(ClientKind::Cline),
        "continue" => Some(ClientKind::Continue),
        "opencode" => Some(ClientKind::Opencode),
        _ => None,
    }
}

fn by_words(facts: &Facts<'_>) -> Option<ClientKind> {
    let conversation = facts.conversation?;
    let mut texts = conversation.system.iter().take(4).filter_map(text_of);
    let begins = |text: &Words| INSTRUCTIONS.iter().find(|(begins, _)| text.starts_with(begins));
    if let Some((_, kind)) = texts.find_map(begins) {
        return Some(*kind);
    }
    let first = conversation.turns.iter().find(|turn| turn.role == Role::User)?;
    let mut texts = first.parts.iter().take(4).filter_map(text_of);
    let cursor = |text: &Words| text.starts_with("<user_info>") || text.starts_with("<user_query>");
    texts.any(cursor).then_some(ClientKind::Cursor)
}

/// Libraries that go by another name in the user agent.
fn by_api_client(facts: &Facts<'_>) -> Client {
    if let Some(google) = facts.headers.header("x-goog-api-client") {
        let named = by_agent(google);
        if named.kind == ClientKind::GoogleGenai {
            return named;
        }
    }
    Client { kind: ClientKind::Unknown, version: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_tells_the_program_before_its_library_and_the_version() {
        for (agent, kind, version) in [
            ("claude-cli/2.1.329 (external, sdk-cli)", ClientKind::ClaudeCode, Some("2.1.329")),
            ("codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown", ClientKind::Codex, Some("0.169.0")),
            ("codex_cli_rs/0.40.0 (Mac OS 15.1; arm64)", ClientKind::Codex, Some("0.40.0")),
            (
                "GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux; x64; terminal)",
                ClientKind::GeminiCli,
                Some("0.61.0"),
            ),
            ("GeminiCLI/v0.9.0 (linux)", ClientKind::GeminiCli, Some("v0.9.0")),
            (
                "opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14",
                ClientKind::Opencode,
                Some("1.18.33"),
            ),
            ("ai/6.0.3 ai-sdk/openai/3.0 runtime/node.js/20", ClientKind::VercelAi, None),
            ("OpenAI/JS 6.26.0", ClientKind::OpenaiSdk, Some("6.26.0")),
            ("AsyncOpenAI/Python 3.52.0", ClientKind::OpenaiSdk, Some("3.52.0")),
            ("Anthropic/Python 2.11.0", ClientKind::AnthropicSdk, Some("2.11.0")),
            ("google-genai-sdk/3.4.0 gl-python/3.11.7", ClientKind::GoogleGenai, Some("3.4.0")),
            ("ollama-python/0.6.3 (x86_64 linux) Python/3.11.7", ClientKind::Ollama, Some("0.6.3")),
            ("curl/8.14.1", ClientKind::Curl, Some("8.14.1")),
            ("QwenCode/0.24.4 (linux; x64)", ClientKind::QwenCode, Some("0.24.4")),
            ("python-httpx/0.28.1", ClientKind::Unknown, None),
            ("myai/2", ClientKind::Unknown, None),
            ("", ClientKind::Unknown, None),
        ] {
            let found = by_agent(agent);
            assert_eq!(found.kind, kind, "{agent}");
            if version.is_some() {
                assert_eq!(found.version.as_deref(), version, "{agent}");
            }
        }
    }

    #[test]
    fn the_name_of_a_client_is_the_one_it_has_in_json() {
        for kind in AGENTS.iter().chain(&INSTRUCTIONS).map(|(_, kind)| *kind).chain([ClientKind::Unknown]) {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
