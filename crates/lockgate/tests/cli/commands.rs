//! Keys, completions and the form of output.

use crate::support::Home;
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
