//! Prices of the configuration: they go before the shipped ones, and say so in the version.

use lockgate_core::Usage;
use lockgate_ledger::{Basis, Catalogue, Cost, Override, OverrideError, Prices, Terms, Tier, Unknown, cost};

use crate::{moment, shipped};

fn overrides(yaml: &str) -> Vec<Override> {
    serde_saphyr::from_str(yaml).unwrap()
}

fn with(yaml: &str) -> Catalogue {
    shipped().clone().with(&overrides(yaml)).unwrap()
}

fn million(catalogue: &Catalogue, provider: &[&str], model: &str, at: &str) -> Result<Cost, Unknown> {
    let usage = Usage { input_uncached: Some(100_000), output: Some(0), ..Usage::default() };
    cost(&usage, catalogue.first(provider, model, moment(at)).as_ref(), &Terms::default())
}

#[test]
fn a_negotiated_price_goes_before_the_shipped_one_from_its_day_on() {
    let catalogue = with(
        "[{provider: anthropic, models: [claude-opus-5-5], from: 2026-11-01, \
         rates: {standard: {input: 3, output: \"15\"}, batch: {input: 1.5, output: 7.5}}}]",
    );
    let dollars =
        |at| million(&catalogue, &["anthropic"], "claude-opus-5-5-20260901", at).unwrap().total.to_string();
    assert_eq!((dollars("2026-10-31").as_str(), dollars("2026-11-01").as_str()), ("$0.40", "$0.30"));
}

#[test]
fn a_provider_of_ones_own_is_found_by_its_id_and_then_by_its_kind() {
    let catalogue = with(
        "[{provider: rented-gpu, models: ['qwen3*'], rates: {standard: {input: 0.1, output: 0.4}}, context: 65536}]",
    );
    let found = million(&catalogue, &["rented-gpu", "vllm"], "qwen3-30b", "2026-11-21").unwrap();
    assert_eq!((found.total.to_string().as_str(), found.basis), ("$0.01", Basis::Table));
    let other = million(&catalogue, &["rented-gpu", "vllm"], "llama4", "2026-11-21").unwrap();
    assert_eq!((other.total.get(), other.basis), (0, Basis::Local));
    assert_eq!(catalogue.model("rented-gpu", "qwen3-30b").unwrap().context, Some(65_536));
}

/// 004-4: an operator can say that a price is unknown, also of something that would count as local.
#[test]
fn an_entry_without_rates_makes_a_price_unknown() {
    let catalogue = with("[{provider: vllm, models: ['*']}, {provider: openai, models: [gpt-4.1]}]");
    assert_eq!(million(&catalogue, &["vllm"], "x", "2026-11-21"), Err(Unknown::Price));
    assert_eq!(million(&catalogue, &["openai"], "gpt-4.1", "2026-11-21"), Err(Unknown::Price));
}

#[test]
fn a_machine_of_ones_own_behind_any_provider_costs_nothing() {
    let catalogue = with("[{provider: basement, models: ['*'], local: true}]");
    let found = million(&catalogue, &["basement", "openai-compatible"], "x", "2026-11-21").unwrap();
    assert_eq!((found.total.get(), found.basis), (0, Basis::Local));
}

#[test]
fn the_version_changes_with_every_override() {
    let one = "[{provider: a, models: [b], rates: {standard: {input: 1}}}]";
    let versions = [shipped().version(), with(one).version(), with(&one.replace('1', "2")).version()];
    assert!(
        versions[0] != versions[1] && versions[1] != versions[2] && versions[0] != versions[2],
        "{versions:?}"
    );
    assert_eq!(versions[1], with(one).version());
    assert_eq!(shipped().clone().with(&[]).unwrap().version(), versions[0]);
}

