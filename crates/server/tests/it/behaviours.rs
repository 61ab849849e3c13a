//! The black-box behaviours 1 to 19 that a replacement must show, each under its number.

use serde_json::{Value, json};

use crate::app::{App, GATEWAY_KEY};
use crate::client::{Call, Connection};
use crate::front::{FRONTS, Front, Layout};
use crate::shapes::{Got, events, judge};

/// A raw answer of the upstream: odd whitespace, key order, unknown fields, blocks and deltas.
const ODD_BODY: &str = "{ \"type\":\"message\",\\n  \"zeta\": 1.50, \"id\":\"msg_1\", \"role\":\"assistant\",\"model\":\"m\", \"content\":[{\"type\":\"hologram\",\"x\":{\"b\":1,\"a\":2}},{\"text\":\"h\\u00e9\",\"type\":\"text\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"output_tokens\":2,\"cache_read_input_tokens\":5,\"cache_creation_input_tokens\":3,\"new_counter\":9}}";

fn yaml(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn raw(kind: &str, body: &str) -> String {
    format!(
        "rules: [{{raw: {{headers: {{content-type: {kind}, request-id: req_kept}}, body: {}}}}}]",
        yaml(body)
    )
}

/// The same from a provider that takes every field.
fn raw_for_anything(kind: &str, body: &str) -> String {
    format!("{}\nvalidate: false", raw(kind, body))
}

fn ask(extra: &str) -> Call {
    let body = format!(
        "{{ \"model\" : \"anthropic:claude-x\",\n\t \"max_tokens\":16,{extra} \"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}] }}"
    );
    Call::bytes("/v1/messages", body).header("anthropic-version", "2023-06-01")
}

/// With a field that nobody knows.
fn odd_ask(extra: &str) -> Call {
    ask(&format!("\"zz_unknown\": {{\"b\":1,  \"a\":[1.0,2]}},{extra}"))
}

/// Behaviour 1.
#[tokio::test]
async fn b01_a_whole_answer_arrives_byte_for_byte_and_so_does_the_request() {
    let body = ODD_BODY.replace("\\n", "\n");
    let app = App::start(&raw_for_anything("application/json", &body)).await;
    let call = odd_ask("");
    let reply = app.send(&call).await;
    assert_eq!((reply.status, reply.text()), (200, body));
    assert_eq!(reply.header("request-id"), Some("req_kept"));
    // The model's prefix is the gateway's business and goes; every other byte stays.
    let sent = String::from_utf8(call.body).unwrap().replace("anthropic:claude-x", "claude-x");
    assert_eq!(app.seen().body, sent);
}

const ODD_STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\", \"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":7,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\n: a comment\n\nevent: aurora\ndata: {\"type\":\"aurora\",\"b\":1,\"a\":2}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"hologram\",\"data\":\"x\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"shimmer_delta\",\"v\":  1}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// Behaviours 2 and 16.
#[tokio::test]
async fn b02_b16_a_stream_arrives_byte_for_byte_with_events_blocks_and_deltas_nobody_knows() {
    let app = App::start(&raw_for_anything("text/event-stream", ODD_STREAM)).await;
    let reply = app.send(&odd_ask("\"stream\":true,")).await;
    assert_eq!(reply.text(), ODD_STREAM);
    let names: Vec<_> = events(&reply.text()).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!((names[0].as_str(), names.last().unwrap().as_str()), ("message_start", "message_stop"));
}

/// Behaviour 2: the same through every dialect, however the provider cuts its bytes.
#[tokio::test]
async fn b02_a_stream_of_every_dialect_passes_byte_for_byte_however_it_is_cut() {
    let script = "rules: [{answer: {chunk: 3, blocks: [{text: 'Grüße 🌍'}, {tool_call: {name: get_weather, args: {city: Paris}, id: call_fixed1}}]}, chaos: {split_bytes: 7, split_utf8: true}}]";
    for front in FRONTS {
        let app = App::start(script).await;
        let reply = app.send(&front.call(&format!("{}:m", front.provider()), Layout::Stream)).await;
        let sent = app.upstream.wait_over(1).await.unwrap();
        assert_eq!(sent[0].sent_bytes, reply.body.len() as u64, "{front:?} {reply:?}");
        assert!(matches!(judge(front, Layout::Stream, &reply), Ok(Got::Answer(_))), "{front:?}");
    }
}

/// Behaviours 3 and 4 where the gateway has keys.
#[tokio::test]
async fn b03_b04_without_a_valid_key_it_is_401_in_the_dialect_and_nothing_goes_upstream() {
    let app = App::with("rules: []", |setup| {
        setup.access = crate::access::keyed("lg-right", lockgate_engine::Grant::default());
    })
    .await;
    for front in FRONTS {
        let model = format!("{}:m", front.provider());
        for key in [None, Some("lg-wrong")] {
            let call = front.call(&model, Layout::Whole);
            let call = match key {
                Some(key) => call.header("x-api-key", key),
                None => call,
            };
            let reply = app.send(&call).await;
            let got = judge(front, Layout::Whole, &reply).unwrap();
            assert!(matches!(got, Got::Refused { status: 401, .. }), "{front:?} {key:?} {reply:?}");
        }
    }
    assert_eq!(app.send(&ask("")).await.json()["error"]["type"], "authentication_error");
    assert!(app.upstream.requests().is_empty());
}

/// Behaviour 4: in mode `both` a key that is not the gateway's is the provider's, in mode `gateway` it never leaves.
#[tokio::test]
async fn b04_a_client_key_passes_through_in_mode_both_and_stays_here_in_mode_gateway() {
    let app = App::start("rules: []").await;
    app.send(&ask("").header("x-api-key", "sk-own")).await;
    assert_eq!(app.seen().header("x-api-key"), Some("sk-own"));
    let app = App::with("rules: []", |setup| {
        setup.each(|settings| settings.credentials = lockgate_providers::Credentials::Gateway);
    })
    .await;
    app.send(&ask("").header("x-api-key", "sk-own")).await;
    assert_eq!(app.seen().header("x-api-key"), Some(GATEWAY_KEY));
    assert!(!format!("{:?}", app.seen().headers).contains("sk-own"));
}

/// Behaviour 5.
#[tokio::test]
async fn b05_an_explicit_key_for_the_provider_wins_and_an_empty_one_is_401() {
    let app = App::start("rules: []").await;
    app.send(&ask("").header("x-api-key", "k1").header("x-anthropic-api-key", "k2")).await;
    assert_eq!(app.seen().header("x-api-key"), Some("k2"));
    assert_eq!(app.send(&ask("").header("x-anthropic-api-key", "")).await.status, 401);
    assert_eq!(app.upstream.requests().len(), 1);
}

/// Behaviour 6.
#[tokio::test]
async fn b06_a_bearer_token_leaves_as_bearer_and_a_key_as_key() {
    let app = App::start("rules: []").await;
    app.send(&ask("").header("authorization", "Bearer oauth-token")).await;
    let seen = app.seen();
    assert_eq!(seen.header("authorization"), Some("Bearer oauth-token"));
    assert_eq!(seen.header("x-api-key"), None);
    app.upstream.clear();
    app.send(&ask("").header("x-api-key", "sk-own")).await;
    let seen = app.seen();
    assert_eq!((seen.header("x-api-key"), seen.header("authorization")), (Some("sk-own"), None));
}

/// Behaviour 7.
#[tokio::test]
async fn b07_malformed_json_and_missing_fields_are_400_and_name_the_field() {
    let app = App::start("rules: []").await;
    for (front, path) in [
        (Front::Anthropic, "/v1/messages"),
        (Front::Chat, "/v1/chat/completions"),
        (Front::Ollama, "/api/chat"),
        (Front::Responses, "/v1/responses"),
    ] {
        let nameless = r#"{"messages": [{"role": "user", "content": "x"}], "input": "x", "max_tokens": 5}"#;
        for (body, named) in [("{\"model\": \"m\", ", ""), ("[1]", ""), ("", ""), (nameless, "model")] {
            let reply = app.send(&Call::bytes(path, body)).await;
            let Ok(Got::Refused { message, status: 400 }) = judge(front, Layout::Whole, &reply) else {
                panic!("{front:?} {body} {reply:?}");
            };
            assert!(message.contains(named), "{front:?} {body} {message}");
        }
    }
    assert!(app.upstream.requests().is_empty());
    // What the provider demands, the provider says, in the same words (same dialect), or the gateway (another one).
    for provider in ["anthropic", "openai"] {
        for (body, named) in [
            (json!({"model": format!("{provider}:m"), "max_tokens": 5}), "messages"),
            (
                json!({"model": format!("{provider}:m"), "messages": [{"role": "user", "content": "x"}]}),
                "max_tokens",
            ),
        ] {
            let reply = app.send(&Call::post("/v1/messages", &body)).await;
            let got = judge(Front::Anthropic, Layout::Whole, &reply);
            match got {
                Ok(Got::Refused { message, status: 400 }) => assert!(message.contains(named), "{message}"),
                other => panic!("{provider} without {named}: {other:?}"),
            }
        }
    }
}

/// Behaviour 8, requirement S1: bytes are counted as they come.
#[tokio::test]
async fn b08_a_body_over_the_limit_is_413_also_chunked_and_the_next_request_is_answered() {
    let app = App::with("rules: []", |setup| setup.bounds.body = 2000).await;
    let big = json!({"model": "anthropic:m", "max_tokens": 1, "messages": [{"role": "user", "content": "x".repeat(5000)}]});
    let reply = app.send(&Call::post("/v1/messages", &big)).await;
    assert_eq!((reply.status, &reply.json()["error"]["type"]), (413, &json!("request_too_large")));
    let mut connection = Connection::open(app.addr).await;
    connection
        .write(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    for _ in 0..3 {
        connection.write(format!("400\r\n{}\r\n", "x".repeat(1024)).as_bytes()).await;
    }
    connection.write(b"0\r\n\r\n").await;
    let reply = connection.reply().await;
    assert_eq!(reply.status, 413);
    assert!(app.upstream.requests().is_empty());
    assert_eq!(app.send(&ask("")).await.status, 200);
}

/// Behaviour 9.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b09_twenty_calls_at_once_get_their_own_answers() {
    let app = std::sync::Arc::new(App::start("{delay_ms: 1, chunk: 3, rules: []}").await);
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..20_usize {
        let app = app.clone();
        calls.spawn(async move {
            let front = FRONTS[number % 5];
            let provider = FRONTS[(number / 5) % 5].provider();
            let layout = if number % 2 == 0 { Layout::Stream } else { Layout::Whole };
            let mut call = front.call(&format!("{provider}:m"), layout);
            let body = String::from_utf8(call.body).unwrap().replace("Paris?", &format!("No.{number}?"));
            call.body = body.into_bytes();
            let reply = app.send(&call).await;
            let Ok(Got::Answer(answer)) = judge(front, layout, &reply) else { panic!("{front:?} {reply:?}") };
            assert_eq!(answer.text, format!("You said: How is the weather in No.{number}?"));
        });
    }
    while let Some(joined) = calls.join_next().await {
        joined.unwrap();
    }
    assert_eq!(app.upstream.requests().len(), 20);
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}

/// Behaviours 10 and 11.
#[tokio::test]
async fn b10_b11_errors_keep_status_type_and_headers_also_when_a_stream_was_asked_for() {
    for (status, kind) in [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ] {
        let script =
            format!("rules: [{{error: {{status: {status}, retry_after: '17', message: kept words}}}}]");
        let app = App::start(&script).await;
        for stream in ["", "\"stream\":true,"] {
            let reply = app.send(&ask(stream)).await;
            assert_eq!((reply.status, &reply.json()["error"]["type"]), (status, &json!(kind)), "{reply:?}");
            assert_eq!(reply.json()["error"]["message"], "kept words");
            assert_eq!(reply.header("retry-after"), Some("17"));
            assert!(reply.header("request-id").unwrap().starts_with("req_"));
            assert!(reply.header("anthropic-ratelimit-requests-remaining").is_some());
            // Another dialect keeps the status, when to come back, and the provider's own id.
            let call = Front::Chat
                .call("anthropic:m", if stream.is_empty() { Layout::Whole } else { Layout::Stream });
            let reply = app.send(&call).await;
            assert_eq!(reply.status, status);
            assert_eq!(reply.json()["error"]["message"], "kept words");
            assert_eq!(reply.header("retry-after"), Some("17"));
            assert!(reply.header("x-request-id").unwrap().starts_with("req_"));
        }
    }
}

/// Behaviour 12; the matrix proves it for every pair of dialects.
#[tokio::test]
async fn b12_a_dropped_connection_in_a_stream_is_exactly_one_error_event_at_its_end() {
    for chaos in ["reset_after_events: 6", "error_after_events: 6"] {
        let app = App::start(&format!("{{chunk: 2, rules: [{{chaos: {{{chaos}}}}}]}}")).await;
        let reply = app.send(&ask("\"stream\":true,")).await;
        let all = events(&reply.text()).unwrap();
        let errors = all.iter().filter(|(name, _)| name == "error").count();
        assert_eq!((errors, all.last().unwrap().0.as_str()), (1, "error"), "{chaos} {all:?}");
    }
}

/// Behaviours 13, 14 and 18.
#[tokio::test]
async fn b13_b14_b18_every_parameter_image_and_beta_header_arrives_unchanged() {
    let app = App::start("validate: false").await;
    let body = json!({
        "model": "claude-x", "max_tokens": 9, "temperature": 0.25, "top_p": 0.5, "top_k": 3, "stop_sequences": ["a", "b"],
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": true}, "metadata": {"user_id": "u"},
        "brand_new": {"deep": [null, {"x": 1}]},
        "tools": [{"name": "t", "input_schema": {"type": "object"}}],
        "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
            {"type": "text", "text": "what?"}]}],
    });
    let call = Call::post("/v1/messages", &body)
        .header("anthropic-beta", "one,two")
        .header("anthropic-version", "2023-06-01")
        .header("x-stainless-lang", "js");
    app.send(&call).await;
    let seen = app.seen();
    assert_eq!(seen.body, call.body);
    assert_eq!(seen.header("anthropic-beta"), Some("one,two"));
    assert_eq!(seen.header("x-stainless-lang"), Some("js"));
    // A system prompt that is plain text stays one.
    app.upstream.clear();
    app.send(&ask("\"system\":\"plain\",")).await;
    assert_eq!(app.seen().json()["system"], "plain");
    // The images arrive at a provider of another dialect as well.
    app.upstream.clear();
    let mut foreign = body.clone();
    foreign["model"] = json!("openai:gpt-x");
    app.send(&Call::post("/v1/messages", &foreign)).await;
    let sent = app.seen().json().to_string();
    assert!(
        sent.contains("data:image/png;base64,iVBORw0KGgo=") && sent.contains("https://example.com/a.png")
    );
}

