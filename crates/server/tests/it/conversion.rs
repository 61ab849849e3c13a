//! Requests that change dialect, for every pair: what a client says arrives, or is declared by the client's own name for
//! it, or (strict) is refused by that name. The upstream checks each converted request as the real provider would.

use serde_json::{Value, json};

use crate::app::App;
use crate::client::{Call, Reply};
use crate::front::{FRONTS, Front, Layout};
use crate::shapes::{Got, judge};

/// What must arrive at every provider.
const MARKS: [&str; 9] = [
    "system-mark",
    "user-mark",
    "assistant-mark",
    "city-mark",
    "result-mark",
    "last-mark",
    "tool-mark",
    "schema-mark",
    "iVBORw0KGgo=",
];

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string", "enum": ["city-mark", "schema-mark"]}}, "required": ["city"]})
}

/// A conversation with everything that all dialects have, and something that none but this one has.
fn rich(front: Front, model: &str, layout: Layout) -> Value {
    let stream = layout != Layout::Whole;
    let picture = "data:image/png;base64,iVBORw0KGgo=";
    let (args, name) = (json!({"city": "city-mark"}), "get_weather");
    let function = json!({"name": name, "description": "tool-mark", "parameters": schema()});
    match front {
        Front::Anthropic => json!({
            "model": model, "stream": stream, "max_tokens": 999, "temperature": 0.5, "stop_sequences": ["stop-mark"],
            "container": "only-here", "system": [{"type": "text", "text": "system-mark"}],
            "messages": [
                {"role": "user", "content": "user-mark"},
                {"role": "assistant", "content": [{"type": "text", "text": "assistant-mark"}, {"type": "tool_use", "id": "toolu_1", "name": name, "input": args}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "result-mark"}, {"type": "text", "text": "last-mark"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]}],
            "tools": [{"name": name, "description": "tool-mark", "input_schema": schema()}], "tool_choice": {"type": "auto"},
        }),
        Front::Chat => json!({
            "model": model, "stream": stream, "max_completion_tokens": 999, "temperature": 0.5, "stop": ["stop-mark"],
            "logit_bias": {"50256": -100},
            "messages": [
                {"role": "system", "content": "system-mark"}, {"role": "user", "content": "user-mark"},
                {"role": "assistant", "content": "assistant-mark", "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": args.to_string()}}]},
                {"role": "tool", "tool_call_id": "call_1", "content": "result-mark"},
                {"role": "user", "content": [{"type": "text", "text": "last-mark"}, {"type": "image_url", "image_url": {"url": picture}}]}],
            "tools": [{"type": "function", "function": function}], "tool_choice": "auto",
        }),
        Front::Gemini => json!({
            "generationConfig": {"maxOutputTokens": 999, "temperature": 0.5, "stopSequences": ["stop-mark"], "speechConfig": {"languageCode": "de"}},
            "systemInstruction": {"parts": [{"text": "system-mark"}]},
            "contents": [
                {"role": "user", "parts": [{"text": "user-mark"}]},
                {"role": "model", "parts": [{"text": "assistant-mark"}, {"functionCall": {"name": name, "args": args}}]},
                {"role": "user", "parts": [{"functionResponse": {"name": name, "response": {"result": "result-mark"}}}]},
                {"role": "user", "parts": [{"text": "last-mark"}, {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]}],
            "tools": [{"functionDeclarations": [function]}], "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        }),
        Front::Ollama => json!({
            "model": model, "stream": stream, "options": {"num_predict": 999, "temperature": 0.5, "stop": ["stop-mark"], "mirostat": 2},
            "messages": [
                {"role": "system", "content": "system-mark"}, {"role": "user", "content": "user-mark"},
                {"role": "assistant", "content": "assistant-mark", "tool_calls": [{"function": {"name": name, "arguments": args}}]},
                {"role": "tool", "tool_name": name, "content": "result-mark"},
                {"role": "user", "content": "last-mark", "images": ["iVBORw0KGgo="]}],
            "tools": [{"type": "function", "function": function}],
        }),
        Front::Responses => json!({
            "model": model, "stream": stream, "max_output_tokens": 999, "temperature": 0.5, "store": false,
            "max_tool_calls": 3, "instructions": "system-mark",
            "input": [
                {"role": "user", "content": "user-mark"}, {"role": "assistant", "content": "assistant-mark"},
                {"type": "function_call", "call_id": "call_1", "name": name, "arguments": args.to_string()},
                {"type": "function_call_output", "call_id": "call_1", "output": "result-mark"},
                {"role": "user", "content": [{"type": "input_text", "text": "last-mark"}, {"type": "input_image", "image_url": picture, "detail": "auto"}]}],
            "tools": [{"type": "function", "name": name, "description": "tool-mark", "parameters": schema(), "strict": false}],
            "tool_choice": "auto",
        }),
    }
}

/// The field that only this dialect has.
fn own_field(front: Front) -> &'static str {
    match front {
        Front::Anthropic => "container",
        Front::Chat => "logit_bias",
        Front::Gemini => "generationConfig.speechConfig",
        Front::Ollama => "options.mirostat",
        Front::Responses => "max_tool_calls",
    }
}

