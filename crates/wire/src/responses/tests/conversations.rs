//! Conversations of other dialects, written for a provider of this one.

use lockgate_core::content::{
    CacheControl, Citation, Document, Image, Media, Opaque, Reasoning, Source, Text, ToolCall, ToolKind,
    ToolResult,
};
use lockgate_core::{
    Block, Conversation, Dialect, OutputFormat, Part, ReasoningRequest, Role, Seal, Tool, ToolChoice, Turn,
};

use super::write;

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { name: None, parts, role }
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

fn result(id: &str, is_error: bool, content: Vec<Part>) -> Part {
    let call_id = id.into();
    Part::new(Block::ToolResult(ToolResult {
        call_id,
        content,
        is_error,
        kind: ToolKind::Function,
        name: None,
    }))
}

fn picture() -> Part {
    let source = Source::Base64 { data: "iVBO".into(), media_type: Some("image/png".into()) };
    Part::new(Block::Image(Image { detail: None, source }))
}

/// What a client of another dialect says, with what this one can and cannot say.
fn turns() -> Vec<Turn> {
    let cached = |mut part: Part| {
        part.cache = Some(CacheControl { ttl: Some("5m".into()) });
        part
    };
    let document = |source, name: Option<&str>| {
        Part::new(Block::Document(Document {
            citations: Some(true),
            context: Some("c".into()),
            name: name.map(Into::into),
            source,
        }))
    };
    let thought = |seal, text: &str| {
        Part::new(Block::Reasoning(Reasoning { id: None, seal, summary: false, text: text.into() }))
    };
    let citation =
        Citation { raw: None, quote: None, span: None, title: None, url: Some("https://u".into()) };
    vec![
        turn(
            Role::User,
            vec![
                cached(Part::text("See")),
                picture(),
                document(Source::Text { text: "plain".into() }, Some("t")),
                document(
                    Source::Base64 { data: "JVBE".into(), media_type: Some("application/pdf".into()) },
                    None,
                ),
                Part::new(Block::Video(Media {
                    format: None,
                    source: Source::Url { url: "https://v".into(), media_type: None },
                })),
                Part::text(""),
            ],
        ),
        turn(
            Role::Assistant,
            vec![
                thought(None, "unsealed"),
                thought(Some(Seal::Encrypted("sealed".into())), "said"),
                Part::new(Block::Text(Text { text: "Hi".into(), citations: vec![citation] })),
                Part::new(Block::Opaque(server_tool())),
                call("c1", ""),
                call("c2", "{\"a\":1}"),
            ],
        ),
        turn(
            Role::User,
            vec![
                result("c1", true, vec![Part::text("no such file"), picture()]),
                result("c2", true, vec![Part::text("Error: gone")]),
                Part::text("And now?"),
            ],
        ),
        turn(Role::System, vec![Part::text("Hurry.")]),
    ]
}

fn server_tool() -> Opaque {
    Opaque {
        dialect: Dialect::Anthropic,
        kind: "server_tool_use".into(),
        raw: serde_json::from_str("{}").unwrap(),
    }
}

/// A conversation as it comes from another dialect, with what this one can and cannot say. Requirement 004-42.
#[test]
fn a_conversation_of_another_dialect_becomes_items_and_declares_its_losses() {
    let cached = Part { cache: Some(CacheControl { ttl: Some("5m".into()) }), ..Part::text("helpful.") };
    let mut conversation = Conversation {
        cache_key: Some("k".into()),
        format: Some(OutputFormat::Json),
        metadata: vec![("k".into(), "v".into())],
        parallel_tools: Some(true),
        reasoning: Some(ReasoningRequest {
            budget: Some(31_999),
            enabled: Some(true),
            ..ReasoningRequest::default()
        }),
        service_tier: Some("standard_only".into()),
        system: vec![Part::text("You are"), cached],
        tool_choice: Some(ToolChoice::Among { names: vec!["f".into()], required: true }),
        tools: vec![Tool::Hosted(server_tool())],
        turns: turns(),
        user: Some("x".repeat(200)),
        ..Conversation::default()
    };
    conversation.sampling.max_tokens = Some(1);
    conversation.sampling.top_k = Some(40);
    conversation.sampling.stop = vec!["END".into()];
    conversation.sampling.candidates = Some(2);
    let (written, loss) = write(&conversation);
    insta::assert_snapshot!("responses_written_rich", serde_json::to_string_pretty(&written).unwrap());
    insta::assert_snapshot!("responses_written_rich_loss", loss.header());
}
