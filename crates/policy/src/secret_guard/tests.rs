//! Secret files in every carrier, secret values in every place, and what becomes of them.

use serde_json::{Value, json};

use super::*;
use crate::chain::Chain;
use crate::fixture::Fixture;
use crate::request::CallOutcome;
use crate::run::Run;

/// A token as GitHub makes them, with its checksum; in two pieces, so that nobody takes this file for a leak.
fn token() -> String {
    format!("{}{}", "ghp_", "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW11ySowm")
}

fn policy(options: &Value) -> SecretGuard {
    SecretGuard::new(serde_json::from_value(options.clone()).unwrap()).ok().unwrap()
}

fn chain(options: &Value) -> Chain {
    crate::tried::chain(vec![("secret_guard", Box::new(policy(options)))])
}

/// What is said of a fixture: the verdict, and the rule.
fn said(chain: &Chain, fixture: &Value) -> String {
    let fixture: Fixture = serde_json::from_value(fixture.clone()).unwrap();
    let judged = fixture.judge(chain);
    let rule = judged.decisions.first().and_then(|decision| decision.finding.rule.clone());
    format!("{} {}", judged.said.as_str(), rule.unwrap_or_default()).trim_end().to_owned()
}

const LEAKS: [(&str, &str); 20] = [
    ("app/.env", "dotenv"),
    ("./.env", "dotenv"),
    ("src/.env.local", "dotenv"),
    ("secrets/prod.yaml", "credentials"),
    ("server.pem", "key"),
    ("auth/login.ts", "auth"),
    ("infra/main.tf", "infra"),
    (".git/config", "git"),
    (".npmrc", "packages"),
    (".aws/credentials", "aws"),
    ("config/credentials.json", "credentials"),
    ("terraform.tfstate", "cloud"),
    (".envrc", "dotenv"),
    ("app/.ENV", "dotenv"),
    ("a/../.env", "dotenv"),
    ("x.kdbx", "passwords"),
    ("x.p12", "key"),
    ("service-account.json", "credentials"),
    ("/proc/self/environ", "process"),
    ("src/authentication/token.ts", "auth"),
];

const NEAR: [&str; 14] = [
    "environment.ts",
    "docs/pem-format.md",
    "key.svg",
    ".env.example",
    "src/env.rs",
    "keyboard.ts",
    "id_rsa.pub",
    "~/.ssh/known_hosts",
    "src/aws/client.ts",
    "docs/authoring.md",
    "src/author/index.ts",
    "src/secrets/scanner.rs",
    "Cargo.toml",
    "config.json",
];

/// A file in each carrier.
fn carriers(path: &str) -> Vec<Value> {
    let read = json!({"file_path": path});
    vec![
        json!({"tool": "Read", "arguments": read}),
        json!({"tool": "Bash", "arguments": {"command": format!("cd . && cat '{path}' | head -3")}}),
        json!({"tool": "mcp__files__get", "arguments": {"options": {"source_path": path}}}),
        json!({"tool": "apply_patch", "arguments": format!("*** Begin Patch\n*** Update File: {path}\n+A=1\n*** End Patch")}),
        json!({"history": [{"user": format!("What does @{path} say?")}]}),
        json!({"history": [{"user": format!("Here:\n<file path=\"{path}\">A=1</file>")}]}),
        json!({"history": [{"user": "x"}, {"tool": "Read", "arguments": read, "result": "A=1"}]}),
        json!({"history": [{"user": "x"}, {"tool": "Bash", "arguments": {"command": "git diff"},
            "result": format!("diff --git a/x b/x\n--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n+A=1")}]}),
    ]
}

/// 003-2: the twenty paths that an earlier policy let through, in every carrier, with the rule that they fall under.
#[test]
fn secret_files_are_refused_in_every_carrier_and_near_misses_in_none() {
    let strict = chain(&json!({"requests": "block", "tool_results": "block", "sensitive": "block"}));
    for (path, rule) in LEAKS {
        for carrier in carriers(path) {
            assert_eq!(said(&strict, &carrier), format!("refuse {rule}"), "{carrier}");
        }
    }
    for path in NEAR {
        for carrier in carriers(path) {
            assert_eq!(said(&strict, &carrier), "allow", "{carrier}");
        }
    }
}