#[test]
fn overrides_that_make_no_sense_are_refused_with_their_place() {
    let refused = |yaml: &str| shipped().clone().with(&overrides(yaml)).unwrap_err();
    let rates = "rates: {standard: {input: 1}}";
    assert_eq!(refused("[{models: [x]}]"), OverrideError::Nothing { index: 0 });
    assert_eq!(
        refused(&format!("[{{provider: a, models: [y], {rates}}}, {{provider: a, models: [Y], {rates}}}]")),
        OverrideError::Duplicate { index: 1, model: "Y".into(), provider: "a".into() }
    );
    assert_eq!(
        refused("[{provider: a, models: [x], rates: {batch: {input: 1}}}]"),
        OverrideError::NoStandard { index: 0 }
    );
    assert_eq!(
        refused(&format!("[{{provider: a, models: [x], local: true, {rates}}}]")),
        OverrideError::LocalWithRates { index: 0 }
    );
    assert_eq!(
        refused(&format!(
            "[{{provider: a, models: [x], {rates}, long: [{{above: 9, rates: {{}}}}, {{above: 9, rates: {{}}}}]}}]"
        )),
        OverrideError::LongOrder { index: 0 }
    );
    for wrong in [
        "[{provider: a, models: [x], price: 1}]",
        "[{provider: a, models: [x], rates: {standard: {input: -1}}}]",
    ] {
        assert!(serde_saphyr::from_str::<Vec<Override>>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_options_have_a_schema_with_texts() {
    let schema = schemars::schema_for!(Override).to_value();
    let properties = schema["properties"].as_object().unwrap();
    for (name, property) in properties {
        assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{name}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

/// The example of docs/prices.md, word for word.
#[test]
fn the_documented_example_does_what_it_says() {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        prices: Vec<Override>,
    }
    let page = include_str!("../../../../docs/prices.md");
    let example = page.split("```text\n").nth(1).unwrap().split("```").next().unwrap();
    let section: Section = serde_saphyr::from_str(example).unwrap();
    let catalogue = shipped().clone().with(&section.prices).unwrap();
    let found = |provider: &[&str], model: &str, at: &str| million(&catalogue, provider, model, at);
    assert_eq!(found(&["anthropic"], "claude-opus-5-5", "2026-12-01").unwrap().total.to_string(), "$0.32");
    assert_eq!(found(&["anthropic"], "claude-opus-5-5", "2026-11-30").unwrap().total.to_string(), "$0.40");
    assert_eq!(found(&["rented-gpu", "vllm"], "anything", "2026-12-01").unwrap().total.to_string(), "$0.01");
    assert_eq!(
        found(&["basement", "openai-compatible"], "anything", "2026-12-01").unwrap().basis,
        Basis::Local
    );
    assert_eq!(found(&["vllm"], "experiment-7", "2026-12-01"), Err(Unknown::Price));
}

/// What is kept with a cost says whether the configuration made its price.
#[test]
fn a_cost_says_whether_its_price_is_the_configurations() {
    let catalogue = with(
        "[{provider: openai, models: [gpt-4.1], rates: {standard: {input: 1}}}, \
         {provider: basement, models: ['*'], local: true}]",
    );
    let said = |provider: &str, model: &str| {
        let quote = catalogue.price(provider, model, moment("2026-11-21"));
        assert!(quote.is_some(), "{provider} {model}");
        catalogue.version_of(quote.as_ref())
    };
    let configured = format!("{}+configured", catalogue.version());
    assert_eq!(said("openai", "gpt-4.1"), configured);
    assert_eq!(said("basement", "x"), configured);
    assert_eq!(said("anthropic", "claude-opus-5-5"), catalogue.version());
    assert_eq!(said("vllm", "x"), catalogue.version());
}

#[test]
fn prices_in_force_change_with_the_configuration_and_stay_when_it_makes_no_sense() {
    let prices = Prices::new(overrides("[{provider: a, models: [b], rates: {standard: {input: 1}}}]"));
    let other = prices.clone();
    let first = prices.current().unwrap();
    assert_eq!(
        first.version(),
        with("[{provider: a, models: [b], rates: {standard: {input: 1}}}]").version()
    );
    prices.replace(overrides("[{provider: a, models: [b], rates: {standard: {input: 2}}}]")).unwrap();
    let second = other.current().unwrap();
    assert_ne!(first.version(), second.version());
    assert!(prices.replace(overrides("[{models: [x]}]")).is_err());
    assert_eq!(other.current().unwrap().version(), second.version());
    prices.replace(Vec::new()).unwrap();
    assert_eq!(other.current().unwrap().version(), shipped().version());
}

#[test]
fn every_entry_that_makes_no_sense_is_told_at_once() {
    let list = overrides(
        "[{models: [x]}, {provider: a, models: [x], rates: {standard: {input: 1}}}, \
         {provider: A, models: [x], rates: {standard: {input: 2}}}, {provider: a, models: [y], rates: {batch: {input: 1}}}]",
    );
    let found: Vec<usize> = Override::problems(&list).iter().map(OverrideError::index).collect();
    assert_eq!(found, [0, 2, 3]);
}

#[test]
fn classes_of_service_are_called_in_files_as_the_schema_says() {
    for (tier, name) in Tier::ALL.iter().zip(Tier::NAMES) {
        assert_eq!(serde_json::to_value(tier).unwrap(), name);
    }
}
