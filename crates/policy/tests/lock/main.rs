//! What comes out of a lock, whatever policies say: an answer that clients and the next turn's provider take.
#![cfg(test)]

mod failure;
mod group;
mod resample;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lockgate_core::content::ToolKind;
use lockgate_core::{
    BlockStart, Delta, Dialect, ErrorKind, Event, Failure, Origin, Seal, Started, Stop, StopReason,
};
use lockgate_policy::{
    Approvals, BlockVerdict, CallFacts, CallOutcome, CallVerdict, Chain, Decision, EndVerdict, Entry,
    Finding, Judge, Lock, Manner, Mode, Needs, OnFailure, OnRefusal, Out, Piece, Policy, PolicyRun, Query,
    Question, Reply, Resample, Run, Said, Scope, Settled, Spent, TextNeed, Ticket, View,
};
use proptest::prelude::*;

/// A policy that says of each block what is written in it.
struct Told(Needs);

impl Policy for Told {
    fn needs(&self) -> Needs {
        self.0
    }

    fn may_resample(&self) -> bool {
        true
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(TellRun)
    }
}

struct TellRun;

fn told(word: &str) -> BlockVerdict {
    let finding = Finding::because(format!("{word} is written there"));
    match word {
        "refuse" => BlockVerdict::Refuse(finding),
        "remove" => BlockVerdict::Remove(finding),
        "resample" => BlockVerdict::Resample(finding),
        "replace" => BlockVerdict::Replace { finding, text: "replaced".into() },
        "rewrite" => BlockVerdict::Rewrite { finding, value: r#"{"rewritten":true}"#.into() },
        "stop" => BlockVerdict::Stop(finding),
        "warn" => BlockVerdict::Warn(finding),
        "panic" => panic!("as it was told"),
        "ask" => BlockVerdict::Ask(vec![Question {
            deadline: Duration::from_secs(1),
            query: Query::Judge(Judge {
                instructions: String::new(),
                max_tokens: 1,
                model: "m".into(),
                subject: word.into(),
                ..Judge::default()
            }),
        }]),
        _ => BlockVerdict::Allow,
    }
}

impl PolicyRun for TellRun {
    fn on_call(&mut self, view: &View<'_>) -> CallVerdict {
        match &*view.facts.model {
            "refuse" => CallVerdict::Refuse(Finding::because("so named")),
            "answer" => CallVerdict::Answer { finding: Finding::because("so named"), text: "here".into() },
            _ => CallVerdict::Allow,
        }
    }

    fn on_block(&mut self, piece: Piece<'_>, _: &View<'_>) -> BlockVerdict {
        let word = match piece {
            Piece::Text(text) => text.trim(),
            Piece::ToolCall(call) => &call.name,
        };
        told(word)
    }

    fn on_reply(&mut self, _: usize, reply: Reply, _: &View<'_>) -> Option<BlockVerdict> {
        match reply {
            Reply::Text(word) => Some(told(&word)),
            Reply::Answer { .. } | Reply::Model { .. } | Reply::None(_) | Reply::Person { .. } => None,
        }
    }

    fn on_text(&mut self, pending: &str, last: bool, _: &View<'_>) -> Settled {
        // `secret` becomes `******`, also where it is cut into pieces.
        let keep = (1.."secret".len()).rev().find(|n| !last && pending.ends_with(&"secret"[..*n]));
        let upto = pending.len() - keep.unwrap_or(0);
        let found = pending[..upto].match_indices("secret");
        let edits = found.map(|(at, word)| (at..at + word.len(), "******".to_owned())).collect();
        Settled { edits, finding: None, upto }
    }

    fn on_request_text(&mut self, _: Origin, text: &str) -> Option<String> {
        assert!(text != "panic", "as it was told");
        None
    }

    fn on_end(&mut self, _: bool, view: &View<'_>) -> EndVerdict {
        match view.facts.key.as_deref() {
            Some("append") => {
                EndVerdict::Append { finding: Finding::because("so named"), text: "the end".into() }
            }
            _ => EndVerdict::Allow,
        }
    }
}

fn facts() -> CallFacts {
    CallFacts {
        client: Some("claude-cli/2.1".into()),
        data_class: None,
        dialect: Dialect::Anthropic,
        housekeeping: false,
        human_turn: 0,
        id: "0199".into(),
        key: None,
        model: "claude".into(),
        project: None,
        session: None,
        structured: false,
        team: None,
        unread: false,
        user: None,
    }
}

fn manner() -> Manner {
    Manner {
        approvals: Approvals::default(),
        budget: Duration::from_secs(5),
        link: None,
        local_model: None,
        mask: Arc::new(str::to_owned),
        message: "refused {tool} by {policy}".into(),
        now: Instant::now,
        resample: Resample::default(),
    }
}

const ALL: Needs =
    Needs { conversation: false, end: true, request_text: false, text: TextNeed::Window, tools: true };

fn entry(name: &str, mode: Mode, needs: Needs) -> Entry {
    Entry {
        group: None,
        kind: "told",
        mode,
        name: name.into(),
        on_failure: OnFailure::Block,
        on_refusal: OnRefusal::default(),
        policy: Box::new(Told(needs)),
        when: Scope::default(),
    }
}

fn run_of(mode: Mode, needs: Needs, facts: CallFacts) -> Run {
    Chain::new(vec![entry("told", mode, needs)], manner()).open(facts).unwrap()
}

/// The events of an answer: `"words"`, `!tool`, `?thought`.
fn answer(script: &str) -> Vec<Event> {
    let mut events = vec![Event::Started(Started::default())];
    let mut tools = false;
    for (index, word) in script.split(' ').filter(|word| !word.is_empty()).enumerate() {
        let index = index as u32;
        let (block, deltas): (BlockStart, Vec<Delta>) = if let Some(name) = word.strip_prefix('!') {
            tools = true;
            let block = BlockStart::ToolCall {
                id: format!("call_{index}"),
                kind: ToolKind::Function,
                name: name.into(),
                namespace: None,
            };
            (block, vec![Delta::Arguments("{\"a\"".into()), Delta::Arguments(":1}".into())])
        } else if let Some(thought) = word.strip_prefix('?') {
            let block = BlockStart::Reasoning { id: None, summary: false };
            (block, vec![Delta::Reasoning(thought.into())])
        } else {
            (BlockStart::Text, word.split('|').map(|piece| Delta::Text(piece.into())).collect())
        };
        events.push(Event::BlockStarted { index, block });
        events.extend(deltas.into_iter().map(|delta| Event::BlockDelta { index, delta }));
        events.push(Event::BlockEnded { index });
    }
    let reason = if tools { StopReason::ToolUse } else { StopReason::EndTurn };
    events.push(Event::Ended(Stop::because(reason)));
    events
}

/// Events in the notation of [`answer`], pieces joined, with arguments that are not as they came, and the stop reason.
fn shown(events: &[Event]) -> String {
    let mut out = String::new();
    let mut next = 0;
    for event in events {
        match event {
            Event::BlockStarted { index, block } => {
                assert_eq!(*index, next, "indices count from 0 without a gap");
                next += 1;
                match block {
                    BlockStart::ToolCall { name, .. } => out.extend([" !", name]),
                    BlockStart::Reasoning { .. } => out.push_str(" ?"),
                    _ => out.push(' '),
                }
            }
            Event::BlockDelta { index, delta } => {
                assert_eq!(*index + 1, next);
                match delta {
                    Delta::Text(text) | Delta::Reasoning(text) => out.push_str(text),
                    Delta::Arguments(text) if text.starts_with("{\"r") => out.push_str(text),
                    _ => {}
                }
            }
            Event::Ended(stop) => out.extend([" .", &serde_json::to_string(&stop.reason).unwrap()]),
            Event::Failed(failure) => out.extend([" failed: ", &failure.message]),
            _ => {}
        }
    }
    out.trim().replace('"', "")
}

fn through(run: &mut Run, events: Vec<Event>) -> (Vec<Out>, Lock) {
    let mut lock = Lock::new(run);
    let mut out = Vec::new();
    for event in events {
        lock.push(run, event, &mut out);
    }
    (out, lock)
}

fn came_out(mode: Mode, script: &str) -> (String, Vec<Decision>) {
    let mut run = run_of(mode, ALL, facts());
    let (out, lock) = through(&mut run, answer(script));
    assert!(lock.is_finished());
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    (shown(&events), run.take_decisions())
}

/// Requirement 000 behaviours 23 and 24, D1: a refused call is gone and the text says so; words stand before the calls that are left.
#[test]
fn a_refused_call_becomes_words_and_the_others_stay_behind_them() {
    let block = |script| came_out(Mode::Block, script).0;
    assert_eq!(block("hello !ls"), "hello !ls .tool_use");
    assert_eq!(block("hello !refuse"), "hello \n\nrefused refuse by told .end_turn");
    assert_eq!(block("!ls !refuse"), "refused refuse by told !ls .tool_use");
    assert_eq!(
        block("?why hm !refuse !ls !refuse"),
        "?why hm \n\nrefused refuse by told\n\nrefused refuse by told !ls .tool_use"
    );
    assert_eq!(block("!remove"), "[Lockgate] Policies took everything out of this answer. .end_turn");
    assert_eq!(block("hm !remove !ls"), "hm !ls .tool_use");
    assert_eq!(block("!replace"), "replaced .end_turn");
    assert_eq!(block("!rewrite !ls"), "!rewrite{rewritten:true} !ls .tool_use");
    assert_eq!(block("a !ls !stop !ls"), "a \n\nrefused stop by told .end_turn");
    assert_eq!(block("!ls after !refuse"), "after \n\nrefused refuse by told !ls .tool_use");
    assert_eq!(block("!ls after"), "!ls after .tool_use", "what nobody changes stays in its order");
}

/// Requirement L4: the mode bounds what a policy may do.
#[test]
fn a_mode_bounds_what_a_policy_may_do() {
    let (observed, decisions) = came_out(Mode::Observe, "a secret !refuse !rewrite");
    assert_eq!(observed, "a secret !refuse !rewrite .tool_use");
    assert_eq!(decisions.len(), 3);
    assert!(decisions.iter().all(|decision| !decision.applied), "{decisions:?}");
    let warned = "[Lockgate] The policy `told` warns about the call of `refuse`: refuse is written there.";
    let both = format!("{warned}\n\n[Lockgate] The policy `told` warns: it changed text of the answer.");
    assert_eq!(came_out(Mode::Warn, "secret !refuse").0, format!("secret \n\n{both} !refuse .tool_use"));
    assert_eq!(
        came_out(Mode::Rewrite, "secret !refuse !rewrite").0,
        format!("****** \n\n{warned} !refuse !rewrite{{rewritten:true}} .tool_use")
    );
}

/// Requirement 000 behaviour 20: a pattern that is cut into pieces is found, and the rest flows.
#[test]
fn words_flow_and_a_pattern_is_found_over_the_borders_of_pieces() {
    assert_eq!(came_out(Mode::Block, "a-se|cr|et-b").0, "a-******-b .end_turn");
    assert_eq!(came_out(Mode::Block, "se|cond").0, "second .end_turn");
    let mut run = run_of(Mode::Block, ALL, facts());
    let mut lock = Lock::new(&run);
    let mut out = Vec::new();
    let mut progress = Vec::new();
    for event in answer("one|tw|o-se|cond|!") {
        lock.push(&mut run, event, &mut out);
        let words: String = out
            .iter()
            .filter_map(|out| match &out.event {
                Event::BlockDelta { delta: Delta::Text(text), .. } => Some(text.as_str()),
                _ => None,
            })
            .collect();
        progress.push((words, out.iter().map(|out| out.through).max().unwrap_or(0)));
    }
    let expected = [
        // A text begins with its first words.
        ("", 1),
        ("", 1),
        ("one", 3),
        ("onetw", 4),
        ("onetwo-", 4),
        ("onetwo-second", 6),
        ("onetwo-second!", 7),
        ("onetwo-second!", 8),
        ("onetwo-second!", 9),
    ];
    assert_eq!(progress, expected.map(|(words, at)| (words.to_owned(), at)));
}

/// Requirement 000 behaviour 29, T2: a policy that panics is cut off, and its failure mode speaks for it.
#[test]
fn a_policy_that_panics_refuses_what_it_could_not_judge_or_lets_it_pass_with_a_notice() {
    let (shown, decisions) = came_out(Mode::Block, "a !panic !ls");
    assert_eq!(shown, "a \n\nrefused panic by told\n\nrefused ls by told .end_turn");
    assert!(
        decisions[0].finding.reason.contains("panicked")
            && !decisions[0].finding.reason.contains("as it was told")
    );
    let mut open = entry("told", Mode::Block, ALL);
    open.on_failure = OnFailure::Pass;
    let mut run = Chain::new(vec![open], manner()).open(facts()).unwrap();
    let (out, _) = through(&mut run, answer("!panic"));
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    assert!(
        shown_ends(&events, "!panic .tool_use") && shown_has(&events, "could not judge it"),
        "{}",
        self::shown(&events)
    );
}

fn shown_ends(events: &[Event], end: &str) -> bool {
    shown(events).ends_with(end)
}

fn shown_has(events: &[Event], part: &str) -> bool {
    shown(events).contains(part)
}

/// Requirement T2: a text that a policy failed on does not go out as if it had been looked at.
#[test]
fn a_policy_that_fails_on_a_text_of_the_request_refuses_the_call() {
    let request = Needs { request_text: true, ..ALL };
    for (mode, refuses) in [(Mode::Block, true), (Mode::Observe, false)] {
        let mut run = run_of(mode, request, facts());
        let mut refused = None;
        assert_eq!(run.on_request_text(Origin::User, "fine", &mut refused), None);
        assert_eq!(refused, None);
        assert_eq!(run.on_request_text(Origin::User, "panic", &mut refused), None);
        assert_eq!(refused.is_some_and(|words| words.contains("it panicked")), refuses, "{mode:?}");
    }
}

#[test]
fn a_policy_over_its_time_is_cut_off() {
    let slow = Manner { budget: Duration::ZERO, now: next_second, ..manner() };
    let mut run = Chain::new(vec![entry("slow", Mode::Block, ALL)], slow).open(facts()).unwrap();
    let (out, _) = through(&mut run, answer("!ls"));
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    assert_eq!(shown(&events), "refused ls by slow .end_turn");
    assert!(run.take_decisions()[0].finding.reason.contains("it took 1000 ms"));
}

/// A clock that is a second further each time it is asked.
fn next_second() -> Instant {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    static ASKED: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let seconds = ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    *BEGAN.get_or_init(Instant::now) + Duration::from_secs(seconds)
}

/// Requirement 000 behaviours 25 and 26: parallel calls are judged side by side, and released in order.
#[test]
fn calls_wait_for_what_is_asked_about_them_and_go_in_order() {
    let mut run = run_of(Mode::Block, ALL, facts());
    let (mut out, mut lock) = through(&mut run, answer("hm !ask !ls !ask"));
    let asked = run.take_questions();
    assert_eq!(asked.len(), 2, "both are asked before either is answered");
    assert!(lock.is_waiting() && !lock.is_finished());
    let so_far: Vec<Event> = out.iter().map(|out| out.event.clone()).collect();
    assert_eq!(shown(&so_far), "hm", "words flow while calls are held");
    lock.reply(&mut run, asked[1].0, Reply::Text("allow".into()), &mut out);
    assert!(lock.is_waiting());
    lock.reply(&mut run, asked[0].0, Reply::Text("refuse".into()), &mut out);
    assert!(lock.is_finished() && !lock.is_waiting());
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    assert_eq!(shown(&events), "hm \n\nrefused ask by told !ls !ask .tool_use");
    let mut run = run_of(Mode::Block, ALL, facts());
    let (mut out, mut lock) = through(&mut run, answer("!ask"));
    let ticket = run.take_questions()[0].0;
    let late = Failure::new(ErrorKind::Timeout, "nobody answered within 1 s");
    lock.reply(&mut run, ticket, Reply::None(late), &mut out);
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    assert_eq!(shown(&events), "refused ask by told .end_turn");
    assert!(run.take_decisions()[0].finding.reason.contains("nobody answered within 1 s"));
}

#[test]
fn an_observing_policy_asks_and_nothing_waits_for_it() {
    let mut run = run_of(Mode::Observe, ALL, facts());
    let (mut out, mut lock) = through(&mut run, answer("!ask"));
    assert!(lock.is_finished() && !lock.is_altered());
    let asked = run.take_questions();
    assert!(run.is_aside(asked[0].0));
    lock.reply(&mut run, asked[0].0, Reply::Text("refuse".into()), &mut out);
    let decisions = run.take_decisions();
    assert_eq!(decisions.len(), 1);
    assert_eq!(decisions[0].tool.as_ref().map(|tool| &*tool.name), Some("ask"));
    assert!(!decisions[0].applied);
}

fn told_by_model(said: Result<&str, &str>) -> Reply {
    let spent = Spent { cost_nano: Some(700), model: "m".into(), took_us: 9, ..Spent::default() };
    let said = said.map(str::to_owned).map_err(|words| Failure::new(ErrorKind::Timeout, words));
    Reply::Model { said, spent: Box::new(spent) }
}

/// Issue "observation": cost and latency of what a policy asks models are in the record of the call, whatever came of it.
#[test]
fn a_verdict_tells_what_the_model_that_was_asked_has_cost() {
    for (said, expected) in [
        (Ok("refuse"), (Said::Refuse, "refuse is written there")),
        (Err("too late"), (Said::Failed, "the policy could not judge it: too late")),
        // A policy that has nothing to say has asked all the same.
        (Ok("nothing"), (Said::Annotate, "what the policy asked a model came to nothing")),
    ] {
        let mut run = run_of(Mode::Block, ALL, facts());
        let (mut out, mut lock) = through(&mut run, answer("!ask"));
        let (ticket, question) = run.take_questions().remove(0);
        let Query::Judge(judge) = question.query else { panic!("a model is asked") };
        assert_eq!(judge.policy, "told", "whoever asks the model knows for whom");
        lock.reply(&mut run, ticket, told_by_model(said), &mut out);
        let decisions = run.take_decisions();
        assert_eq!(decisions.len(), 1, "{decisions:?}");
        let Decision { asked, finding, said, .. } = &decisions[0];
        assert_eq!((*said, finding.reason.as_str()), expected);
        assert_eq!((asked.len(), asked[0].cost_nano, asked[0].took_us), (1, Some(700), 9));
    }
}

/// What an observing policy asks is noted behind the answer's end too, and only there: nobody waited for it.
#[test]
fn what_comes_too_late_for_the_answer_is_still_noted() {
    let mut run = run_of(Mode::Observe, ALL, facts());
    let (_, lock) = through(&mut run, answer("!ask !ask"));
    assert!(lock.is_finished() && run.take_decisions().is_empty());
    for (ticket, _) in run.take_questions() {
        run.on_late_reply(ticket, told_by_model(Ok("refuse")));
    }
    let decisions = run.take_decisions();
    assert_eq!(decisions.len(), 2);
    assert!(decisions.iter().all(|it| it.said == Said::Refuse && !it.applied && it.asked.len() == 1));
    let mut run = run_of(Mode::Block, ALL, facts());
    let (_, lock) = through(&mut run, answer("!ask"));
    let ticket = run.take_questions()[0].0;
    run.on_late_reply(ticket, told_by_model(Ok("refuse")));
    assert!(lock.is_waiting() && run.take_decisions().is_empty(), "what somebody waits for is no late word");
}

/// Requirement 000 behaviour 30: words are added once, before calls, and never where nobody reads them or where they break a form.
#[test]
fn words_are_added_behind_the_last_ones_and_before_calls() {
    let with = |script, facts| {
        let mut run = run_of(Mode::Block, ALL, facts);
        let (out, _) = through(&mut run, answer(script));
        let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
        shown(&events)
    };
    let append = CallFacts { key: Some("append".into()), ..facts() };
    assert_eq!(with("a", append.clone()), "a \n\nthe end .end_turn");
    assert_eq!(with("!ls", append.clone()), "the end !ls .tool_use");
    assert_eq!(with("a", CallFacts { structured: true, ..append.clone() }), "a .end_turn");
    assert_eq!(with("a", CallFacts { housekeeping: true, ..append }), "a .end_turn");
}

#[test]
fn a_text_that_is_judged_as_a_whole_is_held_until_it_is_complete() {
    let whole = Needs { text: TextNeed::Whole, ..ALL };
    let with = |script| {
        let mut run = run_of(Mode::Block, whole, facts());
        let (out, _) = through(&mut run, answer(script));
        let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
        shown(&events)
    };
    assert_eq!(with("a|b ?c !ls"), "ab ?c !ls .tool_use");
    assert_eq!(with("re|place b"), "replaced b .end_turn");
    assert_eq!(with("remove b !ls"), "b !ls .tool_use");
    let refused =
        "[Lockgate] A part of this answer was refused by the policy `told`: refuse is written there.";
    assert_eq!(with("refuse !ls"), format!("{refused} !ls .tool_use"));
    assert_eq!(with("!ls remove"), "!ls .tool_use");
}

#[test]
fn a_request_is_refused_or_answered_here() {
    let outcome =
        |model: &str, mode| run_of(mode, ALL, CallFacts { model: model.into(), ..facts() }).on_call();
    assert_eq!(
        outcome("refuse", Mode::Block),
        CallOutcome::Refuse("[Lockgate] This request was refused by the policy `told`: so named.".into())
    );
    assert_eq!(outcome("answer", Mode::Block), CallOutcome::Answer("here".into()));
    assert_eq!(outcome("refuse", Mode::Observe), CallOutcome::Go);
    assert_eq!(outcome("other", Mode::Block), CallOutcome::Go);
}

#[test]
fn a_failure_in_the_middle_takes_with_it_what_is_held() {
    let mut run = run_of(Mode::Block, ALL, facts());
    let mut events = answer("a !ls");
    events.pop();
    events.push(Event::Failed(Failure::new(ErrorKind::Overloaded, "busy")));
    let (out, lock) = through(&mut run, events);
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    assert_eq!(shown(&events), "a failed: busy");
    assert!(lock.is_finished());
}

/// Whether an answer is one that providers take back in the next turn.
fn is_legal(events: &[Event]) -> bool {
    let mut calls = 0;
    let mut texts_behind_calls = 0;
    let mut empty = 0;
    let mut text: Option<String> = None;
    for event in events {
        match event {
            Event::BlockStarted { block: BlockStart::ToolCall { .. }, .. } => calls += 1,
            Event::BlockStarted { block: BlockStart::Text, .. } => {
                texts_behind_calls += usize::from(calls > 0);
                text = Some(String::new());
            }
            Event::BlockDelta { delta: Delta::Text(words), .. } => {
                text.get_or_insert_default().push_str(words);
            }
            Event::BlockEnded { .. } => empty += usize::from(text.take().is_some_and(|text| text.is_empty())),
            _ => {}
        }
    }
    let ends = events.iter().filter(|event| matches!(event, Event::Ended(_) | Event::Failed(_))).count();
    let right_reason = match events.last() {
        Some(Event::Ended(stop)) => (stop.reason == StopReason::ToolUse) == (calls > 0),
        _ => false,
    };
    texts_behind_calls == 0 && empty == 0 && ends == 1 && right_reason
}

fn words() -> impl Strategy<Value = Vec<&'static str>> {
    let thoughts = proptest::collection::vec(Just("?thought"), 0..2);
    let texts = proptest::collection::vec(
        prop_oneof!["plain", "sec|ret", "s|e|c", "refuse", "remove", "warn"].prop_map(|word| {
            match word.as_str() {
                "plain" => "plain",
                "sec|ret" => "sec|ret",
                "s|e|c" => "s|e|c",
                "refuse" => "refuse",
                "remove" => "remove",
                _ => "warn",
            }
        }),
        0..3,
    );
    let calls = proptest::collection::vec(
        prop::sample::select(vec![
            "!ls", "!refuse", "!remove", "!replace", "!rewrite", "!stop", "!warn", "!panic", "!ask",
        ]),
        0..4,
    );
    (thoughts, texts, calls).prop_map(|(thoughts, texts, calls)| [thoughts, texts, calls].concat())
}

