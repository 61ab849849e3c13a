//! Gemini behind both of its addresses, AI Studio's and Vertex's: access tokens, signatures, why answers end.

use lockgate_providers::{Credentials, Kind, Settings, Vertex};
use lockgate_testkit::Recorded;
use serde_json::{Value, json};

use crate::app::{App, GATEWAY_KEY, Setup};
use crate::client::Call;
use crate::continuity::{LOOP, anthropic_loop, thinking};
use crate::front::{FRONTS, Front, Layout};
use crate::shapes::{Got, judge};

/// A gateway with Vertex at the scripted upstream, by the credentials that `gcloud auth application-default login` writes.
async fn vertex(script: &str) -> (App, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("application_default_credentials.json");
    let app = App::with(script, |setup: &mut Setup| {
        let base = setup.provider("gemini").base_url.clone().unwrap();
        let login = json!({
            "type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "the-refresh-token",
            "token_uri": base.join("token").unwrap(),
        });
        std::fs::write(&file, login.to_string()).unwrap();
        let vertex = Vertex {
            credentials_file: Some(file.display().to_string()),
            project: Some("my-project".into()),
            ..Vertex::default()
        };
        let settings = Settings {
            api_key: None,
            credentials: Credentials::Gateway,
            kind: Some(Kind::Vertex),
            vertex: Some(vertex),
            ..setup.provider("gemini").clone()
        };
        setup.options.providers.insert("vertex".into(), settings);
    })
    .await;
    (app, folder)
}

fn split(requests: Vec<Recorded>) -> (Vec<Recorded>, Vec<Recorded>) {
    requests.into_iter().partition(|request| request.path() == "/token")
}

/// Requirements 003-22 and 004-31.
#[tokio::test]
async fn vertex_is_asked_at_its_own_address_with_a_token_that_is_fetched_once() {
    let (app, _folder) = vertex("vertex: {check_tokens: true}").await;
    for front in FRONTS {
        for layout in front.layouts() {
            let reply = app.send(&front.call("vertex:gemini-2.5-flash", *layout)).await;
            let got = judge(front, *layout, &reply);
            assert!(matches!(got, Ok(Got::Answer(_))), "{front:?} {layout:?} {got:?} {reply:?}");
        }
    }
    let (tokens, calls) = split(app.upstream.requests());
    assert_eq!((tokens.len(), calls.len()), (1, 11));
    for call in calls {
        let model =
            "/v1beta1/projects/my-project/locations/global/publishers/google/models/gemini-2.5-flash:";
        assert!(call.path().starts_with(model), "{}", call.target);
        assert!(call.header("authorization").unwrap().starts_with("Bearer ya29."), "{:?}", call.headers);
        assert!(!call.target.contains("ya29") && !call.target.contains("key="), "{}", call.target);
        assert_eq!(call.violations, Vec::<String>::new());
    }
}

/// Requirement 003-22: a token about to expire is renewed before a call, and one that was revoked (or outlived its time
/// by a clock that jumped) costs one call at most.
#[tokio::test]
async fn an_access_token_is_renewed_in_time_and_after_it_was_refused() {
    let (app, _folder) = vertex("vertex: {check_tokens: true, token_ttl_ms: 59000}").await;
    let call = Front::Anthropic.call("vertex:gemini-2.5-flash", Layout::Whole);
    for _ in 0..3 {
        assert_eq!(app.send(&call).await.status, 200);
    }
    let (tokens, calls) = split(app.upstream.requests());
    assert_eq!((tokens.len(), calls.len()), (3, 3), "what expires within a minute is not used again");

    let revoked = "{vertex: {check_tokens: true}, rules: [{when: {nth: 2}, error: {status: 401}}]}";
    let (app, _folder) = vertex(revoked).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(app.send(&call).await.status);
    }
    let (tokens, calls) = split(app.upstream.requests());
    assert_eq!((statuses, tokens.len(), calls.len()), (vec![200, 401, 200, 200], 2, 4));
    let used: Vec<_> = calls.iter().map(|call| call.header("authorization").unwrap()).collect();
    assert!(used[0] == used[1] && used[1] != used[2] && used[2] == used[3], "{used:?}");
}

/// A conversation of a Gemini client with one signed call, as it came.
async fn with_signed_call(app: &App, model: &str) -> Value {
    let mut body = Front::Gemini.body(model, Layout::Whole);
    let reply = app.send(&Call::post(&Front::Gemini.path(model, Layout::Whole), &body)).await;
    let content = reply.json()["candidates"][0]["content"].clone();
    let call = content["parts"].as_array().unwrap().iter().find(|part| part.get("functionCall").is_some());
    let call = call.unwrap_or_else(|| panic!("{reply:?}"))["functionCall"].clone();
    let answer =
        json!({"functionResponse": {"name": call["name"], "id": call["id"], "response": {"sky": "blue"}}});
    let contents = body["contents"].as_array_mut().unwrap();
    contents.push(content);
    contents.push(json!({"role": "user", "parts": [answer]}));
    body
}

