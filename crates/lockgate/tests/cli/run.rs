//! Launching clients: a script stands for the client and shows what it was given.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;

use crate::support::{Home, Ran};

/// Puts a program of this name on PATH that prints its environment and arguments.
fn fake(home: &Home, name: &str, then: &str) {
    let script =
        format!("#!/bin/sh\nfor a in \"$@\"; do printf 'arg=%s\\n' \"$a\"; done\n/usr/bin/env\n{then}\n");
    let path = home.write(&format!("bin/{name}"), script.as_bytes());
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(home: &Home, args: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = home.lockgate(args);
    command.envs(variables.iter().copied());
    Ran::from(command.output().unwrap())
}

fn has(ran: &Ran, line: &str) -> bool {
    ran.out.lines().any(|found| found == line)
}

#[test]
fn claude_code_gets_address_and_key_and_loses_what_leads_elsewhere() {
    let home = Home::new();
    fake(&home, "claude", "");
    let ran = run(
        &home,
        &["run", "claude", "--no-check", "--key", "k1", "--model", "fast", "--", "-p", "two words", "$HOME"],
        &[("ANTHROPIC_API_KEY", "sk-mine"), ("CLAUDE_CODE_USE_BEDROCK", "1"), ("FOO", "bar")],
    );
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert!(
        has(&ran, "ANTHROPIC_BASE_URL=http://127.0.0.1:8484") && has(&ran, "ANTHROPIC_AUTH_TOKEN=k1"),
        "{}",
        ran.out
    );
    assert!(
        has(&ran, "FOO=bar") && !ran.out.contains("sk-mine") && !ran.out.contains("BEDROCK"),
        "{}",
        ran.out
    );
    let args: Vec<&str> = ran.out.lines().filter_map(|line| line.strip_prefix("arg=")).collect();
    assert_eq!(args[0], "--settings");
    assert!(args[1].contains("ANTHROPIC_BASE_URL") && !args[1].contains("k1"), "{}", args[1]);
    assert_eq!(args[2..], ["--model", "fast", "-p", "two words", "$HOME"]);
    assert!(!home.path(".local").exists(), "nothing is written");
}

#[test]
fn a_key_in_claude_codes_settings_is_overruled_by_a_private_file_not_by_an_argument() {
    let home = Home::new();
    fake(&home, "claude", "cat \"$2\"");
    home.write(".claude/settings.json", b"{\"env\": {\"ANTHROPIC_AUTH_TOKEN\": \"other\"}} // mine");
    let path = format!("{}:/usr/bin:/bin", home.path("bin").display());
    let ran = run(&home, &["run", "claude", "--no-check", "--key", "k1"], &[("PATH", &path)]);
    let args: Vec<&str> = ran.out.lines().filter_map(|line| line.strip_prefix("arg=")).collect();
    assert_eq!(args[0], "--settings");
    assert!(!args.iter().any(|arg| arg.contains("k1")), "{args:?}");
    assert_eq!(fs::metadata(args[1]).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(ran.out.contains("\"ANTHROPIC_AUTH_TOKEN\":\"k1\""), "{}", ran.out);
}

#[test]
fn the_clients_own_credentials_stay_when_asked() {
    let home = Home::new();
    fake(&home, "claude", "");
    let ran = run(&home, &["run", "claude", "--no-check", "--own-key"], &[("ANTHROPIC_API_KEY", "sk-mine")]);
    assert!(
        has(&ran, "ANTHROPIC_API_KEY=sk-mine") && !ran.out.contains("ANTHROPIC_AUTH_TOKEN"),
        "{}",
        ran.out
    );
}

#[test]
fn codex_gets_overrides_and_its_key_by_variable() {
    let home = Home::new();
    fake(&home, "codex", "");
    let ran = run(
        &home,
        &["run", "codex", "--no-check", "--key", "k1", "--url", "http://h:1/v1", "--", "exec", "hi"],
        &[],
    );
    for line in [
        "arg=model_provider=\"lockgate\"",
        "arg=model_providers.lockgate.base_url=\"http://h:1/v1\"",
        "arg=model_providers.lockgate.wire_api=\"responses\"",
        "arg=model_providers.lockgate.env_key=\"LOCKGATE_API_KEY\"",
        "LOCKGATE_API_KEY=k1",
    ] {
        assert!(has(&ran, line), "{line}\n{}", ran.out);
    }
    let args: Vec<&str> = ran.out.lines().filter_map(|line| line.strip_prefix("arg=")).collect();
    assert_eq!(args[args.len() - 2..], ["exec", "hi"]);
}

#[test]
fn gemini_opencode_qwen_copilot_and_aider_get_theirs() {
    let home = Home::new();
    for (client, program, expected) in [
        ("gemini", "gemini", "GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:8484"),
        ("opencode", "opencode", "LOCKGATE_API_KEY=lockgate"),
        ("qwen", "qwen", "OPENAI_BASE_URL=http://127.0.0.1:8484/v1"),
        ("copilot", "copilot", "COPILOT_PROVIDER_BASE_URL=http://127.0.0.1:8484/v1"),
        ("aider", "aider", "OPENAI_API_BASE=http://127.0.0.1:8484/v1"),
    ] {
        fake(&home, program, "");
        if client == "gemini" {
            let refused = run(&home, &["run", client, "--no-check"], &[]);
            assert_eq!(refused.code, 3, "{refused:#?}");
            assert!(refused.err.contains("lockgate connect gemini-cli"), "{}", refused.err);
            home.write(
                ".gemini/settings.json",
                br#"{"security": {"auth": {"selectedType": "gemini-api-key"}}}"#,
            );
        }
        let ran = run(&home, &["run", client, "--no-check"], &[("GOOGLE_GENAI_USE_VERTEXAI", "true")]);
        assert_eq!(ran.code, 0, "{ran:#?}");
        assert!(has(&ran, expected), "{client}: {}", ran.out);
        assert!(client != "gemini" || !ran.out.contains("VERTEXAI"));
    }
    let cursor = run(&home, &["run", "cursor", "--no-check"], &[]);
    assert_eq!(cursor.code, 2);
}

#[test]
fn exit_codes_and_signals_are_the_clients_own() {
    let home = Home::new();
    fake(&home, "claude", "exit 42");
    assert_eq!(run(&home, &["run", "claude", "--no-check"], &[]).code, 42);
    fake(&home, "claude", "kill -TERM $$");
    let output = home.lockgate(&["run", "claude", "--no-check"]).output().unwrap();
    assert_eq!(output.status.signal(), Some(15), "the client is this very process");
}

#[test]
fn a_lockgate_that_is_not_there_is_said_before_the_client_starts() {
    let home = Home::new();
    fake(&home, "claude", "");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    assert_eq!(run(&home, &["run", "claude", "--url", &url], &[]).code, 0);
    drop(listener);
    let ran = run(&home, &["run", "claude", "--url", &url], &[]);
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert!(
        ran.err.contains("connection refused") && ran.err.contains("start `lockgate` first"),
        "{}",
        ran.err
    );
}

#[test]
fn a_client_that_is_not_installed_is_named() {
    let home = Home::new();
    let ran = run(&home, &["run", "codex", "--no-check"], &[]);
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("`codex` is not on PATH"), "{}", ran.err);
}

/// Requirement 004-27: where a proxy leads out, a client must not look for this machine behind it.
#[test]
fn a_client_behind_a_proxy_reaches_lockgate_on_this_machine_directly() {
    let home = Home::new();
    fake(&home, "claude", "");
    let with = |url: &str, variables: &[(&str, &str)]| {
        run(&home, &["run", "--no-check", "--url", url, "claude"], variables).ok()
    };
    let proxy = ("https_proxy", "http://proxy:3128");
    let here = "http://127.0.0.1:8484";
    let ran = with(here, &[proxy, ("NO_PROXY", "intern.example")]);
    assert!(has(&ran, "NO_PROXY=intern.example,127.0.0.1"), "{}", ran.out);
    assert!(has(&ran, "no_proxy=intern.example,127.0.0.1"), "{}", ran.out);
    let unlisted = with("http://localhost:8484", &[proxy]);
    assert!(has(&unlisted, "NO_PROXY=localhost"), "{}", unlisted.out);
    for (url, variables) in [
        (here, &[][..]),
        (here, &[proxy, ("no_proxy", "a, 127.0.0.1")]),
        ("http://gateway.example:8484", &[proxy]),
    ] {
        let ran = with(url, variables);
        assert!(!ran.out.contains("NO_PROXY="), "{url} {variables:?}: {}", ran.out);
    }
}
