//! Policies that only observe: clients get what they would get without them, when they would, and the record says what would have been done.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use lockgate_policy::{
    Approvals, BlockVerdict, CallFacts, Chain, Decision, Entry, Finding, Hook, Manner, Mode, Needs,
    OnFailure, OnRefusal, Piece, Policy, PolicyRun, Resample, Said, Scope, View,
};
use serde_json::{Value, json};

use crate::app::App;
use crate::client::HARD;
use crate::enforcement::{SCRIPT, call, chain, providers, recorded};
use crate::front::{FRONTS, Front, Layout};

/// Looks at nothing before it is told to.
#[derive(Clone)]
struct Patient(Arc<Shared>);

struct Shared {
    /// Whether it was told to look, for each look.
    looks: Mutex<Vec<bool>>,
    told: Mutex<Receiver<()>>,
}

impl Policy for Patient {
    fn needs(&self) -> Needs {
        Needs::TOOLS
    }

    fn open(&self, _: &CallFacts) -> Box<dyn PolicyRun> {
        Box::new(self.clone())
    }
}

impl PolicyRun for Patient {
    fn on_block(&mut self, _: Piece<'_>, _: &View<'_>) -> BlockVerdict {
        let told = self.0.told.lock().unwrap().recv_timeout(HARD).is_ok();
        self.0.looks.lock().unwrap().push(told);
        BlockVerdict::Refuse(Finding::because("it refuses everything"))
    }
}

/// A chain of that policy alone, and how it is told.
fn patient() -> (Chain, Arc<Shared>, Sender<()>) {
    let (tell, told) = channel();
    let shared = Arc::new(Shared { looks: Mutex::default(), told: Mutex::new(told) });
    let entry = Entry {
        group: None,
        kind: "patient",
        mode: Mode::Observe,
        name: "patient".into(),
        on_failure: OnFailure::Block,
        on_refusal: OnRefusal::Message,
        policy: Box::new(Patient(shared.clone())),
        when: Scope::default(),
    };
    let manner = Manner {
        approvals: Approvals::default(),
        budget: HARD,
        link: None,
        local_model: None,
        mask: Arc::new(str::to_owned),
        message: String::new(),
        now: Instant::now,
        resample: Resample::default(),
    };
    (Chain::new(vec![entry], manner), shared, tell)
}

/// What policies said of the last of so many calls, once all of them are told of.
async fn said(app: &App, calls: usize) -> Vec<Decision> {
    let until = Instant::now() + HARD;
    loop {
        let mut reports = app.reported();
        if reports.len() >= calls {
            return reports.pop().unwrap().decisions;
        }
        assert!(Instant::now() < until, "{} of {calls} calls", reports.len());
        tokio::task::yield_now().await;
    }
}

/// Issue 4, section 4: an observing chain does not delay an answer, streamed or whole, passed or translated.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_client_has_all_of_its_answer_before_an_observing_policy_looks_at_it() {
    for front in FRONTS {
        for provider in providers(front) {
            for layout in front.layouts() {
                let place = format!("{front:?} to {provider} as {layout:?}");
                let app = App::start(SCRIPT).await;
                let (policies, shared, tell) = patient();
                app.engine.set_policies(policies);
                let mut connection = app.begin(&call(front, &format!("{provider}:m"), *layout, None)).await;
                let head = connection.head().await.unwrap();
                let mut text = String::new();
                if *layout == Layout::Whole {
                    text = String::from_utf8(connection.body(&head).await.0).unwrap();
                } else {
                    while !is_whole(front, &text) {
                        let chunk = connection.chunk().await.unwrap();
                        let chunk = chunk.unwrap_or_else(|| panic!("{place}: it waited for a look\n{text}"));
                        text.push_str(&String::from_utf8(chunk).unwrap());
                    }
                }
                assert!(
                    shared.looks.lock().unwrap().is_empty(),
                    "{place}: it looked before the client had it"
                );
                tell.send(()).unwrap();
                tell.send(()).unwrap();
                let decisions = said(&app, 1).await;
                assert_eq!(*shared.looks.lock().unwrap(), [true, true], "{place}");
                assert!(
                    decisions.iter().all(|one| one.said == Said::Refuse && !one.applied),
                    "{decisions:?}"
                );
                assert_eq!(decisions.len(), 2, "{place}: {text}");
            }
        }
    }
}

