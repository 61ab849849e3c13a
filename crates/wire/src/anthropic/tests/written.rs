//! Requests for Anthropic, as made from clients of other dialects.

use lockgate_core::content::{
    CacheControl, Citation, CustomTool, Document, FunctionTool, Image, Media, Opaque, Reasoning, Source,
    Text, ToolCall, ToolKind, ToolResult,
};
use lockgate_core::{
    Block, Conversation, Dialect, Failure, OutputFormat, Part, ReasoningRequest, Role, Sampling, Seal, Tool,
    ToolChoice, Turn, Unmodelled,
};
use serde_json::{Value, json};

use super::super::FORMAT;
use crate::json::raw;
use crate::{Loss, Quirks, Target};

const OLDER: &str = "claude-haiku-4-5";
const NEWER: &str = "claude-opus-4-8";

fn try_write(conversation: &Conversation, model: &str) -> Result<(Value, Vec<String>), Failure> {
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 4096, model, quirks: &quirks, stream: false };
    let mut loss = Loss::default();
    let out = FORMAT.messages.write(conversation, &target, &mut loss)?;
    Ok((serde_json::from_slice(&out).unwrap(), loss.names().to_vec()))
}

fn write(conversation: &Conversation, model: &str) -> (Value, Vec<String>) {
    try_write(conversation, model).unwrap()
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { name: None, parts, role }
}

