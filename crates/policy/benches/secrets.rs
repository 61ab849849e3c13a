//! What it costs to look for secrets in a tool call and in a request of 150 KB: `cargo bench -p lockgate-policy --bench secrets`.

use divan::Bencher;
use divan::counter::BytesCount;
use lockgate_core::content::{ToolCall, ToolKind};
use lockgate_core::{Conversation, Dialect};
use lockgate_policy::secret_guard::{Options, SecretGuard};
use lockgate_policy::{CallFacts, Common, Piece, Policy as _, View};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn policy() -> SecretGuard {
    SecretGuard::new(Options::default()).unwrap_or_else(|(field, _, words)| panic!("{field}: {words}"))
}

/// A session of a coding agent as Claude Code sends it: forty calls whose results have 3.5 KB each, without a secret.
fn request() -> String {
    let turns = |at: usize| -> [Value; 2] {
        let line = |row: usize| {
            format!("    let value_{row} = store.get({row}).ok_or(Error::Missing({row}))?; // of row {row}\n")
        };
        let text: String = (0..45).map(|row| line(at * 100 + row)).collect();
        let id = format!("toolu_{at}");
        let input =
            json!({"command": format!("sed -n {at},99p src/a.rs"), "description": "Look at the store"});
        [
            json!({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "Bash", "input": input}]}),
            json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": text}]}),
        ]
    };
    let asked = json!({"role": "user", "content": "Find out why a row is missing."});
    let messages: Vec<Value> = std::iter::once(asked).chain((0..40).flat_map(turns)).collect();
    json!({"model": "m", "max_tokens": 1024, "system": "You are an agent for software.", "messages": messages})
        .to_string()
}

fn conversation(body: &str) -> Conversation {
    let messages = lockgate_wire::format(Dialect::Anthropic).messages;
    messages.parse(body.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"))
}

/// One call of a shell, as agents make most.
#[divan::bench]
fn tool_call(bencher: Bencher<'_, '_>) {
    let call = ToolCall {
        arguments: json!({
            "command": "cd /home/u/app && cargo test -p store 2>&1 | tail -40", "description": "Run the tests of the store",
        })
        .to_string(),
        id: "1".into(),
        kind: ToolKind::Function,
        name: "Bash".into(),
        namespace: None,
        seal: None,
    };
    let (facts, common) = (CallFacts::unknown("1"), Common::default());
    let mut run = policy().open_with(&facts, &common);
    let view = View { conversation: None, facts: &facts };
    bencher.bench_local(|| run.on_block(Piece::ToolCall(&call), &view));
}

/// A request that has been read: what in it is secret.
#[divan::bench]
fn request_looked_through(bencher: Bencher<'_, '_>) {
    let body = request();
    let conversation = conversation(&body);
    let (facts, common) = (CallFacts::unknown("1"), Common::default());
    let mut run = policy().open_with(&facts, &common);
    let view = View { conversation: Some(&conversation), facts: &facts };
    bencher.counter(BytesCount::of_str(&body)).bench_local(|| run.on_call(&view));
}

/// The same request, text by text: what leaves.
#[divan::bench]
fn request_masked(bencher: Bencher<'_, '_>) {
    let body = request();
    let conversation = conversation(&body);
    let (facts, common) = (CallFacts::unknown("1"), Common::default());
    let mut run = policy().open_with(&facts, &common);
    run.on_call(&View { conversation: Some(&conversation), facts: &facts });
    bencher.counter(BytesCount::of_str(&body)).bench_local(|| {
        let document = lockgate_wire::Document::new(body.as_bytes());
        lockgate_wire::rewrite_texts(Dialect::Anthropic, &document, &mut |origin, text| {
            run.on_request_text(origin, text)
        })
    });
}
