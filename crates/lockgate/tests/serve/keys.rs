//! Keys that are made, changed and ended while the gateway runs, by the command line and by the API.

use std::fs;
use std::time::{Duration, Instant};

use lockgate_store::{Calls as _, Filter, PageRequest};
use lockgate_store_sql::{Database, Options, Place};
use serde_json::{Value, json};

use crate::http::{self, Answer};
use crate::support::{Gateway, Home, Scripted, until};

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: Yes}], usage: {input: 12, output: 34}}}]";

fn home(upstream: &Scripted, more: &str) -> Home {
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}{more}", upstream.entry("up", "")));
    home
}

/// A gateway with its database open.
fn started(home: &Home) -> Gateway {
    let gateway = Gateway::start(home);
    until("the first user is there", || home.path(".local/share/lockgate/admin-secret").exists());
    gateway
}

fn call(gateway: &Gateway, key: &str) -> Answer {
    let body = json!({"model": "up:m", "messages": [{"role": "user", "content": "hello"}]});
    http::post_as(key, gateway.address, "/v1/chat/completions", &body)
}

fn made(home: &Home, args: &[&str]) -> Value {
    let ran = home.run(&[&["key", "new", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.json()
}

/// How long until it is so; the limit is the one that is promised.
#[track_caller]
fn within_a_second(what: &str, yes: impl FnMut() -> bool) {
    let start = Instant::now();
    until(what, yes);
    // The promise is a second; a machine that runs many tests at once gets a few.
    assert!(start.elapsed() < Duration::from_secs(5), "{what} took {:?}", start.elapsed());
}

/// Keys at run time: a new one works, a revoked one is refused with the reason, both without a restart.
#[test]
fn a_new_key_works_and_a_revoked_one_is_refused_within_a_second() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let gateway = started(&home);
    assert_eq!(gateway.ask("up:m").status, 200, "no key yet: programs on this machine may call");
    let key = made(&home, &["--name", "laptop", "--owner", "ann", "--project", "gate"]);
    let secret = key["key"].as_str().unwrap();
    assert!(!lockgate::key::is_mistyped(secret));
    assert_eq!((&key["state"], &key["owner"]), (&json!("active"), &json!("ann")));
    within_a_second("without a key nobody may call any more", || gateway.ask("up:m").status == 401);
    assert_eq!(call(&gateway, secret).status, 200);

    assert_eq!(home.run(&["key", "revoke", "laptop"]).code, 0);
    within_a_second("the key is refused", || call(&gateway, secret).status == 401);
    let refused = call(&gateway, secret);
    assert!(refused.text.contains("`laptop` was revoked at 20"), "{}", refused.text);
    assert_eq!(gateway.ask("up:m").status, 401, "revoking the last key opens nothing");
}

/// The record says who called: key, user and project.
#[test]
fn a_call_is_recorded_under_its_key_with_user_and_project() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let mut gateway = started(&home);
    let key = made(&home, &["--name", "laptop", "--owner", "ann", "--project", "gate"]);
    let secret = key["key"].as_str().unwrap();
    within_a_second("the key is known", || gateway.ask("up:m").status == 401);
    let id = call(&gateway, secret).header("x-task-id").unwrap();
    gateway.signal("TERM");
    gateway.ended();
    let place = Place::File(home.path(".local/share/lockgate/lockgate.db"));
    let calls = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let database = Database::open(&Options::at(place)).await.unwrap();
        database.list(&Filter::default(), &PageRequest::default()).await.unwrap().items
    });
    let own = calls.iter().find(|call| call.id.to_string() == id).unwrap();
    let principal = &own.principal;
    let told = (principal.key.as_deref(), principal.user.as_deref(), principal.project.as_deref());
    assert_eq!(told, (Some("laptop"), Some("ann"), Some("gate")));
}

/// Rotation: both keys work for the time of the overlap, then the old one is refused and says why.
#[test]
fn a_replaced_key_works_until_its_overlap_is_over() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let gateway = started(&home);
    let old = made(&home, &["--name", "ci", "--model", "up:*", "--rpm", "100"]);
    let rotated = home.run(&["key", "rotate", "ci", "--overlap", "1h", "--json"]).json();
    assert_eq!(
        (&rotated["name"], &rotated["models"], &rotated["limits"]),
        (&old["name"], &old["models"], &old["limits"])
    );
    assert_eq!(rotated["rotated_from"], old["id"]);
    let (before, after) = (old["key"].as_str().unwrap(), rotated["key"].as_str().unwrap());
    // Until then whatever a program on this machine sends for a key is ignored.
    within_a_second("keys are asked for", || gateway.ask("up:m").status == 401);
    within_a_second("the new key works", || call(&gateway, after).status == 200);
    assert_eq!(call(&gateway, before).status, 200, "the old one still works");
    let twice = home.run(&["key", "rotate", old["id"].as_str().unwrap(), "--json"]);
    assert_eq!(
        (twice.code, twice.json()["error"]["message"].as_str().unwrap().contains("replaced already")),
        (1, true)
    );

    let last = home.run(&["key", "rotate", "ci", "--overlap", "0s", "--json"]).json();
    within_a_second("the newest key works", || call(&gateway, last["key"].as_str().unwrap()).status == 200);
    let refused = call(&gateway, after);
    assert!(refused.status == 401 && refused.text.contains("was replaced by a new one"), "{}", refused.text);
}