/// 003-2: what is about security and opens nothing is only noted, unless the options say otherwise.
#[test]
fn files_about_security_pass_with_a_note_and_secret_ones_are_refused_as_shipped() {
    let shipped = chain(&json!({}));
    let read = |path: &str| json!({"tool": "Read", "arguments": {"file_path": path}});
    assert_eq!(said(&shipped, &read("src/auth/login.ts")), "annotate auth");
    assert_eq!(said(&shipped, &read("~/.aws/credentials")), "refuse aws");
    let own = chain(&json!({"also": ["customers/**"], "except": ["certs/dev.pem"]}));
    assert_eq!(said(&own, &read("data/customers/a.csv")), "refuse configured");
    assert_eq!(said(&own, &read("certs/dev.pem")), "allow");
    let wrong = serde_json::from_value(json!({"also": ["a", "/"]})).unwrap();
    assert_eq!(SecretGuard::new(wrong).err().map(|(field, at, _)| (field, at)), Some(("also", 1)));
}

/// 003-2, 000 behaviour 28: each action in each place.
#[test]
fn a_secret_value_meets_the_action_of_the_place_where_it_stands() {
    let secret = token();
    let asked = json!({"history": [{"user": format!("use {secret} please")}]});
    let gave = json!({"history": [{"user": "x"}, {"tool": "Bash", "arguments": {"command": "make"}, "result": format!("token {secret}")}]});
    let call =
        json!({"tool": "Write", "arguments": {"file_path": "a.txt", "content": format!("x\n{secret}\n")}});
    let answer = json!({"text": format!("The token is {secret}.")});
    let places = [("requests", &asked), ("tool_results", &gave), ("tool_calls", &call), ("answers", &answer)];
    for (place, fixture) in places {
        for (action, expected) in [
            ("block", "refuse github-token"),
            ("redact", "rewrite"),
            ("ask", "ask"),
            ("warn", "warn"),
            ("note", "annotate github-token"),
            ("pass", "allow"),
        ] {
            let said = said(&chain(&json!({place: action})), fixture);
            // A warning about a request stands behind the answer, which a fixture of a request has none of.
            let of_request = place == "requests" || place == "tool_results";
            let fits = said.starts_with(expected)
                || (of_request && action == "warn" && said == "annotate github-token");
            assert!(fits, "{place} {action}: {said}");
        }
    }
    for (place, fixture) in &places[..2] {
        let said = said(&chain(&json!({*place: "keep_local"})), fixture);
        assert_eq!(said, "keep_local github-token", "{place}");
    }
    for place in ["tool_calls", "answers"] {
        let wrong = serde_json::from_value(json!({place: "keep_local"})).unwrap();
        let field = SecretGuard::new(wrong).err().map(|(field, ..)| field);
        assert_eq!(field, Some(place), "what is on its way back cannot be kept local");
    }
    let broken = json!({"tool": "Write", "arguments": "not json"});
    assert_eq!(said(&chain(&json!({})), &broken), "allow", "free text without a secret");
    let unreadable = json!({"tool": "Bash", "arguments": {"command": "cat \"open"}});
    assert_eq!(said(&chain(&json!({})), &unreadable), "failed");
}

fn run(options: &Value, history: &Value) -> (Run, CallOutcome) {
    let fixture: Fixture = serde_json::from_value(json!({"history": history})).unwrap();
    let mut run = chain(options).open(CallFacts::unknown("1")).unwrap();
    run.set_conversation(Arc::new(crate::fixture::conversation(&fixture)));
    let outcome = run.on_call();
    (run, outcome)
}

fn rewritten(run: &mut Run, origin: Origin, text: &str) -> String {
    run.on_request_text(origin, text, &mut None).unwrap_or_else(|| text.to_owned())
}

