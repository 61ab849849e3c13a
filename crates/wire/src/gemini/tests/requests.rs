//! Requests: taken apart and written, with what cannot be said declared.

use lockgate_core::content::{
    CacheControl, Citation, Document, FunctionTool, Image, Media, Opaque, Reasoning, Source, Text, ToolCall,
    ToolKind, ToolResult,
};
use lockgate_core::{
    Block, Conversation, Dialect, Failure, OutputFormat, Part, ReasoningRequest, Role, Sampling, Seal, Tool,
    ToolChoice, Turn, Unmodelled,
};
use serde_json::Value;

use super::super::{FORMAT, may_leave, vertex_count};
use crate::json::raw;
use crate::{Envelope, EnvelopeLimits, Loss, Quirks, Target};

fn parse(body: &str) -> Result<Conversation, Failure> {
    FORMAT.messages.parse(body.as_bytes())
}

fn try_write(conversation: &Conversation, model: &str) -> Result<(Value, Loss), Failure> {
    let mut loss = Loss::default();
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 4096, model, quirks: &quirks, stream: true };
    let body = FORMAT.messages.write(conversation, &target, &mut loss)?;
    Ok((serde_json::from_slice(&body).unwrap(), loss))
}

fn write(conversation: &Conversation) -> (Value, Loss) {
    try_write(conversation, "gemini-3-pro-preview").unwrap()
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn turn(role: Role, blocks: Vec<Block>) -> Turn {
    Turn { name: None, parts: blocks.into_iter().map(Part::new).collect(), role }
}

fn text(words: &str) -> Block {
    Part::text(words).block
}

fn call(id: &str, name: &str, arguments: &str) -> Block {
    Block::ToolCall(ToolCall {
        arguments: arguments.into(),
        id: id.into(),
        kind: ToolKind::Function,
        name: name.into(),
        namespace: None,
        seal: None,
    })
}

fn result(id: &str, words: &str) -> Block {
    Block::ToolResult(ToolResult {
        call_id: id.into(),
        content: vec![Part::text(words)],
        is_error: false,
        kind: ToolKind::Function,
        name: None,
    })
}

fn picture() -> Block {
    let source = Source::Base64 { data: "iVBORw0KGgo=".into(), media_type: Some("image/png".into()) };
    Block::Image(Image { detail: None, source })
}

fn of(turns: Vec<Turn>) -> Conversation {
    Conversation { turns, ..Conversation::default() }
}

const RICH: &str = r#"{
  "contents": [
    {"role": "user", "parts": [
      {"text": "What is on these?"},
      {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
      {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/a.mp4"}},
      {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
      {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}
    ]},
    {"role": "model", "parts": [
      {"text": "Let me think.", "thought": true, "thoughtSignature": "dGhvdWdodA=="},
      {"text": "I look."},
      {"functionCall": {"id": "2lza53qd", "name": "look", "args": {"at": 1, "deep": {"x": [1.50]}}}, "thoughtSignature": "Y2FsbA=="},
      {"functionCall": {"id": "8kks02la", "name": "look", "args": {"at": 2}}},
      {"executableCode": {"language": "PYTHON", "code": "print(1)"}}
    ]},
    {"role": "user", "parts": [
      {"functionResponse": {"id": "2lza53qd", "name": "look", "response": {"result": "a cat"}, "parts": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}]}},
      {"functionResponse": {"id": "8kks02la", "name": "look", "response": {"error": "no such picture"}}},
      {"text": "Go on."}
    ]}
  ],
  "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]},
  "tools": [
    {"functionDeclarations": [
      {"name": "look", "description": "Looks", "parametersJsonSchema": {"$schema": "x", "type": "object", "properties": {"at": {"type": "integer"}}, "additionalProperties": false}},
      {"name": "now"}
    ]},
    {"googleSearch": {"timeRangeFilter": {}}},
    {"codeExecution": {}}
  ],
  "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"], "streamFunctionCallArguments": true}, "includeServerSideToolInvocations": true},
  "generationConfig": {
    "temperature": 0.5, "topP": 0.9, "topK": 40, "maxOutputTokens": 1000, "candidateCount": 2, "seed": 7,
    "stopSequences": ["END"], "presencePenalty": 0.1, "frequencyPenalty": -0.1, "responseLogprobs": true, "logprobs": 3,
    "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"},
    "thinkingConfig": {"includeThoughts": true, "thinkingLevel": "HIGH"},
    "mediaResolution": "MEDIA_RESOLUTION_LOW", "responseModalities": ["TEXT"]
  },
  "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
  "cachedContent": "cachedContents/abc",
  "labels": {"team": "a-1"},
  "serviceTier": "flex"
}"#;

