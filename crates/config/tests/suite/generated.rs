//! The published schema, the reference page and the starter file are what the types say. `UPDATE_GENERATED=1` rewrites
//! the first two.

use std::{fs, path::Path};

use crate::support::Case;
use lockgate_config::{Profile, reference, render_text, schema, starter};
use lockgate_providers::{KINDS, PRESETS};

fn assert_current(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap_or_default();
    assert!(committed == text, "{path} is stale; run the tests of this crate with UPDATE_GENERATED=1");
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    assert_current("schema/lockgate.schema.json", &schema());
}

#[test]
fn the_reference_page_is_that_of_the_types() {
    assert_current("docs/config/reference.md", &reference());
}

#[test]
fn every_kind_preset_and_field_has_its_entry_in_the_reference() {
    let page = reference();
    for id in KINDS.iter().map(|k| k.name).chain(PRESETS.iter().map(|p| p.id)) {
        assert!(page.contains(&format!("\n| `{id}` | `")), "{id}");
    }
    for info in &KINDS {
        if let Some(section) = info.section {
            assert!(page.contains(&format!("\n| `providers.<id>.{section}` | section")), "{section}");
        }
    }
    for path in [
        "keys[].hash",
        "server.limits.body_bytes",
        "providers.<id>.model_timeouts[].idle_ms",
        "models.slots.webSearch",
    ] {
        assert!(page.contains(&format!("\n| `{path}` | ")), "{path}");
    }
    let fields = page.split("\n## Kinds of provider").next().unwrap();
    let undocumented: Vec<&str> =
        fields.lines().filter(|line| line.starts_with("| `") && line.ends_with("|  |")).collect();
    assert!(undocumented.is_empty(), "{undocumented:?}");
}

#[test]
fn the_schema_is_one_that_editors_can_use() {
    let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert!(jsonschema::meta::is_valid(&schema));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let good = serde_json::json!({"server": {"keepalive_ms": 5000}, "providers": {"groq": {"api_key": "k"}}});
    assert!(
        validator.is_valid(&good),
        "{:?}",
        validator.iter_errors(&good).map(|e| e.to_string()).collect::<Vec<_>>()
    );
    for bad in [
        serde_json::json!({"sever": {}}),
        serde_json::json!({"server": {"keepalive_ms": "soon"}}),
        serde_json::json!({"log": {"level": "loud"}}),
        serde_json::json!({"keys": [{"name": "a", "hash": "plain"}]}),
    ] {
        assert!(!validator.is_valid(&bad), "{bad}");
    }
}

#[test]
fn the_starter_file_works_as_it_stands_and_with_every_comment_taken_away() {
    let text = starter(Profile::Minimal);
    let case = Case::new(text, &[]);
    assert_eq!(render_text(&case.inputs.check()), "");
    assert_eq!(case.load().config().server.listen.port(), 8484);
    let opened: Vec<&str> = text
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|rest| rest.starts_with(' ') || rest.trim_end().ends_with(':'))
                .unwrap_or(line)
        })
        .collect();
    let opened = Case::new(&opened.join("\n"), &[("GROQ_API_KEY", "k"), ("WORK_API_KEY", "k")]);
    assert_eq!(render_text(&opened.inputs.check()), "");
    assert_eq!(opened.load().config().keys.len(), 1);
    assert_eq!(opened.load().config().models.aliases.len(), 1);
}
