//! The model is asked again: what it is told, and what the client gets of its two answers.

use lockgate_core::{Block, Role, Turn};

use super::*;

/// What is to be asked again, and with which turns.
fn asked_again(run: &mut Run) -> Option<(Ticket, Vec<Turn>)> {
    run.take_questions().into_iter().find_map(|(ticket, question)| match question.query {
        Query::Again(turns) => Some((ticket, turns)),
        Query::Costs(_) | Query::Judge(_) | Query::Person(_) | Query::Service(_) => None,
    })
}

/// What comes out in the end where the model answers so, each time that it is asked again.
fn with(needs: Needs, first: &str, then: &[&str]) -> (String, usize, Vec<Decision>) {
    let mut run = run_of(Mode::Block, needs, facts());
    let (mut out, mut lock) = through(&mut run, answer(first));
    let mut asked = 0;
    while let Some((ticket, _)) = asked_again(&mut run) {
        assert!(lock.is_waiting());
        let reply = match then.get(asked) {
            Some(script) => Reply::Answer { call: "0200".into(), events: answer(script) },
            None => Reply::None(Failure::new(ErrorKind::Overloaded, "busy")),
        };
        asked += 1;
        lock.reply(&mut run, ticket, reply, &mut out);
    }
    assert!(lock.is_finished());
    let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
    (shown(&events), asked, run.take_decisions())
}

/// Issue's verdict "resample": the calls of the refused answer go, its words stay, and the new answer takes their place.
#[test]
fn a_refused_call_is_replaced_by_the_models_next_answer() {
    let out = |first, then| with(ALL, first, &[then]).0;
    assert_eq!(out("hm !resample", "better !ls"), "hm \n\nbetter !ls .tool_use");
    assert_eq!(out("!resample", "better !ls"), "better !ls .tool_use");
    assert_eq!(out("?why hm !ls !resample", "?again !other"), "?why hm !other .tool_use");
    assert_eq!(out("hm !resample", "I cannot."), "hm \n\nI cannot. .end_turn");
    assert_eq!(out("hm !resample", "so secret !ls"), "hm \n\nso ****** !ls .tool_use");
    assert_eq!(out("hm !resample", "!refuse !ls"), "hm \n\nrefused refuse by told !ls .tool_use");
}

#[test]
fn the_model_is_asked_again_as_often_as_allowed_and_then_the_client_is_told() {
    let (out, asked, decisions) = with(ALL, "hm !resample", &["!resample !ls", "never"]);
    assert_eq!((&*out, asked), ("hm \n\nrefused resample by told !ls .tool_use", 1));
    let said: Vec<_> = decisions.iter().map(|decision| decision.said).collect();
    assert_eq!(said, [Said::Resample, Said::Annotate, Said::Refuse]);
    assert!(decisions[1].finding.reason.contains("in the call 0200"), "{decisions:?}");

    let (out, _, decisions) = with(ALL, "hm !resample !ls", &[]);
    assert_eq!(out, "hm \n\nrefused resample by told !ls .tool_use");
    assert_eq!(decisions.last().map(|last| &*last.finding.reason), Some("it stays refused: busy"));
}

#[test]
fn the_model_is_told_of_each_of_its_calls_what_became_of_it() {
    let mut run = run_of(Mode::Block, ALL, facts());
    let (_, lock) = through(&mut run, answer("?why hm !ls !resample"));
    assert!(lock.is_waiting());
    let (_, turns) = asked_again(&mut run).unwrap();
    assert_eq!(turns.iter().map(|turn| turn.role).collect::<Vec<_>>(), [Role::Assistant, Role::User]);
    let told = |part: &lockgate_core::Part| match &part.block {
        Block::Reasoning(thought) => format!("? {}", thought.text),
        Block::Text(text) => text.text.as_str().to_owned(),
        Block::ToolCall(call) => format!("{} {} {}", call.id, call.name, call.arguments),
        Block::ToolResult(result) => {
            let Block::Text(text) = &result.content[0].block else { panic!("words") };
            format!("{} {}", result.call_id, text.text.as_str())
        }
        other => format!("{other:?}"),
    };
    let said: Vec<String> = turns[0].parts.iter().map(told).collect();
    assert_eq!(said, ["? why", "hm", "call_2 ls {\"a\":1}", "call_3 resample {\"a\":1}"]);
    let results: Vec<String> = turns[1].parts.iter().map(told).collect();
    assert!(results[0].starts_with("call_2 This tool call was not run, because another one"), "{results:?}");
    assert!(
        results[1]
            .starts_with("call_3 This tool call was not run: it was refused by the policy `told`: resample"),
        "{results:?}"
    );
}

