//! Whatever the file holds, reading it ends with a configuration or with problems, and never with a panic.

use crate::support::Case;
use lockgate_config::render_text;
use proptest::prelude::*;

const SAMPLE: &str = "server: {listen: 127.0.0.1:1, limits: {messages: 5}}\nkeys:\n  - {name: a, hash: h, models: [x*]}\n\
providers:\n  groq: &g {api_key: ${K}, timeouts: {idle_ms: 5}, model_timeouts: [{model: \"*\"}]}\n  xai: *g\n  vertex: {vertex: {project: p}}\n\
prices:\n  - {provider: xai, models: [m], rates: {standard: {input: 1, output: \"2\"}}, long: [{above: 5, rates: {}}]}\n\
models:\n  aliases: {a: b, b: \"groq:c\"}\n  slots: {default: a}\n";

/// Words that the reader treats specially, and some that it does not.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("server".to_owned()),
        Just("providers".to_owned()),
        Just("groq".to_owned()),
        Just("openrouter".to_owned()),
        Just("max_price".to_owned()),
        Just("timeouts".to_owned()),
        Just("keys".to_owned()),
        Just("prices".to_owned()),
        Just("rates".to_owned()),
        Just("standard".to_owned()),
        Just("input".to_owned()),
        Just("models".to_owned()),
        Just("aliases".to_owned()),
        Just("retry".to_owned()),
        Just("attempts".to_owned()),
        Just("listen".to_owned()),
        Just("${K}".to_owned()),
        Just("true".to_owned()),
        Just("-7".to_owned()),
        Just("1e999".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("~".to_owned()),
        Just("a:b".to_owned()),
        "[a-z]{0,4}",
    ]
}

fn yaml() -> impl Strategy<Value = String> {
    word().prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::vec((word(), inner), 0..5).prop_map(|m| format!(
                "{{{}}}",
                m.iter().map(|(k, v)| format!("'{k}': {v}")).collect::<Vec<_>>().join(", ")
            )),
        ]
    })
}

fn never_panics(bytes: &[u8]) {
    let case = Case::new("", &[("K", "v")]);
    std::fs::write(case.inputs.file.as_ref().unwrap(), bytes).unwrap();
    let problems = case.inputs.check();
    let text = render_text(&problems);
    assert!(!text.contains("fits its schema but not its types"), "{text}");
    assert_eq!(case.inputs.load().is_err(), problems.iter().any(lockgate_config::Problem::is_error));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        never_panics(&bytes);
    }

    #[test]
    fn random_characters_that_mean_something_in_yaml_never_panic(text in "[-a:{}\\[\\]#&*!|>'\"%@`$~, \n\t?]{0,80}") {
        never_panics(text.as_bytes());
    }

    #[test]
    fn a_damaged_file_never_panics(at in 0..SAMPLE.len(), cut in 0..40_usize, insert in "[-a:{}\\[\\]$ \n~0-9]{0,6}") {
        let end = (at + cut).min(SAMPLE.len());
        never_panics([&SAMPLE[..at], &insert, &SAMPLE[end..]].concat().as_bytes());
    }

    #[test]
    fn any_tree_is_either_taken_or_explained(text in yaml()) {
        never_panics(text.as_bytes());
    }

    #[test]
    fn any_environment_is_either_taken_or_explained(name in "[A-Z_]{0,30}", value in ".{0,30}") {
        let case = Case::new("", &[(&format!("LOCKGATE__{name}"), &value), ("CUSTOM_PROVIDERS", &value), ("OLLAMA_HOST", &value)]);
        let problems = case.inputs.check();
        assert_eq!(case.inputs.load().is_err(), problems.iter().any(lockgate_config::Problem::is_error));
    }
}