/// A secret that is kept local is as secret in the next turn, and is not masked for the local model.
#[test]
fn a_conversation_that_is_kept_local_stays_local() {
    let secret = token();
    let history = json!([
        {"user": format!("deploy with {secret}")}, {"assistant": "done"}, {"user": "and now?"}
    ]);
    let (mut run, outcome) = run(&json!({"requests": "keep_local"}), &history);
    assert_eq!(outcome, CallOutcome::Go);
    let why = run.stays_local().unwrap().why;
    assert!(why.starts_with("the policy `secret_guard` keeps it local: ") && !why.contains(&secret), "{why}");
    let text = format!("deploy with {secret}");
    assert_eq!(rewritten(&mut run, Origin::User, &text), text);
    let (run, _) = self::run(&json!({"requests": "keep_local"}), &json!([{"user": "hello"}]));
    assert_eq!(run.stays_local(), None);
}

/// A secret in the history does not end a conversation: it is masked in each turn, by the same words.
#[test]
fn later_turns_go_on_with_the_same_masks() {
    let secret = token();
    let first = json!([
        {"user": format!("deploy with {secret}")},
        {"tool": "Read", "arguments": {"file_path": "/srv/.env"}, "result": "DB=swordfish"},
    ]);
    let mut later = first.as_array().unwrap().clone();
    later.extend([json!({"assistant": "done"}), json!({"user": "and now?"})]);
    let texts = |history: &Value| {
        let (mut run, outcome) = run(&json!({}), history);
        assert_eq!(outcome, CallOutcome::Go);
        let said = rewritten(&mut run, Origin::User, &format!("deploy with {secret}"));
        let gave = rewritten(&mut run, Origin::ToolResult, "DB=swordfish");
        (said, gave, run.take_decisions().len())
    };
    let (said, gave, told) = texts(&first);
    assert!(said.starts_with("deploy with «redacted:github-token:") && !said.contains(&secret), "{said}");
    assert_eq!(gave, "«withheld: /srv/.env is a secret file (dotenv)»");
    assert!(told > 0);
    let (said_later, gave_later, _) = texts(&Value::from(later));
    assert_eq!((said_later, gave_later), (said, gave));
}

/// A refusal says what can be done, since the secret stays in what the client sends.
#[test]
fn a_refused_request_says_where_the_secret_is_and_how_to_go_on() {
    let secret = token();
    let history = json!([{"user": format!("use {secret}")}, {"assistant": "ok"}, {"user": "go on"}]);
    let (_, outcome) = run(&json!({"requests": "block"}), &history);
    let CallOutcome::Refuse(words) = outcome else { panic!("{outcome:?}") };
    assert!(words.contains("a secret (github-token) stands in what the request says"), "{words}");
    assert!(words.contains("begin a new conversation") && words.contains("requests: redact"), "{words}");
    assert!(!words.contains(&secret), "{words}");
}

/// Claude Code shows a file that was named with `@` in the part behind the one that names it.
#[test]
fn a_file_that_the_client_shows_for_a_mention_is_withheld() {
    let called = "<system-reminder>\nCalled the Read tool with the following input: {\"file_path\":\"/s/.env\"}\n</system-reminder>";
    let result =
        "<system-reminder>\nResult of calling the Read tool: \"     1→DB=swordfish\\n\"\n</system-reminder>";
    let parts = vec![lockgate_core::Part::text(called), lockgate_core::Part::text(result)];
    let turn = lockgate_core::Turn { name: None, parts, role: lockgate_core::Role::User };
    let conversation = lockgate_core::Conversation { turns: vec![turn], ..Default::default() };
    let mut run = chain(&json!({})).open(CallFacts::unknown("1")).unwrap();
    run.set_conversation(Arc::new(conversation));
    assert_eq!(run.on_call(), CallOutcome::Go);
    assert_eq!(rewritten(&mut run, Origin::User, called), called);
    assert_eq!(rewritten(&mut run, Origin::User, result), "«withheld: /s/.env is a secret file (dotenv)»");
}

