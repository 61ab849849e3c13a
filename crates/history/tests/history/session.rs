//! Sessions: each message once, threads and turns, tools with their results, whatever a client does to its history.

use lockgate_core::Dialect;
use lockgate_history::{CallStep, Content, Conversation, EntrySource, EntryState, Origin};
use lockgate_store::Outcome;
use serde_json::{Value, json};

use crate::support::{Told, assistant, calls, passed, read, request, result, row, says, shown, stream, user};

/// Behaviours 30 and 32: what was said first is there once, turns are in order.
#[test]
fn a_history_that_is_sent_again_is_shown_once_with_the_call_that_brought_it() {
    let mut told = Told::new();
    told.turn(user("Read a.txt"), "human", calls("t1", "Read", json!({"file_path": "/w/a.txt"})));
    told.turn(result("t1", "hello", false), "tool-loop", says("It says hello."));
    told.turn(user("And b.txt?"), "human", says("There is none."));
    let conversation = &told.conversation;
    assert_eq!(conversation.threads.len(), 1);
    let texts = ["Read a.txt", "Read(t1)", "result(t1)", "It says hello.", "And b.txt?", "There is none."];
    assert_eq!(shown(conversation, &conversation.messages(0)), texts);
    let sources: Vec<_> = conversation.entries.iter().map(|entry| (entry.call, entry.source)).collect();
    let (brought, produced) = (EntrySource::Brought, EntrySource::Produced);
    assert_eq!(
        sources,
        [(0, brought), (0, produced), (1, brought), (1, produced), (2, brought), (2, produced)]
    );
    assert_eq!(shown(conversation, &conversation.request_of(1)), texts[..3]);
    assert_eq!(conversation.turns.len(), 2, "a tool loop belongs to the turn that began it");
    assert_eq!(conversation.turns[0].calls, [0, 1]);
}

#[test]
fn a_tool_call_is_shown_with_its_result_from_a_later_call() {
    let mut told = Told::new();
    let both = json!([
        {"type": "tool_use", "id": "t1", "name": "Read", "input": {"file_path": "a"}},
        {"type": "tool_use", "id": "t2", "name": "Bash", "input": {"command": "false", "timeout": 1.0}},
    ]);
    told.turn(user("Go"), "human", both);
    let results = json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t2", "content": "exit 1", "is_error": true},
        {"type": "tool_result", "tool_use_id": "t1", "content": "text"},
    ]});
    told.turn(results, "tool-loop", calls("t3", "Read", json!({})));
    let tools = &told.conversation.tools;
    let seen: Vec<_> = tools.iter().map(|tool| (tool.name.as_str(), tool.is_error, tool.result)).collect();
    assert_eq!(
        seen,
        [("Read", Some(false), Some((2, 1))), ("Bash", Some(true), Some((2, 0))), ("Read", None, None)]
    );
    assert_eq!(told.conversation.tool_at(1, 1), Some(1));
    assert_eq!(told.conversation.threads.len(), 1, "a client's way to write JSON makes no other message");
}

#[test]
fn a_session_as_json_says_what_each_piece_is() {
    let mut told = Told::new();
    told.turn(user("Read a.txt"), "human", calls("t1", "Read", json!({"file_path": "/w/a.txt"})));
    let view: Value = serde_json::from_str(&serde_json::to_string(&told.conversation).unwrap()).unwrap();
    assert_eq!(
        view["entries"][1]["message"],
        json!({"speaker": "assistant", "pieces": [
            {"type": "tool_call", "id": "t1", "name": "Read", "arguments": {"json": {"file_path": "/w/a.txt"}}}
        ]})
    );
    assert_eq!(view["threads"][0]["origin"], json!({"type": "new"}));
    assert_eq!(view["calls"][0]["step"], json!({"type": "begins"}));
    assert_eq!(view["preambles"][0]["tools"][0]["name"], "Read");
}

#[test]
fn ids_that_a_dialect_makes_up_do_not_mix_results() {
    // The same id in each answer, as decoders make them where a provider gives none.
    let mut told = Told::new();
    told.turn(user("Go"), "human", calls("call_0", "Read", json!({"n": 1})));
    told.turn(result("call_0", "one", false), "tool-loop", calls("call_0", "Read", json!({"n": 2})));
    told.turn(result("call_0", "two", false), "tool-loop", says("Done"));
    let results: Vec<_> = told.conversation.tools.iter().map(|tool| tool.result).collect();
    assert_eq!(results, [Some((2, 0)), Some((4, 0))]);
}

#[test]
fn an_answer_that_was_aborted_and_asked_again_is_a_retry_and_stays_visible() {
    let mut told = Told::new();
    told.history.push(user("Write a poem"));
    let mut first = told.row("human");
    first.outcome = Outcome::Aborted;
    told.call(&first, &says("Roses are"));
    let again = told.row("human");
    let second = told.call(&again, &says("Roses are red"));
    let conversation = &told.conversation;
    assert_eq!(conversation.calls[second].step, CallStep::Retry { of: 0 });
    assert_eq!(conversation.entries[1].state, EntryState::Dropped);
    assert_eq!(shown(conversation, &conversation.messages(0)), ["Write a poem", "Roses are red"]);
    assert_eq!(conversation.turns.len(), 1);
}

