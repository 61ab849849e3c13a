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
        let imported =
            read(text, false).unwrap_or_else(|problems| panic!("{}: {problems:#?}", path.display()));
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
                Outcome::NotMapped(why) => why,
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

/// 003-17: a typing error is an error with its line and a suggestion, and nothing is written.
#[test]
fn a_mistyped_key_stops_the_import_with_its_line_and_what_was_meant() {
    let home = Home::new();
    home.write("c.json", b"{\n  \"Providers\": [{\"name\": \"a\", \"api_base_ulr\": \"https://x/v1\", \"models\": []}],\n  \"Router\": {\n    \"longContextTreshold\": 1\n  },\n  \"APIKEZ\": \"x\"\n}\n");
    let ran = home.run(&["config", "import", "ccr", "c.json", "--out", "lockgate.yaml"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.err.contains("c.json:4:5: \"longContextTreshold\""), "{}", ran.err);
    assert!(ran.err.contains("did you mean \"longContextThreshold\"?"), "{}", ran.err);
    assert!(
        ran.err.contains("c.json:2:31: \"api_base_ulr\"") && ran.err.contains("\"api_base_url\"?"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("c.json:6:3") && ran.err.contains("\"APIKEY\"?"), "{}", ran.err);
    assert!(!home.path("lockgate.yaml").exists());
}

#[test]
fn a_slot_without_provider_and_broken_json_are_reported_at_their_place() {
    let problems = read("{\n\"Providers\":[{\"name\":\"alpha\",\"models\":[\"m\"]}],\n\"Router\":{\"default\":\"alhpa,m\",\n\"think\":\"m\"}}", false).unwrap_err();
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(text[0].starts_with("3:") && text[0].contains("did you mean \"alpha\"?"), "{text:?}");
    assert!(text[1].starts_with("4:") && text[1].contains("provider,model"), "{text:?}");
    let broken = read("{\n  \"a\": }", false).unwrap_err();
    assert_eq!(broken[0].place.line, 2);
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
