//! Single calls: every dialect's requests and streams, and bytes that are neither.

use lockgate_core::Dialect;
use lockgate_history::{Bodies, Content, MediaPlace, Spot, media};
use lockgate_store::Part;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{assistant, calls, fixtures, passed, read, request, row, says, stream, user};

fn dialect(word: &str) -> Dialect {
    serde_json::from_value(word.into()).unwrap()
}

const DIALECTS: [Dialect; 6] = [
    Dialect::Anthropic,
    Dialect::Chat,
    Dialect::ClaudeCli,
    Dialect::Gemini,
    Dialect::Ollama,
    Dialect::Responses,
];

#[test]
fn every_recorded_request_of_a_client_is_read_as_messages() {
    let mut seen = 0;
    for client in std::fs::read_dir(fixtures().join("sessions")).unwrap().map(|entry| entry.unwrap().path()) {
        for file in std::fs::read_dir(&client).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let fixture: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            let path = fixture["path"].as_str().unwrap();
            if path.contains("count_tokens") || fixture["body"].is_null() {
                continue;
            }
            let call = row(1, dialect(fixture["dialect"].as_str().unwrap()), "human");
            let bodies = passed(fixture["body"].to_string().into_bytes(), Vec::new());
            let exchange = read(&call, &bodies);
            assert!(!exchange.request.messages.is_empty(), "{}", file.display());
            let pieces = exchange.request.messages.iter().flat_map(|message| &message.pieces);
            for piece in pieces {
                assert!(
                    !matches!(piece.content, Content::Unreadable { .. }),
                    "{}: {piece:?}",
                    file.display()
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 25, "only {seen} fixtures");
}

/// What a stream brought in pieces is shown whole.
#[test]
fn every_recorded_answer_is_read_as_far_as_it_goes() {
    let mut seen = 0;
    for name in ["anthropic", "chat", "claude-cli", "gemini", "ollama", "responses"] {
        for file in
            std::fs::read_dir(fixtures().join("streams").join(name)).unwrap().map(|file| file.unwrap().path())
        {
            let body = std::fs::read(&file).unwrap();
            if file.file_stem().is_some_and(|stem| stem == "llamacpp_count") {
                continue;
            }
            let mut call = row(1, dialect(name), "human");
            let said = file.to_string_lossy().into_owned();
            let is_whole = file.extension().is_some_and(|end| end == "json") && !said.contains(".array.");
            call.route.streamed = !is_whole;
            let exchange = read(&call, &passed(request(&[user("Hi")]), body));
            let answer = exchange.answer;
            let unread = answer
                .message
                .iter()
                .flat_map(|message| &message.pieces)
                .any(|piece| matches!(piece.content, Content::Unreadable { .. }));
            assert!(!unread, "{said}: {:?}", answer.broken);
            seen += 1;
        }
    }
    assert!(seen > 90, "only {seen} fixtures");
}

#[test]
fn a_thinking_tool_call_keeps_thoughts_signature_and_arguments() {
    let body = std::fs::read(fixtures().join("streams/anthropic/thinking_tool.sse")).unwrap();
    let exchange = read(&row(1, Dialect::Anthropic, "human"), &passed(request(&[user("Hi")]), body));
    let message = exchange.answer.message.unwrap();
    assert!(
        message
            .pieces
            .iter()
            .any(|piece| matches!(&piece.content, Content::Thinking { signed: true, redacted: false, .. })),
        "{message:?}"
    );
    let call = message.pieces.iter().find_map(|piece| match &piece.content {
        Content::ToolCall { arguments, id, name } => Some((arguments.as_str(), id, name)),
        _ => None,
    });
    let (arguments, id, name) = call.unwrap();
    assert!(!id.is_empty() && !name.is_empty());
    assert!(serde_json::from_str::<Value>(arguments).unwrap().is_object());
}

#[test]
fn a_picture_in_a_tools_result_is_told_with_its_type_and_size_and_can_be_fetched() {
    let picture =
        json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}});
    let result = json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "see"}, picture]}]});
    let messages = [user("Look"), assistant(calls("t1", "Read", json!({}))), result];
    let call = row(1, Dialect::Anthropic, "tool-loop");
    let body = request(&messages);
    let exchange = read(&call, &passed(body.clone(), stream(&says("A dot."))));
    let piece = exchange.request.messages[2].piece(0, Some(1)).unwrap();
    let medium = piece.content.media().unwrap();
    assert_eq!(
        (medium.bytes, medium.media_type.as_deref(), &medium.place),
        (Some(5), Some("image/png"), &MediaPlace::Inline)
    );
    let spot = Spot { message: 2, piece: 0, inner: Some(1) };
    let fetched = media(&call, Part::ClientRequest, &body, spot).unwrap();
    assert_eq!(
        (fetched.bytes.as_slice(), fetched.media_type.as_deref()),
        (b"hello".as_slice(), Some("image/png"))
    );
    assert_eq!(media(&call, Part::ClientRequest, &body, Spot { message: 9, ..spot }), None);
    assert!(!serde_json::to_string(&exchange).unwrap().contains("aGVsbG8="), "bytes are not in the view");
}