/// Requirement 004-3, behaviours 13, 18, 19.
#[test]
fn a_rich_request_is_taken_apart_and_written_with_the_same_meaning() {
    let conversation = parse(RICH).unwrap();
    insta::assert_snapshot!("gemini_request_rich", format!("{conversation:#?}"));
    let (written, loss) = write(&conversation);
    assert_eq!(written, serde_json::from_str::<Value>(RICH).unwrap(), "{}", pretty(&written));
    assert_eq!(loss.names(), <[String; 0]>::default());
}

/// Protobuf JSON allows both spellings, single elements for lists, and numbers in strings.
#[test]
fn snake_case_single_elements_and_numbers_in_strings_are_understood() {
    let snake = parse(
        r#"{"contents":[{"parts":{"text":"hi"}},
            {"role":"model","parts":[{"function_call":{"name":"f","args":{"a":1}},"thought_signature":"-_8"}]},
            {"role":"function","parts":[{"function_response":{"name":"f","response":{"output":"15"}}}]}],
            "system_instruction":{"parts":{"text":"s"}},
            "tools":{"function_declarations":{"name":"f","parameters":{"type":"OBJECT"}}},
            "tool_config":{"function_calling_config":{"mode":"AUTO"}},
            "generation_config":{"max_output_tokens":"20","top_k":4.0,"stop_sequences":["x"],"thinking_config":{"thinking_budget":-1}},
            "safety_settings":[]}"#,
    )
    .unwrap();
    let camel = parse(
        r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]},
            {"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}},"thoughtSignature":"+/8="}]},
            {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"15"}}}]}],
            "systemInstruction":"s",
            "tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object"}}]}],
            "toolConfig":{"functionCallingConfig":{"mode":"AUTO"}},
            "generationConfig":{"maxOutputTokens":20,"topK":4,"stopSequences":["x"],"thinkingConfig":{"thinkingBudget":-1}},
            "safetySettings":[]}"#,
    )
    .unwrap();
    assert_eq!(format!("{snake:#?}"), format!("{camel:#?}"));
}

/// Requirements 004-3, 004-42: nothing unknown is lost unseen.
#[test]
fn what_has_no_home_is_kept_with_its_place_and_declared() {
    let conversation = parse(
        r#"{"contents":[{"role":"user","new":1,"parts":[{"text":"a","videoMetadata":{"fps":1},"partMetadata":{}},{"brandNew":{}}]}],
            "tools":[{"functionDeclarations":[{"name":"f","behavior":"BLOCKING"}]},{"exaAiSearch":{}}],
            "futureField":{"x":1},"toolConfig":{"retrievalConfig":{"languageCode":"de"}}}"#,
    )
    .unwrap();
    let paths: Vec<_> = conversation.rest.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "contents[0]",
            "contents[0].parts[0].videoMetadata",
            "contents[0].parts[0].partMetadata",
            "tools[0].functionDeclarations[0].behavior",
            "toolConfig.retrievalConfig",
            "futureField",
        ]
        .map(|path| if path == "contents[0]" { "contents[0].new" } else { path })
    );
    let (written, loss) = write(&conversation);
    assert_eq!(written["toolConfig"]["retrievalConfig"]["languageCode"], "de");
    assert_eq!(written["contents"][0]["parts"][1], serde_json::json!({"brandNew": {}}));
    assert_eq!(written["tools"][1], serde_json::json!({"exaAiSearch": {}}));
    assert_eq!(
        loss.names(),
        [
            "contents.new",
            "contents.parts.videoMetadata",
            "contents.parts.partMetadata",
            "tools.functionDeclarations.behavior",
            "futureField",
        ]
    );
}

