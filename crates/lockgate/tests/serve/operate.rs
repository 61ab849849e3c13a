//! What an operator does by command: numbers, the audit, the log's level, retention, the quarantine, users.

use std::fs;

use serde_json::{Value, json};

use crate::http::Stream;
use crate::support::{Gateway, Home, Ran, Scripted, until};

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: A fine answer}], usage: {input: 12, output: 34}}}]";

fn ok(home: &Home, args: &[&str]) -> Ran {
    let ran = home.run(args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran
}

/// A home with a gateway that has answered two calls of ann, one of them of secret data, and one of bob.
fn recorded() -> (Home, Gateway) {
    let upstream = Scripted::start(SCRIPT);
    let home = Home::new();
    let key = |name: &str, user: &str, more: &str| {
        format!("  - {{name: {name}, hash: '{}', user: {user}{more}}}\n", lockgate::key::hash(name))
    };
    let keys =
        [key("laptop", "ann", ""), key("vault", "ann", ", data_class: secret"), key("robot", "bob", "")];
    let config = format!(
        "record: {{retention: {{calls_days: 30}}}}\nproviders:\n{}keys:\n{}",
        upstream.entry("up", ""),
        keys.concat()
    );
    home.write("lockgate.yaml", &config);
    let gateway = Gateway::start(&home);
    for key in ["laptop", "vault", "robot"] {
        let body = json!({"model": "up:m", "messages": [{"role": "user", "content": "hi"}]});
        let more = format!("authorization: Bearer {key}\r\nx-session-id: of-{key}\r\n");
        let answer = Stream::post_with(gateway.address, "/v1/chat/completions", &body, &more);
        assert_eq!(answer.unwrap().end().unwrap().status, 200);
    }
    until("all is stored", || gateway.health()["record"]["stored"] == 3);
    // The password is written before the user.
    until("the first user is there", || home.run(&["user", "show", "admin"]).code == 0);
    (home, gateway)
}

/// 004-20: numbers as a table, one by one, as CSV and JSON, and the calls behind them; while the gateway runs.
#[test]
fn numbers_are_asked_for_by_command() {
    let (home, _gateway) = recorded();
    let table = ok(&home, &["stats", "volume", "--by", "user", "--days", "1"]).out;
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines, [vec!["USER", "CALLS"], vec!["ann", "2"], vec!["bob", "1"], vec!["all", "3"]]);
    let one = ok(&home, &["stats"]).out;
    assert!(one.lines().any(|line| line.starts_with("calls ") && line.contains(" 3 ")), "{one}");
    let csv = ok(&home, &["stats", "volume", "--by", "data_class", "--since", "1h", "--csv"]).out;
    assert!(csv.lines().any(|line| line.contains("secret") && line.contains(",1")), "{csv}");
    let json = ok(&home, &["stats", "volume", "--data-class", "secret", "--json"]).json();
    assert_eq!(json["total"]["values"]["calls"], 1);
    let calls = ok(&home, &["stats", "--calls", "--data-class", "secret", "--json"]).json();
    assert_eq!(calls["items"][0]["key"], "vault");
    assert!(ok(&home, &["stats", "--list"]).out.contains("latency"));
    let wrong = home.run(&["stats", "costs"]);
    assert!(wrong.code == 2 && wrong.err.contains("cost, errors"), "{wrong:?}");
    let wrong = home.run(&["stats", "--by", "colour", "--json"]);
    assert!(wrong.json()["error"]["message"].as_str().unwrap().contains("data_class"), "{wrong:?}");
}

/// O3: what is deleted by age is shown, counted and done by command, and the audit says who did what.
#[test]
fn retention_users_and_the_audit_are_looked_after_by_command() {
    let (home, _gateway) = recorded();
    let shown = ok(&home, &["retention", "show"]).out;
    assert!(
        shown.contains("30 days") && shown.contains("never") && shown.contains("not archived"),
        "{shown}"
    );
    assert_eq!(ok(&home, &["retention", "show", "--json"]).json()["calls_days"], 30);
    assert!(ok(&home, &["retention", "run"]).out.contains("calls would be deleted: 0"));
    assert_eq!(ok(&home, &["retention", "run", "--yes", "--json"]).json()["calls"]["calls"], 0);

    ok(&home, &["user", "add", "cleo", "--role", "viewer"]);
    assert!(ok(&home, &["user", "show", "cleo"]).out.contains("viewer"));
    assert_eq!(ok(&home, &["user", "logout", "cleo", "--json"]).json()["logged_out"], "cleo");
    assert_eq!(home.run(&["user", "show", "nobody"]).code, 1);
    let entries = ok(&home, &["audit", "--object", "user:cleo", "--json"]).json();
    let verbs: Vec<&Value> =
        entries["items"].as_array().unwrap().iter().map(|entry| &entry["verb"]).collect();
    assert!(verbs.contains(&&json!("create")), "{verbs:?}");
    let table = ok(&home, &["audit", "--since", "1h", "--verb", "create"]).out;
    assert!(table.contains("WHO") && table.contains("user:cleo"), "{table}");
    assert!(ok(&home, &["audit", "--actor", "nobody"]).out.contains("No entry"));
}