fn says(role: Role, text: &str) -> Turn {
    turn(role, vec![Part::text(text)])
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

fn result(call_id: &str, content: Vec<Part>) -> Part {
    let kind = ToolKind::Function;
    Part::new(Block::ToolResult(ToolResult {
        call_id: call_id.into(),
        content,
        is_error: false,
        kind,
        name: None,
    }))
}

fn function(name: &str, schema: Option<&str>) -> Tool {
    Tool::Function(FunctionTool {
        cache: None,
        description: None,
        name: name.into(),
        namespace: None,
        schema: schema.and_then(raw),
        strict: None,
    })
}

fn picture(source: Source) -> Part {
    Part::new(Block::Image(Image { detail: None, source }))
}

fn base64(data: &str, media_type: Option<&str>) -> Source {
    Source::Base64 { data: data.into(), media_type: media_type.map(Into::into) }
}

fn document(source: Source) -> Part {
    Part::new(Block::Document(Document { citations: None, context: None, name: None, source }))
}

fn asked(parts: Vec<Part>) -> Conversation {
    Conversation { turns: vec![turn(Role::User, parts)], ..Conversation::default() }
}

fn hello() -> Conversation {
    asked(vec![Part::text("Hello")])
}

/// Requirement 004-42: a conversation of another dialect with all it may hold, and what is declared as lost.
#[test]
fn a_rich_conversation_of_another_dialect_becomes_a_legal_request() {
    let mut conversation = Conversation {
        cache_key: Some("k".into()),
        format: Some(OutputFormat::Schema {
            description: Some("d".into()),
            name: Some("n".into()),
            schema: raw(r#"{"type":"object"}"#).unwrap(),
            strict: Some(true),
        }),
        metadata: vec![("a".into(), "b".into())],
        parallel_tools: Some(false),
        reasoning: Some(ReasoningRequest {
            effort: Some("minimal".into()),
            summary: Some("auto".into()),
            ..ReasoningRequest::default()
        }),
        rest: vec![
            Unmodelled { path: "store".into(), value: raw("true").unwrap() },
            Unmodelled { path: "messages[3].audio".into(), value: raw("{}").unwrap() },
        ],
        sampling: Sampling {
            candidates: Some(2),
            frequency_penalty: Some(0.5),
            logit_bias: raw(r#"{"1":2}"#),
            logprobs: Some(true),
            max_tokens: Some(100),
            presence_penalty: Some(0.5),
            seed: Some(1),
            stop: vec!["\n".into(), "END".into()],
            temperature: Some(1.5),
            top_k: Some(4),
            top_logprobs: Some(2),
            top_p: Some(0.5),
            verbosity: Some("low".into()),
        },
        service_tier: Some("flex".into()),
        system: vec![Part::text("Be kind.")],
        tool_choice: Some(ToolChoice::Auto),
        tools: vec![
            function("f", None),
            function("g", Some(r#"{"properties":{}}"#)),
            Tool::Hosted(Opaque {
                dialect: Dialect::Responses,
                kind: "web_search".into(),
                raw: raw("{}").unwrap(),
            }),
        ],
        turns: vec![
            says(Role::User, "Go"),
            turn(
                Role::Assistant,
                vec![
                    Part::new(Block::Reasoning(Reasoning {
                        text: "unsigned".into(),
                        ..Reasoning::default()
                    })),
                    Part::text(""),
                    Part::new(Block::Refusal("No.".into())),
                    Part::new(Block::Opaque(Opaque {
                        dialect: Dialect::Gemini,
                        kind: "executableCode".into(),
                        raw: raw("{}").unwrap(),
                    })),
                ],
            ),
            says(Role::User, "Please"),
        ],
        user: Some("u1".into()),
    };
    if let Tool::Function(function) = &mut conversation.tools[0] {
        function.strict = Some(true);
    }
    for (name, model) in [("newer", NEWER), ("older", OLDER), ("foreign", "qwen3:8b")] {
        let (body, lost) = write(&conversation, model);
        let shown = format!("{}\n\nlost: {}", serde_json::to_string_pretty(&body).unwrap(), lost.join(", "));
        insta::assert_snapshot!(format!("written_rich_{name}"), shown);
    }
}

/// Pitfall: results of one turn stand in one user message, first, right behind their calls.
#[test]
fn results_of_tools_come_first_in_one_message_behind_their_calls() {
    let conversation = Conversation {
        turns: vec![
            says(Role::User, "Go"),
            turn(Role::Assistant, vec![Part::text("I go."), call("c.1", "{}")]),
            turn(Role::Assistant, vec![call("c2", "  ")]),
            says(Role::User, "and hurry"),
            turn(Role::User, vec![result("c.1", vec![Part::text("one")])]),
            says(Role::System, "It is late."),
            turn(Role::User, vec![result("c2", vec![picture(base64("iVBORw0KGgo=", None))])]),
        ],
        ..Conversation::default()
    };
    for (model, ends_with_system) in [(NEWER, true), (OLDER, false)] {
        let (body, lost) = write(&conversation, model);
        let messages = body["messages"].as_array().unwrap();
        let mut content = json!([
            {"type": "tool_result", "tool_use_id": "c_2e1", "content": "one"},
            {"type": "tool_result", "tool_use_id": "c2", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}]},
            {"type": "text", "text": "and hurry"}
        ]);
        if !ends_with_system {
            content.as_array_mut().unwrap().push(json!({"type": "text", "text": "It is late."}));
        }
        assert_eq!(
            messages[1],
            json!({"role": "assistant", "content": [
            {"type": "text", "text": "I go."},
            {"type": "tool_use", "id": "c_2e1", "name": "f", "input": {}},
            {"type": "tool_use", "id": "c2", "name": "f", "input": {}}]})
        );
        assert_eq!(messages[2], json!({"role": "user", "content": content}));
        let system = ends_with_system.then(|| json!({"role": "system", "content": "It is late."}));
        assert_eq!(messages.get(3), system.as_ref());
        assert!(lost.is_empty());
    }
}

/// Pitfall: system in the middle of messages.
#[test]
fn instructions_stand_where_the_model_takes_them() {
    let conversation = Conversation {
        system: vec![Part::text("Zero")],
        turns: vec![
            says(Role::System, "One"),
            says(Role::User, "Hi"),
            says(Role::System, "Two"),
            says(Role::Assistant, "Ho"),
            says(Role::System, "Three"),
            says(Role::User, "Bye"),
        ],
        ..Conversation::default()
    };
    let system = json!([{"type": "text", "text": "Zero"}, {"type": "text", "text": "One"}]);
    let (body, _) = write(&conversation, NEWER);
    assert_eq!(body["system"], system);
    assert_eq!(
        body["messages"],
        json!([
        {"role": "user", "content": "Hi"}, {"role": "system", "content": "Two"},
        {"role": "assistant", "content": "Ho"},
        {"role": "user", "content": "Bye"}, {"role": "system", "content": "Three"}])
    );
    let (body, _) = write(&conversation, "some-local-model");
    assert_eq!(body["system"], system);
    assert_eq!(
        body["messages"],
        json!([
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "Two"}]},
        {"role": "assistant", "content": "Ho"},
        {"role": "user", "content": [{"type": "text", "text": "Three"}, {"type": "text", "text": "Bye"}]}])
    );
    let alone = Conversation { turns: vec![says(Role::System, "Speak.")], ..Conversation::default() };
    let (body, _) = write(&alone, NEWER);
    assert_eq!(
        (&body["system"], &body["messages"]),
        (&Value::Null, &json!([{"role": "user", "content": "Speak."}]))
    );
}

