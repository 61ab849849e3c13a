//! Any server that speaks OpenAI Chat Completions: the presets (groq, together, deepseek, mistral, xai, fireworks,
//! cerebras, lm-studio) and whatever the configuration names.
//!
//! Quirks: a row of the table below for each preset, from its own documentation or client library (November 2026);
//! the first row is what every such server copes with. Models of DeepSeek and Kimi refuse a tool loop without their
//! thoughts; at servers that are no preset they are known by their names.

use http::HeaderMap;
use lockgate_core::{Dialect, Failure};
use lockgate_wire::{Quirks, Steering};

use crate::address::Address;
use crate::{
    Ask, Credential, Endpoint, Kind, OpenError, Provider, Settings, llamacpp, openai, openai_models, signing,
};

/// What a server of this family does not have, or has otherwise.
#[derive(Clone, Copy)]
struct Row {
    legacy_max_tokens: bool,
    no_openai_extras: bool,
    no_parallel_tools: bool,
    no_stream_options: bool,
    no_strict_tools: bool,
    reasoning: Reasoning,
    reasoning_history: bool,
    system_role: bool,
    tool_id_alnum9: bool,
}

/// Which models get a `reasoning_effort`. Servers of this family refuse it where the model has none.
#[derive(Clone, Copy)]
enum Reasoning {
    /// All: what a model does not know is ignored.
    All,
    /// Those of OpenAI by name, the open ones (gpt-oss) among them.
    Known,
    /// None.
    No,
    /// Some of xAI's.
    Xai,
}

/// Efforts of gpt-oss: its prompt format knows these three.
const OPEN_EFFORTS: &[&str] = &["low", "medium", "high"];

impl Reasoning {
    fn quirks(self, model: &str) -> Quirks {
        let name = model.rsplit('/').next().unwrap_or(model);
        let takes = |efforts| Quirks { efforts: Some(efforts), ..Quirks::default() };
        let none = || Quirks { no_reasoning: true, ..Quirks::default() };
        match self {
            Self::All => Quirks::default(),
            Self::Known if name.starts_with("gpt-oss") => takes(OPEN_EFFORTS),
            Self::Known => openai_models::known(name).unwrap_or_else(none),
            Self::Xai if name.starts_with("grok-3-mini") => takes(&["low", "high"]),
            Self::Xai if ["grok-4.3", "grok-4.5", "grok-4.6"].iter().any(|known| name.starts_with(known)) => {
                takes(OPEN_EFFORTS)
            }
            Self::No | Self::Xai => none(),
        }
    }
}

/// A server that nothing is known about: the oldest names, and none of OpenAI's own extras.
const UNKNOWN: Row = Row {
    legacy_max_tokens: true,
    no_openai_extras: true,
    no_parallel_tools: false,
    no_stream_options: false,
    no_strict_tools: false,
    reasoning: Reasoning::Known,
    reasoning_history: false,
    system_role: true,
    tool_id_alnum9: false,
};

/// By id of the preset.
const ROWS: [(&str, Row); 8] = [
    // cerebras_cloud_sdk 1.91: `max_tokens` is deprecated; neither `store` nor `metadata`. Its docs: no developer role.
    ("cerebras", Row { legacy_max_tokens: false, ..UNKNOWN }),
    // Its reference: no `parallel_tool_calls`; `strict` only at the beta address. Its guide to thinking: where tools were
    // called, `reasoning_content` must come back in all later requests (status 400 else); elsewhere it is ignored. Thinking is
    // a model there, not a parameter.
    (
        "deepseek",
        Row {
            no_parallel_tools: true,
            no_strict_tools: true,
            reasoning: Reasoning::No,
            reasoning_history: true,
            ..UNKNOWN
        },
    ),
    // Its reference names `max_tokens` and no extras.
    ("fireworks", UNKNOWN),
    // groq 1.7: `max_tokens` is deprecated, `store` and `metadata` are "not currently supported". Usage of a stream
    // comes only when asked for. Its docs on reasoning: an effort is refused but for gpt-oss (Qwen's knows other words).
    ("groq", Row { legacy_max_tokens: false, ..UNKNOWN }),
    // Its docs list the parameters it reads; what is not among them is ignored.
    (
        "lm-studio",
        Row { no_parallel_tools: true, no_strict_tools: true, reasoning: Reasoning::All, ..UNKNOWN },
    ),
    // mistralai 3.7: no `stream_options` (usage always comes). Ids of tool calls are nine letters or digits. Efforts are
    // `high` and `none` for few of its models, whose names do not tell.
    ("mistral", Row { no_stream_options: true, reasoning: Reasoning::No, tool_id_alnum9: true, ..UNKNOWN }),
    // together 3.1: neither `parallel_tool_calls` nor `strict` on tools.
    ("together", Row { no_parallel_tools: true, no_strict_tools: true, ..UNKNOWN }),
    // Its reference: `max_tokens` is deprecated; `metadata` and `service_tier` are not supported. An effort is refused
    // by grok-4 and others that reason as they see fit.
    ("xai", Row { legacy_max_tokens: false, reasoning: Reasoning::Xai, ..UNKNOWN }),
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
        let of_model = row.reasoning.quirks(model);
        Quirks {
            // The reasoning models of OpenAI refuse the old name wherever they are served.
            legacy_max_tokens: row.legacy_max_tokens && of_model.steering == Steering::Free,
            no_openai_extras: row.no_openai_extras,
            no_parallel_tools: row.no_parallel_tools,
            no_stream_options: row.no_stream_options,
            no_strict_tools: row.no_strict_tools,
            reasoning_history: row.reasoning_history,
            system_role: row.system_role,
            tool_id_alnum9: row.tool_id_alnum9,
            ..of_model
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
    fn an_effort_goes_only_to_models_that_have_one() {
        let quirks = |id: &str, model: &str| {
            ROWS.iter().find(|(row, _)| *row == id).map_or(UNKNOWN, |(_, row)| *row).reasoning.quirks(model)
        };
        for (id, model, takes) in [
            ("groq", "llama-3.3-70b-versatile", false),
            ("groq", "openai/gpt-oss-120b", true),
            ("groq", "qwen/qwen3-32b", false),
            ("own", "gpt-5", true),
            ("own", "gpt-4o", false),
            ("own", "my-model", false),
            ("lm-studio", "my-model", true),
            ("xai", "grok-4", false),
            ("xai", "grok-3-mini", true),
            ("deepseek", "deepseek-reasoner", false),
        ] {
            assert_eq!(!quirks(id, model).no_reasoning, takes, "{id} {model}");
        }
    }

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
