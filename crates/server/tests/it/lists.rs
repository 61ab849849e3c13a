//! What lists of models say of them: capabilities and prices where they are known, under one name in every dialect.

use std::time::Duration;

use lockgate_engine::Grant;
use lockgate_providers::ModelGlob;
use serde_json::{Value, json};

use crate::app::{App, Setup};
use crate::client::Call;

const MODELS: &str =
    "models: [{id: 'qwen3:8b', context: 40960, capabilities: [completion, tools, thinking]}]";

fn team(setup: &mut Setup) {
    setup.only(&["ollama", "openai", "other"]);
    setup.provider("openai").models = vec!["gpt-4o".into(), "secret-model".into()];
    setup.provider("other").models = vec!["house".into()];
    for (name, target) in [("fast", "openai:gpt-4o"), ("think", "ollama:qwen3:8b"), ("lost", "anthropic:m")] {
        setup.options.aliases.insert(name.into(), target.into());
    }
    let models = ["gpt-4o", "qwen3:8b", "house", "fast", "think", "lost"].map(ModelGlob::new).to_vec();
    setup.access = crate::access::keyed("lg-k", Grant { models, ..Grant::default() });
}

/// The lists of all dialects: where the models are in them, and their name.
const LISTS: [(&str, &str, &str); 4] = [
    ("/v1/models", "data", "id"),
    ("/anthropic", "data", "id"),
    ("/v1beta/models", "models", "name"),
    ("/api/tags", "models", "name"),
];

async fn list(app: &App, (path, key, _): (&str, &str, &str)) -> Vec<Value> {
    let call = match path {
        "/anthropic" => Call::get("/v1/models?limit=1000").header("anthropic-version", "2023-06-01"),
        path => Call::get(path),
    };
    let reply = app.send(&call.header("x-api-key", "lg-k")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()[key].as_array().unwrap().clone()
}

fn find<'a>(models: &'a [Value], key: &str, id: &str) -> Option<&'a Value> {
    models.iter().find(|model| model[key].as_str().unwrap().trim_start_matches("models/") == id)
}

/// Requirement 004-9.
#[tokio::test]
async fn lists_tell_what_is_known_of_models_and_of_what_aliases_and_slots_stand_for() {
    let app = App::with(MODELS, team).await;
    app.engine.discover(Duration::from_secs(10)).await;
    let gpt = json!({
        "context_tokens": 128_000, "max_output_tokens": 16384, "tools": true, "vision": true,
        "usd_per_million_tokens": {"input": 2.5, "output": 10, "cache_read": 1.25},
    });
    let qwen = json!({"context_tokens": 40960, "thinking": true, "tools": true, "vision": false});
    let with = |mut known: Value, stands_for: &str| {
        known["stands_for"] = stands_for.into();
        known
    };
    for place in LISTS {
        let models = list(&app, place).await;
        let known = |id: &str| {
            let model = find(&models, place.2, id).unwrap_or_else(|| panic!("{place:?} {id} {models:?}"));
            model.get("lockgate").cloned()
        };
        assert_eq!(known("gpt-4o"), Some(gpt.clone()), "{place:?}");
        assert_eq!(known("fast"), Some(with(gpt.clone(), "openai:gpt-4o")), "{place:?}");
        assert_eq!(known("think"), Some(with(qwen.clone(), "ollama:qwen3:8b")), "{place:?}");
        // Nobody said anything about it.
        assert_eq!(known("house"), None, "{place:?}");
        for hidden in ["secret-model", "lost", "auto"] {
            assert_eq!(find(&models, place.2, hidden), None, "{place:?}");
        }
    }
    // Where a dialect has words of its own, they are used as well.
    let gemini = list(&app, LISTS[2]).await;
    let native = find(&gemini, "name", "think").unwrap();
    assert_eq!((&native["inputTokenLimit"], &native["thinking"]), (&json!(40960), &json!(true)));
    let ollama = list(&app, LISTS[3]).await;
    assert_eq!(
        find(&ollama, "name", "fast").unwrap()["capabilities"],
        json!(["completion", "tools", "vision"])
    );
    let shown = Call::post("/api/show", &json!({"model": "fast"})).header("x-api-key", "lg-k");
    assert_eq!(app.send(&shown).await.json()["lockgate"], gpt);
    let one = app.send(&Call::get("/v1/models/fast").header("x-api-key", "lg-k")).await.json();
    assert_eq!((&one["owned_by"], &one["lockgate"]["tools"]), (&json!("lockgate"), &json!(true)));
}
