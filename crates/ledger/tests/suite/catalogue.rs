//! The shipped prices: complete, sane, sorted, and found under the names that clients use.

use std::collections::BTreeSet;

use lockgate_ledger::{Quote, Tier};

use crate::{date, moment, shipped, today};

/// Models whose answer costs less than the prompt, which is right for none that is known.
const CHEAPER_ANSWERS: [&str; 0] = [];

#[test]
fn every_price_names_its_source_and_the_day_it_was_read() {
    let shipped = shipped();
    let mut entries = 0;
    for (provider, model) in shipped.models() {
        for price in &model.prices {
            entries += 1;
            assert!(price.source.starts_with("https://"), "{provider} {:?}", model.ids);
            assert!(price.read >= date("2026-11-21"), "{provider} {:?}", model.ids);
            assert!(!price.rates.is_empty(), "{provider} {:?}", model.ids);
        }
    }
    assert!(entries > 250, "{entries} prices");
}

#[test]
fn prices_are_in_proportion() {
    for (provider, model) in shipped().models() {
        for price in &model.prices {
            let long = price.long.iter().flat_map(|long| long.rates.values());
            let windows = price.windows.iter().map(|window| &window.rates);
            for rates in price.rates.values().chain(long).chain(windows) {
                let context = format!("{provider} {:?} {rates:?}", model.ids);
                assert!(rates.input.nano().get() > 0, "{context}");
                let listed = model.ids.iter().any(|id| CHEAPER_ANSWERS.contains(&id.as_str()));
                assert!(rates.output.is_none_or(|output| output >= rates.input) || listed, "{context}");
                assert!(rates.cache_read.is_none_or(|read| read <= rates.input), "{context}");
                assert!(rates.cache_write_5m.is_none_or(|write| write >= rates.input), "{context}");
                assert!(
                    rates.cache_write_1h >= rates.cache_write_5m || rates.cache_write_1h.is_none(),
                    "{context}"
                );
            }
        }
    }
}

#[test]
fn a_class_of_service_costs_more_or_less_as_its_name_says() {
    for (provider, model) in shipped().models() {
        for price in &model.prices {
            let standard = price.rates[&Tier::Standard];
            for (tier, rates) in &price.rates {
                let cheaper = rates.input <= standard.input && rates.output <= standard.output;
                let dearer = rates.input >= standard.input && rates.output >= standard.output;
                let right = match tier {
                    Tier::Batch | Tier::Flex => cheaper,
                    Tier::Fast | Tier::Priority | Tier::Ultrafast => dearer,
                    Tier::Standard => true,
                };
                assert!(right, "{provider} {:?} {tier:?}", model.ids);
            }
        }
    }
}

#[test]
fn periods_and_lengths_and_hours_are_in_order() {
    for (provider, model) in shipped().models() {
        let context = format!("{provider} {:?}", model.ids);
        assert!(model.prices.is_sorted_by(|a, b| a.from < b.from), "{context}");
        for price in &model.prices {
            assert!(price.long.is_sorted_by(|a, b| a.above < b.above), "{context}");
            assert!(
                price.windows.iter().all(|window| window.weekdays.iter().all(|day| (1..=7).contains(day)))
            );
            // Long prompts are not cheaper, so that a total cannot fall as a prompt grows.
            for (tier, rates) in price.long.iter().flat_map(|long| &long.rates) {
                let short = price.rates[tier];
                assert!(rates.input >= short.input && rates.output >= short.output, "{context}");
                assert!(rates.cache_read >= short.cache_read, "{context}");
            }
        }
    }
}

#[test]
fn models_are_sorted_and_none_is_there_twice() {
    let shipped = shipped();
    let providers: BTreeSet<&str> = shipped.models().map(|(provider, _)| provider).collect();
    for provider in providers {
        let ids: Vec<_> =
            shipped.models().filter(|(of, _)| *of == provider).map(|(_, model)| &model.ids).collect();
        assert!(ids.is_sorted_by(|a, b| a[0] < b[0]), "{provider}");
        let names: BTreeSet<String> =
            ids.iter().flat_map(|ids| ids.iter()).map(|id| id.to_lowercase()).collect();
        assert_eq!(names.len(), ids.iter().map(|ids| ids.len()).sum::<usize>(), "{provider}");
    }
}

#[test]
fn each_provider_that_calls_go_to_has_prices() {
    let shipped = shipped();
    for (provider, model) in [
        ("anthropic", "claude-sonnet-4-5-20250929"),
        ("anthropic", "claude-fable-5-2"),
        ("anthropic", "anthropic/claude-haiku-4-5"),
        ("azure-openai", "gpt-5.4-mini"),
        ("cerebras", "gpt-oss-120b"),
        ("deepseek", "deepseek-v4-pro"),
        ("fireworks", "accounts/fireworks/models/gpt-oss-120b"),
        ("gemini", "models/gemini-3.8-flash"),
        ("groq", "openai/gpt-oss-120b"),
        ("mistral", "codestral-latest"),
        ("openai", "gpt-6-sol-2026-09-01"),
        ("openai", "gpt-5.6"),
        ("together", "zai-org/GLM-5.3"),
        ("vertex", "claude-opus-5-5@default"),
        ("vertex", "gemini-2.5-pro"),
        ("xai", "grok-4.5-latest"),
    ] {
        let quote = shipped.price(provider, model, today());
        assert!(matches!(quote, Some(Quote::Price { .. })), "{provider} {model}");
    }
}

/// 004-4: what is not known has no price.
#[test]
fn names_that_nobody_listed_have_no_price() {
    let shipped = shipped();
    for (provider, model) in [
        ("anthropic", "claude-opus-6"),
        ("openai", "gpt-6"),
        ("gemini", "gemini-3.6-flash-ultra"),
        ("mistral", "mistral-large-2411"),
        ("openrouter", "openrouter/auto"),
        ("ollama", "kimi-k3:cloud"),
        ("ollama", "QWEN3-CODER:480B-CLOUD"),
        ("nobody", "claude-opus-5"),
    ] {
        assert!(shipped.price(provider, model, today()).is_none(), "{provider} {model}");
    }
    for (provider, model) in
        [("ollama", "qwen3:8b"), ("vllm", "x"), ("lm-studio", "x"), ("llamacpp", "x.gguf")]
    {
        assert!(matches!(shipped.price(provider, model, today()), Some(Quote::Local { .. })), "{provider}");
    }
}

#[test]
fn a_price_that_is_announced_holds_from_its_day_on() {
    let shipped = shipped();
    let input = |at: &str| match shipped.price("gemini", "gemini-4-argon", moment(at)) {
        Some(Quote::Price { price, .. }) => price.rates[&Tier::Standard].input.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (input("2026-11-30 23:59"), input("2026-12-01 00:00")),
        ("2.00".to_owned(), "4.00".to_owned())
    );
}

#[test]
fn a_model_tells_its_window_and_whether_it_calls_tools() {
    let shipped = shipped();
    let model = shipped.model("anthropic", "claude-haiku-4-5-20251001").unwrap();
    assert_eq!(
        (model.context, model.max_output, model.function_calling),
        (Some(200_000), Some(64_000), Some(true))
    );
    assert_eq!(shipped.model("openai", "gpt-5").unwrap().retires, Some(date("2026-12-11")));
    assert!(shipped.model("openai", "unheard-of").is_none());
}

#[test]
fn the_version_of_the_prices_tells_the_day_and_stays_the_same() {
    let version = shipped().version();
    assert_eq!(version, shipped().version());
    let (day, hash) = version.split_once('+').unwrap();
    assert_eq!((day, hash.len()), ("2026-11-21", 12));
}
