//! Token counts of streams: asked for where the settings say so, told to the gateway, kept from clients that did not
//! ask.

use lockgate_providers::StreamUsage;
use serde_json::{Value, json};

use crate::app::App;
use crate::client::Call;
use crate::front::{Front, Layout};

/// A stream with odd spacing and fields that nobody knows; its tokens in a chunk of their own.
const BEFORE: &str = "data: {\"id\":\"c\", \"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"h\\u00e9\"},\"finish_reason\":null}],  \"usage\":null,\"zeta\":1.50}\n\n: a comment\n\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n";
const TOKENS: &str = "data: {\"id\":\"c\",\"choices\": [ ],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

fn raw(stream: &str, chaos: &str) -> String {
    let body = serde_json::to_string(stream).unwrap();
    format!("rules: [{{raw: {{headers: {{content-type: text/event-stream}}, body: {body}}}, {chaos}}}]")
}

async fn always(script: &str) -> App {
    App::with(script, |setup| setup.each(|settings| settings.stream_usage = StreamUsage::Always)).await
}

fn ask(options: &str) -> String {
    format!(
        "{{ \"model\": \"m\",\n \"messages\":[ {{\"role\":\"user\",\"content\":\"hi\"}} ],\"top_p\": 1.0, \"stream\" :true{options} }}"
    )
}

fn used(app: &App) -> Option<(Option<u64>, Option<u64>)> {
    let reports = app.reported();
    let usage = reports.last().unwrap().usage.as_ref()?;
    Some((usage.prompt(), usage.output))
}

/// Requirement 004-7.
#[tokio::test]
async fn usage_is_known_though_the_client_did_not_ask_and_the_client_sees_no_chunk_of_it() {
    for chaos in ["chaos: {}", "chaos: {split_bytes: 5}"] {
        let app = always(&raw(&format!("{BEFORE}{TOKENS}{DONE}"), chaos)).await;
        let call = Call::bytes("/v1/chat/completions", ask("").replace("\"m\"", "\"openai:m\""));
        let reply = app.send(&call).await;
        assert_eq!(reply.text(), format!("{BEFORE}{DONE}"), "{chaos}");
        let asked = ask(",\"stream_options\":{\"include_usage\":true}");
        assert_eq!(String::from_utf8(app.seen().body.to_vec()).unwrap(), asked, "every other byte stays");
        assert_eq!(used(&app), Some((Some(7), Some(2))), "{chaos}");
    }
}

/// Requirement 004-7.
#[tokio::test]
async fn what_the_client_says_about_its_stream_stays_beside_the_question_for_usage() {
    for (said, sent, shown) in [
        (
            "{ \"include_obfuscation\":false }",
            "{ \"include_obfuscation\":false,\"include_usage\":true }",
            false,
        ),
        ("{\"include_usage\" : false}", "{\"include_usage\" : true}", false),
        ("null", "{\"include_usage\":true}", false),
        ("{\"include_usage\" : true}", "{\"include_usage\" : true}", true),
    ] {
        let app = always(&raw(&format!("{BEFORE}{TOKENS}{DONE}"), "chaos: {}")).await;
        let body = ask(&format!(",\"stream_options\":{said}")).replace("\"m\"", "\"openai:m\"");
        let reply = app.send(&Call::bytes("/v1/chat/completions", body)).await;
        let asked = ask(&format!(",\"stream_options\":{sent}"));
        assert_eq!(String::from_utf8(app.seen().body.to_vec()).unwrap(), asked, "{said}");
        assert_eq!(reply.text().contains("prompt_tokens"), shown, "{said}");
        assert_eq!(used(&app), Some((Some(7), Some(2))), "{said}");
    }
}

/// Requirement 004-7: servers that count on the last chunk of content lose none of it.
#[tokio::test]
async fn a_chunk_that_holds_more_than_usage_always_arrives() {
    let last = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}\n\n";
    let stream = format!("{BEFORE}{last}{DONE}");
    let app = always(&raw(&stream, "chaos: {}")).await;
    let call = Call::bytes("/v1/chat/completions", ask("").replace("\"m\"", "\"other:m\""));
    assert_eq!(app.send(&call).await.text(), stream);
    assert_eq!(used(&app), Some((Some(7), Some(2))));
}

#[tokio::test]
async fn without_the_setting_and_in_whole_answers_a_request_leaves_as_it_came() {
    let stream = format!("{BEFORE}{TOKENS}{DONE}");
    let app = App::start(&raw(&stream, "chaos: {}")).await;
    let call = Call::bytes("/v1/chat/completions", ask("").replace("\"m\"", "\"openai:m\""));
    assert_eq!(app.send(&call).await.text(), stream);
    assert_eq!(String::from_utf8(app.seen().body.to_vec()).unwrap(), ask(""));
    let app = always("rules: []").await;
    app.send(&Front::Chat.call("openai:m", Layout::Whole)).await;
    assert_eq!(app.seen().json()["stream_options"], Value::Null);
}

/// Requirement 004-7: a call that changes dialect asks in any case.
#[tokio::test]
async fn a_converted_stream_asks_for_usage() {
    for id in ["openai", "other", "openrouter"] {
        let app = App::start("rules: []").await;
        app.send(&Front::Anthropic.call(&format!("{id}:m"), Layout::Stream)).await;
        assert_eq!(app.seen().json()["stream_options"], json!({"include_usage": true}), "{id}");
        assert!(used(&app).is_some_and(|(prompt, output)| prompt.is_some() && output.is_some()), "{id}");
    }
}

/// An estimate of ours never passes for a count.
#[tokio::test]
async fn an_estimated_prompt_of_a_whole_converted_answer_is_marked() {
    let answer = |usage: &str| {
        let body = format!(
            r#"{{"id":"c","choices":[{{"index":0,"message":{{"role":"assistant","content":"hi"}},"finish_reason":"stop"}}]{usage}}}"#
        );
        format!("rules: [{{raw: {{headers: {{content-type: application/json}}, body: '{body}'}}}}]")
    };
    let counted = r#","usage":{"prompt_tokens":7,"completion_tokens":2}"#;
    for (usage, mark) in [("", Some("input_tokens")), (counted, None)] {
        let app = App::start(&answer(usage)).await;
        let reply = app.send(&Front::Anthropic.call("other:m", Layout::Whole)).await;
        assert_eq!(reply.header("x-lockgate-estimated"), mark, "{reply:?}");
        let told = reply.json()["usage"]["input_tokens"].as_u64().unwrap();
        assert!(told > 0 && (mark.is_some() || told == 7), "{told}");
        // What passes is the provider's own word.
        let reply = app.send(&Front::Chat.call("other:m", Layout::Whole)).await;
        assert_eq!(reply.header("x-lockgate-estimated"), None);
        // Dialects that can leave the count out do.
        let reply = app.send(&Front::Gemini.call("other:m", Layout::Whole)).await;
        assert_eq!(reply.header("x-lockgate-estimated"), None);
    }
}
