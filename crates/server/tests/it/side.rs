//! The endpoints beside generation: lists of models, token counts, embeddings, and what is passed through.

use std::time::Duration;

use lockgate_engine::{Grant, Outcome};
use lockgate_providers::{ModelGlob, Settings};
use serde_json::{Value, json};

use crate::app::App;
use crate::client::Call;
use crate::front::{Front, Layout};

fn ids(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|model| model[key].as_str().unwrap().to_owned()).collect()
}

const MODELS: &str = "models: [{id: claude-x}, {id: gpt-x}]";

async fn listing(grant: Option<Grant>) -> App {
    let app = App::with(MODELS, |setup| {
        setup.only(&["anthropic", "ollama", "openai"]);
        setup.provider("openai").models = vec!["house".into()];
        setup.options.aliases.insert("fast".into(), "openai:gpt-x".into());
        if let Some(grant) = grant {
            setup.access = crate::access::keyed("lg-team", grant);
        }
    })
    .await;
    app.engine.discover(Duration::from_secs(10)).await;
    app
}

/// Requirement 004-9.
#[tokio::test]
async fn models_are_listed_in_the_form_of_each_dialect() {
    let app = listing(None).await;
    let openai = app.send(&Call::get("/v1/models")).await.json();
    assert_eq!(openai["object"], "list");
    let names = ids(&openai["data"], "id");
    for name in ["house", "fast", "anthropic:claude-x", "openai:gpt-x"] {
        assert!(names.contains(&name.to_owned()), "{name} {names:?}");
    }
    let anthropic = app.send(&Call::get("/v1/models").header("anthropic-version", "2023-06-01")).await.json();
    assert_eq!((ids(&anthropic["data"], "id"), &anthropic["has_more"]), (names.clone(), &json!(false)));
    assert!(anthropic["data"][0]["display_name"].is_string() && anthropic["data"][0]["type"] == "model");
    let gemini = app.send(&Call::get("/v1beta/models")).await.json();
    assert!(ids(&gemini["models"], "name").contains(&"models/house".to_owned()), "{gemini}");
    let ollama = app.send(&Call::get("/api/tags")).await.json();
    assert!(ids(&ollama["models"], "name").contains(&"house".to_owned()), "{ollama}");
    assert_eq!(app.send(&Call::get("/v1/models/house")).await.json()["id"], "house");
    assert_eq!(app.send(&Call::get("/v1/models/nobody")).await.status, 404);
    assert!(app.send(&Call::get("/api/version")).await.json()["version"].is_string());
}

/// Requirement 004-M10.
#[tokio::test]
async fn the_list_has_the_models_of_every_provider_under_names_that_reach_them() {
    let app = App::start(MODELS).await;
    app.engine.discover(Duration::from_secs(10)).await;
    let list = app.send(&Call::get("/v1/models")).await.json();
    let names = ids(&list["data"], "id");
    for provider in ["anthropic", "gemini", "ollama", "openai", "openrouter", "other"] {
        for model in ["claude-x", "gpt-x"] {
            let name = format!("{provider}:{model}");
            assert!(names.contains(&name), "{name} {names:?}");
            app.upstream.clear();
            let reply = app.send(&Front::Chat.call(&name, Layout::Whole)).await;
            assert_eq!((reply.status, reply.header("x-provider")), (200, Some(provider)), "{name} {reply:?}");
            assert!(app.seen().json()["model"] == model || app.seen().path().contains(model), "{name}");
        }
    }
}

/// Requirement 004-9.
#[tokio::test]
async fn a_key_sees_only_the_models_it_may_call() {
    let grant =
        Grant { models: vec![ModelGlob::new("openai:gpt-*"), ModelGlob::new("house")], ..Grant::default() };
    let app = listing(Some(grant)).await;
    for path in ["/v1/models", "/v1beta/models", "/api/tags"] {
        let text = app.send(&Call::get(path).header("x-api-key", "lg-team")).await.text();
        assert!(text.contains("house") && text.contains("openai:gpt-x"), "{path} {text}");
        assert!(!text.contains("claude") && !text.contains("fast"), "{path} {text}");
        assert_eq!(app.send(&Call::get(path)).await.status, 401);
    }
}

