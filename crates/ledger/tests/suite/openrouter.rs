//! OpenRouter's list: prices out of it, and what it says about configured ids.

use lockgate_core::Usage;
use lockgate_ledger::openrouter::{Finding, Limits, Models, Problem, Severity, Wanted, check};
use lockgate_ledger::{Catalogue, Quote, Terms, Tier, Unknown, cost};

use crate::{date, moment, shipped, today};

const LIST: &str = include_str!("../openrouter.json");

fn models() -> Models {
    Models::parse(LIST.as_bytes(), date("2026-11-21")).unwrap()
}

fn imported() -> Catalogue {
    shipped().clone().with_openrouter(&models())
}

fn wanted(ids: &[&str]) -> Vec<Wanted> {
    ids.iter().map(|id| Wanted { id: (*id).to_owned(), tools: true }).collect()
}

fn total(model: &str, usage: &Usage, at: &str) -> Result<u64, Unknown> {
    cost(usage, imported().price("openrouter", model, moment(at)).as_ref(), &Terms::default())
        .map(|cost| cost.total.get())
}

/// 003-21: a list with one id missing, one expiring, one without tools gives three findings.
#[test]
fn ids_that_vanish_expire_or_take_no_tools_are_found() {
    let ids = [
        "anthropic/claude-sonnet-5.5",
        "anthropic/claude-sonet-5.5",
        "example/old-model",
        "example/no-tools",
    ];
    let found = check(&wanted(&ids), &models(), &imported(), date("2026-11-21"), Limits::default());
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "anthropic/claude-sonet-5.5: OpenRouter lists no such model; the nearest are anthropic/claude-sonnet-5.5",
            "example/old-model: can be gone after 2026-12-01, in 10 days",
            "example/no-tools: takes no tools, so that agents cannot use it",
        ]
    );
    let severities: Vec<Severity> = found.iter().map(|finding| finding.problem.severity()).collect();
    assert_eq!(severities, [Severity::Error, Severity::Warning, Severity::Error]);
}

#[test]
fn a_model_that_needs_no_tools_or_is_far_from_its_end_is_no_finding() {
    let no_tools = [Wanted { id: "example/no-tools".to_owned(), tools: false }];
    assert_eq!(check(&no_tools, &models(), &imported(), date("2026-11-21"), Limits::default()), []);
    let on =
        |day| check(&wanted(&["example/old-model"]), &models(), &imported(), date(day), Limits::default());
    assert_eq!(on("2026-10-01"), []);
    let expired = Problem::Expired { on: date("2026-12-01") };
    assert_eq!(on("2026-12-02"), [Finding { id: "example/old-model".to_owned(), problem: expired }]);
}

/// 003-21: a price other than the known one by more than the limit.
#[test]
fn changed_prices_are_found_and_small_ones_are_not() {
    let known = imported();
    let dearer = LIST.replace(r#""prompt": "0.000002""#, r#""prompt": "0.0000021""#);
    let dearer = Models::parse(dearer.as_bytes(), date("2026-11-22")).unwrap();
    let on = |percent| {
        let limits = Limits { price_percent: percent, ..Limits::default() };
        check(&wanted(&["anthropic/claude-sonnet-5.5"]), &dearer, &known, date("2026-11-22"), limits)
    };
    let texts: Vec<String> = on(4).iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["anthropic/claude-sonnet-5.5: input costs $2.10 for a million tokens, not $2.00"]);
    assert_eq!(on(5), []);
}

#[test]
fn a_suffix_that_chooses_a_provider_means_the_same_model() {
    let ids = ["anthropic/claude-sonnet-5.5:nitro", "anthropic/claude-sonnet-5.5:floor"];
    assert_eq!(check(&wanted(&ids), &models(), &imported(), date("2026-11-21"), Limits::default()), []);
    let free = check(
        &wanted(&["anthropic/claude-sonnet-5.5:free"]),
        &models(),
        &imported(),
        date("2026-11-21"),
        Limits::default(),
    );
    assert!(matches!(free[..], [Finding { problem: Problem::Missing { .. }, .. }]));
}

