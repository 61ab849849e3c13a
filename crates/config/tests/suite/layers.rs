//! Layers, their order, the source of every value, and variables inside values.

use crate::support::{Case, shown};
use lockgate_config::{Environment, Inputs, Presence, Source, locate, render_settings_json};
use lockgate_providers::{AuthScheme, Kind};

#[test]
fn each_layer_overrides_the_one_below_and_the_source_says_which_won() {
    let mut case = Case::new(
        "server:\n  keepalive_ms: 2000\n  drain_ms: 2000\nlog: {level: warn}\n",
        &[("LOCKGATE__SERVER__DRAIN_MS", "3000"), ("LOCKGATE__LOG__LEVEL", "debug")],
    );
    case.inputs.flags = vec![("log.level".into(), "error".into())];
    let snapshot = case.load();
    let file = case.inputs.file.as_ref().unwrap().display();
    assert_eq!(shown(&snapshot, "server.listen"), "server.listen = \"127.0.0.1:8484\"   (source: default)");
    assert_eq!(
        shown(&snapshot, "server.keepalive_ms"),
        format!("server.keepalive_ms = 2000   (source: file {file}:2:17)")
    );
    assert_eq!(
        shown(&snapshot, "server.drain_ms"),
        "server.drain_ms = 3000   (source: env LOCKGATE__SERVER__DRAIN_MS)"
    );
    assert_eq!(shown(&snapshot, "log.level"), "log.level = \"error\"   (source: flag log.level)");
    assert_eq!(snapshot.config().server.drain_ms, 3000);
}

#[test]
fn variables_reach_every_field_whatever_the_case_and_keep_their_text() {
    let case = Case::new(
        "providers:\n  my-server: {kind: vllm}\n",
        &[
            ("LOCKGATE__PROVIDERS__MY_SERVER__API_KEY", "a: b # \"c\" ${NOT} {"),
            ("LOCKGATE__MODELS__SLOTS__LONGCONTEXT", "gemini:gemini-3-pro"),
            ("LOCKGATE__PROVIDERS__AZURE_OPENAI__BASE_URL", "https://x.example"),
            ("LOCKGATE__PROVIDERS__MY_SERVER__MODELS", "[one, two]"),
        ],
    );
    let snapshot = case.load();
    let mine = snapshot.provider("my-server").unwrap();
    assert_eq!(mine.settings.api_key.as_ref().unwrap().expose(), "a: b # \"c\" ${NOT} {");
    assert_eq!(mine.settings.models, ["one", "two"]);
    assert_eq!(snapshot.config().models.slots.long_context.as_deref(), Some("gemini:gemini-3-pro"));
    assert_eq!(snapshot.provider("azure-openai").unwrap().kind, Kind::AzureOpenai);
}

#[test]
fn a_misspelt_variable_or_flag_is_an_error_that_names_it() {
    let mut case =
        Case::new("", &[("LOCKGATE__SERVER__LISTN", "127.0.0.1:1"), ("LOCKGATE__LOG__LEVEL__X", "1")]);
    case.inputs.flags = vec![("server.keepalive_ms".into(), "often".into())];
    let found: Vec<String> = case.inputs.check().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "LOCKGATE__LOG__LEVEL__X: there is nothing below this value; set it as a whole [LG002]",
            "LOCKGATE__SERVER__LISTN: unknown key `LISTN` (did you mean `listen`?) [LG002]",
            "server.keepalive_ms: expected a whole number, found something else [LG003]",
        ]
    );
}

#[test]
fn variables_are_inserted_into_values_and_never_into_the_text() {
    let nasty = "x: y # z\n- \"'{[&*!|>%@`";
    let yaml = "providers:\n  groq:\n    api_key: ${NASTY}\n    stream_usage: ${MODE:-always}\n    timeouts: {idle_ms: ${IDLE}}\n  \
                xai: {api_key: \"${EMPTY:-}\", models: ['a${ONE}b', '$${ONE}', \"${ABSENT:-plain}\"]}\n";
    let case = Case::new(yaml, &[("NASTY", nasty), ("IDLE", "7000"), ("ONE", "1"), ("EMPTY", "")]);
    let snapshot = case.load();
    let groq = &snapshot.provider("groq").unwrap().settings;
    assert_eq!(groq.api_key.as_ref().unwrap().expose(), nasty);
    assert_eq!(groq.timeouts.idle_ms, 7000);
    let xai = &snapshot.provider("xai").unwrap().settings;
    assert!(xai.api_key.is_none(), "an empty default is no key");
    assert_eq!(xai.models, ["a1b", "${ONE}", "plain"]);
}

