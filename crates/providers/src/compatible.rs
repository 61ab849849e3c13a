//! Any server that speaks OpenAI Chat Completions: the presets (groq, together, deepseek, mistral, xai, fireworks,
//! cerebras, lm-studio) and whatever the configuration names.
//!
//! Quirks: a row of the table below for each preset, from its own documentation or client library (November 2026);
//! the first row is what every such server copes with. Models of DeepSeek and Kimi refuse a tool loop without their
//! thoughts; at servers that are no preset they are known by their names.

use http::HeaderMap;
use lockgate_core::{Dialect, Failure};
use lockgate_wire::Quirks;

use crate::address::Address;
use crate::{Ask, Credential, Endpoint, Kind, OpenError, Provider, Settings, llamacpp, openai, signing};

/// What a server of this family does not have, or has otherwise.
#[derive(Clone, Copy)]
struct Row {
    legacy_max_tokens: bool,
    no_openai_extras: bool,
    no_parallel_tools: bool,
    no_stream_options: bool,
    no_strict_tools: bool,
    reasoning_history: bool,
    system_role: bool,
    tool_id_alnum9: bool,
}

/// A server that nothing is known about: the oldest names, and none of OpenAI's own extras.
const UNKNOWN: Row = Row {
    legacy_max_tokens: true,
    no_openai_extras: true,
    no_parallel_tools: false,
    no_stream_options: false,
    no_strict_tools: false,
    reasoning_history: false,
    system_role: true,
    tool_id_alnum9: false,
};

/// By id of the preset.
const ROWS: [(&str, Row); 8] = [
    // cerebras_cloud_sdk 1.91: `max_tokens` is deprecated; neither `store` nor `metadata`. Its docs: no developer role.
    ("cerebras", Row { legacy_max_tokens: false, ..UNKNOWN }),
    // Its reference: no `parallel_tool_calls`; `strict` only at the beta address. Its guide to thinking: where tools were
    // called, `reasoning_content` must come back in all later requests (status 400 else); elsewhere it is ignored.
    ("deepseek", Row { no_parallel_tools: true, no_strict_tools: true, reasoning_history: true, ..UNKNOWN }),
    // Its reference names `max_tokens` and no extras.
    ("fireworks", UNKNOWN),
    // groq 1.7: `max_tokens` is deprecated, `store` and `metadata` are "not currently supported". Usage of a stream
    // comes only when asked for.
    ("groq", Row { legacy_max_tokens: false, ..UNKNOWN }),
    // Its docs list the parameters it reads; what is not among them is ignored.
    ("lm-studio", Row { no_parallel_tools: true, no_strict_tools: true, ..UNKNOWN }),
    // mistralai 3.7: no `stream_options` (usage always comes). Ids of tool calls are nine letters or digits.
    ("mistral", Row { no_stream_options: true, tool_id_alnum9: true, ..UNKNOWN }),
    // together 3.1: neither `parallel_tool_calls` nor `strict` on tools.
    ("together", Row { no_parallel_tools: true, no_strict_tools: true, ..UNKNOWN }),
    // Its reference: `max_tokens` is deprecated; `metadata` and `service_tier` are not supported.
    ("xai", Row { legacy_max_tokens: false, ..UNKNOWN }),
];

/// A server that speaks Chat Completions.
pub(crate) struct Compatible {
    address: Address,
    /// `None` for a server that is no preset.
    row: Option<Row>,
}

impl Compatible {
    pub(crate) fn open(id: &str, settings: &Settings) -> Result<Self, OpenError> {
        let address = Address::of(id, Kind::OpenaiCompatible, settings)?;
        let row = ROWS.iter().find(|(preset, _)| *preset == id).map(|(_, row)| *row);
        Ok(Self { address, row })
    }
}

impl Provider for Compatible {
    fn dialects(&self) -> &'static [Dialect] {
        &[Dialect::Chat]
    }

    fn endpoint(&self, ask: &Ask<'_>) -> Result<Endpoint, Failure> {
        openai::endpoint(&self.address, ask)
    }

    fn sign(&self, credential: &Credential, _ask: &Ask<'_>, headers: &mut HeaderMap) -> Result<(), Failure> {
        signing::bearer(credential, headers)
    }

    fn quirks(&self, model: &str, _need: u64) -> Quirks {
        let row = self.row.unwrap_or(Row { reasoning_history: wants_thoughts(model), ..UNKNOWN });
        Quirks {
            legacy_max_tokens: row.legacy_max_tokens,
            no_openai_extras: row.no_openai_extras,
            no_parallel_tools: row.no_parallel_tools,
            no_stream_options: row.no_stream_options,
            no_strict_tools: row.no_strict_tools,
            reasoning_history: row.reasoning_history,
            system_role: row.system_role,
            tool_id_alnum9: row.tool_id_alnum9,
            ..Quirks::default()
        }
    }

    /// Many of these servers are llama.cpp under another name.
    fn is_final(&self, failure: &Failure) -> bool {
        llamacpp::is_final(failure)
    }
}

/// Whether a model of this name refuses a call of tools in its history without the thoughts before it (Moonshot:
/// "`reasoning_content` is missing in assistant tool call message").
fn wants_thoughts(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
    name.starts_with("deepseek") || name.starts_with("kimi")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PRESETS;

    #[test]
    fn thoughts_go_back_to_the_makers_of_deepseek_and_kimi_and_to_nobody_else() {
        let asked = |id: &str, model: &str| {
            let settings = serde_json::from_str(r#"{"base_url": "https://h/v1"}"#).unwrap();
            Compatible::open(id, &settings).unwrap().quirks(model, 0).reasoning_history
        };
        assert!(asked("deepseek", "whatever"));
        assert!(asked("moonshot", "kimi-k2.6") && asked("work", "deepseek-ai/DeepSeek-V4"));
        assert!(!asked("work", "qwen3") && !asked("groq", "moonshotai/kimi-k2-instruct"));
    }

    #[test]
    fn every_preset_has_its_row_and_every_row_its_preset() {
        let presets: Vec<_> = PRESETS.iter().map(|preset| preset.id).collect();
        let rows: Vec<_> = ROWS.iter().map(|(id, _)| *id).collect();
        assert_eq!(rows, presets);
    }
}