/// A text that is judged as a whole is asked for again before any of it has gone out.
#[test]
fn refused_words_are_said_again() {
    let whole = Needs { text: TextNeed::Whole, ..ALL };
    assert_eq!(with(whole, "?why a resample !ls", &["better !ls"]).0, "?why a \n\nbetter !ls .tool_use");
    assert_eq!(with(whole, "resample", &["better"]).0, "better .end_turn");
    let refused =
        "[Lockgate] A part of this answer was refused by the policy `told`: resample is written there.";
    assert_eq!(with(whole, "resample", &[]).0, format!("{refused} .end_turn"));
}

/// A policy of any kind can have what it refuses asked for again.
#[test]
fn a_policys_refusals_are_asked_for_again_where_it_is_so_configured() {
    let out = |mode, refused| {
        let entry = Entry { on_refusal: OnRefusal::Resample, ..entry("told", mode, ALL) };
        let mut run = Chain::new(vec![entry], manner()).open(facts()).unwrap();
        let (_, lock) = through(&mut run, answer(refused));
        (asked_again(&mut run).is_some(), lock.is_finished())
    };
    assert_eq!(out(Mode::Block, "!refuse"), (true, false));
    assert_eq!(out(Mode::Block, "!ls"), (false, true));
    assert_eq!(out(Mode::Warn, "!refuse"), (false, true), "a warning is enough");
    assert_eq!(out(Mode::Observe, "!refuse"), (false, true));
}

proptest! {
    /// Requirements I7, 000 behaviours 24, 26, 27: an answer that is made of several is as legal as one.
    #[test]
    fn an_answer_made_of_several_is_a_legal_one(
        first in words(),
        second in words(),
        answered in any::<bool>(),
        whole in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let needs = Needs { text: if whole { TextNeed::Whole } else { TextNeed::Window }, ..ALL };
        let mut run = run_of(Mode::Block, needs, facts());
        let mut script: Vec<&str> = first.into_iter().filter(|word| *word != "!stop").collect();
        // Tool calls are last.
        let calls = script.iter().position(|word| word.starts_with('!')).unwrap_or(script.len());
        script.insert(calls + at.index(script.len() - calls + 1), "!resample");
        let (mut out, mut lock) = through(&mut run, answer(&script.join(" ")));
        let mut asked = 0;
        loop {
            let questions = run.take_questions();
            if questions.is_empty() {
                break;
            }
            for (ticket, question) in questions {
                let reply = match question.query {
                    Query::Again(_) if answered => {
                        Reply::Answer { call: "0200".into(), events: answer(&second.join(" ")) }
                    }
                    Query::Again(_) => Reply::None(Failure::new(ErrorKind::Overloaded, "busy")),
                    Query::Costs(_) | Query::Judge(_) | Query::Person(_) | Query::Service(_) => Reply::Text("allow".into()),
                };
                asked += 1;
                prop_assert!(asked < 20);
                lock.reply(&mut run, ticket, reply, &mut out);
            }
        }
        prop_assert!(lock.is_finished());
        let made: Vec<Event> = out.iter().map(|out| out.event.clone()).collect();
        // A model may say nothing at all, and then there is nothing to be said.
        prop_assert!((answered && second.is_empty()) || is_legal(&made), "{:?} {:?} → {}", script, second, shown(&made));
    }
}
