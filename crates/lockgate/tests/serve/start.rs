//! What a start looks like, and what callers of a provider hear that is not there.

use serde_json::json;

use crate::held::{Held, Hold};
use crate::http;
use crate::support::{Gateway, Home, Scripted, until};

/// Requirement 004-1: nobody waits for discovery.
#[test]
fn it_answers_before_providers_have_said_what_they_have() {
    let silent = Held::start(Hold::Everything);
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}", silent.entry("work", "")));
    let gateway = Gateway::start(&home);
    until("the list is asked for", || silent.heads().iter().any(|head| head.starts_with("get /v1/models")));
    assert_eq!(http::get(gateway.address, "/health").unwrap().status, 200);
    let out = gateway.screen();
    assert!(out.find("listening").unwrap() < out.find("Providers").unwrap(), "{out}");
    assert!(out.contains("no answer in time"), "{out}");
}

/// Requirement 004-1: no file, no key, and it still runs.
#[test]
fn a_start_with_nothing_says_who_may_call_and_what_is_missing() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    let out = gateway.screen();
    assert!(out.contains("no provider has a key here"), "{out}");
    assert!(out.contains("this machine only, without a key"), "{out}");
    assert!(out.contains("every call, with secrets masked; in"), "{out}");
    assert!(out.contains(&format!("OPENAI_BASE_URL=http://{}/v1", gateway.address)), "{out}");
    assert!(out.contains("with the caller's own key"), "{out}");
    assert!(!out.contains('\u{1b}') && !gateway.log().contains('\u{1b}'), "{out}");
    let widest = out.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{widest}: {out}");
}

/// What SECURITY.md says of callers without a key of the gateway stands on the screen too.
#[test]
fn the_screen_says_who_may_call_when_there_are_keys() {
    let home = Home::new();
    let hash = format!("blake3:{}", "0".repeat(64));
    home.write("lockgate.yaml", &format!("keys: [{{name: a, hash: '{hash}'}}]\n"));
    let gateway = Gateway::start(&home);
    until("it says who", || gateway.out().contains("whoever has the key; anybody else only with a key"));
}

/// Requirement 004-6: a program that is not there is not ready, a call says so, and one that is there lists its models.
#[test]
fn the_claude_command_is_ready_only_where_it_is_installed() {
    let home = Home::new();
    home.write("lockgate.yaml", "providers: {claude-cli: {claude_cli: {command: nope-claude}}}\n");
    let gateway = Gateway::start(&home);
    until("the summary is complete", || gateway.out().contains("`nope-claude` is not"));
    assert!(!gateway.out().contains("with its own login"), "{}", gateway.out());
    let answer = gateway.ask("claude-cli:sonnet");
    assert!(answer.status == 503 && answer.text.contains("not installed"), "{answer:?}");
    let home = Home::new();
    home.program("claude", "exit 3\n");
    let gateway = Gateway::start(&home);
    until("the summary is complete", || gateway.out().contains("with its own login"));
    let list = http::get(gateway.address, "/v1/models").unwrap().text;
    assert!(list.contains("\"sonnet\"") && list.contains("\"opus\""), "{list}");
    let call = gateway.ask("claude-sonnet-4-5");
    assert!(call.status >= 500, "the program was started, and failed: {call:?}");
}

#[test]
fn a_provider_that_cannot_be_opened_is_named_with_the_reason_and_the_others_work() {
    let upstream = Scripted::start("");
    let home = Home::new();
    let broken = "  broken: {kind: claude-cli, claude_cli: {args: ['--tools']}}\n";
    home.write("lockgate.yaml", &format!("providers:\n{}{broken}", upstream.entry("work", "")));
    let gateway = Gateway::start(&home);
    until("it is named", || gateway.out().contains("left out: providers.broken.claude_cli.args"));
    assert!(gateway.log().contains("provider `broken` is left out"), "{}", gateway.log());
    assert!(!gateway.log().contains('\u{1b}'), "{}", gateway.log());
    assert_eq!(gateway.ask("work:m").status, 200);
}

#[test]
fn a_call_for_a_provider_that_is_not_there_says_how_to_add_it() {
    let home = Home::new();
    let gateway = Gateway::start(&home);
    for (model, variable) in [
        ("gemini-2.5-pro", "GEMINI_API_KEY"),
        ("groq:llama-3.3-70b", "GROQ_API_KEY"),
        ("gpt-5", "OPENAI_API_KEY"),
    ] {
        let answer = gateway.ask(model);
        assert!((400..500).contains(&answer.status), "{model}: {answer:?}");
        assert!(answer.text.contains(variable) && answer.text.contains("\"error\""), "{model}: {answer:?}");
    }
    let call = json!({"model": "groq/x", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]});
    let answer = http::post(gateway.address, "/v1/messages", &call);
    assert!(answer.text.contains("GROQ_API_KEY") && answer.text.contains("\"type\":\"error\""), "{answer:?}");
}

/// Requirement L3: each model has timeouts of its own.
#[test]
fn a_model_s_own_timeout_ends_a_call_that_gets_no_answer() {
    let silent = Held::start(Hold::Everything);
    let home = Home::new();
    let more = ", retry: {attempts: 0}, model_timeouts: [{model: 'slow-*', first_byte_ms: 100}]";
    home.write("lockgate.yaml", &format!("providers:\n{}", silent.entry("work", more)));
    let gateway = Gateway::start(&home);
    assert_eq!(gateway.ask("work:slow-1").status, 504);
}

/// Requirement 004-36: by the provider's own id an operator finds the exchange in the provider's records.
#[test]
fn the_log_line_of_a_call_has_the_providers_request_id_and_no_secret() {
    let upstream = Scripted::start("rules: [{when: {model: bad}, error: {status: 400}}]");
    let home = Home::new();
    let entry = upstream.entry("work", ", api_key: sk-very-private");
    home.write("lockgate.yaml", &format!("log: {{level: debug, format: json}}\nproviders:\n{entry}"));
    let gateway = Gateway::start(&home);
    let answers = [gateway.ask("work:m"), gateway.stream("work:m").end().unwrap(), gateway.ask("work:bad")];
    for (answer, outcome) in answers.iter().zip(["complete", "complete", "upstream_rejected"]) {
        let header = |name: &str| {
            let line = answer.text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name} {answer:?}")).trim().to_owned()
        };
        let (task, id) = (header("x-task-id:"), header("x-request-id:"));
        assert!(id.starts_with("req_"), "{id}");
        let line = || {
            let log = gateway.log();
            let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            lines.map(|line| line["fields"].clone()).find(|fields| fields["call.id"] == *task)
        };
        until("the call is logged", || line().is_some());
        let fields = line().unwrap();
        assert_eq!((&fields["call.request_id"], &fields["call.outcome"]), (&json!(id), &json!(outcome)));
    }
    assert!(!gateway.log().contains("very-private"), "{}", gateway.log());
}