#[test]
fn a_broken_stream_is_shown_up_to_where_it_broke() {
    let mut body = stream(&says("Half of it"));
    let end = body.windows(18).position(|window| window == b"content_block_stop").unwrap() - 7;
    body.truncate(end);
    let exchange = read(&row(1, Dialect::Anthropic, "human"), &passed(request(&[user("Hi")]), body));
    assert!(exchange.answer.broken.is_some());
    let message = exchange.answer.message.unwrap();
    assert!(
        matches!(&message.pieces[0].content, Content::Text { text } if text == "Half of it"),
        "{message:?}"
    );
}

#[test]
fn an_error_of_the_provider_is_shown_in_its_words() {
    let mut call = row(1, Dialect::Anthropic, "human");
    call.status = Some(529);
    let body = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let exchange = read(&call, &passed(request(&[user("Hi")]), body.to_string().into_bytes()));
    assert_eq!(exchange.answer.error.as_deref(), Some("Overloaded"));
    assert!(exchange.answer.message.is_none());
}

#[test]
fn what_cannot_be_read_is_shown_as_it_is() {
    let exchange =
        read(&row(1, Dialect::Anthropic, "human"), &passed(b"{\"messages\": 7".to_vec(), b"<html>".to_vec()));
    let unread = |content: &Content, expected: &str| matches!(content, Content::Unreadable { text, .. } if text == expected);
    assert!(unread(&exchange.request.messages[0].pieces[0].content, "{\"messages\": 7"));
    assert!(unread(&exchange.answer.message.unwrap().pieces[0].content, "<html>"));
}

proptest! {
    #[test]
    fn random_bytes_as_bodies_never_panic(
        parts in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..300)), 4),
        front in prop::sample::select(&DIALECTS[..]), upstream in prop::sample::select(&DIALECTS[..]), streamed: bool,
    ) {
        let [one, two, three, four]: [Option<Vec<u8>>; 4] = parts.try_into().unwrap();
        let mut call = row(1, front, "human");
        call.route.upstream = Some(upstream);
        call.route.streamed = streamed;
        let bodies = Bodies { client_answer: one, client_request: two, upstream_answer: three, upstream_request: four, ..Bodies::default() };
        let mut conversation = lockgate_history::Conversation::new();
        conversation.push(read(&call, &bodies));
        let _ = lockgate_history::markdown(&conversation, None);
    }

    #[test]
    fn damaged_bodies_never_panic(cut in 0..2000_usize, at in 0..2000_usize, byte: u8) {
        let mut asked = request(&[user("Hi"), assistant(calls("t1", "Read", json!({"file_path": "a"})))]);
        let mut answer = stream(&says("Hello"));
        for body in [&mut asked, &mut answer] {
            let length = body.len();
            body[at % length] = byte;
            body.truncate(cut);
        }
        for dialect in DIALECTS {
            let call = row(1, dialect, "human");
            let _ = read(&call, &passed(asked.clone(), answer.clone()));
        }
    }
}
