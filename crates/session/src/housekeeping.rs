//! Calls that a client makes for itself, which are no turns of the session: titles, probes, summaries, side calls.
//!
//! Known by the path, by headers that say so, by the shape of the request, and by how the prompts of known clients begin. Words
//! count only in calls without tools, so that an agent that reads such a prompt in a file is not taken for one.

use std::sync::LazyLock;

use lockgate_core::content::{Opaque, Tool, ToolChoice};
use lockgate_core::{Block, Conversation, OutputFormat, Role, Words};
use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

use crate::bound::head;
use crate::client::ClientKind;
use crate::facts::Facts;
use crate::history::History;
use crate::wrappers::{is_probe, text_of};

/// What a client does for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Housekeeping {
    /// Asks whether a command is safe, or what it touches.
    CommandCheck,
    /// Has the conversation summarised, to go on with the summary.
    Compaction,
    /// Counts tokens.
    CountTokens,
    /// Tries whether the model answers.
    Probe,
    /// Asks for one token to learn the limits that are left.
    Quota,
    /// Has a small model choose the model, or who speaks next.
    Routing,
    /// Has the user's next message guessed.
    Suggestion,
    /// Has a title made.
    Title,
    /// Asks whether a new topic has begun.
    Topic,
    /// Has the provider search the web, for a tool of its own.
    WebSearch,
}

impl Housekeeping {
    /// The name used in records and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CommandCheck => "command-check",
            Self::Compaction => "compaction",
            Self::CountTokens => "count-tokens",
            Self::Probe => "probe",
            Self::Quota => "quota",
            Self::Routing => "routing",
            Self::Suggestion => "suggestion",
            Self::Title => "title",
            Self::Topic => "topic",
            Self::WebSearch => "web-search",
        }
    }
}

/// Words in the instructions or the last message of calls without tools.
const PROMPTS: [(&str, Housekeeping); 19] = [
    ("<policy_spec>", Housekeeping::CommandCheck),
    ("xtract any file paths that this command reads", Housekeeping::CommandCheck),
    ("Codex agent history whose request action you are assessing", Housekeeping::CommandCheck),
    ("tasked with summarizing conversations", Housekeeping::Compaction),
    ("anchored context summar", Housekeeping::Compaction),
    ("reate a new anchored summary from the conversation", Housekeeping::Compaction),
    ("Provide a detailed prompt for continuing our conversation", Housekeeping::Compaction),
    ("You are a context summarization assistant", Housekeeping::Compaction),
    ("distilling chat history into a structured XML <state_snapshot>", Housekeeping::Compaction),
    ("summarizes internal chat history into a given structure", Housekeeping::Compaction),
    ("You are a specialized Task Routing AI", Housekeeping::Routing),
    (
        "Analyze *only* the content and structure of your immediately preceding response",
        Housekeeping::Routing,
    ),
    ("You are naming a coding session", Housekeeping::Title),
    ("sentence-case title", Housekeeping::Title),
    ("You are a title generator", Housekeeping::Title),
    ("write a 5-10 word title", Housekeeping::Title),
    ("Summarize this coding conversation in under 50 characters", Housekeeping::Title),
    ("Generate a title for this conversation", Housekeeping::Title),
    ("indicates a new conversation topic", Housekeeping::Topic),
];

