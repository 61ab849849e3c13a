//! What policies changed: shown as what it was and what it became, on streams too; conversions are none.

use lockgate_core::Dialect;
use lockgate_history::{Bodies, Changed, Exchange, Tag};
use lockgate_store::Outcome;
use serde_json::json;

use crate::support::{assistant, calls, fixtures, passed, read, request, result, row, says, stream, user};

fn changed(exchange: &Exchange) -> Vec<(Changed, &str, &str, &str)> {
    let of = exchange.interventions.iter();
    of.map(|one| (one.side, one.what, one.original.as_str(), one.r#final.as_str())).collect()
}

/// Requirement 000 C1, behaviour 33: the original and the final, on a stream.
#[test]
fn an_answer_that_a_policy_changed_on_a_stream_is_shown_as_it_was_and_as_it_became() {
    let bodies = Bodies {
        client_answer: Some(stream(&says("Line one\nThe key is [removed].\nBye"))),
        ..passed(request(&[user("Key?")]), stream(&says("Line one\nThe key is 123.\nBye")))
    };
    let exchange = read(&row(1, Dialect::Anthropic, "human"), &bodies);
    let expected =
        (Changed::Answer, "text", "Line one\nThe key is 123.\nBye", "Line one\nThe key is [removed].\nBye");
    assert_eq!(changed(&exchange), [expected]);
    let lines: Vec<_> =
        exchange.interventions[0].diff.iter().map(|line| (line.tag, line.text.as_str())).collect();
    let kept = [
        (Tag::Equal, "Line one"),
        (Tag::Original, "The key is 123."),
        (Tag::Final, "The key is [removed]."),
        (Tag::Equal, "Bye"),
    ];
    assert_eq!(lines, kept);
    let shown = exchange.answer.message.unwrap();
    assert!(serde_json::to_string(&shown).unwrap().contains("[removed]"), "the client's side is the answer");
}

#[test]
fn a_request_that_a_policy_changed_shows_only_what_is_other() {
    let history = [user("Old"), assistant(says("Yes")), user("My password is hunter2")];
    let mut sent = history.clone();
    sent[2] = user("My password is ****");
    let bodies =
        Bodies { upstream_request: Some(request(&sent)), ..passed(request(&history), stream(&says("Ok"))) };
    let exchange = read(&row(1, Dialect::Anthropic, "human"), &bodies);
    assert_eq!(
        changed(&exchange),
        [(Changed::Request, "text", "My password is hunter2", "My password is ****")]
    );
}

#[test]
fn a_tool_call_that_a_policy_took_out_is_shown_as_gone() {
    let before = json!([{"type": "text", "text": "I delete it."}, {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "rm -rf /"}}]);
    let bodies = Bodies {
        client_answer: Some(stream(&says("I delete it."))),
        ..passed(request(&[user("Delete")]), stream(&before))
    };
    let exchange = read(&row(1, Dialect::Anthropic, "human"), &bodies);
    assert_eq!(changed(&exchange), [(Changed::Answer, "tool_call", "Bash {\"command\":\"rm -rf /\"}", "")]);
}

/// Behaviour 33.
#[test]
fn an_answer_that_a_policy_refused_shows_what_the_provider_had_said() {
    let mut call = row(1, Dialect::Anthropic, "human");
    (call.intervened, call.outcome, call.status) = (true, Outcome::Failed, Some(403));
    let refusal = json!({"type": "error", "error": {"type": "permission_error", "message": "No."}});
    let bodies = Bodies {
        client_answer: Some(refusal.to_string().into_bytes()),
        ..passed(request(&[user("How?")]), stream(&says("Like this.")))
    };
    let exchange = read(&call, &bodies);
    assert_eq!(changed(&exchange), [(Changed::Answer, "text", "Like this.", "")]);
    assert_eq!(exchange.answer.error.as_deref(), Some("No."));
}

/// The gateway's own writers convert; what they make is no intervention.
#[test]
fn a_conversion_between_dialects_is_no_intervention() {
    use lockgate_wire::{AnswerContext, Decoded, Depth, Loss, Mode, Quirks, Sequencer, Target, format};
    let asked = request(&[
        user("Read both"),
        assistant(calls("t1", "Read", json!({"file_path": "/a", "n": 1.5}))),
        result("t1", "it failed", true),
        user("And now?"),
    ]);
    let answer = std::fs::read(fixtures().join("streams/anthropic/thinking_tool.sse")).unwrap();
    let front = format(Dialect::Anthropic);
    for dialect in [Dialect::Chat, Dialect::Gemini, Dialect::Ollama, Dialect::Responses] {
        let back = format(dialect);
        let conversation = front.messages.parse(&asked).unwrap();
        let quirks = Quirks::default();
        let target = Target { default_max_tokens: 100, model: "m", quirks: &quirks, stream: true };
        let sent = back.messages.write(&conversation, &target, &mut Loss::default()).unwrap();
        // The provider's answer, as its dialect would have said what the fixture says.
        let mut decoder = front.messages.decoder(Mode::Stream, Depth::Full);
        let mut decoded = Decoded::default();
        decoder.feed(answer.clone().into(), &mut decoded).unwrap();
        decoder.finish(&mut decoded).unwrap();
        let context = AnswerContext { id: "x".into(), model: "m".into(), ..AnswerContext::default() };
        let mut encoder = back.messages.encoder(Mode::Stream, context);
        let (mut received, mut sequencer) = (Vec::new(), Sequencer::default());
        for event in decoded.events() {
            sequencer.push(event.clone(), &mut |event| encoder.encode(&event, &mut received));
        }
        sequencer.finish(&mut |event| encoder.encode(&event, &mut received));
        encoder.finish(&mut received);
        let mut call = row(1, Dialect::Anthropic, "human");
        call.route.upstream = Some(dialect);
        let bodies = Bodies {
            client_answer: Some(answer.clone()),
            client_request: Some(asked.clone()),
            upstream_answer: Some(received),
            upstream_request: Some(sent),
            ..Bodies::default()
        };
        let exchange = read(&call, &bodies);
        assert_eq!(changed(&exchange), [], "{dialect}");
    }
}

#[test]
fn an_answer_that_broke_off_on_the_clients_side_is_no_intervention() {
    let whole = stream(&says("one two three"));
    let cut = whole.windows(18).position(|window| window == b"content_block_stop").unwrap() - 7;
    let half = String::from_utf8(whole[..cut].to_vec()).unwrap().replace("one two three", "one tw");
    let mut call = row(1, Dialect::Anthropic, "human");
    call.outcome = Outcome::Aborted;
    let bodies =
        Bodies { client_answer: Some(half.into_bytes()), ..passed(request(&[user("Count")]), whole) };
    assert_eq!(changed(&read(&call, &bodies)), []);
}
