//! Broken configurations: each mistake has its code, its place and, where one can be guessed, its suggestion.

use crate::support::{Case, HASH, place};
use std::fmt::Write as _;

use lockgate_config::{Code, render_json, render_sarif, render_text};

/// Code, line, column, suggestion, text of the file (`HASH` stands for a valid key hash).
type Row = (&'static str, usize, usize, Option<&'static str>, &'static str);

const ROWS: &[Row] = &[
    // The text.
    ("LG001", 2, 11, None, "server:\n  listen: [\n"),
    ("LG001", 2, 1, None, "log: {}\n---\nlog: {}\n"),
    ("LG001", 1, 13, None, "log: !fancy {}\n"),
    ("LG003", 1, 1, None, "- server\n"),
    ("LG008", 1, 1, None, "\u{0}UNREADABLE"),
    // Keys.
    ("LG002", 1, 1, Some("server"), "sever: {}\n"),
    ("LG002", 2, 3, Some("long_context_threshold"), "models:\n  longContextTreshold: 5\n"),
    ("LG002", 3, 5, Some("longContext"), "models:\n  slots:\n    longContxt: gpt-5\n"),
    ("LG002", 3, 5, Some("api_key"), "providers:\n  groq:\n    apiKey: ${K}\n"),
    ("LG002", 4, 7, Some("idle_ms"), "providers:\n  groq:\n    timeouts:\n      idle: 5\n"),
    ("LG002", 2, 3, None, "server:\n  colour: red\n"),
    ("LG005", 3, 3, None, "log:\n  level: info\n  level: warn\n"),
    ("LG006", 2, 5, None, "keys:\n  - name: a\n"),
    ("LG006", 4, 9, None, "providers:\n  groq:\n    model_timeouts:\n      - idle_ms: 5\n"),
    ("LG002", 4, 3, Some("level"), "# one\nlog: # two\n  # three\n  lvel: info # four\n"),
    // Types and values.
    ("LG003", 2, 17, None, "server:\n  keepalive_ms: soon\n"),
    ("LG003", 2, 17, None, "server:\n  keepalive_ms: \"5000\"\n"),
    ("LG003", 1, 7, None, "keys: {a: b}\n"),
    ("LG003", 2, 11, None, "conversion: {\n  strict: yes\n}\n"),
    ("LG003", 1, 9, None, "server: 8484\n"),
    ("LG004", 2, 17, None, "server:\n  keepalive_ms: 1\n"),
    ("LG004", 2, 10, Some("warn"), "log:\n  level: warning\n"),
    ("LG004", 2, 11, None, "server:\n  listen: localhost:1\n"),
    (
        "LG004",
        3,
        13,
        None,
        "admin:\n  oidc:\n    issuer: http://login.example.org\n    client_id: a\n    redirect_url: https://g.example/api/login/oidc/callback\n    roles: [{role: self}]\n",
    ),
    (
        "LG004",
        5,
        19,
        None,
        "admin:\n  oidc:\n    issuer: https://l.example\n    client_id: a\n    redirect_url: https://g.example/\n    roles: [{role: self}]\n",
    ),
    (
        "LG004",
        6,
        13,
        None,
        "admin:\n  oidc:\n    issuer: https://l.example\n    client_id: a\n    redirect_url: https://g.example/api/login/oidc/callback\n    roles: [{claim: groups, role: self}]\n",
    ),
    ("LG004", 4, 15, None, "providers:\n  work:\n    kind: vllm\n    base_url: host/v1\n"),
    ("LG004", 4, 15, None, "providers:\n  w:\n    kind: vllm\n    base_url: http://a:b@host/v1\n"),
    ("LG004", 3, 12, None, "providers:\n  groq:\n    proxy: https://proxy:3128\n"),
    ("LG003", 3, 12, None, "providers:\n  groq:\n    proxy: [a]\n"),
    ("LG004", 3, 23, None, "providers:\n  groq:\n    retry: {attempts: 9}\n"),
    ("LG004", 2, 3, None, "providers:\n  \"a:b\": {kind: vllm}\n"),
    ("LG004", 3, 11, Some("openai-compatible"), "providers:\n  work:\n    kind: openai_compatible\n"),
    ("LG007", 3, 14, None, "providers:\n  groq:\n    api_key: ${NO_SUCH_VARIABLE}\n"),
    ("LG007", 3, 14, None, "providers:\n  groq:\n    api_key: ${NO SUCH}\n"),
    // Prices.
    ("LG006", 1, 10, None, "prices: [{models: [m]}]\n"),
    (
        "LG302",
        1,
        21,
        Some("groq"),
        "prices: [{provider: grok, models: [m]}]\nproviders: {groq: {api_key: \"${K}\"}}\n",
    ),
    ("LG004", 2, 4, None, "prices:\n - {provider: groq, models: [m], rates: {batch: {input: 1}}}\n"),
    ("LG004", 1, 66, None, "prices: [{provider: groq, models: [m], rates: {standard: {input: -1}}}]\n"),
    ("LG004", 1, 66, None, "prices: [{provider: groq, models: [m], rates: {standard: {input: much}}}]\n"),
    (
        "LG002",
        1,
        48,
        Some("standard"),
        "prices: [{provider: groq, models: [m], rates: {standart: {input: 1}}}]\n",
    ),
    ("LG004", 1, 46, None, "prices: [{provider: groq, models: [m], from: soon}]\n"),
    // Callers and secrets.
    ("LG101", 2, 11, None, "server:\n  listen: 0.0.0.0:8484\n"),
    ("LG102", 3, 14, None, "providers:\n  groq:\n    api_key: gsk_0123456789\n"),
    ("LG102", 4, 13, None, "providers:\n  groq:\n    headers:\n      x-to: sk-0123456789\n"),
    ("LG102", 3, 12, None, "providers:\n  groq:\n    proxy: http://a:b@proxy:3128\n"),
    ("LG103", 2, 20, None, "keys:\n - {name: a, hash: lg-0123456789}\n"),
    (
        "LG104",
        3,
        11,
        None,
        "keys:\n - {name: alice, hash: HASH}\n - {name: Alice, hash: blake3:00000000000000000000000000000000000000000000000000000000000000bb}\n",
    ),
    ("LG105", 4, 18, Some("openai"), "keys:\n - name: a\n   hash: HASH\n   credentials: {opnai: \"${K}\"}\n"),
    (
        "LG106",
        4,
        15,
        None,
        "providers:\n  w:\n    kind: vllm\n    base_url: http://example.com/v1\n    api_key: ${K}\n",
    ),
    // Providers.
    ("LG201", 2, 3, Some("groq"), "providers:\n  grok: {api_key: \"${K}\"}\n"),
    ("LG201", 2, 3, None, "providers:\n  work: {base_url: \"https://h/v1\"}\n"),
    ("LG202", 3, 5, None, "providers:\n  anthropic:\n    azure: {}\n"),
    ("LG202", 3, 5, None, "providers:\n  claude-cli:\n    proxy: none\n"),
    ("LG203", 2, 3, None, "providers:\n  azure-openai: {api_key: \"${K}\"}\n"),
    ("LG203", 2, 3, None, "providers:\n  work:\n    kind: openai-compatible\n"),
    ("LG203", 2, 3, None, "providers:\n  vertex:\n    vertex: {location: global}\n"),
    ("LG204", 2, 28, None, "providers:\n  anthropic: {credentials: gateway}\n"),
    (
        "LG205",
        3,
        71,
        None,
        "providers:\n  groq:\n    timeouts: {total_ms: 1, connect_ms: 1, first_byte_ms: 1, idle_ms: 2}\n",
    ),
    (
        "LG206",
        5,
        16,
        None,
        "providers:\n  groq:\n    model_timeouts:\n      - model: \"o*\"\n      - model: o3\n",
    ),
    ("LG207", 4, 7, None, "providers:\n  groq:\n    headers:\n      Authorization: ${K}\n"),
    // Models.
    ("LG301", 3, 8, None, "models:\n  aliases:\n    a: b\n    b: a\n"),
    ("LG302", 3, 11, None, "models:\n  aliases:\n    fast: nowhere:model\n"),
    ("LG302", 2, 20, Some("anthropic"), "models:\n  slots: {default: \"antropic:claude\"}\n"),
    (
        "LG302",
        2,
        19,
        Some("groq"),
        "record:\n  titles: {model: \"grok:small\"}\nproviders: {groq: {api_key: \"${K}\"}}\n",
    ),
    ("LG303", 4, 20, None, "providers:\n  groq: {enabled: false}\nmodels:\n  slots: {default: \"groq:m\"}\n"),
    ("LG304", 3, 5, None, "models:\n  aliases:\n    openai/gpt-5: gpt-4o\n"),
    ("LG305", 2, 27, None, "models:\n  long_context_threshold: 9\n"),
    (
        "LG306",
        5,
        27,
        None,
        "providers:\n  ollama: {ollama: {max_num_ctx: 8192}}\nmodels:\n  slots: {default: \"ollama:qwen3\", longContext: \"gemini:gemini-3-pro\"}\n  long_context_threshold: 9000\n",
    ),
    (
        "LG307",
        3,
        18,
        None,
        "providers: {openai: {api_key: \"${K}\"}}\nmodels:\n  slots: {image: \"openai:o3-mini\"}\n",
    ),
    ("LG307", 3, 24, None, "models:\n  aliases: {old: gpt-4}\n  slots: {longContext: old}\n"),
    (
        "LG307",
        4,
        18,
        None,
        "providers: {openai: {api_key: \"${K}\"}}\nprices: [{provider: openai, models: [mine], thinking: false}]\nmodels:\n  slots: {think: \"openai:mine\"}\n",
    ),
    (
        "LG307",
        3,
        20,
        None,
        "providers: {fireworks: {api_key: \"${K}\"}}\nmodels:\n  slots: {default: \"fireworks:accounts/fireworks/models/qwen2-72b-instruct\"}\n",
    ),
    // Policies.
    ("LG004", 4, 23, None, "policies:\n  chain:\n  - rules:\n    - {name: a, then: deny}\n"),
    ("LG004", 4, 35, None, "policies:\n  chain:\n  - rules:\n    - {name: a, then: refuse, if: tool ===}\n"),
    ("LG004", 4, 39, None, "policies:\n  chain:\n  - rules:\n    - {name: a, then: refuse, paths: ['{']}\n"),
    ("LG004", 3, 22, None, "policies:\n  chain:\n  - pr_scope: {team: lax}\n"),
    ("LG004", 3, 26, None, "policies:\n  chain:\n  - pr_scope: {concerns: 0}\n"),
    ("LG004", 3, 32, None, "policies:\n  chain:\n  - review_prediction: {limit: 0}\n"),
    (
        "LG006",
        3,
        34,
        None,
        "policies:\n  chain:\n  - pre_pr_lint: {languages: {x: {files: [.x], linters: [y]}}}\n",
    ),
    ("LG401", 3, 5, None, "policies:\n  chain:\n  - mode: block\n"),
    ("LG401", 4, 7, None, "policies:\n  chain:\n  - rules:\n    - {name: a, then: rewrite}\n"),
    // Rules that are never met as they are meant, names that two have, models of nobody.
    (
        "LG401",
        4,
        31,
        None,
        "policies:\n  chain:\n  - rules:\n    - {name: a, on: call, if: \"text.contains('x')\", then: refuse}\n",
    ),
    (
        "LG401",
        4,
        31,
        None,
        "policies:\n  chain:\n  - rules:\n    - {name: a, on: text, if: 'args.x == 1', then: refuse}\n",
    ),
    (
        "LG401",
        5,
        14,
        None,
        "policies:\n  chain:\n  - rules:\n    - {name: a, then: refuse}\n    - {name: a, then: allow}\n",
    ),
    ("LG302", 3, 25, None, "policies:\n  chain:\n  - tool_judge: {model: 'nowhere:m'}\n"),
    ("LG302", 3, 36, None, "policies:\n  chain:\n  - judge: {rules: [It is], model: 'nowhere:m'}\n"),
    ("LG302", 2, 16, Some("ollama"), "policies:\n  local_model: olama:qwen3\n"),
    ("LG401", 2, 12, None, "policies:\n  message: 'no {tol}'\n"),
    ("LG401", 3, 12, None, "policies:\n  chain:\n  - group: all\n    shell_guard: {}\n"),
    ("LG401", 3, 8, None, "policies:\n  groups:\n    g: {vote: majority}\n"),
    ("LG004", 3, 15, None, "policies:\n  groups:\n    g: {vote: most}\n"),
    ("LG004", 4, 38, None, "policies:\n  chain:\n  - rules:\n    - {name: a, then: refuse, from: [www]}\n"),
    ("LG401", 4, 24, None, "policies:\n  chain:\n  - secret_guard:\n      also: ['*.dump', /]\n"),
    ("LG004", 3, 44, None, "policies:\n  chain:\n  - tool_judge: {model: m, max_cost: {usd: -1}}\n"),
    ("LG401", 4, 17, None, "policies:\n  chain:\n  - injection:\n      max_cost: {usd: 1}\n"),
];

fn case(text: &str) -> Case {
    let case = Case::new(&text.replace("HASH", HASH), &[("K", "from-the-environment")]);
    if text.contains("UNREADABLE") {
        std::fs::write(case.inputs.file.as_ref().unwrap(), b"log: \xff").unwrap();
    }
    case
}

/// 003-18 (static part), L2, 003-17: one broken file per check, with code, line, column and suggestion.
#[test]
fn every_mistake_is_reported_with_its_code_its_place_and_what_was_meant() {
    let mut wrong = Vec::new();
    for (code, line, column, suggestion, text) in ROWS {
        let found = case(text).inputs.check();
        let expected = (*code, *line, *column);
        let fits =
            found.len() == 1 && place(&found[0]) == expected && found[0].suggestion.as_deref() == *suggestion;
        if !fits {
            wrong.push(format!(
                "{text}\n  expected {expected:?} {suggestion:?}, found\n{}",
                render_text(&found)
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(ROWS.len() >= 25);
}

#[test]
fn no_check_is_without_a_broken_example() {
    for code in Code::ALL {
        assert!(ROWS.iter().any(|row| row.0 == code.id()), "{} has no example", code.id());
    }
}

/// 003-18: a file that is right has no findings.
#[test]
fn a_full_and_correct_file_has_no_findings() {
    let text = r#"
server: {listen: "0.0.0.0:8484", keepalive_ms: 5000, limits: {body_bytes: 1_048_576}}
keys:
  - {name: alice, hash: HASH, credentials: {openai: "${K}"}, models: ["claude-*"]}
providers:
  anthropic: {api_key: "${K}", auth_scheme: bearer}
  groq:
  work:
    kind: openai-compatible
    base_url: https://llm.example.com/v1
    api_key: ${K}
    headers: {HTTP-Referer: https://example.com}
    query: {api-version: 2024-10-21}
    models: [one, "1.10"]
    model_timeouts: [{model: "o3*", first_byte_ms: 900000}, {model: "*", idle_ms: 60000}]
    retry: {attempts: 0, max_wait_ms: 0}
  azure-openai: {base_url: "https://x.openai.azure.com", azure: {deployments: {gpt-5: mine}}}
  vertex: {vertex: {project: p, location: europe-west4}}
  openrouter: {openrouter: {order: [a], sort: price, max_price: {prompt: 1, completion: 2.5}}}
  ollama: {ollama: {max_num_ctx: 65536, keep_alive: "-1"}}
  claude-cli: {claude_cli: {args: [--verbose]}}
models:
  aliases: {fast: "groq:llama-3.3-70b", quick: fast, hf: meta-llama/Llama-3}
  slots: {default: "ollama:qwen3:8b", longContext: "anthropic/claude-opus-4", background: quick}
  long_context_threshold: 60000
conversion: {strict: true}
log: {level: debug, format: json}
"#;
    let case = case(text);
    assert_eq!(render_text(&case.inputs.check()), "");
    assert_eq!(case.load().config().models.slots.named()[0].1, Some("ollama:qwen3:8b"));
}

/// L2: nobody fixes one mistake only to be told of the next.
#[test]
fn all_mistakes_of_a_file_are_reported_in_one_go_and_in_order() {
    let text = "server:\n  listen: 0.0.0.0:8484\n  keepalive: 5\nproviders:\n  grok: {}\n  groq: {api_key: \"${GONE}\", retry: {attempts: many}}\n\
                models:\n  aliases: {x: y, y: x, z: nowhere:m}\nlog: {level: loud}\nlog: {}\n";
    let found = case(text).found();
    assert_eq!(
        found,
        [
            ("LG101", 2, 11),
            ("LG002", 3, 3),
            ("LG201", 5, 3),
            ("LG007", 6, 19),
            ("LG003", 6, 48),
            ("LG301", 8, 16),
            ("LG302", 8, 28),
            ("LG004", 9, 14),
            ("LG005", 10, 1),
        ]
    );
}

#[test]
fn one_mistake_is_one_message_even_if_it_leaves_others_without_ground() {
    // The address is malformed, so the provider has none; a key is malformed, so there is none.
    let text = "server: {listen: 0.0.0.0:1}\nkeys: [{name: a, hash: nonsense}]\nproviders:\n  w: {kind: openai-compatible, base_url: nowhere}\n\
                models: {aliases: {a: \"v:m\"}}\n";
    assert_eq!(case(text).found(), [("LG103", 2, 24), ("LG004", 4, 42), ("LG302", 5, 23)]);
}

/// 003-17: the spelling of claude-code-router's users.
#[test]
fn people_read_file_line_column_message_and_suggestion() {
    let case = case("models:\n  longContextTreshold: 5\n");
    let text = render_text(&case.inputs.check());
    let file = case.inputs.file.as_ref().unwrap().display().to_string();
    assert_eq!(
        text,
        format!(
            "{file}:2:3: unknown key `longContextTreshold` (did you mean `long_context_threshold`?) [LG002]\n"
        )
    );
}

#[test]
fn a_bound_on_connecting_for_one_model_is_refused_with_the_place_where_it_belongs() {
    let text = "providers:\n  groq:\n    model_timeouts: [{model: \"o*\", connect_ms: 900}]\n";
    let found = case(text).inputs.check();
    let words = found.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>();
    assert_eq!(
        words,
        [
            "`connect_ms` cannot be set here: all models of a provider share its connections; set `connect_ms` under the provider's `timeouts`"
        ]
    );
}

/// 003-18: findings for machines.
#[test]
fn machines_read_the_same_findings_as_json_and_sarif() {
    let found = case("log: {level: loud}\nproviders:\n  groq: {api_key: literal-key}\n").inputs.check();
    let json: serde_json::Value = serde_json::from_str(&render_json(&found)).unwrap();
    assert_eq!((&json[0]["code"], &json[0]["severity"]), (&"LG004".into(), &"error".into()));
    assert_eq!((&json[0]["source"]["line"], &json[0]["path"]), (&1.into(), &"log.level".into()));
    assert_eq!(json[1]["severity"], "warning");
    let sarif: serde_json::Value = serde_json::from_str(&render_sarif(&found)).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(sarif["version"], "2.1.0");
    assert_eq!(run["results"][1]["ruleId"], "LG102");
    assert_eq!(run["results"][1]["locations"][0]["physicalLocation"]["region"]["startLine"], 3);
    assert_eq!(run["tool"]["driver"]["rules"].as_array().unwrap().len(), Code::ALL.len());
}

#[test]
fn warnings_do_not_keep_a_configuration_from_being_used() {
    let snapshot = case("providers:\n  groq: {api_key: literal-key}\n").load();
    assert_eq!(snapshot.warnings().len(), 1);
    assert!(snapshot.provider("groq").unwrap().settings.api_key.is_some());
}

#[test]
fn a_file_that_was_named_must_exist() {
    let mut case = case("");
    case.inputs.file = Some(case.folder.path().join("absent.yaml"));
    assert_eq!(case.found(), [("LG008", 1, 1)]);
}

#[test]
fn anchors_work_and_cannot_be_used_to_fill_the_memory() {
    let fine =
        case("providers:\n  groq: {timeouts: &slow {idle_ms: 9000}}\n  xai: {timeouts: *slow}\n").load();
    assert_eq!(fine.provider("xai").unwrap().settings.timeouts.idle_ms, 9000);
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let previous = format!("*a{}", level - 1);
        let list = vec![previous; 10].join(", ");
        let _ = writeln!(bomb, "a{level}: &a{level} [{list}]");
    }
    assert_eq!(case(&bomb).found()[0].0, "LG001");
    let deep = format!("a: {}", "[".repeat(5000));
    assert_eq!(case(&deep).found()[0].0, "LG001");
}
