//! The cases of `tests/cases`: usage of each dialect, with cache, thoughts and class of service, against sums that were
//! written by hand.

use std::fs;
use std::path::Path;

use lockgate_core::Usage;
use lockgate_ledger::{Basis, Media, Nano, Terms, Tier, Unknown, cost};
use serde::Deserialize;

use crate::{moment, shipped};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    provider: String,
    model: String,
    #[serde(default = "day_of_reading")]
    at: String,
    /// The provider's own words; what becomes of them is proved where dialects are read.
    #[serde(default)]
    #[expect(dead_code, reason = "for people who read the cases")]
    raw: String,
    usage: Buckets,
    tier: Option<Tier>,
    #[serde(default)]
    media: Sounds,
    told: Option<u64>,
    #[serde(default)]
    #[expect(dead_code, reason = "checked by check.py, beside the cases")]
    sum: String,
    nano: Option<u64>,
    #[serde(default = "table")]
    basis: Basis,
    #[serde(default)]
    estimated: bool,
    unknown: Option<String>,
}

/// As `lockgate_core::Usage`, with every field left out that is not told.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Buckets {
    cache_read: Option<u64>,
    cache_write_1h: Option<u64>,
    cache_write_5m: Option<u64>,
    estimated: bool,
    input_uncached: Option<u64>,
    output: Option<u64>,
    output_reasoning: Option<u64>,
    server_tools: std::collections::BTreeMap<String, u64>,
    service_tier: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Sounds {
    audio_input: u64,
    audio_output: u64,
}

fn day_of_reading() -> String {
    "2026-11-21 12:00".to_owned()
}

fn table() -> Basis {
    Basis::Table
}

impl Case {
    fn usage(&self) -> Usage {
        let told = &self.usage;
        Usage {
            cache_read: told.cache_read,
            cache_write_1h: told.cache_write_1h,
            cache_write_5m: told.cache_write_5m,
            estimated: told.estimated,
            input_uncached: told.input_uncached,
            output: told.output,
            output_reasoning: told.output_reasoning,
            server_tools: told.server_tools.clone(),
            service_tier: told.service_tier.clone(),
        }
    }

    fn terms(&self) -> Terms {
        let media = Media {
            audio_input: self.media.audio_input,
            audio_output: self.media.audio_output,
            ..Media::default()
        };
        Terms { tier: self.tier, told: self.told.map(Nano::new), media }
    }
}

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    let read = |path: &std::path::PathBuf| -> Vec<(String, Case)> {
        let dialect = path.file_stem().unwrap().to_string_lossy().into_owned();
        let cases: Vec<Case> = serde_saphyr::from_str(&fs::read_to_string(path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        cases.into_iter().map(|case| (dialect.clone(), case)).collect()
    };
    files.iter().flat_map(read).collect()
}

/// 004-43: each dialect, with and without cache, thoughts and class of service, to the nano-dollar; what is not known is
/// told as unknown with its reason. 004-4: an unknown price never becomes 0.
#[test]
fn every_call_costs_what_the_published_prices_say_to_the_nano_dollar() {
    let shipped = shipped();
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for (dialect, case) in &cases {
        let at = moment(&case.at);
        let quote = shipped.price(&case.provider, &case.model, at);
        let found = cost(&case.usage(), quote.as_ref(), &case.terms());
        let context = format!("{dialect}: {}", case.name);
        let cost = match (found, &case.unknown) {
            (Ok(cost), None) => cost,
            (Err(unknown), Some(wanted)) => {
                assert_eq!(reason(&unknown), *wanted, "{context}");
                continue;
            }
            (found, wanted) => panic!("{context}: {found:?}, not {wanted:?}"),
        };
        assert_eq!(cost.total, Nano::new(case.nano.unwrap()), "{context}: {cost:?}");
        assert_eq!(cost.parts.iter().map(|share| share.amount).sum::<Nano>(), cost.total, "{context}");
        assert_eq!((cost.basis, cost.estimated), (case.basis, case.estimated), "{context}");
    }
}

#[test]
fn the_cases_cover_every_dialect_with_cache_and_thoughts_and_classes_of_service() {
    let cases = cases();
    let some = |dialect: &str, has: &dyn Fn(&Case) -> bool| {
        assert!(cases.iter().any(|(of, case)| of == dialect && has(case)), "{dialect}");
    };
    for dialect in ["anthropic", "chat", "gemini", "responses"] {
        some(dialect, &|case| case.usage.cache_read.is_some_and(|tokens| tokens > 0));
        some(dialect, &|case| case.usage.output_reasoning.is_some_and(|tokens| tokens > 0));
        some(dialect, &|case| case.usage.service_tier.is_some());
        some(dialect, &|case| case.usage.cache_read.is_none() && case.usage.output_reasoning.is_none());
    }
    some("local", &|case| case.provider == "ollama");
}

#[test]
fn a_cost_of_the_provider_goes_before_ours_and_ours_is_kept_beside_it() {
    let shipped = shipped();
    let quote = shipped.price("xai", "grok-4.7", crate::today());
    let usage = Usage { input_uncached: Some(1000), output: Some(10), ..Usage::default() };
    let told = cost(&usage, quote.as_ref(), &Terms { told: Some(Nano::new(7)), ..Terms::default() }).unwrap();
    assert_eq!((told.total, told.basis), (Nano::new(7), Basis::Provider));
    assert_eq!(told.table, Some(Nano::new(2_060_000)), "1000 x 2 + 10 x 6, for an audit of the drift");
}

#[test]
fn a_cost_is_written_into_a_record_and_read_back() {
    let shipped = shipped();
    let quote = shipped.price("anthropic", "claude-opus-5-5", crate::today());
    let usage =
        Usage { input_uncached: Some(10), cache_write_5m: Some(4), output: Some(3), ..Usage::default() };
    let cost = cost(&usage, quote.as_ref(), &Terms::default()).unwrap();
    let json = serde_json::to_string(&cost).unwrap();
    assert!(json.contains(r#"{"part":"cache_write_5m","units":4,"amount":20000}"#), "{json}");
    assert_eq!(serde_json::from_str::<lockgate_ledger::Cost>(&json).unwrap(), cost);
}

fn reason(unknown: &Unknown) -> String {
    match unknown {
        Unknown::Price => "price".to_owned(),
        Unknown::Tier(tier) => format!("tier: {tier}"),
        Unknown::Tool(tool) => format!("tool: {tool}"),
        Unknown::Usage => "usage".to_owned(),
    }
}
