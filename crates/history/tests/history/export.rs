//! Markdown: readable, and safe whatever stands in it.

use lockgate_core::Dialect;
use lockgate_history::{Bodies, markdown};
use lockgate_store::{Session, Title, TitleSource, Totals};
use proptest::prelude::*;
use serde_json::json;

use crate::support::{Told, calls, passed, read, request, result, row, says, stream, user};

pub(crate) fn session(title: &str) -> Session {
    let call = row(0, Dialect::Anthropic, "human");
    Session {
        branch: Some("main".into()),
        client: call.client.clone(),
        cwd: Some("/home/ada/parser".into()),
        first_us: 0,
        last_us: 0,
        principal: call.principal.clone(),
        reference: call.lineage.session.unwrap(),
        repo: None,
        title: Some(Title { source: TitleSource::First, text: title.into() }),
        totals: Totals::default(),
    }
}

/// Requirement 000 C1.
#[test]
fn a_session_reads_as_a_page_with_facts_turns_tools_and_thoughts() {
    let mut told = Told::new();
    let answer = json!([{"type": "thinking", "thinking": "I look.", "signature": "c2ln"}, {"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "/w/a.txt"}}]);
    told.turn(user("What is in a.txt?"), "human", answer);
    told.turn(result("t1", "hello", false), "tool-loop", says("It says:\n```\nhello\n```"));
    let page = markdown(&told.conversation, Some(&session("Read a file")));
    for part in [
        "# Read a file\n",
        "| Folder | /home/ada/parser |",
        "### Turn 1 (human)",
        "> What is in a.txt?",
        "<details><summary>Thoughts</summary>\n\n> I look.",
        "<details><summary>Tool <code>Read</code></summary>\n\n```json\n{\n  \"file_path\": \"/w/a.txt\"\n}\n```\n\nResult:\n\n```\nhello\n```",
        "> It says:\n> ```\n> hello\n> ```",
    ] {
        assert!(page.contains(part), "{part}\n--- is not in\n{page}");
    }
    assert_eq!(page.matches("What is in a.txt?").count(), 1);
    assert_eq!(page.matches("\"file_path\"").count(), 1, "a call is beside its result, once");
}

#[test]
fn an_intervention_is_shown_as_a_comparison() {
    let bodies = Bodies {
        client_answer: Some(stream(&says("[removed]"))),
        ..passed(request(&[user("Key?")]), stream(&says("123")))
    };
    let mut conversation = lockgate_history::Conversation::new();
    conversation.push(read(&row(1, Dialect::Anthropic, "human"), &bodies));
    let page = markdown(&conversation, None);
    assert!(
        page.contains("**A policy changed the answer** (text)\n\n```diff\n-123\n+[removed]\n```"),
        "{page}"
    );
}

/// What a reader of Markdown takes for HTML outside of code: the tags that the page itself writes are left out.
fn foreign_html(page: &str) -> Vec<String> {
    let own = ["<details><summary>", "</details>"];
    let mut fence: Option<usize> = None;
    let mut found = Vec::new();
    for line in page.lines() {
        let inner = line.strip_prefix("> ").unwrap_or(line);
        let ticks = inner.bytes().take_while(|byte| *byte == b'`').count();
        match fence {
            Some(open) if ticks >= open && inner.len() == ticks => fence = None,
            Some(_) => {}
            None if ticks >= 3 => fence = Some(ticks),
            None if own.iter().any(|own| inner.starts_with(own)) => {
                let rest = inner.replace("<details><summary>", "").replace("</summary>", "");
                let rest = rest.replace("</details>", "").replace("<code>", "").replace("</code>", "");
                found.extend(rest.contains('<').then_some(rest));
            }
            None => found.extend(inner.contains('<').then(|| inner.to_owned())),
        }
    }
    assert_eq!(fence, None, "a fence is open at the end:\n{page}");
    found
}

proptest! {
    #[test]
    fn no_text_breaks_out_of_its_place(
        texts in prop::collection::vec("(```|~~~|````|`|<script>|</details>|<!--|\n|\r|> |# |a|\\||\\\\|!\\[|    |</summary>|&lt;){0,14}", 5)
    ) {
        let mut told = Told::new();
        let answer = json!([
            {"type": "thinking", "thinking": texts[0], "signature": "c2ln"},
            {"type": "text", "text": texts[1]},
            {"type": "tool_use", "id": "t1", "name": texts[2].clone() + "x", "input": {"a": texts[3]}},
        ]);
        told.turn(user(&texts[4]), "human", answer);
        told.turn(result("t1", &texts[0], true), "tool-loop", says(&texts[3]));
        let page = markdown(&told.conversation, Some(&session(&texts[2])));
        let found = foreign_html(&page);
        prop_assert!(found.is_empty(), "{found:?}\n{page}");
        prop_assert_eq!(page.matches("<details>").count() >= 1, true);
    }
}

#[test]
fn tools_without_results_and_failed_calls_say_so() {
    let mut told = Told::new();
    told.turn(user("Go"), "human", calls("t1", "Bash", json!({})));
    let page = markdown(&told.conversation, None);
    assert!(page.contains("Tool <code>Bash</code> (no result)"), "{page}");
    told.turn(result("t1", "exit 1", true), "tool-loop", says("Failed."));
    assert!(markdown(&told.conversation, None).contains("Tool <code>Bash</code> (failed)"));
}
