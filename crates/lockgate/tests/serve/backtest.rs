//! Recorded traffic before other policies, while a gateway goes on writing; what people say of verdicts, and what that adds up to.

use std::fs;

use serde_json::{Value, json};

use crate::http::Stream;
use crate::support::{Gateway, Home, Scripted, until};

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: Let me see.}, {tool_call: {name: Bash, args: {command: git push --force sk-ant-api03-NqVwYS81VP7Hb1DX8pPd5khxE3pyIgKpaUnArl63XykWZeiNNCiia3anXn9k3ksu9mI4ROnl89Sm995ytbxAk7jqevt0MAA}}}, {tool_call: {name: Read, args: {path: a.txt}}}]}}]";

/// Policies of which one refuses forced pushes.
fn rules(mode: &str, more: &str) -> String {
    format!(
        "policies:\n  chain:\n    - name: git\n      mode: {mode}\n      rules:\n        - {{name: no-force, tools: [Bash], arguments: {{command: '*push*--force*'}}, then: refuse, reason: history is shared}}\n{more}"
    )
}

fn home(upstream: &Scripted, policies: &str) -> Home {
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}{policies}", upstream.entry("up", "")));
    home
}

fn call(gateway: &Gateway, session: &str, stream: bool) {
    let body = json!({
        "model": "up:m", "stream": stream, "messages": [{"role": "user", "content": "push it"}],
        "tools": [{"type": "function", "function": {"name": "Bash"}}, {"type": "function", "function": {"name": "Read"}}],
    });
    let header = format!("x-session-id: {session}\r\n");
    let answer = Stream::post_with(gateway.address, "/v1/chat/completions", &body, &header).unwrap();
    assert_eq!(answer.end().unwrap().status, 200);
}

/// Waits until so many calls are stored.
fn stored(home: &Home, calls: usize) -> Value {
    let list = || home.run(&["call", "list", "--json"]);
    until("the calls are stored", || {
        let listed = list();
        listed.code == 0 && listed.json()["items"].as_array().map(Vec::len) == Some(calls)
    });
    list().json()
}

fn backtest(home: &Home, policies: &str, more: &[&str]) -> (i32, Value) {
    fs::write(home.path("new.yaml"), policies).unwrap();
    let args = ["policy", "backtest", "new.yaml", "--alone", "--json", "--fail-on-change"];
    let ran = home.run(&[&args[..], more].concat());
    assert!(ran.code < 2, "{ran:?}");
    (ran.code, ran.json())
}

