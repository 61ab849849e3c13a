//! The session that requirement 001 describes, call by call, through a chain of all seven policies.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::session::{Session, chain, events};

/// A session as it was, and what is to be said of each of its calls.
#[derive(Deserialize)]
struct Script {
    system: String,
    person: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    arguments: Value,
    #[serde(default)]
    error: bool,
    expect: Vec<String>,
    result: String,
    tool: String,
}

fn script(name: &str) -> Script {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/policy/quality").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

const KINDS: [&str; 7] = [
    "pr_scope",
    "commit_pattern",
    "review_prediction",
    "pre_pr_lint",
    "placeholder_text",
    "duplicate_import",
    "readme_completeness",
];

fn all(mode: &str, team: &str) -> Value {
    KINDS.iter().map(|kind| json!({"mode": mode, *kind: {"team": team}})).collect()
}

/// Requirements 001-1 to 001-8: on the session that the source describes each policy says what it should, where it should, and nothing
/// anywhere else.
#[test]
fn each_policy_fires_where_it_should_and_nowhere_else() {
    let script = script("pull-request-101.json");
    let chain = chain(&all("block", "pragmatic"));
    let mut session = Session::in_place(&script.system, &script.person);
    let mut fired: Vec<String> = Vec::new();
    for (at, step) in script.steps.iter().enumerate() {
        let said = session.asks(&chain, &step.tool, step.arguments.clone());
        assert_eq!(said, step.expect, "step {at}: {} {}", step.tool, step.arguments);
        fired.extend(said.iter().filter_map(|said| Some(said.split(' ').next()?.to_owned())));
        session.ran(&step.tool, &step.arguments, &step.result, step.error);
    }
    for kind in KINDS {
        assert!(fired.iter().any(|name| name == kind), "{kind} never fired");
    }
}

/// Requirement 001-9: in `observe` the same is recorded, and the client gets every answer as it came.
#[test]
fn an_observed_session_is_recorded_and_untouched() {
    let script = script("pull-request-101.json");
    let chain = chain(&all("observe", "strict"));
    let mut session = Session::in_place(&script.system, &script.person);
    let mut refusals = 0;
    for step in &script.steps {
        let calls = [(step.tool.as_str(), step.arguments.clone())];
        let answered = session.answered(&chain, &calls);
        assert_eq!(format!("{:?}", answered.events), format!("{:?}", events(&calls)), "{}", step.arguments);
        assert!(answered.decisions.iter().all(|decision| !decision.applied), "{:?}", answered.decisions);
        assert_eq!(policies(&answered.said()), policies(&step.expect), "{}", step.arguments);
        refusals += answered.said().iter().filter(|said| said.contains(" refuse: ")).count();
        session.ran(&step.tool, &step.arguments, &step.result, step.error);
    }
    assert!(refusals >= 8, "what would be refused is in the record: {refusals}");
}

/// The policies that said something, without the one that a strict team hears before a commit and a pragmatic one after it.
fn policies(said: &[String]) -> Vec<&str> {
    said.iter().filter_map(|said| said.split(' ').next()).filter(|name| *name != "commit_pattern").collect()
}

/// Requirements 001-1 to 001-8, the other side: a session that does it right hears nothing.
#[test]
fn a_session_that_does_it_right_hears_nothing() {
    let chain = chain(&all("block", "strict"));
    let script = script("clean.json");
    let mut session = Session::in_place(&script.system, &script.person);
    for step in &script.steps {
        let said = session.asks(&chain, &step.tool, step.arguments.clone());
        assert_eq!(said, Vec::<String>::new(), "{} {}", step.tool, step.arguments);
        session.ran(&step.tool, &step.arguments, &step.result, step.error);
    }
}
