//! Recorded calls through a chain: what would be said, what stays open, and how that differs from what was done.
#![cfg(test)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_core::content::ToolKind;
use lockgate_core::{BlockStart, Delta, Event, Origin, Started, Stop, StopReason};
use lockgate_policy::replay::{
    Change, Effect, Place, Recorded, Replayed, Standing, replay, standings, tool_calls,
};
use lockgate_policy::{Approvals, CallFacts, Chain, Judge, Manner, Policies, Query, Resample};
use serde_json::{Value, json};

fn chain(policies: &Value) -> Chain {
    let policies: Policies = serde_json::from_value(json!({ "chain": policies })).unwrap();
    let manner = Manner {
        approvals: Approvals::default(),
        budget: Duration::from_mins(1),
        link: None,
        local_model: None,
        mask: Arc::new(str::to_owned),
        message: policies.message.clone(),
        now: Instant::now,
        resample: Resample::default(),
    };
    Chain::new(policies.entries().unwrap(), manner)
}

/// An answer: words, and calls of tools with their arguments. The ids are the tools' names.
fn answer(words: &str, calls: &[(&str, &str)]) -> Vec<Event> {
    let mut events = vec![Event::Started(Started::default())];
    let mut block = |index, block, delta| {
        events.push(Event::BlockStarted { index, block });
        events.push(Event::BlockDelta { index, delta });
        events.push(Event::BlockEnded { index });
    };
    block(0, BlockStart::Text, Delta::Text(words.into()));
    for (at, (name, arguments)) in (1..).zip(calls) {
        let start = BlockStart::ToolCall {
            id: (*name).into(),
            kind: ToolKind::Function,
            name: (*name).into(),
            namespace: None,
        };
        block(at, start, Delta::Arguments((*arguments).into()));
    }
    let reason = if calls.is_empty() { StopReason::EndTurn } else { StopReason::ToolUse };
    events.push(Event::Ended(Stop::because(reason)));
    events
}

fn replayed(
    chain: &Chain,
    events: Vec<Event>,
    answers: &mut dyn FnMut(&Judge) -> Option<String>,
) -> Replayed {
    let facts = CallFacts { model: "m".into(), ..CallFacts::unknown("c") };
    let texts = &mut |ask: &mut dyn FnMut(Origin, &str) -> Option<String>| {
        ask(Origin::User, "please");
    };
    replay(chain, Recorded { conversation: None, events, facts, texts }, answers)
}

fn effect(found: &std::collections::BTreeMap<Place, Standing>, place: &Place) -> Effect {
    found.get(place).map_or(Effect::Passed, |standing| standing.effect)
}

fn tool(name: &str) -> Place {
    Place::ToolCall(name.into())
}

fn nobody(_: &Judge) -> Option<String> {
    None
}

const FORCED: &str = r#"{"command":"git push --force"}"#;

#[test]
fn what_a_candidate_would_refuse_rewrite_or_warn_of_is_told_of_each_thing_apart() {
    let chain = chain(&json!([
        {"name": "git", "rules": [{"name": "force", "tools": ["Bash"], "arguments": {"command": "*--force*"}, "then": "refuse", "reason": "no"}]},
        {"name": "careful", "mode": "warn", "rules": [{"name": "write", "tools": ["Write"], "then": "refuse", "reason": "hm"}]},
        {"name": "words", "replace": {"texts": {"foo": "bar"}, "on": ["response"]}},
    ]));
    let said =
        replayed(&chain, answer("a foo", &[("Bash", FORCED), ("Write", "{}"), ("Read", "{}")]), &mut nobody);
    let found = said.standings();
    assert_eq!(effect(&found, &tool("Bash")), Effect::Refused);
    assert_eq!(effect(&found, &tool("Write")), Effect::Warned);
    assert_eq!(effect(&found, &tool("Read")), Effect::Passed);
    assert_eq!(effect(&found, &Place::Answer), Effect::Changed);
    assert_eq!(effect(&found, &Place::Request), Effect::Passed);
    let forced = &found[&tool("Bash")];
    assert_eq!((&*forced.policy, forced.rule.as_deref()), ("git", Some("force")));
}

#[test]
fn a_policy_that_observes_changes_nothing_and_is_heard() {
    let chain = chain(&json!([
        {"name": "git", "mode": "observe", "rules": [{"name": "force", "tools": ["Bash"], "then": "refuse", "reason": "no"}]},
    ]));
    let said = replayed(&chain, answer("", &[("Bash", FORCED)]), &mut nobody);
    assert_eq!(said.decisions.len(), 1);
    assert_eq!(effect(&said.standings(), &tool("Bash")), Effect::Passed);
}

