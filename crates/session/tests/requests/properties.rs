//! Whatever a client sends: nothing panics, what is found is bounded, a derived session stays the same while it grows.

use crate::fixture::Fixture;
use lockgate_core::Dialect;
use lockgate_session::{Lineage, Messages, SessionSource, Step};
use proptest::prelude::*;
use serde_json::{Value, json};

const DIALECTS: [Dialect; 5] =
    [Dialect::Anthropic, Dialect::Chat, Dialect::Gemini, Dialect::Ollama, Dialect::Responses];

/// Pieces of what clients write, whole and broken.
fn words() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("<system-reminder>"),
        Just("</system-reminder>"),
        Just("<command-name>/x</command-name>"),
        Just("<command-args>"),
        Just("<local-command-stdout>"),
        Just("<user_query>"),
        Just("</user_query>"),
        Just("\n<env>\nWorking directory: "),
        Just("\n# Environment\n"),
        Just("gitStatus:\nCurrent branch: "),
        Just("<"),
        Just(">"),
        Just("\n"),
        Just("é"),
        Just("😀"),
        Just("\u{0}"),
        Just("On branch "),
        Just("words "),
        Just("<permissions instructions>"),
        Just("# Current Working Directory ("),
        Just("## x...y"),
        Just("[a "),
        Just("This is the Gemini CLI."),
        Just("C:\\"),
        Just("/"),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let keys = prop::sample::select(vec![
            "type",
            "role",
            "content",
            "text",
            "user_id",
            "session_id",
            "x-codex-turn-metadata",
            "workspaces",
            "id",
            "input",
            "parts",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..5).prop_map(|members| members
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

fn request(dialect: Dialect, path: String, headers: Vec<(String, String)>, body: Value) -> Fixture {
    Fixture { body, dialect, headers, path }
}

fn chat(messages: &[Value]) -> Fixture {
    let tools = json!([{"type": "function", "function": {"name": "run", "parameters": {"type": "object"}}}]);
    let body = json!({"model": "m", "messages": messages, "tools": tools});
    request(Dialect::Chat, "/v1/chat/completions".into(), Vec::new(), body)
}

fn roles(texts: &[String]) -> Vec<Value> {
    let role = |at: usize| if at.is_multiple_of(2) { "user" } else { "assistant" };
    texts.iter().enumerate().map(|(at, text)| json!({"role": role(at), "content": text})).collect()
}

proptest! {
    #[test]
    fn nothing_panics_whatever_the_body_and_the_headers_hold(
        members in prop::collection::vec(any_json(), 8),
        headers in prop::collection::vec(words(), 6),
        dialect in prop::sample::select(&DIALECTS[..]),
        path in words(),
    ) {
        let names = ["messages", "input", "contents", "system", "metadata", "client_metadata", "prompt_cache_key", "session_id"];
        let body = names.iter().map(|name| (*name).to_owned()).zip(members).collect();
        let names = ["user-agent", "x-session-id", "x-codex-turn-metadata", "x-claude-code-agent-id", "thread-id", "x-title"];
        let headers = names.iter().map(|name| (*name).to_owned()).zip(headers).collect();
        let fixture = request(dialect, path, headers, body);
        let found = fixture.identity();
        prop_assert!(found.title.is_none_or(|title| title.len() <= 80));
        prop_assert!(found.session.value.is_none_or(|value| value.len() <= 200));
    }

    /// Requirement M4.
    #[test]
    fn a_title_is_one_bounded_line_and_so_is_all_that_is_known_of_the_work(texts in prop::collection::vec(words(), 1..6)) {
        let found = chat(&roles(&texts)).identity();
        if let Some(title) = &found.title {
            prop_assert!(!title.is_empty() && title.len() <= 80 && !title.contains(|c: char| c.is_control()), "{title:?}");
            prop_assert!(found.human_turn > 0);
        }
        for text in [&found.work.branch, &found.work.cwd, &found.work.platform, &found.work.os, &found.work.repo].into_iter().flatten() {
            prop_assert!(!text.is_empty() && text.len() <= 1024 && !text.contains(|c: char| c.is_control()), "{text:?}");
        }
    }

    #[test]
    fn a_derived_session_stays_the_same_while_the_conversation_grows(
        texts in prop::collection::vec("[a-z<>]{1,12}", 1..8),
        more in prop::collection::vec("[a-z]{1,12}", 1..6),
    ) {
        let before = chat(&roles(&texts)).identity().session;
        prop_assert_eq!(before.source, SessionSource::Derived);
        // The model answers before the user speaks again.
        let mut grown = roles(&texts);
        if texts.len() % 2 == 1 {
            grown.push(json!({"role": "assistant", "content": "yes"}));
        }
        grown.extend(roles(&more));
        prop_assert_eq!(chat(&grown).identity().session, before);
    }

    #[test]
    fn a_grown_conversation_continues_and_a_repeated_one_is_the_same(
        texts in prop::collection::vec("[a-z]{1,12}", 1..8),
        more in prop::collection::vec("[a-z]{1,12}", 1..6),
    ) {
        let messages = |texts: &[String]| Messages::of(&chat(&roles(texts)).conversation().unwrap());
        let mut lineage = Lineage::default();
        prop_assert_eq!(lineage.observe(&messages(&texts)), Step::New);
        prop_assert_eq!(lineage.observe(&messages(&texts)), Step::Same);
        let all: Vec<String> = texts.iter().chain(&more).cloned().collect();
        prop_assert_eq!(lineage.observe(&messages(&all)), Step::Continues { new_from: texts.len() });
        prop_assert_eq!(lineage.compare(&messages(&texts)), Step::Forked { at: texts.len() });
    }
}
