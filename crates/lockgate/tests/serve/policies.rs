//! Policies of the configuration in a running gateway: enforced, recorded with why, swapped while calls go on, tried before.

use std::fs;

use serde_json::{Value, json};

use crate::http::{self, Stream};
use crate::support::{Gateway, Home, Scripted, until};
use crate::telemetry::Sink;

const SCRIPT: &str = "rules: [{answer: {chunk: 4, blocks: [{text: Let me see.}, {tool_call: {name: Bash, args: {command: git push --force sk-ant-api03-NqVwYS81VP7Hb1DX8pPd5khxE3pyIgKpaUnArl63XykWZeiNNCiia3anXn9k3ksu9mI4ROnl89Sm995ytbxAk7jqevt0MAA}}}]}}]";

const RULES: &str = "
policies:
  link: http://gate.example/calls/{id}
  chain:
    - name: git
      rules:
        - {name: no-force, tools: [Bash], arguments: {command: '*push*--force*'}, then: refuse, reason: history is shared}
        - {name: no-reset, tools: [Bash], arguments: {command: '*reset --hard*'}, then: refuse}
";

fn home(upstream: &Scripted, policies: &str) -> Home {
    let home = Home::new();
    home.write("lockgate.yaml", &format!("providers:\n{}{policies}", upstream.entry("up", "")));
    home
}

fn asks(stream: bool) -> Value {
    let parameters = json!({"type": "object", "properties": {"command": {"type": "string"}}});
    json!({
        "model": "up:m", "stream": stream, "messages": [{"role": "user", "content": "push it"}],
        "tools": [{"type": "function", "function": {"name": "Bash", "parameters": parameters}}],
    })
}

fn answer(gateway: &Gateway, stream: bool) -> String {
    let stream = Stream::post(gateway.address, "/v1/chat/completions", &asks(stream)).unwrap();
    stream.end().unwrap().text
}

/// Requirements P1, I8, 000 behaviour 33: refused with a message for people, and recorded with original, final and why.
#[test]
fn a_refused_call_is_explained_to_the_client_and_in_the_record() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, RULES);
    let mut gateway = Gateway::start(&home);
    let whole = http::post(gateway.address, "/v1/chat/completions", &asks(false)).json();
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "stop", "{whole}");
    assert!(choice["message"].get("tool_calls").is_none(), "{whole}");
    let words = choice["message"]["content"].as_str().unwrap();
    for part in [
        "Let me see.",
        "`Bash`",
        "`git`",
        "history is shared",
        "git push --force",
        "Record: http://gate.example/calls/",
    ] {
        assert!(words.contains(part), "{part} in {words}");
    }
    assert!(words.contains("«redacted:") && !words.contains("sk-ant-api03"), "{words}");
    assert!(!answer(&gateway, true).contains("\"tool_calls\""), "a stream");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);

    let calls = home.run(&["call", "list", "--json"]).json();
    assert_eq!(calls["items"].as_array().map(Vec::len), Some(2));
    for call in calls["items"].as_array().unwrap() {
        let id = call["id"].as_str().unwrap();
        let shown = home.run(&["call", "show", id, "--json"]).json();
        let decision = &shown["decisions"][0];
        assert_eq!(shown["intervened"], true, "{shown}");
        assert_eq!(decision["kind"], "policy", "{shown}");
        let said = &decision["record"];
        assert_eq!(
            (&said["policy"], &said["rule"], &said["said"], &said["applied"], &said["tool"]["name"]),
            (&json!("git"), &json!("no-force"), &json!("refuse"), &json!(true), &json!("Bash")),
            "{said}"
        );
        let table = home.run(&["call", "show", id]).out;
        assert!(table.contains("no-force") && table.contains("history is shared"), "{table}");
        let original = home.run(&["call", "show", id, "--body", "upstream_answer"]).out;
        let last = home.run(&["call", "show", id, "--body", "client_answer"]).out;
        assert!(original.contains("tool_calls") && !last.contains("\"tool_calls\":[{"), "{original}\n{last}");
    }
}

