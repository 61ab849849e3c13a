//! What the session's model and the policies on it take: `cargo bench -p lockgate-policy --bench quality`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use divan::Bencher;
use lockgate_core::content::{ToolCall, ToolKind, ToolResult, Turn};
use lockgate_core::{Block, BlockStart, Conversation, Delta, Event, Part, Role, Started, Stop, StopReason};
use lockgate_policy::work::Work;
use lockgate_policy::{Approvals, CallFacts, Chain, Lock, Manner, Policies, Resample};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// A session of about so many bytes: reads, edits, commands and commits as agents make them, after the instructions of a client.
fn session(bytes: usize) -> Conversation {
    let system = format!(
        "<env>\nPrimary working directory: /home/ada/shop\n</env>\nCurrent branch: main\n{}",
        "Be careful. ".repeat(1_000)
    );
    let mut conversation = Conversation { system: vec![Part::text(system)], ..Conversation::default() };
    let mut at = 0;
    while conversation.size() < bytes {
        let path = format!("/home/ada/shop/src/part_{}/file_{}.py", at % 7, at % 31);
        let lines = |n: usize| {
            let mut lines =
                vec!["import os".to_owned(), "from shop.constants import LIMIT".to_owned(), String::new()];
            lines.extend(
                (0..n).map(|line| format!("value_{at}_{line} = compute({line}, os.getenv(\"SHOP_{line}\"))")),
            );
            lines
        };
        let numbered: Vec<String> =
            lines(60).iter().enumerate().map(|(n, line)| format!("{:6}→{line}", n + 1)).collect();
        let old = format!("value_{at}_7 = compute(7, os.getenv(\"SHOP_7\"))");
        let new = format!("{old}\nvalue_{at}_new = 1");
        let sha = format!("{at:07x}");
        let commit = format!(
            "cd /home/ada/shop && git add -A && git commit -m \"$(cat <<'EOF'\nfeat(part): step {at}\n\nMore words.\nEOF\n)\""
        );
        let printed = format!("[topic {sha}] feat(part): step {at}\n 1 file changed, 1 insertion(+)");
        for (tool, arguments, result) in [
            (
                "Bash",
                json!({"command": format!("grep -rn 'value_{at}' src | head -20")}),
                "src/x.py:1:x\n".repeat(20),
            ),
            ("Read", json!({"file_path": path}), numbered.join("\n")),
            (
                "Edit",
                json!({"file_path": path, "old_string": old, "new_string": new}),
                "The file has been updated.".to_owned(),
            ),
            (
                "Bash",
                json!({"command": "uv run ruff check . && uv run pytest -q 2>&1 | tail -20"}),
                "All checks passed!\n12 passed in 0.31s".to_owned(),
            ),
            ("Bash", json!({"command": commit}), printed),
        ] {
            add(&mut conversation, tool, &arguments, result);
        }
        at += 1;
    }
    add(
        &mut conversation,
        "Read",
        &json!({"file_path": "/home/ada/shop/README.md"}),
        "     1→# Shop\n     2→Text.".to_owned(),
    );
    conversation
}

fn add(conversation: &mut Conversation, tool: &str, arguments: &Value, result: String) {
    let id = format!("call_{}", conversation.turns.len());
    let call = ToolCall {
        arguments: arguments.to_string(),
        id: id.clone(),
        kind: ToolKind::Function,
        name: tool.to_owned(),
        namespace: None,
        seal: None,
    };
    let content = vec![Part::text(result)];
    let result = ToolResult { call_id: id, content, is_error: false, kind: ToolKind::Function, name: None };
    let turn = |role, block| Turn { name: None, parts: vec![Part::new(block)], role };
    conversation.turns.push(turn(Role::Assistant, Block::ToolCall(call)));
    conversation.turns.push(turn(Role::User, Block::ToolResult(result)));
}