#[tokio::test]
async fn tokens_are_counted_by_the_provider_or_estimated_and_marked() {
    let app = App::start("rules: []").await;
    let body = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": "How many are these?"}]});
    let count = |model: &str| Call::post("/v1/messages/count_tokens", &body(model));
    let reply = app.send(&count("anthropic:claude-x")).await;
    assert_eq!(
        (app.seen().path(), reply.header("x-lockgate-estimated")),
        ("/v1/messages/count_tokens", None)
    );
    assert!(reply.json()["input_tokens"].as_u64().unwrap() > 0);
    app.upstream.clear();
    let reply = app.send(&count("gemini:gemini-x")).await;
    assert_eq!(app.seen().path(), "/v1beta/models/gemini-x:countTokens");
    assert!(reply.json()["input_tokens"].as_u64().unwrap() > 0);
    app.upstream.clear();
    let reply = app.send(&count("ollama:qwen")).await;
    assert_eq!(reply.header("x-lockgate-estimated"), Some("input_tokens"));
    assert!(reply.json()["input_tokens"].as_u64().unwrap() > 0 && app.upstream.requests().is_empty());
}

/// "Forwarded, or estimated": a server that has no such endpoint is no reason for an error.
#[tokio::test]
async fn where_a_server_cannot_count_the_estimate_is_given_and_marked() {
    for status in [404, 405, 501] {
        let app = App::start(&format!(
            "rules: [{{when: {{path: '*'}}, raw: {{status: {status}, headers: {{content-type: application/json}}, body: '{{}}'}}}}]"
        ))
        .await;
        for model in ["anthropic:claude-x", "openai:gpt-5", "gemini:gemini-x"] {
            let body = json!({"model": model, "messages": [{"role": "user", "content": "How many?"}]});
            let reply = app.send(&Call::post("/v1/messages/count_tokens", &body)).await;
            assert_eq!(reply.status, 200, "{status} {model} {reply:?}");
            assert_eq!(reply.header("x-lockgate-estimated"), Some("input_tokens"), "{status} {model}");
            assert!(reply.json()["input_tokens"].as_u64().unwrap() > 0);
        }
    }
    let app = App::start(
        "rules: [{when: {path: '*'}, raw: {status: 404, body: '{\"type\":\"error\",\"error\":{\"type\":\"not_found_error\",\"message\":\"model: claude-x\"}}'}}]",
    )
    .await;
    let body = json!({"model": "anthropic:claude-x", "messages": [{"role": "user", "content": "How many?"}]});
    assert_eq!(app.send(&Call::post("/v1/messages/count_tokens", &body)).await.status, 404);
}

