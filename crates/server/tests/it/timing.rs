//! Clients that leave, keep-alives, bounds on each phase, and second tries.

use std::time::{Duration, Instant};

use lockgate_providers::{ModelGlob, ModelTimeouts};

use crate::app::App;
use crate::client::Reply;
use crate::front::{FRONTS, Front, Layout};
use crate::shapes::{Got, events, judge};

/// How soon the upstream must know that its client has gone.
const SOON: Duration = Duration::from_millis(100);

async fn leaves(script: &str, after_first_byte: bool) {
    for front in FRONTS {
        for upstream in [front.provider(), if front == Front::Anthropic { "other" } else { "anthropic" }] {
            let app = App::start(script).await;
            let mut connection = app.begin(&front.call(&format!("{upstream}:m"), Layout::Stream)).await;
            if after_first_byte {
                assert_eq!(connection.head().await.unwrap().status, 200);
                assert!(connection.chunk().await.unwrap().is_some());
            } else {
                app.upstream.wait_for(1).await.unwrap();
            }
            let left = Instant::now();
            drop(connection);
            let seen = app.upstream.wait_disconnected(1).await.unwrap();
            let noticed = seen[0].disconnected.unwrap().saturating_duration_since(left);
            assert!(noticed < SOON, "{front:?} {upstream}: {noticed:?}");
            assert_eq!(app.upstream.requests().len(), 1);
        }
    }
}

/// Requirement 004-8: cancelled within 100 ms.
#[tokio::test]
async fn a_client_that_leaves_in_the_middle_ends_the_upstream_call() {
    leaves("{chunk: 2, rules: [{chaos: {stall_after_events: 4}}]}", true).await;
}

/// Requirement 004-8: also before the first byte.
#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_ends_the_upstream_call() {
    leaves("rules: [{chaos: {first_byte_delay_ms: 60000}}]", false).await;
}

/// Keep-alives in a stream: events of their own, comments, or empty lines where neither is safe.
fn pings(front: Front, reply: &Reply) -> usize {
    let text = reply.text();
    let empty = text.lines().filter(|line| line.trim().is_empty()).count();
    match front {
        Front::Anthropic => text.matches("event: ping").count(),
        Front::Chat | Front::Responses => text.lines().filter(|line| line.starts_with(':')).count(),
        Front::Gemini => empty - events(&text).unwrap().len(),
        Front::Ollama => text.matches("\"content\":\"\"},\"done\":false").count(),
    }
}

/// Requirement 004-27 (idle but alive): a waiting client gets signs of life, and then the answer or one error event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_waiting_stream_gets_keep_alives_before_the_first_byte_and_in_the_middle() {
    for chaos in ["first_byte_delay_ms: 700", "{stall_after_events: 4, stall_ms: 700}"] {
        let chaos = chaos.trim_matches(|brace| matches!(brace, '{' | '}'));
        let script = format!("{{chunk: 2, rules: [{{chaos: {{{chaos}}}}}]}}");
        for front in FRONTS {
            for upstream in [front.provider(), if front == Front::Chat { "anthropic" } else { "other" }] {
                let app =
                    App::with(&script, |setup| setup.options.keepalive = Duration::from_millis(100)).await;
                let reply = app.send(&front.call(&format!("{upstream}:m"), Layout::Stream)).await;
                let got = judge(front, Layout::Stream, &reply);
                let Ok(Got::Answer(answer)) = got else {
                    panic!("{front:?} {upstream} {chaos}: {got:?}\n{reply:?}")
                };
                assert_eq!(answer.text, "You said: How is the weather in Paris?");
                assert!(pings(front, &reply) >= 3, "{front:?} {upstream} {chaos}: {}", reply.text());
            }
        }
    }
}

/// Once a keep-alive has gone out the status is 200 for good: what fails later is one event.
#[tokio::test]
async fn an_error_after_a_keep_alive_is_one_event_of_the_dialect() {
    for front in FRONTS {
        for upstream in ["anthropic", "other"] {
            let script = "rules: [{raw: {status: 503, body: '{\"error\":{\"message\":\"late\",\"type\":\"x\"}}'}, chaos: {first_byte_delay_ms: 300}}]";
            let app = App::with(script, |setup| {
                setup.options.keepalive = Duration::from_millis(50);
                setup.each(|settings| settings.retry.attempts = 0);
            })
            .await;
            let reply = app.send(&front.call(&format!("{upstream}:m"), Layout::Stream)).await;
            assert_eq!(reply.status, 200);
            let got = judge(front, Layout::Stream, &reply);
            let Ok(Got::Failed { message }) = &got else { panic!("{front:?} {upstream} {got:?}") };
            assert!(message.contains("late"), "{message}");
            assert_eq!(app.upstream.requests().len(), 1);
        }
    }
}

