//! Settings that are made while gateways run: checked as a file is, in force within a second everywhere, with a way back.

use serde_json::{Value, json};

use crate::http;
use crate::support::{Gateway, Home, Ran, Scripted, until};

const SCRIPT: &str = "rules: [{answer: {blocks: [{text: A fine answer}], usage: {input: 12, output: 34}}}]";

fn ok(home: &Home, args: &[&str]) -> Ran {
    let ran = home.run(args);
    assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
    ran
}

/// A home whose file has one alias, and the upstream.
fn home() -> (Home, Scripted) {
    let upstream = Scripted::start(SCRIPT);
    let home = Home::new();
    let file = format!(
        "models: {{aliases: {{slow: 'up:a'}}}}\nproviders:\n{}{}",
        upstream.entry("up", ""),
        upstream.entry("two", "")
    );
    home.write("lockgate.yaml", &file);
    (home, upstream)
}

fn start(home: &Home, variables: &[(&str, &str)]) -> Gateway {
    let gateway = Gateway::start_with(home, variables);
    until("the database is open", || home.path(".local/share/lockgate/admin-secret").exists());
    gateway
}

/// A login of the first user.
fn token(home: &Home, gateway: &Gateway) -> String {
    let secret = std::fs::read_to_string(home.path(".local/share/lockgate/admin-secret")).unwrap();
    let login = json!({"name": "admin", "password": secret.trim(), "token": true});
    let mut token = None;
    until("it can log in", || {
        token = http::post(gateway.address, "/api/login", &login).json()["token"].as_str().map(str::to_owned);
        token.is_some()
    });
    token.unwrap()
}

fn version(gateway: &Gateway) -> Value {
    gateway.health()["settings"]["version"].clone()
}

/// Behaviour 39: what is set is in force at every gateway, over the file, also behind a restart; what is taken back, the file says again.
#[test]
fn what_is_set_is_in_force_everywhere_over_the_file_until_it_is_taken_back() {
    let (home, _upstream) = home();
    let mut one = start(&home, &[]);
    let other = start(&home, &[]);
    assert_eq!(one.ask("quick").status, 400, "there is no such name yet");
    let set = ok(&home, &["config", "set", "models.aliases.quick", "up:b", "--reason", "for the release"]);
    assert!(set.out.contains("version 1") && set.out.contains("models.aliases.quick = \"up:b\""), "{set:?}");
    for gateway in [&one, &other] {
        until("it follows", || version(gateway) == 1 && gateway.ask("quick").status == 200);
        assert_eq!(gateway.ask("slow").status, 200, "the file's alias stays");
    }
    ok(&home, &["config", "set", "models.aliases.slow", "up:c", "--reason", "slower", "--follows", "1"]);
    let got = ok(&home, &["config", "get", "models.aliases"]).out;
    assert!(got.contains("models.aliases.slow = \"up:c\"   (source: set settings:"), "{got}");
    until("it is known here too", || version(&one) == 2);
    one.signal("TERM");
    assert_eq!(one.ended(), 0);
    let one = start(&home, &[]);
    assert_eq!((one.ask("quick").status, version(&one)), (200, json!(2)), "also behind a restart");
    let url = format!("http://{}", one.address);
    let token = token(&home, &one);
    let at = ["--gateway", &url, "--token", &token];
    let live = ok(&home, &[&["config", "get", "models.aliases", "--json"], &at[..]].concat()).json();
    assert_eq!((&live["version"], &live["settings"][0]["value"]), (&json!(2), &json!("up:c")), "{live}");
    ok(&home, &[&["config", "unset", "models.aliases.slow", "--reason", "enough"], &at[..]].concat());
    let got = ok(&home, &["config", "get", "models.aliases.slow"]).out;
    assert!(got.contains("\"up:a\"   (source: file "), "{got}");
    assert_eq!(
        home.run(&["config", "unset", "models.aliases.slow", "--reason", "again"]).code,
        1,
        "nothing is set there"
    );
    ok(&home, &["config", "rollback", "0", "--reason", "back to the file"]);
    until("the name is gone", || other.ask("quick").status == 400);
    let versions = ok(&home, &["config", "versions"]).out;
    assert!(versions.contains("for the release") && versions.contains("back to version 0"), "{versions}");
    assert!(ok(&home, &["config", "diff", "2"]).out.contains('+'));
    let audit = ok(&home, &["audit", "--object", "settings:1", "--json"]).json();
    let entry = &audit["items"][0];
    assert_eq!(
        (&entry["verb"], &entry["detail"]["paths"][0]),
        (&json!("set"), &json!("models.aliases.quick"))
    );
    let audit = ok(&home, &["audit", "--verb", "unset", "--json"]).json();
    assert_eq!(audit["items"][0]["detail"]["paths"], json!(["models.aliases.slow"]));
}

