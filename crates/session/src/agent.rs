//! Which agent of a session is calling: the one the person talks to, or one that it has started.
//!
//! Believes the client's headers. Of clients that name no agents, a sub-agent of Claude Code is known by its instructions, and its id
//! is derived from its task.

use lockgate_core::Conversation;
use serde::{Deserialize, Serialize};

use crate::bound::id;
use crate::client::ClientKind;
use crate::derive::derived;
use crate::facts::Facts;
use crate::history::History;
use crate::ids::{SessionId, codex_metadata, text_member};
use crate::wrappers::text_of;

/// An agent of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agent {
    /// The one that the person talks to.
    Main,
    /// One that another agent has started.
    Sub {
        /// Its id, unique in its session.
        id: String,
        /// What kind of agent it is, as the client calls it.
        kind: Option<String>,
        /// Who has started it: an agent, or for clients that give each agent a session of its own, that session. `None` = the main
        /// agent, or not told.
        parent: Option<String>,
    },
}

impl Agent {
    /// The sub-agent's id; `None` for the main agent.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Main => None,
            Self::Sub { id, .. } => Some(id),
        }
    }

    /// Who has started it.
    pub fn parent(&self) -> Option<&str> {
        match self {
            Self::Main => None,
            Self::Sub { parent, .. } => parent.as_deref(),
        }
    }
}

/// How the instructions of Claude Code's sub-agents begin.
const SUB_AGENTS: [&str; 3] = [
    "You are an agent for Claude Code",
    "You are a file search specialist for Claude Code",
    "You are a software architect and planning specialist for Claude Code",
];

pub(crate) fn agent(
    facts: &Facts<'_>,
    client: ClientKind,
    session: &SessionId,
    history: Option<&History<'_>>,
) -> Agent {
    let header = |name| facts.headers.header(name).and_then(id);
    if let Some(own) = header("x-claude-code-agent-id") {
        let kind = header("x-claude-code-agent-type");
        return Agent::Sub { id: own, kind, parent: header("x-claude-code-parent-agent-id") };
    }
    if let Some(own) = header("x-lockgate-agent") {
        return Agent::Sub { id: own, kind: None, parent: None };
    }
    let session = session.value.as_deref();
    if let (Some(parent), Some(own)) = (header("x-parent-session-id"), session) {
        // A session of its own, of which the one it belongs to is known.
        return Agent::Sub { id: own.to_owned(), kind: None, parent: Some(parent) };
    }
    if client == ClientKind::Codex {
        return codex(facts, session);
    }
    let (Some(conversation), Some(history)) = (facts.conversation, history) else { return Agent::Main };
    if client == ClientKind::ClaudeCode && has_task(conversation) {
        return Agent::Sub { id: derived(conversation, history, facts.key), kind: None, parent: None };
    }
    Agent::Main
}

/// Each agent of Codex has a thread; the first one is called as the session.
fn codex(facts: &Facts<'_>, session: Option<&str>) -> Agent {
    let header = |name| facts.headers.header(name).and_then(id);
    let told = codex_metadata(facts).unwrap_or_default();
    let kind = header("x-openai-subagent").or_else(|| text_member(&told, &["subagent_kind"]));
    let parent = header("x-codex-parent-thread-id").or_else(|| text_member(&told, &["parent_thread_id"]));
    let thread = header("thread-id").or_else(|| text_member(&told, &["thread_id"]));
    match thread {
        Some(thread) if Some(thread.as_str()) != session || kind.is_some() => {
            Agent::Sub { id: thread, kind, parent: parent.filter(|parent| Some(parent.as_str()) != session) }
        }
        Some(_) | None => Agent::Main,
    }
}

fn has_task(conversation: &Conversation) -> bool {
    let mut texts = conversation.system.iter().take(4).filter_map(text_of);
    texts.any(|text| SUB_AGENTS.iter().any(|begins| text.starts_with(begins)))
}