#[test]
fn a_call_without_an_answer_that_is_asked_again_is_a_retry() {
    let mut told = Told::new();
    told.history.push(user("Hi"));
    let mut failed = told.row("human");
    (failed.outcome, failed.status) = (Outcome::Failed, Some(529));
    told.call(&failed, &Value::Null);
    let again = told.row("human");
    told.call(&again, &says("Hello"));
    assert_eq!(told.conversation.calls[1].step, CallStep::Retry { of: 0 });
    assert_eq!(shown(&told.conversation, &told.conversation.messages(0)), ["Hi", "Hello"]);
}

#[test]
fn an_answer_that_the_client_kept_in_part_is_an_edit_of_it() {
    let mut told = Told::new();
    told.turn(user("Count"), "human", says("one two three"));
    told.history[1] = assistant(says("one two"));
    told.turn(user("Go on"), "human", says("three"));
    let conversation = &told.conversation;
    assert_eq!(shown(conversation, &conversation.messages(0)), ["Count", "one two", "Go on", "three"]);
    assert_eq!(
        (conversation.entries[1].state, conversation.entries[2].edit_of),
        (EntryState::Edited, Some(1))
    );
}

#[test]
fn going_back_and_asking_in_other_words_forks_a_thread_that_shares_what_was_before() {
    let mut told = Told::new();
    told.turn(user("One"), "human", says("first"));
    told.turn(user("Two"), "human", says("second"));
    told.history.truncate(2);
    told.turn(user("Other"), "human", says("third"));
    let conversation = &told.conversation;
    assert_eq!(conversation.threads[1].origin, Origin::Fork { after: 2, of: 0 });
    assert_eq!(shown(conversation, &conversation.messages(1)), ["One", "first", "Other", "third"]);
    assert_eq!(shown(conversation, &conversation.messages(0)), ["One", "first", "Two", "second"]);
    assert_eq!(conversation.entries.len(), 6, "what is shared is kept once");
    assert_eq!(conversation.main(), Some(1));
}

#[test]
fn results_that_the_client_cleared_in_the_middle_are_edits_and_no_fork() {
    let mut told = Told::new();
    told.turn(user("Read"), "human", calls("t1", "Read", json!({})));
    told.turn(result("t1", "a long text", false), "tool-loop", says("Read it."));
    told.turn(user("More"), "human", says("Yes."));
    told.history[2] = result("t1", "[cleared]", false);
    told.turn(user("And more"), "human", says("No."));
    let conversation = &told.conversation;
    assert_eq!(conversation.threads.len(), 1);
    assert_eq!(conversation.calls[3].step, CallStep::Rewrites { changed: 1 });
    assert_eq!(conversation.entries[2].state, EntryState::Edited);
    assert_eq!(conversation.messages(0).len(), 8);
    assert_eq!(
        shown(conversation, &conversation.request_of(1)).len(),
        3,
        "an earlier call shows what it had"
    );
    assert_eq!(conversation.request_of(1)[2], 2);
}

#[test]
fn a_summary_begins_a_thread_after_compaction_and_does_not_repeat_what_is_left() {
    let mut told = Told::new();
    told.turn(user("One"), "human", says("first"));
    told.turn(user("Two"), "human", says("second"));
    let mut asks = told.row("housekeeping:compaction");
    asks.lineage.turn = None;
    told.history.push(user("Summarise this conversation."));
    told.call(&asks, &says("They counted."));
    let summary =
        "This session is being continued from a previous conversation that ran out of context. They counted.";
    told.history = vec![user(summary), user("Two"), assistant(says("second"))];
    told.turn(user("Three"), "human", says("third"));
    let conversation = &told.conversation;
    assert_eq!(conversation.threads[1].origin, Origin::Housekeeping { of: Some(0) });
    assert_eq!(conversation.calls[2].entries.len(), 2, "the history is not told again");
    assert_eq!(conversation.threads[2].origin, Origin::Compacted { of: 0 });
    assert_eq!(shown(conversation, &conversation.messages(2)), [summary, "Two", "second", "Three", "third"]);
    let new: Vec<_> = conversation.calls[3].entries.clone();
    assert_eq!(shown(conversation, &new), [summary, "Three", "third"]);
}

#[test]
fn a_sub_agent_has_a_thread_of_its_own_that_names_the_tool_call_which_started_it() {
    let mut told = Told::new();
    let task = json!({"description": "Search", "prompt": "Find all uses of foo", "subagent_type": "Explore"});
    told.turn(user("Where is foo used?"), "human", calls("t1", "Agent", task));
    let mut sub = row(50, Dialect::Anthropic, "delegated");
    sub.lineage.agent = Some("a1".into());
    let asked = request(&[user("<system-reminder>x</system-reminder>"), user("Find all uses of foo")]);
    told.conversation.push(read(&sub, &passed(asked, stream(&says("In bar.")))));
    told.turn(result("t1", "In bar.", false), "tool-loop", says("In bar."));
    let conversation = &told.conversation;
    assert_eq!(conversation.threads.len(), 2);
    assert_eq!(conversation.threads[1].origin, Origin::SubAgent { started_by: Some(0) });
    assert_eq!(conversation.threads[1].agent.as_deref(), Some("a1"));
    assert_eq!(conversation.messages(0).len(), 4);
    assert_eq!(conversation.main(), Some(0));
}

