//! What was recorded, as the commands show it, take it along and bring it back.

use std::fs;

use serde_json::{Value, json};

use crate::http::Stream;
use crate::support::{Gateway, Home, Scripted};

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: A fine answer}], usage: {input: 12, output: 34}}}]";

/// A home with a session of two turns, the second a stream, and a call that stands alone.
fn recorded() -> Home {
    let upstream = Scripted::start(SCRIPT);
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}", upstream.entry("up", "")));
    let mut gateway = Gateway::start(&home);
    let path = "/v1/chat/completions";
    let mut messages = vec![json!({"role": "user", "content": "Mend the \u{1b}[31mred test"})];
    let body =
        |messages: &[Value], stream: bool| json!({"model": "up:m", "stream": stream, "messages": messages});
    let turn = |body: &Value| {
        let answer = Stream::post_with(gateway.address, path, body, "x-session-id: s-one\r\n");
        answer.unwrap().end().unwrap()
    };
    assert_eq!(turn(&body(&messages, false)).status, 200);
    messages.push(json!({"role": "assistant", "content": "A fine answer"}));
    messages.push(json!({"role": "user", "content": "and the blue one"}));
    assert!(turn(&body(&messages, true)).text.contains("[DONE]"));
    assert_eq!(gateway.ask("up:m").status, 200);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    home
}

/// C1, behaviour 32: sessions are found by what was said in them; calls without one are shown as such.
#[test]
fn sessions_and_calls_are_listed_searched_and_shown_by_commands() {
    let home = recorded();
    let listed = home.run(&["session", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    assert!(listed.out.contains("s-one") && listed.out.contains("Mend the [31mred test"), "{}", listed.out);
    assert!(!listed.out.contains('\u{1b}'), "what somebody wrote cannot steer a terminal");
    let found = home.run(&["session", "list", "blue", "--json"]).json();
    assert_eq!(
        (&found["items"][0]["id"], &found["items"][0]["totals"]["calls"]),
        (&json!("s-one"), &json!(2))
    );
    assert_eq!(home.run(&["session", "list", "green"]).out.lines().count(), 1);

    let shown = home.run(&["session", "show", "s-on"]);
    assert!(shown.out.contains("2 calls") && shown.out.contains("34 output"), "{}", shown.out);
    let alone = home.run(&["call", "list", "--session", "none", "--json"]).json();
    assert_eq!(alone["items"].as_array().map(Vec::len), Some(1), "{alone}");
    let id = alone["items"][0]["id"].as_str().unwrap();
    let one = home.run(&["call", "show", id]);
    assert!(one.out.contains("up") && one.out.contains("client_request"), "{}", one.out);
    let body = home.run(&["call", "show", id, "--body", "client_answer"]);
    assert!(body.json()["choices"][0]["message"]["content"] == "A fine answer", "{}", body.out);

    for (args, code, words) in [
        (&["session", "show", "nope"][..], 1, "there is no session"),
        (&["call", "show", "nope"], 2, "no id"),
        (&["call", "list", "--status", "9xx"], 2, "`status`"),
        (&["session", "show", "x", "--json"], 1, "there is no session"),
    ] {
        let ran = home.run(args);
        assert_eq!(ran.code, code, "{args:?}: {ran:?}");
        assert!(format!("{}{}", ran.out, ran.err).contains(words), "{args:?}: {ran:?}");
    }
    let empty = Home::new().run(&["session", "list"]);
    assert_eq!(empty.code, 3);
    assert!(empty.err.contains("nothing is recorded yet"), "{}", empty.err);
}

/// C1, M1: an export holds everything, comes back elsewhere as it was, and a repetition changes nothing.
#[test]
fn a_session_is_exported_and_taken_over_elsewhere_without_loss() {
    let home = recorded();
    let markdown = home.run(&["session", "export", "s-one"]);
    assert!(
        markdown.out.contains("A fine answer") && markdown.out.contains("and the blue one"),
        "{}",
        markdown.out
    );
    for form in ["json", "jsonl"] {
        let file = home.path(&format!("session.{form}"));
        let name = file.to_str().unwrap();
        let ran = home.run(&["session", "export", "s-one", "--format", form, "--output", name]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let elsewhere = Home::new();
        let taken = elsewhere.run(&["session", "import", name, "--json"]).json();
        assert_eq!(taken, json!({"calls": 2, "repeated": 0}));
        let again = elsewhere.run(&["session", "import", name]);
        assert!(again.out.contains("2 were here already"), "{}", again.out);
        let back = elsewhere.run(&["session", "export", "s-one", "--format", form]);
        assert!(back.out == fs::read_to_string(&file).unwrap(), "{form} came back changed");
    }
    let broken =
        home.write("broken.jsonl", "{\"format\":\"lockgate-session/1\",\"session\":null}\n{\"call\":1}\n");
    let ran = home.run(&["session", "import", broken.to_str().unwrap()]);
    assert!(ran.code == 2 && ran.err.contains("line 2"), "{ran:?}");
}

/// M4: a title by hand; M1: a transcript where Claude Code looks for it.
#[test]
fn a_session_is_renamed_and_written_where_claude_code_finds_it() {
    let home = recorded();
    assert_eq!(home.run(&["session", "rename", "latest", "The great mending"]).code, 0);
    assert!(home.run(&["session", "list"]).out.contains("The great mending"));
    let made = home.run(&["session", "resume", "latest", "--json"]).json();
    let file = fs::read_to_string(made["file"].as_str().unwrap()).unwrap();
    assert!(file.lines().count() >= 3 && file.contains("and the blue one"), "{file}");
    let twice = home.run(&["session", "resume", "latest"]);
    assert!(twice.code == 1 && twice.err.contains("--force"), "{twice:?}");
    assert_eq!(home.run(&["session", "resume", "latest", "--force"]).code, 0);
    let cost = home.run(&["session", "cost", "latest"]);
    assert!(cost.code == 0 && cost.out.contains("not known"), "{cost:?}");
}
