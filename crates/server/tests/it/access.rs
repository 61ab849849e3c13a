//! Who may call, and with whose credential.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockgate_core::Secret;
use lockgate_engine::Grant;
use lockgate_providers::ModelGlob;
use lockgate_server::{Access, KeyRing};

use crate::app::{App, GATEWAY_KEY};
use crate::client::Call;
use crate::front::{Front, Layout};

/// Access by one key.
pub(crate) fn keyed(key: &str, grant: Grant) -> Access {
    let mut ring = KeyRing::new();
    ring.insert(*blake3::hash(key.as_bytes()).as_bytes(), Arc::new(grant));
    Access::new(ring)
}

fn call() -> Call {
    Front::Chat.call("openai:gpt-x", Layout::Whole)
}

/// Requirement L1: without keys only programs on this machine may call.
#[tokio::test]
async fn without_keys_a_web_page_and_a_foreign_host_name_are_refused_and_nothing_goes_upstream() {
    let app = App::start("rules: []").await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("host", "evil.example"),
        ("host", "localhost.evil.example:8484"),
    ] {
        let reply = app.send(&call().header(name, value)).await;
        assert_eq!(reply.status, 403, "{name}: {value}");
        assert!(reply.json()["error"]["message"].as_str().unwrap().contains("without keys"));
    }
    assert!(app.upstream.requests().is_empty());
    for (name, value) in [("origin", "http://localhost:3000"), ("host", "[::1]:8484"), ("host", "localhost")]
    {
        assert_eq!(app.send(&call().header(name, value)).await.status, 200, "{name}: {value}");
    }
}

/// Requirements L2 and L3: a key may bring its own credential for a provider, and none but its models.
#[tokio::test]
async fn a_key_has_its_own_credential_and_only_its_models() {
    let grant = Grant {
        credentials: BTreeMap::from([("openai".to_owned(), Secret::new("sk-of-team"))]),
        models: vec![ModelGlob::new("gpt-*"), ModelGlob::new("claude-a")],
        name: "team".into(),
    };
    let app = App::with("rules: []", |setup| setup.access = keyed("lg-team", grant)).await;
    for (header, value) in [
        ("x-api-key", "lg-team"),
        ("authorization", "Bearer lg-team"),
        ("x-goog-api-key", "lg-team"),
        ("api-key", "lg-team"),
    ] {
        app.upstream.clear();
        let reply = app.send(&call().header(header, value)).await;
        assert_eq!(reply.status, 200, "{header} {reply:?}");
        assert_eq!(app.seen().header("authorization"), Some("Bearer sk-of-team"));
        assert!(!format!("{:?}", app.seen().headers).contains("lg-team"));
    }
    assert_eq!(app.reported()[0].caller.as_deref(), Some("team"));
    app.upstream.clear();
    let claude = |model: &str| Front::Anthropic.call(model, Layout::Whole).header("x-api-key", "lg-team");
    let reply = app.send(&claude("anthropic:claude-b")).await;
    assert_eq!(
        (reply.status, &reply.json()["error"]["type"]),
        (403, &"permission_error".into()),
        "{reply:?}"
    );
    assert!(app.upstream.requests().is_empty());
    assert_eq!(app.send(&claude("anthropic:claude-a")).await.status, 200);
    assert_eq!(app.seen().header("x-api-key"), Some(GATEWAY_KEY));
}

/// A stranger's provider credential is good for the provider whose dialect it came in, and opens nothing of ours.
#[tokio::test]
async fn a_credential_of_a_stranger_opens_neither_our_keys_nor_local_models() {
    let app = App::with("rules: []", |setup| setup.access = keyed("lg-team", Grant::default())).await;
    let own =
        |front: Front, model: &str| front.call(model, Layout::Whole).header("authorization", "Bearer sk-own");
    assert_eq!(app.send(&own(Front::Chat, "openai:gpt-x")).await.status, 200);
    assert_eq!(app.seen().header("authorization"), Some("Bearer sk-own"));
    app.upstream.clear();
    for (front, model) in
        [(Front::Chat, "anthropic:claude-x"), (Front::Chat, "ollama:qwen"), (Front::Anthropic, "other:m")]
    {
        let reply = app.send(&own(front, model)).await;
        assert_eq!(reply.status, 401, "{model} {reply:?}");
    }
    assert!(app.upstream.requests().is_empty());
}
