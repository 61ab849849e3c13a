//! What is kept of calls, whatever happens to the process, the disk and the database.

use std::fs;
use std::path::Path;

use lockgate_store::{Call, Calls as _, Filter, Limit, Outcome, PageRequest, Part};
use lockgate_store_sql::{Database, Options, Place};

use crate::http;
use crate::support::{Gateway, Home, Scripted, until};

const SCRIPT: &str =
    "rules: [{answer: {blocks: [{text: An answer to keep}], usage: {input: 12, output: 34}}}]";

fn home(upstream: &Scripted, more: &str) -> Home {
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}{more}", upstream.entry("up", "")));
    home
}

/// What is stored, the latest first.
fn stored(file: &Path) -> Vec<Call> {
    all(&Place::File(file.to_owned()))
}

/// All calls of a database, the latest first.
pub(crate) fn all(place: &Place) -> Vec<Call> {
    reading_at(place, async |database| {
        let (mut calls, mut after) = (Vec::new(), None);
        loop {
            let page = PageRequest { after, limit: Limit::of(500) };
            let page = database.list(&Filter::default(), &page).await.unwrap();
            calls.extend(page.items);
            after = page.next;
            if after.is_none() {
                return calls;
            }
        }
    })
}

fn reading<T>(file: &Path, read: impl AsyncFnOnce(&Database) -> T) -> T {
    reading_at(&Place::File(file.to_owned()), read)
}

/// What is found by asking the database itself.
pub(crate) fn reading_at<T>(place: &Place, read: impl AsyncFnOnce(&Database) -> T) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let database = Database::open(&Options::at(place.clone())).await.unwrap();
        let found = read(&database).await;
        database.close().await;
        found
    })
}

/// Where the database is by default.
pub(crate) fn database(home: &Home) -> std::path::PathBuf {
    home.path(".local/share/lockgate/lockgate.db")
}

/// Every file below a folder that holds these bytes.
pub(crate) fn holding(folder: &Path, bytes: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holding(&path, bytes));
        } else if memchr::memmem::find(&fs::read(&path).unwrap(), bytes.as_bytes()).is_some() {
            found.push(path.display().to_string());
        }
    }
    found
}

/// 004-19: the record has what was asked, what came, who asked and what it used, whole and streamed.
#[test]
fn every_call_is_in_the_database_when_the_gateway_has_stopped() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let mut gateway = Gateway::start(&home);
    let whole = gateway.ask("up:m");
    assert_eq!(whole.status, 200);
    let streamed = gateway.stream("up:m").end().unwrap().text;
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);

    let calls = stored(&database(&home));
    assert_eq!(calls.len(), 2, "{calls:?}");
    for call in &calls {
        assert_eq!((call.outcome, call.status), (Outcome::Complete, Some(200)));
        assert_eq!(call.route.provider.as_deref(), Some("up"));
        assert!(call.timing.total_us.is_some_and(|total| total > 0));
    }
    assert_eq!((calls[1].usage.input_uncached, calls[1].usage.output), (Some(12), Some(34)));
    assert_eq!(calls.iter().map(|call| call.route.streamed).collect::<Vec<_>>(), [true, false]);
    assert_eq!(whole.header("x-task-id"), Some(calls[1].id.to_string()));
    let (asked, got) = reading(&database(&home), async |database| {
        let id = calls[0].id;
        let asked = database.body(id, Part::ClientRequest).await.unwrap().unwrap();
        let got = database.body(id, Part::UpstreamAnswer).await.unwrap().unwrap();
        (String::from_utf8(asked).unwrap(), String::from_utf8(got).unwrap())
    });
    assert!(asked.contains("\"hello\"") && asked.contains("\"stream\":true"), "{asked}");
    assert!(got.contains("to keep") && got.contains("[DONE]") && streamed.contains("[DONE]"), "{got}");
    let folder = home.path(".local/share/lockgate/log/0");
    let left: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.len() <= 2, "only the lock, and at most the file that was open: {left:?}");
}

/// 000 C1: the try that was given up is part of the call, with what the provider said.
#[test]
fn what_a_provider_answered_to_a_try_that_was_given_up_can_be_read_beside_the_headers() {
    let upstream = Scripted::start(
        "rules: [{times: 1, error: {status: 529, message: far too busy}}, {answer: {blocks: [{text: Now it goes}]}}]",
    );
    let home = home(&upstream, "");
    let mut gateway = Gateway::start(&home);
    let answer = gateway.ask("up:m");
    assert_eq!(answer.status, 200, "{}", answer.text);
    gateway.signal("TERM");
    gateway.ended();
    let id = answer.header("x-task-id").unwrap();
    let shown = home.run(&["call", "show", &id, "--json"]).json();
    assert_eq!(shown["attempts"][0]["status"], 529, "{shown}");
    let earlier = home.run(&["call", "show", &id, "--body", "earlier_answers"]).json();
    assert_eq!((&earlier[0]["attempt"], &earlier[0]["status"]), (&1.into(), &529.into()), "{earlier}");
    assert!(earlier[0]["body"].as_str().unwrap().contains("far too busy"), "{earlier}");
    assert!(home.run(&["call", "show", &id, "--body", "upstream_answer"]).out.contains("Now it goes"));
    let none = home.run(&["call", "show", &id, "--body", "client_headers"]);
    assert!(none.err.contains("nothing is kept"), "these say nothing: {}{}", none.out, none.err);
}

