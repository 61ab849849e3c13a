//! What policies that only look cost a client: nothing; and what they see: all that it got.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use lockgate_core::Dialect;
use lockgate_policy::{
    Approvals, BlockVerdict, CallFacts, Chain, Entry, Finding, Manner, Mode as Reach, Needs, OnFailure,
    OnRefusal, Piece, Policy, PolicyRun, Resample, Scope, TextNeed, View,
};
use lockgate_wire::{AnswerContext, Mode, ToolNames, format};

use super::*;
use crate::pipe::{Pipe, PipeSpec};

/// Counts what it is shown, and would refuse all of it.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Counting {
    fn shown(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Policy for Counting {
    fn needs(&self) -> Needs {
        Needs { text: TextNeed::Whole, ..Needs::TOOLS }
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(self.clone())
    }
}

impl PolicyRun for Counting {
    fn on_block(&mut self, _: Piece<'_>, _: &View<'_>) -> BlockVerdict {
        self.0.fetch_add(1, Ordering::SeqCst);
        BlockVerdict::Refuse(Finding::because("it refuses everything"))
    }
}

/// The way of an answer from Anthropic to such a client, before a policy that only looks.
fn pipe(client: Dialect, mode: Mode) -> (Pipe, Counting, Shared) {
    let counting = Counting::default();
    let entry = Entry {
        group: None,
        kind: "test",
        mode: Reach::Observe,
        name: "counting".into(),
        on_failure: OnFailure::Block,
        on_refusal: OnRefusal::Message,
        policy: Box::new(counting.clone()),
        when: Scope::default(),
    };
    let manner = Manner {
        approvals: Approvals::default(),
        budget: Duration::from_mins(1),
        link: None,
        local_model: None,
        mask: Arc::new(str::to_owned),
        message: String::new(),
        now: std::time::Instant::now,
        resample: Resample::default(),
    };
    let run = Chain::new(vec![entry], manner).open(CallFacts::unknown("call")).unwrap();
    let run = Arc::new(Mutex::new(run));
    let pipe = Pipe::new(PipeSpec {
        context: AnswerContext::default(),
        front: format(client),
        front_mode: mode,
        hidden: None,
        names: ToolNames::default(),
        policies: Some(run.clone()),
        until_stop: false,
        upstream: format(Dialect::Anthropic),
        upstream_mode: mode,
    });
    (pipe, counting, run)
}

const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\
    \"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n";

const END: &str = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\
    \"usage\":{\"output_tokens\":9}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

/// The frames of a tool call.
fn call(index: usize, argument: &str) -> String {
    let frame = |kind: &str, rest: &str| {
        format!("event: {kind}\ndata: {{\"type\":\"{kind}\",\"index\":{index}{rest}}}\n\n")
    };
    let begin = format!(
        ",\"content_block\":{{\"type\":\"tool_use\",\"id\":\"t{index}\",\"name\":\"look\",\"input\":{{}}}}"
    );
    let delta = format!(
        ",\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":\"{{\\\"a\\\":\\\"{argument}\\\"}}\"}}"
    );
    frame("content_block_start", &begin)
        + &frame("content_block_delta", &delta)
        + &frame("content_block_stop", "")
}

/// What the client gets of these bytes now.
fn fed(pipe: &mut Pipe, text: &str) -> String {
    String::from_utf8(pipe.feed(&Bytes::copy_from_slice(text.as_bytes())).to_vec()).unwrap()
}

/// Issue 4, section 4: policies that only observe cost nothing on the stream.
#[test]
fn a_frame_is_handed_on_before_an_observing_policy_looks_at_it() {
    let (mut pipe, policy, run) = pipe(Dialect::Anthropic, Mode::Stream);
    for text in [START, &call(0, "x"), &call(1, "y")] {
        assert_eq!(fed(&mut pipe, text), text);
    }
    assert_eq!(policy.shown(), 0, "the client has it first");
    pipe.look();
    assert_eq!(policy.shown(), 2);
    assert_eq!(fed(&mut pipe, END), END);
    assert!(pipe.finish().is_empty() && pipe.is_finished());
    pipe.take_watch().unwrap().finish();
    assert_eq!(with(&run, Run::take_decisions).len(), 2, "what it would have done is known");
}

#[test]
fn tool_calls_of_a_translated_answer_are_not_held_for_an_observing_policy() {
    let (mut pipe, policy, _) = pipe(Dialect::Chat, Mode::Stream);
    let out = fed(&mut pipe, &format!("{START}{}", call(0, "x")));
    assert!(out.contains("\"look\"") && out.contains("\\\"x\\\""), "{out}");
    assert_eq!(policy.shown(), 0);
    assert!(fed(&mut pipe, END).is_empty());
    assert!(String::from_utf8(pipe.finish().to_vec()).unwrap().contains("tool_calls"));
    pipe.take_watch().unwrap().finish();
    assert_eq!(policy.shown(), 1);
}

#[test]
fn a_whole_answer_is_handed_on_before_an_observing_policy_looks_at_it() {
    let (mut pipe, policy, _) = pipe(Dialect::Anthropic, Mode::Whole);
    let body = "{\"type\":\"message\",\"id\":\"m\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\",\
        \"name\":\"look\",\"input\":{}}],\"stop_reason\":\"tool_use\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}";
    assert_eq!(fed(&mut pipe, body), "");
    assert_eq!(pipe.finish(), body);
    assert_eq!(policy.shown(), 0);
    pipe.take_watch().unwrap().finish();
    assert_eq!(policy.shown(), 1);
}

#[test]
fn an_answer_that_breaks_off_is_judged_as_far_as_it_came() {
    let (mut pipe, policy, _) = pipe(Dialect::Anthropic, Mode::Stream);
    let half = call(1, "y");
    let text = format!("{START}{}{}", call(0, "x"), &half[..half.len() / 2]);
    assert!(text.starts_with(&fed(&mut pipe, &text)));
    pipe.take_watch().unwrap().finish();
    assert_eq!(policy.shown(), 1);
}

/// Transparent: a client gets what it would get without policies.
#[test]
fn what_an_observing_policy_cannot_read_reaches_the_client_all_the_same() {
    let (mut pipe, policy, _) = pipe(Dialect::Anthropic, Mode::Stream);
    let odd = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":\"one\",\"delta\":7}\n\n";
    let text = format!("{START}{}{odd}{}{END}", call(0, "x"), call(1, "y"));
    assert_eq!(fed(&mut pipe, &text), text);
    assert!(pipe.finish().is_empty() && pipe.seen().failure.is_none());
    pipe.take_watch().unwrap().finish();
    assert!(policy.shown() >= 1);
}

#[test]
fn what_waits_for_a_look_is_bounded_in_size_and_time() {
    let now = Instant::now();
    let (mut pipe, _, _) = pipe(Dialect::Anthropic, Mode::Stream);
    assert_eq!(pipe.is_due(now + OLD * 2), Some(false), "there is nothing to look at");
    fed(&mut pipe, START);
    assert_eq!((pipe.is_due(now), pipe.is_due(now + OLD * 2)), (Some(false), Some(true)));
    fed(&mut pipe, &call(0, &"x".repeat(WORTH)));
    assert_eq!(pipe.is_due(now), Some(true));
    fed(&mut pipe, &call(1, &"x".repeat(FULL)));
    assert_eq!(pipe.is_due(now), None, "nothing more is taken before a look");
    pipe.look();
    assert_eq!(pipe.is_due(now), Some(false));
}
