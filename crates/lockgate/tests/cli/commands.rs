//! Keys, completions and the form of output.

use crate::support::{Home, Ran};
use serde_json::Value;

#[test]
fn a_new_key_is_printed_once_with_the_hash_that_belongs_to_it() {
    let home = Home::new();
    let ran = home.run(&["key", "new", "--name", "lap\"top", "--json"]).ok();
    let made: Value = serde_json::from_str(&ran.out).unwrap();
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with("lg-") && !lockgate::key::is_mistyped(key), "{key}");
    assert_eq!(made["hash"], lockgate::key::hash(key));
    let plain = home.run(&["key", "new", "--name", "lap\"top"]).ok();
    let first = plain.out.lines().next().unwrap();
    assert_ne!(first, key, "each key is new");
    let yaml = &plain.out[plain.out.find("keys:").unwrap()..];
    let yaml: Value = serde_saphyr::from_str(yaml).unwrap();
    assert_eq!(yaml["keys"][0]["name"], "lap\"top");
    assert_eq!(yaml["keys"][0]["hash"], lockgate::key::hash(first));
}

#[test]
fn output_in_a_pipe_has_no_colours_unless_forced() {
    let home = Home::new();
    let plain = home.run(&["connect", "claude-code"]).ok();
    assert!(!plain.out.contains('\u{1b}'), "{:?}", plain.out);
    let forced = home.lockgate(&["connect", "claude-code"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(String::from_utf8(forced.stdout).unwrap().contains('\u{1b}'));
    let neither = home.lockgate(&["connect", "claude-code"]).env("NO_COLOR", "1").output().unwrap();
    assert!(!String::from_utf8(neither.stdout).unwrap().contains('\u{1b}'));
}

/// `lockgate … | head` ends quietly: whoever reads has seen enough.
#[test]
fn a_closed_pipe_is_an_end_and_no_failure() {
    let home = Home::new();
    for args in [&["completions", "bash"][..], &["config", "schema"], &["key", "new", "--name", "a"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ran = home.lockgate(args).stdout(writer).output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success() && said.is_empty(), "{args:?} {:?} {said}", ran.status);
    }
}

/// A token in the environment is for the gateways that are named; what is asked of the own database needs none.
#[test]
fn a_token_in_the_environment_is_in_nobodys_way() {
    let home = Home::new();
    for args in [&["key", "new"][..], &["user", "list"], &["call", "list"], &["key", "list"], &["live"]] {
        let with = Ran::from(home.lockgate(args).env("LOCKGATE_TOKEN", "of-another-place").output().unwrap());
        let without = home.run(args);
        assert_eq!((with.code, &with.err), (without.code, &without.err), "{args:?}");
        assert_ne!(with.code, 2, "{args:?} {with:?}");
    }
    let ran = home.run(&["call", "list", "--token", "x"]);
    assert!(ran.code == 2 && ran.err.contains("--gateway"), "{ran:?}");
}

#[test]
fn what_cannot_be_given_is_refused_with_what_can() {
    let home = Home::new();
    for (args, words) in [
        (&["user", "add", "eve", "--role", "king"][..], "[possible values: self, viewer, operator, admin]"),
        (
            &["key", "new", "--name", "k", "--role", "king"],
            "[possible values: self, viewer, operator, admin]",
        ),
        (&["call", "list", "--limit", "0"], "1..=500"),
        (&["call", "list", "--limit", "501"], "1..=500"),
        (&["session", "list", "--limit", "501"], "1..=500"),
    ] {
        let ran = home.run(args);
        assert!(ran.code == 2 && ran.err.contains(words), "{args:?} {ran:?}");
    }
}

#[test]
fn arguments_in_the_wrong_place_are_2_with_the_right_place() {
    let home = Home::new();
    for args in
        [&["-c", "f", "config", "check"][..], &["-c", "f", "doctor"], &["--set", "a=b", "config", "check"]]
    {
        let ran = home.run(args);
        assert!(ran.code == 2 && ran.err.contains("lockgate config check --config FILE"), "{args:?} {ran:?}");
    }
    let ran = home.run(&["run", "codex", "exec", "hi"]);
    assert!(ran.code == 2 && ran.err.contains("lockgate run codex -- exec hi"), "{ran:?}");
    let help = home.run(&["run", "--help"]).ok().out;
    assert!(help.contains("OpenAI's Codex CLI") && !help.contains("`OpenAI`"), "{help}");
}

#[test]
fn a_broken_script_of_the_upstream_is_2_with_its_name_and_place() {
    let home = Home::new();
    home.write("bad.yaml", b"rules: 7\n");
    let ran = home.run(&["upstream", "bad.yaml"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.err.contains("bad.yaml") && !ran.err.contains("error: error"), "{ran:?}");
}

#[test]
fn connect_says_when_nothing_answers_there() {
    let home = Home::new();
    let ran = home.run(&["connect", "claude-code", "--url", "http://127.0.0.1:1"]).ok();
    assert!(ran.out.contains("is now set to talk to") && ran.out.contains("nothing answers at"), "{ran:?}");
}

#[test]
fn wrong_usage_is_2_and_json_failures_are_json() {
    let home = Home::new();
    assert_eq!(home.run(&["connect", "nobody"]).code, 2);
    assert_eq!(home.run(&["connect", "claude-code", "--url", "nonsense"]).code, 2);
    let ran = home.run(&["connect", "claude-code", "--revert", "--json"]);
    assert_eq!(ran.code, 1);
    let failure: Value = serde_json::from_str(&ran.out).unwrap();
    assert!(failure["error"]["message"].as_str().unwrap().contains("nothing to revert"));
    assert_eq!(ran.err, "");
}

#[test]
fn completions_and_version_are_there() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(home.run(&["completions", shell]).ok().out.contains("claude-code"));
    }
    assert!(home.run(&["--version"]).ok().out.starts_with("lockgate 0."));
}

#[test]
fn keys_are_listed_with_what_they_may_do_and_never_with_their_hash() {
    let home = Home::new();
    let none = home.run(&["key", "list"]).ok();
    assert!(none.out.contains("No keys"), "{none:#?}");
    let hashes = [lockgate::key::hash("one"), lockgate::key::hash("two")];
    let yaml = format!(
        "keys:\n  - name: laptop\n    hash: {}\n    models: ['gpt-*', claude-x]\n    credentials: {{openai: '${{OWN}}'}}\n  - name: ci\n    hash: {}\n",
        hashes[0], hashes[1]
    );
    home.write("lockgate.yaml", yaml.as_bytes());
    let list =
        |args: &[&str]| Ran::from(home.lockgate(args).env("OWN", "sk-own-secret").output().unwrap()).ok();
    let (text, json) = (list(&["key", "list"]), list(&["key", "list", "--json"]));
    let report: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    let entry = report["keys"][1]["entry"].as_str().unwrap().to_owned();
    assert!(entry.contains("lockgate.yaml:6:"), "{report:#}");
    assert_eq!(report["keys"][0]["models"], serde_json::json!(["gpt-*", "claude-x"]));
    assert_eq!(report["keys"][0]["credentials"], serde_json::json!(["openai"]));
    for words in
        ["laptop", "gpt-*, claude-x", "its own for openai", "ci", "all", "delete its entry", &hashes[0][..15]]
    {
        assert!(text.out.contains(words), "{words}: {}", text.out);
    }
    for shown in [&text.out, &json.out] {
        assert!(!shown.contains(&hashes[0]) && !shown.contains("sk-own-secret"), "{shown}");
    }
    home.write("lockgate.yaml", b"keys: [{name: a}]\n");
    let broken = home.run(&["key", "list"]);
    assert!(broken.code == 2 && broken.err.contains("lockgate.yaml:1:"), "{broken:#?}");
}

/// What is not known is not called nothing: no policies and no keys are only said where that is certain.
#[test]
fn policies_and_keys_of_a_database_that_is_away_are_not_known() {
    let home = Home::new();
    let away = "record: {database: 'postgres://nobody@127.0.0.1:1/none'}\n";
    home.write("lockgate.yaml", away.as_bytes());
    for (command, said) in [
        (["policy", "list"], "whether policies were applied is not known"),
        (["key", "list"], "which keys are in the database is not known"),
    ] {
        let ran = home.run(&command);
        assert!(ran.code == 3 && ran.err.contains(said), "{command:?}: {ran:#?}");
        for words in ["everything may happen", "call without one"] {
            assert!(!ran.out.contains(words), "{command:?}: {ran:#?}");
        }
        let json = home.run(&[command[0], command[1], "--json"]);
        assert!(json.code == 3 && json.out.contains("error"), "{command:?}: {json:#?}");
    }
    for command in [["policy", "stats"], ["policy", "versions"]] {
        assert_eq!(home.run(&command).code, 3, "{command:?}");
    }
    let rules = "policies: {chain: [{name: git, rules: [{name: a, tools: [Bash], then: refuse}]}]}\n";
    home.write("lockgate.yaml", format!("{away}{rules}").as_bytes());
    let ran = home.run(&["policy", "list"]);
    assert!(ran.code == 3 && ran.out.contains("git"), "those of the file are known: {ran:#?}");
    home.write("lockgate.yaml", b"server: {require_key: true}\n");
    let closed = home.run(&["key", "list"]).ok();
    assert!(closed.out.contains("nobody can call") && !closed.out.contains("without one"), "{closed:#?}");
}

/// Routes without a command, and why.
const BY_HAND: [(&str, &str); 13] = [
    (
        "/api/calls/{id}/exchange",
        "the same as messages: `call show --body`, `session export` and `session show` tell it",
    ),
    ("/api/calls/{id}/media", "pictures, for pages; `session export --format json` has their bytes"),
    ("/api/docs", "a page"),
    ("/api/docs/{*file}", "a page"),
    ("/api/login/oidc", "of a browser"),
    ("/api/login/oidc/callback", "of a browser"),
    ("/api/me", "of whoever is logged in at a page or with a token of one's own"),
    ("/api/me/logins", "the same"),
    ("/api/me/logins/{id}", "the same"),
    ("/api/me/password", "the same"),
    ("/api/openapi.json", "in the repository"),
    (
        "/api/sessions/{id}/conversation",
        "`session export --format markdown` is it for people, `json` for programs",
    ),
    ("/login", "a page"),
];

fn sources(folder: &std::path::Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "serve") {
            sources(&path, into);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            into.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// 5 of the operations: whatever the admin API can do, a command does, or it is said here why none does.
#[test]
fn every_route_of_the_admin_api_has_a_command_or_a_reason() {
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&here.join("src"), &mut files);
    let document = std::fs::read_to_string(here.join("../../schema/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let paths = document["paths"].as_object().unwrap();
    for (path, _) in BY_HAND {
        assert!(paths.contains_key(path), "{path} is no route any more");
    }
    for path in paths.keys().filter(|path| !BY_HAND.iter().any(|(by_hand, _)| by_hand == path)) {
        // The pieces between parameters, which one file has to name all.
        let pieces: Vec<_> = path
            .split(['{', '}'])
            .step_by(2)
            .map(|piece| piece.trim_end_matches('/'))
            .filter(|piece| !piece.is_empty())
            .collect();
        assert!(
            files.iter().any(|file| pieces.iter().all(|piece| file.contains(piece))),
            "{path} has no command"
        );
    }
}
