//! A session that Lockgate recorded goes on in Claude Code on another machine.
//!
//! Requirements 000 M1 and C1: the record becomes a transcript, `claude --resume` takes it for its own, and the provider is sent what was said
//! before.

use std::path::Path;
use std::time::Duration;

use lockgate_core::Usage;
use lockgate_history::{Bodies, Conversation, Exchange, TranscriptOptions, transcript};
use lockgate_store::{Calls as _, Filter, Limit, PageRequest, Part, Session, SessionOrder, Sessions as _};
use lockgate_store_sql::{Database, Options, Place};
use lockgate_testkit::Script;
use tempfile::TempDir;

use crate::agents::{PATIENCE, PROMPT};
use crate::claude_code::environment;
use crate::installed::{bounded, clients, output, repository};
use crate::sdk::model_of;
use crate::upstream::{Way, World, assert_none};

/// Calls of the first run: two files and the last words.
const CALLS: usize = 3;

/// Runs the client in a home and a folder of its own; what it printed.
async fn claude(machine: &Path, world: &World, arguments: &[&str]) -> String {
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

fn machine() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for name in ["home", "work"] {
        std::fs::create_dir(folder.path().join(name)).expect("a folder");
    }
    folder
}

/// The one session of the record, as soon as all its calls are stored.
async fn recorded(database: &Database) -> (Session, Conversation) {
    let page = PageRequest { after: None, limit: Limit::of(10) };
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    let stored = async {
        loop {
            pace.tick().await;
            let found =
                database.sessions(&Filter::default(), SessionOrder::Start, &page).await.expect("sessions");
            let session = found.items.into_iter().find(|session| session.totals.calls >= CALLS as u64);
            if let Some(session) = session {
                return session;
            }
        }
    };
    let session = tokio::time::timeout(Duration::from_secs(30), stored).await.expect("the calls are stored");
    let mut conversation = Conversation::new();
    for call in database.calls(&session.reference.id, 100).await.expect("calls") {
        let stored = database.get(call.id).await.expect("a call").expect("it is there");
        let mut bodies = Bodies::default();
        for part in Part::ALL {
            if let Some(bytes) = database.body(call.id, *part).await.expect("a body") {
                bodies.set(*part, bytes);
            }
        }
        conversation.push(Exchange::read(&call, &stored.details, &bodies));
    }
    (session, conversation)
}

/// 000 M1, C1.
#[tokio::test]
async fn claude_code_goes_on_with_a_recorded_session_on_another_machine() {
    let script = repository().join("tests/clients/agents/thinking.yaml");
    let world =
        World::new(Way::ThroughLockgate, "anthropic", Script::load(&script).expect("a good script")).await;
    let first = machine();
    claude(first.path(), &world, &[PROMPT]).await;
    assert_eq!(world.calls().len(), CALLS);

    let place = world.database().expect("a gateway");
    let database = Database::open(&Options::at(Place::File(place))).await.expect("the record");
    let (session, conversation) = recorded(&database).await;
    database.close().await;
    assert!(conversation.calls.iter().any(|note| note.call.usage != Usage::default()));

    let second = machine();
    let options = TranscriptOptions {
        branch: session.branch.clone(),
        cwd: second.path().join("work").canonicalize().expect("a folder").to_string_lossy().into_owned(),
        session: session.reference.id.clone(),
        version: session.client.version.clone(),
    };
    let transcript = transcript(&conversation, &options).expect("a transcript");
    assert_eq!(transcript.session.to_string(), session.reference.id, "the session keeps its id");
    let file = second.path().join("home/.claude").join(&transcript.path);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("the project's folder");
    std::fs::write(&file, &transcript.bytes).expect("the transcript is written");
    claude(second.path(), &world, &["--resume", &transcript.session.to_string(), "And what now?"]).await;

    assert_none(&world.violations(), &world);
    let calls = world.calls();
    let next: serde_json::Value = serde_json::from_slice(&calls[CALLS].body).expect("JSON");
    let sent = next["messages"].to_string();
    for said in [PROMPT, "second.txt", "Done: hello.txt is written.", "And what now?"] {
        assert!(sent.contains(said), "`{said}` is missing: {sent}");
    }
    assert_eq!(sent.matches("\"tool_use\"").count(), 2, "{sent}");
    assert_eq!(sent.matches("\"tool_result\"").count(), 2, "{sent}");
    assert_eq!(sent.matches(PROMPT).count(), 1, "each message is there once: {sent}");
}