/// Nobody gets a second helping by replacing a key.
#[test]
fn a_key_and_the_one_in_its_place_count_together() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let gateway = started(&home);
    let old = made(&home, &["--name", "ci", "--rpm", "2"]);
    let new = home.run(&["key", "rotate", "ci", "--json"]).json();
    let (old, new) = (old["key"].as_str().unwrap(), new["key"].as_str().unwrap());
    let bearer = format!("Bearer {new}");
    let me = || http::ask(gateway.address, "GET", "/api/me", &[("authorization", &bearer)], "").status;
    within_a_second("both are known", || me() == 200 && gateway.ask("up:m").status == 401);
    let told = [old, new, old, new].map(|key| call(&gateway, key).status);
    assert_eq!(told, [200, 200, 429, 429]);
}

/// What a key may call: models and providers, by both kinds of keys.
#[test]
fn a_key_reaches_its_models_and_providers_and_no_other() {
    let upstream = Scripted::start(SCRIPT);
    let own = "lg-own-of-the-configuration";
    let keys = format!("keys: [{{name: own, hash: '{}', providers: [up]}}]\n", lockgate::key::hash(own));
    let home = home(&upstream, &format!("{}{keys}", upstream.entry("other", "")));
    let gateway = started(&home);
    let stored = made(&home, &["--name", "narrow", "--provider", "up", "--model", "m*"]);
    let stored = stored["key"].as_str().unwrap();
    let ask = |key: &str, model: &str| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
        http::post_as(key, gateway.address, "/v1/chat/completions", &body)
    };
    within_a_second("the key works", || ask(stored, "up:m1").status == 200);
    assert_eq!(ask(own, "up:x").status, 200);
    for (key, model, words) in [
        (own, "other:m1", "may not use the provider `other`"),
        (stored, "other:m1", "may not use the provider `other`"),
        (stored, "up:x1", "may not use the model `up:x1`"),
    ] {
        let refused = ask(key, model);
        assert!(refused.status == 403 && refused.text.contains(words), "{model} {}", refused.text);
    }
}

/// Trouble with the database is never a wrong key, also after a restart.
#[test]
fn known_keys_go_on_without_the_database_also_after_a_restart() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let mut gateway = started(&home);
    let key = made(&home, &["--name", "laptop"]);
    let secret = key["key"].as_str().unwrap();
    within_a_second("the key works", || gateway.ask("up:m").status == 401);
    let cache = home.path(".local/share/lockgate/keys.json");
    until("the key is kept beside the log", || {
        fs::read_to_string(&cache).is_ok_and(|text| text.contains("laptop"))
    });
    assert!(!fs::read_to_string(&cache).unwrap().contains(secret));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&cache).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "for the owner alone");
    gateway.signal("TERM");
    gateway.ended();
    // A folder where the database should be cannot be opened.
    let database = home.path(".local/share/lockgate/lockgate.db");
    for ending in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{ending}", database.display()));
    }
    fs::create_dir(&database).unwrap();
    let gateway = Gateway::start(&home);
    until("it is said", || gateway.log().contains("the database cannot be opened"));
    assert_eq!(call(&gateway, secret).status, 200);
    assert_eq!(gateway.ask("up:m").status, 401, "and nobody gets in without one");
    let bearer = format!("Bearer {secret}");
    let asked = http::ask(gateway.address, "GET", "/api/keys", &[("authorization", &bearer)], "");
    assert_eq!(
        (asked.status, &asked.json()["error"]["code"]),
        (503, &json!("unavailable")),
        "{}",
        asked.text
    );
}

/// A gateway that does not know its keys yet does not call one wrong.
#[test]
fn before_the_keys_of_the_database_are_known_an_unknown_one_is_asked_to_come_again() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "server: {require_key: true}\nrecord: {database: 'no-folder/calls.db'}\n");
    home.write("no-folder", "a file where a folder should be");
    let gateway = Gateway::start(&home);
    let answer = call(&gateway, "lg-a-key-that-may-be-in-the-database");
    assert_eq!((answer.status, answer.header("retry-after").as_deref()), (503, Some("1")), "{}", answer.text);
    assert_eq!(gateway.ask("up:m").status, 401);
}