#[test]
fn listed_prices_for_one_token_become_prices_of_the_catalogue() {
    let all = Usage {
        input_uncached: Some(1000),
        cache_read: Some(10_000),
        cache_write_5m: Some(100),
        cache_write_1h: Some(10),
        output: Some(20),
        ..Usage::default()
    };
    // 1000 x 2 + 10000 x 0.1 + 100 x 2.5 + 10 x 4 + 20 x 10
    assert_eq!(total("anthropic/claude-sonnet-5.5", &all, "2026-11-21"), Ok(3_490_000));
    let free = Usage { input_uncached: Some(5), output: Some(5), ..Usage::default() };
    assert_eq!(total("example/tiny:free", &free, "2026-11-21"), Ok(0));
    let searched = Usage { server_tools: [("web_search_requests".to_owned(), 2)].into(), ..free };
    // 5 x 2 + 5 x 10 + 2 x 10 /1000
    assert_eq!(total("anthropic/claude-sonnet-5.5", &searched, "2026-11-21"), Ok(20_060_000));
}

#[test]
fn conditions_of_length_and_hour_hold() {
    let prompt = |tokens| Usage { input_uncached: Some(tokens), output: Some(10), ..Usage::default() };
    // Strictly more than 200,000: 200000 x 2 + 10 x 12, then 200001 x 4 + 10 x 18.
    assert_eq!(total("google/gemini-long", &prompt(200_000), "2026-11-21"), Ok(400_120_000));
    assert_eq!(total("google/gemini-long", &prompt(200_001), "2026-11-21"), Ok(800_184_000));
    // Mondays from 16:30 to 00:30 over midnight at half the price: the Monday part of it.
    for (at, nano) in [
        ("2026-11-23 16:29", 2_020_000),
        ("2026-11-23 16:30", 1_010_000),
        ("2026-11-23 00:29", 1_010_000),
        ("2026-11-23 00:30", 2_020_000),
        ("2026-11-24 16:30", 2_020_000),
    ] {
        assert_eq!(total("deepseek/by-the-hour", &prompt(1000), at), Ok(nano), "{at}");
    }
}

/// 004-4: a price that differs by call, or that we could only simplify, is unknown.
#[test]
fn prices_that_cannot_be_expressed_are_unknown() {
    let usage = Usage { input_uncached: Some(5), output: Some(5), ..Usage::default() };
    for model in [
        "openrouter/auto",
        "example/per-request",
        "example/discounted",
        "example/odd-condition",
        "example/nothing",
    ] {
        assert_eq!(total(model, &usage, "2026-11-21"), Err(Unknown::Price), "{model}");
    }
    assert_eq!(models().unread, 1, "an entry without an id");
}

#[test]
fn a_newer_list_takes_the_place_of_an_older_one() {
    let older = imported();
    let newer = Models::parse(
        br#"{"data":[{"id":"a/b","pricing":{"prompt":"0.000001","completion":"0.000002"}}]}"#,
        date("2026-12-24"),
    );
    let newer = older.clone().with_openrouter(&newer.unwrap());
    assert!(newer.price("openrouter", "anthropic/claude-sonnet-5.5", today()).is_none());
    let Some(Quote::Price { price, .. }) = newer.price("openrouter", "a/b", today()) else {
        panic!("no price")
    };
    assert_eq!(price.rates[&Tier::Standard].input.to_string(), "1.00");
    assert_ne!(older.version(), newer.version());
    assert!(newer.version().starts_with("2026-12-24+"));
}

#[test]
fn an_answer_that_is_no_list_is_an_error() {
    for wrong in ["", "{}", "<html>", r#"{"data": 1}"#] {
        assert!(Models::parse(wrong.as_bytes(), date("2026-11-21")).is_err(), "{wrong}");
    }
}