/// T2, 004-14: the process may die at any time; a call whose answer has arrived is not lost.
#[test]
fn a_call_whose_last_byte_was_sent_survives_kill_9() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let mut ids = Vec::new();
    for round in 0..6 {
        let mut gateway = Gateway::start(&home);
        for number in 0..=round {
            let answer = if number % 2 == 0 { gateway.ask("up:m") } else { gateway.ask("nobody:m") };
            ids.push(answer.header("x-task-id").unwrap());
        }
        gateway.signal("KILL");
        gateway.ended();
    }
    let mut gateway = Gateway::start(&home);
    until("all calls are stored", || stored(&database(&home)).len() >= ids.len());
    gateway.signal("TERM");
    gateway.ended();
    let mut found: Vec<String> = stored(&database(&home)).iter().map(|call| call.id.to_string()).collect();
    found.sort();
    ids.sort();
    assert_eq!(found, ids, "each call once, none twice");
}

/// T2, L5, L7: calls go on without the database, and it catches up.
#[test]
fn a_database_that_is_not_there_fails_no_call_and_gets_them_all_later() {
    let upstream = Scripted::start(SCRIPT);
    let home = Home::new();
    let place = home.path("later/calls.db");
    home.write("later", "a file where a folder should be");
    let providers = upstream.entry("up", "");
    home.write(
        "lockgate.yaml",
        &format!("providers:\n{providers}record:\n  database: '{}'\n", place.display()),
    );
    let mut gateway = Gateway::start(&home);
    for _ in 0..5 {
        assert_eq!(gateway.ask("up:m").status, 200);
    }
    until("it is said", || gateway.log().contains("the database cannot be opened"));
    let health = http::get(gateway.address, "/health").unwrap();
    assert!(health.status == 200 && health.text.contains("\"degraded\""), "{health:?}");
    assert!(health.text.contains("the database cannot be opened; the log keeps the calls"), "{health:?}");
    assert!(!health.text.contains("later"), "paths are nobody's business: {health:?}");
    fs::remove_file(home.path("later")).unwrap();
    until("the database is there", || gateway.log().contains("the database is open"));
    until("all calls are stored", || stored(&place).len() == 5);
    let well = |text: &str| text.contains("{\"status\":\"ok\"") && text.contains("\"stored\":5");
    until("it is well", || well(&http::get(gateway.address, "/health").unwrap().text));
    gateway.signal("TERM");
    gateway.ended();
}

/// 003-5: neither the log nor the database holds a secret, while the call itself keeps it.
#[test]
fn a_secret_that_a_client_sends_is_in_no_file() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let secret = format!("ghp_{}", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z0A");
    let mut gateway = Gateway::start(&home);
    let body = serde_json::json!({"model": "up:m", "messages": [{"role": "user", "content": format!("my token is {secret}, keep it")}]});
    let answer = http::post(gateway.address, "/v1/chat/completions", &body);
    assert_eq!(answer.status, 200);
    assert!(
        upstream.seen.requests().iter().any(|seen| String::from_utf8_lossy(&seen.body).contains(&secret))
    );
    let folder = home.path(".local/share/lockgate");
    assert_eq!(holding(&folder, &secret), Vec::<String>::new(), "at once");
    until("it is stored", || database(&home).exists() && !stored(&database(&home)).is_empty());
    assert_eq!(holding(&folder, &secret), Vec::<String>::new(), "behind the call");
    gateway.signal("TERM");
    gateway.ended();
    assert_eq!(holding(&folder, &secret), Vec::<String>::new(), "after the end");
    assert!(!gateway.log().contains(&secret));
    let call = stored(&database(&home)).remove(0);
    let body = reading(&database(&home), async |database| {
        database.body(call.id, Part::ClientRequest).await.unwrap().unwrap()
    });
    assert!(String::from_utf8(body).unwrap().contains("my token is «redacted:"), "the rest is there");
}

#[test]
fn a_key_says_how_much_of_its_calls_is_kept() {
    let upstream = Scripted::start(SCRIPT);
    let home = Home::new();
    let made = |name: &str| home.run(&["key", "new", "--name", name, "--json"]).json();
    let (quiet, brief, open) = (made("quiet"), made("brief"), made("open"));
    let entry = |name: &str, key: &serde_json::Value, more: &str| {
        format!("  - {{name: {name}, hash: '{}'{more}}}\n", key["hash"].as_str().unwrap())
    };
    let keys = [
        entry("quiet", &quiet, ", record: off"),
        entry("brief", &brief, ", record: metadata"),
        entry("open", &open, ""),
    ];
    home.write("lockgate.yaml", &format!("providers:\n{}keys:\n{}", upstream.entry("up", ""), keys.concat()));
    let mut gateway = Gateway::start(&home);
    let body =
        serde_json::json!({"model": "up:m", "messages": [{"role": "user", "content": "a private matter"}]});
    for key in [&quiet, &brief, &open] {
        let answer =
            http::post_as(key["key"].as_str().unwrap(), gateway.address, "/v1/chat/completions", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    gateway.signal("TERM");
    gateway.ended();
    let calls = stored(&database(&home));
    let of: Vec<Option<&str>> = calls.iter().map(|call| call.principal.key.as_deref()).collect();
    assert_eq!(of, [Some("open"), Some("brief")]);
    let (kept, left) = reading(&database(&home), async |database| {
        let body = async |call: &Call| database.body(call.id, Part::ClientRequest).await.unwrap();
        (body(&calls[0]).await, body(&calls[1]).await)
    });
    assert!(String::from_utf8(kept.unwrap()).unwrap().contains("a private matter"));
    assert_eq!((left, calls[1].usage.output), (None, Some(34)));
}

#[test]
fn nothing_is_written_where_nothing_shall_be_recorded() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "record: {mode: off}\n");
    let mut gateway = Gateway::start(&home);
    assert_eq!(gateway.ask("up:m").status, 200);
    gateway.signal("TERM");
    gateway.ended();
    assert!(!home.path(".local/share").exists());
}
