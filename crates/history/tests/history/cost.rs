//! What made a session expensive, and why its caches missed.

use lockgate_core::Usage;
use lockgate_history::{
    Cause, Conversation, Exchange, Split, Subject, ToolsChange, by_catalogue, cache_misses, context_cost,
};
use lockgate_ledger::Catalogue;
use lockgate_store::{Call, Details};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Told, calls, passed, prices, read, request, result, row, says, stream, user};

fn usage(read: u64, write: u64, input: u64, output: u64) -> Usage {
    Usage {
        cache_read: Some(read),
        cache_write_5m: Some(write),
        input_uncached: Some(input),
        output: Some(output),
        ..Usage::default()
    }
}

fn priced(mut call: Call, used: Usage) -> Call {
    call.cost_nano = prices(&call, &used).map(|cost| cost.total.to_i64());
    call.usage = used;
    call
}

#[test]
fn a_large_file_that_is_sent_again_and_again_is_what_costs() {
    let mut told = Told::new();
    let steps = [
        (user("Read big.txt"), calls("t1", "Read", json!({"file_path": "/w/big.txt"})), usage(0, 0, 100, 20)),
        (result("t1", &"x".repeat(40_000), false), says("Read."), usage(0, 10_120, 0, 5)),
        (user("Thanks"), says("Welcome."), usage(10_120, 10, 0, 5)),
        (user("Bye"), says("Bye."), usage(10_130, 10, 0, 5)),
    ];
    for (said, answer, used) in steps {
        told.history.push(said);
        let call = priced(told.row("human"), used);
        told.call(&call, &answer);
        told.history.push(json!({"role": "assistant", "content": answer}));
    }
    let cost = context_cost(&told.conversation, &prices);
    assert!(!cost.estimated);
    assert_eq!(cost.total.total(), told.conversation.cost_nano());
    let file = &cost.files[0];
    assert_eq!(file.subject, Subject::File { path: "/w/big.txt".into() });
    assert!(file.cost.total() * 10 > cost.total.total() * 9, "{file:?} of {:?}", cost.total);
    let message = &cost.messages[0];
    assert_eq!((&message.subject, message.resent), (&Subject::Message { entry: 2 }, 2));
    assert_eq!(message.call, Some(told.conversation.calls[1].call.id));
    assert_eq!(cost.tools[0].subject, Subject::Tool { name: "Read".into() });
}

#[test]
fn a_session_of_a_known_model_is_told_apart_by_the_catalogue() {
    let catalogue = Catalogue::embedded().unwrap();
    let pricing = by_catalogue(&catalogue);
    let mut told = Told::new();
    told.history.push(user("Hi"));
    let mut call = told.row("human");
    call.usage = usage(100, 50, 10, 20);
    call.cost_nano = pricing(&call, &call.usage).map(|cost| cost.total.to_i64());
    assert!(call.cost_nano.is_some_and(|cost| cost > 0));
    told.call(&call, &says("Hello"));
    let cost = context_cost(&told.conversation, &pricing);
    assert_eq!(Some(cost.total.total()), call.cost_nano);
    assert!(cost.total.cache_read < cost.total.cache_write && cost.total.output > 0 && !cost.estimated);
}

/// Prices change, and those of the configuration may be for a kind that the row does not name: what was reckoned then counts.
#[test]
fn a_call_is_told_apart_as_it_was_reckoned_when_it_was_recorded() {
    let mut told = Told::new();
    told.history.push(user("Hi"));
    let mut call = told.row("human");
    (call.usage, call.cost_nano) = (usage(100, 50, 10, 20), Some(1_000));
    let parts = json!({"cache_read": 100, "cache_write_5m": 0, "input": 300, "output": 500, "tool:web_search": 100, "later": 7});
    let details = Details {
        cost_parts: Some(json!({"basis": "table", "estimated": false, "parts": parts})),
        ..Details::default()
    };
    let body = passed(request(&told.history), stream(&says("Hello")));
    let mut conversation = Conversation::new();
    conversation.push(Exchange::read(&call, &details, &body));
    let cost = context_cost(&conversation, &prices);
    let Split { cache_read, cache_write, input, output, tools } = cost.total;
    assert_eq!((cache_read, cache_write, input, output, tools), (100, 0, 300, 500, 100));
    assert!(!cost.estimated);
}

proptest! {
    /// Nothing is lost by rounding, whatever the calls used and whether their prices are known.
    #[test]
    fn every_list_adds_up_to_the_known_cost_of_the_session(
        steps in prop::collection::vec((0..2_000_u64, 0..2_000_u64, 0..2_000_u64, 0..500_u64, prop::option::of(0..10_000_000_i64), 0..3_u8, 0..200_usize), 1..12),
        known: bool,
    ) {
        let mut told = Told::new();
        for (number, (read, write, input, output, cost, kind, length)) in steps.into_iter().enumerate() {
            told.history.push(user(&format!("{number} {}", "x".repeat(length))));
            let mut call = told.row("human");
            call.usage = usage(read, write, input, output);
            call.cost_nano = cost;
            call.lineage.agent = (kind == 1).then(|| "sub".to_owned());
            if kind == 2 {
                call.route.operation = "embeddings".to_owned();
            }
            told.call(&call, &says("answer"));
        }
        let conversation = &told.conversation;
        let pricing = |call: &Call, usage: &Usage| if known { prices(call, usage) } else { None };
        let cost = context_cost(conversation, &pricing);
        let expected: i64 = conversation.calls.iter().filter_map(|note| note.call.cost_nano).sum();
        prop_assert_eq!(cost.total.total(), expected);
        for rows in [&cost.messages, &cost.tools, &cost.files, &cost.agents, &cost.turns] {
            prop_assert_eq!(rows.iter().map(|row| row.cost.total()).sum::<i64>(), expected);
            prop_assert_eq!(rows.iter().map(|row| row.cost.output).sum::<i64>(), cost.total.output);
            prop_assert!(rows.iter().all(|row| row.cost.cache_read >= 0 && row.cost.output >= 0));
        }
        let unpriced = conversation.calls.iter().filter(|note| note.call.cost_nano.is_none()).count();
        prop_assert_eq!(cost.unpriced, unpriced as u64);
    }
}

