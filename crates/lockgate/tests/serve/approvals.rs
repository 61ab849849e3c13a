//! Calls that wait for a person: held in a running gateway, decided by the command line and the admin API.

use std::thread;

use serde_json::{Value, json};

use crate::http::{self, Answer, Stream};
use crate::support::{Gateway, Home, Ran, Scripted, until};

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: Let me see.}, {tool_call: {name: Bash, args: {command: git push, description: d}}}]}}]";

fn home(upstream: &Scripted, approvals: &str, more: &str) -> Home {
    let home = Home::new();
    let policies = format!(
        "policies:\n  approvals: {{{approvals}}}\n  chain:\n    - name: git\n      rules:\n        - {{name: push, tools: [Bash], arguments: \
         {{command: 'git push*'}}, then: ask, reason: all will see it}}\n"
    );
    home.write("lockgate.yaml", &format!("providers:\n{}{policies}{more}", upstream.entry("up", "")));
    home
}

fn asks(session: &str, stream: bool) -> Asking {
    let parameters = json!({"type": "object", "properties": {"command": {"type": "string"}}});
    Asking {
        body: json!({
            "model": "up:m", "stream": stream, "messages": [{"role": "user", "content": "push it"}],
            "tools": [{"type": "function", "function": {"name": "Bash", "parameters": parameters}}],
        }),
        head: format!("x-session-id: {session}\r\n"),
    }
}

/// A request.
struct Asking {
    body: Value,
    head: String,
}

impl Asking {
    fn open(&self, gateway: &Gateway) -> Stream {
        Stream::post_with(gateway.address, "/v1/chat/completions", &self.body, &self.head).unwrap()
    }

    fn send(self, gateway: &Gateway) -> thread::JoinHandle<Answer> {
        let stream = self.open(gateway);
        thread::spawn(move || stream.end().unwrap())
    }
}

/// The questions that wait.
fn pending(home: &Home) -> Vec<Value> {
    let listed = home.run(&["policy", "pending", "--json"]);
    // Until the first call there is no database.
    if listed.code != 0 { Vec::new() } else { listed.json()["items"].as_array().cloned().unwrap() }
}

/// The end of the id of the only one that waits.
fn waiting(home: &Home) -> String {
    let mut found = Vec::new();
    until("a call waits", || {
        found = pending(home);
        !found.is_empty()
    });
    assert_eq!(found.len(), 1, "{found:?}");
    let id = found[0]["id"].as_str().unwrap().to_owned();
    id[id.len() - 10..].to_owned()
}

fn decide(home: &Home, words: &[&str]) -> Ran {
    let ran = home.run(words);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// Requirement "human approval": the held call is seen at once, decided by the command line, and what was decided is in the record and the audit.
#[test]
fn a_held_call_is_let_go_or_refused_by_the_command_line() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "", "");
    let gateway = Gateway::start(&home);
    for stream in [true, false] {
        let answer = asks("s1", stream).send(&gateway);
        let id = waiting(&home);
        let shown = home.run(&["policy", "pending"]).out;
        for part in ["Bash", "git (push)", "all will see it", "git push", "s1"] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        for little in ["0", "", ".0", &id[7..]] {
            let ran = home.run(&["policy", "approve", little]);
            assert!(ran.code == 2 && ran.err.contains("too little"), "{little:?}: {ran:?}");
        }
        let told = decide(&home, &["policy", "approve", &id, "--reason", "go on"]);
        assert!(told.out.contains("approved: the call of Bash"), "{}", told.out);
        let answer = answer.join().unwrap().text;
        assert!(answer.contains("\"tool_calls\"") && !answer.contains("[Lockgate]"), "{answer}");
        assert!(pending(&home).is_empty());
        let again = home.run(&["policy", "approve", &id]);
        assert!(again.code == 2 && again.err.contains("no call that waits"), "{again:?}");

        let answer = asks("s1", stream).send(&gateway);
        let id = waiting(&home);
        decide(&home, &["policy", "deny", &id, "--reason", "not today"]);
        let answer = answer.join().unwrap().text;
        assert!(answer.contains("all will see it; command line declined: not today"), "{answer}");
        assert!(!answer.contains("call_"), "{answer}");
    }
    let mut said = Vec::new();
    until("the calls are recorded", || {
        let calls = home.run(&["call", "list", "--json"]).json();
        let ids =
            calls["items"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned());
        said = ids
            .map(|id| home.run(&["call", "show", &id, "--json"]).json()["decisions"].to_string())
            .collect();
        said.len() == 4
    });
    assert_eq!(said.iter().filter(|said| said.contains("command line agreed: go on")).count(), 2, "{said:?}");
    assert_eq!(
        said.iter().filter(|said| said.contains("command line declined: not today")).count(),
        2,
        "{said:?}"
    );
}