fn lossy(reply: &Reply) -> Vec<String> {
    let fields = reply.header("x-lockgate-lossy").unwrap_or_default().split(", ");
    fields.filter(|field| !field.is_empty()).map(str::to_owned).collect()
}

/// Each front with the model of each provider that does not speak its dialect. Nobody is ever translated to Responses:
/// who has it has Chat.
fn pairs() -> impl Iterator<Item = (Front, &'static str)> {
    let upstreams = [
        (&[Front::Anthropic][..], "anthropic:claude-haiku-4-5"),
        (&[Front::Chat], "other:m"),
        (&[Front::Gemini], "gemini:gemini-2.5-flash"),
        (&[Front::Ollama], "ollama:llava"),
        (&[Front::Chat, Front::Responses], "openai:gpt-4.1"),
    ];
    let foreign = move |front| upstreams.into_iter().filter(move |(spoken, _)| !spoken.contains(&front));
    FRONTS.into_iter().flat_map(move |front| foreign(front).map(move |(_, model)| (front, model)))
}

fn call(front: Front, model: &str, layout: Layout) -> Call {
    let call = Call::post(&front.path(model, layout), &rich(front, model, layout));
    if front == Front::Anthropic { call.header("anthropic-version", "2023-06-01") } else { call }
}

/// Requirement 004-42.
#[tokio::test]
async fn between_every_pair_of_dialects_what_was_said_arrives_and_what_cannot_is_declared() {
    let app = App::start("rules: []").await;
    for (front, model) in pairs() {
        for layout in front.layouts() {
            app.upstream.clear();
            let reply = app.send(&call(front, model, *layout)).await;
            let got = judge(front, *layout, &reply);
            let Ok(Got::Answer(answer)) = got else {
                panic!("{front:?} {model} {layout:?} {got:?} {reply:?}")
            };
            assert!(answer.text.starts_with("You said: "), "{front:?} {model} {layout:?} {answer:?}");
            let seen = app.seen();
            assert_eq!(seen.violations, Vec::<String>::new(), "{front:?} {model}");
            let (sent, lost) = (seen.json().to_string(), lossy(&reply));
            for mark in MARKS {
                assert!(sent.contains(mark), "{front:?} {model} lost {mark}: {sent}");
            }
            assert!(sent.contains("999") && sent.contains("0.5"), "{front:?} {model} {sent}");
            let told = |word: &str| lost.iter().any(|field| field.contains(word));
            if front != Front::Responses {
                assert!(sent.contains("stop-mark") != told("stop"), "{front:?} {model} {lost:?} {sent}");
            }
            assert!(told(own_field(front)), "{front:?} {model} {lost:?}");
        }
    }
}

/// Requirement 004-42: strict mode names the field by its path in the client's own request.
#[tokio::test]
async fn between_every_pair_of_dialects_strict_mode_refuses_by_the_path_of_the_field() {
    let app = App::start("rules: []").await;
    for (front, model) in pairs() {
        for layout in front.layouts() {
            let asked = call(front, model, *layout);
            let lost = lossy(&app.send(&asked).await);
            app.upstream.clear();
            let reply = app.send(&asked.clone().header("x-lockgate-strict", "1")).await;
            let got = judge(front, *layout, &reply);
            let Ok(Got::Refused { message, status: 400 }) = got else { panic!("{front:?} {model} {got:?}") };
            assert!(lost.iter().any(|field| message.contains(field)), "{front:?} {model} {lost:?} {message}");
            if matches!(front, Front::Chat | Front::Responses) {
                let param = reply.json()["error"]["param"].as_str().unwrap_or_default().to_owned();
                assert!(lost.contains(&param), "{front:?} {model} {lost:?} {param}");
            }
            assert!(app.upstream.requests().is_empty(), "{front:?} {model}: nothing is sent");
        }
    }
}

