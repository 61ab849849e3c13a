//! Cursor: keeps its settings in a database of its own, so the steps are for a person.

use super::Connection;
use crate::gateway::{Credential, Gateway};

pub(super) fn connection(gateway: &Gateway) -> Connection {
    let key = match gateway.credential {
        Credential::Key(_) => "your Lockgate key",
        Credential::Own | Credential::Placeholder => "any text (this Lockgate asks for no key)",
    };
    Connection::Steps(vec![
        "Open Cursor Settings → Models → API Keys.".to_owned(),
        format!("OpenAI API Key: enter {key} and switch it on."),
        format!("Override OpenAI Base URL: {}", gateway.v1()),
        format!("Add model: {}; choose it in the chat.", gateway.model_or_auto()),
        "Cursor calls this address from its own servers: Lockgate needs an address they can reach (a tunnel or a \
         host with TLS) and must ask for a key. 127.0.0.1 does not work."
            .to_owned(),
    ])
}