#[test]
fn without_file_and_variables_there_are_still_the_three_vendors_and_the_local_runtimes() {
    let snapshot = Inputs { detect: true, ..Inputs::default() }.load().unwrap();
    let found: Vec<_> = snapshot.providers().iter().map(|p| (p.id.as_str(), p.presence)).collect();
    assert_eq!(
        found,
        [
            ("anthropic", Presence::Assumed),
            ("gemini", Presence::Assumed),
            ("llamacpp", Presence::Candidate),
            ("lm-studio", Presence::Candidate),
            ("ollama", Presence::Candidate),
            ("openai", Presence::Assumed),
            ("vllm", Presence::Candidate),
        ]
    );
    let llamacpp = snapshot.provider("llamacpp").unwrap();
    assert_eq!(llamacpp.base_url.as_ref().unwrap().port(), Some(9931));
    assert_eq!(llamacpp.other_base_urls, ["http://127.0.0.1:8080"]);
    assert!(Inputs::default().load().unwrap().providers().is_empty());
}

#[test]
fn well_known_variables_become_providers_that_remember_which() {
    let case = Case::new(
        "",
        &[
            ("ANTHROPIC_AUTH_TOKEN", "token"),
            ("GOOGLE_API_KEY", "g"),
            ("GROQ_API_KEY", "q"),
            ("XAI_API_KEY", "  "),
            ("AZURE_OPENAI_API_KEY", "a"),
            ("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com"),
            ("GOOGLE_APPLICATION_CREDENTIALS", "/sa.json"),
            ("GOOGLE_CLOUD_PROJECT", "p"),
            ("OLLAMA_HOST", "0.0.0.0:5555"),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:8484"),
        ],
    );
    let snapshot = case.load();
    let anthropic = snapshot.provider("anthropic").unwrap();
    assert_eq!(anthropic.settings.auth_scheme, AuthScheme::Bearer);
    assert_eq!(
        anthropic.base_url.as_ref().unwrap().host_str(),
        Some("api.anthropic.com"),
        "not the gateway itself"
    );
    assert_eq!(anthropic.presence, Presence::Found);
    assert_eq!(
        shown(&snapshot, "providers.groq.api_key"),
        "providers.groq.api_key = «set»   (source: detected GROQ_API_KEY)"
    );
    assert_eq!(snapshot.provider("gemini").unwrap().settings.api_key.as_ref().unwrap().expose(), "g");
    assert!(snapshot.provider("xai").is_none(), "blank is not set");
    assert_eq!(
        snapshot.provider("ollama").unwrap().base_url.as_ref().unwrap().as_str(),
        "http://127.0.0.1:5555/"
    );
    let vertex = snapshot.provider("vertex").unwrap().settings.vertex.clone().unwrap();
    assert_eq!((vertex.project.as_deref(), vertex.location.0.as_str()), (Some("p"), "global"));
    assert!(snapshot.provider("azure-openai").is_some());
}

#[test]
fn a_found_key_stays_with_the_address_it_belongs_to() {
    let variables = [
        ("OPENAI_API_KEY", "sk-env"),
        ("LOCKGATE__PROVIDERS__GROQ__BASE_URL", "https://else.example/v1"),
        ("GROQ_API_KEY", "gsk"),
    ];
    let moved =
        Case::new("providers:\n  openai: {base_url: \"https://proxy.example/v1\"}\n", &variables).load();
    assert!(moved.provider("openai").unwrap().settings.api_key.is_none());
    assert!(moved.provider("groq").unwrap().settings.api_key.is_none());
    let tuned = Case::new("providers:\n  openai: {timeouts: {idle_ms: 9000}}\n", &variables[..1]).load();
    assert_eq!(tuned.provider("openai").unwrap().settings.api_key.as_ref().unwrap().expose(), "sk-env");
    let off = Case::new("providers:\n  ollama: {enabled: false}\n", &[]).load();
    assert!(off.provider("ollama").is_none());
}

