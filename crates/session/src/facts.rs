//! What is known of one request: the input of [`crate::identify`].
//!
//! Headers, the few members of the body that name a session, and the conversation if it could be read. Holds nothing
//! of its own; never asked for credentials.

use std::fmt;

use lockgate_core::{Conversation, Dialect};

/// Finds a header by its name, which is given in lower case.
pub trait HeaderLookup {
    /// The first value of the header that is text.
    fn header(&self, name: &str) -> Option<&str>;
}

impl HeaderLookup for http::HeaderMap {
    fn header(&self, name: &str) -> Option<&str> {
        self.get(name)?.to_str().ok()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> HeaderLookup for Vec<(N, V)> {
    fn header(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| own.as_ref().eq_ignore_ascii_case(name)).map(|(_, value)| value.as_ref())
    }
}

/// One request, as far as it says who is calling.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// Members of the body that may name a session.
    pub body: Members<'a>,
    /// The conversation, if the body is one and could be read.
    pub conversation: Option<&'a Conversation>,
    /// The dialect that the client speaks.
    pub dialect: Dialect,
    /// The request's headers.
    pub headers: &'a dyn HeaderLookup,
    /// The name of the caller's key: derived sessions of different callers are different.
    pub key: &'a str,
    /// The path of the request, with or without its query.
    pub path: &'a str,
}

impl fmt::Debug for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Facts")
            .field("dialect", &self.dialect)
            .field("key", &self.key)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Members of a body that may name a session, each as its JSON text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Members<'a> {
    /// `client_metadata` (Codex).
    pub client_metadata: Option<&'a str>,
    /// `conversation` (Responses): an id, or an object with one.
    pub conversation: Option<&'a str>,
    /// `metadata`: `user_id` of Claude Code, labels elsewhere.
    pub metadata: Option<&'a str>,
    /// `prompt_cache_key`.
    pub prompt_cache_key: Option<&'a str>,
    /// `session_id` (OpenRouter).
    pub session_id: Option<&'a str>,
}

impl<'a> Members<'a> {
    /// Asks for each of the members by its name.
    pub fn read(mut member: impl FnMut(&str) -> Option<&'a str>) -> Self {
        Self {
            client_metadata: member("client_metadata"),
            conversation: member("conversation"),
            metadata: member("metadata"),
            prompt_cache_key: member("prompt_cache_key"),
            session_id: member("session_id"),
        }
    }
}
