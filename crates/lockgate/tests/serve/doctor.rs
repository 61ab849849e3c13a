//! `lockgate doctor`: finds what is wrong, says what to do, costs nothing, tells no secret.

use std::net::TcpListener;

use serde_json::Value;

use crate::support::{Gateway, Home, Ran, Scripted};

fn free_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn check<'a>(report: &'a Value, area: &str, name: &str) -> &'a Value {
    let all = report["checks"].as_array().unwrap();
    all.iter()
        .find(|check| check["area"] == area && check["name"] == name)
        .unwrap_or_else(|| panic!("{report:#}"))
}

fn doctor(home: &Home, variables: &[(&str, &str)]) -> Ran {
    Ran::from(home.lockgate(&["doctor", "--json"]).envs(variables.iter().copied()).output().unwrap())
}

/// Requirement 004-M8: whatever it finds out costs nothing.
#[test]
fn a_healthy_gateway_is_0_and_providers_get_nothing_but_get() {
    let upstream = Scripted::start("keys: [sk-good-key]\nmodels: [{id: a}, {id: b}]\n");
    let home = Home::new();
    let listen = free_port();
    let providers = upstream.entry("work", ", api_key: '${WORK_KEY}'");
    home.write("lockgate.yaml", &format!("server: {{listen: '{listen}'}}\nproviders:\n{providers}"));
    let ran = doctor(&home, &[("WORK_KEY", "sk-good-key")]);
    let report = ran.json();
    assert_eq!((ran.code, &report["ok"]), (0, &true.into()), "{report:#}");
    let work = check(&report, "providers", "work");
    assert_eq!(work["status"], "ok");
    assert!(work["message"].as_str().unwrap().starts_with("2 models"), "{work}");
    assert_eq!(check(&report, "listen", &listen)["message"], "free");
    let requests = upstream.seen.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| request.method == "GET"), "{requests:#?}");
    assert!(!home.path(".local").exists() && !home.path(".config").exists(), "looking changes nothing");
}

#[test]
fn a_refused_key_is_1_with_advice_and_the_key_is_not_shown() {
    let script =
        "rules: [{when: {path: '/v1/models'}, error: {status: 401, message: 'bad key sk-very-private'}}]\n";
    let upstream = Scripted::start(script);
    let home = Home::new();
    let providers = upstream.entry("work", ", api_key: '${WORK_KEY}'");
    home.write("lockgate.yaml", &format!("server: {{listen: '{}'}}\nproviders:\n{providers}", free_port()));
    let ran = doctor(&home, &[("WORK_KEY", "sk-very-private")]);
    let report = ran.json();
    assert_eq!((ran.code, &report["ok"]), (1, &false.into()), "{report:#}");
    let work = check(&report, "providers", "work");
    assert_eq!(work["status"], "error");
    assert!(work["advice"].as_str().unwrap().contains("providers.work.api_key"), "{work}");
    let text = Ran::from(home.lockgate(&["doctor"]).env("WORK_KEY", "sk-very-private").output().unwrap());
    assert_eq!(text.code, 1);
    assert!(text.out.contains("✗ work") && text.out.contains("→ "), "{}", text.out);
    assert!(!format!("{ran:?}{text:?}").contains("sk-very-private"), "{ran:#?}");
}

#[test]
fn an_unreachable_provider_and_a_wrong_clock_are_findings() {
    let script = "rules: [{when: {path: '/v1/models'}, raw: {headers: {date: 'Thu, 01 Jan 2099 00:00:00 GMT', \
                  content-type: application/json}, json: {object: list, data: []}}}]\n";
    let upstream = Scripted::start(script);
    let home = Home::new();
    let gone = free_port();
    let providers = upstream.entry("work", "");
    home.write(
        "lockgate.yaml",
        &format!(
            "server: {{listen: '{}'}}\nproviders:\n{providers}  gone: {{kind: openai-compatible, base_url: 'http://{gone}/v1'}}\n",
            free_port()
        ),
    );
    let report = doctor(&home, &[]).json();
    let gone = check(&report, "providers", "gone");
    assert_eq!(gone["status"], "error");
    assert!(gone["message"].as_str().unwrap().contains("cannot connect"), "{gone}");
    assert!(gone["advice"].as_str().unwrap().contains("providers.gone.base_url"), "{gone}");
    let clock = check(&report, "machine", "clock");
    assert!(clock["message"].as_str().unwrap().contains("behind that of work"), "{clock}");
}

#[test]
fn the_port_is_free_or_a_lockgate_s_or_somebody_else_s() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, status) in [(gateway.address, "ok"), (other.local_addr().unwrap(), "error")] {
        home.write("lockgate.yaml", &format!("server: {{listen: '{address}'}}\n"));
        let report = doctor(&home, &[]).json();
        assert_eq!(check(&report, "listen", &address.to_string())["status"], status, "{report:#}");
    }
}

#[test]
fn a_broken_configuration_is_1_with_places_and_a_missing_one_is_3() {
    let home = Home::new();
    home.write("lockgate.yaml", "servr: {}\n");
    let ran = doctor(&home, &[]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let report = ran.json();
    let problem = check(&report, "configuration", "LG002");
    assert!(problem["message"].as_str().unwrap().contains("lockgate.yaml:1:1"), "{problem}");
    assert_eq!(problem["advice"], "write `server`");
    let ran = home.run(&["doctor", "--config", "none.yaml", "--json"]);
    assert_eq!(ran.code, 3, "{ran:#?}");
}

#[test]
fn the_version_of_claude_is_told_and_a_missing_program_matters_only_if_it_is_used() {
    let home = Home::new();
    home.program("claude", "echo '9.8.7 (Claude Code)'\n");
    home.write("lockgate.yaml", &format!("server: {{listen: '{}'}}\n", free_port()));
    let report = doctor(&home, &[]).json();
    assert_eq!(check(&report, "machine", "claude")["message"], "9.8.7 (Claude Code)");
    home.write("lockgate.yaml", "providers: {claude-cli: {claude_cli: {command: no-such-claude}}}\n");
    let report = doctor(&home, &[]).json();
    assert_eq!(check(&report, "machine", "no-such-claude")["status"], "error");
}