/// Requirement I3, behaviour 7.
#[test]
fn a_bad_request_is_refused_by_the_name_of_the_field() {
    for (body, param) in [
        (r#"{"contents":[{"role":"robot","parts":[]}]}"#, "contents[0].role"),
        (r#"{"contents":[{"parts":[{"text":7}]}]}"#, "contents[0].parts[0].text"),
        (
            r#"{"contents":[{"parts":[{"functionCall":{"args":{}}}]}]}"#,
            "contents[0].parts[0].functionCall.name",
        ),
        (
            r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":[]}}]}]}"#,
            "contents[0].parts[0].functionCall.args",
        ),
        (
            r#"{"contents":[],"tools":[{"functionDeclarations":[{}]}]}"#,
            "tools[0].functionDeclarations[0].name",
        ),
        (r#"{"contents":[],"generationConfig":{"topK":"x"}}"#, "generationConfig.topK"),
        (
            r#"{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}"#,
            "toolConfig.functionCallingConfig.mode",
        ),
        (r#"{"contents":[],"systemInstruction":{"parts":[{"text":[]}]}}"#, "systemInstruction.parts[0].text"),
    ] {
        assert_eq!(parse(body).unwrap_err().param.as_deref(), Some(param), "{body}");
    }
    let limits = EnvelopeLimits { messages: 10, nesting: 64, tools: 10 };
    let refused = |body: &str| Envelope::read(body.as_bytes(), FORMAT.envelope, &limits).unwrap_err();
    assert_eq!(refused("{}").param.as_deref(), Some("contents"));
    assert_eq!(refused(r#"{"contents":"hi"}"#).param.as_deref(), Some("contents"));
    let envelope = Envelope::read(br#"{"contents":[{}],"stream":true}"#, FORMAT.envelope, &limits).unwrap();
    assert_eq!((envelope.messages, envelope.model, envelope.stream), (1, None, None));
}

/// C11: Gemini may give no ids; calls of one name are paired in order, the same history gives the same ids again.
#[test]
fn calls_without_ids_are_paired_by_name_and_order() {
    let body = r#"{"contents":[
        {"role":"model","parts":[{"functionCall":{"name":"f","args":{"n":1}}},{"functionCall":{"name":"g","args":{}}},{"functionCall":{"name":"f","args":{"n":2}}}]},
        {"role":"user","parts":[{"functionResponse":{"name":"g","response":{"result":"of g"}}},{"functionResponse":{"name":"f","response":{"result":"of 1"}}},{"functionResponse":{"name":"f","response":{"result":"of 2"}}}]}]}"#;
    let conversation = parse(body).unwrap();
    let ids: Vec<_> = conversation
        .turns
        .iter()
        .flat_map(|turn| &turn.parts)
        .map(|part| match &part.block {
            Block::ToolCall(call) => call.id.clone(),
            Block::ToolResult(result) => result.call_id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids, ["gcall_0", "gcall_1", "gcall_2", "gcall_1", "gcall_0", "gcall_2"]);
    let (written, _) = write(&conversation);
    let order: Vec<_> = written["contents"][1]["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["functionResponse"]["response"]["result"].as_str().unwrap())
        .collect();
    assert_eq!(order, ["of 1", "of g", "of 2"]);
    assert!(!written.to_string().contains("gcall_"), "ids of our making are not sent");
}

fn foreign() -> Conversation {
    let tool = |name: &str, schema: &str| {
        Tool::Function(FunctionTool {
            cache: Some(CacheControl { ttl: None }),
            description: Some("d".into()),
            name: name.into(),
            namespace: None,
            schema: raw(schema),
            strict: Some(true),
        })
    };
    let search = Opaque {
        dialect: Dialect::Anthropic,
        kind: "web_search".into(),
        raw: raw(r#"{"type":"web_search_20260209"}"#).unwrap(),
    };
    let server_use =
        Opaque { dialect: Dialect::Anthropic, kind: "server_tool_use".into(), raw: raw("{}").unwrap() };
    let thought = |seal| Block::Reasoning(Reasoning { seal, text: "hm".into(), ..Reasoning::default() });
    let citation =
        Citation { raw: None, quote: None, span: None, title: None, url: Some("https://a.example".into()) };
    let source = Source::Base64 { data: "JVBERi0=".into(), media_type: Some("application/pdf".into()) };
    let document =
        Document { citations: None, context: Some("c".into()), name: Some("a.pdf".into()), source };
    let url = Source::Url { url: "https://a.example/x.jpg?y=1".into(), media_type: None };
    let mut conversation = of(vec![
        turn(Role::System, vec![text("Opening words.")]),
        turn(Role::User, vec![text("hi"), Block::Document(document), text("")]),
        turn(Role::User, vec![Block::Image(Image { detail: Some("high".into()), source: url })]),
        turn(
            Role::Assistant,
            vec![
                thought(None),
                thought(Some(Seal::Signature("c2ln".into()))),
                Block::Text(Text { text: "I call.".into(), citations: vec![citation] }),
                Block::Opaque(server_use),
                call("toolu_1", "a", "{\"x\":1}"),
                call("toolu_2", "b", ""),
            ],
        ),
        turn(Role::System, vec![text("A reminder in the middle.")]),
        turn(Role::User, vec![result("toolu_2", "second"), result("toolu_1", "first"), text("and?")]),
    ]);
    conversation.system = vec![Part { block: text("Be."), cache: Some(CacheControl { ttl: None }) }];
    conversation.tools = vec![
        tool("a", r#"{"$schema":"x","type":"object","additionalProperties":false}"#),
        Tool::Hosted(search),
    ];
    conversation.tool_choice = Some(ToolChoice::Required);
    conversation.parallel_tools = Some(false);
    conversation.user = Some("u".into());
    conversation.cache_key = Some("k".into());
    conversation.metadata = vec![("Not A Label".into(), "x".into())];
    conversation.service_tier = Some("scale".into());
    conversation.sampling = Sampling {
        logit_bias: raw("{}"),
        max_tokens: Some(u64::MAX),
        seed: Some(i64::MAX),
        verbosity: Some("low".into()),
        ..Sampling::default()
    };
    conversation.reasoning =
        Some(ReasoningRequest { effort: Some("xhigh".into()), ..ReasoningRequest::default() });
    conversation.format = Some(OutputFormat::Schema {
        description: Some("d".into()),
        name: Some("n".into()),
        schema: raw(r#"{"type":"object","x":1.0}"#).unwrap(),
        strict: Some(true),
    });
    conversation.rest.push(Unmodelled { path: "messages[3].audio".into(), value: raw("1").unwrap() });
    conversation
}

/// Requirement 004-42, C11.
#[test]
fn a_foreign_conversation_is_written_and_every_loss_is_named() {
    let (written, loss) = write(&foreign());
    insta::assert_snapshot!("gemini_request_foreign", format!("{}\n\n{}", pretty(&written), loss.header()));
}

/// C11: all results of a turn stand first in the user content behind their calls, also when instructions in the
/// middle of the conversation or other words come between.
#[test]
fn results_stand_right_behind_their_calls_in_the_calls_order() {
    let (written, _) = write(&foreign());
    let contents = written["contents"].as_array().unwrap();
    let roles: Vec<_> = contents.iter().map(|content| content["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "model", "user"]);
    let parts = contents[2]["parts"].as_array().unwrap();
    assert_eq!(parts[0]["functionResponse"]["name"], "a");
    assert_eq!(parts[1]["functionResponse"]["name"], "b");
    assert_eq!(parts[2]["text"], "A reminder in the middle.");
    assert_eq!(parts[3]["text"], "and?");
}

/// C11: Gemini 3 gives and wants ids; older models at Vertex refuse the field.
#[test]
fn ids_go_to_models_that_know_them() {
    let conversation = of(vec![
        turn(Role::User, vec![text("x")]),
        turn(Role::Assistant, vec![call("2lza53qd", "f", "{}")]),
        turn(Role::User, vec![result("2lza53qd", "y")]),
    ]);
    for (model, expected) in [("gemini-3-flash-preview", Some("2lza53qd")), ("gemini-2.5-pro", None)] {
        let (written, _) = try_write(&conversation, model).unwrap();
        let of_call = written["contents"][1]["parts"][0]["functionCall"]["id"].as_str();
        let of_result = written["contents"][2]["parts"][0]["functionResponse"]["id"].as_str();
        assert_eq!((of_call, of_result), (expected, expected), "{model}");
    }
}

/// C11: pictures in results are inside the result where the model takes them, else behind all results.
#[test]
fn pictures_in_results_reach_the_model() {
    let shown = |words: &str, id: &str| {
        Block::ToolResult(ToolResult {
            call_id: id.into(),
            content: vec![Part::text(words), Part::new(picture())],
            is_error: false,
            kind: ToolKind::Function,
            name: None,
        })
    };
    let conversation = of(vec![
        turn(Role::Assistant, vec![call("a", "f", "{}"), call("b", "f", "{}")]),
        turn(Role::User, vec![shown("one", "a"), shown("two", "b")]),
    ]);
    let kinds = |model: &str| {
        let (written, loss) = try_write(&conversation, model).unwrap();
        assert!(loss.is_empty());
        let parts = written["contents"][1]["parts"].as_array().unwrap().clone();
        parts
            .iter()
            .map(|part| {
                let inside = part["functionResponse"]["parts"].as_array().map_or(0, Vec::len);
                format!("{}{inside}", part.as_object().unwrap().keys().next().unwrap())
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds("gemini-3-pro"), ["functionResponse1", "functionResponse1"]);
    assert_eq!(
        kinds("gemini-2.5-pro"),
        ["functionResponse0", "functionResponse0", "inlineData0", "inlineData0"]
    );
}

/// C11: a failed tool is told in Google's word for it.
#[test]
fn a_failed_tool_is_told_as_error() {
    let mut failed = result("a", "no such file");
    if let Block::ToolResult(result) = &mut failed {
        result.is_error = true;
    }
    let conversation =
        of(vec![turn(Role::Assistant, vec![call("a", "f", "{}")]), turn(Role::User, vec![failed])]);
    let (written, _) = write(&conversation);
    let response = &written["contents"][1]["parts"][0]["functionResponse"]["response"];
    assert_eq!(response, &serde_json::json!({"error": "no such file"}));
}

/// Requirement I4: what would change the meaning is refused, not bent.
#[test]
fn what_would_change_the_meaning_is_refused() {
    let said = |blocks| of(vec![turn(Role::Assistant, blocks)]);
    let file = Block::Image(Image { detail: None, source: Source::File { id: "file_abc".into() } });
    let unknown = Source::Base64 { data: "AAAA".into(), media_type: None };
    for (conversation, param) in [
        (said(vec![call("a", "f", "{\"x\":")]), "arguments"),
        (said(vec![call("a", "f", "[1]")]), "arguments"),
        (said(vec![result("nobody", "x")]), "tool_call_id"),
        (said(vec![file]), "file_id"),
        (said(vec![Block::Audio(Media { format: None, source: unknown })]), "media_type"),
    ] {
        let failure = try_write(&conversation, "gemini-3-pro").unwrap_err();
        assert_eq!(failure.param.as_deref(), Some(param));
    }
    let cached = parse(r#"{"contents":[],"cachedContent":"cachedContents/1"}"#).unwrap();
    assert_eq!(may_leave(&cached).unwrap_err().param.as_deref(), Some("cachedContent"));
    assert!(may_leave(&foreign()).is_ok());
}

/// B2, C11: signatures go back on the part they came with, byte for byte; thoughts without one are declared.
#[test]
fn signatures_go_back_where_they_came_from_and_unsigned_thoughts_stay_here() {
    let Block::ToolCall(mut signed) = call("a", "f", "{}") else { unreachable!() };
    signed.seal = Some(Seal::Signature("Et0BCtoB+/==".into()));
    let sealed =
        |text: &str, seal| Block::Reasoning(Reasoning { seal, text: text.into(), ..Reasoning::default() });
    let conversation = of(vec![turn(
        Role::Assistant,
        vec![
            sealed("unsigned", None),
            sealed("thought", Some(Seal::Signature("dA==".into()))),
            text("words"),
            sealed("", Some(Seal::Signature("ZQ==".into()))),
            Block::ToolCall(signed),
            call("b", "f", "{}"),
            sealed("", Some(Seal::Encrypted("xx".into()))),
        ],
    )]);
    let (written, loss) = write(&conversation);
    assert_eq!(
        written["contents"][0]["parts"],
        serde_json::json!([
            {"text": "thought", "thought": true, "thoughtSignature": "dA=="},
            {"text": "words"},
            {"text": "", "thoughtSignature": "ZQ=="},
            {"functionCall": {"id": "a", "name": "f", "args": {}}, "thoughtSignature": "Et0BCtoB+/=="},
            {"functionCall": {"id": "b", "name": "f", "args": {}}},
        ])
    );
    assert_eq!(loss.names(), ["thinking"]);
}

#[test]
fn schemas_go_out_as_they_came() {
    let schema = r#"{ "type":"object", "$defs":{"n":{"const":1.0}}, "x-y": [1e3] }"#;
    let mut conversation = of(vec![turn(Role::User, vec![text("x")])]);
    conversation.tools = vec![Tool::Function(FunctionTool {
        cache: None,
        description: None,
        name: "f".into(),
        namespace: None,
        schema: raw(schema),
        strict: None,
    })];
    conversation.format = Some(OutputFormat::Schema {
        description: None,
        name: None,
        schema: raw(schema).unwrap(),
        strict: None,
    });
    let (body, loss) = crate::check::write(&FORMAT, &conversation, &Quirks::default());
    assert!(body.contains(&format!("\"parametersJsonSchema\":{schema}")), "{body}");
    assert!(body.contains(&format!("\"responseJsonSchema\":{schema}")), "{body}");
    assert!(loss.is_empty());
}

#[test]
fn each_choice_of_tools_has_its_mode() {
    let names = || vec!["f".to_owned()];
    for (choice, expected) in [
        (ToolChoice::Auto, r#"{"mode":"AUTO"}"#),
        (ToolChoice::None, r#"{"mode":"NONE"}"#),
        (ToolChoice::Required, r#"{"mode":"ANY"}"#),
        (
            ToolChoice::Among { names: names(), required: true },
            r#"{"mode":"ANY","allowedFunctionNames":["f"]}"#,
        ),
        (
            ToolChoice::Among { names: names(), required: false },
            r#"{"mode":"VALIDATED","allowedFunctionNames":["f"]}"#,
        ),
    ] {
        let mut conversation =
            parse(r#"{"contents":[],"tools":[{"functionDeclarations":[{"name":"f"}]}]}"#).unwrap();
        conversation.tool_choice = Some(choice.clone());
        let (written, _) = write(&conversation);
        assert_eq!(written["toolConfig"]["functionCallingConfig"].to_string(), expected);
        let again = parse(&written.to_string()).unwrap();
        assert_eq!(again.tool_choice, Some(choice));
        // Google refuses a choice where there is nothing to choose from.
        conversation.tools.clear();
        assert_eq!(write(&conversation).0.get("toolConfig"), None);
    }
}

#[test]
fn instructions_alone_are_said_as_a_turn() {
    let conversation = of(vec![turn(Role::System, vec![text("Write a poem.")])]);
    let (written, _) = write(&conversation);
    assert_eq!(
        written,
        serde_json::json!({"contents": [{"role": "user", "parts": [{"text": "Write a poem."}]}]})
    );
}

#[test]
fn tokens_are_asked_for_in_the_form_that_each_server_takes() {
    let tokens = FORMAT.tokens.unwrap();
    let conversation = tokens
        .parse(br#"{"generateContentRequest":{"model":"models/x","contents":[{"parts":[{"text":"a"}]}],"systemInstruction":"s"}}"#)
        .unwrap();
    assert_eq!(conversation.system.len(), 1);
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 1, model: "gemini-3-pro", quirks: &quirks, stream: false };
    let mut loss = Loss::default();
    let studio: Value =
        serde_json::from_slice(&tokens.write(&conversation, &target, &mut loss).unwrap()).unwrap();
    assert_eq!(studio["generateContentRequest"]["model"], "models/gemini-3-pro");
    let vertex: Value =
        serde_json::from_slice(&vertex_count(&conversation, &target, &mut loss).unwrap()).unwrap();
    assert_eq!(vertex["systemInstruction"]["parts"][0]["text"], "s");
    let plain = tokens.parse(br#"{"contents":[{"parts":[{"text":"a"}]}]}"#).unwrap();
    let bare: Value = serde_json::from_slice(&tokens.write(&plain, &target, &mut loss).unwrap()).unwrap();
    assert_eq!(bare, serde_json::json!({"contents": [{"role": "user", "parts": [{"text": "a"}]}]}));
    assert_eq!(tokens.parse(b"{}").unwrap_err().param.as_deref(), Some("contents"));
    assert_eq!(tokens.parse_answer(br#"{"totalTokens":31,"promptTokensDetails":[]}"#), Ok(31));
    assert_eq!(tokens.write_answer(31), br#"{"totalTokens":31}"#);
    assert!(tokens.parse_answer(b"{}").is_err());
}
