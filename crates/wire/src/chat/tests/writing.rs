//! Writing requests: conversations of other dialects, and what servers do not take (quirks).

use lockgate_core::content::{
    CacheControl, Citation, Document, FunctionTool, Image, Media, Opaque, Reasoning, Source, Text, ToolCall,
    ToolKind, ToolResult,
};
use lockgate_core::{
    Block, Conversation, Dialect, OutputFormat, Part, ReasoningRequest, Role, Seal, Tool, ToolChoice, Turn,
    Unmodelled,
};
use serde_json::{Value, json};

use super::FORMAT;
use super::requests::{RICH, parse};
use crate::json::raw;
use crate::{Loss, Quirks, Target, check};

fn write(conversation: &Conversation, quirks: &Quirks) -> (Value, Vec<String>) {
    let (body, loss) = check::write(&FORMAT, conversation, quirks);
    (serde_json::from_str(&body).unwrap(), loss.names().to_vec())
}

fn plain(conversation: &Conversation) -> (Value, Vec<String>) {
    write(conversation, &Quirks::default())
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { name: None, parts, role }
}

fn user(parts: Vec<Part>) -> Turn {
    turn(Role::User, parts)
}

fn call(id: &str, arguments: &str) -> Part {
    Part::new(Block::ToolCall(ToolCall {
        arguments: arguments.into(),
        id: id.into(),
        kind: ToolKind::Function,
        name: "f".into(),
        namespace: None,
        seal: None,
    }))
}

fn result(id: &str, content: Vec<Part>) -> Part {
    Part::new(Block::ToolResult(ToolResult {
        call_id: id.into(),
        content,
        is_error: false,
        kind: ToolKind::Function,
        name: None,
    }))
}

fn failed(id: &str, content: Vec<Part>) -> Part {
    let mut part = result(id, content);
    if let Block::ToolResult(result) = &mut part.block {
        result.is_error = true;
    }
    part
}

fn image(data: &str) -> Part {
    let source = Source::Base64 { data: data.into(), media_type: None };
    Part::new(Block::Image(Image { detail: None, source }))
}

fn document(source: Source) -> Part {
    Part::new(Block::Document(Document { citations: None, context: None, name: None, source }))
}

fn says(turns: Vec<Turn>) -> Conversation {
    Conversation { turns, ..Conversation::default() }
}

fn pdf() -> Source {
    Source::Base64 { data: "JVBERi0=".into(), media_type: Some("application/pdf".into()) }
}