/// Requirement 000 behaviour 30: yesterday's traffic before tomorrow's policies, without a call to anybody.
#[test]
fn a_candidate_is_tried_on_recorded_traffic_and_every_difference_is_told() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, &rules("block", ""));
    let gateway = Gateway::start(&home);
    for (session, stream) in [("s-one", true), ("s-one", false), ("s-two", true)] {
        call(&gateway, session, stream);
    }
    stored(&home, 3);
    // Lists of models may be asked for at any time.
    let calls = || upstream.seen.requests().iter().filter(|request| request.method == "POST").count();
    let asked = calls();

    let (code, same) = backtest(&home, &rules("block", ""), &[]);
    assert_eq!(code, 0, "{same}");
    assert_eq!((&same["calls"]["replayed"], &same["tool_calls"]), (&json!(3), &json!(6)), "{same}");
    assert_eq!(same["rules"][0]["fired"], 3, "{same}");
    assert_eq!(same["examples"], json!([]));

    let (code, none) = backtest(&home, "policies: {chain: []}\n", &[]);
    assert_eq!((code, &none["changes"]["newly_allowed"]), (1, &json!(3)), "{none}");
    assert_eq!(none["examples"][0]["policy"], "git", "who refused it then: {none}");

    let reading = "        - {name: no-read, tools: [Read], then: refuse, reason: not that}\n";
    let (code, more) = backtest(&home, &rules("block", reading), &["--limit", "1"]);
    assert_eq!((code, &more["changes"]["newly_refused"]), (1, &json!(3)), "{more}");
    assert_eq!(more["changes"]["newly_allowed"], 0);
    assert_eq!(more["tools"], json!([{"tool": "Read", "calls": 3, "changes": more["changes"]}]));
    assert_eq!(more["sessions"][0]["session"], "s-one", "the most changes first: {more}");
    assert_eq!(more["examples"].as_array().map(Vec::len), Some(1), "{more}");
    let example = &more["examples"][0];
    assert_eq!(
        (&example["thing"], &example["rule"], &example["then"], &example["now"]),
        (&json!("Read"), &json!("no-read"), &json!("passed"), &json!("refused")),
    );

    let (code, observed) = backtest(&home, &rules("observe", ""), &["--session", "s-two"]);
    assert_eq!((code, &observed["changes"]["newly_allowed"]), (1, &json!(1)), "{observed}");
    let rule = &observed["rules"][0];
    assert_eq!((&rule["fired"], &rule["would_have"]), (&json!(1), &json!(1)), "{observed}");
    let shown = observed["examples"][0]["arguments"].as_str().unwrap();
    assert!(shown.contains("«redacted:") && !shown.contains("sk-ant-api03"), "{shown}");

    let (code, nothing) =
        backtest(&home, &rules("block", reading), &["--until", "2020-01-01", "--since", "2019-01-01"]);
    assert_eq!((code, &nothing["calls"]["replayed"]), (0, &json!(0)));
    assert_eq!(calls(), asked, "nobody was asked anything");

    let table = home.run(&["policy", "backtest", "new.yaml", "--alone"]);
    assert_eq!(table.code, 0, "a report is no finding: {table:?}");
    for words in [
        "3 calls with 6 tool calls replayed",
        "+REFUSED",
        "no-read",
        "s-one",
        "Read was passed, would be refused",
        "lockgate call show ",
    ] {
        assert!(table.out.contains(words), "{words} in {}", table.out);
    }
    // As it would be applied: behind the policies of the file, which stay.
    let reading = "policies: {chain: [{name: reads, rules: [{name: no-read, tools: [Read], then: refuse, reason: not that}]}]}\n";
    fs::write(home.path("apply.yaml"), reading).unwrap();
    let behind = home.run(&["policy", "backtest", "apply.yaml", "--json"]).json();
    assert_eq!(
        (&behind["changes"]["newly_refused"], &behind["changes"]["newly_allowed"]),
        (&json!(3), &json!(0)),
        "{behind}"
    );
    assert!(behind["behind"].as_str().is_some_and(|file| file.ends_with("lockgate.yaml")), "{behind}");
    let twice = home.run(&["policy", "backtest", "new.yaml"]);
    assert!(twice.code == 2 && twice.err.contains("new.yaml:3:7: "), "{twice:?}");
    assert!(twice.err.contains("another policy `git`") && twice.err.contains("--alone"), "{twice:?}");
    fs::write(home.path("empty.yaml"), "# later\n").unwrap();
    let empty = home.run(&["policy", "backtest", "empty.yaml"]);
    assert!(empty.code == 2 && empty.err.contains("empty.yaml is empty"), "{empty:?}");

    fs::write(home.path("broken.yaml"), rules("blok", "")).unwrap();
    for (file, words) in [("broken.yaml", "blok"), ("none.yaml", "there is no file none.yaml")] {
        let ran = home.run(&["policy", "backtest", file]);
        assert!(ran.code == 2 && ran.err.contains(words), "{ran:?}");
    }
    call(&gateway, "s-three", true);
    stored(&home, 4);
}

/// Requirement 000 behaviour 30: what judges said is reused; what they did not say is listed with what it costs to ask.
#[test]
fn recorded_verdicts_of_judges_are_reused_and_missing_ones_are_listed() {
    let upstream = Scripted::start(
        "rules:
  - {when: {model: strict}, answer: {blocks: [{text: '{\"probability\": 0.7, \"explanation\": \"it rewrites history\"}'}]}}
  - answer: {blocks: [{text: Hm.}, {tool_call: {name: Bash, args: {command: git push --force}}}]}",
    );
    let judged = |model: &str, threshold: f64| {
        format!(
            "policies: {{chain: [{{name: look, tool_judge: {{model: '{model}', threshold: {threshold}}}}}]}}\n"
        )
    };
    let home = home(&upstream, &judged("up:strict", 0.6));
    let gateway = Gateway::start(&home);
    call(&gateway, "s-one", true);
    stored(&home, 2);
    let (code, same) = backtest(&home, &judged("up:strict", 0.6), &[]);
    assert_eq!((code, &same["questions"]["reused"]), (0, &json!(1)), "{same}");
    assert_eq!(same["calls"]["replayed"], 1, "the question itself is no call of a client: {same}");
    let (_, milder) = backtest(&home, &judged("up:strict", 0.8), &[]);
    assert_eq!(milder["changes"]["newly_allowed"], 1, "the same answer weighed otherwise: {milder}");
    let (_, other) = backtest(&home, &judged("anthropic:claude-haiku-4-5", 0.6), &[]);
    let asked = &other["questions"];
    assert_eq!((&asked["reused"], &asked["missing"]), (&json!(0), &json!(1)), "{other}");
    assert!(asked["missing_cost_nano_at_most"].as_i64().is_some_and(|nano| nano > 0), "{other}");
    assert_eq!(other["changes"]["newly_allowed"], 1, "it is open, where it was refused: {other}");
    let table = home.run(&["policy", "backtest", "new.yaml", "--alone"]).out;
    assert!(table.contains("1 to anthropic:claude-haiku-4-5 have no answer in the record"), "{table}");
}

