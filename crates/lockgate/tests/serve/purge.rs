//! `lockgate purge`: what is named is counted, then deleted, and the audit says who did it.

use lockgate_store::access::{Actor, Audit as _, AuditFilter};
use lockgate_store::{Call, PageRequest};
use lockgate_store_sql::Place;
use serde_json::{Value, json};

use crate::http::Stream;
use crate::record::{all, database, reading_at};
use crate::support::{Gateway, Home, Ran, Scripted};

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: A fine answer}], usage: {input: 12, output: 34}}}]";

/// A home with five calls: two of a session and one of another by one key, one of each of two others.
fn recorded() -> Home {
    let upstream = Scripted::start(SCRIPT);
    let home = Home::new();
    let key = |name: &str, user: &str| {
        format!("  - {{name: {name}, hash: '{}', user: {user}}}\n", lockgate::key::hash(name))
    };
    let keys = [key("laptop", "ann"), key("desktop", "ann"), key("robot", "bob")].concat();
    home.write("lockgate.yaml", &format!("providers:\n{}keys:\n{keys}", upstream.entry("up", "")));
    let mut gateway = Gateway::start(&home);
    for (key, session, words) in [
        ("laptop", "s-one", "first"),
        ("laptop", "s-one", "second"),
        ("laptop", "s-two", "third"),
        ("desktop", "s-three", "fourth"),
        ("robot", "s-four", "fifth"),
    ] {
        let body = json!({"model": "up:m", "messages": [{"role": "user", "content": words}]});
        let more = format!("authorization: Bearer {key}\r\nx-session-id: {session}\r\n");
        let answer = Stream::post_with(gateway.address, "/v1/chat/completions", &body, &more);
        assert_eq!(answer.unwrap().end().unwrap().status, 200);
    }
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    home
}

fn calls(home: &Home) -> Vec<Call> {
    all(&Place::File(database(home)))
}

/// The sessions that have calls, the latest first.
fn sessions(home: &Home) -> Vec<String> {
    let mut ids: Vec<_> =
        calls(home).into_iter().map(|call| call.lineage.session.map(|session| session.id).unwrap()).collect();
    ids.dedup();
    ids
}

fn purge(home: &Home, args: &[&str]) -> Ran {
    let ran = home.run(&[&["purge"], args].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// O3: without `--yes` nothing is deleted; a session, a key's calls and a user's calls go, with the sessions that are left empty,
/// and nothing else; each deletion and no count is in the audit, by the command line.
#[test]
fn sessions_keys_and_users_are_purged_by_name_after_a_dry_run() {
    let home = recorded();
    assert_eq!(sessions(&home), ["s-four", "s-three", "s-two", "s-one"]);

    for args in [["--session", "s-one"], ["--key", "robot"], ["--user", "ann"]] {
        let counted = purge(&home, &args);
        assert!(
            counted.out.contains("would be deleted") && counted.out.contains("--yes does it"),
            "{counted:?}"
        );
    }
    let counted = purge(&home, &["--user", "ann", "--json"]).json();
    assert_eq!((&counted["calls"], &counted["sessions"]), (&json!(4), &json!(3)));
    assert_eq!(calls(&home).len(), 5, "counting deletes nothing");

    let done = purge(&home, &["--session", "s-one", "--yes"]);
    assert!(done.out.contains("calls deleted: 2, with 1 session"), "{}", done.out);
    assert_eq!(sessions(&home), ["s-four", "s-three", "s-two"]);
    let gone = home.run(&["session", "show", "s-one"]);
    assert_eq!(gone.code, 1, "{gone:?}");

    let done = purge(&home, &["--key", "robot", "--yes", "--json"]).json();
    assert_eq!((&done["calls"], &done["sessions"]), (&json!(1), &json!(1)));
    assert_eq!(sessions(&home), ["s-three", "s-two"]);

    let done = purge(&home, &["--user", "ann", "--yes", "--json"]).json();
    assert_eq!((&done["calls"], &done["sessions"]), (&json!(2), &json!(2)));
    assert!(calls(&home).is_empty());

    let place = Place::File(database(&home));
    let audit = reading_at(&place, async |database| {
        let filter = AuditFilter { verb: Some("purge".to_owned()), ..AuditFilter::default() };
        database.audit(&filter, &PageRequest::default()).await.unwrap().items
    });
    let told: Vec<(&str, &Value)> =
        audit.iter().map(|entry| (entry.object.as_str(), &entry.detail["deleted"]["calls"])).collect();
    assert_eq!(told, [("user:ann", &json!(2)), ("key:robot", &json!(1)), ("session:s-one", &json!(2))]);
    assert!(audit.iter().all(|entry| matches!(entry.actor, Actor::Cli(_))), "{audit:?}");
}

/// Contents go and rows stay; what makes no sense is said, and deletes nothing.
#[test]
fn contents_alone_can_be_purged_and_a_purge_of_everything_cannot_be_asked_for() {
    let home = recorded();
    let done = purge(&home, &["--session", "s-one", "--contents-only", "--yes", "--json"]).json();
    assert_eq!(done["calls"], 2, "{done}");
    assert_eq!(calls(&home).len(), 5);
    let id = calls(&home).last().unwrap().id.to_string();
    assert_eq!(home.run(&["call", "show", &id, "--body", "client_request"]).code, 1);
    for wrong in [&["--yes"][..], &["--session", "s-two", "--key", "robot", "--yes"]] {
        assert_eq!(home.run(&[&["purge"], wrong].concat()).code, 2, "{wrong:?}");
    }
    let when = home.run(&["purge", "--older-than", "yesterday", "--yes"]);
    assert!(when.code == 2 && when.err.contains("--older-than: `yesterday` is no time"), "{when:?}");
    let nobody = purge(&home, &["--key", "nobody", "--yes", "--json"]).json();
    assert_eq!(nobody["calls"], 0);
    assert_eq!(calls(&home).len(), 5);
}