/// Requirements N3 and 004-27: each phase has its own bound, and the error says which setting it was.
#[tokio::test]
async fn each_timeout_is_504_or_an_event_that_names_its_setting() {
    let cases = [
        ("first_byte_ms", "{chaos: {first_byte_delay_ms: 60000}}"),
        ("idle_ms", "{answer: {chunk: 2, blocks: [{text: a longer text}]}, chaos: {stall_after_events: 4}}"),
        (
            "total_ms",
            "{answer: {chunk: 1, delay_ms: 60, blocks: [{text: 'a text that takes a while when it comes one letter at a time'}]}}",
        ),
    ];
    for (setting, rule) in cases {
        for (front, upstream) in
            [(Front::Anthropic, "anthropic"), (Front::Responses, "other"), (Front::Gemini, "ollama")]
        {
            for layout in [Layout::Whole, Layout::Stream] {
                let rule = match (layout, setting) {
                    // Half of a whole answer, and one that drips.
                    (Layout::Whole, "idle_ms") => "{chaos: {split_bytes: 40, split_delay_ms: 60000}}",
                    (Layout::Whole, "total_ms") => "{chaos: {split_bytes: 4, split_delay_ms: 60}}",
                    _ => rule,
                };
                let app = App::with(&format!("rules: [{rule}]"), |setup| {
                    setup.each(|settings| match setting {
                        "first_byte_ms" => settings.timeouts.first_byte_ms = 200,
                        "idle_ms" => settings.timeouts.idle_ms = 200,
                        _ => settings.timeouts.total_ms = 400,
                    });
                })
                .await;
                let reply = app.send(&front.call(&format!("{upstream}:m"), layout)).await;
                match judge(front, layout, &reply) {
                    Ok(Got::Failed { message } | Got::Refused { message, status: 504 }) => {
                        assert!(message.contains(setting), "{setting} {front:?}: {message}");
                    }
                    other => panic!("{setting} {front:?} {layout:?}: {other:?}"),
                }
                assert_eq!(app.upstream.requests().len(), 1, "a timeout is not tried again");
            }
        }
    }
}

/// The wait for a second try belongs to the time that a call may take, and the error names the setting that ended it.
#[tokio::test]
async fn a_call_that_is_over_its_whole_time_says_which_setting_it_was() {
    let script = "rules: [{when: {path: '*'}, error: {status: 429, retry_after: '30'}}]";
    for (model, setting) in [
        ("m", "200 ms, tries and waits included (providers.anthropic.timeouts.total_ms)"),
        ("slow-1", "300 ms, tries and waits included (providers.anthropic.model_timeouts[].total_ms)"),
    ] {
        let app = App::with(script, |setup| {
            let settings = setup.provider("anthropic");
            settings.retry.max_wait_ms = 60_000;
            settings.timeouts.total_ms = 200;
            settings.model_timeouts = vec![ModelTimeouts {
                model: ModelGlob::new("slow-*"),
                first_byte_ms: None,
                idle_ms: None,
                total_ms: Some(300),
            }];
        })
        .await;
        for front in [Front::Anthropic, Front::Chat] {
            let reply = app.send(&front.call(&format!("anthropic:{model}"), Layout::Whole)).await;
            let got = judge(front, Layout::Whole, &reply);
            let Ok(Got::Refused { message, status: 504 }) = got else { panic!("{front:?} {got:?}") };
            assert!(message.contains(setting), "{front:?} {message}");
        }
    }
}

