//! Tool calls that only one dialect has and that the client runs on its own machine, such as `local_shell` of Responses: they are judged
//! like every other. Calls that the provider runs itself are none.

use lockgate_core::content::{Opaque, ToolCall, ToolKind};

/// What their dialect calls them.
const KINDS: [&str; 5] =
    ["apply_patch_call", "computer_call", "local_shell_call", "mcp_approval_request", "shell_call"];

/// Whether a block is one.
pub(crate) fn is(block: &Opaque) -> bool {
    KINDS.contains(&block.kind.as_str())
}

/// The block as a call: its arguments are all of it.
pub(crate) fn call(block: &Opaque) -> ToolCall {
    ToolCall {
        arguments: block.raw.get().to_owned(),
        id: id_of(block.raw.get()),
        kind: ToolKind::Custom,
        name: block.kind.trim_end_matches("_call").to_owned(),
        namespace: None,
        seal: None,
    }
}

fn id_of(raw: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Named {
        call_id: Option<String>,
        id: Option<String>,
    }
    serde_json::from_str::<Named>(raw).ok().and_then(|named| named.call_id.or(named.id)).unwrap_or_default()
}
