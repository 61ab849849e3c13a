//! The `claude` program as a provider, played by a script that prints what the real one printed. Requirement 004-6.

use std::fs;

use serde_json::json;

use crate::http::{self, Answer};
use crate::support::{Gateway, Home, until};

/// A home with a `claude` that reads its input and then does as the script says. `$RECORDED` is a real run's output.
fn home(script: &str, options: &str) -> Home {
    let home = Home::new();
    let recorded = String::from_utf8(lockgate_testkit::fixture("claude-cli/text.ndjson").unwrap()).unwrap();
    let recorded = home.write("recorded.ndjson", &recorded);
    let root = home.root().display();
    let read = format!("RECORDED='{}'\nprintf '%s\\n' \"$@\" > '{root}/args'\n", recorded.display());
    home.program("claude", &format!("{read}cd '{root}'\n/bin/cat > input\n{script}"));
    home.write("lockgate.yaml", &format!("providers: {{claude-cli: {{claude_cli: {{{options}}}}}}}\n"));
    home
}

fn ask(gateway: &Gateway, prompt: &str) -> Answer {
    let call = json!({"model": "claude-cli:sonnet", "messages": [{"role": "user", "content": prompt}]});
    http::post(gateway.address, "/v1/chat/completions", &call)
}

#[test]
fn a_prompt_is_input_and_never_a_command_or_an_argument() {
    let home = home("/bin/cat \"$RECORDED\"\n", "");
    let gateway = Gateway::start(&home);
    let marker = home.path("created");
    let prompt = format!("$(touch {0}); `touch {0}`; | touch {0}", marker.display());
    let answer = ask(&gateway, &prompt);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.text.contains(RECORDED_WORDS), "{answer:?}");
    assert!(!marker.exists());
    assert!(fs::read_to_string(home.path("input")).unwrap().contains("$(touch "));
    assert!(!fs::read_to_string(home.path("args")).unwrap().contains("touch"));
}

/// Words of the recorded answer.
const RECORDED_WORDS: &str = "Hello there <&>";

/// Whether a process is gone, or dead and only waiting for its parent to notice.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

#[test]
fn a_caller_who_leaves_takes_the_program_and_its_children_along() {
    let script = "/usr/bin/head -n 5 \"$RECORDED\"\nsleep 1000 &\necho \"$$ $!\" > pids.new\n\
                  /bin/mv pids.new pids\nwait\n";
    let home = home(script, "");
    let gateway = Gateway::start(&home);
    let mut stream = gateway.stream("claude-cli:sonnet");
    stream.until("Hello");
    let pids = home.path("pids");
    until("it runs with a child", || pids.exists());
    let pids = fs::read_to_string(pids).unwrap();
    assert!(
        pids.split_whitespace().count() == 2 && pids.split_whitespace().all(|pid| !is_gone(pid)),
        "{pids}"
    );
    drop(stream);
    until("both are gone", || pids.split_whitespace().all(is_gone));
}

#[test]
fn a_program_that_is_not_there_is_named_with_what_to_do() {
    let home = home("", "command: no-such-claude");
    let answer = ask(&Gateway::start(&home), "hello");
    assert!((502..=503).contains(&answer.status), "{answer:?}");
    assert!(answer.text.contains("no-such-claude") && answer.text.contains("install it"), "{answer:?}");
}

#[test]
fn what_a_failing_program_says_reaches_the_caller() {
    let home = home("echo 'the moon is in the wrong house' >&2\nexit 7\n", "");
    let answer = ask(&Gateway::start(&home), "hello");
    assert!(answer.status >= 500, "{answer:?}");
    assert!(answer.text.contains("the moon is in the wrong house"), "{answer:?}");
}

#[test]
fn a_program_that_writes_without_end_is_ended() {
    let script = "echo $$ > pids\nwhile :; do echo '{\"type\":\"system\",\"subtype\":\"noise\"}'; done\n";
    let home = home(script, "max_output_bytes: 4096");
    let answer = ask(&Gateway::start(&home), "hello");
    assert!(answer.status >= 500 && answer.text.contains("max_output_bytes"), "{answer:?}");
    let pid = fs::read_to_string(home.path("pids")).unwrap();
    until("it is gone", || is_gone(pid.trim()));
}

#[test]
fn a_program_that_takes_too_long_is_ended_and_not_started_again() {
    let home = home("echo $$ >> pids\nexec sleep 1000\n", "timeout_ms: 2000");
    let answer = ask(&Gateway::start(&home), "hello");
    assert!(answer.status >= 500 && answer.text.contains("timeout_ms"), "{answer:?}");
    let pid = fs::read_to_string(home.path("pids")).unwrap();
    assert_eq!(pid.lines().count(), 1, "{pid}");
    until("it is gone", || is_gone(pid.trim()));
}

/// A key of Anthropic's would turn calls of a subscription into paid ones.
#[test]
fn keys_of_the_gateway_do_not_reach_the_program_and_its_own_login_does() {
    let home = home("/usr/bin/env > environment\n/bin/cat \"$RECORDED\"\n", "");
    let variables = [
        ("ANTHROPIC_API_KEY", "sk-of-the-gateway"),
        ("CLAUDE_CODE_OAUTH_TOKEN", "own-login"),
        ("LOCKGATE__PROVIDERS__GROQ__API_KEY", "sk-of-the-gateway"),
        ("OPENAI_API_KEY", "sk-of-the-gateway"),
    ];
    let gateway = Gateway::start_with(&home, &variables);
    assert_eq!(ask(&gateway, "hello").status, 200);
    let environment = fs::read_to_string(home.path("environment")).unwrap();
    assert!(environment.contains("CLAUDE_CODE_OAUTH_TOKEN=own-login"), "{environment}");
    assert!(!environment.contains("sk-of-the-gateway"), "{environment}");
}