#[test]
fn a_request_that_would_be_refused_has_no_answer_to_judge() {
    let chain = chain(&json!([
        {"name": "models", "model_allow": {"allow": ["other"]}},
        {"name": "tools", "rules": [{"name": "all", "tools": ["*"], "then": "refuse", "reason": "no"}]},
    ]));
    let said = replayed(&chain, answer("", &[("Bash", FORCED)]), &mut nobody);
    let found = said.standings();
    assert_eq!(effect(&found, &Place::Request), Effect::Refused);
    assert!(!found.contains_key(&tool("Bash")), "{found:?}");
}

#[test]
fn a_request_text_that_would_be_changed_is_told_of_the_request() {
    let chain =
        chain(&json!([{"name": "words", "replace": {"texts": {"please": "now"}, "on": ["request"]}}]));
    let said = replayed(&chain, answer("fine", &[]), &mut nobody);
    assert_eq!(effect(&said.standings(), &Place::Request), Effect::Changed);
}

/// Requirement 000 behaviour 30: verdicts of judges are reused, and those that are missing stay open.
#[test]
fn a_judge_that_has_answered_before_is_not_asked_again_and_one_that_has_not_leaves_the_call_open() {
    let judging =
        |mode: &str| chain(&json!([{"name": "second-look", "mode": mode, "tool_judge": {"model": "j"}}]));
    let calls = [("Bash", FORCED), ("Read", "{}")];
    let mut asked = Vec::new();
    let said = replayed(&judging("block"), answer("", &calls), &mut |judge| {
        asked.push(judge.subject.clone());
        judge.subject.contains("--force").then(|| r#"{"probability": 0.9, "explanation": "harm"}"#.to_owned())
    });
    assert_eq!(asked.len(), 2, "{asked:?}");
    let found = said.standings();
    assert_eq!(effect(&found, &tool("Bash")), Effect::Refused);
    assert_eq!(effect(&found, &tool("Read")), Effect::Asked);
    assert_eq!(found[&tool("Read")].policy, "second-look");
    assert_eq!(said.open.len(), 1);
    assert!(matches!(&said.open[0].query, Query::Judge(judge) if judge.model == "j"));

    let aside = replayed(&judging("observe"), answer("", &calls), &mut nobody);
    assert_eq!(aside.open.len(), 2);
    assert!(aside.standings().is_empty(), "nothing waits for a policy that observes: {:?}", aside.open);
}

#[test]
fn tool_calls_are_counted_with_all_their_arguments() {
    let calls = tool_calls(&answer("words", &[("Bash", FORCED), ("Read", "{}")]));
    let told: Vec<_> = calls.iter().map(|call| (&*call.name, &*call.arguments)).collect();
    assert_eq!(told, [("Bash", FORCED), ("Read", "{}")]);
}

#[test]
fn what_weighs_most_of_what_was_recorded_is_what_became_of_a_thing() {
    let decision = |said: &str, mode: &str, applied: bool, hook: &str| {
        let tool = (hook == "tool_call").then(|| json!({"id": "t", "name": "Bash"}));
        let json = json!({"applied": applied, "hook": hook, "mode": mode, "policy": said, "reason": "r", "said": said, "tool": tool});
        serde_json::from_value(json).unwrap()
    };
    let recorded = [
        decision("annotate", "observe", true, "tool_call"),
        decision("refuse", "observe", false, "tool_call"),
        decision("warn", "warn", true, "tool_call"),
        decision("replace", "block", true, "text"),
        decision("append", "block", true, "end"),
        decision("failed", "warn", false, "call"),
    ];
    let found = standings(&recorded);
    assert_eq!(found.len(), 3);
    assert_eq!((effect(&found, &tool("t")), &*found[&tool("t")].policy), (Effect::Warned, "warn"));
    assert_eq!(effect(&found, &Place::Answer), Effect::Changed, "words in place of words");
    assert_eq!(effect(&found, &Place::Request), Effect::Warned, "the client is told what was not done");
}

#[test]
fn a_difference_is_named_by_what_matters_most_of_it() {
    use Effect::{Asked, Changed, Passed, Refused, Warned};
    for (then, now, change) in [
        (Passed, Passed, None),
        (Passed, Refused, Some(Change::NewlyRefused)),
        (Asked, Refused, Some(Change::NewlyRefused)),
        (Refused, Passed, Some(Change::NewlyAllowed)),
        (Refused, Asked, Some(Change::NewlyAllowed)),
        (Passed, Asked, Some(Change::NewlyAsked)),
        (Asked, Passed, Some(Change::Relaxed)),
        (Passed, Changed, Some(Change::NewlyChanged)),
        (Changed, Warned, Some(Change::Relaxed)),
        (Passed, Warned, Some(Change::NewlyWarned)),
        (Warned, Changed, Some(Change::NewlyChanged)),
    ] {
        assert_eq!(Change::between(then, now), change, "{then:?} to {now:?}");
    }
}