#[test]
fn a_responses_call_that_names_the_answer_before_goes_on_from_it() {
    let mut conversation = Conversation::new();
    let ask = |previous: Option<&str>, number: u64| {
        // More messages than the thread has that the third goes on from.
        let said = |part: u64| json!({"role": "user", "content": format!("question {number}.{part}")});
        let input: Vec<_> = (1..=number).map(said).collect();
        json!({"model": "gpt-5.5", "input": input, "previous_response_id": previous}).to_string().into_bytes()
    };
    let whole = |id: &str, text: &str| {
        json!({"id": id, "object": "response", "status": "completed", "model": "gpt-5.5", "output": [
            {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [{"type": "output_text", "text": text, "annotations": []}]}
        ]})
        .to_string()
        .into_bytes()
    };
    for (number, previous, id) in
        [(1, None, "resp_1"), (2, Some("resp_1"), "resp_2"), (3, Some("resp_1"), "resp_3")]
    {
        let mut call = row(number, Dialect::Responses, "human");
        call.route.streamed = false;
        let bodies = passed(ask(previous, number), whole(id, &format!("answer {number}")));
        conversation.push(read(&call, &bodies));
    }
    assert_eq!(
        shown(&conversation, &conversation.messages(0)),
        ["question 1.1", "answer 1", "question 2.1", "question 2.2", "answer 2"]
    );
    assert_eq!(conversation.threads[1].origin, Origin::Fork { after: 2, of: 0 });
    assert_eq!(
        shown(&conversation, &conversation.messages(1)),
        ["question 1.1", "answer 1", "question 3.1", "question 3.2", "question 3.3", "answer 3"]
    );
}

/// A history that grows is kept once: what is held grows with what is new, not with what is sent.
#[test]
fn two_hundred_calls_of_a_growing_history_take_the_room_of_what_is_new() {
    let mut told = Told::new();
    told.turn(user("Begin"), "human", calls("t0", "Read", json!({"n": 0})));
    for number in 1..200 {
        let text = format!("{number} ").repeat(100);
        let (before, next) = (format!("t{}", number - 1), format!("t{number}"));
        told.turn(result(&before, &text, false), "tool-loop", calls(&next, "Read", json!({"n": number})));
    }
    let conversation = &told.conversation;
    assert_eq!((conversation.threads.len(), conversation.entries.len()), (1, 400));
    assert_eq!(conversation.messages(0).len(), 400);
    assert!(conversation.tools[..199].iter().all(|tool| tool.result.is_some()));
    let view = serde_json::to_string(conversation).unwrap();
    assert_eq!(view.matches(&"150 ".repeat(100)).count(), 1);
    let sizes: Vec<usize> = told.history.iter().map(|message| message.to_string().len()).collect();
    let new: usize = sizes.iter().sum();
    let sent: usize = (0..sizes.len()).step_by(2).map(|last| sizes[..=last].iter().sum::<usize>()).sum();
    assert!(sent > 50 * new && view.len() < 8 * new, "{} of {new} new, {sent} sent", view.len());
}

#[test]
fn counting_the_tokens_of_a_history_tells_nothing_twice() {
    let mut told = Told::new();
    told.turn(user("One"), "human", says("first"));
    let mut counts = row(70, Dialect::Anthropic, "housekeeping:count-tokens");
    counts.route.operation = "count_tokens".into();
    told.history.push(user("Two"));
    let answer = br#"{"input_tokens": 42}"#.to_vec();
    let exchange = read(&counts, &passed(request(&told.history), answer));
    assert_eq!(exchange.answer.tokens, Some(42));
    told.conversation.push(exchange);
    told.history.pop();
    told.turn(user("Two"), "human", says("second"));
    assert_eq!(told.conversation.entries.len(), 4);
    assert!(told.conversation.calls[1].entries.is_empty());
}

#[test]
fn thoughts_are_shown_and_do_not_make_another_message() {
    let mut told = Told::new();
    let answer = json!([{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}, {"type": "text", "text": "Yes."}]);
    told.turn(user("Well?"), "human", answer);
    // The client drops the thoughts.
    told.history[1] = assistant(says("Yes."));
    told.turn(user("Sure?"), "human", says("Sure."));
    assert_eq!(told.conversation.threads.len(), 1);
    assert_eq!(told.conversation.entries.len(), 4);
    assert!(
        matches!(&told.conversation.entries[1].message.pieces[0].content, Content::Thinking { signed: true, text, .. } if text == "Hm.")
    );
}