/// Issue "May this happen?", 1: a rewritten request is recorded as it came and as it went, with why.
#[test]
fn a_rewritten_request_is_recorded_as_it_came_and_as_it_went() {
    let upstream = Scripted::start("rules: [{answer: {blocks: [{text: Fine.}]}}]");
    let rule = "{name: bounds, on: call, if: 'true', then: rewrite, reason: house rules, \
                set: {add_system: Never push., most_tokens: 77}, remove: {tools: ['B*']}}";
    let home = home(&upstream, &format!("policies: {{chain: [{{name: house, rules: [{rule}]}}]}}\n"));
    let mut gateway = Gateway::start(&home);
    assert!(answer(&gateway, false).contains("Fine."));
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    let calls = home.run(&["call", "list", "--json"]).json();
    let id = calls["items"][0]["id"].as_str().unwrap();
    let body = |which: &str| home.run(&["call", "show", id, "--body", which]).out;
    let (came, went) = (body("client_request"), body("upstream_request"));
    assert!(came.contains("Bash") && !came.contains("Never push.") && !came.contains("77"), "{came}");
    assert!(!went.contains("Bash") && went.contains("Never push.") && went.contains("77"), "{went}");
    let shown = home.run(&["call", "show", id, "--json"]).json();
    let said = &shown["decisions"][0]["record"];
    assert_eq!(
        (&said["policy"], &said["rule"], &said["said"], &said["applied"], &said["reason"]),
        (&json!("house"), &json!("bounds"), &json!("rewrite"), &json!(true), &json!("house rules")),
        "{said}"
    );
}

/// Requirement 000 behaviour 31: what cannot work is not taken over, the last good one stays; what can is in force for the next call.
#[test]
fn policies_are_swapped_by_a_reload_and_broken_ones_are_not_taken_over() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let gateway = Gateway::start(&home);
    assert!(answer(&gateway, true).contains("\"tool_calls\""));
    let write = |policies: &str| {
        home.write("lockgate.yaml", &format!("providers:\n{}{policies}", upstream.entry("up", "")))
    };
    write(RULES);
    until("the rules are in force", || !answer(&gateway, true).contains("\"tool_calls\""));
    write(&RULES.replace("then: refuse", "then: forbid"));
    until("it is refused", || gateway.log().contains("the last good one stays"));
    assert!(gateway.log().contains("`forbid` is not one of"), "{}", gateway.log());
    assert!(!answer(&gateway, true).contains("\"tool_calls\""), "the last good one stays");
    write(&RULES.replace("- name: git", "- name: git\n      mode: observe"));
    until("it only observes", || answer(&gateway, true).contains("\"tool_calls\""));
    assert_eq!(http::get(gateway.address, "/health").unwrap().status, 200);
}

/// Requirement 003-4 for policies: fixtures say what is expected, and which rules nothing meets.
#[test]
fn policies_are_listed_and_tried_by_commands() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, RULES);
    let listed = home.run(&["policy", "list"]);
    assert!(listed.code == 0 && listed.out.contains("git") && listed.out.contains("block"), "{listed:?}");
    let fixtures = "
tests:
  - {name: forced, tool: Bash, arguments: {command: git push --force}, expect: refuse, rule: no-force, reason: shared}
  - {tool: Bash, arguments: {command: git push origin feature}, expect: allow}
";
    fs::write(home.path("good.yaml"), fixtures).unwrap();
    let good = home.run(&["policy", "test", "good.yaml"]);
    assert_eq!(good.code, 0, "{good:?}");
    assert!(good.out.contains("2 tests, 0 failed"), "{}", good.out);
    assert!(good.out.contains("the rule `no-reset` of `git` is met by no test"), "{}", good.out);
    fs::write(home.path("bad.yaml"), fixtures.replace("push --force", "push --fore")).unwrap();
    let bad = home.run(&["policy", "test", "good.yaml", "bad.yaml", "--json"]);
    assert_eq!((bad.code, &bad.json()["failed"]), (1, &json!(1)), "{bad:?}");
    assert!(bad.out.contains("expected refuse, got allow"), "{}", bad.out);
    fs::write(home.path("none.yaml"), "tests: [{tol: Bash}]").unwrap();
    let none = home.run(&["policy", "test", "none.yaml"]);
    assert_eq!(none.code, 2, "{none:?}");
    assert!(none.err.contains("none.yaml") && none.err.contains("tol"), "{}", none.err);
    for nothing in ["tests: []", ""] {
        fs::write(home.path("none.yaml"), nothing).unwrap();
        let none = home.run(&["policy", "test", "good.yaml", "none.yaml"]);
        assert!(none.code == 2 && none.err.contains("none.yaml"), "{nothing:?}: {none:?}");
    }
    let empty = Home::new().run(&["policy", "list"]);
    assert!(empty.code == 0 && empty.out.contains("No policies"), "{empty:?}");
}