/// The log says more for a while, at the gateway that the configuration describes, and no login is left behind.
#[test]
fn the_level_of_the_log_is_changed_by_command_while_the_gateway_runs() {
    let (home, gateway) = recorded();
    let address = gateway.address;
    home.write("here.yaml", &format!("server: {{listen: '{address}'}}\n"));
    let level = |args: &[&str]| home.run(&[&["log", "level", "--config", "here.yaml"], args].concat());
    let first = level(&[]);
    assert_eq!(first.out.trim(), "info", "{first:?}");
    let changed = level(&["debug", "--minutes", "5"]);
    assert!(
        changed.out.starts_with("debug until ") && changed.out.contains("then info again"),
        "{changed:?}"
    );
    assert_eq!(level(&["--json"]).json()["level"], "debug");
    assert_eq!(level(&["--reset"]).out.trim(), "info");
    let wrong = home.run(&["log", "level", "--gateway", "http://127.0.0.1:9"]);
    assert!(wrong.code == 3 && wrong.err.contains("is a Lockgate running there"), "{wrong:?}");
    let audit = ok(&home, &["audit", "--object", "log", "--json"]).json();
    assert_eq!(audit["items"][0]["detail"]["level"], "info", "{audit}");
    let (logins, logouts) = ("login", "logout");
    let count = |verb: &str| {
        ok(&home, &["audit", "--verb", verb, "--json"]).json()["items"].as_array().unwrap().len()
    };
    assert_eq!(count(logins), count(logouts));
}

/// What could not be stored is told with the reason, tried again and dropped, also while no gateway runs.
#[test]
fn calls_in_quarantine_are_listed_released_and_dropped_by_command() {
    let (home, mut gateway) = recorded();
    assert!(ok(&home, &["quarantine", "list"]).out.contains("Nothing"));
    let aside = home.path(".local/share/lockgate/log/0/quarantine");
    fs::create_dir_all(&aside).unwrap();
    let ids = ["01990000-0000-7000-8000-000000000001", "01990000-0000-7000-8000-000000000002"];
    for id in ids {
        fs::write(aside.join(format!("{id}.log")), "no log").unwrap();
        fs::write(aside.join(format!("{id}.txt")), "the text has a zero in it\n").unwrap();
    }
    let listed = ok(&home, &["quarantine", "list"]).out;
    assert!(ids.iter().all(|id| listed.contains(id)) && listed.contains("a zero in it"), "{listed}");
    ok(&home, &["quarantine", "drop", ids[0]]);
    let left = ok(&home, &["quarantine", "list", "--json"]).json();
    assert_eq!(left["items"].as_array().unwrap().len(), 1, "{left}");
    assert_eq!(home.run(&["quarantine", "drop", ids[0]]).code, 1, "it is gone");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    ok(&home, &["quarantine", "release", ids[1]]);
    assert!(!aside.join(format!("{}.log", ids[1])).exists());
    let audit = ok(&home, &["audit", "--json"]).json();
    let verbs: Vec<&Value> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["verb"]).collect();
    assert!(verbs.contains(&&json!("release")) && verbs.contains(&&json!("discard")), "{verbs:?}");
}

/// 004-22: what is thought of calls is said, seen, counted and taken back by command; a program with a key says it of its own calls.
#[test]
fn feedback_is_given_and_counted_by_command() {
    let (home, gateway) = recorded();
    let calls = ok(&home, &["call", "list", "--json"]).json();
    let id = |key: &str| {
        let found = calls["items"].as_array().unwrap().iter().find(|call| call["key"] == key).unwrap();
        found["id"].as_str().unwrap().to_owned()
    };
    ok(
        &home,
        &["feedback", "say", "good", "--call", &id("laptop"), "--label", "quick", "--comment", "just so"],
    );
    let said = ok(&home, &["feedback", "say", "-0.5", "--call", &id("robot"), "--json"]).json();
    assert_eq!(said["score"], -0.5);
    let url = format!("http://{}", gateway.address);
    let at = ["--gateway", &url, "--token", "robot"];
    let own = home.run(&[&["feedback", "say", "bad", "--json", "--call", &id("robot")], &at[..]].concat());
    assert_eq!(
        (own.json()["source"].as_str(), own.json()["author"].as_str()),
        (Some("program"), Some("robot"))
    );
    let others = home.run(&[&["feedback", "say", "bad", "--call", &id("laptop")], &at[..]].concat());
    assert!(others.code == 1 && others.err.contains("there is no call"), "{others:?}");

    let listed = ok(&home, &["feedback", "list"]).out;
    assert!(listed.contains("just so") && listed.contains("program robot"), "{listed}");
    let counted = ok(&home, &["feedback", "stats", "--by", "user", "--days", "1"]).out;
    let bob = counted.lines().find(|line| line.starts_with("bob")).unwrap();
    assert_eq!(bob.split_whitespace().collect::<Vec<_>>(), ["bob", "1", "0", "2", "0.0", "%", "-0.75"]);
    assert!(ok(&home, &["call", "show", &id("laptop")]).out.contains("just so"));
    let sessions = ok(&home, &["session", "list", "--json"]).json();
    let session = sessions["items"][0]["id"].as_str().unwrap();
    ok(&home, &["feedback", "say", "good", "--session", session, "--comment", "all of it"]);
    assert!(ok(&home, &["session", "show", session]).out.contains("all of it"));
    let last = ok(&home, &["feedback", "list", "--session", session, "--json"]).json();
    ok(&home, &["feedback", "drop", last["items"][0]["id"].as_str().unwrap()]);
    ok(&home, &["feedback", "drop", said["id"].as_str().unwrap()]);
    assert_eq!(ok(&home, &["feedback", "list", "--json"]).json()["items"].as_array().unwrap().len(), 2);
    let wrong = home.run(&["feedback", "say", "fine", "--call", &id("laptop")]);
    assert!(wrong.code == 2 && wrong.err.contains("from -1 to 1"), "{wrong:?}");
}
