//! `lockgate config`: every problem with its place, every value with its source, no secret anywhere. Requirement L2.

use crate::support::Home;

const BROKEN: &str = "server:\n  lisen: 127.0.0.1:1\nproviders:\n  work: {kind: openai-compatible}\n";

#[test]
fn check_names_file_line_and_column_and_what_was_meant() {
    let home = Home::new();
    home.write("lockgate.yaml", BROKEN);
    let ran = home.run(&["config", "check"]);
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(
        ran.out.contains("lockgate.yaml:2:3: ") && ran.out.contains("did you mean `listen`?"),
        "{ran:#?}"
    );
    assert!(ran.out.contains("lockgate.yaml:4:3: ") && ran.out.contains("LG203"), "{ran:#?}");
    home.write("lockgate.yaml", "server: {listen: '127.0.0.1:1'}\n");
    let ran = home.run(&["config", "check"]);
    assert_eq!((ran.code, ran.out.trim_end()), (0, "ok lockgate.yaml"));
}

#[test]
fn check_speaks_json_and_sarif_to_programs() {
    let home = Home::new();
    home.write("lockgate.yaml", BROKEN);
    let ran = home.run(&["config", "check", "--json"]);
    assert_eq!(home.run(&["config", "check", "--format", "json"]).out, ran.out);
    assert_eq!(home.run(&["config", "check", "--json", "--format", "sarif"]).code, 2);
    assert_eq!(ran.code, 1);
    let first = &ran.json()[0];
    assert_eq!((&first["code"], &first["suggestion"]), (&"LG002".into(), &"listen".into()));
    assert_eq!((&first["source"]["line"], &first["source"]["column"]), (&2.into(), &3.into()));
    let ran = home.run(&["config", "check", "--format", "sarif"]);
    let sarif = ran.json();
    assert_eq!((ran.code, &sarif["version"]), (1, &"2.1.0".into()));
    let result = &sarif["runs"][0]["results"][0];
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!((&region["startLine"], &region["startColumn"]), (&2.into(), &3.into()));
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]), "every result has its rule");
}

/// Also requirement 004-40: a secret is written, never read.
#[test]
fn show_tells_the_source_of_every_value_and_no_secret() {
    let home = Home::new();
    home.write("lockgate.yaml", "log: {level: warn}\nproviders: {groq: {api_key: '${MY_GROQ}'}}\n");
    for args in [&["config", "show", "--set", "conversion.strict=true"][..], &["config", "show", "--json"]] {
        let mut command = home.lockgate(args);
        command.env("MY_GROQ", "gsk-very-private").env("OPENAI_API_KEY", "sk-very-private");
        command.env("LOCKGATE__LOG__FORMAT", "json");
        let ran = crate::support::Ran::from(command.output().unwrap());
        assert_eq!(ran.code, 0, "{ran:#?}");
        assert!(!ran.out.contains("very-private") && !ran.err.contains("very-private"), "{ran:#?}");
        if args.contains(&"--json") {
            let all = ran.json();
            let of = |path: &str| all.as_array().unwrap().iter().find(|v| v["path"] == path).unwrap().clone();
            assert_eq!(of("log.level")["source"]["line"], 1);
            assert_eq!(of("providers.openai.api_key")["value"], "«set»");
        } else {
            for line in [
                "log.level = \"warn\"   (source: file lockgate.yaml:1:14)",
                "log.format = \"json\"   (source: env LOCKGATE__LOG__FORMAT)",
                "conversion.strict = true   (source: flag conversion.strict)",
                "providers.openai.api_key = «set»   (source: detected OPENAI_API_KEY)",
                "server.listen = \"127.0.0.1:8484\"   (source: default)",
            ] {
                assert!(ran.out.contains(line), "{line}: {}", ran.out);
            }
        }
    }
}

#[test]
fn what_init_writes_passes_the_check_and_is_never_written_over() {
    let home = Home::new();
    assert_eq!(home.run(&["config", "init"]).code, 0);
    let written = std::fs::read_to_string(home.path("lockgate.yaml")).unwrap();
    assert_eq!(home.run(&["config", "check"]).code, 0);
    assert_eq!(home.run(&["config", "init"]).code, 1);
    assert_eq!(std::fs::read_to_string(home.path("lockgate.yaml")).unwrap(), written);
    assert_eq!(home.run(&["config", "init", "no/such/folder.yaml"]).code, 3);
}

#[test]
fn the_schema_is_json_and_knows_the_sections() {
    let schema = Home::new().run(&["config", "schema"]).json();
    for section in ["server", "keys", "providers", "models", "conversion", "log"] {
        assert!(schema["properties"][section].is_object(), "{section}");
    }
}

#[test]
fn wrong_arguments_are_2() {
    let home = Home::new();
    assert_eq!(home.run(&["config", "check", "--set", "nonsense"]).code, 2);
    assert_eq!(home.run(&["config", "check", "--format", "xml"]).code, 2);
}
