//! What requests of real clients show of a session: `fixtures/sessions`, read as the product reads them.

use std::fs;
use std::path::Path;

use lockgate_core::{Conversation, Dialect};
use lockgate_policy::work::{Outcome, Work};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Request {
    body: Value,
    dialect: Dialect,
}

fn conversation(name: &str) -> Conversation {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sessions");
    let text = fs::read_to_string(root.join(format!("{name}.json"))).unwrap();
    let request: Request = serde_json::from_str(&text).unwrap();
    let body = serde_json::to_vec(&request.body).unwrap();
    lockgate_wire::format(request.dialect).messages.parse(&body).unwrap_or_else(|_| panic!("{name}"))
}

/// Requirement 001: the directory, the branch and the commands of a session, in the forms of five clients and four dialects.
#[test]
fn sessions_of_real_clients_are_understood() {
    for name in ["claude-code/main-loop", "codex/loop", "gemini-cli/loop", "opencode/loop", "pi/loop"] {
        let work = Work::of(&conversation(name));
        let ran: Vec<(&str, Outcome)> =
            work.ran.iter().map(|ran| (ran.words.as_str(), ran.outcome)).collect();
        assert_eq!(ran, [("git status", Outcome::Passed)], "{name}");
        assert_eq!(work.branch.as_deref(), Some("feature/parser"), "{name}");
        assert_eq!(work.cwd.as_deref(), Some("/home/ada/parser"), "{name}");
    }
}