/// A conversation as Claude Code has it: several system parts, thoughts, parallel calls, a picture in a result, a
/// failed tool, instructions in the middle. Requirement 004-5.
#[test]
fn a_rich_conversation_is_written_for_openai() {
    let mut hosted = Conversation {
        system: vec![Part::text("One."), Part::text(""), Part::text("Two.")],
        turns: vec![
            user(vec![Part::text("Go.")]),
            turn(
                Role::Assistant,
                vec![
                    Part::new(Block::Reasoning(Reasoning {
                        id: None,
                        seal: Some(Seal::Signature("sig".into())),
                        summary: false,
                        text: "Hmm".into(),
                    })),
                    Part::text("I call two."),
                    call("toolu_1", r#"{"a": 1}"#),
                    call("toolu_2", ""),
                ],
            ),
            user(vec![
                result("toolu_1", vec![Part::text("a picture"), image("iVBORw0KGgo=")]),
                failed("toolu_2", vec![Part::text("no such file")]),
                Part::text("Well?"),
            ]),
            turn(Role::System, vec![Part::text("Stay calm.")]),
            turn(Role::Assistant, vec![Part::text("Done.")]),
        ],
        ..Conversation::default()
    };
    hosted.system[2].cache = Some(CacheControl { ttl: None });
    let opaque =
        |kind: &str| Opaque { dialect: Dialect::Anthropic, kind: kind.into(), raw: raw("{}").unwrap() };
    hosted.turns[4].parts.push(Part::new(Block::Opaque(opaque("server_tool_use"))));
    hosted.tools = vec![
        Tool::Hosted(opaque("web_search")),
        Tool::Function(FunctionTool {
            cache: None,
            description: Some("d".into()),
            name: "f".into(),
            namespace: None,
            schema: raw(r#"{"type": "object", "x": 1.0}"#),
            strict: None,
        }),
    ];
    hosted.sampling.top_k = Some(40);
    hosted.sampling.max_tokens = Some(32_000);
    hosted.rest = vec![Unmodelled { path: "messages[3].foo".into(), value: raw("1").unwrap() }];
    let (body, loss) = plain(&hosted);
    assert_eq!(
        body,
        json!({
            "model": "upstream-model",
            "messages": [
                {"role": "developer", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]},
                {"role": "user", "content": "Go."},
                {"role": "assistant", "content": "I call two.", "tool_calls": [
                    {"id": "toolu_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}},
                    {"id": "toolu_2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "toolu_1", "content": "a picture"},
                {"role": "tool", "tool_call_id": "toolu_2", "content": "Error: no such file"},
                {"role": "user", "content": [
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                    {"type": "text", "text": "Well?"},
                ]},
                {"role": "developer", "content": "Stay calm."},
                {"role": "assistant", "content": "Done."},
            ],
            "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "x": 1.0}}}],
            "max_completion_tokens": 32000,
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    );
    assert_eq!(
        loss,
        ["cache_control", "thinking", "server_tool_use", "tools.web_search", "top_k", "messages.foo"]
    );
}

#[test]
fn schemas_and_arguments_keep_their_bytes() {
    let mut conversation = says(vec![turn(Role::Assistant, vec![call("a", "{\"n\": 1.50}")])]);
    conversation.tools = parse(r#"{"model":"m","messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"b" : 1.0,"a":[ ]}}}]}"#).tools;
    let (body, _) = check::write(&FORMAT, &conversation, &Quirks::default());
    assert!(body.contains(r#""parameters":{"b" : 1.0,"a":[ ]}"#), "{body}");
    assert!(body.contains(r#""arguments":"{\"n\": 1.50}""#), "{body}");
}

/// Requirement I4: broken arguments stay what they are.
#[test]
fn broken_arguments_are_never_replaced() {
    let (body, _) = plain(&says(vec![turn(Role::Assistant, vec![call("a", "{\"cut")])]));
    assert_eq!(body["messages"][0]["tool_calls"][0]["function"]["arguments"], "{\"cut");
}

/// C11: results follow their calls at once, one message each, whatever stands between them.
#[test]
fn results_follow_their_calls_at_once() {
    let conversation = says(vec![
        turn(Role::Assistant, vec![call("a", "{}"), call("b", "{}")]),
        turn(Role::System, vec![Part::text("note")]),
        user(vec![Part::text("before"), result("a", vec![image("/9j/")])]),
        user(vec![result("b", vec![Part::text("2"), document(pdf())])]),
        user(vec![Part::text("after")]),
    ]);
    let (body, loss) = plain(&conversation);
    let messages = body["messages"].as_array().unwrap();
    let order: Vec<_> = messages.iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(order, ["assistant", "tool", "tool", "developer", "user", "user", "user"]);
    assert_eq!(messages[1], json!({"role": "tool", "tool_call_id": "a", "content": ""}));
    assert_eq!(messages[2]["content"], "2");
    assert_eq!(messages[4]["content"][0]["image_url"]["url"], "data:image/jpeg;base64,/9j/");
    assert_eq!(messages[4]["content"][1]["text"], "before");
    assert_eq!(
        messages[5]["content"][0],
        json!({"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0=", "filename": "document.pdf"}})
    );
    assert_eq!(messages[6]["content"], "after");
    assert!(loss.is_empty(), "{loss:?}");
}

/// C11: `is_error` has no field here.
#[test]
fn a_failed_tool_says_so_in_words_once() {
    for (content, expected) in [
        (vec![Part::text("no such file")], "Error: no such file"),
        (vec![Part::text("Error: no such file")], "Error: no such file"),
        (vec![Part::text("error[E0499]: borrow")], "error[E0499]: borrow"),
        (vec![Part::text("<tool_use_error>gone</tool_use_error>")], "<tool_use_error>gone</tool_use_error>"),
        (vec![], "Error"),
    ] {
        let (body, _) = plain(&says(vec![user(vec![failed("a", content)])]));
        assert_eq!(body["messages"][0]["content"], expected);
    }
}

#[test]
fn empty_texts_are_dropped_and_no_message_is_empty() {
    let (body, _) = plain(&says(vec![
        user(vec![Part::text(""), Part::text("hi")]),
        turn(Role::Assistant, vec![Part::text("")]),
        turn(Role::System, vec![Part::text("")]),
        user(vec![result("a", vec![Part::text("")])]),
    ]));
    assert_eq!(
        body["messages"],
        json!([{"role": "user", "content": "hi"}, {"role": "tool", "tool_call_id": "a", "content": ""}])
    );
}

#[test]
fn what_openai_has_no_field_for_is_declared() {
    let source = |url: &str| Source::Url { url: url.into(), media_type: None };
    let cited = Citation { raw: None, quote: None, span: None, title: None, url: None };
    let mut conversation = says(vec![
        user(vec![
            document(source("https://e/x.pdf")),
            Part::new(Block::Video(Media { format: None, source: source("https://e/v") })),
            Part::new(Block::Audio(Media { format: None, source: source("https://e/a") })),
            Part::new(Block::Image(Image { detail: None, source: Source::File { id: "f".into() } })),
            Part::new(Block::Document(Document {
                citations: Some(true),
                context: Some("c".into()),
                name: Some("n".into()),
                source: Source::Text { text: "words".into() },
            })),
        ]),
        turn(
            Role::Assistant,
            vec![Part::new(Block::Text(Text { text: "t".into(), citations: vec![cited] }))],
        ),
    ]);
    conversation.turns[0].name = Some("two words".into());
    conversation.user = Some("u".repeat(129));
    conversation.cache_key = Some("k".repeat(65));
    conversation.service_tier = Some("reserved".into());
    conversation.metadata = vec![("k".into(), "v".into())];
    let (body, loss) = plain(&conversation);
    assert_eq!(body["messages"][0], json!({"role": "user", "content": "words"}));
    assert_eq!(
        loss,
        [
            "document",
            "video",
            "audio",
            "image",
            "citations",
            "context",
            "title",
            "name",
            "user",
            "prompt_cache_key",
            "service_tier",
            "metadata",
        ]
    );
    for field in ["safety_identifier", "user", "prompt_cache_key", "service_tier", "metadata", "store"] {
        assert!(body.get(field).is_none(), "{field}");
    }
}

/// OpenAI takes labels only for answers that it keeps; whether it keeps them is the client's choice.
#[test]
fn labels_go_along_only_when_the_client_asked_for_storage() {
    let with = |store: &str| {
        let body = format!(r#"{{"model":"m","messages":[],"metadata":{{"k":"v"}},"store":{store}}}"#);
        plain(&parse(&body))
    };
    let (body, loss) = with("true");
    assert_eq!((&body["store"], &body["metadata"]["k"]), (&json!(true), &json!("v")));
    assert!(loss.is_empty());
    let (body, loss) = with("false");
    assert_eq!((&body["store"], body.get("metadata")), (&json!(false), None));
    assert_eq!(loss, ["metadata"]);
}

#[test]
fn a_call_that_is_not_streamed_asks_for_no_stream() {
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 9, model: "x", quirks: &quirks, stream: false };
    let body = FORMAT.messages.write(&Conversation::default(), &target, &mut Loss::default()).unwrap();
    assert_eq!(String::from_utf8(body).unwrap(), r#"{"model":"x","messages":[]}"#);
}

#[test]
fn tool_fields_are_written_only_beside_tools() {
    let conversation = Conversation {
        parallel_tools: Some(true),
        tool_choice: Some(ToolChoice::Auto),
        ..Conversation::default()
    };
    let (body, _) = plain(&conversation);
    assert!(body.get("tool_choice").is_none() && body.get("parallel_tool_calls").is_none());
}

#[test]
fn ids_that_openai_would_refuse_are_shortened_alike_in_call_and_result() {
    let long = "toolu_".to_owned() + &"x".repeat(60);
    let other = "toolu_".to_owned() + &"x".repeat(61);
    let ids = |id: &str, quirks: &Quirks| {
        let conversation = says(vec![
            turn(Role::Assistant, vec![call(id, "{}")]),
            user(vec![result(id, vec![Part::text("r")])]),
        ]);
        let (body, _) = write(&conversation, quirks);
        let called = body["messages"][0]["tool_calls"][0]["id"].as_str().unwrap().to_owned();
        assert_eq!(body["messages"][1]["tool_call_id"], called.as_str());
        called
    };
    let openai = Quirks::default();
    assert_eq!(ids("toolu_1", &openai), "toolu_1");
    assert!(ids(&long, &openai).len() <= 40);
    assert_ne!(ids(&long, &openai), ids(&other, &openai));

    // C11: Mistral takes nine letters or digits.
    let mistral = Quirks { tool_id_alnum9: true, ..Quirks::default() };
    assert_eq!(ids("aB3dE6gH9", &mistral), "aB3dE6gH9");
    for id in ["toolu_1", "functions.x:0", &long] {
        let mapped = ids(id, &mistral);
        assert!(mapped.len() == 9 && mapped.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{mapped}");
        assert_eq!(mapped, ids(id, &mistral), "always the same");
    }
    assert_ne!(ids("toolu_1", &mistral), ids("toolu_2", &mistral));
}

#[test]
fn a_signature_goes_back_to_the_maker_that_knows_it() {
    let mut conversation = says(vec![turn(Role::Assistant, vec![call("a", "{}")])]);
    if let Block::ToolCall(call) = &mut conversation.turns[0].parts[0].block {
        call.seal = Some(Seal::Signature("c2ln".into()));
    }
    let (body, _) = plain(&conversation);
    let written = &body["messages"][0]["tool_calls"][0];
    assert_eq!(written["extra_content"]["google"]["thought_signature"], "c2ln");
    let read = parse(&body.to_string());
    let Block::ToolCall(call) = &read.turns[0].parts[0].block else { panic!() };
    assert_eq!(call.seal, Some(Seal::Signature("c2ln".into())));
}

#[test]
fn how_much_to_think_is_said_in_openais_words() {
    let request = ReasoningRequest::default;
    for (reasoning, effort, lost) in [
        (ReasoningRequest { effort: Some("xhigh".into()), ..request() }, Some("xhigh"), vec![]),
        (
            ReasoningRequest { budget: Some(1024), enabled: Some(true), ..request() },
            Some("low"),
            vec!["thinking.budget_tokens"],
        ),
        (
            ReasoningRequest { budget: Some(10_000), ..request() },
            Some("medium"),
            vec!["thinking.budget_tokens"],
        ),
        (
            ReasoningRequest { budget: Some(31_999), ..request() },
            Some("high"),
            vec!["thinking.budget_tokens"],
        ),
        (ReasoningRequest { enabled: Some(false), ..request() }, None, vec!["thinking"]),
        (ReasoningRequest { enabled: Some(true), ..request() }, None, vec![]),
        (ReasoningRequest { summary: Some("omitted".into()), ..request() }, None, vec![]),
        (ReasoningRequest { summary: Some("auto".into()), ..request() }, None, vec!["reasoning.summary"]),
    ] {
        let conversation = Conversation { reasoning: Some(reasoning.clone()), ..Conversation::default() };
        let (body, loss) = plain(&conversation);
        assert_eq!(body.get("reasoning_effort").and_then(Value::as_str), effort, "{reasoning:?}");
        assert_eq!(loss, lost, "{reasoning:?}");
    }
}

#[test]
fn a_schema_without_a_name_gets_the_one_that_openai_demands() {
    let schema = raw(r#"{"type":"object"}"#).unwrap();
    let format = OutputFormat::Schema { description: None, name: None, schema, strict: None };
    let (body, _) = plain(&Conversation { format: Some(format), ..Conversation::default() });
    assert_eq!(
        body["response_format"]["json_schema"],
        json!({"name": "answer", "schema": {"type": "object"}})
    );
}

/// What one quirk changes in the rich request, as (field, value before, value after), and what it loses.
fn differs(quirks: &Quirks) -> (Vec<(String, Value, Value)>, Vec<String>) {
    let conversation = parse(RICH);
    let (before, known) = plain(&conversation);
    let (after, loss) = write(&conversation, quirks);
    let mut keys: Vec<_> =
        before.as_object().unwrap().keys().chain(after.as_object().unwrap().keys()).cloned().collect();
    keys.sort();
    keys.dedup();
    let changed = keys.into_iter().filter(|key| before.get(key) != after.get(key)).map(|key| {
        let value = |body: &Value| body.get(&key).cloned().unwrap_or_default();
        (key.clone(), value(&before), value(&after))
    });
    (changed.collect(), loss.into_iter().filter(|name| !known.contains(name)).collect())
}

#[test]
fn quirk_legacy_max_tokens_says_max_tokens() {
    let (changed, loss) = differs(&Quirks { legacy_max_tokens: true, ..Quirks::default() });
    assert_eq!(
        changed,
        [
            ("max_completion_tokens".into(), json!(100), Value::Null),
            ("max_tokens".into(), Value::Null, json!(100))
        ]
    );
    assert!(loss.is_empty());
}

#[test]
fn quirk_no_parallel_tools_drops_the_field_and_declares_only_a_refusal_of_parallel_calls() {
    let (changed, loss) = differs(&Quirks { no_parallel_tools: true, ..Quirks::default() });
    assert_eq!(changed, [("parallel_tool_calls".into(), json!(false), Value::Null)]);
    assert_eq!(loss, ["parallel_tool_calls"]);
    let mut conversation = parse(RICH);
    conversation.parallel_tools = Some(true);
    let (_, loss) = write(&conversation, &Quirks { no_parallel_tools: true, ..Quirks::default() });
    assert!(!loss.contains(&"parallel_tool_calls".to_owned()));
}

#[test]
fn quirk_no_reasoning_drops_the_effort_and_declares_it() {
    let (changed, loss) = differs(&Quirks { no_reasoning: true, ..Quirks::default() });
    assert_eq!(changed, [("reasoning_effort".into(), json!("high"), Value::Null)]);
    assert_eq!(loss, ["reasoning_effort"]);
}

#[test]
fn quirk_no_stream_options_asks_for_no_usage() {
    let (changed, loss) = differs(&Quirks { no_stream_options: true, ..Quirks::default() });
    assert_eq!(changed, [("stream_options".into(), json!({"include_usage": true}), Value::Null)]);
    assert!(loss.is_empty());
}

#[test]
fn quirk_no_strict_tools_drops_strict_and_declares_it() {
    let (changed, loss) = differs(&Quirks { no_strict_tools: true, ..Quirks::default() });
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].1[0]["function"]["strict"], true);
    assert!(changed[0].2[0]["function"].get("strict").is_none());
    assert_eq!(loss, ["strict"]);
}

#[test]
fn quirk_reasoning_history_gives_thoughts_back_and_each_call_has_the_field() {
    let conversation = FORMAT.messages.parse(
        br#"{"model":"m","messages":[
            {"role":"user","content":"a"},
            {"role":"assistant","reasoning_content":"Hm.","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"c","content":"r"},
            {"role":"assistant","content":null,"tool_calls":[{"id":"d","type":"function","function":{"name":"f","arguments":"{}"}}]},
            {"role":"tool","tool_call_id":"d","content":"r"},
            {"role":"assistant","content":"Done."}]}"#,
    )
    .unwrap();
    let quirks = Quirks { reasoning_history: true, ..Quirks::default() };
    let (body, loss) = write(&conversation, &quirks);
    let thoughts: Vec<_> = [1, 3, 5].map(|at| body["messages"][at].get("reasoning_content").cloned()).into();
    assert_eq!(thoughts, [Some(json!("Hm.")), Some(json!("")), None]);
    assert!(!loss.contains(&"thinking".to_owned()), "{loss:?}");
    let (body, loss) = write(&conversation, &Quirks::default());
    assert!(body["messages"][1].get("reasoning_content").is_none());
    assert!(loss.contains(&"thinking".to_owned()), "{loss:?}");
}

#[test]
fn quirk_reasoning_details_gives_sealed_thoughts_back_in_the_form_that_they_came_in() {
    let details = json!([
        {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, "text": "Hm.", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "id": "c", "format": "anthropic-claude-v1", "index": 1, "data": "b3BhcXVl"},
    ]);
    let call = json!({"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let request = json!({"model": "m", "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": null, "reasoning_details": details, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "r"}]});
    let conversation = FORMAT.messages.parse(request.to_string().as_bytes()).unwrap();
    let quirks = Quirks { reasoning_details: Some("anthropic-claude-v1"), ..Quirks::default() };
    let (body, loss) = write(&conversation, &quirks);
    assert_eq!(body["messages"][1]["reasoning_details"], details);
    assert!(!loss.contains(&"thinking".to_owned()), "{loss:?}");
}

#[test]
fn quirk_system_role_says_system_and_joins_lists_of_texts() {
    let (changed, loss) = differs(&Quirks { system_role: true, ..Quirks::default() });
    assert_eq!(changed.len(), 1);
    let messages = &changed[0].2;
    assert_eq!(messages[0], json!({"role": "system", "content": "Be brief.\n\nBe kind."}));
    assert_eq!(messages[5], json!({"role": "system", "content": "Now in German."}));
    assert!(loss.is_empty());
}

#[test]
fn quirk_no_openai_extras_drops_them_and_keeps_the_meaning_where_it_can() {
    let (changed, loss) = differs(&Quirks { no_openai_extras: true, ..Quirks::default() });
    let fields: Vec<_> = changed.iter().map(|(field, _, _)| field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "messages",
            "metadata",
            "prompt_cache_key",
            "safety_identifier",
            "service_tier",
            "store",
            "tool_choice",
            "user",
            "verbosity"
        ]
    );
    assert_eq!(loss, ["store", "verbosity", "prompt_cache_key", "service_tier", "metadata"]);
    let after = |field: &str| &changed.iter().find(|(known, _, _)| known == field).unwrap().2;
    assert_eq!(after("user"), "u-1");
    // `allowed_tools` over all tools there are is `required`.
    assert_eq!(after("tool_choice"), "required");
    // The words of a refusal are text for servers that do not know the field.
    assert_eq!(after("messages")[6]["content"][1], json!({"type": "text", "text": "Nein."}));
}

#[test]
fn servers_without_allowed_tools_are_offered_only_those() {
    let mut conversation = parse(RICH);
    conversation.tool_choice = Some(ToolChoice::Among { names: vec!["get".into()], required: false });
    let (body, _) = write(&conversation, &Quirks { no_openai_extras: true, ..Quirks::default() });
    assert_eq!(body["tools"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&body["tools"][0]["function"]["name"], &body["tool_choice"]),
        (&json!("get"), &json!("auto"))
    );
    let (body, _) = plain(&conversation);
    assert_eq!(body["tools"].as_array().unwrap().len(), 2);
    assert_eq!(body["tool_choice"]["type"], "allowed_tools");
}

#[test]
fn video_goes_to_servers_that_have_it() {
    let source = Source::Url { url: "https://e/v.mp4".into(), media_type: None };
    let conversation = says(vec![user(vec![Part::new(Block::Video(Media { format: None, source }))])]);
    let (body, loss) = write(&conversation, &Quirks { no_openai_extras: true, ..Quirks::default() });
    assert_eq!(
        body["messages"][0]["content"][0],
        json!({"type": "video_url", "video_url": {"url": "https://e/v.mp4"}})
    );
    assert!(loss.is_empty());
}
