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
    ring.insert(*blake3::hash(key.as_bytes()).as_bytes(), Arc::new(grant).into());
    Access::new(ring)
}

/// Access by several keys, each named like itself.
pub(crate) fn keyed_all(keys: &[&str]) -> Access {
    let grant = |key: &&str| Arc::new(Grant { name: (*key).to_owned(), ..Grant::default() }).into();
    Access::new(keys.iter().map(|key| (*blake3::hash(key.as_bytes()).as_bytes(), grant(key))).collect())
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
        ..Grant::default()
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

/// Behaviour 4, requirement L1: what stands where only keys of this gateway belong is never anybody else's.
#[tokio::test]
async fn a_wrong_key_in_our_own_header_is_401_in_every_dialect_and_never_leaves() {
    let app = App::with("rules: []", |setup| setup.access = keyed("old-secret", Grant::default())).await;
    for front in crate::front::FRONTS {
        for key in ["my-old-gateway-secret", "lg-unknown"] {
            let call = front.call(&format!("{}:m", front.provider()), Layout::Whole);
            let reply = app.send(&call.header("x-lockgate-key", key).header("x-api-key", "sk-own")).await;
            assert_eq!(reply.status, 401, "{front:?} {reply:?}");
            assert!(reply.text().contains("not known") && !reply.text().contains(key), "{front:?} {reply:?}");
        }
    }
    assert!(app.upstream.requests().is_empty());
    let keyless = App::start("rules: []").await;
    assert_eq!(keyless.send(&call().header("x-lockgate-key", "my-old-gateway-secret")).await.status, 200);
    assert_eq!(keyless.seen().header("authorization"), Some("Bearer sk-gateway"));
    assert!(!format!("{:?}", keyless.seen().headers).contains("my-old-gateway-secret"));
}

/// Behaviour 5: an Anthropic key is for Anthropic, whatever dialect the call is in.
#[tokio::test]
async fn the_callers_anthropic_key_goes_to_anthropic_and_to_nobody_else() {
    let app = App::start("rules: []").await;
    for front in [Front::Anthropic, Front::Chat] {
        for (provider, carries) in [
            ("anthropic", "sk-ant-mine"),
            ("openai", GATEWAY_KEY),
            ("other", GATEWAY_KEY),
            ("gemini", GATEWAY_KEY),
        ] {
            app.upstream.clear();
            let call = front.call(&format!("{provider}:m"), Layout::Whole);
            let reply = app.send(&call.header("x-anthropic-api-key", "sk-ant-mine")).await;
            assert_eq!(reply.status, 200, "{front:?} {provider} {reply:?}");
            let sent = format!("{:?}", app.seen().headers);
            assert!(sent.contains(carries), "{front:?} {provider} {sent}");
            assert_eq!(sent.contains("sk-ant-mine"), provider == "anthropic", "{front:?} {provider} {sent}");
        }
    }
}

/// Requirement 004-9: a list shows what the caller can call, and says nothing to somebody with a made-up credential.
#[tokio::test]
async fn a_stranger_sees_the_models_of_its_own_credential_only_and_none_with_a_wrong_one() {
    let script = "{keys: [sk-gateway, sk-own], models: [{id: vendor-model}], rules: []}";
    let app = App::with(script, |setup| {
        setup.access = keyed("lg-team", Grant::default());
        setup.provider("ollama").models = vec!["local-secret".into()];
        setup.provider("other").models = vec!["house".into()];
        for (alias, target) in [("fast", "openai:gpt-x"), ("private", "ollama:local-secret")] {
            setup.options.aliases.insert(alias.into(), target.into());
        }
    })
    .await;
    app.engine.discover(std::time::Duration::from_secs(10)).await;
    let list = |path: &str, key: &str| Call::get(path).header("authorization", &format!("Bearer {key}"));
    app.upstream.clear();
    let reply = app.send(&list("/v1/models", "sk-own")).await;
    let text = reply.text();
    assert!(reply.status == 200 && text.contains("vendor-model") && text.contains("fast"), "{reply:?}");
    assert!(
        !["local-secret", "house", "private", "gemini"].iter().any(|hidden| text.contains(hidden)),
        "{text}"
    );
    assert_eq!(app.seen().header("authorization"), Some("Bearer sk-own"));
    for path in ["/v1/models", "/v1beta/models", "/v1/models/house"] {
        let reply = app.send(&list(path, "made-up")).await;
        assert_eq!(reply.status, 401, "{path} {reply:?}");
    }
    // A local runtime would take any word for a key.
    assert_eq!(app.send(&list("/api/tags", "made-up")).await.status, 401);
    app.upstream.clear();
    let local = Front::Ollama.call("ollama:local-secret", Layout::Whole);
    assert_eq!(app.send(&local.header("authorization", "Bearer made-up")).await.status, 401);
    assert!(app.upstream.requests().is_empty());
}

/// Programs that insist on a key send a word instead: the gateway's own key is used then.
#[tokio::test]
async fn a_placeholder_is_no_credential_of_the_caller() {
    let app = App::start("rules: []").await;
    for word in ["EMPTY", "ollama", "sk-xxx", "not-needed", "no-key"] {
        app.upstream.clear();
        assert_eq!(app.send(&call().header("authorization", &format!("Bearer {word}"))).await.status, 200);
        assert_eq!(app.seen().header("authorization"), Some("Bearer sk-gateway"), "{word}");
    }
}

/// A page of another origin may call only where the configuration lists it, and needs a key even then.
#[tokio::test]
async fn a_browser_gets_leave_for_listed_origins_only() {
    let app = App::with("rules: []", |setup| {
        setup.access = keyed("lg-team", Grant::default()).with_origins(vec!["https://chat.example".into()]);
    })
    .await;
    let preflight = |origin: &str| {
        let mut call = Call::get("/v1/chat/completions");
        call.method = "OPTIONS".into();
        call.header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
    };
    let reply = app.send(&preflight("https://chat.example")).await;
    assert_eq!(reply.status, 204);
    assert_eq!(reply.header("access-control-allow-origin"), Some("https://chat.example"));
    assert_eq!(reply.header("access-control-allow-headers"), Some("authorization,content-type"));
    assert!(reply.header("access-control-allow-methods").unwrap().contains("POST"));
    let reply = app.send(&preflight("https://evil.example")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (405, None));
    let page = |key: &str| call().header("origin", "https://chat.example").header("x-api-key", key);
    let reply = app.send(&page("lg-team")).await;
    assert_eq!(
        (reply.status, reply.header("access-control-allow-origin")),
        (200, Some("https://chat.example"))
    );
    assert_eq!(app.send(&page("lg-wrong")).await.status, 401);
}

/// Issue's "data-class ceiling" of keys: what a key's data may not reach gets nothing of it, on no endpoint.
#[tokio::test]
async fn the_data_of_a_key_goes_only_to_providers_that_are_for_it() {
    use lockgate_core::DataClass::{self, Confidential, Internal, Public, Secret};
    let classes = [
        ("none", None),
        ("public", Some(Public)),
        ("confidential", Some(Confidential)),
        ("secret", Some(Secret)),
    ];
    let app = App::with("rules: [{answer: {blocks: [{text: Fine.}]}}]", |setup| {
        setup.each(|settings| settings.local = Some(false));
        setup.provider("ollama").local = None;
        setup.provider("anthropic").data_class = Some(Internal);
        setup.provider("gemini").data_class = Some(Secret);
        setup.provider("other").data_class = Some(Public);
        let grant = |name: &str, data_class: Option<DataClass>| {
            Arc::new(Grant { data_class, name: name.to_owned(), ..Grant::default() }).into()
        };
        let keys =
            classes.map(|(name, class)| (*blake3::hash(name.as_bytes()).as_bytes(), grant(name, class)));
        setup.access = Access::new(keys.into_iter().collect());
    })
    .await;
    let as_key = |call: Call, key: &str| call.header("authorization", &format!("Bearer {key}"));
    for (model, reached_by) in [
        ("other:m", &["public"][..]),
        ("anthropic:m", &["none", "public"]),
        ("openai:m", &["none", "public", "confidential"]),
        ("ollama:m-cloud", &["none", "public", "confidential"]),
        ("gemini:m", &["none", "public", "confidential", "secret"]),
        ("ollama:m", &["none", "public", "confidential", "secret"]),
    ] {
        for (key, _) in classes {
            let before = app.upstream.requests().len();
            let reply = app.send(&as_key(Front::Chat.call(model, Layout::Whole), key)).await;
            let may = reached_by.contains(&key);
            assert_eq!(reply.status, if may { 200 } else { 403 }, "{key} calls {model}: {}", reply.text());
            assert_eq!(app.upstream.requests().len() - before, usize::from(may), "{key} calls {model}");
            if !may {
                let words = reply.json()["error"]["message"].as_str().unwrap().to_owned();
                assert!(
                    words.starts_with("the data of this key is ") && words.contains("data at most"),
                    "{words}"
                );
            }
        }
    }
    let before = app.upstream.requests().len();
    let message = serde_json::json!({"model": "anthropic:m", "max_tokens": 9, "input": "x", "messages": [{"role": "user", "content": "hello"}]});
    for (path, key) in [
        ("/v1/messages/count_tokens", "secret"),
        ("/v1/messages/batches", "secret"),
        ("/v1/embeddings", "secret"),
        ("/v1/messages/batches", "confidential"),
    ] {
        let reply = app
            .send(&as_key(Call::post(path, &message).header("anthropic-version", "2023-06-01"), key))
            .await;
        assert_eq!(reply.status, 403, "{key} {path}: {}", reply.text());
    }
    assert_eq!(app.upstream.requests().len(), before);
    app.engine.discover(crate::client::HARD).await;
    let own = app.send(&as_key(Call::get("/v1/models"), "none")).await.text();
    let others = app.send(&as_key(Call::get("/v1/models"), "secret")).await.text();
    let has = |list: &str, provider: &str| list.contains(&format!("\"{provider}:"));
    assert!(has(&own, "anthropic") && has(&own, "ollama"), "{own}");
    assert!(!has(&others, "anthropic") && !has(&others, "openai") && has(&others, "ollama"), "{others}");
}

/// Requirement L3: a key for some models calls no others, on endpoints that are not modelled either.
#[tokio::test]
async fn a_key_for_some_models_passes_nothing_that_calls_others() {
    let grant =
        Grant { models: vec![ModelGlob::new("gpt-4o-mini")], name: "team".into(), ..Grant::default() };
    let app = App::with("validate: false", |setup| setup.access = keyed("key", grant)).await;
    let send = |path: &'static str, body: serde_json::Value| {
        let call = Call::post(path, &body)
            .header("authorization", "Bearer key")
            .header("anthropic-version", "2023-06-01");
        let app = &app;
        async move { app.send(&call).await }
    };
    for (path, body, status) in [
        ("/v1/completions", serde_json::json!({"model": "gpt-5-pro", "prompt": "x"}), 403),
        (
            "/v1/messages/batches",
            serde_json::json!({"requests": [{"params": {"model": "claude-opus-4-1"}}]}),
            403,
        ),
        ("/v1/moderations", serde_json::json!({"input": "x"}), 403),
    ] {
        let reply = send(path, body).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
    }
    assert!(app.upstream.requests().is_empty());
    send("/v1/completions", serde_json::json!({"model": "gpt-4o-mini", "prompt": "x"})).await;
    assert_eq!(app.upstream.requests().len(), 1);
}
