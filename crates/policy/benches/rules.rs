//! What a hundred rules take for one tool call: `cargo bench -p lockgate-policy --bench rules`.

use divan::Bencher;
use lockgate_core::content::{ToolCall, ToolKind};
use lockgate_policy::rules::{Rule, Rules};
use lockgate_policy::{CallFacts, Piece, Policy as _, View};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// Rules as a team has them: most about other tools, some about this one, some with a condition.
fn rules() -> Rules {
    let rule = |at: u32| -> Value {
        let name = format!("rule-{at}");
        match at % 10 {
            0 => {
                json!({"name": name, "tools": ["Bash"], "arguments": {"command": format!("*forbidden-{at}*")}, "then": "refuse"})
            }
            1 => {
                json!({"name": name, "tools": ["Bash"], "if": format!("args.command.contains('never-{at}')"), "then": "refuse"})
            }
            2 => json!({"name": name, "hosts": [format!("*.evil-{at}.example")], "then": "refuse"}),
            3 => json!({"name": name, "tools": [format!("mcp__{at}__*")], "then": "refuse"}),
            _ => {
                json!({"name": name, "tools": ["Write", "Edit"], "paths": [format!("/etc/{at}/**")], "then": "refuse"})
            }
        }
    };
    let all: Vec<Rule> = serde_json::from_value((0..100).map(rule).collect()).unwrap_or_default();
    match Rules::new(all) {
        Ok(rules) => rules,
        Err((at, field, words)) => panic!("{at} {field} {words}"),
    }
}

fn call(name: &str) -> ToolCall {
    let command = "cd /src/app && cargo test --workspace 2>&1 | tail -40 && curl https://docs.example.org/x";
    ToolCall {
        arguments: json!({"command": command, "description": "Run the tests"}).to_string(),
        id: "call_1".into(),
        kind: ToolKind::Function,
        name: name.into(),
        namespace: None,
        seal: None,
    }
}

/// The tool that 20 of the rules name, 10 of them with a condition.
#[divan::bench]
fn a_tool_that_many_rules_name(bencher: Bencher<'_, '_>) {
    judged(bencher, "Bash");
}

/// A tool that no rule names; those on hosts and on patterns of names are asked.
#[divan::bench]
fn a_tool_that_no_rule_names(bencher: Bencher<'_, '_>) {
    judged(bencher, "Grep");
}

fn judged(bencher: Bencher<'_, '_>, tool: &str) {
    let (rules, call) = (rules(), call(tool));
    let facts = CallFacts::unknown("1");
    let mut run = rules.open(&facts);
    bencher.bench_local(|| run.on_block(Piece::ToolCall(&call), &View { conversation: None, facts: &facts }));
}
