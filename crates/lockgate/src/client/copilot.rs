//! Copilot CLI: talks to another provider, without a GitHub login, when its provider variables are set.

use super::Launch;
use crate::gateway::Gateway;

pub(super) fn launch(gateway: &Gateway) -> Launch {
    Launch { program: "copilot", unset: vec!["COPILOT_PROVIDER_BEARER_TOKEN"], ..Launch::default() }
        .set("COPILOT_PROVIDER_TYPE", "openai")
        .set("COPILOT_PROVIDER_BASE_URL", gateway.v1())
        .set("COPILOT_PROVIDER_WIRE_API", "completions")
        .set_token("COPILOT_PROVIDER_API_KEY", gateway)
        .set("COPILOT_MODEL", gateway.model_or_auto())
        .set("COPILOT_OFFLINE", "true")
}
