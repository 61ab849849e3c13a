//! claude-code-router's configuration, imported and exported, over a corpus in its documented forms.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::Home;
use jsonc_parser::{ParseOptions, parse_to_serde_value};
use lockgate::ccr::{Outcome, read};
use serde_json::Value;

fn corpus() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ccr");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

fn foreign(text: &str) -> Value {
    parse_to_serde_value(text, &ParseOptions::default()).unwrap()
}

/// The path of every leaf of a document, as the report writes paths.
fn leaves(value: &Value, path: &str, out: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(value, &at, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{path}[{index}]"), out);
            }
        }
        _ => out.push(path.to_owned()),
    }
}

/// 003-17: 0 unexplained keys over the corpus.
#[test]
fn every_setting_of_every_example_is_explained_with_its_line() {
    let corpus = corpus();
    assert!(corpus.len() >= 6);
    for (path, text) in &corpus {
        let imported = read(text, false).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
        assert_eq!(imported.left_out(), 0, "{}: {:#?}", path.display(), imported.entries);
        let mut settings = Vec::new();
        leaves(&foreign(text), "", &mut settings);
        assert!(settings.len() >= 10, "{} is too small to prove anything", path.display());
        for setting in &settings {
            let explained = imported.entries.iter().any(|entry| entry.explains(setting));
            assert!(explained, "{}: nothing says what became of {setting}", path.display());
        }
        for entry in &imported.entries {
            let text = match &entry.outcome {
                Outcome::Mapped(to) => to,
                Outcome::LeftOut(why) | Outcome::NotMapped(why) => why,
            };
            assert!(text.len() > 4 && entry.line > 0, "{}: {entry:?}", path.display());
        }
    }
}

/// 003-17: a secret never lands in the output, unless asked for.
#[test]
fn keys_become_variables_and_their_values_appear_nowhere() {
    let home = Home::new();
    for (path, text) in &corpus() {
        let file = path.to_str().unwrap();
        for args in [vec!["config", "import", "ccr", file], vec!["config", "import", "ccr", file, "--json"]] {
            let ran = home.run(&args).ok();
            assert!(!ran.out.contains("canary") && !ran.err.contains("canary"), "{file}: {ran:#?}");
            assert!(!ran.out.contains("a-secret-of-the-team") && !ran.err.contains("a-secret-of-the-team"));
        }
        if text.contains("canary0001") {
            let inline = home.run(&["config", "import", "ccr", file, "--inline-secrets"]).ok();
            assert!(inline.out.contains("sk-or-v1-canary0001"));
        }
    }
    let classic =
        read(&corpus().iter().find(|(path, _)| path.ends_with("classic.json")).unwrap().1, false).unwrap();
    let names: Vec<&str> = classic.variables.iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["OPENROUTER_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY"]);
}

#[test]
fn the_classic_example_becomes_this_configuration() {
    let (_, text) = corpus().into_iter().find(|(path, _)| path.ends_with("classic.json")).unwrap();
    let yaml: Value = serde_saphyr::from_str(&read(&text, false).unwrap().yaml("x")).unwrap();
    assert_eq!(yaml["server"]["listen"], "0.0.0.0:3456");
    assert_eq!(yaml["keys"][0]["hash"], lockgate::key::hash("a-secret-of-the-team"));
    assert_eq!(yaml["log"]["level"], "debug");
    let providers = &yaml["providers"];
    assert_eq!(providers["openrouter"]["api_key"], "${OPENROUTER_API_KEY}");
    assert_eq!(providers["openrouter"].get("kind"), None);
    assert_eq!(providers["openrouter"].get("base_url"), None);
    assert_eq!(providers["ollama"].get("api_key"), None);
    assert_eq!(providers["modelscope"]["kind"], "openai-compatible");
    assert_eq!(providers["modelscope"]["base_url"], "https://api-inference.modelscope.cn/v1");
    assert_eq!(providers["modelscope"]["timeouts"]["total_ms"], 600_000);
    assert_eq!(providers["deepseek"]["proxy"], "http://127.0.0.1:7890");
    assert_eq!(providers["ollama"].get("proxy"), None, "no proxy leads back to this machine");
    assert_eq!(yaml["models"]["slots"]["background"], "ollama:qwen3-coder:latest");
    assert_eq!(yaml["models"]["slots"]["longContext"], "openrouter:google/gemini-3-pro");
    assert_eq!(yaml["models"]["long_context_threshold"], 80_000);
}