/// The commands: what they print, what they end with.
#[test]
fn keys_are_listed_changed_and_shown_by_name() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let offline = home.run(&["key", "new", "--rpm", "5", "--expires", "2030-01-01"]);
    assert!(
        offline.code == 0
            && offline.out.contains("It is in no database")
            && offline.out.contains("hash: \"blake3:")
    );
    assert!(offline.out.contains("limits: {\"requests_per_minute\":5}"), "{}", offline.out);
    let _gateway = started(&home);
    let key = made(
        &home,
        &["--name", "a b/ü", "--tag", "x", "--tag", "y", "--cost-per-day", "1.5", "--expires", "90d"],
    );
    assert_eq!(key["limits"]["cost_per_day_nano"], 1_500_000_000_u64);
    let taken = home.run(&["key", "new", "--name", "a b/ü"]);
    assert!(taken.code == 1 && taken.err.contains("there is another key `a b/ü` already"), "{taken:?}");
    let changed = home
        .run(&["key", "set", "a b/ü", "--tpm", "1000", "--expires", "none", "--owner", "bob", "--json"])
        .json();
    assert_eq!((&changed["expires"], &changed["owner"]), (&Value::Null, &json!("bob")));
    assert_eq!(changed["limits"]["tokens_per_minute"], 1000);
    assert_eq!(changed["limits"]["cost_per_day_nano"], 1_500_000_000_u64, "the other limits stay");
    let shown = home.run(&["key", "show", "a b/ü"]);
    for words in ["a b/ü", "1000 tokens a minute, 1.5 USD a day", "bob", "x, y", "active"] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
    let list = home.run(&["key", "list", "--json"]).json();
    assert_eq!(
        (list["keys"].as_array().unwrap().len(), list["stored"][0]["name"].as_str()),
        (0, Some("a b/ü"))
    );
    for shown in [&home.run(&["key", "list"]).out, &list.to_string()] {
        assert!(!shown.contains(key["key"].as_str().unwrap()), "{shown}");
    }
    let missing = home.run(&["key", "show", "nobody"]);
    assert!(missing.code == 1 && missing.err.contains("there is no key `nobody`"), "{missing:?}");
    let wrong = home.run(&["key", "new", "--name", "x", "--recording", "some"]);
    assert!(wrong.code == 2 && wrong.err.contains("full, metadata, off, redacted"), "{wrong:?}");
}

/// A key that was replaced works for a while; whoever revokes or narrows the name means both.
#[test]
fn what_is_done_to_a_name_is_done_to_every_key_of_it_that_works() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let gateway = started(&home);
    let old = made(&home, &["--name", "laptop"]);
    let rotated = home.run(&["key", "rotate", "laptop", "--overlap", "1h", "--json"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    let new = rotated.json();
    let both = [old["key"].as_str().unwrap(), new["key"].as_str().unwrap()];
    let statuses = || both.map(|secret| call(&gateway, secret).status);
    within_a_second("both work", || statuses() == [200, 200]);

    let set = home.run(&["key", "set", "laptop", "--model", "up:other"]);
    assert!(set.code == 0 && set.out.contains("2 keys in use had this name, and all are changed"), "{set:?}");
    within_a_second("neither may call the model", || {
        statuses().iter().all(|status| (400..500).contains(status))
    });
    assert_eq!(home.run(&["key", "set", "laptop", "--model", "up:m"]).code, 0);
    within_a_second("both may", || statuses() == [200, 200]);

    let by_id = home.run(&["key", "revoke", old["id"].as_str().unwrap(), "--json"]).json();
    assert_eq!((&by_id["state"], &by_id["also"]), (&json!("revoked"), &Value::Null));
    within_a_second("only the one of that id ends", || statuses() == [401, 200]);

    let newest = home.run(&["key", "rotate", "laptop", "--overlap", "1h", "--json"]).json();
    let newest = newest["key"].as_str().unwrap();
    within_a_second("the newest works", || call(&gateway, newest).status == 200);
    assert_eq!(call(&gateway, both[1]).status, 200, "so does the one before");
    let revoked = home.run(&["key", "revoke", "laptop"]);
    assert!(
        revoked.code == 0 && revoked.out.contains("2 keys in use had this name, and all are revoked"),
        "{revoked:?}"
    );
    within_a_second("all end", || call(&gateway, newest).status == 401 && statuses() == [401, 401]);
}

/// A gateway that knows no key and needs one cannot answer; whoever spreads calls over gateways has to know.
#[test]
fn a_gateway_that_never_learnt_its_keys_says_that_it_is_not_ready() {
    let upstream = Scripted::start(SCRIPT);
    let away = "server: {require_key: true}\nrecord: {database: 'postgres://u:p@127.0.0.1:1/none'}\n";
    let gateway = Gateway::start(&home(&upstream, away));
    let ready = http::get(gateway.address, "/health/ready").unwrap();
    assert_eq!(ready.status, 503, "{ready:?}");
    assert!(
        ready.json()["reason"].as_str().unwrap().contains("keys in the database are not known"),
        "{ready:?}"
    );
    assert_eq!(http::get(gateway.address, "/health/live").unwrap().status, 200);
    let health = gateway.health();
    assert_eq!((&health["status"], &health["keys"]["status"]), (&json!("degraded"), &json!("degraded")));

    let known = Gateway::start(&self::home(&upstream, "server: {require_key: true}\n"));
    until("it is ready", || http::get(known.address, "/health/ready").unwrap().status == 200);
}