/// Behaviour 39: what cannot be used is refused with its place, what a variable says with its name; secrets are neither kept nor shown.
#[test]
fn what_cannot_be_set_is_refused_and_changes_nothing() {
    let (home, upstream) = home();
    let gateway = start(
        &home,
        &[
            ("LOCKGATE__LOG__LEVEL", "warn"),
            ("LOCKGATE__SERVER__LIMITS__TOOLS", "99"),
            ("UP_KEY", "sk-of-the-upstream"),
        ],
    );
    let url = format!("http://{}", gateway.address);
    let token = token(&home, &gateway);
    let set = |path: &str, value: &str| {
        home.run(&["config", "set", path, value, "--reason", "x", "--gateway", &url, "--token", &token])
    };
    for (path, value, code, said) in [
        ("log.level", "debug", 1, "env LOCKGATE__LOG__LEVEL"),
        ("conversion.strict", "maybe", 2, "settings:3:"),
        ("models.aliases.a", "nowhere:x", 2, "there is no provider `nowhere`"),
        ("models.alias.a", "up:x", 2, "aliases"),
        ("server.listen", "0.0.0.0:1", 2, "could lock you out"),
        ("admin.hosts", "[]", 2, "could lock you out"),
        ("record.directory", "/tmp", 2, "at a start only"),
        ("policies.chain", "[]", 2, "lockgate policy apply"),
        ("record.retention.audit_days", "1", 2, "the audit tells of those who set it"),
        (["a"; 17].join(".").as_str(), "1", 2, "17 steps"),
        ("models.aliases.a", &format!("{}{}", "[".repeat(40), "]".repeat(40)), 2, "nested deeper"),
        ("server.limits", r#"{"tools": 9}"#, 1, "env LOCKGATE__SERVER__LIMITS__TOOLS"),
        ("providers.up.api_key", "sk-in-plain", 2, "put it into a variable"),
        ("providers.other.api_key", "${NO_SUCH_KEY}", 2, "NO_SUCH_KEY"),
    ] {
        let refused = set(path, value);
        assert!(refused.code == code && refused.err.contains(said), "{path}: {refused:?}");
        assert!(!refused.err.contains("in-plain"), "{refused:?}");
    }
    assert_eq!(version(&gateway), 0);
    let entry = upstream.entry("new", "");
    let base = entry
        .split("base_url: ")
        .nth(1)
        .unwrap()
        .split([',', '}', '\n'])
        .next()
        .unwrap()
        .trim_matches(['\'', '"', ' '])
        .to_owned();
    let provider = json!({"kind": "openai-compatible", "base_url": base, "api_key": "${UP_KEY}"}).to_string();
    let added = set("providers.added", &provider);
    assert_eq!(added.code, 0, "{added:?}");
    until("the provider is there", || gateway.ask("added:m").status == 200);
    let told = home.run(&["config", "get", "providers.added", "--gateway", &url, "--token", &token]).out;
    assert!(told.contains("providers.added.api_key = \"«set»\"") && !told.contains("sk-of"), "{told}");
    let beside = set("server.limits", r#"{"headers": 90}"#);
    assert_eq!(beside.code, 0, "what a variable says is not touched: {beside:?}");
    let stale = home.run(&[
        "config",
        "set",
        "log.format",
        "json",
        "--reason",
        "x",
        "--follows",
        "0",
        "--gateway",
        &url,
        "--token",
        &token,
    ]);
    assert!(stale.code == 1 && stale.err.contains("version 2 is in force"), "{stale:?}");
}

/// A gateway whose own file or variables stand against what was set says so, and goes on with what it had.
#[test]
fn a_gateway_that_cannot_use_what_was_set_says_so_and_goes_on() {
    let (home, _upstream) = home();
    let gateway = start(&home, &[]);
    let set = home
        .lockgate(&["config", "set", "providers.third", "{\"kind\": \"openai-compatible\", \"base_url\": \"http://127.0.0.1:9\", \"api_key\": \"${ELSEWHERE}\"}", "--reason", "x"])
        .env("ELSEWHERE", "sk-there")
        .output()
        .unwrap();
    assert!(set.status.success(), "{set:?}");
    until("it has seen it", || version(&gateway) == 1);
    let health = gateway.health();
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(health.to_string().contains("cannot be used here"), "{health}");
    assert_eq!(gateway.ask("slow").status, 200);
    assert!(gateway.log().contains("ELSEWHERE"), "the log says which variable is missing");
    ok(&home, &["config", "rollback", "0", "--reason", "not everywhere"]);
    until("it is well again", || gateway.health()["status"] == "ok");
}

/// Versions that one machine cannot use: the days of the last one that it can use stay in force, also behind restarts and without the file beside the log, and
/// nothing is deleted by age meanwhile, by the gateway or by command.
#[test]
fn what_was_in_force_stays_behind_a_restart_and_nothing_is_deleted_by_age() {
    let (home, _upstream) = home();
    let mut gateway = start(&home, &[]);
    let set = |path: &str, value: &str| {
        let mut set = home.lockgate(&["config", "set", path, value, "--reason", "x"]);
        let set = set.env("ELSEWHERE", "sk-there").output().unwrap();
        assert!(set.status.success(), "{set:?}");
    };
    set("models.aliases.quick", "up:b");
    set("record.retention.calls_days", "365");
    until("it follows", || version(&gateway) == 2);
    let shown = || ok(&home, &["retention", "show", "--json"]).json();
    assert_eq!(shown()["calls_days"], 365, "by command too");
    ok(&home, &["retention", "run", "--yes"]);
    let third = "{\"kind\": \"openai-compatible\", \"base_url\": \"http://127.0.0.1:9\", \"api_key\": \"${ELSEWHERE}\"}";
    set("providers.third", third);
    until("it has seen it", || version(&gateway) == 3);
    let refused = home.run(&["retention", "run", "--yes"]);
    assert!(refused.code == 1 && refused.err.contains("ELSEWHERE"), "{refused:?}");
    assert!(shown()["withheld"].as_str().unwrap().contains("cannot be used"), "{}", shown());
    let token = token(&home, &gateway);
    for cache in ["kept", "lost"] {
        gateway.signal("TERM");
        assert_eq!(gateway.ended(), 0);
        if cache == "lost" {
            std::fs::remove_file(home.path(".local/share/lockgate/settings.json")).unwrap();
        }
        gateway = start(&home, &[]);
        if cache == "kept" {
            assert_eq!(gateway.ask("quick").status, 200, "from the start");
        }
        until("an older version is in force", || gateway.ask("quick").status == 200);
        assert_eq!(gateway.health()["status"], "degraded", "{cache}");
        let url = format!("http://{}", gateway.address);
        let at = ["--gateway", &url, "--token", &token];
        let days = [&["retention", "show", "--json"], &at[..]].concat();
        // The database is opened behind the start.
        until("its days are those that were set", || home.run(&days).out.contains("\"calls_days\": 365"));
        let refused = home.run(&[&["retention", "run", "--yes"], &at[..]].concat());
        assert!(refused.code == 1 && refused.err.contains("nothing is deleted by age"), "{refused:?}");
    }
    ok(&home, &["config", "rollback", "2", "--reason", "not everywhere"]);
    until("it is well again", || gateway.health()["status"] == "ok");
    ok(&home, &["retention", "run", "--yes"]);
}