proptest! {
    /// Requirements I7, 000 behaviours 24, 26, 27: no verdict makes an answer that the next turn is refused for.
    #[test]
    fn whatever_policies_say_the_answer_is_a_legal_one(
        script in words(),
        mode in prop::sample::select(vec![Mode::Observe, Mode::Warn, Mode::Rewrite, Mode::Block]),
        whole in any::<bool>(),
        append in any::<bool>(),
        replies in proptest::collection::vec(prop::sample::select(vec!["allow", "refuse", "remove", "stop"]), 4),
    ) {
        let facts = CallFacts { key: append.then(|| "append".into()), ..facts() };
        let needs = Needs { text: if whole { TextNeed::Whole } else { TextNeed::Window }, ..ALL };
        let mut run = run_of(mode, needs, facts);
        let events = answer(&script.join(" "));
        let (mut out, mut lock) = through(&mut run, events.clone());
        for (ticket, _) in run.take_questions() {
            let word = replies[usize::from(mode == Mode::Block)..][0];
            lock.reply(&mut run, ticket, Reply::Text(word.into()), &mut out);
        }
        prop_assert!(lock.is_finished());
        let made: Vec<Event> = out.iter().map(|out| out.event.clone()).collect();
        prop_assert!(script.is_empty() || is_legal(&made), "{:?} → {}", script, shown(&made));
        if !lock.is_altered() {
            prop_assert_eq!(shown(&made), shown(&events));
            prop_assert!(out.iter().all(|out| out.of.is_some()));
            prop_assert_eq!(out.last().map(|out| out.through), Some(events.len() as u64));
        }
        prop_assert!(!(mode == Mode::Observe && lock.is_altered()));
    }
}

/// Requirement 000 behaviour 27: Gemini seals the first of several calls, and refuses a turn back whose first call has none.
#[test]
fn the_seal_of_a_call_that_does_not_go_out_goes_with_the_first_that_does() {
    let sealed = |script: &str| {
        let mut events = answer(script);
        let first = events.iter().position(|event| matches!(event, Event::BlockEnded { .. })).unwrap();
        let delta = Delta::Seal(Seal::Signature("signed".into()));
        events.insert(first, Event::BlockDelta { index: 0, delta });
        let mut run = run_of(Mode::Block, ALL, facts());
        let (out, _) = through(&mut run, events);
        let mut name = String::new();
        let mut seals = Vec::new();
        for out in out {
            match out.event {
                Event::BlockStarted { block: BlockStart::ToolCall { name: begun, .. }, .. } => name = begun,
                Event::BlockDelta { delta: Delta::Seal(_), .. } => seals.push(name.clone()),
                _ => {}
            }
        }
        seals
    };
    assert_eq!(sealed("!refuse !ls !cat"), ["ls"]);
    assert_eq!(sealed("!ls !refuse !cat"), ["ls"]);
    assert_eq!(sealed("!refuse"), [""; 0]);
}
