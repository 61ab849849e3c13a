//! What becomes of a call that a person is asked about, in each mode and with each answer.
#![cfg(test)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_core::content::ToolKind;
use lockgate_core::{BlockStart, Delta, ErrorKind, Event, Failure, Started, Stop, StopReason};
use lockgate_policy::{
    Approval, Approvals, CallFacts, CallOutcome, Chain, Entry, Lock, Manner, Mode, OnFailure, OnRefusal, Out,
    Query, Reply, Resample, Run, Said, Scope, WithoutAnswer, message, rules,
};

fn chain(mode: Mode, approvals: Approvals, rule: &str) -> Chain {
    let rule: rules::Rule = serde_json::from_str(rule).unwrap();
    let policy = Box::new(rules::Rules::new(vec![rule]).unwrap_or_else(|(_, _, words)| panic!("{words}")));
    let entry = Entry {
        group: None,
        kind: "rules",
        mode,
        name: "git".into(),
        on_failure: OnFailure::Block,
        on_refusal: OnRefusal::default(),
        policy,
        when: Scope::default(),
    };
    let manner = Manner {
        approvals,
        budget: Duration::from_secs(5),
        link: None,
        local_model: None,
        mask: Arc::new(|text| text.replace("hunter2", "«redacted»")),
        message: message::DEFAULT.into(),
        now: Instant::now,
        resample: Resample::default(),
    };
    Chain::new(vec![entry], manner)
}

const ASKS: &str = r#"{"name": "push", "tools": ["Bash"], "arguments": {"command": "*push*"}, "then": "ask", "reason": "a push is seen by all"}"#;

fn run(mode: Mode, approvals: Approvals) -> Run {
    let facts =
        CallFacts { key: Some("ann".into()), session: Some("s1".into()), ..CallFacts::unknown("call") };
    chain(mode, approvals, ASKS).open(facts).unwrap()
}

/// Words, and two calls of which the first asks.
fn answer() -> Vec<Event> {
    let mut events = vec![
        Event::Started(Started::default()),
        Event::BlockStarted { index: 0, block: BlockStart::Text },
        Event::BlockDelta { index: 0, delta: Delta::Text("Well.".into()) },
        Event::BlockEnded { index: 0 },
    ];
    for (index, command) in [(1, "git push hunter2"), (2, "ls")] {
        let (id, name) = (format!("call_{index}"), "Bash".into());
        let block = BlockStart::ToolCall { id, kind: ToolKind::Function, name, namespace: None };
        events.push(Event::BlockStarted { index, block });
        let arguments = serde_json::json!({"command": command}).to_string();
        events.push(Event::BlockDelta { index, delta: Delta::Arguments(arguments) });
        events.push(Event::BlockEnded { index });
    }
    events.push(Event::Ended(Stop::because(StopReason::ToolUse)));
    events
}

/// The lock with all of the answer in it, and what has come out.
fn held(run: &mut Run) -> (Lock, Vec<Out>) {
    let (mut lock, mut out) = (Lock::new(run), Vec::new());
    for event in answer() {
        lock.push(run, event, &mut out);
    }
    (lock, out)
}

fn shown(out: &[Out]) -> String {
    let of = |out: &Out| match &out.event {
        Event::BlockStarted { block: BlockStart::ToolCall { id, .. }, .. } => format!("<{id}>"),
        Event::BlockDelta { delta: Delta::Text(text), .. } => text.clone(),
        Event::Ended(stop) => format!(" .{:?}", stop.reason),
        _ => String::new(),
    };
    out.iter().map(of).collect()
}

fn person(agreed: bool) -> Reply {
    Reply::Person { agreed, by: Some("ann".into()), words: Some("I looked.".into()) }
}

