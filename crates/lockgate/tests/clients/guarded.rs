//! Claude Code behind policies: what is refused is not run, the client goes on, and so does its session.
//!
//! Requirements 000 behaviours 23, 24, 26 and 27, with the real client.

use lockgate_testkit::Script;

use crate::agents::PROMPT;
use crate::installed::repository;
use crate::resume::{claude, machine};
use crate::upstream::{Way, World, assert_none};

/// A gateway that refuses what meets a rule, before an agent's script.
async fn world(script: &str, met: &str) -> World {
    let path = repository().join("tests/clients/agents").join(script).with_extension("yaml");
    let script = Script::load(&path).expect("a good script");
    let rule = format!("{{name: no, {met}, then: refuse, reason: not in this house}}");
    let policies =
        format!("policies:\n  chain:\n    - {{name: house, rules: [{rule}]}}\n    - shell_guard: {{}}\n");
    World::with(Way::ThroughLockgate, ("anthropic", &policies), script).await
}

/// The only call is refused: nothing is written, the person reads why, and the next turn of the session is accepted.
#[tokio::test]
async fn claude_code_tells_why_a_call_was_refused_and_its_session_goes_on() {
    let world = world("loop", "tools: [Write]").await;
    let machine = machine();
    for arguments in [&[PROMPT][..], &["--continue", "Try again."]] {
        let printed = claude(machine.path(), &world, arguments).await;
        assert!(
            printed.contains("`Write` was refused by the policy `house`: not in this house"),
            "{printed}"
        );
        assert!(!machine.path().join("work/hello.txt").exists(), "{printed}");
    }
    assert_none(&world.violations(), &world);
    let last =
        world.calls().pop().map(|call| String::from_utf8_lossy(&call.body).into_owned()).unwrap_or_default();
    assert!(last.contains("was refused by the policy") && !last.contains("\"tool_use\""), "{last}");
}

/// One of two calls is refused: the other is run, with its result in the next turn.
#[tokio::test]
async fn claude_code_runs_the_call_that_is_left_of_two() {
    let world = world("parallel", "tools: [Write], paths: [second.txt]").await;
    let machine = machine();
    claude(machine.path(), &world, &[PROMPT]).await;
    assert_none(&world.violations(), &world);
    let work = machine.path().join("work");
    assert!(work.join("hello.txt").exists() && !work.join("second.txt").exists(), "{}", world.log());
}