/// Behaviour 15.
#[tokio::test]
async fn b15_cache_tokens_are_kept_whole_and_streamed_and_reported() {
    let script = "rules: [{answer: {blocks: [{text: hi}], usage: {input: 11, cached: 22, cache_write: 33, output: 44}}}]";
    for (front, layout) in [(Front::Anthropic, Layout::Whole), (Front::Anthropic, Layout::Stream)] {
        let app = App::start(script).await;
        let reply = app.send(&front.call("anthropic:m", layout)).await;
        let text = reply.text();
        assert!(
            text.contains("\"cache_read_input_tokens\":22")
                && text.contains("\"cache_creation_input_tokens\":33")
        );
        let reports = app.reported();
        assert!(reports[0].usage.is_some(), "{reports:?}");
        // Through Chat the prompt counts everything, and what was cached is told.
        let reply = app.send(&Front::Chat.call("anthropic:m", Layout::Whole)).await;
        let usage = reply.json()["usage"].clone();
        assert_eq!(
            (usage["prompt_tokens"].as_u64(), usage["prompt_tokens_details"]["cached_tokens"].as_u64()),
            (Some(66), Some(22))
        );
    }
}

/// Behaviour 17.
#[tokio::test]
async fn b17_a_tool_call_streams_and_its_json_is_what_the_model_said_in_every_pair_of_dialects() {
    let arguments = json!({"city": "Zürich \"west\"", "days": [1, 2.5, {"deep": true}], "empty": {}});
    let script = format!(
        "rules: [{{answer: {{chunk: 3, blocks: [{{text: Looking.}}, {{tool_call: {{name: get_weather, args: {arguments}}}}}]}}}}]"
    );
    let app = App::start(&script).await;
    for front in FRONTS {
        for upstream in FRONTS {
            for layout in front.layouts() {
                let reply = app.send(&front.call(&format!("{}:m", upstream.provider()), *layout)).await;
                let got = judge(front, *layout, &reply);
                let Ok(Got::Answer(answer)) = got else {
                    panic!("{front:?} {upstream:?} {layout:?} {got:?}")
                };
                assert_eq!(
                    answer.calls,
                    [("get_weather".to_owned(), arguments.clone())],
                    "{front:?} {upstream:?}"
                );
                assert_eq!(answer.text, "Looking.");
                let expected = match front {
                    Front::Anthropic => "tool_use",
                    Front::Chat => "tool_calls",
                    Front::Gemini => "STOP",
                    Front::Ollama => "stop",
                    Front::Responses => "completed",
                };
                assert_eq!(answer.stop, expected, "{front:?} {upstream:?} {layout:?}");
            }
        }
    }
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}

