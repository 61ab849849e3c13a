//! What it costs to read who is calling from a request of 150 KB of a coding agent: 60 turns with tool calls and results.

use std::fmt::Write as _;

use lockgate_core::{Conversation, Dialect};
use lockgate_session::{Facts, Identity, Lineage, Members, Messages, Step, identify};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn body() -> Vec<u8> {
    let mut system = String::from("You are an agent.\n");
    while system.len() < 25_000 {
        let _ = writeln!(system, " - Rule {}: say \"what\" you do, then do it.", system.len());
    }
    let reminder = "<system-reminder>\n# gitStatus\nCurrent branch: main\n\nMain branch (for PRs): main\n\nStatus:\n</system-reminder>";
    let mut messages = vec![json!({"role": "user", "content": [
        {"type": "text", "text": reminder}, {"type": "text", "text": "Fix the parser"}]})];
    for at in 0..30 {
        let id = format!("toolu_{at}");
        let command = if at % 5 == 0 { "git status" } else { "cat src/parser.rs" };
        messages.push(json!({"role": "assistant", "content": [
            {"type": "text", "text": "I look."}, {"type": "tool_use", "id": id, "name": "Bash", "input": {"command": command}}]}));
        let output = format!("On branch b{at}\n{}", "    let x = parse(\"a\");\n".repeat(130));
        messages.push(json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": output}]}));
    }
    let tool = |name: &str| json!({"name": name, "description": "d".repeat(2500), "input_schema": {"type": "object"}});
    let tools: Vec<Value> = ["Bash", "Edit", "Read", "Write"].map(tool).into();
    let body = json!({"model": "m", "max_tokens": 1, "system": [{"type": "text", "text": system}], "messages": messages, "tools": tools});
    serde_json::to_vec(&body).unwrap_or_default()
}

fn parse(body: &[u8]) -> Conversation {
    lockgate_wire::format(Dialect::Anthropic).messages.parse(body).unwrap_or_default()
}

fn identity(conversation: &Conversation, session: bool) -> Identity {
    let mut headers = vec![("user-agent", "claude-cli/2.1.329 (external, cli)")];
    if session {
        headers.push(("x-claude-code-session-id", "f265404d-b46e-46ae-a15d-f8112c799c9d"));
    }
    identify(&Facts {
        body: Members::default(),
        conversation: Some(conversation),
        dialect: Dialect::Anthropic,
        headers: &headers,
        key: "ada",
        path: "/v1/messages",
    })
}

/// The text of a fresh conversation is still escaped: each run takes the escapes out of what it reads.
#[divan::bench]
fn with_a_named_session(bencher: divan::Bencher<'_, '_>) {
    let body = body();
    bencher.with_inputs(|| parse(&body)).bench_refs(|conversation| identity(conversation, true));
}

#[divan::bench]
fn with_a_derived_session(bencher: divan::Bencher<'_, '_>) {
    let body = body();
    bencher.with_inputs(|| parse(&body)).bench_refs(|conversation| identity(conversation, false));
}

#[divan::bench]
fn messages_and_lineage(bencher: divan::Bencher<'_, '_>) {
    let body = body();
    bencher
        .with_inputs(|| parse(&body))
        .bench_refs(|conversation| -> Step { Lineage::default().observe(&Messages::of(conversation)) });
}

#[divan::bench]
fn parsing_itself(bencher: divan::Bencher<'_, '_>) {
    let body = body();
    bencher.counter(divan::counter::BytesCount::new(body.len())).bench(|| parse(&body));
}
