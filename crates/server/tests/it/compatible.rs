//! Servers that speak Chat Completions in a way of their own: tools work through each habit, for clients of every other
//! dialect; what a server does not take is left out and declared; addresses, headers and queries are the operator's.

use lockgate_core::Secret;
use lockgate_providers::{AuthScheme, Kind, PRESETS, Settings};
use serde_json::{Value, json};

use crate::app::{App, GATEWAY_KEY};
use crate::client::Call;
use crate::continuity::anthropic_loop;
use crate::front::{Front, Layout};
use crate::shapes::{Got, judge};

/// Habits of servers, as the scripted upstream knows them.
const HABITS: [&str; 14] = [
    "{}",
    "{whole_arguments: true}",
    "{object_arguments: true}",
    "{no_index: true}",
    "{no_index: true, whole_arguments: true}",
    "{zero_index: true, id_in_every_delta: true}",
    "{id_in_every_delta: true}",
    "{all_calls_in_one_chunk: true}",
    "{reasoning_field: reasoning}",
    "{comments: true, crlf: true}",
    "{no_space: true}",
    "{usage_on_last_chunk: true}",
    "{usage_on_every_chunk: true, no_done: true}",
    "{object_arguments: true, no_index: true, no_done: true, crlf: true}",
];

/// Who is translated; a Chat client gets what the server says, byte for byte.
const TRANSLATED: [Front; 4] = [Front::Anthropic, Front::Gemini, Front::Ollama, Front::Responses];

/// The tools that a model calls: one, one without arguments, several at once with odd ones.
fn tests() -> [Vec<(String, Value)>; 3] {
    let call = |name: &str, args: Value| (name.to_owned(), args);
    [
        vec![call("get_weather", json!({"city": "Paris"}))],
        vec![call("get_weather", json!({}))],
        vec![
            call("get_weather", json!({"city": "Zürich \"west\" \\ {", "days": [1, 2.5, {"deep": null}]})),
            call("get_weather", json!({"city": "A"})),
            call("get_weather", json!({"city": "B"})),
        ],
    ]
}

/// Requirement 004-33: the battery of tools for each habit, with the right finish reason and with the wrong one.
#[tokio::test]
async fn tools_work_through_every_habit_of_compatible_servers() {
    for quirks in HABITS {
        for chaos in ["{}", "{finish_stop: true}"] {
            for calls in tests() {
                let blocks =
                    calls.iter().map(|(name, args)| json!({"tool_call": {"name": name, "args": args}}));
                let blocks: Vec<Value> = [json!({"thinking": "Hm."}), json!({"text": "Looking."})]
                    .into_iter()
                    .chain(blocks)
                    .collect();
                let blocks = json!(blocks);
                let script = format!(
                    "rules: [{{quirks: {quirks}, chaos: {chaos}, answer: {{chunk: 3, blocks: {blocks}}}}}]"
                );
                let app = App::start(&script).await;
                for front in TRANSLATED {
                    for layout in front.layouts() {
                        let reply = app.send(&front.call("other:m", *layout)).await;
                        let got = judge(front, *layout, &reply);
                        let Ok(Got::Answer(answer)) = got else {
                            panic!("{quirks} {chaos} {front:?} {got:?} {reply:?}")
                        };
                        assert_eq!(
                            answer.calls,
                            calls,
                            "{quirks} {chaos} {front:?} {layout:?} {}",
                            reply.text()
                        );
                        assert_eq!(answer.text, "Looking.", "{quirks} {chaos} {front:?} {layout:?}");
                        if front == Front::Anthropic {
                            assert_eq!(answer.stop, "tool_use", "{quirks} {chaos} {layout:?}");
                        }
                    }
                }
                assert_eq!(app.upstream.violations(), Vec::<String>::new());
            }
        }
    }
}

