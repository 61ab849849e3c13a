//! The control API under `/_upstream/`, for tests in other languages: read and clear the record, replace the script.

use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::http::Incoming;
use crate::play::Response;
use crate::script::Script;
use crate::state::State;

pub(crate) fn answer(state: &State, request: &Incoming) -> Response {
    let path = request.target.split('?').next().unwrap_or_default();
    let show = |status: u16, body: &Value| Response::json(status, Dialect::Chat, body);
    match (request.method.as_str(), path) {
        ("GET", "/_upstream/requests") => {
            let all = state.records.all();
            let cost: u64 = all.iter().filter_map(|r| r.cost_nano_usd).sum();
            let shown: Vec<Value> = all.iter().map(crate::record::Recorded::to_json).collect();
            show(200, &json!({"requests": shown, "cost_nano_usd": cost}))
                .header("x-upstream-cost-nano-usd", cost.to_string())
        }
        ("DELETE", "/_upstream/requests") => {
            state.records.clear();
            show(200, &json!({"cleared": true}))
        }
        ("PUT", "/_upstream/script") => match Script::parse(&String::from_utf8_lossy(&request.body)) {
            Ok(mut script) => {
                script.base.clone_from(&state.script().base);
                let rules = script.rules.len();
                state.set_script(script);
                show(200, &json!({"rules": rules}))
            }
            Err(error) => show(400, &json!({"error": error.to_string()})),
        },
        ("GET", "/_upstream/health") => show(200, &json!({"status": "ok"})),
        _ => show(404, &json!({"error": "no such control endpoint"})),
    }
}
