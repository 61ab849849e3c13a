//! Policies that vote: what becomes of a tool call where several say different things of it.

use lockgate_policy::{Group, Vote, Voting};

use super::*;

/// A policy that asks the model `name` about each tool call.
struct Asks(&'static str);

impl Policy for Asks {
    fn needs(&self) -> Needs {
        Needs::TOOLS
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(AsksRun(self.0))
    }
}

struct AsksRun(&'static str);

impl PolicyRun for AsksRun {
    fn on_block(&mut self, _: Piece<'_>, _: &View<'_>) -> BlockVerdict {
        let judge = Judge { model: self.0.into(), ..Judge::default() };
        BlockVerdict::Ask(vec![Question { deadline: Duration::from_secs(1), query: Query::Judge(judge) }])
    }

    fn on_reply(&mut self, _: usize, reply: Reply, _: &View<'_>) -> Option<BlockVerdict> {
        match reply {
            Reply::Text(word) => Some(told(&word)),
            Reply::Answer { .. } | Reply::Model { .. } | Reply::None(_) | Reply::Person { .. } => None,
        }
    }
}

fn group(vote: Vote, designated: Option<&str>, mode: Mode) -> Run {
    let group = Group { designated: designated.map(str::to_owned), vote };
    let voting = Arc::new(Voting { group, name: "g".into() });
    let member = |name: &'static str| Entry {
        group: Some(voting.clone()),
        policy: Box::new(Asks(name)),
        ..entry(name, mode, Needs::TOOLS)
    };
    let behind = entry("behind", Mode::Block, Needs::TOOLS);
    let members = vec![member("a"), member("b"), member("c"), behind];
    Chain::new(members, manner()).open(facts()).unwrap()
}

/// What comes out of `!TOOL`, where members say these words in this order, and how many were needed. `-`: no answer.
fn voted(run: &mut Run, tool: &str, said: &[(&str, &str)]) -> (String, usize, Vec<Decision>) {
    let (mut out, mut lock) = through(run, answer(&format!("!{tool}")));
    let mut asked = Vec::new();
    let mut needed = 0;
    for (name, word) in said {
        asked.extend(run.take_questions());
        assert!(needed > 0 || asked.len() == 3, "all are asked before any is answered");
        let of = |question: &Question| match &question.query {
            Query::Judge(judge) => judge.model == *name,
            Query::Again(_) | Query::Costs(_) | Query::Person(_) | Query::Service(_) => false,
        };
        let at = asked.iter().position(|(_, question)| of(question)).unwrap();
        let reply = match *word {
            "-" => Reply::None(Failure::new(ErrorKind::Timeout, "too late")),
            word => Reply::Text(word.into()),
        };
        needed += usize::from(!lock.is_finished());
        lock.reply(run, asked.remove(at).0, reply, &mut out);
    }
    assert!(lock.is_finished());
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    (shown(&events), needed, run.take_decisions())
}

const PASSES: &str = "!x .tool_use";

/// Issue's "parallel groups with an explicit vote": first refusal, unanimous, majority, designated.
#[test]
fn a_vote_decides_what_becomes_of_a_tool_call_as_soon_as_it_can() {
    let with = |vote, said: &[(&str, &str)]| {
        let designated = (vote == Vote::Designated).then_some("b");
        let (out, needed, _) = voted(&mut group(vote, designated, Mode::Block), "x", said);
        (if out == PASSES { "passes" } else { "refused" }, needed)
    };
    let (ok, no) = ("ok", "refuse");
    for (vote, said, becomes) in [
        (Vote::FirstRefusal, [("a", ok), ("b", no), ("c", ok)], ("refused", 2)),
        (Vote::FirstRefusal, [("c", no), ("b", ok), ("a", ok)], ("refused", 1)),
        (Vote::FirstRefusal, [("a", ok), ("b", ok), ("c", ok)], ("passes", 3)),
        (Vote::Majority, [("a", no), ("b", ok), ("c", no)], ("refused", 3)),
        (Vote::Majority, [("a", no), ("b", no), ("c", ok)], ("refused", 2)),
        (Vote::Majority, [("a", no), ("b", ok), ("c", ok)], ("passes", 3)),
        (Vote::Majority, [("a", ok), ("b", ok), ("c", no)], ("passes", 2)),
        (Vote::Unanimous, [("a", no), ("b", no), ("c", no)], ("refused", 3)),
        (Vote::Unanimous, [("a", no), ("b", ok), ("c", no)], ("passes", 2)),
        (Vote::Designated, [("a", no), ("b", ok), ("c", no)], ("passes", 2)),
        (Vote::Designated, [("b", no), ("a", ok), ("c", ok)], ("refused", 1)),
        // Who gives no answer does what `on_failure` says: it objects here.
        (Vote::Majority, [("a", "-"), ("b", "-"), ("c", ok)], ("refused", 2)),
        (Vote::Majority, [("a", "-"), ("b", ok), ("c", ok)], ("passes", 3)),
        // A warning is no objection.
        (Vote::Majority, [("a", "warn"), ("b", "warn"), ("c", no)], ("refused", 3)),
    ] {
        let (got, needed) = with(vote, &said);
        let warned = said.iter().any(|(_, word)| *word == "warn");
        assert!(got == becomes.0 || warned, "{vote:?} {said:?}");
        assert_eq!(needed, if warned { 2 } else { becomes.1 }, "{vote:?} {said:?}");
    }
}

/// What is recorded of a group that only observes, whose members say these words in this order.
fn observed(vote: Vote, designated: Option<&str>, said: &[(&str, &str)]) -> Vec<String> {
    let mut run = group(vote, designated, Mode::Observe);
    let (out, lock) = through(&mut run, answer("!x"));
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    assert!(lock.is_finished() && shown(&events) == PASSES, "nobody waits");
    let mut asked = run.take_questions();
    for (name, word) in said {
        let of = |question: &Question| matches!(&question.query, Query::Judge(judge) if judge.model == *name);
        let at = asked.iter().position(|(_, question)| of(question)).unwrap();
        run.on_late_reply(asked.remove(at).0, Reply::Text((*word).into()));
    }
    let told = run.take_decisions();
    let line = |one: &Decision| {
        assert_eq!(one.tool.as_ref().map(|tool| &*tool.name), Some("x"));
        format!("{} {:?} {} {}", one.policy, one.said, one.applied, one.finding.reason)
    };
    told.iter().map(line).collect()
}

#[test]
fn of_a_group_that_observes_each_member_is_recorded_and_how_the_vote_would_have_gone() {
    let (ok, no) = ("ok", "refuse");
    assert_eq!(
        observed(Vote::Majority, None, &[("c", no), ("b", "stop"), ("a", ok)]),
        [
            "c Refuse false refuse is written there",
            "b Annotate true the vote of the group `g` would have been: stop (2 of 3 object)",
            "b Stop false stop is written there",
        ]
    );
    assert_eq!(
        observed(Vote::Majority, None, &[("a", no), ("b", ok), ("c", ok)]),
        [
            "a Refuse false refuse is written there",
            "a Annotate true the vote of the group `g` would have been: pass (1 of 3 object)",
        ]
    );
    let designated = observed(Vote::Designated, Some("b"), &[("b", no)]);
    assert_eq!(
        designated[0],
        "b Annotate true the vote of the group `g` would have been: refuse (1 of 3 object)"
    );
    assert_eq!(observed(Vote::Unanimous, None, &[("a", no)]), ["a Refuse false refuse is written there"]);
    assert!(observed(Vote::FirstRefusal, None, &[("a", ok), ("b", ok), ("c", ok)]).is_empty());
}

#[test]
fn each_vote_is_recorded_and_the_client_reads_how_it_went() {
    let said = [("a", "ok"), ("b", "refuse"), ("c", "stop")];
    let (out, _, decisions) = voted(&mut group(Vote::Majority, None, Mode::Block), "x", &said);
    assert_eq!(out, "refused x by b .end_turn");
    let told: Vec<String> = decisions
        .iter()
        .map(|one| format!("{} {:?} {} {}", one.policy, one.said, one.applied, one.finding.reason))
        .collect();
    assert_eq!(
        told,
        [
            "c Stop false stop is written there (with others: 2 of 3 in the group `g`)",
            "b Refuse true refuse is written there (2 of 3 in the group `g`)",
        ]
    );
    let said = [("a", "refuse"), ("b", "warn"), ("c", "ok")];
    let (out, _, decisions) = voted(&mut group(Vote::Majority, None, Mode::Block), "x", &said);
    assert!(out.starts_with("[Lockgate] The policy `b` warns") && out.ends_with("!x .tool_use"), "{out}");
    assert_eq!(decisions[0].finding.reason, "refuse is written there (outvoted: 1 of 3 in the group `g`)");
    assert!(!decisions[0].applied);
}

/// A vote that comes when all is decided changes nothing, and policies behind a group are asked once it is decided.
#[test]
fn policies_behind_a_group_are_asked_when_it_lets_a_call_go() {
    let passes = [("a", "ok"), ("b", "ok"), ("c", "refuse")];
    let out = |tool| voted(&mut group(Vote::Majority, None, Mode::Block), tool, &passes).0;
    assert_eq!(out("refuse"), "refused refuse by behind .end_turn");
    assert_eq!(out("x"), PASSES);
    let mut run = group(Vote::Majority, None, Mode::Block);
    let (mut out, mut lock) = through(&mut run, answer("!ask"));
    let voters = run.take_questions();
    for ((ticket, _), word) in voters.into_iter().zip(["ok", "ok", "refuse"]) {
        lock.reply(&mut run, ticket, Reply::Text(word.into()), &mut out);
    }
    let behind = run.take_questions();
    assert_eq!(behind.len(), 1, "the policy behind the group asks");
    assert!(lock.is_waiting());
    lock.reply(&mut run, behind[0].0, Reply::Text("ok".into()), &mut out);
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    assert_eq!(shown(&events), "!ask .tool_use");
    let late: Vec<_> = run.take_decisions().into_iter().map(|one| one.finding.reason).collect();
    assert_eq!(late, ["refuse is written there (came after the vote)"]);
}

#[test]
fn a_group_that_only_observes_holds_nothing_and_records_each_member() {
    let mut run = group(Vote::Majority, None, Mode::Observe);
    let (mut out, mut lock) = through(&mut run, answer("!x"));
    assert!(lock.is_finished() && !lock.is_altered());
    for (ticket, _) in run.take_questions() {
        lock.reply(&mut run, ticket, Reply::Text("refuse".into()), &mut out);
    }
    let decisions = run.take_decisions();
    let (told, members): (Vec<_>, Vec<_>) = decisions.iter().partition(|one| one.said == Said::Annotate);
    assert_eq!((told.len(), members.len()), (1, 3), "{decisions:?}");
    assert!(members.iter().all(|one| !one.applied), "{decisions:?}");
}

/// A policy that asks the model `name` about each request.
struct AsksFirst(&'static str);

impl Policy for AsksFirst {
    fn judges_requests(&self) -> bool {
        true
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(AsksFirstRun(self.0))
    }
}

struct AsksFirstRun(&'static str);

impl PolicyRun for AsksFirstRun {
    fn on_call(&mut self, _: &View<'_>) -> CallVerdict {
        let judge = Judge { model: self.0.into(), ..Judge::default() };
        CallVerdict::Ask(vec![Question { deadline: Duration::from_secs(1), query: Query::Judge(judge) }])
    }

    fn on_call_reply(&mut self, _: usize, reply: Reply, _: &View<'_>) -> Option<CallVerdict> {
        let Reply::Text(word) = reply else { return None };
        let finding = Finding::because(format!("it is said {word}"));
        Some(match word.as_str() {
            "local" => CallVerdict::KeepLocal(finding),
            "note" => CallVerdict::Annotate(finding),
            "refuse" => CallVerdict::Refuse(finding),
            _ => CallVerdict::Allow,
        })
    }
}

#[test]
fn of_a_request_too_is_recorded_how_the_vote_would_have_gone() {
    let voting =
        Arc::new(Voting { group: Group { designated: None, vote: Vote::Majority }, name: "g".into() });
    let member = |name: &'static str| Entry {
        group: Some(voting.clone()),
        policy: Box::new(AsksFirst(name)),
        ..entry(name, Mode::Observe, Needs::TOOLS)
    };
    let mut run = Chain::new(vec![member("a"), member("b")], manner()).open(facts()).unwrap();
    assert_eq!(run.on_call(), CallOutcome::Go);
    for (ticket, _) in run.take_questions() {
        run.on_late_reply(ticket, Reply::Text("refuse".into()));
    }
    let told: Vec<String> = run.take_decisions().into_iter().map(|one| one.finding.reason).collect();
    let vote = "the vote of the group `g` would have been: refuse (2 of 2 object)";
    assert!(told.contains(&vote.to_owned()), "{told:?}");
}

/// What becomes of a request about which members say these words in this order. `-`: no answer.
fn voted_on_call(vote: Vote, said: &[(&str, &str)]) -> (CallOutcome, Run) {
    let group = Group { designated: (vote == Vote::Designated).then(|| "b".to_owned()), vote };
    let voting = Arc::new(Voting { group, name: "g".into() });
    let member = |name: &'static str, policy: Box<dyn Policy>| Entry {
        group: Some(voting.clone()),
        policy,
        ..entry(name, Mode::Block, Needs::TOOLS)
    };
    let members = vec![
        member("a", Box::new(AsksFirst("a"))),
        member("of tools", Box::new(Asks("x"))),
        member("b", Box::new(AsksFirst("b"))),
        member("c", Box::new(AsksFirst("c"))),
        Entry { policy: Box::new(AsksFirst("behind")), ..entry("behind", Mode::Block, Needs::TOOLS) },
    ];
    let mut run = Chain::new(members, manner()).open(facts()).unwrap();
    let (mut outcome, mut asked) = (run.on_call(), run.take_questions());
    assert_eq!(
        (&outcome, asked.len()),
        (&CallOutcome::Asking, 3),
        "all are asked at once, and nobody behind them"
    );
    for (name, word) in said.iter().chain(&[("behind", "ok")]) {
        if outcome != CallOutcome::Asking {
            break;
        }
        let of = |question: &Question| match &question.query {
            Query::Judge(judge) => judge.model == *name,
            Query::Again(_) | Query::Costs(_) | Query::Person(_) | Query::Service(_) => false,
        };
        let Some(at) = asked.iter().position(|(_, question)| of(question)) else { continue };
        let reply = match *word {
            "-" => Reply::None(Failure::new(ErrorKind::Timeout, "too late")),
            word => Reply::Text(word.into()),
        };
        outcome = run.on_call_reply(asked.remove(at).0, reply);
        asked.extend(run.take_questions());
    }
    (outcome, run)
}

/// Issue's "parallel groups with an explicit vote", of requests.
#[test]
fn a_vote_decides_what_becomes_of_a_request() {
    let (ok, no) = ("ok", "refuse");
    for (vote, said, refused) in [
        (Vote::FirstRefusal, [("a", ok), ("b", no), ("c", ok)], true),
        (Vote::FirstRefusal, [("a", ok), ("b", "note"), ("c", ok)], false),
        (Vote::Majority, [("a", no), ("b", ok), ("c", no)], true),
        (Vote::Majority, [("c", no), ("b", no), ("a", ok)], true),
        (Vote::Majority, [("a", no), ("b", ok), ("c", ok)], false),
        (Vote::Majority, [("a", ok), ("b", ok), ("c", no)], false),
        (Vote::Unanimous, [("a", no), ("b", no), ("c", no)], true),
        (Vote::Unanimous, [("a", no), ("b", ok), ("c", no)], false),
        (Vote::Designated, [("a", no), ("b", ok), ("c", no)], false),
        (Vote::Designated, [("b", no), ("a", ok), ("c", ok)], true),
        // Who gives no answer does what `on_failure` says: it objects here.
        (Vote::Majority, [("a", "-"), ("b", "-"), ("c", ok)], true),
        (Vote::Majority, [("a", "-"), ("b", ok), ("c", ok)], false),
    ] {
        let (outcome, _) = voted_on_call(vote, &said);
        match outcome {
            CallOutcome::Refuse(words) => {
                assert!(refused && words.contains("in the group `g`)"), "{vote:?} {said:?}: {words}");
            }
            outcome => assert_eq!((outcome, refused), (CallOutcome::Go, false), "{vote:?} {said:?}"),
        }
    }
}

#[test]
fn each_vote_on_a_request_is_recorded_and_late_ones_change_nothing() {
    let told = |run: &mut Run| -> Vec<String> {
        let told = run.take_decisions();
        told.iter()
            .map(|one| format!("{} {:?} {} {}", one.policy, one.said, one.applied, one.finding.reason))
            .collect()
    };
    let (outcome, mut run) = voted_on_call(Vote::Majority, &[("a", "ok"), ("b", "ok"), ("c", "refuse")]);
    assert_eq!(outcome, CallOutcome::Go);
    assert_eq!(told(&mut run), ["c Refuse false it is said refuse (came after the vote)"]);
    let (outcome, mut run) = voted_on_call(Vote::Majority, &[("a", "refuse"), ("b", "ok"), ("c", "local")]);
    assert_eq!(
        outcome,
        CallOutcome::Refuse(
            "[Lockgate] This request was refused by the policy `a`: it is said refuse (2 of 3 in the group `g`)."
                .into()
        )
    );
    assert_eq!(
        told(&mut run),
        [
            "c KeepLocal false it is said local (with others: 2 of 3 in the group `g`)",
            "a Refuse true it is said refuse (2 of 3 in the group `g`)",
        ]
    );
    let (outcome, run) = voted_on_call(Vote::Majority, &[("a", "local"), ("b", "local"), ("c", "ok")]);
    assert_eq!(outcome, CallOutcome::Go);
    assert!(run.stays_local().is_some_and(|kept| kept.why.contains("2 of 3")));
}
