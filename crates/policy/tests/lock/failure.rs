//! A policy that cannot judge, and a person who can.

use super::*;

fn asks(mode: Mode) -> Run {
    let entry = Entry { on_failure: OnFailure::Ask, ..entry("told", mode, ALL) };
    Chain::new(vec![entry], manner()).open(facts()).unwrap()
}

fn person(agreed: bool) -> Reply {
    Reply::Person { agreed, by: Some("ann".into()), words: None }
}

/// Issue's failure modes "block / pass with notice / ask".
#[test]
fn a_person_decides_about_what_a_policy_could_not_judge() {
    for (agreed, becomes) in [(true, "!panic .tool_use"), (false, "refused panic by told .end_turn")] {
        let mut run = asks(Mode::Block);
        let (mut out, mut lock) = through(&mut run, answer("!panic"));
        assert!(lock.is_waiting());
        let (ticket, question) = run.take_questions().remove(0);
        let Query::Person(asked) = question.query else { panic!("a person is asked") };
        assert!(asked.reason.contains("could not judge it: it panicked"), "{}", asked.reason);
        lock.reply(&mut run, ticket, person(agreed), &mut out);
        let events: Vec<Event> = out.into_iter().map(|out| out.event).collect();
        assert_eq!(shown(&events), becomes);
        let said: Vec<_> = run.take_decisions().iter().map(|one| (one.said, one.applied)).collect();
        let last = if agreed { Said::Annotate } else { Said::Refuse };
        assert_eq!(said, [(Said::Failed, true), (last, true)]);
    }
    let mut run = asks(Mode::Observe);
    let (_, lock) = through(&mut run, answer("!panic"));
    assert!(lock.is_finished() && run.take_questions().is_empty(), "who only looks asks nobody");
}