/// 000 behaviour 28: what is masked in a tool call is masked inside its JSON, and nothing else changes.
#[test]
fn a_tool_call_is_masked_inside_its_arguments() {
    let secret = token();
    let facts = CallFacts::unknown("1");
    let view = View { conversation: None, facts: &facts };
    let arguments =
        json!({"file_path": "a.txt", "content": format!("line\n{secret}"), "count": 3}).to_string();
    let call = ToolCall {
        arguments,
        id: "1".into(),
        kind: ToolKind::Function,
        name: "Write".into(),
        namespace: None,
        seal: None,
    };
    let policy = policy(&json!({"tool_calls": "redact"}));
    let verdict = policy.open(&facts).on_block(Piece::ToolCall(&call), &view);
    let BlockVerdict::Rewrite { value, .. } = verdict else { panic!("{verdict:?}") };
    let value: Value = serde_json::from_str(&value).unwrap();
    assert_eq!((value["file_path"].as_str(), value["count"].as_i64()), (Some("a.txt"), Some(3)));
    let content = value["content"].as_str().unwrap();
    assert!(content.starts_with("line\n«redacted:github-token:"), "{content}");
}

/// 000 behaviour 28: what a model has written into an earlier call leaves masked, by the same words in each turn; nothing else of the call changes.
#[test]
fn earlier_tool_calls_leave_with_their_secrets_masked() {
    let secret = token();
    let history = json!([
        {"user": "deploy"},
        {"tool": "Bash", "arguments": {"command": format!("TOKEN={secret} ./deploy")}, "result": "done"},
        {"user": "and now?"},
    ]);
    let (mut later, outcome) = run(&json!({}), &history);
    assert_eq!(outcome, CallOutcome::Go);
    let masked = rewritten(&mut later, Origin::ToolCall, &format!("TOKEN={secret} ./deploy"));
    assert!(masked.starts_with("TOKEN=«redacted:github-token:") && masked.ends_with(" ./deploy"), "{masked}");
    let (mut again, _) = run(&json!({"tool_calls": "pass"}), &history);
    assert_eq!(rewritten(&mut again, Origin::ToolCall, &format!("TOKEN={secret} ./deploy")), masked);
    assert_eq!(
        rewritten(&mut again, Origin::ToolCall, "cat /srv/.env"),
        "cat /srv/.env",
        "a name is no secret"
    );
    let (mut open, _) = run(&json!({"requests": "note"}), &history);
    assert_eq!(rewritten(&mut open, Origin::ToolCall, &secret), secret);

    let (_, refused) = run(&json!({"requests": "block"}), &history);
    let CallOutcome::Refuse(words) = refused else { panic!("{refused:?}") };
    assert!(
        words.contains("in the arguments of an earlier call of `Bash`") && !words.contains(&secret),
        "{words}"
    );
}

/// A request that cannot be read is not passed in silence: the failure mode says what becomes of it.
#[test]
fn what_cannot_be_read_is_for_the_failure_mode() {
    let said = |options: &Value, unread: bool| {
        let facts = CallFacts { unread, ..CallFacts::unknown("1") };
        let mut run = chain(options).open(facts).unwrap();
        (run.on_call(), run.take_decisions().into_iter().map(|it| it.said).collect::<Vec<_>>())
    };
    let (outcome, decisions) = said(&json!({}), true);
    let CallOutcome::Refuse(words) = outcome else { panic!("{outcome:?}") };
    assert!(words.contains("it cannot be read, so nobody knows what secrets it holds"), "{words}");
    assert_eq!(decisions, [crate::decision::Said::Failed]);
    let nobody_looks = json!({"requests": "pass", "tool_results": "pass"});
    assert_eq!(said(&nobody_looks, true), (CallOutcome::Go, vec![]));
    assert_eq!(said(&json!({}), false), (CallOutcome::Go, vec![]), "what holds no conversation");
}

#[test]
fn a_harmless_command_beside_the_real_one_reaches_no_secret_file() {
    let chain = chain(&json!({}));
    let call = |arguments: Value| said(&chain, &json!({"tool": "exec_command", "arguments": arguments}));
    for arguments in [
        json!({"command": "ls", "cmd": "cat ~/.ssh/id_rsa"}),
        json!({"command": null, "cmd": "cat ~/.ssh/id_rsa"}),
        json!({"command": ["cat"], "cmd": "cat id_rsa", "cwd": "/root/.ssh"}),
    ] {
        assert_eq!(call(arguments.clone()), "refuse ssh", "{arguments}");
    }
    assert_eq!(call(json!({"command": {}, "cmd": "ls"})), "failed");
}