#[tokio::test]
async fn embeddings_are_made_in_each_dialect_by_each_provider_that_makes_them() {
    let app = App::start("rules: []").await;
    for provider in ["openai", "gemini", "ollama", "other"] {
        let model = format!("{provider}:embedder");
        let reply =
            app.send(&Call::post("/v1/embeddings", &json!({"model": model, "input": ["a", "b"]}))).await;
        let body = reply.json();
        assert_eq!(body["data"].as_array().map(Vec::len), Some(2), "{provider} {body}");
        assert!(body["data"][1]["embedding"][0].is_number() && body["data"][1]["index"] == 1);
        let reply = app.send(&Call::post("/api/embed", &json!({"model": model, "input": ["a", "b"]}))).await;
        assert_eq!(reply.json()["embeddings"].as_array().map(Vec::len), Some(2), "{provider} {reply:?}");
        let path = format!("/v1beta/models/{model}:embedContent");
        let reply = app.send(&Call::post(&path, &json!({"content": {"parts": [{"text": "a"}]}}))).await;
        assert!(reply.json()["embedding"]["values"][0].is_number(), "{provider} {reply:?}");
    }
    let reply = app.send(&Call::post("/v1/embeddings", &json!({"model": "anthropic:m", "input": "a"}))).await;
    assert_eq!(reply.status, 404);
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn endpoints_nobody_models_pass_untouched_to_the_owner_of_the_dialect() {
    let script = "rules: [{when: {path: '*'}, raw: {status: 207, headers: {content-type: application/x-odd, x-kept: '1'}, body: 'odd  bytes'}}]";
    let app = App::start(script).await;
    let anthropic =
        |call: Call| call.header("anthropic-version", "2023-06-01").header("anthropic-beta", "files-api");
    let batch = "{ \"requests\":[ ] }";
    let mut deletes = Call::get("/v1/files/file_1");
    deletes.method = "DELETE".into();
    for (call, path, header) in [
        (
            anthropic(Call::get("/v1/files?limit=3&after_id=a%20b")),
            "/v1/files?limit=3&after_id=a%20b",
            "x-api-key",
        ),
        (anthropic(deletes.clone()), "/v1/files/file_1", "x-api-key"),
        (Call::bytes("/v1/messages/batches", batch), "/v1/messages/batches", "x-api-key"),
        (Call::get("/v1/files"), "/v1/files", "authorization"),
        (Call::bytes("/v1/images/generations", batch), "/v1/images/generations", "authorization"),
        (Call::get("/v1beta/cachedContents"), "/v1beta/cachedContents", "x-goog-api-key"),
    ] {
        app.upstream.clear();
        let reply = app.send(&call).await;
        let seen = app.seen();
        assert_eq!((seen.method.as_str(), seen.target.as_str()), (call.method.as_str(), path));
        assert_eq!(seen.body, call.body);
        assert!(seen.header(header).unwrap().ends_with(crate::app::GATEWAY_KEY), "{path}");
        assert_eq!((reply.status, reply.text().as_str()), (207, "odd  bytes"));
        assert_eq!(
            (reply.header("content-type"), reply.header("x-kept")),
            (Some("application/x-odd"), Some("1"))
        );
    }
    assert_eq!(app.send(&Call::get("/nowhere")).await.status, 404);
    assert_eq!(app.send(&Call::get("/v1/messages")).await.status, 405);
}

/// Requirement 004-32: a context is allocated for what a picture means to a model, not for its bytes.
#[tokio::test]
async fn a_picture_of_megabytes_does_not_ask_for_a_context_of_its_bytes() {
    let app = App::start("validate: false").await;
    let picture = format!("iVBORw0KGgo{}", "Ab1+".repeat(500_000));
    let mut body = Front::Anthropic.body("ollama:llava", Layout::Whole);
    body["messages"][0]["content"] = json!([
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": picture}},
        {"type": "text", "text": "what?"}]);
    app.send(&Call::post("/v1/messages", &body)).await;
    assert_eq!(app.seen().json()["options"]["num_ctx"], 4096);
}

#[tokio::test]
async fn what_ollama_servers_have_loaded_is_one_list_without_what_the_key_may_not_call() {
    let script = "models: [{id: 'qwen3:8b', loaded: true}, {id: 'llava:7b', loaded: true}, {id: 'cold:1b'}]";
    let names = |reply: &crate::client::Reply| ids(&reply.json()["models"], "name");
    let app = App::start(script).await;
    assert_eq!(names(&app.send(&Call::get("/api/ps")).await), ["qwen3:8b", "llava:7b"]);
    assert_eq!(app.seen().path(), "/api/ps");

    let twice = App::with(script, |setup| {
        let again = setup.provider("ollama").clone();
        setup.options.providers.insert("second".into(), again.clone());
        let dead = "http://127.0.0.1:1".parse().unwrap();
        setup.options.providers.insert("third".into(), Settings { base_url: Some(dead), ..again });
        let models = vec![ModelGlob::new("second:qwen*")];
        setup.access = crate::access::keyed("lg-k", Grant { models, ..Grant::default() });
    })
    .await;
    assert_eq!(names(&twice.send(&Call::get("/api/ps").header("x-api-key", "lg-k")).await), ["qwen3:8b"]);
    assert_eq!(twice.upstream.requests().len(), 2);

    let none = App::with(script, |setup| setup.only(&["openai"])).await;
    assert_eq!(none.send(&Call::get("/api/ps")).await.text(), "{\"models\":[]}");
}

/// Requirement 004-1: what an endpoint that is not modelled streams is handed on as it comes, and bounded by silence, not by its whole time.
#[tokio::test]
async fn a_stream_of_an_endpoint_that_is_not_modelled_arrives_as_it_comes() {
    for (path, kind, begins) in [
        ("/v1/completions", "text/event-stream", "data: {\"error\":"),
        ("/api/pull", "application/x-ndjson", "{\"error\":"),
    ] {
        let script = format!(
            "rules: [{{when: {{path: '{path}'}}, raw: {{headers: {{content-type: {kind}}}, body: 'first second'}}, chaos: {{split_bytes: 6, split_delay_ms: 60000}}}}]\nvalidate: false"
        );
        let app = App::with(&script, |setup| setup.each(|settings| settings.timeouts.idle_ms = 300)).await;
        let reply = app.send(&Call::post(path, &json!({"model": "m", "stream": true}))).await;
        let text = reply.text();
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{text}");
        let behind = text.strip_prefix("first ").unwrap_or_else(|| panic!("{path}: {text}"));
        assert!(behind.starts_with(begins) && behind.contains("idle_ms"), "{path}: {text}");
        let report = app.reported().pop().unwrap();
        assert!(matches!(report.outcome, Outcome::Failed(_)) && report.ttft.is_some(), "{path}: {report:?}");
    }
}

/// Requirement N3: a provider that is busy for a moment is asked once more, also for what is no generation.
#[tokio::test]
async fn embeddings_and_token_counts_are_tried_again() {
    for (path, body) in [
        ("/v1/embeddings", json!({"model": "openai:m", "input": "x"})),
        (
            "/v1/messages/count_tokens",
            json!({"model": "anthropic:m", "messages": [{"role": "user", "content": "x"}]}),
        ),
    ] {
        let app =
            App::start(&format!("rules: [{{when: {{path: '{path}'}}, times: 1, error: {{status: 529}}}}]"))
                .await;
        let reply = app.send(&Call::post(path, &body).header("anthropic-version", "2023-06-01")).await;
        assert_eq!((reply.status, app.upstream.requests().len()), (200, 2), "{path}: {}", reply.text());
        let app = App::start(&format!("rules: [{{when: {{path: '{path}'}}, error: {{status: 400}}}}]")).await;
        let reply = app.send(&Call::post(path, &body).header("anthropic-version", "2023-06-01")).await;
        assert_eq!((reply.status, app.upstream.requests().len()), (400, 1), "{path}: {}", reply.text());
    }
}

/// What only reads is asked for again like a call; what may change something only where the provider did not take it.
#[tokio::test]
async fn endpoints_that_are_passed_on_are_tried_again_where_that_does_nothing_twice() {
    let post = || Call::bytes("/v1/images/generations", "{}");
    for (call, status, requests) in [
        (Call::get("/v1/files"), "500", 2),
        (Call::get("/v1/files"), "404", 1),
        (post(), "429", 2),
        (post(), "503, retry_after: '0'", 2),
        (post(), "503", 1),
        (post(), "500", 1),
    ] {
        let script = format!(
            "rules: [{{when: {{path: '*'}}, sequence: [{{error: {{status: {status}}}}}, {{raw: {{body: '{{}}'}}}}]}}]"
        );
        let status: u16 = status[..3].parse().unwrap();
        let app = App::start(&script).await;
        let reply = app.send(&call).await;
        let expected = if requests == 2 { 200 } else { status };
        assert_eq!(
            (reply.status, app.upstream.requests().len()),
            (expected, requests),
            "{} {status} {reply:?}",
            call.path
        );
        assert!(app.upstream.requests().iter().all(|seen| seen.body == call.body));
    }
    let app = App::start("rules: [{when: {path: '*'}, chaos: {refused: true}}]").await;
    assert_eq!((app.send(&post()).await.status, app.upstream.requests().len()), (502, 1));
    app.upstream.clear();
    assert_eq!((app.send(&Call::get("/v1/files")).await.status, app.upstream.requests().len()), (502, 2));
}