/// The model of a session, from nothing: 150 KB, 1 MB, 5 MB.
#[divan::bench(args = [150_000, 1_000_000, 5_000_000])]
fn the_model_of_a_session(bencher: Bencher<'_, '_>, bytes: usize) {
    let conversation = session(bytes);
    bencher.bench_local(|| Work::of(&conversation));
}

const KINDS: [&str; 7] = [
    "commit_pattern",
    "duplicate_import",
    "placeholder_text",
    "pr_scope",
    "pre_pr_lint",
    "readme_completeness",
    "review_prediction",
];

fn chain(kinds: &[&str]) -> Chain {
    let chain: Value = kinds.iter().map(|kind| json!({*kind: {"team": "strict"}})).collect();
    let policies: Policies = match serde_json::from_value(json!({ "chain": chain })) {
        Ok(policies) => policies,
        Err(error) => panic!("{error}"),
    };
    let entries = match policies.entries() {
        Ok(entries) => entries,
        Err(wrong) => panic!("{wrong:?}"),
    };
    let manner = Manner {
        approvals: Approvals::default(),
        budget: Duration::from_secs(1),
        link: None,
        local_model: None,
        mask: Arc::new(str::to_owned),
        message: "{reason}".into(),
        now: Instant::now,
        resample: Resample::default(),
    };
    Chain::new(entries, manner)
}

/// An answer with one call, through a chain, on a session of 150 KB whose model is there already: what the policies take by themselves.
fn judged(bencher: Bencher<'_, '_>, kinds: &[&str], tool: &str, arguments: &Value) {
    let chain = chain(kinds);
    let conversation = Arc::new(session(150_000));
    let answer = |tool: &str, arguments: String| {
        let block = BlockStart::ToolCall {
            id: "new".into(),
            kind: ToolKind::Function,
            name: tool.to_owned(),
            namespace: None,
        };
        [
            Event::Started(Started::default()),
            Event::BlockStarted { index: 0, block },
            Event::BlockDelta { index: 0, delta: Delta::Arguments(arguments) },
            Event::BlockEnded { index: 0 },
            Event::Ended(Stop::because(StopReason::ToolUse)),
        ]
    };
    bencher
        .with_inputs(|| {
            let Some(mut run) = chain.open(CallFacts::unknown("1")) else {
                panic!("a chain that meets every call")
            };
            run.set_conversation(conversation.clone());
            // A first answer makes the model; the policies are the same for the second one.
            let mut lock = Lock::new(&run);
            for event in answer(tool, arguments.to_string()) {
                lock.push(&mut run, event, &mut Vec::new());
            }
            (Lock::new(&run), run, answer(tool, arguments.to_string()))
        })
        .bench_local_values(|(mut lock, mut run, events)| {
            let mut out = Vec::new();
            for event in events {
                lock.push(&mut run, event, &mut out);
            }
            (out, run)
        });
}

/// Each policy on a pull request.
#[divan::bench(args = KINDS)]
fn a_pull_request(bencher: Bencher<'_, '_>, kind: &str) {
    judged(
        bencher,
        &[kind],
        "Bash",
        &json!({"command": "git push -u origin HEAD && gh pr create --title It --body Done."}),
    );
}

/// Each policy on an edit of a README and of code.
#[divan::bench(args = KINDS)]
fn an_edit(bencher: Bencher<'_, '_>, kind: &str) {
    let path = if kind == "duplicate_import" {
        "/home/ada/shop/src/part_0/file_0.py"
    } else {
        "/home/ada/shop/README.md"
    };
    judged(
        bencher,
        &[kind],
        "Edit",
        &json!({"file_path": path, "old_string": "Text.", "new_string": "Other text."}),
    );
}

/// All seven on a call that none of them is about.
#[divan::bench]
fn a_call_that_none_is_about(bencher: Bencher<'_, '_>) {
    judged(bencher, &KINDS, "Bash", &json!({"command": "cargo test --workspace 2>&1 | tail -40"}));
}