/// Pitfall: Anthropic refuses empty texts.
#[test]
fn empty_texts_and_empty_messages_are_left_out() {
    let conversation = Conversation {
        turns: vec![says(Role::User, "Hi"), says(Role::Assistant, ""), says(Role::User, "there")],
        ..Conversation::default()
    };
    let (body, lost) = write(&conversation, NEWER);
    assert_eq!(
        body["messages"],
        json!([
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]}])
    );
    assert!(lost.is_empty());
}

/// Requirement I4: tool arguments that are no JSON object are never turned into `{}`.
#[test]
fn arguments_that_are_no_object_are_refused() {
    for arguments in ["{\"a\": tru", "[1]", "\"x\"", "{} {}"] {
        let conversation = Conversation {
            turns: vec![turn(Role::Assistant, vec![call("c1", arguments)])],
            ..Conversation::default()
        };
        let failure = try_write(&conversation, NEWER).unwrap_err();
        assert_eq!(failure.param.as_deref(), Some("arguments"), "{arguments}");
        assert!(failure.message.contains("c1"), "{}", failure.message);
    }
}

/// Requirement I4: what would change the meaning by its absence is refused.
#[test]
fn sound_and_unreadable_files_are_refused() {
    let media = || Media { format: Some("wav".into()), source: base64("AA==", None) };
    for (part, param) in [
        (Part::new(Block::Audio(media())), "audio"),
        (Part::new(Block::Video(media())), "video"),
        (document(base64("UEsDBA==", Some("application/zip"))), "file"),
        (document(base64("/w==", Some("text/plain"))), "file"),
        (picture(base64("AAAA", None)), "image"),
    ] {
        assert_eq!(try_write(&asked(vec![part]), NEWER).unwrap_err().param.as_deref(), Some(param));
    }
}

/// Behaviour 18.
#[test]
fn pictures_and_documents_arrive_in_every_form() {
    let url = |url: &str| Source::Url { url: url.into(), media_type: None };
    let parts = vec![
        picture(base64("AA==", Some("image/jpg"))),
        picture(base64("UklGRg==", None)),
        picture(url("https://example.com/a.png")),
        picture(Source::File { id: "file_1".into() }),
        document(base64("JVBERi0=", None)),
        document(base64("aMOk", Some("text/markdown"))),
        document(url("https://example.com/a.pdf")),
        document(Source::Text { text: "words".into() }),
    ];
    let (body, lost) = write(&asked(parts), NEWER);
    insta::assert_snapshot!("written_media", serde_json::to_string_pretty(&body["messages"]).unwrap());
    assert!(lost.is_empty());
}

