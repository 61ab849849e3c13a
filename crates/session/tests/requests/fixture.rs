//! Reads the requests in `fixtures/sessions` as the product does.

use std::fs;
use std::path::Path;

use lockgate_core::{Conversation, Dialect};
use lockgate_session::{Facts, Identity, Members, identify};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A request of a client.
#[derive(Debug, Deserialize)]
pub(crate) struct Fixture {
    pub(crate) body: Value,
    pub(crate) dialect: Dialect,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) path: String,
}

impl Fixture {
    /// Reads `fixtures/sessions/<name>.json`.
    pub(crate) fn load(name: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sessions");
        let text = fs::read_to_string(root.join(format!("{name}.json")))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The same request without anything by which the client names its session.
    pub(crate) fn nameless(mut self) -> Self {
        self.headers.retain(|(name, _)| name == "user-agent");
        for member in ["client_metadata", "metadata", "prompt_cache_key"] {
            self.body.as_object_mut().unwrap().remove(member);
        }
        self
    }

    /// The conversation in it.
    pub(crate) fn conversation(&self) -> Option<Conversation> {
        let body = serde_json::to_vec(&self.body).unwrap();
        lockgate_wire::format(self.dialect).messages.parse(&body).ok()
    }

    /// What it tells of itself.
    pub(crate) fn identity(&self) -> Identity {
        self.identity_of("ada")
    }

    /// The same, called with another key.
    pub(crate) fn identity_of(&self, key: &str) -> Identity {
        let body = serde_json::to_string(&self.body).unwrap();
        let members: std::collections::BTreeMap<String, &RawValue> = serde_json::from_str(&body).unwrap();
        let conversation = self.conversation();
        identify(&Facts {
            body: Members::read(|name| members.get(name).map(|value| value.get())),
            conversation: conversation.as_ref(),
            dialect: self.dialect,
            headers: &self.headers,
            key,
            path: &self.path,
        })
    }
}