/// Two calls of one thread: the first wrote 5,000 tokens, the second reads what is told, after so many seconds.
fn pair(first: Value, second: Value, read_now: u64, gap_s: i64) -> Conversation {
    let mut conversation = Conversation::new();
    for (number, body, used) in
        [(1, first, usage(0, 5_000, 10, 5)), (2, second, usage(read_now, 5_100 - read_now, 10, 5))]
    {
        let mut call = priced(row(number, lockgate_core::Dialect::Anthropic, "human"), used);
        call.route.resolved_model = body["model"].as_str().map(str::to_owned);
        call.timing.started_us = 1_795_303_350_000_000 + (number.cast_signed() - 1) * gap_s * 1_000_000;
        conversation.push(read(&call, &passed(body.to_string().into_bytes(), stream(&says("Yes.")))));
    }
    conversation
}

fn body() -> Value {
    let mut body: Value = serde_json::from_slice(&request(&[user("One")])).unwrap();
    body["system"] = json!([{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]);
    body
}

fn longer() -> Value {
    let mut body = body();
    body["messages"] = json!([user("One"), {"role": "assistant", "content": "Yes."}, user("Two")]);
    body
}

fn cause(conversation: &Conversation) -> Option<Cause> {
    let misses = cache_misses(conversation, &prices);
    assert!(misses.len() <= 1);
    misses.into_iter().next().map(|miss| miss.miss.cause)
}

#[test]
fn a_cache_that_held_is_no_miss() {
    assert_eq!(cause(&pair(body(), longer(), 5_000, 10)), None);
    assert_eq!(cause(&pair(body(), longer(), 4_990, 10)), None, "counts differ by a few");
}

#[test]
fn a_miss_is_explained_by_what_changed_first_and_priced_against_a_hit() {
    let mut tools = longer();
    tools["tools"] = json!([{"name": "Grep", "input_schema": {"type": "object"}}, tools["tools"][0]]);
    let misses = cache_misses(&pair(body(), tools, 0, 10), &prices);
    let miss = &misses[0];
    assert_eq!(miss.miss.cause, Cause::ToolsChanged { change: ToolsChange::Added, tool: "Grep".into() });
    // 5,000 tokens written at 1,250 each where they could have been read at 100.
    assert_eq!(miss.cost_nano, Some(5_000 * 1_150));
    assert_eq!(
        miss.sentence,
        "The cache gave 0 of 5000 tokens because the list of tools is another: Grep was added, which cost $0.00575 more than a hit."
    );
}

#[test]
fn each_kind_of_change_is_told_from_the_others() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut body = longer();
        change(&mut body);
        cause(&pair(self::body(), body, 0, 10)).unwrap()
    };
    assert_eq!(
        with(&|body| body["system"][0]["text"] = "Be long.".into()),
        Cause::SystemChanged { block: 1 }
    );
    let mut edited = longer();
    edited["messages"][1]["content"] = "Yes!".into();
    edited["messages"]
        .as_array_mut()
        .unwrap()
        .extend([json!({"role": "assistant", "content": "Yes."}), user("Three")]);
    let found = cause(&pair(longer(), edited, 0, 10));
    assert_eq!(found, Some(Cause::MessageChanged { number: 2, of: 3 }));
    assert_eq!(
        with(&|body| body["model"] = "claude-haiku-4-5".into()),
        Cause::ModelChanged { from: "claude-opus-4-8".into(), to: "claude-haiku-4-5".into() }
    );
    assert_eq!(
        with(&|body| body["tools"][0]["description"] = "Reads".into()),
        Cause::ToolsChanged { change: ToolsChange::Changed, tool: "Read".into() }
    );
    assert_eq!(with(&|body| body["system"][0]["cache_control"] = Value::Null), Cause::MarkersRemoved);
    assert_eq!(with(&|_| {}), Cause::Unknown);
}

#[test]
fn a_pause_longer_than_the_lifetime_is_told_as_that() {
    assert_eq!(cause(&pair(body(), longer(), 0, 301)), Some(Cause::Expired { lifetime_s: 300 }));
    let mut hour = body();
    hour["system"][0]["cache_control"] = json!({"type": "ephemeral", "ttl": "1h"});
    assert_eq!(cause(&pair(hour.clone(), longer(), 0, 3_000)), Some(Cause::Unknown));
    assert_eq!(cause(&pair(hour, longer(), 0, 3_601)), Some(Cause::Expired { lifetime_s: 3_600 }));
    let mut tools = longer();
    tools["tools"] = json!([]);
    let misses = cache_misses(&pair(body(), tools, 0, 400), &prices);
    assert!(
        misses[0].miss.expired && misses[0].sentence.contains("Read was removed (and its lifetime was over)")
    );
}

#[test]
fn a_breakpoint_that_moved_too_far_is_told_as_that() {
    let mut far = longer();
    far["system"][0]["cache_control"] = Value::Null;
    let blocks: Vec<_> = (0..30).map(|number| json!({"type": "text", "text": format!("{number}")})).collect();
    let mut blocks = json!(blocks);
    blocks[29]["cache_control"] = json!({"type": "ephemeral"});
    far["messages"][2]["content"] = blocks;
    assert!(matches!(cause(&pair(body(), far, 0, 10)), Some(Cause::MarkerMoved { blocks }) if blocks > 20));
}