/// Requirements 000 behaviours 25 and 26: a model judges held calls, side by side; nobody to ask means refused, or passed with a notice.
#[test]
fn a_model_judges_tool_calls_while_they_are_held() {
    let upstream = Scripted::start(
        "rules:
  - {when: {model: strict}, answer: {blocks: [{text: '{\"probability\": 0.9, \"explanation\": \"it rewrites history\"}'}]}}
  - {when: {model: mild}, answer: {blocks: [{text: '{\"probability\": 0.1}'}]}}
  - {when: {model: gone}, error: {status: 400, message: no such judge}}
  - answer: {blocks: [{text: Hm.}, {tool_call: {name: Bash, args: {command: git push --force}}}, {tool_call: {name: Bash, args: {command: ls}}}]}",
    );
    let judged = |model: &str, more: &str| {
        let home = home(
            &upstream,
            &format!("policies: {{chain: [{{name: look{more}, tool_judge: {{model: 'up:{model}'}}}}]}}\n"),
        );
        let gateway = Gateway::start(&home);
        (answer(&gateway, true), answer(&gateway, false))
    };
    let (streamed, whole) = judged("strict", "");
    for answer in [&streamed, &whole] {
        assert!(answer.contains("it rewrites history") && !answer.contains("call_"), "{answer}");
    }
    let (streamed, whole) = judged("mild", "");
    for answer in [&streamed, &whole] {
        assert!(!answer.contains("Lockgate") && answer.contains("\"tool_calls\""), "{answer}");
    }
    let (streamed, _) = judged("gone", "");
    assert!(
        streamed.contains("the policy could not judge it") && streamed.contains("no such judge"),
        "{streamed}"
    );
    assert!(!streamed.contains("call_"), "{streamed}");
    let (streamed, whole) = judged("gone", ", on_failure: pass");
    for answer in [&streamed, &whole] {
        assert!(answer.contains("could not judge it") && answer.contains("\"tool_calls\""), "{answer}");
    }
    let asked = upstream
        .seen
        .requests()
        .iter()
        .filter(|request| {
            String::from_utf8_lossy(&request.body).contains("up:strict")
                || String::from_utf8_lossy(&request.body).contains("\"strict\"")
        })
        .count();
    assert_eq!(asked, 2, "two calls are judged once each, however often the answer comes");
}