#[test]
fn a_proxy_with_a_password_becomes_a_variable_and_an_unusable_one_is_explained() {
    let of = |proxy: &str| {
        let text = format!(
            r#"{{"PROXY_URL": "{proxy}", "Providers": [{{"name": "deepseek", "api_key": "$K", "models": ["m"]}}]}}"#
        );
        read(&text, false).unwrap()
    };
    let secret = of("http://me:a-secret@proxy:8080");
    assert!(secret.yaml("x").contains("    proxy: ${PROXY_URL}\n"), "{}", secret.yaml("x"));
    assert_eq!(
        (secret.variables[0].name.as_str(), secret.variables[0].from.as_str()),
        ("PROXY_URL", "PROXY_URL")
    );
    assert!(!format!("{secret:?}").contains("a-secret"));
    assert!(of("http://${PROXY_HOST}:1").yaml("x").contains("http://${PROXY_HOST}:1"));
    let unusable = of("https://proxy:8080");
    assert!(!unusable.yaml("x").contains("proxy"), "{}", unusable.yaml("x"));
    let why = |entry: &lockgate::ccr::Entry| matches!(&entry.outcome, Outcome::NotMapped(why) if why.contains("TLS"));
    assert!(unusable.entries.iter().any(|entry| entry.path == "PROXY_URL" && why(entry)));
}

#[test]
fn other_forms_keep_what_they_say() {
    let of = |name: &str| {
        let (_, text) = corpus().into_iter().find(|(path, _)| path.ends_with(name)).unwrap();
        serde_saphyr::from_str::<Value>(&read(&text, false).unwrap().yaml("x")).unwrap()
    };
    let environment = of("environment.json");
    assert_eq!(environment["providers"]["openai"]["api_key"], "${OPENAI_API_KEY}");
    assert_eq!(environment["providers"]["house"]["base_url"], "https://${LLM_HOST}/v1");
    assert_eq!(environment["providers"]["house"]["stream_usage"], "always");
    let anthropic = of("anthropic.json");
    assert_eq!(anthropic["providers"]["deepseek-anthropic"]["kind"], "anthropic");
    assert_eq!(
        anthropic["providers"]["deepseek-anthropic"]["base_url"],
        "https://api.deepseek.com/anthropic"
    );
    assert_eq!(anthropic["providers"]["vertex"]["vertex"]["project"], "my-project");
    assert_eq!(anthropic["providers"]["router-two"]["openrouter"]["data_collection"], "deny");
    assert_eq!(anthropic["providers"]["router-two"]["headers"]["X-Title"], "team");
    let plugins = of("plugins.json");
    assert_eq!(plugins["server"]["listen"], "127.0.0.1:3456");
    assert_eq!(plugins["models"]["slots"]["image"], "iFlow-CN:glm-4.6v");
    let preset = of("preset.json");
    assert_eq!(preset["providers"]["team"]["api_key"], "${API_KEY}");
    assert_eq!(preset["models"]["slots"]["default"], "team:large");
    let desktop = of("desktop.json");
    assert_eq!(desktop["providers"]["Kimi-Coding"]["headers"]["X-Team"], "blue");
    assert_eq!(desktop["providers"]["Kimi-Coding"]["headers"]["X-Auth-Token"], "${KIMI_CODING_X_AUTH_TOKEN}");
    assert_eq!(desktop["providers"].get("retired"), None);
}