#[test]
fn custom_providers_come_from_a_list_or_an_object_in_either_spelling() {
    let list = r#"[{"name": "One", "baseUrl": "https://one.example/v1", "apiKey": "k1", "models": ["m"], "headers": {"x-a": "b"}},
                   {"id": "two", "base_url": "http://10.0.0.2/v1", "api_key": "k2"}]"#;
    let snapshot = Case::new("", &[("CUSTOM_PROVIDERS", list)]).load();
    let one = snapshot.provider("One").unwrap();
    assert_eq!((one.kind, one.presence), (Kind::OpenaiCompatible, Presence::Configured));
    assert_eq!(
        (one.settings.models.as_slice(), one.settings.headers["x-a"].expose()),
        (&["m".to_owned()][..], "b")
    );
    assert_eq!(
        shown(&snapshot, "providers.two.api_key"),
        "providers.two.api_key = «set»   (source: env CUSTOM_PROVIDERS[1].api_key)"
    );
    let object = r#"{"three": {"baseURL": "https://three.example/v1"}}"#;
    let snapshot = Case::new("", &[("CUSTOM_PROVIDERS", object)]).load();
    assert!(snapshot.provider("three").is_some());
}

#[test]
fn mistakes_in_custom_providers_name_the_variable_and_the_entry() {
    let check = |value: &str| -> Vec<String> {
        Case::new("", &[("CUSTOM_PROVIDERS", value)]).inputs.check().iter().map(ToString::to_string).collect()
    };
    assert_eq!(check("[{]"), ["CUSTOM_PROVIDERS: not JSON at line 1, column 3 [LG001]"]);
    assert_eq!(check("7"), ["CUSTOM_PROVIDERS: expected a JSON list or object [LG003]"]);
    let found = check(
        r#"[{"name": "a", "baseUrl": "https://a/v1"}, {"baseUrl": "https://b/v1"}, {"name": "c"}, 5,
            {"name": "a", "baseUrl": "https://a/v1"}, {"name": "e", "baseUrl": "nowhere"},
            {"name": "f", "baseUrl": "https://f/v1", "apiKye": "sk-private-1234"}]"#,
    );
    assert_eq!(
        found,
        [
            "CUSTOM_PROVIDERS[1]: `name` is missing [LG006]",
            "CUSTOM_PROVIDERS[2]: `baseUrl` is missing [LG203]",
            "CUSTOM_PROVIDERS[3]: expected an object with `name` and `baseUrl` [LG003]",
            "CUSTOM_PROVIDERS[4]: `a` is defined twice [LG005]",
            "CUSTOM_PROVIDERS[6].apiKye: unknown key `apiKye` (did you mean `api_key`?) [LG002]",
            "CUSTOM_PROVIDERS[5].baseUrl: not a URL: relative URL without a base [LG004]",
        ]
    );
}

#[test]
fn the_file_is_the_named_one_or_the_first_that_exists() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("lockgate").join("lockgate.yaml");
    let home = folder.path().to_string_lossy().into_owned();
    let environment: Environment = [("XDG_CONFIG_HOME", home.as_str())].into_iter().collect();
    assert_eq!(locate(None, &environment), None);
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    std::fs::write(&own, "").unwrap();
    assert_eq!(locate(None, &environment), Some(own));
    let named: Environment =
        [("XDG_CONFIG_HOME", home.as_str()), ("LOCKGATE_CONFIG", "/named.yaml")].into_iter().collect();
    assert_eq!(locate(None, &named), Some("/named.yaml".into()));
    assert_eq!(locate(Some("/flag.yaml".as_ref()), &named), Some("/flag.yaml".into()));
}

#[test]
fn the_source_is_data_in_json_too() {
    let case = Case::new("log: {level: warn}\n", &[]);
    let snapshot = case.load();
    let level = snapshot.settings().iter().find(|setting| setting.path.to_string() == "log.level").unwrap();
    assert!(matches!(level.source, Source::File { line: 1, column: 14, .. }));
    let json: serde_json::Value = serde_json::from_str(&render_settings_json(snapshot.settings())).unwrap();
    let level = json.as_array().unwrap().iter().find(|s| s["path"] == "log.level").unwrap();
    assert_eq!((&level["value"], &level["source"]["kind"]), (&"warn".into(), &"file".into()));
}
