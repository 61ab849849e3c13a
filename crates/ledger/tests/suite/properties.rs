//! What holds for any usage of any model in the catalogue.

use lockgate_core::Usage;
use lockgate_ledger::{Catalogue, Cost, Nano, Part, Quote, Terms, Tier, cost};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{shipped, today};

/// Tokens of a call, with borders of long prompts among them.
fn tokens() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..300, 0_u64..2_000_000, Just(100_000), Just(200_000), Just(272_000)]
}

prop_compose! {
    fn usages()(
        input in tokens(),
        read in proptest::option::of(tokens()),
        short in proptest::option::of(tokens()),
        long in proptest::option::of(tokens()),
        output in tokens(),
        thoughts in proptest::option::of(tokens()),
    ) -> Usage {
        Usage {
            cache_read: read,
            cache_write_1h: long,
            cache_write_5m: short,
            input_uncached: Some(input),
            output: Some(output),
            output_reasoning: thoughts,
            ..Usage::default()
        }
    }
}

/// A model of the catalogue that answers, and a class of service.
fn quote<'a>(shipped: &'a Catalogue, model: Index) -> Quote<'a> {
    let mut all: Vec<_> = shipped.models().collect();
    all.sort_by(|a, b| (a.0, &a.1.ids).cmp(&(b.0, &b.1.ids)));
    let priced: Vec<Quote<'a>> = all
        .into_iter()
        .filter_map(|(_, model)| {
            let price = model.price(today().date)?;
            price.rates.get(&Tier::Standard)?.output?;
            Some(Quote::Price { at: today(), configured: false, model, price })
        })
        .collect();
    priced[model.index(priced.len())]
}

fn priced(usage: &Usage, quote: &Quote<'_>) -> Cost {
    cost(usage, Some(quote), &Terms::default()).unwrap()
}

fn sum(cost: &Cost) -> u128 {
    cost.parts.iter().map(|share| u128::from(share.amount.get())).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// 004-43: the parts are the total, and each token is in one of them: what came from a cache is not counted as other
    /// input too.
    #[test]
    fn each_token_is_charged_once_and_the_parts_make_the_total(usage in usages(), model in any::<Index>()) {
        let shipped = shipped();
        let cost = priced(&usage, &quote(shipped, model));
        prop_assert_eq!(sum(&cost), u128::from(cost.total.get()));
        let units = |wanted: &[Part]| -> u64 {
            cost.parts.iter().filter(|share| wanted.contains(&share.part)).map(|share| share.units).sum()
        };
        prop_assert_eq!(units(&[Part::Input]), usage.input_uncached.unwrap_or(0));
        prop_assert_eq!(units(&[Part::CacheRead]), usage.cache_read.unwrap_or(0));
        let prompt = units(&[Part::Input, Part::CacheRead, Part::CacheWrite5m, Part::CacheWrite1h]);
        prop_assert_eq!(Some(prompt), usage.prompt());
        prop_assert_eq!(Some(units(&[Part::Output, Part::Reasoning])), usage.output);
    }

    /// 004-43: more tokens of any kind never cost less, over the borders of long prompts too.
    #[test]
    fn more_tokens_never_cost_less(usage in usages(), more in 1_u64..500_000, which in 0_usize..5, model in any::<Index>()) {
        let shipped = shipped();
        let quote = quote(shipped, model);
        let mut larger = usage.clone();
        let grown = match which {
            0 => &mut larger.input_uncached,
            1 => &mut larger.cache_read,
            2 => &mut larger.cache_write_5m,
            3 => &mut larger.cache_write_1h,
            _ => &mut larger.output,
        };
        *grown = Some(grown.unwrap_or(0) + more);
        let (before, after) = (priced(&usage, &quote).total, priced(&larger, &quote).total);
        prop_assert!(after >= before, "{before} then {after}");
    }

    /// 004-43: never negative and never wrapped round, however absurd the usage.
    #[test]
    fn absurd_usage_costs_the_most_that_can_be_counted_and_not_less_than_nothing(
        counts in proptest::array::uniform6(prop_oneof![Just(u64::MAX), any::<u64>()]),
        model in any::<Index>(),
    ) {
        let shipped = shipped();
        let usage = Usage {
            input_uncached: Some(counts[0]),
            cache_read: Some(counts[1]),
            cache_write_5m: Some(counts[2]),
            cache_write_1h: Some(counts[3]),
            output: Some(counts[4]),
            output_reasoning: Some(counts[5]),
            ..Usage::default()
        };
        let total = priced(&usage, &quote(shipped, model)).total;
        prop_assert!(total <= Nano::MAX && total.to_i64() >= 0);
        let alone = Usage { input_uncached: Some(counts[0]), output: Some(0), ..Usage::default() };
        prop_assert!(total >= priced(&alone, &quote(shipped, model)).total);
    }

    /// 004-43: reading from a cache saves, at every model that lists a price for it.
    #[test]
    fn the_same_prompt_from_the_cache_never_costs_more(input in tokens(), output in tokens(), model in any::<Index>()) {
        let shipped = shipped();
        let quote = quote(shipped, model);
        let fresh = Usage { input_uncached: Some(input), output: Some(output), ..Usage::default() };
        let cached =
            Usage { input_uncached: Some(0), cache_read: Some(input), output: Some(output), ..Usage::default() };
        prop_assert!(priced(&cached, &quote).total <= priced(&fresh, &quote).total);
    }
}