/// 003-17: import, then export, keeps slots and models.
#[test]
fn a_round_trip_keeps_slots_and_models() {
    let home = Home::new();
    for (path, text) in corpus() {
        let yaml = home.path("lockgate.yaml");
        let back = home.path("back.json");
        let (yaml, back) = (yaml.to_str().unwrap(), back.to_str().unwrap());
        home.run(&["config", "import", "ccr", path.to_str().unwrap(), "--out", yaml, "--force"]).ok();
        home.run(&["config", "export", "ccr", yaml, "--out", back, "--force"]).ok();
        let second = read(&fs::read_to_string(back).unwrap(), false).unwrap();
        let first = read(&text, false).unwrap();
        let parse = |yaml: String| serde_saphyr::from_str::<Value>(&yaml).unwrap();
        let (first, second) = (parse(first.yaml("x")), parse(second.yaml("x")));
        assert_eq!(first["models"], second["models"], "{}", path.display());
        assert_eq!(first["providers"]["deepseek"]["proxy"], second["providers"]["deepseek"]["proxy"]);
        for (id, provider) in first["providers"].as_object().unwrap() {
            let again = &second["providers"][id];
            assert_eq!(provider.get("kind"), again.get("kind"), "{}: {id}", path.display());
            assert_eq!(provider.get("base_url"), again.get("base_url"), "{}: {id}", path.display());
            assert_eq!(provider.get("api_key"), again.get("api_key"), "{}: {id}", path.display());
            for model in provider["models"].as_array().unwrap() {
                assert!(
                    again["models"].as_array().unwrap().contains(model),
                    "{}: {id} lost {model}",
                    path.display()
                );
            }
        }
    }
}