/// Requirements 003-22, B2: Google judges what its own client changed; untouched it is accepted at both addresses.
#[tokio::test]
async fn a_signature_passes_byte_for_byte_and_an_altered_one_is_refused_by_google_in_its_words() {
    let script = "rules: [{agent: {steps: [{all: {get_weather: {city: A}}}], then: All done.}}]";
    let (app, _folder) = vertex(script).await;
    for provider in ["gemini", "vertex"] {
        let model = format!("{provider}:gemini-3-pro");
        let body = with_signed_call(&app, &model).await;
        let path = Front::Gemini.path(&model, Layout::Whole);
        let reply = app.send(&Call::post(&path, &body)).await;
        assert!(reply.status == 200 && reply.text().contains("All done."), "{provider} {reply:?}");
        for altered in [json!("AAAA"), Value::Null] {
            let mut body = body.clone();
            let parts = body["contents"][1]["parts"].as_array_mut().unwrap();
            let part = parts.iter_mut().find(|part| part.get("thoughtSignature").is_some()).unwrap();
            part["thoughtSignature"] = altered.clone();
            if altered.is_null() {
                part.as_object_mut().unwrap().remove("thoughtSignature");
            }
            let reply = app.send(&Call::post(&path, &body)).await;
            let got = judge(Front::Gemini, Layout::Whole, &reply);
            let Ok(Got::Refused { message, status: 400 }) = got else {
                panic!("{provider} {altered} {got:?}")
            };
            assert!(message.to_lowercase().contains("signature"), "{message}");
        }
    }
}

/// Requirement 003-22: a client that knows no signatures of Google's brings them back all the same.
#[tokio::test]
async fn an_anthropic_client_works_six_steps_with_vertex_and_its_thought_signatures() {
    let script = format!(
        "vertex: {{check_tokens: true}}
{LOOP}
"
    );
    let (app, _folder) = vertex(&script).await;
    let mut body = thinking("vertex:gemini-3-pro");
    assert_eq!(anthropic_loop(&app, &mut body, 7).await.as_deref(), Some("All done."));
    assert_eq!(app.upstream.violations(), Vec::<String>::new());
    assert_eq!(app.upstream.last().unwrap().json().to_string().matches("thoughtSignature").count(), 6);
}

/// Requirement 003-22: blocked prompts, blocked answers and cut ones, in each client's own word for it.
#[tokio::test]
async fn why_gemini_ended_is_told_in_the_word_of_each_dialect() {
    let words = |front: Front, cut: bool| match (front, cut) {
        (Front::Anthropic, true) => "max_tokens",
        (Front::Anthropic, false) => "refusal",
        (Front::Chat | Front::Ollama, true) => "length",
        (Front::Chat, false) => "content_filter",
        (Front::Responses, _) => "incomplete",
        (Front::Ollama, false) => "stop",
        (Front::Gemini, _) => "",
    };
    let usage = json!({"promptTokenCount": 7, "totalTokenCount": 7});
    for reason in ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION", "MAX_TOKENS", "prompt"]
    {
        let answer = match reason {
            "prompt" => {
                json!({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": usage, "modelVersion": "g"})
            }
            _ => {
                json!({"candidates": [{"content": {"role": "model", "parts": []}, "finishReason": reason, "index": 0}],
                        "usageMetadata": usage, "modelVersion": "g"})
            }
        };
        for layout in [Layout::Whole, Layout::Stream] {
            let (kind, body) = match layout {
                Layout::Whole => ("application/json", answer.to_string()),
                Layout::Array | Layout::Stream => ("text/event-stream", format!("data: {answer}\r\n\r\n")),
            };
            let body = serde_json::to_string(&body).unwrap();
            let app =
                App::start(&format!("rules: [{{raw: {{headers: {{content-type: {kind}}}, body: {body}}}}}]"))
                    .await;
            for front in [Front::Anthropic, Front::Chat, Front::Ollama, Front::Responses] {
                let reply = app.send(&front.call("gemini:gemini-2.5-flash", layout)).await;
                let got = judge(front, layout, &reply);
                let Ok(Got::Answer(answer)) = &got else {
                    panic!("{reason} {front:?} {layout:?} {got:?} {reply:?}")
                };
                assert_eq!(
                    answer.stop,
                    words(front, reason == "MAX_TOKENS"),
                    "{reason} {front:?} {layout:?}"
                );
            }
        }
    }
}

/// Requirement 003-22: the key is in a header, wherever the client had it.
#[tokio::test]
async fn the_key_never_stands_in_an_address() {
    let app = App::start("rules: []").await;
    for layout in Front::Gemini.layouts() {
        let mut call = Front::Gemini.call("gemini:gemini-2.5-flash", *layout);
        let and = if call.path.contains('?') { '&' } else { '?' };
        call.path = format!("{}{and}key=the-clients-own", call.path);
        app.upstream.clear();
        assert_eq!(app.send(&call).await.status, 200);
        let seen = app.seen();
        assert!(!seen.target.contains("key="), "{}", seen.target);
        assert!(
            [Some("the-clients-own"), Some(GATEWAY_KEY)].contains(&seen.header("x-goog-api-key")),
            "{seen:?}"
        );
        assert_eq!(seen.violations, Vec::<String>::new());
    }
}