/// An answer may stand for the same calls of a session, or of a key for good, until it is taken back; others are asked about.
#[test]
fn an_answer_may_stand_for_later_calls() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "", "");
    let gateway = Gateway::start(&home);
    let first = asks("s1", true).send(&gateway);
    decide(&home, &["policy", "approve", &waiting(&home), "--holds", "session"]);
    first.join().unwrap();
    let again = asks("s1", true).open(&gateway).end().unwrap().text;
    assert!(again.contains("\"tool_calls\"") && !again.contains("[Lockgate]"), "{again}");
    let other = asks("s2", true).send(&gateway);
    decide(&home, &["policy", "approve", &waiting(&home), "--holds", "always"]);
    other.join().unwrap();
    let third = asks("s3", true).open(&gateway).end().unwrap().text;
    assert!(third.contains("\"tool_calls\""), "{third}");
    let standing = home.run(&["policy", "pending", "--standing", "--json"]).json();
    let always = standing["items"].as_array().unwrap().iter().find(|item| item["holds"] == "always").unwrap();
    decide(&home, &["policy", "revoke", always["id"].as_str().unwrap()]);
    let fourth = asks("s3", true).send(&gateway);
    decide(&home, &["policy", "deny", &waiting(&home)]);
    assert!(!fourth.join().unwrap().text.contains("call_"));
}

/// Who waits is told for whom, is kept alive, and is refused when time is over; a client that has gone leaves no question behind.
#[test]
fn a_client_is_told_that_it_waits_and_nobody_waits_for_ever() {
    let upstream = Scripted::start(SCRIPT);
    let quick = "server: {keepalive_ms: 1000}\n";
    let home = home(&upstream, "wait_s: 3", quick);
    let gateway = Gateway::start(&home);
    let answer = asks("s1", true).open(&gateway).end().unwrap().text;
    assert!(answer.contains("Let me see.") && answer.contains("waits for a person"), "{answer}");
    assert!(
        answer.contains("nobody decided (there was no answer in time)") && !answer.contains("call_"),
        "{answer}"
    );
    let mut gone = asks("s1", true).open(&gateway);
    gone.until("Let me see.");
    waiting(&home);
    drop(gone);
    until("the question is withdrawn", || pending(&home).is_empty());
}

/// Every way to see and to decide says who may; whoever looks live hears of it at once.
#[test]
fn the_admin_api_shows_and_decides_for_those_who_may() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "", "server: {require_key: true}\n");
    let gateway = Gateway::start(&home);
    until("the database is open", || home.path(".local/share/lockgate/admin-secret").exists());
    let key = |name: &str, role: &str, owner: &str| {
        let made = home.run(&["key", "new", "--name", name, "--role", role, "--owner", owner, "--json"]);
        made.json()["key"].as_str().unwrap().to_owned()
    };
    let (ann, eve, chief) = (key("a", "self", "ann"), key("e", "self", "eve"), key("c", "operator", "chief"));
    let api = |key: &str, method: &str, path: &str, body: &str| {
        http::ask(gateway.address, method, path, &[("authorization", &format!("Bearer {key}"))], body)
    };
    until("the keys are known", || api(&chief, "GET", "/api/approvals", "").status == 200);
    let request = format!(
        "GET /api/live HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {chief}\r\n\r\n",
        gateway.address
    );
    let mut live = Stream::send(gateway.address, request).unwrap();
    live.until(": connected");
    let mut asked = asks("s1", true);
    asked.head = format!("{}authorization: Bearer {ann}\r\n", asked.head);
    let answer = asked.send(&gateway);
    live.until("event: approval-requested");
    let own = api(&ann, "GET", "/api/approvals?state=pending", "").json();
    let id = own["items"][0]["id"].as_str().unwrap_or_else(|| panic!("{own}")).to_owned();
    assert_eq!((&own["items"][0]["user"], &own["items"][0]["key"]), (&json!("ann"), &json!("a")));
    assert_eq!(api(&eve, "GET", "/api/approvals", "").json()["items"], json!([]));
    let path = format!("/api/approvals/{id}");
    assert_eq!(api(&eve, "GET", &path, "").status, 404);
    let yes = r#"{"verdict": "approved"}"#;
    assert_eq!(api(&ann, "POST", &path, yes).status, 403, "whoever calls does not decide");
    for wrong in [
        r#"{"verdict": "yes"}"#,
        r#"{"verdict": "denied", "holds": "always"}"#,
        r#"{"verdict": "approved", "holds": "ever"}"#,
    ] {
        assert_eq!(api(&chief, "POST", &path, wrong).status, 400, "{wrong}");
    }
    let told = api(&chief, "POST", &path, yes).json();
    assert_eq!(
        (&told["state"], &told["by"], &told["holds"]),
        (&json!("approved"), &json!("key c"), &json!("once")),
        "{told}"
    );
    assert_eq!(api(&chief, "POST", &path, yes).status, 409);
    assert!(answer.join().unwrap().text.contains("\"tool_calls\""));
    live.until("event: approval-answered");
    let audit = api(&chief, "GET", "/api/audit?verb=approve", "").json();
    assert_eq!(audit["items"][0]["object"], json!(format!("approval:{id}")), "{audit}");
}

/// Without a database nobody can be asked, and nothing passes for that.
#[test]
fn without_a_record_what_a_person_should_decide_is_refused_with_the_reason() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "", "record: {mode: off}\n");
    let gateway = Gateway::start(&home);
    let answer = asks("s1", true).open(&gateway).end().unwrap().text;
    assert!(
        answer.contains("people are asked by way of the database, and this gateway keeps none")
            && !answer.contains("call_"),
        "{answer}"
    );
}