/// 003-17: a typing error is named with its place and what was meant, and the command says that something is wrong; what is right is
/// taken over.
#[test]
fn a_mistyped_key_is_left_out_with_its_place_and_what_was_meant() {
    let home = Home::new();
    home.write("c.json", b"{\n  \"Providers\": [{\"name\": \"a\", \"api_base_url\": \"https://x.example/v1\", \"modls\": [], \"models\": [\"m\"]}],\n  \"Router\": {\n    \"longContextTreshold\": 1, \"default\": \"a,m\"\n  },\n  \"APIKEZ\": \"x\"\n}\n");
    let ran = home.run(&["config", "import", "ccr", "c.json", "--out", "lockgate.yaml"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    let words: Vec<&str> = ran.out.split_whitespace().collect();
    let shown = words.join(" ");
    for expected in [
        "left out 4:5 Router.longContextTreshold → \"longContextTreshold\" is not a setting of the router; did you mean \"longContextThreshold\"?",
        "left out 2:71 Providers[0].modls → \"modls\" is not a setting of a provider; did you mean \"models\"?",
        "left out 6:3 APIKEZ → \"APIKEZ\" is not a setting of claude-code-router; did you mean \"APIKEY\"?",
        "3 settings left out: correct what is marked so",
    ] {
        assert!(shown.contains(expected), "{expected}\n{}", ran.out);
    }
    let yaml: Value = serde_saphyr::from_str(&home.read("lockgate.yaml")).unwrap();
    assert_eq!(yaml["models"]["slots"]["default"], "a:m");
    assert_eq!(yaml["providers"]["a"]["base_url"], "https://x.example/v1");
    home.run(&["config", "check", "--config", "lockgate.yaml"]).ok();
    let json = home.run(&["config", "import", "ccr", "c.json", "--json"]);
    assert_eq!(json.code, 1, "{json:#?}");
    let report: Value = serde_json::from_str(&json.out).unwrap();
    let left_out: Vec<&Value> =
        report["settings"].as_array().unwrap().iter().filter(|one| one["status"] == "left_out").collect();
    assert_eq!(left_out.len(), 3, "{report:#}");
    assert_eq!((&left_out[1]["line"], &left_out[1]["column"]), (&4.into(), &5.into()), "{report:#}");
}

/// What is left over can be used as it is: nothing in it leads nowhere.
#[test]
fn what_leads_nowhere_is_left_out_and_the_rest_is_a_configuration() {
    let home = Home::new();
    let text = r#"{
"Providers": [
  {"name": "alpha", "api_base_url": "https://a.example/v1", "api_key": "$K", "models": ["m", 5]},
  {"name": "beta", "api_base_ulr": "https://b.example/v1", "api_key": "sk-secret-b", "models": ["m"]},
  {"name": "alpha", "api_base_url": "https://c.example/v1", "models": ["m"]},
  {"models": ["m"]}
],
"PORT": "many", "LOG_LEVEL": "loud", "API_TIMEOUT_MS": "soon",
"Router": {"default": "alhpa,m", "think": "m", "background": "beta,m", "image": "alpha,m", "longContextThreshold": "x"}
}"#;
    let imported = read(text, false).unwrap();
    let mistakes: Vec<(&str, &str)> = imported
        .entries
        .iter()
        .filter_map(|entry| match &entry.outcome {
            Outcome::LeftOut(why) => Some((entry.path.as_str(), why.as_str())),
            Outcome::Mapped(_) | Outcome::NotMapped(_) => None,
        })
        .collect();
    for (path, words) in [
        ("Providers[0].models[1]", "must be a text"),
        ("Providers[1].api_base_ulr", "did you mean \"api_base_url\"?"),
        ("Providers[1]", "has no address; set its api_base_url"),
        ("Providers[2]", "give it another name"),
        ("Providers[3]", "without a name"),
        ("PORT", "from 1 to 65535"),
        ("LOG_LEVEL", "fatal, error"),
        ("API_TIMEOUT_MS", "milliseconds"),
        ("Router.default", "did you mean \"alpha\"?"),
        ("Router.think", "\"provider,model\"; set models.slots.think"),
        ("Router.background", "there is no provider \"beta\""),
        ("Router.longContextThreshold", "number of tokens"),
    ] {
        let found = mistakes.iter().any(|(at, why)| *at == path && why.contains(words));
        assert!(found, "{path}: {words}\n{mistakes:#?}");
    }
    assert_eq!(mistakes.len(), 12, "{mistakes:#?}");
    assert!(
        imported.variables.is_empty(),
        "no variable for a key that nothing uses: {:?}",
        imported.variables
    );
    let yaml = imported.yaml("x");
    assert!(
        yaml.contains("image: \"alpha:m\"") && !yaml.contains("beta") && !yaml.contains("c.example"),
        "{yaml}"
    );
    home.write("lockgate.yaml", yaml.replace("${K}", "${K:-}").as_bytes());
    let ran = home.run(&["config", "check", "--config", "lockgate.yaml"]);
    ran.ok();
}

#[test]
fn a_file_that_is_no_configuration_is_refused_at_its_place() {
    let home = Home::new();
    assert_eq!(read("{\n  \"a\": }", false).unwrap_err().place.line, 2);
    home.write("c.json", b"[1]");
    let ran = home.run(&["config", "import", "ccr", "c.json", "--out", "lockgate.yaml"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("c.json:1:1: this is no claude-code-router configuration"), "{}", ran.err);
    assert!(!home.path("lockgate.yaml").exists());
}

#[test]
fn an_existing_configuration_is_not_replaced_without_being_told() {
    let home = Home::new();
    let (path, _) = corpus().remove(0);
    home.write("lockgate.yaml", b"mine");
    let ran = home.run(&["config", "import", "ccr", path.to_str().unwrap(), "--out", "lockgate.yaml"]);
    assert_eq!(ran.code, 1);
    assert_eq!(home.read("lockgate.yaml"), "mine");
}