/// Requirements 004-8, 004-29: some of OpenAI's models are not there in Chat Completions.
#[tokio::test]
async fn models_that_openai_has_on_responses_only_are_called_there_by_every_client() {
    let app = App::start("rules: []").await;
    for front in FRONTS.into_iter().filter(|front| *front != Front::Responses) {
        for layout in front.layouts() {
            app.upstream.clear();
            let reply = app.send(&call(front, "openai:gpt-5-codex", *layout)).await;
            let got = judge(front, *layout, &reply);
            let Ok(Got::Answer(answer)) = got else { panic!("{front:?} {layout:?} {got:?} {reply:?}") };
            assert!(answer.text.starts_with("You said: "), "{front:?} {layout:?} {answer:?}");
            let seen = app.seen();
            assert_eq!((seen.path(), seen.violations.len()), ("/v1/responses", 0), "{front:?} {seen:?}");
            let sent = seen.json().to_string();
            for mark in MARKS {
                assert!(sent.contains(mark), "{front:?} lost {mark}: {sent}");
            }
        }
    }
}

/// Requirement 004-1: members that share a name and nothing else do not cross, and a tool that stays behind is not chosen.
#[tokio::test]
async fn what_only_shares_a_name_with_a_field_of_another_dialect_is_declared_and_not_sent() {
    let app = App::start("rules: []").await;
    for model in ["openai:gpt-5-codex", "openai:m", "other:m", "gemini:m"] {
        let body = json!({
            "model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}],
            "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
            "tools": [{"type": "web_search_20250305", "name": "WebSearch"}, {"name": "Read", "input_schema": {"type": "object"}}],
            "tool_choice": {"type": "tool", "name": "WebSearch"},
        });
        let reply =
            app.send(&Call::post("/v1/messages", &body).header("anthropic-version", "2023-06-01")).await;
        assert_eq!(reply.status, 200, "{model}: {}", reply.text());
        let lossy = reply.header("x-lockgate-lossy").unwrap_or_default();
        for name in ["context_management", "tool_choice", "tools.web_search"] {
            assert!(lossy.contains(name), "{model}: {name} in {lossy}");
        }
        let sent = app.upstream.last().unwrap().json().to_string();
        assert!(
            !sent.contains("context_management") && !sent.contains("WebSearch") && sent.contains("Read"),
            "{sent}"
        );
    }
}

/// Requirement I4: a file that lies with a provider means nothing to another one.
#[tokio::test]
async fn a_file_that_lies_with_one_provider_is_400_before_another() {
    let app = App::start("validate: false").await;
    let ask = |front: Front, model: &str, part: Value| {
        let content = json!([{"role": "user", "content": [part]}]);
        let body = match front {
            Front::Anthropic => json!({"model": model, "max_tokens": 9, "messages": content}),
            Front::Chat => json!({"model": model, "messages": content}),
            _ => json!({"model": model, "input": content}),
        };
        Call::post(&front.path(model, Layout::Whole), &body).header("anthropic-version", "2023-06-01")
    };
    let anthropic = json!({"type": "document", "source": {"type": "file", "file_id": "file_1"}});
    let chat = json!({"type": "file", "file": {"file_id": "file_1"}});
    let responses = json!({"type": "input_file", "file_id": "file_1"});
    for (front, part, own) in [
        (Front::Anthropic, anthropic, "anthropic"),
        (Front::Chat, chat, "openai"),
        (Front::Responses, responses, "openai"),
    ] {
        for provider in ["anthropic", "gemini", "ollama", "openai"].into_iter().filter(|one| *one != own) {
            let reply = app.send(&ask(front, &format!("{provider}:m"), part.clone())).await;
            let words = reply.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(reply.status == 400 && words.contains("file_1"), "{front:?} {provider}: {words}");
        }
        assert!(app.upstream.requests().is_empty());
        app.send(&ask(front, &format!("{own}:m"), part)).await;
        assert_eq!(app.upstream.requests().len(), 1, "{front:?}");
        app.upstream.clear();
    }
}

/// Claude holds the arguments of strict tools to a grammar, which knows no bounds: it refuses schemas that have some.
#[tokio::test]
async fn a_strict_tool_reaches_claude_with_a_schema_that_it_takes() {
    let app = App::start("rules: []").await;
    let schema = json!({
        "type": "object", "required": ["n"],
        "properties": {"n": {"type": "integer", "minimum": 1, "description": "How many"}},
    });
    let mut body = Front::Chat.body("anthropic:claude-sonnet-4-5", Layout::Whole);
    body["tools"] =
        json!([{"type": "function", "function": {"name": "take", "strict": true, "parameters": schema}}]);
    let reply = app.send(&Call::post("/v1/chat/completions", &body)).await;
    assert_eq!((reply.status, app.upstream.violations()), (200, Vec::new()), "{reply:?}");
    let tool = app.seen().json()["tools"][0].clone();
    assert_eq!(
        (&tool["strict"], &tool["input_schema"]["additionalProperties"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(tool["input_schema"]["properties"]["n"]["description"], "How many\n\n{minimum: 1}");
    assert_eq!(reply.header("x-lockgate-lossy"), Some("tools.function.parameters.minimum"));
}
