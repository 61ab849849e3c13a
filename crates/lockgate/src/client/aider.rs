//! aider: LiteLLM inside, so the model's prefix chooses the dialect; `openai/` speaks Chat Completions.

use super::Launch;
use crate::gateway::Gateway;

pub(super) fn launch(gateway: &Gateway) -> Launch {
    let launch = Launch {
        program: "aider",
        unset: vec!["OPENAI_BASE_URL", "AIDER_OPENAI_API_BASE"],
        ..Launch::default()
    };
    launch
        .set("OPENAI_API_BASE", gateway.v1())
        .set_token("OPENAI_API_KEY", gateway)
        .arg("--model", format!("openai/{}", gateway.model_or_auto()))
}
