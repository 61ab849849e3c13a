//! A session that Lockgate recorded goes on in Claude Code on another machine.
//!
//! Requirements 000 M1 and C1: `lockgate session resume` writes a transcript, `claude --resume` takes it for its own, and the provider is sent what was said
//! before.

use std::path::Path;
use std::time::Duration;

use lockgate_testkit::Script;
use serde_json::Value;
use tempfile::TempDir;

use crate::agents::{PATIENCE, PROMPT};
use crate::claude_code::environment;
use crate::installed::{bounded, clients, output, repository};
use crate::sdk::model_of;
use crate::upstream::{Way, World, assert_none};

/// Calls of the first run: two files and the last words.
const CALLS: u64 = 3;

/// Runs the client in a home and a folder of its own; what it printed.
pub(crate) async fn claude(machine: &Path, world: &World, arguments: &[&str]) -> String {
    let mut command = bounded(PATIENCE, &machine.join("home"), Path::new("node"));
    command.arg(clients().join("node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs"));
    command.args(["-p", "--model", model_of("anthropic"), "--dangerously-skip-permissions"]).args(arguments);
    environment(&mut command, world);
    command.current_dir(machine.join("work"));
    let output = output(command, "claude").await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {printed}{told}{}", output.status, world.log());
    printed
}

pub(crate) fn machine() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for name in ["home", "work"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    folder
}

/// The binary on another machine, over the record of the first.
async fn lockgate(machine: &Path, record: &Path, arguments: &[&str]) -> Value {
    let config = machine.join("lockgate.yaml");
    std::fs::write(&config, format!("record: {{directory: '{}'}}\n", record.display()))
        .expect("a configuration");
    let mut command = bounded(PATIENCE, &machine.join("home"), Path::new(env!("CARGO_BIN_EXE_lockgate")));
    command.args(arguments).args(["--json", "--config"]).arg(&config).current_dir(machine.join("work"));
    let output = output(command, "lockgate").await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The one session of the record, as soon as all its calls are stored.
async fn recorded(machine: &Path, record: &Path) -> Value {
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    let stored = async {
        loop {
            pace.tick().await;
            let listed = lockgate(machine, record, &["session", "list"]).await;
            let session = &listed["items"][0];
            if session["totals"]["calls"].as_u64() >= Some(CALLS) {
                return session.clone();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), stored).await.expect("the calls are stored")
}

/// 000 M1, C1.
#[tokio::test]
async fn claude_code_goes_on_with_a_recorded_session_on_another_machine() {
    let script = repository().join("tests/clients/agents/thinking.yaml");
    let world =
        World::new(Way::ThroughLockgate, "anthropic", Script::load(&script).expect("a good script")).await;
    let first = machine();
    claude(first.path(), &world, &[PROMPT]).await;
    assert_eq!(world.calls().len() as u64, CALLS);

    let database = world.database().expect("a gateway");
    let record = database.parent().expect("a folder");
    let second = machine();
    let session = recorded(second.path(), record).await;
    assert!(session["totals"]["output"].as_u64() > Some(0), "{session}");
    let id = session["id"].as_str().expect("an id");
    let made = lockgate(second.path(), record, &["session", "resume", id]).await;
    assert_eq!(made["session"], id, "the session keeps its id");
    claude(second.path(), &world, &["--resume", id, "And what now?"]).await;

    assert_none(&world.violations(), &world);
    let calls = world.calls();
    let next: Value = serde_json::from_slice(&calls[CALLS as usize].body).expect("JSON");
    let sent = next["messages"].to_string();
    for said in [PROMPT, "second.txt", "Done: hello.txt is written.", "And what now?"] {
        assert!(sent.contains(said), "`{said}` is missing: {sent}");
    }
    assert_eq!(sent.matches("\"tool_use\"").count(), 2, "{sent}");
    assert_eq!(sent.matches("\"tool_result\"").count(), 2, "{sent}");
    assert_eq!(sent.matches(PROMPT).count(), 1, "each message is there once: {sent}");
}
