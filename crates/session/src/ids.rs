//! Which session a call belongs to, and how that is known.
//!
//! What somebody says explicitly comes before what a client says by itself, and that before what can be derived from the
//! conversation. Ids are the client's own words: unique within a caller's key, not beyond.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bound::id;
use crate::client::ClientKind;
use crate::derive::derived;
use crate::facts::{Facts, HeaderLookup};
use crate::history::History;

/// A session, and how it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionId {
    /// How it is known.
    pub source: SessionSource,
    /// Its id. With [`SessionSource::None`] the one that the call's successors will have if it turns out to be the
    /// first call of a conversation; `None` where there is nothing to tell by.
    pub value: Option<String>,
}

/// How a session is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionSource {
    /// The client says so: its own headers, or its own members of the body.
    Client,
    /// Derived from how the conversation begins.
    Derived,
    /// Somebody said it with `x-session-id`.
    Explicit,
    /// Not at all: a single question without history and tools, or nothing that could be read.
    None,
}

impl SessionSource {
    /// The name used in records and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Derived => "derived",
            Self::Explicit => "explicit",
            Self::None => "none",
        }
    }
}

/// Headers by which clients name their session, each its own.
const HEADERS: [&str; 8] = [
    "x-claude-code-session-id",
    "x-session-affinity",
    "x-opencode-session",
    "session-id",
    "session_id",
    "thread-id",
    "conversation-id",
    "conversation_id",
];

/// The session that the headers of a call name; most calls say it there, and the rest takes a look at the body.
pub fn named(headers: &dyn HeaderLookup) -> Option<String> {
    let explicit = headers.header("x-session-id").and_then(id);
    explicit.or_else(|| HEADERS.iter().find_map(|name| headers.header(name).and_then(id)))
}

pub(crate) fn session(facts: &Facts<'_>, client: ClientKind, history: Option<&History<'_>>) -> SessionId {
    if let Some(value) = facts.headers.header("x-session-id").and_then(id) {
        let own = client == ClientKind::Opencode;
        let source = if own { SessionSource::Client } else { SessionSource::Explicit };
        return SessionId { source, value: Some(value) };
    }
    let by_header = || HEADERS.iter().find_map(|name| facts.headers.header(name).and_then(id));
    if let Some(value) = by_header().or_else(|| by_body(facts, client)) {
        return SessionId { source: SessionSource::Client, value: Some(value) };
    }
    let (Some(conversation), Some(history)) = (facts.conversation, history) else {
        return SessionId { source: SessionSource::None, value: None };
    };
    let value = derived(conversation, history, facts.key);
    let alone = !history.answered && history.human <= 1 && conversation.tools.is_empty();
    let source = if alone { SessionSource::None } else { SessionSource::Derived };
    SessionId { source, value: Some(value) }
}

fn by_body(facts: &Facts<'_>, client: ClientKind) -> Option<String> {
    let body = &facts.body;
    let metadata = || object(body.metadata?);
    let user = || {
        let own = metadata().and_then(|labels| labels.get("user_id")?.as_str().map(ToOwned::to_owned));
        own.or_else(|| facts.conversation?.user.clone())
    };
    let label = || text_member(&metadata()?, &["session_id", "conversation_id", "thread_id"]);
    let codex = || text_member(&object(body.client_metadata?)?, &["session_id", "thread_id"]);
    let conversation = || match serde_json::from_str(body.conversation?).ok()? {
        Value::String(text) => id(&text),
        Value::Object(object) => text_member(&object, &["id"]),
        _ => None,
    };
    user()
        .and_then(|user| of_user_id(&user))
        .or_else(codex)
        .or_else(|| text(body.session_id?).and_then(|text| id(&text)))
        .or_else(conversation)
        .or_else(label)
        .or_else(|| of_cache_key(facts, client))
}

/// Claude Code's `metadata.user_id`: JSON, or `user_…_account_…_session_…` before that.
fn of_user_id(user: &str) -> Option<String> {
    if user.starts_with('{') {
        return text_member(&object(user)?, &["session_id"]);
    }
    let (before, session) = user.rsplit_once("_session_")?;
    before.starts_with("user_").then(|| id(session)).flatten()
}

/// A key of a prompt cache names a session where it is one's own; applications share theirs among all their users.
fn of_cache_key(facts: &Facts<'_>, client: ClientKind) -> Option<String> {
    let given = facts.body.prompt_cache_key.and_then(text);
    let key = given.or_else(|| facts.conversation?.cache_key.clone()).and_then(|key| id(&key))?;
    let own = matches!(client, ClientKind::Codex | ClientKind::Opencode | ClientKind::Pi);
    (own || is_uuid(&key) || key.starts_with("ses_")).then_some(key)
}

pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// What Codex tells of a call beside the conversation.
pub(crate) fn codex_metadata(facts: &Facts<'_>) -> Option<Map<String, Value>> {
    const NAME: &str = "x-codex-turn-metadata";
    if let Some(own) = facts.headers.header(NAME).and_then(object) {
        return Some(own);
    }
    object(facts.body.client_metadata?)?.get(NAME)?.as_str().and_then(object)
}

/// Bytes of a member that are read at most.
const MEMBER: usize = 64 * 1024;

pub(crate) fn object(json: &str) -> Option<Map<String, Value>> {
    (json.len() <= MEMBER).then(|| serde_json::from_str(json).ok()).flatten()
}

fn text(json: &str) -> Option<String> {
    (json.len() <= MEMBER).then(|| serde_json::from_str(json).ok()).flatten()
}

/// The first of the members that is an id.
pub(crate) fn text_member(object: &Map<String, Value>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| object.get(*name)?.as_str().and_then(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_claude_codes_user_id_name_the_session() {
        let json =
            r#"{"device_id":"2f","account_uuid":"","session_id":"f265404d-b46e-46ae-a15d-f8112c799c9d"}"#;
        assert_eq!(of_user_id(json).as_deref(), Some("f265404d-b46e-46ae-a15d-f8112c799c9d"));
        let older = "user_0a1b_account_aaaa-bb_session_f265404d-b46e-46ae-a15d-f8112c799c9d";
        assert_eq!(of_user_id(older).as_deref(), Some("f265404d-b46e-46ae-a15d-f8112c799c9d"));
        for other in
            ["", "ada@example.com", "{", "{}", r#"{"session_id":7}"#, "my_session_1", "user_1_session_"]
        {
            assert_eq!(of_user_id(other), None, "{other}");
        }
        assert!(
            is_uuid("f265404d-b46e-46ae-a15d-f8112c799c9d")
                && !is_uuid("f265404d_b46e-46ae-a15d-f8112c799c9d")
        );
    }
}