/// Requirements 000 behaviour 31, P1: policies that are set while the gateway runs hold for the next call, in versions with author and reason, and
/// what cannot work changes nothing.
#[test]
fn policies_are_set_while_the_gateway_runs_in_versions_that_can_be_gone_back_to() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "");
    let mut gateway = Gateway::start(&home);
    until("the database is open", || home.path(".local/share/lockgate/admin-secret").exists());
    assert!(answer(&gateway, true).contains("\"tool_calls\""));
    home.write("one.yaml", RULES);
    let wrong = home.run(&["policy", "apply", "one.yaml", "--reason", "first"]);
    assert!(wrong.code != 0 && wrong.err.contains("only `chain` and `groups` can be set"), "{wrong:?}");
    home.write("one.yaml", &RULES.replace("  link: http://gate.example/calls/{id}\n", ""));
    let first = home.run(&["policy", "apply", "one.yaml", "--reason", "history is shared", "--json"]);
    assert_eq!(first.json()["version"], 1, "{first:?}");
    until("the rules are in force", || !answer(&gateway, true).contains("\"tool_calls\""));
    let listed = home.run(&["policy", "list"]);
    assert!(listed.out.contains("git") && listed.out.contains("applied"), "{listed:?}");
    assert_eq!(home.run(&["policy", "list", "--json"]).json()[0]["from"], "applied");

    // A name of the file cannot be given again, and what is in the file cannot be taken away.
    home.write("two.yaml", "policies:\n  chain: []\n");
    let stale = home.run(&["policy", "apply", "two.yaml", "--reason", "none", "--follows", "0"]);
    assert!(stale.code != 0 && stale.err.contains("version 1 is in force"), "{stale:?}");
    assert_eq!(home.run(&["policy", "apply", "two.yaml", "--reason", "none", "--follows", "1"]).code, 0);
    until("they are gone", || answer(&gateway, true).contains("\"tool_calls\""));
    let diff = home.run(&["policy", "diff", "2"]);
    assert!(diff.out.contains("-    - name: git") && diff.out.contains("+  chain: []"), "{diff:?}");
    let back = home.run(&["policy", "rollback", "1", "--reason", "too soon"]);
    assert!(back.out.contains("version 3"), "{back:?}");
    until("they are back", || !answer(&gateway, true).contains("\"tool_calls\""));
    let versions = home.run(&["policy", "versions"]).out;
    for part in ["history is shared", "back to version 1: too soon", "command line"] {
        assert!(versions.contains(part), "{part} in {versions}");
    }
    let audit = home.run(&["policy", "versions", "--json"]).json();
    assert_eq!(audit["items"].as_array().map(Vec::len), Some(3), "{audit}");
    assert!(home.run(&["policy", "show"]).out.contains("no-force"));
    assert_eq!(gateway.health()["policies"]["version"], 3, "{}", gateway.health());

    // A start enforces what was known last, before its database is open.
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    let gateway = Gateway::start(&home);
    assert!(!answer(&gateway, true).contains("\"tool_calls\""), "from the first call on");
}

/// Requirement 001-9: where evidence is asked for, a policy does not come to refuse without it, unless somebody says so and why.
#[test]
fn a_policy_without_evidence_is_not_set_to_refuse() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, "policies: {promotion: {labelled: 1, wrong: 0.9}}\n");
    let gateway = Gateway::start(&home);
    until("the database is open", || home.path(".local/share/lockgate/admin-secret").exists());
    let rules = RULES.replace("  link: http://gate.example/calls/{id}\n", "");
    home.write("block.yaml", &rules);
    home.write("observe.yaml", &rules.replace("- name: git", "- name: git\n      mode: observe"));
    let early = home.run(&["policy", "apply", "block.yaml", "--reason", "now"]);
    assert!(
        early.code != 0 && early.err.contains("`git` may not refuse yet: 0 of its verdicts are labelled"),
        "{early:?}"
    );
    assert_eq!(home.run(&["policy", "apply", "observe.yaml", "--reason", "look first"]).code, 0);
    until("it has said something that is stored", || {
        answer(&gateway, true);
        home.run(&["policy", "stats", "--json"]).out.contains("\"git\"")
    });
    let calls = home.run(&["call", "list", "--json"]).json();
    let ids = calls["items"].as_array().unwrap().iter().map(|call| call["id"].as_str().unwrap().to_owned());
    let labelled = ids.filter(|id| home.run(&["policy", "label", id, "1", "right"]).code == 0).count();
    assert!(labelled > 0);
    // What was said of one policy is nothing about another of its name.
    home.write("wide.yaml", &rules.replace("tools: [Bash]", "tools: ['*']"));
    let wide = home.run(&["policy", "apply", "wide.yaml", "--reason", "it is right"]);
    assert!(
        wide.code != 0 && wide.err.contains("0 of its verdicts") && wide.err.contains("as it is defined now"),
        "{wide:?}"
    );
    let proven = home.run(&["policy", "apply", "block.yaml", "--reason", "it is right"]);
    assert_eq!(proven.code, 0, "{proven:?}");
    until("it refuses", || !answer(&gateway, true).contains("\"tool_calls\""));
    let wide = home.run(&["policy", "apply", "wide.yaml", "--reason", "it refuses already"]);
    assert_ne!(wide.code, 0, "{wide:?}");
    home.write("other.yaml", &rules.replace("- name: git", "- name: other"));
    let forced = home.run(&["policy", "apply", "other.yaml", "--reason", "an emergency", "--force"]);
    assert_eq!(forced.code, 0, "{forced:?}");
    // The way back leads past the same gate: to what has shown what it is, and to nothing else.
    assert_eq!(home.run(&["policy", "rollback", "2", "--reason", "it has shown it"]).code, 0);
    let back = home.run(&["policy", "rollback", "3", "--reason", "again"]);
    assert!(back.code != 0 && back.err.contains("`other` may not refuse yet"), "{back:?}");
    let forced = home.run(&["policy", "rollback", "3", "--reason", "again", "--force"]);
    assert_eq!(forced.code, 0, "{forced:?}");
}

