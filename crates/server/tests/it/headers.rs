//! Which headers travel, seen from both ends.

use lockgate_engine::Grant;
use serde_json::json;

use crate::app::{App, GATEWAY_KEY};
use crate::client::Call;
use crate::front::{FRONTS, Front, Layout};

/// Design section 8, requirement 004-36.
#[tokio::test]
async fn answers_say_who_answered_and_keep_the_providers_request_id() {
    let app = App::start("rules: []").await;
    for front in FRONTS {
        for upstream in [Front::Anthropic, Front::Chat] {
            for layout in front.layouts() {
                let provider = upstream.provider();
                let reply = app.send(&front.call(&format!("{provider}:m"), *layout)).await;
                let seen = app.upstream.last().unwrap();
                assert_eq!(reply.header("x-provider"), Some(provider));
                assert_eq!(reply.header("x-model"), Some("m"));
                assert_eq!(reply.header("x-cache-hit"), Some("false"));
                assert_eq!(reply.header("x-task-id").unwrap().len(), 36);
                let id = reply.header(if front == Front::Anthropic { "request-id" } else { "x-request-id" });
                assert!(id.unwrap().starts_with("req_"), "{front:?} {id:?} {seen:?}");
                let reported = app.reported().pop().unwrap();
                assert_eq!(reported.request_id.as_deref(), id, "{front:?} {provider} {layout:?}");
            }
        }
    }
    let reports = app.reported();
    let tasks: std::collections::HashSet<_> = reports.into_iter().map(|report| report.id).collect();
    assert_eq!(tasks.len(), app.upstream.requests().len());
}

/// The id that a client sees leads to the call in the record, whatever was called.
#[tokio::test]
async fn the_id_in_an_answer_is_that_of_the_call_also_beside_generation() {
    let app = App::start("validate: false\nrules: [{when: {path: '/v1/images/*'}, raw: {body: '{}'}}]").await;
    let count = json!({"model": "anthropic:m", "messages": [{"role": "user", "content": "a"}]});
    for call in [
        Call::post("/v1/embeddings", &json!({"model": "openai:m", "input": "a"})),
        Call::post("/v1/embeddings", &json!({"model": "ollama:m", "input": "a"})),
        Call::post("/v1/messages/count_tokens", &count),
        Call::bytes("/v1/images/generations", "{}"),
    ] {
        let reply = app.send(&call).await;
        let reported = app.reported().pop().unwrap();
        assert_eq!(
            (reply.status, reply.header("x-task-id")),
            (200, Some(reported.id.as_str())),
            "{}",
            call.path
        );
    }
}

/// Requirement 004-4.
#[tokio::test]
async fn answers_and_errors_keep_the_name_that_the_client_called() {
    const HEADER: &str = "x-lockgate-requested-model";
    for script in ["rules: []", "rules: [{when: {path: '*'}, error: {status: 400}}]"] {
        let app = App::with(script, |setup| {
            setup.only(&["anthropic", "openai"]);
            setup.provider("anthropic").models = vec!["claude-x".into()];
            let aliases = [("fast", "openai:gpt-x"), ("default", "anthropic:claude-x"), ("größe", "fast")];
            for (alias, target) in aliases {
                setup.options.aliases.insert(alias.into(), target.into());
            }
        })
        .await;
        for front in FRONTS {
            for layout in front.layouts() {
                for (name, requested, model) in [
                    ("fast", Some("fast"), "gpt-x"),
                    ("default", Some("default"), "claude-x"),
                    ("auto", Some("auto"), "claude-x"),
                    ("openai:gpt-x", Some("openai:gpt-x"), "gpt-x"),
                    ("claude-x", None, "claude-x"),
                ] {
                    let reply = app.send(&front.call(name, *layout)).await;
                    let told = (reply.header(HEADER), reply.header("x-model"));
                    assert_eq!(told, (requested, Some(model)), "{front:?} {layout:?} {name} {reply:?}");
                }
            }
        }
        let reply = app.send(&Front::Chat.call("größe", Layout::Whole)).await;
        assert_eq!(reply.header(HEADER), Some("gr%C3%B6%C3%9Fe"));
        let reply = app.send(&Call::post("/v1/embeddings", &json!({"model": "fast", "input": "a"}))).await;
        assert_eq!(reply.header(HEADER), Some("fast"), "{reply:?}");
        let count = json!({"model": "auto", "messages": [{"role": "user", "content": "a"}]});
        let reply = app.send(&Call::post("/v1/messages/count_tokens", &count)).await;
        assert_eq!(reply.header(HEADER), Some("auto"), "{reply:?}");
    }
}

/// What clients and proxies before us send about their own connection, and what is ours.
const STAYS: [(&str, &str); 14] = [
    ("x-lockgate-note", "1"),
    ("x-lockgate-anything", "1"),
    ("x-task-id", "1"),
    ("x-provider", "p"),
    ("connection", "keep-alive, x-hop"),
    ("x-hop", "1"),
    ("keep-alive", "timeout=5"),
    ("te", "trailers"),
    ("proxy-connection", "keep-alive"),
    ("proxy-authorization", "Basic c2VjcmV0"),
    ("cookie", "session=1"),
    ("forwarded", "for=10.0.0.1"),
    ("x-forwarded-for", "10.0.0.1"),
    ("x-real-ip", "10.0.0.1"),
];

/// Requirement 004-36: in each header in which a client may show its key, to each provider.
#[tokio::test]
async fn no_key_of_a_client_nothing_of_ours_and_nothing_of_a_connection_reaches_a_provider() {
    const KEY: &str = "lg-the-clients-own-key";
    let app = App::with("rules: []", |setup| {
        setup.access = crate::access::keyed(KEY, Grant::default());
    })
    .await;
    for front in FRONTS {
        for provider in ["anthropic", "gemini", "ollama", "openai", "openrouter", "other"] {
            for (name, value) in [
                ("x-api-key", KEY.to_owned()),
                ("authorization", format!("Bearer {KEY}")),
                ("x-goog-api-key", KEY.to_owned()),
                ("x-lockgate-key", KEY.to_owned()),
            ] {
                let call = front.call(&format!("{provider}:m"), Layout::Whole).header(name, &value);
                let call = STAYS.iter().fold(call, |call, (name, value)| call.header(name, value));
                app.upstream.clear();
                let reply = app.send(&call).await;
                assert_eq!(reply.status, 200, "{front:?} {provider} {name} {reply:?}");
                let seen = app.seen();
                assert_eq!(seen.violations, Vec::<String>::new(), "{front:?} {provider} {name}");
                let all = format!("{} {:?} {:?}", seen.target, seen.headers, seen.json());
                assert!(!all.contains(KEY), "{front:?} {provider} {name} {all}");
                assert!(all.contains(GATEWAY_KEY), "{front:?} {provider} {name} {all}");
                for (name, value) in &STAYS {
                    let came = seen.header(name).filter(|_| *name != "connection");
                    assert_eq!(came, None, "{front:?} {provider} {name}: {value}");
                }
            }
        }
    }
}