/// To make one of these takes longer than to look through a prompt.
static FINDERS: LazyLock<[(Finder<'static>, Housekeeping); PROMPTS.len()]> =
    LazyLock::new(|| PROMPTS.map(|(words, kind)| (Finder::new(words), kind)));

/// How the last message of the user begins in calls that keep their tools, so that the provider's cache serves.
const BEGINNINGS: [(&str, Housekeeping); 6] = [
    ("CRITICAL: Respond with TEXT ONLY", Housekeeping::Compaction),
    ("Your task is to create a detailed summary of", Housekeeping::Compaction),
    ("You are performing a CONTEXT CHECKPOINT COMPACTION", Housekeeping::Compaction),
    ("Provide a detailed prompt for continuing our conversation", Housekeeping::Compaction),
    (
        "Analyze *only* the content and structure of your immediately preceding response",
        Housekeeping::Routing,
    ),
    ("[SUGGESTION MODE:", Housekeeping::Suggestion),
];

/// Bytes of a prompt that are looked through for [`PROMPTS`].
const LOOKED_THROUGH: usize = 4096;

pub(crate) fn housekeeping(
    facts: &Facts<'_>,
    client: ClientKind,
    history: Option<&History<'_>>,
) -> Option<Housekeeping> {
    by_path(facts.path).or_else(|| by_header(facts, client)).or_else(|| {
        let conversation = facts.conversation?;
        by_shape(conversation, history?).or_else(|| by_words(conversation))
    })
}

fn by_path(path: &str) -> Option<Housekeeping> {
    let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
    if path.ends_with("/count_tokens") || path.ends_with(":countTokens") || path.ends_with("/input_tokens") {
        return Some(Housekeeping::CountTokens);
    }
    path.ends_with("/responses/compact").then_some(Housekeeping::Compaction)
}

fn by_header(facts: &Facts<'_>, client: ClientKind) -> Option<Housekeeping> {
    match client {
        ClientKind::ClaudeCode => {
            let class = facts.headers.header("x-claude-code-request-class");
            let compacts =
                class == Some("compaction") || facts.headers.header("x-claude-code-compaction").is_some();
            compacts.then_some(Housekeeping::Compaction)
        }
        ClientKind::Codex => match crate::ids::codex_metadata(facts)?.get("request_kind")?.as_str()? {
            "compaction" => Some(Housekeeping::Compaction),
            "prewarm" => Some(Housekeeping::Probe),
            _ => None,
        },
        ClientKind::Aider
        | ClientKind::AnthropicSdk
        | ClientKind::Cline
        | ClientKind::Continue
        | ClientKind::Copilot
        | ClientKind::Curl
        | ClientKind::Cursor
        | ClientKind::GeminiCli
        | ClientKind::GoogleGenai
        | ClientKind::Langchain
        | ClientKind::Litellm
        | ClientKind::Ollama
        | ClientKind::OpenaiSdk
        | ClientKind::Opencode
        | ClientKind::Pi
        | ClientKind::QwenCode
        | ClientKind::Unknown
        | ClientKind::VercelAi => None,
    }
}

fn by_shape(conversation: &Conversation, history: &History<'_>) -> Option<Housekeeping> {
    let last = conversation.turns.last();
    if last.is_some_and(|turn| turn.parts.iter().any(|part| is_trigger(&part.block))) {
        return Some(Housekeeping::Compaction);
    }
    if searches_only(conversation) {
        return Some(Housekeeping::WebSearch);
    }
    if history.answered || !conversation.tools.is_empty() {
        return None;
    }
    let text = last_text(conversation).unwrap_or_default().trim();
    if conversation.sampling.max_tokens == Some(1) {
        return Some(if text == "quota" { Housekeeping::Quota } else { Housekeeping::Probe });
    }
    if is_probe(text) {
        return Some(Housekeeping::Probe);
    }
    let Some(OutputFormat::Schema { schema, .. }) = &conversation.format else { return None };
    (schema.get().len() < 1024 && only_property(schema.get()).as_deref() == Some("title"))
        .then_some(Housekeeping::Title)
}

/// Responses: an item that asks for the conversation to be condensed.
fn is_trigger(block: &Block) -> bool {
    if let Block::Opaque(Opaque { kind, .. }) = block { kind == "compaction_trigger" } else { false }
}

/// The provider's search is the only tool, and it must be used.
fn searches_only(conversation: &Conversation) -> bool {
    let [Tool::Hosted(tool)] = conversation.tools.as_slice() else { return false };
    if !tool.kind.starts_with("web_search") {
        return false;
    }
    match &conversation.tool_choice {
        Some(ToolChoice::Among { required, .. }) => *required,
        Some(ToolChoice::Required) => true,
        Some(ToolChoice::Auto | ToolChoice::None) | None => {
            conversation.system.iter().filter_map(text_of).any(|text| text.contains("web search tool use"))
        }
    }
}

fn only_property(schema: &str) -> Option<String> {
    let schema: serde_json::Value = serde_json::from_str(schema).ok()?;
    let properties = schema.get("properties")?.as_object()?;
    let mut names = properties.keys();
    names.next().filter(|_| names.next().is_none()).cloned()
}

fn by_words(conversation: &Conversation) -> Option<Housekeeping> {
    let last = last_text(conversation).unwrap_or_default();
    if let Some((_, kind)) = BEGINNINGS.iter().find(|(begins, _)| last.trim_start().starts_with(begins)) {
        return Some(*kind);
    }
    if !conversation.tools.is_empty() {
        return None;
    }
    let first = conversation.turns.iter().find(|turn| turn.role == Role::User);
    let first = first.and_then(|turn| turn.parts.iter().find_map(text_of));
    let system = conversation.system.iter().filter_map(text_of).take(4);
    let texts = system.chain(first).map(Words::as_str).chain([last]);
    texts.map(|text| head(text, LOOKED_THROUGH)).find_map(|text| {
        FINDERS.iter().find(|(words, _)| words.find(text.as_bytes()).is_some()).map(|(_, kind)| *kind)
    })
}

/// The last text of the last message of the user.
fn last_text(conversation: &Conversation) -> Option<&str> {
    let turn = conversation.turns.iter().rev().find(|turn| turn.role == Role::User)?;
    turn.parts.iter().rev().find_map(text_of).map(Words::as_str)
}
