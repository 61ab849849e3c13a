//! What it costs to know where text came from, in a conversation of 150 KB: `cargo bench -p lockgate-policy --bench provenance`.

use divan::Bencher;
use lockgate_core::Conversation;
use lockgate_core::content::{ToolCall, ToolKind};
use lockgate_policy::fixture::{Fixture, conversation};
use lockgate_policy::rules::{Rule, Rules};
use lockgate_policy::{CallFacts, Common, Piece, Policy as _, View};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// A session of a coding agent: sixty calls whose results have 2.5 KB each.
fn session() -> Conversation {
    let line = |at: usize| {
        format!("    let value_{at} = store.get({at}).ok_or(Error::Missing({at}))?; // of row {at}\n")
    };
    let turn = |at: usize| -> Value {
        let result: String = (0..33).map(|row| line(at * 100 + row)).collect();
        match at % 3 {
            0 => {
                json!({"tool": "WebFetch", "arguments": {"url": format!("https://x.example/{at}")}, "result": result})
            }
            1 => {
                json!({"tool": "Bash", "arguments": {"command": format!("sed -n {at},99p src/a.rs")}, "result": result})
            }
            _ => {
                json!({"tool": "Read", "arguments": {"file_path": format!("/src/{at}.rs")}, "result": result})
            }
        }
    };
    let fixture: Fixture =
        serde_json::from_value(json!({"history": (0..60).map(turn).collect::<Vec<_>>()})).unwrap_or_default();
    let conversation = conversation(&fixture);
    assert!(conversation.size() > 150_000, "{}", conversation.size());
    conversation
}

fn rules() -> Rules {
    let rule = json!({"name": "no-mail", "tools": ["mail"], "from": ["web"], "then": "refuse"});
    let rules: Vec<Rule> = serde_json::from_value(json!([rule])).unwrap_or_default();
    Rules::new(rules).unwrap_or_else(|(at, field, words)| panic!("{at} {field} {words}"))
}

fn call() -> ToolCall {
    let body = "The quarterly figures are ready. They have been put where you asked for them. ".repeat(12);
    ToolCall {
        arguments: json!({"to": "auditor@example.org", "body": body}).to_string(),
        id: "1".into(),
        kind: ToolKind::Function,
        name: "mail".into(),
        namespace: None,
        seal: None,
    }
}

/// The first tool call of an answer: the conversation is made ready, and looked through.
#[divan::bench]
fn the_first_call(bencher: Bencher<'_, '_>) {
    let (rules, call, conversation) = (rules(), call(), session());
    let facts = CallFacts::unknown("1");
    bencher.bench_local(|| {
        let mut run = rules.open_with(&facts, &Common::default());
        run.on_block(Piece::ToolCall(&call), &View { conversation: Some(&conversation), facts: &facts })
    });
}

/// Each further one.
#[divan::bench]
fn a_further_call(bencher: Bencher<'_, '_>) {
    let (rules, call, conversation) = (rules(), call(), session());
    let facts = CallFacts::unknown("1");
    let mut run = rules.open_with(&facts, &Common::default());
    let view = View { conversation: Some(&conversation), facts: &facts };
    run.on_block(Piece::ToolCall(&call), &view);
    bencher.bench_local(|| run.on_block(Piece::ToolCall(&call), &view));
}