/// A tool that takes free text is called through a function by a provider that has none, and judged as the client knows it.
#[test]
fn tool_calls_of_another_dialect_are_judged_as_the_client_knows_them() {
    let upstream = Scripted::start(
        "rules: [{answer: {blocks: [{tool_call: {name: apply_patch, args: {input: '*** Begin Patch of a.txt'}}}]}}]",
    );
    let home = home(&upstream, "");
    let gateway = Gateway::start(&home);
    let body = json!({
        "model": "up:m", "input": "patch it", "tools": [{"type": "custom", "name": "apply_patch"}],
    });
    let answer = Stream::post(gateway.address, "/v1/responses", &body).unwrap().end().unwrap();
    assert!(answer.text.contains("custom_tool_call"), "{}", answer.text);
    stored(&home, 1);
    let candidate = "policies: {chain: [{name: patches, rules: [{name: none, tools: [apply_patch], then: refuse, reason: no patches}]}]}\n";
    let (_, told) = backtest(&home, candidate, &[]);
    assert_eq!(told["changes"]["newly_refused"], 1, "{told}");
    assert_eq!(told["examples"][0]["arguments"], "*** Begin Patch of a.txt", "{told}");
}

/// Issue 4, trust: people say whether an observing policy was right, and that decides whether it may refuse.
#[test]
fn verdicts_are_labelled_by_people_and_add_up_to_trust() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, &rules("observe", ""));
    let gateway = Gateway::start(&home);
    call(&gateway, "s-one", true);
    call(&gateway, "s-two", false);
    stored(&home, 2);
    let stats = || home.run(&["policy", "stats", "git", "--json"]).json();
    let before = stats();
    assert_eq!((&before["calls"], &before["tool_calls"]), (&json!(2), &json!(4)), "{before}");
    let git = &before["policies"][0];
    assert_eq!(
        (&git["fired"], &git["would_have"], &git["labelled"]),
        (&json!(2), &json!(2), &json!(0)),
        "{git}"
    );
    assert_eq!((&git["precision"], &git["promotable"]), (&json!(null), &json!(false)));
    let verdicts = before["verdicts"]["items"].as_array().unwrap().clone();
    assert_eq!(verdicts.len(), 2, "{before}");
    let label = |verdict: &Value, word: &str, more: &[&str]| {
        let (call, number) = (verdict["call"].as_str().unwrap(), verdict["number"].to_string());
        home.run(&[&["policy", "label", call, &number, word], more].concat())
    };
    let secret = "ghp_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z0A";
    let said = label(&verdicts[0], "right", &["--note", &format!("it had {secret}")]);
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(label(&verdicts[1], "wrong", &[]).code, 0);
    let after = stats();
    let git = &after["policies"][0];
    assert_eq!(
        (&git["right"], &git["wrong"], &git["precision"]["value"]),
        (&json!(1), &json!(1), &json!(0.5))
    );
    assert_eq!(git["wrong_per_100_tool_calls"], 25.0, "one of two verdicts in four tool calls: {git}");
    assert_eq!(git["missing"], "2 of its verdicts are labelled, and 30 are needed");
    let id = verdicts[0]["call"].as_str().unwrap();
    let shown = home.run(&["call", "show", id, "--json"]).json();
    let kept = &shown["decisions"][0]["label"];
    assert_eq!(kept["verdict"], "right", "{shown}");
    assert!(kept["note"].as_str().unwrap().contains("«redacted:"), "{kept}");
    assert!(!shown.to_string().contains(secret));
    assert_eq!(
        home.run(&["policy", "stats", "git", "--unlabelled", "--json"]).json()["verdicts"]["items"],
        json!([])
    );
    assert_eq!(label(&verdicts[1], "none", &[]).code, 0);
    assert_eq!(stats()["policies"][0]["labelled"], 1);
    let table = home.run(&["policy", "stats", "git"]).out;
    assert!(table.contains("100 % (21-100)") && table.contains(id) && table.contains("no-force"), "{table}");
    let none = home.run(&["policy", "stats", "NOPE"]);
    assert!(none.code == 2 && none.err.contains("there is no policy `NOPE`"), "{none:?}");
    let missing = home.run(&["policy", "label", id, "9", "right"]);
    assert!(missing.code == 1 && missing.err.contains("no verdict of a policy"), "{missing:?}");
}