/// Issue "human approval": the call waits, the person sees it without secrets, and what they say is done and written down.
#[test]
fn a_call_waits_until_a_person_lets_it_go_or_declines() {
    for agreed in [true, false] {
        let mut run = run(Mode::Block, Approvals::default());
        let (mut lock, mut out) = held(&mut run);
        assert!(lock.is_waiting() && shown(&out) == "Well.", "{}", shown(&out));
        let (ticket, question) = run.take_questions().remove(0);
        assert_eq!(question.deadline, Duration::from_mins(2));
        let Query::Person(asked) = question.query else { panic!("a person is asked") };
        let Approval { arguments, policy, rule, tool, key, session, reason, .. } = &*asked;
        assert_eq!(arguments.as_deref(), Some(r#"{"command":"git push «redacted»"}"#));
        assert_eq!((policy.as_str(), rule.as_deref(), tool.as_deref()), ("git", Some("push"), Some("Bash")));
        assert_eq!(
            (key.as_deref(), session.as_deref(), reason.as_str()),
            (Some("ann"), Some("s1"), "a push is seen by all")
        );
        lock.reply(&mut run, ticket, person(agreed), &mut out);
        assert!(lock.is_finished());
        let said = shown(&out);
        if agreed {
            assert!(!lock.is_altered(), "what is agreed to leaves as it came");
            assert_eq!(said, "Well.<call_1><call_2> .ToolUse");
        } else {
            assert!(
                said.contains("a push is seen by all; ann declined: I looked.")
                    && said.ends_with("<call_2> .ToolUse"),
                "{said}"
            );
            assert!(!said.contains("<call_1>"), "{said}");
        }
        let decisions: Vec<_> =
            run.take_decisions().into_iter().map(|it| (it.said, it.finding.reason)).collect();
        assert_eq!(decisions[0].0, Said::Ask);
        assert_eq!(decisions[1].0, if agreed { Said::Annotate } else { Said::Refuse });
        assert!(
            decisions[1].1.contains(if agreed { "ann agreed: I looked" } else { "ann declined" }),
            "{decisions:?}"
        );
    }
}

#[test]
fn what_nobody_decides_is_refused_or_passes_with_a_warning_as_is_configured() {
    for (without_answer, passes) in [(WithoutAnswer::Refuse, false), (WithoutAnswer::Pass, true)] {
        let mut run = run(Mode::Block, Approvals { without_answer, ..Approvals::default() });
        let (mut lock, mut out) = held(&mut run);
        let ticket = run.take_questions()[0].0;
        let late = Failure::new(ErrorKind::Timeout, "there was no answer within 120 s");
        lock.reply(&mut run, ticket, Reply::None(late), &mut out);
        let said = shown(&out);
        assert!(said.contains("nobody decided (there was no answer within 120 s)"), "{said}");
        assert_eq!(said.contains("<call_1>"), passes, "{said}");
    }
}

/// A client that waits is told why, once, before the calls, and only as long as nobody has answered.
#[test]
fn a_client_that_waits_is_told_for_whom() {
    let mut run = run(Mode::Block, Approvals::default());
    let (mut lock, mut out) = held(&mut run);
    lock.announce(&mut run, &mut out);
    lock.announce(&mut run, &mut out);
    let said = shown(&out);
    assert_eq!(said.matches("lockgate policy approve call.0").count(), 1, "{said}");
    assert!(said.contains("after 2 minutes") && !said.contains("<call_1>"), "{said}");
    let ticket = run.take_questions()[0].0;
    lock.reply(&mut run, ticket, person(true), &mut out);
    assert!(shown(&out).ends_with("<call_1><call_2> .ToolUse"), "{}", shown(&out));

    let mut quick = self::run(Mode::Block, Approvals::default());
    let (mut lock, mut out) = held(&mut quick);
    let ticket = quick.take_questions()[0].0;
    lock.reply(&mut quick, ticket, person(true), &mut out);
    lock.announce(&mut quick, &mut out);
    assert!(!shown(&out).contains("Lockgate"), "who is answered at once is told nothing");

    let mut silent = self::run(Mode::Block, Approvals { announce: false, ..Approvals::default() });
    let (mut lock, mut out) = held(&mut silent);
    lock.announce(&mut silent, &mut out);
    assert!(!shown(&out).contains("Lockgate"));
}

#[test]
fn below_block_nobody_is_asked() {
    for (mode, warns) in [(Mode::Observe, false), (Mode::Warn, true), (Mode::Rewrite, true)] {
        let mut run = run(mode, Approvals::default());
        let (lock, out) = held(&mut run);
        assert!(run.take_questions().is_empty() && lock.is_finished(), "{mode:?}");
        let said = shown(&out);
        assert!(said.ends_with("<call_1><call_2> .ToolUse"), "{said}");
        assert_eq!(said.contains("warns"), warns, "{said}");
        let decision = run.take_decisions().remove(0);
        assert_eq!((decision.said, decision.applied), (Said::Ask, false));
    }
}

#[test]
fn a_person_can_be_asked_about_a_request() {
    let rule = r#"{"name": "dear", "on": "call", "if": "call.model == 'opus'", "then": "ask", "reason": "opus is dear"}"#;
    let open = |model: &str| {
        let facts = CallFacts { model: model.into(), ..CallFacts::unknown("call") };
        chain(Mode::Block, Approvals::default(), rule).open(facts).unwrap()
    };
    assert_eq!(open("haiku").on_call(), CallOutcome::Go);
    let mut run = open("opus");
    assert_eq!(run.on_call(), CallOutcome::Asking);
    let ticket = run.take_questions()[0].0;
    assert_eq!(run.on_call_reply(ticket, person(true)), CallOutcome::Go);
    let mut run = open("opus");
    run.on_call();
    let ticket = run.take_questions()[0].0;
    let CallOutcome::Refuse(words) = run.on_call_reply(ticket, person(false)) else {
        panic!("it is refused")
    };
    assert!(words.contains("opus is dear; ann declined"), "{words}");
}