/// Behaviour 19: the upstream refuses a signature that is not byte for byte its own.
#[tokio::test]
async fn b19_thinking_keeps_its_signature_and_the_next_turn_with_its_tool_result_is_accepted() {
    let script = "rules: [{when: {has_tool_result: true}, answer: {blocks: [{text: Done.}]}}, {answer: {blocks: [{thinking: 'Hm, let me see.'}, {redacted_thinking: b64data}, {tool_call: {name: get_weather, args: {city: Paris}}}]}}]";
    let app = App::start(script).await;
    let mut body = Front::Anthropic.body("anthropic:claude-x", Layout::Whole);
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 1024});
    body["max_tokens"] = json!(4096);
    let first = app.send(&Call::post("/v1/messages", &body)).await.json();
    let blocks = first["content"].as_array().unwrap().clone();
    assert_eq!((&blocks[0]["type"], &blocks[1]["data"]), (&json!("thinking"), &json!("b64data")));
    let id = blocks.iter().find_map(|block| block["id"].as_str()).unwrap();
    let result = json!({"type": "tool_result", "tool_use_id": id, "content": "sunny"});
    let messages = body["messages"].as_array_mut().unwrap();
    messages.push(json!({"role": "assistant", "content": blocks}));
    messages.push(json!({"role": "user", "content": [result]}));
    let reply = app.send(&Call::post("/v1/messages", &body)).await;
    assert_eq!((reply.status, &reply.json()["content"][0]["text"]), (200, &json!("Done.")), "{reply:?}");
    let sent: Value = app.upstream.last().unwrap().json();
    assert_eq!(sent["messages"][1]["content"][0], first["content"][0]);
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
}