/// A port that refuses, and one whose queue is full, so that a connection to it is never made.
#[tokio::test]
async fn a_provider_that_cannot_be_connected_is_502_in_time() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let never_accepts = socket.listen(1).unwrap();
    let full = never_accepts.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(Duration::from_millis(100), tokio::net::TcpStream::connect(full)).await
    {
        queued.push(stream);
    }
    for address in ["http://127.0.0.1:9".to_owned(), format!("http://{full}")] {
        let app = App::with("rules: []", |setup| {
            let settings = setup.provider("anthropic");
            settings.base_url = Some(address.parse().unwrap());
            settings.timeouts.connect_ms = 200;
        })
        .await;
        let begun = Instant::now();
        let reply = app.send(&Front::Anthropic.call("anthropic:m", Layout::Whole)).await;
        assert_eq!(reply.status, 502, "{reply:?}");
        assert!(reply.text().contains("cannot connect"), "{reply:?}");
        assert!(begun.elapsed() < Duration::from_secs(3));
    }
}

/// Requirement N3.
#[tokio::test]
async fn a_model_may_have_its_own_timeouts() {
    let app = App::with("rules: [{chaos: {first_byte_delay_ms: 400}}]", |setup| {
        let settings = setup.provider("anthropic");
        settings.timeouts.first_byte_ms = 50;
        settings.model_timeouts = vec![ModelTimeouts {
            model: ModelGlob::new("slow-*"),
            first_byte_ms: Some(10_000),
            idle_ms: None,
            total_ms: None,
        }];
    })
    .await;
    assert_eq!(app.send(&Front::Anthropic.call("anthropic:quick", Layout::Whole)).await.status, 504);
    assert_eq!(app.send(&Front::Anthropic.call("anthropic:slow-1", Layout::Whole)).await.status, 200);
}

/// One retry that waits as long as it is told, none when told to wait too long, none when turned off.
#[tokio::test]
async fn a_second_try_honours_retry_after_within_the_bound_and_can_be_turned_off() {
    let script = |after: &str| {
        format!("rules: [{{sequence: [{{error: {{status: 429, retry_after: '{after}'}}}}, {{}}]}}]")
    };
    let cases =
        [("0.3", 1, 1000, 200, 2), ("2", 1, 1000, 429, 1), ("0", 0, 1000, 429, 1), ("0", 1, 0, 200, 2)];
    for (after, attempts, max_wait_ms, status, requests) in cases {
        let app = App::with(&script(after), |setup| {
            setup.each(|settings| settings.retry = lockgate_providers::Retry { attempts, max_wait_ms });
        })
        .await;
        let reply = app.send(&Front::Anthropic.call("anthropic:m", Layout::Stream)).await;
        assert_eq!((reply.status, app.upstream.requests().len()), (status, requests), "{after} {attempts}");
        if status == 429 {
            assert_eq!(reply.header("retry-after"), Some(after));
        }
        if after == "0.3" {
            let seen = app.upstream.requests();
            assert!(seen[1].started.duration_since(seen[0].started) >= Duration::from_millis(300));
        }
    }
}

/// llama.cpp blames itself (500) for what only another request can mend.
#[tokio::test]
async fn a_500_that_blames_the_request_is_not_tried_again_and_other_ones_are() {
    for (words, requests) in [
        ("Failed to parse tool call arguments as JSON: [json.exception.parse_error.101] parse error", 1),
        ("image input is not supported - hint: you may need to provide the mmproj", 1),
        ("The model produced output that does not match the expected format", 2),
    ] {
        let script = format!("rules: [{{error: {{status: 500, message: '{words}'}}}}]");
        let app = App::start(&script).await;
        let reply = app.send(&Front::Anthropic.call("other:m", Layout::Whole)).await;
        assert_eq!((reply.status, app.upstream.requests().len()), (500, requests), "{words}");
        assert!(reply.text().contains(words), "{reply:?}");
    }
}

/// A stream whose provider is only slow is not an error, and pings stand between frames, never inside one.
#[tokio::test]
async fn a_keep_alive_never_splits_a_frame() {
    let script = "{chunk: 4, rules: [{chaos: {split_bytes: 30, split_delay_ms: 45}}]}";
    let app = App::with(script, |setup| setup.options.keepalive = Duration::from_millis(20)).await;
    let reply = app.send(&Front::Anthropic.call("anthropic:m", Layout::Stream)).await;
    let got = judge(Front::Anthropic, Layout::Stream, &reply);
    assert!(matches!(got, Ok(Got::Answer(_))), "{got:?} {}", reply.text());
    let names: Vec<_> = events(&reply.text()).unwrap().into_iter().map(|(name, _)| name).collect();
    assert!(names.iter().filter(|name| *name == "ping").count() > 2, "{names:?}");
}
