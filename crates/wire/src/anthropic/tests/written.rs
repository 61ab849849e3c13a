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

pub(super) const OLDER: &str = "claude-haiku-4-5";
pub(super) const NEWER: &str = "claude-opus-4-8";

pub(super) fn try_write(conversation: &Conversation, model: &str) -> Result<(Value, Vec<String>), Failure> {
    let quirks = Quirks::default();
    let target = Target { default_max_tokens: 4096, model, quirks: &quirks, stream: false };
    let mut loss = Loss::default();
    let out = FORMAT.messages.write(conversation, &target, &mut loss)?;
    Ok((serde_json::from_slice(&out).unwrap(), loss.names().to_vec()))
}

pub(super) fn write(conversation: &Conversation, model: &str) -> (Value, Vec<String>) {
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

pub(super) fn function(name: &str, schema: Option<&str>) -> Tool {
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

pub(super) fn hello() -> Conversation {
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
        turns: vec![
            turn(
                Role::Assistant,
                vec![
                    thought(Some(Seal::Signature("S=".into()))),
                    thought(Some(Seal::Encrypted("E=".into()))),
                    thought(None),
                    Part::text("So."),
                ],
            ),
            turn(Role::User, vec![Part::text("Go on.")]),
        ],
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

/// Requirement B2: Claude refuses thinking within a budget where an answer under way does not begin with its thoughts,
/// and thoughts in it where thinking is off.
#[test]
fn an_answer_under_way_without_its_thoughts_is_ended_without_thinking() {
    let called = || call("t1", "{}");
    let thought = || {
        let seal = Some(Seal::Signature("S=".into()));
        Part::new(Block::Reasoning(Reasoning { text: "Hm".into(), seal, ..Reasoning::default() }))
    };
    let written = |parts: Vec<Part>, effort: &str, behind: Vec<Turn>| {
        let result = turn(Role::User, vec![result("t1", vec![Part::text("ok")])]);
        let mut turns = vec![turn(Role::User, vec![Part::text("a")]), turn(Role::Assistant, parts), result];
        turns.extend(behind);
        let reasoning = Some(ReasoningRequest { effort: Some(effort.into()), ..ReasoningRequest::default() });
        let (body, lost) = write(&Conversation { turns, reasoning, ..Conversation::default() }, OLDER);
        let thinks = body["thinking"]["type"] == "enabled";
        (thinks, body["messages"][1]["content"].to_string().contains("Hm"), lost.join(" "))
    };
    let kept = || vec![thought(), Part::text("w"), called()];
    let gone = || vec![Part::text("w"), called()];
    // What the user says together with the results leaves the answer under way; a later turn ends it.
    let more = || vec![turn(Role::User, vec![Part::text("hurry")])];
    let over = || vec![turn(Role::Assistant, vec![Part::text("b")]), turn(Role::User, vec![Part::text("c")])];
    assert_eq!(written(kept(), "high", Vec::new()), (true, true, String::new()));
    assert_eq!(written(gone(), "high", Vec::new()), (false, false, "thinking".into()));
    assert_eq!(written(gone(), "high", more()), (false, false, "thinking".into()));
    assert_eq!(written(gone(), "high", over()), (true, false, String::new()));
    assert_eq!(written(kept(), "none", Vec::new()), (false, false, "thinking".into()));
    assert_eq!(written(kept(), "none", over()), (false, true, String::new()));
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
    assert_eq!(lost, ["messages.name", "detail", "citations", "image", "tools.patch", "response_format"]);
}

/// Requirement 004-42: what only Anthropic's clients say is named when it goes elsewhere; here, to an older model.
#[test]
fn fields_without_a_home_are_declared_by_their_path() {
    let (_, lost) = write(&super::parsed::parse(super::parsed::RICH).unwrap(), OLDER);
    insta::assert_snapshot!("written_rest_lost", lost.join("\n"));
}