/// What `policy apply` refuses it tells by the name of the file, with line and column.
#[test]
fn a_file_that_cannot_be_applied_is_told_by_its_name_and_place() {
    let home = Home::new();
    home.write(
        "bad.yaml",
        "policies:\n  chain:\n  - rules:\n    - {name: a, on: call, if: \"text == 'x'\", then: refuse}\n",
    );
    let bad = home.run(&["policy", "apply", "bad.yaml", "--reason", "why"]);
    assert!(bad.code == 2 && bad.err.contains("bad.yaml:4:31: "), "{bad:?}");
    assert!(bad.err.contains("there is no `text` on `call`"), "{bad:?}");
    home.write("bad.yaml", "policies: {chain: [{tool_judge: {model: 'nowhere:m'}}]}\n");
    let nobody = home.run(&["policy", "apply", "bad.yaml", "--reason", "why"]);
    assert!(nobody.code == 2 && nobody.err.contains("bad.yaml:1:41: "), "{nobody:?}");
    assert!(nobody.err.contains("there is no provider `nowhere`"), "{nobody:?}");
}

/// Rules are tried with all that a call may be, also those that were applied; a rule is met where it fits, whoever decides.
#[test]
fn rules_are_tried_with_what_calls_are_and_counted_where_they_fit() {
    let home = Home::new();
    let rules = "policies:
  chain:
    - name: first
      rules:
        - {name: scratch, tools: [Write], paths: ['/tmp/**'], then: allow}
        - {name: no-write, tools: [Write], then: refuse}
        - {name: big, tools: [Write], if: 'size(args.content) > 3', then: refuse}
        - {name: never, tools: [Never], then: refuse}
    - name: second
      when: {classes: [secret]}
      rules: [{name: late, tools: [Write], if: 'call.turn > 2 && call.session == \"s\"', then: refuse}]
    - {name: imports, duplicate_import: {}}
";
    home.write("rules.yaml", rules);
    let fixtures = json!({"tests": [
        {"tool": "Write", "arguments": {"file_path": "/tmp/a", "content": ""}, "expect": "allow"},
        {
            "tool": "Write", "arguments": {"file_path": "/a", "content": "four"}, "expect": "refuse", "rule": "no-write",
            "turn": 3, "session": "s", "data_class": "secret", "team": "strict",
        },
    ]});
    home.write("fixtures.yaml", &fixtures.to_string());
    let applied = home.run(&["policy", "apply", "rules.yaml", "--reason", "first"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    let of_file = home.run(&["policy", "test", "fixtures.yaml"]);
    assert_eq!(of_file.code, 1, "the file has none: {of_file:?}");
    let tried = home.run(&["policy", "test", "fixtures.yaml", "--applied", "--json"]);
    assert_eq!(tried.code, 0, "{tried:?}");
    let unmet: Vec<String> =
        tried.json()["rules_not_met"].as_array().unwrap().iter().map(|one| one["rule"].to_string()).collect();
    assert_eq!(unmet[0], "\"never\"", "{unmet:?}");
    assert!(
        !unmet.iter().any(|rule| ["\"scratch\"", "\"big\"", "\"late\""].contains(&rule.as_str())),
        "{unmet:?}"
    );
    let turn = fixtures.to_string().replace("\"turn\":3", "\"turn\":1");
    home.write("fixtures.yaml", &turn);
    let early = home.run(&["policy", "test", "fixtures.yaml", "--applied", "--json"]);
    assert!(early.out.contains("\"late\""), "{early:?}");
}

/// Who changes policies by the configuration file leaves as much in the audit as who applies them: what changed, when, and hashes; also over a restart.
#[test]
fn other_policies_of_the_file_are_told_in_the_audit() {
    let upstream = Scripted::start(SCRIPT);
    let home = home(&upstream, RULES);
    let mut gateway = Gateway::start(&home);
    let told = |gateway: &Gateway, number: usize| {
        let mut entries = json!(null);
        until("the audit is told", || {
            entries = audit(&home, gateway);
            entries.as_array().is_some_and(|entries| entries.len() == number)
        });
        entries[0]["detail"].clone()
    };
    let first = told(&gateway, 1);
    assert_eq!((&first["by"], &first["added"]), (&json!("configuration file"), &json!(["git"])), "{first}");
    let write = |policies: &str| {
        home.write("lockgate.yaml", &format!("providers:\n{}{policies}", upstream.entry("up", "")))
    };
    write(&RULES.replace("- name: git", "- name: git\n      mode: observe"));
    let second = told(&gateway, 2);
    assert_eq!(second["modes"], json!({"git": {"from": "block", "to": "observe"}}), "{second}");
    assert_eq!((&second["changed"], &second["before"]), (&json!([]), &first["hash"]), "{second}");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    write(
        &RULES
            .replace("tools: [Bash]", "tools: [Bash, Shell]")
            .replace("- name: git", "- name: git\n      mode: observe"),
    );
    let mut gateway = Gateway::start(&home);
    let third = told(&gateway, 3);
    assert_eq!((&third["changed"], &third["removed"]), (&json!(["git"]), &json!([])), "{third}");
    gateway.signal("TERM");
    assert_eq!(gateway.ended(), 0);
    write("");
    let gateway = Gateway::start(&home);
    assert_eq!(told(&gateway, 4)["removed"], json!(["git"]));
}

/// What the audit tells of the policies of the file, the latest first.
fn audit(home: &Home, gateway: &Gateway) -> Value {
    let Ok(secret) = fs::read_to_string(home.path(".local/share/lockgate/admin-secret")) else {
        return Value::Null;
    };
    let login = json!({"name": "admin", "password": secret.trim(), "token": true}).to_string();
    let login = http::ask(gateway.address, "POST", "/api/login", &[], &login);
    if login.status != 200 {
        return Value::Null;
    }
    let bearer = format!("Bearer {}", login.json()["token"].as_str().unwrap_or_default());
    let lines = [("authorization", bearer.as_str())];
    http::ask(gateway.address, "GET", "/api/audit?object=policies:file", &lines, "").json()["items"].clone()
}

/// Permissions of Claude Code become policies that can be applied as they are; what cannot be carried over is told.
#[test]
fn permissions_of_claude_code_become_policies() {
    let home = Home::new();
    let settings = json!({"permissions": {
        "allow": ["Bash(npm run:*)"], "deny": ["Read(./secrets/**)", "Bash(curl:*)"], "ask": ["Bash(git push:*)"],
        "additionalDirectories": ["../docs"],
    }});
    home.write(".claude/settings.json", &settings.to_string());
    let made = home.run(&["policy", "import", ".claude/settings.json"]);
    assert_eq!(made.code, 0, "{made:?}");
    assert!(made.err.contains("left out additionalDirectories"), "{}", made.err);
    home.write("lockgate.yaml", &made.out);
    let project = home.root().canonicalize().unwrap();
    let fixtures = json!({"tests": [
        {"tool": "Bash", "arguments": {"command": "npm run test"}, "expect": "allow"},
        {"tool": "Bash", "arguments": {"command": "curl https://a.example"}, "expect": "refuse"},
        {"tool": "Bash", "arguments": {"command": "git push"}, "expect": "ask"},
        {"tool": "Read", "arguments": {"file_path": project.join("secrets/key")}, "expect": "refuse"},
        {"tool": "Read", "arguments": {"file_path": project.join("src/key")}, "expect": "allow"},
    ]});
    home.write("fixtures.yaml", &fixtures.to_string());
    let tried = home.run(&["policy", "test", "fixtures.yaml"]);
    assert_eq!(tried.code, 0, "{tried:?}");
    let none = home.run(&["policy", "import", "fixtures.yaml.none"]);
    assert!(none.code == 2 && none.err.contains("fixtures.yaml.none"), "{none:?}");
}

/// Rules in plain words: a model holds requests, words and tool calls against them, and sees what is judged as data.
#[test]
fn a_model_judges_by_rules_in_plain_words() {
    let upstream = Scripted::start(
        "rules:
  - {when: {model: strict}, answer: {blocks: [{text: '{\"rule\": 1, \"probability\": 0.9, \"explanation\": \"it pushes\"}'}]}}
  - {when: {model: mild}, answer: {blocks: [{text: '{\"rule\": 1, \"probability\": 0.1}'}]}}
  - answer: {blocks: [{text: Hm.}, {tool_call: {name: Bash, args: {command: git push --force}}}]}",
    );
    let judged = |options: &str| {
        let home = home(
            &upstream,
            &format!("policies: {{chain: [{{judge: {{rules: [Nobody pushes.], {options}}}}}]}}\n"),
        );
        let gateway = Gateway::start(&home);
        (answer(&gateway, true), answer(&gateway, false))
    };
    let (streamed, whole) = judged("model: 'up:strict'");
    for answer in [&streamed, &whole] {
        assert!(
            answer.contains("it pushes") && answer.contains("Hm.") && !answer.contains("call_"),
            "{answer}"
        );
    }
    let (streamed, whole) = judged("model: 'up:strict', on: [text]");
    for answer in [&streamed, &whole] {
        assert!(
            answer.contains("it pushes") && !answer.contains("Hm.") && answer.contains("\"tool_calls\""),
            "{answer}"
        );
    }
    let (streamed, whole) = judged("model: 'up:strict', on: [call]");
    for answer in [&streamed, &whole] {
        assert!(answer.contains("403 ") && answer.contains("it pushes"), "{answer}");
    }
    let (streamed, whole) = judged("model: 'up:mild', on: [call, text, tool_call]");
    for answer in [&streamed, &whole] {
        assert!(!answer.contains("Lockgate") && answer.contains("\"tool_calls\""), "{answer}");
    }
}

/// A service of the user decides: it gets the call, signed, and what it says is done; while it is away the failure mode holds.
#[test]
fn a_service_of_the_user_decides() {
    let upstream = Scripted::start(SCRIPT);
    let service = Sink::answering(|number, request| {
        let text = String::from_utf8_lossy(request);
        let said = if text.contains("git push --force") {
            json!({"verdict": "refuse", "reason": "the release is frozen"})
        } else {
            json!({"verdict": "allow"})
        };
        if number > 2 { (500, String::new()) } else { (200, said.to_string()) }
    });
    let policies = |address: &str| {
        format!(
            "policies: {{chain: [{{name: control, webhook: {{url: 'http://{address}/decide', secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}}}]}}\n"
        )
    };
    let home = home(&upstream, &policies(&service.address.to_string()));
    let gateway = Gateway::start(&home);
    for stream in [true, false] {
        let told = answer(&gateway, stream);
        assert!(told.contains("the release is frozen") && !told.contains("call_"), "{told}");
    }
    let got = service.got();
    assert_eq!(got.len(), 2);
    assert!(got.iter().all(|head| memchr::memmem::find(head, b"webhook-signature: v1,").is_some()));
    let told = answer(&gateway, true);
    assert!(told.contains("it answered with status 500") && !told.contains("call_"), "{told}");
}