/// Whether a stream has come to its end; where it is so long that it is looked at before, to the end of the first call.
fn is_whole(front: Front, text: &str) -> bool {
    match front {
        Front::Anthropic => text.contains("message_stop\"}"),
        Front::Chat => text.contains("[DONE]"),
        Front::Gemini => text.contains("\"finishReason\""),
        Front::Ollama => text.contains("\"done\":true"),
        Front::Responses => text.contains("canary-7d1f"),
    }
}

/// What was said, without what differs between two calls and two modes.
fn told(decisions: Vec<Decision>) -> Vec<(Hook, Option<String>, Option<String>, String)> {
    let of = |one: Decision| {
        let tool = one.tool.map(|tool| tool.name);
        (one.hook, one.finding.rule, tool, one.finding.reason)
    };
    decisions.into_iter().map(of).collect()
}

/// What an observing chain says of an answer is what it says where it holds it, also of answers that are damaged or cut.
#[tokio::test]
async fn an_observing_chain_sees_what_one_in_force_sees() {
    let calls = json!({"name": "call", "tools": ["*"], "then": "annotate", "reason": "a call"});
    let words = json!({"name": "words", "on": "text", "if": "text.size() > 3", "then": "annotate", "reason": "words"});
    let modes = |mode: &str, rules: &[&Value]| chain(json!({"chain": [{"mode": mode, "rules": rules}]}));
    let mut seen = 0;
    for front in FRONTS {
        for (name, script) in recorded(front) {
            let layout = if name.ends_with(".array.json") {
                Layout::Array
            } else if Path::new(&name).extension().is_some_and(|end| end == "json") {
                Layout::Whole
            } else {
                Layout::Stream
            };
            for provider in [front.provider(), "anthropic", "other"] {
                let app = App::with(&script, |setup| setup.each(|one| one.retry.attempts = 0)).await;
                let call = call(front, &format!("{provider}:m"), layout, None);
                let mut sent = 0;
                // Who looks for tool calls alone is not shown words.
                for rules in [&[&calls][..], &[&calls, &words]] {
                    let mut held = Vec::new();
                    for mode in ["block", "observe"] {
                        app.engine.set_policies(modes(mode, rules));
                        app.send(&call).await;
                        sent += 1;
                        let said = told(said(&app, sent).await);
                        if mode == "block" {
                            held = said;
                        } else {
                            assert_eq!(said, held, "{front:?} {name} from {provider}");
                            seen += said.len();
                        }
                    }
                }
            }
        }
    }
    assert!(seen > 150, "{seen}");
}

/// A policy that looks at requests alone may warn, and a chain of which nothing acts on the answer says so all the same.
#[tokio::test]
async fn a_warning_about_a_request_is_told_beside_an_answer_that_nobody_looks_at() {
    let app = App::start("rules: [{answer: {blocks: [{text: Fine.}]}}]").await;
    let warns: Value = json!({"mode": "warn", "model_allow": {"deny": ["*"], "reason": "it costs too much"}});
    let observes = json!({"mode": "observe", "rules": [{"name": "r", "tools": ["*"], "then": "refuse"}]});
    app.engine.set_policies(chain(json!({"chain": [warns, observes]})));
    for front in FRONTS {
        for layout in front.layouts() {
            let reply = app.send(&front.call(&format!("{}:m", front.provider()), *layout)).await;
            assert!(reply.text().contains("it costs too much"), "{front:?} {layout:?} {}", reply.text());
        }
    }
}

/// What an observing policy cannot hold is not looked at, and reaches the client.
#[tokio::test]
async fn an_answer_that_is_too_large_to_be_held_passes_an_observing_chain() {
    let large = "x".repeat(lockgate_policy::HELD_MAX + 1_000);
    let script = format!(
        "rules: [{{answer: {{chunk: 4000000, blocks: [{{tool_call: {{name: get_weather, args: {{city: {large}}}}}}}]}}}}]"
    );
    let app = App::start(&script).await;
    app.engine.set_policies(chain(
        json!({"chain": [{"mode": "observe", "rules": [{"name": "r", "tools": ["*"], "then": "refuse"}]}]}),
    ));
    for layout in [Layout::Whole, Layout::Stream] {
        let reply = app.send(&call(Front::Anthropic, "anthropic:m", layout, None)).await;
        assert!(reply.status == 200 && reply.body.len() > large.len(), "{layout:?} {}", reply.body.len());
        assert!(!reply.text().contains("to be judged by policies"), "{layout:?}");
    }
}