/// Requirement B2, behaviour 19: seals go back unchanged; thoughts without one only to servers that take them.
#[test]
fn thoughts_go_back_under_their_seal_only() {
    let thought =
        |seal| Part::new(Block::Reasoning(Reasoning { text: "Hm".into(), seal, ..Reasoning::default() }));
    let conversation = Conversation {
        turns: vec![turn(
            Role::Assistant,
            vec![
                thought(Some(Seal::Signature("S=".into()))),
                thought(Some(Seal::Encrypted("E=".into()))),
                thought(None),
                Part::text("So."),
            ],
        )],
        ..Conversation::default()
    };
    let signed = json!({"type": "thinking", "thinking": "Hm", "signature": "S="});
    let sealed = json!({"type": "redacted_thinking", "data": "E="});
    let text = json!({"type": "text", "text": "So."});
    let (body, lost) = write(&conversation, NEWER);
    assert_eq!(body["messages"][0]["content"], json!([signed, sealed, text]));
    assert_eq!(lost, ["thinking"]);
    let (body, lost) = write(&conversation, "qwen3:8b");
    let unsigned = json!({"type": "thinking", "thinking": "Hm", "signature": ""});
    assert_eq!(body["messages"][0]["content"], json!([signed, sealed, unsigned, text]));
    assert!(lost.is_empty());
}

/// What a model is told about thinking: `thinking`, effort, bound on output, losses.
fn thinking(
    wanted: &ReasoningRequest,
    max_tokens: Option<u64>,
    model: &str,
) -> (Value, Value, u64, Vec<String>) {
    let sampling = Sampling { max_tokens, ..Sampling::default() };
    let conversation = Conversation { reasoning: Some(wanted.clone()), sampling, ..hello() };
    let (body, lost) = write(&conversation, model);
    let effort = body.pointer("/output_config/effort").cloned().unwrap_or_default();
    (body["thinking"].clone(), effort, body["max_tokens"].as_u64().unwrap(), lost)
}

fn effort(word: &str) -> ReasoningRequest {
    ReasoningRequest { effort: Some(word.into()), ..ReasoningRequest::default() }
}

#[test]
fn an_effort_becomes_what_the_model_understands() {
    let budget = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    let adaptive = json!({"type": "adaptive"});
    let none = Vec::<String>::new;
    for (word, model, max, expected) in [
        ("high", NEWER, None, (adaptive.clone(), json!("high"), 4096, none())),
        ("minimal", NEWER, Some(50), (adaptive.clone(), json!("low"), 50, none())),
        ("xhigh", "claude-sonnet-4-6", None, (adaptive, json!("high"), 4096, vec!["effort".to_owned()])),
        ("high", OLDER, None, (budget(16_384), Value::Null, 20_480, none())),
        ("high", OLDER, Some(10_000), (budget(8000), Value::Null, 10_000, none())),
        ("low", "qwen3:8b", None, (budget(2048), Value::Null, 6144, none())),
        ("high", OLDER, Some(1000), (Value::Null, Value::Null, 1000, vec!["reasoning".to_owned()])),
        (
            "high",
            "claude-3-5-haiku-20241022",
            None,
            (Value::Null, Value::Null, 4096, vec!["reasoning".to_owned()]),
        ),
        ("none", NEWER, None, (Value::Null, Value::Null, 4096, none())),
        ("none", "claude-opus-5", None, (json!({"type": "disabled"}), Value::Null, 4096, none())),
        ("none", "claude-fable-5", None, (Value::Null, Value::Null, 4096, vec!["reasoning".to_owned()])),
        ("medium", "claude-opus-4-5", None, (budget(8192), json!("medium"), 12_288, none())),
    ] {
        assert_eq!(thinking(&effort(word), max, model), expected, "{word} {model} {max:?}");
    }
}