/// Requirement 004-33: results go back to the call they belong to, and the loop comes to its end.
#[tokio::test]
async fn a_loop_of_tools_comes_to_its_end_through_every_habit() {
    for quirks in HABITS {
        let script = format!(
            "rules: [{{quirks: {quirks}, agent: {{say: Looking., steps: [{{all: {{get_weather: {{city: A}}}}}}, {{all: {{get_weather: {{city: B}}}}}}], then: All done.}}}}]"
        );
        let app = App::start(&script).await;
        let mut body = Front::Anthropic.body("other:m", Layout::Whole);
        assert_eq!(anthropic_loop(&app, &mut body, 3).await.as_deref(), Some("All done."), "{quirks}");
        assert_eq!(app.upstream.violations(), Vec::<String>::new(), "{quirks}");
    }
}

/// Whether a request of the Chat dialect says this.
fn says(sent: &Value, field: &str) -> bool {
    match field {
        // By its older name.
        "safety_identifier" => ["safety_identifier", "user"].iter().any(|name| sent.get(name).is_some()),
        "tools.strict" => sent["tools"][0]["function"].get("strict").is_some(),
        _ => sent.get(field).is_some(),
    }
}

/// Requirement 004-33: for each service that is known, and for one that nobody knows.
#[tokio::test]
async fn what_a_server_does_not_take_is_left_out_and_declared_and_nothing_else_is() {
    let mut left_out = 0;
    for id in PRESETS.iter().map(|preset| preset.id).chain(["nobody-knows"]) {
        let app = App::with("rules: []", |setup| {
            let settings = Settings { kind: Some(Kind::OpenaiCompatible), ..setup.provider("other").clone() };
            setup.options.providers.insert(id.to_owned(), settings);
        })
        .await;
        let mut body = Front::Responses.body(&format!("{id}:m"), Layout::Whole);
        for (field, value) in [
            ("metadata", json!({"a": "b"})),
            ("parallel_tool_calls", json!(false)),
            ("safety_identifier", json!("s")),
            ("service_tier", json!("flex")),
        ] {
            body[field] = value;
        }
        body["tools"][0]["strict"] = json!(true);
        body["tools"][0]["parameters"]["additionalProperties"] = json!(false);
        let reply = app.send(&Call::post("/v1/responses", &body)).await;
        assert_eq!(reply.status, 200, "{id} {reply:?}");
        let (sent, lossy) = (app.seen().json(), reply.header("x-lockgate-lossy").unwrap_or_default());
        for field in ["metadata", "parallel_tool_calls", "safety_identifier", "service_tier", "tools.strict"]
        {
            let last = field.rsplit('.').next().unwrap();
            let declared = lossy.split(", ").any(|lost| lost.rsplit('.').next() == Some(last));
            assert_ne!(says(&sent, field), declared, "{id} {field}: {lossy} {sent}");
            left_out += usize::from(declared);
        }
        assert!(!lossy.contains("input") && !lossy.contains("model"), "{id} {lossy}");
    }
    assert!(left_out > 9, "nothing was left out anywhere");
}

/// Requirement 004-33: where it is, what it wants to be told, and how it wants to see the key.
#[tokio::test]
async fn address_query_headers_and_the_way_to_show_a_key_are_the_operators() {
    let app = App::with("{prefixes: [/inference/v1], rules: []}", |setup| {
        let mut base = setup.provider("other").base_url.clone().unwrap();
        base.set_path("/inference/v1");
        let own = setup.provider("other");
        own.base_url = Some(base);
        own.headers.insert("x-team".into(), Secret::new("blue"));
        own.query.insert("tenant".into(), Secret::new("t 1"));
        setup.provider("anthropic").auth_scheme = AuthScheme::Bearer;
    })
    .await;
    for layout in [Layout::Whole, Layout::Stream] {
        app.upstream.clear();
        assert_eq!(app.send(&Front::Anthropic.call("other:m", layout)).await.status, 200);
        let seen = app.seen();
        assert_eq!(seen.path(), "/inference/v1/chat/completions");
        assert!(["tenant=t+1", "tenant=t%201"].contains(&seen.query()), "{}", seen.target);
        assert_eq!(seen.header("x-team"), Some("blue"));
    }
    app.upstream.clear();
    assert_eq!(app.send(&Front::Anthropic.call("anthropic:m", Layout::Whole)).await.status, 200);
    let seen = app.seen();
    let bearer = format!("Bearer {GATEWAY_KEY}");
    assert_eq!((seen.header("authorization"), seen.header("x-api-key")), (Some(bearer.as_str()), None));
}
