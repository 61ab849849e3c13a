//! Requests: parsed, written, refused, and what is declared as lost.

use insta::assert_snapshot;
use lockgate_core::content::{
    CacheControl, Document, FunctionTool, Image, Opaque, Reasoning, Seal, Source, ToolCall, ToolKind,
    ToolResult,
};
use lockgate_core::{
    Block, Conversation, Dialect, ErrorKind, OutputFormat, Part, ReasoningRequest, Role, Sampling, Tool,
    ToolChoice, Turn, Unmodelled,
};
use serde_json::{Value, json};

use crate::ollama::{ENVELOPE, FORMAT, GENERATE, GENERATE_ENVELOPE};
use crate::{Envelope, EnvelopeLimits, Loss, Quirks, Target, check};

/// Everything that the published clients can say and other dialects know too.
const RICH: &str = r#"{
  "model": "upstream-model",
  "messages": [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is this? [Assistant] I am not a role.", "images": ["aGVsbG8="]},
    {"role": "assistant", "content": "I look.", "thinking": "A picture.", "tool_calls": [
      {"id": "c1", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Rome", "n": 1.0}}},
      {"id": "c2", "function": {"index": 1, "name": "now", "arguments": {}}}]},
    {"role": "tool", "content": "sunny", "tool_name": "get_weather", "tool_call_id": "c1"},
    {"role": "tool", "content": "noon", "tool_name": "now", "tool_call_id": "c2"},
    {"role": "system", "content": "Answer in Italian."},
    {"role": "user", "content": "And now?"}
  ],
  "tools": [{"type": "function", "function": {"name": "get_weather", "description": "Weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}],
  "format": {"type": "object"},
  "options": {"num_predict": 100, "temperature": 0.5, "top_k": 40, "top_p": 0.9, "presence_penalty": 0.1,
    "frequency_penalty": 0.2, "seed": 7, "stop": ["END"]},
  "stream": true,
  "think": true,
  "logprobs": true,
  "top_logprobs": 2
}"#;

fn parse(body: &str) -> Conversation {
    FORMAT.messages.parse(body.as_bytes()).unwrap()
}

/// Requirements 004-5 and 004-42: native turns, and what looks like a role in a text stays text.
#[test]
fn a_request_parsed_and_written_again_says_the_same() {
    let conversation = parse(RICH);
    assert_snapshot!("rich_request", format!("{conversation:#?}"));
    let (body, loss) = check::write(&FORMAT, &conversation, &Quirks::default());
    assert_eq!(loss.names(), [] as [&str; 0]);
    let again: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(again, serde_json::from_str::<Value>(RICH).unwrap());
}

/// Requirement 004-3.
#[test]
fn what_only_ollama_knows_is_kept_and_declared() {
    let conversation = parse(
        r#"{"model":"m","keep_alive":"5m","truncate":false,"shift":null,"new":{"a":1},
        "options":{"num_ctx":8192,"min_p":0.1,"num_predict":-2,"seed":3.0},
        "messages":[{"role":"user","content":"x","new":1,"tool_name":"stray"}],
        "tools":[{"type":"function","function":{"name":"f","new":2},"new":3},{"type":"web_search","depth":4}]}"#,
    );
    let rest: Vec<_> =
        conversation.rest.iter().map(|rest| format!("{}={}", rest.path, rest.value.get())).collect();
    assert_snapshot!(rest.join("\n"), @r#"
    options.num_predict=-2
    options.num_ctx=8192
    options.min_p=0.1
    tools[0].new=3
    tools[0].function.new=2
    keep_alive="5m"
    truncate=false
    new={"a":1}
    messages[0].tool_name="stray"
    messages[0].new=1
    "#);
    assert_eq!((conversation.sampling.max_tokens, conversation.sampling.seed), (None, Some(3)));
    let (body, loss) = check::write(&FORMAT, &conversation, &Quirks::default());
    assert!(body.contains(r#"{"type":"web_search","depth":4}"#), "{body}");
    assert!(loss.names().contains(&"messages.new".to_owned()), "{loss:?}");
    assert!(loss.names().contains(&"options.num_ctx".to_owned()), "{loss:?}");
}

/// Requirement I3, behaviour 7.
#[test]
fn a_wrong_field_is_named() {
    for (body, param) in [
        (r#"{"model":"m","messages":{}}"#, "messages"),
        (r#"{"model":"m","messages":[{"role":"robot"}]}"#, "messages[0].role"),
        (r#"{"model":"m","messages":[{"role":"user","content":[]}]}"#, "messages[0].content"),
        (r#"{"model":"m","messages":[{"role":"tool","content":"x"}]}"#, "messages[0]"),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}]}"#,
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            r#"{"model":"m","messages":[{"role":"assistant","tool_calls":[{}]}]}"#,
            "messages[0].tool_calls[0].function.name",
        ),
        (r#"{"model":"m","messages":[],"think":"lots"}"#, "think"),
        (r#"{"model":"m","messages":[],"format":"xml"}"#, "format"),
        (r#"{"model":"m","messages":[],"options":{"seed":1.5}}"#, "options.seed"),
        (r#"{"model":"m","messages":[],"options":{"temperature":"hot"}}"#, "options.temperature"),
        (r#"{"model":"m","messages":[],"tools":[{"type":"function"}]}"#, "tools[0].function.name"),
    ] {
        let failure = FORMAT.messages.parse(body.as_bytes()).unwrap_err();
        assert_eq!(
            (failure.kind, failure.param.as_deref()),
            (ErrorKind::InvalidRequest, Some(param)),
            "{body}"
        );
    }
}

/// The official clients send no ids: results go to the calls by name, then in order.
#[test]
fn results_without_ids_find_their_calls() {
    let conversation = parse(
        r#"{"model":"m","messages":[
        {"role":"assistant","content":"","tool_calls":[{"function":{"name":"a","arguments":{}}},
            {"function":{"name":"b","arguments":{}}},{"function":{"name":"a","arguments":{}}}]},
        {"role":"tool","tool_name":"b","content":"of b"},
        {"role":"tool","tool_name":"a","content":"first a"},
        {"role":"tool","content":"second a"},
        {"role":"assistant","tool_calls":[{"function":{"name":"c","arguments":{}}}]},
        {"role":"tool","content":"of c"}]}"#,
    );
    let results: Vec<_> = conversation
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .filter_map(|part| match &part.block {
            Block::ToolResult(result) => Some((result.call_id.as_str(), result.name.as_deref())),
            _ => None,
        })
        .collect();
    assert_eq!(
        results,
        [("call_1", Some("b")), ("call_0", Some("a")), ("call_2", Some("a")), ("call_3", Some("c"))]
    );
}

#[test]
fn a_streamed_answer_is_the_default_and_a_prompt_is_not_needed() {
    let limits = EnvelopeLimits { messages: 9, nesting: 9, tools: 9 };
    let chat = Envelope::read(br#"{"model":"m","messages":[{},{}]}"#, &ENVELOPE, &limits).unwrap();
    assert_eq!((chat.stream, chat.messages), (Some(true), 2));
    let load = Envelope::read(br#"{"model":"m","keep_alive":0}"#, &GENERATE_ENVELOPE, &limits).unwrap();
    assert_eq!((load.stream, load.model.as_deref()), (Some(true), Some("m")));
    assert!(GENERATE.messages.parse(br#"{"model":"m","keep_alive":0}"#).unwrap().turns.is_empty());
}

#[test]
fn a_prompt_is_a_conversation_of_one_turn() {
    let body = br#"{"model":"upstream-model","prompt":"Hi","system":"Be brief.","images":["aGk="],"suffix":"",
        "template":"","context":[],"raw":false,"format":"","stream":true,"options":{},"keep_alive":null,"think":false}"#;
    let conversation = GENERATE.messages.parse(body).unwrap();
    assert!(conversation.rest.is_empty(), "{:?}", conversation.rest);
    let (body, _) = check::write(&GENERATE, &conversation, &Quirks::default());
    assert_snapshot!(body, @r#"{"model":"upstream-model","prompt":"Hi","system":"Be brief.","images":["aGk="],"stream":true,"think":false}"#);
    let (body, _) = check::write(&FORMAT, &conversation, &Quirks::default());
    assert_snapshot!(body, @r#"{"model":"upstream-model","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi","images":["aGk="]}],"stream":true,"think":false}"#);
    let template =
        GENERATE.messages.parse(br#"{"model":"m","prompt":"x","template":"{{ .Prompt }}"}"#).unwrap();
    assert_eq!(template.rest[0].path, "template");
}

#[test]
fn a_prompt_that_is_no_turn_goes_to_no_other_dialect() {
    for (body, field) in [
        (r#"{"model":"m","prompt":"def f(","suffix":"return"}"#, "suffix"),
        (r#"{"model":"m","prompt":"<s>","raw":true}"#, "raw"),
        (r#"{"model":"m","prompt":"x","context":[1,2]}"#, "context"),
    ] {
        let conversation = GENERATE.messages.parse(body.as_bytes()).unwrap();
        assert_eq!(conversation.rest[0].path, field);
        let failure = crate::may_leave(Dialect::Ollama, &conversation).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some(field));
    }
    assert_eq!(crate::may_leave(Dialect::Ollama, &parse(RICH)), Ok(()));
    let mut loss = Loss::default();
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 1, model: "m", quirks: &quirks, stream: true };
    let failure = GENERATE.messages.write(&parse(RICH), &target, &mut loss).unwrap_err();
    assert_eq!(failure.param.as_deref(), Some("messages"));
}

fn user(parts: Vec<Part>) -> Turn {
    Turn { name: None, parts, role: Role::User }
}

fn picture(source: Source) -> Part {
    Part::new(Block::Image(Image { detail: None, source }))
}

fn base64() -> Source {
    Source::Base64 { data: "aGk=".into(), media_type: Some("image/png".into()) }
}

fn called(arguments: &str) -> Turn {
    let call = ToolCall {
        arguments: arguments.into(),
        id: "toolu_1".into(),
        kind: ToolKind::Function,
        name: "read".into(),
        namespace: None,
        seal: None,
    };
    Turn { name: None, parts: vec![Part::new(Block::ToolCall(call))], role: Role::Assistant }
}

fn answered(content: Vec<Part>, is_error: bool) -> Part {
    let call_id = "toolu_1".into();
    Part::new(Block::ToolResult(ToolResult {
        call_id,
        content,
        is_error,
        kind: ToolKind::Function,
        name: None,
    }))
}

fn of(turns: Vec<Turn>) -> Conversation {
    Conversation { turns, ..Conversation::default() }
}

fn messages(turns: Vec<Turn>) -> Value {
    let (body, _) = check::write(&FORMAT, &of(turns), &Quirks::default());
    serde_json::from_str::<Value>(&body).unwrap()["messages"].take()
}

fn refused(turns: Vec<Turn>) -> String {
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 1, model: "m", quirks: &quirks, stream: true };
    FORMAT.messages.write(&of(turns), &target, &mut Loss::default()).unwrap_err().message
}

#[test]
fn a_tools_result_names_its_tool_and_its_failure() {
    let turns =
        vec![called(""), user(vec![Part::text("go on"), answered(vec![Part::text("no such file")], true)])];
    assert_eq!(
        messages(turns).as_array().unwrap()[1..],
        *json!([
            {"role": "tool", "content": "Error: no such file", "tool_name": "read", "tool_call_id": "toolu_1"},
            {"role": "user", "content": "go on"}
        ])
        .as_array()
        .unwrap()
    );
    let said = messages(vec![called("{}"), user(vec![answered(vec![Part::text("ERROR 5")], true)])]);
    assert_eq!(said[1]["content"], "ERROR 5");
}

#[test]
fn a_picture_in_a_result_follows_in_a_user_message() {
    let shown = vec![Part::text("here"), picture(base64())];
    let out = messages(vec![called("{}"), user(vec![answered(shown.clone(), false)])]);
    assert_eq!(out[2], json!({"role": "user", "content": "", "images": ["aGk="]}));
    let out = messages(vec![called("{}"), user(vec![answered(shown, false), Part::text("see?")])]);
    assert_eq!(out[2], json!({"role": "user", "content": "see?", "images": ["aGk="]}));
}

#[test]
fn pictures_and_documents_that_cannot_be_sent_are_refused() {
    let url = Source::Url { url: "https://example.com/a.png".into(), media_type: None };
    assert!(refused(vec![user(vec![picture(url)])]).contains("https://example.com/a.png"));
    let file = Source::File { id: "file_1".into() };
    assert!(refused(vec![user(vec![picture(file)])]).contains("file_1"));
    let document = |source| {
        let document = Document { citations: None, context: None, name: None, source };
        vec![user(vec![Part::new(Block::Document(document))])]
    };
    assert!(refused(document(base64())).contains("document"));
    assert_eq!(messages(document(Source::Text { text: "words".into() }))[0]["content"], "words");
}

/// Requirement I4.
#[test]
fn arguments_that_are_no_object_are_never_replaced() {
    for broken in ["[1]", "\"x\"", "{\"a\":", "null"] {
        assert!(refused(vec![called(broken)]).contains("not a JSON object"), "{broken}");
    }
    assert_eq!(messages(vec![called(" ")])[0]["tool_calls"][0]["function"]["arguments"], json!({}));
}

/// Requirement B2: thoughts stay in the history, their seals (which Ollama has no field for) are declared.
#[test]
fn thoughts_go_back_and_their_seal_is_declared() {
    let thought = |text: &str, seal| {
        Part::new(Block::Reasoning(Reasoning { id: None, seal, summary: false, text: text.into() }))
    };
    let parts = vec![
        thought("plain", None),
        thought("signed", Some(Seal::Signature("s".into()))),
        thought("", Some(Seal::Encrypted("e".into()))),
        Part::text(""),
        Part::text("so"),
        Part::text(" it is"),
    ];
    let conversation = of(vec![Turn { name: None, parts, role: Role::Assistant }]);
    let (body, loss) = check::write(&FORMAT, &conversation, &Quirks::default());
    assert!(
        body.contains(r#"{"role":"assistant","content":"so it is","thinking":"plain\n\nsigned"}"#),
        "{body}"
    );
    assert_eq!(loss.names(), ["signature", "thinking"]);
}

fn function(name: &str, strict: Option<bool>) -> Tool {
    Tool::Function(FunctionTool {
        cache: Some(CacheControl { ttl: None }),
        description: None,
        name: name.into(),
        namespace: None,
        schema: None,
        strict,
    })
}

#[test]
fn a_choice_of_tools_is_said_by_what_is_offered() {
    let body = |choice| {
        let conversation = Conversation {
            tools: vec![function("a", None), function("b", None)],
            tool_choice: Some(choice),
            ..Conversation::default()
        };
        let (body, loss) = check::write(&FORMAT, &conversation, &Quirks::default());
        let tools = serde_json::from_str::<Value>(&body).unwrap()["tools"].take();
        let names: Vec<String> =
            tools.as_array().into_iter().flatten().map(|tool| tool["function"]["name"].to_string()).collect();
        (names.join(","), loss.names().contains(&"tool_choice".to_owned()))
    };
    let among = |required| ToolChoice::Among { names: vec!["b".into()], required };
    assert_eq!(body(ToolChoice::Auto), ("\"a\",\"b\"".into(), false));
    assert_eq!(body(ToolChoice::None), (String::new(), false));
    assert_eq!(body(ToolChoice::Required), ("\"a\",\"b\"".into(), true));
    assert_eq!(body(among(false)), ("\"b\"".into(), false));
    assert_eq!(body(among(true)), ("\"b\"".into(), true));
}

#[test]
fn thinking_is_asked_for_in_the_words_that_the_model_takes() {
    let ask = |model: &str, effort: Option<&str>, enabled, budget, quirks: &Quirks| {
        let reasoning = ReasoningRequest { budget, effort: effort.map(Into::into), enabled, summary: None };
        let conversation = Conversation { reasoning: Some(reasoning), ..Conversation::default() };
        let mut loss = Loss::default();
        let target = Target { default_max_tokens: 1, model, quirks, stream: false };
        let body = FORMAT.messages.write(&conversation, &target, &mut loss).unwrap();
        (serde_json::from_slice::<Value>(&body).unwrap()["think"].clone(), loss.names().join(","))
    };
    let plain = Quirks::default();
    let none = Quirks { no_reasoning: true, ..Quirks::default() };
    let no_loss = String::new;
    assert_eq!(ask("qwen3:8b", None, None, None, &plain), (Value::Null, no_loss()));
    assert_eq!(ask("qwen3:8b", None, Some(false), None, &plain), (json!(false), no_loss()));
    assert_eq!(ask("qwen3:8b", Some("none"), None, None, &plain), (json!(false), no_loss()));
    assert_eq!(ask("qwen3:8b", Some("high"), None, None, &plain), (json!(true), "reasoning_effort".into()));
    assert_eq!(ask("gpt-oss:20b", Some("high"), None, None, &plain), (json!("high"), no_loss()));
    assert_eq!(
        ask("gpt-oss:20b", Some("xhigh"), None, None, &plain),
        (json!("max"), "reasoning_effort".into())
    );
    assert_eq!(
        ask("qwen3:8b", None, Some(true), Some(31_999), &plain),
        (json!(true), "thinking.budget_tokens".into())
    );
    assert_eq!(ask("gemma:2b", None, Some(true), None, &none), (Value::Null, "reasoning".into()));
}

/// Requirement 004-32: the context that the provider found needed, and how long the model stays.
#[test]
fn context_and_stay_come_from_the_provider() {
    let quirks = Quirks { context: Some(65_536), keep_alive: Some("30m".into()), ..Quirks::default() };
    let (body, _) = check::write(&FORMAT, &Conversation::default(), &quirks);
    assert_snapshot!(body, @r#"{"model":"upstream-model","messages":[],"options":{"num_ctx":65536},"stream":true,"keep_alive":"30m"}"#);
    let forever = Quirks { keep_alive: Some("-1".into()), ..Quirks::default() };
    let (body, _) = check::write(&FORMAT, &Conversation::default(), &forever);
    assert!(body.ends_with(r#""keep_alive":-1}"#), "{body}");
}

/// Requirement 004-42: what Ollama cannot say is declared by the client's own names.
#[test]
fn all_that_cannot_be_said_is_declared() {
    let hosted = Opaque {
        dialect: Dialect::Anthropic,
        kind: "web_search".into(),
        raw: crate::json::raw("{}").unwrap(),
    };
    let opaque = Opaque {
        dialect: Dialect::Anthropic,
        kind: "server_tool_use".into(),
        raw: crate::json::raw("{}").unwrap(),
    };
    let schema = crate::json::raw("{}").unwrap();
    let mut cached = Part::text("x");
    cached.cache = Some(CacheControl { ttl: None });
    let conversation = Conversation {
        cache_key: Some("k".into()),
        format: Some(OutputFormat::Schema {
            description: Some("d".into()),
            name: Some("n".into()),
            schema,
            strict: Some(true),
        }),
        metadata: vec![("a".into(), "b".into())],
        parallel_tools: Some(false),
        rest: vec![Unmodelled {
            path: "messages[3].content[0].foo".into(),
            value: crate::json::raw("1").unwrap(),
        }],
        sampling: Sampling {
            candidates: Some(2),
            logit_bias: crate::json::raw("{}"),
            verbosity: Some("low".into()),
            ..Sampling::default()
        },
        service_tier: Some("flex".into()),
        system: vec![cached],
        tools: vec![function("a", Some(true)), Tool::Hosted(hosted)],
        turns: vec![Turn {
            name: Some("ada".into()),
            parts: vec![Part::new(Block::Opaque(opaque))],
            role: Role::Assistant,
        }],
        user: Some("u".into()),
        ..Conversation::default()
    };
    let (_, loss) = check::write(&FORMAT, &conversation, &Quirks::default());
    assert_snapshot!(loss.header(), @"prompt_cache_key, metadata, parallel_tool_calls, service_tier, user, n, logit_bias, verbosity, messages.content.foo, response_format.description, cache_control, name, server_tool_use, tools.strict, tools.web_search");
}