#[test]
fn a_budget_stays_below_the_bound_on_output() {
    let wanted = ReasoningRequest { budget: Some(9000), enabled: Some(true), ..ReasoningRequest::default() };
    let told = |tokens: u64| json!({"type": "enabled", "budget_tokens": tokens});
    assert_eq!(thinking(&wanted, Some(10_000), OLDER), (told(9000), Value::Null, 10_000, vec![]));
    assert_eq!(
        thinking(&wanted, Some(5000), OLDER),
        (told(4999), Value::Null, 5000, vec!["budget_tokens".to_owned()])
    );
    assert_eq!(thinking(&wanted, None, OLDER), (told(9000), Value::Null, 13_096, vec![]));
    // Newer models refuse budgets: the nearest effort, declared.
    let adaptive = (json!({"type": "adaptive"}), json!("high"), 10_000, vec!["budget_tokens".to_owned()]);
    assert_eq!(thinking(&wanted, Some(10_000), NEWER), adaptive);
}

/// Pitfall: temperature with thinking, sampling on newer models.
#[test]
fn sampling_that_the_model_would_refuse_is_dropped_and_declared() {
    let sampled = |reasoning: Option<ReasoningRequest>, sampling: Sampling, model: &str| {
        let (body, lost) = write(&Conversation { reasoning, sampling, ..hello() }, model);
        let told = ["temperature", "top_p", "top_k"].map(|name| body[name].as_f64());
        (told, lost.join(" "))
    };
    let all = || Sampling { temperature: Some(0.2), top_k: Some(5), top_p: Some(0.9), ..Sampling::default() };
    let nothing = [None, None, None];
    assert_eq!(sampled(Some(effort("low")), all(), OLDER), (nothing, "temperature top_k top_p".into()));
    assert_eq!(sampled(None, all(), NEWER), (nothing, "temperature top_k top_p".into()));
    assert_eq!(sampled(None, all(), OLDER), ([Some(0.2), None, Some(5.0)], "top_p".into()));
    assert_eq!(
        sampled(None, all(), "claude-3-haiku-20240307"),
        ([Some(0.2), Some(0.9), Some(5.0)], String::new())
    );
    assert_eq!(
        sampled(Some(effort("low")), all(), "qwen3:8b"),
        ([Some(0.2), Some(0.9), Some(5.0)], String::new())
    );
    let one = || Sampling { temperature: Some(1.0), top_p: Some(1.0), ..Sampling::default() };
    assert_eq!(sampled(Some(effort("low")), one(), NEWER), (nothing, String::new()));
    let hot = Sampling { temperature: Some(1.8), ..Sampling::default() };
    assert_eq!(sampled(None, hot, OLDER), ([Some(1.0), None, None], "temperature".into()));
}

