//! Qwen Code: an OpenAI-compatible client, configured by three variables and an authentication type.

use super::Launch;
use crate::gateway::Gateway;

pub(super) fn launch(gateway: &Gateway) -> Launch {
    Launch { program: "qwen", ..Launch::default() }
        .set("OPENAI_BASE_URL", gateway.v1())
        .set_token("OPENAI_API_KEY", gateway)
        .set("OPENAI_MODEL", gateway.model_or_auto())
        .arg("--auth-type", "openai")
}
