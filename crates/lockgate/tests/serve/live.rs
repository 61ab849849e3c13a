//! `lockgate live`: what a running gateway tells, followed from the command line.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Child;

use serde_json::{Value, json};

use crate::http;
use crate::support::{Gateway, Home, Scripted, until};

/// `lockgate live` beside a gateway.
struct Live {
    child: Child,
    err: PathBuf,
    out: PathBuf,
}

impl Live {
    fn start(home: &Home, args: &[&str]) -> Self {
        let (out, err) = (home.path("live.txt"), home.path("live-err.txt"));
        let mut command = home.lockgate(&[&["live"], args].concat());
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Self { child: command.spawn().unwrap(), err, out }
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(&self.out).unwrap().lines().map(str::to_owned).collect()
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.err).unwrap()
    }

    fn ended(&mut self) -> i32 {
        let mut status = None;
        until("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gateway whose configuration says where it listens, as it does for people.
fn started(home: &Home, upstream: &Scripted) -> Gateway {
    let providers = format!("providers:\n{}", upstream.entry("work", ""));
    home.write("lockgate.yaml", &providers);
    let gateway = Gateway::start(home);
    home.write("lockgate.yaml", &format!("{providers}server: {{listen: '{}'}}\n", gateway.address));
    // The password is written before the user.
    until("the first user is there", || home.run(&["user", "show", "admin"]).code == 0);
    gateway
}

fn followed(gateway: &Gateway) -> bool {
    let told = http::get(gateway.address, "/metrics").unwrap().text;
    told.contains("lockgate_live_subscribers 1")
}

fn secret(home: &Home) -> String {
    fs::read_to_string(home.path(".local/share/lockgate/admin-secret")).unwrap().trim().to_owned()
}

/// What the audit says, to whoever has the first password.
fn verbs(home: &Home, gateway: &Gateway) -> Vec<Value> {
    let body = json!({"name": "admin", "password": secret(home), "token": true}).to_string();
    let entered = http::ask(gateway.address, "POST", "/api/login", &[], &body).json();
    let bearer = format!("Bearer {}", entered["token"].as_str().unwrap());
    let audit = http::ask(gateway.address, "GET", "/api/audit", &[("authorization", &bearer)], "").json();
    audit["items"].as_array().unwrap().iter().map(|entry| entry["verb"].clone()).collect()
}

/// Live activity on the command line: without any argument, at the gateway of this machine.
#[test]
fn calls_are_a_line_each_time_something_happens_and_the_login_for_it_ends_with_the_command() {
    let (home, upstream) = (Home::new(), Scripted::start(""));
    let gateway = started(&home, &upstream);
    let mut live = Live::start(&home, &["--provider", "work", "--limit", "3"]);
    until("it follows", || followed(&gateway));
    assert_eq!(gateway.ask("anthropic:made-up").status, 400);
    let stream = gateway.stream("work:m").end().unwrap();
    assert_eq!(stream.status, 200);
    assert_eq!(live.ended(), 0);
    let lines = live.lines();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    let id = stream.header("x-task-id").unwrap();
    for (line, word) in lines.iter().zip(["begins", "answers", "ok"]) {
        let told = line[9..].split_whitespace().next() == Some(word) && line.contains("work:m");
        assert!(told && line.ends_with(&id) && !line.contains('\u{1b}'), "{word}: {line}");
    }
    assert!(live.said().contains(&format!("following http://{}", gateway.address)), "{}", live.said());
    let verbs = verbs(&home, &gateway);
    assert!(verbs.contains(&json!("logout")), "{verbs:?}");
}

/// It survives a restart of the gateway, and goes on behind what somebody has seen.
#[test]
fn a_gateway_that_was_away_is_followed_again_and_what_was_missed_can_be_asked_for() {
    let (home, upstream) = (Home::new(), Scripted::start(""));
    let mut gateway = started(&home, &upstream);
    let mut live = Live::start(&home, &["--event", "finished", "--limit", "2", "--json"]);
    until("it follows", || followed(&gateway));
    assert_eq!(gateway.ask("work:m").status, 200);
    until("the call is told", || live.lines().len() == 1);
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    until("it notices", || live.said().contains("waiting for it"));
    let again = Gateway::spawn(&home, home.lockgate(&["--listen", &gateway.address.to_string()]));
    until("it follows again", || followed(&again));
    let answer = again.ask("work:m");
    assert_eq!(live.ended(), 0);
    let told: Vec<Value> = live.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words: Vec<_> = told.iter().map(|event| event["what"].as_str().unwrap()).collect();
    assert_eq!(
        words,
        ["finished", "dropped", "finished"],
        "the new gateway does not know what the old one told"
    );
    assert_eq!(told[2]["call"]["id"], json!(answer.header("x-task-id").unwrap()));
    let before = told[2]["id"].as_u64().unwrap() - 1;
    let mut late = Live::start(
        &home,
        &["--after", &before.to_string(), "--event", "finished", "--limit", "1", "--json"],
    );
    assert_eq!(late.ended(), 0);
    let late: Value = serde_json::from_str(&late.lines()[0]).unwrap();
    assert_eq!(late, told[2]);
}

#[test]
fn a_gateway_that_is_not_there_or_does_not_know_the_token_is_said_at_once() {
    let (home, upstream) = (Home::new(), Scripted::start(""));
    let nothing = home.run(&["live"]);
    assert!(nothing.code == 3 && nothing.err.contains("--role viewer"), "{nothing:?}");
    let away = home.run(&["live", "--gateway", "http://127.0.0.1:1", "--token", "x"]);
    assert!(away.code == 3 && away.err.contains("does not answer"), "{away:?}");
    let gateway = started(&home, &upstream);
    home.write("elsewhere.yaml", "server: {listen: '127.0.0.1:1'}\n");
    let gone = home.run(&["live", "--config", "elsewhere.yaml"]);
    assert!(
        gone.code == 3 && gone.err.contains("does not answer") && !gone.err.contains("password"),
        "{gone:?}"
    );
    let address = format!("http://{}", gateway.address);
    let unknown = home.run(&["live", "--gateway", &address, "--token", "wrong", "--json"]);
    assert!(
        unknown.code == 3 && unknown.json()["error"]["message"].as_str().unwrap().contains("401"),
        "{unknown:?}"
    );
}
