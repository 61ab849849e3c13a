//! A request as it is asked about: its conversation, its members, who sent it.
//!
//! Gone through once for all of them. What is no JSON has none of it.

use lockgate_core::Conversation;
use lockgate_session::{Facts, Identity, Members, identify};
use lockgate_wire::{Document, Scan, format, scan};

use crate::entry::{Opened, Operation};

/// A request.
#[derive(Default)]
pub(super) struct Asked<'a> {
    body: &'a [u8],
    pub(super) conversation: Option<Conversation>,
    scan: Option<Scan>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(opened: &Opened, body: &'a [u8]) -> Self {
        let scan = scan(body, 512).ok();
        let format = format(opened.dialect);
        let conversation = match opened.operation {
            Operation::Generate => {
                let document = scan.as_ref().map_or_else(|| Document::new(body), |scan| scan.document(body));
                format.messages.parse_document(&document).ok()
            }
            Operation::CountTokens => format.tokens.and_then(|tokens| tokens.parse(body).ok()),
            Operation::Embed | Operation::Other => None,
        };
        Self { body, conversation, scan }
    }

    /// A member of the outermost object, as its JSON.
    fn member(&self, name: &str) -> Option<&'a str> {
        let value = self.scan.as_ref()?.find(self.body, name)?.value.clone();
        std::str::from_utf8(&self.body[value]).ok()
    }

    /// The model as the client named it.
    pub(super) fn model(&self) -> Option<String> {
        serde_json::from_str(self.member("model")?).ok()
    }

    pub(super) fn identity(&self, opened: &Opened) -> Identity {
        identify(&Facts {
            body: Members::read(|name| self.member(name)),
            conversation: self.conversation.as_ref(),
            dialect: opened.dialect,
            headers: &opened.headers,
            key: opened.key.as_deref().unwrap_or_default(),
            path: &opened.path,
        })
    }
}
