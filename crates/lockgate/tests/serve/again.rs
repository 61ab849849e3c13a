//! What policies make of a call beyond letting it go or refusing it: the model is asked again, several vote, a request stays local.

use serde_json::{Value, json};

use crate::http::{self, Stream};
use crate::support::{Gateway, Home, Scripted, until};

/// The second answer is to whoever got the first one back.
const SCRIPT: &str = "rules:
  - {when: {model: sure}, answer: {blocks: [{text: '{\"probability\": 0.9, \"explanation\": \"it rewrites history\"}'}]}}
  - {when: {model: unsure}, answer: {blocks: [{text: '{\"probability\": 0.1}'}]}}
  - {when: {has_tool_result: true}, answer: {blocks: [{text: Without force then.}, {tool_call: {name: Bash, args: {command: git push origin topic}}}], usage: {input: 120, output: 9}}}
  - {answer: {blocks: [{text: I push.}, {tool_call: {name: Bash, args: {command: git push --force}}}], usage: {input: 100, output: 8}}}
";

fn start(upstream: &Scripted, more: &str, policies: &str) -> (Home, Gateway) {
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}policies:\n{policies}", upstream.entry("up", more)));
    let gateway = Gateway::start(&home);
    (home, gateway)
}

fn asks(model: &str, stream: bool) -> Value {
    json!({
        "model": model, "stream": stream, "messages": [{"role": "user", "content": "push it"}],
        "tools": [{"type": "function", "function": {"name": "Bash", "parameters": {"type": "object"}}}],
    })
}

fn answer(gateway: &Gateway, stream: bool) -> String {
    let sent = Stream::post(gateway.address, "/v1/chat/completions", &asks("up:m", stream)).unwrap();
    sent.end().unwrap().text
}

/// An agent that works by itself goes on: its model hears why its call was refused, and the record shows both calls in one session.
#[test]
fn a_model_that_is_asked_again_goes_on_and_both_calls_are_recorded() {
    let upstream = Scripted::start(SCRIPT);
    let (home, mut gateway) =
        start(&upstream, "", "  chain: [{name: shell, on_refusal: resample, shell_guard: {}}]\n");
    for stream in [false, true] {
        let got = answer(&gateway, stream);
        assert!(!got.contains("--force") && !got.contains("refused"), "{got}");
        let pushes = got.matches("Bash").count();
        assert!(pushes == 1 && got.contains("topic"), "{got}");
    }
    let bodies: Vec<String> =
        upstream.seen.requests().iter().map(|one| String::from_utf8_lossy(&one.body).into_owned()).collect();
    let told = "This tool call was not run: it was refused by the policy `shell`";
    assert_eq!(bodies.iter().filter(|body| body.contains(told)).count(), 2, "{bodies:?}");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    let calls = home.run(&["call", "list", "--json"]).json();
    let calls = calls["items"].as_array().unwrap();
    assert_eq!(calls.len(), 4, "two calls of the client, and two of the gateway");
    assert!(calls.iter().all(|call| call["session"] == calls[0]["session"]), "{calls:?}");
    let said: Vec<Value> = calls
        .iter()
        .flat_map(|call| {
            let shown = home.run(&["call", "show", call["id"].as_str().unwrap(), "--json"]).json();
            shown["decisions"].as_array().unwrap().iter().map(|one| one["record"].clone()).collect::<Vec<_>>()
        })
        .collect();
    let of = |word: &str| said.iter().filter(|one| one["said"] == word).collect::<Vec<_>>();
    assert_eq!((of("resample").len(), of("annotate").len()), (2, 2), "{said:?}");
    let named = of("annotate")[0]["reason"].as_str().unwrap();
    assert!(calls.iter().any(|call| named.contains(call["id"].as_str().unwrap())), "{named}");
}

/// Two models of which neither is trusted alone: the call goes if one of them has nothing against it.
#[test]
fn several_judges_vote_and_each_vote_is_recorded() {
    let upstream = Scripted::start(SCRIPT);
    let chain = |vote: &str| {
        format!(
            "  groups: {{judges: {{vote: {vote}}}}}
  chain:
    - {{name: one, group: judges, tool_judge: {{model: 'up:sure'}}}}
    - {{name: two, group: judges, tool_judge: {{model: 'up:unsure'}}}}
"
        )
    };
    let (home, gateway) = start(&upstream, "", &chain("unanimous"));
    let passes = |gateway: &Gateway| answer(gateway, true).contains("\"tool_calls\"");
    assert!(passes(&gateway), "one alone does not stop it");
    let write = |policies: &str| {
        home.write(
            "lockgate.yaml",
            &format!("providers:\n{}policies:\n{policies}", upstream.entry("up", "")),
        );
    };
    write(&chain("first_refusal"));
    until("one objection is enough", || !passes(&gateway));
    let words = answer(&gateway, false);
    assert!(words.contains("it rewrites history (1 of 2 in the group `judges`)"), "{words}");
    write(&chain("most"));
    until("it is refused", || gateway.log().contains("`most` is not one of"));
    drop(gateway);
    let listed = home.run(&["config", "check"]);
    assert!(
        listed.code != 0 && listed.out.contains("first_refusal") || listed.err.contains("first_refusal"),
        "{listed:?}"
    );
}

/// A request that is kept local goes nowhere where there is no local model, and says what to do.
#[test]
fn a_request_that_is_kept_local_says_what_to_do_where_it_cannot_go() {
    let upstream = Scripted::start(SCRIPT);
    let chain = "  chain: [{name: house, rules: [{name: stays, on: call, if: 'true', then: keep_local, reason: it is ours}]}]\n";
    let (_home, gateway) = start(&upstream, ", local: false", chain);
    let refused = http::post(gateway.address, "/v1/chat/completions", &asks("up:m", false));
    assert_eq!(refused.status, 403, "{}", refused.text);
    let words = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(
        words.starts_with("the policy `house` keeps it local: it is ours; `m` of `up` is not local"),
        "{words}"
    );
    let (_home, gateway) = start(&upstream, ", local: true", chain);
    assert!(answer(&gateway, false).contains("I push."));
}