#[test]
fn a_choice_of_tools_keeps_its_meaning() {
    let choose = |choice: Option<ToolChoice>, parallel_tools: Option<bool>| {
        let conversation = Conversation {
            parallel_tools,
            tool_choice: choice,
            tools: vec![function("a", None), function("b", None), function("c", None)],
            ..hello()
        };
        let (body, lost) = write(&conversation, OLDER);
        let names: Vec<_> =
            body["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
        (body["tool_choice"].clone(), Value::from(names), lost.join(" "))
    };
    let among = |names: &[&str], required| {
        Some(ToolChoice::Among { names: names.iter().map(|name| (*name).to_owned()).collect(), required })
    };
    let all = json!(["a", "b", "c"]);
    let clean = String::new;
    assert_eq!(choose(None, Some(true)), (Value::Null, all.clone(), clean()));
    assert_eq!(
        choose(None, Some(false)),
        (json!({"type": "auto", "disable_parallel_tool_use": true}), all.clone(), clean())
    );
    assert_eq!(choose(Some(ToolChoice::None), Some(false)), (json!({"type": "none"}), all.clone(), clean()));
    assert_eq!(choose(Some(ToolChoice::Required), None), (json!({"type": "any"}), all.clone(), clean()));
    assert_eq!(choose(among(&["b"], true), None), (json!({"type": "tool", "name": "b"}), all, clean()));
    assert_eq!(
        choose(among(&["a", "b"], true), None),
        (json!({"type": "any"}), json!(["a", "b"]), "tool_choice".into())
    );
    assert_eq!(
        choose(among(&["a"], false), None),
        (json!({"type": "auto"}), json!(["a"]), "tool_choice".into())
    );
    let without = Conversation { tool_choice: Some(ToolChoice::Required), ..hello() };
    assert_eq!(
        write(&without, OLDER),
        (
            json!({"model": OLDER, "max_tokens": 4096,
        "messages": [{"role": "user", "content": "Hello"}]}),
            vec!["tool_choice".to_owned()]
        )
    );
}

#[test]
fn a_model_that_must_call_a_tool_does_not_think_first() {
    let conversation = Conversation {
        reasoning: Some(effort("high")),
        tool_choice: Some(ToolChoice::Required),
        tools: vec![function("f", None)],
        ..hello()
    };
    let (body, lost) = write(&conversation, NEWER);
    assert_eq!((&body["thinking"], &body["tool_choice"]["type"]), (&Value::Null, &json!("any")));
    assert_eq!(lost, ["reasoning"]);
}

#[test]
fn a_schema_says_that_input_is_an_object_and_is_else_untouched() {
    let schema = |text: Option<&str>| {
        let conversation = Conversation { tools: vec![function("f", text)], ..hello() };
        let quirks = Quirks::default();
        let target = Target { default_max_tokens: 1, model: NEWER, quirks: &quirks, stream: false };
        String::from_utf8(FORMAT.messages.write(&conversation, &target, &mut Loss::default()).unwrap())
            .unwrap()
    };
    let exact = r#"{"type":"object", "properties":{"n":{"minimum":1.50}}}"#;
    assert!(schema(Some(exact)).contains(&format!("\"input_schema\":{exact}")));
    assert!(schema(None).contains(r#""input_schema":{"type":"object"}"#));
    assert!(schema(Some(" { \"x\": 1 } ")).contains(r#""input_schema":{"type":"object", "x": 1 }"#));
    let broken = Conversation { tools: vec![function("f", Some("[]"))], ..hello() };
    assert_eq!(try_write(&broken, NEWER).unwrap_err().param.as_deref(), Some("tools"));
}

#[test]
fn only_the_clients_own_cache_breakpoints_are_set() {
    let mut conversation = hello();
    assert!(!write(&conversation, NEWER).0.to_string().contains("cache_control"));
    conversation.turns[0].parts[0].cache = Some(CacheControl { ttl: Some("24h".into()) });
    let (body, lost) = write(&conversation, NEWER);
    assert_eq!(body["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(lost, ["cache_control.ttl"]);
}

#[test]
fn what_other_dialects_alone_can_say_is_declared() {
    let foreign = Citation {
        raw: Some((Dialect::Responses, raw("{}").unwrap())),
        quote: None,
        span: None,
        title: None,
        url: Some("https://example.com".into()),
    };
    let detailed = Image { detail: Some("high".into()), source: Source::File { id: "f".into() } };
    let conversation = Conversation {
        format: Some(OutputFormat::Json),
        tools: vec![Tool::Custom(CustomTool {
            description: None,
            format: None,
            name: "patch".into(),
            namespace: None,
        })],
        turns: vec![
            Turn { name: Some("Ann".into()), ..turn(Role::User, vec![Part::new(Block::Image(detailed))]) },
            turn(
                Role::Assistant,
                vec![
                    Part::new(Block::Text(Text { text: "x".into(), citations: vec![foreign] })),
                    picture(Source::File { id: "made".into() }),
                ],
            ),
        ],
        ..Conversation::default()
    };
    let (_, lost) = write(&conversation, NEWER);
    assert_eq!(lost, ["tools.patch", "response_format", "messages.name", "detail", "citations", "image"]);
}

/// Requirement 004-42: what only Anthropic's clients say is named when it goes elsewhere; here, to an older model.
#[test]
fn fields_without_a_home_are_declared_by_their_path() {
    let (_, lost) = write(&super::parsed::parse(super::parsed::RICH).unwrap(), OLDER);
    insta::assert_snapshot!("written_rest_lost", lost.join("\n"));
}
